"""The metrics: their counts, their separation by label and extension, several processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from pathlib import Path
from threading import Event, Thread
from time import time
from typing import Any

import joblib
import pytest
from flask import Flask, abort
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from flask_skmodels import (
    ArtifactError,
    ConfigurationError,
    InputError,
    InvalidInput,
    SKModels,
    after_prediction,
    before_prediction,
)
from flask_skmodels.hints import install_line
from flask_skmodels.testing import FakeEstimator
from tests.support.gunicorn import ROOT, Server, ask, ask_each, gunicorn
from tests.support.helpers import SCHEMA, SETOSA, X, hooked, post_json, problem, serve
from tests.support.selection import cases

PATH = "/iris/predict/"
IRIS = {"extension": "skmodels", "model": "iris", "version": ""}
PREDICT = IRIS | {"method": "predict"}


def read(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return the value of each time series in the text format."""
    families = text_string_to_metric_families(text)
    samples = [sample for family in families for sample in family.samples]
    return {(s.name, frozenset(s.labels.items())): s.value for s in samples}


def scrape(client: FlaskClient, path: str = "/-/metrics") -> Callable[..., float | None]:
    """Return a function that returns the value of a time series, None if there is none."""
    response = client.get(path)
    assert response.status_code == 200
    assert response.content_type.startswith("text/plain; version=")
    found = read(response.text)

    def value(name: str, **labels: str) -> float | None:
        return found.get((f"skmodels_{name}", frozenset(labels.items())))

    return value


def fields_and_rules(client: FlaskClient) -> dict[tuple[str, str], float]:
    """Return the number of rejected rows by field and rule."""
    found = read(client.get("/-/metrics").text)
    return {
        (dict(labels)["field"], dict(labels)["rule"]): value
        for (name, labels), value in found.items()
        if name == "skmodels_rejected_rows_total"
    }


# What is counted


def test_predictions_rows_and_seconds(client: FlaskClient) -> None:
    client.post(PATH, data=SETOSA)
    post_json(client, PATH, X[:7].tolist())
    value = scrape(client)
    assert value("predictions_total", **PREDICT) == 2
    assert value("rows_total", **PREDICT) == 8
    assert value("batch_rows_count", **PREDICT) == 2
    assert value("batch_rows_sum", **PREDICT) == 8
    assert value("batch_rows_bucket", le="5.0", **PREDICT) == 1
    assert value("batch_rows_bucket", le="10.0", **PREDICT) == 2
    assert value("prediction_seconds_count", **PREDICT) == 2
    assert 0 < (value("prediction_seconds_sum", **PREDICT) or 0) < 60
    assert value("predictions_in_flight", extension="skmodels", model="iris") == 0


def test_rows_of_a_prediction_are_those_of_its_batch(
    app: Flask, client: FlaskClient, models: SKModels
) -> None:
    prediction = models.predict("iris", X[:3], app=app)
    prediction.batch_rows = 50
    after_prediction.send(app, model=models["iris"], prediction=prediction)
    value = scrape(client)
    assert value("batch_rows_sum", **PREDICT) == 53
    assert value("rows_total", **PREDICT) == 6


def test_values_on_the_bounds_of_a_histogram_are_below_them(
    app: Flask, client: FlaskClient, models: SKModels
) -> None:
    prediction = models.predict("iris", X[:3], app=app)
    before = scrape(client)("prediction_seconds_bucket", le="0.025", **PREDICT)
    for prediction.seconds in (0.025, 0.0251, 10.0, 11.0):
        after_prediction.send(app, model=models["iris"], prediction=prediction)
    for _ in range(2):  # reading them counts nothing twice
        value = scrape(client)
        assert before == 1
        assert value("prediction_seconds_bucket", le="0.025", **PREDICT) == 2
        assert value("prediction_seconds_bucket", le="0.05", **PREDICT) == 3
        assert value("prediction_seconds_bucket", le="10.0", **PREDICT) == 4
        assert value("prediction_seconds_bucket", le="+Inf", **PREDICT) == 5
        assert value("prediction_seconds_count", **PREDICT) == 5


def test_predictions_in_process_count_too(
    app: Flask, client: FlaskClient, models: SKModels
) -> None:
    models.predict("iris", X[:3], "predict_proba", app=app)
    value = scrape(client)
    assert value("rows_total", **(PREDICT | {"method": "predict_proba"})) == 3
    assert value("rows_total", **PREDICT) == 0


