"""Every exception of a load is a failed version, which is reported while the older one serves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_skmodels import ArtifactError, model_load_failed
from flask_skmodels.artifacts.declaration import Artifact, Policy, resolve
from flask_skmodels.artifacts.loading import checked_file
from flask_skmodels.versions import compatibility, discovery, loaded_files, loader
from tests.support.helpers import problem
from tests.support.versions_folder import (
    ROW,
    application,
    deployment_of,
    failed,
    iris,
    put,
    refresh,
    served_by,
)

ERRORS = (
    *(MemoryError(), RecursionError("deep"), OSError(5, "Input/output error")),
    *(ValueError("embedded null byte"), SystemError("of an extension")),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    put(tmp_path / "iris", "1")
    return tmp_path / "iris"


@pytest.fixture
def heard() -> list[tuple[str | None, str]]:
    """The versions that have failed, with the messages of their exceptions."""
    found: list[tuple[str | None, str]] = []

    def hear(sender: Flask, version: str | None, exception: Exception, **extra: Any) -> None:
        found.append((version, str(exception)))

    model_load_failed.connect(hear, weak=False)
    return found


def only_for(name: str, error: Exception, real: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that raises for one file and is the real one for the others."""

    def loaded(artifact: Artifact, policy: Policy, *more: Any) -> Any:
        if resolve(artifact, policy).name == name:
            raise error
        return real(artifact, policy, *more)

    return loaded


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("at_start", [True, False])
def test_error_of_the_loader(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    heard: list[tuple[str | None, str]],
    error: Exception,
    at_start: bool,
) -> None:
    only = only_for("2.joblib", error, checked_file)
    monkeypatch.setattr(loaded_files, "checked_file", only)
    if at_start:
        put(folder, "2")
    app = application(iris(), root=folder.parent)
    if not at_start:
        put(folder, "2")
        refresh(app)
    client = app.test_client()
    assert served_by(client) == ("1", "1")
    assert failed(client) == ["2"]
    problem(client.post("/iris/versions/2/predict/", json=ROW), 503)
    ((label, message),) = heard
    assert label == "2"
    assert message.startswith("model 'iris': ")
    assert f"it cannot be loaded: {type(error).__name__}" in message


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_error_of_a_check(folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    app = application(iris(), root=folder.parent)
    client = app.test_client()
    assert served_by(client) == ("1", "1")

    def check(*arguments: Any) -> None:
        raise error

    monkeypatch.setattr(compatibility.Compatibility, "check", check)
    put(folder, "2")
    refresh(app)
    assert served_by(client) == ("1", "1")
    assert failed(client) == ["2"]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_error_of_the_only_version(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def raising(*arguments: Any) -> None:
        raise error

    monkeypatch.setattr(loader, "ModelVersion", raising)
    with pytest.raises(ArtifactError, match=r"model 'iris': .*1\.joblib: it cannot be served"):
        application(iris(), root=folder.parent)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_error_of_the_list_of_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    app = application(iris(), root=folder.parent)

    def find(*arguments: Any) -> None:
        raise error

    monkeypatch.setattr(discovery, "find", find)
    refresh(app)
    client = app.test_client()
    assert served_by(client) == ("1", "1")
    assert failed(client) == [None]
    assert "it cannot be listed: " in deployment_of(app).versions.failures[None]
