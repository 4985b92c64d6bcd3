"""Chunks: rows of one source that are predicted together, and how each format becomes rows.

A chunk is sent to a worker as it was read: as an Arrow table, or as lines of CSV or of JSON. The
worker turns it into the rows of the schema, on the path that the bodies of requests take.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, ClassVar, Protocol

import numpy as np

from flask_skmodels.codecs.arrow_tables import rows_of_columns, select_columns
from flask_skmodels.codecs.columns import check_unique, request_columns
from flask_skmodels.codecs.csv import exact_numbers, is_integer_kind, number_kinds
from flask_skmodels.codecs.json_text import loads
from flask_skmodels.exceptions import InputError, InvalidInput
from flask_skmodels.inference.request_limits import NO_BUDGET
from flask_skmodels.schema.json_schema import VALUES
from flask_skmodels.schema.rows import Rows
from flask_skmodels.schema.schema import Schema
from flask_skmodels.schema.types import (
    ArrowColumn,
    ArrowTable,
    ArrowType,
    ColumnValues,
    JSONMapping,
    Values,
)

_CSV_BLOCK = 2**20

Errors = dict[int, list[InputError]]
"""The errors of the rejected rows of a chunk, by the index of the row in the chunk."""


class _NoLimits:
    """Stands for a request body, without its limits: they do not apply to bulk scoring."""

    data = b""
    pairs: ClassVar[tuple[tuple[str, str], ...]] = ()
    parameters: ClassVar[dict[str, str]] = {}
    budget = NO_BUDGET
    max_bytes = sys.maxsize


@dataclass(slots=True)
class ChunkRows:
    """The rows of a chunk that can be read.

    :param rows: the rows, None if no row can be read
    :param indices: the index of each of these rows in the chunk, None if every row can be read
    :param errors: the errors of the other rows
    """

    rows: Rows | None
    indices: Sequence[int] | None = None
    errors: Errors = field(default_factory=dict)


class Content(Protocol):
    """The rows of a chunk as they were read."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def read(self, schema: Schema, keep: Sequence[str]) -> ChunkRows:
        """Return the rows for a schema.

        :param keep: names of the key columns
        :raises InvalidInput: the columns do not match the schema
        """

    def keys(self, types: Mapping[str, ArrowType]) -> tuple[ArrowTable, Errors]:
        """Return the key columns as an Arrow table, and an error for each key of the wrong type.

        :param types: the Arrow type of each key column, None for the type that the column has
        """


@dataclass(slots=True)
class Chunk:
    """Consecutive rows of one source.

    :param index: number of the chunk in the run, from 0
    :param source: the name of the source
    :param first_row: number of its first row in the source, from 0
    :param content: the rows
    """

    index: int
    source: str
    first_row: int
    content: Content


@dataclass(slots=True)
class ArrowContent:
    """Columns that have types: from Parquet, Arrow, a database or a frame.

    :param table: the Arrow table of the columns of the model and the key columns
    """

    table: ArrowTable

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def read(self, schema: Schema, keep: Sequence[str]) -> ChunkRows:
        table = _without_decimals(
            self.table.select(columns_to_read(self.column_names, schema, keep))
        )
        selection = select_columns(table.schema, list(table.column_names), schema)
        arrays = [table.column(index) for index in selection.indices]
        rows = rows_of_columns(arrays, table.num_rows, selection, _NoLimits(), schema)
        return ChunkRows(rows)

    def keys(self, types: Mapping[str, ArrowType]) -> tuple[ArrowTable, Errors]:
        return self.table.select(list(types)), {}

    def __reduce__(self) -> Any:
        """Pickle the rows of the table alone: they may be a part of much larger arrays."""
        pyarrow = import_module("pyarrow")
        sink = pyarrow.BufferOutputStream()
        with pyarrow.ipc.new_stream(sink, self.table.schema) as writer:
            writer.write_table(self.table)
        return _content_of_stream, (sink.getvalue().to_pybytes(),)

    @property
    def column_names(self) -> list[str]:
        """The names of all columns."""
        return list(self.table.column_names)


