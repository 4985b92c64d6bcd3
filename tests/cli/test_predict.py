"""``flask skmodels predict``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from flask import Flask

from flask_skmodels.hints import install_line
from tests.support.command_line import error, output, run, without_pyarrow
from tests.support.helpers import SETOSA, VIRGINICA
from tests.support.versions_folder import (
    application,
    iris,
    put,
)


def test_predict_reads_standard_input_as_json(app: Flask) -> None:
    printed = output(app, "predict", "iris", stdin=json.dumps([SETOSA, VIRGINICA]))
    assert json.loads(printed) == {
        "model": "iris",
        "version": None,
        "method": "predict",
        "predictions": [0, 2],
    }


def test_predict_reads_a_file_by_its_suffix(app: Flask, tmp_path: Path) -> None:
    frame = pd.DataFrame([SETOSA, VIRGINICA])
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame.to_json(tmp_path / "rows.ndjson", orient="records", lines=True)
    assert output(app, "predict", "iris", str(tmp_path / "rows.csv")).split() == [
        "prediction",
        "0",
        "2",
    ]
    shown = output(app, "predict", "iris", str(tmp_path / "rows.ndjson"), "--format", "json")
    assert json.loads(shown)["predictions"] == [0, 2]


def test_predict_writes_the_given_format(app: Flask, pipeline: Any) -> None:
    arguments = ("predict", "iris", "-", "--method", "predict_proba", "--format")
    result = run(app, *arguments, "arrow", stdin=json.dumps([SETOSA, VIRGINICA]))
    table = pa.ipc.open_stream(result.stdout_bytes).read_all()
    own = pipeline.predict_proba([list(row.values()) for row in [SETOSA, VIRGINICA]])
    np.testing.assert_array_equal(np.column_stack(table.columns), own)
    lines = output(app, *arguments, "csv", stdin=json.dumps([SETOSA, VIRGINICA])).splitlines()
    assert lines[0] == "0,1,2"
    assert np.array([line.split(",") for line in lines[1:]], dtype=float).tolist() == own.tolist()


def test_predict_reads_standard_input_in_the_given_format(app: Flask) -> None:
    text = pd.DataFrame([SETOSA, VIRGINICA]).to_csv(index=False)
    printed = output(app, "predict", "iris", "--input-format", "csv", stdin=text)
    assert printed.split() == ["prediction", "0", "2"]


def test_predict_prints_each_error(app: Flask) -> None:
    bad = [{**SETOSA, "sepal_length": -1}, {**SETOSA, "petal_width": "wide"}]
    assert error(app, "predict", "iris", stdin=json.dumps(bad)) == (
        "row 0, field sepal_length, rule min: min value is 0\n"
        "row 1, field petal_width, rule type: must be of number type"
    )


def test_predict_rejects_unknown_methods_and_versions(app: Flask) -> None:
    rows = json.dumps([SETOSA, VIRGINICA])
    said = error(app, "predict", "iris", "--method", "transform", stdin=rows)
    assert "does not serve 'transform'" in said
    assert "has no versions, so there is no version '7'" in error(
        app, "predict", "iris", "--version", "7", stdin=rows
    )


def test_predict_with_a_version(tmp_path: Path) -> None:
    put(tmp_path / "iris", "1")
    put(tmp_path / "iris", "2")
    app = application(iris(), root=tmp_path)
    printed = output(app, "predict", "iris", "--version", "1", stdin='{"a": 1, "b": 2}')
    assert json.loads(printed)["predictions"] == ["1"]


def test_predict_names_the_extra_of_a_missing_format(
    app: Flask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without_pyarrow(monkeypatch)
    (tmp_path / "rows.arrow").write_bytes(b"")
    rows = json.dumps([SETOSA, VIRGINICA])
    message = (
        "format application/vnd.apache.arrow.stream is not available. "
        f"To install it: {install_line('arrow')}"
    )
    assert error(app, "predict", "iris", "--format", "arrow", stdin=rows) == message
    assert error(app, "predict", "iris", str(tmp_path / "rows.arrow")) == message


@pytest.mark.parametrize("name", ["rows.xlsx", "rows.XLS", "rows.ods"])
def test_predict_says_what_to_do_with_a_sheet(app: Flask, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK")
    said = error(app, "predict", "iris", str(tmp_path / name))
    assert said == (
        f"{tmp_path / name} has the suffix {Path(name).suffix}, which this command cannot read; it "
        "reads .json, .csv, .ndjson, .jsonl, .arrow, .arrows, .feather; save the sheet as CSV. If "
        "the file has one of these formats, give the format with --input-format"
    )


def test_predict_says_which_command_reads_parquet(app: Flask, tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_bytes(b"PAR1")
    said = error(app, "predict", "iris", str(tmp_path / "rows.parquet"))
    assert "; flask skmodels score reads it. " in said


def test_predict_reads_a_file_of_any_name_in_the_given_format(app: Flask, tmp_path: Path) -> None:
    pd.DataFrame([SETOSA]).to_csv(tmp_path / "rows.txt", index=False)
    assert "has the suffix .txt" in error(app, "predict", "iris", str(tmp_path / "rows.txt"))
    printed = output(app, "predict", "iris", str(tmp_path / "rows.txt"), "--input-format", "csv")
    assert printed == "prediction\n0\n"


@pytest.mark.parametrize("form", ["json", "csv", "ndjson"])
def test_predict_ends_with_one_newline(app: Flask, form: str) -> None:
    printed = output(app, "predict", "iris", "--format", form, stdin=json.dumps(SETOSA))
    assert printed.endswith("\n")
    assert not printed.endswith("\n\n")
    assert json.loads(output(app, "predict", "iris", "--json", stdin=json.dumps(SETOSA)))
