"""A new version is tried in a process of its own before the process that serves loads it."""

from __future__ import annotations

import builtins
import importlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from multiprocessing import spawn
from pathlib import Path
from threading import Event
from types import ModuleType
from typing import Any

import joblib
import numpy as np
import pytest
from flask import Flask
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from flask_skmodels import Artifact, ArtifactError, Model, SKModels, model_load_failed, serve
from flask_skmodels.artifacts.declaration import Policy
from flask_skmodels.versions import trial_runner, trials
from flask_skmodels.versions.trial_outcomes import Limits, TrialReport
from flask_skmodels.versions.trial_process import try_version
from flask_skmodels.versions.trial_records import Note
from flask_skmodels.versions.trial_runner import TrialRunner
from flask_skmodels.versions.trial_task import TrialTask
from tests.support.aborting_estimator import AbortsWhenCalled
from tests.support.failing_estimator import FailingEstimator
from tests.support.fixtures import TRIALS_OF
from tests.support.gunicorn import PATIENCE, ask_each, gunicorn
from tests.support.helpers import problem
from tests.support.measured_processes import measure_processes
from tests.support.skips import FORK
from tests.support.versions_folder import (
    FIELDS,
    ROW,
    application,
    constant,
    deployment_of,
    extension_of,
    failed,
    iris,
    put,
    refresh,
    served_by,
)

NEEDS_POSIX = pytest.mark.skipif(os.name != "posix", reason="the limits are those of POSIX")


class Calls:
    """Calls a function when it is unpickled."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> Any:
        return self._call


class Shared:
    """The one helper of all tests, for which a helper of their own would only take time."""

    def __init__(self, runner: TrialRunner) -> None:
        self._runner = runner

    def __enter__(self) -> TrialRunner:
        return self._runner

    def __exit__(self, *error: object) -> None:
        """Leave the helper to the next test."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    with pytest.MonkeyPatch.context() as patch, TrialRunner() as runner:
        measure_processes(patch, tmp_path_factory.mktemp("coverage"))
        yield Shared(runner)


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Switch trials on, with helpers of their own; the names of the files that are tried."""
    names: list[str] = []
    run = TrialRunner.run

    def counted(runner: TrialRunner, task: TrialTask, note: Note) -> TrialReport:
        names.append(task.path.name)
        return run(runner, task, note)

    monkeypatch.setattr("flask_skmodels.extension.trials_of", TRIALS_OF)
    monkeypatch.setattr(TrialRunner, "run", counted)
    return names


@pytest.fixture
def started(fresh: list[str], shared: Shared, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Switch trials on; the names of the files that are tried."""
    monkeypatch.setattr(trials, "TrialRunner", lambda: shared)
    return fresh


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    put(tmp_path / "iris", "1")
    return tmp_path / "iris"


def serving(folder: Path, model: Model | None = None, **config: Any) -> Flask:
    config = {"SKMODELS_STATE_DIR": folder.parent / "state"} | config
    return application(model or iris(), root=folder.parent, **config)


def reason_of(app: Flask, label: str | None = "2") -> str:
    return deployment_of(app).versions.failures[label]


def records(folder: Path) -> list[dict[str, Any]]:
    found = (folder.parent / "state" / "skmodels-trials").glob("*.json")
    return [json.loads(path.read_bytes()) for path in found]


# What a trial finds


def test_version_that_kills_its_process_is_refused_once_for_all(
    folder: Path, started: list[str]
) -> None:
    put(folder, "2", Calls(os.abort))
    app = serving(folder)
    assert served_by(app.test_client()) == ("1", "1")
    assert failed(app.test_client()) == ["2"]
    assert "it killed the process of its trial (SIGABRT)" in reason_of(app)
    assert started == ["2.joblib", "1.joblib"]
    restarted = serving(folder)
    assert served_by(restarted.test_client()) == ("1", "1")
    assert "this file is not tried again. To try it again, delete " in reason_of(restarted)
    assert len(started) == 2
    for record in (folder.parent / "state" / "skmodels-trials").glob("*.json"):
        record.unlink()
    put(folder, "2")
    assert served_by(serving(folder).test_client()) == ("2", "2")


