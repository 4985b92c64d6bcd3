"""What the foreign protocols share: their errors, readiness, and models that are not there."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import ClassVar, NoReturn

from flask import Flask, Response, request
from werkzeug.exceptions import NotFound

from flask_skmodels.codecs.json_text import dumps
from flask_skmodels.codecs.problem import Problem
from flask_skmodels.errors import InputError, InvalidInput, SKModelsError, UnknownModel
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.schema.rows import Rows
from flask_skmodels.state import State
from flask_skmodels.versions.version import ModelVersion
from flask_skmodels.web.body import Body
from flask_skmodels.web.views import (
    AnswerView,
    CallView,
    application,
    json_response,
    refused,
    request_at_hand,
)

SERVER = "Flask-SKModels"


class DialectView(AnswerView):
    """A view whose exceptions become ``{"error": ...}``."""

    def refusal(self, exception: Exception) -> Response:
        return refused(exception, lambda problem: (self.error(problem), "application/json"))

    def error(self, problem: Problem) -> bytes:
        """Return a problem as the protocol tells it."""
        return dumps({"error": sentence_of(problem)})


class DialectCallView(DialectView, CallView):
    """A view that calls a version of a model, whatever the content type says."""

    def answer(self, request_id: str) -> Response:
        if callable(
            self.deployment.model.traffic_key
        ):  # it may parse the form that this claims to be
            Body(request_at_hand(), self.settings.max_rows).read()
        return super().answer(request_id)

    def reject(
        self, app: Flask, called: ModelVersion, error: InvalidInput, request_id: str
    ) -> NoReturn:
        """Raise what is wrong with a request that names no method, as the default one's input."""
        self.predict(app, called, called.default_method, _raises(error), request_id=request_id)
        raise error


class ReadyView(DialectView):
    """Whether a model, or a version of it, can answer: it is loaded if it was not yet.

    :param deployment: the model
    """

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment

    def answer(self, request_id: str) -> Response:
        document: dict[str, object] = {"name": self.deployment.name, "ready": True}
        try:
            version_at(self.deployment)
        except NotFound:
            raise
        except SKModelsError:
            document |= {"ready": False, "error": "the model is not ready"}
        response = json_response(document)
        response.status_code = 200 if document["ready"] else 503
        return response


class ListView(DialectView):
    """The names of the models that the visitor may see."""

    def __init__(self, state: State) -> None:
        self.state = state

    def answer(self, request_id: str) -> Response:
        return json_response({"models": [deployment.name for deployment in self.state.visible()]})


class UnknownView(DialectView):
    """Addresses of models, or of versions of them, that are not there."""

    def answer(self, request_id: str) -> Response:
        raise NotFound("there is no such model or version")


class UnknownCallView(UnknownView):
    """The same, of addresses that predict."""

    methods: ClassVar[list[str]] = ["POST"]


def version_at(deployment: Deployment) -> ModelVersion:
    """Return the version that the address of the request at hand names, or that serves.

    :raises NotFound: there is no such version
    :raises SKModelsError: it cannot be loaded
    """
    try:
        return deployment.version(application(), (request.view_args or {}).get("version"))
    except UnknownModel as error:
        raise NotFound("the model has no such version") from error


def sentence_of(problem: Problem) -> str:
    """Return what is wrong in one line."""
    return "; ".join(map(_sentence, problem.errors)) or problem.detail


def _sentence(error: InputError) -> str:
    row = [] if error.row is None else [f"row {error.row}"]
    field = [] if error.field is None else [f"field {error.field}"]
    return ": ".join([", ".join(row + field), error.message]) if row or field else error.message


@cache
def server_version() -> str:
    """Return the version of this library; of a copy that is not installed, nothing is known."""
    try:
        return version(SERVER)
    except PackageNotFoundError:
        return "unknown"


def _raises(error: Exception) -> Callable[[], Rows]:
    def read() -> Rows:
        raise error

    return read
