"""Loads an estimator from a file; nothing in the file is run or parsed before it is trusted.

The same bytes are hashed, passed to the application's ``verify`` and loaded: they are read into
memory once, or mapped through the descriptor that was used for hashing. In the latter case, each
block that is unpickled is compared with the block that was hashed.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Literal

import joblib
import numpy as np
import sklearn
from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning

from flask_skmodels.artifacts.declaration import Artifact, Policy, VersionFile, resolve
from flask_skmodels.artifacts.formats import PACKAGES, PICKLED, check_format
from flask_skmodels.artifacts.mlflow import MLflowModel, is_mlflow_model, read_mlflow_model
from flask_skmodels.artifacts.mmap import BLOCK, Blocks, unpickle
from flask_skmodels.artifacts.onnx import read_onnx
from flask_skmodels.artifacts.pins import check_digest, check_signature
from flask_skmodels.artifacts.reader_patches import checked_construction, one_file_only
from flask_skmodels.artifacts.regular_files import OpenedFile, opened
from flask_skmodels.artifacts.skops import read_skops
from flask_skmodels.artifacts.structures.checks import Unsound
from flask_skmodels.artifacts.structures.walk import check_structures, damaged
from flask_skmodels.artifacts.version_warnings import version_warnings
from flask_skmodels.estimators import introspect
from flask_skmodels.exceptions import ArtifactError, in_one_line
from flask_skmodels.hints import install_line
from flask_skmodels.schema.types import Estimator, JSONValue

logger = logging.getLogger("flask_skmodels")

MAX_COLUMNS = 100_000  # of the input: each becomes a field of the schema
_PICKLE = b"\x80"
_TOO_LARGE = "set SKMODELS_MAX_ARTIFACT_BYTES if it is a model of yours"


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class Loaded:
    """An estimator, and the file that it was loaded from.

    :param estimator: the object in the file; it has at least one method that can be served
    :param path: the file
    :param format: ``"skops"``, ``"joblib"``, ``"pickle"`` or ``"onnx"``
    :param sha256: digest of the bytes that were loaded, in hexadecimal
    :param sklearn_version: the version of scikit-learn that the estimator was fitted with, None if
        the file does not contain it
    :param is_trusted: True if the digest of the file is pinned, or its application has accepted it
    :param loaded_at: when it was loaded, in UTC
    :param examples: rows that were stored with the estimator
    """

    estimator: Estimator
    path: Path
    format: str
    sha256: str
    sklearn_version: str | None
    loaded_at: datetime
    is_trusted: bool = False
    examples: tuple[JSONValue, ...] = ()


def load(artifact: Artifact, policy: Policy) -> Loaded:
    """Load the estimator from a file.

    :param artifact: the file
    :param policy: the requirements for artifacts
    :raises ArtifactError: the file is refused, or it contains nothing that can be served
    """
    with checked_file(artifact, policy) as file:
        return file.load()


@contextmanager
def checked_file(artifact: Artifact, policy: Policy) -> Iterator[CheckedFile]:
    """Open a file and check its pin and its signature; nothing in it is parsed.

    If a folder of MLflow is declared, it is the file that the folder names.

    :param artifact: the file
    :param policy: the requirements for artifacts
    :raises ArtifactError: the file is refused
    """
    path, described = resolve(artifact, policy), None
    folder = path.parent if isinstance(artifact, VersionFile) else None
    if is_mlflow_model(path):
        described = read_mlflow_model(path, policy)
        path, folder = described.file, path
    format_ = check_format(path)
    with opened(path, policy.max_bytes, folder, remedy=_TOO_LARGE) as opened_file:
        file = _ArtifactFile(opened_file)
        read = file.reader(artifact, policy, format_)
        is_pinned = check_digest(artifact, policy, path, file.sha256)
        if file.data is not None:
            check_signature(policy, path, file.data)
        yield CheckedFile(
            path=path,
            format=format_,
            sha256=file.sha256,
            is_trusted=is_pinned or policy.trust_pickle or policy.verify is not None,
            policy=policy,
            read=read,
            described=described,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedFile:
    """An open file whose pin and signature have been checked.

    :param path: the file
    :param format: as in :class:`Loaded`, like ``sha256`` and ``is_trusted``
    :param sha256: digest of its bytes
    :param is_trusted: whether it is trusted
    :param policy: the requirements for artifacts
    :param read: parses these bytes
    :param described: the description of the file in a folder of MLflow, None in any other
    """

    path: Path
    format: str
    sha256: str
    is_trusted: bool
    policy: Policy
    read: Callable[[], Estimator]
    described: MLflowModel | None

    def load(self) -> Loaded:
        """Load the estimator.

        :raises ArtifactError: the file is refused, or it contains nothing that can be served
        """
        estimator, version = _parse(self.path, self.policy, self.read)
        try:
            check_structures(self.path, estimator)
            _check_estimator(self.path, estimator)
        except OSError as error:  # raised by the object, not by the file that is open
            raise ArtifactError(self.path, f"it cannot be loaded: {in_one_line(error)}") from error
        if self.described is not None:
            self.described.check(estimator)
        return Loaded(
            estimator=estimator,
            path=self.path,
            format=self.format,
            sha256=self.sha256,
            sklearn_version=version or _sklearn_version_of(estimator),
            loaded_at=datetime.now(UTC),
            is_trusted=self.is_trusted,
            examples=() if self.described is None else self.described.examples,
        )


class _ArtifactFile:
    """An artifact that is open for reading.

    :param file: the file
    :ivar data: its content, None if it is only mapped
    :ivar sha256: digest of its content
    :raises ArtifactError: it is empty
    """

    data: bytes | None = None
    sha256: str = ""

    def __init__(self, file: OpenedFile) -> None:
        self._file = file
        self.path, self.descriptor, self.before = file.path, file.descriptor, file.status
        if not self.before.st_size:
            raise ArtifactError(file.path, "it is empty")

    def reader(self, artifact: Artifact, policy: Policy, format_: str) -> Callable[[], Estimator]:
        """Read and hash the file, and return a function that loads those bytes.

        :raises ArtifactError: a package is missing, or the file cannot be mapped
        """
        self._check_installed(format_)
        if artifact.mmap_mode is not None:
            self._check_mappable(format_)
            return partial(self._map, self._hashed_blocks(policy), artifact.mmap_mode)
        self.data = data = self._file.read()
        self.sha256 = sha256(data).hexdigest()
        readers = dict.fromkeys(PICKLED, lambda: joblib.load(BytesIO(data)))
        readers["skops"] = partial(read_skops, self.path, data, artifact.trusted)
        readers["onnx"] = partial(read_onnx, self.path, data)
        return readers[format_]

    def _check_installed(self, format_: str) -> None:
        for package in PACKAGES.get(format_, ()):
            if find_spec(package) is None:
                needed = f"it needs {package}: {install_line(format_)}"
                raise ArtifactError(self.path, needed)

    def _check_mappable(self, format_: str) -> None:
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        start = os.read(self.descriptor, len(_PICKLE))
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        if format_ not in PICKLED or start != _PICKLE:
            refusal = "it cannot be memory-mapped: only uncompressed files of joblib.dump can be"
            raise ArtifactError(self.path, refusal)

    def _hashed_blocks(self, policy: Policy) -> Blocks:
        """Hash the file; keep its content only if the application's ``verify`` needs it."""
        if policy.verify is not None:
            self.data = self._file.read()
        with open(self.descriptor, "rb", closefd=False) as file:
            content = file if self.data is None else BytesIO(self.data)
            count = -(-self.before.st_size // BLOCK)  # a file that grows is not read on
            read = (content.read(BLOCK) for _ in range(count))
            blocks = Blocks(self.path, self.descriptor, read)
        self.sha256 = blocks.sha256
        return blocks

    def _map(self, blocks: Blocks, mode: Literal["r", "c"]) -> Estimator:
        """Load the hashed file with its arrays mapped, even if a newer file has its name."""
        through = f"/proc/self/fd/{self.descriptor}"
        name = _MappedPath(through if Path(through).exists() else self.path)
        name.of_file = os.path.realpath(self.path)
        self._check_unchanged(name)
        estimator = unpickle(blocks, name, mode)
        self._check_unchanged(name)
        return estimator

    def _check_unchanged(self, name: str) -> None:
        for now in (os.fstat(self.descriptor), Path(name).stat()):
            if _identity(now) != _identity(self.before):
                raise ArtifactError(self.path, "it was changed while it was loaded")


class _MappedPath(str):
    """The path that a mapped file is opened by; ``numpy.memmap`` keeps the file's real path.

    joblib sends an array to another process by its path alone, and the path of a descriptor is
    valid only in this process.
    """

    __slots__ = ("of_file",)
    of_file: str

    def __fspath__(self) -> str:
        return str(self)

    def resolve(self) -> str:
        return self.of_file


def _identity(of: os.stat_result) -> tuple[int, ...]:
    return of.st_dev, of.st_ino, of.st_size, of.st_mtime_ns


def _parse(
    path: Path, policy: Policy, read: Callable[[], Estimator]
) -> tuple[Estimator, str | None]:
    """Return the object, and its version of scikit-learn if it differs from the installed one."""
    try:
        with version_warnings() as mismatches, one_file_only(), checked_construction():
            estimator = read()
    except ArtifactError:
        raise
    except Unsound as error:
        raise ArtifactError(path, damaged("native part", str(error))) from error
    except Exception as error:
        hint = f"; {_mismatch(mismatches)}" if mismatches else ""
        raise ArtifactError(path, f"it cannot be loaded: {in_one_line(error)}{hint}") from error
    if not mismatches:
        return estimator, None
    if policy.version_mismatch == "refuse":
        advice = "fit it again, or set SKMODELS_VERSION_MISMATCH to 'warn' or 'ignore'"
        raise ArtifactError(path, f"{_mismatch(mismatches)}: {advice}")
    if policy.version_mismatch == "warn":
        logger.warning("%s: %s", path, _mismatch(mismatches))
    return estimator, mismatches[0].original_sklearn_version


def _mismatch(mismatches: Sequence[InconsistentVersionWarning]) -> str:
    versions = ", ".join(dict.fromkeys(str(w.original_sklearn_version) for w in mismatches))
    return f"it was fitted with scikit-learn {versions}, but {sklearn.__version__} is installed"


def _sklearn_version_of(estimator: Estimator) -> str | None:
    """Return the installed version of scikit-learn if a part of the estimator is from scikit-learn.

    This is for an estimator for which no warning has named a different version.
    """
    parts = [estimator, *getattr(estimator, "__dict__", {}).values()]
    with suppress(Exception):  # parameters may raise anything
        parts += estimator.get_params(deep=True).values()
    is_sklearn = any(isinstance(p, BaseEstimator) and _is_sklearn(type(p)) for p in parts)
    return sklearn.__version__ if is_sklearn else None


def _is_sklearn(cls: type) -> bool:
    return cls.__module__.startswith("sklearn.")


def _check_estimator(path: Path, estimator: Estimator) -> None:
    name = introspect.class_name(estimator)
    if isinstance(estimator, type):
        raise ArtifactError(path, f"it contains the class {estimator.__name__}, not an estimator")
    if not introspect.methods(estimator):
        methods = ", ".join(introspect.METHODS)
        raise ArtifactError(
            path,
            f"it contains an object of the class {name}, which has none of the methods {methods}",
        )
    columns = getattr(estimator, "n_features_in_", None)
    if isinstance(columns, int | np.integer) and columns > MAX_COLUMNS:
        limit = f"more than the limit of {MAX_COLUMNS:,}"
        raise ArtifactError(path, f"its {name} claims {columns:,} columns, {limit}")
