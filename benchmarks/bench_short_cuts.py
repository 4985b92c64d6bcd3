"""The time that each short-cut around other libraries saves, in microseconds.

``python -m benchmarks.bench_short_cuts [NAME ...]`` times each short-cut and the usual way in turn.
It prints the best of several rounds of both, the difference of the two, and the lowest and the
highest difference of a round. All of them take four minutes. The figures of Flask and Werkzeug
stand in ``flask_skmodels/web/fast_path.py``, the others beside the short-cuts.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from contextlib import nullcontext
from contextvars import Context
from io import BytesIO
from time import thread_time
from typing import Any, ClassVar
from unittest.mock import patch
from uuid import uuid4

import numpy as np
from flask import Flask, Request, Response, current_app, request
from flask.views import View
from jinja2 import BytecodeCache
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsClassifier
from werkzeug.routing import Map, Rule

from benchmarks.count_calls import BODIES, application, post
from flask_skmodels import SKModels, extension
from flask_skmodels.engines.lean.compiler import Compiler
from flask_skmodels.engines.lean.forms.neighbors import neighbor_search
from flask_skmodels.pages.template_bytecode import TemplateBytecode
from flask_skmodels.web.deferred import WholeResponse
from flask_skmodels.web.exchange import Exchange
from flask_skmodels.web.fast_path import form_pairs, view_function, whole_body
from flask_skmodels.web.url_rules import lazy

ROUNDS = 20
CALLS = 500  # of each side in a round
SECONDS = 0.1  # at most, of a side in a round
LIMIT = 1 << 20
MODELS = 1000  # of an application that starts
JSON, FORM = BODIES["JSON"][0], BODIES["form"][0]
LARGE = JSON * 10_000
URLENCODED = "application/x-www-form-urlencoded"

Side = Callable[[], Any]


def environ(body: bytes, content_type: str = "application/json") -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(body),
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)),
    }


def start(status: str, headers: Any, error: Any = None) -> Any:
    """Accept a response, as a server does."""


def responses() -> tuple[Side, Side]:
    """Send a response as it is, and by Werkzeug."""
    sent = environ(JSON)

    def send(respond: Callable[[], Response]) -> Side:
        def side() -> bytes:
            body = respond()(sent, start)
            joined = b"".join(body)
            close = getattr(body, "close", None)
            if close is not None:
                close()
            return joined

        return side

    return (
        send(lambda: WholeResponse(b"{}", "application/json")),
        send(lambda: Response(b"{}", content_type="application/json")),
    )


class Nothing(View):
    """A view that returns at once."""

    init_every_request = False
    methods: ClassVar[list[str]] = ["POST"]

    def respond(self, exchange: Exchange) -> Response:
        return RESPONSE

    def refuse(self, exchange: Exchange, exception: Exception) -> Response:
        return RESPONSE

    def dispatch_request(self) -> Response:
        try:
            exchange = Exchange()
            response = self.respond(exchange)
        except Exception as error:
            response = self.refuse(exchange, error)
        return exchange.finish(response)


RESPONSE = Response(b"")


def view_functions() -> tuple[Side, Side]:
    """Call a view by our own function, and by that of Flask's ``View.as_view``."""
    return view_function(Nothing(), "nothing"), Nothing.as_view("nothing")


def bodies(body: bytes) -> tuple[Side, Side]:
    """Read a body at once, and by Werkzeug's stream."""
    size = max(LIMIT, len(body))

    def by_werkzeug() -> bytes:
        asked = Request(environ(body))
        asked.max_content_length = size
        return asked.get_data()

    return lambda: whole_body(Request(environ(body)), size), by_werkzeug


def forms() -> tuple[Side, Side]:
    """Parse a form from its bytes, and by Werkzeug's parser."""

    def by_werkzeug() -> Any:
        asked = Request(environ(FORM, URLENCODED))
        asked.max_content_length = LIMIT
        return list(asked.form.items(multi=True))

    return lambda: form_pairs(whole_body(Request(environ(FORM, URLENCODED)), LIMIT)), by_werkzeug


def lookups() -> tuple[Side, Side]:
    """Look the request and the application up once, and use Flask's proxies."""

    def by_proxies() -> Any:
        headers = request.environ.get("HTTP_X_REQUEST_ID"), request.environ.get("CONTENT_TYPE")
        view_args, accept = request.view_args, request.environ.get("HTTP_ACCEPT")
        return headers, view_args, accept, current_app.name, uuid4().hex, request.method

    def once() -> Any:
        exchange = Exchange()
        asked, app = exchange.request, exchange.app
        headers = asked.environ.get("HTTP_X_REQUEST_ID"), asked.environ.get("CONTENT_TYPE")
        return headers, asked.view_args, asked.environ.get("HTTP_ACCEPT"), app.name, asked.method

    return once, by_proxies


