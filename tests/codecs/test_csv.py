"""``text/csv`` requests and responses; the fast reader gives the same rows as the slow one."""

from __future__ import annotations

import csv as stdlib
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

from flask_skmodels import InvalidInput, KeyValueModel, Validator, ValuesModel
from flask_skmodels.codecs import csv
from flask_skmodels.schema.fields import InputColumn, Inputs
from flask_skmodels.schema.schema import FixedSchema
from tests.support.helpers import (
    FIELDS,
    FORM,
    SCHEMA,
    Error,
    X,
    errors_of,
    messages_of,
    post_bytes,
    serve,
)
from tests.support.selection import examples

PATH = "/iris/predict/"
CSV = "text/csv"
HEADER = b"sepal_length,sepal_width,petal_length,petal_width\n"
SETOSA, VIRGINICA = b"5.1,3.5,1.4,0.2\n", b"6.3,3.3,6.0,2.5\n"
SECRET = "s3cr3t-value"
BODY = HEADER + SETOSA + VIRGINICA


def lines(response: Any) -> list[str]:
    """Return the lines of a successful response."""
    assert response.status_code == 200, response.text
    assert response.content_type == "text/csv; charset=utf-8"
    assert response.text.endswith("\r\n")
    return list(response.text.removesuffix("\r\n").split("\r\n"))


GOOD: dict[str, bytes] = {
    "plain": BODY,
    "CRLF": BODY.replace(b"\n", b"\r\n"),
    "CR": BODY.replace(b"\n", b"\r"),
    "no line end at the end": BODY.removesuffix(b"\n"),
    "byte order mark": b"\xef\xbb\xbf" + BODY,
    "blank lines": b"\n" + BODY.replace(b"\n", b"\n\n"),
    "blank lines, CRLF": b"\r\n" + BODY.replace(b"\n", b"\r\n\r\n"),
    "quoted": b'"' + BODY.replace(b",", b'","').replace(b"\n", b'"\n"').removesuffix(b'"'),
    "quoted header": b'"sepal_length","sepal_width",petal_length,petal_width\n'
    + SETOSA
    + VIRGINICA,
    "blanks": HEADER + (SETOSA + VIRGINICA).replace(b",", b" ,").replace(b"3.5", b" 3.5\t"),
    "another order": (
        b"petal_width,sepal_width,sepal_length,petal_length\n0.2,3.5,5.1,1.4\n2.5,3.3,6.3,6.0\n"
    ),
    "surplus columns": (
        b"id,"
        + HEADER.replace(b"\n", b",note\n")
        + b'a,5.1,3.5,1.4,0.2,"x, ""y""\nz"\nb,6.3,3.3,6.0,2.5,\n'
    ),
    "surplus columns of numbers": b"id," + HEADER + b"1," + SETOSA + b"2," + VIRGINICA,
    "surplus columns without names": HEADER.replace(b"\n", b",,\n")
    + SETOSA.replace(b"\n", b",,\n")
    + VIRGINICA.replace(b"\n", b",,\n"),
    "not ASCII beside the fields": "größe,".encode()
    + HEADER
    + "é,".encode()
    + SETOSA
    + b","
    + VIRGINICA,
    "exponents": HEADER + b"+51e-1,35E-1,.14e1,0.2\n6.3,3.3,6.,2.5\n",
}


@pytest.mark.parametrize("body", GOOD.values(), ids=GOOD)
def test_rows(client: FlaskClient, body: bytes) -> None:
    assert lines(post_bytes(client, PATH, body, CSV)) == ["prediction", "0", "2"]


