"""The prediction log: the content of its lines, and the values that it leaves out."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from flask import Flask, abort
from scipy.sparse import csr_array
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from flask_skmodels import (
    ConfigurationError,
    InputError,
    InvalidInput,
    SKModels,
    after_prediction,
    before_prediction,
)
from flask_skmodels.telemetry.prediction_log import LOGGER
from flask_skmodels.testing import FakeEstimator
from tests.support.gunicorn import ROOT
from tests.support.helpers import FIELDS, SCHEMA, SETOSA, X, hooked, post_json, serve
from tests.support.selection import cases

PATH = "/iris/predict/"
ALL = ("event", "method", "model", "outputs", "request_id", "rows", "seconds", "time", "version")


class Lines:
    """The logged lines, parsed as JSON."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    @property
    def text(self) -> list[str]:
        records = [record for record in self._caplog.records if record.name == LOGGER]
        assert all(record.levelno == logging.INFO for record in records)
        return [record.getMessage() for record in records]

    @property
    def last(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.text[-1])
        return document


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Lines:
    caplog.set_level(logging.INFO, LOGGER)
    return Lines(caplog)


def logged(*, hidden: Any = None, **config: object) -> tuple[Flask, SKModels]:
    """Return an application that logs its predictions, and its extension."""
    app = Flask("logged")
    app.config.update(SKMODELS_LOG_PREDICTIONS=True, SKMODELS_LOG_HIDDEN_FIELDS=hidden, **config)
    return app, SKModels(app)


def iris(pipeline: Any, **config: Any) -> tuple[Flask, SKModels]:
    app, models = logged(**config)
    models.add("iris", pipeline, schema=SCHEMA, probability=True)
    return app, models


# What a line holds


def test_line_of_a_prediction_has_no_value_of_the_input(pipeline: Any, lines: Lines) -> None:
    app, _ = iris(pipeline)
    rows = [[5.123, 3.456, 1.419, 0.247]] * 2
    headers = {"X-Request-ID": "mine"}
    app.test_client().post(PATH, json=rows, headers=headers)
    assert len(lines.text) == 1
    assert "\n" not in lines.text[0]
    line = lines.last
    assert tuple(sorted(line)) == ALL
    moment, seconds = datetime.fromisoformat(line.pop("time")), line.pop("seconds")
    assert moment.tzinfo is not None
    assert 0 < seconds < 60
    assert line == {
        "event": "prediction",
        "model": "iris",
        "version": None,
        "method": "predict",
        "request_id": "mine",
        "rows": 2,
        "outputs": [0, 0],
    }
    assert not any(str(value) in lines.text[0] for value in rows[0])


def test_line_has_the_fields_that_are_not_hidden(pipeline: Any, lines: Lines) -> None:
    app, _ = iris(pipeline, hidden=["petal_width", "sepal_width"])
    post_json(app.test_client(), PATH, SETOSA)
    assert lines.last["inputs"] == [{"sepal_length": 5.1, "petal_length": 1.4}]


@pytest.mark.parametrize("hidden", [FIELDS, set(FIELDS), list(FIELDS)])
def test_all_fields_can_be_hidden(pipeline: Any, lines: Lines, hidden: Any) -> None:
    app, _ = iris(pipeline, hidden=hidden)
    post_json(app.test_client(), PATH, SETOSA)
    assert lines.last["inputs"] == []


@pytest.mark.parametrize("hidden", ["years", "age"])
def test_hidden_field_that_clients_call_by_another_name(lines: Lines, hidden: str) -> None:
    schema = {"age": {"min": 0}, "years": {"rename": "age"}, "income": {}}
    app, models = logged(hidden=[hidden])
    models.add("person", LogisticRegression().fit(_frame(), [0, 1, 0, 1]), schema=schema)
    models.predict("person", {"years": 37, "income": 2.5}, app=app)
    assert lines.last["inputs"] == [{"income": 2.5}]


def test_hidden_field_that_a_function_renames(lines: Lines) -> None:
    schema = {"age": {"min": 0}, "years": {"rename_handler": lambda name: "age"}, "income": {}}
    app, models = logged(hidden=["years"])
    models.add("person", LogisticRegression().fit(_frame(), [0, 1, 0, 1]), schema=schema)
    models.predict("person", {"years": 37, "income": 2.5}, app=app)
    assert lines.last["inputs"] == []


