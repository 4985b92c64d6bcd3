"""Rows that the schema accepts and the estimator rejects: status 422, and the rows are named."""

from __future__ import annotations

import io
import json
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from flask_skmodels import (
    InputError,
    InvalidInput,
    KeyValueModel,
    Model,
    Prediction,
    RejectedRows,
    SKModels,
    SKModelsError,
    ValuesModel,
    after_prediction,
    before_prediction,
    input_rejected,
    prediction_failed,
)
from flask_skmodels.inference import rejected_rows
from tests.support.command_line import run
from tests.support.helpers import errors_of, post_bytes, post_json, predictions, problem, serve

SCHEMA: dict[str, Any] = {"town": {"type": "string"}, "size": {"type": "number"}}
GOOD: dict[str, Any] = {"town": "Oslo-12", "size": 2.0}
BAD: dict[str, Any] = {"town": "s3cr3t", "size": 2.0}  # without a number: float() raises
PATH = "/towns/predict/"
RULE = "estimator"
MESSAGE = "the estimator rejects this row"
AT_LEAST = "the estimator rejects at least 100 rows"
TOGETHER = "the estimator rejects these rows together"


class Towns(BaseEstimator):
    """Multiplies the number in a town's name with its size; raises without a number.

    :param raises: the exception that it raises
    """

    def __init__(self, raises: type[Exception] = ValueError) -> None:
        self.raises = raises

    def fit(self, X: Any, y: Any = None) -> Towns:
        self.feature_names_in_ = np.array(["town", "size"], dtype=object)
        self.n_features_in_ = 2
        self.calls_: list[int] = []
        self.is_broken_ = False
        return self

    def predict(self, X: Any) -> Any:
        self.calls_.append(len(X))
        if self.is_broken_:
            raise self.raises("s3cr3t: the store is down")
        return np.array([self._number(town) for town in X["town"]]) * np.asarray(X["size"])

    def _number(self, town: str) -> float:
        if "-" not in town:
            raise self.raises(f"{town} has no number")
        return float(town.rpartition("-")[2])


