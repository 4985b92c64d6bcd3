"""The loaded files of a process, each kept once for all applications that use it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from weakref import WeakValueDictionary

from flask_skmodels.artifacts.declaration import Policy, resolve
from flask_skmodels.artifacts.loading import Loaded, checked_file
from flask_skmodels.exceptions import ArtifactError
from flask_skmodels.models import Model
from flask_skmodels.versions.discovery import File
from flask_skmodels.versions.keyed_locks import KeyedLocks
from flask_skmodels.versions.trials import Trials

_FileKey = tuple[object, ...]
_loaded: WeakValueDictionary[_FileKey, Loaded] = WeakValueDictionary()
_files = KeyedLocks()


def load_once(file: File, policy: Policy, model: Model, trials: Trials | None = None) -> Loaded:
    """Return the content of a file, loaded once in a process for all applications that use it.

    :param model: the declaration of its model
    :param trials: tries the file before it is loaded, None to load it untried
    :raises ArtifactError: the file cannot be loaded, or another file has the same label
    """
    if file.others:
        others = ", ".join(file.others)
        reason = f"its folder has {others} for the same version: keep only one of these files"
        raise ArtifactError(resolve(file.artifact, policy), reason)
    key = _key(file, policy)
    with _files.holding(key):
        loaded = _loaded.get(key)
        if loaded is None:
            with checked_file(file.artifact, policy) as checked:
                if trials is not None:
                    trials.check(model, file.artifact, policy, checked.sha256)
                loaded = _loaded[key] = checked.load()
        elif trials is not None:  # another model of the same file
            trials.check(model, file.artifact, policy, loaded.sha256)
        return loaded


def _key(file: File, policy: Policy) -> _FileKey:
    """Return a key that is equal for applications with the same requirements for the same file."""
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
        return _Identity(value)
    return value


class _Identity:
    """Represents an object without a hash in a key; equal only for the same object."""

    def __init__(self, of: object) -> None:
        self._of = of

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self._of is other._of

    def __hash__(self) -> int:
        return id(self._of)
