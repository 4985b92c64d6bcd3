"""What a request said, before it is validated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flask_skmodels.errors import InputError, InvalidInput

EXACT = 2.0**53  # from here on a double does not hold every integer

_FEW = 4096  # bytes, of which bytes.count is the quicker
_PART = 2**17  # bytes of a body that are looked at together, so that no mask of its size is made
_PLAIN = frozenset({int, float, str, bool, type(None)})


class Repeated(dict[str, object]):
    """The fields of a row in which a name was given more than once; the last value is kept.

    :param pairs: names and values as they came
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

    :param items: one entry a row: a mapping by field name, or a sequence in the order of the
        fields. What else a client may have sent is kept, for the schema to turn down.
    :param text: whether the values came as text (a form, CSV), to be coerced by the type of their
        field, or typed (JSON, Arrow)
    """

    __slots__ = ("items", "text")

    def __init__(self, items: Sequence[object], *, text: bool = False) -> None:
        self.items = items
        self.text = text

    def __len__(self) -> int:
        return len(self.items)

    def item(self, index: int) -> object:
        """Return the row at an index, a mapping or a sequence when the client sent it well."""
        return self.items[index]


class Columns(Rows):
    """The rows of one request, given by column.

    :param columns: for each field name a sequence or one-dimensional array, all of one length
    :param positional: whether the columns are in the order of the fields, whatever their names
    :param text: as for :class:`Rows`
    :raises InvalidInput: the columns differ in length, or there are none
    """

    __slots__ = ("columns", "count", "positional")

    def __init__(
        self,
        columns: Mapping[str, Sequence[Any] | NDArray[Any]],
        *,
        text: bool = False,
        positional: bool = False,
    ) -> None:
        counts = {len(column) for column in columns.values()}
        if len(counts) != 1:
            raise InvalidInput.of_request("length", "columns must all be of one length")
        self.columns = columns
        self.count = counts.pop()
        self.positional = positional
        super().__init__((), text=text)

    def __len__(self) -> int:
        return self.count

    def in_order(self, names: Sequence[str]) -> Columns:
        """Return the columns for rows without names.

        :param names: the order of the fields, for columns that have just their names; others stay
            in the order in which they came
        """
        if self.positional:
            return self
        by_name = set(self.columns) == set(names)
        columns = {name: self.columns[name] for name in names} if by_name else self.columns
        return Columns(columns, text=self.text, positional=True)

    def item(self, index: int) -> dict[str, object] | list[object]:
        row = {name: plain(column[index]) for name, column in self.columns.items()}
        return list(row.values()) if self.positional else row


class Matrix(Columns):
    """The rows of one request as one array of numbers, its columns in the order of the fields.

    :param values: array of shape (rows, columns); it is only read, and may be a view of a body
    :raises InvalidInput: there are no columns
    """

    __slots__ = ("values",)

    def __init__(self, values: NDArray[Any]) -> None:
        Rows.__init__(self, ())
        if not values.shape[1]:
            raise InvalidInput.of_request("length", "there must be one column at least")
        self.values = values
        self.count = len(values)
        self.positional = True

    @property
    def columns(self) -> Mapping[str, NDArray[Any]]:  # type: ignore[override]
        """The columns, by their number."""
        return {str(place): column for place, column in enumerate(self.values.T)}

    def item(self, index: int) -> list[object]:
        row: list[object] = self.values[index].tolist()
        return row


def count_byte(body: bytes, byte: bytes) -> int:
    """Return how often a byte is in a body: ``bytes.count`` in a quarter of its time.

    :param byte: one
    """
    if len(body) < _FEW:
        return body.count(byte)
    if byte not in body:
        return 0
    array = np.frombuffer(body, dtype=np.uint8)
    parts = (array[start : start + _PART] for start in range(0, len(array), _PART))
    return sum(int(np.count_nonzero(part == byte[0])) for part in parts)


def plain(value: object) -> object:
    """Return a numpy scalar or array as Python's own, anything else as it is."""
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


def from_python(data: Any) -> Rows:
    """Return the rows that a caller in the same process gives.

    :param data: a mapping (one row), a sequence of mappings or sequences, a two-dimensional array,
        or a data frame (anything with ``columns``, or an Arrow table)
    :raises InvalidInput: it is none of these
    """
    if type(data) is dict or isinstance(data, Mapping):  # the look for the class itself is quick
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


def _from_frame(frame: Any) -> Rows:
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


def _series(series: Any) -> Sequence[object] | NDArray[Any]:
    """Return a column of a data frame: numbers as they are, else a list with None for missing."""
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
