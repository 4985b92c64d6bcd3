"""Sources of bulk scoring: formats, compressions, folders, globs, partitions, batches in memory."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from weakref import finalize

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather as pf
import pyarrow.parquet as pq
import pytest
from flask import Flask

from flask_skmodels import ScoringError, SKModels
from flask_skmodels.bulk.sources import StandardInput
from flask_skmodels.testing import FakeEstimator
from tests.bulk.conftest import Score
from tests.support.helpers import FIELDS
from tests.support.scoring import BAD, ROWS, frame, good, table_of
from tests.support.skips import library
from tests.support.versions_folder import constant

TABLE = frame()


def write(path: str, table: pd.DataFrame = TABLE) -> None:
    name = path.removesuffix(".gz").removesuffix(".zst")
    if name.endswith((".parquet", ".pq")):
        table.to_parquet(path)
    elif name.endswith((".feather", ".arrow")):
        pf.write_feather(pa.Table.from_pandas(table), path)
    elif name.endswith(".csv"):
        compressed(path, table.to_csv(index=False).encode())
    else:
        compressed(path, table.to_json(orient="records", lines=True).encode())


def compressed(path: str, data: bytes) -> None:
    if path.endswith(".gz"):
        data = gzip.compress(data)
    elif path.endswith(".zst"):
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, "zstd") as stream:
            stream.write(data)
        data = sink.getvalue().to_pybytes()
    Path(path).write_bytes(data)


def expected(pipeline: Any, table: pd.DataFrame = TABLE) -> np.ndarray[Any, Any]:
    proba: np.ndarray[Any, Any] = pipeline.predict_proba(good(table)[list(FIELDS)].to_numpy())
    return proba


@pytest.mark.parametrize(
    "path",
    [
        *("in.parquet", "in.pq", "in.feather", "in.arrow", "in.csv", "in.csv.gz", "in.csv.zst"),
        *("in.ndjson", "in.jsonl", "in.ndjson.gz", "in.jsonl.zst"),
    ],
)
def test_every_format_gives_the_same_scores(score: Score, pipeline: Any, path: str) -> None:
    write(path)
    summary = score(path, "scores.parquet", method="predict_proba", keep=["id", "segment"])
    assert (summary.rows, summary.scored, summary.rejected) == (ROWS, ROWS - 3, 3)
    table = table_of(Path("scores.parquet"))
    assert table.column_names == ["id", "segment", "0", "1", "2"]
    scores = np.column_stack([table.column(name) for name in "012"])
    np.testing.assert_allclose(scores, expected(pipeline), rtol=1e-12)
    assert [int(each) for each in table.column("id").to_pylist()] == good(TABLE)["id"].tolist()
    rejects = table_of(Path("scores.rejects.parquet"))
    assert rejects.column("row").to_pylist() == list(BAD)
    assert rejects.column("source").unique().to_pylist() == [path]


def test_keys_keep_their_types(score: Score) -> None:
    table = pa.Table.from_pandas(TABLE)
    day = pa.array([20_000 + row for row in range(ROWS)], pa.int32()).cast(pa.date32())
    table = table.append_column("day", day)
    table = table.append_column("code", pa.array([b"\x00\xff"] * ROWS))
    table = table.append_column("price", pa.array([Decimal("1.25")] * ROWS))
    pq.write_table(table, "in.parquet")
    keys = ["id", "day", "code", "price"]
    score("in.parquet", "out/", keep=keys)
    written = pq.read_schema(next(Path("out").iterdir()))
    assert [written.field(name).type for name in keys] == [
        table.schema.field(name).type for name in keys
    ]


def signs(X: Any) -> Any:
    return np.signbit(X[:, 0]).astype(int)


def test_zero_of_csv_keeps_its_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.csv").write_text("x\n-0\n-0.0\n-1e-400\n0\n0.0\n")
    models, app = SKModels(), Flask(__name__)
    models.add("sign", FakeEstimator(predict=signs), schema={"x": {}})
    models.init_app(app)
    models.score("sign", "in.csv", "out.csv", app=app)
    assert Path("out.csv").read_text().split() == ["prediction", "1", "1", "1", "0", "0"]


def test_keys_of_csv_stay_texts(score: Score) -> None:
    table = TABLE.assign(id=[f"{row:05d}" for row in range(ROWS)])
    write("in.csv", table)
    score("in.csv", "out.parquet", keep=["id"])
    assert table_of(Path("out.parquet")).column("id")[0].as_py() == "00000"


def test_folder_glob_and_list_are_read_in_order(score: Score) -> None:
    Path("in").mkdir()
    for index, start in enumerate(range(0, ROWS, 150)):
        write(f"in/{index}.csv", TABLE[start : start + 150])
    Path("in/_SUCCESS").write_text("")
    Path("in/.hidden.csv").write_text("x")
    files = [f"in/{index}.csv" for index in range(3)]
    for index, source in enumerate(["in", "in/*.csv", files]):
        score(source, f"{index}.csv", keep=["id"])
    assert Path("0.csv").read_bytes() == Path("1.csv").read_bytes() == Path("2.csv").read_bytes()
    assert len(Path("0.csv").read_text().splitlines()) == ROWS - 3 + 1


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_partitions_are_columns(score: Score, suffix: str) -> None:
    for segment, part in TABLE.groupby("segment"):
        Path(f"in/segment={segment}").mkdir(parents=True)
        write(f"in/segment={segment}/part.{suffix}", part.drop(columns="segment"))
    score("in", "out.parquet", keep=["segment", "id"])
    table = table_of(Path("out.parquet")).to_pandas().astype(str)
    known = good(TABLE).assign(id=TABLE["id"].astype(str)).set_index("id")["segment"]
    assert len(table) == ROWS - 3
    assert (table["segment"].to_numpy() == known.loc[table["id"]].to_numpy()).all()


def test_chunks_do_not_depend_on_the_row_groups(score: Score) -> None:
    pq.write_table(pa.Table.from_pandas(TABLE), "a.parquet", row_group_size=100)
    pq.write_table(pa.Table.from_pandas(TABLE), "b.parquet")
    first, second = (score(f"{name}.parquet", f"{name}/") for name in "ab")
    assert first.chunks == second.chunks == 4
    assert [p.read_bytes() for p in sorted(Path("a").iterdir())] == [
        p.read_bytes() for p in sorted(Path("b").iterdir())
    ]


@pytest.mark.parametrize(
    "batches",
    [
        lambda: iter(pa.Table.from_pandas(TABLE).to_batches(70)),
        lambda: [TABLE[:200], TABLE[200:]],
        lambda: [pl.from_pandas(TABLE)],
        lambda: TABLE,
        lambda: pa.Table.from_pandas(TABLE),
    ],
    ids=["batches", "frames", "polars", "one frame", "table"],
)
def test_batches_in_memory(score: Score, batches: Any) -> None:
    summary = score(batches(), "out.csv", keep=["id"])
    assert (summary.rows, summary.rejected, summary.chunks) == (ROWS, 3, 4)


def test_other_batches_are_refused(score: Score) -> None:
    with pytest.raises(
        ScoringError, match=r"a batch must be an Arrow batch or a data frame, not int"
    ):
        score([1, 2], "out.csv")


def test_empty_sources(score: Score) -> None:
    write("in.parquet", TABLE[:0])
    write("in.csv", TABLE[:0])
    Path("in.ndjson").write_text("")
    for index, source in enumerate(["in.parquet", "in.csv", "in.ndjson"]):
        summary = score(source, f"{index}.parquet", keep=["id"])
        assert (summary.rows, summary.chunks, summary.rejects) == (0, 0, None)
        assert table_of(Path(f"{index}.parquet")).column_names == ["id", "prediction"]
    assert score("in.csv", "out.csv", keep=["id"]).rows == 0
    assert Path("out.csv").read_bytes() == b"id,prediction\r\n"


def test_urls_of_fsspec(score: Score) -> None:
    fsspec = library("fsspec")
    memory = fsspec.filesystem("memory")
    write("in.parquet")
    write("in.csv")
    for name in ("in.parquet", "in.csv"):
        memory.pipe_file(f"/bulk/{name}", Path(name).read_bytes())
        sink = f"memory://bulk/{name}.scores.parquet"
        rejects = f"memory://bulk/{name}.rejects.csv"
        summary = score(f"memory://bulk/{name}", sink, keep=["id"], rejects=rejects)
        assert summary.output == sink
        written = pq.read_table(pa.BufferReader(memory.cat_file(f"/bulk/{name}.scores.parquet")))
        assert written.num_rows == ROWS - 3
        assert len(memory.cat_file(f"/bulk/{name}.rejects.csv").splitlines()) == 4
    score("memory://bulk/i?.csv", "memory://bulk/scores/", keep=["id"], rejects="r.csv")
    assert len(memory.ls("/bulk/scores", detail=False)) == 4
    with pytest.raises(ScoringError, match=r"exists already"):
        score("memory://bulk/in.csv", "memory://bulk/scores/", keep=["id"], rejects="s.csv")


def test_unknown_url_names_the_plug_in(score: Score) -> None:
    library("fsspec")
    with pytest.raises(ScoringError, match=r"nowhere://x.csv: .*Protocol not known: nowhere"):
        score("nowhere://x.csv", "out.csv")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("none.csv", "none.csv: there is no such file"),
        ("*.csv", r"\*.csv: there is no such file"),
        ("rows.xlsx", "rows.xlsx: the suffix of a source must be .parquet"),
        (["in.csv", "in.parquet"], "all files of a source must have the same format"),
        ("bad.parquet", "bad.parquet cannot be read"),
    ],
)
def test_sources_that_cannot_be_read(score: Score, source: Any, message: str) -> None:
    write("in.parquet")
    write("in.csv")
    Path("in.csv").rename("in.CSV") if source == "*.csv" else None
    Path("rows.xlsx").write_bytes(b"x")
    Path("bad.parquet").write_bytes(b"x")
    with pytest.raises(ScoringError, match=message):
        score(source, "out.csv")


def test_missing_columns_are_named_before_anything_is_read(score: Score) -> None:
    write("in.parquet", TABLE.drop(columns="petal_width"))
    write("in.csv", TABLE.drop(columns="petal_width"))
    for source in ("in.parquet", "in.csv"):
        with pytest.raises(ScoringError, match=r"no column 'petal_width'; its columns: id, sepal"):
            score(source, "out.csv")
        with pytest.raises(ScoringError, match=r"no column 'nothing', 'petal_width'"):
            score(source, "out.csv", keep=["nothing"])
    assert not Path("out.csv.parts").exists() or not any(Path("out.csv.parts").iterdir())


def test_semicolons_are_recognised(score: Score) -> None:
    Path("in.csv").write_text(";".join(TABLE.columns) + "\n" + ";".join("1,5" for _ in TABLE))
    with pytest.raises(ScoringError, match="separated by semicolons: separate them with commas"):
        score("in.csv", "out.csv")


@pytest.mark.parametrize("path", ["in.parquet", "in.csv"])
def test_name_of_the_only_field_may_have_a_semicolon(path: str, tmp_path: Path) -> None:
    app = Flask("app", instance_path=str(tmp_path))
    models = SKModels(app)
    models.add("m", constant(1.5, columns=1), schema={"low;high": {}})
    source, output = str(tmp_path / path), str(tmp_path / "out.csv")
    write(source, pd.DataFrame({"low;high": [1.5, 2.5]}))
    assert models.score("m", source, output, app=app).scored == 2


def test_semicolons_are_blamed_only_in_csv(score: Score) -> None:
    write("in.parquet", pd.DataFrame({"a;b": [1.5]}))
    with pytest.raises(ScoringError, match="has no column"):
        score("in.parquet", "out.csv")


def test_file_that_lacks_a_column_of_the_first_is_named(score: Score) -> None:
    write("a.csv")
    write("b.csv", TABLE.drop(columns="id"))
    with pytest.raises(ScoringError, match=r"b.csv has no column 'id'"):
        score(["a.csv", "b.csv"], "out/", keep=["id"])


def standard_input(data: bytes, models: SKModels, app: Flask) -> list[dict[str, Any]]:
    job = models.scoring_job("iris", "-", "-", app=app, keep=["id"], format="ndjson")
    job._run.source = StandardInput(io.BytesIO(data))
    output = io.BytesIO()
    job.run(output)
    rows: list[dict[str, Any]] = pd.read_json(io.BytesIO(output.getvalue()), lines=True).to_dict(
        "records"
    )
    return rows


def as_stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    stream: bytes = sink.getvalue().to_pybytes()
    return stream


@pytest.mark.parametrize(
    "kind", ["csv", "csv.gz", "ndjson", "ndjson.zst", "parquet", "arrow", "stream"]
)
def test_standard_input_is_recognized(
    models: SKModels, app: Flask, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / f"in.{kind}"
    if kind == "stream":
        path.write_bytes(as_stream(pa.Table.from_pandas(TABLE)))
    elif kind == "arrow":
        with (
            pa.OSFile(str(path), "wb") as sink,
            pa.ipc.new_file(sink, pa.Table.from_pandas(TABLE).schema) as writer,
        ):
            writer.write_table(pa.Table.from_pandas(TABLE))
    else:
        write(str(path))
    rows = standard_input(path.read_bytes(), models, app)
    assert [row["id"] for row in rows] == good(TABLE)["id"].tolist()
    assert standard_input(b"", models, app) == []


def test_few_batches_are_in_memory_at_a_time(score: Score) -> None:
    made, dropped, most = 0, [0], 0

    def drop() -> None:
        dropped[0] += 1

    def batches() -> Iterator[Any]:
        nonlocal made, most
        for _ in range(60):
            batch = pa.RecordBatch.from_pandas(TABLE.iloc[:64], preserve_index=False)
            finalize(batch, drop)
            made += 1
            most = max(most, made - dropped[0])
            yield batch

    assert score(batches(), "out.parquet", chunk_rows=64).rows == 60 * 64
    assert made == 60
    assert most < 12
