"""A model as one application serves it: the choice of a version, and calls of its methods."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from random import random
from threading import Lock
from typing import TYPE_CHECKING

from werkzeug.exceptions import HTTPException

from flask_skmodels.engines.threadpools import size_pools
from flask_skmodels.exceptions import SKModelsError
from flask_skmodels.inference.prediction import Prediction, PredictionCall, announce, execute
from flask_skmodels.inference.shadow import Shadow
from flask_skmodels.schema.types import JSONObject
from flask_skmodels.signals import Sender
from flask_skmodels.versions.compatibility import Compatibility, check_examples
from flask_skmodels.versions.version import ModelVersion, Versions

if TYPE_CHECKING:
    from flask import Request

TrafficKey = str | Callable[["Request"], str | None] | None


class LoadedModels:
    """The most recently used models; if too many are loaded, the least recently used is unloaded.

    Models whose estimator is in memory do not count, because they cannot be loaded again.

    :param most: the maximum number of loaded models
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._used: OrderedDict[str, Versions] = OrderedDict()
        self._lock = Lock()

    def touch(self, versions: Versions) -> None:
        """Record the use of a model; if too many are loaded, unload the least recently used."""
        if not versions.is_reloadable:
            return
        with self._lock:
            self._used[versions.name] = versions
            self._used.move_to_end(versions.name)
            one_more = len(self._used) > self._most
            oldest = self._used.popitem(last=False)[1] if one_more else None
        if oldest is not None:
            oldest.unload()


