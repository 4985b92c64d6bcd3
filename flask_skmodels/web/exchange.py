"""A request and its response, as the views see them."""

from __future__ import annotations

import re
from time import perf_counter
from typing import cast
from uuid import uuid4

from flask import Flask, Request, Response, current_app, request

from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.web.deferred import WholeResponse
from flask_skmodels.web.server_timing import server_timing

REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)
_CURL = "curl/"  # how the User-Agent of curl begins
_TEXTS = frozenset({"text/plain", "application/json", "application/problem+json"})


class Exchange:
    """The current request, and the values of the headers of its response.

    The request and the application are looked up once, here. They are the objects themselves and
    not Flask's proxies, because a proxy costs time at each use (``fast_path`` has the figure), and
    signals compare their sender by identity.

    :ivar request: the request
    :ivar app: the application
    :ivar request_id: the client's ``X-Request-ID`` if it has at most 128 visible ASCII characters,
        else a new one
    :ivar label: label of the version that the URL names, None if it names none
    :ivar version: label of the version that predicts, sent as ``X-Model-Version``
    :ivar cache_control: the value of ``Cache-Control`` in the response
    """

    __slots__ = (
        *("_predicted_at", "_timed", "app", "cache_control", "label", "request", "request_id"),
        "version",
    )

    def __init__(self) -> None:
        self.request = cast(Request, request._get_current_object())  # type: ignore[attr-defined]
        self.app = cast(Flask, current_app._get_current_object())  # type: ignore[attr-defined]
        given = self.request.environ.get("HTTP_X_REQUEST_ID")
        self.request_id = given if given and REQUEST_ID.fullmatch(given) else uuid4().hex
        self.label: str | None = (self.request.view_args or {}).get("version")
        self.version: str | None = None
        self.cache_control = "no-store"  # a response may reveal rows
        self._timed: list[Prediction] = []
        self._predicted_at = 0.0

    def time(self, prediction: Prediction) -> None:
        """Add a prediction to ``Server-Timing``; the time of encoding is measured from now on."""
        self._timed.append(prediction)
        self._predicted_at = perf_counter()

    def finish(self, response: Response) -> Response:
        """Add the headers to the response and return it."""
        pairs = [("X-Request-ID", self.request_id), ("Cache-Control", self.cache_control)]
        if self.version is not None:
            pairs.append(("X-Model-Version", self.version))
        if self._timed:
            encode = perf_counter() - self._predicted_at
            pairs.append(("Server-Timing", server_timing(self._timed, encode)))
        if isinstance(response, WholeResponse) and not response.is_made:
            response.pairs.extend(pairs)
        else:
            response.headers.update(pairs)
        if self.request.environ.get("HTTP_USER_AGENT", "").startswith(_CURL):
            _end_line(response)
        return response


def _end_line(response: Response) -> None:
    """End a text with a newline, so that the prompt of a terminal is on the next line."""
    if response.mimetype not in _TEXTS or response.is_streamed or response.direct_passthrough:
        return
    body = response.get_data()
    if body and not body.endswith(b"\n"):
        response.set_data(body + b"\n")


def application() -> Flask:
    """Return the current application, not Flask's proxy."""
    return cast(Flask, current_app._get_current_object())  # type: ignore[attr-defined]
