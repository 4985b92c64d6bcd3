"""Summaries of the values of a column, which are added all at once or in parts.

They hold a bounded number of values, whatever the number of rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice, pairwise
from math import isfinite, sqrt
from typing import Any

import numpy as np

from flask_skmodels.estimators.profile.column_profile import Bins, Frequent, Value
from flask_skmodels.estimators.profile.rounding import round_number, round_time, unit_of
from flask_skmodels.schema.types import Array, FieldValue, Keywords

MIN_ROWS = 20  # behind each frequent value and each bin
MAX_FREQUENT = 50
MAX_BINS = 20
MAX_COUNTED = 50_000  # different values of a column that are counted at the same time
MAX_TEXT_LENGTH = 100  # characters; longer texts are not kept
_PART = 2**16  # rows


class NumberSummary:
    """A summary of finite numbers.

    :param limit: the number of values in the random sample from which bins and frequent values are
        taken; None to use all values
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._random = np.random.default_rng(0)
        self._parts: list[Array] = []
        self._kept = 0
        self._is_own = False
        self._sum_of_squares = 0.0
        self.count = 0
        self.mean = 0.0
        self.min: float | None = None
        self.max: float | None = None

    def add(self, values: Array, *, is_own: bool = False) -> None:
        """Add numbers.

        :param values: array of shape (values,) of integers or floats; infinite values are left out
        :param is_own: True if nothing else uses the array, so that it may be sorted in place
        """
        if values.dtype.kind == "f":
            values = values.astype(_float_type(values), copy=False)
            is_finite = np.isfinite(values)
            if not is_finite.all():
                values, is_own = values[is_finite], True
        self._is_own = is_own
        if not len(values):
            return
        low, high = values.min().item(), values.max().item()
        self.min = low if self.min is None else min(self.min, low)
        self.max = high if self.max is None else max(self.max, high)
        self._add_to_sample(values)
        for start in range(0, len(values), _PART):
            self._add_moments(values[start : start + _PART].astype(np.float64))

    def _add_moments(self, values: Array) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            count, mean = len(values), float(values.mean())
            values -= mean
            delta, total = mean - self.mean, self.count + count
            self._sum_of_squares += float(np.vdot(values, values))
            self._sum_of_squares += delta * delta * self.count * count / total
            self.mean += delta * count / total
            self.count = total

    def _add_to_sample(self, values: Array) -> None:
        """Keep a uniform sample: each value gets a random key, and the smallest keys stay."""
        seen, count = self.count, len(values)
        if self._limit is None or seen + count <= self._limit:
            self._parts.append(values)
            self._kept += count
            return
        share = self._limit / (seen + count)
        new = values[self._random.random(count) < share]
        if self._kept:
            old = np.concatenate(self._parts)
            self._parts = [old[self._random.random(len(old)) < (seen * share) / self._kept]]
        self._parts.append(new)
        self._kept = sum(map(len, self._parts))

    def take_sample(self) -> Array:
        """Return the sample in ascending order, and no longer keep it."""
        parts, self._parts = self._parts, []
        if len(parts) == 1 and self._is_own:
            parts[0].sort()
            return parts[0]
        return np.sort(parts[0]) if len(parts) == 1 else np.sort(np.concatenate(parts))

    @property
    def std(self) -> float:
        """The standard deviation, with ``ddof=0``."""
        return sqrt(self._sum_of_squares / self.count) if self.count else 0.0

    def moments(self, share_other: float) -> dict[str, float]:
        """Return the mean and the standard deviation, rounded if they would reveal a few values.

        The sum of the values that are not listed follows from the mean and the frequent values.

        :param share_other: the share of the values that are not frequent
        """
        figures = {"mean": self.mean, "std": self.std}
        if self.count < MIN_ROWS or 0 < share_other * self.count < MIN_ROWS:
            figures = {k: round_number(v, "nearest") for k, v in figures.items() if isfinite(v)}
        return {name: value for name, value in figures.items() if isfinite(value)}

    def describe(self) -> Keywords:
        """Return the attributes of a column's profile."""
        if not self.count or self.min is None or self.max is None:
            return {}
        sample = self.take_sample()
        frequent = frequent_of(_runs(sample), len(sample))
        median = sample[len(sample) // 2].item()
        is_frequent = median in frequent.values
        others = share_other(frequent)
        return self.moments(others) | {
            "min": round_number(self.min, "down"),
            "max": round_number(self.max, "up"),
            "bins": self._bins(sample),
            "frequent": frequent,
            "share_other": others,
            "typical": median if is_frequent else round_number(median, "nearest"),
        }

    def _bins(self, sample: Array) -> Bins:
        """Return quantile bins, each of at least 20 values; bins with equal edges are merged."""
        raw = _quantiles(sample)
        middle = len(raw) // 2
        edges = [round_number(e, "down" if i < middle else "up") for i, e in enumerate(raw)]
        edges[0] = round_number(self.min or 0, "down")
        edges[-1] = round_number(self.max or 0, "up")
        return bins_with_edges(sample, edges)


class TimeSummary:
    """A summary of times.

    :param limit: as for :class:`NumberSummary`
    :param is_date: True for days without a time
    """

    def __init__(self, limit: int | None = None, *, is_date: bool = False) -> None:
        self._numbers = NumberSummary(limit)
        self.is_date = is_date

    @property
    def count(self) -> int:
        """The number of values."""
        return self._numbers.count

    def add(self, values: Array) -> None:
        """Add times.

        :param values: array of shape (values,) of microseconds since 1970
        """
        self._numbers.add(values)

    def describe(self) -> Keywords:
        """Return the attributes of a column's profile; times are texts in ISO 8601."""
        low, high = self._numbers.min, self._numbers.max
        if low is None or high is None:
            return {}
        sample = self._numbers.take_sample()
        unit = unit_of(int(low), int(high))
        unit = "D" if self.is_date and unit in "smh" else unit
        times = [round_time(int(edge), unit, "down") for edge in _quantiles(sample)]
        times[0], times[-1] = round_time(int(low), unit, "down"), round_time(int(high), unit, "up")
        microseconds = [int(t.astype("datetime64[us]").astype(np.int64)) for t in times]
        bins = bins_with_edges(sample, microseconds)
        edges = tuple(self._text(np.datetime64(int(edge), "us")) for edge in bins.edges)
        median = round_time(int(sample[len(sample) // 2]), unit, "down")
        return {
            "min": self._text(times[0]),
            "max": self._text(times[-1]),
            "bins": Bins(edges, bins.shares),
            "typical": self._text(median),
        }

    def _text(self, time: np.datetime64[Any]) -> str:
        return str(time.astype("datetime64[D]" if self.is_date else "datetime64[s]"))


class ValueCounts:
    """A summary of texts or booleans: how often each value occurs.

    If a column has more than 50,000 values, the rare ones are dropped from time to time. The counts
    are then lower bounds, so that a value that counts as frequent is frequent.
    """

    def __init__(self) -> None:
        self.count = 0
        self._counts: Counter[FieldValue] = Counter()

    def add_texts(self, values: Sequence[str]) -> None:
        """Add texts; texts of more than 100 characters are only counted."""
        self.count += len(values)
        if max(map(len, values), default=0) > MAX_TEXT_LENGTH:
            values = [value for value in values if len(value) <= MAX_TEXT_LENGTH]
        self._counts.update(values)
        self._drop_rare_values()

    def add_counts(self, counts: Mapping[FieldValue, int]) -> None:
        """Add the number of occurrences of each value."""
        self.count += sum(counts.values())
        self._counts.update(counts)
        self._drop_rare_values()

    def _drop_rare_values(self) -> None:
        """Keep at most half of ``MAX_COUNTED`` values if there are more than ``MAX_COUNTED``."""
        least = 1 if len(self._counts) > MAX_COUNTED else 0
        while least and len(self._counts) > MAX_COUNTED // 2:
            least += 1
            self._counts = Counter({v: n for v, n in self._counts.items() if n >= least})

    def mode(self) -> FieldValue:
        """Return the most frequent value, None if there is none."""
        return next((value for value, _ in self._counts.most_common(1)), None)

    def of(self, value: object) -> int:
        """Return the number of occurrences of a value."""
        return self._counts[value]

    def describe(self) -> Keywords:
        """Return the attributes of a column's profile."""
        frequent = frequent_of(self._counts, self.count)
        first = next(iter(frequent.values), None)
        return {"frequent": frequent, "share_other": share_other(frequent), "typical": first}


def _float_type(values: Array) -> Any:
    return np.float32 if values.dtype == np.float32 else np.float64


def frequent_of(counts: Mapping[FieldValue, int], total: int) -> Frequent:
    """Return the frequent values, the most frequent first; equal counts keep their order.

    :param counts: the number of occurrences of each value
    :param total: the number of all values
    """
    often = [pair for pair in counts.items() if pair[1] >= MIN_ROWS]
    often.sort(key=lambda pair: -pair[1])
    often = list(islice((pair for pair in often if _is_kept(pair[0])), MAX_FREQUENT))
    shares = tuple(round(count / total, 6) for _, count in often)
    return Frequent(tuple(value for value, _ in often), shares)


def share_other(frequent: Frequent) -> float:
    """Return the share of the values that are not frequent."""
    return round(max(0.0, 1.0 - sum(frequent.shares)), 6)


def bins_with_edges(values: Array, edges: Iterable[float]) -> Bins:
    """Return the bins with these edges, without bins of no width, and the share in each.

    :param values: the values in ascending order
    :param edges: in ascending order; the first is at most the smallest value, the last at least the
        largest
    """
    ordered = sorted(set(edges))
    ordered = ordered * 2 if len(ordered) == 1 else ordered
    starts = [0, *(int(np.searchsorted(values, edge)) for edge in ordered[1:-1]), len(values)]
    shares = tuple(round((high - low) / len(values), 6) for low, high in pairwise(starts))
    kept: tuple[Value, ...] = tuple(ordered)
    return Bins(kept, shares)


def _quantiles(values: Array) -> list[FieldValue]:
    """Return the quantiles of sorted values, from the smallest to the largest."""
    bins = min(MAX_BINS, max(1, len(values) // MIN_ROWS))
    positions = np.linspace(0, len(values) - 1, bins + 1).astype(np.int64)
    return list(values[positions].tolist())


def _runs(values: Array) -> dict[FieldValue, int]:
    """Return the number of occurrences of each value that occurs at least 20 times.

    :param values: the values in ascending order
    """
    if len(values) < MIN_ROWS:
        return {}
    # In a run of 20 equal values, a value equals the value 19 places later.
    heads = np.flatnonzero(values[: -MIN_ROWS + 1] == values[MIN_ROWS - 1 :])
    distinct = np.unique(values[heads])
    counts = np.searchsorted(values, distinct, "right") - np.searchsorted(values, distinct)
    top = np.argsort(-counts, kind="stable")[:MAX_FREQUENT]
    return dict(zip(distinct[top].tolist(), counts[top].tolist(), strict=True))


def _is_kept(value: Value) -> bool:
    """Return False for a long text, and for half of a surrogate pair, which JSON cannot contain."""
    if not isinstance(value, str):
        return True
    return len(value) <= MAX_TEXT_LENGTH and not any("\ud800" <= c <= "\udfff" for c in value)