ALL_REQUIRED: list[Error] = [(0, name, "required") for name in FIELDS]
EMPTY: list[Error] = [(None, None, "empty")]
BAD: dict[str, tuple[bytes, list[Error]]] = {
    "empty body": (b"", EMPTY),
    "blank lines alone": (b"\n\r\n\n", EMPTY),
    "byte order mark alone": (b"\xef\xbb\xbf", EMPTY),
    "header alone": (HEADER, EMPTY),
    "header alone, quoted": (b'"sepal_length"\n', EMPTY),
    "no header": (SETOSA + VIRGINICA, ALL_REQUIRED),
    "missing column": (b"sepal_length,sepal_width,petal_length\n5,3,1\n", ALL_REQUIRED[3:]),
    "misspelt column": (HEADER.replace(b"width\n", b"widht\n") + SETOSA, ALL_REQUIRED[3:]),
    "another case": (
        BODY.replace(b"sepal_l", b"Sepal_l"),
        [(None, FIELDS[0], "required")],
    ),
    "doubled column": (
        HEADER.replace(b"petal_width", b"sepal_length") + SETOSA,
        [(None, "sepal_length", "unique")],
    ),
    "doubled column, quoted": (
        HEADER.replace(b"petal_width", b'"sepal_length"') + SETOSA,
        [(None, "sepal_length", "unique")],
    ),
    "too few": (BODY + b"1,2,3\n", [(2, None, "items")]),
    "too many": (HEADER + b"1,2,3,4,5\n" + SETOSA, [(0, None, "items")]),
    "two ragged": (HEADER + b"1\n" + SETOSA + b"1,2\n", [(0, None, "items"), (2, None, "items")]),
    "ragged after a quote": (HEADER + b'"1",2,3\n', [(0, None, "items")]),
    "blanks alone": (HEADER + b"  \n", [(0, None, "items")]),
    "text": (BODY + b"1,x,3,4\n", [(2, "sepal_width", "type")]),
    "empty value": (BODY + b"1,,3,4\n", [(2, "sepal_width", "required")]),
    "quoted empty value": (BODY + b'1,"",3,4\n', [(2, "sepal_width", "required")]),
    "blank value": (BODY + b"1,  ,3,4\n", [(2, "sepal_width", "required")]),
    "nan": (BODY + b"1,nan,3,4\n", [(2, "sepal_width", "type")]),
    "infinity": (BODY + b"1,2,3,-inf\n", [(2, "petal_width", "type")]),
    "1e400": (BODY + b"1,1e400,3,4\n", [(2, "sepal_width", "type")]),
    "5,000 digits": (BODY + b"1," + b"9" * 5000 + b",3,4\n", [(2, "sepal_width", "type")]),
    "boolean": (BODY + b"1,true,3,4\n", [(2, "sepal_width", "type")]),
    "hexadecimal": (BODY + b"1,0x10,3,4\n", [(2, "sepal_width", "type")]),
    "underscore": (BODY + b"1,1_0,3,4\n", [(2, "sepal_width", "type")]),
    "comma for a point": (BODY + b'1,"1,5",3,4\n', [(2, "sepal_width", "type")]),
    "below the minimum": (BODY + b"1,-1,3,4\n", [(2, "sepal_width", "min")]),
    "mixed types": (
        BODY + b"1,x,3,4\n1,2,y,4\n",
        [(2, "sepal_width", "type"), (3, "petal_length", "type")],
    ),
    "semicolons": (
        BODY.replace(b",", b";"),
        [(None, None, "csv")],
    ),
    "zero byte": (BODY + b"1,\0,3,4\n", [(2, "sepal_width", "csv")]),
    "zero byte in a number": (BODY + b"1,2,3,4\0\n", [(2, "petal_width", "csv")]),
    "zero byte in the header": (b"\0" + BODY, [(None, None, "csv")]),
    "zero byte in a surplus column": (b"id," + HEADER + b"\0," + SETOSA, [(0, None, "csv")]),
    "zero byte in a ragged row": (HEADER + b"1,2,3,4,\0\n", [(0, None, "csv")]),
    "invalid UTF-8": (BODY + b"1,\xff,3,4\n", [(2, "sepal_width", "csv")]),
    "invalid UTF-8 in the header": (b"\xff" + BODY, [(None, None, "csv")]),
    "invalid UTF-8 in a surplus column": (b"id," + HEADER + b"\xe9," + SETOSA, [(0, None, "csv")]),
    "surrogate": (BODY + b"1,\xed\xa0\x80,3,4\n", [(2, "sepal_width", "csv")]),
    "UTF-16": (BODY.decode().encode("utf-16"), [(None, None, "csv")]),
    "quote never closed": (BODY + b'1,"2,3,4\n', [(2, None, "csv")]),
    "quote never closed in the header": (b'"' + BODY, [(None, None, "csv")]),
    "quote never closed at the end": (BODY + b'1,2,3,"', [(2, None, "csv")]),
    "text after a quote": (BODY + b'1,"2"3,3,4\n', [(2, None, "csv")]),
    "quotes alone": (b'"' * 100_001, [(None, None, "csv")]),
    "100,000 columns": (
        b"a," * 99_999 + b"a\n" + b"1," * 99_999 + b"1\n",
        [(None, None, "max_columns")],
    ),
    "100,000 quoted columns": (b'"a",' * 99_999 + b"a\n", [(None, None, "max_columns")]),
}