@pytest.mark.parametrize(
    "name",
    [
        *("predictions_total", "rows_total", "failures_total", "stopped_total"),
        *("rejections_total", "prediction_seconds_count", "batch_rows_count"),
    ],
)
@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_series_begin_at_zero(client: FlaskClient, name: str, method: str) -> None:
    assert scrape(client)(name, **IRIS, method=method) == 0


def test_series_of_a_late_model_begin_at_zero(
    client: FlaskClient, models: SKModels, pipeline: Any
) -> None:
    client.get("/-/metrics")
    models.add("late", pipeline)
    assert scrape(client)("predictions_total", **(PREDICT | {"model": "late"})) == 0


def test_failures(app: Flask, models: SKModels, client: FlaskClient) -> None:
    models.add("fake", FakeEstimator(predict=MemoryError()), schema=SCHEMA)
    assert client.post("/fake/predict/", data=SETOSA).status_code == 500
    value = scrape(client)
    labels = PREDICT | {"model": "fake"}
    assert value("failures_total", **labels) == 1
    assert value("predictions_total", **labels) == 0
    assert value("predictions_in_flight", extension="skmodels", model="fake") == 0


def test_what_a_receiver_stops(app: Flask, client: FlaskClient) -> None:
    def refuse(sender: Flask, **extra: Any) -> None:
        abort(403)

    with before_prediction.connected_to(refuse, app):
        assert client.post(PATH, data=SETOSA).status_code == 403
    value = scrape(client)
    assert value("stopped_total", **PREDICT) == 1
    assert value("failures_total", **PREDICT) == 0
    assert value("predictions_in_flight", extension="skmodels", model="iris") == 0


def test_rejected_rows_by_field_and_rule(client: FlaskClient) -> None:
    post_json(client, PATH, [SETOSA | {"petal_width": -1}] * 3 + [SETOSA | {"petal_width": "x"}])
    post_json(client, PATH, {})
    client.post(PATH, data="[", content_type="application/json")
    assert scrape(client)("rejections_total", **PREDICT) == 3
    assert fields_and_rules(client) == {
        ("petal_width", "min"): 3,
        ("petal_width", "type"): 1,
        ("", "json"): 1,
        **{(name, "required"): 1 for name in SCHEMA},
    }


def test_rejected_rows_are_those_of_the_first_100_errors(client: FlaskClient) -> None:
    post_json(client, PATH, [SETOSA | {"petal_width": -1}] * 150)
    assert fields_and_rules(client) == {("petal_width", "min"): 100}


def test_row_counts_once_for_a_field_and_a_rule(line_pipeline: Any) -> None:
    app = Flask("line")
    SKModels(app).add("line", line_pipeline)
    client = app.test_client()
    post_json(client, "/line/predict/", {"values": ["a", "b", "c"]})
    assert fields_and_rules(client) == {("values", "type"): 1}


def test_names_that_clients_make_up_are_no_labels(pipeline: Any) -> None:
    app = Flask("strict")
    SKModels(app).add("iris", pipeline, schema=SCHEMA, purge_unknown=False)
    client = app.test_client()
    for number in range(5):
        post_json(client, PATH, SETOSA | {f"made_up_{number}": 1, "made\nup": 1})
    client.post(PATH, data=f'{{"made_up": 1, "made_up": {1}}}', content_type="application/json")
    found = fields_and_rules(client)
    assert ("", "unknown") in found
    assert {field for field, _ in found} <= {"", *SCHEMA}
    assert "made_up" not in client.get("/-/metrics").text


def test_versions_and_methods_that_are_not_there_are_no_labels(client: FlaskClient) -> None:
    before = set(read(client.get("/-/metrics").text))
    for path in ("/iris/versions/9/predict/", "/iris/transform/", "/rose/predict/"):
        assert client.post(path, data=SETOSA).status_code == 404
    assert set(read(client.get("/-/metrics").text)) == before


