"""``flask skmodels convert``."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import skops.io
from click.testing import CliRunner
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.manifold import Isomap
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, SplineTransformer

from flask_skmodels import Artifact
from flask_skmodels.artifacts.declaration import Policy
from flask_skmodels.artifacts.loading import load
from flask_skmodels.cli.commands import commands
from flask_skmodels.hints import install_line
from tests.support.helpers import X
from tests.support.versions_folder import (
    constant,
    put,
)


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


def test_convert_errors_have_one_line(tmp_path: Path) -> None:
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


def test_convert_writes_no_file_that_cannot_be_read(tmp_path: Path) -> None:
    estimator = constant("7")
    estimator.strange = 1j
    pickled = put(tmp_path, "7", estimator)
    result = CliRunner().invoke(commands, ["convert", str(pickled), str(tmp_path / "7.skops")])
    assert result.exit_code == 1
    assert "skops cannot save this estimator" in result.output
    assert not (tmp_path / "7.skops").exists()


@pytest.mark.parametrize(
    ("estimator", "target", "reason"),
    [
        (FunctionTransformer(), "a.skops", "not compared: X is not a table of known columns"),
        (
            SplineTransformer(extrapolation="error").fit(X),
            *("a.skops", "not compared: the estimator raises ValueError"),
        ),
        (Isomap(n_components=1).fit(X[:50]), "a.onnx", "a.onnx"),
    ],
)
def test_convert_says_what_it_cannot_do(
    tmp_path: Path, estimator: Any, target: str, reason: str
) -> None:
    joblib.dump(estimator, tmp_path / "a.joblib")
    arguments = ["convert", str(tmp_path / "a.joblib"), str(tmp_path / target)]
    result = CliRunner().invoke(commands, arguments)
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1
    assert (tmp_path / target).exists() == (result.exit_code == 0) == (target == "a.skops")


def test_convert_without_skops_names_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pickled = put(tmp_path, "7")
    monkeypatch.setitem(sys.modules, "skops.io", None)
    result = CliRunner().invoke(commands, ["convert", str(pickled), str(tmp_path / "7.skops")])
    assert result.exit_code == 1
    assert f"skops is not installed. To install it: {install_line('skops')}" in result.output
