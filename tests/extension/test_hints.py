"""How to install an extra, for each way to install the library."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from shlex import quote

import pytest

from flask_skmodels import hints

Install = Callable[[object], None]


class Installed:
    """A distribution with the record that pip writes of its origin."""

    def __init__(self, origin: object) -> None:
        self._text = None if origin is None else json.dumps(origin)

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return self._text


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Install:
    """Return a function that makes the library one that was copied from an origin."""

    def pretend(origin: object) -> None:
        monkeypatch.setattr(hints, "which", lambda name: str(Path(sys.executable).with_name(name)))
        monkeypatch.setattr(hints, "distribution", lambda name: Installed(origin))
        monkeypatch.setattr(hints, "__file__", str(tmp_path / "flask_skmodels" / "hints.py"))
        monkeypatch.setattr(hints, "_origin", hints._origin.__wrapped__)

    return pretend


@pytest.mark.parametrize(
    ("origin", "line"),
    [
        (None, "pip install 'Flask-SKModels[skops]'"),
        ({"url": "file:///opt/my%20code", "dir_info": {}}, "pip install '/opt/my code[skops]'"),
        (
            {"url": "https://git/x.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "pip install 'Flask-SKModels[skops] @ git+https://git/x.git@abc'",
        ),
        (
            {"url": "file:///tmp/x.whl", "archive_info": {}},
            "pip install 'Flask-SKModels[skops] @ file:///tmp/x.whl'",
        ),
    ],
)
def test_line_is_true_for_the_origin(origin: object, line: str, install: Install) -> None:
    install(origin)
    assert hints.install_line("skops") == line


def test_line_of_a_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    monkeypatch.setattr(hints, "which", lambda name: str(Path(sys.executable).with_name(name)))
    folder = Path(hints.__file__).resolve().parent.parent
    assert hints.install_line("skops") == f"pip install -e {quote(f'{folder}[skops]')}"
    monkeypatch.chdir(folder)
    assert hints.install_line("arrow,skops") == "pip install -e '.[arrow,skops]'"


@pytest.mark.parametrize("pip", [None, "/usr/bin/pip"])
def test_line_installs_for_the_python_that_runs(
    monkeypatch: pytest.MonkeyPatch, pip: str | None
) -> None:
    """A virtual environment that is not activated is not the one of the first pip on the path."""
    monkeypatch.setattr(hints, "which", lambda name: pip)
    start = f"{quote(sys.executable)} -m pip install "
    assert hints.install_line("skops").startswith(start)
    assert hints.install_line("skops", is_upgrade=True).startswith(f"{start}-U ")
    assert hints.pip_install("polars") == f"{start}polars"


def test_no_message_has_a_line_of_its_own() -> None:
    """Only the function knows where the library came from."""
    package = Path(hints.__file__).parent
    sources = [path for path in package.rglob("*.py") if path.name != "hints.py"]
    assert [path for path in sources if "pip install" in path.read_text(encoding="utf-8")] == []
