"""The commands on a real terminal and in a pipe: width, color, progress, completion, exit codes."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import click
import pytest
from click.shell_completion import BashComplete
from flask import Flask
from flask.cli import FlaskGroup, ScriptInfo

from flask_skmodels import SKModels
from flask_skmodels.cli import drift, score, terminal
from flask_skmodels.cli.commands import COMMANDS
from flask_skmodels.versions.trial_task import IN_TRIAL
from tests.support.command_line import ENVIRONMENT, flask_process
from tests.support.documentation import page

APPLICATION = """
import time
from flask import Flask
from sklearn.dummy import DummyClassifier
from flask_skmodels import KeyValueModel, SKModels

models = SKModels()

@models.register
class Iris(KeyValueModel):
    \"\"\"A description that is much longer than what is left of a line of eighty columns.\"\"\"
    pipeline = DummyClassifier().fit([[1.0]], [1])
    schema = {"a_field_with_a_name": {"min": 0}}
    examples = [[1.0]]

    def predict(self, X):
        time.sleep(DELAY)
        return self.pipeline.predict(X)

models.add("irises", Iris.pipeline)
app = Flask(__name__)
models.init_app(app)
"""


@pytest.fixture
def application(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(f"DELAY = 0\n{APPLICATION}", encoding="utf-8")
    return tmp_path


def on_terminal(folder: Path, *arguments: str, width: int = 80, **environment: str) -> str:
    """Return what a command of flask writes on a terminal."""
    main, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", *arguments],
        cwd=folder,
        env={**{k: v for k, v in ENVIRONMENT.items() if k != "NO_COLOR"}, **environment},
        stdin=other,
        stdout=other,
        stderr=other,
    )
    os.close(other)
    written = b""
    while True:
        try:
            part = os.read(main, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        written += part
    os.close(main)
    assert process.wait(60) == 0, written
    return written.decode()


@pytest.mark.full
def test_table_fits_the_terminal_and_is_whole_in_a_pipe(application: Path) -> None:
    shown = on_terminal(application, "skmodels", "list")
    plain = re.sub(r"\033\[[0-9;]*m", "", shown)
    assert max(map(len, plain.splitlines())) <= 80
    assert "…" in plain
    assert "\033[1m" in shown  # a bold head
    piped = flask_process("skmodels", "list", folder=application).stdout
    assert "what is left of a line of eighty columns." in piped
    assert "\033[" not in piped


@pytest.mark.full
def test_no_color_is_respected(application: Path) -> None:
    shown = on_terminal(application, "skmodels", "list", NO_COLOR="1")
    assert "\033[" not in shown


@pytest.mark.usefixtures("measured_processes")
@pytest.mark.full
def test_progress_of_what_takes_longer_than_a_second(application: Path) -> None:
    (application / "app.py").write_text(f"DELAY = 1.5\n{APPLICATION}", encoding="utf-8")
    shown = on_terminal(application, "skmodels", "check")
    assert "checking iris, 1 s" in shown
    assert "checking irises" not in shown  # it is fast
    piped = flask_process("skmodels", "check", folder=application)
    assert "checking" not in piped.stdout + piped.stderr


@pytest.mark.full
def test_shell_completes_commands_and_names_of_models(application: Path) -> None:
    def completed(*words: str) -> set[str]:
        done = subprocess.run(
            [Path(sys.executable).with_name("flask")],
            cwd=application,
            env={
                **ENVIRONMENT,
                "_FLASK_COMPLETE": "bash_complete",
                "COMP_WORDS": " ".join(("flask", *words)),
                "COMP_CWORD": str(len(words)),
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return {line.partition(",")[2] for line in done.stdout.splitlines() if "," in line}

    assert {"doctor", "drift"} <= completed("skmodels", "d")
    assert completed("skmodels", "show", "ir") == {"iris", "irises"}
    (application / "app.py").write_text("1 / 0\n")
    assert completed("skmodels", "show", "ir") == set()


def test_names_of_models_complete_an_argument(
    pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = Flask("complete")
    models = SKModels(app)
    models.add("iris", pipeline)
    models.add("irises", pipeline)
    monkeypatch.setenv(IN_TRIAL, "1")

    def completed(load: Any, incomplete: str) -> list[str]:
        script = ScriptInfo(create_app=load)
        shell = BashComplete(FlaskGroup(), {"obj": script}, "flask", "_FLASK_COMPLETE")
        return [each.value for each in shell.get_completions(["skmodels", "show"], incomplete)]

    assert completed(lambda: app, "ir") == ["iris", "irises"]
    assert completed(lambda: app, "x") == []
    assert completed(lambda: Flask("none"), "ir") == []
    assert completed(lambda: 1 / 0, "ir") == []


def test_widest_columns_are_cut_first() -> None:
    assert terminal._fitted([4, 30, 20], 100) == [4, 30, 20]
    assert sum(terminal._fitted([4, 30, 20], 40)) + 4 == 40
    assert terminal._fitted([4, 30, 20], 40)[0] == 4
    assert terminal._fitted([20, 20], 5) == [8, 8]


def test_each_command_has_json() -> None:
    def options(command: click.Command) -> set[Any]:
        return {option for each in command.params for option in each.opts}

    assert [each.name for each in COMMANDS if "--json" not in options(each)] == []


def test_exit_codes_are_in_one_table() -> None:
    table = page("cli").partition("Exit codes\n")[2].partition("Predict without a server")[0]
    codes = set(map(int, re.findall(r"^``(\d+)``", table, re.MULTILINE)))
    assert codes == {0, 1, 2, drift.DRIFTED, score.TOO_MANY_REJECTS, score.INTERRUPTED}


def test_page_lists_each_command() -> None:
    listed = re.findall(r"^``([a-z]+)[` ]", page("cli"), re.MULTILINE)
    assert set(listed) >= {str(command.name) for command in COMMANDS}