@pytest.fixture(autouse=True)
def slow_machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not let the time limit of a search depend on the machine."""
    if "time" not in request.node.name:
        monkeypatch.setattr(rejected_rows, "SECONDS", 60)
        monkeypatch.setattr(rejected_rows, "MAX_SECONDS", 60)


def towns(*, examples: Any = (GOOD,), **attributes: Any) -> Model:
    estimator = Towns(attributes.pop("raises", ValueError)).fit(None)
    options = {"name": "towns", "schema": SCHEMA, "engine": "sklearn"} | attributes
    return Model(pipeline=estimator, examples=list(examples), **options)


@pytest.fixture
def model() -> Model:
    return towns()


@pytest.fixture
def picky(model: Model) -> FlaskClient:
    return serve(model)


def rejected(response: Any, *rows: int) -> None:
    """Check that a response is the problem document for rejected rows."""
    document = problem(response, 422)
    assert [(e["row"], e["field"], e["rule"], e["message"]) for e in document["errors"]] == [
        (row, None, RULE, MESSAGE) for row in rows
    ]
    assert document["error_count"] == len(rows)
    plural = "1 row" if len(rows) == 1 else f"{len(rows)} rows"
    assert document["detail"] == f"the estimator rejects {plural}"
    assert "s3cr3t" not in response.text


def mixture(count: int, *bad: int) -> list[dict[str, Any]]:
    return [BAD if index in bad else GOOD for index in range(count)]


# One row


@pytest.mark.parametrize("raises", [ValueError, TypeError, UnicodeError])
def test_one_row(raises: type[Exception]) -> None:
    client = serve(towns(raises=raises))
    rejected(post_json(client, PATH, BAD), 0)
    assert predictions(post_json(client, PATH, GOOD)) == [24.0]


@pytest.mark.parametrize("raises", [KeyError, RuntimeError, TimeoutError, NotFittedError])
def test_other_exceptions_are_failures(raises: type[Exception]) -> None:
    client = serve(towns(raises=raises))
    assert problem(post_json(client, PATH, BAD), 500)["errors"] == []
    assert problem(post_json(client, PATH, [GOOD, BAD]), 500)["errors"] == []


def test_text_and_title(picky: FlaskClient) -> None:
    response = post_json(picky, PATH, [GOOD, BAD], accept="text/plain")
    assert (response.status_code, response.text) == (422, f"row 1, rule {RULE}: {MESSAGE}")
    assert problem(post_json(picky, PATH, BAD), 422)["title"] == "Unprocessable Entity"


def test_the_schema_comes_first(picky: FlaskClient) -> None:
    assert errors_of(post_json(picky, PATH, [BAD, {"town": 5, "size": 1}])) == [(1, "town", "type")]


# What is known to be good


def test_failure_on_its_own_examples(model: Model, picky: FlaskClient) -> None:
    model.pipeline.is_broken_ = True
    for rows in (GOOD, BAD, [GOOD, BAD], [BAD] * 5):
        assert problem(post_json(picky, PATH, rows), 500)["errors"] == []
    model.pipeline.is_broken_ = False
    rejected(post_json(picky, PATH, [GOOD, BAD]), 1)


def test_example_that_the_estimator_rejects() -> None:
    model = towns(examples=[GOOD])
    client = serve(model)
    model.examples = [GOOD, BAD]
    assert problem(post_json(client, PATH, [GOOD, BAD]), 500)["errors"] == []


def test_example_that_the_schema_rejects() -> None:
    model = towns()
    client = serve(model)
    model.examples = [{"town": 5}]  # it would be refused at registration
    rejected(post_json(client, PATH, [GOOD, BAD]), 1)


def test_one_row_and_nothing_known(caplog: pytest.LogCaptureFixture) -> None:
    client = serve(towns(examples=()))
    assert problem(post_json(client, PATH, BAD), 500)["errors"] == []
    assert problem(post_json(client, PATH, [BAD] * 100), 500)["errors"] == []
    logged = [record.exc_info for record in caplog.records if record.exc_info]
    notes = getattr(logged[0][1], "__notes__", [])
    assert ["examples" in note for note in notes] == [True]
    rejected(post_json(client, PATH, [BAD, GOOD]), 0)


@pytest.mark.parametrize("body", [GOOD, [GOOD, GOOD], {"columns": {"town": ["a-1"], "size": [2]}}])
def test_row_that_predicted_before(body: Any) -> None:
    client = serve(towns(examples=()))
    assert post_json(client, PATH, body).status_code == 200
    rejected(post_json(client, PATH, BAD), 0)
    rejected(post_json(client, PATH, [BAD, BAD]), 0, 1)


def test_row_that_predicted_before_and_raises_now() -> None:
    model = towns(examples=())
    client = serve(model)
    assert post_json(client, PATH, GOOD).status_code == 200
    model.pipeline.is_broken_ = True
    assert problem(post_json(client, PATH, GOOD), 500)
    model.pipeline.is_broken_ = False
    rejected(post_json(client, PATH, BAD), 0)


def test_row_of_another_method_is_not_known() -> None:
    class Other(Towns):
        def transform(self, X: Any) -> Any:
            raise ValueError

    model = towns(examples=(), methods=["predict", "transform"])
    model.pipeline = Other().fit(None)
    client = serve(model)
    assert post_json(client, PATH, GOOD).status_code == 200
    assert problem(post_json(client, "/towns/transform/", GOOD), 500)


class Positive(BaseEstimator):
    """Raises on a negative number."""

    def fit(self, X: Any, y: Any = None) -> Positive:
        self.n_features_in_ = np.shape(X)[1]
        self.calls_: list[int] = []
        return self

    def predict(self, X: Any) -> Any:
        self.calls_.append(len(X))
        if (np.asarray(X) < 0).any():
            raise ValueError("s3cr3t")
        return np.asarray(X)[:, 0]


def positive(columns: int = 2, **attributes: Any) -> Model:
    pipeline = Positive().fit(np.zeros((1, columns)))
    return ValuesModel(name="positive", pipeline=pipeline, engine="sklearn", **attributes)


def test_probe_that_the_estimator_accepts() -> None:
    client = serve(positive())
    rejected(post_json(client, "/positive/predict/", [[1, -1]]), 0)
    rejected(post_json(client, "/positive/predict/", [[-1, -1]] * 3), 0, 1, 2)


def test_typical_row_of_a_profile() -> None:
    frame = pd.DataFrame([GOOD] * 50)
    client = serve(towns(examples=(), profile=frame))
    rejected(post_json(client, PATH, BAD), 0)
    rejected(post_json(client, PATH, [BAD] * 3), 0, 1, 2)


def test_probes_are_tried_once() -> None:
    model = towns(examples=())
    client = serve(model)
    problem(post_json(client, PATH, BAD), 500)
    before = len(model.pipeline.calls_)
    problem(post_json(client, PATH, BAD), 500)
    assert len(model.pipeline.calls_) - before == 1


# Several rows


@pytest.mark.parametrize("bad", [(0,), (1,), (6,), (0, 6), (2, 3), tuple(range(7)), (1, 3, 5)])
@pytest.mark.parametrize("examples", [(), (GOOD,)], ids=["no examples", "examples"])
def test_several_rows(bad: tuple[int, ...], examples: Any) -> None:
    client = serve(towns(examples=examples))
    response = post_json(client, PATH, mixture(7, *bad))
    if len(bad) == 7 and not examples:
        assert problem(response, 500)
    else:
        rejected(response, *bad)


def test_few_calls_find_one_of_many_rows(model: Model, picky: FlaskClient) -> None:
    rejected(post_json(picky, PATH, mixture(1000, 617)), 617)
    assert len(model.pipeline.calls_) < 25


def test_at_most_100_rows_are_named(picky: FlaskClient) -> None:
    document = problem(post_json(picky, PATH, [BAD] * 150), 422)
    assert [error["row"] for error in document["errors"]] == list(range(100))
    assert document["error_count"] == 100
    assert document["detail"] == AT_LEAST


class Together(Positive):
    """Raises if the numbers of a column differ."""

    def predict(self, X: Any) -> Any:
        self.calls_.append(len(X))
        if len(np.unique(X)) > 1:
            raise ValueError("s3cr3t")
        return np.asarray(X)[:, 0]


class OneRow(Positive):
    """Raises for several rows."""

    def predict(self, X: Any) -> Any:
        self.calls_.append(len(X))
        return [X.item()]


@pytest.mark.parametrize("estimator", [Together, OneRow])
@pytest.mark.parametrize("count", [2, 5, 500])
def test_rows_that_raise_only_together(estimator: type[Positive], count: int) -> None:
    model = Model(name="positive", pipeline=estimator().fit(np.zeros((1, 1))), engine="sklearn")
    client = serve(model)
    response = post_json(client, "/positive/predict/", [[index] for index in range(count)])
    document = problem(response, 422)
    assert document["errors"] == [{"row": None, "field": None, "rule": RULE, "message": TOGETHER}]
    assert document["detail"] == "the estimator rejects the rows"
    assert len(model.pipeline.calls_) < 60


class Flaky(Positive):
    """Raises at its first call."""

    def predict(self, X: Any) -> Any:
        self.calls_.append(len(X))
        if len(self.calls_) == 1:
            raise ValueError
        return np.asarray(X)[:, 0]


def test_estimator_that_raises_once() -> None:
    for count in (1, 2):
        pipeline = Flaky().fit(np.zeros((1, 1)))
        client = serve(Model(name="flaky", pipeline=pipeline, engine="sklearn", examples=[[1]]))
        pipeline.calls_.clear()
        assert problem(post_json(client, "/flaky/predict/", [[1]] * count), 500)


class Changing(Positive):
    """Changes its input before it raises."""

    def predict(self, X: Any) -> Any:
        X -= 5
        return super().predict(X)


def test_estimator_that_changes_its_input() -> None:
    pipeline = Changing().fit(np.zeros((1, 1)))
    rules: dict[str, Any] = {"a": {}}
    model = Model(
        name="changing", pipeline=pipeline, engine="sklearn", schema=rules, examples=[[9]]
    )
    client = serve(model)
    response = post_json(client, "/changing/predict/", [[8], [4], [9], [6]])
    rejected(response, 1)


class Slow(Positive):
    def predict(self, X: Any) -> Any:
        time.sleep(0.02)
        return super().predict(X)


def test_time_is_bounded() -> None:
    model = Model(
        name="slow", pipeline=Slow().fit(np.zeros((1, 1))), engine="sklearn", examples=[[1]]
    )
    client = serve(model)
    started = time.perf_counter()
    document = problem(post_json(client, "/slow/predict/", [[-1]] * 400), 422)
    assert time.perf_counter() - started < 3
    assert 1 <= document["error_count"] < 100
    assert document["detail"] == f"the estimator rejects at least {document['error_count']} rows"


class Ragged(Positive):
    """Returns something that is no list of outputs, for which NumPy raises."""

    def predict(self, X: Any) -> Any:
        return ((1, 2), (1,)) if len(X) == 3 else np.asarray(X)[:, 0]


def test_wrong_outputs_are_failures() -> None:
    pipeline = Ragged().fit(np.zeros((1, 1)))
    client = serve(Model(name="ragged", pipeline=pipeline, engine="sklearn", examples=[[1]]))
    assert problem(post_json(client, "/ragged/predict/", [[1]] * 3), 500)


class Moody(Positive):
    """Raises another exception for a single row."""

    def predict(self, X: Any) -> Any:
        if len(X) == 1 and X[0][0] < 0:
            raise KeyError
        return super().predict(X)


def test_another_exception_during_the_search_is_a_failure() -> None:
    pipeline = Moody().fit(np.zeros((1, 1)))
    client = serve(Model(name="moody", pipeline=pipeline, engine="sklearn", examples=[[1]]))
    assert problem(post_json(client, "/moody/predict/", [[1], [-1]]), 500)


def test_large_numbers_are_still_named_with_their_field() -> None:
    client = serve(positive(1, schema=[{"name": "a"}]))
    assert errors_of(post_json(client, "/positive/predict/", [[1], [-1e39]])) == [
        (1, "values", "max")
    ]


# Models


def test_method_of_the_model() -> None:
    class Squares(KeyValueModel):
        schema = {"side": {}}
        examples = [{"side": 1}]

        def predict(self, X: Any) -> Any:
            if (X < 0).any():
                raise ValueError("s3cr3t")
            return X[:, 0] ** 2

    model = Squares(pipeline=LinearRegression().fit([[1.0], [2.0]], [1.0, 4.0]))
    rows = [{"side": 1}, {"side": -1}, {"side": 3}]
    rejected(post_json(serve(model), "/squares/predict/", rows), 1)


def test_model_that_rejects_rows_itself() -> None:
    class Strict(KeyValueModel):
        schema = {"side": {}}

        def predict(self, X: Any) -> Any:
            raise RejectedRows([InputError(0, "side", "square", "must be the side of a square")])

    model = Strict(pipeline=LinearRegression().fit([[1.0], [2.0]], [1.0, 4.0]))
    response = post_json(serve(model), "/strict/predict/", {"side": 1})
    assert errors_of(response, 422) == [(0, "side", "square")]


def test_step_of_a_pipeline() -> None:
    def parsed(frame: Any) -> Any:
        return frame.assign(when=pd.to_datetime(frame["when"], format="%d.%m.%Y").dt.year)

    frame = pd.DataFrame({"when": ["01.02.2003", "03.02.2001"]})
    pipeline = make_pipeline(FunctionTransformer(parsed), LinearRegression())
    pipeline.fit(frame, [2003.0, 2001.0])
    model = Model(
        name="years", pipeline=Years(pipeline).fit(frame), schema={"when": {"type": "string"}}
    )
    client = serve(model)
    rows = [{"when": "05.06.2007"}, {"when": "s3cr3t"}, {"when": "32.01.2000"}]
    rejected(post_json(client, "/years/predict/", rows), 1, 2)


class Years(BaseEstimator):
    """A pipeline that knows the names of its columns."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline

    def fit(self, X: Any, y: Any = None) -> Years:
        self.feature_names_in_, self.n_features_in_ = np.array(X.columns, dtype=object), 1
        return self

    def predict(self, X: Any) -> Any:
        return self.pipeline.predict(X)


