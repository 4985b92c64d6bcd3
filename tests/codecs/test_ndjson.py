"""``application/x-ndjson``: one record a line, one prediction a line."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from sklearn.tree import DecisionTreeClassifier

from flask_skmodels import KeyValueModel, ValuesModel
from tests.support.helpers import (
    FIELDS,
    JSON,
    SCHEMA,
    SETOSA,
    VIRGINICA,
    Error,
    errors_of,
    hooked,
    post_bytes,
    problem,
    serve,
    without,
)

PATH = "/iris/predict/"
NDJSON = "application/x-ndjson"
ONE, TWO = json.dumps(SETOSA).encode(), json.dumps(VIRGINICA).encode()
SECRET = b"s3cr3t-value"


def predicted(response: Any) -> list[Any]:
    """Return what the lines of an answer that has come well say."""
    assert response.status_code == 200, response.text
    assert response.content_type == NDJSON
    assert response.text.endswith("\n")
    records = [json.loads(line) for line in response.text.splitlines()]
    assert all(list(record) == ["prediction"] for record in records)
    return [record["prediction"] for record in records]


@pytest.mark.parametrize(
    "body",
    [
        ONE + b"\n" + TWO + b"\n",
        ONE + b"\n" + TWO,
        ONE + b"\r\n" + TWO + b"\r\n",
        b"\n \n" + ONE + b"\n\n\t" + TWO + b" \n\r\n",
        b"[5.1, 3.5, 1.4, 0.2]\n" + TWO,
        json.dumps(SETOSA | {"note": "a:b"}).encode() + b"\n" + TWO,
    ],
)
def test_rows(client: FlaskClient, body: bytes) -> None:
    assert predicted(post_bytes(client, PATH, body, NDJSON)) == [0, 2]


BAD: dict[str, tuple[bytes, list[Error]]] = {
    "empty body": (b"", [(None, None, "empty")]),
    "blank lines": (b"\n \r\n", [(None, None, "empty")]),
    "broken line": (ONE + b"\n{\n" + TWO, [(1, None, "json")]),
    "two broken lines": (b"{\n\n" + ONE + b"\n}\n", [(0, None, "json"), (2, None, "json")]),
    "two records on a line": (ONE + b" " + TWO, [(0, None, "json")]),
    "two values on a line": (b"[1,2,3,4],[1,2,3,4]\n", [(0, None, "json")]),
    "record over two lines": (b'{"sepal_length":\n1}', [(0, None, "json"), (1, None, "json")]),
    "array over two lines": (b"[1,2\n,3,4]", [(0, None, "json"), (1, None, "json")]),
    "all in one array": (b"[" + ONE + b"]", [(0, None, "items")]),
    "invalid UTF-8": (ONE + b'\n{"a": "\xff"}', [(1, None, "json")]),
    "byte order mark": (b"\xef\xbb\xbf" + ONE, [(0, None, "json")]),
    "surrogate": (b'{"a": "\\ud800"}', [(0, None, "json")]),
    "zero byte": (ONE + b"\n\0", [(1, None, "json")]),
    "100,000 deep": (ONE + b"\n" + b"[" * 100_000, [(1, None, "json")]),
    "number": (b"5", [(0, None, "type")]),
    "text": (b'"abc"', [(0, None, "type")]),
    "null": (ONE + b"\nnull", [(1, None, "type")]),
    "nan": (ONE + b"\n" + ONE.replace(b"5.1", b"NaN"), [(1, "sepal_length", "type")]),
    "1e400": (ONE.replace(b"5.1", b"1e400"), [(0, "sepal_length", "type")]),
    "5,000 digits": (ONE.replace(b"5.1", b"9" * 5000), [(0, "sepal_length", "type")]),
    "number as text": (ONE.replace(b"5.1", b'"5.1"'), [(0, "sepal_length", "type")]),
    "missing": (
        ONE + b"\n" + json.dumps(without(SETOSA, "petal_width")).encode(),
        [(1, "petal_width", "required")],
    ),
    "name twice": (
        ONE + b"\n" + ONE.replace(b"{", b'{"sepal_length": 1, '),
        [(1, "sepal_length", "unique")],
    ),
}


@pytest.mark.parametrize(("body", "errors"), BAD.values(), ids=BAD)
def test_bad_rows(client: FlaskClient, body: bytes, errors: list[Error]) -> None:
    assert errors_of(post_bytes(client, PATH, body, NDJSON)) == errors


def test_check_of_101_broken_lines_ends_at_the_100th(client: FlaskClient) -> None:
    document = problem(post_bytes(client, PATH, SECRET + (b"\n" + SECRET) * 100, NDJSON), 400)
    assert document["error_count"] == 100
    assert [error["row"] for error in document["errors"]] == list(range(100))
    assert {error["message"] for error in document["errors"]} == {"the line is not valid JSON"}


def test_too_many_rows(pipeline: Any) -> None:
    model = KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA)
    client = serve(model, SKMODELS_MAX_ROWS=2)
    assert predicted(post_bytes(client, PATH, ONE + b"\n" + TWO, NDJSON)) == [0, 2]
    response = post_bytes(client, PATH, (ONE + b"\n") * 3, NDJSON)
    assert errors_of(response, 413) == [(None, None, "max_rows")]


def test_values(line_pipeline: Any) -> None:
    client = serve(ValuesModel(name="line", pipeline=line_pipeline))
    body = b'[1, 3, 7.2]\n{"values": [1, 3, 7]}\n'
    assert predicted(post_bytes(client, "/line/predict/", body, NDJSON)) == [751.0, 731.0]
    errors = errors_of(post_bytes(client, "/line/predict/", b"[1, 3, 7.2]\n[1, 3]", NDJSON))
    assert errors == [(1, "values", "items")]


@pytest.mark.parametrize(
    ("outputs", "predictions"),
    [
        (np.array([0.1, np.nan]), [0.1, None]),
        (np.array(["a", "b"]), ["a", "b"]),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array([[1], [3]]), [[1], [3]]),
        ([np.eye(2), np.ones((2, 1))], [[[1.0, 0.0], [1.0]], [[0.0, 1.0], [1.0]]]),
        (np.array([{1, 2}, None], dtype=object), ["{1, 2}", None]),
    ],
)
def test_outputs(pipeline: Any, outputs: Any, predictions: list[Any]) -> None:
    client = serve(hooked(pipeline, lambda X: outputs))
    response = post_bytes(client, "/hooked/predict/", ONE + b"\n" + TWO, NDJSON)
    assert predicted(response) == predictions


def test_probabilities(client: FlaskClient, pipeline: Any) -> None:
    response = post_bytes(client, "/iris/predict_proba/", ONE + b"\n" + TWO, NDJSON)
    rows = [[row[name] for name in FIELDS] for row in (SETOSA, VIRGINICA)]
    assert predicted(response) == pipeline.predict_proba(rows).tolist()


def test_probabilities_of_several_outputs() -> None:
    tree = DecisionTreeClassifier().fit(np.eye(3), [["a", "x"], ["b", "y"], ["a", "z"]])
    client = serve(ValuesModel(name="two", pipeline=tree, probability=True))
    response = post_bytes(client, "/two/predict_proba/", b"[1, 0, 0]\n[0, 1, 0]", NDJSON)
    assert predicted(response) == [
        [[1.0, 0.0], [1.0, 0.0, 0.0]],
        [[0.0, 1.0], [0.0, 1.0, 0.0]],
    ]


def test_answer_by_accept(client: FlaskClient) -> None:
    headers = {"Accept": f"{NDJSON}, {JSON};q=0.9"}
    response = client.post(PATH, json=[SETOSA, VIRGINICA], headers=headers)
    assert predicted(response) == [0, 2]
    response = client.post(PATH, data=ONE, content_type=NDJSON, headers={"Accept": JSON})
    assert response.get_json()["predictions"] == [0]
    response = client.post(PATH, data=ONE, content_type=NDJSON, headers={"Accept": "text/html"})
    assert errors_of(response, 406) == [(None, None, "accept")]
