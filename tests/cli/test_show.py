"""``flask skmodels show``."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from flask import Flask

from flask_skmodels import SKModels, ValuesModel
from tests.support.command_line import output
from tests.support.versions_folder import (
    application,
    iris,
    put,
)


def test_show_prints_fields_methods_and_engine(app: Flask, models: SKModels) -> None:
    model = models["iris"]
    model.description = "Flowers."
    shown = output(app, "show", "iris")
    assert shown.splitlines()[0] == "iris"
    assert "\nFlowers.\n" in shown
    assert "\nmethods    predict, predict_proba\n" in shown
    assert "\nclasses    0, 1, 2\n" in shown
    assert "\nengine     lean\n" in shown
    assert "\nsepal_length  number  yes       at least 0\n" in shown


def test_show_prints_every_rule(app: Flask, models: SKModels, line_pipeline: Any) -> None:
    rules: dict[str, Any] = {
        "a": {"type": "integer", "min": 1, "max": 9, "default": 3},
        "b": {"allowed": [1, 2], "meta": {"unit": "cm"}},
        "c": {"type": ["integer", "float"]},
    }
    models.add("line", line_pipeline, schema=rules)
    lines = [" ".join(line.split()) for line in output(app, "show", "line").splitlines()]
    assert "a integer no at least 1, at most 9, default 3" in lines
    assert "b integer yes 1, 2, in cm" in lines
    assert "c integer or number yes" in lines


def test_show_prints_the_number_of_values(app: Flask, models: SKModels, line_pipeline: Any) -> None:
    models.register(ValuesModel(name="line", pipeline=line_pipeline))
    lines = [" ".join(line.split()) for line in output(app, "show", "line").splitlines()]
    assert "values array yes 3 values in order" in lines


def test_show_prints_versions_and_the_file(tmp_path: Path) -> None:
    put(tmp_path / "iris", "1")
    put(tmp_path / "iris", "2")
    shown = output(application(iris(), root=tmp_path), "show", "iris")
    assert shown.startswith("iris, version 2\n")
    assert "\nversions   2, 1\n" in shown
    digest = sha256((tmp_path / "iris/2.joblib").read_bytes()).hexdigest()
    assert f"\nSHA-256    {digest}\n" in shown


def test_show_prints_the_document_of_the_model_as_json(app: Flask) -> None:
    document = json.loads(output(app, "show", "iris", "--json"))
    assert document == app.test_client().get("/iris/").get_json()
