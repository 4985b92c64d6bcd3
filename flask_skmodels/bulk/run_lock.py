"""The lock of an output: one run at a time writes it.

The system releases the lock when the process ends in any way, so the lock of a run that was killed
is free.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from types import TracebackType
from typing import Any

from flask_skmodels.bulk.durable_files import cannot_write
from flask_skmodels.exceptions import ScoringError


class RunLock:
    """The lock of an output, held in a ``with`` block.

    :param path: the file of the lock
    :param output: the name of the output, for the error
    :raises ScoringError: another run holds it
    """

    def __init__(self, path: Path, output: str) -> None:
        self._path = path
        self._output = output
        self._file: Any = None

    def __enter__(self) -> RunLock:
        while True:
            try:
                self._file = self._path.open("a+b")
            except OSError as error:
                raise cannot_write(self._path, error) from error
            if not _lock(self._file):
                holder = self._holder()
                self._file.close()
                raise ScoringError(f"another run{holder} is writing {self._output}")
            if self._is_current():
                break
            self._file.close()  # the run that held the lock has just removed the file
        self._file.truncate(0)
        self._file.write(f"{os.getpid()} on {socket.gethostname()}".encode())
        self._file.flush()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._path.unlink(missing_ok=True)
        self._file.close()

    def _is_current(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), self._path.stat())
        except FileNotFoundError:
            return False

    def _holder(self) -> str:
        self._file.seek(0)
        text = self._file.read(200).decode("utf-8", "replace")
        return f", process {text}," if text else ""


def _lock(file: Any) -> bool:
    """Lock a file, and return whether that was possible."""
    try:
        import fcntl
    except ImportError:  # Windows
        return _lock_on_windows(file)
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock_on_windows(file: Any) -> bool:
    import msvcrt

    lock: Any = msvcrt
    try:
        file.seek(2**30)  # bytes that are locked cannot be read
        lock.locking(file.fileno(), lock.LK_NBLCK, 1)
    except OSError:
        return False
    return True
