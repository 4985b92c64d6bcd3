"""JSON bodies of plain numbers: the extra ``fast`` makes no difference to the response."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import FunctionTransformer
from werkzeug.test import TestResponse

from flask_skmodels import Model, ValuesModel
from flask_skmodels.codecs import json_numbers
from tests.support.helpers import JSON, post_bytes, serve
from tests.support.selection import examples
from tests.support.skips import library

NAMES = ("a", "b", "c")
ROWS = 200
BOUND = 2.0**52


def echo() -> Any:
    """A transformer that returns its input."""
    return FunctionTransformer().fit(np.zeros((2, 3)))


def client_of(**rules: Any) -> FlaskClient:
    schema = {name: dict(rules) for name in NAMES}
    return serve(
        Model(name="named", pipeline=echo(), schema=schema),
        ValuesModel(name="values", pipeline=echo(), schema=schema),
    )


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    return client_of(min=-BOUND)


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The bodies that the fast parser has read."""
    found: list[bytes] = []
    original = json_numbers._parsed

    def parse(body: bytes) -> Any:
        document = original(body)
        found.append(body)
        return document

    monkeypatch.setattr(json_numbers, "_parsed", parse)
    return found


def send(client: FlaskClient, body: bytes, name: str = "named") -> TestResponse:
    return post_bytes(client, f"/{name}/transform/", body, JSON)


