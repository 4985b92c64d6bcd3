"""Views and error messages that several protocols of other servers use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from typing import ClassVar

from flask import Request, Response
from werkzeug.exceptions import NotFound

from flask_skmodels.codecs.json_text import dumps
from flask_skmodels.exceptions import InputError, RejectedRows, SKModelsError, UnknownModel
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.state import State
from flask_skmodels.versions.version import ModelVersion
from flask_skmodels.web.body import Body
from flask_skmodels.web.exchange import Exchange
from flask_skmodels.web.http_errors import NoSuchVersion, Problem
from flask_skmodels.web.predict import Predictor
from flask_skmodels.web.responses import error_response, json_response, problem_of, response_of
from flask_skmodels.web.views import BaseView

SERVER = "Flask-SKModels"
_UNKNOWN = "there is no such model or version"


@dataclass(frozen=True, slots=True)
class JSONErrors:
    """Exceptions as the JSON objects of a protocol.

    :param object_of: returns the object for a problem
    """

    object_of: Callable[[Problem], Mapping[str, object]]

    def response(self, exception: Exception, request: Request) -> Response:
        """Return an exception that stopped a request as a response."""
        response = response_of(exception)
        if response is not None:
            return response
        problem = problem_of(exception, request)
        if isinstance(exception, RejectedRows):  # the protocols have one status for bad input
            problem.status = HTTPStatus.BAD_REQUEST
        return error_response(problem, dumps(self.object_of(problem)), "application/json")


def _error_object(problem: Problem) -> Mapping[str, object]:
    return {"error": problem_text(problem)}


ERRORS = JSONErrors(_error_object)


class ModelReadyView(BaseView):
    """Reports whether a model, or a version of it, can predict; it is loaded first if needed.

    :param state: the extension on this application
    :param deployment: the model
    """

    errors = ERRORS

    def __init__(self, state: State, deployment: Deployment) -> None:
        self._state = state
        self._deployment = deployment

    def respond(self, exchange: Exchange) -> Response:
        name = self._deployment.name
        if self._is_ready(exchange):
            return json_response({"name": name, "ready": True})
        error = "the model is not ready"
        return json_response({"name": name, "ready": False, "error": error}, 503)

    def _is_ready(self, exchange: Exchange) -> bool:
        try:
            version_at(exchange, self._deployment)
        except NotFound:
            raise
        except SKModelsError:
            return False
        report = self._state.readiness.check()
        return self._deployment.name in report.ready and not report.is_draining


class ListView(BaseView):
    """The names of the models that the visitor may see.

    :param state: the extension on this application
    """

    errors = ERRORS

    def __init__(self, state: State) -> None:
        self._state = state

    def respond(self, exchange: Exchange) -> Response:
        return json_response({"models": [deployment.name for deployment in self._state.visible()]})


class UnknownView(BaseView):
    """The URL of a model, or of a version of a model, that does not exist."""

    errors = ERRORS

    def respond(self, exchange: Exchange) -> Response:
        raise NotFound(_UNKNOWN)


class UnknownCallView(BaseView):
    """The prediction URL of a model that does not exist."""

    methods: ClassVar[list[str]] = ["POST"]
    errors = ERRORS

    def respond(self, exchange: Exchange) -> Response:
        raise NotFound(_UNKNOWN)


def predicting_version(exchange: Exchange, predictor: Predictor) -> ModelVersion:
    """Return the version that serves a request, regardless of its content type.

    :raises SKModelsError: as :meth:`Predictor.version`
    """
    if callable(predictor.deployment.model.traffic_key):
        # The function may parse the body as a form, which consumes it, so the body is kept first.
        Body(exchange.request, predictor.budget).read()
    return predictor.version(exchange)


def version_at(exchange: Exchange, deployment: Deployment) -> ModelVersion:
    """Return the version that the URL of a request names, or the live one.

    :raises NoSuchVersion: the model has no such version
    :raises SKModelsError: the version cannot be loaded
    """
    try:
        return deployment.version(exchange.app, exchange.label, is_client=True)
    except UnknownModel as error:
        raise NoSuchVersion from error


def problem_text(problem: Problem) -> str:
    """Return the errors of a problem in one line."""
    return "; ".join(map(_sentence, problem.errors)) or problem.detail


def _sentence(error: InputError) -> str:
    row = [] if error.row is None else [f"row {error.row}"]
    field = [] if error.field is None else [f"field {error.field}"]
    return ": ".join([", ".join(row + field), error.message]) if row or field else error.message


@cache
def server_version() -> str:
    """Return the version of this library, ``"unknown"`` if it runs without being installed."""
    try:
        return version(SERVER)
    except PackageNotFoundError:
        return "unknown"
