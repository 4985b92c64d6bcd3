"""The assignment of requests to canaries: versions that get a share of a model's requests."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from random import random
from typing import TYPE_CHECKING

from werkzeug.exceptions import HTTPException

from flask_skmodels.exceptions import SKModelsError
from flask_skmodels.signals import Sender
from flask_skmodels.versions.compatibility import Compatibility, check_examples
from flask_skmodels.versions.version import ModelVersion, Versions

if TYPE_CHECKING:
    from flask import Request

TrafficKey = str | Callable[["Request"], str | None] | None


class Canaries:
    """The canaries of one model: the versions in its ``traffic``.

    :param versions: the model's versions
    """

    def __init__(self, versions: Versions) -> None:
        self._versions = versions
        self._model = versions.model
        self._name = versions.name
        self._logged: dict[object, str] = {}
        self._checked: dict[str, tuple[tuple[str | None, ...], str]] = {}

    def key(self, sender: Sender, request: Request) -> str | None:
        """Return the key of a request, which decides its version; None if the request has no key.

        If the ``traffic_key`` function fails, there is no key. The failure is logged once for each
        class of exception, and the prediction continues.

        :param sender: the application
        :param request: the request
        :raises HTTPException: the function aborted the request
        """
        if not self._model.traffic:
            return None
        try:
            return _key_of(self._model.traffic_key, request)
        except Exception as error:
            if isinstance(error, HTTPException) and not isinstance(error, KeyError):
                raise
            kind = type(error).__name__
            text = "traffic_key of model %r failed: %s"
            self._log_once(("traffic_key", kind), kind, sender, text, self._name)
            return None

    def choose(self, key: str | None, live: ModelVersion, sender: Sender) -> ModelVersion:
        """Return the canary that a request is assigned to, or the live version.

        :param key: the key of the request, from :meth:`key`
        :param live: the live version
        :param sender: the application
        """
        share_left = _share_of(key, self._name)
        for label, share in (self._model.traffic or {}).items():
            share_left -= share
            if share_left < 0:
                return self._usable_canary(label, live, sender)
        return live

    def _usable_canary(self, label: str, live: ModelVersion, sender: Sender) -> ModelVersion:
        """Return a canary; if it cannot serve, log this once and return the live version."""
        try:
            version = self._versions.get(label, sender)
            problem = self._problem_of(version, live)
        except SKModelsError as error:
            problem = str(error)
        if not problem:
            return version
        self._log_once(label, problem, sender, "canary %s of model %r: %s", label, self._name)
        return live

    def _log_once(
        self, of: object, problem: str, sender: Sender, text: str, *arguments: object
    ) -> None:
        """Log a problem, unless it is the same as the last problem of its kind."""
        if self._logged.get(of) != problem:
            self._logged[of] = problem
            sender.logger.warning(text, *arguments, problem)

    def _problem_of(self, canary: ModelVersion, live: ModelVersion) -> str:
        """Return why a canary cannot replace the live version, an empty text if it can."""
        label = str(canary.label)
        files = (live.label, live.sha256, canary.sha256)
        known = self._checked.get(label)
        if known is None or known[0] != files:
            self._checked[label] = known = files, _check_canary(canary, live)
        return known[1]


def _check_canary(canary: ModelVersion, live: ModelVersion) -> str:
    try:
        Compatibility.of(live).check(canary)
        check_examples(canary)
    except SKModelsError as error:
        return str(error)
    return ""


def _share_of(key: str | None, name: str) -> float:
    """Return a number in [0, 1): always the same for a key and a model; random without a key."""
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
