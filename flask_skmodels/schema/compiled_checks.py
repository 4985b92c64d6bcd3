"""Fast checks of rows against all fields of a schema: row by row, or column by column."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from itertools import chain
from math import isfinite, nan
from operator import itemgetter
from typing import Any

import numpy as np

from flask_skmodels.schema.field_checks import REFUSED, FieldCheck, compile_check
from flask_skmodels.schema.fields import Field
from flask_skmodels.schema.json_schema import VALUES
from flask_skmodels.schema.rows import EXACT, Columns, Matrix, Repeated, Rows
from flask_skmodels.schema.text_values import ABSENT
from flask_skmodels.schema.types import Array, BoolArray, ColumnValues, FieldValue, Values

_MANY = 8  # with at least so many fields, all values are compared together
_FLOAT = frozenset({float})
_FLOAT_MAX = sys.float_info.max
_PLAIN_TYPES = {int, float, str, bool, type(None), list, dict}


class RowChecks:
    """The compiled checks of all fields of a schema.

    :param checks: the check of each field by its name, in the order of X
    :param positional: the names of the fields in the order of a row without names
    :param known: every name that a client may use
    :param aliases: the target field of each alias
    :param unnamed: whether a row is one field ``values``
    :param purge_unknown: whether unknown fields are ignored
    :param is_all_optional: whether no field is required; Cerberus validates a row that names only
        other fields
    :param as_arrays: whether X holds numbers as NumPy's types; if not, they stay Python objects
    :ivar is_numeric: whether every value of X is a float64 within bounds
    """

    def __init__(
        self,
        checks: Mapping[str, FieldCheck],
        positional: Sequence[str],
        *,
        known: frozenset[str],
        aliases: Mapping[str, str],
        unnamed: bool,
        purge_unknown: bool,
        is_all_optional: bool,
        as_arrays: bool,
    ) -> None:
        self._checks = [(name, check, positional.index(name)) for name, check in checks.items()]
        self._plan = [
            (name, check, index, check.types if check.is_bounded else (), check.low, check.high)
            for name, check, index in self._checks
        ]
        self._has_many_floats = len(checks) >= _MANY and all(
            check.is_bounded and float in check.types for check in checks.values()
        )
        if self._has_many_floats:
            self._low = max(check.low for check in checks.values())
            self._high = min(check.high for check in checks.values())
            self._is_unlimited = self._low <= -_FLOAT_MAX and self._high >= _FLOAT_MAX
        self._accepts_any_dict = purge_unknown and not unnamed and not aliases
        self._width = len(positional)
        self.is_numeric = len(checks) > 1 and all(check.is_float for check in checks.values())
        self._as_arrays = as_arrays
        self._by_name = itemgetter(*checks)
        self._order = [index for _, _, index in self._checks]
        self._in_order = self._order == list(range(self._width))
        self._by_index = itemgetter(*self._order)
        self._lows = np.array([check.low for check in checks.values()], dtype=np.float64)
        self._highs = np.array([check.high for check in checks.values()], dtype=np.float64)
        self._nullable = np.array([check.field.nullable for check in checks.values()])
        self._known = frozenset({VALUES}) if unnamed else known
        self._aliases = aliases
        self._unnamed = unnamed
        self._purge_unknown = purge_unknown
        self._is_all_optional = is_all_optional

    def row(self, item: Any, *, text: bool) -> Values | None:
        """Return the values of one row in the order of X; None if Cerberus has to validate it."""
        if self._has_many_floats and type(item) is dict and self._accepts_any_dict:
            floats = self._floats(item)
            if floats is not None:
                return floats
        source = item if self._accepts_any_dict and type(item) is dict else self._source(item, text)
        if source is None:
            return None
        is_named = type(source) is dict
        if is_named and self._is_all_optional and source and self._known.isdisjoint(source):
            return None
        values = []
        for name, check, index, types, low, high in self._plan:
            value = source.get(name, ABSENT) if is_named else source[index]
            if not (type(value) in types and low <= value <= high):
                value = check.value(value, text=text)
                if value is REFUSED:
                    return None
            values.append(value)
        return values

    def _floats(self, item: Mapping[str, FieldValue]) -> Sequence[float] | None:
        """Return the values of one row in the order of X if all are floats within their bounds.

        For 20 fields this takes a third of the time of checks value by value.

        :returns: None if the values have to be checked one by one
        """
        try:
            values: Sequence[float] = self._by_name(item)
        except KeyError:
            return None
        if not _FLOAT.issuperset(map(type, values)) or not isfinite(sum(values)):
            return None  # also if one is NaN, which no comparison would find
        if self._is_unlimited or (self._low <= min(values) and max(values) <= self._high):
            return values
        return None

    def matrix(self, rows: Rows) -> tuple[Array, list[int]] | None:
        """Return X as an array, and the indices of the rows that Cerberus has to validate.

        :returns: None if a field or a value is not a plain number
        """
        if not self.is_numeric or rows.text:
            return None
        if isinstance(rows, Matrix):
            return self._numbers(rows.values) if self._as_arrays else None
        flat = self._flat(rows)
        if flat is None:
            return None
        kinds = set(map(type, flat))
        if not kinds <= _PLAIN_TYPES:
            return None
        wrong = _blank(flat, kinds - {int, float, type(None)})
        try:
            matrix = np.array(flat, dtype=np.float64).reshape(len(rows), self._width)
        except OverflowError:
            return None
        if int in kinds and (np.abs(matrix) >= EXACT).any():
            return None
        passed = self._passed(matrix)
        passed.ravel()[wrong] = False
        return matrix, np.flatnonzero(~passed.all(axis=1)).tolist()

    def _numbers(self, values: Array) -> tuple[Array, list[int]] | None:
        """Return X as a copy of an array of numbers; float32 stays float32."""
        if values.dtype.kind not in "fiu" or values.shape[1] != self._width:
            return None
        is_narrow = values.dtype == np.float32
        ordered = values if self._in_order else values[:, self._order]
        matrix = np.array(ordered, dtype=np.float32 if is_narrow else np.float64, order="C")
        if values.dtype.kind in "iu" and (np.abs(matrix) >= EXACT).any():
            return None
        passed = self._passed(matrix)
        return matrix, [] if passed.all() else np.flatnonzero(~passed.all(axis=1)).tolist()

    def _passed(self, matrix: Array) -> BoolArray:
        """Return a mask of the numbers of X that are within bounds, or missing and nullable."""
        passed = (matrix >= self._lows) & (matrix <= self._highs)
        passed |= self._nullable & np.isnan(matrix)
        return passed

    def _flat(self, rows: Rows) -> list[FieldValue] | None:
        """Return the values of all rows in the order of X, one row after the other."""
        items = self._items(rows)
        kinds = set(map(type, items))
        try:
            if kinds == {dict} and self._accepts_any_dict:
                return list(chain.from_iterable(map(self._by_name, items)))
            if kinds <= {list, tuple} and set(map(len, items)) == {self._width}:
                return list(chain.from_iterable(map(self._by_index, items)))
        except KeyError:
            pass
        return None

    def _items(self, rows: Rows) -> Sequence[Any]:
        items: Sequence[Any] = rows.items
        is_wrapped = self._unnamed and set(map(type, items)) == {dict}
        if is_wrapped and (self._purge_unknown or all(map(self._are_known, items))):
            return [_split(item.get(VALUES), rows.text) for item in items]
        return items

    def columns(self, rows: Rows) -> tuple[list[ColumnValues], list[int]] | None:
        """Return the columns of X, and the indices of the rows that Cerberus has to validate.

        If Cerberus has to validate more than 100 rows, only the first 100 indices are complete.

        :returns: None if the rows differ in form and have to be checked one by one
        """
        sources = self._source_columns(rows)
        if sources is None:
            return ([], list(range(len(rows)))) if isinstance(rows, Columns) else None
        columns, refused = [], np.zeros(len(rows), dtype=bool)
        for (_, check, _), source in zip(self._checks, sources, strict=True):
            column, mask = check.column(source, text=rows.text, as_array=self._as_arrays)
            columns.append(column)
            if mask is not None:
                refused |= mask
        return columns, np.flatnonzero(refused).tolist()

    def _source(self, item: Any, text: bool) -> FieldValue:
        """Return a row as a dictionary or a sequence of the right length, None if it is neither."""
        if type(item) is Repeated and item.names.isdisjoint(self._known):
            item = dict(item)  # only names that are ignored are repeated
        if self._unnamed and type(item) is dict:
            item = _split(item.get(VALUES), text) if self._are_known(item) else None
        elif type(item) is dict:
            return self._renamed(item) if self._are_known(item) else None
        is_array = type(item) in (list, tuple) and len(item) == self._width
        return item if is_array else None

    def _source_columns(self, rows: Rows) -> list[ColumnValues] | None:
        if isinstance(rows, Columns) and rows.positional:
            in_order = list(rows.columns.values())
            fits = len(in_order) == self._width
            return [in_order[index] for index in self._order] if fits else None
        if isinstance(rows, Columns):
            named = self._renamed(rows.columns) if self._are_known(rows.columns) else None
            return None if named is None else self._named_columns(named, len(rows))
        items = self._items(rows)
        kinds = set(map(type, items))
        if kinds == {dict} and not self._unnamed:
            return self._columns_of_records(items)
        if kinds <= {list, tuple} and set(map(len, items)) == {self._width}:
            columns = list(zip(*items, strict=True))
            return [columns[index] for index in self._order]
        return None

    def _columns_of_records(
        self, records: Sequence[dict[str, FieldValue]]
    ) -> list[ColumnValues] | None:
        if not (self._purge_unknown or all(map(self._are_known, records))):
            return None
        if self._is_all_optional and any(r and self._known.isdisjoint(r) for r in records):
            return None
        if self._aliases:
            records = [self._renamed(record) for record in records]
        return [_column_of(records, name) for name, _, _ in self._checks]

    def _named_columns(self, columns: Mapping[str, ColumnValues], count: int) -> list[ColumnValues]:
        absent = [ABSENT] * count
        return [columns.get(name, absent) for name, _, _ in self._checks]

    def _are_known(self, names: Mapping[str, FieldValue]) -> bool:
        return self._purge_unknown or names.keys() <= self._known

    def _renamed(self, item: Any) -> Any:
        return rename(item, self._aliases) if self._aliases else item


def compile_checks(
    outputs: Sequence[Field],
    fields: Sequence[Field],
    *,
    aliases: Mapping[str, str],
    unnamed: bool,
    purge_unknown: bool,
    is_all_optional: bool,
    as_arrays: bool,
) -> RowChecks | None:
    """Return the checks of a schema's fields, or None if only Cerberus can check one of them.

    :param outputs: the fields in the order of X
    :param fields: all fields, in the order of the schema
    """
    compiled = {field.name: compile_check(field) for field in outputs}
    checks = {name: check for name, check in compiled.items() if check is not None}
    handled = all(field.name in aliases for field in fields if field.is_alias)
    if len(checks) < len(compiled) or not handled:
        return None
    return RowChecks(
        checks,
        [field.name for field in fields if not field.is_alias],
        known=frozenset(field.name for field in fields),
        aliases=aliases,
        unnamed=unnamed,
        purge_unknown=purge_unknown,
        is_all_optional=is_all_optional,
        as_arrays=as_arrays,
    )


def rename(item: Mapping[str, FieldValue], aliases: Mapping[str, str]) -> dict[str, FieldValue]:
    """Return a row in which the value of each alias is passed to its target field."""
    renamed = dict(item)
    for alias, name in aliases.items():
        if alias in renamed:
            renamed[name] = renamed.pop(alias)
    return renamed


def _blank(flat: list[FieldValue], types: set[type]) -> list[int]:
    """Replace the values of given types by nan, and return their indices."""
    indices = [index for index, value in enumerate(flat) if type(value) in types] if types else []
    for index in indices:
        flat[index] = nan
    return indices


def _column_of(records: Sequence[dict[str, FieldValue]], name: str) -> list[FieldValue]:
    try:
        return [record[name] for record in records]
    except KeyError:
        return [record.get(name, ABSENT) for record in records]


def _split(values: Any, text: bool) -> Any:
    return values.split(",") if text and isinstance(values, str) and values.strip() else values
