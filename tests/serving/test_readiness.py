"""Readiness: the first example of each model, and the phase before a shutdown."""

from __future__ import annotations

import threading
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import pytest
from flask import Flask, abort, current_app

from flask_skmodels import KeyValueModel, SKModels, before_prediction
from flask_skmodels.config import DIALECTS
from flask_skmodels.inference import readiness
from flask_skmodels.testing import FakeEstimator, record_signals
from tests.support.gate import WAIT, gate, until
from tests.support.helpers import SCHEMA, SETOSA

READY = "/-/health/ready"
EXAMPLE = [{"x": 3.0}]


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Predict the examples at each health check."""
    monkeypatch.setattr(readiness, "INTERVAL", 0.0)


def application(**config: Any) -> tuple[SKModels, Flask]:
    app = Flask("ready")
    app.config.update({"SKMODELS_READY_EXAMPLES": True} | config)
    return SKModels(app), app


def check(app: Flask) -> tuple[int, dict[str, bool]]:
    """Return the status of a health check, and whether each model is ready."""
    response = app.test_client().get(READY)
    document = response.get_json()
    assert document["ready"] is (response.status_code == 200)
    models = {name: model["ready"] for name, model in document["models"].items()}
    assert document["ready_models"] == sum(models.values())
    return response.status_code, models


def added(models: SKModels, name: str, estimator: Any, **attributes: Any) -> Any:
    options = {"schema": {"x": {}}, "engine": "sklearn", "examples": EXAMPLE} | attributes
    models.add(name, estimator, **options)
    return estimator


def test_model_that_predicts_its_example_is_ready(pipeline: Any) -> None:
    models, app = application()
    models.add("iris", pipeline, schema=SCHEMA, examples=[SETOSA])
    models.add("plain", pipeline, schema=SCHEMA)  # it has no example
    assert check(app) == (200, {"iris": True, "plain": True})


def test_examples_are_not_predicted_unless_it_is_configured() -> None:
    models, app = application(SKMODELS_READY_EXAMPLES=False)
    pipeline = added(models, "held", gate())
    pipeline.close()
    assert check(app) == (200, {"held": True})
    assert not pipeline.entered_.is_set()


@pytest.mark.usefixtures("often")
def test_model_that_fails_is_not_ready(caplog: pytest.LogCaptureFixture) -> None:
    models, app = application()
    fake = added(models, "fake", FakeEstimator(predict=1, n_features_in=1))
    added(models, "held", gate())
    fake.answers["predict"] = MemoryError("no room")
    assert check(app) == (503, {"fake": False, "held": True})
    assert check(app) == (503, {"fake": False, "held": True})
    lines = [record.getMessage() for record in caplog.records]
    text = "model 'fake' is not ready: its first example fails: MemoryError: no room"
    assert lines.count(text) == 1
    fake.answers["predict"] = 2
    assert check(app) == (200, {"fake": True, "held": True})


@pytest.mark.usefixtures("often")
def test_model_that_hangs_does_not_hang_the_health_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "PATIENCE", 0.1)
    models, app = application()
    pipeline = added(models, "held", gate(), timeout=0.3)
    other = added(models, "other", gate())
    check(app)
    other.close()
    other.opened_.set()
    pipeline.close()
    started = monotonic()
    assert check(app) == (200, {"held": True, "other": True})  # it may just be slow
    assert monotonic() - started < 0.25
    until(lambda: check(app) == (503, {"held": False, "other": True}))
    for _ in range(5):
        started = monotonic()
        assert check(app) == (503, {"held": False, "other": True})
        assert monotonic() - started < 0.25
    assert len(pipeline.calls_) == 1  # no second call while the first has not returned
    assert len(other.calls_) > 1  # the others are still predicted
    pipeline.opened_.set()
    until(lambda: check(app) == (200, {"held": True, "other": True}))


def test_model_is_not_ready_before_its_example_is_predicted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readiness, "PATIENCE", 0.0)
    models, app = application()
    pipeline = added(models, "held", gate())
    pipeline.close()
    assert check(app) == (503, {"held": False})
    pipeline.opened_.set()
    until(lambda: check(app) == (200, {"held": True}))


def test_examples_are_predicted_once_a_second_one_at_a_time() -> None:
    models, app = application()
    at_once, most = [0], [0]

    def predict_slowly(X: Any) -> Any:
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        threading.Event().wait(0.01)
        at_once[0] -= 1
        return np.zeros(len(X))

    fakes = [
        added(models, f"fake-{n}", FakeEstimator(predict=predict_slowly, n_features_in=1))
        for n in range(3)
    ]
    for fake in fakes:
        fake.calls.clear()
    threads = [threading.Thread(target=check, args=(app,)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert [len(fake.calls) for fake in fakes] == [1, 1, 1]
    assert most == [1]


def test_busy_model_is_ready() -> None:
    """Load must not take an instance out of service, which would move the load to the others."""
    models, app = application()
    pipeline = added(models, "held", gate(), max_concurrency=1, max_queue=0, batching=True)
    check(app)
    pipeline.close()
    limit = app.extensions["skmodels"].deployments["held"].limits[0]
    limit.acquire(None)
    pipeline.opened_.set()
    thread = threading.Thread(target=lambda: setattr(thread, "found", check(app)))
    thread.start()
    thread.join(WAIT)
    assert thread.found == (200, {"held": True})  # type: ignore[attr-defined]
    limit.release()


def test_predictions_are_marked_and_counted_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    models, app = application(SKMODELS_LOG_PREDICTIONS=True)
    added(models, "held", gate())
    with record_signals(app) as signals:
        assert check(app) == (200, {"held": True})
        assert signals.names == ["before-prediction", "after-prediction"]
        assert [each.is_probe for each in signals.predictions] == [True]
    client = app.test_client()
    labels = 'extension="skmodels",method="predict",model="held",version=""'
    metrics = client.get("/-/metrics").text
    assert f"skmodels_predictions_total{{{labels}}} 0.0" in metrics
    assert client.get("/held/traffic/").get_json()["predictions"] == 0
    assert not [record for record in caplog.records if '"event"' in record.getMessage()]
    client.post("/held/predict/", json=EXAMPLE)
    metrics = client.get("/-/metrics").text
    assert f"skmodels_predictions_total{{{labels}}} 1.0" in metrics
    assert client.get("/held/traffic/").get_json()["predictions"] == 1


def test_failure_is_counted_nowhere() -> None:
    models, app = application()
    fake = added(models, "fake", FakeEstimator(predict=1, n_features_in=1))
    for error in (MemoryError(), ValueError()):
        fake.answers["predict"] = error
        assert check(app) == (503, {"fake": False})
    text = app.test_client().get("/-/metrics").text
    labels = 'extension="skmodels",method="predict",model="fake",version=""'
    assert f"skmodels_failures_total{{{labels}}} 0.0" in text
    assert f"skmodels_rejections_total{{{labels}}} 0.0" in text
    assert 'skmodels_predictions_in_flight{extension="skmodels",model="fake"} 0.0' in text


def test_receiver_may_stop_it_or_know_it_by_its_mark(caplog: pytest.LogCaptureFixture) -> None:
    models, app = application()
    added(models, "held", gate())
    seen: list[str] = []

    def only_clients(app: Flask, prediction: Any, **extra: Any) -> None:
        if not prediction.is_probe:
            abort(403)
        seen.append(current_app.name)

    before_prediction.connect(only_clients, app)
    assert check(app) == (200, {"held": True})
    assert seen == ["ready"]
    assert app.test_client().post("/held/predict/", json=EXAMPLE).status_code == 403


@pytest.mark.usefixtures("often")
def test_receiver_that_raises_makes_a_model_not_ready() -> None:
    models, app = application()
    added(models, "held", gate())

    def refuse(app: Flask, **extra: Any) -> None:
        abort(403)

    with before_prediction.connected_to(refuse, app):
        assert check(app) == (503, {"held": False})
    assert check(app) == (200, {"held": True})


def test_models_that_are_not_loaded_are_not_loaded_for_it(tmp_path: Path) -> None:
    models, app = application(SKMODELS_LOADING="first-use", SKMODELS_ROOT=str(tmp_path))
    models.register(
        KeyValueModel(name="file", pipeline="missing.skops", schema=SCHEMA, examples=[SETOSA])
    )
    assert check(app) == (200, {"file": True})


@pytest.mark.usefixtures("often")
def test_other_protocols_know_it_too() -> None:
    models, app = application(SKMODELS_DIALECTS=DIALECTS[:2])
    fake = added(models, "fake", FakeEstimator(predict=1, n_features_in=1))
    added(models, "held", gate())
    paths = ("/v2/health/ready", "/v2/models/fake/ready", "/v1/models/fake", "/v1/models/held")
    client = app.test_client()
    assert [client.get(path).status_code for path in paths] == [200] * 4
    fake.answers["predict"] = MemoryError()
    assert [client.get(path).status_code for path in paths] == [503, 503, 503, 200]


# Shutdown


def test_application_is_not_ready_while_the_file_exists(tmp_path: Path, pipeline: Any) -> None:
    file = tmp_path / "draining"
    models, app = application(
        SKMODELS_DRAIN_FILE=str(file),
        SKMODELS_DIALECTS=DIALECTS,
        SKMODELS_MLFLOW_MODEL="iris",
    )
    models.add("iris", pipeline, schema=SCHEMA, examples=[SETOSA])
    client = app.test_client()
    paths = (
        READY,
        "/v2/health/ready",
        "/v2/models/iris/ready",
        "/v1/models/iris",
        "/ping",
        "/health",
    )
    assert [client.get(path).status_code for path in paths] == [200] * 6
    file.touch()
    assert [client.get(path).status_code for path in paths] == [503] * 6
    document = client.get(READY).get_json()
    assert (document["ready"], document["draining"]) == (False, True)
    assert document["models"]["iris"]["ready"]
    assert client.get("/-/health/live").status_code == 200
    assert client.get("/v2/health/live").status_code == 200
    assert client.post("/iris/predict/", json=SETOSA).status_code == 200
    file.unlink()
    assert [client.get(path).status_code for path in paths] == [200] * 6


def test_file_is_relative_to_the_application(tmp_path: Path) -> None:
    app = Flask("ready", root_path=str(tmp_path))
    app.config["SKMODELS_DRAIN_FILE"] = Path("draining")
    SKModels(app)
    (tmp_path / "draining").touch()
    assert app.test_client().get(READY).status_code == 503
