"""``flask skmodels new``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import joblib
import pytest
import skops.io
from flask import Flask
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

from tests.support.command_line import error, flask, output
from tests.support.helpers import SETOSA, VIRGINICA


@pytest.mark.full
@pytest.mark.parametrize("suffix", ["joblib", "skops"])
def test_new_writes_a_module_that_runs(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: Any, suffix: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    path = tmp_path / "models" / f"iris.{suffix}"
    joblib.dump(named, path) if suffix == "joblib" else skops.io.dump(named, path)
    said = output(app, "new", "wild-iris", f"models/iris.{suffix}")
    assert said == (
        "wrote wild-iris.py: edit its schema, then run it with: flask --app wild-iris.py run\n"
    )
    source = Path("wild-iris.py").read_text()
    assert '        "sepal_length": {"type": "number"},\n' in source
    Path("wild_iris.py").write_text(source)
    asked = flask(
        "--app",
        "wild_iris.py",
        "skmodels",
        "predict",
        "wild-iris",
        stdin=json.dumps([SETOSA, VIRGINICA]),
    )
    assert json.loads(asked)["predictions"] == [0, 2]
    assert error(app, "new", "wild-iris", f"models/iris.{suffix}") == (
        "wild-iris.py already exists"
    )


def test_new_prints_to_standard_output(app: Flask, tmp_path: Path, pipeline: Any) -> None:
    joblib.dump(pipeline, tmp_path / "iris.joblib")
    source = output(app, "new", "iris", str(tmp_path / "iris.joblib"), "--output", "-")
    compile(source, "iris.py", "exec")
    assert "class Iris(KeyValueModel):" in source
    assert '"x0": {"type": "number"},' in source
    assert "probability = True" in source


def test_new_of_texts_has_no_schema(app: Flask, tmp_path: Path) -> None:
    texts = make_pipeline(CountVectorizer(), MultinomialNB()).fit(["a cat", "a dog"], [0, 1])
    joblib.dump(texts, tmp_path / "texts.joblib")
    source = output(app, "new", "texts", str(tmp_path / "texts.joblib"), "--output", "-")
    assert "class Texts(Model):" in source


@pytest.mark.parametrize(
    ("name", "said"), [("a/b", "must match"), ("2nd", "begin it with a letter")]
)
def test_new_rejects_names(app: Flask, tmp_path: Path, named: Any, name: str, said: str) -> None:
    joblib.dump(named, tmp_path / "iris.joblib")
    assert said in error(app, "new", name, str(tmp_path / "iris.joblib"))


def test_new_fails_if_the_file_cannot_be_written(app: Flask, tmp_path: Path, named: Any) -> None:
    joblib.dump(named, tmp_path / "iris.joblib")
    arguments = (str(tmp_path / "iris.joblib"), "--output", str(tmp_path / "none" / "iris.py"))
    assert "cannot write" in error(app, "new", "iris", *arguments)


def test_new_rejects_a_bad_skops_file(app: Flask, tmp_path: Path) -> None:
    (tmp_path / "iris.skops").write_bytes(b"\x80\x04no")
    assert "it is not a file of skops" in error(app, "new", "iris", str(tmp_path / "iris.skops"))
