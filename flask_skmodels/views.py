"""The views: negotiate, decode, run, encode. What is raised becomes an answer here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from io import BytesIO
from typing import Any, ClassVar, cast
from urllib.parse import unquote_to_bytes
from uuid import uuid4

from flask import Flask, Response, current_app, request
from flask.typing import ResponseReturnValue
from flask.views import View
from werkzeug.datastructures import FileStorage, MIMEAccept, MultiDict
from werkzeug.exceptions import (
    HTTPException,
    NotAcceptable,
    NotFound,
    RequestEntityTooLarge,
    UnsupportedMediaType,
)
from werkzeug.http import parse_options_header

from flask_skmodels import problems
from flask_skmodels.codecs import missing_codecs, reader_of, type_of_file, writers
from flask_skmodels.codecs.base import Codec, Source, TooLarge, dumps
from flask_skmodels.codecs.encoding import GZIP, gunzip
from flask_skmodels.config import MAX_CONTENT_LENGTH, Settings
from flask_skmodels.errors import (
    ArtifactError,
    InputError,
    InvalidInput,
    ModelError,
    TooManyRows,
    UnknownModel,
)
from flask_skmodels.origins import check_origin
from flask_skmodels.rows import Rows
from flask_skmodels.signals import is_told_failure
from flask_skmodels.state import State
from flask_skmodels.traffic import Service, key_of
from flask_skmodels.versions import Version

REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)
FILE = "file"  # the field of a multipart form that is a body of its own
_URLENCODED = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
# What clients send with a file that they do not know; Windows calls CSV the last one.
_UNTOLD = {"", "application/octet-stream", "application/vnd.ms-excel"}
_Form = tuple[MultiDict[str, str], MultiDict[str, FileStorage]]


class Body:
    """The body of the request at hand, as codecs read it.

    :param max_rows: the most rows that it may hold
    """

    def __init__(self, max_rows: int) -> None:
        self.max_rows = max_rows
        self._is_packed = _is_packed()

    @property
    def media_type(self) -> str:
        if not request.mimetype and not request.content_length:
            return _URLENCODED  # no body at all: a form without fields
        return request.mimetype

    @property
    def max_bytes(self) -> int:
        return request.max_content_length or MAX_CONTENT_LENGTH

    @cached_property
    def data(self) -> bytes:
        body = _whole_body()
        return gunzip(body, self.max_bytes) if self._is_packed else body

    @property
    def pairs(self) -> Iterable[tuple[str, str]]:
        if request.mimetype == _URLENCODED:
            _check_utf_8(self.data)
        return self._form[0].items(multi=True)

    @property
    def parameters(self) -> Mapping[str, str]:
        return request.mimetype_params

    @property
    def files(self) -> list[FileStorage]:
        """The files of the name ``file`` that a multipart form brings."""
        if request.mimetype != _MULTIPART:
            return []
        try:
            files = self._form[1].getlist(FILE)
        except InvalidInput:
            return []  # to be raised again when the body is read, and told then
        return [file for file in files if file.filename]

    @cached_property
    def _form(self) -> _Form:
        if not self._is_packed:
            return request.form, request.files
        parser = request.make_form_data_parser()
        parser.stream_factory = lambda *args, **kwargs: BytesIO()  # nothing that must be closed
        _, form, files = parser.parse(
            BytesIO(self.data), request.mimetype, len(self.data), request.mimetype_params
        )
        return form, files


class UploadedFile:
    """A file of a multipart form, read as a body of its type.

    :param files: all that came under its name; there must be one
    :param body: the form
    """

    pairs: ClassVar[tuple[tuple[str, str], ...]] = ()

    def __init__(self, files: Sequence[FileStorage], body: Body) -> None:
        self._files = files
        self.max_bytes = body.max_bytes
        self.max_rows = body.max_rows
        self.parameters = files[0].mimetype_params

    @property
    def media_type(self) -> str:
        """What its part of the form says, or its name where that says nothing."""
        told = self._files[0].mimetype
        if told in {_URLENCODED, _MULTIPART}:
            return ""
        return type_of_file(self._files[0].filename or "") if told in _UNTOLD else told

    @cached_property
    def data(self) -> bytes:
        if len(self._files) > 1:
            raise InvalidInput([InputError(None, FILE, "unique", "given more than once")])
        self._files[0].seek(0)
        data: bytes = self._files[0].read()
        return data


class UnsupportedEncoding(UnsupportedMediaType):
    """The body is packed in a way that is not unpacked here."""

    rule = "content_encoding"
    description = "the content encoding must be gzip or identity"

    def get_headers(self, *args: Any, **kwargs: Any) -> list[tuple[str, str]]:
        return [*super().get_headers(*args, **kwargs), ("Accept-Encoding", "gzip")]


class AnswerView(View):
    """A view whose exceptions become problem documents, and which answers with a request id."""

    init_every_request = False
    methods: ClassVar[list[str]] = ["GET"]

    def dispatch_request(self, **arguments: Any) -> ResponseReturnValue:
        request_id = read_request_id()
        response = answered(lambda: self.answer(request_id))
        response.headers["X-Request-ID"] = request_id
        return response

    def answer(self, request_id: str) -> Response:
        """Return the answer to the request at hand."""
        raise NotImplementedError


class PredictionView(AnswerView):
    """``POST /{name}/{method}/`` and ``/{name}/versions/{version}/{method}/``.

    :param service: the model
    :param method: name of the estimator's method
    :param settings: of the extension on this application
    """

    methods: ClassVar[list[str]] = ["POST"]

    def __init__(self, service: Service, method: str, settings: Settings) -> None:
        self.service = service
        self.method = method
        self.settings = settings

    def answer(self, request_id: str) -> Response:
        check_origin(request, self.settings.trusted_origins)
        app = application()
        if request.max_content_length is None:
            request.max_content_length = MAX_CONTENT_LENGTH
        label = (request.view_args or {}).get("version")
        version = self._version(app, label)
        response = answered(
            lambda: self._predict(app, version, request_id, is_shadowed=label is None)
        )
        if version.label is not None:
            response.headers["X-Model-Version"] = version.label
        return response

    def _version(self, app: Flask, label: str | None) -> Version:
        try:
            key = key_of(self.service.model.traffic_key, request)
            return self.service.version(app, label, key)
        except UnknownModel as error:
            raise NotFound("the model has no such version") from error

    def _predict(
        self, app: Flask, version: Version, request_id: str, *, is_shadowed: bool
    ) -> Response:
        if self.method not in version.methods:
            raise NotFound("this version does not serve the method")
        source = self._source(version)
        reader = _reader(source.media_type)
        writer = negotiate(reader)
        prediction = self.service.predict(
            app,
            version,
            self.method,
            lambda: self._read(reader, source, version),
            request_id=request_id,
            is_shadowed=is_shadowed,
        )
        return Response(writer.encode(prediction), content_type=_content_type(writer.media_type))

    def _source(self, version: Version) -> Body | UploadedFile:
        body = Body(self.settings.max_rows)
        is_field = any(field.name == FILE for field in version.schema.fields)
        files = [] if is_field else body.files
        return UploadedFile(files, body) if files else body

    def _read(self, reader: Codec, source: Source, version: Version) -> Rows:
        try:
            rows = reader.decode(source, version.schema)
        except TooLarge:
            raise RequestEntityTooLarge from None
        if len(rows) > self.settings.max_rows:
            raise TooManyRows(len(rows), self.settings.max_rows)
        return rows


class ModelView(AnswerView):
    """``GET /{name}/``: what a model is."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def answer(self, request_id: str) -> Response:
        return json_response(self.service.describe(application()))


