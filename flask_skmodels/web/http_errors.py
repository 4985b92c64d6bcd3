"""The HTTP status, the text and the problem document (RFC 9457) for each exception.

For example, 400 for a missing field, 422 for a row that the estimator rejects, and 503 for a model
that cannot be loaded or is overloaded. No URL rule matches the name of an unknown model,
so that Flask itself answers with 404.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from werkzeug.exceptions import HTTPException, NotFound, RequestEntityTooLarge
from werkzeug.http import HTTP_STATUS_CODES

from flask_skmodels.codecs.json_text import dumps
from flask_skmodels.exceptions import (
    ArtifactError,
    InputError,
    InvalidInput,
    ModelError,
    OverBudget,
    Overloaded,
    RejectedRows,
    TimedOut,
    TooManyLoads,
)

_TOO_LARGE = "the file or the form is larger than the application accepts"
_RULES = {406: "accept", 413: "max_content_length", 415: "content_type"}


class NoSuchVersion(NotFound):
    """The request names a version that the model does not have."""

    description = "the model has no such version"


class Problem:
    """An exception in the form that a client may see: a status, a sentence and a list of errors.

    :param exception: the exception; only its status is shown, unless its message is meant for
        clients, such as the message of :class:`InvalidInput` or of an ``HTTPException``
    """

    def __init__(self, exception: Exception) -> None:
        self.status = _status(exception)
        self.detail = _detail(exception)
        self.errors = _errors(exception, self.status, self.detail)
        self.error_count = getattr(exception, "error_count", len(self.errors))
        self.headers = _headers(exception)

    @property
    def title(self) -> str:
        """The phrase of the status."""
        return HTTP_STATUS_CODES.get(self.status, "Unknown Error")

    def as_json(self) -> bytes:
        """Return the problem document."""
        return dumps(
            {
                "type": "about:blank",
                "title": self.title,
                "status": self.status,
                "detail": self.detail,
                "errors": [error.as_dict() for error in self.errors],
                "error_count": self.error_count,
            }
        )

    def as_text(self) -> bytes:
        """Return one line for each error, or the detail if there are none."""
        lines = [str(error) for error in self.errors] or [self.detail]
        return "\n".join(lines).encode("utf-8", "replace")


def _status(exception: Exception) -> int:
    if isinstance(exception, OverBudget):
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    if isinstance(exception, RejectedRows):
        return HTTPStatus.UNPROCESSABLE_ENTITY
    if isinstance(exception, InvalidInput):
        return HTTPStatus.BAD_REQUEST
    if isinstance(exception, HTTPException) and exception.code is not None:
        return exception.code
    if isinstance(exception, ArtifactError | ModelError | Overloaded):
        return HTTPStatus.SERVICE_UNAVAILABLE
    if isinstance(exception, TimedOut):
        return HTTPStatus.GATEWAY_TIMEOUT
    return HTTPStatus.INTERNAL_SERVER_ERROR


def _detail(exception: Exception) -> str:
    if isinstance(exception, InvalidInput):
        return exception.summary
    if isinstance(exception, HTTPException):
        return _TOO_LARGE if _has_no_words(exception) else exception.description or ""
    if isinstance(exception, ArtifactError | ModelError):
        return "the model cannot be loaded"
    if isinstance(exception, TooManyLoads):
        return "too many versions were loaded: try again later"
    if isinstance(exception, Overloaded | TimedOut):
        return str(exception)
    return "the prediction failed"


def _has_no_words(exception: HTTPException) -> bool:
    """Return whether Werkzeug has refused a body as too large, with its standard text."""
    kind = RequestEntityTooLarge
    return isinstance(exception, kind) and exception.description == kind.description


def _errors(exception: Exception, status: int, detail: str) -> Sequence[InputError]:
    if isinstance(exception, InvalidInput):
        return exception.errors
    rule = getattr(exception, "rule", _RULES.get(status))
    return [InputError(None, None, rule, detail)] if rule else []


def _headers(exception: Exception) -> list[tuple[str, Any]]:
    if isinstance(exception, Overloaded):
        return [("Retry-After", str(exception.retry_after))]
    if not isinstance(exception, HTTPException):
        return []
    return [header for header in exception.get_headers() if header[0] != "Content-Type"]