def slowly(client: FlaskClient, body: bytes, name: str = "named") -> TestResponse:
    """Send a body without the extra, then without reading numbers: the response is the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_numbers, "_IS_INSTALLED", False)
        plain = send(client, body, name)
        patch.setattr(json_numbers, "MIN_BYTES", 2**40)
        slow = send(client, body, name)
    assert (plain.status_code, plain.data) == (slow.status_code, slow.data)
    return slow


@pytest.mark.parametrize("name", ["_matrix_of_lists", "_columns_of_lists"])
def test_numbers_become_arrays_without_the_extra_too(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    found: list[Any] = []
    original = getattr(json_numbers, name)

    def read(*arguments: Any) -> Any:
        found.append(original(*arguments))
        return found[-1]

    monkeypatch.setattr(json_numbers, "_IS_INSTALLED", False)
    monkeypatch.setattr(json_numbers, name, read)
    given = rows() if name == "_matrix_of_lists" else {"columns": columns(rows())}
    response = send(client, json.dumps(given).encode())
    assert response.json["predictions"] == rows()  # type: ignore[index]
    assert len(found[0]) == (ROWS if name == "_matrix_of_lists" else len(NAMES))


def rows(count: int = ROWS) -> list[list[float]]:
    found: list[list[float]] = np.random.default_rng(0).normal(size=(count, 3)).tolist()
    return found


def columns(found: list[list[float]]) -> dict[str, list[float]]:
    return dict(zip(NAMES, map(list, zip(*found, strict=True)), strict=True))


@pytest.mark.parametrize("name", ["named", "values"])
def test_rows_go_from_bytes_to_an_array(
    client: FlaskClient, parsed: list[bytes], name: str
) -> None:
    body = b" \n" + json.dumps(rows()).encode()
    response = send(client, body, name)
    assert response.get_json()["predictions"] == rows()
    assert parsed == [body]
    assert response.data == slowly(client, body, name).data


@pytest.mark.parametrize("name", ["named", "values"])
def test_columns_go_from_bytes_to_arrays_in_the_order_of_the_fields(
    client: FlaskClient, parsed: list[bytes], name: str
) -> None:
    shuffled = dict(reversed(columns(rows()).items()))
    body = json.dumps({"columns": shuffled}).encode()
    response = send(client, body, name)
    assert response.get_json()["predictions"] == rows()
    assert parsed == [body]
    assert response.data == slowly(client, body, name).data


def test_rows_are_put_into_the_order_of_the_columns_of_x() -> None:
    pipeline = echo()
    pipeline.feature_names_in_ = np.array(["c", "a", "b"], dtype=object)
    client = serve(Model(name="named", pipeline=pipeline, schema={name: {} for name in NAMES}))
    body = json.dumps(rows()).encode()
    response = send(client, body)
    assert response.get_json()["predictions"] == [[c, a, b] for a, b, c in rows()]
    assert response.data == slowly(client, body).data


def changed(place: str, value: str) -> bytes:
    """Return rows with another value in the middle."""
    body = json.dumps([[*row[:2], 7.0] for row in rows()]).encode()
    middle = body.index(b"7.0", len(body) // 2)
    return {
        "value": body[:middle] + value.encode() + body[middle + 3 :],
        "row": body[: body.rindex(b"[")] + value.encode() + b"]",
        "end": body + value.encode(),
        "start": value.encode() + body,
    }[place]


ODD = [
    *[("value", v) for v in ("true", "null", '"7"', "[7.0]", "[]", "{}", "7,8", "", "-0", "-0.0")],
    *[("value", v) for v in ("NaN", "1e400", "-1e999", "01", "1.", "0x1", "9" * 30, "1E5", "1e-5")],
    *[("value", v) for v in ("9007199254740993", "-9007199254740993", "18446744073709551616")],
    *[("value", v) for v in ("9007199254740991", '"[1,2,3]"', "5e-324", "1.7976931348623159e308")],
    *[
        ("row", v)
        for v in ("[1,2]", "[1,2,3,4]", "[1,[2],3]", "7", "null", "[]", '{"a": 1}', "[1,2,3,]")
    ],
    *[("end", v) for v in (" ", "\n", "x", "]", ",", "\0", "[]")],
    *[("start", v) for v in (" ", "\ufeff", "[", "x")],
]


@pytest.mark.parametrize(("place", "value"), ODD)
def test_other_rows_get_the_same_response(client: FlaskClient, place: str, value: str) -> None:
    body = changed(place, value)
    fast, slow = send(client, body), slowly(client, body)
    assert (fast.status_code, fast.data) == (slow.status_code, slow.data)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: {"columns": {**c, "d": [1] * ROWS}},
        lambda c: {"columns": {**c, "d": ["x"] * ROWS}},
        lambda c: {"columns": {**c, "b": c["b"][1:]}},
        lambda c: {"columns": {**c, "b": [[v] for v in c["b"]]}},
        lambda c: {"columns": {**c, "b": [c["b"]]}},
        lambda c: {"columns": {**c, "b": [*c["b"][1:], None]}},
        lambda c: {"columns": {**c, "b": [*c["b"][1:], True]}},
        lambda c: {"columns": {**c, "null": c["a"], "true": c["b"], "fault": c["c"]}},
        lambda c: {"columns": {**c, "null": c["a"], "b": [*c["b"][1:], None]}},
        lambda c: {"columns": {"a": c["a"]}},
        lambda c: {"columns": list(c.values())},
        lambda c: {"columns": {}, "more": [1] * 2000},
        lambda c: {"columns": c, "more": 1},
        lambda c: {"rows": c},
        lambda c: {"a": 1.0, "b": 2.0, "c": 3.0, "values": None, "x" * 4000: 1},
        lambda c: {"columns": {}, "x" * 4000: 1},
        lambda c: c,
    ],
)
def test_other_columns_get_the_same_response(client: FlaskClient, change: Any) -> None:
    body = json.dumps(change(columns(rows()))).encode()
    for name in ("named", "values"):
        fast, slow = send(client, body, name), slowly(client, body, name)
        assert (fast.status_code, fast.data) == (slow.status_code, slow.data)


@pytest.mark.parametrize("value", ["1", "true", "null", '"1"'])
def test_a_name_with_an_escape_hides_no_literal(client: FlaskClient, value: str) -> None:
    named = {"\t": [1.5] * ROWS, **columns(rows())}  # written "\\t", which has a letter of "true"
    body = json.dumps({"columns": named}).encode().replace(b"1.5", value.encode(), 1)
    fast, slow = send(client, body), slowly(client, body)
    assert (fast.status_code, fast.data) == (slow.status_code, slow.data)


def test_a_column_given_twice_is_an_error(client: FlaskClient) -> None:
    text = json.dumps({"columns": columns(rows())})
    body = text.replace('"c":', '"b":').encode()
    fast = send(client, body)
    assert fast.status_code == 400
    assert fast.data == slowly(client, body).data


def test_every_bad_row_is_reported() -> None:
    client = client_of(min=0)
    found = [[abs(v) for v in row] for row in rows()]
    found[7][1], found[150][0] = -1.0, -2.0
    for document in (found, {"columns": columns(found)}):
        body = json.dumps(document).encode()
        errors = send(client, body).get_json()["errors"]
        assert [(e["row"], e["field"], e["rule"]) for e in errors] == [
            (7, "b", "min"),
            (150, "a", "min"),
        ]
        assert send(client, body).data == slowly(client, body).data


@pytest.mark.parametrize(
    ("rules", "are_numbers"),
    [({"type": "integer"}, False), ({"default": 1.0}, False), ({"type": "float"}, True)],
)
def test_fields_that_take_other_values_are_read_by_json_text(
    parsed: list[bytes], rules: dict[str, Any], *, are_numbers: bool
) -> None:
    client = client_of(**rules)
    body = json.dumps([[1, 2, 3]] * 1000).encode()
    assert send(client, body).data == slowly(client, body).data
    assert bool(parsed) == are_numbers


def test_large_integers_are_compared_with_bounds_before_rounding() -> None:
    client = client_of(max=2**53)
    body = json.dumps([[1, 2, 3]] * 500 + [[1, 2, 2**53 + 1]]).encode()
    assert send(client, body).status_code == 400
    assert send(client, body).data == slowly(client, body).data


@settings(max_examples=examples(100), deadline=None)
@given(
    st.lists(
        st.lists(
            st.one_of(
                st.floats(allow_nan=False, allow_infinity=False),
                st.integers(-(2**70), 2**70),
                st.integers(-9, 9),
            ),
            min_size=3,
            max_size=3,
        ),
        min_size=1,
        max_size=9,
    )
)
def test_any_numbers_get_the_same_response(found: list[list[float]]) -> None:
    body = json.dumps(found * (1 + json_numbers.MIN_BYTES // len(json.dumps(found)))).encode()
    assert len(body) >= json_numbers.MIN_BYTES
    fast, slow = send(_CLIENT, body), slowly(_CLIENT, body)
    assert (fast.status_code, fast.data) == (slow.status_code, slow.data)


_CLIENT = client_of(min=-BOUND)


@pytest.mark.parametrize(
    "other", [b"[[1, 2]," * 400 + b"}", b'[["x", 2]]' + b" " * 3000, b'[{"a": 1}]' + b" " * 3000]
)
def test_parser_of_a_thread_works_after_any_other_body(other: bytes) -> None:
    library("simdjson")
    rows = [[float(row), row + 0.5] for row in range(400)]
    kept = json_numbers.read_matrix(json.dumps(rows).encode(), 2)
    assert json_numbers.read_matrix(other, 2) is None
    again = json_numbers._matrix_of_buffer(json.dumps(rows[::-1]).encode(), 2)
    assert kept is not None
    assert again is not None
    assert kept.tolist() == rows
    assert again.tolist() == rows[::-1]


def test_each_thread_has_its_own_parser() -> None:
    bodies = [[[float(row * turn), -1.5] for row in range(2000)] for turn in range(16)]

    def reads_its_own(rows: list[list[float]]) -> bool:
        body = json.dumps(rows).encode()
        found = [json_numbers.read_matrix(body, 2) for _ in range(20)]
        return all(matrix is not None and matrix.tolist() == rows for matrix in found)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(reads_its_own, bodies))
