"""All commands of ``flask skmodels``: help, names of models, errors, several extensions."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import click
import joblib
import pytest
from click.testing import CliRunner
from flask import Flask
from flask.cli import ScriptInfo
from sklearn.base import BaseEstimator, RegressorMixin

from flask_skmodels import Artifact, ArtifactError, Model, SKModels
from flask_skmodels.cli.commands import COMMANDS, commands
from flask_skmodels.testing import record_signals
from tests.support.command_line import error, flask_process, output, run
from tests.support.helpers import SCHEMA, SETOSA, X, Y
from tests.support.versions_folder import (
    application,
    iris,
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name or "")
def test_help_has_an_example(app: Flask, command: Any) -> None:
    shown = output(app, command.name, "--help")
    assert f"flask skmodels {command.name}" in shown.partition("Example")[2]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name or "")
def test_every_command_can_print_json(command: Any) -> None:
    assert "--json" in {option for each in command.params for option in each.opts}


@pytest.fixture
def file(tmp_path: Path, pipeline: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model file in the working directory."""
    monkeypatch.chdir(tmp_path)
    joblib.dump(pipeline, "iris.joblib")
    Path("rows.csv").write_text(",".join(SETOSA) + "\n5.1,3.5,1.4,0.2\n")
    return tmp_path / "iris.joblib"


QUIET: dict[str, list[str]] = {
    "list": [],
    "show": ["iris"],
    "check": [],
    "doctor": [],
    "openapi": [],
    "pin": ["iris.joblib"],
    "convert": ["iris.joblib", "iris.skops"],
    "new": ["flower", "iris.joblib"],
    "bench": ["iris", "--rows", "1", "--seconds", "0.01"],
    "reload": [],
    "profile": ["iris", "rows.csv"],
}


def test_commands_that_need_a_server_are_tested_elsewhere() -> None:
    names = {command.name for command in COMMANDS}
    assert names - QUIET.keys() == {"predict", "score", "compare", "drift"}


@pytest.mark.parametrize("command", QUIET)
def test_json_is_one_document_and_no_receiver_hears_of_it(file: Path, command: str) -> None:
    """Also not of the load of the application, which the command causes."""

    def create_app() -> Flask:
        app = Flask("quiet", root_path=str(file.parent))
        app.config["SKMODELS_TRUST_PICKLE"] = True
        models = SKModels(app)
        models.add("iris", Artifact("iris.joblib"), schema=SCHEMA, examples=[SETOSA])
        return app

    with record_signals() as signals:
        result = CliRunner().invoke(
            commands,
            [command, *QUIET[command], "--json"],
            obj=ScriptInfo(create_app=create_app),
            prog_name="skmodels",
        )
    assert result.exit_code == 0, result.output
    assert isinstance(json.loads(result.stdout), dict)
    assert result.stdout.endswith("}\n")
    assert signals.names == []


class Zero(RegressorMixin, BaseEstimator):
    """An estimator of one's own, which no lean form knows."""

    def fit(self, X: Any, y: Any) -> Zero:
        self.n_features_in_ = len(X[0])
        return self

    def predict(self, X: Any) -> Any:
        return [0.0] * len(X)


@pytest.mark.parametrize(("command", "is_printed"), [("check", True), ("list", False)])
def test_reason_of_an_engine_is_printed_by_check_alone(
    command: str, is_printed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def create_app() -> Flask:
        app = Flask("slow")
        SKModels(app).add("zero", Zero().fit(X, Y))
        return app

    with caplog.at_level(logging.INFO, "flask_skmodels"):
        result = CliRunner().invoke(commands, [command], obj=ScriptInfo(create_app=create_app))
    assert result.exit_code == 0, result.output
    reason = "Zero has no lean form"
    assert (reason in result.output) is is_printed
    assert (reason in caplog.text) is is_printed


@pytest.mark.parametrize("command", ["reload", "compare"])
def test_unknown_name(folder: Path, command: str) -> None:
    result = run(application(iris(), root=folder.parent), command, "rose")
    assert (result.exit_code, result.output) == (
        1,
        "Error: there is no model named 'rose'. Registered models: iris\n",
    )


def test_error_of_an_unknown_model_lists_the_known_ones(app: Flask) -> None:
    for command in ("show", "predict", "bench"):
        assert (
            error(app, command, "rose") == "there is no model named 'rose'. Registered models: iris"
        )


def test_application_without_models_is_an_error() -> None:
    bare = Flask("bare")
    bare.cli.add_command(commands)
    assert error(bare, "list") == (
        "the application 'bare' has no models: call SKModels().init_app(app)"
    )


@pytest.mark.parametrize(
    ("app", "command"),
    [
        ("broken.py", ("skmodels", "check")),
        pytest.param("broken.py", ("routes",), marks=pytest.mark.full),
        pytest.param('flask_skmodels:serve("none.skops")', ("run",), marks=pytest.mark.full),
    ],
)
def test_application_that_cannot_be_loaded_is_an_error_of_one_line(
    tmp_path: Path, app: str, command: tuple[str, ...]
) -> None:
    module = "from flask_skmodels import serve\napp = serve('none.skops')\n"
    (tmp_path / "broken.py").write_text(module)
    done = flask_process("--app", app, *command, folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "none.skops: there is no such file or folder" in done.stderr


def test_error_in_the_command_of_another_library_has_one_line(tmp_path: Path) -> None:
    app = Flask("broken", root_path=str(tmp_path))
    with click.Context(click.Command("run")), pytest.raises(ArtifactError) as caught:
        SKModels(app).add("iris", Artifact(tmp_path / "none.skops"))
    error: Any = caught.value
    assert isinstance(error, click.ClickException)
    assert error.format_message().endswith("none.skops: there is no such file or folder")


def test_commands_are_named_after_the_extension(folder: Path) -> None:
    app = Flask("two")
    SKModels(app)
    SKModels(app, name="internal", url_prefix="/internal")
    for name in ("skmodels", "internal"):
        result = app.test_cli_runner().invoke(args=[name, "--help"])
        assert result.exit_code == 0
        assert {"reload", "compare"} <= set(result.output.split())


def test_commands_use_their_own_extension(pipeline: Any) -> None:
    app = Flask("two")
    first, second = SKModels(app), SKModels(app, name="other", url_prefix="/other")
    first.register(Model(name="a", pipeline=pipeline))
    second.register(Model(name="b", pipeline=pipeline))
    runner = app.test_cli_runner()
    assert runner.invoke(args=["skmodels", "list"]).output.splitlines()[1].startswith("a ")
    assert runner.invoke(args=["other", "list"]).output.splitlines()[1].startswith("b ")
