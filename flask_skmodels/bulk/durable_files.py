"""Files that are either complete or missing: written aside, flushed to disk, then renamed."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from flask_skmodels.exceptions import ScoringError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
ASIDE = ".tmp"  # the suffix of a file that is being written


class HashingFile:
    """A file that is open for writing, and the digest of what was written.

    :param file: the file
    """

    closed = False
    mode = "wb"

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = sha256()
        self._size = 0

    @property
    def sha256(self) -> str:
        """The digest of the bytes so far, in hexadecimal."""
        return self._digest.hexdigest()

    def write(self, data: Any) -> int:
        """Write bytes."""
        view = memoryview(data).cast("B")
        self._file.write(view)
        self._digest.update(view)
        self._size += len(view)
        return len(view)

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self.closed = True

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False


def write_durably(path: Path, write: Callable[[HashingFile], None]) -> str:
    """Write a file to the disk under its name, and then return the digest of its bytes.

    :param path: the file
    :param write: writes the content
    :raises ScoringError: the disk is full, or the file cannot be written; no part of it is left
    """
    aside = path.with_name(path.name + ASIDE)
    try:
        with aside.open("wb") as file:
            hashing = HashingFile(file)
            write(hashing)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        sync_folder(path.parent)
    except BaseException as error:
        with suppress(OSError):
            aside.unlink()
        if isinstance(error, OSError):
            raise cannot_write(path, error) from error
        raise
    return hashing.sha256


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk."""
    with suppress(PermissionError, NotImplementedError):  # Windows cannot
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def cannot_write(path: Path | str, error: OSError) -> ScoringError:
    """Return the error for a file that cannot be written; it says so if the disk is full."""
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        reason += ". The finished chunks are kept: free some space and run again with --resume"
    return ScoringError(f"cannot write {path}: {reason}")


def file_digest(path: Path) -> str | None:
    """Return the SHA-256 of a file in hexadecimal, None if it cannot be read."""
    digest = sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()
