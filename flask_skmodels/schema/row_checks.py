"""The checks of all fields of a schema together: one row, or all rows column by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from math import nan
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flask_skmodels.schema.field_checks import REFUSED, Check, compile_check
from flask_skmodels.schema.fields import ABSENT, Field
from flask_skmodels.schema.json_schema import VALUES
from flask_skmodels.schema.rows import EXACT, Columns, Matrix, Rows
from flask_skmodels.schema.types import ColumnValues

_PLAIN_TYPES = {int, float, str, bool, type(None), list, dict}


class Compiled:
    """The compiled checks of a schema.

    :param checks: by field name, in the order of X
    :param positional: the names in the order in which arrays give them
    :param known: every name that a client may use
    :param aliases: names that stand for another one
    :param unnamed: whether a row is one field ``values``
    :param purge_unknown: whether unknown fields are ignored
    :param as_arrays: whether X holds numbers as numpy's, and not Python's own as they came
    """

    def __init__(
        self,
        checks: Mapping[str, Check],
        positional: Sequence[str],
        *,
        known: frozenset[str],
        aliases: Mapping[str, str],
        unnamed: bool,
        purge_unknown: bool,
        as_arrays: bool,
    ) -> None:
        self._checks = [(name, check, positional.index(name)) for name, check in checks.items()]
        self._plan = [
            (name, check, place, check.types if check.bounded else (), check.low, check.high)
            for name, check, place in self._checks
        ]
        self._takes_dicts = purge_unknown and not unnamed and not aliases
        self._width = len(positional)
        self.is_numeric = len(checks) > 1 and all(check.is_double for check in checks.values())
        self._as_arrays = as_arrays
        self._by_name = itemgetter(*checks)
        self._order = [place for _, _, place in self._checks]
        self._in_order = self._order == list(range(self._width))
        self._by_place = itemgetter(*self._order)
        self._lows = np.array([check.low for check in checks.values()], dtype=np.float64)
        self._highs = np.array([check.high for check in checks.values()], dtype=np.float64)
        self._nullable = np.array([check.field.nullable for check in checks.values()])
        self._known = frozenset({VALUES}) if unnamed else known
        self._aliases = aliases
        self._unnamed = unnamed
        self._purge_unknown = purge_unknown
        self._counts = all(check.counts for check in checks.values())

    def row(self, item: Any, *, text: bool) -> list[Any] | None:
        """Return the values of one row in the order of X; None where Cerberus has to look."""
        source = item if self._takes_dicts and type(item) is dict else self._source(item, text)
        if source is None:
            return None
        named = type(source) is dict
        values = []
        for name, check, place, types, low, high in self._plan:
            value = source.get(name, ABSENT) if named else source[place]
            if not (type(value) in types and low <= value <= high):
                value = check.value(value, text=text)
                if value is REFUSED:
                    return None
            values.append(value)
        return values

    def matrix(self, rows: Rows) -> tuple[NDArray[Any], list[int]] | None:
        """Return X of plain numbers, and the indices of the rows at which Cerberus has to look.

        :returns: None where the fields or the values are of other kinds
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

    def _numbers(self, values: NDArray[Any]) -> tuple[NDArray[Any], list[int]] | None:
        """Return X of an array of numbers, a block of its own, as narrow as the array."""
        if values.dtype.kind not in "fiu" or values.shape[1] != self._width:
            return None
        narrow = values.dtype == np.float32
        ordered = values if self._in_order else values[:, self._order]
        matrix = np.array(ordered, dtype=np.float32 if narrow else np.float64, order="C")
        if values.dtype.kind in "iu" and (np.abs(matrix) >= EXACT).any():
            return None
        passed = self._passed(matrix)
        return matrix, [] if passed.all() else np.flatnonzero(~passed.all(axis=1)).tolist()

    def _passed(self, matrix: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which numbers of X are within the bounds of their field, or missing there."""
        passed = (matrix >= self._lows) & (matrix <= self._highs)
        passed |= self._nullable & np.isnan(matrix)
        return passed

    def _flat(self, rows: Rows) -> list[Any] | None:
        """Return the values of all rows, one row after the other, in the order of X."""
        items = self._items(rows)
        kinds = set(map(type, items))
        try:
            if kinds == {dict} and self._takes_dicts:
                return list(chain.from_iterable(map(self._by_name, items)))
            if kinds <= {list, tuple} and set(map(len, items)) == {self._width}:
                return list(chain.from_iterable(map(self._by_place, items)))
        except KeyError:
            pass
        return None

    def _items(self, rows: Rows) -> Sequence[Any]:
        items: Sequence[Any] = rows.items
        is_wrapped = self._unnamed and set(map(type, items)) == {dict}
        if is_wrapped and (self._purge_unknown or all(map(self._are_known, items))):
            return [_split(item.get(VALUES), rows.text) for item in items]
        return items

    def columns(self, rows: Rows) -> tuple[list[ColumnValues], list[int]]:
        """Return the columns of X, and the indices of the rows at which Cerberus has to look."""
        sources = self._source_columns(rows)
        if sources is None:
            return [], list(range(len(rows)))
        columns, refused = [], np.zeros(len(rows), dtype=bool)
        for (_, check, _), source in zip(self._checks, sources, strict=True):
            column, mask = check.column(source, text=rows.text, as_array=self._as_arrays)
            columns.append(column)
            if mask is not None:
                refused |= mask
        return columns, np.flatnonzero(refused).tolist()

    def count_errors(self, item: object, *, text: bool) -> int | None:
        """Return how many errors Cerberus finds in a row; None where only it can say."""
        source = self._source(item, text)
        if source is None or not self._counts:
            return None
        named = isinstance(source, dict)
        return sum(
            check.count_errors(source.get(name, ABSENT) if named else source[place], text=text)
            for name, check, place in self._checks
        )

    def _source(self, item: Any, text: bool) -> Any:
        """Return a row as a dictionary, or as a sequence of the right length; else None."""
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
            return [in_order[place] for _, _, place in self._checks] if fits else None
        if isinstance(rows, Columns):
            named = self._renamed(rows.columns) if self._are_known(rows.columns) else None
            return None if named is None else self._named_columns(named, len(rows))
        items = self._items(rows)
        kinds = set(map(type, items))
        if kinds == {dict} and not self._unnamed:
            return self._columns_of_records(items)
        if kinds <= {list, tuple} and set(map(len, items)) == {self._width}:
            columns = list(zip(*items, strict=True))
            return [columns[place] for _, _, place in self._checks]
        return None

    def _columns_of_records(self, records: Sequence[dict[str, Any]]) -> list[ColumnValues] | None:
        if not (self._purge_unknown or all(map(self._are_known, records))):
            return None
        if self._aliases:
            records = [self._renamed(record) for record in records]
        return [_column_of(records, name) for name, _, _ in self._checks]

    def _named_columns(self, columns: Mapping[str, ColumnValues], count: int) -> list[ColumnValues]:
        absent = [ABSENT] * count
        return [columns.get(name, absent) for name, _, _ in self._checks]

    def _are_known(self, names: Mapping[str, Any]) -> bool:
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
    as_arrays: bool,
) -> Compiled | None:
    """Return the checks of a schema's fields, or None where Cerberus alone can say.

    :param outputs: the fields in the order of X
    :param fields: all fields, in the order of the schema
    """
    compiled = {field.name: compile_check(field) for field in outputs}
    checks = {name: check for name, check in compiled.items() if check is not None}
    handled = all(field.name in aliases for field in fields if field.is_alias)
    if len(checks) < len(compiled) or not handled:
        return None
    return Compiled(
        checks,
        [field.name for field in fields if not field.is_alias],
        known=frozenset(field.name for field in fields),
        aliases=aliases,
        unnamed=unnamed,
        purge_unknown=purge_unknown,
        as_arrays=as_arrays,
    )


def rename(item: Mapping[str, Any], aliases: Mapping[str, str]) -> dict[str, Any]:
    """Return a row in which the value of an alias stands under the name that it is for."""
    renamed = dict(item)
    for alias, name in aliases.items():
        if alias in renamed:
            renamed[name] = renamed.pop(alias)
    return renamed


def _blank(flat: list[Any], types: set[type]) -> list[int]:
    """Put nan in the place of values of some types, and return their places."""
    places = [place for place, value in enumerate(flat) if type(value) in types] if types else []
    for place in places:
        flat[place] = nan
    return places


def _column_of(records: Sequence[dict[str, Any]], name: str) -> list[Any]:
    try:
        return [record[name] for record in records]
    except KeyError:
        return [record.get(name, ABSENT) for record in records]


def _split(values: Any, text: bool) -> Any:
    return values.split(",") if text and isinstance(values, str) and values.strip() else values