@NEEDS_POSIX
@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (signal.SIGTERM, "its trial was stopped by SIGTERM"),
        (40, "it killed the process of its trial (signal 40)"),
    ],
)
def test_signal_that_ends_a_trial_is_named(
    folder: Path, started: list[str], number: int, reason: str
) -> None:
    put(folder, "2", Calls(signal.raise_signal, number))
    app = serving(folder)
    assert served_by(app.test_client()) == ("1", "1")
    assert reason in reason_of(app)


def test_version_that_dies_when_it_is_called_does_not_replace_the_live_one(
    folder: Path, started: list[str]
) -> None:
    heard: list[str | None] = []

    def hear(sender: Flask, version: str | None, exception: Exception, **extra: Any) -> None:
        heard.append(version)

    app = serving(folder, iris(engine="sklearn"))
    model_load_failed.connect(hear, weak=False)
    assert served_by(app.test_client()) == ("1", "1")
    put(folder, "2", AbortsWhenCalled())
    refresh(app)
    assert served_by(app.test_client()) == ("1", "1")
    assert heard == ["2"]
    assert "it killed the process of its trial (SIGABRT)" in reason_of(app)


def svc_with_false_counts() -> Any:
    machine = SVC().fit(np.eye(2), ["1", "2"])
    machine._n_support = np.array([100_000, 1], dtype=np.int32)
    return machine


def tree_with_children_out_of_range(child: int = 10**8) -> Any:
    tree = DecisionTreeClassifier().fit(np.eye(2), ["1", "2"])
    state = tree.tree_.__getstate__()
    for side in ("left_child", "right_child"):
        state["nodes"][side][0] = child
    tree.tree_.__setstate__(state)
    return tree


@pytest.mark.parametrize("make", [svc_with_false_counts, tree_with_children_out_of_range])
def test_native_structures_that_kill(
    folder: Path, started: list[str], make: Callable[[], Any]
) -> None:
    app = serving(folder)
    client = app.test_client()
    assert served_by(client) == ("1", "1")
    put(folder, "2", make())
    refresh(app)
    problem(client.post("/iris/versions/2/predict/", json=ROW), 503)
    assert served_by(client) == ("1", "1")
    assert failed(client) == ["2"]


@NEEDS_POSIX
def test_cycle_among_the_children_of_a_tree(folder: Path, started: list[str]) -> None:
    put(folder, "2", tree_with_children_out_of_range(child=0))
    app = serving(folder, SKMODELS_TRIAL_SECONDS=5)
    assert served_by(app.test_client()) == ("1", "1")
    assert failed(app.test_client()) == ["2"]


@NEEDS_POSIX
def test_requests_are_served_while_a_version_hangs_in_its_trial(
    folder: Path, started: list[str]
) -> None:
    app = serving(folder, SKMODELS_RELOAD=0, SKMODELS_TRIAL_SECONDS=1.5)
    client = app.test_client()
    assert served_by(client) == ("1", "1")
    put(folder, "2", Calls(time.sleep, 600))
    count = 0
    deadline = time.monotonic() + 60
    while failed(client) != ["2"]:
        assert served_by(client) == ("1", "1")
        count += 1
        assert time.monotonic() < deadline
    assert count > 20


