"""Invalid input of every kind: a 4xx that names the row, field and rule, but not the value."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask import Flask, Request, request
from flask.testing import FlaskClient
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from werkzeug.datastructures import MultiDict

from flask_skmodels import KeyValueModel, SKModels, ValuesModel
from tests.support.helpers import (
    FIELDS,
    FORM,
    JSON,
    SCHEMA,
    SETOSA,
    Error,
    encoded,
    errors_of,
    messages_of,
    post_bytes,
    post_json,
    predictions,
    problem,
    serve,
    without,
)
from tests.support.selection import cases

PATH = "/iris/predict/"
MULTIPART = "multipart/form-data; boundary=abc"
LONG = "9" * 5000
LENGTH: Error = (0, "sepal_length", "type")
NO_JSON: Error = (None, None, "json")
NO_FORM: Error = (None, None, "form")
ALL_REQUIRED: list[Error] = [(0, name, "required") for name in FIELDS]
SECRET = "s3cr3t-value"


def part(name: bytes, value: bytes, extra: bytes = b"") -> bytes:
    """Return a multipart body with one part."""
    head = b'--abc\r\nContent-Disposition: form-data; name="' + name + b'"' + extra
    return head + b"\r\n\r\n" + value + b"\r\n--abc--\r\n"


def literal(value: str) -> bytes:
    """Return a JSON row whose first field is a literal that may not be valid JSON."""
    return json.dumps(SETOSA | {"sepal_length": "?"}).replace('"?"', value).encode()


JSON_BODIES: dict[str, tuple[bytes, list[Error]]] = {
    "missing": (json.dumps(without(SETOSA, "sepal_length")).encode(), ALL_REQUIRED[:1]),
    "all missing": (b"{}", ALL_REQUIRED),
    "null": (literal("null"), [(0, "sepal_length", "nullable")]),
    "empty text": (literal('""'), [LENGTH]),
    "text": (literal('"abc"'), [LENGTH]),
    "number as text": (literal('"5.1"'), [LENGTH]),
    "true": (literal("true"), [LENGTH]),
    "false": (literal("false"), [LENGTH]),
    "array": (literal("[5.1]"), [LENGTH]),
    "object": (literal('{"a": 1}'), [LENGTH]),
    "nan": (literal("NaN"), [LENGTH]),
    "inf": (literal("Infinity"), [LENGTH]),
    "-inf": (literal("-Infinity"), [LENGTH]),
    "1e400": (literal("1e400"), [LENGTH]),
    "-1e400": (literal("-1e400"), [LENGTH]),
    "huge exponent": (literal("1e99999999999"), [LENGTH]),
    "5,000 digits": (literal(LONG), [LENGTH]),
    "-5,000 digits": (literal("-" + LONG), [LENGTH]),
    "350 digits": (literal("9" * 350), [LENGTH]),
    "350 digits beside a colon": (literal('9, "a": ":"'.replace("9", "9" * 350)), [LENGTH]),
    "below the minimum": (literal("-1"), [(0, "sepal_length", "min")]),
    "deep inside a field": (literal("[" * 900 + "]" * 900), [LENGTH]),
    "too few values": (b"[[1, 2, 3]]", [(0, None, "items")]),
    "too many values": (b"[[1, 2, 3, 4, 5]]", [(0, None, "items")]),
    "no values": (b"[[]]", [(0, None, "items")]),
    "flat array": (b"[1, 2]", [(0, None, "type"), (1, None, "type")]),
    "rows of null": (b"[null]", [(0, None, "type")]),
    "rows of text": (b'["abc", "abcd"]', [(0, None, "type"), (1, None, "type")]),
    "second row": (b"[[1, 2, 3, 4], [1, 2, 3, null]]", [(1, "petal_width", "nullable")]),
    "empty body": (b"", [NO_JSON]),
    "blank body": (b" \n", [NO_JSON]),
    "empty array": (b"[]", [(None, None, "empty")]),
    "a number": (b"5", [(None, None, "type")]),
    "a text": (b'"abc"', [(None, None, "type")]),
    "a null": (b"null", [(None, None, "type")]),
    "invalid UTF-8": (b'{"sepal_length": "\xff"}', [NO_JSON]),
    "UTF-16": ("{}".encode("utf-16"), [NO_JSON]),
    "byte order mark": (b"\xef\xbb\xbf{}", [NO_JSON]),
    "lone surrogate": (b'{"sepal_length": "\\ud800"}', [NO_JSON]),
    "lone surrogate in a name": (b'{"\\udfff": 1}', [NO_JSON]),
    "broken": (b'{"sepal_length": 5.1', [NO_JSON]),
    "trailing": (b"{} {}", [NO_JSON]),
    "single quotes": (b"{'a': 1}", [NO_JSON]),
    "zero byte": (b"\0", [NO_JSON]),
    "100,000 deep": (b"[" * 100_000 + b"]" * 100_000, [NO_JSON]),
    "100,000 deep, unclosed": (b"[" * 100_000, [NO_JSON]),
    "100,000 objects deep": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, [NO_JSON]),
    "100,000 deep in a field": (literal("[" * 100_000 + "]" * 100_000), [NO_JSON]),
    "name twice": (literal('1, "sepal_length": 2'), [(0, "sepal_length", "unique")]),
    "name twice in a row": (
        b"[" + literal("1") + b"," + literal('1, "sepal_length": 2') + b"]",
        [(1, "sepal_length", "unique")],
    ),
    "name twice, escaped": (literal('1, "sepal\\u005flength": 2'), [(0, "sepal_length", "unique")]),
    "two names twice": (
        literal('1, "sepal_length": 2, "sepal_width": 3'),
        [(0, "sepal_length", "unique"), (0, "sepal_width", "unique")],
    ),
}


@pytest.mark.parametrize(("body", "errors"), JSON_BODIES.values(), ids=JSON_BODIES)
def test_bad_json(client: FlaskClient, body: bytes, errors: list[Error]) -> None:
    assert errors_of(post_bytes(client, PATH, body, JSON)) == errors


def form_of(value: str) -> bytes:
    return encoded(SETOSA | {"sepal_length": value}).encode()


FORMS: dict[str, tuple[bytes, list[Error]]] = {
    "missing": (encoded(without(SETOSA, "sepal_length")).encode(), ALL_REQUIRED[:1]),
    "empty": (form_of(""), ALL_REQUIRED[:1]),
    "empty body": (b"", ALL_REQUIRED),
    "separators alone": (b"&&==&;", ALL_REQUIRED),
    "text": (form_of("abc"), [LENGTH]),
    "blanks": (form_of("++"), ALL_REQUIRED[:1]),
    "nan": (form_of("nan"), [LENGTH]),
    "-NaN": (form_of("-NaN"), [LENGTH]),
    "inf": (form_of("inf"), [LENGTH]),
    "-Infinity": (form_of("-Infinity"), [LENGTH]),
    "1e400": (form_of("1e400"), [LENGTH]),
    "5,000 digits": (form_of(LONG), [LENGTH]),
    "5,000 digits and a point": (form_of(LONG + ".5"), [LENGTH]),
    "boolean": (form_of("true"), [LENGTH]),
    "comma for a point": (form_of("5,1"), [LENGTH]),
    "underscore": (form_of("1_0"), [LENGTH]),
    "hexadecimal": (form_of("0x10"), [LENGTH]),
    "digits of another script": (form_of("%D9%A5"), [LENGTH]),
    "zero byte": (form_of("%00"), [LENGTH]),
    "broken percent": (form_of("%zz"), [LENGTH]),
    "below the minimum": (form_of("-0.1"), [(0, "sepal_length", "min")]),
    "name twice": (form_of("1") + b"&sepal_length=2", [(0, "sepal_length", "unique")]),
    "invalid UTF-8, raw": (b"sepal_length=\xff", [NO_FORM]),
    "invalid UTF-8, percent": (b"sepal_length=%ff", [NO_FORM]),
    "invalid UTF-8, name": (b"%ff=1", [NO_FORM]),
    "invalid UTF-8, half and half": (b"sepal_length=%c3\xff", [NO_FORM]),
    "surrogate": (b"sepal_length=%ED%A0%80", [NO_FORM]),
}


@pytest.mark.parametrize(("body", "errors"), FORMS.values(), ids=FORMS)
def test_bad_form(client: FlaskClient, body: bytes, errors: list[Error]) -> None:
    assert errors_of(post_bytes(client, PATH, body, FORM)) == errors


MULTIPARTS: dict[str, tuple[bytes, list[Error]]] = {
    "text": (part(b"sepal_length", b"abc"), [LENGTH, *ALL_REQUIRED[1:]]),
    "invalid UTF-8": (part(b"sepal_length", b"\xff"), [NO_FORM]),
    "another charset": (
        part(b"sepal_length", b"\xff\xfe1\0", b"\r\nContent-Type: text/plain; charset=utf-16"),
        [NO_FORM],
    ),
    "a file": (part(b"sepal_length", b"5.1", b'; filename="a.txt"'), ALL_REQUIRED),
    "no part": (b"--abc--\r\n", ALL_REQUIRED),
    "garbage": (b"garbage", ALL_REQUIRED),
    "part without a name": (
        b"--abc\r\nContent-Type: text/plain\r\n\r\n1\r\n--abc--\r\n",
        ALL_REQUIRED,
    ),
    "disposition without a name": (
        b"--abc\r\nContent-Disposition: form-data\r\n\r\n1\r\n--abc--\r\n",
        ALL_REQUIRED,
    ),
}


@pytest.mark.parametrize(("body", "errors"), MULTIPARTS.values(), ids=MULTIPARTS)
def test_bad_multipart(client: FlaskClient, body: bytes, errors: list[Error]) -> None:
    assert errors_of(post_bytes(client, PATH, body, MULTIPART)) == errors


def test_multipart_without_boundary(client: FlaskClient) -> None:
    body = part(b"sepal_length", b"5.1")
    assert errors_of(post_bytes(client, PATH, body, "multipart/form-data")) == ALL_REQUIRED


VALUES: dict[str, tuple[bytes, str, list[Error]]] = {
    "missing": (b"", FORM, [(0, "values", "required")]),
    "empty": (b"values=", FORM, [(0, "values", "required")]),
    "text": (b"values=1,abc,3", FORM, [(0, "values", "type")]),
    "two texts": (b"values=a,b,3", FORM, [(0, "values", "type")] * 2),
    "empty item": (b"values=1,,3", FORM, [(0, "values", "required")]),
    "blank": (b"values=++", FORM, [(0, "values", "required")]),
    "too few": (b"values=1,3", FORM, [(0, "values", "items")]),
    "too many": (b"values=1,3,7.2,8", FORM, [(0, "values", "items")]),
    "trailing comma": (b"values=1,3,7.2,", FORM, [(0, "values", "items")]),
    "nan": (b"values=1,nan,7.2", FORM, [(0, "values", "type")]),
    "1e400": (b"values=1,1e400,7.2", FORM, [(0, "values", "type")]),
    "5,000 digits": (f"values=1,3,{LONG}".encode(), FORM, [(0, "values", "type")]),
    "twice": (b"values=1,3,7.2&values=1,3,7.2", FORM, [(0, "values", "unique")]),
    "flat array": (b"[1, 3, 7.2]", JSON, [(row, None, "type") for row in range(3)]),
    "json text": (b'{"values": "1,3,7.2"}', JSON, [(0, "values", "type")]),
    "json null": (b'{"values": null}', JSON, [(0, "values", "type")]),
    "json object": (b'{"values": {"a": 1}}', JSON, [(0, "values", "type")]),
    "json empty": (b'{"values": []}', JSON, [(0, "values", "items")]),
    "json missing": (b"{}", JSON, [(0, "values", "required")]),
    "json boolean": (b'{"values": [1, true, 3]}', JSON, [(0, "values", "type")]),
    "json number as text": (b'{"values": [1, "3", 3]}', JSON, [(0, "values", "type")]),
    "json nested": (b'{"values": [[1, 3, 7.2]]}', JSON, [(0, "values", "items")]),
    "json twice": (b'{"values": [1], "values": [1, 3, 7.2]}', JSON, [(0, "values", "unique")]),
    "json second row": (b"[[1, 3, 7.2], [1, 3, null]]", JSON, [(1, "values", "nullable")]),
}


@pytest.mark.parametrize(("body", "content_type", "errors"), VALUES.values(), ids=VALUES)
def test_bad_values(
    line_pipeline: Any, body: bytes, content_type: str, errors: list[Error]
) -> None:
    client = serve(ValuesModel(name="line", pipeline=line_pipeline))
    assert errors_of(post_bytes(client, "/line/predict/", body, content_type)) == errors


def test_bad_value_is_named_by_its_index(line_pipeline: Any) -> None:
    client = serve(ValuesModel(name="line", pipeline=line_pipeline))
    response = client.post("/line/predict/", data={"values": "1,abc,nan"})
    assert messages_of(response) == [
        "item 1: must be of number type",
        "item 2: must be a finite number",
    ]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (json.dumps(SETOSA | {"csrf_token": "x"}).encode(), JSON),
        (encoded(SETOSA).encode() + b"&csrf_token=x&csrf_token=y", FORM),
    ],
)
def test_unknown_fields(pipeline: Any, body: bytes, content_type: str) -> None:
    lenient = KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA)
    assert post_bytes(serve(lenient), PATH, body, content_type).status_code == 200
    strict = KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA, purge_unknown=False)
    response = post_bytes(serve(strict), PATH, body, content_type)
    assert errors_of(response) == [(0, "csrf_token", "unknown")]
    assert messages_of(response) == ["unknown field"]


def test_unknown_field_besides_values(line_pipeline: Any) -> None:
    client = serve(ValuesModel(name="line", pipeline=line_pipeline, purge_unknown=False))
    response = client.post("/line/predict/", data={"values": "1,3,7.2", "csrf_token": "x"})
    assert errors_of(response) == [(0, "csrf_token", "unknown")]


def test_check_of_unknown_fields_ends_at_the_100th(pipeline: Any) -> None:
    strict = KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA, purge_unknown=False)
    response = post_json(serve(strict), PATH, SETOSA | {f"k{i}": 1 for i in range(50_000)})
    document = problem(response, 400)
    assert document["error_count"] == 100
    assert document["detail"] == "the input has at least 100 errors"


def test_long_name_of_an_unknown_field_is_cut(pipeline: Any) -> None:
    strict = KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA, purge_unknown=False)
    response = post_json(serve(strict), PATH, SETOSA | {"k" * 100_000: 1})
    assert errors_of(response) == [(0, "k" * 100, "unknown")]


def test_check_of_101_bad_rows_ends_at_the_100th(client: FlaskClient) -> None:
    response = post_json(client, PATH, [SETOSA] + [SETOSA | {"petal_width": "x"}] * 101)
    document = problem(response, 400)
    assert document["error_count"] == 100
    assert document["detail"] == "the input has at least 100 errors"
    rows = [error["row"] for error in document["errors"]]
    assert rows == list(range(1, 101))


def test_all_errors_are_reported_together(client: FlaskClient) -> None:
    bad = {"sepal_length": "x", "sepal_width": -1, "petal_length": None}
    assert errors_of(post_json(client, PATH, [bad, SETOSA, without(SETOSA, "petal_width")])) == [
        (0, "sepal_length", "type"),
        (0, "sepal_width", "min"),
        (0, "petal_length", "nullable"),
        (0, "petal_width", "required"),
        (2, "petal_width", "required"),
    ]


HOSTILE_RULES: dict[str, dict[str, Any]] = {
    "number": {},
    "min": {"min": 0},
    "integer": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "allowed": {"allowed": [1, 2]},
    "allowed mixed": {"allowed": [1, None]},
    "forbidden": {"forbidden": [1]},
    "anyof": {"anyof": [{"min": 0, "max": 5}, {"min": 10}]},
    "anyof of types": {"anyof": [{"type": "integer"}, {"type": "float"}]},
    "noneof": {"noneof": [{"type": "string"}]},
    "oneof": {"oneof": [{"allowed": [1]}, {"allowed": [2]}]},
    "transform": {"transform": float},
    "transform of text": {"transform": str},
    "transform and type": {"transform": int, "type": "integer"},
    "coerce": {"coerce": float, "max": 9},
    "default": {"default": 3, "max": 9},
}
QUICK_RULES = ("integer", "allowed mixed", "anyof of types", "default")
HOSTILE_VALUES: list[Any] = [
    *(None, True, False, 0, -1, 2.5, 2**64, -(2**64), 10**300, 1e308, float("nan"), float("inf")),
    *("", " ", "abc", "1", "nan", "2020-01-01", "\0", "é", SECRET, "9" * 5000),
    *([], [1], [[]], {}, {"a": 1}, [SECRET], {SECRET: SECRET}, [None] * 50),
]


@pytest.mark.parametrize("rules", cases(HOSTILE_RULES, quick=QUICK_RULES))
def test_no_value_is_a_server_error(pipeline: Any, rules: str) -> None:
    schema = SCHEMA | {"sepal_length": HOSTILE_RULES[rules]}
    client = serve(KeyValueModel(name="iris", pipeline=pipeline, schema=schema))
    for value in HOSTILE_VALUES:
        row = SETOSA | {"sepal_length": value}
        response = post_json(client, PATH, row)
        assert response.status_code in {200, 400}, value
        assert SECRET not in response.text
        response = post_json(client, PATH, [row] * 20 + [SETOSA])
        assert response.status_code in {200, 400}, value
        response = client.post(PATH, data=row if isinstance(value, str) else {"sepal_length": "x"})
        assert response.status_code in {200, 400}, value
        assert SECRET not in response.text


@pytest.mark.parametrize(
    "rules",
    [
        {"type": "string", "regex": "[a-z]+"},
        {"type": "string", "maxlength": 3},
        {"type": "string", "minlength": 100},
        {"allowed": ["Dream"]},
        {"type": "string", "forbidden": [SECRET]},
        {"type": "string", "contains": "x"},
        {"type": "string", "anyof": [{"allowed": ["a"]}, {"allowed": ["b"]}]},
        {"type": "string", "check_with": lambda field, value, error: error(field, "not fit")},
        {"transform": int},
    ],
)
def test_value_of_the_client_is_in_no_response(mixed_pipeline: Any, rules: dict[str, Any]) -> None:
    model = KeyValueModel(
        name="birds", pipeline=mixed_pipeline, schema={"island": rules, "mass": {"nullable": True}}
    )
    client = serve(model)
    row = {"island": SECRET, "mass": SECRET}
    for response in (
        post_json(client, "/birds/predict/", row),
        post_json(client, "/birds/predict/", row, accept="text/plain"),
        client.post("/birds/predict/", data=row),
    ):
        assert response.status_code == 400
        assert SECRET not in response.text
        assert "island" in response.text


def test_form_that_the_host_has_read_already(models: SKModels) -> None:
    app = Flask("host")
    seen: list[str | None] = []
    app.before_request(lambda: seen.append(request.form.get("sepal_length")))
    models.init_app(app)
    client = app.test_client()
    assert client.post(PATH, data=SETOSA).text == "0"
    assert errors_of(client.post(PATH, data=SETOSA | {"sepal_length": "x"})) == [LENGTH]
    assert errors_of(post_bytes(client, PATH, b"sepal_length=\xff", FORM))[0][1] == "sepal_length"
    multipart = {"data": SETOSA, "content_type": "multipart/form-data"}
    assert client.post(PATH, **multipart).text == "0"
    assert seen == ["5.1", "x", None, "5.1"]


def _read_body() -> None:
    request.get_data()


def _read_form() -> None:
    request.form.get("sepal_length")


@pytest.mark.parametrize(
    ("hooks", "is_told"),
    [
        ([_read_body], True),
        ([_read_body, _read_form], True),
        ([_read_form], False),  # Werkzeug has accepted and consumed the body
        ([_read_form, _read_body], False),
    ],
)
def test_form_whose_body_the_host_has_read_already(
    models: SKModels, hooks: list[Callable[[], None]], *, is_told: bool
) -> None:
    app = Flask("host")
    for hook in hooks:
        app.before_request(hook)
    models.init_app(app)
    client = app.test_client()
    assert client.post(PATH, data=SETOSA).text == "0"
    broken = post_bytes(client, PATH, encoded(SETOSA).encode() + b"&x=%FF", FORM)
    assert broken.status_code == (400 if is_told else 200)
    if is_told:
        assert errors_of(broken) == [(None, None, "form")]


def test_form_of_a_request_class_of_the_host(models: SKModels) -> None:
    class Trimmed(Request):
        @property
        def form(self) -> Any:
            return MultiDict((name, value.strip("'")) for name, value in super().form.items())

    app = Flask("host")
    app.request_class = Trimmed
    models.init_app(app)
    quoted = {name: f"'{value}'" for name, value in SETOSA.items()}
    assert app.test_client().post(PATH, data=quoted).text == "0"


def test_body_that_the_host_has_read_already(models: SKModels) -> None:
    app = Flask("host")
    seen: list[bytes] = []
    app.before_request(lambda: seen.append(request.get_data()))
    models.init_app(app)
    client = app.test_client()
    assert predictions(post_json(client, PATH, SETOSA)) == [0]
    assert client.post(PATH, data=SETOSA).text == "0"
    assert errors_of(post_bytes(client, PATH, b"sepal_length=%ff", FORM)) == [NO_FORM]
    assert seen == [json.dumps(SETOSA).encode(), encoded(SETOSA).encode(), b"sepal_length=%ff"]


@pytest.mark.parametrize("count", [99, 101, 700])
def test_bad_rows_among_many_are_named(client: FlaskClient, count: int) -> None:
    rows = [dict(SETOSA) for _ in range(count)]
    rows[7]["petal_width"] = -1.0
    rows[count - 1].pop("sepal_width")
    assert errors_of(post_json(client, PATH, rows)) == [
        (7, "petal_width", "min"),
        (count - 1, "sepal_width", "required"),
    ]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"[" + b"{}," * 50 + b"{}]", "application/json"),
        (b"[" + b"[]," * 50 + b"[]]", "application/json"),
        (b"\n" * 50, "application/x-ndjson"),
        (b"\n" * 50, "text/csv"),
    ],
)
def test_too_many_rows_are_refused_before_they_are_read(
    line_pipeline: Any, body: bytes, content_type: str
) -> None:
    client = serve(ValuesModel(name="line", pipeline=line_pipeline), SKMODELS_MAX_ROWS=5)
    response = post_bytes(client, "/line/predict/", body, content_type)
    assert errors_of(response, 413) == [(None, None, "max_rows")]


class Lengths(TransformerMixin, BaseEstimator):
    """Takes a column of texts, and does not tell so."""

    def fit(self, X: Any, y: Any = None) -> Lengths:
        self.feature_names_in_, self.n_features_in_ = np.array(["town"], dtype=object), 1
        return self

    def transform(self, X: Any) -> Any:
        return np.array([[len(str(town))] for town in X["town"]])


def test_blank_cell_of_a_column_of_unknown_type_is_missing() -> None:
    frame = pd.DataFrame({"town": ["Oslo", "Bonn", "Lyon", "Nice"]})
    estimator = make_pipeline(Lengths(), Ridge()).fit(frame, [1.0, 2.0, 3.0, 4.0])
    client = serve(KeyValueModel(name="towns", pipeline=estimator))
    for data in ({"town": ""}, {"town": " "}):
        assert errors_of(client.post("/towns/predict/", data=data)) == [(0, "town", "required")]
    sent = post_bytes(client, "/towns/predict/", b'town\n""\n', "text/csv")
    assert errors_of(sent) == [(0, "town", "required")]
    assert post_json(client, "/towns/predict/", {"town": ""}).status_code == 200
    response = post_json(client, "/towns/predict/", {"town": [1]})
    assert messages_of(response) == ["must be of number, string or boolean type"]
