"""``flask skmodels new``."""

from __future__ import annotations

import json
import re
import runpy
from contextlib import chdir
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from flask import Flask
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from flask_skmodels import Profile, serve
from flask_skmodels.artifacts.skops import untrusted_types
from tests.support.command_line import error, flask, output
from tests.support.helpers import FIELDS, SETOSA, VIRGINICA, X, Y


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


def test_new_prints_to_standard_output(
    app: Flask, tmp_path: Path, pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without names of columns the schema is a comment, in which the names can be given."""
    monkeypatch.chdir(tmp_path)
    joblib.dump(pipeline, "iris.joblib")
    source = output(app, "new", "iris", "iris.joblib", "--output", "-")
    compile(source, "iris.py", "exec")
    printed = output(app, "new", "iris", "iris.joblib", "--output", "-", "--json")
    assert json.loads(printed) == {"source": source}
    assert "class Iris(Model):" in source
    assert '    #     "x0": {"type": "number"},\n' in source
    assert "probability = True" in source
    named = re.sub(r"^    # (?=schema|    |})", "    ", source, flags=re.MULTILINE)
    client = executed(tmp_path, named, "iris").test_client()
    assert list(client.get("/iris/").get_json()["fields"]) == ["x0", "x1", "x2", "x3"]


def test_new_of_very_many_columns_shows_the_first(app: Flask, tmp_path: Path) -> None:
    wide = LinearRegression().fit(np.zeros((2, 300)), [0, 1])
    joblib.dump(wide, tmp_path / "wide.joblib")
    source = output(app, "new", "wide", str(tmp_path / "wide.joblib"), "--output", "-")
    assert '"x19"' in source
    assert '"x20"' not in source
    assert "    #     ...\n" in source


def executed(folder: Path, source: str, name: str) -> Flask:
    """Return the application of a module in a folder."""
    path = folder / f"{name}.py"
    path.write_text(source)
    with chdir(folder):
        app = runpy.run_path(str(path), run_name=name)["create_app"]()
    assert isinstance(app, Flask)
    return app


TEXTS = make_pipeline(CountVectorizer(), MultinomialNB()).fit(["a cat", "a dog"], [0, 1])
ESTIMATORS: dict[str, tuple[Any, bool, list[Any]]] = {
    "names": (None, False, [SETOSA, list(VIRGINICA.values())]),
    "no names": (LinearRegression().fit(X, Y), False, [[5.1, 3.5, 1.4, 0.2], {"values": [1] * 4}]),
    "names of a profile": (LinearRegression().fit(X, Y), True, [SETOSA, list(SETOSA.values())]),
    "texts": (TEXTS, False, [{"text": "a dog"}, ["a cat"]]),
}


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_new_takes_the_rows_that_serve_takes(
    app: Flask, tmp_path: Path, named: Any, kind: str
) -> None:
    estimator, has_profile, rows = ESTIMATORS[kind]
    path = tmp_path / "iris.skops"
    skops.io.dump(named if estimator is None else estimator, path)
    if has_profile:
        Profile.of(pd.DataFrame(X, columns=list(FIELDS))).save(tmp_path / "iris.profile.json")
    output(app, "new", "iris", str(path), "--output", str(tmp_path / "made.py"))
    source = (tmp_path / "made.py").read_text()
    served = serve(str(path), trusted=untrusted_types(path)).test_client()
    made = executed(tmp_path, source, "made").test_client()
    about = [client.get("/iris/").get_json() for client in (served, made)]
    for key in ("fields", "required"):
        assert about[0][key] == about[1][key]
    for row in rows:
        responses = [client.post("/iris/predict/", json=[row]) for client in (served, made)]
        assert responses[0].status_code == 200, responses[0].text
        assert responses[0].get_json()["predictions"] == responses[1].get_json()["predictions"]


def test_schema_fits_the_training_data(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the estimator itself cannot tell a boolean from a number."""
    monkeypatch.chdir(tmp_path)
    data = pd.DataFrame(
        {
            "months": [1, 5, 9, 30] * 40,
            "contract": ["year", "month", "week", "month"] * 40,
            "is_paperless": [True, False, True, True] * 40,
            "left": ["yes", "no", "no", "no"] * 40,
        }
    )
    data.to_csv("train.csv", index=False)
    encoder = OneHotEncoder(handle_unknown="ignore")
    columns = make_column_transformer((encoder, ["contract"]), remainder="passthrough")
    churn = make_pipeline(columns, DecisionTreeClassifier(random_state=0))
    joblib.dump(churn.fit(data.drop(columns="left"), data["left"]), "churn.joblib")
    said = output(app, "new", "churn", "churn.joblib", "--data", "train.csv", "--target", "left")
    assert said.splitlines() == [
        "wrote churn.profile.json: 160 rows, 3 columns",
        "wrote churn.py: edit its schema, then run it with: flask --app churn.py run",
    ]
    source = Path("churn.py").read_text()
    assert '"months": {"type": "integer", "nullable": True},  # 1 to 30 in training\n' in source
    assert '"is_paperless": {"type": "boolean"' in source
    assert '# "month", "week", "year" in training\n' in source
    assert len(Profile.load("churn.profile.json").predictions) == 1
    client = executed(tmp_path, source, "churn").test_client()
    page = client.get("/churn/", headers={"Accept": "text/html"}).text
    assert "filled with typical values of the training data" in page
    row = {"months": 30, "contract": "month", "is_paperless": True}
    assert client.post("/churn/predict/", json=row).get_json()["predictions"] == ["no"]
    assert client.post("/churn/predict/", json={**row, "is_paperless": 2}).status_code == 400


def test_new_of_texts_has_no_schema(app: Flask, tmp_path: Path) -> None:
    joblib.dump(TEXTS, tmp_path / "texts.joblib")
    source = output(app, "new", "texts", str(tmp_path / "texts.joblib"), "--output", "-")
    assert "class Texts(Model):" in source
    assert "schema" not in source


def test_training_data_of_texts_have_any_name(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    joblib.dump(TEXTS, "texts.joblib")
    Path("train.csv").write_text("message,label\na cat,0\na dog,1\n")
    said = output(app, "new", "texts", "texts.joblib", "--data", "train.csv", "--target", "label")
    assert said.startswith("wrote texts.profile.json: 2 rows, 1 columns\n")
    client = executed(tmp_path, Path("texts.py").read_text(), "texts").test_client()
    assert client.post("/texts/predict/", json=["a dog"]).get_json()["predictions"] == [1]
    missing = error(app, "new", "other", "texts.joblib", "--data", "train.csv")
    assert missing.endswith("train.csv does not have these columns of the model: 'text'")


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