def test_request_waits_for_the_trial_of_its_own_version_alone(
    folder: Path, fresh: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[str] = []
    is_tried, may_end = Event(), Event()

    def run(runner: TrialRunner, task: TrialTask, note: Note) -> TrialReport:
        runs.append(task.path.name)
        if task.path.name == "1.joblib":
            is_tried.set()
            assert may_end.wait(60)
        return TrialReport(0, is_late=False, result={"outcome": "passed"})

    def ask(label: str) -> Any:
        path = f"/iris/versions/{label}/predict/"
        return app.test_client().post(path, json=ROW).get_json()["predictions"]

    monkeypatch.setattr(TrialRunner, "run", run)
    put(folder, "0")
    put(folder, "2")
    app = serving(folder)
    with ThreadPoolExecutor(2) as pool:
        own = [pool.submit(ask, "1") for _ in range(2)]
        try:
            assert is_tried.wait(60)
            assert ask("0") == ["0"]
            put(folder, "3")
            refresh(app)
            assert served_by(app.test_client()) == ("3", "3")
            put(folder.parent / "other", "4")
            extension_of(app).register(Model(name="other", pipeline="other"))
            assert not any(each.done() for each in own)
        finally:
            may_end.set()
        assert [each.result() for each in own] == [["1"], ["1"]]
    assert runs == ["2.joblib", "1.joblib", "0.joblib", "3.joblib", "4.joblib"]


@NEEDS_POSIX
def test_time_and_memory_of_a_trial_are_limited(tmp_path: Path, started: list[str]) -> None:
    put(tmp_path / "iris", "1")
    put(tmp_path / "iris", "2", Calls(time.sleep, 600))
    put(tmp_path / "iris", "3", Calls(builtins.bytearray, 2 * 1024**3))
    app = serving(tmp_path / "iris", SKMODELS_TRIAL_SECONDS=1.5, SKMODELS_TRIAL_BYTES=1024**3)
    assert served_by(app.test_client()) == ("1", "1")
    assert "longer than 1.5 seconds: if it may take longer, raise" in reason_of(app, "2")
    assert "more than 1,073,741,824 bytes of memory" in reason_of(app, "3")


@pytest.mark.parametrize("end", [os._exit, sys.exit])
def test_process_that_ends_without_a_result(
    folder: Path, started: list[str], end: Callable[..., Any]
) -> None:
    put(folder, "2", Calls(end, 0))
    assert "ended without a result" in reason_of(serving(folder))


def test_single_file_that_kills_its_process_stops_the_start(
    tmp_path: Path, started: list[str]
) -> None:
    joblib.dump(Calls(os.abort), tmp_path / "iris.joblib")
    for _ in range(2):
        with pytest.raises(ArtifactError, match="killed the process of its trial"):
            serving(tmp_path / "iris", iris("iris.joblib"))
    assert len(started) == 1
    app = serving(tmp_path / "iris", iris("iris.joblib"), SKMODELS_LOADING="first-use")
    problem(app.test_client().post("/iris/predict/", json=ROW), 503)


def test_serve_tries_its_file(
    tmp_path: Path, started: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Flask, "auto_find_instance_path", lambda app: str(tmp_path))
    joblib.dump(Calls(os.abort), tmp_path / "iris.joblib")
    digest = "0" * 64
    with pytest.raises(ArtifactError, match="but its pin is"):
        serve(str(tmp_path / "iris.joblib"), sha256=digest)
    assert started == []  # nothing runs before the pin is checked
    digest = sha256((tmp_path / "iris.joblib").read_bytes()).hexdigest()
    with pytest.raises(ArtifactError, match="killed the process of its trial"):
        serve(str(tmp_path / "iris.joblib"), sha256=digest)
    assert started == ["iris.joblib"]


def test_serve_tries_its_file_once_with_all_methods(
    tmp_path: Path, started: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Flask, "auto_find_instance_path", lambda app: str(tmp_path))
    path = tmp_path / "iris.joblib"
    joblib.dump(constant("1"), path)
    app = serve(str(path), sha256=sha256(path.read_bytes()).hexdigest())
    for method in ("predict", "predict_proba"):
        assert app.test_client().post(f"/iris/{method}/", json=[[1, 2]]).status_code == 200
    assert started == ["iris.joblib"]


def test_pickle_that_is_not_trusted_is_not_tried(folder: Path, started: list[str]) -> None:
    app = Flask("untrusting", instance_path=str(folder.parent))
    app.config.update(SKMODELS_ROOT=folder.parent, SKMODELS_LOADING="first-use")
    SKModels(app).register(iris())
    problem(app.test_client().post("/iris/predict/", json=ROW), 503)
    assert started == []


def test_models_in_memory_have_no_trial(started: list[str], tmp_path: Path) -> None:
    app = Flask("memory", instance_path=str(tmp_path / "instance"))
    extension = SKModels(app)
    extension.add("iris", constant("1"), schema=FIELDS)
    assert served_from_memory(app) == "1"
    assert started == []
    assert not (tmp_path / "instance").exists()


def served_from_memory(app: Flask) -> Any:
    return app.test_client().post("/iris/predict/", json=ROW).get_json()["predictions"][0]


def test_command_check_tries_all_versions(folder: Path, started: list[str]) -> None:
    put(folder, "2", Calls(os.abort))
    app = serving(folder, SKMODELS_LOADING="first-use")
    result = app.test_cli_runner().invoke(args=["skmodels", "check"])
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert "iris 1: loads, engine lean; no examples" in lines
    (line,) = [line for line in lines if line.startswith("iris 2: ")]
    assert "it killed the process of its trial (SIGABRT)" in line


# The classes of a file


def test_class_of_main_is_refused_with_the_remedy(
    folder: Path, started: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Scaler(LinearRegression):
        pass

    Scaler.__module__, Scaler.__qualname__ = "__main__", "Scaler"
    monkeypatch.setattr(sys.modules["__main__"], "Scaler", Scaler, raising=False)
    put(folder, "2", Scaler().fit(np.eye(2), [1.0, 2.0]))
    app = serving(folder)
    assert served_by(app.test_client()) == ("1", "1")
    assert (
        "its trial in a process of its own cannot import __main__: move the classes of the file "
        "to a module that any process can import, or set SKMODELS_TRIAL to False"
    ) in reason_of(app)


APPLICATION = """
from flask import Flask
from sklearn.dummy import DummyClassifier
from flask_skmodels import Model, SKModels

class Mine(DummyClassifier):
    pass

app = Flask(__name__)
app.config.update(SKMODELS_ROOT={root!r}, SKMODELS_TRUST_PICKLE=True, SKMODELS_STATE_DIR={root!r})
models = SKModels(app)

@models.register
class Iris(Model):
    pipeline = "iris"
    schema = {{"a": {{}}, "b": {{}}}}
"""


@pytest.mark.full
def test_class_of_the_module_of_the_application(
    folder: Path, fresh: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trial imports that module for the class, and must not try or load anything there."""
    root = str(folder.parent)
    (folder.parent / "tried_app.py").write_text(APPLICATION.format(root=root), encoding="utf-8")
    mine = type("Mine", (DummyClassifier,), {"__module__": "tried_app"})
    stand_in = ModuleType("tried_app")
    monkeypatch.setattr(stand_in, "Mine", mine, raising=False)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "tried_app", stand_in)
        estimator = mine(strategy="constant", constant="2").fit(np.zeros((2, 2)), ["2", "2"])
        put(folder, "2", estimator)
    monkeypatch.syspath_prepend(root)
    module = importlib.import_module("tried_app")
    monkeypatch.delitem(sys.modules, "tried_app")
    assert served_by(module.app.test_client()) == ("2", "2")
    assert fresh == ["2.joblib"]


def test_declaration_that_is_code_stays_in_this_process(folder: Path, started: list[str]) -> None:
    class Doubled(Model):
        name, pipeline, examples = "iris", "iris", ([ROW])

        def predict(self, X: Any) -> Any:
            return super().predict(X)

    rules = {"a": {"coerce": lambda value: value, "min": 0}, "b": {"type": "number"}}
    app = serving(folder, Doubled(schema=rules))
    assert served_by(app.test_client()) == ("1", "1")
    assert started == ["1.joblib"]
    other = serving(folder, Doubled(schema={"a": {"min": 0}, "b": {"type": "number"}}))
    assert served_by(other.test_client()) == ("1", "1")
    assert started == ["1.joblib"]  # the same data, so the outcome is known


# The state directory


def test_good_version_is_tried_once_by_all_processes(folder: Path, started: list[str]) -> None:
    for _ in range(2):
        serving(folder)
    assert started == ["1.joblib"]
    assert records(folder) == [
        {"attempts": 1, "is_over": True, "refusal": None, "file": "1.joblib"}
    ]


def test_trial_that_never_ended_is_started_twice_at_most(
    folder: Path, started: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the server had killed the worker each time because it took too long to start."""

    def killed(runner: TrialRunner, task: TrialTask, note: Note) -> TrialReport:
        started.append(task.path.name)
        raise SystemExit(1)

    monkeypatch.setattr(TrialRunner, "run", killed)
    for _ in range(2):
        with pytest.raises(SystemExit):
            serving(folder)
    with pytest.raises(ArtifactError, match="its trial was started 2 times and never ended"):
        serving(folder)
    assert started == ["1.joblib"] * 2


def test_interrupt_from_the_keyboard_does_not_count(
    folder: Path, started: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(runner: TrialRunner, task: TrialTask, note: Note) -> TrialReport:
        raise KeyboardInterrupt

    monkeypatch.setattr(TrialRunner, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        serving(folder)
    assert records(folder) == []


def test_state_that_cannot_be_written_is_kept_in_memory(
    folder: Path, started: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    (folder.parent / "state").write_text("a file")
    put(folder, "2", Calls(os.abort))
    app = serving(folder)
    put(folder, "0")
    refresh(app)
    assert started == ["2.joblib", "1.joblib"]
    assert reason_of(app).endswith(
        "this file is not tried again. To try it again, restart the application"
    )
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len([w for w in warnings if "set SKMODELS_STATE_DIR to a folder that can" in w]) == 1


def test_good_outcome_does_not_replace_the_pin(tmp_path: Path, started: list[str]) -> None:
    path = put(tmp_path / "iris", "1")
    pinned = iris(Artifact("iris/1.joblib", sha256=sha256(path.read_bytes()).hexdigest()))
    serving(tmp_path / "iris", pinned)
    put(tmp_path / "iris", "1", constant("2"))
    with pytest.raises(ArtifactError, match="but its pin is"):
        serving(tmp_path / "iris", pinned)
    assert started == ["1.joblib"]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"attempts": "many"}', b'{"refusal": 1}'])
def test_record_that_cannot_be_read_is_as_none(
    folder: Path, started: list[str], content: bytes
) -> None:
    serving(folder)
    (record,) = (folder.parent / "state" / "skmodels-trials").glob("*.json")
    record.write_bytes(content)
    serving(folder)
    assert started == ["1.joblib"] * 2


@pytest.mark.parametrize("executable", ["python-missing", "/bin/false", "/bin/cat"])
def test_machine_that_cannot_start_python(
    folder: Path, fresh: list[str], monkeypatch: pytest.MonkeyPatch, executable: str
) -> None:
    monkeypatch.setattr(trial_runner, "_python", lambda: executable)
    with pytest.raises(ArtifactError, match=r"cannot be started \(.*SKMODELS_TRIAL to False"):
        serving(folder)
    assert records(folder) == []


def test_helper_that_cannot_import_the_library(
    folder: Path, fresh: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_runner, "_CODE", "import no_such_library")
    with pytest.raises(ArtifactError, match="No module named 'no_such_library'"):
        serving(folder)


def test_python_of_a_server_that_is_no_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spawn, "get_executable", lambda: "/usr/bin/uwsgi")
    assert Path(trial_runner._python()).name == "python3"


def test_trials_can_be_switched_off(folder: Path, started: list[str]) -> None:
    assert served_by(serving(folder, SKMODELS_TRIAL=False).test_client()) == ("1", "1")
    assert started == []


# In this process, for what another process does not show


def task_of(path: Path, content: Any, **attributes: Any) -> TrialTask:
    joblib.dump(content, path)
    digest = sha256(path.read_bytes()).hexdigest()
    policy = Policy(root=path.parent)
    limits = Limits(seconds=1.0, max_bytes=1024**3)
    return TrialTask.of(iris(**attributes), Artifact(path), policy, digest, limits)


class TooHungry(FailingEstimator):
    """Needs more memory than there is to predict."""

    def predict(self, X: Any) -> Any:
        raise ValueError("no memory") from MemoryError()


def test_outcome_of_a_file_that_does_not_load(tmp_path: Path) -> None:
    content = Calls(importlib.import_module, "no_such_module")
    outcome = try_version(task_of(tmp_path / "iris.joblib", content))
    assert (outcome["outcome"], outcome["module"]) == ("refused", "no_such_module")
    assert outcome["reason"].startswith("it cannot be loaded: ModuleNotFoundError")


def test_outcome_of_a_file_that_is_not_the_one_that_was_checked(tmp_path: Path) -> None:
    task = task_of(tmp_path / "iris.joblib", constant("1"))
    joblib.dump(Calls(os.abort), tmp_path / "iris.joblib")
    outcome = try_version(task)
    assert outcome["outcome"] == "refused"
    assert "but its pin is" in outcome["reason"]


@pytest.mark.parametrize(
    "attributes",
    [
        {"examples": [ROW]},
        {"examples": [{"a": "no number"}]},
        {"methods": ["predict", "predict_proba", "score_samples"]},  # some are the application's
        {"engine": "sklearn"},
    ],
)
def test_outcome_of_a_good_file(tmp_path: Path, attributes: dict[str, Any]) -> None:
    path = tmp_path / "iris.joblib"
    assert try_version(task_of(path, constant("1"), **attributes)) == {"outcome": "passed"}
    assert try_version(task_of(path, FailingEstimator().fit(0))) == {"outcome": "passed"}


def test_outcome_of_a_file_that_needs_too_much_memory_when_it_is_called(tmp_path: Path) -> None:
    task = task_of(tmp_path / "iris.joblib", TooHungry().fit(0), engine="sklearn")
    assert try_version(task) == {"outcome": "memory"}


# With several workers

SERVED = """
import os
from flask import Flask
from flask_skmodels import Model, SKModels

app = Flask(__name__)
app.config.update(SKMODELS_ROOT=os.getcwd(), SKMODELS_TRUST_PICKLE=True)
models = SKModels(app)
models.register(Model(name="iris", pipeline="iris", schema={"a": {}, "b": {}}))

@app.after_request
def name_worker(response):
    response.headers["X-Worker"] = str(os.getpid())
    return response
"""


@pytest.mark.full
@FORK
def test_workers_share_a_trial_and_a_restarted_one_does_not_repeat_it(folder: Path) -> None:
    put(folder, "2", Calls(os.abort))
    with gunicorn(folder.parent, SERVED) as server:
        workers = ask_each(server, 2, "/iris/predict/", ROW)
        assert {response.version for response in workers.values()} == {"1"}
        os.kill(min(workers), signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE
        while set(ask_each(server, 2, "/iris/predict/", ROW)) == set(workers):
            assert time.monotonic() < deadline
    state = folder.parent / "instance" / "skmodels-trials"
    found = [json.loads(path.read_bytes()) for path in state.glob("*.json")]
    assert sorted((each["file"], each["attempts"]) for each in found) == [
        ("1.joblib", 1),
        ("2.joblib", 1),
    ]


@pytest.mark.full
@FORK
def test_outcome_is_kept_if_the_worker_is_killed(folder: Path) -> None:
    put(folder, "1", Calls(time.sleep, 600))
    (folder.parent / "slow_app.py").write_text(
        SERVED.replace("app.config.update(", "app.config.update(SKMODELS_TRIAL_SECONDS=3, "),
        encoding="utf-8",
    )
    state = folder.parent / "instance" / "skmodels-trials"
    deadline = time.monotonic() + PATIENCE
    worker = subprocess.Popen(
        [sys.executable, "-c", "import slow_app"],
        cwd=folder.parent,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.DEVNULL,
    )
    with worker:
        while not list(state.glob("*.json")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.5)  # the task is sent
        worker.kill()
    while not json.loads(next(state.glob("*.json")).read_bytes())["is_over"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    record = json.loads(next(state.glob("*.json")).read_bytes())
    assert "longer than 3 seconds" in record["refusal"]
