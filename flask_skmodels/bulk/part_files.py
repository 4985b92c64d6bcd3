"""Part files: the results of one chunk in the format of the output."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from flask_skmodels.bulk.locations import FileFormat
from flask_skmodels.codecs.csv import header_line, value_lines
from flask_skmodels.codecs.json_text import dumps
from flask_skmodels.schema.types import ArrowColumn, ArrowSchema, ArrowTable, ColumnValues, Values


def schema_text(schema: ArrowSchema) -> str:
    """Return an Arrow schema as text for JSON."""
    return base64.b64encode(schema.serialize().to_pybytes()).decode()


def schema_from_text(text: str) -> ArrowSchema:
    """Return the Arrow schema in a text."""
    pyarrow = import_module("pyarrow")
    return pyarrow.ipc.read_schema(pyarrow.py_buffer(base64.b64decode(text)))


def write_table(table: ArrowTable, file: Any, form: FileFormat, *, has_header: bool) -> None:
    """Write a table as a file.

    :param table: the Arrow table
    :param file: an object with ``write``
    :param form: the format
    :param has_header: whether a CSV file begins with the names of the columns
    """
    write_tables(table.schema, iter([table]), file, form, has_header=has_header)


def write_tables(
    schema: ArrowSchema,
    tables: Iterator[ArrowTable],
    file: Any,
    form: FileFormat,
    *,
    has_header: bool = True,
) -> None:
    """Write tables of one schema as one file; see :func:`write_table`."""
    pyarrow = import_module("pyarrow")
    if form.compression is not None:
        stream = pyarrow.CompressedOutputStream(pyarrow.PythonFile(file, "w"), form.compression)
        with stream:
            _write_text(schema, tables, stream, form, has_header)
    elif form.name == "parquet":
        with import_module("pyarrow.parquet").ParquetWriter(file, schema) as writer:
            for table in tables:
                writer.write_table(table)
    elif form.name == "arrow":
        with pyarrow.ipc.new_file(pyarrow.PythonFile(file, "w"), schema) as writer:
            for table in tables:
                writer.write_table(table)
    else:
        _write_text(schema, tables, file, form, has_header)


def read_part_file(path: Path, form: FileFormat) -> ArrowTable:
    """Return the table in a part file of Parquet or Arrow."""
    pyarrow = import_module("pyarrow")
    if form.name == "parquet":
        with import_module("pyarrow.parquet").ParquetFile(path) as file:
            return file.read(use_threads=False)
    with pyarrow.OSFile(str(path)) as source:
        return pyarrow.ipc.open_file(source).read_all()


def join_parts(schema: ArrowSchema, parts: Iterable[Path], file: Any, form: FileFormat) -> None:
    """Write part files as one file, in order.

    Parts in a text format are only copied, because compressed files of gzip and zstd may be joined.

    :param schema: the Arrow schema of the parts
    :param parts: the part files, of which only the first has a header
    :param file: an object with ``write``
    :param form: the format of all of them
    """
    if form.name in {"parquet", "arrow"}:
        write_tables(schema, (read_part_file(part, form) for part in parts), file, form)
        return
    is_empty = True
    for part in parts:
        is_empty = False
        with part.open("rb") as source:
            shutil.copyfileobj(source, file, 2**20)
    if is_empty:
        write_table(schema.empty_table(), file, form, has_header=True)


def _write_text(
    schema: ArrowSchema,
    tables: Iterator[ArrowTable],
    file: Any,
    form: FileFormat,
    has_header: bool,
) -> None:
    for table in tables:
        if form.name == "csv":
            file.write(_csv(table, has_header))
        else:
            file.write(_ndjson(table))
        has_header = False


def _csv(table: ArrowTable, has_header: bool) -> bytes:
    columns = [
        (name, _plain(column))
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]
    header = header_line(columns) if has_header else b""
    return header + (value_lines(columns) if table.num_rows else b"")


def _plain(column: ArrowColumn) -> ColumnValues:
    """Return a column as an array of numbers, or as Python objects that can be written as CSV."""
    pyarrow = import_module("pyarrow")
    types, kind = pyarrow.types, column.type
    if types.is_floating(kind) or types.is_boolean(kind) or types.is_integer(kind):
        values: Values = column.to_pylist()
        return values
    if not types.is_string(kind) and not types.is_large_string(kind):
        column = column.cast(pyarrow.string())
    texts: Values = column.to_pylist()
    return texts


def _ndjson(table: ArrowTable) -> bytes:
    return b"".join(dumps(row) + b"\n" for row in table.to_pylist())
