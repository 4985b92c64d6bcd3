"""``flask skmodels check``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_skmodels import SKModels
from flask_skmodels.hints import install_line
from tests.support.command_line import output, run, schema_of, without_pyarrow
from tests.support.failing_estimator import FailingEstimator
from tests.support.versions_folder import (
    application,
    iris,
    put,
    spoil,
)


def test_check_prints_a_line_for_each_version(tmp_path: Path) -> None:
    put(tmp_path / "iris", "1")
    put(tmp_path / "iris", "2")
    app = application(iris(examples=[{"a": 1, "b": 2}]), root=tmp_path)
    *lines, lane = output(app, "check").splitlines()
    assert lane.startswith("iris: fast lane o")
    assert [line.split(": ")[0] for line in lines] == ["iris 2", "iris 1"]
    assert all(": good, engine " in line and line.endswith(", 1 example") for line in lines)


def test_check_fails_with_a_bad_version(tmp_path: Path) -> None:
    put(tmp_path / "iris", "1")
    spoil(tmp_path / "iris", "2")
    app = application(iris(), root=tmp_path)
    result = run(app, "check")
    assert result.exit_code == 1
    bad, good, _, last = result.output.splitlines()
    assert bad.startswith("iris 2: ")
    assert good == "iris 1: loads, engine lean; no examples"
    assert last == "Error: 1 version cannot be served"


def test_check_fails_with_a_bad_example(app: Flask, models: SKModels, pipeline: Any) -> None:
    models.add("bad", pipeline, schema=schema_of("abcd")).examples = [{"a": 1}]
    result = run(app, "check")
    assert result.exit_code == 1
    assert "bad: example 0 is not valid" in result.output


def test_check_prints_formats_that_need_a_library(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pyarrow(monkeypatch)
    assert output(app, "check").splitlines()[1] == (
        "format application/vnd.apache.arrow.stream is not available: pyarrow is not installed. "
        f"To install it: {install_line('arrow')}"
    )


def test_check_prints_the_error_of_an_example(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Flask("unlucky")
    models = SKModels(app)
    unlucky = FailingEstimator().fit([[0, 0]])
    with monkeypatch.context() as patch:  # it fails after it has been registered
        patch.setattr(FailingEstimator, "predict", lambda self, X: [0] * len(X))
        models.add("unlucky", unlucky, schema=schema_of("ab"), examples=[{"a": 1, "b": 2}])
    result = run(app, "check")
    assert result.exit_code == 1
    assert "unlucky: it fails on example 0: ZeroDivisionError" in result.output