# Combined calls


class Held(Positive):
    """Holds its calls while its event is not set."""

    def fit(self, X: Any, y: Any = None) -> Held:
        super().fit(X)
        self.entered_, self.opened_ = threading.Event(), threading.Event()
        self.opened_.set()
        return self

    def hold(self) -> None:
        self.entered_.clear()
        self.opened_.clear()
        self.calls_.clear()

    def predict(self, X: Any) -> Any:
        self.entered_.set()
        assert self.opened_.wait(30)
        return super().predict(X)


def test_combined_calls() -> None:
    pipeline = Held().fit(np.zeros((1, 1)))
    model = Model(name="held", pipeline=pipeline, engine="sklearn", batching=True, examples=[[100]])
    client = serve(model)
    pipeline.hold()  # after the calls of the registration
    app = client.application

    def ask(number: float) -> Any:
        return post_json(app.test_client(), "/held/predict/", [[number]])

    version = app.extensions["skmodels"].deployments["held"].versions.live
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(ask, 1)]
        assert pipeline.entered_.wait(30)
        futures += [pool.submit(ask, number) for number in (2, -3, 4)]
        while len(version.combiner("predict")._queue) < 3:
            time.sleep(0.005)
        pipeline.opened_.set()
        responses = [future.result(30) for future in futures]
    assert [response.status_code for response in responses] == [200, 200, 422, 200]
    rejected(responses[2], 0)
    # The first, all others together, each alone; then the example and the rejected row again.
    assert sorted(pipeline.calls_) == [1, 1, 1, 1, 1, 1, 3]


