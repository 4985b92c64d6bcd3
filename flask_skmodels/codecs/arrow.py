"""``application/vnd.apache.arrow.stream``: columns from memory to memory, through pyarrow."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from flask_skmodels.codecs.codec import Codec, Source, TooLarge
from flask_skmodels.codecs.columns import answer_columns, check_unique, check_width, request_columns
from flask_skmodels.errors import InputError, InvalidInput, TooManyRows
from flask_skmodels.estimators.outputs import Values
from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.schema.fields import Field
from flask_skmodels.schema.rows import Rows
from flask_skmodels.schema.schema import Schema

_FILE_MAGIC = b"ARROW1"
_CONTINUATION = -1
_UNPACKED = -1
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3


class ArrowCodec(Codec):
    """A stream of record batches; files in Arrow's format are read as well."""

    media_type = "application/vnd.apache.arrow.stream"
    reads = ("application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.file")
    suffixes = (".arrow", ".arrows", ".feather")
    library = "pyarrow"
    extra = "arrow"

    def decode(self, source: Source, schema: Schema) -> Rows:
        return rows_of_table(_read_table(source, schema), schema)

    def encode(self, prediction: Prediction) -> bytes:
        pyarrow = import_module("pyarrow")
        every, columns = zip(*answer_columns(prediction), strict=True)
        names = [name.encode("utf-8", "replace").decode() for name in every]
        table = pyarrow.Table.from_arrays([_array(column) for column in columns], names=names)
        sink = pyarrow.BufferOutputStream()
        with pyarrow.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        answer: bytes = sink.getvalue().to_pybytes()
        return answer


def rows_of_table(table: Any, schema: Schema) -> Rows:
    """Return the rows of an Arrow table.

    :param table: one that :func:`check_table` has passed
    :param schema: the fields that the model takes
    :raises InvalidInput: a column is of a type that no field can have
    """
    fields: dict[str, Field] = {field.name: field for field in schema.fields}
    names = list(table.column_names)
    columns: list[Values] = []
    for place, name in enumerate(names):
        column = table.column(place)
        if schema.unnamed or name in fields:
            shown = name if name in fields else None
            columns.append(_values(column, shown, fields.get(name)))
        else:
            columns.append(range(len(column)))
    return request_columns(names, columns, schema)


def check_table(table: Any, source: Source, schema: Schema) -> None:
    """Hold an Arrow table against the limits of a request.

    :raises InvalidInput: it has too many columns or rows, or two of one name
    :raises TooLarge: its values have too many bytes
    """
    check_width(len(table.column_names), schema)
    check_unique(table.column_names, [field.name for field in schema.fields])
    if table.num_rows > source.max_rows:
        raise TooManyRows(table.num_rows, source.max_rows)
    if sum(map(_size, table.columns)) > source.max_bytes:
        raise TooLarge


class _Message(NamedTuple):
    """One message of a stream: its kind, its header, a flatbuffer table, and its body."""

    kind: int
    header: _Table
    body: memoryview


class _Table:
    """A table of a flatbuffer, of which no field is known but its number.

    :param data: the flatbuffer
    :param start: where the table is in it
    :raises struct.error: it is not in it; so do all its methods
    """

    def __init__(self, data: memoryview, start: int) -> None:
        self.data = data
        self.start = start
        self._fields = start - self.number("<i", start)

    @classmethod
    def root(cls, data: memoryview) -> _Table:
        return cls(data, struct.unpack_from("<I", data)[0])

    def number(self, form: str, place: int) -> int:
        if place < 0:  # from the end, for Python
            raise struct.error
        return int(struct.unpack_from(form, self.data, place)[0])

    def place(self, field: int) -> int | None:
        """Return where the value of a field is, None where it has its default."""
        size = self.number("<H", self._fields)
        entry = 4 + 2 * field
        offset = self.number("<H", self._fields + entry) if entry + 2 <= size else 0
        return self.start + offset if offset else None

    def value(self, field: int, form: str) -> int:
        place = self.place(field)
        return 0 if place is None else self.number(form, place)

    def table(self, field: int) -> _Table | None:
        place = self.place(field)
        return None if place is None else _Table(self.data, place + self.number("<I", place))

    def structs(self, field: int, size: int) -> Iterator[int]:
        """Yield the place of each struct of a vector."""
        place = self.place(field)
        if place is not None:
            start = place + self.number("<I", place)
            yield from (start + 4 + size * i for i in range(self.number("<I", start)))


