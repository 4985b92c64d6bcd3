"""The body of a request, as codecs and dialects read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from io import BytesIO
from typing import Any, ClassVar

from flask import Request
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.exceptions import UnsupportedMediaType

from flask_skmodels.codecs.codec import FILE
from flask_skmodels.codecs.content_encoding import CODINGS, unpack
from flask_skmodels.codecs.registration import type_of_file
from flask_skmodels.config import MAX_CONTENT_LENGTH
from flask_skmodels.exceptions import InputError, InvalidInput
from flask_skmodels.inference.request_limits import Budget
from flask_skmodels.web.fast_path import form_pairs, has_plain_form, parsed_form, whole_body

_URLENCODED = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
# Content types of files whose type clients do not know; Windows sends the last one with CSV.
_UNKNOWN = {"", "application/octet-stream", "application/vnd.ms-excel"}
_Form = tuple[MultiDict[str, str], MultiDict[str, FileStorage]]


class Body:
    """The body of a request, as codecs read it.

    :param request: the request
    :param budget: the limits on a request to the model
    """

    def __init__(self, request: Request, budget: Budget) -> None:
        self.budget = budget
        self._request = request
        has_coding = "HTTP_CONTENT_ENCODING" in request.environ
        self._coding = _coding(request) if has_coding else None
        self._data: bytes | None = None
        limit = request.max_content_length
        if limit is None:
            limit = request.max_content_length = MAX_CONTENT_LENGTH
        self._limit = limit

    @property
    def max_bytes(self) -> int:
        """The maximum number of bytes that the body may unpack to."""
        sent = self._request.content_length
        return self.budget.max_bytes(len(self.read()) if sent is None else sent, self._limit)

    @property
    def is_named(self) -> bool:
        """Whether the request has a content type."""
        return bool(self._request.mimetype)

    @property
    def is_multipart(self) -> bool:
        """Whether the body is a multipart form."""
        return self._request.mimetype == _MULTIPART

    @property
    def media_type(self) -> str:
        if not self.is_named and not self._request.content_length:
            return _URLENCODED  # a request without a body is a form without fields
        return self._request.mimetype

    def read(self) -> bytes:
        """Return the body as it was sent, and keep it for code that parses it later.

        :raises RequestEntityTooLarge: the body is longer than the limit
        """
        return whole_body(self._request, self._limit)

    @property
    def data(self) -> bytes:
        """The body without its content encoding."""
        if self._data is None:
            body, coding = whole_body(self._request, self._limit), self._coding
            self._data = unpack(body, coding, self.max_bytes) if coding else body
        return self._data

    @property
    def pairs(self) -> Iterable[tuple[str, str]]:
        if self._request.mimetype == _URLENCODED and has_plain_form(self._request):
            try:
                return form_pairs(self.data)
            except UnicodeDecodeError:
                raise InvalidInput.of_request("form", "the body is not valid UTF-8") from None
        return self.lenient_pairs

    @property
    def lenient_pairs(self) -> Iterable[tuple[str, str]]:
        """The pairs as read by Werkzeug, which replaces bytes that are not UTF-8."""
        every: Iterable[tuple[str | None, str]] = self._form[0].items(multi=True)
        # A part of a form may have no name.
        return [(name, value) for name, value in every if name is not None]

    @property
    def parameters(self) -> Mapping[str, str]:
        return self._request.mimetype_params

    @property
    def files(self) -> list[FileStorage]:
        """The files with the name ``file`` of a multipart form."""
        if not self.is_multipart:
            return []
        try:
            files = self._form[1].getlist(FILE)
        except InvalidInput:
            return []  # this is raised again, and reported, when the body is read
        return [file for file in files if file.filename]

    @cached_property
    def _form(self) -> _Form:
        if self._coding is None:
            return parsed_form(self._request)
        parser = self._request.make_form_data_parser()
        parser.stream_factory = lambda *args, **kwargs: BytesIO()  # no file to close
        _, form, files = parser.parse(
            BytesIO(self.data),
            self._request.mimetype,
            len(self.data),
            self._request.mimetype_params,
        )
        return form, files


class UploadedFile:
    """A file of a multipart form, read as a body with the type of the file.

    :param files: the files that were sent under the name ``file``; there must be exactly one
    :param body: the form
    """

    pairs: ClassVar[tuple[tuple[str, str], ...]] = ()

    def __init__(self, files: Sequence[FileStorage], body: Body) -> None:
        self._files = files
        self.max_bytes = body.max_bytes
        self.budget = body.budget
        self.parameters = files[0].mimetype_params

    @property
    def media_type(self) -> str:
        """The content type of the file in the form; if it has none, the type of its file name."""
        declared = self._files[0].mimetype
        if declared in {_URLENCODED, _MULTIPART}:
            return ""
        return type_of_file(self._files[0].filename or "") if declared in _UNKNOWN else declared

    @cached_property
    def data(self) -> bytes:
        if len(self._files) > 1:
            raise InvalidInput([InputError(None, FILE, "unique", "given more than once")])
        self._files[0].seek(0)
        data: bytes = self._files[0].read()
        return data


class UnsupportedEncoding(UnsupportedMediaType):
    """The body has a content encoding that is not supported."""

    rule = "content_encoding"
    description = "the content encoding must be gzip, deflate or identity"

    def get_headers(self, *args: Any, **kwargs: Any) -> list[tuple[str, str]]:
        return [*super().get_headers(*args, **kwargs), ("Accept-Encoding", "gzip, deflate")]


def _coding(request: Request) -> str | None:
    """Return the content encoding of a request, None if it has none.

    :raises UnsupportedEncoding: the request has several encodings, or one that is not supported
    """
    named = request.headers["Content-Encoding"].lower().split(",")
    codings = [name.strip() for name in named if name.strip() not in {"", "identity"}]
    if len(codings) > 1 or not CODINGS.issuperset(codings):
        raise UnsupportedEncoding
    return codings[0] if codings else None
