"""Chunks in files in memory, which the processes of this machine map.

Through a pipe, the arrays of a chunk are copied seven times; ``bench_bulk processes`` takes a
seventh longer. The files have no names, so a process that is killed leaves nothing behind. Where
the system has no such files, as on macOS and Windows, chunks go through the pipe.
"""

from __future__ import annotations

import mmap
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any
from weakref import finalize

from flask_skmodels.bulk.chunks import Chunk

_create: Any = getattr(os, "memfd_create", None)


class CannotMap(Exception):
    """A process cannot open the file of another."""


@dataclass(frozen=True, slots=True)
class SentChunk:
    """A chunk as it goes through the pipe.

    :param pickled: the pickled chunk, without the buffers that are in a file
    :param path: the file, None if there is none
    :param ends: the end of each buffer in the file
    """

    pickled: bytes
    path: str | None = None
    ends: tuple[int, ...] = ()

    def chunk(self) -> Chunk:
        """Return the chunk. Its buffers are parts of the mapped file.

        :raises CannotMap: this process cannot open the file
        """
        buffers = [] if self.path is None else self._mapped(self.path)
        chunk: Chunk = pickle.loads(self.pickled, buffers=buffers)  # noqa: S301 - made below
        return chunk

    def _mapped(self, path: str) -> list[memoryview]:
        try:
            with Path(path).open("rb") as file:
                whole = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except OSError as error:
            raise CannotMap(str(error)) from error
        return [whole[start:end] for start, end in pairwise((0, *self.ends))]


class ChunkFile:
    """A chunk that is sent to another process, and its file.

    :param chunk: the chunk
    :param in_memory: whether its buffers are put into a file in memory, where that is possible
    :ivar sent: what goes through the pipe
    """

    def __init__(self, chunk: Chunk, *, in_memory: bool) -> None:
        self._close: Callable[[], object] | None = None
        self.sent = self._with_file(chunk) if in_memory and _create is not None else _whole(chunk)

    def _with_file(self, chunk: Chunk) -> SentChunk:
        buffers: list[pickle.PickleBuffer] = []
        pickled = pickle.dumps(chunk, pickle.HIGHEST_PROTOCOL, buffer_callback=buffers.append)
        views = [buffer.raw() for buffer in buffers]
        ends = tuple(accumulate(map(len, views)))
        if not ends or not ends[-1]:
            return SentChunk(pickled)
        try:
            descriptor = _create("skmodels-chunk")
            self._close = finalize(self, os.close, descriptor)
            with open(descriptor, "wb", closefd=False) as file:
                file.writelines(views)
        except OSError:  # no memory, or too many open files
            return _whole(chunk)
        return SentChunk(pickled, _path_of(descriptor), ends)

    def close(self) -> None:
        """Close the file: its memory is free once no process maps it any more."""
        if self._close is not None:
            self._close()


def _path_of(descriptor: int) -> str:
    return f"/proc/{os.getpid()}/fd/{descriptor}"


def _whole(chunk: Chunk) -> SentChunk:
    return SentChunk(pickle.dumps(chunk, pickle.HIGHEST_PROTOCOL))
