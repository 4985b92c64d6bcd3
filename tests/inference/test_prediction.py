"""Predictions in process: what they take, the record of them, and threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from flask import Flask, current_app
from flask.testing import FlaskClient
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import Ridge

from flask_skmodels import (
    InvalidInput,
    KeyValueModel,
    Prediction,
    SKModels,
    SKModelsError,
    UnknownModel,
    ValuesModel,
    after_prediction,
)
from tests.support.helpers import FIELDS, SCHEMA, SETOSA, VIRGINICA, X, Y, post_json, predictions

LISTS = [list(SETOSA.values()), list(VIRGINICA.values())]
FRAME = pd.DataFrame([SETOSA, VIRGINICA])


def generated() -> Iterator[dict[str, float]]:
    yield SETOSA
    yield VIRGINICA


TWO_ROWS: dict[str, Any] = {
    "dicts": [SETOSA, VIRGINICA],
    "dicts in a tuple": (SETOSA, VIRGINICA),
    "generator": generated,
    "lists": LISTS,
    "tuples": [tuple(row) for row in LISTS],
    "list of arrays": [np.array(row) for row in LISTS],
    "array": np.array(LISTS),
    "fortran array": np.asfortranarray(LISTS),
    "object array": np.array(LISTS, dtype=object),
    "records": FRAME.to_records(index=False),
    "numpy scalars": [{name: np.float64(value) for name, value in SETOSA.items()}, VIRGINICA],
    "lists of numpy scalars": [[np.float64(value) for value in row] for row in LISTS],
    "pandas": FRAME,
    "pandas in another order": FRAME[list(reversed(FIELDS))],
    "pandas with more": FRAME.assign(name="x"),
    "pandas of nullable floats": FRAME.astype("Float64"),
    "polars": pl.DataFrame([SETOSA, VIRGINICA]),
    "polars in another order": pl.DataFrame([SETOSA, VIRGINICA]).select(*reversed(FIELDS)),
}


@pytest.mark.parametrize("rows", TWO_ROWS.values(), ids=TWO_ROWS)
def test_rows_of_every_kind(app: Flask, models: SKModels, rows: Any) -> None:
    given = rows() if callable(rows) else rows
    prediction = models.predict("iris", given, app=app)
    assert prediction.outputs.tolist() == [0, 2]
    assert prediction.rows == 2
    np.testing.assert_array_equal(prediction.inputs, LISTS)


def test_same_as_over_http(client: FlaskClient, app: Flask, models: SKModels) -> None:
    got = predictions(post_json(client, "/iris/predict_proba/", X.tolist()))
    for rows in (X, X.tolist(), pd.DataFrame(X, columns=list(FIELDS))):
        prediction = models.predict("iris", rows, "predict_proba", app=app)
        assert prediction.outputs.tolist() == got


@pytest.mark.parametrize("value", [np.float32(5), np.float64(5), np.int8(5), np.uint64(5), 5])
def test_numpy_scalar_is_a_number(app: Flask, models: SKModels, value: Any) -> None:
    prediction = models.predict("iris", SETOSA | {"sepal_length": value}, app=app)
    assert prediction.inputs[0, 0] == 5.0


@pytest.mark.parametrize("value", [np.True_, np.float64("nan"), np.str_("5.1"), np.array([5.1])])
def test_numpy_value_that_is_no_number(app: Flask, models: SKModels, value: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        models.predict("iris", SETOSA | {"sepal_length": value}, app=app)
    assert [(e.row, e.field, e.rule) for e in caught.value.errors] == [(0, "sepal_length", "type")]


NOT_ROWS: dict[str, tuple[Any, str]] = {
    "none": (None, "type"),
    "number": (5, "type"),
    "text": ("abc", "type"),
    "bytes": (b"abc", "type"),
    "array of no dimension": (np.array(5), "type"),
    "numpy scalar": (np.float64(5), "type"),
    "array of one dimension": (np.ones(4), "type"),
    "flat list": ([1, 2, 3, 4], "type"),
    "series": (FRAME.iloc[0], "type"),
    "empty list": ([], "empty"),
    "empty array": (np.empty((0, 4)), "empty"),
    "empty frame": (FRAME[:0], "empty"),
    "frame without columns": (pd.DataFrame(index=[0, 1]), "length"),
    "column twice": (pd.concat([FRAME, FRAME[["sepal_length"]]], axis=1), "unique"),
    "too few columns": (np.ones((2, 3)), "items"),
    "three dimensions": (np.ones((1, 4, 2)), "type"),
    "missing column": (FRAME.drop(columns="sepal_width"), "required"),
    "nan in a frame": (FRAME.assign(sepal_width=np.nan), "nullable"),
    "nan in an array": (np.full((1, 4), np.nan), "type"),
}


@pytest.mark.parametrize(("rows", "rule"), NOT_ROWS.values(), ids=NOT_ROWS)
def test_what_are_no_rows(app: Flask, models: SKModels, rows: Any, rule: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        models.predict("iris", rows, app=app)
    assert caught.value.errors[0].rule == rule
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, SKModelsError)


@pytest.mark.parametrize(
    "rows",
    [
        {"values": [1, 3, 7.2]},
        {"values": (1, 3, 7.2)},
        {"values": np.array([1, 3, 7.2])},
        [{"values": [np.int64(1), 3, np.float32(7.2)]}],
        [[1, 3, 7.2]],
        np.array([[1, 3, 7.2]]),
        pd.DataFrame({"a": [1], "b": [3], "c": [7.2]}),
        pd.DataFrame({"x2": [7.2], "x0": [1], "x1": [3]}),
    ],
)
def test_values(app: Flask, line_pipeline: Any, rows: Any) -> None:
    models = SKModels(app, name="other", url_prefix="/other")
    models.register(ValuesModel(name="line", pipeline=line_pipeline))
    prediction = models.predict("line", rows, app=app)
    np.testing.assert_allclose(prediction.outputs, line_pipeline.predict([[1, 3, 7.2]]))


@pytest.mark.parametrize(
    "rows",
    [
        {"island": "Dream", "mass": None},
        {"island": "Dream", "mass": float("nan")},
        {"island": "Dream", "mass": np.float32("nan")},
        [["Dream", None]],
        np.array([["Dream", None]], dtype=object),
        pd.DataFrame({"mass": [np.nan], "island": ["Dream"]}),
        pd.DataFrame({"mass": pd.array([None], dtype="Int64"), "island": ["Dream"]}),
        pd.DataFrame({"mass": [None], "island": pd.Categorical(["Dream"])}),
        pl.DataFrame({"mass": [None], "island": ["Dream"]}),
        pl.DataFrame({"mass": [float("nan")], "island": ["Dream"]}),
    ],
)
def test_missing_values(app: Flask, mixed_pipeline: Any, rows: Any) -> None:
    models = SKModels(app, name="other", url_prefix="/other")
    models.add("birds", mixed_pipeline)
    prediction = models.predict("birds", rows, app=app)
    assert np.isnan(prediction.inputs["mass"][0])
    expected = mixed_pipeline.predict(pd.DataFrame({"island": ["Dream"], "mass": [np.nan]}))
    assert prediction.outputs.tolist() == expected.tolist()


# The record


def test_record(app: Flask, models: SKModels, pipeline: Any) -> None:
    prediction = models.predict("iris", [SETOSA, VIRGINICA], method="predict_proba", app=app)
    assert isinstance(prediction, Prediction)
    assert prediction.model == "iris"
    assert prediction.version is None
    assert prediction.method == "predict_proba"
    assert prediction.inputs.tolist() == LISTS
    assert prediction.inputs.flags.c_contiguous
    assert prediction.fields == FIELDS
    assert prediction.rows == 2
    assert prediction.classes == [0, 1, 2]
    assert prediction.request_id is None
    assert prediction.seconds > 0
    assert prediction.outputs.tolist() == pipeline.predict_proba(LISTS).tolist()


def test_outputs_are_unchanged(app: Flask, models: SKModels, pipeline: Any) -> None:
    returned = np.array(["a"], dtype=object)

    class Own(KeyValueModel):
        schema = SCHEMA

        def predict(self, X: Any) -> Any:
            self.seen = X
            return returned

    model = Own(pipeline=pipeline)
    models.register(model)
    prediction = models.predict("own", SETOSA, app=app)
    assert prediction.outputs is returned
    assert prediction.inputs is model.seen
    assert prediction.classes is None


def test_record_over_http(client: FlaskClient) -> None:
    heard: list[Prediction] = []

    def receiver(sender: Flask, prediction: Prediction, **extra: Any) -> None:
        heard.append(prediction)

    after_prediction.connect(receiver)
    client.post("/iris/predict/", data=SETOSA, headers={"X-Request-ID": "mine"})
    assert (heard[0].request_id, heard[0].method, heard[0].rows) == ("mine", "predict", 1)
    assert heard[0].outputs.shape == (1,)
    assert heard[0].classes is None


def test_fields_are_the_estimators_in_its_order(app: Flask, mixed_pipeline: Any) -> None:
    models = SKModels(app, name="other", url_prefix="/other")
    schema = {"mass": {"nullable": True}, "island": {"type": "string"}}
    models.add("birds", mixed_pipeline, schema=schema)
    prediction = models.predict("birds", [[3000.0, "Dream"]], app=app)
    assert prediction.fields == ("island", "mass")
    assert list(prediction.inputs.columns) == ["island", "mass"]


# Applications and models


def test_call_of_the_model(app: Flask, models: SKModels) -> None:
    assert models["iris"]([SETOSA], app=app).outputs.tolist() == [0]
    with app.app_context():
        assert models["iris"](SETOSA, "predict_proba").method == "predict_proba"


def test_inside_a_view(app: Flask, models: SKModels) -> None:
    @app.get("/species")
    def species() -> str:
        prediction = models.predict("iris", SETOSA)
        return f"{prediction.outputs[0]} {prediction.request_id}"

    assert app.test_client().get("/species").text == "0 None"


def test_sender_is_the_application_itself(app: Flask, models: SKModels) -> None:
    heard: list[Any] = []

    def receiver(sender: Any, **extra: Any) -> None:
        heard.append(sender)

    after_prediction.connect(receiver)
    with app.app_context():
        models.predict("iris", SETOSA)
        models.predict("iris", SETOSA, app=current_app._get_current_object())  # type: ignore[attr-defined]
    assert [sender is app for sender in heard] == [True, True]


def test_no_application(models: SKModels) -> None:
    with pytest.raises(RuntimeError, match=r"in an application context or pass app="):
        models.predict("iris", SETOSA)


def test_application_without_the_extension(app: Flask, models: SKModels) -> None:
    with pytest.raises(RuntimeError, match="'stranger' does not have this extension"):
        models.predict("iris", SETOSA, app=Flask("stranger"))
    other = SKModels()
    other.add("iris", models["iris"].pipeline)
    with app.app_context(), pytest.raises(RuntimeError, match="init_app of this SKModels object"):
        other.predict("iris", SETOSA)


def test_unknown_model_or_method(app: Flask, models: SKModels) -> None:
    with pytest.raises(UnknownModel) as caught:
        models.predict("tulip", SETOSA, app=app)
    assert str(caught.value) == "there is no model named 'tulip'. Registered models: iris"
    with pytest.raises(KeyError):
        models["tulip"]
    with pytest.raises(UnknownModel) as caught:
        models.predict("iris", SETOSA, "transform", app=app)
    assert (
        str(caught.value) == "model 'iris' does not serve 'transform', only predict, predict_proba"
    )
    with pytest.raises(UnknownModel, match="Registered models: none"):
        SKModels()["iris"]
    assert str(UnknownModel()) == ""


def test_failure_of_the_estimator_is_raised(app: Flask, models: SKModels, pipeline: Any) -> None:
    class Failing(KeyValueModel):
        schema = SCHEMA

        def predict(self, X: Any) -> Any:
            raise ZeroDivisionError("x")

    models.register(Failing(pipeline=pipeline))
    with pytest.raises(ZeroDivisionError, match="x"):
        models.predict("failing", SETOSA, app=app)


def test_limit_of_rows_is_for_requests(pipeline: Any) -> None:
    app = Flask("host")
    app.config["SKMODELS_MAX_ROWS"] = 1
    models = SKModels(app)
    models.add("iris", pipeline)
    assert models.predict("iris", X, app=app).rows == 150


# Threads


def test_two_threads_in_one_schema(pipeline: Any) -> None:
    meeting = threading.Barrier(2, timeout=30)

    def wait(value: Any) -> float:
        meeting.wait()  # both threads are inside Cerberus now
        return float(value)

    schema = SCHEMA | {"petal_length": {"transform": wait}, "petal_width": {"transform": wait}}
    models, app = SKModels(), Flask("host")
    models.init_app(app)
    models.add("iris", pipeline, schema=schema)

    def ask(row: dict[str, float]) -> Any:
        return post_json(app.test_client(), "/iris/predict/", row)

    bad = VIRGINICA | {"sepal_width": -1}
    with ThreadPoolExecutor(2) as pool:
        assert [predictions(r) for r in pool.map(ask, [SETOSA, VIRGINICA])] == [[0], [2]]
        good, refused = pool.map(ask, [SETOSA, bad])
    assert predictions(good) == [0]
    assert (refused.status_code, refused.get_json()["error_count"]) == (400, 1)


def test_many_threads_get_their_own_answers(app: Flask, pipeline: Any) -> None:
    def ask(index: int) -> tuple[int, Any]:
        row = X[index % len(X)].tolist()
        body = [row] if index % 3 else [[*row[:3], "x"]]
        response = post_json(app.test_client(), "/iris/predict_proba/", body)
        return response.status_code, response.get_json()

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(ask, range(300)))
    for index, (status, document) in enumerate(results):
        if index % 3:
            expected = pipeline.predict_proba(X[index % len(X)].reshape(1, -1)).tolist()
            assert (status, document["predictions"]) == (200, expected)
        else:
            assert (status, document["errors"][0]["field"]) == (400, "petal_width")


def test_registration_while_requests_run(app: Flask, models: SKModels, pipeline: Any) -> None:
    def ask(index: int) -> Any:
        return predictions(post_json(app.test_client(), "/iris/predict/", SETOSA))

    with ThreadPoolExecutor(4) as pool:
        results = pool.map(ask, range(100))
        for index in range(10):
            models.add(f"late-{index}", pipeline)
        assert list(results) == [[0]] * 100
    client = app.test_client()
    for index in range(10):
        assert client.post(f"/late-{index}/predict", data={"values": "5,3,1,0"}).text == "0"


def test_numbers_that_the_estimator_cannot_hold(app: Flask) -> None:
    frame = pd.DataFrame(X, columns=list(FIELDS))
    forest = RandomForestClassifier(3, random_state=0).fit(frame, Y)
    models = SKModels(app, name="other", url_prefix="/other")
    models.add("named", forest)
    models.add("values", RandomForestClassifier(3, random_state=0).fit(X, Y))
    row = dict(zip(FRAME.columns, [1, 1e39, 1, 1], strict=True))
    for name, rows, place in (
        ("named", [row], (0, FRAME.columns[1], "max")),
        ("values", [[1, 1, 1, 1], [1, 1, 1e39, 1]], (1, "values", "max")),
    ):
        with pytest.raises(InvalidInput) as caught:
            models.predict(name, rows, app=app)
        error = caught.value.errors[0]
        assert (error.row, error.field, error.rule) == place
        assert caught.value.error_count == 1


def test_single_precision_is_kept(app: Flask) -> None:
    narrow = X.astype(np.float32)
    ridge = Ridge().fit(narrow, Y)
    models = SKModels(app, name="other", url_prefix="/other")
    models.add("ridge", ridge)
    for count in (1, 3, 20):
        for rows in (narrow[:count], pd.DataFrame(narrow[:count])):
            prediction = models.predict("ridge", rows, app=app)
            assert prediction.inputs.dtype == np.float32
            assert prediction.outputs.tobytes() == ridge.predict(narrow[:count]).tobytes()


def test_arrow_table(app: Flask, line_pipeline: Any) -> None:
    models = SKModels(app, name="other", url_prefix="/other")
    models.add("line", line_pipeline)
    rows = pa.table({"x0": [1], "x1": [3], "x2": [7.2]})
    assert models.predict("line", rows, app=app).outputs.tolist() == [1 + 30 + 720]