def _frame() -> Any:
    import pandas as pd

    return pd.DataFrame({"age": [20.0, 30.0, 40.0, 50.0], "income": [1.0, 2.0, 1.5, 3.0]})


@pytest.mark.parametrize(("hidden", "inputs"), [(["values"], []), (["x1"], [{"x0": 1, "x2": 3}])])
def test_hidden_values(line_pipeline: Any, lines: Lines, hidden: list[str], inputs: Any) -> None:
    app, models = logged(hidden=hidden)
    models.add("line", line_pipeline)
    models.predict("line", [[1, 2, 3]], app=app)
    assert lines.last["inputs"] == inputs


def test_version_is_told(tmp_path: Path, pipeline: Any, lines: Lines) -> None:
    (tmp_path / "iris").mkdir()
    joblib.dump(pipeline, tmp_path / "iris" / "7.joblib")
    app, models = logged(hidden=[], SKMODELS_TRUST_PICKLE=True, SKMODELS_ROOT=str(tmp_path))
    models.add("iris", "iris", schema=SCHEMA)
    models.predict("iris", SETOSA, app=app)
    assert (lines.last["version"], lines.last["inputs"]) == ("7", [SETOSA])


def test_rejection(pipeline: Any, lines: Lines) -> None:
    app, models = logged(hidden=[])
    models.add("iris", pipeline, schema=SCHEMA, purge_unknown=False)
    post_json(app.test_client(), PATH, SETOSA | {"petal_width": "s3cr3t", "made_up": 1})
    line = lines.last
    assert line["event"] == "rejection"
    assert {name: line[name] for name in ("model", "version", "method")} == {
        "model": "iris",
        "version": None,
        "method": "predict",
    }
    assert line["request_id"]
    assert sorted(line["errors"], key=lambda error: str(error["rule"])) == [
        {"row": 0, "field": "petal_width", "rule": "type"},
        {"row": 0, "field": None, "rule": "unknown"},
    ]
    assert "s3cr3t" not in lines.text[-1]
    assert "made_up" not in lines.text[-1]


def test_rejection_of_many_rows_is_short(pipeline: Any, lines: Lines) -> None:
    app, _ = iris(pipeline)
    post_json(app.test_client(), PATH, [{}] * 200)
    assert len(lines.last["errors"]) == 10


def test_model_that_rejects_rows_itself(pipeline: Any, lines: Lines) -> None:
    def hook(X: Any) -> Any:
        raise InvalidInput([InputError(0, "petal_width", "taste", "too wide")])

    app, models = logged()
    models.register(hooked(pipeline, hook))
    with pytest.raises(InvalidInput):
        models.predict("hooked", SETOSA, app=app)
    assert lines.last["errors"] == [{"row": 0, "field": "petal_width", "rule": "taste"}]


def test_failure_tells_the_class_of_the_exception_alone(lines: Lines) -> None:
    app, models = logged()
    models.add("fake", FakeEstimator(predict=ValueError("s3cr3t")), schema=SCHEMA)
    assert app.test_client().post("/fake/predict/", data=SETOSA).status_code == 500
    assert (lines.last["event"], lines.last["error"]) == ("failure", "ValueError")
    assert lines.last["rows"] == 1
    assert "s3cr3t" not in lines.text[-1]


def test_what_a_receiver_stops(pipeline: Any, lines: Lines) -> None:
    def refuse(sender: Flask, **extra: Any) -> None:
        abort(403)

    app, _ = iris(pipeline)
    with before_prediction.connected_to(refuse, app):
        assert app.test_client().post(PATH, data=SETOSA).status_code == 403
    assert (lines.last["event"], lines.last["error"]) == ("stop", "Forbidden")


# Whatever it holds


def test_missing_values_and_texts_of_a_frame(mixed_pipeline: Any, lines: Lines) -> None:
    app, models = logged(hidden=[])
    models.add("mixed", mixed_pipeline)
    rows = [{"island": "Dream", "mass": None}, {"island": "Biscoe", "mass": 4000}]
    models.predict("mixed", rows, app=app)
    assert lines.last["inputs"] == [
        {"island": "Dream", "mass": None},
        {"island": "Biscoe", "mass": 4000.0},
    ]
    assert lines.last["outputs"][1] in {"light", "heavy"}


