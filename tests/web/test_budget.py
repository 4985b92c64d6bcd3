"""The budget of a request: rows, cells, inflation, errors, and the cells of the response."""

from __future__ import annotations

import gzip
import io
from typing import Any

import numpy as np
import orjson
import pytest
from flask import Flask
from scipy import sparse
from sklearn.preprocessing import OneHotEncoder

from flask_skmodels import (
    InvalidInput,
    KeyValueModel,
    Model,
    ModelError,
    SKModels,
    input_rejected,
)
from tests.hostile.bodies.application import RowSums
from tests.support.helpers import (
    FIELDS,
    JSON,
    SCHEMA,
    SETOSA,
    errors_of,
    messages_of,
    post_bytes,
    post_json,
    predictions,
    problem,
    serve,
)
from tests.support.skips import library

PATH = "/iris/predict/"
ARROW = "application/vnd.apache.arrow.stream"
FORMATS = (JSON, "text/csv", "text/plain", "application/x-ndjson", ARROW)
CATEGORIES = 300
DIALECTS = ["kserve-v1", "mlflow", "open-inference"]


def iris(pipeline: Any, **attributes: Any) -> KeyValueModel:
    return KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA, **attributes)


@pytest.fixture(scope="module")
def encoder() -> Any:
    return OneHotEncoder().fit(np.array([[f"c{i}"] for i in range(CATEGORIES)], dtype=object))


def encoding(encoder: Any, **attributes: Any) -> KeyValueModel:
    schema = {"category": {"type": "string"}}
    options = {"methods": ["transform"], "schema": schema, **attributes}
    return KeyValueModel(name="onehot", pipeline=encoder, **options)


# Rows and cells


def test_rows_of_a_model_are_limited_by_its_own_attribute(pipeline: Any) -> None:
    client = serve(iris(pipeline, max_rows=3), SKMODELS_MAX_ROWS=2)
    assert len(predictions(post_json(client, PATH, [SETOSA] * 3))) == 3
    assert errors_of(post_json(client, PATH, [SETOSA] * 4), 413) == [(None, None, "max_rows")]


