"""The counts of one version in one process: since the start, and for the last blocks of rows.

The counts are arrays in one buffer, which may be a file that other processes read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from flask_skmodels.schema.types import Array
from flask_skmodels.telemetry.drift.layout import BinLayout

FORMAT = 2  # of the buffer; a file with a different number is not used
BLOCKS = 8  # blocks of a window
SLOTS = BLOCKS + 1  # with the current block
REJECTED = ("missing", "unknown", "outside")


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of some rows.

    :ivar opened_at: the time since which the rows were counted, in seconds since 1970
    :ivar rows: the number of rows
    :ivar bins: the number of values in each bin
    :ivar sums: the sum of the values of each column of numbers
    :ivar rejected: the number of rejected rows by reason and field, shape (3, fields)
    """

    opened_at: float
    rows: int
    bins: Array
    sums: Array
    rejected: Array


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The counts of one process at one moment.

    :ivar retired: the counts of all rows that are in no block
    :ivar blocks: the last blocks
    """

    retired: Tally
    blocks: tuple[Tally, ...]


class Counts:
    """The arrays of the counts of one version in one process.

    :param layout: the bins
    :param block_rows: the maximum number of rows of a block
    :param buffer: a writable buffer of :func:`size_of` bytes, which are zero at first
    :ivar state: two numbers: the sequence, odd while the counts are inconsistent, and the slot of
        the current block
    :ivar times: the time of the first row, and the times at which the blocks were opened
    :ivar rows: the rows that are in no block, and the rows of each block
    :ivar pending: the cumulative counts of rows that are not in a block yet, and their number
    """

    def __init__(self, layout: BinLayout, block_rows: int, buffer: Any) -> None:
        self._layout = layout
        offset, views = 0, list[Array]()
        for shape, dtype in _arrays(layout, block_rows):
            view: Array = np.ndarray(shape, dtype, buffer, offset)
            views.append(view)
            offset = _aligned(offset + view.nbytes)
        self.state, self.times, self.rows, self.retired_bins, self.bins = views[:5]
        self.retired_sums, self.sums, self.retired_rejected, self.rejected = views[5:9]
        self.pending = views[9]

    def snapshot(self) -> Snapshot:
        """Return a copy of the counts, without rows that are counted while it is made."""
        for _ in range(20):
            before = int(self.state[0])
            copied = self._copied()
            if before % 2 == 0 and before == int(self.state[0]):
                break
        return copied

    def newest(self, rows: int) -> tuple[Array, int]:
        """Return the counts of the newest blocks with at least so many rows, or of all blocks.

        Pending rows are left out.

        :returns: the number of values in each bin, and the number of rows
        """
        current, sizes = int(self.state[1]), self.rows[1:].tolist()
        slots: list[int] = []
        total = 0
        for age in range(SLOTS):
            if total < rows:
                slots.append((current - age) % SLOTS)
                total += sizes[slots[-1]]
        return np.add.reduce(self.bins[slots], axis=0, dtype=np.int64), total

    def _copied(self) -> Snapshot:
        return Snapshot(
            Tally(
                float(self.times[0]),
                int(self.rows[0]),
                self.retired_bins.astype(np.int64),
                self.retired_sums.copy(),
                self.retired_rejected.astype(np.int64),
            ),
            tuple(self._blocks()),
        )

    def _blocks(self) -> Iterator[Tally]:
        current = int(self.state[1])
        pending, waiting = self._layout.fold_row_counts(self.pending.copy())
        for slot in range(SLOTS):
            rows, bins = int(self.rows[1 + slot]), self.bins[slot].astype(np.int64)
            if slot == current:
                rows += waiting
                bins += pending
            if rows or self.rejected[slot].any():
                yield Tally(
                    float(self.times[1 + slot]),
                    rows,
                    bins,
                    self.sums[slot].copy(),
                    self.rejected[slot].astype(np.int64),
                )


def block_rows_of(window: int) -> int:
    """Return the number of rows of a block of a window."""
    return -(-window // BLOCKS)


def size_of(layout: BinLayout, block_rows: int) -> int:
    """Return the number of bytes of the counts."""
    end = 0
    for shape, dtype in _arrays(layout, block_rows):
        end = _aligned(end + int(np.prod(shape)) * np.dtype(dtype).itemsize)
    return end


def _arrays(layout: BinLayout, block_rows: int) -> list[tuple[tuple[int, ...], Any]]:
    """Return the shape and dtype of each array."""
    fields, numbers = len(layout.fields), len(layout.numbers)
    short = np.min_scalar_type(block_rows)
    return [
        ((2,), np.int64),
        ((1 + SLOTS,), np.float64),
        ((1 + SLOTS,), np.int64),
        ((layout.size,), np.int64),
        ((SLOTS, layout.size), short),
        ((numbers,), np.float64),
        ((SLOTS, numbers), np.float64),
        ((len(REJECTED), fields), np.int64),
        ((SLOTS, len(REJECTED), fields), np.uint32),
        ((layout.row_edges.size + 1,), np.uint8),
    ]


def _aligned(offset: int) -> int:
    return (offset + 63) // 64 * 64