def _message_at(data: memoryview, place: int) -> tuple[_Message | None, int]:
    """Return a message, None at the end marker of a stream, and the place after it."""
    size, place = _size_at(data, place), place + 4
    if size == _CONTINUATION:
        size, place = _size_at(data, place), place + 4
    if size == 0:
        return None, place
    root = _Table.root(data[place : place + size])
    header, length, place = root.table(2), root.value(3, "<q"), place + size
    if size < 0 or length < 0 or place + length > len(data) or header is None:
        raise struct.error
    return _Message(root.value(1, "<B"), header, data[place : place + length]), place + length


def _size_at(data: memoryview, place: int) -> int:
    if place < 0:
        raise struct.error
    return int(struct.unpack_from("<i", data, place)[0])


def _stream_messages(data: memoryview) -> Iterator[_Message]:
    """Yield the messages of a stream up to its end marker, without which it may be cut off."""
    message, place = _message_at(data, 0)
    while message is not None:
        yield message
        message, place = _message_at(data, place)
    if place != len(data):
        raise struct.error


def _file_messages(data: memoryview) -> Iterator[_Message]:
    """Yield the messages of a file, dictionaries first, as its footer lists them."""
    end = len(data) - len(_FILE_MAGIC) - 4
    size = _size_at(data, end)
    if not 0 < size <= end:
        raise struct.error
    footer = _Table.root(data[end - size : end])
    for field in (2, 3):
        for block in footer.structs(field, 24):
            message, _ = _message_at(data, footer.number("<q", block))
            if message is not None:
                yield message


def _check_messages(messages: Iterable[_Message], max_bytes: int) -> None:
    """Check the framing of messages, and before anything is unpacked how large it would be.

    :raises InvalidInput: they are cut off, or bring delta dictionaries: each of them copies all
        that came before
    :raises TooLarge: they unpack to more than the limit
    """
    unpacked = 0
    try:
        for message in messages:
            batch: _Table | None = message.header
            if message.kind == _DICTIONARY_BATCH:
                if message.header.value(2, "<B"):
                    raise InvalidInput.of_request("arrow", "delta dictionaries cannot be read")
                batch = message.header.table(1)
            if batch is not None and message.kind in {_DICTIONARY_BATCH, _RECORD_BATCH}:
                unpacked += _unpacked_size(batch, message.body)
    except struct.error:
        raise _malformed() from None
    if unpacked > max_bytes:
        raise TooLarge


def _unpacked_size(batch: _Table, body: memoryview) -> int:
    """Return how many bytes the buffers of a batch unpack to."""
    if batch.table(3) is None:
        return len(body)
    total = 0
    for place in batch.structs(2, 16):
        start, length = batch.number("<q", place), batch.number("<q", place + 8)
        if length:
            if start < 0:
                raise struct.error
            size = struct.unpack_from("<q", body, start)[0]
            total += length if size == _UNPACKED else max(size, 0)
    return total


def _read_table(source: Source, schema: Schema) -> Any:
    """Return a body as a table that has been validated."""
    body = source.data
    is_file = body.startswith(_FILE_MAGIC) and body.endswith(_FILE_MAGIC)
    messages = (_file_messages if is_file else _stream_messages)(memoryview(body))
    _check_messages(messages, source.max_bytes)
    pyarrow = import_module("pyarrow")
    read = pyarrow.ipc.open_file if is_file else pyarrow.ipc.open_stream
    try:
        options = pyarrow.ipc.IpcReadOptions(use_threads=False)
        with read(pyarrow.py_buffer(body), options=options) as reader:
            table = reader.read_all()
        table.validate(full=True)
        _ = table.column_names  # which may not be valid UTF-8
    except Exception:  # an extension type that a library has registered may raise anything
        raise _malformed() from None
    check_table(table, source, schema)
    return table


