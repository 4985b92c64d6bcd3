"""``flask skmodels profile``."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
from flask import Flask
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from flask_skmodels import Model, Profile, SKModels
from flask_skmodels.estimators.profile import training_files
from tests.support.command_line import error, output, run
from tests.support.versions_folder import application

ROWS = 300


def frame(rows: int = ROWS) -> Any:
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": random.integers(18, 70, rows),
            "income": np.where(random.random(rows) < 0.1, np.nan, random.normal(3000, 99, rows)),
            "member": random.random(rows) < 0.5,
            "town": random.choice(np.array(["Oslo", "Bergen", None]), rows),
            "risk": random.random(rows),
        }
    )


def columns_of(data: Any) -> Any:
    return data[["town", "age", "income", "member"]]


def pipeline_of(data: Any) -> Any:
    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["town"]), (StandardScaler(), ["age"])
    )
    return make_pipeline(encoder, LinearRegression()).fit(columns_of(data), data.risk)


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    joblib.dump(pipeline_of(frame()), tmp_path / "risk.joblib")
    return application(Model(name="risk", pipeline="risk.joblib"), root=tmp_path)


def write(data: Any, path: Path) -> Path:
    """Write a frame in the format of a file's suffix."""
    if path.suffix == ".csv":
        data.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        data.to_parquet(path)
    elif path.suffix == ".feather":
        data.to_feather(path)
    elif path.suffix == ".arrow":
        table = pa.Table.from_pandas(data)
        with pa.ipc.new_stream(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=100)
    else:
        data.to_json(path, orient="records", lines=True)
    return path


