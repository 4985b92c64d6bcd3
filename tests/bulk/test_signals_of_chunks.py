"""The signals of bulk scoring: one prediction for each chunk, in the process of the caller."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask, abort

from flask_skmodels import (
    KeyValueModel,
    ScoringError,
    SKModels,
    after_prediction,
    before_prediction,
    input_rejected,
    prediction_failed,
    prediction_stopped,
)
from flask_skmodels.bulk.chunks import ArrowContent, LineContent, TextContent
from flask_skmodels.telemetry.prediction_log import LOGGER
from tests.bulk.conftest import Score
from tests.support.helpers import FIELDS, SCHEMA, SETOSA
from tests.support.scoring import ROWS, frame, good

TABLE = frame()


class Heard:
    """Keeps what the receivers of an application hear."""

    def __init__(self, app: Flask) -> None:
        self.events: list[tuple[str, Any]] = []
        for name, signal in (
            ("before", before_prediction),
            ("after", after_prediction),
            ("rejected", input_rejected),
            ("failed", prediction_failed),
            ("stopped", prediction_stopped),
        ):
            signal.connect(self._receiver(name), app, weak=False)

    def _receiver(self, name: str) -> Any:
        def receive(sender: Any, **arguments: Any) -> None:
            self.events.append((name, arguments))

        return receive

    def of(self, name: str) -> list[Any]:
        return [arguments for each, arguments in self.events if each == name]


@pytest.mark.usefixtures("measured_processes")
@pytest.mark.parametrize("jobs", [1, 2])
def test_each_chunk_is_a_prediction(score: Score, app: Flask, pipeline: Any, jobs: int) -> None:
    TABLE.to_parquet("in.parquet")
    heard = Heard(app)
    score("in.parquet", "out/", method="predict_proba", jobs=jobs)
    records = [arguments["prediction"] for arguments in heard.of("after")]
    assert [record.rows for record in records] == [126, 128, 128, 65]
    assert all(record.is_bulk and record.request_id is None for record in records)
    X = np.concatenate([record.X for record in records])
    np.testing.assert_array_equal(X, good(TABLE)[list(FIELDS)].to_numpy())
    outputs = np.concatenate([record.outputs for record in records])
    np.testing.assert_array_equal(outputs, pipeline.predict_proba(X))
    rejected = [[error.field for error in a["errors"]] for a in heard.of("rejected")]
    assert rejected == [["sepal_width", "sepal_width"], ["sepal_width"]]
    names = [name for name, _ in heard.events]
    assert names == ["rejected", *["before", "after"] * 3, "rejected", "before", "after"]


def test_receiver_stops_the_run(score: Score, app: Flask) -> None:
    TABLE.to_parquet("in.parquet")
    heard = Heard(app)
    before_prediction.connect(lambda app, **extra: abort(403), app, weak=False)
    with pytest.raises(
        ScoringError, match=r"a receiver of before_prediction has stopped the run: Forb"
    ):
        score("in.parquet", "out/")
    assert [name for name, _ in heard.events] == ["rejected", "before", "stopped"]
    assert not Path("out").exists()


def test_metrics_and_pages_count_bulk_work(score: Score, app: Flask) -> None:
    TABLE.to_parquet("in.parquet")
    score("in.parquet", "out/")
    text = app.test_client().get("/-/metrics").text
    rows = next(line for line in text.splitlines() if line.startswith("skmodels_rows_total{"))
    assert float(rows.split()[-1]) == ROWS - 3


@pytest.mark.full
@pytest.mark.parametrize("source", ["in.parquet", "in.csv", "in.ndjson"])
def test_recent_traffic_has_the_rows_of_another_process_without_reading_them_again(
    score: Score, app: Flask, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    TABLE.to_parquet("in.parquet")
    TABLE.to_csv("in.csv", index=False)
    TABLE.to_json("in.ndjson", orient="records", lines=True)
    recent = app.extensions["skmodels"].recent_traffic
    score(source, "out1/", chunk_rows=ROWS)
    for content in (ArrowContent, TextContent, LineContent):
        monkeypatch.setattr(content, "read", None)
    score(source, "out2/", chunk_rows=ROWS, jobs=2)
    here, elsewhere = recent.window("iris")
    assert len(here.inputs) > 50
    np.testing.assert_array_equal(elsewhere.inputs, here.inputs)
    np.testing.assert_array_equal(elsewhere.outputs, here.outputs)


def test_log_of_predictions_marks_bulk_work(
    pipeline: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = Flask("logged")
    app.config["SKMODELS_LOG_PREDICTIONS"] = True
    models = SKModels(app)
    models.add("iris", pipeline, schema=SCHEMA)
    TABLE.to_parquet(tmp_path / "in.parquet")
    source, sink = str(tmp_path / "in.parquet"), str(tmp_path / "out.parquet")
    models.score("iris", source, sink, app=app)
    models.predict("iris", [SETOSA], app=app)
    lines = [json.loads(each.getMessage()) for each in caplog.records if each.name == LOGGER]
    logged = [(line["rows"], line.get("bulk")) for line in lines if line["event"] == "prediction"]
    assert logged == [(ROWS - 3, True), (1, None)]


@pytest.mark.full
def test_failure_in_another_process_is_a_signal(
    pipeline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(KeyValueModel):
        name = "iris"
        schema = SCHEMA

        def predict(self, X: Any) -> Any:
            raise RuntimeError("no memory")

    monkeypatch.chdir(tmp_path)
    TABLE.to_parquet("in.parquet")
    app = Flask("failing")
    models = SKModels(app)
    models.register(Failing(pipeline=pipeline))
    heard = Heard(app)
    with pytest.raises(ScoringError, match=r"the model fails on rows 0 to 449 .*: no memory"):
        models.score("iris", "in.parquet", "out/", jobs=2, app=app)
    assert [name for name, _ in heard.events] == ["before", "failed"]
    record = heard.of("failed")[0]["prediction"]
    assert record.is_bulk
    assert len(record.X) == ROWS - 3


def test_failure_is_a_signal(score: Score, app: Flask, models: Any) -> None:
    good(TABLE).to_parquet("in.parquet")
    heard = Heard(app)
    version = app.extensions["skmodels"].deployments["iris"].version(app)

    def fail(X: Any) -> Any:
        raise RuntimeError("no memory")

    version.engine.calls["predict"] = fail
    with pytest.raises(ScoringError, match=r"the model fails on rows 0 to 127 of in.parquet"):
        score("in.parquet", "out/", method="predict")
    assert [name for name, _ in heard.events] == ["before", "failed"]
    assert isinstance(heard.of("failed")[0]["exception"], RuntimeError)
