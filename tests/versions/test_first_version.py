"""The first version that a process loads: at startup, at first use and after an unload."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_skmodels import Model, model_load_failed, model_loaded
from tests.support.helpers import problem
from tests.support.versions_folder import (
    FIELDS,
    ROW,
    application,
    artifact,
    constant,
    deployment_of,
    extension_of,
    failed,
    iris,
    put,
    refresh,
    served_by,
    spoil,
)
from tests.versions.test_versions import lines

Heard = list[tuple[str, str | None]]


@pytest.fixture
def heard() -> Heard:
    """The signals model_loaded and model_load_failed of the model iris, in their order."""
    found: Heard = []

    def loaded(sender: Flask, model: Model, version: str | None, **extra: Any) -> None:
        found.extend([("loaded", version)] * (model.name == "iris"))

    def load_failed(sender: Flask, model: Model, version: str | None, **extra: Any) -> None:
        found.extend([("failed", version)] * (model.name == "iris"))

    model_loaded.connect(loaded, weak=False)
    model_load_failed.connect(load_failed, weak=False)
    return found


class Careful(Model):
    """Fails on its example where the answer is bad, and notes in which thread it predicts."""

    name, pipeline, schema, examples = "iris", "iris", FIELDS, ([ROW])

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.calls: list[str] = []

    def predict(self, X: Any) -> Any:
        predicted = super().predict(X)
        self.calls.append(predicted[0])
        if predicted[0].startswith("bad"):
            raise ValueError("an answer that nobody knows")
        return predicted


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose newest version fails on the example."""
    put(tmp_path / "iris", "1")
    put(tmp_path / "iris", "2")
    put(tmp_path / "iris", "3", constant("bad"))
    return tmp_path / "iris"


def unload(app: Flask) -> None:
    """Unload the model iris: the other one is loaded, and only one may be."""
    assert app.test_client().post("/other/predict/", json=ROW).status_code == 200
    assert deployment_of(app).versions.live is None


def with_another(folder: Path, model: Model, **config: Any) -> Flask:
    """Return an application of two models of which one may be loaded."""
    put(folder.parent / "other", "1")
    other = Model(name="other", pipeline="other", schema=FIELDS)
    return application(model, other, root=folder.parent, SKMODELS_MAX_LOADED=1, **config)


# At the start


@pytest.mark.parametrize("loading", ["startup", "first-use"])
def test_first_request_passes_over_a_version_that_fails_on_the_examples(
    folder: Path, heard: Heard, loading: str
) -> None:
    app = application(Careful(), root=folder.parent, SKMODELS_LOADING=loading)
    client = app.test_client()
    assert [served_by(client) for _ in range(3)] == [("2", "2")] * 3
    assert failed(client) == ["3"]
    at_startup = [("loaded", "3")] if loading == "startup" else []
    assert heard == [*at_startup, ("failed", "3"), ("loaded", "2")]


def test_nothing_predicts_before_the_first_request(folder: Path) -> None:
    model = Careful(traffic={"1": 0}, shadow="1")
    app = application(model, root=folder.parent, SKMODELS_RELOAD=0)
    client = app.test_client()
    assert client.get("/-/health/ready/").get_json()["models"]["iris"]["version"] == "3"
    assert client.get("/-/models/").get_json()["models"][0]["version"] == "3"
    assert model.calls == []
    assert served_by(client) == ("2", "2")
    assert model.calls[:3] == ["bad", "2", "2"]  # the examples of two, then the request


def test_examples_are_run_once(folder: Path) -> None:
    (folder / "3.joblib").unlink()
    model = Careful()
    client = application(model, root=folder.parent).test_client()
    assert [served_by(client) for _ in range(3)] == [("2", "2")] * 3
    assert model.calls == ["2"] * 4


def test_page_and_call_in_process_pass_over_it_too(folder: Path) -> None:
    app = application(Careful(), root=folder.parent)
    assert app.test_client().get("/iris/").get_json()["version"] == "2"
    app = application(Careful(), root=folder.parent)
    assert extension_of(app).predict("iris", ROW, app=app).version == "2"


def test_threads_at_the_first_request_wait_for_the_examples(folder: Path) -> None:
    app = application(Careful(), root=folder.parent)
    barrier, found = threading.Barrier(8), []

    def ask() -> None:
        barrier.wait(10)
        found.append(served_by(app.test_client()))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert found == [("2", "2")] * 8


@pytest.mark.parametrize("loading", ["startup", "first-use"])
def test_newest_that_loads_serves_where_none_passes(
    tmp_path: Path, heard: Heard, loading: str
) -> None:
    """An example that is out of date must not keep a worker from starting."""
    for label in "12":
        put(tmp_path / "iris", label, constant(f"bad {label}"))
    spoil(tmp_path / "iris", "3")
    app = application(Careful(examples=[{"a": 1}]), root=tmp_path, SKMODELS_LOADING=loading)
    client = app.test_client()
    for _ in range(2):
        response = client.post("/iris/versions/2/predict/", json=ROW)
        assert response.headers["X-Model-Version"] == "2"
        assert client.get("/iris/").get_json()["version"] == "2"
    assert failed(client) == ["3", "2", "1"]
    assert heard.count(("failed", "2")) == 1
    put(tmp_path / "iris", "4")
    refresh(app)
    assert client.get("/iris/").get_json()["version"] == "2"  # the example is still no good