def test_model_that_rejects_rows_itself(app: Flask, models: SKModels, pipeline: Any) -> None:
    def hook(X: Any) -> Any:
        raise InvalidInput([InputError(0, "petal_width", "taste", "too wide")])

    models.register(hooked(pipeline, hook))
    client = app.test_client()
    problem(client.post("/hooked/predict/", data=SETOSA), 400)
    value = scrape(client)
    assert value("rejections_total", **(PREDICT | {"model": "hooked"})) == 1
    assert value("predictions_in_flight", extension="skmodels", model="hooked") == 0
    assert fields_and_rules(client) == {("petal_width", "taste"): 1}


def test_predictions_in_flight(app: Flask, models: SKModels) -> None:
    reached, leave = Event(), Event()

    def wait(X: Any) -> Any:
        reached.set()
        assert leave.wait(30)
        return [0] * len(X)

    models.add("slow", FakeEstimator(predict=wait), schema=SCHEMA)
    asked = Thread(target=models.predict, args=("slow", SETOSA), kwargs={"app": app})
    asked.start()
    try:
        assert reached.wait(30)
        value = scrape(app.test_client())
        assert value("predictions_in_flight", extension="skmodels", model="slow") == 1
    finally:
        leave.set()
        asked.join()
    value = scrape(app.test_client())
    assert value("predictions_in_flight", extension="skmodels", model="slow") == 0


def test_many_threads_are_all_counted(app: Flask, client: FlaskClient, models: SKModels) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: models.predict("iris", X[:2], app=app), range(400)))
    value = scrape(client)
    assert value("predictions_total", **PREDICT) == 400
    assert value("rows_total", **PREDICT) == 800
    assert value("predictions_in_flight", extension="skmodels", model="iris") == 0


# Versions


@pytest.fixture
def folder(tmp_path: Path, pipeline: Any) -> Path:
    (tmp_path / "iris").mkdir()
    for label in ("1", "2"):
        joblib.dump(pipeline, tmp_path / "iris" / f"{label}.joblib")
    return tmp_path


def serve_folder(folder: Path, **config: object) -> tuple[Flask, SKModels]:
    app = Flask("folder", root_path=str(folder))
    app.config.update({"SKMODELS_TRUST_PICKLE": True, **config})
    models = SKModels(app)
    models.add("iris", "iris", schema=SCHEMA)
    return app, models


def test_versions_are_counted_apart(folder: Path) -> None:
    app, _ = serve_folder(folder)
    client = app.test_client()
    client.post(PATH, data=SETOSA)
    client.post(PATH, data=SETOSA)
    client.post("/iris/versions/1/predict/", data=SETOSA)
    value = scrape(client)
    assert value("predictions_total", **(PREDICT | {"version": "2"})) == 2
    assert value("predictions_total", **(PREDICT | {"version": "1"})) == 1


def test_time_of_loading(folder: Path) -> None:
    before = time()
    app, _ = serve_folder(folder)
    loaded_at = scrape(app.test_client())(
        "model_loaded_timestamp_seconds", extension="skmodels", model="iris", version="2"
    )
    assert loaded_at is not None
    assert before - 1 <= loaded_at <= time() + 1


def test_versions_that_do_not_load(folder: Path) -> None:
    app, models = serve_folder(folder)
    (folder / "iris" / "3.joblib").write_bytes(b"no pickle")
    models.refresh("iris", app=app)
    value = scrape(app.test_client())
    assert value("load_failures_total", extension="skmodels", model="iris") == 1


def test_model_that_does_not_load_at_its_first_use(folder: Path) -> None:
    app, models = serve_folder(folder, SKMODELS_LOADING="first-use", SKMODELS_TRUST_PICKLE=False)
    with pytest.raises(ArtifactError):
        models.predict("iris", SETOSA, app=app)
    value = scrape(app.test_client())
    assert (value("load_failures_total", extension="skmodels", model="iris") or 0) >= 1


# Where they are


def test_applications_do_not_count_each_others_predictions(models: SKModels) -> None:
    first, second = Flask("same"), Flask("same")
    models.init_app(first)
    models.init_app(second)
    first.test_client().post(PATH, data=SETOSA)
    assert scrape(first.test_client())("predictions_total", **PREDICT) == 1
    assert scrape(second.test_client())("predictions_total", **PREDICT) == 0


