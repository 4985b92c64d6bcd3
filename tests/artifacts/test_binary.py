"""The integers and tables of binary formats, read from bytes that may be wrong."""

from __future__ import annotations

import struct

import pytest

from flask_skmodels.artifacts.binary import FlatTable, read_varint

# The offset of the table; the sizes of its entries and of itself, the offsets of two fields; the
# table with the offset of a vector and a number; the vector of two bytes.
LAYOUT = "<I HHHH iIbxxx I2s"
BUFFER = struct.pack(LAYOUT.replace(" ", ""), 12, 8, 12, 4, 8, 8, 8, -2, 2, b"ab")


@pytest.mark.parametrize(
    ("data", "value", "end"),
    [
        (b"\x00", 0, 1),
        (b"\x7f!", 127, 1),
        (b"\xac\x02!", 300, 2),
        (b"\xff" * 9 + b"\x01", 2**64 - 1, 10),
    ],
)
def test_varint(data: bytes, value: int, end: int) -> None:
    assert read_varint(data, 0) == (value, end)
    assert read_varint(memoryview(b"!" + data), 1) == (value, end + 1)


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 10 + b"\x01"])
def test_varint_that_is_cut_off_or_too_long(data: bytes) -> None:
    with pytest.raises(struct.error):
        read_varint(data, 0)


def test_fields_of_a_table() -> None:
    table = FlatTable.root(memoryview(BUFFER))
    assert table.number(1, "<b") == -2
    assert table.length(0) == 2
    assert table.array(0, "u1").tolist() == [*b"ab"]
    assert [table.read("<B", offset) for offset in table.structs(0, 1)] == [*b"ab"]


def test_fields_that_are_left_out() -> None:
    table = FlatTable.root(memoryview(BUFFER))
    assert (table.number(2, "<b"), table.number(2, "<b", 7)) == (0, 7)
    assert (table.length(2), table.array(2, "<i4").tolist(), table.tables(2)) == (0, [], [])
    assert table.table(2) is None


def test_table_outside_its_buffer() -> None:
    whole = FlatTable.root(memoryview(BUFFER))
    for fails in (
        lambda: FlatTable.root(memoryview(BUFFER[:3])),
        lambda: FlatTable.root(memoryview(BUFFER[:12])),
        lambda: FlatTable(memoryview(BUFFER), -1),
        lambda: whole.array(0, "<i8"),
        lambda: whole.table(1),
    ):
        with pytest.raises(struct.error):
            fails()
