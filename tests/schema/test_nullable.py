"""A nullable field is optional alike in every format and protocol, and in Python."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sklearn.tree import DecisionTreeRegressor
from werkzeug.test import TestResponse

from flask_skmodels import InvalidInput, ScoringError, SKModels
from flask_skmodels.config import DIALECTS
from tests.support.helpers import errors_of, messages_of, post_json

PATH = "/person/predict/"
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
Records = list[dict[str, float]]
Send = Callable[[FlaskClient, Records], TestResponse]


def models_of(age: dict[str, Any], **config: Any) -> tuple[SKModels, Flask]:
    """Return a model that predicts 99 for a missing age, else the age, whatever the height."""
    tree = DecisionTreeRegressor().fit([[20, 1], [30, 1], [np.nan, 1]], [20, 30, 99])
    models = SKModels()
    models.add("person", tree, schema={"age": age, "height": {}})
    app = Flask("people")
    app.config.update(SKMODELS_DIALECTS=DIALECTS, SKMODELS_MLFLOW_MODEL="person", **config)
    models.init_app(app)
    return models, app


def body_of(table: pd.DataFrame, media_type: str) -> bytes:
    sink, arrow = io.BytesIO(), pa.Table.from_pandas(table, preserve_index=False)
    if media_type == PARQUET:
        pq.write_table(arrow, sink)
    else:
        with pa.ipc.new_stream(sink, arrow.schema) as writer:
            writer.write_table(arrow)
    return sink.getvalue()


def sending(make: Callable[[Records], bytes | str], media_type: str, path: str = PATH) -> Send:
    headers = {"Accept": "application/json"}
    return lambda client, rows: client.post(
        path, data=make(rows), content_type=media_type, headers=headers
    )


def posting(path: str, make: Callable[[Records], Any]) -> Send:
    return lambda client, rows: client.post(path, json=make(rows))


def form(client: FlaskClient, rows: Records) -> TestResponse:
    return client.post(PATH, data=rows[0], headers={"Accept": "application/json"})


def columns(rows: Records) -> dict[str, list[float]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def tensors(rows: Records) -> list[dict[str, Any]]:
    shape = [len(rows)]
    return [
        {"name": name, "shape": shape, "datatype": "FP64", "data": values}
        for name, values in columns(rows).items()
    ]


ONE_ROW: dict[str, Send] = {
    "form": form,
    "JSON object": posting(PATH, lambda rows: rows[0]),
}
SEVERAL: dict[str, Send] = {
    "JSON array": posting(PATH, lambda rows: rows),
    "JSON columns": posting(PATH, lambda rows: {"columns": columns(rows)}),
    "CSV": sending(lambda rows: pd.DataFrame(rows).to_csv(index=False), "text/csv"),
    "NDJSON": sending(lambda rows: "\n".join(map(json.dumps, rows)), "application/x-ndjson"),
    "Arrow": sending(lambda rows: body_of(pd.DataFrame(rows), ARROW), ARROW),
    "MLflow records": posting("/invocations", lambda rows: {"dataframe_records": rows}),
    "MLflow split": posting(
        "/invocations",
        lambda rows: {
            "dataframe_split": {
                "columns": list(rows[0]),
                "data": [list(row.values()) for row in rows],
            }
        },
    ),
    "MLflow columns": posting("/invocations", lambda rows: {"inputs": columns(rows)}),
    "MLflow CSV": sending(
        lambda rows: pd.DataFrame(rows).to_csv(index=False), "text/csv", "/invocations"
    ),
    "MLflow Parquet": sending(
        lambda rows: body_of(pd.DataFrame(rows), PARQUET), PARQUET, "/invocations"
    ),
    "KServe V1": posting("/v1/models/person:predict", lambda rows: {"instances": rows}),
    "Open Inference": posting("/v2/models/person/infer", lambda rows: {"inputs": tensors(rows)}),
}
CASES = [
    *(pytest.param(send, 1, id=name) for name, send in (ONE_ROW | SEVERAL).items()),
    *(pytest.param(send, 2, id=f"{name}, 2 rows") for name, send in SEVERAL.items()),
    pytest.param(SEVERAL["JSON array"], 20, id="JSON array, 20 rows"),
    pytest.param(SEVERAL["CSV"], 20, id="CSV, 20 rows"),
]


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    return models_of({"nullable": True})[1].test_client()


@pytest.fixture(scope="module")
def strict() -> FlaskClient:
    return models_of({"nullable": True, "required": True})[1].test_client()


def predicted(response: TestResponse) -> list[float]:
    """Return the predictions of a response in any protocol."""
    assert response.status_code == 200, response.text
    document = response.get_json()
    if "outputs" in document:
        [output] = document["outputs"]
        return list(output["data"])
    return list(document["predictions"])


@pytest.mark.parametrize(("send", "count"), CASES)
def test_absent_field_is_a_missing_value(client: FlaskClient, send: Send, count: int) -> None:
    assert predicted(send(client, [{"height": 1.0}] * count)) == [99.0] * count
    assert predicted(send(client, [{"height": 1.0, "age": 30.0}] * count)) == [30.0] * count


@pytest.mark.parametrize(("send", "count"), CASES)
def test_field_that_must_be_sent(strict: FlaskClient, send: Send, count: int) -> None:
    refused = send(strict, [{"height": 1.0}] * count)
    assert refused.status_code == 400
    assert "age" in refused.text
    assert predicted(send(strict, [{"height": 1.0, "age": 30.0}] * count)) == [30.0] * count


def test_rows_of_python() -> None:
    models, app = models_of({"nullable": True})
    for rows in ({"height": 1}, [{"height": 1}], pd.DataFrame([{"height": 1.0}])):
        assert models.predict("person", rows, app=app).outputs.tolist() == [99.0]
    models, app = models_of({"nullable": True, "required": True})
    with pytest.raises(InvalidInput, match="age"):
        models.predict("person", {"height": 1}, app=app)


def test_files_that_are_scored(tmp_path: Path) -> None:
    models, app = models_of({"nullable": True})
    source, sink = tmp_path / "people.csv", tmp_path / "scores.csv"
    source.write_text("height\n1\n2\n")
    models.score("person", source, sink, app=app)
    assert sink.read_text().split() == ["prediction", "99.0", "99.0"]
    models, app = models_of({"nullable": True, "required": True})
    with pytest.raises(ScoringError, match="no column 'age'"):
        models.score("person", source, tmp_path / "other.csv", app=app)


def test_documents_say_so(client: FlaskClient, strict: FlaskClient) -> None:
    assert client.get("/person/").get_json()["required"] == ["height"]
    assert strict.get("/person/").get_json()["required"] == ["age", "height"]


# Data of something else, where every field is optional


@pytest.fixture(scope="module")
def lenient() -> FlaskClient:
    ages = [20.0, 30.0, np.nan] * 2
    people = [[age, height] for age, height in zip(ages, [1.0] * 3 + [np.nan] * 3, strict=True)]
    tree = DecisionTreeRegressor().fit(people, [20, 30, 99] * 2)
    models = SKModels()
    models.add("person", tree, schema={"age": {"nullable": True}, "height": {"nullable": True}})
    app = Flask("people")
    app.config.update(SKMODELS_DIALECTS=DIALECTS, SKMODELS_MLFLOW_MODEL="person")
    models.init_app(app)
    return app.test_client()


@pytest.mark.parametrize(("send", "count"), CASES)
def test_data_that_name_no_field(lenient: FlaskClient, send: Send, count: int) -> None:
    refused = send(lenient, [{"1.85": 1.0}] * count)
    assert refused.status_code == 400
    is_tensor = "length of list" in refused.text  # one tensor of any name is a whole row
    assert is_tensor or "its fields are age, height" in refused.text
    assert predicted(send(lenient, [{"age": 20.0, "x": 1.0}] * count)) == [20.0] * count


def test_row_without_any_name(lenient: FlaskClient) -> None:
    assert post_json(lenient, PATH, [{}]).get_json()["predictions"] == [99.0]


def test_rows_that_name_no_field_are_told_apart(lenient: FlaskClient) -> None:
    rows = [{"age": 20}, {"aeg": 20}] * 10
    response = post_json(lenient, PATH, rows)
    assert errors_of(response) == [(row, None, "required") for row in range(1, 20, 2)]
    assert set(messages_of(response)) == {
        "none of the names is a field of the model: its fields are age, height"
    }


def test_error_names_the_first_fields() -> None:
    names = [f"x{index}" for index in range(12)]
    tree = DecisionTreeRegressor().fit([[0.0] * 12, [np.nan] * 12], [0, 99])
    models = SKModels()
    models.add("wide", tree, schema={name: {"nullable": True} for name in names})
    app = Flask("wide")
    models.init_app(app)
    with pytest.raises(InvalidInput, match=r"its fields are x0, .*, x9, \.\.\.$"):
        models.predict("wide", {"y": 1}, app=app)