class Deployment:
    """A model as one application serves it: its versions, its canaries and its shadow.

    :param versions: the model's versions
    :param loaded_models: limits the number of loaded models, None for no limit
    :param threads: size of the thread pools of a worker, None for the size that the environment
        suggests
    :param batch_rows: the maximum number of rows in a combined call
    """

    def __init__(
        self,
        versions: Versions,
        loaded_models: LoadedModels | None = None,
        *,
        threads: int | None = None,
        batch_rows: int = 0,
    ) -> None:
        self.versions = versions
        self.threads = threads
        self.batch_rows = batch_rows
        self.model = versions.model
        self.name = versions.name
        self.shadow = None if versions.model.shadow is None else Shadow(versions.model.shadow)
        self._loaded_models = loaded_models if versions.is_reloadable else None
        self._logged: dict[object, str] = {}
        self._canaries: dict[str, tuple[tuple[str | None, ...], str]] = {}
        if self._loaded_models is not None:
            versions.on_load = self._touch

    def key(self, sender: Sender, request: Request) -> str | None:
        """Return the key of a request, which decides its version; None if the request has no key.

        If the ``traffic_key`` function fails, there is no key. The failure is logged once for each
        class of exception, and the prediction continues.

        :param sender: the application
        :param request: the request
        :raises HTTPException: the function aborted the request
        """
        if not self.model.traffic:
            return None
        try:
            return _key_of(self.model.traffic_key, request)
        except Exception as error:
            if isinstance(error, HTTPException) and not isinstance(error, KeyError):
                raise
            kind = type(error).__name__
            text = "traffic_key of model %r failed: %s"
            self._log_once(("traffic_key", kind), kind, sender, text, self.name)
            return None

    def version(
        self, sender: Sender, label: str | None = None, key: str | None = None
    ) -> ModelVersion:
        """Return the version that serves one request.

        :param sender: the application
        :param label: label of the version, if the request names one
        :param key: the key that the traffic is split by; the same key always gets the same version
        :raises UnknownModel: the model has no version with that label
        :raises ArtifactError: the version cannot be loaded
        """
        if self.versions.is_reloadable:
            self.versions.poll(sender)
            self._touch()
        if label is not None:
            return self.versions.get(label, sender)
        live = self.versions.current(sender)
        return self._canary_or_live(key, live, sender) if self.model.traffic else live

    def call(
        self, sender: Sender, version: ModelVersion, method: str, request_id: str | None = None
    ) -> PredictionCall:
        """Return a call of a method; its time is measured from now on.

        :param sender: the application
        :param version: the version to call, from :meth:`version`
        :param method: name of the estimator's method
        :param request_id: identifier of the request
        :raises UnknownModel: the version does not serve that method
        """
        size_pools(self.threads)
        return PredictionCall(sender, version, method, request_id, version.combiner(method))

    def execute(
        self, call: PredictionCall, prediction: Prediction, *, is_shadowed: bool = True
    ) -> Prediction:
        """Make a prepared prediction, and have the shadow make it too.

        :param call: the call
        :param prediction: its record, from :func:`~flask_skmodels.inference.prediction.prepare`
        :param is_shadowed: whether the shadow runs, if the model has one
        :returns: the record, complete
        :raises Exception: the exception of a receiver of ``before_prediction`` or of the estimator
        """
        announce(call, prediction)
        shadow = self.shadow if is_shadowed else None
        shadow_copy = None if shadow is None else shadow.copy(prediction)
        execute(call, prediction, self.batch_rows)
        if shadow is not None:
            shadow.submit(call.sender, self.versions, prediction, shadow_copy)
        return prediction

    def current(self, sender: Sender) -> ModelVersion:
        """Return the live version; it is loaded first if necessary.

        :param sender: the application
        :raises SKModelsError: no version of the model can serve
        """
        self.versions.poll(sender)
        self._touch()
        return self.versions.current(sender)

    def start(self, sender: Sender) -> None:
        """Load the model before the first request.

        :raises SKModelsError: no version of the model can serve
        """
        self._touch()
        self.versions.start(sender)

    def describe(self, sender: Sender) -> JSONObject:
        """Return a description of the model for clients; it is loaded first if necessary."""
        described = self.current(sender).describe()
        if self.versions.is_folder:
            described["versions"] = self.versions.describe()
            described["traffic"] = dict(self.model.traffic or {})
        if self.shadow is not None:
            described["shadow"] = self.shadow.summary()
        return described

    def summary(self) -> JSONObject:
        """Return the part of the description that is known without loading the model."""
        live = self.versions.live
        if live is not None:
            return live.describe()
        return {"name": self.name, "version": None, "methods": list(self.versions.methods)}

    def status(self) -> JSONObject:
        """Return the live version, its version of scikit-learn, and the versions that failed."""
        live = self.versions.live
        loaded = None if live is None else live.loaded
        return {
            "loaded": live is not None,
            "version": None if live is None else live.label,
            "sklearn_version": None if loaded is None else loaded.sklearn_version,
            "failed": [{"version": label} for label in self.versions.failures],
        }

    def _touch(self) -> None:
        if self._loaded_models is not None:
            self._loaded_models.touch(self.versions)

    def _canary_or_live(self, key: str | None, live: ModelVersion, sender: Sender) -> ModelVersion:
        """Return a canary for its share of the requests, else the live version."""
        share_left = share_of(key, self.name)
        for label, share in (self.model.traffic or {}).items():
            share_left -= share
            if share_left < 0:
                return self._usable_canary(label, live, sender)
        return live

    def _usable_canary(self, label: str, live: ModelVersion, sender: Sender) -> ModelVersion:
        """Return a canary; if it cannot serve, log that once and return the live version."""
        try:
            version = self.versions.get(label, sender)
            problem = self._problem_of(version, live)
        except SKModelsError as error:
            problem = str(error)
        if not problem:
            return version
        self._log_once(label, problem, sender, "canary %s of model %r: %s", label, self.name)
        return live

    def _log_once(
        self, of: object, problem: str, sender: Sender, text: str, *arguments: object
    ) -> None:
        """Log a problem, unless it is the same as the last one of its kind."""
        if self._logged.get(of) != problem:
            self._logged[of] = problem
            sender.logger.warning(text, *arguments, problem)

    def _problem_of(self, canary: ModelVersion, live: ModelVersion) -> str:
        """Return why a canary cannot replace the live version, an empty text if it can."""
        label = str(canary.label)
        files = (live.label, live.sha256, canary.sha256)
        known = self._canaries.get(label)
        if known is None or known[0] != files:
            self._canaries[label] = known = files, _check_canary(canary, live)
        return known[1]


def _check_canary(canary: ModelVersion, live: ModelVersion) -> str:
    try:
        Compatibility.of(live).check(canary)
        check_examples(canary)
    except SKModelsError as error:
        return str(error)
    return ""


def share_of(key: str | None, name: str) -> float:
    """Return a number in [0, 1): the same for each key and model, random without a key."""
    if key is None:
        return random()  # noqa: S311 - no secret
    digest = sha256(f"{name}\0{key}".encode("utf-8", "replace")).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def _key_of(declared: TrafficKey, request: Request) -> str | None:
    if declared is None:
        return None
    if callable(declared):
        key = declared(request)
    else:
        source, _, name = declared.partition(":")
        key = (request.headers if source == "header" else request.cookies).get(name)
    return None if key is None or key == "" else str(key)