# In process


def test_in_process(model: Model) -> None:
    app, models = Flask("own"), SKModels()
    models.register(model)
    models.init_app(app)
    with pytest.raises(RejectedRows) as caught:
        models.predict("towns", [GOOD, BAD], app=app)
    error = caught.value
    assert isinstance(error, InvalidInput)
    assert isinstance(error, SKModelsError)
    assert error.errors == (InputError(1, None, RULE, MESSAGE),)
    assert (error.error_count, error.is_complete) == (1, True)
    assert "s3cr3t" not in str(error)
    assert isinstance(error.__cause__, ValueError)
    assert "s3cr3t" in str(error.__cause__)
    with pytest.raises(RejectedRows) as caught:
        models.predict("towns", [BAD] * 101, app=app)
    assert (caught.value.error_count, caught.value.is_complete) == (100, False)
    with pytest.raises(RejectedRows):
        models.predict("towns", pd.DataFrame([GOOD, BAD]), app=app)


def test_signals(picky: FlaskClient) -> None:
    heard: list[tuple[str, dict[str, Any]]] = []
    receivers = []
    for signal in (before_prediction, after_prediction, prediction_failed, input_rejected):

        def receive(sender: Any, name: str = signal.name, **arguments: Any) -> None:
            heard.append((name, arguments))

        receivers.append(receive)
        signal.connect(receive)
    post_json(picky, PATH, [GOOD, BAD])
    assert [name for name, _ in heard] == ["before-prediction", "input-rejected"]
    arguments = heard[1][1]
    assert isinstance(arguments["prediction"], Prediction)
    assert arguments["prediction"].outputs is None
    assert arguments["errors"] == (InputError(1, None, RULE, MESSAGE),)


