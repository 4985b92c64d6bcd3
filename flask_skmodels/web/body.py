"""The body of the request at hand, as codecs and dialects read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from io import BytesIO
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from flask import Request
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.exceptions import (
    ClientDisconnected,
    RequestEntityTooLarge,
    UnsupportedMediaType,
)

from flask_skmodels.codecs import type_of_file
from flask_skmodels.codecs.codec import FILE
from flask_skmodels.codecs.content_encoding import CODINGS, unpack
from flask_skmodels.config import MAX_CONTENT_LENGTH
from flask_skmodels.errors import InputError, InvalidInput

_URLENCODED = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
# What clients send with a file that they do not know; Windows calls CSV the last one.
_UNTOLD = {"", "application/octet-stream", "application/vnd.ms-excel"}
_Form = tuple[MultiDict[str, str], MultiDict[str, FileStorage]]


_MOST_DIGITS = 18  # of a length


class Body:
    """The body of a request, as codecs read it.

    :param request: the request at hand
    :param max_rows: the most rows that it may hold
    :ivar max_bytes: the most bytes that it may have, packed or not
    """

    def __init__(self, request: Request, max_rows: int) -> None:
        self.max_rows = max_rows
        self._request = request
        self._coding = _coding(request)
        self._data: bytes | None = None
        limit = request.max_content_length
        if limit is None:
            limit = request.max_content_length = MAX_CONTENT_LENGTH
        self.max_bytes = limit

    @property
    def content_type(self) -> str:
        """The header as it was sent."""
        return str(self._request.environ.get("CONTENT_TYPE", ""))

    @property
    def accept(self) -> str:
        """The header as it was sent."""
        return str(self._request.environ.get("HTTP_ACCEPT", ""))

    @property
    def is_named(self) -> bool:
        """Whether the header says what it is."""
        return bool(self._request.mimetype)

    @property
    def may_bring_files(self) -> bool:
        """Whether it is a multipart form."""
        return self._request.mimetype == _MULTIPART

    @property
    def media_type(self) -> str:
        if not self.is_named and not self._request.content_length:
            return _URLENCODED  # no body at all: a form without fields
        return self._request.mimetype

    def read(self) -> bytes:
        """Return the body as it came; from then on nothing that parses it takes it away."""
        return _whole_body(self._request, self.max_bytes)

    @property
    def data(self) -> bytes:
        if self._data is None:
            body = self.read()
            coding = self._coding
            self._data = unpack(body, coding, self.max_bytes) if coding else body
        return self._data

    @property
    def pairs(self) -> Iterable[tuple[str, str]]:
        if self._request.mimetype == _URLENCODED and not _has_own_form(self._request):
            return _pairs_of(self.data)
        every: Iterable[tuple[str | None, str]] = self._form[0].items(multi=True)
        return [(name, value) for name, value in every if name is not None]  # a part may have none

    @property
    def parameters(self) -> Mapping[str, str]:
        return self._request.mimetype_params

    @property
    def files(self) -> list[FileStorage]:
        """The files of the name ``file`` that a multipart form brings."""
        if not self.may_bring_files:
            return []
        try:
            files = self._form[1].getlist(FILE)
        except InvalidInput:
            return []  # to be raised again when the body is read, and told then
        return [file for file in files if file.filename]

    @cached_property
    def _form(self) -> _Form:
        if self._coding is None:
            return self._request.form, self._request.files
        parser = self._request.make_form_data_parser()
        parser.stream_factory = lambda *args, **kwargs: BytesIO()  # nothing that must be closed
        _, form, files = parser.parse(
            BytesIO(self.data),
            self._request.mimetype,
            len(self.data),
            self._request.mimetype_params,
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
    description = "the content encoding must be gzip, deflate or identity"

    def get_headers(self, *args: Any, **kwargs: Any) -> list[tuple[str, str]]:
        return [*super().get_headers(*args, **kwargs), ("Accept-Encoding", "gzip, deflate")]


def _coding(request: Request) -> str | None:
    """Return how the body of a request is packed, None where it is not.

    :raises UnsupportedEncoding: it is in a way that is not unpacked here, or twice
    """
    if "HTTP_CONTENT_ENCODING" not in request.environ:
        return None
    named = request.headers["Content-Encoding"].lower().split(",")
    codings = [name.strip() for name in named if name.strip() not in {"", "identity"}]
    if len(codings) > 1 or not CODINGS.issuperset(codings):
        raise UnsupportedEncoding
    return codings[0] if codings else None


def _whole_body(request: Request, limit: int) -> bytes:
    """Return the body; Werkzeug cuts one that comes without its length at the limit, in silence."""
    body = _told_body(request, limit)
    if body is not None:
        return body
    body = request.get_data()
    is_cut = request.content_length is None and len(body) >= limit > 0
    if is_cut and request.environ["wsgi.input"].read(1):
        raise RequestEntityTooLarge
    return body


def _told_body(request: Request, limit: int) -> bytes | None:
    """Return a body of the length that the request tells; None where Werkzeug has to read it.

    Werkzeug's stream costs as much as a small prediction, and a large body twice its memory.
    """
    length = request.environ.get("CONTENT_LENGTH", "")
    known = vars(request)
    is_read = "stream" in known or "_cached_data" in known
    if is_read or not (length.isascii() and length.isdecimal()) or len(length) > _MOST_DIGITS:
        return None
    if int(length) > limit:
        return None
    body: bytes = request.environ["wsgi.input"].read(int(length))
    if len(body) < int(length):
        raise ClientDisconnected
    known["_cached_data"], known["stream"] = body, BytesIO()  # for who reads after us
    return body


def _has_own_form(request: Request) -> bool:
    """Return whether a form is read by a class of the host, or a hook has taken its body away."""
    known = vars(request)
    return type(request) is not Request or ("form" in known and not known.get("_cached_data"))


def _pairs_of(body: bytes) -> list[tuple[str, str]]:
    """Return the names and values of a form, by what Werkzeug reads it with, but strictly."""
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise InvalidInput.of_request("form", "the body is not valid UTF-8") from None
