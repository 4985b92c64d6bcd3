"""Arrow tables as the rows of a request, for the formats that pyarrow reads."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from flask_skmodels.codecs.codec import Source, TooLarge
from flask_skmodels.codecs.columns import check_unique, check_width, request_columns
from flask_skmodels.exceptions import InputError, InvalidInput, TooManyRows
from flask_skmodels.schema.fields import Field
from flask_skmodels.schema.rows import Rows
from flask_skmodels.schema.schema import Schema
from flask_skmodels.schema.types import ColumnValues


def check_table(table: Any, source: Source, schema: Schema) -> None:
    """Check that a table is within the limits of a request.

    :raises InvalidInput: it has too many columns or none, or two for one field
    :raises TooManyRows: it has too many rows
    :raises TooLarge: its values have too many bytes
    """
    check_width(len(table.column_names), schema)
    check_unique(table.column_names, [field.name for field in schema.fields])
    if table.num_rows > source.max_rows:
        raise TooManyRows(table.num_rows, source.max_rows)
    if sum(map(_size, table.columns)) > source.max_bytes:
        raise TooLarge


def rows_of_table(table: Any, schema: Schema) -> Rows:
    """Return the rows of a table.

    :param table: a table that :func:`check_table` has accepted
    :param schema: the fields of the model; the values of other columns are not converted
    :raises InvalidInput: a column is of a type that no field can have
    """
    fields: dict[str, Field] = {field.name: field for field in schema.fields}
    names = list(table.column_names)
    columns: list[ColumnValues] = []
    for index, name in enumerate(names):
        column = table.column(index)
        if schema.unnamed or name in fields:
            shown = name if name in fields else None
            columns.append(_values(column, shown, fields.get(name)))
        else:
            columns.append(range(len(column)))
    return request_columns(names, columns, schema)


def _size(column: Any) -> int:
    """Return the number of bytes of a column's values, including those that share a buffer."""
    types = import_module("pyarrow").types
    if types.is_dictionary(column.type):
        return 0  # rows share the values of the dictionary when they are decoded too
    if not types.is_string_view(column.type):
        return int(column.nbytes) if _is_readable(column.type, types) else 0
    return sum(map(_size_of_views, column.chunks))


def _size_of_views(array: Any) -> int:
    """Return the number of bytes of an array of views of texts: 16 bytes each, the length first."""
    count = array.offset + len(array)
    if not count:
        return 0
    views = np.frombuffer(array.buffers()[1], dtype=np.int32, count=4 * count)
    return int(views[4 * array.offset :: 4].sum(dtype=np.int64))


def _values(column: Any, shown: str | None, field: Field | None) -> ColumnValues:
    """Return the values of a column: an array of numbers, or a list of Python objects.

    :param column: a column of a table
    :param shown: the name of its field in error messages
    :param field: its field, None for a column of unnamed values
    """
    pyarrow = import_module("pyarrow")
    types, kind = pyarrow.types, column.type
    if not _is_readable(kind.value_type if types.is_dictionary(kind) else kind, types):
        message = "this Arrow type cannot be read: send numbers, texts, booleans or dates"
        raise InvalidInput([InputError(None, shown, "type", message)])
    if types.is_floating(kind) and (field is None or field.nullable or not column.null_count):
        return _numbers(column)  # nan also stands for null if both mean a missing value
    if types.is_integer(kind) and not column.null_count:
        return _numbers(column)
    if types.is_timestamp(kind) and field is not None and field.definition.get("type") == "date":
        column = _as_dates(column)
    try:
        return _decoded(column) if types.is_dictionary(kind) else _python_values(column)
    except (pyarrow.ArrowException, ValueError, OverflowError, LookupError):
        message = "a value is out of the range that can be read"
        raise InvalidInput([InputError(None, shown, "type", message)]) from None


def _as_dates(column: Any) -> Any:
    """Return midnights as dates, because pandas has no dtype for dates; other times unchanged."""
    pyarrow = import_module("pyarrow")
    if column.type.tz is not None:
        return column
    dates = column.cast(pyarrow.date32(), safe=False)
    return dates if dates.cast(column.type).equals(column) else column


def _is_readable(kind: Any, types: Any) -> bool:
    readable: tuple[Callable[[Any], bool], ...] = (
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


def _numbers(column: Any) -> ColumnValues:
    values: ColumnValues = column.to_numpy()
    return values


def _python_values(array: Any) -> list[Any]:
    """Return the values of an array as Python objects."""
    pyarrow = import_module("pyarrow")
    if pyarrow.types.is_timestamp(array.type):  # raises for nanoseconds, which would be cut off
        array = array.cast(pyarrow.timestamp("us", array.type.tz))
    values: list[Any] = array.to_pylist()
    if pyarrow.types.is_float16(array.type):
        return [None if value is None else float(value) for value in values]
    return values


def _decoded(column: Any) -> list[Any]:
    """Return the values of a dictionary-encoded column; rows with equal values share one object."""
    values: list[Any] = []
    known: dict[Any, list[Any]] = {}
    for chunk in column.chunks:
        key = _identity(chunk.dictionary)
        if key not in known:
            known[key] = [*_python_values(chunk.dictionary), None]
        entries = known[key]
        values += [entries[-1 if i is None else i] for i in chunk.indices.to_pylist()]
    return values


def _identity(array: Any) -> tuple[object, ...]:
    """Return a key that is equal for arrays of the same memory: batches share a dictionary."""
    addresses = [None if buffer is None else buffer.address for buffer in array.buffers()]
    return (*addresses, array.offset, len(array))