# Telemetry


def test_log_has_the_traceback(picky: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "served"):
        post_json(picky, PATH, [GOOD, BAD, GOOD, BAD])
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == "model 'towns': the estimator rejects 2 rows: 1, 3"
    assert record.exc_info is not None
    assert "s3cr3t has no number" in str(record.exc_info[1])
    assert record.exc_info[2] is not None


def test_metrics_and_prediction_log(caplog: pytest.LogCaptureFixture) -> None:
    registry = CollectorRegistry()
    client = serve(towns(), SKMODELS_METRICS=registry, SKMODELS_LOG_PREDICTIONS=True)
    with caplog.at_level(logging.INFO, "flask_skmodels.predictions"):
        rejected(post_json(client, PATH, [GOOD, BAD, BAD]), 1, 2)
    labels = {"extension": "skmodels", "model": "towns", "version": ""}
    method = labels | {"method": "predict"}
    assert registry.get_sample_value("skmodels_rejections_total", method) == 1
    assert registry.get_sample_value("skmodels_failures_total", method) == 0
    assert registry.get_sample_value("skmodels_predictions_in_progress", method) in {0, None}
    rows = labels | {"field": "", "rule": RULE}
    assert registry.get_sample_value("skmodels_rejected_rows_total", rows) == 2
    lines = [r.getMessage() for r in caplog.records if r.name == "flask_skmodels.predictions"]
    [line] = map(json.loads, lines)
    assert line["event"] == "rejection"
    assert line["errors"] == [{"row": row, "field": None, "rule": RULE} for row in (1, 2)]


