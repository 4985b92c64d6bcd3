"""The ``Server-Timing`` header of responses."""

from __future__ import annotations

import re
from time import sleep
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from flask_skmodels import ConfigurationError, KeyValueModel, Prediction, SKModels
from flask_skmodels.testing import FakeEstimator
from flask_skmodels.web.server_timing import server_timing
from tests.support.helpers import SCHEMA, SETOSA, post_json, serve

PATH = "/iris/predict/"
PARTS = ["decode", "validate", "queue", "predict", "encode"]
HEADER = re.compile(r"\w+;dur=[0-9]+\.[0-9]{3}(, \w+;dur=[0-9]+\.[0-9]{3})*")


def durations(response: TestResponse) -> dict[str, float]:
    """Return the milliseconds of each part of an answer."""
    header = response.headers["Server-Timing"]
    assert HEADER.fullmatch(header)
    return {name: float(ms) for name, ms in re.findall(r"(\w+);dur=([0-9.]+)", header)}


@pytest.fixture
def app(models: SKModels) -> Flask:
    app = Flask("timed")
    app.config["SKMODELS_SERVER_TIMING"] = True
    models.init_app(app)
    return app


@pytest.mark.parametrize("accept", ["application/json", "text/csv", "text/plain"])
def test_answer_says_how_long_its_parts_took(app: Flask, accept: str) -> None:
    found = durations(post_json(app.test_client(), PATH, SETOSA, accept))
    assert list(found) == PARTS
    assert all(found[part] > 0 for part in PARTS if part != "queue")
    assert found["queue"] == 0


def test_parts_are_told_from_one_another(app: Flask, models: SKModels) -> None:
    def slow(X: Any) -> Any:
        sleep(0.05)
        return [0] * len(X)

    models.add("slow", FakeEstimator(predict=slow), schema=SCHEMA)
    found = durations(post_json(app.test_client(), "/slow/predict/", SETOSA))
    assert found["predict"] >= 50


def test_parts_of_several_predictions_are_added_up() -> None:
    record: dict[str, Any] = {
        "model": "iris",
        "version": None,
        "method": "predict",
        "X": [[1]],
        "fields": ("x",),
    }
    record |= {"rows": 1, "classes": None, "request_id": None}
    times: dict[str, Any] = {
        "decode": 0.001,
        "validate": 0.002,
        "queue": 0.003,
        "seconds": 0.0000044,
    }
    predictions = [Prediction(**record, **times), Prediction(**record, **times)]
    assert server_timing(predictions, 1.5) == (
        "decode;dur=2.000, validate;dur=4.000, queue;dur=6.000, predict;dur=0.009, "
        "encode;dur=1500.000"
    )


def test_what_is_not_answered_with_predictions_has_none(app: Flask) -> None:
    client = app.test_client()
    for response in (
        post_json(client, PATH, {}),
        post_json(client, PATH, SETOSA, "text/html"),
        client.get("/iris/"),
        client.get("/-/models"),
    ):
        assert "Server-Timing" not in response.headers
    assert "Server-Timing" in post_json(client, PATH, SETOSA).headers


def test_header_of_the_application_stays(app: Flask) -> None:
    @app.after_request
    def tell(response: Any) -> Any:
        response.headers.add("Server-Timing", "database;dur=1.000")
        return response

    values = post_json(app.test_client(), PATH, SETOSA).headers.getlist("Server-Timing")
    assert len(values) == 2


def test_there_is_none_by_default(pipeline: Any) -> None:
    client = serve(KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA))
    assert "Server-Timing" not in post_json(client, PATH, SETOSA).headers


def test_value_that_the_key_cannot_hold() -> None:
    with pytest.raises(ConfigurationError, match=r"^SKMODELS_SERVER_TIMING must be True or False"):
        serve(SKMODELS_SERVER_TIMING="yes")


def test_dialects_say_it_too(pipeline: Any) -> None:
    app = Flask("dialect")
    app.config.update(SKMODELS_SERVER_TIMING=True, SKMODELS_DIALECTS=["open-inference"])
    SKModels(app).add("iris", pipeline, schema=SCHEMA, probability=True)
    tensor = {"name": "x", "shape": [1, 4], "datatype": "FP64", "data": list(SETOSA.values())}
    outputs = [{"name": "predict"}, {"name": "predict_proba"}]
    document = {"inputs": [tensor], "outputs": outputs}
    found = durations(post_json(app.test_client(), "/v2/models/iris/infer", document))
    assert list(found) == PARTS