def test_extensions_do_not_count_each_others_predictions(app: Flask, pipeline: Any) -> None:
    other = SKModels(app, name="other", url_prefix="/other")
    other.add("iris", pipeline, schema=SCHEMA)
    client = app.test_client()
    client.post("/other/iris/predict/", data=SETOSA)
    client.post("/other/iris/predict/", data={})
    assert scrape(client)("predictions_total", **PREDICT) == 0
    value = scrape(client, "/other/-/metrics/")
    assert value("predictions_total", **(PREDICT | {"extension": "other"})) == 1
    assert value("rejections_total", **(PREDICT | {"extension": "other"})) == 1
    assert value("predictions_total", **PREDICT) is None


def test_extensions_do_not_count_what_went_wrong_in_each_other(
    app: Flask, client: FlaskClient, tmp_path: Path
) -> None:
    def refuse(sender: Flask, **extra: Any) -> None:
        abort(403)

    app.config.update(OTHER_ROOT=str(tmp_path), OTHER_LOADING="first-use")
    other = SKModels(app, name="other", url_prefix="/other")
    other.add("broken", FakeEstimator(predict=MemoryError()), schema=SCHEMA)
    other.add("missing", "missing.skops", schema=SCHEMA)
    assert client.post("/other/broken/predict/", data=SETOSA).status_code == 500
    assert client.post("/other/missing/predict/", data=SETOSA).status_code == 503
    with before_prediction.connected_to(refuse, app):
        assert client.post("/other/broken/predict/", data=SETOSA).status_code == 403
    assert 'extension="other"' not in client.get("/-/metrics").text
    value, labels = scrape(client, "/other/-/metrics"), PREDICT | {"extension": "other"}
    assert value("failures_total", **(labels | {"model": "broken"})) == 1
    assert value("stopped_total", **(labels | {"model": "broken"})) == 1
    assert (value("load_failures_total", extension="other", model="missing") or 0) >= 1


def test_registry_of_the_applications_own(models: SKModels, pipeline: Any) -> None:
    registry = CollectorRegistry()
    first, second = Flask("first"), Flask("second")
    for app in (first, second):
        app.config["SKMODELS_METRICS"] = app.config["OTHER_METRICS"] = registry
        models.init_app(app)
        SKModels(app, name="other", url_prefix="/other").add("iris", pipeline, schema=SCHEMA)
        app.test_client().post(PATH, data=SETOSA)
        app.test_client().post("/other/iris/predict/", data=SETOSA)
    assert registry.get_sample_value("skmodels_predictions_total", PREDICT) == 2
    labels = PREDICT | {"extension": "other"}
    assert registry.get_sample_value("skmodels_predictions_total", labels) == 2
    assert scrape(first.test_client())("predictions_total", **PREDICT) == 2


def login_required(view: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        abort(401)

    return guarded


def test_metrics_are_behind_the_extensions_decorators(pipeline: Any) -> None:
    app = Flask("guarded")
    SKModels(app, decorators=[login_required]).add("iris", pipeline)
    assert app.test_client().get("/-/metrics").status_code == 401


def test_metrics_have_the_prefix(pipeline: Any) -> None:
    client = serve(SKMODELS_URL_PREFIX="/models")
    assert client.get("/models/-/metrics").status_code == 200
    assert client.get("/-/metrics").status_code == 404


def test_metrics_can_be_turned_off() -> None:
    app = Flask("off")
    app.config.update(SKMODELS_METRICS=False, SKMODELS_TRACING=False, SKMODELS_PAGES=False)
    SKModels(app)
    assert app.test_client().get("/-/metrics").status_code == 404
    assert not before_prediction.receivers


@pytest.fixture
def without_prometheus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)


@pytest.mark.usefixtures("without_prometheus")
def test_metrics_are_off_where_the_library_is_missing() -> None:
    response = serve().get("/-/metrics", headers={"Accept": "text/plain"})
    line = "prometheus-client is not installed: install the extra 'metrics' of Flask-SKModels"
    assert (response.status_code, response.text) == (404, line)
    guarded = Flask("guarded")
    SKModels(guarded, decorators=[lambda view: lambda **arguments: ("no", 401)])
    assert guarded.test_client().get("/-/metrics").status_code == 401


@pytest.mark.usefixtures("without_prometheus")
def test_metrics_that_are_asked_for_need_the_library() -> None:
    with pytest.raises(ConfigurationError) as caught:
        serve(SKMODELS_METRICS=True)
    assert str(caught.value) == f"SKMODELS_METRICS needs {install_line('metrics')}"


