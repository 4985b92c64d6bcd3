"""``flask skmodels doctor``."""

from __future__ import annotations

import json
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import joblib
import pytest
from click.testing import CliRunner
from flask import Flask
from flask.cli import ScriptInfo
from flask_wtf import CSRFProtect
from sklearn.neighbors import KNeighborsClassifier

from flask_skmodels import SKModels
from flask_skmodels.cli import diagnosis
from flask_skmodels.cli.commands import commands
from flask_skmodels.cli.server_settings import ServerSettings, server_settings
from tests.support.command_line import ROOT, run
from tests.support.helpers import X, Y


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)
    monkeypatch.delenv("GUNICORN_CMD_ARGS", raising=False)
    return tmp_path


def hosting(**config: Any) -> tuple[Flask, SKModels]:
    app = Flask("host")
    app.config.update({"SECRET_KEY": "long enough for this test"} | config)
    return app, SKModels(app)


def document_of(app: Flask, status: int = 0) -> Any:
    """Return the document of the command."""
    result = run(app, "doctor", "--json")
    assert result.exit_code == status, result.output
    return json.loads(result.output)


def test_doctor_fits_on_a_screen(pipeline: Any) -> None:
    app, models = hosting(SKMODELS_MAX_ROWS=10)
    models.add("iris", pipeline)
    result = run(app, "doctor")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert len(lines) <= 40
    titles = [line for line in lines if not line.startswith(" ")]
    assert titles[:3] == ["Installed", "Extras", "Models"]
    assert "  SKMODELS_MAX_ROWS = 10" in lines
    assert titles[-2:] == ["Unsafe", "Problems"]
    assert lines[-1] == "  none"


def test_doctor_says_which_engine_runs_and_why(pipeline: Any) -> None:
    app, models = hosting()
    models.add("iris", pipeline)
    models.add("near", KNeighborsClassifier(metric="cosine").fit(X, Y))
    engines = {each["name"]: each for each in document_of(app)["models"]}
    assert (engines["iris"]["engine"], engines["iris"]["reason"]) == ("lean", None)
    assert engines["near"]["engine"] == "sklearn"
    assert engines["near"]["reason"]


def test_extras_are_those_of_the_project() -> None:
    parser = ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = parser["options.extras_require"]
    others = {"all", "test", "test-foreign", "lint", "docs"}
    assert set(diagnosis.EXTRAS) == set(extras) - others
    counts = {name: len(extras[name].split()) for name in diagnosis.EXTRAS}
    assert counts == {name: len(modules) for name, (_, modules) in diagnosis.EXTRAS.items()}


def test_missing_extra_is_named_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(diagnosis.EXTRAS, "fast", ("speed", ("nowhere.at_all",)))
    app, _ = hosting()
    [fast] = [each for each in document_of(app)["extras"] if each["name"] == "fast"]
    assert not fast["installed"]
    assert "pip install" in fast["install"]
    assert (
        f"fast  not installed; it adds speed. To install it: {fast['install']}"
        in run(app, "doctor").output
    )


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"SKMODELS_TRUST_PICKLE": True}, "SKMODELS_TRUST_PICKLE loads pickles"),
        ({"SKMODELS_TRIAL": False}, "SKMODELS_TRIAL is off"),
        ({"SKMODELS_VERSION_MISMATCH": "warn"}, "SKMODELS_VERSION_MISMATCH accepts"),
        (
            {"SKMODELS_LOG_PREDICTIONS": True, "SKMODELS_LOG_HIDDEN_FIELDS": []},
            "SKMODELS_LOG_PREDICTIONS writes",
        ),
        ({"SECRET_KEY": None}, "SECRET_KEY is not set: forms"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY has fewer than 16 characters"),
    ],
)
def test_unsafe_settings_are_named(config: dict[str, Any], said: str) -> None:
    app, _ = hosting(**config)
    [warning] = document_of(app)["warnings"]
    assert said in warning


def test_debug_mode_is_unsafe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_DEBUG", "1")
    assert document_of(hosting()[0])["warnings"][0].startswith("debug mode is on")