@pytest.mark.parametrize(("body", "errors"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_bad_rows(client: FlaskClient, body: bytes, errors: list[Error], end: bytes) -> None:
    if not body.startswith(b"\xff\xfe"):
        body = body.replace(b"\r\n", b"\n").replace(b"\n", end)
    assert errors_of(post_bytes(client, PATH, body, CSV)) == errors


def test_index_of_a_bad_row_among_many(client: FlaskClient) -> None:
    body = HEADER + SETOSA * 20_000 + b"1,x,3,4\n" + SETOSA
    assert errors_of(post_bytes(client, PATH, body, CSV)) == [(20_000, "sepal_width", "type")]


def test_response_does_not_repeat_the_value(client: FlaskClient) -> None:
    secret = SECRET.encode()
    for row in (b"1,%b,3,4", b"%b", b'1,"%b', b'1,"2"%b,3,4', b"1,%b\0,3,4", b"1,%b\xff,3,4"):
        response = post_bytes(client, PATH, HEADER + row % secret, CSV)
        assert response.status_code == 400
        assert SECRET not in response.text


def test_unknown_column_where_unknown_fields_are_refused(pipeline: Any) -> None:
    model = KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA, purge_unknown=False)
    client = serve(model)
    unknown: list[Error] = [(0, "id", "unknown")]
    for value in (b"1,", b"x,", b'"x",'):
        body = b"id," + HEADER + value + SETOSA
        assert errors_of(post_bytes(client, PATH, body, CSV)) == unknown
    assert post_bytes(client, PATH, BODY, CSV).status_code == 200


@pytest.mark.parametrize(
    ("parameters", "body", "expected"),
    [
        ("; header=absent", SETOSA + VIRGINICA, ["0", "2"]),
        ("; header=present", BODY, ["0", "2"]),
        ("; HEADER=Present; charset=UTF-8", BODY, ["0", "2"]),
        ('; charset="us-ascii"', BODY, ["0", "2"]),
    ],
)
def test_parameters(client: FlaskClient, parameters: str, body: bytes, expected: list[str]) -> None:
    response = post_bytes(client, PATH, body, CSV + parameters)
    assert lines(response) == ["prediction", *expected]


@pytest.mark.parametrize(
    ("parameters", "errors"),
    [
        ("; header=maybe", [(None, None, "header")]),
        ("; charset=utf-16", [(None, None, "charset")]),
        ("; header=absent", [(0, name, "type") for name in FIELDS]),
    ],
)
def test_bad_parameters(client: FlaskClient, parameters: str, errors: list[Error]) -> None:
    assert errors_of(post_bytes(client, PATH, BODY, CSV + parameters)) == errors


@pytest.fixture
def line(line_pipeline: Any) -> FlaskClient:
    """1 * a + 10 * b + 100 * c, of fields without names."""
    return serve(ValuesModel(name="line", pipeline=line_pipeline))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"1,3,7\n", ["731.0"]),
        (b"1,3,7\n2,3,7\n", ["731.0", "732.0"]),
        (b"a,b,c\n1,3,7\n", ["731.0"]),
        (b'"a","b","c"\n1,3,7\n', ["731.0"]),
        (b"a,,c\n1,3,7\n", ["731.0"]),
        (b"x0,x1,x2\n1,3,7\n", ["731.0"]),
        (b"x2,x1,x0\n7,3,1\n", ["731.0"]),
        (b'x2,x1,x0\n"7",3,1\n', ["731.0"]),
        (b"a,b,c\n" * 3 + b"1,3,7\n", None),
    ],
)
def test_values(line: FlaskClient, body: bytes, expected: list[str] | None) -> None:
    response = post_bytes(line, "/line/predict/", body, CSV)
    if expected is None:
        assert {error[0] for error in errors_of(response)} == {0, 1}
    else:
        assert lines(response) == ["prediction", *expected]