def _size(column: Any) -> int:
    """Return how many bytes the values of a column have, which buffers can share among them."""
    types = import_module("pyarrow").types
    if types.is_dictionary(column.type):
        return 0  # its values are shared by the rows here too
    if not types.is_string_view(column.type):
        return int(column.nbytes) if _is_readable(column.type, types) else 0
    views = ((chunk, np.frombuffer(chunk.buffers()[1], dtype=np.int32)) for chunk in column.chunks)
    lengths = (view.reshape(-1, 4)[chunk.offset :][: len(chunk), 0] for chunk, view in views)
    return sum(int(length.sum(dtype=np.int64)) for length in lengths)


def _values(column: Any, shown: str | None, field: Field | None) -> Values:
    """Return the values of a column: an array of numbers, or a list of Python's own values.

    :param column: of a table
    :param shown: the name of its field, for an error
    :param field: its field, None for one of unnamed values
    """
    pyarrow = import_module("pyarrow")
    types, kind = pyarrow.types, column.type
    if not _is_readable(kind.value_type if types.is_dictionary(kind) else kind, types):
        message = "this Arrow type cannot be read: send numbers, texts, booleans or dates"
        raise InvalidInput([InputError(None, shown, "type", message)])
    if types.is_floating(kind) and (field is None or field.nullable or not column.null_count):
        return _numbers(column)  # where null and nan both mean missing, nan stands for both
    if types.is_integer(kind) and not column.null_count:
        return _numbers(column)
    try:
        return _decoded(column) if types.is_dictionary(kind) else _listed(column)
    except (pyarrow.ArrowException, ValueError, OverflowError, LookupError):
        message = "a value is out of the range that can be read"
        raise InvalidInput([InputError(None, shown, "type", message)]) from None


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


def _numbers(column: Any) -> Values:
    values: Values = column.to_numpy()
    return values


def _listed(array: Any) -> list[Any]:
    """Return the values of an array as Python's own."""
    pyarrow = import_module("pyarrow")
    if pyarrow.types.is_timestamp(array.type):  # nanoseconds are refused rather than cut off
        array = array.cast(pyarrow.timestamp("us", array.type.tz))
    values: list[Any] = array.to_pylist()
    if pyarrow.types.is_float16(array.type):
        return [None if value is None else float(value) for value in values]
    return values


def _decoded(column: Any) -> list[Any]:
    """Return the values of a dictionary-encoded column; each is made once and then shared."""
    values: list[Any] = []
    known: dict[Any, list[Any]] = {}
    for chunk in column.chunks:
        key = _identity(chunk.dictionary)
        if key not in known:
            known[key] = [*_listed(chunk.dictionary), None]
        entries = known[key]
        values += [entries[-1 if i is None else i] for i in chunk.indices.to_pylist()]
    return values


def _identity(array: Any) -> tuple[object, ...]:
    """Return what tells an array from others: a stream gives all its batches one dictionary."""
    addresses = [None if buffer is None else buffer.address for buffer in array.buffers()]
    return (*addresses, array.offset, len(array))


def _malformed() -> InvalidInput:
    return InvalidInput.of_request("arrow", "the body is not a whole Arrow stream")


def _array(values: Sequence[Any] | Any) -> Any:
    """Return a column of an answer as Arrow's; one of mixed kinds as texts."""
    pyarrow = import_module("pyarrow")
    if isinstance(values, np.ndarray):
        return pyarrow.array(np.ascontiguousarray(values))
    try:
        return pyarrow.array(values)
    except (pyarrow.ArrowException, TypeError, OverflowError, UnicodeError):
        texts = [None if v is None else str(v) for v in values]
        return pyarrow.array([v and v.encode("utf-8", "replace").decode() for v in texts])
