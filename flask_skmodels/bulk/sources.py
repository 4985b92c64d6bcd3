"""Sources of rows: files, standard input, databases, and batches or frames in memory.

A source yields chunks of a fixed number of rows, so a larger source takes no more memory. A chunk
never has rows of two files.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from io import BytesIO
from itertools import chain, islice
from typing import Any, Protocol

import numpy as np

from flask_skmodels.bulk.chunks import ArrowContent, Chunk, Content, LineContent, TextContent
from flask_skmodels.bulk.databases import query_batches
from flask_skmodels.bulk.fingerprints import file_fingerprints
from flask_skmodels.bulk.locations import FileFormat, Location, format_of, locate, partition_of
from flask_skmodels.exceptions import ScoringError, in_one_line
from flask_skmodels.schema.types import ArrowTable, ArrowType, JSONValue

_BATCH_READAHEAD = 4
_CSV_BLOCK = 4 * 2**20
_SEARCHED = 2**16  # bytes of a piece in which the end of a line is searched
_LINE_FEED = 10
_SAMPLE = 2**20  # bytes of a text file from which its number of rows is estimated
STANDARD_INPUT = "-"


class RowSource(Protocol):
    """The rows to score."""

    def names(self) -> list[str] | None:
        """Return the names of the columns, None if the rows have to be read for them."""

    def key_types(self, names: Sequence[str]) -> dict[str, ArrowType] | None:
        """Return the Arrow type of each key column, None if the rows have to be read for them."""

    def chunks(self, rows: int, columns: Sequence[str] | None) -> Iterator[Chunk]:
        """Yield the chunks.

        :param rows: the number of rows of a chunk
        :param columns: the columns to read, None for all
        """

    def rows(self) -> int | None:
        """Return the number of rows, roughly for text, None if it is not known."""

    def fingerprint(self) -> JSONValue:
        """Return what identifies the rows, as values for JSON; None if nothing does."""


class UnlistedSource:
    """Base class of sources of which only the rows are known."""

    def names(self) -> list[str] | None:
        return None

    def key_types(self, names: Sequence[str]) -> dict[str, ArrowType] | None:
        return None

    def rows(self) -> int | None:
        return None

    def fingerprint(self) -> JSONValue:
        return None


@dataclass
class FileSource:
    """Files of one format.

    :param names_given: paths or URLs of files, folders and globs
    :raises ScoringError: there is no such file, or the files differ in format
    """

    names_given: Sequence[str]

    def __post_init__(self) -> None:
        self.locations = locate(self.names_given)
        formats = {format_of(location.path) for location in self.locations}
        if None in formats:
            unknown = next(each.name for each in self.locations if format_of(each.path) is None)
            raise ScoringError(
                f"{unknown}: the suffix of a source must be .parquet, .arrow, .feather, .csv, "
                ".ndjson or .jsonl; .gz or .zst may follow .csv, .ndjson and .jsonl"
            )
        if len({each.name for each in formats if each}) > 1:
            raise ScoringError("all files of a source must have the same format")
        self.format = next(each for each in formats if each)

    def names(self) -> list[str] | None:
        if self.format.name in {"parquet", "arrow"}:
            return list(self._dataset.schema.names)
        if self.format.name == "ndjson":
            return None
        first = self.locations[0]
        with _errors_of(first), _opened(first) as stream:
            return list(dict.fromkeys([*_header_of(stream), *partition_of(first.path)]))

    def key_types(self, names: Sequence[str]) -> dict[str, ArrowType] | None:
        if self.format.name in {"parquet", "arrow"}:
            schema = self._dataset.schema
            return {name: schema.field(name).type for name in names}
        if self.format.name == "csv":
            return {name: import_module("pyarrow").string() for name in names}
        return None

    def chunks(self, rows: int, columns: Sequence[str] | None) -> Iterator[Chunk]:
        index = 0
        for location in self.locations:
            first_row = 0
            with _errors_of(location):
                for content in self._contents(location, rows, columns):
                    yield Chunk(index, location.name, first_row, content)
                    index, first_row = index + 1, first_row + len(content)

    def rows(self) -> int | None:
        if self.format.name in {"parquet", "arrow"}:
            return int(self._dataset.count_rows())
        if self.format.compression:
            return None
        return sum(map(_estimated_rows, self.locations)) - (
            len(self.locations) if self.format.name == "csv" else 0
        )

    def fingerprint(self) -> JSONValue:
        return file_fingerprints(self.locations)

    @cached_property
    def _dataset(self) -> Any:
        first = self.locations[0]
        kind = "parquet" if self.format.name == "parquet" else "ipc"
        with _errors_of(first):
            dataset = import_module("pyarrow.dataset")
            return dataset.dataset(
                [location.path for location in self.locations],
                format=kind,
                filesystem=first.arrow_filesystem(),
                partitioning="hive",
            )

    def _contents(
        self, location: Location, rows: int, columns: Sequence[str] | None
    ) -> Iterator[Content]:
        if self.format.name == "ndjson":
            return self._lines(location, rows)
        if self.format.name == "csv":
            return self._cells(location, rows, columns)
        return self._tables(location, rows, columns)

    def _tables(
        self, location: Location, rows: int, columns: Sequence[str] | None
    ) -> Iterator[Content]:
        fragment = self._fragments[location.path]
        batches = fragment.to_batches(
            schema=self._dataset.schema,
            columns=None if columns is None else list(columns),
            batch_size=rows,
            batch_readahead=_BATCH_READAHEAD,
            **self._scan_options,
        )
        return map(ArrowContent, rechunked(batches, rows))

    @cached_property
    def _scan_options(self) -> dict[str, Any]:
        """Options of the reader, which with its own buffers would keep all bytes of a file."""
        if self.format.name != "parquet":
            return {}
        options = import_module("pyarrow.dataset").ParquetFragmentScanOptions(pre_buffer=False)
        return {"fragment_scan_options": options}

    @cached_property
    def _fragments(self) -> dict[str, Any]:
        return {fragment.path: fragment for fragment in self._dataset.get_fragments()}

    def _cells(
        self, location: Location, rows: int, columns: Sequence[str] | None
    ) -> Iterator[Content]:
        fixed = partition_of(location.path)
        with _opened(location) as stream:
            missing = {*(columns or ())} - {*_header_of(stream), *fixed}
            if missing:
                raise ScoringError(f"{location.name} has no column {min(missing)!r}")
            yield from cells_of(stream, rows, fixed)

    def _lines(self, location: Location, rows: int) -> Iterator[Content]:
        with _opened(location) as stream:
            yield from ndjson_lines(stream, rows)


class StandardInput(UnlistedSource):
    """Standard input: an Arrow stream, Parquet, NDJSON or CSV, also compressed with gzip or zstd.

    :param stream: the stream to read, by default that of the process
    """

    def __init__(self, stream: Any = None) -> None:
        self._stream = sys.stdin.buffer if stream is None else stream

    def chunks(self, rows: int, columns: Sequence[str] | None) -> Iterator[Chunk]:
        first_row = 0
        with _errors_of(None):
            for index, content in enumerate(self._contents(rows, columns)):
                yield Chunk(index, STANDARD_INPUT, first_row, content)
                first_row += len(content)

    def _contents(self, rows: int, columns: Sequence[str] | None) -> Iterator[Content]:
        pyarrow = import_module("pyarrow")
        stream = _Peekable(self._stream)
        start = stream.peek(6)
        for magic, compression in ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd")):
            if start.startswith(magic):
                stream = _Peekable(pyarrow.CompressedInputStream(stream, compression))
                start = stream.peek(6)
        if start.startswith(b"PAR1"):
            table = import_module("pyarrow.parquet").ParquetFile(BytesIO(stream.read()))
            return map(ArrowContent, rechunked(table.iter_batches(rows), rows))
        if start.startswith(b"ARROW1"):
            reader = pyarrow.ipc.open_file(BytesIO(stream.read()))
            batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
            return map(ArrowContent, rechunked(batches, rows))
        if start.startswith(b"\xff\xff\xff\xff"):
            return map(ArrowContent, rechunked(pyarrow.ipc.open_stream(stream), rows))
        if start.lstrip()[:1] in (b"{", b"["):
            return ndjson_lines(stream, rows)
        return cells_of(stream, rows, {}) if start else iter(())


@dataclass
class QuerySource(UnlistedSource):
    """The rows of a query.

    :param url: the URL of the database
    :param query: the query, in SQL
    """

    url: str
    query: str

    def chunks(self, rows: int, columns: Sequence[str] | None) -> Iterator[Chunk]:
        first_row = 0
        with query_batches(self.url, self.query, rows) as batches:
            for index, table in enumerate(rechunked(batches, rows)):
                yield Chunk(index, "query", first_row, ArrowContent(table))
                first_row += table.num_rows

    def fingerprint(self) -> JSONValue:
        return {"query": self.query, "database": self.url.rpartition("@")[2]}


@dataclass
class BatchSource(UnlistedSource):
    """Record batches or frames in memory.

    :param items: Arrow tables or record batches, or data frames of pandas or polars
    """

    items: Iterable[Any]

    def chunks(self, rows: int, columns: Sequence[str] | None) -> Iterator[Chunk]:
        batches = chain.from_iterable(to_table(item).to_batches() for item in self.items)
        first_row = 0
        for index, table in enumerate(rechunked(batches, rows)):
            yield Chunk(index, "batches", first_row, ArrowContent(table))
            first_row += table.num_rows


def to_table(data: Any) -> ArrowTable:
    """Return a record batch or a data frame as an Arrow table.

    :raises ScoringError: it is neither
    """
    pyarrow = import_module("pyarrow")
    if isinstance(data, pyarrow.Table):
        return data
    if isinstance(data, pyarrow.RecordBatch):
        return pyarrow.Table.from_batches([data])
    if hasattr(data, "to_arrow"):
        return data.to_arrow()
    if hasattr(data, "iloc"):
        return pyarrow.Table.from_pandas(data, preserve_index=False)
    raise ScoringError(f"a batch must be an Arrow batch or a data frame, not {type(data).__name__}")


def rechunked(batches: Iterable[ArrowTable], rows: int) -> Iterator[ArrowTable]:
    """Yield Arrow batches of any size as tables of a fixed number of rows; the last may have fewer.

    :param batches: the batches
    :param rows: the number of rows of a table
    """
    pyarrow = import_module("pyarrow")
    pending: list[ArrowTable] = []
    count = 0
    for batch in batches:
        while batch.num_rows:
            taken = batch.slice(0, rows - count)
            batch = batch.slice(taken.num_rows)
            pending.append(taken)
            count += taken.num_rows
            if count == rows:
                yield pyarrow.Table.from_batches(pending)
                pending, count = [], 0
    if pending:
        yield pyarrow.Table.from_batches(pending)


def ndjson_lines(stream: Any, rows: int) -> Iterator[Content]:
    """Yield the lines of NDJSON; blank ones are skipped."""
    lines = (line.rstrip(b"\r\n") for line in stream)
    filled = (line for line in lines if line and not line.isspace())
    while part := list(islice(filled, rows)):
        yield LineContent(part)


def cells_of(stream: _Peekable, rows: int, fixed: Mapping[str, str]) -> Iterator[Content]:
    """Yield the lines of CSV after its header.

    :param fixed: columns of one value, from the names of folders
    """
    names = _header_of(stream)
    stream.skip_line()
    added = {name: value for name, value in fixed.items() if name not in names}
    for block, count in _blocks_of(stream, rows):
        yield TextContent(tuple(names), block, count, added)


def _blocks_of(stream: _Peekable, rows: int) -> Iterator[tuple[bytes, int]]:
    """Yield the lines of CSV that are not blank in blocks, each with its number of lines."""
    pending: list[bytes] = []
    count = 0
    for lines in _pieces_of(stream):
        first = start = 0
        while lines.count - first >= rows - count:
            first += rows - count
            stop = lines.end_of(first)
            yield b"".join([*pending, lines.piece[start:stop]]), rows
            start, pending, count = stop, [], 0
        pending.append(lines.piece[start:])
        count += lines.count - first
    if count:
        yield b"".join(pending), count


class _PlainLines:
    """Bytes of CSV in which each line feed ends a line.

    NumPy searches the bytes faster than the methods of ``bytes`` do, and lets other threads run.

    :param piece: the bytes, which end with a line
    :ivar count: the number of lines
    """

    def __init__(self, piece: bytes) -> None:
        self.piece = piece
        self._is_end = np.frombuffer(piece, np.uint8) == _LINE_FEED
        self.count = int(np.count_nonzero(self._is_end))

    @property
    def has_blank_line(self) -> bool:
        """Whether a line is empty."""
        is_end = self._is_end
        return bool(is_end[:1].any() or (is_end[1:] & is_end[:-1]).any())

    def end_of(self, number: int) -> int:
        """Return the position at which a line ends.

        :param number: the number of the line, from 1
        """
        low, high = 0, len(self.piece)
        while high - low > _SEARCHED:  # counting lines is much faster than finding their ends
            middle = (low + high) // 2
            before = int(np.count_nonzero(self._is_end[low:middle]))
            if before >= number:
                high = middle
            else:
                low, number = middle, number - before
        return low + int(np.flatnonzero(self._is_end[low:high])[number - 1]) + 1


class _OtherLines:
    """Lines of CSV; a line may have line feeds in quoted values."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self.piece = b"".join(line + b"\n" for line in lines)
        self.count = len(lines)
        self._ends = np.cumsum(np.array([len(line) + 1 for line in lines], dtype=np.int64))

    def end_of(self, number: int) -> int:
        """Return the position at which a line ends; see :class:`_PlainLines`."""
        return int(self._ends[number - 1])


