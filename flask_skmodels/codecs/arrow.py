"""``application/vnd.apache.arrow.stream``: columns in Arrow's memory format, through pyarrow.

The framing of a body is checked here before pyarrow reads it: pyarrow would unpack a small body to
any size, and would not report a stream that is cut off.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from io import BytesIO
from itertools import chain
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from flask_skmodels.artifacts.binary import FlatTable
from flask_skmodels.codecs.arrow_tables import Selection, rows_of_columns, select_columns
from flask_skmodels.codecs.codec import Codec, Source
from flask_skmodels.codecs.columns import answer_columns
from flask_skmodels.codecs.parts import output_parts
from flask_skmodels.exceptions import InvalidInput, TooLarge
from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.schema.rows import Rows
from flask_skmodels.schema.schema import Schema
from flask_skmodels.schema.types import ArrowColumn, ArrowTable, ColumnValues

_FILE_MAGIC = b"ARROW1"
_CONTINUATION = -1
_UNPACKED = -1
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3
MAX_BATCHES = 16_384  # of a body, dictionaries included
CELLS_OF_A_PART = 2**21  # each column of a part is an array, so parts with few rows take longer


class ArrowCodec(Codec):
    """Reads and writes a stream of record batches; also reads files in Arrow's format."""

    media_type = "application/vnd.apache.arrow.stream"
    reads = ("application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.file")
    suffixes = (".arrow", ".arrows", ".feather")
    library = "pyarrow"
    extra = "arrow"

    def decode(self, source: Source, schema: Schema) -> Rows:
        body = source.data
        is_file = body.startswith(_FILE_MAGIC) and body.endswith(_FILE_MAGIC)
        messages = (_file_messages if is_file else _stream_messages)(memoryview(body))
        rows = _count_rows(messages, source.max_bytes)
        selection = _selection_of(body, is_file, schema)
        source.budget.check_rows(rows, len(selection.indices))
        arrays = _read_columns(body, is_file, selection) if selection.indices else ()
        return rows_of_columns(arrays, rows, selection, source, schema)

    def encode(self, prediction: Prediction) -> bytes:
        pyarrow, table = import_module("pyarrow"), _table(prediction)
        sink = pyarrow.BufferOutputStream()
        with pyarrow.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        body: bytes = sink.getvalue().to_pybytes()
        return body

    def encode_parts(self, prediction: Prediction) -> Iterable[bytes]:
        pyarrow, tables = (
            import_module("pyarrow"),
            map(_table, output_parts(prediction, CELLS_OF_A_PART)),
        )
        sink, table = BytesIO(), next(tables)
        with pyarrow.ipc.new_stream(sink, table.schema) as writer:
            for each in chain([table], tables):
                writer.write_table(each)
                yield _taken(sink)
        yield _taken(sink)


class _Message(NamedTuple):
    """A message of a stream: its kind, its header (a flatbuffer table) and its body."""

    kind: int
    header: FlatTable
    body: memoryview


def _message_at(data: memoryview, start: int) -> tuple[_Message | None, int]:
    """Return the message at an offset (None for the end marker of a stream), and where it ends."""
    size, start = _size_at(data, start), start + 4
    if size == _CONTINUATION:
        size, start = _size_at(data, start), start + 4
    if size == 0:
        return None, start
    root = FlatTable.root(data[start : start + size])
    header, length, start = root.table(2), root.number(3, "<q"), start + size
    end = start + length
    if size < 0 or length < 0 or end > len(data) or header is None:
        raise struct.error
    return _Message(root.number(1, "<B"), header, data[start:end]), end


def _size_at(data: memoryview, offset: int) -> int:
    if offset < 0:
        raise struct.error
    return int(struct.unpack_from("<i", data, offset)[0])


def _stream_messages(data: memoryview) -> Iterator[_Message]:
    """Yield the messages of a stream up to its end marker; without one, it may be cut off."""
    message, end = _message_at(data, 0)
    while message is not None:
        yield message
        message, end = _message_at(data, end)
    if end != len(data):
        raise struct.error


def _file_messages(data: memoryview) -> Iterator[_Message]:
    """Yield the messages of a file as its footer lists them, dictionaries first."""
    end = len(data) - len(_FILE_MAGIC) - 4
    size = _size_at(data, end)
    if not 0 < size <= end:
        raise struct.error
    footer = FlatTable.root(data[end - size : end])
    for field in (2, 3):
        for block in footer.structs(field, 24):
            message, _ = _message_at(data, footer.read("<q", block))
            if message is not None:
                yield message