def test_numbers_that_json_has_not(pipeline: Any, lines: Lines) -> None:
    app, models = logged()
    answers = lambda X: np.array([np.nan, np.inf, 1.5])  # noqa: E731
    models.add("fake", FakeEstimator(predict=answers), schema=SCHEMA)
    models.predict("fake", X[:3], app=app)
    assert lines.last["outputs"] == [None, None, 1.5]


@pytest.mark.parametrize(
    ("rules", "value", "shown"),
    [
        ({"type": "date"}, date(2026, 1, 31), "2026-01-31"),
        ({"type": "datetime"}, datetime(2026, 1, 31, 12), "2026-01-31T12:00:00"),
        ({"type": "string"}, "a\nb\u2028\ud800", None),
        ({"type": "string"}, "x" * 5000, "x" * 100 + "…"),
        ({"type": "integer"}, 2**62, 2**62),
        ({"type": "boolean"}, True, True),
        ({"type": "list"}, ["y" * 80, "z" * 5000], f"['{'y' * 80}', '{'z' * 14}…"),
        ({"nullable": True}, None, None),
    ],
)
def test_values_of_each_kind(lines: Lines, rules: Any, value: Any, shown: Any) -> None:
    app, models = logged(hidden=[])
    fake = FakeEstimator(predict=1, n_features_in=2)
    models.add("fake", fake, schema={"field": rules, "other": {}})
    models.predict("fake", {"field": value, "other": 1}, app=app)
    [row] = lines.last["inputs"]
    assert row["other"] == 1
    assert shown is None or row["field"] == shown
    assert "\n" not in lines.text[-1]
    lines.text[-1].encode()


def test_outputs_of_a_transformer_are_its_inputs(lines: Lines) -> None:
    app, models = logged(hidden=FIELDS)
    models.add("pca", PCA(2).fit(X), schema=SCHEMA)
    models.predict("pca", SETOSA, app=app)
    assert lines.last["method"] == "transform"
    assert "outputs" not in lines.last


def test_probabilities_of_several_outputs(lines: Lines) -> None:
    targets = np.column_stack([X[:, 0] > 5.8, X[:, 1] > 3])
    forest = RandomForestClassifier(3, random_state=0).fit(X, targets)
    app, models = logged()
    models.add("forest", forest, schema=SCHEMA, probability=True)
    models.predict("forest", X[:2], "predict_proba", app=app)
    assert np.array(lines.last["outputs"]).shape == (2, 2, 2)


def test_sparse_outputs(lines: Lines) -> None:
    app, models = logged()
    fake = FakeEstimator(predict=lambda X: csr_array(np.eye(len(X), dtype=np.int64)))
    models.add("fake", fake, schema=SCHEMA)
    models.predict("fake", X[:2], app=app)
    assert lines.last["outputs"] == [[1, 0], [0, 1]]


def test_texts_of_a_vectorizer(lines: Lines) -> None:
    pipeline = make_pipeline(CountVectorizer(), LogisticRegression())
    pipeline.fit(["good day", "bad day"], [1, 0])
    app, models = logged(hidden=[])
    models.add("mood", pipeline)
    models.predict("mood", [{"text": "good " * 100}], app=app)
    assert lines.last["inputs"] == [{"text": ("good " * 20)[:100] + "…"}]


def test_line_of_many_rows_is_short(pipeline: Any, lines: Lines) -> None:
    app, models = iris(pipeline, hidden=[])
    models.predict("iris", np.tile(X, (200, 1)), "predict_proba", app=app)
    assert lines.last["rows"] == 30_000
    assert len(lines.last["inputs"]) == len(lines.last["outputs"]) == 10


def test_line_of_many_columns_is_short(lines: Lines) -> None:
    app, models = logged(hidden=[])
    fake = FakeEstimator(predict=list(range(5000)), classes=list(range(5000)))
    models.add("wide", fake, schema={f"field_{place}": {} for place in range(3000)})
    models.predict("wide", np.zeros((20, 3000)), app=app)
    assert len(lines.text[-1]) < 50_000
    assert len(lines.last["inputs"]) == 1
    assert len(lines.last["inputs"][0]) == 1000
    assert [len(row) for row in lines.last["outputs"]] == [1000]


# Where it goes

