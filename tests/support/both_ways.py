"""Requests sent both through the fast lane and through Flask, and the comparison of the responses.

In the full run each test of the suite is followed by its own requests, sent again both ways: after
its last assertion, while its patches are still in force.

``conftest.py`` loads this module as a plugin of pytest.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from typing import Any, NamedTuple

import pytest
from flask import Flask
from flask.globals import _cv_app
from werkzeug.test import EnvironBuilder

from tests.support.untraced import Untraced

MAX_REQUESTS = 3  # of a test that are sent again
MAX_ROUNDS = 10  # in which each of them may differ
MAX_BYTES = 100_000  # of a body that is sent again
_DURATION = re.compile(r"dur=[0-9.]+")

Application = Callable[..., Any]


class Response(NamedTuple):
    """The response of an application, or the exception that it raised to the server."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes
    raised: str | None = None


class Sent(NamedTuple):
    """A request that a test has sent."""

    app: Flask
    environ: dict[str, Any]
    body: bytes


def environ_of(path: str = "/iris/predict/", **request: Any) -> dict[str, Any]:
    """Return the environ of a POST request, with an identifier, so that responses are equal."""
    environ = EnvironBuilder(path=path, **{"method": "POST", **request}).get_environ()
    environ.setdefault("HTTP_X_REQUEST_ID", "the-same")
    return environ


def ask(application: Application, environ: dict[str, Any]) -> Response:
    """Return the answer of a WSGI application; durations in it are left out."""
    started: list[Any] = []
    try:
        parts = application(environ, lambda status, headers, *_: started.append((status, headers)))
        body = b"".join(parts)
        getattr(parts, "close", lambda: None)()
    except Exception as error:
        return Response("", [], b"", repr(error))
    [(status, headers)] = started
    return Response(status, [(name, _DURATION.sub("", value)) for name, value in headers], body)


def through_flask(app: Flask) -> Application:
    """Return the application without the fast lane."""
    return partial(type(app).wsgi_app, app)


def both_ways(app: Flask, path: str = "/iris/predict/", **request: Any) -> Response:
    """Send a request through Flask and through the fast lane; both answers must be equal."""
    usual = ask(through_flask(app), environ_of(path, **request))
    assert ask(app.wsgi_app, environ_of(path, **request)) == usual
    return usual


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Record the requests of a test in the full run, and send them again when it has passed.

    Not if it has left threads behind, which may hold a call that the next one would wait for.
    """
    if not item.config.getoption("full") or item.get_closest_marker("not_repeatable"):
        yield
        return
    from flask_skmodels.web.fast_lane import FastLane  # other releases of Flask have no lane

    sent: list[Sent] = []
    threads = threading.active_count()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FastLane, "__call__", _recording(FastLane.__call__, sent))
        outcome: Any = yield
    is_alone = _cv_app.get(None) is None and threading.active_count() <= threads
    if outcome.excinfo is None and is_alone:
        with Untraced():
            for each in sent:
                _repeat(each)


def _recording(call: Callable[..., Any], sent: list[Sent]) -> Callable[..., Any]:
    def record(lane: Any, environ: dict[str, Any], start_response: Any) -> Any:
        length = environ.get("CONTENT_LENGTH") or "0"
        if (
            environ.get("PATH_INFO") in lane._views
            and environ["REQUEST_METHOD"] == "POST"
            and len(sent) < MAX_REQUESTS
            and threading.current_thread() is threading.main_thread()
            and type(environ["wsgi.input"]) is BytesIO
            and length.isdecimal()
            and int(length) <= MAX_BYTES
        ):
            body = environ["wsgi.input"].getvalue()
            sent.append(Sent(lane._app, {**environ}, body))
        return call(lane, environ, start_response)

    return record


def _repeat(sent: Sent) -> None:
    """Send a request again: through Flask, the lane, and Flask, unless its answers change.

    A canary answers requests at random, so a difference must show each time.
    """
    app = sent.app
    applications = [through_flask(app), app.wsgi_app, through_flask(app)]
    for _ in range(MAX_ROUNDS):
        before, lane, after = (ask(each, _again(sent)) for each in applications)
        if before != after or lane == before:
            return
    assert lane == before, f"{sent.environ['PATH_INFO']} {sent.body[:200]!r}"


def _again(sent: Sent) -> dict[str, Any]:
    return {"HTTP_X_REQUEST_ID": "the-same", **sent.environ, "wsgi.input": BytesIO(sent.body)}
