"""The footer and the headers of the pages in a Parquet file, read before the pages are unpacked.

A file states the size of its columns twice. pyarrow trusts the headers of the pages, so the sizes
in these headers are summed here: a small file can have pages that unpack to any size. The positions
of the pages are read here too: if the statistics of a column are inconsistent, pyarrow ends the
process when it is asked for the metadata of the column.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from typing import Any

from flask_skmodels.artifacts.binary import read_varint
from flask_skmodels.exceptions import InvalidInput

MAX_PAGES = 16_384  # of a column in a row group
MAX_VALUES = 2**19  # of a footer, in which a column of a row group has about 35
_MAX_DEPTH = 8
_END = struct.Struct("<I4s")  # the length of the footer, and the magic number
_ROW_GROUPS, _CHUNKS, _COLUMN = 4, 1, 3  # fields of the footer, a row group and its columns
_PATH, _SIZE, _DATA_OFFSET, _DICTIONARY_OFFSET = 3, 7, 9, 11  # fields of the column
_UNPACKED, _PACKED = 2, 3  # fields of a page header: the sizes of the page
_DATA_PAGE, _DATA_PAGE_V2 = (5, 2), (8, 4)  # where the headers of data pages have their encoding
_DELTA_BYTE_ARRAY = 7  # each text may repeat the text before it, so it can have any length
_BYTE, _BINARY, _LIST, _SET, _STRUCT = 3, 8, 9, 10, 12  # kinds of values
_INTEGERS, _BOOLEANS = {4, 5, 6}, {1, 2}
_SIZES = {1: 0, 2: 0, _BYTE: 1, 7: 8}  # of booleans in a structure, bytes and doubles


class _ThriftReader:
    """Reads a structure of Thrift's compact protocol.

    :param data: the file
    :param position: where the structure begins
    :param most: the maximum number of values in the structure
    """

    def __init__(self, data: bytes, position: int, most: int = MAX_VALUES) -> None:
        self.data = data
        self.position = position
        self._left = most

    def structure(self, depth: int = 0) -> dict[int, Any]:
        """Return the integers, texts, lists and structures in a structure by their numbers.

        :raises struct.error: the structure is not complete, has a field twice, or is too large
        """
        if depth > _MAX_DEPTH:
            raise struct.error
        fields: dict[int, Any] = {}
        number = 0
        while (head := self._byte()) != 0:
            delta, kind = head >> 4, head & 15
            number = number + delta if delta else self._integer()
            if number in fields:  # pyarrow would join two structures
                raise struct.error
            fields[number] = self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        self._left -= 1
        if self._left < 0:
            raise struct.error
        if kind in _INTEGERS:
            return self._integer()
        if kind == _STRUCT:
            return self.structure(depth + 1)
        if kind in {_LIST, _SET}:
            return self._list(depth)
        self._skip(size := self._varint() if kind == _BINARY else _SIZES[kind])
        return self.data[self.position - size : self.position]

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        count = head >> 4 if head >> 4 < 15 else self._varint()
        if count > self._left or depth >= _MAX_DEPTH:
            raise struct.error
        kind = head & 15
        return [self._value(_BYTE if kind in _BOOLEANS else kind, depth + 1) for _ in range(count)]

    def _skip(self, size: int) -> None:
        self.position += size
        if self.position > len(self.data):
            raise struct.error

    def _byte(self) -> int:
        self._skip(1)
        return self.data[self.position - 1]

    def _varint(self) -> int:
        value, self.position = read_varint(self.data, self.position)
        return value

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)


def unpacked_size(body: bytes, names: Collection[str]) -> int:
    """Return the number of bytes that the pages of some columns unpack to.

    :param body: the file
    :param names: the names of the columns
    :raises struct.error: the footer or a header is not complete
    :raises LookupError: a part of the footer is missing
    :raises InvalidInput: texts are in the encoding DELTA_BYTE_ARRAY, or there are too many pages
    """
    encoded = {name.encode() for name in names}
    return sum(
        _size_of_column(body, column)
        for column in _columns(body)
        if column[_PATH][0] in encoded  # the first part of the path of a nested column
    )


def _columns(body: bytes) -> Iterator[dict[int, Any]]:
    """Yield the metadata of each column in each row group."""
    if len(body) < _END.size:
        raise struct.error
    length, _ = _END.unpack_from(body, len(body) - _END.size)
    start = len(body) - _END.size - length
    if start < 0:
        raise struct.error
    for group in _ThriftReader(body, start).structure()[_ROW_GROUPS]:
        for chunk in group[_CHUNKS]:
            yield chunk[_COLUMN]


def _size_of_column(body: bytes, column: dict[int, Any]) -> int:
    start = column[_DATA_OFFSET]
    position = min(column.get(_DICTIONARY_OFFSET) or start, start)
    end, total = position + column[_SIZE], 0
    if not 0 <= position <= end <= len(body):
        raise struct.error
    for _ in range(MAX_PAGES):
        if position >= end:
            return total
        reader = _ThriftReader(body, position)
        header = reader.structure()
        packed, unpacked = header.get(_PACKED, -1), header.get(_UNPACKED, -1)
        if packed < 0 or unpacked < 0:
            raise struct.error
        _check_encoding(header)
        total += unpacked
        position = reader.position + packed
    raise InvalidInput.of_request("parquet", f"at most {MAX_PAGES} pages are allowed in a column")


def _check_encoding(header: dict[int, Any]) -> None:
    encodings = [header.get(page, {}).get(number) for page, number in (_DATA_PAGE, _DATA_PAGE_V2)]
    if _DELTA_BYTE_ARRAY in encodings:
        message = "the encoding DELTA_BYTE_ARRAY cannot be read: write texts plainly"
        raise InvalidInput.of_request("parquet", message)
