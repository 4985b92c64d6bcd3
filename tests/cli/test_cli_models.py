"""``flask skmodels``: list, show, check, predict, bench, openapi, pin, new; and ``serve``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import skops.io
from click.testing import Result
from flask import Flask
from sklearn.base import BaseEstimator
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

import flask_skmodels
from flask_skmodels import ArtifactError, Model, SKModels, serve
from flask_skmodels.cli import COMMANDS, commands
from tests.support.helpers import FIELDS, SETOSA, VIRGINICA, X, Y
from tests.support.selection import cases
from tests.support.versions_folder import application, iris, put, spoil

ROWS = [SETOSA, VIRGINICA]
ROOT = Path(__file__).parent.parent.parent
# The extension that tests register as an entry point comes from the installed distribution.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}


def run(app: Flask, *arguments: str, stdin: Any = None) -> Result:
    return app.test_cli_runner().invoke(args=["skmodels", *arguments], input=stdin)


def output(app: Flask, *arguments: str, stdin: Any = None) -> str:
    """Return what a command prints that must go well."""
    result = run(app, *arguments, stdin=stdin)
    assert result.exit_code == 0, result.output
    return result.output


def refusal(app: Flask, *arguments: str, stdin: Any = None) -> str:
    """Return what a command says that must not go well."""
    result = run(app, *arguments, stdin=stdin)
    assert result.exit_code == 1, result.output
    assert result.output.startswith("Error: ")
    return result.output.removeprefix("Error: ").removesuffix("\n")


def without_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the Arrow format out, as where pyarrow is not installed."""
    arrow = flask_skmodels.codecs._CODECS["application/vnd.apache.arrow.stream"]
    monkeypatch.delitem(flask_skmodels.codecs._CODECS, arrow.media_type)
    monkeypatch.setitem(flask_skmodels.codecs._MISSING, arrow.media_type, arrow)


@pytest.fixture
def named() -> Any:
    """An estimator that knows the names of its columns."""
    return LogisticRegression(max_iter=1000).fit(pd.DataFrame(X, columns=list(FIELDS)), Y)


# list, show, openapi


def test_list_is_a_table(app: Flask, models: SKModels, line_pipeline: Any) -> None:
    models.add("line", line_pipeline, description="A line.\nMore of it.", schema=list_of("abc"))
    lines = output(app, "list").splitlines()
    assert lines[0].split() == ["NAME", "VERSION", "METHODS", "FIELDS", "ENGINE", "DESCRIPTION"]
    assert lines[1].split() == ["iris", "-", "predict,", "predict_proba", "4", "lean"]
    assert lines[2].split(maxsplit=5) == ["line", "-", "predict", "3", "lean", "A line."]
    starts = [
        line.index(cell)
        for line, cell in zip(lines, ("METHODS", "predict", "predict"), strict=True)
    ]
    assert len(set(starts)) == 1


def list_of(names: str) -> list[dict[str, Any]]:
    return [{"name": name} for name in names]


def test_list_does_not_load(tmp_path: Path) -> None:
    put(tmp_path / "iris", "1")
    app = application(iris(), root=tmp_path, SKMODELS_LOADING="first-use")
    assert "not loaded" in output(app, "list")


def test_list_without_models(app: Flask) -> None:
    empty = Flask("empty")
    SKModels(empty)
    assert output(empty, "list") == "no models are registered\n"


def test_no_extension_is_said_in_one_line() -> None:
    bare = Flask("bare")
    bare.cli.add_command(commands)
    assert refusal(bare, "list") == (
        "the application 'bare' has no models: call SKModels().init_app(app)"
    )


def test_show_tells_fields_methods_and_engine(app: Flask, models: SKModels) -> None:
    model = models["iris"]
    model.description = "Flowers."
    shown = output(app, "show", "iris")
    assert shown.splitlines()[0] == "iris"
    assert "\nFlowers.\n" in shown
    assert "\nmethods    predict, predict_proba\n" in shown
    assert "\nclasses    0, 1, 2\n" in shown
    assert "\nengine     lean\n" in shown
    assert "\nsepal_length  number  yes       at least 0\n" in shown


