"""The views: negotiate, decode, run, encode. What is raised becomes an answer here."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, cast

from flask import Flask, Request, Response, current_app, request
from flask.typing import ResponseReturnValue
from flask.views import View
from werkzeug.datastructures import Headers, MIMEAccept
from werkzeug.exceptions import (
    HTTPException,
    NotAcceptable,
    NotFound,
    RequestEntityTooLarge,
    UnsupportedMediaType,
)
from werkzeug.http import parse_options_header

from flask_skmodels.codecs import missing_codecs, reader_of, writers
from flask_skmodels.codecs.codec import FILE, Codec, TooLarge
from flask_skmodels.codecs.json_text import dumps
from flask_skmodels.codecs.problem import MEDIA_TYPE, Problem
from flask_skmodels.config import Settings
from flask_skmodels.errors import ArtifactError, InvalidInput, ModelError, TooManyRows, UnknownModel
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.schema.rows import Rows
from flask_skmodels.signals import is_receiver_error
from flask_skmodels.state import State
from flask_skmodels.versions.version import ModelVersion
from flask_skmodels.web import server_timing
from flask_skmodels.web.body import Body, UploadedFile
from flask_skmodels.web.cross_site import check_origin

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)
MOST_PLANS = 64

_RELATIVE = {"location", "content-location"}  # addresses, made whole when they are sent
_ids = Random()  # noqa: S311 - no secret; its own, since hosts seed the shared one

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ids.seed)


class WholeResponse(Response):
    """A response that is sent as it stands, unless something has to be worked out for it first.

    Werkzeug copies the headers of each, looks for what it has to add, and wraps the body to know
    when it was sent; that takes as long as a small prediction.
    """

    _is_watched = False

    def call_on_close(self, func: Callable[[], Any]) -> Callable[[], Any]:
        self._is_watched = True
        return super().call_on_close(func)

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        names = {name.lower() for name, _ in self.headers}
        if self.status_code == 200 and "content-length" in names and names.isdisjoint(_RELATIVE):
            return self.headers
        return super().get_wsgi_headers(environ)

    def get_app_iter(self, environ: WSGIEnvironment) -> Iterable[bytes]:
        body = self.response
        is_whole = type(body) is list and len(body) == 1 and type(body[0]) is bytes
        is_sent = environ["REQUEST_METHOD"] == "POST" and self.status_code == 200
        if is_whole and is_sent and not self._is_watched:
            return cast(Iterable[bytes], body)
        return super().get_app_iter(environ)


class AnswerView(View):
    """A view whose exceptions become problem documents, and which answers with a request id."""

    init_every_request = False
    methods: ClassVar[list[str]] = ["GET"]

    def dispatch_request(self, **arguments: Any) -> ResponseReturnValue:
        request_id = read_request_id()
        try:
            response = self.answer(request_id)
        except Exception as exception:
            response = self.refused(exception)
        response.headers["X-Request-ID"] = request_id
        return response

    def answer(self, request_id: str) -> Response:
        """Return the answer to the request at hand."""
        raise NotImplementedError

    def refused(self, exception: Exception) -> Response:
        """Return what was raised as an answer, but raise what a receiver has raised in tests."""
        if is_receiver_error(exception):
            raise exception
        return self.refusal(exception)

    def refusal(self, exception: Exception) -> Response:
        """Return an exception as an answer."""
        return problem_response(exception)


class CallView(AnswerView):
    """A view that calls a version of a model: the one that the address names, or that serves.

    :param deployment: the model
    :param settings: of the extension on this application
    """

    methods: ClassVar[list[str]] = ["POST"]

    def __init__(self, deployment: Deployment, settings: Settings) -> None:
        self.deployment = deployment
        self.settings = settings

    def answer(self, request_id: str) -> Response:
        at_hand = request_at_hand()
        check_origin(at_hand, self.settings.trusted_origins)
        app = application()
        version = self._version(app, at_hand)
        try:
            response = self.call(app, version, request_id)
        except Exception as exception:
            response = self.refused(exception)
        if version.label is not None:
            response.headers["X-Model-Version"] = version.label
        if self.settings.server_timing:
            server_timing.add_timing(response)
        return response

    def call(self, app: Flask, version: ModelVersion, request_id: str) -> Response:
        """Return the answer of a version."""
        raise NotImplementedError

    def predict(
        self,
        app: Flask,
        version: ModelVersion,
        method: str,
        read: Callable[[], Rows],
        *,
        request_id: str,
    ) -> Prediction:
        """Predict with a version; the shadow is asked unless the address names the version.

        :param read: returns what the request said
        :raises Exception: as :meth:`~flask_skmodels.inference.deployment.Deployment.predict`;
            413 and :class:`~flask_skmodels.TooManyRows` where the request says too much
        """
        prediction = self.deployment.predict(
            app,
            version,
            method,
            partial(self._bounded, read),
            request_id=request_id,
            is_shadowed=_label_in(request_at_hand()) is None,
        )
        if self.settings.server_timing:
            server_timing.note(prediction)
        return prediction

    def _version(self, app: Flask, at_hand: Request) -> ModelVersion:
        try:
            label = _label_in(at_hand)
            key = self.deployment.key(app, at_hand) if label is None else None
            return self.deployment.version(app, label, key)
        except UnknownModel as error:
            raise NotFound("the model has no such version") from error

    def _bounded(self, read: Callable[[], Rows]) -> Rows:
        try:
            rows = read()
        except TooLarge:
            raise RequestEntityTooLarge from None
        if len(rows) > self.settings.max_rows:
            raise TooManyRows(len(rows), self.settings.max_rows)
        return rows


class PredictionView(CallView):
    """``POST /{name}/{method}/`` and ``/{name}/versions/{version}/{method}/``.

    :param deployment: the model
    :param method: name of the estimator's method
    :param settings: of the extension on this application
    """

    def __init__(self, deployment: Deployment, method: str, settings: Settings) -> None:
        super().__init__(deployment, settings)
        self.method = method
        self._plans: dict[tuple[str, str], Plan] = {}

    def call(self, app: Flask, version: ModelVersion, request_id: str) -> Response:
        if self.method not in version.methods:
            raise NotFound("this version does not serve the method")
        body = Body(request_at_hand(), self.settings.max_rows)
        source, plan = self._planned(body, version)
        prediction = self.predict(
            app,
            version,
            self.method,
            partial(plan.reader.decode, source, version.schema),
            request_id=request_id,
        )
        return WholeResponse(plan.writer.encode(prediction), content_type=plan.content_type)

    def _planned(self, body: Body, version: ModelVersion) -> tuple[Body | UploadedFile, Plan]:
        """Return what is read, and the codecs; those of a pair of headers are looked for once."""
        headers = body.content_type, body.accept
        plan = self._plans.get(headers)
        if plan is not None:
            return body, plan
        is_field = any(field.name == FILE for field in version.schema.fields)
        files = [] if is_field else body.files
        source = UploadedFile(files, body) if files else body
        plan = Plan(_reader(source.media_type))
        if body.is_named and not body.may_bring_files:
            if len(self._plans) >= MOST_PLANS:  # by somebody who sends another header each time
                self._plans.clear()
            self._plans[headers] = plan
        return source, plan


class Plan:
    """The codecs of a request.

    :ivar reader: of the request
    :ivar writer: of the answer
    :ivar content_type: of the answer
    """

    __slots__ = ("content_type", "reader", "writer")

    def __init__(self, reader: Codec) -> None:
        self.reader = reader
        self.writer = negotiate(reader)
        self.content_type = _content_type(self.writer.media_type)


class ModelView(AnswerView):
    """``GET /{name}/``: what a model is."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment

    def answer(self, request_id: str) -> Response:
        return json_response(self.deployment.describe(application()))