@pytest.mark.parametrize(
    ("body", "parameters", "errors"),
    [
        (b"1,x,7\n1,3,7\n", "", [(0, "values", "type")]),  # not a header: no row is lost
        (b"a,b,c\n", "", EMPTY),
        (b"1,3\n", "", [(0, "values", "items")]),
        (b"a,b\n1,3\n", "", [(0, "values", "items")]),
        (b"1,3,7,8\n", "", [(0, "values", "items")]),
        (b"1,,7\n", "", [(0, "values", "required")]),
        (b",,\n", "", [(0, "values", "required")] * 3),
        (b"1,nan,7\n", "", [(0, "values", "type")]),
        (b"1,3,7\n", "; header=present", EMPTY),
        (b"a,b,c\n1,3,7\n", "; header=absent", [(0, "values", "type")] * 3),
        (b"x0,x1,x1\n1,3,7\n", "", [(None, "x1", "unique")]),
        (b"1,\xff,7\n", "", [(0, "x1", "csv")]),
        (b'1,3,"7', "; header=absent", [(0, None, "csv")]),
    ],
)
def test_bad_values(line: FlaskClient, body: bytes, parameters: str, errors: list[Error]) -> None:
    assert errors_of(post_bytes(line, "/line/predict/", body, CSV + parameters)) == errors


def test_estimator_of_any_number_of_values() -> None:
    model = ValuesModel(name="any", pipeline=FunctionTransformer(), methods=["transform"])
    client = serve(model)
    response = post_bytes(client, "/any/transform/", b"1,2\n3,4.5\n", CSV)
    assert lines(response) == ["prediction_0,prediction_1", "1.0,2.0", "3.0,4.5"]


@pytest.fixture
def birds(mixed_pipeline: Any) -> FlaskClient:
    schema = {"island": {"type": "string"}, "mass": {"nullable": True}}
    return serve(KeyValueModel(name="birds", pipeline=mixed_pipeline, schema=schema))


def test_types_are_those_of_the_fields() -> None:
    seen: list[Any] = []

    class Codes(KeyValueModel):
        schema = {
            "code": {"type": "string"},
            "day": {"type": "date"},
            "known": {"type": "boolean"},
            "size": {"type": "integer"},
        }

        def predict(self, X: Any) -> Any:
            seen.extend(X.tolist())
            return np.zeros(len(X))

    tree = DecisionTreeClassifier().fit(np.eye(4), range(4))
    client = serve(Codes(name="codes", pipeline=tree))
    body = b'code,day,known,size\n007,2024-02-29,true,5\n"1e5",2024-03-01,0, 7 \n'
    assert lines(post_bytes(client, "/codes/predict/", body, CSV)) == ["prediction", "0.0", "0.0"]
    assert [row[0] for row in seen] == ["007", "1e5"]
    assert [str(row[1]) for row in seen] == ["2024-02-29", "2024-03-01"]
    assert [row[2:] for row in seen] == [[True, 5], [False, 7]]


