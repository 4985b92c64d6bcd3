"""JSON as columns: ``{"columns": {"sepal_length": [5.1, 4.9], ...}}``."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from sklearn.linear_model import LinearRegression

from flask_skmodels import KeyValueModel, ValuesModel
from flask_skmodels.codecs.json_text import loads
from tests.support.helpers import (
    FIELDS,
    JSON,
    SCHEMA,
    SETOSA,
    VIRGINICA,
    Error,
    X,
    errors_of,
    post_bytes,
    post_json,
    predictions,
    serve,
)

PATH = "/iris/predict/"
COLUMNS: dict[str, Any] = {name: [SETOSA[name], VIRGINICA[name]] for name in FIELDS}


def test_rows(client: FlaskClient) -> None:
    assert predictions(post_json(client, PATH, {"columns": COLUMNS})) == [0, 2]


def test_columns_in_another_order(client: FlaskClient) -> None:
    columns = dict(reversed(COLUMNS.items()))
    assert predictions(post_json(client, PATH, {"columns": columns})) == [0, 2]


def test_one_row_and_many(client: FlaskClient, pipeline: Any) -> None:
    for count in (1, 7, 8, 150):
        columns = {name: X[:count, place].tolist() for place, name in enumerate(FIELDS)}
        got = predictions(post_json(client, "/iris/predict_proba/", {"columns": columns}))
        np.testing.assert_array_equal(got, pipeline.predict_proba(X[:count]))


def test_surplus_columns_and_members_are_ignored(client: FlaskClient) -> None:
    document = {"columns": COLUMNS | {"note": ["a", "b"]}, "id": "a:b"}
    assert predictions(post_json(client, PATH, document)) == [0, 2]


def test_field_of_the_name(pipeline: Any) -> None:
    model = KeyValueModel(name="line", pipeline=LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]))
    model.schema = {"columns": {"type": "number"}}
    client = serve(model)
    assert predictions(post_json(client, "/line/predict/", {"columns": 1})) == pytest.approx([1])
    document = {"columns": {"columns": [1]}}
    assert errors_of(post_json(client, "/line/predict/", document)) == [(0, "columns", "type")]


def test_row_with_a_surplus_member_of_the_name(client: FlaskClient) -> None:
    assert predictions(post_json(client, PATH, SETOSA | {"columns": {"a": [1]}})) == [0]


def replaced(name: str, column: object) -> bytes:
    return json.dumps({"columns": COLUMNS | {name: column}}).encode()


def with_literal(literal: bytes) -> bytes:
    """Return columns with a literal that is not valid JSON."""
    return json.dumps({"columns": COLUMNS}).encode().replace(b"6.3", literal)


NO_ARRAYS: list[Error] = [(None, "columns", "type")]
BAD: dict[str, tuple[bytes, list[Error]]] = {
    "null": (b'{"columns": null}', NO_ARRAYS),
    "array": (b'{"columns": []}', NO_ARRAYS),
    "text": (b'{"columns": "a"}', NO_ARRAYS),
    "no columns": (b'{"columns": {}}', [(None, None, "empty")]),
    "columns without rows": (
        json.dumps({"columns": {name: [] for name in FIELDS}}).encode(),
        [(None, None, "empty")],
    ),
    "a value for a column": (replaced("petal_width", 1), [(None, "petal_width", "type")]),
    "a text for a column": (replaced("petal_width", "12"), [(None, "petal_width", "type")]),
    "an object for a column": (replaced("petal_width", {"0": 1}), [(None, "petal_width", "type")]),
    "a value for a surplus column": (replaced("note", 1), NO_ARRAYS),
    "another length": (replaced("petal_width", [1]), [(None, None, "length")]),
    "another length of a surplus column": (replaced("note", [1]), [(None, None, "length")]),
    "missing": (
        json.dumps({"columns": {n: COLUMNS[n] for n in FIELDS[1:]}}).encode(),
        [(None, "sepal_length", "required")],
    ),
    "null in a column": (replaced("petal_width", [1, None]), [(1, "petal_width", "nullable")]),
    "text in a column": (replaced("petal_width", [1, "2"]), [(1, "petal_width", "type")]),
    "boolean in a column": (replaced("petal_width", [True, 2]), [(0, "petal_width", "type")]),
    "array in a column": (replaced("petal_width", [[1], 2]), [(0, "petal_width", "type")]),
    "object in a column": (replaced("petal_width", [1, {}]), [(1, "petal_width", "type")]),
    "below the minimum": (replaced("petal_width", [1, -1]), [(1, "petal_width", "min")]),
    "nan": (with_literal(b"NaN"), [(1, "sepal_length", "type")]),
    "1e400": (with_literal(b"1e400"), [(1, "sepal_length", "type")]),
    "5,000 digits": (with_literal(b"9" * 5000), [(1, "sepal_length", "type")]),
    "column twice": (
        with_literal(b'1], "petal_width": [3, 4], "note": [1, 2').replace(b"0.2, 2.5", b"1, 2"),
        [(None, "petal_width", "unique")],
    ),
    "columns twice": (
        json.dumps({"columns": COLUMNS}).encode()[:-1] + b', "columns": {}}',
        [(None, "columns", "unique")],
    ),
    "broken": (b'{"columns": {"a": [1, 2}}', [(None, None, "json")]),
    "deep": (b'{"columns": {"a": ' + b"[" * 100_000 + b"}}", [(None, None, "json")]),
    "100,000 columns": (
        json.dumps({"columns": {str(place): [1] for place in range(100_000)}}).encode(),
        [(None, None, "max_columns")],
    ),
}


@pytest.mark.parametrize(("body", "errors"), BAD.values(), ids=BAD)
def test_bad_columns(client: FlaskClient, body: bytes, errors: list[Error]) -> None:
    assert errors_of(post_bytes(client, PATH, body, JSON)) == errors


def test_surplus_column_twice_is_ignored(client: FlaskClient) -> None:
    body = json.dumps({"columns": COLUMNS}).encode()[:-2] + b', "n": [1, 2], "n": [3, 4]}}'
    assert predictions(post_bytes(client, PATH, body, JSON)) == [0, 2]


def test_unknown_column_where_unknown_fields_are_refused(pipeline: Any) -> None:
    model = KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA, purge_unknown=False)
    client = serve(model)
    assert predictions(post_json(client, PATH, {"columns": COLUMNS})) == [0, 2]
    document = {"columns": COLUMNS | {"note": [1, 2]}}
    errors = errors_of(post_json(client, PATH, document))
    assert errors == [(0, "note", "unknown"), (1, "note", "unknown")]


def test_values(line_pipeline: Any) -> None:
    client = serve(ValuesModel(name="line", pipeline=line_pipeline))
    for columns in ({"a": [1], "b": [3], "c": [7]}, {"x2": [7], "x1": [3], "x0": [1]}):
        got = predictions(post_json(client, "/line/predict/", {"columns": columns}))
        assert got == [731.0]
    document: object = {"columns": {"a": [1], "b": [3]}}
    assert errors_of(post_json(client, "/line/predict/", document)) == [(0, "values", "items")]
    body = b'{"columns": {"a": [1], "a": [2], "b": [3], "c": [7]}}'
    errors = errors_of(post_bytes(client, "/line/predict/", body, JSON))
    assert errors == [(None, "columns", "unique")]
    document = {"columns": {"a": [1]}, "values": [1, 3, 7]}
    assert predictions(post_json(client, "/line/predict/", document)) == [731.0]


def test_too_many_rows(pipeline: Any) -> None:
    model = KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA)
    client = serve(model, SKMODELS_MAX_ROWS=1)
    response = post_json(client, PATH, {"columns": COLUMNS})
    assert errors_of(response, 413) == [(None, None, "max_rows")]


def test_columns_are_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("json.loads", None)
    assert loads(json.dumps({"columns": COLUMNS}).encode()) == {"columns": COLUMNS}
