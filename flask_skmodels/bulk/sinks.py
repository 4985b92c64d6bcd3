"""Sinks: a file, a folder of parts, a table of a database, or standard output.

A run writes a part file for each chunk into its own folder beside the output. When all part files
are there, they become the output in one step: they are joined into a file that is renamed, the
folder is renamed, or the rows are written in one transaction.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePath
from typing import Protocol

from flask_skmodels.bulk.databases import Table, shown
from flask_skmodels.bulk.durable_files import sync_folder, write_durably
from flask_skmodels.bulk.locations import FileFormat, filesystem_of, format_of, is_url
from flask_skmodels.bulk.part_files import join_parts, read_part_file
from flask_skmodels.exceptions import ScoringError
from flask_skmodels.schema.types import ArrowSchema

STANDARD_OUTPUT = "-"
PARQUET = FileFormat("parquet")
_SHEETS = {".xlsx", ".xls", ".xlsm", ".ods"}


class Sink(Protocol):
    """Where the output goes."""

    form: FileFormat
    has_one_header: bool

    @property
    def name(self) -> str:
        """The name of the output, as messages and the summary show it."""

    @property
    def staging(self) -> Path:
        """The path beside which the parts, the manifest and the lock are."""

    def exists(self) -> bool:
        """Return whether the output is there already."""

    def publish(self, schema: ArrowSchema, folder: Path, parts: Sequence[Path]) -> None:
        """Make the parts the output, in one step.

        :param schema: the Arrow schema of the parts
        :param folder: the folder that contains the parts and nothing else
        :param parts: the part files, in order
        """


@dataclass
class FileSink:
    """A file on this machine.

    :param path: the file
    :param form: its format
    """

    path: Path
    form: FileFormat
    has_one_header: bool = True

    @property
    def name(self) -> str:
        return str(self.path)

    @property
    def staging(self) -> Path:
        return self.path

    def exists(self) -> bool:
        return self.path.exists()

    def publish(self, schema: ArrowSchema, folder: Path, parts: Sequence[Path]) -> None:
        write_durably(self.path, lambda file: join_parts(schema, parts, file, self.form))
        shutil.rmtree(folder)


@dataclass
class FolderSink:
    """A folder on this machine with a part file for each chunk.

    :param path: the folder
    :param form: the format of the part files
    """

    path: Path
    form: FileFormat
    has_one_header: bool = False

    @property
    def name(self) -> str:
        return f"{self.path}{os.sep}"

    @property
    def staging(self) -> Path:
        return self.path

    def exists(self) -> bool:
        return self.path.exists() and not (self.path.is_dir() and not any(self.path.iterdir()))

    def publish(self, schema: ArrowSchema, folder: Path, parts: Sequence[Path]) -> None:
        if self.path.is_dir():
            self.path.rmdir()
        folder.replace(self.path)
        sync_folder(self.path.parent)


@dataclass
class RemoteSink:
    """A file or a folder at a URL of fsspec; until it is published, its parts are on this machine.

    :param url: the URL; one that ends in ``/`` is a folder
    :param form: the format
    :param state: the folder on this machine for the parts
    """

    url: str
    form: FileFormat
    state: Path

    def __post_init__(self) -> None:
        self._filesystem, self._path = filesystem_of(self.url)
        self.has_one_header = not self._is_folder

    @property
    def name(self) -> str:
        return self.url

    @property
    def staging(self) -> Path:
        return _staging_of(self.url, self.state)

    @property
    def _is_folder(self) -> bool:
        return self.url.endswith("/") or format_of(self.url) is None

    def exists(self) -> bool:
        if self._is_folder and self._filesystem.isdir(self._path):
            return bool(self._filesystem.find(self._path))
        return bool(self._filesystem.exists(self._path))

    def publish(self, schema: ArrowSchema, folder: Path, parts: Sequence[Path]) -> None:
        if self._is_folder:
            self._filesystem.makedirs(self._path, exist_ok=True)
            for part in parts:
                self._filesystem.put_file(str(part), f"{self._path.rstrip('/')}/{part.name}")
        else:
            whole = self.staging.with_name(self.staging.name + ".whole")
            write_durably(whole, lambda file: join_parts(schema, parts, file, self.form))
            self._filesystem.put_file(str(whole), self._path)
            whole.unlink()
        shutil.rmtree(folder)


@dataclass
class TableSink:
    """A table of a database; until it is written, its parts are on this machine, as Parquet.

    :param table: the table
    :param state: the folder on this machine for the parts
    """

    table: Table
    state: Path
    form: FileFormat = PARQUET
    has_one_header: bool = True

    @property
    def name(self) -> str:
        return f"{shown(self.table.url)}#{self.table.name}"

    @property
    def staging(self) -> Path:
        return _staging_of(f"{self.table.url}#{self.table.name}", self.state)

    def exists(self) -> bool:
        return self.table.exists()

    def publish(self, schema: ArrowSchema, folder: Path, parts: Sequence[Path]) -> None:
        if not self.exists():  # a run that was killed may have written it
            self.table.write(schema, (read_part_file(part, self.form) for part in parts))
        shutil.rmtree(folder)


def file_sink(name: str, form: FileFormat | None, state: Path) -> Sink:
    """Return the sink that a path or a URL names.

    A name with a known suffix is one file, any other a folder.

    :param name: the path or URL
    :param form: the format that an option names; None for the format of the suffix, or else Parquet
    :param state: the folder on this machine for the parts of a remote output
    :raises ScoringError: the option does not match the suffix, or the suffix is of a spreadsheet
    """
    if PurePath(name).suffix.lower() in _SHEETS:
        raise ScoringError(
            f"{name}: spreadsheets cannot be written: name a file with the suffix .csv"
        )
    suffixed = None if name.endswith(("/", os.sep)) else format_of(name)
    if suffixed and form and suffixed.name != form.name:
        raise ScoringError(f"the suffix of {name} does not match the format {form.name}")
    chosen = suffixed or form or PARQUET
    if is_url(name):
        return RemoteSink(name, chosen, state)
    path = Path(name)
    if path.name in {"", ".."}:
        path = path.resolve()
    if suffixed and not path.is_dir():
        return FileSink(path, chosen)
    return FolderSink(path, chosen)


def _staging_of(name: str, state: Path) -> Path:
    return state / f"score-{sha256(name.encode()).hexdigest()[:16]}"