@pytest.mark.parametrize("limits", [{"SKMODELS_MAX_CELLS": 12}, {"max_cells": 12}])
def test_cells_are_limited(pipeline: Any, limits: dict[str, Any]) -> None:
    attributes = {name: value for name, value in limits.items() if name == "max_cells"}
    config = {name: value for name, value in limits.items() if name not in attributes}
    client = serve(iris(pipeline, **attributes), **config)
    assert len(predictions(post_json(client, PATH, [SETOSA] * 3))) == 3
    response = post_json(client, PATH, [SETOSA] * 4)
    assert errors_of(response, 413) == [(None, None, "max_cells")]
    assert messages_of(response, 413) == ["at most 3 rows are allowed in this request, not 4"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_cells_are_limited_in_each_dialect(pipeline: Any, dialect: str) -> None:
    config = {"SKMODELS_DIALECTS": [dialect], "SKMODELS_MLFLOW_MODEL": "iris"}
    client = serve(iris(pipeline, max_cells=12), **config)
    rows = [list(SETOSA.values())] * 4
    flat = {"name": "x", "datatype": "FP64", "shape": [4, 4], "data": rows}
    requests: dict[str, tuple[str, Any]] = {
        "kserve-v1": ("/v1/models/iris:predict", {"instances": rows}),
        "mlflow": ("/invocations", {"instances": rows}),
        "open-inference": ("/v2/models/iris/infer", {"inputs": [flat]}),
    }
    path, document = requests[dialect]
    assert post_json(client, path, document).status_code == 413


def test_cells_of_rows_without_a_fixed_length_are_limited() -> None:
    client = serve(Model(name="sums", pipeline=RowSums().fit(None), max_cells=10))
    assert post_json(client, "/sums/transform/", [[1] * 5] * 2).status_code == 200
    assert errors_of(post_json(client, "/sums/transform/", [[1] * 11]), 413) == [
        (None, None, "max_cells")
    ]


def test_values_that_only_cerberus_validates_count_as_4000_cells(pipeline: Any) -> None:
    schema = {name: {"type": "number", "anyof": [{"min": 0}, {"max": -5}]} for name in FIELDS}
    model = KeyValueModel(name="iris", pipeline=pipeline, schema=schema, max_cells=32_000)
    client = serve(model)
    assert len(predictions(post_json(client, PATH, [SETOSA] * 2))) == 2
    assert errors_of(post_json(client, PATH, [SETOSA] * 3), 413) == [(None, None, "max_cells")]


def test_callers_in_process_have_no_budget(pipeline: Any) -> None:
    app = Flask("local")
    app.config["SKMODELS_MAX_ROWS"] = app.config["SKMODELS_MAX_CELLS"] = 1
    models = SKModels(app)
    models.register(iris(pipeline))
    assert models.predict("iris", [SETOSA] * 5, app=app).rows == 5


@pytest.mark.parametrize("value", [0, -1, True, 1.5, "5"])
@pytest.mark.parametrize("name", ["max_rows", "max_cells"])
def test_limit_of_a_model_must_be_a_count(pipeline: Any, name: str, value: Any) -> None:
    models = SKModels(Flask("wrong"))
    message = f"model 'iris': {name} must be None or an integer of at least 1"
    with pytest.raises(ModelError, match=message):
        models.register(iris(pipeline, **{name: value}))


# Errors


def test_check_ends_at_the_100th_error(pipeline: Any) -> None:
    client = serve(iris(pipeline))
    document = problem(post_json(client, PATH, [SETOSA | {"petal_width": "x"}] * 5000), 400)
    assert document["detail"] == "the input has at least 100 errors"
    assert [error["row"] for error in document["errors"]] == list(range(100))


def test_99_errors_are_all_of_them(pipeline: Any) -> None:
    client = serve(iris(pipeline))
    rows = [SETOSA | {"petal_width": "x"}] * 99 + [SETOSA] * 99
    assert problem(post_json(client, PATH, rows), 400)["detail"] == "the input has 99 errors"


def test_error_of_a_caller_says_if_there_may_be_more(app: Flask, models: SKModels) -> None:
    with pytest.raises(InvalidInput) as caught:
        models.predict("iris", [[1, 2, 3, "x"]] * 150, app=app)
    assert (caught.value.error_count, caught.value.is_complete) == (100, False)


# Inflation


@pytest.mark.parametrize(("inflation", "status"), [(100, 413), (10_000, 200)])
def test_inflation_is_limited_beyond_a_mebibyte(pipeline: Any, inflation: int, status: int) -> None:
    client = serve(iris(pipeline), SKMODELS_MAX_INFLATION=inflation)
    for length, expected in ((2**20 - 100, 200), (2**21, status)):
        body = gzip.compress(b" " * length + b"[5.1,3.5,1.4,0.2]".join([b"[", b"]"]))
        headers = {"Content-Type": JSON, "Content-Encoding": "gzip"}
        response = client.post(PATH, data=body, headers=headers)
        assert response.status_code == expected
        if expected == 413:
            assert errors_of(response, 413) == [(None, None, "max_content_length")]


def test_text_that_a_dictionary_repeats_is_counted(encoder: Any) -> None:
    pa = library("pyarrow")
    client = serve(encoding(encoder, max_cells=10**9))
    for length, status in ((10, 400), (2000, 413)):
        indices = pa.array([0] * 1000, pa.int16())
        column = pa.DictionaryArray.from_arrays(indices, ["x" * length])
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, pa.schema([("category", column.type)])) as writer:
            writer.write_table(pa.table({"category": column}))
        response = post_bytes(client, "/onehot/transform/", sink.getvalue(), ARROW)
        assert response.status_code in {status, 422 if status == 400 else status}


