"""The headers of the pages in a Parquet file, read before the pages are unpacked.

A file states the size of its columns twice. pyarrow believes the headers of the pages, so they are
added up here: a file can be small and have pages that unpack to any size.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from flask_skmodels.exceptions import InvalidInput

MOST_PAGES = 16_384  # of a column in a row group
_MOST_DEPTH = 8
_LONGEST_VARINT = 10
_UNPACKED, _PACKED = 2, 3  # fields of a page header: the sizes of the page
_DATA_PAGE, _DATA_PAGE_V2 = (5, 2), (8, 4)  # where the headers of data pages have their encoding
_DELTA_BYTE_ARRAY = 7  # each text repeats the beginning of the one before, so it can be any length
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_INTEGERS = {4, 5, 6}


class _Reader:
    """Reads a structure of Thrift's compact protocol.

    :param data: the file
    :param position: where the structure begins
    """

    def __init__(self, data: bytes, position: int) -> None:
        self.data = data
        self.position = position

    def structure(self, depth: int = 0) -> dict[int, Any]:
        """Return the integers and structures in a structure by their numbers.

        :raises struct.error: it is not complete, or nested too deeply
        """
        if depth > _MOST_DEPTH:
            raise struct.error
        fields: dict[int, Any] = {}
        number = 0
        while (head := self._byte()) != 0:
            delta, kind = head >> 4, head & 15
            number = number + delta if delta else self._integer()
            fields[number] = self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in _INTEGERS:
            return self._integer()
        if kind == _STRUCT:
            return self.structure(depth + 1)
        if kind in {_LIST, _SET}:
            head = self._byte()
            count = head >> 4 if head >> 4 < 15 else self._varint()
            return [self._value(head & 15, depth + 1) for _ in range(min(count, len(self.data)))]
        sizes = {_TRUE: 0, _FALSE: 0, _BYTE: 1, _DOUBLE: 8}
        self._skip(self._varint() if kind == _BINARY else sizes[kind])
        return None

    def _skip(self, size: int) -> None:
        self.position += size
        if self.position > len(self.data):
            raise struct.error

    def _byte(self) -> int:
        self._skip(1)
        return self.data[self.position - 1]

    def _varint(self) -> int:
        value = 0
        for index in range(_LONGEST_VARINT):
            byte = self._byte()
            value |= (byte & 127) << (7 * index)
            if byte < 128:
                return value
        raise struct.error

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)


def unpacked_size(body: bytes, columns: Iterator[Any]) -> int:
    """Return the number of bytes that the pages of some columns unpack to.

    :param body: the file
    :param columns: pyarrow's metadata of the columns in the row groups
    :raises struct.error: a header is not complete
    :raises InvalidInput: texts are in the encoding DELTA_BYTE_ARRAY, or there are too many pages
    """
    return sum(_size_of_column(body, column) for column in columns)


def _size_of_column(body: bytes, column: Any) -> int:
    start = column.dictionary_page_offset or column.data_page_offset
    position = min(start, column.data_page_offset)
    end, total = position + column.total_compressed_size, 0
    if not 0 <= position <= end <= len(body):
        raise struct.error
    for _ in range(MOST_PAGES):
        if position >= end:
            return total
        reader = _Reader(body, position)
        header = reader.structure()
        packed, unpacked = header.get(_PACKED, -1), header.get(_UNPACKED, -1)
        if packed < 0 or unpacked < 0:
            raise struct.error
        _check_encoding(header)
        total += unpacked
        position = reader.position + packed
    raise InvalidInput.of_request("parquet", f"at most {MOST_PAGES} pages are allowed in a column")


def _check_encoding(header: dict[int, Any]) -> None:
    encodings = [header.get(page, {}).get(number) for page, number in (_DATA_PAGE, _DATA_PAGE_V2)]
    if _DELTA_BYTE_ARRAY in encodings:
        message = "the encoding DELTA_BYTE_ARRAY cannot be read: write texts plainly"
        raise InvalidInput.of_request("parquet", message)
