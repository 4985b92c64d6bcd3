"""The short-cuts around Flask and Werkzeug, each with the time that it saves.

``python -m benchmarks.bench_short_cuts`` measures them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast
from urllib.parse import parse_qsl

from flask import Request, Response
from werkzeug.datastructures import Headers
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from flask_skmodels.codecs.codec import TooLarge
from flask_skmodels.signals import is_receiver_error
from flask_skmodels.web.exchange import Exchange

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

_RELATIVE = {"location", "content-location"}  # headers that Werkzeug makes absolute
_MOST_DIGITS = 18  # of a content length


class WholeResponse(Response):
    """A response that is sent as it is, unless something has to be added to it first.

    Werkzeug copies the headers of each response, looks for what it has to add, and wraps the body
    to learn when it was sent.
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


class Respondent(Protocol):
    """A view of this library."""

    methods: ClassVar[list[str]]

    def respond(self, exchange: Exchange) -> Response: ...

    def refuse(self, exchange: Exchange, exception: Exception) -> Response: ...


def view_function(view: Respondent, name: str) -> Callable[..., Response]:
    """Return the function that Flask calls for a view.

    Flask's own, of ``View.as_view``, looks at each call whether the view is a coroutine.

    :param view: the view
    :param name: a unique name, since decorators tell view functions apart by it
    """

    def respond(**arguments: Any) -> Response:
        exchange = Exchange()
        try:
            response = view.respond(exchange)
        except Exception as error:
            if is_receiver_error(error):
                raise
            exception = RequestEntityTooLarge() if isinstance(error, TooLarge) else error
            response = view.refuse(exchange, exception)
        return exchange.finish(response)

    respond.__name__ = name
    respond.__module__ = type(view).__module__
    respond.__doc__ = type(view).__doc__
    respond.view_class = type(view)  # type: ignore[attr-defined]
    respond.methods = view.methods  # type: ignore[attr-defined]
    return respond


def whole_body(request: Request, limit: int) -> bytes | None:
    """Return a body whose length the client has sent; None where Werkzeug has to read it.

    Werkzeug's stream costs as much as a small prediction, and a large body twice its memory.

    :param request: the request
    :param limit: the most bytes that it may have
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
    known["_cached_data"], known["stream"] = body, BytesIO()  # for those who read after us
    return body


def has_plain_form(request: Request) -> bool:
    """Return whether a form can be read from the body, as Flask's own request class does.

    It cannot where the host has a request class of its own, or where a hook has read the form.
    """
    known = vars(request)
    return type(request) is Request and ("form" not in known or bool(known.get("_cached_data")))


def form_pairs(body: bytes) -> list[tuple[str, str]]:
    """Return the names and values of a form, which Werkzeug reads by the same function.

    :raises UnicodeDecodeError: the body is not UTF-8, which Werkzeug would replace
    """
    return parse_qsl(body.decode(), keep_blank_values=True, errors="strict")
