"""The geometry of the drawings: bars, histograms and ranges, in units of a view box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, log10
from sys import float_info
from typing import Any

BINS = 20
WIDTH = 100.0
HEIGHT = 40.0
_LEAST, _MOST = 1e-300, 1e300  # beyond, widths are nothing or infinite
_LARGEST = float_info.max


@dataclass(frozen=True, slots=True)
class Bin:
    """One bar of a histogram.

    :param x: where it begins, from 0 to 100
    :param width: how wide it is
    :param height: from 0 to 40
    :param low: where its values begin
    :param high: where they end
    :param count: how many they are
    """

    x: float
    width: float
    height: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Span:
    """What has come beside what is allowed, on one axis from 0 to 100.

    :param start: where what has come begins
    :param width: how wide it is, at least one
    :param low: what the axis begins with
    :param high: what it ends with
    :param is_open: whether the schema allows less than that, and more
    """

    start: float
    width: float
    low: float
    high: float
    is_open: tuple[bool, bool]


def edges_of(numbers: Sequence[float]) -> list[float]:
    """Return the edges of at most twenty bins of one width, which is 1, 2 or 5 times a power of 10.

    :param numbers: finite numbers, at least one
    """
    low, high = float(min(numbers)), float(max(numbers))
    width = (high - low) / BINS or 1.0
    if not _LEAST < width < _MOST:
        return [low, high]
    width = _nice(width) if high > low else 1.0
    first = floor(low / width) * width
    count = max(ceil((high - first) / width), 1)
    edges = [first + place * width for place in range(count + 1)]
    return edges if _is_rising(edges, low, high) else [low, high if high > low else low + 1]


def histogram(counts: Sequence[int], edges: Sequence[float]) -> list[Bin]:
    """Return the bars of a histogram.

    :param counts: how many values are in each bin
    :param edges: of the bins, one more
    """
    most, width = max(counts, default=0) or 1, WIDTH / (len(counts) or 1)
    return [
        Bin(
            round(place * width, 3),
            round(width * 0.92, 3),
            max(round(count / most * HEIGHT, 3), 0.6 if count else 0.0),
            edges[place],
            edges[place + 1],
            count,
        )
        for place, count in enumerate(counts)
    ]


def share(value: float | None, most: float | None) -> float:
    """Return the width of a bar, from 0 to 100.

    :param value: what it shows
    :param most: what the whole width is
    """
    if not value or not most or not value > 0:
        return 0.0
    return round(min(value / most, 1.0) * WIDTH, 3)


def span(seen: dict[str, Any]) -> Span | None:
    """Return the drawing of the numbers of a field, None where none has come.

    :param seen: ``least`` and ``most``; ``minimum`` and ``maximum`` where the schema has them
    """
    least, most = seen.get("least"), seen.get("most")
    if least is None or most is None:
        return None
    minimum, maximum = seen.get("minimum"), seen.get("maximum")
    margin = (most - least) * 0.15 or abs(most) * 0.15 or 1.0
    low = max(least - margin, -_LARGEST) if minimum is None else min(minimum, least)
    high = min(most + margin, _LARGEST) if maximum is None else max(maximum, most)
    whole = high / 2 - low / 2 or 0.5  # in halves, for the whole may be too large a number
    start = round((least / 2 - low / 2) / whole * WIDTH, 3)
    width = max(round((most / 2 - least / 2) / whole * WIDTH, 3), 1.0)
    is_open = minimum is None, maximum is None
    return Span(min(start, WIDTH - width), width, low, high, is_open)


def _nice(width: float) -> float:
    """Return the next width that is 1, 2 or 5 times a power of 10."""
    power: float = 10.0 ** floor(log10(width))
    return next((power * step for step in (1, 2, 5) if power * step >= width), power * 10)


def _is_rising(edges: Sequence[float], low: float, high: float) -> bool:
    """Return whether edges can be told apart, which those of almost equal numbers cannot."""
    rising = all(left < right for left, right in pairwise(edges))
    return rising and edges[0] <= low and edges[-1] >= high
