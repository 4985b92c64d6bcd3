"""``flask skmodels list``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Flask

from flask_skmodels import SKModels
from tests.support.command_line import output, schema_of
from tests.support.versions_folder import (
    application,
    iris,
    put,
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
