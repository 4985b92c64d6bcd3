"""Arrow requests and responses: exact values, and no stream that causes a server error."""

from __future__ import annotations

import io
import random
import struct
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from flask.testing import FlaskClient
from sklearn.compose import make_column_transformer
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder
from sklearn.tree import DecisionTreeClassifier

from flask_skmodels import KeyValueModel, ValuesModel
from tests.support.helpers import (
    FIELDS,
    JSON,
    SCHEMA,
    SETOSA,
    Error,
    X,
    errors_of,
    post_bytes,
    serve,
)

PATH = "/iris/predict/"
ARROW = "application/vnd.apache.arrow.stream"
TABLE = pa.table(dict(zip(FIELDS, X.T, strict=True)))
MALFORMED: list[Error] = [(None, None, "arrow")]


def stream(table: Any, **options: Any) -> bytes:
    """Return a table, or a list of batches, as a stream."""
    batches = table.to_batches() if isinstance(table, pa.Table) else table
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(
        sink,
        batches[0].schema if batches else table.schema,
        options=pa.ipc.IpcWriteOptions(**options),
    ) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return bytes(sink.getvalue().to_pybytes())


def file_of(table: Any, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def polars_bytes(write: str, **options: Any) -> bytes:
    sink = io.BytesIO()
    getattr(pl.DataFrame(X, schema=list(FIELDS)), write)(sink, **options)
    return sink.getvalue()


def table_of(response: Any) -> Any:
    """Return the table of a successful response."""
    assert response.status_code == 200, response.text
    assert response.content_type == ARROW
    table = pa.ipc.open_stream(response.data).read_all()
    table.validate(full=True)
    return table


class Echo(KeyValueModel):
    """A model that keeps the input of its estimator."""

    name = "echo"
    seen: Any = None

    def predict(self, X: Any) -> Any:
        self.seen = X
        return np.zeros(len(X))


@pytest.fixture
def echo() -> Echo:
    tree = DecisionTreeClassifier().fit(np.array([[0.0], [np.nan]]), [0, 1])
    return Echo(pipeline=tree, schema={"a": {"nullable": True}})


def seen(echo: Echo, rules: dict[str, Any], column: Any) -> Any:
    """Return the input of the estimator for a column in a request."""
    echo.schema = {"a": rules}
    client = serve(echo)
    table = column if isinstance(column, pa.Table) else pa.table({"a": column})
    table_of(post_bytes(client, "/echo/predict/", stream(table), ARROW))
    return echo.seen[:, 0].tolist()


BODIES = {
    "stream": stream(TABLE),
    "batches": stream(TABLE.to_batches(max_chunksize=7)),
    "lz4": stream(TABLE, compression="lz4"),
    "zstd": stream(TABLE, compression="zstd"),
    "legacy": stream(TABLE, use_legacy_format=True),
    "file": file_of(TABLE),
    "packed file": file_of(TABLE, compression="zstd"),
    "another order": stream(TABLE.select(FIELDS[::-1])),
    "surplus": stream(TABLE.append_column("x", pa.array([[1]] * len(X)))),
    "polars": polars_bytes("write_ipc_stream"),
    "polars, packed": polars_bytes("write_ipc_stream", compression="zstd"),
    "polars file": polars_bytes("write_ipc"),
    "pandas": stream(pa.Table.from_pandas(pd.DataFrame(X, columns=list(FIELDS)))),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_rows(client: FlaskClient, pipeline: Any, body: bytes) -> None:
    table = table_of(post_bytes(client, "/iris/predict_proba/", body, ARROW))
    assert table.column_names == ["0", "1", "2"]
    probabilities = np.column_stack([column.to_numpy() for column in table.columns])
    np.testing.assert_array_equal(probabilities, pipeline.predict_proba(X))


def test_media_type_of_files(client: FlaskClient) -> None:
    response = post_bytes(client, PATH, file_of(TABLE), "application/vnd.apache.arrow.file")
    assert table_of(response).column_names == ["prediction"]


BIG = 2**53 + 1
KINDS: dict[str, tuple[dict[str, Any], Any, list[Any]]] = {
    "int8": ({}, pa.array([1, -2], pa.int8()), [1, -2]),
    "uint64": ({}, pa.array([1, 2], pa.uint64()), [1, 2]),
    "int64 beyond doubles": ({"type": "integer"}, pa.array([BIG, -BIG]), [BIG, -BIG]),
    "int64 with null": ({"nullable": True}, pa.array([1, None]), [1, None]),
    "halves": ({}, pa.array(np.array([0.5, 2], np.float16)), [0.5, 2]),
    "halves with null": (
        {"nullable": True},
        pa.array([np.float16(0.5), None], pa.float16()),
        [0.5, None],
    ),
    "singles": ({}, pa.array([0.1, 2], pa.float32()), [float(np.float32(0.1)), 2]),
    "singles with null": (
        {"nullable": True},
        pa.array([0.1, None], pa.float32()),
        [float(np.float32(0.1)), None],
    ),
    "doubles with null and nan": (
        {"nullable": True},
        pa.array([0.1, None, np.nan], from_pandas=False),
        [0.1, None, None],
    ),
    "null with default": ({"default": 7}, pa.array([0.5, None]), [0.5, 7]),
    "nulls": ({"nullable": True}, pa.nulls(3), [None] * 3),
    "dictionary of numbers": ({}, pa.array([1.5, 2.5, 1.5]).dictionary_encode(), [1.5, 2.5, 1.5]),
    "chunks": ({}, pa.chunked_array([[1.5], [], [2.5, 3.5]]), [1.5, 2.5, 3.5]),
    "sliced": ({}, pa.array([9.5, 1.5, 2.5])[1:], [1.5, 2.5]),
}


@pytest.mark.parametrize(("rules", "column", "values"), KINDS.values(), ids=KINDS)
def test_numbers(echo: Echo, rules: dict[str, Any], column: Any, values: list[Any]) -> None:
    wanted = [np.nan if value is None else value for value in values]
    np.testing.assert_array_equal(seen(echo, rules, column), wanted)


def test_single_precision_stays(echo: Echo) -> None:
    seen(echo, {}, pa.array([0.1] * 20, pa.float32()))
    assert echo.seen.dtype == np.float32


DAY, MOMENT = date(2024, 2, 29), datetime(2024, 2, 29, 1, 2, 3, 4)
TEXTS = ["007", "", "é", "x" * 40]
OBJECTS: dict[str, tuple[dict[str, Any], Any, list[Any]]] = {
    "texts": ({"type": "string"}, pa.array(TEXTS), TEXTS),
    "large texts": ({"type": "string"}, pa.array(TEXTS, pa.large_string()), TEXTS),
    "views": ({"type": "string"}, pa.array(TEXTS, pa.string_view()), TEXTS),
    "sliced views": ({"type": "string"}, pa.array(["a", *TEXTS], pa.string_view())[1:], TEXTS),
    "dictionary": ({"type": "string"}, pa.array(TEXTS * 2).dictionary_encode(), TEXTS * 2),
    "dictionary of views": (
        {"type": "string"},
        pa.DictionaryArray.from_arrays(pa.array([1, 0]), pa.array(["a", "b"], pa.string_view())),
        ["b", "a"],
    ),
    "dates": ({"type": "date"}, pa.array([DAY]), [DAY]),
    "dates of 64 bits": ({"type": "date"}, pa.array([DAY], pa.date64()), [DAY]),
    "moments": ({"type": "datetime"}, pa.array([MOMENT]), [MOMENT]),
    "moments in nanoseconds": (
        {"type": "datetime"},
        pa.array([MOMENT], pa.timestamp("ns")),
        [MOMENT],
    ),
    "dictionary of moments": (
        {"type": "datetime"},
        pa.array([MOMENT], pa.timestamp("ns")).dictionary_encode(),
        [MOMENT],
    ),
}


@pytest.mark.parametrize(("rules", "column", "values"), OBJECTS.values(), ids=OBJECTS)
def test_objects(echo: Echo, rules: dict[str, Any], column: Any, values: list[Any]) -> None:
    assert seen(echo, rules, column) == values


def test_booleans(echo: Echo) -> None:
    assert seen(echo, {"type": "boolean"}, pa.array([True, False])) == [True, False]


def test_categories_and_nulls() -> None:
    frame = pd.DataFrame({"kind": ["a", "b", np.nan], "size": [1.0, 2.0, 3.0]})
    columns = make_column_transformer((OrdinalEncoder(), ["kind"]), ("passthrough", ["size"]))
    client = serve(KeyValueModel(name="kinds", pipeline=columns.fit(frame), methods=["transform"]))
    table = pa.table({"size": [1.0, 2.0], "kind": pa.array(["b", None]).dictionary_encode()})
    rows = table_of(post_bytes(client, "/kinds/transform/", stream(table), ARROW)).to_pylist()
    assert rows[0] == {"prediction_0": 1.0, "prediction_1": 1.0}
    assert rows[1]["prediction_1"] == 2.0
    assert rows[1]["prediction_0"] != rows[1]["prediction_0"]


def test_each_batch_may_have_its_own_dictionary(echo: Echo) -> None:
    echo.schema = {"a": {"type": "string"}}
    chunks = [pa.array(list(text)).dictionary_encode() for text in ("ab", "cba", "b")]
    batches = [pa.record_batch({"a": chunk}) for chunk in chunks]
    response = post_bytes(serve(echo), "/echo/predict/", stream(batches), ARROW)
    table_of(response)
    assert echo.seen[:, 0].tolist() == list("abcbab")


def one(column: Any, name: str = "sepal_length", metadata: Any = None) -> Any:
    """Return a table of one iris flower, with one of its columns replaced."""
    table = pa.table({name: [value] for name, value in SETOSA.items()})
    field = pa.field(name, column.type, metadata=metadata)
    return table.set_column(table.column_names.index(name), field, column)


def with_column(column: Any, metadata: Any = None) -> bytes:
    return stream(one(column, metadata=metadata))


RUN_ENDS = pa.run_end_encoded(pa.int32(), pa.float64())
# pyarrow.uuid() as a stream contains it: pyarrow 16 does not have the function.
UUID = {"ARROW:extension:name": "arrow.uuid", "ARROW:extension:metadata": ""}


NOT_READ: list[Error] = [(None, "sepal_length", "type")]
LENGTH: Error = (0, "sepal_length", "type")
BAD: dict[str, tuple[bytes, list[Error]]] = {
    "empty body": (b"", MALFORMED),
    "garbage": (b"garbage", MALFORMED),
    "JSON": (b'{"sepal_length": 1}', MALFORMED),
    "magic alone": (b"ARROW1", MALFORMED),
    "magic twice": (b"ARROW1ARROW1", MALFORMED),
    "magic and zeros": (b"ARROW1" + b"\0" * 30 + b"ARROW1", MALFORMED),
    "magic and ones": (b"ARROW1" + b"\xff" * 30 + b"ARROW1", MALFORMED),
    "end marker alone": (b"\xff\xff\xff\xff\0\0\0\0", MALFORMED),
    "two streams": (stream(TABLE) * 2, MALFORMED),
    "something after the end": (stream(TABLE) + b"x", MALFORMED),
    "no end marker": (stream(TABLE)[:-8], MALFORMED),
    "no batch": (stream(TABLE.schema.empty_table()), [(None, None, "empty")]),
    "batch without rows": (
        stream([pa.RecordBatch.from_pylist([], TABLE.schema)]),
        [(None, None, "empty")],
    ),
    "no column": (stream(pa.table({})), [(None, None, "empty")]),
    "100,000 columns": (
        stream(pa.table([pa.array([1])] * 100_000, names=[str(i) for i in range(100_000)])),
        [(None, None, "max_columns")],
    ),
    "missing column": (
        stream(TABLE.slice(0, 1).drop_columns(["petal_width"])),
        [(0, "petal_width", "required")],
    ),
    "doubled column": (
        stream(pa.table([[1.0]] * 5, names=[*FIELDS, "petal_width"])),
        [(None, "petal_width", "unique")],
    ),
    "null": (with_column(pa.array([None], pa.float64())), [(0, "sepal_length", "nullable")]),
    "null of an integer": (
        with_column(pa.array([None], pa.int32())),
        [(0, "sepal_length", "nullable")],
    ),
    "null column": (with_column(pa.nulls(1)), [(0, "sepal_length", "nullable")]),
    "nan": (with_column(pa.array([np.nan])), [LENGTH]),
    "infinity": (with_column(pa.array([-np.inf], pa.float32())), [LENGTH]),
    "text": (with_column(pa.array(["s3cr3t"])), [LENGTH]),
    "dictionary": (with_column(pa.array(["s3cr3t"]).dictionary_encode()), [LENGTH]),
    "boolean": (with_column(pa.array([True])), [LENGTH]),
    "date": (with_column(pa.array([DAY])), [LENGTH]),
    "below the minimum": (with_column(pa.array([-1])), [(0, "sepal_length", "min")]),
    "list": (with_column(pa.array([[1.0]])), NOT_READ),
    "fixed list": (with_column(pa.array([[1.0]], pa.list_(pa.float64(), 1))), NOT_READ),
    "struct": (with_column(pa.array([{"s3cr3t": 1}])), NOT_READ),
    "map": (with_column(pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int8()))), NOT_READ),
    "run ends": (
        with_column(pa.RunEndEncodedArray.from_arrays([1], [1.0], RUN_ENDS)),
        NOT_READ,
    ),
    "decimal": (with_column(pa.array([Decimal("1.1")])), NOT_READ),
    "bytes": (with_column(pa.array([b"1"])), NOT_READ),
    "duration": (with_column(pa.array([1], pa.duration("s"))), NOT_READ),
    "time": (with_column(pa.array([1], pa.time32("s"))), NOT_READ),
    "dictionary of lists": (
        with_column(pa.DictionaryArray.from_arrays(pa.array([0]), pa.array([[1.0]]))),
        NOT_READ,
    ),
    "extension": (with_column(pa.array([b"0" * 16], pa.binary(16)), UUID), NOT_READ),
    "nanoseconds": (with_column(pa.array([1], pa.timestamp("ns"))), NOT_READ),
    "moment out of range": (with_column(pa.array([2**62], pa.timestamp("s"))), NOT_READ),
    "unknown time zone": (with_column(pa.array([0], pa.timestamp("s", "No/Where"))), NOT_READ),
    "day out of range": (with_column(pa.array([2**31 - 1], pa.date32())), NOT_READ),
}


