"""A version of a model in the form in which it is sent to another process.

For a model with a file, the path and the digest of the file are sent, and the other process loads
the file once. Any other model is sent with its estimator.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from importlib import import_module
from threading import Lock

from flask_skmodels.artifacts.declaration import Artifact, Policy
from flask_skmodels.artifacts.loading import load
from flask_skmodels.exceptions import ArtifactError
from flask_skmodels.models import KeyValueModel, Model, ValuesModel, plain_schema
from flask_skmodels.versions.version import ModelVersion

_KINDS: tuple[type[Model], ...] = (KeyValueModel, ValuesModel, Model)
_MAX_LOADED = 4  # versions that a worker keeps
_received: dict[str, ShippedModel] = {}
_loaded: OrderedDict[str, ModelVersion] = OrderedDict()
_lock = Lock()


class FileNotSeen(Exception):
    """A worker does not see the file of a model, or a different file has its name there."""


@dataclass(frozen=True)
class ShippedModel:
    """A version that another process can load.

    :param declaration: the pickled declaration, without its estimator unless that is in it
    :param label: label of the version, None if the model has no versions
    :param artifact: the file of the model, pinned to its digest; None if the estimator is in the
        declaration
    :param policy: the requirements for the file, which it has met
    """

    declaration: bytes
    label: str | None
    artifact: Artifact | None
    policy: Policy | None

    @classmethod
    def of(
        cls,
        version: ModelVersion,
        artifact: Artifact | None,
        policy: Policy,
        *,
        with_estimator: bool = False,
    ) -> ShippedModel:
        """Return a version in the form in which it is sent.

        :param version: the version
        :param artifact: the file of the model as the application declares it, None for an estimator
            in memory
        :param policy: the requirements of the application for files
        :param with_estimator: whether to send the estimator even if the model has a file
        """
        model = _plain(version.model)
        loaded = version.loaded
        if loaded is None or artifact is None or with_estimator:
            model.pipeline = version.model.pipeline
            return cls(_pickled(model), version.label, None, None)
        model.pipeline = None
        path = loaded.path.absolute()
        pinned = Artifact(
            path, sha256=loaded.sha256, trusted=artifact.trusted, mmap_mode=artifact.mmap_mode
        )
        return cls(_pickled(model), version.label, pinned, policy.for_pinned_file())

    @cached_property
    def key(self) -> str:
        """A key that is the same whenever the version is the same."""
        file = "" if self.artifact is None else str(self.artifact.sha256)
        return sha256(self.declaration + file.encode()).hexdigest()

    def load(self) -> ModelVersion:
        """Return the version, loaded once in this process.

        :raises FileNotSeen: this process does not see its file
        """
        with _lock:
            if self.key not in _loaded:
                _loaded[self.key] = self._load()
            _loaded.move_to_end(self.key)
            while len(_loaded) > _MAX_LOADED:
                _loaded.popitem(last=False)
            return _loaded[self.key]

    def keep(self, version: ModelVersion) -> None:
        """Use a version that this process has loaded, so that it is not loaded again."""
        with _lock:
            _loaded[self.key] = version

    def _load(self) -> ModelVersion:
        model: Model = pickle.loads(self.declaration)  # noqa: S301 - made by this library
        if self.artifact is None or self.policy is None:
            return ModelVersion(model, self.label)
        try:
            loaded = load(self.artifact, self.policy)
        except ArtifactError as error:
            raise FileNotSeen(str(error)) from error
        model.pipeline = loaded.estimator
        return ModelVersion(model, self.label, loaded)


def _plain(model: Model) -> Model:
    """Return a copy of a declaration without what only the application needs.

    A class that only sets attributes becomes one of the library, so that a worker need not import
    the application.
    """
    kind = next(each for each in _KINDS if isinstance(model, each))
    copied = copy(model) if _has_code(type(model), kind) else kind.__new__(kind)
    for name in Model.attributes:
        setattr(copied, name, getattr(model, name))
    copied.configure(**plain_schema(model))
    copied.configuration = model.configuration
    copied.registered_with = None
    copied.decorators, copied.traffic, copied.traffic_key, copied.shadow = (), None, None, None
    return copied


def _has_code(cls: type, kind: type) -> bool:
    """Return whether a class, or a base class up to a class of the library, has code."""
    known = {*Model.attributes, "__annotations__"}
    derived = cls.__mro__[: cls.__mro__.index(kind)]
    names = {name for each in derived for name in vars(each)} - known
    is_special = bool(names & {"__call__", "__init__", "__getattr__", "__getattribute__"})
    return is_special or any(not name.startswith("__") for name in names)


def _pickled(model: Model) -> bytes:
    """Return a pickled declaration; its classes and functions may be local."""
    try:
        cloudpickle = import_module("cloudpickle")
    except ImportError:  # joblib before 1.6 has a copy of it
        cloudpickle = import_module("joblib.externals.cloudpickle")
    return bytes(cloudpickle.dumps(model, protocol=pickle.HIGHEST_PROTOCOL))


def receive(shipped: ShippedModel) -> None:
    """Keep a model that was sent to this worker, until a task names its key."""
    _received[shipped.key] = shipped


def received(key: str) -> ShippedModel:
    """Return the model that was sent to this worker under a key."""
    return _received[key]
