"""Count the calls of this library's own functions that one request costs.

``python -m benchmarks.count_calls`` prints the count for one row as JSON and for one row as a form.
With ``--list`` it also prints each call in order, indented by its depth. With ``--listeners off``
the metrics, the traces and the pages are switched off. With ``--lane on`` the request takes the
fast lane, which has functions of its own in place of Flask's.
"""

from __future__ import annotations

import argparse
import json
import sys
from io import BytesIO
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlencode

from flask import Flask
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import flask_skmodels
from flask_skmodels import KeyValueModel, SKModels

FIELDS = ("sepal_length", "sepal_width", "petal_length", "petal_width")
ROW = dict(zip(FIELDS, (5.1, 3.5, 1.4, 0.2), strict=True))
WARM_UP = 20  # requests, so that what is worked out once is worked out before the count
PACKAGE = str(Path(flask_skmodels.__file__).parent)
LISTENERS = ("METRICS", "TRACING", "PAGES")

BODIES = {
    "JSON": (json.dumps(ROW).encode(), "application/json"),
    "form": (urlencode(ROW).encode(), "application/x-www-form-urlencoded"),
}


def application(has_listeners: bool = True, has_lane: bool = True) -> Flask:
    """Return an application that serves a pipeline on the four fields of an iris."""
    app = Flask("count")
    app.config["SKMODELS_FAST_LANE"] = has_lane
    if not has_listeners:
        app.config.update({f"SKMODELS_{key}": False for key in LISTENERS})
    models = SKModels(app)
    data, labels = load_iris(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(data, labels)
    schema = {name: {"type": "float", "min": 0} for name in FIELDS}
    models.register(KeyValueModel(name="iris", pipeline=pipeline, schema=schema))
    return app


def post(app: Flask, body: bytes, content_type: str) -> bytes:
    """Send one request to the application without a server and return the body of the response."""
    environ = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/iris/predict/",
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
    }
    statuses: list[str] = []

    def start(status: str, headers: Any, error: Any = None) -> Any:
        statuses.append(status)

    response = b"".join(app(environ, start))
    if statuses != ["200 OK"]:
        raise RuntimeError(f"{statuses}: {response!r}")
    return response


def calls_of(app: Flask, body: bytes, content_type: str) -> list[tuple[int, str]]:
    """Return the depth and the name of each call of this package's functions during a request."""
    for _ in range(WARM_UP):
        post(app, body, content_type)
    calls: list[tuple[int, str]] = []
    depth = 0

    def trace(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal depth
        code = frame.f_code
        if event in {"call", "return"} and code.co_filename.startswith(PACKAGE):
            if event == "call":
                where = Path(code.co_filename).relative_to(PACKAGE)
                calls.append((depth, f"{where}:{code.co_firstlineno} {code.co_qualname}"))
            depth += 1 if event == "call" else -1

    sys.setprofile(trace)
    try:
        post(app, body, content_type)
    finally:
        sys.setprofile(None)
    return calls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--list", action="store_true", help="print each call as well")
    parser.add_argument("--listeners", choices=("on", "off"), default="on")
    parser.add_argument("--lane", choices=("on", "off"), default="off")
    options = parser.parse_args()
    app = application(options.listeners == "on", options.lane == "on")
    for name, request in BODIES.items():
        calls = calls_of(app, *request)
        print(f"{name}: {len(calls)} calls")
        if options.list:
            print("\n".join(f"  {'  ' * depth}{call}" for depth, call in calls))


if __name__ == "__main__":
    main()
