"""Responses: JSON documents, and exceptions as problem documents."""

from __future__ import annotations

from typing import Protocol, cast

from flask import Request, Response, current_app
from werkzeug.exceptions import HTTPException

from flask_skmodels.codecs.json_text import dumps
from flask_skmodels.codecs.parts import are_large, entries_of, json_parts
from flask_skmodels.exceptions import (
    ArtifactError,
    InvalidInput,
    ModelError,
    Overloaded,
    TimedOut,
)
from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.openapi.components import PROBLEM_MEDIA_TYPE
from flask_skmodels.schema.types import JSONMapping
from flask_skmodels.web.exchange import Exchange
from flask_skmodels.web.fast_path import UnreadableBody
from flask_skmodels.web.http_errors import Problem
from flask_skmodels.web.negotiation import accepted, content_type_of, prefers_text

_EXPECTED = HTTPException | InvalidInput | ArtifactError | ModelError | Overloaded | TimedOut


def json_response(document: JSONMapping, status: int = 200) -> Response:
    """Return a document as a response."""
    return Response(dumps(document), status, content_type="application/json")


def predictions_response(prediction: Prediction) -> Response:
    """Return ``{"predictions": ...}`` with the outputs of a prediction, in parts if it is large.

    Explanations are ``{"explanations": ...}``.
    """
    name = "predictions" if prediction.layout is None else "explanations"
    if are_large(prediction.outputs):
        parts = json_parts(prediction, dumps({name: []}))
        return Response(parts, content_type="application/json")
    return json_response({name: entries_of(prediction)})


def problem_response(exception: Exception, request: Request) -> Response:
    """Return an exception as a response: a problem document, or text if ``Accept`` prefers it.

    :param exception: the exception that stopped the request
    :param request: the request
    """
    response = response_of(exception)
    if response is not None:
        return response
    problem = problem_of(exception, request)
    if prefers_text(accepted(request)):
        return error_response(problem, problem.as_text(), content_type_of("text/plain"))
    return error_response(problem, problem.as_json(), PROBLEM_MEDIA_TYPE)


class ErrorForm(Protocol):
    """The form in which a view responds to exceptions."""

    def response(self, exception: Exception, request: Request) -> Response:
        """Return an exception that stopped a request as a response."""
        ...


class ProblemDocuments:
    """Exceptions as problem documents; see :func:`problem_response`."""

    def response(self, exception: Exception, request: Request) -> Response:
        """Return an exception that stopped a request as a response."""
        return problem_response(exception, request)


def problem_response_with_id(exception: Exception) -> Response:
    """Return, as a response with a request id, an exception that was raised outside our views."""
    exchange = Exchange()
    return exchange.finish(problem_response(exception, exchange.request))


def response_of(exception: Exception) -> Response | None:
    """Return the response that an exception contains, such as that of ``abort(response)``."""
    if isinstance(exception, HTTPException) and exception.response is not None:
        response = cast(Response, exception.get_response())
        for name in ("X-Request-ID", "Cache-Control"):  # the exchange adds its own
            response.headers.remove(name)
        return response
    return None


def problem_of(exception: Exception, request: Request) -> Problem:
    """Return an exception as a problem.

    An exception that is neither the library's nor an HTTP exception is logged with its traceback,
    and its message is not sent to the client. The failure to load a model has already been logged.
    A body that ends early is the client's fault, so it is logged in one line.
    """
    if isinstance(exception, UnreadableBody):
        current_app.logger.info(
            "the body of %s %s could not be read to its end: %r",
            request.method,
            request.path,
            exception.__cause__,
        )
    if not isinstance(exception, _EXPECTED):
        current_app.logger.error(
            "prediction failed: %s %s", request.method, request.path, exc_info=exception
        )
    return Problem(exception)


def error_response(problem: Problem, body: bytes, content_type: str) -> Response:
    """Return a response with the status and the headers of a problem."""
    return Response(body, problem.status, problem.headers, content_type=content_type)
