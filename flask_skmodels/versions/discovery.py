"""Where the versions of a model are: one file, or the files of a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary

from flask_skmodels.artifacts.declaration import VersionFile
from flask_skmodels.artifacts.loading import Artifact, Loaded, Policy, load, resolve, split_name
from flask_skmodels.artifacts.mlflow import is_mlflow_model
from flask_skmodels.errors import ArtifactError

LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*", re.ASCII)
REQUEST_FILE = ".reload"
LOOK_WHILE_DOWN = 1.0  # seconds between two looks for what cannot be loaded

Stamp = tuple[int, int]
_Signature = tuple[int, int, int, int]
_NOT_THERE = (0, 0, 0, 0)
_Key = tuple[object, ...]
_loaded: WeakValueDictionary[_Key, Loaded] = WeakValueDictionary()
_lock = Lock()
_locks: WeakValueDictionary[_Key, Any] = WeakValueDictionary()  # one a file


@dataclass(frozen=True, slots=True)
class File:
    """One version's file, as it was when it was found.

    :param artifact: the file's
    :param signature: inode, size in bytes, and when its content and its permissions were changed
        last, in nanoseconds
    :param others: names of the files of its folder that have the same label
    """

    artifact: Artifact
    signature: _Signature
    others: tuple[str, ...] = ()


def find(artifact: Artifact, policy: Policy) -> dict[str | None, File]:
    """Return the files of an artifact by their label, the oldest first.

    :param artifact: a file, which has the label None, or a folder of versions: each file's label
        is its name without the ending, and their order the natural one, ``2`` before ``10``
    :raises ArtifactError: it does not exist, or the folder holds no version
    """
    path = resolve(artifact, policy)
    if not _is_there(path):
        raise ArtifactError(path, "there is no such file or folder")
    if is_mlflow_model(path):
        return {None: File(artifact, _signature_of_all(path))}
    if not path.is_dir():
        return {None: File(artifact, _signature(path))}
    files: dict[str | None, File] = {}
    for label, entry in _entries(path):
        own = VersionFile.of(artifact, entry.name)
        known = files.get(label)
        others = () if known is None else (*known.others, Path(known.artifact.path).name)
        files[label] = File(own, _signature(entry), others)
    if not files:
        raise ArtifactError(path, _no_version(path))
    return files


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError) as error:  # its name is too long or holds a zero byte
        raise ArtifactError(path, f"it cannot be looked at: {error}") from error


def _is_folder(path: Path) -> bool:
    return _is_known(path) and path.is_dir()


def _is_known(path: Path) -> bool:
    """Return whether a path is there; what keeps it from being looked at is told elsewhere."""
    try:
        return _is_there(path)
    except ArtifactError:
        return False


def is_folder(artifact: Artifact, policy: Policy) -> bool:
    """Return whether an artifact is a folder of versions, or would be one if it were there."""
    path = resolve(artifact, policy)
    if is_mlflow_model(path):
        return False
    return _is_folder(path) or (split_name(path)[1] is None and not _is_known(path))


def load_once(file: File, policy: Policy) -> Loaded:
    """Return what a file holds, loaded once in a process however many applications use it.

    :raises ArtifactError: it cannot be loaded, or it is not clear which file is meant
    """
    if file.others:
        others = ", ".join(file.others)
        reason = f"{others} in its folder has the same version: leave one of them there"
        raise ArtifactError(resolve(file.artifact, policy), reason)
    key = _key(file, policy)
    with _lock:
        own = _locks.setdefault(key, Lock())
    with own:
        loaded = _loaded.get(key)
        if loaded is None:
            loaded = _loaded[key] = load(file.artifact, policy)
        return loaded


def marker(artifact: Artifact, policy: Policy) -> str:
    """Return the file in a folder whose time says when a reload was asked for last."""
    return os.fspath(resolve(artifact, policy) / REQUEST_FILE)


def requested_at(marker: str) -> int:
    """Return when a reload of a folder was asked for last, in nanoseconds, 0 for never."""
    return _changed_at(marker)


def stamp(artifact: Artifact, policy: Policy) -> Stamp:
    """Return what changes with whatever a file that was refused may be accepted for then.

    That is a file beside it, such as its signature, or that a reload was asked for.
    """
    path = resolve(artifact, policy)
    folder = path if _is_folder(path) else path.parent
    return _changed_at(folder), requested_at(marker(artifact, policy))


def request_reload(marker: str) -> None:
    """Ask every process that serves a folder to look at it at its next request.

    :raises ArtifactError: the folder cannot be written
    """
    path = Path(marker)
    try:
        path.touch()
    except OSError as error:
        raise ArtifactError(path, f"cannot be written: {error.strerror}") from error


def natural(name: str) -> list[tuple[int, int, str]]:
    """Return a key that orders names as a person does: 2 before 10."""
    parts = re.split(r"([0-9]+)", name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]


def newest_first(files: Mapping[str | None, File]) -> list[str | None]:
    """Return the labels, the newest first."""
    return list(files)[::-1]


def listed(files: Mapping[str | None, File]) -> str:
    """Return the labels as a text, the newest first."""
    return ", ".join(filter(None, newest_first(files))) or "none"


def versions_in(folder: Path) -> list[Path]:
    """Return the files of a folder that are versions, the oldest first.

    :raises ArtifactError: the folder cannot be listed
    """
    return [entry for _, entry in _entries(folder)]


def _entries(folder: Path) -> list[tuple[str, Path]]:
    """Return the labels and files of a folder that are versions, in their natural order."""
    try:
        split = [(*split_name(entry), entry) for entry in folder.iterdir()]
    except OSError as error:
        raise ArtifactError(folder, f"cannot be listed: {error.strerror}") from error
    versions = [
        (label, entry)
        for label, format_, entry in split
        if format_ is not None and LABEL.fullmatch(label)
    ]
    return sorted(versions, key=lambda version: (natural(version[0]), version[0], version[1].name))


def _no_version(folder: Path) -> str:
    names = sorted(entry.name for entry in folder.iterdir() if split_name(entry)[1] is not None)
    others = [name for name in names if name.isprintable() and not name.startswith(".")][:3]
    hint = f"; {', '.join(others)} is no name of a version" if others else ""
    return f"the folder holds no version: put a file such as 1.skops in it{hint}"


def _signature(path: Path) -> _Signature:
    """Return what a file is known by; of one that is not there, loading says so."""
    try:
        status = path.stat()
    except OSError:
        return _NOT_THERE
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _signature_of_all(folder: Path) -> _Signature:
    """Return what changes with any file of a folder: each of the four added up."""
    numbers = zip(*(_signature(entry) for entry in folder.iterdir()), strict=True)
    inodes, size, changed, permitted = map(sum, numbers)
    return inodes, size, changed, permitted


def _changed_at(path: str | Path) -> int:
    try:
        return os.stat(path).st_mtime_ns  # noqa: PTH116 - asked for at each request
    except (OSError, ValueError):
        return 0


class _Same:
    """Equal for one object alone, for those that have no hash."""

    def __init__(self, of: object) -> None:
        self._of = of

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._of is other._of

    def __hash__(self) -> int:
        return id(self._of)


def _key(file: File, policy: Policy) -> _Key:
    """Return what is equal for two applications with equal demands of a file, wherever they are."""
    artifact, sums = file.artifact, policy.sha256sums
    rest = replace(policy, root=Path(), verify=None)
    if sums is not None:
        rest = replace(rest, sha256sums=Path(policy.root, sums))
    path = resolve(artifact, policy).absolute()
    demands = artifact.sha256, artifact.trusted, artifact.mmap_mode
    return path, *demands, rest, _hashable(policy.verify), file.signature


def _hashable(value: object) -> object:
    try:
        hash(value)
    except TypeError:
        return _Same(value)
    return value
