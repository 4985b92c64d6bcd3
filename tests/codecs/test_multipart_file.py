"""A file in a multipart form, ``curl -F file=@rows.csv``: the same as a body of its type."""

from __future__ import annotations

import io
import json
from typing import Any

import pyarrow as pa
import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from sklearn.linear_model import LinearRegression
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.test import TestResponse

from flask_skmodels import KeyValueModel, SKModels
from tests.support.helpers import FIELDS, JSON, SCHEMA, SETOSA, Error, X, errors_of, serve

PATH = "/iris/predict/"
CSV_ROWS = b"sepal_length,sepal_width,petal_length,petal_width\n5.1,3.5,1.4,0.2\n6.3,3.3,6.0,2.5\n"
CSV, NDJSON = "text/csv", "application/x-ndjson"
ARROW = "application/vnd.apache.arrow.stream"
OCTETS = "application/octet-stream"
RECORD = json.dumps(SETOSA).encode()


def arrow_rows() -> bytes:
    table = pa.table(dict(zip(FIELDS, X[:2].T, strict=True)))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def upload(
    client: FlaskClient,
    body: bytes,
    name: str | None,
    content_type: str | None = OCTETS,
    *,
    accept: str | None = None,
    **fields: str,
) -> TestResponse:
    headers = {} if accept is None else {"Accept": accept}
    file = FileStorage(io.BytesIO(body), name, content_type=content_type)
    return client.post(PATH, data={"file": file, **fields}, headers=headers)


@pytest.mark.parametrize(
    ("body", "name", "content_type", "answered"),
    [
        (CSV_ROWS, "rows.csv", OCTETS, "text/csv; charset=utf-8"),
        (CSV_ROWS, "ROWS.CSV", OCTETS, "text/csv; charset=utf-8"),
        (CSV_ROWS, "rows.csv", "application/vnd.ms-excel", "text/csv; charset=utf-8"),
        (CSV_ROWS, "rows.csv", CSV, "text/csv; charset=utf-8"),
        (CSV_ROWS, "-", CSV, "text/csv; charset=utf-8"),
        (CSV_ROWS, "rows.json", "text/csv; charset=utf-8", "text/csv; charset=utf-8"),
        (RECORD, "rows.json", OCTETS, JSON),
        (RECORD, "rows", JSON, JSON),
        (RECORD, "rows.ndjson", OCTETS, NDJSON),
        (RECORD, "rows.jsonl", OCTETS, NDJSON),
        (arrow_rows(), "rows.arrow", OCTETS, ARROW),
        (arrow_rows(), "rows", ARROW, ARROW),
    ],
)
def test_file(
    client: FlaskClient, body: bytes, name: str, content_type: str, answered: str
) -> None:
    response = upload(client, body, name, content_type)
    assert response.status_code == 200, response.text
    assert response.content_type == answered
    told = content_type if answered.startswith(content_type.partition(";")[0]) else answered
    assert response.data == client.post(PATH, data=body, content_type=told).data


def test_part_without_a_type(client: FlaskClient) -> None:
    head = b'--abc\r\nContent-Disposition: form-data; name="file"; filename="rows.csv"\r\n\r\n'
    body = head + CSV_ROWS + b"\r\n--abc--\r\n"
    response = client.post(PATH, data=body, content_type="multipart/form-data; boundary=abc")
    assert response.text == "prediction\r\n0\r\n2\r\n"


def test_parameters_of_the_part(client: FlaskClient) -> None:
    response = upload(client, b"5.1,3.5,1.4,0.2\n", "rows.csv", "text/csv; header=absent")
    assert response.text == "prediction\r\n0\r\n"


def test_other_fields_are_ignored(client: FlaskClient) -> None:
    response = upload(client, CSV_ROWS, "rows.csv", csrf_token="x", sepal_length="x")
    assert response.text == "prediction\r\n0\r\n2\r\n"


