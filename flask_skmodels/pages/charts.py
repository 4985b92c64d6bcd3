"""Geometry of the charts: bars, histograms and range bars, in the units of an SVG view box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, log10
from sys import float_info

from flask_skmodels.schema.types import JSONObject

BINS = 20
WIDTH = 100.0
HEIGHT = 40.0
_MIN_WIDTH, _MAX_WIDTH = 1e-300, 1e300  # outside these limits, bin widths become zero or infinite
_FLOAT_MAX = float_info.max


@dataclass(frozen=True, slots=True)
class Bin:
    """A bar of a histogram.

    :param x: left edge of the bar, from 0 to 100
    :param width: width of the bar, from 0 to 100
    :param height: height of the bar, from 0 to 40
    :param low: lower edge of the bin
    :param high: upper edge of the bin
    :param count: number of values in the bin
    """

    x: float
    width: float
    height: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class RangeBar:
    """The range of the values received for a field, within the range that its schema allows.

    :param start: left end of the received range on the axis, from 0 to 100
    :param width: width of the received range on the axis, from 1 to 100
    :param low: value at the left end of the axis
    :param high: value at the right end of the axis
    :param is_open: whether the schema has no minimum, and whether it has no maximum
    """

    start: float
    width: float
    low: float
    high: float
    is_open: tuple[bool, bool]


def bin_edges(numbers: Sequence[float]) -> list[float]:
    """Return the edges of at most twenty bins of equal width.

    The width is 1, 2 or 5 times a power of 10.

    :param numbers: finite numbers, at least one
    """
    low, high = float(min(numbers)), float(max(numbers))
    width = (high - low) / BINS or 1.0
    if not _MIN_WIDTH < width < _MAX_WIDTH:
        return [low, high]
    width = round_width(width) if high > low else 1.0
    first = floor(low / width) * width
    count = max(ceil((high - first) / width), 1)
    edges = [first + index * width for index in range(count + 1)]
    return edges if _is_rising(edges, low, high) else [low, high if high > low else low + 1]


def histogram(counts: Sequence[int], edges: Sequence[float]) -> list[Bin]:
    """Return the bars of a histogram.

    :param counts: number of values in each bin
    :param edges: edges of the bins, one more than there are bins
    """
    most, width = max(counts, default=0) or 1, WIDTH / (len(counts) or 1)
    return [
        Bin(
            round(index * width, 3),
            round(width * 0.92, 3),
            max(round(count / most * HEIGHT, 3), 0.6 if count else 0.0),
            edges[index],
            edges[index + 1],
            count,
        )
        for index, count in enumerate(counts)
    ]


def bar_width(value: float | None, whole: float | None) -> float:
    """Return the width of a bar, from 0 to 100.

    :param value: the value that the bar shows
    :param whole: the value that the full width stands for
    """
    if not value or not whole or not value > 0:
        return 0.0
    return round(min(value / whole, 1.0) * WIDTH, 3)


def range_bar(received: JSONObject) -> RangeBar | None:
    """Return the range bar of a field, None if the field has received no numbers.

    :param received: ``least`` and ``most`` of the numbers received; ``minimum`` and ``maximum``
        if the schema has them
    """
    least, most = received.get("least"), received.get("most")
    if least is None or most is None:
        return None
    minimum, maximum = received.get("minimum"), received.get("maximum")
    margin = (most - least) * 0.15 or abs(most) * 0.15 or 1.0
    low = max(least - margin, -_FLOAT_MAX) if minimum is None else min(minimum, least)
    high = min(most + margin, _FLOAT_MAX) if maximum is None else max(maximum, most)
    whole = high / 2 - low / 2 or 0.5  # halves, because the whole difference could overflow a float
    start = round((least / 2 - low / 2) / whole * WIDTH, 3)
    width = max(round((most / 2 - least / 2) / whole * WIDTH, 3), 1.0)
    is_open = minimum is None, maximum is None
    return RangeBar(min(start, WIDTH - width), width, low, high, is_open)


def round_width(width: float) -> float:
    """Return the next larger width that is 1, 2 or 5 times a power of 10."""
    power: float = 10.0 ** floor(log10(width))
    return next((power * step for step in (1, 2, 5) if power * step >= width), power * 10)


def _is_rising(edges: Sequence[float], low: float, high: float) -> bool:
    """Return whether edges rise strictly and enclose all numbers, which rounding can prevent."""
    rising = all(left < right for left, right in pairwise(edges))
    return rising and edges[0] <= low and edges[-1] >= high
