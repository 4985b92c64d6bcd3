"""The names of files: local paths and URLs of fsspec, globs, folders, and suffixes.

A suffix names the format and the compression: ``rows.csv.gz`` is CSV in gzip.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any

from flask_skmodels.exceptions import ScoringError
from flask_skmodels.hints import pip_install

FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".csv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
}
SUFFIXES = {"parquet": ".parquet", "arrow": ".arrow", "csv": ".csv", "ndjson": ".ndjson"}
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
COMPRESSED = {"csv", "ndjson"}  # the formats whose suffix may be followed by one for compression
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_PARTITION = re.compile(r"([^/=]+)=([^/]*)")


@dataclass(frozen=True, slots=True)
class FileFormat:
    """The format of a file.

    :param name: ``"parquet"``, ``"arrow"``, ``"csv"`` or ``"ndjson"``
    :param compression: ``"gzip"``, ``"zstd"`` or None
    """

    name: str
    compression: str | None = None

    @property
    def suffix(self) -> str:
        """The suffix of the name of such a file."""
        ends = {name: suffix for suffix, name in COMPRESSIONS.items()}
        return SUFFIXES[self.name] + (ends[self.compression] if self.compression else "")


@dataclass(frozen=True, slots=True)
class Location:
    """A file on this machine or behind a URL.

    :param name: its path or URL, as messages and rejects show it
    :param filesystem: its fsspec file system, None for a file of this machine
    :param path: its path there
    """

    name: str
    filesystem: Any
    path: str

    @property
    def is_local(self) -> bool:
        """Whether the file is on this machine."""
        return self.filesystem is None

    def open(self) -> Any:
        """Open the file for reading as bytes."""
        return Path(self.path).open("rb") if self.is_local else self.filesystem.open(self.path)

    def size(self) -> int:
        """Return the size of the file in bytes."""
        if self.is_local:
            return Path(self.path).stat().st_size
        return int(self.filesystem.size(self.path))

    def arrow_filesystem(self) -> Any:
        """Return the file system as an object of pyarrow."""
        fs = import_module("pyarrow.fs")
        if self.is_local:
            return fs.LocalFileSystem(use_mmap=False)
        return fs.PyFileSystem(fs.FSSpecHandler(self.filesystem))


def is_url(name: str) -> bool:
    """Return whether a name is a URL and not a path."""
    return bool(_URL.match(name))


def format_of(name: str) -> FileFormat | None:
    """Return the format that the suffix of a name stands for, None if it is not known."""
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes]
    compression = COMPRESSIONS.get(suffixes[-1]) if suffixes else None
    if compression:
        suffixes.pop()
    found = FORMATS.get(suffixes[-1]) if suffixes else None
    if found is None or (compression and found not in COMPRESSED):
        return None
    return FileFormat(found, compression)


def partition_of(name: str) -> dict[str, str]:
    """Return the columns that the folders of a partitioned data set stand for."""
    folders = PurePosixPath(name).parent.parts
    return {m[1]: m[2] for folder in folders if (m := _PARTITION.fullmatch(folder))}


def locate(names: Sequence[str]) -> list[Location]:
    """Return the files that names stand for; the files of a folder or a glob are sorted.

    :param names: paths or URLs of files, folders and globs
    :raises ScoringError: a name stands for no file, or the plug-in of its URL is not installed
    """
    found: list[Location] = []
    for name in names:
        locations = list(_remote(name) if is_url(name) else _local(name))
        if not locations:
            raise ScoringError(f"{name}: there is no such file")
        found += locations
    return found


def filesystem_of(url: str) -> tuple[Any, str]:
    """Return the fsspec file system of a URL, and the path of the URL in it.

    :raises ScoringError: fsspec or the plug-in of the URL is not installed
    """
    try:
        fsspec = import_module("fsspec.core")
        filesystem, path = fsspec.url_to_fs(url)
    except ImportError as error:
        text = f"{error.name or error} is not installed" if error.name else str(error)
        raise ScoringError(f"{url}: {text}: {pip_install('fsspec')} and its plug-in") from error
    except ValueError as error:
        raise ScoringError(f"{url}: {error}") from error
    return filesystem, str(path)


def _glob(pattern: str) -> list[str]:
    return glob.glob(pattern, recursive=True)  # noqa: PTH207 - the pattern may be absolute


def _local(name: str) -> Iterator[Location]:
    paths = sorted(_glob(name)) if glob.has_magic(name) else [name]
    if glob.has_magic(name) and Path(name).exists():
        paths = [name]
    for each in paths:
        path = Path(each)
        if path.is_dir():
            files = (Path(at, file) for at, _, names in os.walk(path) for file in names)
            yield from (Location(str(f), None, str(f)) for f in _data_files(path, files))
        elif path.exists():
            yield Location(each, None, str(path))


def _data_files(folder: Path, files: Iterator[Path]) -> list[Path]:
    """Return the files of a data set, without those of engines, which begin with ``_`` or a dot."""
    kept = (
        file
        for file in files
        if format_of(file.name)
        and not any(part.startswith(("_", ".")) for part in file.relative_to(folder).parts)
    )
    return sorted(kept)


def _remote(url: str) -> Iterator[Location]:
    filesystem, path = filesystem_of(url)
    for each in sorted(filesystem.glob(path)) if glob.has_magic(path) else [path]:
        if filesystem.isdir(each):
            files = [file for file in sorted(filesystem.find(each)) if format_of(file)]
        else:
            files = [each] if filesystem.exists(each) else []
        for file in files:
            yield Location(filesystem.unstrip_protocol(file), filesystem, file)
