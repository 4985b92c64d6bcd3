"""Very many models, of which the most recently used stay loaded, with threads that use them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import pytest
from flask import Flask

from flask_skmodels import Model, shadow_prediction
from flask_skmodels.versions import loaded_files
from tests.support.selection import cases
from tests.support.versions_folder import (
    FIELDS,
    ROW,
    application,
    deployment_of,
    extension_of,
    put,
    refresh,
)

NAMES = "abcde"


class Gate:
    """Where the load of a model waits until it may go on.

    :ivar entered: set when one waits
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.entered, self.leave = threading.Event(), threading.Event()
        self.loads: list[str] = []
        self._held = ""
        load = loaded_files.load_once

        def loaded(*arguments: Any) -> Any:
            found = load(*arguments)
            label = found.estimator.classes_[0]
            self.loads.append(label)
            if label == self._held:
                self._held = ""
                self.entered.set()
                assert self.leave.wait(10)
            return found

        monkeypatch.setattr(loaded_files, "load_once", loaded)

    def hold(self, label: str) -> None:
        """Have the next load of what gives an answer wait."""
        self._held = label


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate(monkeypatch)
    yield gate
    gate.leave.set()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in NAMES:
        put(tmp_path / name, f"{name}1")
    return tmp_path


def serving(root: Path, most: int, **options: Any) -> Flask:
    """Return an application of five models; small letters are attributes of the first."""
    config = {key: options.pop(key) for key in list(options) if key.isupper()}
    models = [Model(name=name, pipeline=name, schema=FIELDS) for name in NAMES]
    models[0].configure(**options)
    config = {"SKMODELS_LOADING": "first-use", "SKMODELS_MAX_LOADED": most, **config}
    return application(*models, root=root, **config)


def loaded(app: Flask) -> str:
    return "".join(name for name in NAMES if deployment_of(app, name).versions.live is not None)


def use(app: Flask, name: str) -> None:
    document = app.test_client().post(f"/{name}/predict/", json=ROW).get_json()
    assert document["predictions"][0] == document["version"]
    assert document["version"][0] == name


def wait_for(holds: Callable[[], bool]) -> None:
    for _ in range(500):
        if holds():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it does not come to that")


def test_model_that_another_took_the_place_of_while_it_was_loaded(root: Path, gate: Gate) -> None:
    app = serving(root, 1)
    gate.hold("a1")
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(use, app, "a")
        assert gate.entered.wait(10)
        use(app, "b")
        gate.leave.set()
        slow.result(10)
    assert len(loaded(app)) == 1


@pytest.mark.parametrize("most", cases([1, 2, 3], quick=[2]))
def test_threads_keep_to_the_number(root: Path, most: int) -> None:
    app = serving(root, most, SKMODELS_RELOAD=0, traffic={"a0": 0.5}, shadow="a1")
    put(root / "a", "a0")
    put(root / "a", "a2")

    def work(seed: int) -> None:
        source = Random(seed)
        for _ in range(30):
            use(app, source.choice(NAMES))

    with ThreadPoolExecutor(6) as pool:
        for each in [pool.submit(work, seed) for seed in range(6)]:
            each.result(60)
    wait_for(lambda: len(loaded(app)) <= most)
    for name in "edcba":
        use(app, name)
    wait_for(lambda: loaded(app) == "abcde"[:most])


def test_start_keeps_to_the_number(root: Path) -> None:
    assert len(loaded(serving(root, 2, SKMODELS_LOADING="startup"))) == 2


def test_refresh_and_versions_keep_to_the_number(root: Path) -> None:
    app = serving(root, 2)
    for name in NAMES:
        refresh(app, name)
    assert loaded(app) == "de"
    assert app.test_client().post("/a/versions/a1/predict/", json=ROW).status_code == 200
    assert loaded(app) in {"d", "e"}  # of a it is the version alone
    use(app, "b")
    assert loaded(app) == "b"


def test_model_that_was_down_counts_when_a_poll_has_loaded_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_skmodels.versions.polling.SECONDS_WHILE_DOWN", 0.0)
    (root / "a" / "a1.joblib").rename(root / "a1.joblib")
    app = serving(root, 1)
    client = app.test_client()
    assert client.post("/a/predict/", json=ROW).status_code == 503
    use(app, "b")
    (root / "a1.joblib").rename(root / "a" / "a1.joblib")
    client.get("/-/health/ready/")
    wait_for(lambda: loaded(app) == "a")


def test_poll_does_not_load_a_model_that_was_unloaded(root: Path, gate: Gate) -> None:
    app = serving(root, 1, SKMODELS_RELOAD=0)
    use(app, "a")
    put(root / "a", "a2")
    gate.hold("a2")
    use(app, "a")  # it polls
    assert gate.entered.wait(10)
    use(app, "b")  # and does not wait for the poll
    gate.leave.set()
    wait_for(lambda: loaded(app) == "b")
    for thread in threading.enumerate():
        if thread.name.startswith("poll-"):
            thread.join(10)
    assert loaded(app) == "b"
    assert gate.loads == ["a1", "a2", "b1"]


def test_shadow_does_not_load_what_was_let_go_of(root: Path, gate: Gate) -> None:
    put(root / "a", "a0")
    app = serving(root, 1, shadow="a0", methods=["predict"])
    entered, leave = threading.Event(), threading.Event()

    def slow(sender: Flask, **extra: Any) -> None:
        entered.set()
        assert leave.wait(10)

    with shadow_prediction.connected_to(slow):
        use(app, "a")
        assert entered.wait(10)
        use(app, "a")
        use(app, "b")
        assert loaded(app) == "b"
        leave.set()
        shadow = deployment_of(app, "a").shadow
        assert shadow is not None
        shadow.wait()
    assert loaded(app) == "b"
    assert gate.loads == ["a1", "a0", "b1"]
    comparison = extension_of(app).comparison("a", app)
    assert comparison is not None
    assert (comparison["rows"], comparison["dropped"]) == (1, 1)