def _pieces_of(stream: _Peekable) -> Iterator[_PlainLines | _OtherLines]:
    """Yield the lines of CSV that are not blank, a few megabytes at a time.

    A line feed in a quoted value ends no line.
    """
    rest = b""
    while True:
        block = stream.read(_CSV_BLOCK)
        piece = rest + block if block else _with_end(rest)
        if not piece:
            return
        if b'"' in piece:
            quoted, rest = _logical_lines(piece, is_last=not block)
            yield _OtherLines(quoted)
        else:
            end = piece.rfind(b"\n") + 1
            piece, rest = piece[:end], piece[end:]
            if b"\r" in piece:
                piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            lines = _PlainLines(piece)
            if lines.has_blank_line:
                yield _OtherLines([line for line in piece.split(b"\n") if line])
            else:
                yield lines
        if not block:
            return


def _with_end(rest: bytes) -> bytes:
    return rest if not rest or rest.endswith(b"\n") else rest + b"\n"


def _logical_lines(piece: bytes, *, is_last: bool) -> tuple[list[bytes], bytes]:
    """Return the lines of CSV that has quotes, and the bytes after the last complete line."""
    lines: list[bytes] = []
    open_lines: list[bytes] = []
    parts = piece.split(b"\n")
    rest = parts.pop()
    for part in parts:
        open_lines.append(part)
        if sum(line.count(b'"') for line in open_lines) % 2 == 0:
            line = b"\n".join(open_lines).removesuffix(b"\r")
            open_lines = []
            if line:
                lines.append(line)
    if is_last:
        return [*lines, *(line.removesuffix(b"\r") for line in open_lines if line)], b""
    return lines, b"\n".join([*open_lines, rest])