def rules() -> tuple[Side, Side]:
    """Add a rule that compiles its URL builder when it is used, and one of Werkzeug's."""

    def add(kind: type[Rule]) -> Side:
        return lambda: Map([kind("/iris/predict/", endpoint="iris", methods={"POST"})])

    return add(lazy(Rule)), add(Rule)


def starts() -> tuple[Side, Side]:
    """Start an application with many models, and with the garbage collector on as well."""
    models = SKModels()
    estimator = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    for number in range(MODELS):
        models.add(f"m{number}", estimator)

    def with_collector() -> None:
        with patch.object(extension, "without_garbage_collection", nullcontext):
            models.init_app(Flask("start"))

    return lambda: models.init_app(Flask("start")), with_collector


class NotKept(BytecodeCache):
    """Keeps no compiled template."""

    def load_bytecode(self, bucket: Any) -> None:
        """Load nothing."""

    def dump_bytecode(self, bucket: Any) -> None:
        """Keep nothing."""


def first_pages() -> tuple[Side, Side]:
    """Show the first page of a process with templates that are kept compiled, and compile them."""

    def show(cache: BytecodeCache) -> Side:
        app = application()
        client = app.test_client()

        def side() -> None:
            app.jinja_env.bytecode_cache = cache
            if app.jinja_env.cache is not None:
                app.jinja_env.cache.clear()
            response = client.get("/iris/", headers={"Accept": "text/html"})
            if response.status_code != 200:
                raise RuntimeError(response.text)

        return lambda: Context().run(side)

    return show(TemplateBytecode()), show(NotKept())


def neighbors(*, has_labels: bool) -> tuple[Side, Side]:
    """Find the neighbors of a row in a tree, or predict its label, without joblib and with it."""
    X = np.random.default_rng(0).normal(size=(2000, 20))
    row = X[:1].copy()
    estimator = KNeighborsClassifier(algorithm="kd_tree").fit(X, X[:, 0] > 0)
    if has_labels:
        predict = Compiler().methods(estimator)["predict"]
        return lambda: predict(row), lambda: estimator.predict(row)
    search, count = neighbor_search(estimator), estimator.n_neighbors
    return (
        lambda: search.indices(row, count),
        lambda: estimator.kneighbors(row, return_distance=False),
    )


def lanes() -> tuple[Side, Side]:
    """Answer a prediction in the fast lane, and through Flask."""

    def side(has_lane: bool) -> Side:
        app = application(has_listeners=False, has_lane=has_lane)
        return lambda: Context().run(post, app, *BODIES["JSON"])  # outside the current context

    return side(True), side(False)


SHORT_CUTS: dict[str, Callable[[], tuple[Side, Side]]] = {
    "WholeResponse": responses,
    "view_function": view_functions,
    "whole_body, small": lambda: bodies(JSON),
    "whole_body, large": lambda: bodies(LARGE),
    "form_pairs": forms,
    "Exchange": lookups,
    "url_rules.lazy": rules,
    "fast_lane": lanes,
    "without_garbage_collection": starts,
    "template_bytecode": first_pages,
    "neighbors, search": lambda: neighbors(has_labels=False),
    "neighbors, predict": lambda: neighbors(has_labels=True),
}


def measured(sides: tuple[Side, Side]) -> list[tuple[float, float]]:
    """Return the microseconds of processor time that both sides take in each round, in turn."""
    calls = [max(1, min(CALLS, int(SECONDS / _seconds(side, 3)))) for side in sides]
    found = []
    for place in range(ROUNDS):
        times = [0.0, 0.0]
        for which in (0, 1) if place % 2 else (1, 0):
            times[which] = _seconds(sides[which], calls[which]) * 1e6
        found.append((times[0], times[1]))
    return found


def _seconds(side: Side, calls: int) -> float:
    gc.collect()  # what the other side left is not collected on the time of this one
    started = thread_time()
    for _ in range(calls):
        side()
    return (thread_time() - started) / calls


def main(names: list[str]) -> None:
    app = Flask("short-cuts")
    with app.test_request_context("/", method="POST"):
        for name in names or SHORT_CUTS:
            rounds = measured(SHORT_CUTS[name]())
            short, usual = (min(times) for times in zip(*rounds, strict=True))
            saved = sorted(slow - fast for fast, slow in rounds)
            print(
                f"{name:28}{short:11,.1f} us {usual:11,.1f} us {usual - short:11,.1f} us saved "
                f"({saved[0]:,.1f} to {saved[-1]:,.1f})",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
