"""Which version answers a request, and which one is asked beside it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from random import random
from threading import Lock
from typing import Any

from werkzeug.exceptions import HTTPException

from flask_skmodels.engines.threadpools import size_pools
from flask_skmodels.errors import SKModelsError
from flask_skmodels.inference.prediction import Prediction, run
from flask_skmodels.inference.shadow import Shadow
from flask_skmodels.schema.rows import Rows
from flask_skmodels.signals import Sender
from flask_skmodels.versions.compatibility import Compatibility, check_examples
from flask_skmodels.versions.version import ModelVersion, Versions


class LoadedModels:
    """Keeps the most recently used of very many models, and lets go of the others.

    Models whose estimator is in memory do not count: they could not be loaded again.

    :param most: how many are kept
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._used: OrderedDict[str, Versions] = OrderedDict()
        self._lock = Lock()

    def touch(self, versions: Versions) -> None:
        """Note that a model is used, and unload the one that was not for the longest time."""
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
    """A model as one application serves it: who answers, who is asked beside it, what is known.

    :param versions: the model's versions
    :param loaded_models: what keeps the number of loaded models down
    :param threads: how many the pools of a worker have, None for what the environment tells
    :param batch_rows: the most rows for which calls at the same time are combined to one
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
        self._loaded_models = loaded_models
        self._logged: dict[object, str] = {}
        self._canaries: dict[str, tuple[tuple[str | None, ...], str]] = {}
        if loaded_models is not None:
            versions.on_load = self._touch

    def predict(
        self,
        sender: Sender,
        version: ModelVersion,
        method: str,
        read: Callable[[], Rows],
        *,
        request_id: str | None = None,
        is_shadowed: bool = True,
    ) -> Prediction:
        """Predict with a version, and have the shadow asked the same.

        :param sender: the application
        :param version: what :meth:`version` has returned
        :param method: name of the estimator's method
        :param read: returns what the request said
        :param request_id: identifier of the request
        :param is_shadowed: whether the shadow is asked
        :raises Exception: as :func:`~flask_skmodels.inference.prediction.run`
        """
        size_pools(self.threads)
        shadow = self.shadow if is_shadowed else None
        shadow_copy = None if shadow is None else shadow.shadow_copy()
        prediction = run(
            sender,
            version,
            method,
            read,
            request_id=request_id,
            before_call=None if shadow_copy is None else shadow_copy.keep,
            batch_rows=self.batch_rows,
        )
        if shadow is not None and shadow_copy is not None:
            shadow.submit(sender, self.versions, prediction, shadow_copy)
        return prediction

    def key(self, sender: Sender, request: Any) -> str | None:
        """Return what a request says for the key that the traffic is split by.

        A function of the request that fails says nothing, which is logged once for each class of
        exception: a client is not to pay for it.

        :param sender: the application
        :param request: a Flask request
        :raises HTTPException: the function has aborted the request
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
        """Return the version that one request meets.

        :param sender: the application
        :param label: the version that was asked for by name
        :param key: what the traffic is split by: one key always meets the same version
        :raises UnknownModel: the model has no version of that label
        :raises ArtifactError: it cannot be loaded
        """
        self.versions.poll(sender)
        self._touch()
        return self._chosen(key, sender) if label is None else self.versions.get(label, sender)

    def current(self, sender: Sender) -> ModelVersion:
        """Return the version that serves, loaded if it was not yet.

        :param sender: the application
        :raises SKModelsError: no version of it can serve
        """
        self.versions.poll(sender)
        self._touch()
        return self.versions.current(sender)

    def start(self, sender: Sender) -> None:
        """Load the model, before the first request.

        :raises SKModelsError: no version of it can serve
        """
        self._touch()
        self.versions.start(sender)

    def describe(self, sender: Sender) -> dict[str, Any]:
        """Return what the model is, for a client; it is loaded if it was not yet."""
        described = self.current(sender).describe()
        if self.versions.is_folder:
            described["versions"] = self.versions.describe()
            described["traffic"] = dict(self.model.traffic or {})
        if self.shadow is not None:
            described["shadow"] = self.shadow.summary()
        return described

    def summary(self) -> dict[str, Any]:
        """Return what the model is, as far as that can be said without loading it."""
        live = self.versions.live
        if live is not None:
            return live.describe()
        return {"name": self.name, "version": None, "methods": list(self.versions.methods)}

    def status(self) -> dict[str, Any]:
        """Return which version serves, what it was fitted with, and which could not be loaded."""
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

    def _chosen(self, key: str | None, sender: Sender) -> ModelVersion:
        """Return a canary for its share of the requests, else the version that serves."""
        live = self.versions.current(sender)
        if not self.model.traffic:
            return live
        place = share_of(key, self.name)
        for label, share in self.model.traffic.items():
            place -= share
            if place < 0:
                return self._canary(label, live, sender)
        return live

    def _canary(self, label: str, live: ModelVersion, sender: Sender) -> ModelVersion:
        """Return a canary; the version that serves if it is no good, which is logged once."""
        try:
            version = self.versions.get(label, sender)
            problem = self._problem(version, live)
        except SKModelsError as error:
            problem = str(error)
        if not problem:
            return version
        self._log_once(label, problem, sender, "canary %s of model %r: %s", label, self.name)
        return live

    def _log_once(
        self, of: object, problem: str, sender: Sender, text: str, *arguments: object
    ) -> None:
        """Log a problem, unless it is the same as the last of that kind."""
        if self._logged.get(of) != problem:
            self._logged[of] = problem
            sender.logger.warning(text, *arguments, problem)

    def _problem(self, canary: ModelVersion, live: ModelVersion) -> str:
        """Return why a canary may not answer for the version that serves, empty if it may."""
        label = str(canary.label)
        files = (live.label, live.sha256, canary.sha256)
        known = self._canaries.get(label)
        if known is None or known[0] != files:
            self._canaries[label] = known = files, _problem_of(canary, live)
        return known[1]


def _problem_of(canary: ModelVersion, live: ModelVersion) -> str:
    try:
        Compatibility.of(live).check(canary)
        check_examples(canary)
    except SKModelsError as error:
        return str(error)
    return ""


def share_of(key: str | None, name: str) -> float:
    """Return a number from 0 to below 1, always the same for one key and model.

    It is random without a key.
    """
    if key is None:
        return random()  # noqa: S311 - no secret
    digest = sha256(f"{name}\0{key}".encode("utf-8", "replace")).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def _key_of(declared: Any, request: Any) -> str | None:
    if declared is None:
        return None
    if callable(declared):
        found = declared(request)
    else:
        place, _, name = declared.partition(":")
        found = (request.headers if place == "header" else request.cookies).get(name)
    return None if found is None or found == "" else str(found)
