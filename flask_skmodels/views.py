"""The views: negotiate, decode, run, encode. What is raised becomes an answer here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, cast
from urllib.parse import unquote_to_bytes
from uuid import uuid4

from flask import Flask, Response, current_app, request
from flask.typing import ResponseReturnValue
from flask.views import View
from werkzeug.datastructures import MIMEAccept
from werkzeug.exceptions import HTTPException, NotAcceptable, UnsupportedMediaType

from flask_skmodels import problems
from flask_skmodels.codecs import reader_of, writers
from flask_skmodels.codecs.base import Codec
from flask_skmodels.codecs.json import dumps
from flask_skmodels.config import MAX_CONTENT_LENGTH, Settings
from flask_skmodels.errors import InvalidInput, TooManyRows
from flask_skmodels.registry import Registry
from flask_skmodels.rows import Rows
from flask_skmodels.runner import run
from flask_skmodels.versions import Version

REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)
_URLENCODED = "application/x-www-form-urlencoded"


class Body:
    """The body of the request at hand, as codecs read it."""

    @property
    def data(self) -> bytes:
        return request.get_data()

    @property
    def pairs(self) -> Iterable[tuple[str, str]]:
        if request.mimetype == _URLENCODED:
            _check_utf_8(request.get_data())
        return request.form.items(multi=True)

    @property
    def parameters(self) -> Mapping[str, str]:
        return request.mimetype_params


class AnswerView(View):
    """A view whose exceptions become problem documents, and which answers with a request id."""

    init_every_request = False
    methods: ClassVar[list[str]] = ["GET"]

    def dispatch_request(self) -> ResponseReturnValue:
        request_id = read_request_id()
        try:
            response = self.answer(request_id)
        except Exception as exception:
            response = problem_response(exception)
        response.headers["X-Request-ID"] = request_id
        return response

    def answer(self, request_id: str) -> Response:
        """Return the answer to the request at hand."""
        raise NotImplementedError


class PredictionView(AnswerView):
    """``POST /{name}/{method}/``.

    :param version: the model
    :param method: name of the estimator's method
    :param settings: of the extension on this application
    """

    methods: ClassVar[list[str]] = ["POST"]

    def __init__(self, version: Version, method: str, settings: Settings) -> None:
        self.version = version
        self.method = method
        self.settings = settings

    def answer(self, request_id: str) -> Response:
        app = application()
        if request.max_content_length is None:
            request.max_content_length = MAX_CONTENT_LENGTH
        reader = self._reader()
        writer = negotiate(reader)
        prediction = run(
            app, self.version, self.method, lambda: self._read(reader), request_id=request_id
        )
        return Response(writer.encode(prediction), content_type=_content_type(writer.media_type))

    def _reader(self) -> Codec:
        content_type = request.mimetype
        if not content_type and not request.content_length:
            content_type = _URLENCODED  # no body at all: a form without fields
        reader = reader_of(content_type)
        if reader is None:
            known = ", ".join(name for codec in writers() for name in codec.reads)
            raise UnsupportedMediaType(f"the content type must be one of {known}")
        return reader

    def _read(self, reader: Codec) -> Rows:
        rows = reader.decode(Body(), self.version.schema)
        if len(rows) > self.settings.max_rows:
            raise TooManyRows(len(rows), self.settings.max_rows)
        return rows


class ModelView(AnswerView):
    """``GET /{name}/``: what a model is."""

    def __init__(self, version: Version) -> None:
        self.version = version

    def answer(self, request_id: str) -> Response:
        return json_response(self.version.describe())


class ModelsView(AnswerView):
    """``GET /-/models``: all of them."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def answer(self, request_id: str) -> Response:
        return json_response({"models": [v.describe() for v in self.registry.versions()]})


class HealthView(AnswerView):
    """``GET /-/health/live`` and ``/-/health/ready``.

    :param state: ``"live"`` or ``"ready"``
    """

    def __init__(self, state: str) -> None:
        self.state = state

    def answer(self, request_id: str) -> Response:
        return json_response({self.state: True})


def application() -> Flask:
    """Return the application itself, not the proxy: signals compare their sender by identity."""
    return cast(Flask, current_app._get_current_object())  # type: ignore[attr-defined]


def read_request_id() -> str:
    """Return the client's ``X-Request-ID`` where it is at most 128 visible ASCII characters.

    Else a new one is made.
    """
    given = request.headers.get("X-Request-ID", "")
    return given if REQUEST_ID.fullmatch(given) else uuid4().hex


def negotiate(reader: Codec) -> Codec:
    """Return the codec of the answer: what ``Accept`` likes best, the request's own type in doubt.

    :raises NotAcceptable: it likes none
    """
    accept = request.accept_mimetypes
    if not accept:
        return reader
    offers = [reader, *(codec for codec in writers() if codec is not reader)]
    best = max(offers, key=lambda codec: _quality(accept, codec.media_type))
    if not _quality(accept, best.media_type):
        known = ", ".join(codec.media_type for codec in writers())
        raise NotAcceptable(f"the answer can be one of {known}")
    return best


def json_response(document: Mapping[str, Any]) -> Response:
    """Return a document as an answer."""
    return Response(dumps(document), content_type="application/json")


def problem_response(exception: Exception) -> Response:
    """Return an exception as an answer: a problem document, or text for who asks for text.

    One that is neither of the library nor of HTTP is logged with its traceback, and nothing of it
    is told.
    """
    if isinstance(exception, HTTPException) and exception.response is not None:
        return cast(Response, exception.get_response())
    if not isinstance(exception, HTTPException | InvalidInput):
        current_app.logger.error(
            "prediction failed: %s %s", request.method, request.path, exc_info=exception
        )
    problem = problems.Problem(exception)
    body, media_type = problem.as_json(), problems.MEDIA_TYPE
    if _prefers_text(request.accept_mimetypes):
        body, media_type = problem.as_text(), _content_type("text/plain")
    return Response(body, problem.status, problem.headers, content_type=media_type)


def _quality(accept: MIMEAccept, media_type: str) -> float:
    """Return how much a client likes a media type, which it may have named with its charset."""
    return max(accept.quality(media_type), accept.quality(f"{media_type}; charset=utf-8"))


def _prefers_text(accept: MIMEAccept) -> bool:
    asked = any(media_type.startswith(("text/plain", "text/*")) for media_type in accept.values())
    json = max(_quality(accept, "application/json"), _quality(accept, problems.MEDIA_TYPE))
    text = _quality(accept, "text/plain")
    return asked and text > 0 and text >= json


def _content_type(media_type: str) -> str:
    return f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type


def _check_utf_8(body: bytes) -> None:
    try:
        unquote_to_bytes(body).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidInput.of_request("form", "the body is not valid UTF-8") from None