def test_pinned_version_that_fails_on_the_examples_serves(folder: Path) -> None:
    app = application(Careful(pipeline=artifact(version="3")), root=folder.parent)
    client = app.test_client()
    assert client.get("/iris/").get_json()["version"] == "3"
    assert failed(client) == ["3"]


def test_refresh_before_the_first_request(folder: Path, heard: Heard) -> None:
    app = application(Careful(), root=folder.parent)
    put(folder, "4")
    refresh(app)
    assert served_by(app.test_client()) == ("4", "4")
    assert heard == [("loaded", "3"), ("failed", "3"), ("loaded", "2"), ("loaded", "4")]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_each_worker_runs_the_examples_after_its_fork(folder: Path) -> None:
    app = application(Careful(), root=folder.parent)
    for _ in range(2):
        process = os.fork()
        if not process:
            try:
                os._exit(served_by(app.test_client()) != ("2", "2"))
            finally:
                os._exit(1)
        assert os.waitpid(process, 0)[1] == 0
    live = deployment_of(app).versions.live
    assert live is not None
    assert live.label == "3"  # in the master nothing has predicted


# After an unload


def test_version_that_was_refused_does_not_serve_after_all_was_let_go_of(
    folder: Path, heard: Heard
) -> None:
    (folder / "3.joblib").unlink()
    app = with_another(folder, Careful())
    client = app.test_client()
    assert served_by(client) == ("2", "2")
    put(folder, "3", constant("bad"))
    refresh(app)
    for _ in range(2):
        unload(app)
        assert served_by(client) == ("2", "2")
    assert heard.count(("failed", "3")) == 1
    assert failed(client) == ["3"]


@pytest.mark.parametrize("is_refreshed", [False, True])
def test_fields_are_those_of_the_version_that_was_unloaded(
    tmp_path: Path, is_refreshed: bool
) -> None:
    folder = tmp_path / "iris"
    put(folder, "1", lines(*"ab"))
    app = with_another(folder, Model(name="iris", pipeline="iris"))
    client = app.test_client()
    assert client.post("/iris/predict/", json=ROW).get_json()["version"] == "1"
    put(folder, "2", lines(*"abc"))
    if is_refreshed:
        refresh(app)
    unload(app)
    assert client.post("/iris/predict/", json=ROW).get_json()["version"] == "1"
    assert failed(client) == ["2"]


def test_version_that_was_let_go_of_is_not_asked_for_the_examples_again(folder: Path) -> None:
    (folder / "3.joblib").unlink()
    model = Careful()
    app = with_another(folder, model)
    client = app.test_client()
    served_by(client)
    unload(app)
    served_by(client)
    assert model.calls == ["2"] * 3


def test_good_version_takes_over_from_one_that_was_let_go_of(folder: Path) -> None:
    app = with_another(folder, Careful())
    client = app.test_client()
    served_by(client)
    unload(app)
    put(folder, "4")
    assert served_by(client) == ("4", "4")


def test_newest_that_loads_goes_on_after_it_was_let_go_of(tmp_path: Path) -> None:
    put(tmp_path / "iris", "1")
    app = with_another(tmp_path / "iris", iris(examples=[{"a": 1}]))
    client = app.test_client()
    for _ in range(2):
        assert served_by(client) == ("1", "1")
        unload(app)


def test_nothing_serves_where_what_was_let_go_of_is_gone_and_the_rest_is_refused(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "iris"
    put(folder, "1", lines(*"ab"))
    app = with_another(folder, Model(name="iris", pipeline="iris"))
    client = app.test_client()
    client.post("/iris/predict/", json=ROW)
    unload(app)
    put(folder, "2", lines(*"abc"))
    (folder / "1.joblib").unlink()
    problem(client.post("/iris/predict/", json=ROW), 503)
    put(folder, "3", lines(*"ab"))
    assert client.post("/iris/predict/", json=ROW).get_json()["version"] == "3"


# Canaries


def test_canary_that_fails_on_the_examples_gets_no_requests(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = Careful(traffic={"3": 1})
    client = application(model, root=folder.parent).test_client()
    assert [served_by(client) for _ in range(3)] == [("2", "2")] * 3
    assert len([each for each in caplog.records if "canary 3" in each.getMessage()]) == 1
    assert model.calls.count("bad") == 1


def test_canary_that_takes_less_gets_no_requests(tmp_path: Path) -> None:
    from tests.versions.test_versions import categories

    put(tmp_path / "iris", "1", categories(*"xyz"))
    put(tmp_path / "iris", "2", categories(*"xy"))
    model = Model(name="iris", pipeline="iris", traffic={"2": 1})
    client = application(model, root=tmp_path).test_client()
    assert client.post("/iris/predict/", json={"a": "z"}).get_json()["version"] == "1"
    put(tmp_path / "iris", "2", categories(*"wxyz"))
    refresh(client.application)
    assert client.post("/iris/predict/", json={"a": "z"}).get_json()["version"] == "2"
