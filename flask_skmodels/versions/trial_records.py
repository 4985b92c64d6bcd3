"""The outcomes of trials, kept in a folder for all processes, including later ones.

The folder is ``skmodels-trials`` in ``SKMODELS_STATE_DIR``. If it cannot be written, the outcomes
are kept in the memory of the process.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from threading import Lock
from time import monotonic, sleep
from typing import Any

from flask_skmodels.versions.keyed_locks import KeyedLocks

FOLDER = "skmodels-trials"
_POLL_SECONDS = 0.02
_fcntl: Any = None  # missing on Windows, where each process tries a version itself
with suppress(ImportError):
    _fcntl = import_module("fcntl")
_log = logging.getLogger("flask_skmodels.versions")


@dataclass(frozen=True, slots=True)
class Record:
    """What is known about the trial of a version.

    :param attempts: how many trials were started
    :param is_over: True if the last trial has ended
    :param refusal: why the version is refused, None if it is not
    :param file: the name of the file, for a person who reads the record
    """

    attempts: int = 0
    is_over: bool = False
    refusal: str | None = None
    file: str = ""

    def ended(self, refusal: str | None) -> Record:
        """Return the record of the same trial after its end."""
        return replace(self, is_over=True, refusal=refusal)


@dataclass(frozen=True, slots=True)
class Note:
    """The record to keep when a trial ends, even if the process that started it was killed.

    :param folder: the state directory, None if records are kept in memory
    :param key: the key of the record
    :param record: the record of the trial that has started
    """

    folder: Path | None
    key: str
    record: Record

    def end(self, refusal: str | None) -> None:
        """Keep the record of the trial, which has ended."""
        if self.folder is not None:
            TrialRecords(self.folder).write(self.key, self.record.ended(refusal))


class TrialRecords:
    """The records of trials by their key.

    :param folder: the state directory; it is made when the first trial needs it
    """

    def __init__(self, folder: Path) -> None:
        self._folder: Path | None = folder / FOLDER
        self._in_memory: dict[str, Record] = {}
        self._trials = KeyedLocks()
        self._lock = Lock()  # for a change of the folder

    @property
    def folder(self) -> Path | None:
        """The state directory, None if records are kept in memory."""
        folder = self._folder
        return None if folder is None else folder.parent

    def path_of(self, key: str) -> Path | None:
        """Return the file of a record, None if records are kept in memory."""
        folder = self._folder
        return None if folder is None else folder / f"{key}.json"

    def read(self, key: str) -> Record:
        """Return a record; a record without attempts if there is none, or if it cannot be read."""
        path = self.path_of(key)
        if path is None:
            return self._in_memory.get(key, Record())
        with suppress(OSError, ValueError, TypeError, LookupError):
            return _record_of(json.loads(path.read_bytes()))
        return Record()

    def write(self, key: str, record: Record) -> None:
        """Keep a record."""
        path = self.path_of(key)
        if path is not None:
            aside = path.with_suffix(f".{os.getpid()}.tmp")
            try:
                aside.write_text(json.dumps(asdict(record)), encoding="utf-8")
                aside.replace(path)
                return
            except OSError as error:
                self._give_up_folder(error)
        self._in_memory[key] = record

    def delete(self, key: str) -> None:
        """Forget a record."""
        self._in_memory.pop(key, None)
        path = self.path_of(key)
        if path is not None:
            with suppress(OSError):
                path.unlink(missing_ok=True)

    @contextmanager
    def alone(self, key: str, patience: float) -> Iterator[None]:
        """Let only one trial with a key run at a time in the processes that share the folder.

        :param patience: seconds to wait for the other processes; after that the block runs anyway
        """
        with self._trials.holding(key):
            descriptor = self._open_lock(key)
            try:
                if descriptor is not None:
                    _wait_for(descriptor, patience)
                yield
            finally:
                if descriptor is not None:
                    os.close(descriptor)

    def _open_lock(self, key: str) -> int | None:
        folder = self._folder
        if folder is None:
            return None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return os.open(folder / f"{key}.lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            self._give_up_folder(error)
            return None

    def _give_up_folder(self, error: OSError) -> None:
        with self._lock:
            folder, self._folder = self._folder, None
        if folder is not None:
            _log.warning(
                "the outcomes of trials are kept in the memory of this process only, because %s "
                "cannot be written (%s): set SKMODELS_STATE_DIR to a folder that can be written",
                *(folder, error.strerror or error),
            )


def _record_of(values: Any) -> Record:
    """Return a record from the content of a file, which may be anything.

    :raises TypeError: the content is not a record
    """
    kinds = {"attempts": int, "is_over": bool, "refusal": str | None, "file": str}
    if not all(isinstance(values[name], kind) for name, kind in kinds.items()):
        raise TypeError("not a record")
    return Record(**values)


def _wait_for(descriptor: int, patience: float) -> None:
    """Lock a file; give up after some seconds, or if its file system has no locks."""
    if _fcntl is None:
        return
    deadline = monotonic() + patience
    while monotonic() < deadline:
        try:
            _fcntl.flock(descriptor, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
            return
        except BlockingIOError:
            sleep(_POLL_SECONDS)
        except OSError:
            return
