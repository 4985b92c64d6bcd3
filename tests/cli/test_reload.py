"""``flask skmodels reload``."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_skmodels import model_loaded
from tests.support.command_line import run
from tests.support.versions_folder import (
    FIELDS,
    application,
    constant,
    extension_of,
    iris,
    is_root,
    put,
    served_by,
)


def test_reload_reaches_another_application(folder: Path) -> None:
    serving, asking = (application(iris(), root=folder.parent) for _ in range(2))
    assert extension_of(serving) is not extension_of(asking)
    client = serving.test_client()
    put(folder, "2")
    assert served_by(client) == ("1", "1")
    swapped = threading.Event()

    def note(sender: Flask, version: str, **extra: Any) -> None:
        if sender is serving and version == "2":
            swapped.set()

    with model_loaded.connected_to(note):
        result = run(asking, "reload", "iris")
        assert (result.exit_code, result.output) == (0, "iris: reload requested\n")
        served_by(client)
        assert swapped.wait(10)
    assert served_by(client) == ("2", "2")


def test_reload_during_a_poll(folder: Path) -> None:
    """A reload that is requested during a poll is not lost."""
    app = application(iris(), root=folder.parent)
    entered, leave, again = (threading.Event() for _ in range(3))

    def note(sender: Flask, version: str, **extra: Any) -> None:
        if version == "2":
            entered.set()
            assert leave.wait(10)
        else:
            again.set()

    client = app.test_client()
    with model_loaded.connected_to(note):
        put(folder, "2")
        run(app, "reload")
        served_by(client)
        assert entered.wait(10)
        put(folder, "3")
        marker = folder / ".reload"
        before = marker.stat().st_mtime_ns
        while marker.stat().st_mtime_ns == before:  # the clock of the files may be coarse
            run(app, "reload")
        served_by(client)
        leave.set()
        while not again.is_set():
            served_by(client)
            again.wait(0.01)
    assert served_by(client) == ("3", "3")


def test_reload_of_all_models(folder: Path) -> None:
    app = application(iris(), root=folder.parent)
    models = extension_of(app)
    models.add("memory", constant("m"), schema=FIELDS)
    models.add("file", folder / "1.joblib", schema=FIELDS)
    result = run(app, "reload")
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "iris: reload requested",
        "memory: not a folder of versions, nothing to reload",
        "file: not a folder of versions, nothing to reload",
    ]
    assert (folder / ".reload").exists()


@pytest.mark.skipif(is_root(), reason="root may write into every folder")
def test_reload_of_a_read_only_folder(folder: Path) -> None:
    app = application(iris(), root=folder.parent)
    folder.chmod(0o500)
    try:
        result = run(app, "reload")
    finally:
        folder.chmod(0o700)
    assert result.exit_code == 1
    assert result.output == f"Error: {folder / '.reload'}: cannot be written: Permission denied\n"


def test_reload_of_a_folder_that_cannot_be_written(folder: Path) -> None:
    app = application(iris(), root=folder.parent)
    (folder / "1.joblib").unlink()
    folder.rmdir()
    result = run(app, "reload")
    assert result.exit_code == 1
    assert f"{folder / '.reload'}: cannot be written" in result.output


def test_unknown_name_reloads_nothing(folder: Path) -> None:
    assert run(application(iris(), root=folder.parent), "reload", "iris", "rose").exit_code == 1
    assert not (folder / ".reload").exists()
