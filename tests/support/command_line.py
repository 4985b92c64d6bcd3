"""Commands of ``flask skmodels`` run in a test, in this process or in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from flask_skmodels.codecs import registration

ROOT = Path(__file__).parent.parent.parent
# The extension that tests register as an entry point comes from the installed distribution.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}


def run(app: Flask, *arguments: str, stdin: Any = None) -> Result:
    """Run a command of an application."""
    return app.test_cli_runner().invoke(args=["skmodels", *arguments], input=stdin)


def output(app: Flask, *arguments: str, stdin: Any = None) -> str:
    """Return the output of a command that must succeed."""
    result = run(app, *arguments, stdin=stdin)
    assert result.exit_code == 0, result.output
    return result.output


def error(app: Flask, *arguments: str, stdin: Any = None) -> str:
    """Return the error message of a command that must fail."""
    result = run(app, *arguments, stdin=stdin)
    assert result.exit_code == 1, result.output
    assert result.output.startswith("Error: ")
    return result.output.removeprefix("Error: ").removesuffix("\n")


def flask(*arguments: str, stdin: str = "") -> str:
    """Return the output of the flask command in a process of its own."""
    done = flask_process(*arguments, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout


def flask_process(
    *arguments: str, stdin: str = "", folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the flask command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "flask", *arguments],
        input=stdin,
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def without_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the Arrow format unavailable, as if pyarrow were not installed."""
    arrow = registration._CODECS["application/vnd.apache.arrow.stream"]
    monkeypatch.delitem(registration._CODECS, arrow.media_type)
    monkeypatch.setitem(registration._MISSING, arrow.media_type, arrow)


def schema_of(names: str) -> list[dict[str, Any]]:
    """Return a schema with one field for each letter."""
    return [{"name": name} for name in names]