@pytest.mark.parametrize("value", ["yes", 1, []])
def test_value_that_the_key_cannot_hold(value: object) -> None:
    with pytest.raises(ConfigurationError, match=r"^SKMODELS_METRICS must be None, True"):
        serve(SKMODELS_METRICS=value)


def test_every_metric_is_documented() -> None:
    registry = CollectorRegistry()
    serve(SKMODELS_METRICS=registry)
    page = (ROOT / "docs/metrics.rst").read_text(encoding="utf-8")
    documented = re.findall(r"^   \* - ``(skmodels_\w+)``$", page, re.MULTILINE)
    names = [f"{m.name}_total" if m.type == "counter" else m.name for m in registry.collect()]
    assert sorted(documented) == sorted(names)


# Several processes

MODULE = """
import os

from flask import Flask
from prometheus_client import Counter
from sklearn.linear_model import LinearRegression

from flask_skmodels import SKModels

app = Flask(__name__)
models = SKModels(app)
models.add("double", LinearRegression().fit([[0.0], [1.0], [2.0]], [0.0, 2.0, 4.0]))
Counter("of_the_host", "Not the library's.").inc()


@app.after_request
def name_worker(response):
    response.headers["X-Worker"] = str(os.getpid())
    return response
"""
CONFIG = """
from prometheus_client.multiprocess import mark_process_dead


def child_exit(server, worker):
    mark_process_dead(worker.pid)
"""
DOUBLE = {"extension": "skmodels", "model": "double", "version": "", "method": "predict"}


def scrape_server(server: Server) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    connection = server.connect()
    try:
        response = ask(connection, "GET", "/-/metrics")
    finally:
        connection.close()
    assert response.status == 200
    return read(response.document.decode())


def post_many(server: Server, requests: int) -> None:
    for _ in range(requests):
        connection = server.connect()
        try:
            assert ask(connection, "POST", "/double/predict/", [[1], [2]]).status == 200
        finally:
            connection.close()


@pytest.mark.parametrize("options", cases([[], ["--preload"]], quick=[["--preload"]]))
def test_workers_add_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "gunicorn.conf.py").write_text(CONFIG)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "shared"))
    config = ["--config", str(tmp_path / "gunicorn.conf.py"), *options]
    with gunicorn(tmp_path, MODULE, *config, workers=2) as server:
        workers = ask_each(server, 2, "/double/predict/", [[1], [2]])
        before = scrape_server(server)
        post_many(server, 20)
        os.kill(next(iter(workers)), signal.SIGTERM)
        post_many(server, 20)
        after = scrape_server(server)
    predictions = ("skmodels_predictions_total", frozenset(DOUBLE.items()))
    assert before[predictions] >= 2
    assert after[predictions] == before[predictions] + 40
    rows = ("skmodels_rows_total", frozenset(DOUBLE.items()))
    assert after[rows] == 2 * after[predictions]
    flying = frozenset({"extension": "skmodels", "model": "double"}.items())
    assert after["skmodels_predictions_in_flight", flying] == 0
    assert {name for name, _ in after if not name.startswith("skmodels_")} == set()


IN_ONE_PROCESS = """
from flask import Flask
from prometheus_client import REGISTRY, Counter
from sklearn.linear_model import LinearRegression

from flask_skmodels import SKModels

estimator = LinearRegression().fit([[0.0], [1.0], [2.0]], [0.0, 2.0, 4.0])
Counter("of_the_host", "Not the library's.").inc()
clients = []
for settings in ({}, {}, {"SKMODELS_METRICS": REGISTRY}):
    app = Flask("same")
    app.config.update(settings)
    models = SKModels(app)
    models.add("double", estimator)
    clients.append(app.test_client())
for client in clients * 5:
    assert client.post("/double/predict/", json=[[1]]).status_code == 200
print(clients[0].get("/-/metrics").text)
print("# host", clients[2].get("/-/metrics").text.count("of_the_host_total 1"))
"""


@pytest.mark.usefixtures("measured_processes")
@pytest.mark.full
def test_applications_of_one_process_do_not_write_over_each_other(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    command = [sys.executable, "-c", IN_ONE_PROCESS]
    shown = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=True
    ).stdout
    assert read(shown)["skmodels_predictions_total", frozenset(DOUBLE.items())] == 15
    assert re.search(r"^# host 1$", shown, re.MULTILINE)
    assert "of_the_host" not in shown
