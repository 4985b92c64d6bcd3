"""``flask skmodels list``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flask import Flask

from flask_skmodels import Artifact, SKModels
from tests.support.command_line import output, run, schema_of
from tests.support.versions_folder import (
    application,
    iris,
    put,
    spoil,
)


def test_list_prints_a_table(app: Flask, models: SKModels, line_pipeline: Any) -> None:
    models.add("line", line_pipeline, description="A line.\nMore of it.", schema=schema_of("abc"))
    lines = output(app, "list").splitlines()
    assert lines[0].split() == ["NAME", "VERSION", "METHODS", "FIELDS", "ENGINE", "DESCRIPTION"]
    assert lines[1].split() == ["iris", "-", "predict,", "predict_proba", "4", "lean"]
    assert lines[2].split(maxsplit=5) == ["line", "-", "predict", "3", "lean", "A line."]
    starts = [
        line.index(cell)
        for line, cell in zip(lines, ("METHODS", "predict", "predict"), strict=True)
    ]
    assert len(set(starts)) == 1


def test_list_does_not_load(tmp_path: Path) -> None:
    put(tmp_path / "iris", "1")
    app = application(iris(), root=tmp_path, SKMODELS_LOADING="first-use")
    assert "not loaded" in output(app, "list")


def test_list_without_models(app: Flask) -> None:
    empty = Flask("empty")
    SKModels(empty)
    assert output(empty, "list") == "no models are registered\n"


def test_list_shows_canaries_the_shadow_and_failed_versions(tmp_path: Path) -> None:
    for label in ("1", "2", "3"):
        put(tmp_path / "iris", label)
    spoil(tmp_path / "iris", "4")
    versioned = iris(Artifact("iris", version="1"), traffic={"2": 0.25}, shadow="3")
    app = application(versioned, root=tmp_path)
    run(app, "check")
    line = output(app, "list").splitlines()[1]
    assert "1, canary 2 (0.25), shadow 3, 1 failed" in line
    [model] = json.loads(output(app, "list", "--json"))["models"]
    assert (model["version"], model["traffic"], model["shadow"]) == ("1", {"2": 0.25}, "3")
    assert list(model["failed"]) == ["4"]
