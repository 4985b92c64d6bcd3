"""The summary of a column of any type, whose values are added all at once or in parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from numbers import Integral, Real

import numpy as np

from flask_skmodels.estimators.profile.column_profile import ColumnProfile
from flask_skmodels.estimators.profile.summaries import (
    MIN_ROWS,
    NumberSummary,
    TimeSummary,
    ValueCounts,
)
from flask_skmodels.schema.fields import NUMBER_KINDS, TIME_KINDS
from flask_skmodels.schema.types import Array, FieldValue, Keywords, Values

MAX_CATEGORIES = 1_000


class ColumnSummary:
    """The summary of one column.

    :param name: the name of the column
    :param limit: the number of values in the random sample that bins are taken from; None to use
        all values
    :ivar dtype: the dtype of the column, to be set by the caller
    :ivar label: as in :class:`ColumnProfile`; so are ``categories``, ``is_ordered`` and ``zone``
    """

    def __init__(self, name: str, *, limit: int | None = None) -> None:
        self.name = name
        self.dtype = ""
        self.label: int | None = None
        self.categories: tuple[FieldValue, ...] | None = None
        self.is_ordered = False
        self.zone: str | None = None
        self.types: set[str] = set()
        self.rows = 0
        self.missing = 0
        self.marker: str | None = None
        self._other = 0
        self._numbers = NumberSummary(limit)
        self._counts = ValueCounts()
        self._times = TimeSummary(limit), TimeSummary(limit, is_date=True)

    def add_missing(self, count: int, marker: str) -> None:
        """Add rows without a value.

        :param count: the number of rows
        :param marker: how the missing value is written, as in :class:`ColumnProfile`
        """
        self.rows += count
        self.missing += count
        if count and self.marker is None:
            self.marker = marker

    def add_numbers(self, values: Array, *, is_own: bool = False) -> None:
        """Add the values of rows: an array of integers or floats without NaN.

        :param is_own: True if nothing else uses the array, so that it may be changed
        """
        self._add("integer" if values.dtype.kind in "iu" else "number", len(values))
        self._numbers.add(values, is_own=is_own)

    def add_floats(self, values: Array) -> None:
        """Add rows: an array of floats, NaN for a missing value."""
        mask = np.isnan(values)
        count = int(np.count_nonzero(mask))
        self.add_missing(count, "nan")
        self.add_numbers(values[~mask] if count else values, is_own=count > 0)

    def add_texts(self, values: Sequence[str]) -> None:
        """Add the values of rows: texts."""
        self._add("string", len(values))
        self._counts.add_texts(values)

    def add_booleans(self, values: Array) -> None:
        """Add the values of rows: an array of booleans."""
        count = int(np.count_nonzero(values))
        self.add_counts("boolean", {True: count, False: len(values) - count})

    def add_counts(self, type_: str, counts: Mapping[FieldValue, int]) -> None:
        """Add the number of occurrences of each value, texts or booleans."""
        counts = {value: count for value, count in counts.items() if count}
        self._add(type_, sum(counts.values()))
        self._counts.add_counts(counts)

    def add_times(self, values: Array, *, is_date: bool = False) -> None:
        """Add the values of rows: an array of ``datetime64`` without missing values."""
        self._add("date" if is_date else "datetime", len(values))
        self._times[is_date].add(values.astype("datetime64[us]").astype(np.int64))

    def add_other(self, count: int) -> None:
        """Add rows whose values have a type that no field can have."""
        self._add("any", count)

    def add_objects(self, values: Values) -> None:
        """Add the values of rows: Python objects, none of them missing."""
        types = {kind: _type_of(kind) for kind in set(map(type, values))}
        for type_ in dict.fromkeys(types.values()):
            chosen = [v for v in values if types[type(v)] == type_] if len(types) > 1 else values
            self._add_objects(type_, chosen)

    def _add_objects(self, type_: str, values: Values) -> None:
        if type_ == "string":
            self.add_texts(values)
        elif type_ == "boolean":
            self.add_booleans(np.array(values, dtype=np.bool_))
        elif type_ in NUMBER_KINDS:
            self._add(type_, len(values))
            self._numbers.add(_array_of_numbers(values, type_))
        elif type_ in TIME_KINDS:
            self._add_python_times(values, is_date=type_ == "date")
        else:
            self.add_other(len(values))

    def _add_python_times(self, values: Values, *, is_date: bool) -> None:
        zones = {str(each.tzinfo) for each in values if not is_date and each.tzinfo is not None}
        self.zone = self.zone or next(iter(sorted(zones)), None)
        local = values if is_date else [each.replace(tzinfo=None) for each in values]
        self.add_times(np.array(local, dtype="datetime64[us]"), is_date=is_date)

    def _add(self, type_: str, count: int) -> None:
        self.rows += count
        if count:
            self.types.add(type_)

    @property
    def type(self) -> str:
        """The type of the values, ``"any"`` if there are several."""
        types = {"number"} if self.types == NUMBER_KINDS else self.types
        return next(iter(types)) if len(types) == 1 else "any"

    def profile(self) -> ColumnProfile:
        """Return the profile of the column."""
        type_ = self.type
        attributes = self._statistics(type_)
        self._keep_categories()
        if self.categories is not None:
            mode = self._counts.mode()
            attributes["typical"] = mode if mode in self.categories else None
        return ColumnProfile(
            name=self.name,
            label=self.label,
            type=type_,
            dtype=self.dtype,
            categories=self.categories,
            is_ordered=self.is_ordered,
            zone=self.zone,
            share_missing=self.missing / self.rows if self.rows else 0.0,
            missing_marker=self.marker,
            count=self.rows - self.missing,
            **attributes,
        )

    def _statistics(self, type_: str) -> Keywords:
        if self.categories is not None:
            return self._counts.describe()
        if type_ in NUMBER_KINDS:
            return self._numbers.describe()
        if type_ == "boolean":
            share = self._counts.of(True) / self._counts.count
            return self._counts.describe() | {"mean": share, "typical": self._counts.mode()}
        if type_ in TIME_KINDS:
            return self._times[type_ == "date"].describe()
        return self._counts.describe() if type_ == "string" else {}

    def _keep_categories(self) -> None:
        """Drop categories that identify rows: there are too many, or most occur in one row only."""
        if self.categories is None:
            return
        used = [count for each in self.categories if (count := self._counts.of(each))]
        are_rare = len(used) >= MIN_ROWS and sum(count == 1 for count in used) > len(used) / 2
        if are_rare or len(self.categories) > MAX_CATEGORIES:
            self.categories = None


def _type_of(kind: type) -> str:
    """Return the type of a field for the class of a value."""
    if issubclass(kind, (bool, np.bool_)):
        return "boolean"
    if issubclass(kind, Integral):
        return "integer"
    if issubclass(kind, (Real, Decimal)):
        return "number"
    if issubclass(kind, str):
        return "string"
    if issubclass(kind, datetime):
        return "datetime"
    return "date" if issubclass(kind, date) else "any"


def _array_of_numbers(values: Values, type_: str) -> Array:
    """Return numbers as an array; integers that int64 cannot hold become floats."""
    if type_ == "integer":
        try:
            return np.array([int(value) for value in values], dtype=np.int64)
        except OverflowError:
            return np.array([_float(value) for value in values]).astype(np.float64)
    return np.array([float(value) for value in values], dtype=np.float64)


def _float(value: FieldValue) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")
