"""Arrow tables as the rows of a request, for the formats that pyarrow reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

import numpy as np

from flask_skmodels.codecs.codec import Source
from flask_skmodels.codecs.columns import check_column_count, check_unique, request_columns
from flask_skmodels.exceptions import InputError, InvalidInput, TooLarge
from flask_skmodels.schema.fields import Field
from flask_skmodels.schema.rows import Rows
from flask_skmodels.schema.schema import Schema
from flask_skmodels.schema.types import (
    ArrowColumn,
    ArrowSchema,
    ArrowType,
    ColumnValues,
    FieldValue,
)


@dataclass(frozen=True, slots=True)
class Selection:
    """The columns of a table that are read; the others are only counted.

    :ivar names: the names of all columns
    :ivar indices: the indices of the columns that are read
    """

    names: list[str]
    indices: list[int]


def select_columns(table_schema: ArrowSchema, names: list[str], schema: Schema) -> Selection:
    """Return the columns of a table that belong to fields of the model, before any is read.

    For rows of ``values`` all columns are read, in their order.

    :param table_schema: the Arrow schema of the table
    :param names: the names of its columns, in order
    :param schema: the fields of the model
    :raises InvalidInput: there are too many columns or none, two columns for one field, or a column
        of a type that no field can have
    """
    check_column_count(len(names), schema)
    fields = [field.name for field in schema.fields]
    check_unique(names, fields)
    is_read = set(names) if schema.unnamed else set(fields)
    indices = [index for index, name in enumerate(names) if name in is_read]
    types = import_module("pyarrow").types
    for index in indices:
        kind = table_schema.field(index).type
        if not _is_readable(kind.value_type if types.is_dictionary(kind) else kind, types):
            message = "this Arrow type cannot be read: send numbers, texts, booleans or dates"
            shown = names[index] if names[index] in fields else None
            raise InvalidInput([InputError(None, shown, "type", message)])
    return Selection(names, indices)


def rows_of_columns(
    arrays: Sequence[ArrowColumn], rows: int, selection: Selection, source: Source, schema: Schema
) -> Rows:
    """Return the rows of a table.

    :param arrays: the selected columns
    :param rows: the number of rows
    :param selection: the names of all columns, and the indices of those that were selected
    :param source: the body that contained the table
    :param schema: the fields of the model
    :raises TooLarge: the values have too many bytes
    :raises InvalidInput: a value is out of the range that can be read
    """
    if sum(map(_size, arrays)) > source.max_bytes:
        raise TooLarge
    fields: dict[str, Field] = {field.name: field for field in schema.fields}
    columns: list[ColumnValues] = [range(rows)] * len(selection.names)
    for column, index in zip(arrays, selection.indices, strict=True):
        name = selection.names[index]
        shown = name if name in fields else None
        columns[index] = _values(column, shown, fields.get(name))
    return request_columns(selection.names, columns, schema)


def _size(column: ArrowColumn) -> int:
    """Return the number of bytes of all values of a column, even if it stores some only once."""
    pyarrow = import_module("pyarrow")
    types, kind = pyarrow.types, column.type
    if types.is_dictionary(kind):
        return sum(map(_size_of_references, column.chunks))
    if types.is_string_view(kind):
        return sum(map(_size_of_views, column.chunks))
    return int(column.nbytes)


def _size_of_references(array: ArrowColumn) -> int:
    """Return the number of bytes of the texts that the indices of a dictionary stand for."""
    pyarrow = import_module("pyarrow")
    compute, values = import_module("pyarrow.compute"), array.dictionary
    if not _is_text(values.type, pyarrow.types):
        return 0
    if pyarrow.types.is_string_view(values.type):
        values = values.cast(pyarrow.large_string())
    lengths = compute.cast(compute.binary_length(values), pyarrow.int64())
    return compute.sum(lengths.take(array.indices)).as_py() or 0


def _is_text(kind: ArrowType, types: ModuleType) -> bool:
    checks = (types.is_string, types.is_large_string, types.is_string_view)
    return any(check(kind) for check in checks)


def _size_of_views(array: ArrowColumn) -> int:
    """Return the number of bytes of an array of text views, of 16 bytes each, the length first."""
    count = array.offset + len(array)
    if not count:
        return 0
    views = np.frombuffer(array.buffers()[1], dtype=np.int32, count=4 * count)
    return int(views[4 * array.offset :: 4].sum(dtype=np.int64))


def _values(column: ArrowColumn, shown: str | None, field: Field | None) -> ColumnValues:
    """Return the values of a column: an array of numbers, or a list of Python objects.

    :param column: a column of a table
    :param shown: the name of its field in error messages
    :param field: its field, None for a column of unnamed values
    """
    pyarrow = import_module("pyarrow")
    types, kind = pyarrow.types, column.type
    if types.is_null(kind):
        return [None] * len(column)
    if types.is_floating(kind) and (field is None or field.nullable or not column.null_count):
        return _numbers(column)  # nan may stand for null if both mean a missing value
    if types.is_integer(kind) and not column.null_count:
        return _numbers(column)
    if types.is_timestamp(kind) and field is not None and field.definition.get("type") == "date":
        column = _as_dates(column)
    try:
        return _decoded(column) if types.is_dictionary(kind) else _python_values(column)
    except (pyarrow.ArrowException, ValueError, OverflowError, LookupError):
        message = "a value is out of the range that can be read"
        raise InvalidInput([InputError(None, shown, "type", message)]) from None


def _as_dates(column: ArrowColumn) -> ArrowColumn:
    """Return midnights as dates, because pandas has no dtype for dates; other times as they are."""
    pyarrow = import_module("pyarrow")
    if column.type.tz is not None:
        return column
    dates = column.cast(pyarrow.date32(), safe=False)
    return dates if dates.cast(column.type).equals(column) else column


def _is_readable(kind: ArrowType, types: ModuleType) -> bool:
    readable: tuple[Callable[[ArrowType], bool], ...] = (
        types.is_integer,
        types.is_floating,
        types.is_boolean,
        types.is_string,
        types.is_large_string,
        types.is_string_view,
        types.is_date,
        types.is_timestamp,
        types.is_null,
    )
    return any(check(kind) for check in readable)


def _numbers(column: ArrowColumn) -> ColumnValues:
    values: ColumnValues = column.to_numpy()
    return values


def _python_values(array: ArrowColumn) -> list[FieldValue]:
    """Return the values of an array as Python objects."""
    pyarrow = import_module("pyarrow")
    if pyarrow.types.is_timestamp(array.type):  # raises for nanoseconds, which would be cut off
        array = array.cast(pyarrow.timestamp("us", array.type.tz))
    values: list[FieldValue] = array.to_pylist()
    if pyarrow.types.is_float16(array.type):
        return [None if value is None else float(value) for value in values]
    return values


def _decoded(column: ArrowColumn) -> list[FieldValue]:
    """Return the values of a dictionary-encoded column; rows with equal values share one object."""
    values: list[FieldValue] = []
    known: dict[object, list[FieldValue]] = {}
    for chunk in column.chunks:
        key = _identity(chunk.dictionary)
        if key not in known:
            known[key] = [*_python_values(chunk.dictionary), None]
        entries = known[key]
        values += [entries[-1 if i is None else i] for i in chunk.indices.to_pylist()]
    return values


def _identity(array: ArrowColumn) -> tuple[object, ...]:
    """Return a key that is equal for arrays of the same memory: batches share a dictionary."""
    addresses = [None if buffer is None else buffer.address for buffer in array.buffers()]
    return (*addresses, array.offset, len(array))