def test_missing_values(birds: FlaskClient, mixed_pipeline: Any) -> None:
    body = b'mass,island\n,Dream\n"",Biscoe\n5000,"Biscoe"\n'
    frame = pd.DataFrame(
        {"island": ["Dream", "Biscoe", "Biscoe"], "mass": [np.nan, np.nan, 5000.0]}
    )
    got = lines(post_bytes(birds, "/birds/predict/", body, CSV))
    assert got == ["prediction", *mixed_pipeline.predict(frame)]


@pytest.mark.no_cover  # measuring the coverage doubles the time
@pytest.mark.parametrize("size", [200_000, 10_000_000])
@pytest.mark.parametrize("quote", [b"", b'"'])
def test_long_texts(birds: FlaskClient, size: int, quote: bytes) -> None:
    long = quote + b"x" * size + quote
    body = b"mass,island,note\n5000,Biscoe," + long + b"\n"
    response = post_bytes(birds, "/birds/predict/", body, CSV)
    assert lines(response) == ["prediction", "heavy"]
    errors = errors_of(post_bytes(birds, "/birds/predict/", b"mass,island\n" + long + b",a\n", CSV))
    assert errors == [(0, "mass", "type")]


def test_too_many_rows(pipeline: Any) -> None:
    model = KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA)
    client = serve(model, SKMODELS_MAX_ROWS=2)
    assert post_bytes(client, PATH, BODY, CSV).status_code == 200
    for body in (BODY + SETOSA, BODY + b'"5.1",3.5,1.4,0.2\n', BODY + b"x\n", BODY + b'"x"\n'):
        response = post_bytes(client, PATH, body, CSV)
        assert errors_of(response, 413) == [(None, None, "max_rows")]
        assert messages_of(response, 413) == ["at most 2 rows are allowed, 3 were sent"]


# Responses


def test_answer_of_probabilities(client: FlaskClient, pipeline: Any) -> None:
    response = post_bytes(client, "/iris/predict_proba/", BODY, CSV)
    first, *rows = lines(response)
    assert first == "0,1,2"
    wanted = pipeline.predict_proba([[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]])
    assert [[float(p) for p in row.split(",")] for row in rows] == wanted.tolist()


@pytest.mark.parametrize(
    "accept", ["text/csv", "text/csv;q=0.9, application/json;q=0.5", "text/*;q=0.1, text/csv"]
)
def test_answer_by_accept(client: FlaskClient, accept: str) -> None:
    data = dict(zip(FIELDS, (5.1, 3.5, 1.4, 0.2), strict=True))
    assert lines(client.post(PATH, json=data, headers={"Accept": accept})) == ["prediction", "0"]


def test_answer_to_csv_in_other_types(client: FlaskClient) -> None:
    headers = {"Accept": "application/json, text/csv;q=0.5"}
    response = client.post(PATH, data=BODY, content_type=CSV, headers=headers)
    assert response.get_json()["predictions"] == [0, 2]
    for accept in ("*/*", "text/*", "text/csv; charset=utf-8"):
        response = client.post(PATH, data=BODY, content_type=CSV, headers={"Accept": accept})
        assert lines(response) == ["prediction", "0", "2"]


class Hooked(KeyValueModel):
    """An iris model whose outputs are set by a test."""

    name = "iris"
    schema = SCHEMA
    outputs: Any = None
    methods = ["predict", "predict_proba"]

    def predict(self, X: Any) -> Any:
        return self.outputs

    def predict_proba(self, X: Any) -> Any:
        return self.outputs


