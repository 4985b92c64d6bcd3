"""Counts in files, so that each of several processes can sum the counts of all.

The files are in the directory in which prometheus-client shares the metrics. A process writes only
to its own file; a new process continues the file of a process that has ended.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any
from weakref import finalize

_SUFFIX = ".drift"  # prometheus-client reads files whose names end in .db
_released: set[Path] = set()  # files of this process to which it no longer writes


def directory() -> Path | None:
    """Return the directory that several processes share, None if each process counts alone."""
    path = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return None if not path else Path(path)


class SharedBuffers:
    """The buffers of one version in all processes.

    :param folder: the directory
    :param key: identifies the version and its bins
    :param size: the number of bytes of a buffer
    :param suffix: the end of the names of the files
    """

    def __init__(self, folder: Path, key: str, size: int, suffix: str = _SUFFIX) -> None:
        self._suffix = suffix
        self._folder = folder
        self._key = key
        self._size = size
        self._own: Path | None = None

    def open(self) -> Any:
        """Return the buffer of this process.

        It may have counts already: earlier counts of this process, or those of a process that has
        ended.

        :raises OSError: the file cannot be written
        """
        self._own = taken = self._reopened() or self._take_over() or self._new()
        with taken.open("r+b") as file:
            buffer = mmap(file.fileno(), self._size)
        _released.discard(taken)  # the file with this name may have been deleted
        finalize(buffer, _released.add, taken).atexit = False
        return buffer

    def others(self) -> Iterator[mmap]:
        """Yield the buffers of the other processes; each is closed when it is no longer used."""
        for path in self._files():
            if path != self._own:
                with suppress(OSError, ValueError), path.open("rb") as file:
                    yield mmap(file.fileno(), self._size, access=ACCESS_READ)

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob(f"skmodels_{self._key}_*{self._suffix}"))

    def _reopened(self) -> Path | None:
        """Return a file that this process has written to before, None if there is none."""
        for number in count():
            path = self._path(number)
            if not path.exists():
                return None
            with suppress(KeyError):  # another process uses the file
                _released.remove(path)
                return path
        raise AssertionError

    def _new(self) -> Path:
        for number in count():
            path = self._path(number)
            with suppress(FileExistsError), path.open("xb") as file:
                file.truncate(self._size)
                return path
        raise AssertionError

    def _take_over(self) -> Path | None:
        for path in self._files():
            with suppress(OSError):  # another process was faster
                if _has_ended(path) and path.stat().st_size == self._size:
                    own = next(new for n in count() if not (new := self._path(n)).exists())
                    path.rename(own)
                    return own
        return None

    def _path(self, number: int) -> Path:
        return self._folder / f"skmodels_{self._key}_{os.getpid()}_{number}{self._suffix}"


class Flags:
    """The fields that have drifted and not recovered; all processes together report each once.

    :param folder: the directory that the processes share, None to keep the flags in memory
    :param key: identifies the version and its bins
    """

    def __init__(self, folder: Path | None, key: str) -> None:
        self._folder = folder
        self._key = key
        self._raised: set[int] = set()

    def set(self, index: int) -> bool:
        """Mark a field; return False if any process has marked it before."""
        if self._folder is None:
            is_new = index not in self._raised
            self._raised.add(index)
            return is_new
        try:
            self._path(index).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def clear(self, index: int) -> None:
        """Remove the mark of a field."""
        if self._folder is None:
            self._raised.discard(index)
        else:
            self._path(index).unlink(missing_ok=True)

    def _path(self, index: int) -> Path:
        folder = self._folder or Path()
        return folder / f"skmodels_{self._key}_{index}.drifted"


def _has_ended(path: Path) -> bool:
    """Return whether the process that a file belongs to has ended."""
    if os.name == "nt":  # on Windows, signal 0 would end the process
        return False
    try:
        os.kill(int(path.stem.split("_")[2]), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError):
        return False
    return False