def _header_of(stream: _Peekable) -> list[str]:
    """Return the names in the first line, and leave the stream at its start."""
    line = stream.peek_line().removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    return next(csv.reader([line]), [])


class _Peekable:
    """A stream whose first bytes can be looked at before they are read.

    :param stream: a stream of bytes
    """

    closed = False

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._start = b""

    def peek(self, size: int) -> bytes:
        """Return the next bytes without taking them."""
        while len(self._start) < size and (more := self._stream.read(max(size, 2**16))):
            self._start += bytes(more)
        return self._start[:size]

    def peek_line(self) -> bytes:
        """Return the first line without taking it; a quoted value in it may have lines."""
        size = 2**16
        while True:
            start = self.peek(size)
            end = _line_end(start)
            if end is not None or len(start) < size:
                return start[:end]
            size *= 2

    def skip_line(self) -> None:
        """Take the first line and its line end."""
        self.read(len(self.peek_line()))
        while self.peek(1) in (b"\r", b"\n"):
            self.read(1)

    def read(self, size: int | None = -1) -> bytes:
        """Return the next bytes; for a negative size, all that are left."""
        if size is None or size < 0:
            rest, self._start = self._start + bytes(self._stream.read()), b""
            return rest
        if self._start:
            taken, self._start = self._start[:size], self._start[size:]
            return taken
        return bytes(self._stream.read(size))

    def __iter__(self) -> Iterator[bytes]:
        """Yield the lines."""
        rest = b""
        while block := self.read(2**20):
            lines = (rest + block).split(b"\n")
            rest = lines.pop()
            yield from lines
        if rest:
            yield rest

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True