# Formats


def csv(rows: Any) -> bytes:
    return str(pd.DataFrame(rows).to_csv(index=False)).encode()


def ndjson(rows: Any) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def arrow(rows: Any) -> bytes:
    table, sink = pa.Table.from_pylist(rows), io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def parquet(rows: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue()


def by_column(rows: Any) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


WRITERS: dict[str, tuple[str, Callable[[Any], bytes]]] = {
    "json": ("application/json", lambda rows: json.dumps(rows).encode()),
    "arrays": (
        "application/json",
        lambda rows: json.dumps([list(row.values()) for row in rows]).encode(),
    ),
    "columns": (
        "application/json",
        lambda rows: json.dumps({"columns": by_column(rows)}).encode(),
    ),
    "csv": ("text/csv", csv),
    "ndjson": ("application/x-ndjson", ndjson),
    "arrow": ("application/vnd.apache.arrow.stream", arrow),
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("count", [3, 40])
def test_formats(picky: FlaskClient, name: str, count: int) -> None:
    content_type, write = WRITERS[name]
    body = write(mixture(count, 0, count - 2))
    rejected(post_bytes(picky, PATH, body, content_type), 0, count - 2)


@pytest.mark.parametrize("fields", [["a"], ["a", "b", "c"]])
def test_matrix(fields: list[str]) -> None:
    model = positive(
        len(fields), schema=[{"name": name} for name in fields], examples=[[1, 1, 1][: len(fields)]]
    )
    rows = np.ones((50, len(fields)))
    rows[[3, 44], -1] = -1
    response = post_json(serve(model), "/positive/predict/", rows.tolist())
    rejected(response, 3, 44)


def test_form(picky: FlaskClient) -> None:
    rejected(picky.post(PATH, data=BAD), 0)


def test_uploaded_file(picky: FlaskClient) -> None:
    file = (io.BytesIO(csv(mixture(4, 2))), "rows.csv")
    rejected(picky.post(PATH, data={"file": file}), 2)


# Dialects: the status and the shape that their clients know for bad input


@pytest.fixture
def foreign(model: Model) -> FlaskClient:
    dialects = ["kserve-v1", "mlflow", "open-inference"]
    return serve(model, SKMODELS_DIALECTS=dialects, SKMODELS_MLFLOW_MODEL="towns")


def test_kserve(foreign: FlaskClient) -> None:
    response = foreign.post("/v1/models/towns:predict", json={"instances": [GOOD, BAD]})
    assert (response.status_code, response.json) == (400, {"error": f"row 1: {MESSAGE}"})


def test_open_inference(foreign: FlaskClient) -> None:
    inputs = [
        {"name": "town", "datatype": "BYTES", "shape": [2], "data": ["Oslo-1", "s3cr3t"]},
        {"name": "size", "datatype": "FP64", "shape": [2], "data": [1, 2]},
    ]
    response = foreign.post("/v2/models/towns/infer", json={"inputs": inputs})
    assert (response.status_code, response.json) == (400, {"error": f"row 1: {MESSAGE}"})


def test_mlflow(foreign: FlaskClient) -> None:
    bodies = [
        (json.dumps({"dataframe_records": [GOOD, BAD]}).encode(), "application/json"),
        (csv([GOOD, BAD]), "text/csv"),
        (parquet([GOOD, BAD]), "application/vnd.apache.parquet"),
    ]
    for body, content_type in bodies:
        response = post_bytes(foreign, "/invocations", body, content_type)
        assert response.status_code == 400
        assert response.json == {"error_code": "BAD_REQUEST", "message": f"row 1: {MESSAGE}"}


# Pages


def test_page_of_one_row(picky: FlaskClient) -> None:
    response = picky.post("/towns/", data=BAD, headers={"Accept": "text/html"})
    assert response.status_code == 422
    assert MESSAGE in response.text
    assert "has no number" not in response.text


def test_page_of_a_file(picky: FlaskClient) -> None:
    def upload(rows: Any) -> Any:
        file = (io.BytesIO(csv(rows)), "rows.csv")
        return picky.post("/towns/", data={"file": file}, headers={"Accept": "text/html"})

    response = upload(mixture(4, 2))
    assert response.status_code == 422
    assert f"<b>Row 3</b>: {MESSAGE}" in response.text
    assert "s3cr3t" not in response.text
    assert AT_LEAST in upload([BAD] * 150).text


# The command line


def test_command(model: Model) -> None:
    app = serve(model).application
    result = run(app, "predict", "towns", stdin=json.dumps(mixture(4, 1, 3)))
    assert result.exit_code == 1
    lines = [f"row {row}, rule {RULE}: {MESSAGE}" for row in (1, 3)]
    assert result.stderr.endswith("Error: " + "\n".join(lines) + "\n")
    assert result.stdout == ""
    result = run(app, "predict", "towns", stdin=json.dumps([BAD] * 101))
    assert result.stderr.endswith(f"row 99, rule {RULE}: {MESSAGE}\n{AT_LEAST}\n")


# Versions


def test_canary_and_shadow_know_their_own_rows(tmp_path: Any) -> None:
    import joblib

    for label in ("1", "2"):
        (tmp_path / "towns").mkdir(exist_ok=True)
        joblib.dump(Towns().fit(None), tmp_path / "towns" / f"{label}.joblib")
    app = Flask("versions", root_path=str(tmp_path))
    app.config["SKMODELS_TRUST_PICKLE"] = True
    models = SKModels(app)
    model = models.add(
        "towns", "towns", schema=SCHEMA, traffic={"1": 0.5}, shadow="1", traffic_key="header:Key"
    )
    assert model.shadow == "1"
    client = app.test_client()
    assert post_json(client, "/towns/versions/1/predict/", GOOD).status_code == 200
    rejected(post_json(client, "/towns/versions/1/predict/", BAD), 0)
    assert problem(post_json(client, "/towns/versions/2/predict/", BAD), 500)
    for index in range(20):
        response = client.post(PATH, json=[GOOD, BAD], headers={"Key": str(index)})
        rejected(response, 1)
        assert response.headers["X-Model-Version"] in {"1", "2"}
    shadow = app.extensions["skmodels"].deployments["towns"].shadow
    assert (shadow.failed, shadow.dropped, shadow.summary()["rows"]) == (0, 0, 0)


# The document


def test_openapi(picky: FlaskClient) -> None:
    document = picky.get("/-/openapi.json").get_json()
    response = document["paths"][PATH]["post"]["responses"]["422"]
    assert response == {"$ref": "#/components/responses/skmodels.422"}
    described = document["components"]["responses"]["skmodels.422"]
    assert "application/problem+json" in described["content"]