def test_show_tells_of_every_rule(app: Flask, models: SKModels, line_pipeline: Any) -> None:
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


def test_show_tells_of_versions_and_the_file(tmp_path: Path) -> None:
    put(tmp_path / "iris", "1")
    put(tmp_path / "iris", "2")
    shown = output(application(iris(), root=tmp_path), "show", "iris")
    assert shown.startswith("iris, version 2\n")
    assert "\nversions   2, 1\n" in shown
    digest = sha256((tmp_path / "iris/2.joblib").read_bytes()).hexdigest()
    assert f"\nSHA-256    {digest}\n" in shown


def test_show_is_the_models_document_as_json(app: Flask) -> None:
    document = json.loads(output(app, "show", "iris", "--json"))
    assert document == app.test_client().get("/iris/").get_json()


def test_unknown_model_is_said_with_those_that_are_known(app: Flask) -> None:
    for command in ("show", "predict", "bench"):
        assert (
            refusal(app, command, "rose")
            == "there is no model named 'rose'. Registered models: iris"
        )


def test_openapi_is_what_the_application_serves(app: Flask, tmp_path: Path) -> None:
    document = json.loads(output(app, "openapi"))
    assert document["openapi"] == "3.1.0"
    assert "/iris/predict/" in document["paths"]
    assert output(app, "openapi", "--output", str(tmp_path / "api.json")) == ""
    assert json.loads((tmp_path / "api.json").read_text()) == document
    missing = str(tmp_path / "none" / "api.json")
    assert f"cannot write {missing}: No such file" in refusal(app, "openapi", "--output", missing)


# check


def test_check_says_of_each_version_whether_it_is_good(tmp_path: Path) -> None:
    put(tmp_path / "iris", "1")
    put(tmp_path / "iris", "2")
    app = application(iris(examples=[{"a": 1, "b": 2}]), root=tmp_path)
    lines = output(app, "check").splitlines()
    assert [line.split(": ")[0] for line in lines] == ["iris 2", "iris 1"]
    assert all(": good, engine " in line and line.endswith(", 1 example") for line in lines)


def test_check_fails_with_a_bad_version(tmp_path: Path) -> None:
    put(tmp_path / "iris", "1")
    spoil(tmp_path / "iris", "2")
    app = application(iris(), root=tmp_path)
    result = run(app, "check")
    assert result.exit_code == 1
    bad, good, last = result.output.splitlines()
    assert bad.startswith("iris 2: ")
    assert good.startswith("iris 1: good")
    assert last == "Error: 1 version cannot be served"


def test_check_fails_with_a_bad_example(app: Flask, models: SKModels, pipeline: Any) -> None:
    models.add("bad", pipeline, schema=list_of("abcd"), examples=[{"a": 1}])
    result = run(app, "check")
    assert result.exit_code == 1
    assert "bad: example 0 is not valid" in result.output