FORMATS = [".csv", ".parquet", ".arrow", ".feather", ".ndjson"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_profile_of_a_file_is_that_of_its_frame(app: Flask, tmp_path: Path, suffix: str) -> None:
    data = frame()
    file = write(data, tmp_path / f"train{suffix}")
    expected = tmp_path / "risk.profile.json"
    data = pd.read_csv(file) if suffix == ".csv" else data
    printed = output(app, "profile", "risk", str(file), "--target", "risk")
    assert printed == f"wrote {expected}: {ROWS} rows, 4 columns\n"
    measured = Profile.load(expected)
    of_frame = Profile.of(columns_of(data), data[["risk"]], pipeline_of(data))
    for one, other in zip(measured.columns, of_frame.columns, strict=True):
        document, wanted = one.to_json(), other.to_json()
        for key in ("mean", "std"):
            assert document.pop(key, None) == pytest.approx(wanted.pop(key, None))
        if suffix != ".csv":  # pandas writes and reads a missing text in its own way in each format
            document["missing_marker"] = wanted.get("missing_marker")
        assert {k: v for k, v in document.items() if v is not None} == {
            k: v for k, v in wanted.items() if v is not None
        }
    assert measured.target[0].min == of_frame.target[0].min
    assert measured.predictions[0].mean == pytest.approx(of_frame.predictions[0].mean)
    assert measured.baseline == pytest.approx(of_frame.baseline)


def test_columns_with_gaps_in_a_file_that_pandas_has_not_written(tmp_path: Path) -> None:
    table = pa.table(
        {
            "count": pa.array([1, None, 3] * 9),
            "flag": pa.array([True, None, False] * 9),
            "at": pa.array([datetime(2026, 1, 2), None, datetime(2026, 1, 3)] * 9),
            "tags": pa.array([[1], None, [2, 3]] * 9),
            "size": pa.array([1, 2, 3] * 9, pa.int32()),
        }
    )
    pa.parquet.write_table(table, tmp_path / "train.parquet")
    joblib.dump(FunctionTransformer().fit(table.to_pandas()), tmp_path / "risk.joblib")
    app = application(Model(name="risk", pipeline="risk.joblib"), root=tmp_path)
    output(app, "profile", "risk", str(tmp_path / "train.parquet"))
    columns = Profile.load(tmp_path / "risk.profile.json").columns
    assert [each.type for each in columns] == ["number", "boolean", "datetime", "any", "integer"]
    dtypes = ["float64", "object", "datetime64[us]", "object", "int32"]
    assert [each.dtype for each in columns] == dtypes


def test_profile_that_was_written_is_used(app: Flask, tmp_path: Path) -> None:
    file = write(frame(), tmp_path / "train.csv")
    output(app, "profile", "risk", str(file))
    served = application(Model(name="risk", pipeline="risk.joblib"), root=tmp_path)
    fields = served.test_client().get("/risk/").get_json()["fields"]
    assert fields["age"]["type"] == "integer"


def test_profile_can_be_printed_or_written_elsewhere(app: Flask, tmp_path: Path) -> None:
    file = str(write(frame(), tmp_path / "train.csv"))
    printed = json.loads(output(app, "profile", "risk", file, "--output", "-"))
    assert printed["rows"] == ROWS
    other = tmp_path / "other.json"
    output(app, "profile", "risk", file, "--output", str(other))
    assert Profile.load(other).to_json() == printed
    assert not (tmp_path / "risk.profile.json").exists()


def test_profile_of_a_model_in_memory_needs_a_name(tmp_path: Path) -> None:
    app = Flask("app")
    SKModels(app).add("risk", pipeline_of(frame()))
    file = write(frame(), tmp_path / "train.csv")
    assert "--output" in error(app, "profile", "risk", str(file))


def test_file_without_the_columns_of_the_model_is_refused(app: Flask, tmp_path: Path) -> None:
    file = write(frame()[["age", "town"]], tmp_path / "train.csv")
    message = error(app, "profile", "risk", str(file))
    assert message == f"{file} does not have these columns of the model: 'income', 'member'"
    assert error(app, "profile", "risk", str(file), "--target", "x").endswith("no column 'x'")


def test_file_with_semicolons_is_refused(app: Flask, tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("a;b\n1,5;2\n")
    said = error(app, "profile", "risk", str(tmp_path / "train.csv"))
    assert said.endswith("the values are separated by semicolons: separate them with commas")


@pytest.mark.parametrize("has_names", [True, False])
def test_semicolon_in_the_name_of_the_only_column(tmp_path: Path, has_names: bool) -> None:
    data = pd.DataFrame({"price; net": [1.0, 2.0]})
    X = data if has_names else data.to_numpy()
    joblib.dump(LinearRegression().fit(X, [1, 2]), tmp_path / "risk.joblib")
    app = application(Model(name="risk", pipeline="risk.joblib"), root=tmp_path)
    file = write(data, tmp_path / "train.csv")
    assert run(app, "profile", "risk", str(file)).exit_code == 0
    [measured] = Profile.load(tmp_path / "risk.profile.json").columns
    assert (measured.name, measured.max) == ("price; net", 2.0)
    file.write_text("price;weight\n1;3\n2;4\n")
    for options in ([], ["--target", "weight"]):
        said = error(app, "profile", "risk", str(file), *options)
        assert said.endswith("the values are separated by semicolons: separate them with commas")


@pytest.mark.parametrize("name", ["train.xlsx", "train.parquet", "train.ndjson", "train.arrow"])
def test_file_that_cannot_be_read_is_refused(app: Flask, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\xff not a table\n")
    assert error(app, "profile", "risk", str(tmp_path / name)).startswith(str(tmp_path / name))


def test_rows_that_the_schema_rejects_leave_the_predictions_out(tmp_path: Path) -> None:
    joblib.dump(pipeline_of(frame()), tmp_path / "risk.joblib")
    schema: Any = {name: {} for name in ("age", "income", "member")}
    schema |= {"town": {"type": "string", "nullable": True}, "age": {"max": 30}}
    app = application(Model(name="risk", pipeline="risk.joblib", schema=schema), root=tmp_path)
    file = write(frame(), tmp_path / "train.parquet")
    result = run(app, "profile", "risk", str(file))
    assert result.exit_code == 0
    assert (
        "the profile has no predictions, because of this error: row 0, field age, rule max"
        in result.output
    )
    assert Profile.load(tmp_path / "risk.profile.json").predictions == ()


def test_model_without_names_takes_all_columns_but_the_target(tmp_path: Path) -> None:
    data = frame()[["age", "risk", "member"]]
    joblib.dump(LinearRegression().fit([[1, 2], [3, 4]], [1, 2]), tmp_path / "risk.joblib")
    app = application(Model(name="risk", pipeline="risk.joblib"), root=tmp_path)
    file = write(data, tmp_path / "train.csv")
    output(app, "profile", "risk", str(file), "--target", "risk")
    names = [column.name for column in Profile.load(tmp_path / "risk.profile.json").columns]
    assert names == ["age", "member"]
    message = error(app, "profile", "risk", str(file))
    named = "name the column of the target with --target"
    assert message == f"{file} has 3 columns, but the model takes 2: {named}"
    assert error(app, "profile", "risk", str(file), "--target", "riks").endswith(
        "no column 'riks'; did you mean 'risk'?"
    )


def test_types_of_a_csv_file_are_those_of_all_rows(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = frame(80_000)
    data["age"] = data["age"].astype(object)
    data.loc[79_999, "age"] = 20.5
    file = write(data, tmp_path / "train.csv")
    output(app, "profile", "risk", str(file))
    age = Profile.load(tmp_path / "risk.profile.json").columns[1]
    assert (age.type, age.dtype, age.count) == ("number", "float64", 80_000)


def test_dtypes_that_pandas_wrote_to_a_file_are_kept(app: Flask, tmp_path: Path) -> None:
    data = frame().astype({"age": "Int64", "income": "Float64", "member": "boolean"})
    data["town"] = pd.Categorical(data.town, categories=["Oslo", "Bergen"])
    file = write(data, tmp_path / "train.feather")
    output(app, "profile", "risk", str(file))
    columns = Profile.load(tmp_path / "risk.profile.json").columns
    assert [column.dtype for column in columns] == ["category", "Int64", "Float64", "boolean"]
    assert columns[0].categories == ("Oslo", "Bergen")
    assert columns[2].missing_marker == "na"


def test_times_keep_their_zone(tmp_path: Path) -> None:
    data = pd.DataFrame({"at": pd.date_range("2026-01-01", periods=50, tz="Europe/Oslo")})
    file = training_files.TrainingFile(write(data, tmp_path / "train.parquet"))
    from flask_skmodels.estimators.profile.arrow_columns import StreamedColumn

    stream = StreamedColumn("at", "pandas", file.pandas_dtypes.get("at"))
    for batch in file.batches(["at"]):
        stream.add(batch["at"])
    assert stream.finish().profile() == Profile.of(data).columns[0]
    polars = StreamedColumn("at", "polars")
    for batch in file.batches(["at"]):
        polars.add(batch["at"])
    assert polars.finish().dtype == str(pl.from_pandas(data)["at"].dtype)


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        (["age,income,town,member,risk"], (), "has no rows"),
        (["age,age,income,town,member", "1,2,3,Oslo,True"], (), "has several columns named 'age'"),
        (["age,income,town,member", "1,3,Oslo,True"], ("--target", "age"), "the model takes"),
    ],
)
def test_file_that_cannot_be_measured_is_refused(
    app: Flask, tmp_path: Path, lines: list[str], options: tuple[str, ...], message: str
) -> None:
    file = tmp_path / "train.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert message in error(app, "profile", "risk", str(file), *options)
    assert not (tmp_path / "risk.profile.json").exists()
