"""``application/vnd.apache.parquet``: the columns of a file, read up to the limits of a request."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

from flask_skmodels.codecs.arrow_tables import rows_of_columns, select_columns
from flask_skmodels.codecs.codec import Codec, Source
from flask_skmodels.codecs.parquet_pages import unpacked_size
from flask_skmodels.exceptions import InvalidInput, OverBudget, TooLarge
from flask_skmodels.schema.rows import Rows
from flask_skmodels.schema.schema import Schema
from flask_skmodels.schema.types import ArrowColumn, ArrowSchema, ArrowType

_BATCH = 65_536  # rows
_INDEX = re.compile(r"__index_level_[0-9]+__")  # pandas' name for the index of a frame in a file


class ParquetCodec(Codec):
    """Reads a Parquet file, for the MLflow dialect.

    It writes nothing, so ``codecs.registration`` does not register it as a format for all models.

    Texts stay dictionary-encoded while they are read, so each value of a column exists once. If
    they were decoded, a small file could become texts of any size.
    """

    media_type = "application/vnd.apache.parquet"
    reads = ("application/vnd.apache.parquet",)
    suffixes = (".parquet",)
    library = "pyarrow"
    extra = "arrow"

    def decode(self, source: Source, schema: Schema) -> Rows:
        parquet, pyarrow = import_module("pyarrow.parquet"), import_module("pyarrow")
        reader = pyarrow.BufferReader(source.data)
        kinds = _read_schema(parquet, reader)
        kinds = pyarrow.schema([each for each in kinds if not _INDEX.fullmatch(each.name)])
        names = list(kinds.names)
        selection = select_columns(kinds, names, schema)
        read = [names[index] for index in selection.indices]
        texts = [each.name for each in kinds if _is_text(pyarrow.types, each.type)]
        file = _open_file(parquet, reader, texts)
        rows = file.metadata.num_rows
        if not rows:
            return Rows([])
        source.budget.check_rows(rows, len(read))
        width = sum(_width(kinds.field(index).type) for index in selection.indices)
        size = _size(source.data, read)
        if max(size, rows * width) > source.max_bytes:
            raise TooLarge
        arrays = _read_columns(pyarrow, file, read, source) if read else ()
        return rows_of_columns(arrays, rows, selection, source, schema)


def _read_schema(parquet: ModuleType, reader: Any) -> ArrowSchema:
    try:
        return parquet.read_schema(reader)
    except Exception:  # pyarrow raises many types
        raise _malformed() from None


def _open_file(parquet: ModuleType, reader: Any, texts: list[str]) -> Any:
    """Open a file, of which some columns hold texts."""
    try:
        return parquet.ParquetFile(reader, read_dictionary=texts, pre_buffer=False)
    except Exception:
        raise _malformed() from None


def _is_text(types: ModuleType, kind: ArrowType) -> bool:
    return bool(types.is_string(kind) or types.is_large_string(kind))


def _width(kind: ArrowType) -> int:
    """Return the number of bytes of a value of a type, 0 if its values differ in length."""
    try:
        return int(kind.bit_width) // 8
    except ValueError:
        return 0


def _size(body: bytes, names: Sequence[str]) -> int:
    """Return the number of bytes of some columns when they are not compressed.

    :raises InvalidInput: the pages of the columns cannot be read
    """
    try:
        return unpacked_size(body, names)
    except (struct.error, LookupError, AttributeError, TypeError, UnicodeError):
        raise _malformed() from None


def _read_columns(
    pyarrow: ModuleType, file: Any, names: list[str], source: Source
) -> Sequence[ArrowColumn]:
    """Return the columns with these names, after checking the number of their rows and bytes."""
    batches, rows = [], 0
    try:
        for batch in file.iter_batches(_BATCH, columns=names, use_threads=False):
            batches.append(batch)
            rows += batch.num_rows
            source.budget.check_rows(rows, len(names))
        fields = [file.schema_arrow.field(name) for name in names]
        table = pyarrow.Table.from_batches(batches, None if batches else pyarrow.schema(fields))
        table.validate(full=True)
    except OverBudget:
        raise
    except Exception:
        raise _malformed() from None
    if rows != file.metadata.num_rows:
        raise _malformed()
    columns: Sequence[ArrowColumn] = table.columns
    return columns


def _malformed() -> InvalidInput:
    return InvalidInput.of_request("parquet", "the body is not a complete Parquet file")
