"""The states of a folder of versions, and the transitions between them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_skmodels import ArtifactError
from flask_skmodels.versions.folder import VersionFolder
from flask_skmodels.versions.lifecycle import Absent, Down, LifecycleState, Live, Unloaded, Unproven
from tests.support.versions_folder import ROW, application, deployment_of, iris, put


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    return Flask("states")


def folder_of(root: Path, **config: Any) -> VersionFolder:
    """Return the versions of the model iris, whose example is checked by the first request."""
    app = application(iris(examples=[ROW]), root=root, **config)
    versions = deployment_of(app).versions
    assert isinstance(versions, VersionFolder)
    return versions


def state_of(versions: VersionFolder) -> LifecycleState:
    return versions._state


def test_from_startup_to_unloaded_and_back(app: Flask, tmp_path: Path) -> None:
    put(tmp_path / "iris", "1")
    versions = folder_of(tmp_path)
    assert isinstance(state_of(versions), Unproven)
    first = versions.current(app)
    assert state_of(versions) == Live(first, versions._files["1"])
    versions.unload()
    state = state_of(versions)
    assert isinstance(state, Unloaded)
    assert (state.label, state.version, versions.live) == ("1", None, None)
    assert versions.current(app) is not first
    assert isinstance(state_of(versions), Live)


def test_unproven_version_that_is_unloaded_is_absent(tmp_path: Path) -> None:
    put(tmp_path / "iris", "1")
    versions = folder_of(tmp_path)
    versions.unload()
    assert state_of(versions) == Absent()


def test_newer_version_replaces_the_live_one(app: Flask, tmp_path: Path) -> None:
    put(tmp_path / "iris", "1")
    versions = folder_of(tmp_path)
    versions.current(app)
    put(tmp_path / "iris", "2")
    versions.refresh(app)
    state = state_of(versions)
    assert isinstance(state, Live)
    assert state.label == "2"


def test_model_is_down_until_a_version_can_be_loaded(app: Flask, tmp_path: Path) -> None:
    versions = folder_of(tmp_path, SKMODELS_LOADING="first-use")
    assert state_of(versions) == Absent()
    with pytest.raises(ArtifactError):
        versions.current(app)
    assert state_of(versions) == Down(last=None)
    assert versions.is_down
    versions.unload()
    assert versions.is_down
    put(tmp_path / "iris", "1")
    versions.refresh(app)
    assert isinstance(state_of(versions), Live)
    assert not versions.is_down


def test_model_that_is_down_remembers_what_its_clients_rely_on(app: Flask, tmp_path: Path) -> None:
    path = put(tmp_path / "iris", "1")
    versions = folder_of(tmp_path)
    versions.current(app)
    versions.unload()
    unloaded = state_of(versions)
    path.unlink()
    with pytest.raises(ArtifactError):
        versions.current(app)
    assert state_of(versions) == Down(last=unloaded)  # type: ignore[arg-type]
