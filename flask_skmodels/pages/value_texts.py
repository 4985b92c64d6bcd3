"""Values as texts for people."""

from __future__ import annotations

from typing import Any

import numpy as np

LARGEST_FIXED = 1e15  # larger numbers are shown with an exponent


def format_value(value: Any, digits: int = 6) -> str:
    """Return a value as text for people.

    :param value: any value
    :param digits: significant digits of floats
    """
    if isinstance(value, np.generic):
        value = value.item()
    if is_missing(value):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        is_large = 10**digits <= abs(value) < LARGEST_FIXED
        return f"{value:.0f}" if is_large else f"{value:.{digits}g}"
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def percent(share: float) -> str:
    """Return a probability or another share as a percentage, on all pages in the same way.

    Only 0 is shown as 0%, and only 1 as 100%.

    :param share: from 0 to 1
    """
    if 0 < share < 0.001:
        return "< 0.1%"
    if 0.999 < share < 1:
        return "> 99.9%"
    return f"{share:.0%}" if share in (0, 1) else f"{share:.1%}"


def class_text(value: Any) -> str:
    """Return a class as text for people."""
    return format_value(value) if isinstance(value, bool | np.bool_) else str(value)


def is_missing(value: Any) -> bool:
    """Return whether a value is missing: None, ``nan``, ``NaT`` or ``pandas.NA``."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):  # pandas.NA is neither equal nor different; an array is both
        return type(value).__name__ == "NAType"