def test_models_without_a_login_are_named(pipeline: Any) -> None:
    app, models = hosting()
    models.add("iris", pipeline)
    models.add("guarded", pipeline, decorators=[lambda view: view])
    [warning] = document_of(app)["warnings"]
    assert warning.startswith("the pages and predictions of iris are open without a login")
    assert "before_request" not in warning
    app.before_request(lambda: None)
    assert "before_request" in document_of(app)["warnings"][0]
    guarded = Flask("guarded", root_path="/")
    guarded.secret_key = "long enough for this test"
    SKModels(guarded, decorators=[lambda view: view]).add("iris", pipeline)
    assert document_of(guarded)["warnings"] == []


def test_secret_key_of_an_application_with_a_token() -> None:
    app, _ = hosting(SECRET_KEY=None)
    CSRFProtect(app)
    assert "SECRET_KEY is not set" in document_of(app)["warnings"][0]


def test_model_that_cannot_be_loaded_is_a_problem(pipeline: Any, tmp_path: Path) -> None:
    joblib.dump(pipeline, tmp_path / "1.joblib")
    (tmp_path / "2.joblib").write_bytes(b"broken")
    app, models = hosting(SKMODELS_TRUST_PICKLE=True)
    models.add("iris", str(tmp_path))
    problems = document_of(app, status=1)["problems"]
    assert problems[0].startswith("version 2 of model 'iris' failed: ")
    app, models = hosting(SKMODELS_LOADING="first-use")
    models.add("iris", "/nowhere/iris.skops")
    [problem] = document_of(app, status=1)["problems"]
    assert problem.startswith("model 'iris' cannot be served: ")


def test_application_that_cannot_be_loaded_is_a_problem() -> None:
    def broken() -> Flask:
        raise ZeroDivisionError("division by zero")

    script = ScriptInfo(create_app=broken)
    result = CliRunner().invoke(commands, ["doctor"], obj=script)
    assert result.exit_code == 1
    assert result.stdout.startswith("Installed\n")
    assert "the application raises ZeroDivisionError: division by zero" in result.stdout


def test_application_that_is_not_named_is_a_problem(empty_folder: Path) -> None:
    result = CliRunner().invoke(commands, ["doctor", "--json"], obj=ScriptInfo())
    assert result.exit_code == 1
    [problem] = json.loads(result.stdout)["problems"]
    assert problem.startswith("the application cannot be loaded: Could not locate a Flask")


def test_application_without_models_is_a_problem() -> None:
    bare = Flask("bare")
    bare.cli.add_command(commands)
    assert document_of(bare, status=1)["problems"] == [
        "the application 'bare' has no models: call SKModels().init_app(app)"
    ]


# The settings of the server


def test_settings_of_gunicorn_are_read_and_not_run(
    empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert server_settings(empty_folder) == ServerSettings()
    monkeypatch.setenv("WEB_CONCURRENCY", "3")
    assert server_settings(empty_folder) == ServerSettings(3, None, False, "WEB_CONCURRENCY")
    (empty_folder / "gunicorn.conf.py").write_text(
        "import nothing_that_exists\nworkers = 2\nthreads = 8\npreload_app = True\n"
    )
    found = server_settings(empty_folder)
    assert (found.workers, found.threads, found.preload) == (2, 8, True)
    assert found.source == "WEB_CONCURRENCY, gunicorn.conf.py"
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "-w 5 --threads=4")
    found = server_settings(empty_folder)
    assert (found.workers, found.threads, found.preload) == (5, 4, True)
    (empty_folder / "gunicorn.conf.py").write_text("workers = f()\n")
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--preload 'unclosed")
    assert server_settings(empty_folder).workers is None


def test_memory_of_all_workers(empty_folder: Path, pipeline: Any) -> None:
    app, models = hosting()
    models.add("iris", pipeline)
    assert "no settings of gunicorn here" in run(app, "doctor").output
    (empty_folder / "gunicorn.conf.py").write_text("workers = 4\nthreads = 2\n")
    memory = document_of(app)["memory"]
    assert memory["all_workers"] == pytest.approx(4 * memory["process"], rel=0.1)
    assert memory["bodies"] == 4 * 2 * 64 * 1024 * 1024
    output = run(app, "doctor").output
    assert "4 workers with 2 threads each (gunicorn.conf.py)" in output
    assert "with preload_app = True they would share the models" in output