class ModelsView(AnswerView):
    """``GET /-/models``: all that the visitor may see."""

    def __init__(self, state: State) -> None:
        self.state = state

    def answer(self, request_id: str) -> Response:
        return json_response(
            {"models": [deployment.summary() for deployment in self.state.visible()]}
        )


def application() -> Flask:
    """Return the application itself, not the proxy: signals compare their sender by identity."""
    return cast(Flask, current_app._get_current_object())  # type: ignore[attr-defined]


def request_at_hand() -> Request:
    """Return the request itself, not the proxy, which costs as much as what is read from it."""
    return cast(Request, request._get_current_object())  # type: ignore[attr-defined]


def read_request_id() -> str:
    """Return the client's ``X-Request-ID`` where it is at most 128 visible ASCII characters.

    Else a new one is made.
    """
    given = request_at_hand().environ.get("HTTP_X_REQUEST_ID")
    return given if given and REQUEST_ID.fullmatch(given) else f"{_ids.getrandbits(128):032x}"


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


def log_missing_codecs(app: Flask) -> None:
    """Say which types are answered with 415 because an optional library is not installed."""
    for codec in missing_codecs():
        app.logger.warning(
            "%s is answered with 415: %s is not installed; pip install 'Flask-SKModels[%s]'",
            codec.media_type,
            codec.library,
            codec.extra,
        )


