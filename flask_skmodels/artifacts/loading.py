"""A file becomes an estimator, and nothing in the file is run or parsed before it is known.

The digest, and what the application's ``verify`` is given, are of the very bytes that are loaded:
they are read once into memory, or mapped through the descriptor that they were hashed through, and
then what is unpickled is held against what was hashed, block by block.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import joblib
import sklearn
from joblib import numpy_pickle_compat
from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning

from flask_skmodels.artifacts.declaration import (
    PICKLED,
    Artifact,
    Policy,
    check_digest,
    check_format,
    check_signature,
    in_one_line,
    resolve,
    split_name,
)
from flask_skmodels.artifacts.mlflow import is_mlflow_model, read_mlflow_model
from flask_skmodels.artifacts.mmap import BLOCK, Blocks, unpickle
from flask_skmodels.artifacts.onnx import read_onnx
from flask_skmodels.artifacts.skops import read_skops
from flask_skmodels.errors import ArtifactError
from flask_skmodels.estimators import introspect

__all__ = ["Artifact", "Loaded", "Policy", "load", "resolve", "split_name"]

logger = logging.getLogger("flask_skmodels")

_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_NEEDS = {"skops": "skops", "onnx": "onnxruntime"}  # the extra, and what it brings
_PICKLE = b"\x80"
_LOADING = threading.RLock()


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class Loaded:
    """An estimator, and the file that it came from.

    :param estimator: the object that the file held; it has one served method at least
    :param path: the file
    :param format: ``"skops"``, ``"joblib"``, ``"pickle"`` or ``"onnx"``
    :param sha256: digest of the bytes that were loaded, in hexadecimal
    :param sklearn_version: the version of scikit-learn that the estimator was fitted with, None
        where the file does not tell
    :param loaded_at: when it was loaded, in UTC
    :param examples: rows that were kept with the estimator
    """

    estimator: Any
    path: Path
    format: str
    sha256: str
    sklearn_version: str | None
    loaded_at: datetime
    examples: tuple[Any, ...] = ()


def load(artifact: Artifact, policy: Policy) -> Loaded:
    """Load the estimator that a file holds.

    :param artifact: the file
    :param policy: what is demanded of it
    :raises ArtifactError: the file is refused, or nothing that can be served comes out of it
    """
    path = resolve(artifact, policy)
    if is_mlflow_model(path):
        return _load_mlflow_model(artifact, policy, path)
    return _load_file(artifact, policy, path)


def _load_mlflow_model(artifact: Artifact, policy: Policy, folder: Path) -> Loaded:
    """Load the file that a folder of MLflow names, which is what the digest is of."""
    described = read_mlflow_model(folder, partial(check_signature, policy))
    loaded = _load_file(artifact, policy, described.file)
    described.check(loaded.estimator)
    return replace(loaded, examples=described.examples)


def _load_file(artifact: Artifact, policy: Policy, path: Path) -> Loaded:
    kind = check_format(path)
    with _opened(path) as file:
        read = file.reader(artifact, policy, kind)
        check_digest(artifact, policy, path, file.sha256)
        if file.data is not None:
            check_signature(policy, path, file.data)
        estimator, version = _parse(path, policy, read)
    _check_estimator(path, estimator)
    return Loaded(
        estimator=estimator,
        path=path,
        format=kind,
        sha256=file.sha256,
        sklearn_version=version or _own_version(estimator),
        loaded_at=datetime.now(UTC),
    )


class _File:
    """A file that is open.

    :ivar data: all of it, None where it is only mapped
    :ivar sha256: digest of it
    """

    data: bytes | None = None
    sha256: str = ""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path, self.descriptor = path, descriptor
        self.before = os.fstat(descriptor)
        if stat.S_ISDIR(self.before.st_mode):
            raise ArtifactError(path, "it is a directory")
        if not stat.S_ISREG(self.before.st_mode):
            raise ArtifactError(path, "it is not a regular file")
        if not self.before.st_size:
            raise ArtifactError(path, "it is empty")

    def reader(self, artifact: Artifact, policy: Policy, kind: str) -> Callable[[], Any]:
        """Read and hash the file, and return what loads from those bytes."""
        if kind in _NEEDS and find_spec(_NEEDS[kind]) is None:
            needed = f"it needs {_NEEDS[kind]}: pip install 'Flask-SKModels[{kind}]'"
            raise ArtifactError(self.path, needed)
        mode = artifact.mmap_mode
        if mode is not None:
            self._check_mappable(kind)
        with open(self.descriptor, "rb", closefd=False) as file:
            if mode is None or policy.verify is not None:
                self.data = file.read()
            if mode is not None:
                content = file if self.data is None else BytesIO(self.data)
                blocks = Blocks(self.path, self.descriptor, iter(lambda: content.read(BLOCK), b""))
                self.sha256 = blocks.sha256
                return lambda: self._map(blocks, mode)
        data = self.data or b""
        self.sha256 = sha256(data).hexdigest()
        if kind == "skops":
            return lambda: read_skops(self.path, data, artifact.trusted)
        if kind == "onnx":
            return lambda: read_onnx(self.path, data)
        return lambda: joblib.load(BytesIO(data))

    def _check_mappable(self, kind: str) -> None:
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        start = os.read(self.descriptor, len(_PICKLE))
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        if kind not in PICKLED or start != _PICKLE:
            refusal = "it cannot be memory-mapped: only what joblib.dump writes uncompressed can"
            raise ArtifactError(self.path, refusal)

    def _map(self, blocks: Blocks, mode: str) -> Any:
        """Load with the arrays mapped, from what was hashed and not from what has the name now."""
        through = f"/proc/self/fd/{self.descriptor}"
        name = _Name(through if Path(through).exists() else self.path)
        name.of_file = os.path.realpath(self.path)
        self._check_unchanged(name)
        estimator = unpickle(blocks, name, mode)
        self._check_unchanged(name)
        return estimator

    def _check_unchanged(self, name: str) -> None:
        for now in (os.fstat(self.descriptor), Path(name).stat()):
            if _identity(now) != _identity(self.before):
                raise ArtifactError(self.path, "it was changed while it was loaded")


class _Name(str):
    """The name that a file is opened by, and for ``numpy.memmap`` to keep, the name that it has.

    A descriptor's name says nothing in another process, to which joblib sends the name alone.
    """

    __slots__ = ("of_file",)
    of_file: str

    def __fspath__(self) -> str:
        return str(self)

    def resolve(self) -> str:
        return self.of_file


def _identity(of: os.stat_result) -> tuple[int, ...]:
    return of.st_dev, of.st_ino, of.st_size, of.st_mtime_ns


@contextmanager
def _opened(path: Path) -> Iterator[_File]:
    with _os_errors(path):
        descriptor = os.open(path, _FLAGS)
        try:
            yield _File(path, descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _os_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise ArtifactError(path, "there is no such file") from error
    except PermissionError as error:
        raise ArtifactError(path, "permission denied") from error
    except OSError as error:
        raise ArtifactError(path, f"it cannot be read: {error.strerror or error}") from error


def _parse(path: Path, policy: Policy, read: Callable[[], Any]) -> tuple[Any, str | None]:
    """Return what is read, and the version of scikit-learn that it is of, if another."""
    other = ""
    try:
        with _noticing() as found, _alone():
            estimator = read()
    except ArtifactError:
        raise
    except Exception as error:
        if found:
            other = f"; {_mismatch(found)}"
        raise ArtifactError(path, f"it cannot be loaded: {in_one_line(error)}{other}") from error
    if not found:
        return estimator, None
    if policy.version_mismatch == "refuse":
        advice = "fit it again, or set SKMODELS_VERSION_MISMATCH to 'warn' or 'ignore'"
        raise ArtifactError(path, f"{_mismatch(found)}: {advice}")
    if policy.version_mismatch == "warn":
        logger.warning("%s: %s", path, _mismatch(found))
    return estimator, found[0].original_sklearn_version


def _mismatch(found: list[Any]) -> str:
    versions = ", ".join(dict.fromkeys(str(w.original_sklearn_version) for w in found))
    return f"it was fitted with scikit-learn {versions}, and this is {sklearn.__version__}"


@contextmanager
def _noticing() -> Iterator[list[Any]]:
    """Collect this thread's warnings of another version; leave all others as they are.

    What shows warnings is the process's own: another thread may save our hook and restore it
    after us, so the hook does nothing by then.
    """
    found: list[Any] = []
    thread, active = threading.get_ident(), True

    def notice(message: Any, *details: Any, **more: Any) -> None:
        own = active and threading.get_ident() == thread
        if own and isinstance(message, InconsistentVersionWarning):
            found.append(message)
        else:
            shown(message, *details, **more)

    with _LOADING, warnings.catch_warnings():
        warnings.filterwarnings("always", category=InconsistentVersionWarning)
        shown, warnings.showwarning = warnings.showwarning, notice
        try:
            yield found
        finally:
            active, warnings.showwarning = False, shown


@contextmanager
def _alone() -> Iterator[None]:
    """Load from one file: those of joblib before 0.10 name others, which nobody has hashed.

    It is used while one file is loaded at a time.
    """

    def refuse(self: Any, unpickler: Any) -> Any:
        raise ValueError("it names a file beside it, as joblib did before 0.10: dump it again")

    wrappers = (numpy_pickle_compat.NDArrayWrapper, numpy_pickle_compat.ZNDArrayWrapper)
    own = [wrapper.read for wrapper in wrappers]
    try:
        for wrapper in wrappers:
            wrapper.read = refuse
        yield
    finally:
        for wrapper, read in zip(wrappers, own, strict=True):
            wrapper.read = read


def _own_version(estimator: Any) -> str | None:
    """This version of scikit-learn, if any part is of it: there was no warning of another."""
    parts = [estimator, *getattr(estimator, "__dict__", {}).values()]
    with suppress(Exception):  # foreign parameters
        parts += estimator.get_params(deep=True).values()
    own = any(isinstance(p, BaseEstimator) and _is_sklearn(type(p)) for p in parts)
    return sklearn.__version__ if own else None


def _is_sklearn(cls: type) -> bool:
    return cls.__module__.startswith("sklearn.")


def _check_estimator(path: Path, estimator: Any) -> None:
    name = introspect.class_name(estimator)
    if isinstance(estimator, type):
        raise ArtifactError(path, f"it holds the class {estimator.__name__}, not an estimator")
    if not introspect.methods(estimator):
        methods = ", ".join(introspect.METHODS)
        raise ArtifactError(path, f"it holds no estimator but a {name}, with none of {methods}")
