"""The bins of one column, which are taken from the profile and never change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import pairwise
from math import inf, nan, nextafter
from typing import Any

import numpy as np

from flask_skmodels.estimators.profile.column_profile import ColumnProfile, Value
from flask_skmodels.exceptions import ModelError
from flask_skmodels.schema.fields import NUMERIC_KINDS, TIME_KINDS
from flask_skmodels.schema.times import zone_of
from flask_skmodels.schema.types import FloatArray

FREQUENT = 0.05  # a number with at least this share has its own bin
OTHER, UNKNOWN, MISSING = "other", "unknown", "missing"
_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Bar:
    """A bin as it is shown.

    :param label: the value, or the range of values
    :param expected: the share of the bin in the training data
    """

    label: str
    expected: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnBins:
    """The bins of one column.

    :ivar name: the name of the column
    :ivar source: the profile of the column
    :ivar expected: for each bin, its share in the training data, shape (bins,)
    """

    name: str
    source: ColumnProfile
    expected: FloatArray

    @property
    def missing(self) -> int:
        """The index of the bin of missing values, which is the last bin."""
        return len(self.expected) - 1

    @property
    def outside(self) -> tuple[int, int] | None:
        """The indices of the bins of values outside the training range, None for categories."""
        return None

    @property
    def unknown(self) -> int | None:
        """The index of the bin of unknown values, None if it also has other values."""
        return None

    @property
    def starts(self) -> tuple[int, ...]:
        """The indices of the bins at which a new bar begins."""
        return tuple(range(len(self.expected)))

    @property
    def labels(self) -> list[str]:
        """The label of each bar."""
        raise NotImplementedError

    @property
    def bars(self) -> list[Bar]:
        """The bars, as they are shown."""
        shares = np.add.reduceat(self.expected, self.starts).tolist()
        return [Bar(*pair) for pair in zip(self.labels, shares, strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberBins(ColumnBins):
    """The bins of a column of numbers or times.

    :ivar edges: the lower edges of all bins except the first, in ascending order. The first bin is
        for values below the training range; the bin of the last edge is for values above it; the
        bin of missing values follows.
    :ivar times: turns the values into numbers; None if they are numbers
    """

    edges: FloatArray
    times: Times | None = None

    @property
    def outside(self) -> tuple[int, int]:
        """The indices of the bins of values outside the training range."""
        return 0, self.missing - 1

    @property
    def starts(self) -> tuple[int, ...]:
        """The indices of the bins at which a new bar begins.

        The bins of values outside the training range are part of the first and the last bar.
        """
        return (0, *range(2, self.missing - 1), self.missing)

    @property
    def labels(self) -> list[str]:
        """The label of each bar."""
        return [*(label for label, *_ in _ranges(self.source, self.times)), MISSING]


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryBins(ColumnBins):
    """The bins of a column of texts or categories: one for each frequent value, and three more."""

    @property
    def unknown(self) -> int | None:
        """The index of the bin of unknown values, None if it also has other values."""
        has_all = self.source.categories is not None or _is_complete(self.source)
        return self.missing - 1 if has_all else None

    @property
    def codes(self) -> dict[Any, int]:
        """The index of the bin of each known value."""
        other = self.missing - 2
        codes: dict[Any, int] = dict.fromkeys(self.source.categories or (), other)
        codes |= {value: index for index, value in enumerate(self.source.frequent.values)}
        codes[None] = self.missing
        return codes

    @property
    def default(self) -> int:
        """The index of the bin of all other values."""
        return self.missing - 2 if self.unknown is None else self.unknown

    @property
    def labels(self) -> list[str]:
        """The label of each bar."""
        return [*map(label_of, self.source.frequent.values), OTHER, UNKNOWN, MISSING]


class Times:
    """Turns dates and times into microseconds since 1970, in local time of a zone.

    :param zone: the name of the time zone of the training data, None if they had none
    """

    def __init__(self, zone: str | None) -> None:
        self._zone: tzinfo | None = None
        if zone is not None:
            try:
                self._zone = zone_of(zone)
            except ModelError:  # a zone that this machine does not have
                self._zone = UTC

    def number(self, value: Any) -> float:
        """Return a date or time as a number, and nan for any other value."""
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


def column_bins(column: ColumnProfile, name: str | None = None) -> ColumnBins:
    """Return the bins of a column.

    :param column: the profile of the column
    :param name: the name to use for the column
    """
    name = column.name if name is None else name
    times = Times(column.zone) if column.type in TIME_KINDS else None
    ranges = list(_ranges(column, times))
    present = 1 - column.share_missing
    if not ranges:
        complete = _is_complete(column) or not column.count
        shares = [*column.frequent.shares, 0.0 if complete else column.share_other]
        expected = np.array([*_scaled(shares, present), 0.0, column.share_missing])
        return CategoryBins(name=name, source=column, expected=expected)
    shares = _scaled([share for _, share, _, _ in ranges], present)
    expected = np.array([0.0, *shares, 0.0, column.share_missing])
    edges = [*(low for _, _, low, _ in ranges), nextafter(ranges[-1][-1], inf)]
    return NumberBins(
        name=name, source=column, expected=expected, edges=np.array(edges), times=times
    )


def _is_complete(column: ColumnProfile) -> bool:
    """Return whether the profile lists all values of a column."""
    return bool(column.frequent.values) and column.share_other == 0


_Range = tuple[str, float, float, float]  # label, share, lower and upper edge


def _ranges(column: ColumnProfile, times: Times | None) -> Iterator[_Range]:
    """Yield the ranges that a column of numbers or times is divided into; none for other columns.

    These are quantile bins, in which a frequent number has its own bin. In a column of few numbers,
    the range of a number has the values that are nearest to it.
    """
    if column.categories is not None or column.type not in NUMERIC_KINDS | TIME_KINDS:
        return
    if times is None and _is_complete(column):
        yield from _ranges_of_values(column)
    elif column.bins is not None:
        yield from _ranges_of_bins(column, times)


def _ranges_of_values(column: ColumnProfile) -> Iterator[_Range]:
    frequent = column.frequent
    shares = {float(v): s for v, s in zip(frequent.values, frequent.shares, strict=True)}
    values = sorted(shares)
    middles = [low / 2 + high / 2 for low, high in pairwise(values)]
    edges = [values[0], *middles, values[-1]]
    for value, (low, high) in zip(values, pairwise(edges), strict=True):
        label = label_of(bool(value) if column.type == "boolean" else value)
        yield label, shares[value], low, high


def _ranges_of_bins(column: ColumnProfile, times: Times | None) -> Iterator[_Range]:
    texts = () if column.bins is None else column.bins.edges
    edges = [times.number(each) if times else float(each) for each in texts]
    frequent = _frequent_numbers(column) if times is None else {}
    last = len(edges) - 2
    for index, share in enumerate(() if column.bins is None else column.bins.shares):
        low, high = edges[index], edges[index + 1]
        label = f"{label_of(texts[index])} to {label_of(texts[index + 1])}"
        if low < high and low in frequent:
            alone = min(frequent[low], share)
            yield label_of(low), alone, low, nextafter(low, inf)
            low, share = nextafter(low, inf), share - alone
        if index == last and low < high and high in frequent:
            alone = min(frequent[high], share)
            yield label, share - alone, low, high
            yield label_of(high), alone, high, high
        elif low < high or index == last:
            yield label, share, low, high


def _frequent_numbers(column: ColumnProfile) -> dict[float, float]:
    pairs = zip(column.frequent.values, column.frequent.shares, strict=True)
    return {float(value): share for value, share in pairs if share >= FREQUENT}


def _scaled(shares: Sequence[float], total: float) -> list[float]:
    """Return shares whose sum is ``total``."""
    whole = sum(shares)
    return [share * total / whole if whole > 0 else 0.0 for share in shares]


def label_of(value: Value) -> str:
    """Return a value as it is shown."""
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, str):
        return value.removesuffix("T00:00:00")
    return str(value)
