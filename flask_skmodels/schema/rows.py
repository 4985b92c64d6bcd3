"""The rows of a request, before they are validated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np

from flask_skmodels.exceptions import InputError, InvalidInput
from flask_skmodels.schema.types import Array, ColumnValues, Frame, Series

EXACT = 2.0**53  # float64 represents every integer below this exactly

FEW_BYTES = 4096  # bytes; bytes.count is faster for fewer
_PART = 2**17  # bytes that are compared at a time, so that no mask is as large as the body
_PLAIN = frozenset({int, float, str, bool, type(None)})


class Repeated(dict[str, object]):
    """The fields of a row with a repeated name; the last value of each name is kept.

    :param pairs: names and values, in the order of the request
    :ivar names: the repeated names
    """

    def __init__(self, pairs: Iterable[tuple[str, object]]) -> None:
        self.names: set[str] = set()
        super().__init__()
        for name, value in pairs:
            if name in self:
                self.names.add(name)
            self[name] = value


class Rows:
    """The rows of one request.

    :param items: one entry for each row: a mapping by field name, or a sequence in the order of the
        fields. Anything else that a client sent is kept too, and the schema rejects it.
    :param text: True if the values came as text (a form, CSV) and are converted to the type of
        their field; False if they came with a type (JSON, Arrow)
    """

    __slots__ = ("items", "text")

    def __init__(self, items: Sequence[object], *, text: bool = False) -> None:
        self.items = items
        self.text = text

    def __len__(self) -> int:
        return len(self.items)

    def item(self, index: int) -> object:
        """Return one row: a mapping or a sequence, if the client sent a valid one."""
        return self.items[index]

    def part(self, start: int, stop: int) -> Rows:
        """Return a copy of some of the rows."""
        return Rows([copy(item) for item in self.items[start:stop]], text=self.text)

    def take(self, indices: Sequence[int]) -> Rows:
        """Return the rows with these indices."""
        return Rows([self.items[index] for index in indices], text=self.text)


class Columns(Rows):
    """The rows of one request, held as columns.

    :param columns: for each field name, a sequence or one-dimensional array, all of the same length
    :param text: as for :class:`Rows`
    :param positional: whether the columns are in the order of the fields, regardless of their names
    :raises InvalidInput: the columns differ in length, or there are none
    """

    __slots__ = ("columns", "count", "positional")

    def __init__(
        self,
        columns: Mapping[str, ColumnValues],
        *,
        text: bool = False,
        positional: bool = False,
    ) -> None:
        counts = {len(column) for column in columns.values()}
        if len(counts) != 1:
            raise InvalidInput.of_request("length", "columns must all have the same length")
        self.columns = columns
        self.count = counts.pop()
        self.positional = positional
        super().__init__((), text=text)

    def __len__(self) -> int:
        return self.count

    def in_order(self, names: Sequence[str]) -> Columns:
        """Return the columns in the order of the fields, for a model whose fields have no names.

        :param names: the names of the fields, in order. If the columns have exactly these names,
            they are put in this order; otherwise they keep the order of the request.
        """
        if self.positional:
            return self
        by_name = set(self.columns) == set(names)
        columns = {name: self.columns[name] for name in names} if by_name else self.columns
        return Columns(columns, text=self.text, positional=True)

    def part(self, start: int, stop: int) -> Rows:
        columns = {name: _part(column, start, stop) for name, column in self.columns.items()}
        return Columns(columns, text=self.text, positional=self.positional)

    def take(self, indices: Sequence[int]) -> Rows:
        columns = {name: _taken(column, indices) for name, column in self.columns.items()}
        return Columns(columns, text=self.text, positional=self.positional)

    def item(self, index: int) -> dict[str, object] | list[object]:
        row = {name: plain(column[index]) for name, column in self.columns.items()}
        return list(row.values()) if self.positional else row


class Matrix(Columns):
    """The rows of one request as one array of numbers, with the columns in the order of the fields.

    :param values: array of shape (rows, columns); it is not written to, and may be a view of a body
    :raises InvalidInput: there are no columns
    """

    __slots__ = ("values",)

    def __init__(self, values: Array) -> None:
        Rows.__init__(self, ())
        if not values.shape[1]:
            raise InvalidInput.of_request("length", "there must be at least one column")
        self.values = values
        self.count = len(values)
        self.positional = True

    @property
    def columns(self) -> Mapping[str, Array]:  # type: ignore[override]
        """The columns, by index."""
        return {str(index): column for index, column in enumerate(self.values.T)}

    def part(self, start: int, stop: int) -> Rows:
        return Matrix(self.values[start:stop].copy())

    def take(self, indices: Sequence[int]) -> Rows:
        return Matrix(self.values[np.asarray(indices, dtype=np.intp)])

    def item(self, index: int) -> list[object]:
        row: list[object] = self.values[index].tolist()
        return row


def _part(column: ColumnValues, start: int, stop: int) -> ColumnValues:
    part = column[start:stop]
    return part.copy() if isinstance(part, np.ndarray) else part


def _taken(column: ColumnValues, indices: Sequence[int]) -> ColumnValues:
    if isinstance(column, np.ndarray):
        return column[np.asarray(indices, dtype=np.intp)]
    return [column[index] for index in indices]


def count_byte(body: bytes, byte: bytes) -> int:
    """Return how often a byte occurs in a body; this is four times as fast as ``bytes.count``.

    :param byte: bytes of length 1
    """
    if len(body) < FEW_BYTES:
        return body.count(byte)
    if byte not in body:
        return 0
    array = np.frombuffer(body, dtype=np.uint8)
    parts = (array[start : start + _PART] for start in range(0, len(array), _PART))
    return sum(int(np.count_nonzero(part == byte[0])) for part in parts)


def plain(value: object) -> object:
    """Return a NumPy scalar or array as Python objects, and anything else unchanged."""
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


def from_python(data: Any) -> Rows:
    """Return the rows that a caller in the same process passes.

    :param data: a mapping (one row), a sequence of mappings or sequences, a two-dimensional array,
        or a data frame (an object with ``columns``, or an Arrow table)
    :raises InvalidInput: the data are none of these
    """
    if type(data) is list:  # isinstance takes 0.5 µs for a list or a dict
        return Rows([_plain_row(data[0])] if len(data) == 1 else list(map(_plain_row, data)))
    if type(data) is dict or isinstance(data, Mapping):
        return Rows([_plain_row(data)])
    if hasattr(data, "column_names"):
        return Columns({name: data[name].to_pylist() for name in data.column_names})
    if hasattr(data, "columns"):
        return _from_frame(data)
    if isinstance(data, np.ndarray) and data.ndim == 2 and data.size and data.dtype.kind in "fiu":
        return Matrix(data)
    if isinstance(data, np.ndarray) and data.ndim:
        return Rows(data.tolist())
    if isinstance(data, Iterable) and not isinstance(data, str | bytes | np.ndarray):
        return Rows([_plain_row(row) for row in data])
    raise InvalidInput.of_request("type", "must be a mapping, a list of rows or a data frame")


def _from_frame(frame: Frame) -> Rows:
    names = [str(name) for name in frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidInput(InputError(None, n, "unique", "given more than once") for n in twice)
    return Columns({str(name): _series(frame[name]) for name in frame.columns})


def _plain_row(row: Any) -> object:
    if type(row) is dict and _PLAIN.issuperset(map(type, row.values())):
        return row
    if isinstance(row, Mapping):
        return {name: plain(value) for name, value in row.items()}
    if isinstance(row, list | tuple):
        return [plain(value) for value in row]
    return plain(row)


def _series(series: Series) -> Sequence[object] | Array:
    """Return a column of a data frame: an array of numbers, or a list with None where missing."""
    if getattr(getattr(series, "dtype", None), "kind", "") in ("f", "i", "u"):
        array = np.asarray(series)
        if array.dtype.kind in "fiu" and not np.isnan(array).any():
            return array
    values: list[object] = series.to_list()
    if not hasattr(series, "isna"):
        return values
    return [
        None if missing else value for value, missing in zip(values, series.isna(), strict=True)
    ]