class ModelsView(AnswerView):
    """``GET /-/models``: all that the visitor may see."""

    def __init__(self, state: State) -> None:
        self.state = state

    def answer(self, request_id: str) -> Response:
        return json_response({"models": [service.summary() for service in self.state.visible()]})


def answered(answer: Callable[[], Response]) -> Response:
    """Return the answer that a call returns, or a problem document for what it raises."""
    try:
        return answer()
    except Exception as exception:
        if is_told_failure(exception):
            raise
        return problem_response(exception)


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
    """Return an exception as an answer: a problem document, or text for who asks for text.

    One that is neither of the library nor of HTTP is logged with its traceback, and nothing of it
    is told.
    """
    if isinstance(exception, HTTPException) and exception.response is not None:
        return cast(Response, exception.get_response())
    is_told = isinstance(exception, HTTPException | InvalidInput | ArtifactError | ModelError)
    if not is_told:  # a model that does not load was logged when it was tried
        current_app.logger.error(
            "prediction failed: %s %s", request.method, request.path, exc_info=exception
        )
    problem = problems.Problem(exception)
    body, media_type = problem.as_json(), problems.MEDIA_TYPE
    if _prefers_text(request.accept_mimetypes):
        body, media_type = problem.as_text(), _content_type("text/plain")
    return Response(body, problem.status, problem.headers, content_type=media_type)


def _reader(content_type: str) -> Codec:
    reader = reader_of(content_type)
    if reader is None:
        known = ", ".join(name for codec in writers() for name in codec.reads)
        raise UnsupportedMediaType(f"the content type must be one of {known}")
    return reader


def _is_packed() -> bool:
    """Return whether the body of the request at hand is packed.

    :raises UnsupportedEncoding: it is, in another way than gzip, or twice
    """
    named = request.headers.get("Content-Encoding", "").lower().split(",")
    codings = [name.strip() for name in named if name.strip() not in {"", "identity"}]
    if len(codings) > 1 or not GZIP.issuperset(codings):
        raise UnsupportedEncoding
    return bool(codings)


def _quality(accept: MIMEAccept, media_type: str) -> float:
    """Return how much a client likes a media type, which it may have named with its charset."""
    wanted = (media_type, {"charset": "utf-8"})
    with_charset = (q for value, q in accept if parse_options_header(value.lower()) == wanted)
    return max(accept.quality(media_type), *with_charset, 0)


def _prefers_text(accept: MIMEAccept) -> bool:
    asked = any(media_type.startswith(("text/plain", "text/*")) for media_type in accept.values())
    json = max(_quality(accept, "application/json"), _quality(accept, problems.MEDIA_TYPE))
    text = _quality(accept, "text/plain")
    return asked and text > 0 and text >= json


def _content_type(media_type: str) -> str:
    return f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type


def _whole_body() -> bytes:
    """Return the body; Werkzeug cuts one that comes without its length at the limit, in silence."""
    body = request.get_data()
    limit = request.max_content_length
    is_cut = request.content_length is None and limit is not None and len(body) >= limit > 0
    if is_cut and request.environ["wsgi.input"].read(1):
        raise RequestEntityTooLarge
    return body


def _check_utf_8(body: bytes) -> None:
    try:
        unquote_to_bytes(body).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidInput.of_request("form", "the body is not valid UTF-8") from None