def test_check_says_which_formats_need_a_library(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pyarrow(monkeypatch)
    assert output(app, "check").splitlines()[1] == (
        "format application/vnd.apache.arrow.stream is not available: pyarrow is not installed. "
        "To install it: pip install 'Flask-SKModels[arrow]'"
    )


# predict


def test_predict_reads_standard_input_as_json(app: Flask) -> None:
    printed = output(app, "predict", "iris", stdin=json.dumps(ROWS))
    assert json.loads(printed) == {
        "model": "iris",
        "version": None,
        "method": "predict",
        "predictions": [0, 2],
    }


def test_predict_reads_a_file_by_its_name(app: Flask, tmp_path: Path) -> None:
    frame = pd.DataFrame(ROWS)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame.to_json(tmp_path / "rows.ndjson", orient="records", lines=True)
    assert output(app, "predict", "iris", str(tmp_path / "rows.csv")).split() == [
        "prediction",
        "0",
        "2",
    ]
    shown = output(app, "predict", "iris", str(tmp_path / "rows.ndjson"), "--format", "json")
    assert json.loads(shown)["predictions"] == [0, 2]


def test_predict_writes_what_is_asked_for(app: Flask, pipeline: Any) -> None:
    arguments = ("predict", "iris", "-", "--method", "predict_proba", "--format")
    result = run(app, *arguments, "arrow", stdin=json.dumps(ROWS))
    table = pa.ipc.open_stream(result.stdout_bytes).read_all()
    own = pipeline.predict_proba([list(row.values()) for row in ROWS])
    np.testing.assert_array_equal(np.column_stack(table.columns), own)
    lines = output(app, *arguments, "csv", stdin=json.dumps(ROWS)).splitlines()
    assert lines[0] == "0,1,2"
    assert np.array([line.split(",") for line in lines[1:]], dtype=float).tolist() == own.tolist()


def test_predict_takes_standard_input_as_it_is_told(app: Flask) -> None:
    text = pd.DataFrame(ROWS).to_csv(index=False)
    printed = output(app, "predict", "iris", "--input-format", "csv", stdin=text)
    assert printed.split() == ["prediction", "0", "2"]


def test_predict_tells_each_error(app: Flask) -> None:
    bad = [{**SETOSA, "sepal_length": -1}, {**SETOSA, "petal_width": "wide"}]
    assert refusal(app, "predict", "iris", stdin=json.dumps(bad)) == (
        "row 0, field sepal_length, rule min: min value is 0\n"
        "row 1, field petal_width, rule type: must be of number type"
    )


def test_predict_refuses_other_methods_and_versions(app: Flask) -> None:
    rows = json.dumps(ROWS)
    said = refusal(app, "predict", "iris", "--method", "transform", stdin=rows)
    assert "does not serve 'transform'" in said
    assert "has no version '7'" in refusal(app, "predict", "iris", "--version", "7", stdin=rows)


def test_predict_asks_a_version(tmp_path: Path) -> None:
    put(tmp_path / "iris", "1")
    put(tmp_path / "iris", "2")
    app = application(iris(), root=tmp_path)
    printed = output(app, "predict", "iris", "--version", "1", stdin='{"a": 1, "b": 2}')
    assert json.loads(printed)["predictions"] == ["1"]


def test_predict_names_the_extra_of_a_format(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    without_pyarrow(monkeypatch)
    said = refusal(app, "predict", "iris", "--format", "arrow", stdin=json.dumps(ROWS))
    assert said == (
        "format application/vnd.apache.arrow.stream is not available. "
        "To install it: pip install 'Flask-SKModels[arrow]'"
    )


# bench


def test_bench_tells_rates_and_shares(app: Flask) -> None:
    lines = output(app, "bench", "iris", "--rows", "1", "--rows", "20", "--seconds", "0.05")
    title, head, *rates = lines.splitlines()
    assert title == "model iris, method predict, engine lean"
    assert head.split() == [
        "ROWS",
        "REQUESTS/SECOND",
        "ROWS/SECOND",
        *"DECODE VALIDATE PREDICT ENCODE".split(),
    ]
    for count, line in zip((1, 20), rates, strict=True):
        rows, requests, rate, *shares = line.replace(",", "").split()
        assert int(rows) == count
        assert abs(int(requests) * count - int(rate)) <= count
        assert 0 < sum(int(share.rstrip("%")) for share in shares) <= 103


def test_bench_draws_rows_of_values_and_of_frames(
    app: Flask, models: SKModels, pipeline: Any, mixed_pipeline: Any
) -> None:
    models.add("values", pipeline)
    models.add("mixed", mixed_pipeline)
    for name in ("values", "mixed"):
        assert f"model {name}, method predict" in output(
            app, "bench", name, "--rows", "9", "--seconds", "0.01"
        )


def test_bench_says_where_no_rows_can_be_drawn(app: Flask, models: SKModels) -> None:
    unbounded = Unlucky().fit([[0, 0]])
    del unbounded.n_features_in_  # it leaves the number of its columns open
    models.add("open", unbounded)
    assert "cannot make up rows for model 'open'" in refusal(app, "bench", "open")


# pin


def test_pin_prints_the_declaration_of_a_file(app: Flask, tmp_path: Path, named: Any) -> None:
    path = tmp_path / "iris.joblib"
    joblib.dump(named, path)
    digest = sha256(path.read_bytes()).hexdigest()
    assert output(app, "pin", str(path)) == f'Artifact("{path}", sha256="{digest}")\n'


def test_pin_prints_a_list_that_sha256sum_checks(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "iris", "1")
    put(tmp_path / "iris", "2")
    monkeypatch.chdir(tmp_path)
    Path("SHA256SUMS").write_text(output(app, "pin", "iris"))
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], check=True)
    setting = output(app, "pin", "SHA256SUMS").strip()
    assert setting.startswith('SKMODELS_SHA256SUMS = ("SHA256SUMS", "')
    config: dict[str, Any] = {}
    exec(setting, config)
    pinned = Flask("pinned", root_path=str(tmp_path))
    pinned.config["SKMODELS_SHA256SUMS"] = config["SKMODELS_SHA256SUMS"]
    SKModels(pinned).register(iris("iris"))
    posted = pinned.test_client().post("/iris/predict/", data={"a": 1, "b": 2})
    assert posted.text == "2"


