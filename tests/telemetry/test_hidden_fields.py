"""A field that is hidden from the log is hidden from the pages too."""

from __future__ import annotations

from typing import Any

from sklearn.preprocessing import StandardScaler

from flask_skmodels import KeyValueModel, Model
from tests.support.helpers import FIELDS, SCHEMA, SETOSA, X, post_json, serve


def traffic(model: Model, row: Any, hidden: list[str], method: str = "predict") -> dict[str, Any]:
    client = serve(model, SKMODELS_LOG_HIDDEN_FIELDS=hidden)
    assert post_json(client, f"/iris/{method}/", [row]).status_code == 200
    document: dict[str, Any] = client.get("/iris/traffic/").get_json()
    return document


def test_traffic_does_not_tell_a_hidden_field(pipeline: Any) -> None:
    model = KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA)
    document = traffic(model, SETOSA, ["sepal_width"])
    assert [each["field"] for each in document["inputs"]] == [
        *("sepal_length", "petal_length", "petal_width"),
    ]
    assert document["inputs"][0]["least"] == 5.1
    assert len(document["outputs"]) == 1


def test_traffic_does_not_tell_the_field_of_a_hidden_alias(pipeline: Any) -> None:
    schema = {**SCHEMA, "width": {"rename": "sepal_width"}}
    model = KeyValueModel(name="iris", pipeline=pipeline, schema=schema)
    document = traffic(model, SETOSA, ["width"])
    assert "sepal_width" not in [each["field"] for each in document["inputs"]]


def test_traffic_does_not_tell_what_a_transformer_returns() -> None:
    scaler = StandardScaler().fit(X)
    model = Model(name="iris", pipeline=scaler, schema=SCHEMA)
    assert len(traffic(model, SETOSA, [], "transform")["outputs"]) == len(FIELDS)
    model = Model(name="iris", pipeline=scaler, schema=SCHEMA)
    assert traffic(model, SETOSA, ["sepal_width"], "transform")["outputs"] == []