def _line_end(start: bytes) -> int | None:
    """Return where the first line ends, None if it has no end; a quoted value may have lines."""
    is_quoted = False
    for index, byte in enumerate(start):
        if byte == 34:
            is_quoted = not is_quoted
        elif byte in (10, 13) and not is_quoted:
            return index
    return None


class _opened:  # noqa: N801 - used as contextlib's are
    """A context with the decompressed stream of a file."""

    def __init__(self, location: Location) -> None:
        self._location = location
        self._stack = ExitStack()

    def __enter__(self) -> _Peekable:
        file = self._stack.enter_context(self._location.open())
        found = format_of(self._location.path)
        if found is not None and found.compression:
            pyarrow = import_module("pyarrow")
            file = pyarrow.CompressedInputStream(pyarrow.PythonFile(file), found.compression)
        return _Peekable(file)

    def __exit__(self, *error: object) -> None:
        self._stack.close()


class _errors_of:  # noqa: N801 - used as contextlib's are
    """A context in which a reading error becomes a :class:`ScoringError` that names the file."""

    def __init__(self, location: Location | None) -> None:
        self._name = STANDARD_INPUT if location is None else location.name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if isinstance(error, OSError | ValueError | NotImplementedError) and not isinstance(
            error, ScoringError
        ):
            raise ScoringError(f"{self._name} cannot be read: {in_one_line(error)}") from error


def _estimated_rows(location: Location) -> int:
    """Return an estimate of the number of lines of a text file."""
    with suppress(OSError), location.open() as file:
        sample = file.read(_SAMPLE)
        lines = sample.count(b"\n") + (not sample.endswith(b"\n") and len(sample) < _SAMPLE)
        if len(sample) < _SAMPLE:
            return int(lines)
        return int(location.size() * lines / len(sample))
    return 0


def one_format(name: str | None) -> FileFormat | None:
    """Return the format that an option names, such as ``csv`` or ``csv.gz``."""
    return None if name is None else format_of(f"rows.{name}")