SCRIPT = """
import logging.config
{setup}
from flask import Flask
from sklearn.linear_model import LinearRegression

from flask_skmodels import SKModels

{late}
app = Flask("quiet")
app.config["SKMODELS_LOG_PREDICTIONS"] = True
models = SKModels(app)
models.add("double", LinearRegression().fit([[0.0], [1.0], [2.0]], [0.0, 2.0, 4.0]))
SKModels(Flask("second"))
app.test_client().post("/double/predict/", json=[[1], [2]])
"""
CONFIGURED = """
logging.config.dictConfig({
    "version": 1,
    "formatters": {"own": {"format": "OWN %(name)s %(message)s"}},
    "handlers": {"own": {"class": "logging.StreamHandler", "formatter": "own"}},
    "root": {"handlers": ["own"]},
})
"""


def standard_error(setup: str = "", late: str = "") -> list[str]:
    """Return the lines written by a process that logs one prediction."""
    script = SCRIPT.format(setup=setup, late=late)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    return done.stderr.splitlines()


@pytest.mark.full
def test_lines_are_shown_where_nothing_is_configured() -> None:
    [line] = standard_error()
    assert json.loads(line)["rows"] == 2


def test_handler_is_made_once(
    pipeline: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logger = logging.getLogger(LOGGER)
    monkeypatch.setattr(logger, "handlers", [])
    monkeypatch.setattr(logger, "propagate", False)
    monkeypatch.setattr(logger, "level", logging.NOTSET)
    app, models = iris(pipeline)
    iris(pipeline)
    models.predict("iris", SETOSA, app=app)
    [line] = capsys.readouterr().err.splitlines()
    assert json.loads(line)["outputs"] == [0]


@pytest.mark.parametrize("place", cases(["setup", "late"], quick=[]))
def test_lines_go_where_the_application_says(place: str) -> None:
    [line] = standard_error(**{place: CONFIGURED})
    assert line.startswith(f"OWN {LOGGER} {{")


def test_level_of_the_logger_is_kept(
    pipeline: Any, lines: Lines, caplog: pytest.LogCaptureFixture
) -> None:
    app, models = iris(pipeline)
    caplog.set_level(logging.WARNING, LOGGER)
    models.predict("iris", SETOSA, app=app)
    assert lines.text == []


def test_nothing_is_logged_by_default(pipeline: Any, lines: Lines) -> None:
    app = Flask("off")
    app.config.update(SKMODELS_METRICS=False, SKMODELS_TRACING=False, SKMODELS_PAGES=False)
    models = SKModels(app)
    models.add("iris", pipeline)
    models.predict("iris", X[:1], app=app)
    assert lines.text == []
    assert not after_prediction.receivers


def test_extensions_log_their_own_models(pipeline: Any, lines: Lines) -> None:
    app, models = iris(pipeline)
    other = SKModels(app, name="other", url_prefix="/other")
    other.add("iris", pipeline, schema=SCHEMA)
    other.predict("iris", SETOSA, app=app)
    assert lines.text == []
    models.predict("iris", SETOSA, app=app)
    assert len(lines.text) == 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("LOG_PREDICTIONS", value) for value in (None, 1, "yes")],
        *[("LOG_HIDDEN_FIELDS", value) for value in ("ssn", [1], True, {"ssn": 1})],
    ],
)
def test_value_that_a_key_cannot_hold(key: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=rf"^SKMODELS_{key} must be "):
        serve(**{f"SKMODELS_{key}": value})


class Broken(logging.Handler):
    """A handler that raises, as one whose disk is full."""

    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError("no space left")


def test_log_that_fails_stops_no_other_receiver(pipeline: Any, lines: Lines) -> None:
    app, _ = iris(pipeline, TESTING=True)
    client = app.test_client()
    handler, logger = Broken(), logging.getLogger(LOGGER)
    logger.addHandler(handler)
    try:
        with pytest.raises(RuntimeError, match="no space left"):
            client.post(PATH, json=[SETOSA])
        with pytest.raises(RuntimeError, match="no space left"):
            client.post(PATH, json=[{}])
    finally:
        logger.removeHandler(handler)
    text = client.get("/-/metrics").text
    assert re.search(r"^skmodels_predictions_total\{.*\} 1\.0$", text, re.MULTILINE)
    assert re.search(r"^skmodels_rejections_total\{.*\} 1\.0$", text, re.MULTILINE)