NAN = float("nan")
OUTPUTS: dict[str, tuple[Any, str]] = {
    "numbers": (np.array([1.5, 2.0]), "prediction\r\n1.5\r\n2.0\r\n"),
    "missing": (np.array([NAN, np.inf]), 'prediction\r\n""\r\ninf\r\n'),
    "missing of several": (
        np.array([[NAN, 1], [2, 3]]),
        "prediction_0,prediction_1\r\n,1.0\r\n2.0,3.0\r\n",
    ),
    "single precision": (
        np.array([0.1, 2], np.float32),
        "prediction\r\n0.10000000149011612\r\n2.0\r\n",
    ),
    "booleans": (np.array([True, False]), "prediction\r\nTrue\r\nFalse\r\n"),
    "texts": (np.array(['a,"b"', "c\nd"]), 'prediction\r\n"a,""b"""\r\n"c\nd"\r\n'),
    "texts and None": (np.array(["é", None], dtype=object), 'prediction\r\né\r\n""\r\n'),
    "dates": (np.array(["2024-02-29", "NaT"], "M8[D]"), 'prediction\r\n2024-02-29\r\n""\r\n'),
    "several outputs": (np.array([[1, 2], [3, 4]]), "prediction_0,prediction_1\r\n1,2\r\n3,4\r\n"),
    "one column": (np.array([[1], [3]]), "prediction\r\n1\r\n3\r\n"),
    "nested": (np.zeros((2, 1, 2)), 'prediction\r\n"[[0.0,0.0]]"\r\n"[[0.0,0.0]]"\r\n'),
    "ragged": ([[1], [1, 2]], 'prediction\r\n[1]\r\n"[1,2]"\r\n'),
    "texts in columns": (
        np.array([["a", "b"], ["c", "d"]]),
        "prediction_0,prediction_1\r\na,b\r\nc,d\r\n",
    ),
}


@pytest.mark.parametrize(("outputs", "expected"), OUTPUTS.values(), ids=OUTPUTS)
def test_outputs(pipeline: Any, outputs: Any, expected: str) -> None:
    model = Hooked(pipeline=pipeline)
    model.outputs = outputs
    response = post_bytes(serve(model), PATH, BODY, CSV)
    assert response.status_code == 200, response.text
    assert response.data.decode() == expected


def test_probabilities_of_several_outputs() -> None:
    targets = np.array([["a", "x"], ["b", "y"], ["a", "z"]])
    tree = DecisionTreeClassifier(random_state=0).fit(np.eye(3), targets)
    client = serve(ValuesModel(name="two", pipeline=tree, probability=True))
    response = post_bytes(client, "/two/predict_proba/", b"1,0,0\n0,1,0\n", CSV)
    assert lines(response)[0] == "0_a,0_b,1_x,1_y,1_z"
    assert lines(response)[1:] == ["1.0,0.0,1.0,0.0,0.0", "0.0,1.0,0.0,1.0,0.0"]
    response = post_bytes(client, "/two/predict/", b"1,0,0\n0,1,0\n", CSV)
    assert lines(response) == ["prediction_0,prediction_1", "a,x", "b,y"]


# Numbers and texts

NUMBERS: dict[str, dict[str, Any]] = {
    "number": {},
    "bounded": {"min": -5, "max": 1e6},
    "integer": {"type": "integer"},
    "nullable": {"nullable": True},
    "nullable integer": {"type": "integer", "nullable": True},
    "default": {"default": 3},
    "nullable default": {"nullable": True, "default": 3},
}
cells = st.one_of(
    st.integers(-9, 9).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(2**70), 2**70).map(str),
    st.sampled_from(
        ["", " ", "+1", " 1\t", "1.", ".5", "-0", "0.0", "-0.0", "1e400", "1e-400", "nan"]
    ),
    st.sampled_from(
        ["inf", "0x10", "1_0", "x", "٣", "1\u00a0", "007", "-", ".", "1e", "1d5", "true"]
    ),
    st.sampled_from(["9007199254740993", "-9007199254740992", "[1]", "null", '"1"', "1\r", "\0"]),
)
files = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1, max_size=12)
)
plain_files = st.integers(1, 4).flatmap(
    lambda width: st.lists(
        st.lists(st.floats(-1e9, 1e9).map(repr), min_size=width, max_size=width),
        min_size=1,
        max_size=12,
    )
)