@pytest.mark.parametrize(("body", "errors"), BAD.values(), ids=BAD)
def test_bad_streams(client: FlaskClient, body: bytes, errors: list[Error]) -> None:
    response = post_bytes(client, PATH, body, ARROW)
    assert errors_of(response) == errors
    assert "s3cr3t" not in response.text


def test_row_of_a_bad_value_among_many(client: FlaskClient) -> None:
    table = TABLE.set_column(1, "sepal_width", pa.array([*X[:-1, 1], np.nan]))
    assert errors_of(post_bytes(client, PATH, stream(table), ARROW)) == [
        (149, "sepal_width", "type")
    ]


def test_texts_are_valid_utf_8(echo: Echo) -> None:
    echo.schema = {"a": {"type": "string"}}
    body = stream(pa.table({"a": ["MARKER"]})).replace(b"MARKER", b"\xff" * 6)
    assert errors_of(post_bytes(serve(echo), "/echo/predict/", body, ARROW)) == MALFORMED


def test_long_text(echo: Echo) -> None:
    text = "x" * 10_000_000
    assert seen(echo, {"type": "string"}, pa.array([text])) == [text]


@pytest.mark.no_cover  # measuring the coverage doubles the time
@pytest.mark.parametrize("body", [stream(TABLE.slice(0, 5)), file_of(TABLE.slice(0, 5))])
def test_truncated_anywhere(client: FlaskClient, body: bytes) -> None:
    for length in range(len(body)):
        assert errors_of(post_bytes(client, PATH, body[:length], ARROW)) == MALFORMED, length