def _content_of_stream(stream: bytes) -> ArrowContent:
    return ArrowContent(import_module("pyarrow").ipc.open_stream(stream).read_all())


@dataclass
class TextContent:
    """Lines of CSV; the fields of the model decide the types of their columns.

    :param names: the names of the columns
    :param block: the lines, without blank ones
    :param count: the number of lines
    :param fixed: columns of one value
    """

    names: tuple[str, ...]
    block: bytes
    count: int
    fixed: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.count

    @property
    def column_names(self) -> list[str]:
        """The names of all columns."""
        return [*self.names, *self.fixed]

    def read(self, schema: Schema, keep: Sequence[str]) -> ChunkRows:
        check_unique(self.names, [*keep, *(field.name for field in schema.fields)])
        names = columns_to_read(self.column_names, schema, keep)
        numbers = self._numbers(names, schema)
        if numbers is not None:
            return ChunkRows(request_columns(names, numbers, schema))
        table, malformed = self._table(names)
        errors: Errors = {
            row: [InputError(row, None, "items", message)] for row, message in malformed.items()
        }
        for row, name in _unreadable(table, schema):
            message = "the value is not valid UTF-8, or has a zero byte"
            errors.setdefault(row, []).append(InputError(row, name, "csv", message))
        indices = None
        if errors:
            indices = [row for row in range(self.count) if row not in errors]
            table = take(table, indices)
        if not table.num_rows:
            return ChunkRows(None, [], errors)
        texts = [_decoded(column).to_pylist() for column in table.columns]
        return ChunkRows(request_columns(names, texts, schema, text=True), indices, errors)

    def keys(self, types: Mapping[str, ArrowType]) -> tuple[ArrowTable, Errors]:
        pyarrow = import_module("pyarrow")
        if not types:
            return pyarrow.table({}), {}
        table, _ = self._table(list(types))
        columns = [_decoded(table.column(name)) for name in types]
        return pyarrow.Table.from_arrays(columns, names=list(types)), {}

    def _numbers(self, names: list[str], schema: Schema) -> list[ColumnValues] | None:
        """Return the columns as arrays of numbers; None if reading them as texts might differ."""
        kinds = number_kinds(names, len(names), schema) if schema.takes_arrays else None
        is_fixed = any(name in self.fixed for name in names)
        if kinds is None or is_fixed or b"\0" in self.block:
            return None
        pyarrow = import_module("pyarrow")
        are_integers = [is_integer_kind(kind) for kind in kinds]
        if any(are_integers) and (b"x" in self.block or b"X" in self.block):
            return None  # pyarrow reads the text 0x10 as the integer 16
        types = [pyarrow.int64() if each else pyarrow.float64() for each in are_integers]
        try:
            table = self._parsed(dict(zip(names, types, strict=True)), null_values=[""])
        except pyarrow.ArrowInvalid:
            return None
        columns = [
            None if kind is None else exact_numbers(table.column(name), kind)
            for name, kind in zip(names, kinds, strict=True)
        ]
        found: list[ColumnValues] = [column for column in columns if column is not None]
        return found if len(found) == len(names) and table.num_rows == self.count else None

    def _table(self, names: list[str]) -> tuple[ArrowTable, dict[int, str]]:
        """Return the cells of some columns as bytes, and messages for the malformed lines.

        A malformed line has empty cells.
        """
        pyarrow = import_module("pyarrow")
        malformed: dict[int, str] = {}

        def skip(row: Any) -> str:
            wanted, given = row.expected_columns, row.actual_columns
            malformed[row.number - 1] = f"the line should have {wanted} values, not {given}"
            return "skip"

        read = [name for name in names if name in self.names]
        table = self._parsed(dict.fromkeys(read, pyarrow.binary()), skip, strings_can_be_null=False)
        table = _with_gaps(table, sorted(malformed))
        if table.num_rows != self.count:
            raise InvalidInput.of_request("csv", "a quoted value has no closing quote")
        for name in names:
            if name not in self.names:
                value = pyarrow.scalar(self.fixed[name].encode(), pyarrow.binary())
                table = table.append_column(name, pyarrow.repeat(value, self.count))
        return table.select(names), malformed

    def _parsed(
        self, types: Mapping[str, ArrowType], skip: Any = None, **options: Any
    ) -> ArrowTable:
        """Return some columns of the lines as an Arrow table.

        :param types: the type of each column
        :param skip: called with each malformed line
        """
        pyarrow, arrow_csv = import_module("pyarrow"), import_module("pyarrow.csv")
        has_quotes = b'"' in self.block
        # Columns that share their name with another column are not read.
        names = [name if name in types else str(at) + name for at, name in enumerate(self.names)]
        return arrow_csv.read_csv(
            pyarrow.BufferReader(self.block),
            # With threads, pyarrow does not say which line is malformed.
            arrow_csv.ReadOptions(
                column_names=names, use_threads=skip is None, block_size=_CSV_BLOCK
            ),
            arrow_csv.ParseOptions(
                quote_char='"' if has_quotes else False,
                newlines_in_values=has_quotes,
                invalid_row_handler=skip,
            ),
            arrow_csv.ConvertOptions(
                column_types=types, include_columns=list(types), check_utf8=False, **options
            ),
        )


