"""No response that tells about rows may be kept by a proxy or a browser."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, abort, make_response
from flask.testing import FlaskClient

from flask_skmodels import KeyValueModel, before_prediction
from flask_skmodels.config import DIALECTS
from tests.support.helpers import FORM, JSON, SCHEMA, SETOSA, serve

HTML = {"Accept": "text/html"}
ROW = list(SETOSA.values())
TENSOR = {"name": "a", "shape": [1, 4], "datatype": "FP64", "data": ROW}


@pytest.fixture
def client(pipeline: Any) -> FlaskClient:
    model = KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA, examples=[SETOSA])
    return serve(model, SKMODELS_DIALECTS=DIALECTS, SKMODELS_MLFLOW_MODEL="iris")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        *((path, 200) for path in ("/iris/", "/iris/traffic/", "/iris/pipeline/", "/-/")),
        *((path, 200) for path in ("/-/models/", "/-/openapi.json", "/-/metrics")),
        *((path, 200) for path in ("/-/health/live", "/-/health/ready", "/-/docs/")),
        *((path, 200) for path in ("/v2", "/v2/models", "/v2/models/iris", "/v1/models/iris")),
        *((path, 200) for path in ("/v1/models", "/ping", "/version")),
        ("/v2/models/rose", 404),
    ],
)
def test_descriptions_are_not_stored(client: FlaskClient, path: str, status: int) -> None:
    for headers in ({}, HTML):
        response = client.get(path, headers=headers)
        assert response.status_code == status
        assert response.headers.getlist("Cache-Control") == ["no-store"]


@pytest.mark.parametrize("accept", [JSON, "text/csv", "text/plain", "application/x-ndjson"])
@pytest.mark.parametrize(("row", "status"), [(SETOSA, 200), ({}, 400)])
def test_predictions_are_not_stored(
    client: FlaskClient, row: dict[str, float], status: int, accept: str
) -> None:
    for body in ({"json": row}, {"data": row, "content_type": FORM}):
        response = client.post("/iris/predict/", headers={"Accept": accept}, **body)
        assert response.status_code == status
        assert response.headers.getlist("Cache-Control") == ["no-store"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v2/models/iris/infer", {"inputs": [TENSOR]}),
        ("/v1/models/iris:predict", {"instances": [ROW]}),
        ("/invocations", {"inputs": [ROW]}),
    ],
)
def test_predictions_of_other_protocols_are_not_stored(
    client: FlaskClient, path: str, body: Any
) -> None:
    for document, status in ((body, 200), ({}, 400)):
        response = client.post(path, json=document)
        assert response.status_code == status
        assert response.headers.getlist("Cache-Control") == ["no-store"]


def test_page_with_a_prediction_is_not_stored(client: FlaskClient) -> None:
    response = client.post("/iris/", data=SETOSA, headers=HTML)
    assert response.headers.getlist("Cache-Control") == ["no-store"]


def test_response_of_a_receiver_is_not_stored(client: FlaskClient) -> None:
    def refuse(app: Flask, **extra: Any) -> None:
        response = make_response("wait", 403)
        response.headers["Cache-Control"] = "public"
        abort(response)

    with before_prediction.connected_to(refuse):
        response = client.post("/iris/predict/", json=SETOSA, headers={"X-Request-ID": "mine"})
    assert (response.status_code, response.text) == (403, "wait")
    assert response.headers.getlist("Cache-Control") == ["no-store"]
    assert response.headers.getlist("X-Request-ID") == ["mine"]


def test_files_of_the_pages_may_be_stored(client: FlaskClient) -> None:
    assert "immutable" in client.get("/-/static/pages.css").headers["Cache-Control"]
