"""Files that are opened once, and read only if they are regular and not too large."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flask_skmodels.exceptions import ArtifactError

MAX_BYTES = 4 * 2**30
MAX_DESCRIPTION_BYTES = 16 * 2**20  # of a text beside an estimator: MLmodel, examples, digests

_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A regular file that is open for reading.

    :param path: the file
    :param descriptor: its descriptor
    :param status: its status when it was opened
    """

    path: Path
    descriptor: int
    status: os.stat_result

    def read(self) -> bytes:
        """Return the content. If the file grows meanwhile, what is added is not read.

        :raises ArtifactError: its length is not the same as when it was opened
        """
        size = self.status.st_size
        with open(self.descriptor, "rb", closefd=False) as file:
            data = file.read(size + 1)
        if len(data) != size:
            raise ArtifactError(self.path, "it was changed while it was loaded")
        return data


@contextmanager
def opened(
    path: Path, max_bytes: int, folder: Path | None = None, *, remedy: str = ""
) -> Iterator[OpenedFile]:
    """Open a file for reading.

    :param path: the file
    :param max_bytes: the largest size allowed
    :param folder: the folder that a link must not lead out of; None to follow any link
    :param remedy: what to do about a file that is too large, for the message
    :raises ArtifactError: it cannot be read, is not a regular file, or is too large
    """
    with os_errors(path):
        descriptor = _open(path, folder)
        try:
            status = os.fstat(descriptor)
            _check(path, status, max_bytes, remedy)
            yield OpenedFile(path, descriptor, status)
        finally:
            os.close(descriptor)


def read_description(path: Path, folder: Path | None = None) -> bytes:
    """Return the content of a text beside an estimator, opened as :func:`opened` does.

    :raises ArtifactError: it cannot be read, or it changes while it is read
    """
    if not os.path.lexists(path):
        raise ArtifactError(path, "it cannot be read: there is no such file")
    with opened(path, MAX_DESCRIPTION_BYTES, folder) as file:
        return file.read()


def _open(path: Path, folder: Path | None) -> int:
    try:
        if folder is None:
            return os.open(path, _FLAGS)
        return os.open(_inside(path, folder), _FLAGS | _NO_LINK)
    except ValueError as error:  # a zero byte in the name
        raise ArtifactError(path, f"it cannot be read: {error}") from error


def _inside(path: Path, folder: Path) -> Path:
    real = Path(os.path.realpath(path))
    if Path(os.path.realpath(folder)) not in real.parents:
        raise ArtifactError(path, "it is a link to a file outside its folder: copy the file here")
    return real


def _check(path: Path, status: os.stat_result, max_bytes: int, remedy: str) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise ArtifactError(path, "it is a directory")
    if not stat.S_ISREG(status.st_mode):
        raise ArtifactError(path, "it is not a regular file")
    if status.st_size > max_bytes:
        size = f"it has {status.st_size:,} bytes, more than the limit of {max_bytes:,}"
        raise ArtifactError(path, f"{size}: {remedy}" if remedy else size)


@contextmanager
def os_errors(path: Path) -> Iterator[None]:
    """Turn the errors of the operating system into :class:`ArtifactError`."""
    try:
        yield
    except FileNotFoundError as error:
        raise ArtifactError(path, "there is no such file") from error
    except PermissionError as error:
        raise ArtifactError(path, "permission denied") from error
    except OSError as error:
        raise ArtifactError(path, f"it cannot be read: {error.strerror or error}") from error
    except MemoryError as error:
        raise ArtifactError(path, "there is not enough memory to read it") from error
