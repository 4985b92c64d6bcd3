"""The traffic of one version in each of the last sixty minutes: counts, and times in bins.

If processes share their metrics, each process writes to its own file, and the files are summed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from time import time

import numpy as np

from flask_skmodels.schema.types import Array, FloatArray
from flask_skmodels.telemetry.drift.shared_counts import SharedBuffers, directory

MINUTES = 60
_PER_DECADE = 8
_FIRST, _DECADES = 1e-5, 7  # seconds
EDGES = [_FIRST * 10 ** (i / _PER_DECADE) for i in range(_PER_DECADE * _DECADES + 1)]
# A slot for each minute: the minute since 1970, the counts, and the times in bins.
MINUTE, PREDICTIONS, ROWS, REJECTIONS, FAILURES, TIMES = range(6)
WIDTH = TIMES + len(EDGES) + 1
SIZE = MINUTES * WIDTH * 8  # bytes


class TrafficMinutes:
    """The traffic of one version, counted in this process.

    :param identity: identifies the version among those of all extensions
    :ivar cells: the slots, one after the other; ``RecentModelTraffic.add`` writes to them
    """

    def __init__(self, identity: Iterable[str | None]) -> None:
        shared, buffer = _shared_buffers(identity), None
        if shared is not None:
            with suppress(OSError):  # the directory is full or read-only
                buffer = shared.open()
        self.cells = memoryview(buffer or bytearray(SIZE)).cast("B").cast("d")

    def add_one(self, kind: int) -> None:
        """Count a rejection or a failure.

        :param kind: :data:`REJECTIONS` or :data:`FAILURES`
        """
        minute = time() // 60
        start = int(minute) % MINUTES * WIDTH
        if self.cells[start] != minute:
            self.begin(start, minute)
        self.cells[start + kind] += 1

    def begin(self, start: int, minute: float) -> None:
        """Empty the slot of a minute that begins."""
        self.cells[start : start + WIDTH] = _EMPTY
        self.cells[start] = minute

    def table(self) -> FloatArray:
        """Return the slots of this process, of shape (minutes, width)."""
        return np.array(self.cells, dtype=np.float64).reshape(MINUTES, WIDTH)


def process_tables(
    identity: Iterable[str | None], own: TrafficMinutes | None
) -> Iterator[FloatArray]:
    """Yield the slots of a version in each process whose counts are known.

    :param identity: identifies the version, as for :class:`TrafficMinutes`
    :param own: the counts of this process, None if it has none
    """
    shared = _shared_buffers(identity)
    if shared is None:
        yield from () if own is None else [own.table()]
        return
    for buffer in shared.others():  # of all processes, because this one has opened none
        with buffer:
            yield np.frombuffer(buffer[:], dtype=np.float64).reshape(MINUTES, WIDTH)


def _shared_buffers(identity: Iterable[str | None]) -> SharedBuffers | None:
    folder = directory()
    key = sha256(repr(tuple(identity)).encode()).hexdigest()[:32]
    return None if folder is None else SharedBuffers(folder, key, SIZE, ".minutes")


_EMPTY = memoryview(bytes(WIDTH * 8)).cast("d")


def hour_of(tables: Iterable[FloatArray], now: float) -> FloatArray:
    """Return the last sixty minutes, the oldest first, as one table of shape (minutes, width).

    :param tables: the slots of versions and processes, which are summed
    :param now: seconds since 1970
    """
    last = now // 60
    hour = np.zeros((MINUTES, WIDTH))
    hour[:, MINUTE] = last - np.arange(MINUTES - 1, -1, -1)
    for table in tables:
        places = MINUTES - 1 - (last - table[:, MINUTE])
        is_recent = (places >= 0) & (places < MINUTES)
        rows = places[is_recent].astype(np.intp)
        hour[rows, PREDICTIONS:] += table[is_recent, PREDICTIONS:]
    return hour


def quantiles(times: Array, shares: Sequence[float]) -> list[float] | None:
    """Return quantiles of times in bins, each within 15 % of the exact value; None without times.

    :param times: the number of times in each bin
    :param shares: the quantiles, from 0 to 1
    """
    total = times.sum()
    if not total:
        return None
    bounds = np.array([EDGES[0] / 2, *EDGES, EDGES[-1] * 2])
    cumulative = np.concatenate([[0.0], np.cumsum(times)])
    found = []
    for share in shares:
        index = min(int(np.searchsorted(cumulative, share * total, "left")), len(times))
        index = max(index, 1)
        within = (share * total - cumulative[index - 1]) / max(times[index - 1], 1)
        low, high = bounds[index - 1], bounds[index]
        found.append(float(low * (high / low) ** within))
    return found