def verdict(read: Any, schema: FixedSchema) -> Any:
    try:
        rows = read()
        return None if rows is None else schema.clean(rows)
    except InvalidInput as exception:
        return exception.errors


class UncompiledValidator(Validator):
    """A validator without compiled checks."""


@pytest.mark.no_cover  # measuring the coverage doubles the time
@pytest.mark.parametrize("by_pyarrow", [True, False])
@pytest.mark.parametrize("validator", [Validator, UncompiledValidator])
@given(
    rows=plain_files | files,
    kinds=st.lists(st.sampled_from(sorted(NUMBERS)), min_size=4, max_size=4),
    end=st.sampled_from(["\n", "\r\n", "\n\n", "\r\n\r\n"]),
    header=st.booleans(),
)
@settings(deadline=None, max_examples=examples(150))
def test_numbers_and_texts_give_the_same_rows(
    *,
    rows: list[list[str]],
    kinds: list[str],
    end: str,
    header: bool,
    by_pyarrow: bool,
    validator: type[Validator],
) -> None:
    names = [f"f{place}" for place in range(len(rows[0]))]
    rules = (NUMBERS[kind] for kind in kinds)
    fields: dict[str, dict[str, Any]] = dict(zip(names, rules, strict=False))
    columns = tuple(InputColumn(name=name, nullable=True) for name in names)
    schema = FixedSchema(
        fields, Inputs(columns=columns, named=header), unnamed=not header, validator=validator
    )
    text = end.join(",".join(row) for row in ([names] if header else []) + rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv, "PYARROW_PAYS", 0 if by_pyarrow else 1e9)
        fast = verdict(lambda: csv.read_numbers(text.encode(), schema), schema)
    if fast is None:
        return
    slow = verdict(lambda: csv.read_text(text.encode(), schema), schema)
    if isinstance(slow, np.ndarray):
        np.testing.assert_array_equal(fast, slow, strict=True)
        assert np.signbit(fast).tolist() == np.signbit(slow).tolist()  # also that of zero
    else:
        assert fast == slow


@pytest.mark.parametrize("by_pyarrow", [True, False])
def test_numbers_are_read_as_arrays(monkeypatch: pytest.MonkeyPatch, by_pyarrow: bool) -> None:
    monkeypatch.setattr(csv, "PYARROW_PAYS", 0 if by_pyarrow else 1e9)
    columns = tuple(InputColumn(name=name, nullable=True) for name in FIELDS)
    rules: dict[str, dict[str, Any]] = {
        **SCHEMA,
        "petal_length": {"type": "integer"},
        "petal_width": {"nullable": True},
    }
    schema = FixedSchema(rules, Inputs(columns=columns, named=True))
    frame = pd.DataFrame(X, columns=list(FIELDS)).astype({"petal_length": int})
    body = frame.to_csv(index=by_pyarrow).encode()
    rows = csv.read_numbers(body, schema)
    assert rows is not None
    assert {type(rows.columns[name]) for name in FIELDS} == {np.ndarray}
    np.testing.assert_array_equal(schema.clean(rows), frame.to_numpy())


def test_nulls_are_read_as_arrays_by_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv, "PYARROW_PAYS", 0)
    schema = FixedSchema(
        {"a": {"nullable": True}, "b": {}},
        Inputs(columns=(InputColumn(name="a", nullable=True), InputColumn(name="b")), named=True),
    )
    rows = csv.read_numbers(b"a,b\n,1\n2,3\n", schema)
    assert rows is not None
    np.testing.assert_array_equal(schema.clean(rows), [[np.nan, 1], [2, 3]])


