"""Clients that name versions in turn cause a bounded number of loads."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_skmodels.versions import load_limit
from tests.support.helpers import problem
from tests.support.versions_folder import (
    ROW,
    application,
    extension_of,
    failed,
    iris,
    put,
    served_by,
    spoil,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for label in range(1, 10):
        put(tmp_path / "iris", str(label))
    return tmp_path / "iris"


def serving(folder: Path, **config: Any) -> Flask:
    return application(iris(), root=folder.parent, **config)


def path_of(label: int) -> str:
    return f"/iris/versions/{label}/predict/"


def test_loads_beyond_the_limit_are_503_until_a_minute_is_over(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [1000.0]
    monkeypatch.setattr(load_limit, "monotonic", lambda: now[0])
    client = serving(folder, SKMODELS_LOADS_PER_MINUTE=3).test_client()
    for label in (1, 2, 3):
        assert served_by(client, path_of(label)) == (str(label), str(label))
        now[0] += 1
    response = client.post(path_of(4), json=ROW)
    detail = "too many versions were loaded: try again later"
    assert problem(response, 503)["detail"] == detail
    assert response.headers["Retry-After"] == "57"
    assert served_by(client) == ("9", "9")
    assert served_by(client, path_of(3)) == ("3", "3")  # is loaded
    assert failed(client) == []
    now[0] += 57
    assert served_by(client, path_of(4)) == ("4", "4")
    assert client.post(path_of(5), json=ROW).status_code == 503
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_descriptions_of_versions_count_too(folder: Path) -> None:
    app = serving(folder, SKMODELS_LOADS_PER_MINUTE=1, SKMODELS_DIALECTS=["open-inference"])
    client = app.test_client()
    assert client.get("/v2/models/iris/versions/1").status_code == 200
    assert client.get("/v2/models/iris/versions/2").status_code == 503


def test_bad_version_that_is_named_again_is_no_load(folder: Path) -> None:
    spoil(folder, "2")
    client = serving(folder, SKMODELS_LOADS_PER_MINUTE=2).test_client()
    for _ in range(5):
        assert client.post(path_of(2), json=ROW).status_code == 503
    assert served_by(client, path_of(3)) == ("3", "3")


def test_calls_in_process_have_no_limit(folder: Path) -> None:
    app = serving(folder, SKMODELS_LOADS_PER_MINUTE=1)
    models = extension_of(app)
    for label in range(1, 9):
        assert models.predict("iris", ROW, version=str(label), app=app).version == str(label)


def test_no_limit(folder: Path) -> None:
    client = serving(folder, SKMODELS_LOADS_PER_MINUTE=None).test_client()
    for label in (1, 2, 3, 4, 5, 1, 2, 3, 4, 5):
        assert served_by(client, path_of(label)) == (str(label), str(label))
