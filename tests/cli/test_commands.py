"""All commands of ``flask skmodels``: help, names of models, errors, several extensions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_skmodels import Model, SKModels
from flask_skmodels.cli.commands import COMMANDS, commands
from tests.support.command_line import error, flask_process, output, run
from tests.support.versions_folder import (
    application,
    iris,
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name or "")
def test_help_has_an_example(app: Flask, command: Any) -> None:
    shown = output(app, command.name, "--help")
    assert f"flask skmodels {command.name}" in shown.partition("Example")[2]


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