@pytest.mark.no_cover  # measuring the coverage doubles the time
@pytest.mark.parametrize(
    "body",
    [
        stream(TABLE.slice(0, 3)),
        stream(TABLE.slice(0, 3), compression="zstd"),
        file_of(TABLE.slice(0, 3), compression="lz4"),
        stream(one(pa.array(["ab"], pa.string_view()))),
        stream(one(pa.array(["ab"]).dictionary_encode())),
    ],
)
def test_corrupt_anywhere(client: FlaskClient, body: bytes) -> None:
    chance = random.Random(0)
    for _ in range(400):
        corrupt = bytearray(body)
        for _ in range(chance.choice([1, 1, 2, 5])):
            corrupt[chance.randrange(len(body))] = chance.choice([0, 1, 255, chance.randrange(256)])
        response = post_bytes(client, PATH, bytes(corrupt), ARROW)
        assert response.status_code in {200, 400, 413}, bytes(corrupt)


# Small bodies that unpack to large ones


def limited(pipeline: Any, most: int = 100_000, **config: Any) -> FlaskClient:
    model = KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA)
    return serve(model, MAX_CONTENT_LENGTH=most, **config)


TOO_LONG: list[Error] = [(None, None, "max_content_length")]


def test_packed_body_is_bounded_before_it_is_unpacked(pipeline: Any) -> None:
    zeros = pa.table({name: np.zeros(1_000_000) for name in FIELDS})
    body = stream(zeros, compression="zstd")
    assert len(body) < 10_000
    assert errors_of(post_bytes(limited(pipeline), PATH, body, ARROW), 413) == TOO_LONG
    body = file_of(zeros, compression="zstd")
    assert errors_of(post_bytes(limited(pipeline), PATH, body, ARROW), 413) == TOO_LONG


