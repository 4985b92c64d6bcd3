"""Parts of binary formats: the integers of protobuf and Thrift, and the tables of FlatBuffers."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from flask_skmodels.schema.types import Array

_MAX_VARINT_BYTES = 10


def read_varint(data: bytes | memoryview, position: int) -> tuple[int, int]:
    """Return an integer that is written with seven bits in each byte, and the position after it.

    :raises struct.error: the data end before it does, or it is longer than ten bytes
    """
    value = 0
    for index, byte in enumerate(data[position : position + _MAX_VARINT_BYTES]):
        value |= (byte & 127) << (7 * index)
        if byte < 128:
            return value, position + index + 1
    raise struct.error("an integer has no end")


class FlatTable:
    """A table of FlatBuffers, with access to its fields by number.

    :param data: the buffer
    :param start: the offset of the table
    :raises struct.error: an offset is outside the buffer; the methods raise it too
    """

    def __init__(self, data: memoryview, start: int) -> None:
        self.data = data
        self.start = start
        self._fields = start - self.read("<i", start)

    @classmethod
    def root(cls, data: memoryview) -> FlatTable:
        """Return the first table of a buffer."""
        return cls(data, struct.unpack_from("<I", data)[0])

    def read(self, form: str, offset: int) -> int:
        """Return the integer at an offset.

        :param form: its format, as in the module ``struct``
        """
        if offset < 0:  # struct would count from the end
            raise struct.error("an offset is negative")
        return int(struct.unpack_from(form, self.data, offset)[0])

    def number(self, field: int, form: str, default: int = 0) -> int:
        """Return the integer in a field."""
        offset = self._offset(field)
        return default if offset is None else self.read(form, offset)

    def table(self, field: int) -> FlatTable | None:
        """Return the table in a field, None if there is none."""
        offset = self._offset(field)
        return None if offset is None else self._table_at(offset)

    def length(self, field: int) -> int:
        """Return the number of elements of a vector."""
        start = self._vector(field)
        return 0 if start is None else self.read("<I", start)

    def array(self, field: int, dtype: str) -> Array:
        """Return a vector of numbers, which is empty if there is none."""
        start = self._vector(field)
        if start is None:
            return np.empty(0, dtype)
        try:
            return np.frombuffer(self.data, dtype, self.read("<I", start), start + 4)
        except ValueError as error:
            raise struct.error(str(error)) from error

    def tables(self, field: int) -> list[FlatTable]:
        """Return the tables of a vector."""
        return [self._table_at(offset) for offset in self.structs(field, 4)]

    def structs(self, field: int, size: int) -> Iterator[int]:
        """Yield the offset of each element of a vector.

        :param size: the number of bytes of an element
        """
        start = self._vector(field)
        if start is not None:
            yield from (start + 4 + size * i for i in range(self.read("<I", start)))

    def _offset(self, field: int) -> int | None:
        """Return the offset of a field's value, None if the field has its default."""
        size = self.read("<H", self._fields)
        entry = 4 + 2 * field
        distance = self.read("<H", self._fields + entry) if entry + 2 <= size else 0
        return self.start + distance if distance else None

    def _vector(self, field: int) -> int | None:
        offset = self._offset(field)
        return None if offset is None else offset + self.read("<I", offset)

    def _table_at(self, offset: int) -> FlatTable:
        return FlatTable(self.data, offset + self.read("<I", offset))