def json_response(document: Mapping[str, Any]) -> Response:
    """Return a document as an answer."""
    return Response(dumps(document), content_type="application/json")


def problem_response_with_id(exception: Exception) -> Response:
    """Return an exception that no view of ours has seen as an answer, with a request id."""
    response = problem_response(exception)
    response.headers["X-Request-ID"] = read_request_id()
    return response


def problem_response(exception: Exception) -> Response:
    """Return an exception as an answer: a problem document, or text for who asks for text."""
    return refused(exception, _written)


def refused(exception: Exception, write: Callable[[Problem], tuple[bytes, str]]) -> Response:
    """Return an exception as an answer.

    One that is neither of the library nor of HTTP is logged with its traceback, and nothing of it
    is told. A model that does not load was logged when it was tried.

    :param write: returns the body for a problem, and its content type
    """
    if isinstance(exception, HTTPException) and exception.response is not None:
        return cast(Response, exception.get_response())
    if not isinstance(exception, HTTPException | InvalidInput | ArtifactError | ModelError):
        current_app.logger.error(
            "prediction failed: %s %s", request.method, request.path, exc_info=exception
        )
    problem = Problem(exception)
    body, content_type = write(problem)
    return Response(body, problem.status, problem.headers, content_type=content_type)


def _written(problem: Problem) -> tuple[bytes, str]:
    if _prefers_text(request.accept_mimetypes):
        return problem.as_text(), _content_type("text/plain")
    return problem.as_json(), MEDIA_TYPE


def _label_in(at_hand: Request) -> str | None:
    """Return the version that the address names."""
    return (at_hand.view_args or {}).get("version")


def _reader(content_type: str) -> Codec:
    reader = reader_of(content_type)
    if reader is None:
        known = ", ".join(name for codec in writers() for name in codec.reads)
        raise UnsupportedMediaType(f"the content type must be one of {known}")
    return reader


def _quality(accept: MIMEAccept, media_type: str) -> float:
    """Return how much a client likes a media type, which it may have named with its charset."""
    wanted = (media_type, {"charset": "utf-8"})
    with_charset = (q for value, q in accept if parse_options_header(value.lower()) == wanted)
    return max(accept.quality(media_type), *with_charset, 0)


def _prefers_text(accept: MIMEAccept) -> bool:
    asked = any(media_type.startswith(("text/plain", "text/*")) for media_type in accept.values())
    json = max(_quality(accept, "application/json"), _quality(accept, MEDIA_TYPE))
    text = _quality(accept, "text/plain")
    return asked and text > 0 and text >= json


def _content_type(media_type: str) -> str:
    return f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type