def test_columns_that_the_model_does_not_have_are_not_read(pipeline: Any) -> None:
    pa = library("pyarrow")
    known = {name: pa.array([value] * 10) for name, value in SETOSA.items()}
    nested = {f"x{i}": pa.array([[1]] * 10) for i in range(50)}
    sink = io.BytesIO()
    table = pa.table(nested | known)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    client = serve(iris(pipeline, max_cells=40))
    response = client.post(
        PATH, data=sink.getvalue(), headers={"Content-Type": ARROW, "Accept": JSON}
    )
    assert len(predictions(response)) == 10


def _csv_with_unknown_columns() -> tuple[str, bytes, str]:
    names = ",".join([*FIELDS, *(f"x{i}" for i in range(50))])
    line = ",".join([*map(str, SETOSA.values()), *["a"] * 50])
    return PATH, f"{names}\n{line}\n".encode() + f"{line}\n".encode() * 9, "text/csv"


def _kserve_with_unknown_columns() -> tuple[str, bytes, str]:
    unknown = {f"x{i}": [i] * 10 for i in range(50)}
    return "/v1/models/iris:predict", orjson.dumps({"instances": [SETOSA | unknown] * 10}), JSON


def _parquet_with_unknown_columns() -> tuple[str, bytes, str]:
    pa, parquet = library("pyarrow"), library("pyarrow.parquet")
    columns = {name: [value] * 10 for name, value in SETOSA.items()}
    sink = io.BytesIO()
    parquet.write_table(pa.table(columns | {f"x{i}": [[1]] * 10 for i in range(50)}), sink)
    return "/invocations", sink.getvalue(), "application/vnd.apache.parquet"


@pytest.mark.parametrize(
    "body",
    [
        _csv_with_unknown_columns,
        _kserve_with_unknown_columns,
        _parquet_with_unknown_columns,
    ],
)
def test_unknown_columns_of_other_formats_are_not_read(pipeline: Any, body: Any) -> None:
    config = {"SKMODELS_DIALECTS": DIALECTS, "SKMODELS_MLFLOW_MODEL": "iris"}
    client = serve(iris(pipeline, max_cells=40), **config)
    path, data, content_type = body()
    headers = {"Content-Type": content_type, "Accept": JSON}
    assert len(predictions(client.post(path, data=data, headers=headers))) == 10


# Rows that are not alike