def test_large_file_is_read_by_pyarrow(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = HEADER + SETOSA * 20_000
    assert len(body) > csv.PYARROW_PAYS
    with_it = post_bytes(client, PATH, body, CSV)
    monkeypatch.setattr(csv, "find_spec", lambda name: None)
    assert with_it.data == post_bytes(client, PATH, body, CSV).data
    assert lines(with_it) == ["prediction", *["0"] * 20_000]


quoted_rows = st.integers(1, 3).flatmap(
    lambda width: st.lists(
        st.lists(st.text('ab",\r\n ', max_size=4), min_size=width, max_size=width),
        min_size=1,
        max_size=4,
    )
)


@given(rows=quoted_rows)
@settings(deadline=None, max_examples=examples(100))
def test_quoting_is_that_of_the_standard_library(rows: list[list[str]]) -> None:
    sink = io.StringIO(newline="")
    stdlib.writer(sink).writerows(rows)
    assert csv._split(sink.getvalue()) == (rows, len(rows), True)


@pytest.fixture
def short_cells() -> Iterator[None]:
    """Have csv.reader refuse every cell of more than one character."""
    limit = stdlib.field_size_limit(1)
    yield
    stdlib.field_size_limit(limit)


@given(text=st.text('ab",\r\n', max_size=12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_long_cells_are_split_as_short_ones(short_cells: None, text: str) -> None:
    split = csv._split(text)
    stdlib.field_size_limit(1000)
    wanted = csv._split(text)
    stdlib.field_size_limit(1)
    assert split == wanted


def test_limit_of_the_standard_library_is_left_alone(birds: FlaskClient) -> None:
    limit = stdlib.field_size_limit()
    body = b'mass,island,note\n5000,Biscoe,"' + b"x" * 2 * limit + b'"\n'
    assert post_bytes(birds, "/birds/predict/", body, CSV).status_code == 200
    assert stdlib.field_size_limit() == limit


@given(text=st.text('a",\n', max_size=12))
def test_any_text_is_split_or_refused(text: str) -> None:
    rows, count, is_closed = csv._split(text)
    assert count == len(rows)
    if is_closed:
        wanted = [row for row in stdlib.reader(io.StringIO(text, newline="")) if row]
        assert rows == wanted


def test_form_is_answered_as_before(client: FlaskClient) -> None:
    data = "&".join(f"{name}=1" for name in FIELDS).encode()
    assert post_bytes(client, PATH, data, FORM).content_type == "text/plain; charset=utf-8"


def test_line_of_one_value() -> None:
    pipeline = FunctionTransformer(np.square).fit([[0.0]])
    model = ValuesModel(name="one", pipeline=pipeline, methods=["transform"])
    client = serve(model)
    response = post_bytes(client, "/one/transform/", b"\n1\n\n2\n", CSV)
    assert lines(response) == ["prediction", "1.0", "4.0"]


@pytest.mark.parametrize("body", [b" ", b" \n", b"\t"])
def test_blank_value_of_a_model_with_one_field(body: bytes) -> None:
    """A blank value is a missing one, which this estimator takes."""
    pipeline = FunctionTransformer(np.square).fit([[0.0]])
    client = serve(ValuesModel(name="one", pipeline=pipeline, methods=["transform"]))
    assert lines(post_bytes(client, "/one/transform/", body, CSV)) == ["prediction", '""']


def test_semicolons_are_recognised(client: FlaskClient) -> None:
    body = ";".join(FIELDS) + "\n5,1;3,5;1,4;0,2\n"
    response = post_bytes(client, "/iris/predict/", body.encode(), "text/csv")
    assert "separated by semicolons" in response.get_json()["errors"][0]["message"]


def test_column_that_is_missing_is_one_error(client: FlaskClient) -> None:
    body = ",".join(FIELDS[:3]) + "\n" + "5.1,3.5,1.4\n" * 7
    response = post_bytes(client, "/iris/predict/", body.encode(), "text/csv")
    [error] = response.get_json()["errors"]
    assert (error["row"], error["field"], error["rule"]) == (None, "petal_width", "required")
    assert error["message"] == "there is no column 'petal_width'"
