"""Data and functions that most tests use: iris rows, a client, and checks of responses."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sklearn.datasets import load_iris
from werkzeug.test import TestResponse

from flask_skmodels import KeyValueModel, Model, SKModels

FIELDS = ("sepal_length", "sepal_width", "petal_length", "petal_width")
SCHEMA = {name: {"min": 0} for name in FIELDS}
SETOSA = dict(zip(FIELDS, (5.1, 3.5, 1.4, 0.2), strict=True))
VIRGINICA = dict(zip(FIELDS, (6.3, 3.3, 6.0, 2.5), strict=True))
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
PROBLEM = "application/problem+json"

X, Y = load_iris(return_X_y=True)

Error = tuple[int | None, str | None, str]


def serve(*models: Model | type[Model], **config: object) -> FlaskClient:
    """Return the client of an application that serves models, with this configuration."""
    app = Flask("served")
    app.config.update(config)
    extension = SKModels(app)
    for model in models:
        extension.register(model)
    return app.test_client()


def hooked(pipeline: Any, hook: Callable[[Any], Any]) -> KeyValueModel:
    """Return an iris model, by the name of hooked, whose prediction is what a function returns."""

    class Hooked(KeyValueModel):
        schema = SCHEMA

        def predict(self, X: Any) -> Any:
            return hook(X)

    return Hooked(pipeline=pipeline)


def post_json(
    client: FlaskClient, path: str, document: object, accept: str | None = None
) -> TestResponse:
    """Send a document as JSON, in which Python writes ``NaN`` for a float that is not a number."""
    headers = {} if accept is None else {"Accept": accept}
    return client.post(path, data=json.dumps(document), content_type=JSON, headers=headers)


def post_bytes(client: FlaskClient, path: str, body: bytes, content_type: str) -> TestResponse:
    return client.post(path, data=body, content_type=content_type)


def predictions(response: TestResponse) -> Any:
    """Return the predictions of a JSON response with status 200."""
    assert response.status_code == 200, response.text
    assert response.content_type == JSON
    return json.loads(response.data)["predictions"]


def line(response: TestResponse) -> str:
    """Return the text of a response with status 200."""
    assert response.status_code == 200, response.text
    assert response.content_type == "text/plain; charset=utf-8"
    return response.text


def problem(response: TestResponse, status: int) -> dict[str, Any]:
    """Return the problem document of a response, which must have this status."""
    assert response.status_code == status, response.text
    assert response.content_type == PROBLEM
    document: dict[str, Any] = json.loads(response.data)
    members = {"type", "title", "status", "detail", "errors", "error_count"}
    assert set(document) == members
    assert document["status"] == status
    assert all(
        set(error) - {"hint"} == {"row", "field", "rule", "message"} for error in document["errors"]
    )
    assert len(document["errors"]) == min(document["error_count"], 100)
    return document


def errors_of(response: TestResponse, status: int = 400) -> list[Error]:
    """Return the row, field and rule of each error in a problem document."""
    return [(e["row"], e["field"], e["rule"]) for e in problem(response, status)["errors"]]


def messages_of(response: TestResponse, status: int = 400) -> list[str]:
    return [error["message"] for error in problem(response, status)["errors"]]


def without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def encoded(row: dict[str, Any], names: Sequence[str] = FIELDS) -> str:
    """Return a row as a URL-encoded form."""
    return "&".join(f"{name}={row[name]}" for name in names if name in row)
