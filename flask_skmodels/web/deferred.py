"""Objects of Flask and Werkzeug that are made when they are first read.

Most of what Werkzeug works out for an ordinary prediction is never read: the host and the query of
the request, or the headers of the response as a multi-dict.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from operator import itemgetter
from threading import RLock
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from flask import Flask, Request, Response

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

Header = tuple[str, str]

_RELATIVE = {"location", "content-location"}  # headers that Werkzeug makes absolute
_NAME = itemgetter(0)  # of a header


class Deferred:
    """An object whose missing attributes are set when one of them is first read.

    :cvar making: held while the attributes are set, because a call in another thread may need them
    too
    :ivar is_made: whether the attributes are set
    """

    making: ClassVar[Any] = RLock()
    is_made = True  # for an object whose ``__init__`` was called, such as a copied context

    @classmethod
    def unmade(cls, **attributes: Any) -> Self:
        """Return an object with some attributes, whose ``__init__`` was not called."""
        new = cls.__new__(cls)
        new.__dict__ = {"is_made": False, **attributes}
        return new

    def made(self) -> object:
        """Return a real object of Flask or Werkzeug, from which ``make`` copies missing attributes.

        Subclasses implement this.
        """
        raise NotImplementedError

    def make(self) -> None:
        """Set the missing attributes, all in one step, because other threads may read them."""
        with Deferred.making:
            if not self.is_made:
                made, known = vars(self.made()), vars(self)
                known.update({name: made[name] for name in made.keys() - known}, is_made=True)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # pickle looks for methods of an empty object
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        self.make()
        return object.__getattribute__(self, name)


if hasattr(os, "register_at_fork"):  # another thread of the parent process may hold the lock
    os.register_at_fork(after_in_child=lambda: setattr(Deferred, "making", RLock()))


class DeferredRequest(Deferred, Request):
    """A request whose parts are worked out when one of them is first read.

    :ivar app: the current application
    """

    app: Flask

    @property
    def max_content_length(self) -> int | None:
        limit = self._max_content_length
        return self.app.config["MAX_CONTENT_LENGTH"] if limit is None else limit

    @max_content_length.setter
    def max_content_length(self, value: int | None) -> None:
        self._max_content_length = value

    def made(self) -> Request:
        request = Request(self.environ)
        self.environ["werkzeug.request"] = self
        return request


class WholeResponse(Deferred, Response):
    """A response with status 200 that is sent unchanged, unless something is done to it first.

    Werkzeug copies the headers of each response, checks whether it has to add some, and wraps the
    body to learn when it was sent. The table in ``fast_path`` has the time that is saved.

    :param body: the body
    :param content_type: the content type of the body
    :ivar pairs: the headers until the response is made; more can be added
    """

    _is_watched = False

    def __init__(self, body: bytes, content_type: str) -> None:
        pairs = [("Content-Type", content_type), ("Content-Length", str(len(body)))]
        vars(self).update(is_made=False, _body=body, pairs=pairs)

    def made(self) -> Response:
        return Response(self._body, headers=self.pairs, content_type=self.pairs[0][1])

    def __setattr__(self, name: str, value: Any) -> None:
        self.make()
        super().__setattr__(name, value)

    def call_on_close(self, func: Callable[[], Any]) -> Callable[[], Any]:
        self._is_watched = True
        return super().call_on_close(func)

    def get_wsgi_response(
        self, environ: WSGIEnvironment
    ) -> tuple[Iterable[bytes], str, list[Header]]:
        if environ["REQUEST_METHOD"] != "POST":
            return super().get_wsgi_response(environ)
        if not self.is_made:
            return [self._body], "200 OK", self.pairs
        body, headers = self.response, self.headers
        names = set(map(str.lower, map(_NAME, headers)))
        is_whole = (
            self.status_code == 200
            and "content-length" in names
            and names.isdisjoint(_RELATIVE)
            and not self._is_watched
            and type(body) is list
            and len(body) == 1
            and type(body[0]) is bytes
        )
        if is_whole:
            return cast(Iterable[bytes], body), self.status, headers.to_wsgi_list()
        return super().get_wsgi_response(environ)
