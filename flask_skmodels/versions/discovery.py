"""The files of a model: one file, or a folder with a file for each version."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flask_skmodels.artifacts.declaration import (
    Artifact,
    Policy,
    VersionFile,
    resolve,
)
from flask_skmodels.artifacts.formats import split_name
from flask_skmodels.artifacts.mlflow import is_mlflow_model
from flask_skmodels.artifacts.profile_beside import profile_path
from flask_skmodels.exceptions import ArtifactError

LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*", re.ASCII)
REQUEST_FILE = ".reload"  # its modification time is the time of the last reload request

Stamp = tuple[int, int, int]
Signature = tuple[int, int, int, int]
_ABSENT: Signature = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class File:
    """The file of one version, in the state in which it was listed.

    :param artifact: the file
    :param signature: inode, size in bytes, and the times in nanoseconds of the last change of its
        content and of its permissions
    :param others: names of other files in its folder with the same label
    :param profile: signature of the profile beside the file
    """

    artifact: Artifact
    signature: Signature
    others: tuple[str, ...] = ()
    profile: Signature = _ABSENT


def find(artifact: Artifact, policy: Policy) -> dict[str | None, File]:
    """Return the files of an artifact by their label, the oldest first.

    :param artifact: a file, which has the label None, or a folder of versions. The label of a
        version is the name of its file without the suffix; the order is natural, ``2`` before
        ``10``
    :param policy: the path is relative to its ``root``
    :raises ArtifactError: the artifact does not exist, or the folder contains no version
    """
    path = resolve(artifact, policy)
    if not _exists(path):
        raise ArtifactError(path, "there is no such file or folder")
    if is_mlflow_model(path):
        return {None: File(artifact, _signature_of_all(path), profile=_profile(path))}
    if not path.is_dir():
        return {None: File(artifact, _signature(path), profile=_profile(path))}
    files: dict[str | None, File] = {}
    for label, entry in _entries(path):
        known = files.get(label)
        others = () if known is None else (*known.others, Path(known.artifact.path).name)
        version_file = VersionFile.of(artifact, entry.name)
        files[label] = File(version_file, _signature(entry), others, _profile(entry))
    if not files:
        raise ArtifactError(path, _no_version(path))
    return files


def is_folder(artifact: Artifact, policy: Policy) -> bool:
    """Return True if an artifact is a folder of versions, or would be one if it existed."""
    path = resolve(artifact, policy)
    if is_mlflow_model(path):
        return False
    return _is_folder(path) or (split_name(path)[1] is None and not _is_known(path))


def marker(artifact: Artifact, policy: Policy) -> str:
    """Return the path of the file that is touched when a reload is requested."""
    return os.fspath(resolve(artifact, policy) / REQUEST_FILE)


def changed_at(path: str | Path) -> int:
    """Return when a file or folder was last changed, in nanoseconds; 0 if it does not exist."""
    try:
        return os.stat(path).st_mtime_ns  # noqa: PTH116 - called for each request
    except (OSError, ValueError):
        return 0


def stamp(artifact: Artifact, policy: Policy) -> Stamp:
    """Return a value that changes when a rejected file may have become acceptable.

    The value changes when a further file, such as a signature, appears in the folder, when the list
    of digests or its signature changes, and when a reload is requested.
    """
    path = resolve(artifact, policy)
    folder = path if _is_folder(path) else path.parent
    return changed_at(folder), changed_at(marker(artifact, policy)), _list_changed_at(policy)


def _list_changed_at(policy: Policy) -> int:
    """Return when the list of digests, or a file whose name begins with its name, was last changed.

    The signature of the list is such a file.
    """
    if policy.sha256sums is None:
        return 0
    sums = Path(policy.root, policy.sha256sums)
    try:
        beside = [file for file in sums.parent.iterdir() if file.name.startswith(sums.name)]
    except (OSError, ValueError):
        return 0
    return max(map(changed_at, beside), default=0)


def newest_first(files: Mapping[str | None, File]) -> list[str | None]:
    """Return the labels of files that :func:`find` has returned, the newest first."""
    return list(files)[::-1]


def labels_text(files: Mapping[str | None, File]) -> str:
    """Return the labels of files for a message, the newest first."""
    return ", ".join(filter(None, newest_first(files))) or "none"


def versions_in(folder: Path) -> list[Path]:
    """Return the files of a folder that are versions, the oldest first.

    :raises ArtifactError: the folder cannot be listed
    """
    return [entry for _, entry in _entries(folder)]


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError) as error:  # the path is too long or contains a zero byte
        raise ArtifactError(path, f"it cannot be accessed: {error}") from error


def _is_folder(path: Path) -> bool:
    return _is_known(path) and path.is_dir()


def _is_known(path: Path) -> bool:
    """Return True if a path exists; a path that cannot be accessed fails when it is loaded."""
    try:
        return _exists(path)
    except ArtifactError:
        return False


def _entries(folder: Path) -> list[tuple[str, Path]]:
    """Return the labels and the files of the versions in a folder, in natural order."""
    try:
        split = [(*split_name(entry), entry) for entry in folder.iterdir()]
    except OSError as error:
        raise ArtifactError(folder, f"cannot be listed: {error.strerror}") from error
    versions = [
        (label, entry)
        for label, format_, entry in split
        if format_ is not None and LABEL.fullmatch(label)
    ]
    return sorted(versions, key=lambda version: (_natural(version[0]), version[0], version[1].name))


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Return a sort key that puts names in natural order, 2 before 10."""
    parts = re.split(r"([0-9]+)", name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]


def _no_version(folder: Path) -> str:
    names = sorted(entry.name for entry in folder.iterdir() if split_name(entry)[1] is not None)
    others = [name for name in names if name.isprintable() and not name.startswith(".")][:3]
    hint = f"; these names are not valid for versions: {', '.join(others)}" if others else ""
    return f"the folder contains no version: put a file such as 1.skops in it{hint}"


def _signature(path: Path) -> Signature:
    """Return the signature of a file; if the file is gone, loading it raises the error."""
    try:
        status = path.stat()
    except OSError:
        return _ABSENT
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _profile(artifact: Path) -> Signature:
    return _signature(profile_path(artifact))


def _signature_of_all(folder: Path) -> Signature:
    """Return a signature that changes with any file of a folder: the sum of all signatures."""
    numbers = zip(*(_signature(entry) for entry in folder.iterdir()), strict=True)
    inodes, size, changed, permitted = map(sum, numbers)
    return inodes, size, changed, permitted