def test_answer_by_accept(client: FlaskClient) -> None:
    response = upload(client, CSV_ROWS, "rows.csv", accept=JSON)
    assert response.get_json()["predictions"] == [0, 2]
    response = upload(client, CSV_ROWS, "rows.csv", accept="text/html, */*;q=0.8")
    assert response.content_type == "text/csv; charset=utf-8"


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("rows.txt", OCTETS),
        ("rows", OCTETS),
        ("csv", OCTETS),
        ("rows.csv", "image/png"),
        ("rows.csv", "text/plain"),
        ("rows.csv", "application/x-www-form-urlencoded"),
        ("rows.csv", "multipart/form-data; boundary=abc"),
    ],
)
def test_unsupported_types(client: FlaskClient, name: str, content_type: str) -> None:
    response = upload(client, CSV_ROWS, name, content_type)
    assert errors_of(response, 415) == [(None, None, "content_type")]


BAD: dict[str, tuple[bytes, str, list[Error]]] = {
    "empty": (b"", "rows.csv", [(None, None, "empty")]),
    "value": (CSV_ROWS + b"1,x,3,4\n", "rows.csv", [(2, "sepal_width", "type")]),
    "json": (b"{", "rows.json", [(None, None, "json")]),
    "line": (RECORD + b"\n{", "rows.ndjson", [(1, None, "json")]),
    "arrow": (b"x", "rows.arrow", [(None, None, "arrow")]),
}


@pytest.mark.parametrize(("body", "name", "errors"), BAD.values(), ids=BAD)
def test_bad_file(client: FlaskClient, body: bytes, name: str, errors: list[Error]) -> None:
    assert errors_of(upload(client, body, name)) == errors


def test_two_files(client: FlaskClient) -> None:
    files = [FileStorage(io.BytesIO(CSV_ROWS), name, "file") for name in ("a.csv", "b.csv")]
    response = client.post(PATH, data=MultiDict([("file", file) for file in files]))
    assert errors_of(response) == [(None, "file", "unique")]


def test_file_of_another_name_and_field_of_the_name(client: FlaskClient) -> None:
    required: list[Error] = [(0, name, "required") for name in FIELDS]
    file = FileStorage(io.BytesIO(CSV_ROWS), "rows.csv")
    assert errors_of(client.post(PATH, data={"other": file})) == required
    data = SETOSA | {"file": "rows.csv"}
    assert client.post(PATH, data=data, content_type="multipart/form-data").text == "0"


def test_form_in_which_no_file_was_chosen(client: FlaskClient) -> None:
    head = '--abc\r\nContent-Disposition: form-data; name="{}"'
    fields = [head.format(name) + f"\r\n\r\n{value}\r\n" for name, value in SETOSA.items()]
    empty = head.format("file") + '; filename=""\r\nContent-Type: application/octet-stream\r\n'
    body = "".join([*fields, empty, "\r\n\r\n--abc--\r\n"]).encode()
    response = client.post(PATH, data=body, content_type="multipart/form-data; boundary=abc")
    assert response.text == "0"


def test_field_called_file() -> None:
    line = LinearRegression(fit_intercept=False).fit([[1.0]], [2.0])
    client = serve(KeyValueModel(name="iris", pipeline=line, schema={"file": {}}))
    data = {"file": "3"}
    assert client.post(PATH, data=data, content_type="multipart/form-data").text == "6.0"
    errors = errors_of(upload(client, b"file\n3\n", "rows.csv"))
    assert errors == [(0, "file", "required")]


def test_large_file(client: FlaskClient) -> None:
    header, row, _ = CSV_ROWS.splitlines(keepends=True)
    head = b'--abc\r\nContent-Disposition: form-data; name="file"; filename="rows.csv"\r\n\r\n'
    body = head + header + row * 60_000 + b"\r\n--abc--\r\n"
    response = client.post(PATH, data=body, content_type="multipart/form-data; boundary=abc")
    assert response.data.count(b"\r\n0") == 60_000


def test_length_is_bounded(pipeline: Any) -> None:
    model = KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA)
    client = serve(model, MAX_CONTENT_LENGTH=500)
    assert upload(client, CSV_ROWS, "rows.csv").status_code == 200
    errors = errors_of(upload(client, CSV_ROWS * 5, "rows.csv"), 413)
    assert errors == [(None, None, "max_content_length")]


def test_file_that_the_host_has_read_already(models: SKModels) -> None:
    app = Flask("host")
    seen: list[bytes] = []
    app.before_request(lambda: seen.append(request.files["file"].read()))
    models.init_app(app)
    response = upload(app.test_client(), CSV_ROWS, "rows.csv")
    assert response.text == "prediction\r\n0\r\n2\r\n"
    assert seen == [CSV_ROWS]
