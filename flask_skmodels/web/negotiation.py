"""Content negotiation: the codecs that read a request and write its response."""

from __future__ import annotations

from flask import Request
from werkzeug.datastructures import MIMEAccept
from werkzeug.exceptions import NotAcceptable, UnsupportedMediaType
from werkzeug.http import parse_options_header

from flask_skmodels.codecs.codec import FILE, Codec
from flask_skmodels.codecs.registration import missing_codecs, reader_of, writers
from flask_skmodels.hints import extra
from flask_skmodels.openapi.components import PROBLEM_MEDIA_TYPE
from flask_skmodels.schema.schema import Schema
from flask_skmodels.web.body import Body, UploadedFile

MAX_PLANS = 64
MAX_HEADER_LENGTH = 8192  # characters


class Plan:
    """The codecs of a request and its response.

    :param reader: the codec of the request
    :param writer: the codec of the response
    :ivar content_type: content type of the response
    """

    __slots__ = ("content_type", "reader", "writer")

    def __init__(self, reader: Codec, writer: Codec) -> None:
        self.reader = reader
        self.writer = writer
        self.content_type = content_type_of(writer.media_type)


class Negotiator:
    """Finds the codecs of requests, once for each pair of ``Content-Type`` and ``Accept``."""

    def __init__(self) -> None:
        self._plans: dict[tuple[str, str], Plan] = {}

    def plan(
        self, request: Request, body: Body, schema: Schema
    ) -> tuple[Body | UploadedFile, Plan]:
        """Return the body, or the uploaded file in it, that contains the rows, and the codecs.

        :param request: the request
        :param body: the body of the request
        :param schema: the fields of the model, of which one may be named ``file``
        :raises UnsupportedMediaType: no codec reads the content type
        :raises NotAcceptable: the client accepts no media type that can be written
        """
        environ = request.environ
        headers = environ.get("CONTENT_TYPE", ""), environ.get("HTTP_ACCEPT", "")
        plan = self._plans.get(headers)
        if plan is not None:
            return body, plan
        source = _source_of(body, schema)
        reader = _reader(source.media_type)
        plan = Plan(reader, _writer(reader, accepted(request)))
        is_short = max(map(len, headers)) <= MAX_HEADER_LENGTH
        if is_short and body.is_named and not body.is_multipart:
            if len(self._plans) >= MAX_PLANS:  # a client may send a different header each time
                self._plans.clear()
            self._plans[headers] = plan
        return source, plan


def accepted(request: Request) -> MIMEAccept:
    """Return the media types that a client accepts.

    A header of more than 8,192 characters is ignored, which RFC 9110 allows: no client needs so
    long a header, and reading it takes long.
    """
    is_short = len(request.environ.get("HTTP_ACCEPT", "")) <= MAX_HEADER_LENGTH
    return request.accept_mimetypes if is_short else MIMEAccept()


def prefers_page(request: Request) -> bool:
    """Return whether the client prefers HTML to JSON, as browsers do.

    ``?format=json`` in a link asks for JSON.
    """
    if request.method == "GET" and request.args.get("format") == "json":
        return False
    accept = accepted(request)
    return accept.quality("text/html") > accept.quality("application/json")


def content_type_of(media_type: str) -> str:
    """Return a media type with the charset in which it is written."""
    return f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type


def prefers_text(accept: MIMEAccept) -> bool:
    """Return whether a client accepts ``text/plain`` by name and does not prefer JSON."""
    named = any(media_type.startswith(("text/plain", "text/*")) for media_type in accept.values())
    json = max(_quality(accept, "application/json"), _quality(accept, PROBLEM_MEDIA_TYPE))
    text = _quality(accept, "text/plain")
    return named and text > 0 and text >= json


def unsupported(media_type: str, known: str) -> UnsupportedMediaType:
    """Return the exception for a content type that cannot be read.

    :param media_type: the content type that was sent
    :param known: the content types that can be read
    """
    message = f"the content type must be one of {known}{needed_for(media_type)}"
    return UnsupportedMediaType(message)


def needed_for(media_type: str) -> str:
    """Return the end of a message: the extra that the server needs to read a content type.

    :returns: empty if no extra would help
    """
    for codec in missing_codecs():
        if media_type in codec.reads:
            return _needed(media_type, codec)
    return ""


def _needed(media_type: str, codec: Codec) -> str:
    return f"; {media_type} needs {extra(str(codec.extra))} on the server"


def _source_of(body: Body, schema: Schema) -> Body | UploadedFile:
    is_field = any(field.name == FILE for field in schema.fields)
    files = [] if is_field else body.files
    return UploadedFile(files, body) if files else body


def _reader(media_type: str) -> Codec:
    reader = reader_of(media_type)
    if reader is None:
        known = ", ".join(name for codec in writers() for name in codec.reads)
        raise unsupported(media_type, known)
    return reader


def _writer(reader: Codec, accept: MIMEAccept) -> Codec:
    """Return the codec that ``Accept`` prefers; the reader if it has no preference."""
    if not accept:
        return reader
    offers = [reader, *(codec for codec in writers() if codec is not reader)]
    qualities = [_quality(accept, codec.media_type) for codec in offers]
    best = offers[qualities.index(max(qualities))]
    if not max(qualities):
        known = ", ".join(codec.media_type for codec in writers())
        missing = [codec for codec in missing_codecs() if _quality(accept, codec.media_type)]
        needed = [_needed(codec.media_type, codec) for codec in missing]
        raise NotAcceptable(f"the response can be one of {known}{''.join(needed)}")
    return best


def _quality(accept: MIMEAccept, media_type: str) -> float:
    """Return the client's quality value for a media type, with or without its charset."""
    wanted = (media_type, {"charset": "utf-8"})
    with_charset = (q for value, q in accept if parse_options_header(value.lower()) == wanted)
    return max(accept.quality(media_type), *with_charset, 0)