def _with_gaps(table: ArrowTable, gaps: Sequence[int]) -> ArrowTable:
    """Return a table with a row of empty cells at each of some indices."""
    if not gaps:
        return table
    pyarrow = import_module("pyarrow")
    empty = pyarrow.Table.from_pydict(
        {name: pyarrow.array([b""], pyarrow.binary()) for name in table.column_names}
    )
    order = np.full(table.num_rows + len(gaps), table.num_rows, dtype=np.int64)
    kept = np.ones(len(order), dtype=bool)
    kept[list(gaps)] = False
    order[kept] = np.arange(table.num_rows)
    return pyarrow.concat_tables([table, empty]).take(order)


@dataclass(slots=True)
class LineContent:
    """Lines of NDJSON.

    :param lines: the lines, without the blank ones
    """

    lines: list[bytes]

    def __len__(self) -> int:
        return len(self.lines)

    def read(self, schema: Schema, keep: Sequence[str]) -> ChunkRows:
        items: list[object] = []
        indices: list[int] = []
        errors: Errors = {}
        for index, line in enumerate(self.lines):
            try:
                items.append(loads(line, "the line"))
            except InvalidInput as exception:
                errors[index] = list(exception.errors)
            else:
                indices.append(index)
        if schema.json_schema().get("additionalProperties") is False:
            known = {VALUES} if schema.unnamed else {field.name for field in schema.fields}
            items = [_known(item, known) for item in items]
        return ChunkRows(Rows(items) if items else None, indices if errors else None, errors)

    def keys(self, types: Mapping[str, ArrowType]) -> tuple[ArrowTable, Errors]:
        pyarrow = import_module("pyarrow")
        items = [_object(line) for line in self.lines]
        columns: list[ArrowColumn] = []
        errors: Errors = {}
        for name, kind in types.items():
            values = [item.get(name) for item in items]
            column, wrong = _key_column(values, kind)
            columns.append(column)
            for row in wrong:
                message = f"the key does not have the type of the keys in the first rows, {kind}"
                errors.setdefault(row, []).append(InputError(row, name, "type", message))
        return pyarrow.Table.from_arrays(columns, names=list(types)), errors


def columns_to_read(names: Sequence[str], schema: Schema, keep: Sequence[str]) -> list[str]:
    """Return the columns of a source that the model takes.

    A model whose fields have no names takes all columns but the keys.

    :param names: the names of all columns
    :param schema: the fields of the model
    :param keep: names of the key columns
    """
    fields = {field.name for field in schema.fields}
    if not schema.unnamed:
        return [name for name in names if name in fields]
    if fields and fields <= set(names):
        return [name for name in names if name in fields]
    return [name for name in names if name not in keep]