def test_packed_dictionary_is_bounded(pipeline: Any) -> None:
    text = pa.DictionaryArray.from_arrays(pa.array([0]), pa.array(["x" * 1_000_000]))
    body = stream(one(text), compression="zstd")
    assert errors_of(post_bytes(limited(pipeline), PATH, body, ARROW), 413) == TOO_LONG


def test_nulls_without_bytes_are_bounded(pipeline: Any) -> None:
    body = stream(pa.table(dict.fromkeys(FIELDS, pa.nulls(2_000_000))))
    assert len(body) < 10_000
    response = post_bytes(limited(pipeline), PATH, body, ARROW)
    assert errors_of(response, 413) == [(None, None, "max_rows")]


def test_large_text_of_a_dictionary_is_shared_by_its_rows(echo: Echo) -> None:
    text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(50_000, np.int8)), pa.array(["x" * 20]))
    values = seen(echo, {"type": "string"}, text)
    assert len(values) == 50_000
    assert all(value is values[0] for value in values)


def test_views_of_the_same_bytes_are_bounded(pipeline: Any) -> None:
    views = pa.array(["x" * 50_000, *["short"] * 99], pa.string_view())
    table = pa.table(dict.fromkeys(FIELDS[:1], views) | dict.fromkeys(FIELDS[1:], np.zeros(100)))
    short, long = struct.pack("<i12s", 5, b"short"), struct.pack("<i4sii", 50_000, b"xxxx", 0, 0)
    body = stream(table).replace(short, long)
    assert body.count(long) == 100
    assert len(body) < 100_000
    assert errors_of(post_bytes(limited(pipeline), PATH, body, ARROW), 413) == TOO_LONG


