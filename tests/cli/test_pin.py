"""``flask skmodels pin``."""

from __future__ import annotations

import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any

import joblib
import pytest
from flask import Flask

from flask_skmodels import SKModels
from tests.support.command_line import error, output
from tests.support.skips import needs_program
from tests.support.versions_folder import (
    iris,
    put,
)


def test_pin_prints_the_declaration_of_a_file(app: Flask, tmp_path: Path, named: Any) -> None:
    path = tmp_path / "iris.joblib"
    joblib.dump(named, path)
    digest = sha256(path.read_bytes()).hexdigest()
    assert output(app, "pin", str(path)) == f'Artifact("{path}", sha256="{digest}")\n'


@needs_program("sha256sum")
def test_pin_prints_a_list_that_sha256sum_checks(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "iris", "1")
    put(tmp_path / "iris", "2")
    monkeypatch.chdir(tmp_path)
    Path("SHA256SUMS").write_text(output(app, "pin", "iris"))
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], check=True)
    setting = output(app, "pin", "SHA256SUMS").strip()
    assert setting.startswith(f'SKMODELS_SHA256SUMS = ("{tmp_path}/SHA256SUMS", "')
    setting = output(app, "pin", "SHA256SUMS", "--root", ".").strip()
    assert setting.startswith('SKMODELS_SHA256SUMS = ("SHA256SUMS", "')
    config: dict[str, Any] = {}
    exec(setting, config)
    pinned = Flask("pinned", root_path=str(tmp_path))
    pinned.config["SKMODELS_SHA256SUMS"] = config["SKMODELS_SHA256SUMS"]
    SKModels(pinned).register(iris("iris"))
    posted = pinned.test_client().post("/iris/predict/", data={"a": 1, "b": 2})
    assert posted.text == "2"


def test_pin_of_a_folder_without_model_files(app: Flask, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no model")
    assert error(app, "pin", str(tmp_path)) == f"{tmp_path} has no model files"


def test_pin_loads_nothing(app: Flask, tmp_path: Path) -> None:
    path = tmp_path / "none.joblib"
    path.write_bytes(b"no pickle at all")
    assert "sha256=" in output(app, "pin", str(path))