def test_pin_loads_nothing(app: Flask, tmp_path: Path) -> None:
    path = tmp_path / "none.joblib"
    path.write_bytes(b"no pickle at all")
    assert "sha256=" in output(app, "pin", str(path))


# new


@pytest.mark.parametrize("suffix", cases(["joblib", "skops"], quick=["joblib"]))
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
        "--app", "wild_iris.py", "skmodels", "predict", "wild-iris", stdin=json.dumps(ROWS)
    )
    assert json.loads(asked)["predictions"] == [0, 2]
    assert refusal(app, "new", "wild-iris", f"models/iris.{suffix}") == (
        "wild-iris.py already exists"
    )


def flask(*arguments: str, stdin: str = "") -> str:
    """Return what the flask command prints, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", *arguments],
        input=stdin,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


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
def test_new_refuses_names(app: Flask, tmp_path: Path, named: Any, name: str, said: str) -> None:
    joblib.dump(named, tmp_path / "iris.joblib")
    assert said in refusal(app, "new", name, str(tmp_path / "iris.joblib"))


def test_new_says_where_it_cannot_write(app: Flask, tmp_path: Path, named: Any) -> None:
    joblib.dump(named, tmp_path / "iris.joblib")
    arguments = (str(tmp_path / "iris.joblib"), "--output", str(tmp_path / "none" / "iris.py"))
    assert "cannot write" in refusal(app, "new", "iris", *arguments)


def test_new_refuses_what_is_no_skops_file(app: Flask, tmp_path: Path) -> None:
    (tmp_path / "iris.skops").write_bytes(b"\x80\x04no")
    assert "it is not a file of skops" in refusal(app, "new", "iris", str(tmp_path / "iris.skops"))


# serve


def test_serve_serves_a_file_by_every_method(tmp_path: Path, named: Any) -> None:
    path = tmp_path / "iris.skops"
    skops.io.dump(named, path)
    client = serve(str(path)).test_client()
    assert client.get("/iris/").get_json()["methods"] == [
        *("predict", "predict_proba", "predict_log_proba", "decision_function")
    ]
    assert client.post("/iris/predict/", json=SETOSA).get_json()["predictions"] == [0]
    assert client.get("/none/").content_type == "application/problem+json"


def test_serve_takes_a_pin_and_a_name(tmp_path: Path, named: Any) -> None:
    path = tmp_path / "iris.joblib"
    joblib.dump(named, path)
    with pytest.raises(ArtifactError, match="not pinned"):
        serve(str(path))
    digest = sha256(path.read_bytes()).hexdigest()
    client = serve(str(path), "flower", sha256=digest).test_client()
    assert client.post("/flower/predict/", json=SETOSA).status_code == 200


def test_serve_takes_a_folder_of_versions(tmp_path: Path, named: Any) -> None:
    (tmp_path / "iris").mkdir()
    skops.io.dump(named, tmp_path / "iris/1.skops")
    client = serve(str(tmp_path / "iris")).test_client()
    assert client.post("/iris/predict/", json=SETOSA).get_json()["version"] == "1"


def test_serve_opens_with_the_list_of_models(tmp_path: Path, named: Any) -> None:
    skops.io.dump(named, tmp_path / "iris.skops")
    client = serve(str(tmp_path / "iris.skops")).test_client()
    answer = client.get("/", environ_overrides={"SCRIPT_NAME": "/flowers"})
    assert (answer.status_code, answer.location) == (302, "/flowers/-/")


@pytest.mark.full
def test_serve_needs_no_code(tmp_path: Path, named: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    skops.io.dump(named, tmp_path / "iris.skops")
    app = 'flask_skmodels:serve("iris.skops")'
    shown = flask("--app", app, "skmodels", "show", "iris", "--json")
    assert json.loads(shown)["estimator"] == "LogisticRegression"
    assert "\033" not in flask("--app", app, "skmodels", "list")


# all of them


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name or "")
def test_help_has_an_example(app: Flask, command: Any) -> None:
    shown = output(app, command.name, "--help")
    assert f"flask skmodels {command.name}" in shown.partition("Example")[2]


@pytest.mark.parametrize(
    ("app", "command"),
    [
        ("broken.py", ("skmodels", "check")),
        pytest.param("broken.py", ("routes",), marks=pytest.mark.full),
        pytest.param('flask_skmodels:serve("none.skops")', ("run",), marks=pytest.mark.full),
    ],
)
def test_an_application_that_cannot_be_loaded_is_said_in_one_line(
    tmp_path: Path, app: str, command: tuple[str, ...]
) -> None:
    module = "from flask_skmodels import serve\napp = serve('none.skops')\n"
    (tmp_path / "broken.py").write_text(module)
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", app, *command],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "none.skops: there is no such file or folder" in done.stderr


def test_commands_are_of_their_own_extension(pipeline: Any) -> None:
    app = Flask("two")
    first, second = SKModels(app), SKModels(app, name="other", url_prefix="/other")
    first.register(Model(name="a", pipeline=pipeline))
    second.register(Model(name="b", pipeline=pipeline))
    runner = app.test_cli_runner()
    assert runner.invoke(args=["skmodels", "list"]).output.splitlines()[1].startswith("a ")
    assert runner.invoke(args=["other", "list"]).output.splitlines()[1].startswith("b ")


class Unlucky(BaseEstimator):
    """Raises what it likes."""

    def fit(self, X: Any, y: Any = None) -> Unlucky:
        self.n_features_in_, self.is_fitted_ = 2, True
        return self

    def predict(self, X: Any) -> Any:
        raise ZeroDivisionError


def test_check_tells_what_an_estimator_raises_on_an_example() -> None:
    app = Flask("unlucky")
    models = SKModels(app)
    unlucky = Unlucky().fit([[0, 0]])
    models.add("unlucky", unlucky, schema=list_of("ab"), examples=[{"a": 1, "b": 2}])
    result = run(app, "check")
    assert result.exit_code == 1
    assert "unlucky: it fails on example 0: ZeroDivisionError" in result.output
