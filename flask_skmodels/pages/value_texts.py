"""Values as texts for people."""

from __future__ import annotations

import re
from math import isclose
from typing import Any

import numpy as np

MINUS = "\N{MINUS SIGN}"
MAX_FIXED = 1e15  # larger numbers are shown with an exponent
_LONG = re.compile(r"(?<![0-9.])[0-9]{5,}")


def format_value(value: Any, digits: int = 6) -> str:
    """Return a value as text for people; numbers of 10,000 or more have separators.

    :param value: any value
    :param digits: significant digits of floats
    """
    text = plain_text(value, digits)
    is_number = isinstance(value, int | float | np.number)
    return grouped(text) if is_number else text


def grouped(text: str) -> str:
    """Return a text with separators in its numbers of 10,000 or more."""
    return _LONG.sub(lambda found: f"{int(found[0]):,}", text)


def plain_text(value: Any, digits: int = 6) -> str:
    """Return a value as text without separators, for example a class, which may be a code.

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
        is_large = 10**digits <= abs(value) < MAX_FIXED
        return f"{value:.0f}" if is_large else f"{value:.{digits}g}"
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def percent(share: float, *, is_probability: bool = True) -> str:
    """Return a probability or another share as a percentage, on all pages in the same way.

    Only 0 is shown as 0%, and only 1 as 100%; a value that differs by a rounding error counts as 0
    or 1.

    :param share: the share, with a minus sign if it is negative
    :param is_probability: whether it is a probability or another part of a whole, not the
        difference of two
    """
    size = abs(share)
    size = next((end for end in (0, 1) if isclose(size, end, rel_tol=0, abs_tol=1e-12)), size)
    sign = MINUS if share < 0 and size else ""
    return sign + _size_text(size, is_probability=is_probability)


def _size_text(size: float, *, is_probability: bool) -> str:
    if is_probability and 0 < size < 0.001:
        return "< 0.1%"
    if is_probability and 0.999 < size < 1:
        return "> 99.9%"
    return f"{size:.0%}" if size in (0, 1) else f"{size:.1%}"


def is_missing(value: Any) -> bool:
    """Return whether a value is missing: None, ``nan``, ``NaT`` or ``pandas.NA``."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):  # pandas.NA is neither equal nor different; an array is both
        return type(value).__name__ == "NAType"
