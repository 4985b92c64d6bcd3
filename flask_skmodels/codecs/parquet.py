"""``application/vnd.apache.parquet``: the columns of a file, read up to the limits of a request."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

from flask_skmodels.codecs.arrow_tables import check_table, rows_of_table
from flask_skmodels.codecs.codec import Codec, Source, TooLarge
from flask_skmodels.codecs.columns import check_width
from flask_skmodels.exceptions import InvalidInput, TooManyRows
from flask_skmodels.schema.rows import Rows
from flask_skmodels.schema.schema import Schema

_BATCH = 65_536  # rows
_INDEX = re.compile(r"__index_level_[0-9]+__")  # pandas' name for the index of a frame in a file


class ParquetCodec(Codec):
    """Reads a Parquet file, for the MLflow dialect.

    It writes nothing, so ``codecs.registration`` does not register it as a format of all models.

    Texts stay dictionary-encoded while they are read, so each value of a column exists once. If
    they were decoded, a small file could become texts of any size.
    """

    media_type = "application/vnd.apache.parquet"
    reads = ("application/vnd.apache.parquet",)
    suffixes = (".parquet",)
    library = "pyarrow"
    extra = "arrow"

    def decode(self, source: Source, schema: Schema) -> Rows:
        pyarrow = import_module("pyarrow")
        file = _open_file(pyarrow, source)
        names = [name for name in file.schema_arrow.names if not _INDEX.fullmatch(name)]
        _check_size(file.metadata, len(names), source, schema)
        table = _read_table(pyarrow, file, names, source)
        check_table(table, source, schema)
        return rows_of_table(table, schema)


def _open_file(pyarrow: Any, source: Source) -> Any:
    parquet = import_module("pyarrow.parquet")
    reader = pyarrow.BufferReader(source.data)
    try:
        kinds = parquet.read_schema(reader)
        texts = [name for name in kinds.names if _is_text(pyarrow.types, kinds.field(name).type)]
        return parquet.ParquetFile(reader, read_dictionary=texts, pre_buffer=False)
    except Exception:  # pyarrow raises many types
        raise _malformed() from None


def _is_text(types: Any, kind: Any) -> bool:
    return bool(types.is_string(kind) or types.is_large_string(kind))


def _check_size(metadata: Any, width: int, source: Source, schema: Schema) -> None:
    check_width(width, schema)
    if metadata.num_rows > source.max_rows:
        raise TooManyRows(metadata.num_rows, source.max_rows)
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    if sum(group.total_byte_size for group in groups) > source.max_bytes:
        raise TooLarge


def _read_table(pyarrow: Any, file: Any, names: list[str], source: Source) -> Any:
    batches, rows, size = [], 0, 0
    try:
        for batch in file.iter_batches(_BATCH, columns=names, use_threads=False):
            batches.append(batch)
            rows, size = rows + batch.num_rows, size + batch.nbytes
            if rows > source.max_rows or size > source.max_bytes:
                raise TooLarge
        fields = [file.schema_arrow.field(name) for name in names]
        table = pyarrow.Table.from_batches(batches, None if batches else pyarrow.schema(fields))
        table.validate(full=True)
    except TooLarge:
        raise
    except Exception:  # pyarrow raises many types
        raise _malformed() from None
    return table


def _malformed() -> InvalidInput:
    return InvalidInput.of_request("parquet", "the body is not a complete Parquet file")
