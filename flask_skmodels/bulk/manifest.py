"""The manifest of a run: a line of JSON for the run, then one for each finished chunk.

A line is appended after the file of its chunk has its name, never before. A line that is cut off,
because the process was killed, does not count.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from flask_skmodels.bulk.durable_files import cannot_write, sync_folder
from flask_skmodels.exceptions import ScoringError
from flask_skmodels.schema.types import JSONMapping, JSONObject, JSONValue

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkEntry:
    """A finished chunk.

    :param chunk: its number
    :param source: the name of its source
    :param first_row: the number of its first row in the source
    :param rows: the number of its rows
    :param scored: the number of rows that were scored
    :param rejected: the number of rows that were rejected
    :param sha256: the digest of its part file
    :param rejects_sha256: the digest of the file of its rejects, None if there are none
    """

    chunk: int
    source: str
    first_row: int
    rows: int
    scored: int
    rejected: int
    sha256: str
    rejects_sha256: str | None


class Manifest:
    """The manifest of a run, on the disk.

    :param path: the file
    :ivar run: the input, model and options of the run; None before :meth:`begin`
    :ivar chunks: the finished chunks by number
    :ivar schemas: the schemas of the output and the rejects, as text
    :ivar is_publishing: whether all chunks are finished, and the output may be there
    :ivar summary: the summary of the run, None until it is complete
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run: JSONObject | None = None
        self.chunks: dict[int, ChunkEntry] = {}
        self.schemas: dict[str, str] = {}
        self.is_publishing = False
        self.summary: JSONObject | None = None
        if path.exists():
            self._read()

    def begin(self, run: JSONMapping) -> None:
        """Begin the manifest of a new run; an older one is replaced."""
        self.run, self.chunks, self.schemas = dict(run), {}, {}
        self.is_publishing, self.summary = False, None
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise cannot_write(self.path, error) from error
        self._append({"manifest": FORMAT, "run": self.run})
        sync_folder(self.path.parent)

    def add_schemas(self, **schemas: str) -> None:
        """Record the schemas, which the first chunk decides."""
        self.schemas |= schemas
        self._append({"schemas": schemas})

    def add(self, entry: ChunkEntry) -> None:
        """Record a finished chunk."""
        self._append(asdict(entry))
        self.chunks[entry.chunk] = entry

    def publish(self) -> None:
        """Record that all chunks are finished, before the output gets its name."""
        self._append({"publishing": True})
        self.is_publishing = True

    def finish(self, summary: JSONObject) -> None:
        """Record that the output is complete."""
        self._append({"complete": summary})
        self.summary = summary

    def _append(self, line: JSONObject) -> None:
        try:
            with self.path.open("ab") as file:
                file.write(orjson.dumps(line) + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def _read(self) -> None:
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            os.truncate(self.path, len(whole))
        try:
            for line in whole.splitlines():
                self._take(orjson.loads(line))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ScoringError(f"{self.path} is not a manifest of a run: remove it") from error

    def _take(self, line: JSONValue) -> None:
        if "run" in line:
            if line["manifest"] != FORMAT:
                raise ScoringError(
                    f"{self.path} was written by a different version of Flask-SKModels: remove it"
                )
            self.run = line["run"]
        elif "schemas" in line:
            self.schemas |= line["schemas"]
        elif "publishing" in line:
            self.is_publishing = True
        elif "complete" in line:
            self.summary = line["complete"]
        else:
            self.chunks[line["chunk"]] = ChunkEntry(**line)


def differences(old: JSONValue, new: JSONValue, path: str = "") -> list[str]:
    """Return what has changed between two runs, in words."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        names = list(dict.fromkeys([*old, *new]))
        found = []
        for name in names:
            inner = f"{path} {name}".strip()
            found += differences(old.get(name), new.get(name), inner)
        return found
    if isinstance(old, list) and isinstance(new, list) and _are_files([*old, *new]):
        return _file_differences(old, new)
    return [] if old == new else [f"{path} was {_shown(old)} and is now {_shown(new)}"]


def _are_files(entries: list[JSONValue]) -> bool:
    return all(isinstance(entry, Mapping) and "file" in entry for entry in entries)


def _file_differences(old: list[JSONValue], new: list[JSONValue]) -> list[str]:
    before, now = ({entry["file"]: entry for entry in entries} for entries in (old, new))
    found = [f"{name} is no longer in the input" for name in before if name not in now]
    found += [f"{name} is new in the input" for name in now if name not in before]
    found += [
        f"the content of {name} has changed"
        for name in now
        if name in before and before[name] != now[name]
    ]
    if not found and list(before) != list(now):
        found = ["the input files are in a different order"]
    return found


def _shown(value: JSONValue) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= 40 else f"{text[:16]}…"