def test_views_may_have_bytes_after_them(client: FlaskClient) -> None:
    body = with_column(pa.array(["ab"], pa.string_view()))
    buffers, larger = struct.pack("<4q", 0, 16, 16, 0), struct.pack("<4q", 0, 24, 16, 0)
    assert body.count(buffers) == 1
    response = post_bytes(client, PATH, body.replace(buffers, larger), ARROW)
    assert errors_of(response) == [(0, "sepal_length", "type")]


def test_delta_dictionaries_are_refused(client: FlaskClient) -> None:
    batches = [
        pa.record_batch({"sepal_length": pa.array(values).dictionary_encode()})
        for values in (["a"], ["a", "b"])
    ]
    body = stream(batches, emit_dictionary_deltas=True)
    assert errors_of(post_bytes(client, PATH, body, ARROW)) == MALFORMED


# Values without names


def test_values_are_in_their_order(line_pipeline: Any) -> None:
    client = serve(ValuesModel(name="line", pipeline=line_pipeline))
    for names in (["a", "b", "c"], ["x0", "x1", "x2"], ["a", "a", "a"]):
        table = pa.table([[1.0], [3.0], [7.2]], names=names)
        response = post_bytes(client, "/line/predict/", stream(table), ARROW)
        assert table_of(response).to_pydict() == {"prediction": [751.0]}
    table = pa.table([[7.2], [3.0], [1.0]], names=["x2", "x1", "x0"])
    response = post_bytes(client, "/line/predict/", stream(table), ARROW)
    assert table_of(response).to_pydict() == {"prediction": [751.0]}
    table = pa.table([[1.0], [3.0]], names=["a", "b"])
    response = post_bytes(client, "/line/predict/", stream(table), ARROW)
    assert errors_of(response) == [(0, "values", "items")]
    table = pa.table([[1.0], [3.0], [[7.2]]], names=["a", "b", "c"])
    response = post_bytes(client, "/line/predict/", stream(table), ARROW)
    assert errors_of(response) == [(None, None, "type")]