@pytest.mark.parametrize(
    "odd",
    [
        b'{"sepal_length":5.1,"sepal_width":3.5,"petal_length":1.4,"petal_width":0.2}',
        b'{"sepal_length":5.1,"sepal_width":3.5,"petal_length":1.4,"petal_width":0.2,"x":1,"x":2}',
    ],
)
def test_rows_of_several_kinds_are_validated_without_cerberus(
    pipeline: Any, odd: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = serve(iris(pipeline))
    monkeypatch.setattr("cerberus.Validator.validate", None)
    body = b"[" + b",".join([b"[5.1,3.5,1.4,0.2]"] * 20 + [odd]) + b"]"
    assert len(predictions(post_bytes(client, PATH, body, JSON))) == 21


@pytest.mark.parametrize("values", [[1, 2, 3], [1.5, 2.5], [1, 1.5, 2]])
def test_allowed_numbers_are_those_of_the_rule(line_pipeline: Any, values: list[Any]) -> None:
    schema = {name: {"type": "number", "allowed": values} for name in ("a", "b", "c")}
    client = serve(KeyValueModel(name="line", pipeline=line_pipeline, schema=schema))
    good = [values[0], values[1], values[-1]]
    rows = [good] * 20 + [[99, 98, values[0]]] + [good]
    assert errors_of(post_json(client, "/line/predict/", rows)) == [
        (20, "a", "allowed"),
        (20, "b", "allowed"),
    ]
    assert len(predictions(post_json(client, "/line/predict/", [good] * 20))) == 20


# Headers and forms


def test_long_accept_header_counts_as_not_sent(pipeline: Any) -> None:
    client = serve(iris(pipeline))
    for count, status in ((10, 406), (3000, 200)):
        accept = ",".join(["a/b"] * count)
        assert post_json(client, PATH, SETOSA, accept).status_code == status
    assert post_json(client, PATH, [], ",".join(["text/plain"] * 3000)).is_json


def test_fields_of_a_form_are_limited(pipeline: Any) -> None:
    client = serve(iris(pipeline))
    response = client.post(
        PATH, data=b"a=1&" * 70_000, content_type="application/x-www-form-urlencoded"
    )
    assert errors_of(response) == [(None, None, "max_columns")]


def test_names_of_requested_outputs_are_limited(pipeline: Any) -> None:
    client = serve(iris(pipeline), SKMODELS_DIALECTS=["open-inference"])
    flat = {"name": "x", "datatype": "FP64", "shape": [1, 4], "data": [1, 1, 1, 1]}
    outputs = [{"name": f"o{i}"} for i in range(20_000)]
    response = post_json(client, "/v2/models/iris/infer", {"inputs": [flat], "outputs": outputs})
    assert response.status_code == 400
    assert response.get_json() == {"error": "at most 16384 outputs are allowed"}


# Responses


def test_response_with_too_many_cells_is_refused(encoder: Any) -> None:
    calls = []

    class Counted(KeyValueModel):
        def transform(self, X: Any) -> Any:
            calls.append(len(X))
            return self.pipeline.transform(X)

    options = {"methods": ["transform"], "schema": {"category": {"type": "string"}}}
    client = serve(Counted(name="onehot", pipeline=encoder, max_cells=CATEGORIES * 3, **options))
    calls.clear()
    for _ in range(2):
        response = post_json(client, "/onehot/transform/", [{"category": "c1"}] * 4)
        assert errors_of(response, 413) == [(None, None, "max_cells")]
        assert messages_of(response, 413) == ["at most 3 rows are allowed in this response, not 4"]
    assert len(calls) == 1, "the second request is refused before the estimator is called"
    assert len(predictions(post_json(client, "/onehot/transform/", [{"category": "c1"}] * 3))) == 3


def test_response_that_is_refused_is_a_rejected_input(encoder: Any) -> None:
    client = serve(encoding(encoder, max_cells=CATEGORIES))
    sent = []

    def keep(sender: Any, **extra: Any) -> None:
        sent.append([error.rule for error in extra["errors"]])

    with input_rejected.connected_to(keep):
        for _ in range(2):
            post_json(client, "/onehot/transform/", [{"category": "c1"}] * 2)
    assert sent == [["max_cells"], ["max_cells"]]


def test_large_response_can_be_downloaded_from_the_page(encoder: Any) -> None:
    client = serve(encoding(encoder))
    file = b"category\n" + b"c1\n" * 1000
    for query in ("?download=1", ""):
        response = client.post(
            f"/onehot/{query}",
            data={"file": (io.BytesIO(file), "rows.csv")},
            headers={"Accept": "text/html"},
        )
        assert response.status_code == 200
        if query:
            assert response.data.count(b"\r\n") == 1001


def test_texts_of_a_response_are_limited(pipeline: Any) -> None:
    class Long(KeyValueModel):
        schema = SCHEMA
        max_cells = 1000

        def predict(self, X: Any) -> Any:
            return np.array(["x" * 1000] * len(X), dtype=object)

    client = serve(Long(name="iris", pipeline=pipeline))
    assert post_json(client, PATH, [SETOSA] * 8).status_code == 200
    assert errors_of(post_json(client, PATH, [SETOSA] * 9), 413) == [(None, None, "max_cells")]


@pytest.mark.parametrize("accept", FORMATS)
@pytest.mark.parametrize("is_sparse", [True, False])
def test_large_response_equals_a_small_one(
    encoder: Any, accept: str, is_sparse: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if accept == ARROW:
        library("pyarrow")

    class Either(KeyValueModel):
        def transform(self, X: Any) -> Any:
            outputs = self.pipeline.transform(X)
            return outputs if is_sparse else outputs.toarray()

    schema = {"category": {"type": "string"}}
    client = serve(Either(name="onehot", pipeline=encoder, schema=schema, methods=["transform"]))
    rows = [{"category": f"c{i % CATEGORIES}"} for i in range(1000)]
    large = post_json(client, "/onehot/transform/", rows, accept)
    assert large.status_code == 200
    assert "Content-Length" not in large.headers
    monkeypatch.setattr("flask_skmodels.codecs.parts.FEW_CELLS", 10**9)
    monkeypatch.setattr("flask_skmodels.web.views.FEW_CELLS", 10**9)
    small = post_json(client, "/onehot/transform/", rows, accept)
    assert "Content-Length" in small.headers
    assert large.content_type == small.content_type
    if accept == ARROW:
        pa = library("pyarrow")
        tables = [pa.ipc.open_stream(each.data).read_all() for each in (large, small)]
        assert tables[0].equals(tables[1])
    else:
        assert large.data == small.data


@pytest.mark.parametrize("accept", FORMATS)
@pytest.mark.parametrize(
    "kind", ["floats", "gaps", "infinite", "narrow", "integers", "texts", "flat"]
)
def test_large_response_of_any_dtype_equals_a_small_one(
    pipeline: Any, kind: str, accept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if accept == ARROW:
        library("pyarrow")
    random = np.random.default_rng(0)
    floats = random.normal(size=(20, 50)) * 10.0 ** random.integers(-30, 30, size=(20, 50))
    floats[3] = 10.0 ** np.linspace(-7, -3, 50)
    outputs = {
        "floats": floats,
        "gaps": np.where(floats > 1, np.nan, floats),
        "infinite": np.where(floats > 1e9, np.inf, floats),
        "narrow": floats.clip(-1e30, 1e30).astype(np.float32),
        "integers": random.integers(-5, 5, size=(20, 50)),
        "texts": np.array([["a", 'b"', "\u00e9,"]] * 20),
        "flat": np.where(np.arange(20) % 3, floats[:, 0], np.nan),
    }[kind]

    class Fixed(KeyValueModel):
        schema = SCHEMA

        def predict(self, X: Any) -> Any:
            return outputs

    client = serve(Fixed(name="iris", pipeline=pipeline))
    small = post_json(client, PATH, [SETOSA] * 20, accept)
    monkeypatch.setattr("flask_skmodels.codecs.parts.FEW_CELLS", 10)
    monkeypatch.setattr("flask_skmodels.web.views.FEW_CELLS", 10)
    monkeypatch.setattr("flask_skmodels.codecs.parts._CELLS_OF_A_PART", 100)
    large = post_json(client, PATH, [SETOSA] * 20, accept)
    assert ("Content-Length" in small.headers, "Content-Length" in large.headers) == (True, False)
    if accept == ARROW:
        pa = library("pyarrow")
        tables = [pa.ipc.open_stream(each.data).read_all().to_pylist() for each in (large, small)]
        assert repr(tables[0]) == repr(tables[1])
    else:
        assert large.data == small.data


@pytest.mark.parametrize(
    ("path", "document"),
    [("/v1/models/onehot:predict", "instances"), ("/invocations", "dataframe_records")],
)
def test_large_response_of_a_dialect(encoder: Any, path: str, document: str) -> None:
    config = {"SKMODELS_DIALECTS": ["kserve-v1", "mlflow"], "SKMODELS_MLFLOW_MODEL": "onehot"}
    client = serve(encoding(encoder), **config)
    rows = [{"category": f"c{i % CATEGORIES}"} for i in range(1000)]
    response = post_json(client, path, {document: rows})
    assert response.status_code == 200
    assert "Content-Length" not in response.headers
    expected = encoder.transform([[row["category"]] for row in rows])
    found = sparse.csr_matrix(response.get_json()["predictions"])
    assert (found != expected).nnz == 0
