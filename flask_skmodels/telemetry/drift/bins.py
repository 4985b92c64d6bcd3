"""The bins of one column: those of its profile, frozen when the model was fitted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import pairwise
from math import inf, nan, nextafter
from typing import Any

import numpy as np

from flask_skmodels.estimators.profile.column_profile import ColumnProfile, Value
from flask_skmodels.exceptions import ModelError
from flask_skmodels.schema.times import zone_of

FREQUENT = 0.05  # the share of a number from which it has a bin of its own
NUMBERS = ("number", "integer", "boolean")
TIMES = ("datetime", "date")
OTHER, UNKNOWN, MISSING = "other", "unknown", "missing"
_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bin as it is shown.

    :param label: the value, or the range of values
    :param expected: its share in the training data
    """

    label: str
    expected: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnBins:
    """The bins of one column.

    :ivar name: the name of the column
    :ivar expected: for each bin its share in the training data
    :ivar starts: the indices of the bins at which a new bar begins. The bins of values outside the
        training range are part of the first and the last bar.
    :ivar bars: the bars, as they are shown
    :ivar mean: the mean of the training data, None if it is not known
    :ivar outside: the indices of the bins of values outside the training range
    :ivar unknown: the index of the bin of unknown values, None if they are not told from others
    """

    name: str
    expected: tuple[float, ...]
    starts: tuple[int, ...]
    bars: tuple[Bar, ...]
    mean: float | None = None
    outside: tuple[int, int] | None = None
    unknown: int | None = None

    @property
    def missing(self) -> int:
        """The index of the bin of missing values, which is the last."""
        return len(self.expected) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberBins(ColumnBins):
    """The bins of a column of numbers or times.

    :ivar edges: the lower edges of all bins but the first, in ascending order. The first bin is for
        values below the training range; the one of the last edge is for values above it; the bin
        of missing values follows.
    :ivar times: how the values are turned into numbers; None if they are numbers
    """

    edges: tuple[float, ...]
    times: Times | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryBins(ColumnBins):
    """The bins of a column of texts or categories: one for each frequent value, and three more.

    :ivar codes: the index of the bin of each value that is known
    :ivar default: the index of the bin of all other values
    """

    codes: Mapping[Any, int]
    default: int


class Times:
    """Turns dates and times into microseconds since 1970, as local times of a zone.

    :param zone: the name of the time zone of the training data, None if they had none
    """

    def __init__(self, zone: str | None) -> None:
        self._zone: tzinfo | None = None
        if zone is not None:
            try:
                self._zone = zone_of(zone)
            except ModelError:  # a zone of another machine
                self._zone = UTC

    def number(self, value: Any) -> float:
        """Return a date or time as a number, nan for any other value."""
        if isinstance(value, str):
            value = _read_time(value)
        if not isinstance(value, date):
            return nan
        if not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day)
        if value.tzinfo is not None:
            value = (value if self._zone is None else value.astimezone(self._zone)).replace(
                tzinfo=None
            )
        span: timedelta = value - _EPOCH
        return span.total_seconds() * 1e6


def _read_time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def bins_of(column: ColumnProfile, name: str | None = None) -> ColumnBins:
    """Return the bins of a column.

    :param column: the profile of the column
    :param name: the name to use for it
    """
    name = column.name if name is None else name
    if column.categories is None:
        if column.type in NUMBERS and _is_complete(column):
            return _bins_of_values(column, name)
        if column.bins is not None and column.type in (*NUMBERS, *TIMES):
            return _bins_of_ranges(column, name)
    return _bins_of_categories(column, name)


def _is_complete(column: ColumnProfile) -> bool:
    """Return whether the profile lists all values of a column."""
    return bool(column.frequent.values) and column.share_other == 0


def _bins_of_values(column: ColumnProfile, name: str) -> NumberBins:
    """Return the bins of a column of few numbers: each bin is nearest to one of them."""
    frequent = column.frequent
    shares = {float(v): s for v, s in zip(frequent.values, frequent.shares, strict=True)}
    values = sorted(shares)
    middles = [low / 2 + high / 2 for low, high in pairwise(values)]
    edges = [values[0], *middles, nextafter(values[-1], inf)]
    is_boolean = column.type == "boolean"
    labels = [label_of(bool(value) if is_boolean else value) for value in values]
    pairs = [(label, shares[value]) for label, value in zip(labels, values, strict=True)]
    return _number_bins(column, name, edges, pairs)


