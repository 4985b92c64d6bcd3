"""Rows that bulk scoring rejects: of every kind, in every format, as many as there are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from flask import Flask
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from flask_skmodels import (
    KeyValueModel,
    Profile,
    ScoringError,
    SKModels,
    TooManyRejects,
    ValuesModel,
)
from flask_skmodels.bulk.summary import Summary
from tests.bulk.conftest import Score
from tests.support.helpers import FIELDS, SCHEMA, hooked
from tests.support.scoring import BAD, ROWS, frame, good, score, table_of

TABLE = frame()


def rejects(path: str = "out.rejects.parquet") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table_of(Path(path)).to_pylist()
    for row in rows:
        row["errors"] = json.loads(row["errors"])
    return rows


def run(model: Any, source: Any, **options: Any) -> Summary:
    """Score with a model in an application of its own, in the current folder."""
    app = Flask("bulk")
    models = SKModels(app)
    models.register(model)
    name = next(iter(models))
    with app.app_context():
        return models.score(name, source, "out.parquet", **{"chunk_rows": 128, **options})


def counts(summary: Summary) -> tuple[int, int, int]:
    assert summary.rows == summary.scored + summary.rejected
    return summary.rows, summary.scored, summary.rejected


def test_rejects_have_source_row_keys_and_errors(score: Score) -> None:
    TABLE.to_parquet("in.parquet")
    score("in.parquet", "out.parquet", keep=["id"])
    assert rejects() == [
        {
            "source": "in.parquet",
            "row": row,
            "id": row + 1000,
            "errors": [{"field": "sepal_width", "rule": "min", "message": "min value is 0"}],
        }
        for row in BAD
    ]


@pytest.mark.parametrize("path", ["bad.csv", "bad.ndjson", "bad.parquet.csv.gz"])
def test_rejects_in_other_formats(score: Score, path: str) -> None:
    TABLE.to_parquet("in.parquet")
    summary = score("in.parquet", "out/", keep=["id"], rejects=path)
    assert summary.rejects == path
    read = pd.read_json(path, lines=True) if path.endswith("ndjson") else pd.read_csv(path)
    assert read["row"].tolist() == list(BAD)


def test_no_file_without_rejects(score: Score) -> None:
    good(TABLE).to_parquet("in.parquet")
    assert score("in.parquet", "out.parquet").rejects is None
    assert sorted(path.name for path in Path().iterdir()) == [
        "in.parquet",
        "out.parquet",
        "out.parquet.manifest.jsonl",
    ]


def test_hundreds_of_rejects_in_one_chunk(score: Score) -> None:
    table = frame(1500)
    table.loc[table.index % 2 == 0, "petal_width"] = -1.0
    table.to_parquet("in.parquet")
    table.astype(dict.fromkeys(FIELDS, str)).to_csv("in.csv", index=False)
    for source in ("in.parquet", "in.csv"):
        summary = score(source, f"{source}.out.parquet", chunk_rows=1500, keep=["id"])
        assert counts(summary) == (1500, 748, 752)
    first, second = (rejects(f"in.{kind}.out.rejects.parquet") for kind in ("parquet", "csv"))
    assert [row["errors"] for row in first] == [row["errors"] for row in second]


def test_all_rows_of_a_chunk_can_be_rejected(score: Score) -> None:
    table = TABLE.copy()
    table.loc[:300, "petal_width"] = -1.0
    table.to_parquet("in.parquet")
    assert counts(score("in.parquet", "out.csv")) == (ROWS, ROWS - 301 - 1, 302)
    assert Path("out.csv").read_bytes().startswith(b"prediction\r\n")
    table.assign(petal_width=-1.0).to_parquet("none.parquet")
    assert counts(score("none.parquet", "none.csv")) == (ROWS, 0, ROWS)


def test_lines_of_csv_that_are_no_rows(score: Score) -> None:
    header = ",".join(("id", *FIELDS))
    lines = [
        header,
        "1,5,3,1,0.2",
        "2,5,3",
        "",
        "3,5,3,1,0.2,9",
        "4,5,three,1,0.2",
        '5,"5",3,1,0.2',
    ]
    lines += ["6,5,3,1,\xff", "7,5,3,1,", "8,5,3,1,0.2", "9,1"]
    Path("in.csv").write_bytes("\n".join(lines).encode("latin-1"))
    for rows in (1, 2, 3, 100):
        summary = score("in.csv", f"{rows}.csv", keep=["id"], chunk_rows=rows)
        assert counts(summary) == (9, 3, 6), rows
        assert Path(f"{rows}.csv").read_text().split()[1:] == ["1,0", "5,0", "8,0"]
        found = [
            (row["row"], [(e["field"], e["rule"], e["message"]) for e in row["errors"]])
            for row in rejects(f"{rows}.rejects.parquet")
        ]
        assert found == [
            (1, [(None, "items", "the line should have 5 values, not 3")]),
            (2, [(None, "items", "the line should have 5 values, not 6")]),
            (3, [("sepal_width", "type", "must be of number type")]),
            (5, [("petal_width", "csv", "the value is not valid UTF-8, or has a zero byte")]),
            (6, [("petal_width", "required", "required field")]),
            (8, [(None, "items", "the line should have 5 values, not 2")]),
        ]


def test_lines_of_ndjson_that_are_no_rows(score: Score) -> None:
    flower = dict.fromkeys(FIELDS, 1.0)
    lines = [json.dumps({"id": row, **flower}) for row in range(3)]
    lines += ['{"id": 3', "17", json.dumps({"id": "four", **flower}), json.dumps({"id": 5})]
    Path("in.ndjson").write_text("\n\n".join(lines))
    assert counts(score("in.ndjson", "out.csv", keep=["id"])) == (7, 4, 3)
    found = {row["row"]: [e["rule"] for e in row["errors"]] for row in rejects()}
    assert found == {3: ["json"], 4: ["type"], 6: ["required"] * 4}
    # The keys are texts, because one of them is.
    assert [row["id"] for row in rejects()] == [None, None, "5"]


def test_key_of_another_type_than_the_first_rows(score: Score) -> None:
    flower = dict.fromkeys(FIELDS, 1.0)
    ids: list[Any] = [*range(130), "later", None]
    Path("in.ndjson").write_text("\n".join(json.dumps({"id": i, **flower}) for i in ids))
    assert counts(score("in.ndjson", "out.parquet", keep=["id"])) == (132, 131, 1)
    [row] = rejects()
    assert (row["row"], row["id"]) == (130, None)
    assert row["errors"] == [
        {
            "field": "id",
            "rule": "type",
            "message": "the key does not have the type of the keys in the first rows, int64",
        }
    ]


def test_rows_that_the_estimator_rejects(
    pipeline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    good(TABLE).reset_index(drop=True).to_parquet("in.parquet")

    def hook(X: Any) -> Any:
        if (np.asarray(X)[:, 0] > 7.5).any():
            raise ValueError("too long")
        return pipeline.predict(X)

    summary = run(hooked(pipeline, hook), "in.parquet", keep=["id"])
    long = good(TABLE)[good(TABLE)["sepal_length"] > 7.5]["id"].tolist()
    assert counts(summary) == (ROWS - 3, ROWS - 3 - len(long), len(long))
    assert [row["id"] for row in rejects()] == long
    assert {row["errors"][0]["rule"] for row in rejects()} == {"estimator"}


def test_estimator_that_is_broken_fails_the_run(
    pipeline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    TABLE.to_parquet("in.parquet")

    def hook(X: Any) -> Any:
        raise RuntimeError("no memory")

    with pytest.raises(ScoringError) as caught:
        run(hooked(pipeline, hook), "in.parquet")
    assert str(caught.value) == (
        "the model fails on rows 0 to 127 of in.parquet: RuntimeError: no memory"
    )
    assert not Path("out.parquet").exists()


def test_rows_without_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    line = LinearRegression(fit_intercept=False).fit(np.eye(3), [1.0, 10.0, 100.0])
    table = pd.DataFrame({"key": ["a", "b"], "x": [1.0, 2.0], "y": [3.0, np.nan], "z": [5.0, 6.0]})
    table.to_parquet("in.parquet")
    table.to_csv("in.csv", index=False)
    for index, source in enumerate(("in.parquet", "in.csv")):
        model = ValuesModel(name="line", pipeline=line)
        assert counts(run(model, source, keep=["key"], rejects=f"{index}.csv")) == (2, 1, 1)
        assert table_of(Path("out.parquet")).to_pylist() == [
            {"key": "a", "prediction": pytest.approx(531.0)}
        ]
        for path in Path().glob("out*"):
            path.unlink()


@pytest.mark.usefixtures("score")
def test_rows_of_any_length() -> None:
    """An estimator may not fix its number of columns; then the first row does."""
    steps = make_pipeline(FunctionTransformer(), FunctionTransformer(np.negative))
    table = pd.DataFrame({"x": np.arange(600.0), "y": 1.0, "z": 2.0})
    table.loc[[3, 400], "y"] = np.nan
    table.to_csv("in.csv", index=False)
    model = ValuesModel(name="negative", pipeline=steps, methods=["transform"])
    summary = run(model, "in.csv", method="transform", chunk_rows=500)
    assert counts(summary) == (600, 598, 2)
    assert [row["row"] for row in rejects()] == [3, 400]
    first = table_of(Path("out.parquet")).to_pylist()[2]
    assert list(first.values()) == [-2.0, -1.0, -2.0]


@pytest.mark.usefixtures("score")
def test_values_that_the_dtype_of_a_column_cannot_hold() -> None:
    """Cerberus accepts them, and the column of the data frame cannot hold them."""
    rows = pd.DataFrame({"a": np.arange(9, dtype="int8"), "b": np.arange(9.0)})
    line = LinearRegression().fit(rows, rows["b"])
    table = pd.DataFrame({"a": [1, 300, 3, -500], "b": [1.0, 2.0, None, 4.0]})
    table.to_parquet("in.parquet")
    profile = Profile.of(rows, rows["b"], line)
    model = KeyValueModel(name="line", pipeline=line, profile=profile)
    assert counts(run(model, "in.parquet")) == (4, 1, 3)
    assert [(row["row"], row["errors"][0]["field"]) for row in rejects()] == [
        (1, "a"),
        (2, "b"),
        (3, "a"),
    ]


def test_unknown_columns_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    line = LinearRegression().fit(np.eye(2), [1.0, 10.0])
    for kind in ("parquet", "ndjson"):
        table = pd.DataFrame({"a": [1.0], "b": [2.0], "other": [[3]], "key": [7]})
        path = f"in.{kind}"
        table.to_parquet(path) if kind == "parquet" else table.to_json(
            path, orient="records", lines=True
        )
        model = KeyValueModel(
            name="line", pipeline=line, schema={"a": {}, "b": {}}, purge_unknown=False
        )
        assert counts(run(model, path, keep=["key"])) == (1, 1, 0)
        for written in Path().glob("out*"):
            written.unlink()


def test_limits_on_rejects(score: Score) -> None:
    TABLE.to_parquet("in.parquet")
    with pytest.raises(
        TooManyRejects, match=r"^2 of 128 rows are rejected, but at most 1 are allowed$"
    ):
        score("in.parquet", "a.parquet", max_rejects=1)
    with pytest.raises(TooManyRejects, match=r"^3 of 450 rows are rejected, but at most 0.5% are"):
        score("in.parquet", "b.parquet", max_rejects="0.5%")
    for limit in (3, "1%", 0.01):
        assert score("in.parquet", "c.parquet", max_rejects=limit).rejected == 3
        for path in Path().glob("c.*"):
            path.unlink()
    for limit in ("many", "101%", 1.5, -1):
        with pytest.raises(
            ScoringError, match=r"max_rejects must be a number or a share such as 1%"
        ):
            score("in.parquet", "d.parquet", max_rejects=limit)


def test_fail_fast_names_the_row(score: Score) -> None:
    TABLE.to_parquet("in.parquet")
    with pytest.raises(TooManyRejects, match=r"^row 5 of in.parquet is rejected: .*min value is 0"):
        score("in.parquet", "out.parquet", fail_fast=True)


def test_limits_of_requests_do_not_hold(pipeline: Any, tmp_path: Path) -> None:
    app = Flask("bulk")
    app.config.update(SKMODELS_MAX_ROWS=10, SKMODELS_MAX_CELLS=100)
    models = SKModels(app)
    models.add("iris", pipeline, schema=SCHEMA)
    TABLE.to_parquet(tmp_path / "in.parquet")
    summary = score(models, app, tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert summary.rows == ROWS


def test_texts_and_missing_numbers(
    mixed_pipeline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table = pd.DataFrame({"island": ["Dream", "Nowhere", "Biscoe"], "mass": [3000.0, 1.0, None]})
    table.to_parquet("in.parquet")
    pq.write_table(
        pa.Table.from_pandas(table).set_column(
            0, "island", pa.array(table["island"].tolist()).dictionary_encode()
        ),
        "dictionary.parquet",
    )
    table.to_csv("in.csv", index=False)
    for source in ("in.parquet", "dictionary.parquet", "in.csv"):
        model = KeyValueModel(name="penguins", pipeline=mixed_pipeline)
        assert counts(run(model, source, keep=["island"])) == (3, 2, 1)
        assert [row["island"] for row in rejects()] == ["Nowhere"]
        assert table_of(Path("out.parquet")).column("prediction").to_pylist() == ["light", "heavy"]
        for path in Path().glob("out*"):
            path.unlink()