# Responses


OUTPUTS: dict[str, tuple[Any, Any, list[Any]]] = {
    "singles": (np.array([0.1], np.float32), pa.float32(), [float(np.float32(0.1))]),
    "halves": (np.array([0.5], np.float16), pa.float16(), [0.5]),
    "long doubles": (np.array([0.5], np.longdouble), pa.float64(), [0.5]),
    "integers": (np.array([2], np.int32), pa.int32(), [2]),
    "swapped bytes": (np.array([2], ">i4"), pa.int32(), [2]),
    "booleans": (np.array([True]), pa.bool_(), [True]),
    "texts": (np.array(["setosa"]), pa.string(), ["setosa"]),
    "objects": (np.array(["é"], dtype=object), pa.string(), ["é"]),
    "missing": (np.array([None], dtype=object), pa.null(), [None]),
    "bytes": (np.array([b"a"]), pa.string(), ["a"]),
    "dates": (np.array(["2024-02-29"], "M8[D]"), pa.string(), ["2024-02-29"]),
    "surrogates": (np.array(["\ud800"], dtype=object), pa.string(), ["?"]),
    "large integers": (np.array([2**70], dtype=object), pa.string(), [str(2**70)]),
    "nested": (np.zeros((1, 1, 1)), pa.string(), ["[[0.0]]"]),
}


@pytest.mark.parametrize(("outputs", "kind", "values"), OUTPUTS.values(), ids=OUTPUTS)
def test_outputs(echo: Echo, outputs: Any, kind: Any, values: list[Any]) -> None:
    class Given(Echo):
        def predict(self, X: Any) -> Any:
            return outputs

    client = serve(Given(pipeline=echo.pipeline, schema=echo.schema))
    table = table_of(post_bytes(client, "/echo/predict/", stream(pa.table({"a": [1.0]})), ARROW))
    assert table.schema == pa.schema({"prediction": kind})
    assert table.column(0).to_pylist() == values


def test_mixed_objects_come_as_texts(echo: Echo) -> None:
    class Given(Echo):
        def predict(self, X: Any) -> Any:
            return np.array([1, "a", None], dtype=object)

    client = serve(Given(pipeline=echo.pipeline, schema=echo.schema))
    body = stream(pa.table({"a": [1.0, 2.0, 3.0]}))
    table = table_of(post_bytes(client, "/echo/predict/", body, ARROW))
    assert table.to_pydict() == {"prediction": ["1", "a", None]}


def test_answer_by_accept(client: FlaskClient) -> None:
    headers = {"Accept": f"text/html, {ARROW};q=0.9, {JSON};q=0.1"}
    assert table_of(client.post(PATH, json=SETOSA, headers=headers)).to_pydict() == {
        "prediction": [0]
    }
    response = client.post(
        PATH, data=stream(TABLE.slice(0, 1)), content_type=ARROW, headers={"Accept": JSON}
    )
    assert response.get_json()["predictions"] == [0]


def test_columns_of_a_transformer() -> None:
    client = serve(ValuesModel(name="same", pipeline=FunctionTransformer(), methods=["transform"]))
    table = pa.table([[1.0, 2.0], [3.0, 4.0]], names=["a", "b"])
    got = table_of(post_bytes(client, "/same/transform/", stream(table), ARROW))
    assert got.to_pydict() == {"prediction_0": [1.0, 2.0], "prediction_1": [3.0, 4.0]}