def _count_rows(messages: Iterable[_Message], max_bytes: int) -> int:
    """Return the number of rows in messages; check their framing and the size that they unpack to.

    :raises InvalidInput: the messages are cut off, or have delta dictionaries, each of which would
        copy all dictionaries before it
    :raises TooLarge: the messages would unpack to more than the limit
    """
    unpacked = rows = 0
    try:
        for index, message in enumerate(messages):
            if index > MAX_BATCHES:
                text = f"at most {MAX_BATCHES} batches are allowed"
                raise InvalidInput.of_request("arrow", text)
            batch: FlatTable | None = message.header
            if message.kind == _DICTIONARY_BATCH:
                if message.header.number(2, "<B"):
                    raise InvalidInput.of_request("arrow", "delta dictionaries cannot be read")
                batch = message.header.table(1)
            if batch is not None and message.kind in {_DICTIONARY_BATCH, _RECORD_BATCH}:
                unpacked += _unpacked_size(batch, message.body)
                rows += _length(batch) if message.kind == _RECORD_BATCH else 0
    except struct.error:
        raise _malformed() from None
    if unpacked > max_bytes:
        raise TooLarge
    return rows


def _length(batch: FlatTable) -> int:
    """Return the number of rows of a record batch."""
    rows = batch.number(0, "<q")
    if rows < 0:
        raise struct.error
    return rows


def _unpacked_size(batch: FlatTable, body: memoryview) -> int:
    """Return the number of bytes that the buffers of a batch unpack to."""
    if batch.table(3) is None:
        return len(body)
    total = 0
    for buffer in batch.structs(2, 16):
        start, length = batch.read("<q", buffer), batch.read("<q", buffer + 8)
        if length:
            if start < 0:
                raise struct.error
            size = struct.unpack_from("<q", body, start)[0]
            total += length if size == _UNPACKED else max(size, 0)
    return total


def _read_columns(body: bytes, is_file: bool, selection: Selection) -> Sequence[ArrowColumn]:
    """Return the selected columns of a body, after checking that they are valid."""
    try:
        with _open(body, is_file, included_fields=selection.indices) as reader:
            table = reader.read_all()
        table.validate(full=True)
    except Exception:  # pyarrow raises many types, and extension types may raise any
        raise _malformed() from None
    columns: Sequence[ArrowColumn] = table.columns
    return columns


def _selection_of(body: bytes, is_file: bool, schema: Schema) -> Selection:
    try:
        with _open(body, is_file) as reader:
            table_schema = reader.schema
            names = list(table_schema.names)  # raises for names that are not valid UTF-8
    except Exception:
        raise _malformed() from None
    return select_columns(table_schema, names, schema)


def _open(body: bytes, is_file: bool, **options: Any) -> Any:
    pyarrow = import_module("pyarrow")
    read = pyarrow.ipc.open_file if is_file else pyarrow.ipc.open_stream
    read_options = pyarrow.ipc.IpcReadOptions(use_threads=False, **options)
    return read(pyarrow.py_buffer(body), options=read_options)


def _malformed() -> InvalidInput:
    return InvalidInput.of_request("arrow", "the body is not a complete Arrow stream")


def _table(prediction: Prediction) -> ArrowTable:
    """Return the outputs of a prediction as an Arrow table."""
    labels, columns = zip(*answer_columns(prediction), strict=True)
    names = [label.encode("utf-8", "replace").decode() for label in labels]
    pyarrow = import_module("pyarrow")
    arrays = [arrow_array(column, pyarrow) for column in columns]
    return pyarrow.Table.from_arrays(arrays, names=names)


def _taken(sink: BytesIO) -> bytes:
    """Return the bytes that were written to a buffer, and empty it."""
    written = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return written


def arrow_array(values: ColumnValues, pyarrow: ModuleType) -> ArrowColumn:
    """Return a column of a response as an Arrow array; values of mixed types become texts."""
    if isinstance(values, np.ndarray):
        return pyarrow.array(np.ascontiguousarray(values))
    try:
        return pyarrow.array(values)
    except (pyarrow.ArrowException, TypeError, OverflowError, UnicodeError):
        texts = [None if v is None else str(v) for v in values]
        return pyarrow.array([v and v.encode("utf-8", "replace").decode() for v in texts])
