"""``flask skmodels``: reload, compare and convert."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import skops.io
from click.testing import CliRunner, Result
from flask import Flask
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from werkzeug.serving import BaseWSGIServer, make_server

from flask_skmodels import Artifact, SKModels, model_loaded
from flask_skmodels.artifacts.declaration import Policy
from flask_skmodels.artifacts.loading import load
from flask_skmodels.cli import commands
from tests.support.helpers import X
from tests.support.versions_folder import (
    FIELDS,
    answer_of,
    application,
    constant,
    deployment_of,
    extension_of,
    iris,
    is_root,
    put,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    put(tmp_path / "iris", "1")
    return tmp_path / "iris"


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["skmodels", *arguments])


def test_reload_is_seen_by_another_application(folder: Path) -> None:
    serving, asking = (application(iris(), root=folder.parent) for _ in range(2))
    assert extension_of(serving) is not extension_of(asking)
    client = serving.test_client()
    put(folder, "2")
    assert answer_of(client) == ("1", "1")
    swapped = threading.Event()

    def note(sender: Flask, version: str, **extra: Any) -> None:
        if sender is serving and version == "2":
            swapped.set()

    with model_loaded.connected_to(note):
        result = run(asking, "reload", "iris")
        assert (result.exit_code, result.output) == (0, "iris: reload requested\n")
        answer_of(client)
        assert swapped.wait(10)
    assert answer_of(client) == ("2", "2")


def test_reload_is_asked_for_while_a_look_goes_on(folder: Path) -> None:
    """What was asked for during a look is not forgotten."""
    app = application(iris(), root=folder.parent)
    entered, leave, again = (threading.Event() for _ in range(3))

    def note(sender: Flask, version: str, **extra: Any) -> None:
        if version == "2":
            entered.set()
            assert leave.wait(10)
        else:
            again.set()

    client = app.test_client()
    with model_loaded.connected_to(note):
        put(folder, "2")
        run(app, "reload")
        answer_of(client)
        assert entered.wait(10)
        put(folder, "3")
        marker = folder / ".reload"
        before = marker.stat().st_mtime_ns
        while marker.stat().st_mtime_ns == before:  # the clock of the files may be coarse
            run(app, "reload")
        answer_of(client)
        leave.set()
        while not again.is_set():
            answer_of(client)
            again.wait(0.01)
    assert answer_of(client) == ("3", "3")


def test_reload_of_all_models(folder: Path) -> None:
    app = application(iris(), root=folder.parent)
    models = extension_of(app)
    models.add("memory", constant("m"), schema=FIELDS)
    models.add("file", folder / "1.joblib", schema=FIELDS)
    result = run(app, "reload")
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "iris: reload requested",
        "memory: not a folder of versions, nothing to reload",
        "file: not a folder of versions, nothing to reload",
    ]
    assert (folder / ".reload").exists()


@pytest.mark.parametrize("command", ["reload", "compare"])
def test_unknown_name(folder: Path, command: str) -> None:
    result = run(application(iris(), root=folder.parent), command, "rose")
    assert (result.exit_code, result.output) == (
        1,
        "Error: there is no model named 'rose'. Registered models: iris\n",
    )


def test_unknown_name_asks_for_nothing(folder: Path) -> None:
    assert run(application(iris(), root=folder.parent), "reload", "iris", "rose").exit_code == 1
    assert not (folder / ".reload").exists()


@pytest.mark.skipif(is_root(), reason="root may write into every folder")
def test_reload_of_a_read_only_folder(folder: Path) -> None:
    app = application(iris(), root=folder.parent)
    folder.chmod(0o500)
    try:
        result = run(app, "reload")
    finally:
        folder.chmod(0o700)
    assert result.exit_code == 1
    assert result.output == f"Error: {folder / '.reload'}: cannot be written: Permission denied\n"


def test_reload_of_a_folder_that_cannot_be_written(folder: Path) -> None:
    app = application(iris(), root=folder.parent)
    (folder / "1.joblib").unlink()
    folder.rmdir()
    result = run(app, "reload")
    assert result.exit_code == 1
    assert f"{folder / '.reload'}: cannot be written" in result.output


def test_commands_are_named_after_the_extension(folder: Path) -> None:
    app = Flask("two")
    SKModels(app)
    SKModels(app, name="internal", url_prefix="/internal")
    for name in ("skmodels", "internal"):
        result = app.test_cli_runner().invoke(args=[name, "--help"])
        assert result.exit_code == 0
        assert {"reload", "compare"} <= set(result.output.split())


# Compare


@pytest.fixture
def served(folder: Path) -> Iterator[tuple[Flask, str]]:
    """An application with a shadow that a server serves, and its address."""
    put(folder, "2")
    prefix = {"SKMODELS_URL_PREFIX": "/models"}
    app = application(iris(shadow="2"), root=folder.parent, **prefix)
    server: BaseWSGIServer = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield app, f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def test_compare_asks_the_process_that_runs(folder: Path, served: tuple[Flask, str]) -> None:
    app, url = served
    answer_of(app.test_client(), "/models/iris/predict/")
    shadow = deployment_of(app).shadow
    assert shadow is not None
    shadow.wait()
    asking = application(iris(shadow="2"), root=folder.parent, SKMODELS_URL_PREFIX="/models")
    result = run(asking, "compare", "iris", "--url", f"{url}/")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        "version: 2",
        "rows: 1",
        "agreement: 0.0",
        "mean_difference: None",
        "largest_difference: None",
        "dropped: 0",
        "failed: 0",
    ]


def test_compare_of_a_model_without_a_shadow(folder: Path, served: tuple[Flask, str]) -> None:
    app, url = served
    extension_of(app).add("memory", constant("m"), schema=FIELDS)
    result = run(app, "compare", "memory", "--url", url)
    assert (result.exit_code, result.output) == (1, "Error: model 'memory' has no shadow\n")


@pytest.mark.parametrize("url", ["file:///etc", "127.0.0.1:5000", ""])
def test_compare_takes_http_alone(folder: Path, url: str) -> None:
    result = run(application(iris(), root=folder.parent), "compare", "iris", "--url", url)
    assert result.exit_code == 1
    assert "--url must begin with http:// or https://" in result.output


def test_compare_with_what_is_not_there(folder: Path, served: tuple[Flask, str]) -> None:
    app, url = served
    result = run(app, "compare", "iris", "--url", f"{url}/elsewhere")
    assert result.exit_code == 1
    assert f"cannot read {url}/elsewhere/models/iris/: HTTP Error 404" in result.output


def test_convert(tmp_path: Path) -> None:
    """A pickle that is not pinned is written as a skops file that loads and predicts the same."""
    pickled = put(tmp_path, "7")
    target = tmp_path / "7.skops"
    result = CliRunner().invoke(commands, ["convert", str(pickled), str(target)])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f'Artifact("{target}"')
    assert result.stderr == "compared on 512 rows: the predictions are identical to the last bit\n"
    artifact = eval(result.stdout, {"Artifact": Artifact})
    loaded = load(artifact, Policy(root=tmp_path))
    assert loaded.format == "skops"
    row = [[0.0] * loaded.estimator.n_features_in_]
    assert loaded.estimator.predict(row) == joblib.load(pickled).predict(row)


def test_convert_to_onnx(tmp_path: Path, pipeline: Any) -> None:
    """A graph says what the estimator says, and the report how nearly."""
    source, target = tmp_path / "iris.skops", tmp_path / "iris.onnx"
    skops.io.dump(pipeline, source)
    result = CliRunner().invoke(commands, ["convert", str(source), str(target)])
    assert result.exit_code == 0, result.output
    assert result.stdout == f'Artifact("{target}")\n'
    report = re.fullmatch(
        r"compared on \d+ rows: numbers differ by at most (\S+), "
        r"labels differ in (\S+)% of the rows\. Not converted: (.+)\n",
        result.stderr,
    )
    assert report, result.stderr
    assert float(report[1]) < 1e-5
    assert float(report[2]) == 0
    assert report[3] == "predict_log_proba, decision_function"
    loaded = load(Artifact(target), Policy(root=tmp_path))
    np.testing.assert_array_equal(loaded.estimator.predict(X), pipeline.predict(X))


def test_convert_of_texts_is_not_compared(tmp_path: Path) -> None:
    texts = make_pipeline(CountVectorizer(), MultinomialNB()).fit(["a cat", "a dog"], [0, 1])
    del texts[0].vocabulary_["cat"]  # nothing can be drawn from what does not work
    texts[0].fixed_vocabulary_ = None
    joblib.dump(texts, tmp_path / "texts.joblib")
    source, target = str(tmp_path / "texts.joblib"), tmp_path / "texts.onnx"
    result = CliRunner().invoke(commands, ["convert", source, str(target)])
    assert result.exit_code == 1
    assert not target.exists()


def test_convert_says_what_is_wrong_in_one_line(tmp_path: Path) -> None:
    pickled = put(tmp_path, "7")
    (tmp_path / "there.skops").write_bytes(b"")
    (tmp_path / "junk.joblib").write_bytes(b"junk")
    for source, target, reason in (
        (pickled, "7.joblib", "must end with .skops or .onnx"),
        (pickled, "there.skops", "already exists"),
        (pickled, "no/folder.skops", "no such file"),
        (tmp_path / "junk.joblib", "junk.skops", "cannot be loaded"),
    ):
        arguments = ["convert", str(source), str(tmp_path / target)]
        result = CliRunner().invoke(commands, arguments)
        assert result.exit_code == 1
        assert reason in result.output
        assert result.output.count("\n") == 1
    assert (tmp_path / "there.skops").read_bytes() == b""


def test_convert_leaves_nothing_that_cannot_be_read(tmp_path: Path) -> None:
    estimator = constant("7")
    estimator.strange = 1j
    pickled = put(tmp_path, "7", estimator)
    result = CliRunner().invoke(commands, ["convert", str(pickled), str(tmp_path / "7.skops")])
    assert result.exit_code == 1
    assert "skops cannot save this estimator" in result.output
    assert not (tmp_path / "7.skops").exists()
