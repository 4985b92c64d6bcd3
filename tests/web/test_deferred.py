"""Objects of Flask and Werkzeug that are made when something first looks at them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import sleep
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Response
from werkzeug.test import run_wsgi_app

from flask_skmodels.web.deferred import Deferred, WholeResponse
from tests.support.both_ways import environ_of

Change = Callable[[Any], Any]
CHANGES: dict[str, Change] = {
    "status code": lambda response: setattr(response, "status_code", 202),
    "status": lambda response: setattr(response, "status", "418 I AM A TEAPOT"),
    "no content": lambda response: setattr(response, "status_code", 204),
    "header": lambda response: response.headers.set("X-Added", "value"),
    "content type": lambda response: setattr(response, "mimetype", "text/plain"),
    "location": lambda response: setattr(response, "location", "/somewhere"),
    "body": lambda response: response.set_data(b"other"),
    "stream": lambda response: setattr(response, "response", iter([b"a", b"b"])),
    "cookie": lambda response: response.set_cookie("name", "value"),
    "vary": lambda response: response.vary.add("Cookie"),
    "entity tag": lambda response: response.add_etag(),
    "passthrough": lambda response: setattr(response, "direct_passthrough", True),
    "nothing": lambda response: None,
    "looked at": lambda response: (response.status_code, response.data, response.json),
}


@pytest.mark.parametrize("method", ["POST", "GET", "HEAD"])
@pytest.mark.parametrize("name", CHANGES)
def test_whole_response_is_sent_as_flask_sends_a_response(name: str, method: str) -> None:
    responses = []
    usual = Response(b"[1]", content_type="application/json")
    for response in (usual, WholeResponse(b"[1]", "application/json")):
        CHANGES[name](response)
        parts, status, headers = run_wsgi_app(response, environ_of(method=method))
        responses.append((b"".join(parts), status, headers.to_wsgi_list()))
    assert responses[0] == responses[1]


def test_function_is_called_when_the_response_is_closed() -> None:
    response = WholeResponse(b"[1]", "application/json")
    closed: list[int] = []
    response.call_on_close(lambda: closed.append(1))
    run_wsgi_app(response, environ_of(), buffered=True)
    assert closed == [1]


def test_response_can_become_one_of_another_class() -> None:
    class Own(Response):
        """The response class of an application."""

    response = WholeResponse(b"[1]", "application/json")
    response.pairs.append(("X-Added", "value"))
    own = Own.force_type(response)
    assert type(own) is Own
    assert (own.data, own.headers["X-Added"]) == (b"[1]", "value")


@pytest.mark.parametrize("is_made", [False, True])
def test_response_can_be_pickled(is_made: bool) -> None:
    response = WholeResponse(b"[1]", "application/json")
    if is_made:
        response.status_code = 202
    copied = pickle.loads(pickle.dumps(response))
    assert (copied.data, copied.status_code) == (b"[1]", 202 if is_made else 200)


def test_attribute_that_is_missing() -> None:
    response = WholeResponse(b"[1]", "application/json")
    with pytest.raises(AttributeError, match="'WholeResponse' object has no attribute 'nothing'"):
        _ = response.nothing
    assert not hasattr(response, "__nothing__")


class Made(Deferred):
    """An object that is made slowly, or never."""

    def made(self) -> Any:
        sleep(0.02)
        if self.fails:
            raise ZeroDivisionError
        return SimpleNamespace(whole=object(), other=object())


def test_threads_see_the_object_when_it_is_made() -> None:
    slow = Made.unmade(fails=False)
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: slow.whole, range(4)))
    assert len(found) == 1


def test_object_is_made_only_when_it_is_whole() -> None:
    slow = Made.unmade(fails=False)
    with ThreadPoolExecutor(1) as pool:
        making = pool.submit(lambda: slow.whole)
        while not making.done():
            assert not slow.is_made or "whole" in vars(slow)
    assert slow.is_made


def test_object_that_cannot_be_made_stays_unmade() -> None:
    failing = Made.unmade(fails=True)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            _ = failing.whole
    assert not failing.is_made