def missing_columns(names: Sequence[str], schema: Schema) -> list[str]:
    """Return the fields that have no column although every row without them is rejected.

    :param names: the names of the columns of a source
    :param schema: the fields of the model
    """
    if schema.unnamed:
        return []
    given = set(names)
    fields = [field.name for field in schema.fields]
    if given.isdisjoint(fields):
        return fields
    renamed = {field.rules.get("rename") for field in schema.fields if field.name in given}
    required = schema.json_schema().get("required", ())
    return [name for name in required if name not in given and name not in renamed]


def _without_decimals(table: ArrowTable) -> ArrowTable:
    """Return a table with its decimals, which databases use, as doubles."""
    pyarrow = import_module("pyarrow")
    for index, column in enumerate(table.schema):
        if pyarrow.types.is_decimal(column.type):
            cast = table.column(index).cast(pyarrow.float64())
            table = table.set_column(index, column.name, cast)
    return table


def _decoded(column: ArrowColumn) -> ArrowColumn:
    """Return cells as texts, with a mark for each byte that is not UTF-8."""
    pyarrow = import_module("pyarrow")
    try:
        return column.cast(pyarrow.string())
    except pyarrow.ArrowInvalid:
        texts = [cell.decode("utf-8", "replace") for cell in column.to_pylist()]
        return pyarrow.chunked_array([pyarrow.array(texts, pyarrow.string())])


def _unreadable(table: ArrowTable, schema: Schema) -> list[tuple[int, str | None]]:
    """Return the row and the field of each cell that is not UTF-8 or has a zero byte."""
    pyarrow, compute = import_module("pyarrow"), import_module("pyarrow.compute")
    fields = {field.name for field in schema.fields}
    found: list[tuple[int, str | None]] = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        shown = name if name in fields else None
        try:
            column.cast(pyarrow.string())
            if not compute.any(compute.match_substring(column, "\0")).as_py():
                continue
        except pyarrow.ArrowInvalid:
            pass
        found += [(row, shown) for row, cell in enumerate(column.to_pylist()) if not _is_text(cell)]
    return found


def _is_text(cell: bytes) -> bool:
    try:
        return "\0" not in cell.decode()
    except UnicodeDecodeError:
        return False


def _known(item: object, names: set[str]) -> object:
    """Return only the fields of a row: other columns of a source are not read."""
    if type(item) is not dict or item.keys() <= names or names.isdisjoint(item):
        return item
    return {name: value for name, value in item.items() if name in names}


def _object(line: bytes) -> JSONMapping:
    try:
        item = loads(line, "the line")
    except InvalidInput:
        return {}
    return item if isinstance(item, Mapping) else {}


def key_type(values: Values) -> ArrowType:
    """Return the Arrow type of the key columns of NDJSON from their first values."""
    pyarrow = import_module("pyarrow")
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pyarrow.bool_()
    if kinds == {int}:
        return pyarrow.int64()
    return pyarrow.float64() if kinds and kinds <= {int, float} else pyarrow.string()


def _key_column(values: Values, kind: ArrowType) -> tuple[ArrowColumn, list[int]]:
    """Return key values as an Arrow array, and the indices of values of the wrong type."""
    pyarrow = import_module("pyarrow")
    wrong: list[int] = []
    if pyarrow.types.is_string(kind):
        values = [v if v is None or isinstance(v, str) else str(v) for v in values]
    try:
        return pyarrow.array(values, kind), wrong
    except (pyarrow.ArrowException, TypeError, OverflowError):
        fitting = []
        for row, value in enumerate(values):
            try:
                pyarrow.scalar(value, kind)
            except (pyarrow.ArrowException, TypeError, OverflowError):
                wrong.append(row)
                value = None
            fitting.append(value)
        return pyarrow.array(fitting, kind), wrong


def take(table: ArrowTable, indices: Sequence[int] | None) -> ArrowTable:
    """Return the rows of an Arrow table at some indices, or all rows for None."""
    return table if indices is None else table.take(np.asarray(indices, dtype=np.int64))
