"""The profile of one column of the training data, and its JSON form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from flask_skmodels.schema.types import JSONObject

TYPES = ("number", "integer", "boolean", "string", "datetime", "date", "any")
MARKERS = ("nan", "none", "na")

Value = str | int | float | bool
"""A value of the training data in a profile; a date or time is a text in ISO 8601."""


@dataclass(frozen=True, slots=True)
class Bins:
    """Quantile bins of the values of a column.

    :param edges: the bounds of the bins in ascending order, one more than there are bins; a bin
        contains its lower bound, and the last bin also its upper bound
    :param shares: for each bin, its share of the values that are not missing
    """

    edges: tuple[Value, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Frequent:
    """The most frequent values of a column; each occurs in at least 20 rows.

    :param values: the values, the most frequent first
    :param shares: for each value, its share of the values that are not missing
    """

    values: tuple[Value, ...] = ()
    shares: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnProfile:
    """A column of the training data. The profile has no row, and no value from a single row.

    :param name: the name of the column
    :param label: the label of the column in the data frame, if it is an integer
    :param type: the type of the values: ``"number"``, ``"integer"``, ``"boolean"``, ``"string"``,
        ``"datetime"``, ``"date"``, or ``"any"`` for mixed or other values
    :param dtype: the dtype, as pandas, polars or NumPy writes it
    :param categories: the categories of a column of categories, in order
    :param is_ordered: True if the categories are ordered
    :param zone: the time zone of a column of times
    :param share_missing: the share of rows without a value
    :param missing_marker: how a missing value was written: ``"nan"``, ``"none"`` or ``"na"``
        (``pandas.NA``); None if no value was missing
    :param count: the number of rows with a value
    :param mean: the mean of numbers; of booleans the share of True
    :param std: the standard deviation of numbers, with ``ddof=0``
    :param min: the smallest value, rounded down
    :param max: the largest value, rounded up
    :param bins: quantile bins of numbers and times
    :param frequent: the most frequent values
    :param share_other: the share of all other values
    :param typical: the median, rounded, or the most frequent value
    :param extra: keys that this version of the library does not know
    """

    name: str
    label: int | None = None
    type: str = "any"
    dtype: str
    categories: tuple[Value, ...] | None = None
    is_ordered: bool = False
    zone: str | None = None
    share_missing: float = 0.0
    missing_marker: str | None = None
    count: int = 0
    mean: float | None = None
    std: float | None = None
    min: Value | None = None
    max: Value | None = None
    bins: Bins | None = None
    frequent: Frequent = Frequent()
    share_other: float = 1.0
    typical: Value | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> JSONObject:
        """Return the column as a JSON object, without the attributes that are None."""
        return dict(self._pairs()) | dict(self.extra)

    def _pairs(self) -> Iterator[tuple[str, Any]]:
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, Bins | Frequent):
                value = {part.name: list(getattr(value, part.name)) for part in fields(value)}
            if each.name != "extra" and value is not None:
                yield each.name, list(value) if isinstance(value, tuple) else value