def _bins_of_ranges(column: ColumnProfile, name: str) -> NumberBins:
    """Return the quantile bins of a column; a frequent number has a bin of its own."""
    times = Times(column.zone) if column.type in TIMES else None
    ranges = list(_ranges(column, times))
    edges = [*(low for low, *_ in ranges), nextafter(ranges[-1][1], inf)]
    pairs = [(label, share) for *_, share, label in ranges]
    return _number_bins(column, name, edges, pairs, times)


def _ranges(
    column: ColumnProfile, times: Times | None
) -> Iterator[tuple[float, float, float, str]]:
    """Yield the lower and upper edge of each range, its share, and its label."""
    if column.bins is None:
        return
    texts = column.bins.edges
    edges = [times.number(e) if times else float(e) for e in texts]
    frequent = _frequent_numbers(column) if times is None else {}
    last = len(edges) - 2
    for index, share in enumerate(column.bins.shares):
        low, high = edges[index], edges[index + 1]
        label = f"{label_of(texts[index])} to {label_of(texts[index + 1])}"
        if low < high and low in frequent:
            alone = min(frequent[low], share)
            yield low, nextafter(low, inf), alone, label_of(low)
            low, share = nextafter(low, inf), share - alone
        if index == last and low < high and high in frequent:
            alone = min(frequent[high], share)
            yield low, high, share - alone, label
            yield high, high, alone, label_of(high)
        elif low < high or index == last:
            yield low, high, share, label


def _frequent_numbers(column: ColumnProfile) -> dict[float, float]:
    pairs = zip(column.frequent.values, column.frequent.shares, strict=True)
    return {float(value): share for value, share in pairs if share >= FREQUENT}


def _number_bins(
    column: ColumnProfile,
    name: str,
    edges: Sequence[float],
    ranges: Sequence[tuple[str, float]],
    times: Times | None = None,
) -> NumberBins:
    """Return the bins between edges.

    :param ranges: the label and the share of each bin, without those of values outside the edges
    """
    present = _scaled([share for _, share in ranges], 1 - column.share_missing)
    count = len(ranges)
    bars = [Bar(label, share) for (label, _), share in zip(ranges, present, strict=True)]
    return NumberBins(
        name=name,
        expected=(0.0, *present, 0.0, column.share_missing),
        starts=(0, *range(2, count + 1), count + 2),
        bars=(*bars, Bar(MISSING, column.share_missing)),
        mean=column.mean,
        outside=(0, count + 1),
        edges=tuple(edges),
        times=times,
    )


def _bins_of_categories(column: ColumnProfile, name: str) -> CategoryBins:
    values, categories = column.frequent.values, column.categories
    has_all = categories is not None or _is_complete(column)
    count = len(values)
    other, unknown = count, count + 1
    codes: dict[Any, int] = dict.fromkeys(categories or (), other)
    codes |= {value: index for index, value in enumerate(values)}
    codes[None] = count + 2
    is_empty = not column.count  # no value is known, so that none is unknown either
    share_other = 0.0 if _is_complete(column) or is_empty else column.share_other
    shares = _scaled([*column.frequent.shares, share_other], 1 - column.share_missing)
    expected = (*shares, 0.0, column.share_missing)
    labels = [*map(label_of, values), OTHER, UNKNOWN, MISSING]
    return CategoryBins(
        name=name,
        expected=expected,
        starts=tuple(range(len(expected))),
        bars=tuple(Bar(*pair) for pair in zip(labels, expected, strict=True)),
        unknown=unknown if has_all else None,
        codes=codes,
        default=unknown if has_all else other,
    )


def _scaled(shares: Sequence[float], total: float) -> list[float]:
    """Return shares whose sum is ``total``."""
    whole = sum(shares)
    return [share * total / whole for share in shares] if whole > 0 else list(np.zeros(len(shares)))


def label_of(value: Value) -> str:
    """Return a value as it is shown."""
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, str):
        return value.removesuffix("T00:00:00")
    return str(value)
