"""Rounds numbers and times, so that a profile shows the range of a column but not its values."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from math import isfinite
from typing import Any

import numpy as np

_DIGITS = 3
_MODES = {"down": ROUND_FLOOR, "up": ROUND_CEILING, "nearest": ROUND_HALF_EVEN}
_MICROSECONDS = {"s": 10**6, "m": 60 * 10**6, "h": 3600 * 10**6, "D": 86_400 * 10**6}
_MICROSECONDS |= {"M": 2_629_746 * 10**6}
_MAX_UNITS = 100


def round_number(value: float, mode: str) -> float:
    """Return a number rounded to three significant digits.

    :param value: a finite number, an int or a float
    :param mode: ``"down"``, ``"up"`` or ``"nearest"``
    :returns: an int for an int, otherwise a float; the number itself if the result would be
        infinity
    """
    exact = Decimal(value) if isinstance(value, int) else Decimal(repr(float(value)))
    rounded = Context(prec=_DIGITS, rounding=_MODES[mode]).plus(exact)
    if isinstance(value, int):
        return int(rounded)
    return float(rounded) if isfinite(float(rounded)) else value


def unit_of(low: int, high: int) -> str:
    """Return the unit of time to round the times of a column to.

    :param low: the first time, in microseconds
    :param high: the last time, in microseconds
    :returns: NumPy's code of the smallest unit, from seconds (``"s"``) to years (``"Y"``), in which
        the span is at most 100
    """
    fitting = (u for u, size in _MICROSECONDS.items() if high - low <= _MAX_UNITS * size)
    return next(fitting, "Y")


def round_time(value: int, unit: str, mode: str) -> np.datetime64[Any]:
    """Return a time rounded to a unit.

    :param value: microseconds since 1970
    :param mode: ``"down"`` or ``"up"``
    """
    exact = np.datetime64(value, "us")
    rounded: np.datetime64[Any] = exact.astype(f"datetime64[{unit}]")  # NumPy rounds down
    return rounded + 1 if mode == "up" and rounded < exact else rounded
