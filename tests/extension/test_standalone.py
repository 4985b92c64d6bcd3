"""``serve``: an application for one model file."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import joblib
import pytest
import skops.io

from flask_skmodels import ArtifactError, create_app, serve
from flask_skmodels.telemetry.prediction_log import LOGGER
from tests.support.command_line import flask
from tests.support.helpers import SETOSA


def test_serve_serves_all_methods_of_a_file(tmp_path: Path, named: Any) -> None:
    path = tmp_path / "iris.skops"
    skops.io.dump(named, path)
    client = serve(str(path)).test_client()
    assert client.get("/iris/").get_json()["methods"] == [
        *("predict", "predict_proba", "predict_log_proba", "decision_function")
    ]
    assert client.post("/iris/predict/", json=SETOSA).get_json()["predictions"] == [0]
    assert client.get("/none/").content_type == "application/problem+json"


def test_handlers_of_an_applications_log_do_not_get_the_predictions() -> None:
    assert not LOGGER.startswith(create_app([]).logger.name)


def test_serve_takes_a_pin_and_a_name(tmp_path: Path, named: Any) -> None:
    path = tmp_path / "iris.joblib"
    joblib.dump(named, path)
    with pytest.raises(ArtifactError, match="not pinned") as refused:
        serve(str(path), "flower")
    digest = sha256(path.read_bytes()).hexdigest()
    call = f'serve("{path}", name="flower", sha256="{digest}")'
    assert call in str(refused.value)
    client = eval(call, {"serve": serve}).test_client()
    assert client.post("/flower/predict/", json=SETOSA).status_code == 200


def test_serve_takes_a_folder_of_versions(tmp_path: Path, named: Any) -> None:
    (tmp_path / "iris").mkdir()
    skops.io.dump(named, tmp_path / "iris/1.skops")
    client = serve(str(tmp_path / "iris")).test_client()
    assert client.post("/iris/predict/", json=SETOSA).get_json()["version"] == "1"


def test_serve_redirects_to_the_list_of_models(tmp_path: Path, named: Any) -> None:
    skops.io.dump(named, tmp_path / "iris.skops")
    client = serve(str(tmp_path / "iris.skops")).test_client()
    response = client.get("/", environ_overrides={"SCRIPT_NAME": "/flowers"})
    assert (response.status_code, response.location) == (302, "/flowers/-/")


@pytest.mark.full
def test_serve_needs_no_code(tmp_path: Path, named: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    skops.io.dump(named, tmp_path / "iris.skops")
    app = 'flask_skmodels:serve("iris.skops")'
    shown = flask("--app", app, "skmodels", "show", "iris", "--json")
    assert json.loads(shown)["estimator"] == "LogisticRegression"
    assert "\033" not in flask("--app", app, "skmodels", "list")
