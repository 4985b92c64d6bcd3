"""Outputs of every kind as JSON and as text, custom codecs, and strict JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from flask_skmodels import Codec, KeyValueModel, Model, Prediction, ValuesModel
from flask_skmodels import register_codec as register
from flask_skmodels.codecs import registration
from flask_skmodels.codecs.codec import Source
from flask_skmodels.schema.rows import Rows
from flask_skmodels.schema.schema import Schema
from tests.support.helpers import SCHEMA, SETOSA, VIRGINICA, X, Y, hooked, line, post_json, serve

BIG = 10**30
Outputs = dict[str, tuple[Callable[[], Any], Any, str]]

OUTPUTS: Outputs = {
    "integers": (lambda: np.array([1, 2]), [1, 2], "1\n2"),
    "floats": (lambda: np.array([0.1, 1e22]), [0.1, 1e22], "0.1\n1e+22"),
    "float32": (
        lambda: np.array([0.1, 1], dtype="f4"),
        [float(np.float32(0.1)), 1.0],
        "0.10000000149011612\n1.0",
    ),
    "float16": (lambda: np.array([0.5, 1], dtype="f2"), [0.5, 1.0], "0.5\n1.0"),
    "long doubles": (lambda: np.array([0.5, 1], dtype=np.longdouble), [0.5, 1.0], "0.5\n1.0"),
    "big-endian": (lambda: np.array([1, 2], dtype=">i2"), [1, 2], "1\n2"),
    "unsigned": (lambda: np.array([2**64 - 1, 0], dtype="u8"), [2**64 - 1, 0], f"{2**64 - 1}\n0"),
    "nan and inf": (lambda: np.array([np.nan, -np.inf]), [None, None], "nan\n-inf"),
    "booleans": (lambda: np.array([True, False]), [True, False], "True\nFalse"),
    "texts": (lambda: np.array(["a", "é"]), ["a", "é"], "a\né"),
    "bytes": (lambda: np.array([b"a", b"\xff"]), ["a", "\ufffd"], "a\n\ufffd"),
    "objects": (
        lambda: np.array([None, np.float64("nan")], dtype=object),
        [None, None],
        "\nnan",
    ),
    "numpy scalars": (lambda: [np.int64(1), np.str_("a")], [1, "a"], "1\na"),
    "numpy scalars as objects": (
        lambda: np.array([np.int64(1), np.bool_(True)], dtype=object),
        [1, True],
        "1\nTrue",
    ),
    "big integers": (lambda: np.array([BIG, 1], dtype=object), [BIG, 1], f"{BIG}\n1"),
    "big integer and nan": (
        lambda: np.array([BIG, float("nan")], dtype=object),
        [BIG, None],
        f"{BIG}\nnan",
    ),
    "decimals": (lambda: [Decimal("1.5"), Decimal(2)], ["1.5", "2"], "1.5\n2"),
    "complex": (lambda: np.array([1j, 2]), ["1j", "(2+0j)"], "1j\n(2+0j)"),
    "lone surrogate": (lambda: np.array(["\ud800", "a"], dtype=object), ["\ud800", "a"], "?\na"),
    "days": (
        lambda: np.array(["2020-02-29", "NaT"], dtype="M8[D]"),
        ["2020-02-29", None],
        "2020-02-29\n",
    ),
    "nanoseconds": (
        lambda: np.array(["2020-02-29T12:30", "NaT"], dtype="M8[ns]"),
        ["2020-02-29T12:30:00", None],
        "2020-02-29T12:30:00\n",
    ),
    "durations": (
        lambda: np.array([1_000_000_000, 0], dtype="m8[ns]"),
        ["0:00:01", "0:00:00"],
        "0:00:01\n0:00:00",
    ),
    "timestamps": (
        lambda: pd.Series(pd.to_datetime(["2020-02-29", None])),
        ["2020-02-29T00:00:00", None],
        "2020-02-29T00:00:00\n",
    ),
    "several outputs": (lambda: np.eye(2), [[1.0, 0.0], [0.0, 1.0]], "1.0,0.0\n0.0,1.0"),
    "fortran order": (
        lambda: np.asfortranarray([[1, 2], [3, 4]]),
        [[1, 2], [3, 4]],
        "1,2\n3,4",
    ),
    "texts by column": (
        lambda: np.array([["a", "b"], ["c", "d"]]),
        [["a", "b"], ["c", "d"]],
        "a,b\nc,d",
    ),
    "three dimensions": (lambda: np.zeros((2, 1, 2), int), [[[0, 0]], [[0, 0]]], "0,0\n0,0"),
    "sparse matrix": (
        lambda: scipy.sparse.csr_matrix(np.eye(2)),
        [[1.0, 0.0], [0.0, 1.0]],
        "1.0,0.0\n0.0,1.0",
    ),
    "sparse array": (
        lambda: scipy.sparse.coo_array(np.eye(2, dtype=int)),
        [[1, 0], [0, 1]],
        "1,0\n0,1",
    ),
    "list": (lambda: ["a", "b"], ["a", "b"], "a\nb"),
    "tuple": (lambda: (1, 2), [1, 2], "1\n2"),
    "lists of different lengths": (
        lambda: np.array([[1], [1, 2]], dtype=object),
        [[1], [1, 2]],
        "1\n1,2",
    ),
    "lists of several lengths, of a hook": (lambda: [[1], (1, None)], [[1], [1, None]], "1\n1,"),
    "mappings": (
        lambda: [{"a": np.float64("nan")}, {"b": [np.int8(1)]}],
        [{"a": None}, {"b": [1]}],
        "{'a': nan}\n{'b': [1]}",
    ),
    "arrays of text in objects": (
        lambda: np.array([np.array(["a"]), np.array(["b", "c"])], dtype=object),
        [["a"], ["b", "c"]],
        "a\nb,c",
    ),
    "arrays in objects": (
        lambda: np.array([np.ones(1), np.array([1.5, np.nan])], dtype=object),
        [[1.0], [1.5, None]],
        "1.0\n1.5,nan",
    ),
    "pandas frame": (
        lambda: pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}),
        [[1, "x"], [2, "y"]],
        "1,x\n2,y",
    ),
    "pandas series": (lambda: pd.Series(["a", "b"], dtype="category"), ["a", "b"], "a\nb"),
    "polars frame": (lambda: pl.DataFrame({"a": [1, 2]}), [[1], [2]], "1\n2"),
    "polars series": (lambda: pl.Series(["a", None]), ["a", None], "a\n"),
    "probabilities of several outputs": (
        lambda: [np.array([[0.25, 0.75]] * 2), np.array([[0.5, np.nan]] * 2)],
        [[[0.25, 0.75], [0.25, 0.75]], [[0.5, None], [0.5, None]]],
        "0.25,0.75,0.5,nan\n0.25,0.75,0.5,nan",
    ),
}


@pytest.mark.parametrize(("outputs", "document", "text"), OUTPUTS.values(), ids=OUTPUTS)
def test_outputs(pipeline: Any, outputs: Callable[[], Any], document: Any, text: str) -> None:
    client = serve(hooked(pipeline, lambda X: outputs()))
    rows = [SETOSA, VIRGINICA]
    response = post_json(client, "/hooked/predict/", rows)
    assert response.status_code == 200, response.text
    assert json.loads(response.data, parse_constant=pytest.fail)["predictions"] == document
    assert line(post_json(client, "/hooked/predict/", rows, "text/plain")) == text


CLASSES: dict[str, tuple[Any, list[object]]] = {
    "integers": (Y, [0, 1, 2]),
    "texts": (np.where(Y > 0, "setosa", "other"), ["other", "setosa"]),
    "bytes": (np.array([b"a", b"b", b"c"])[Y], ["a", "b", "c"]),
    "booleans": (Y > 0, [False, True]),
    "floats": (Y * 2.0, [0.0, 2.0, 4.0]),
    "objects": (np.array(["a", "b", "c"], dtype=object)[Y], ["a", "b", "c"]),
}


@pytest.mark.parametrize(("target", "classes"), CLASSES.values(), ids=CLASSES)
def test_classes(target: Any, classes: list[object]) -> None:
    fitted = DecisionTreeClassifier(random_state=0).fit(X, target)
    client = serve(ValuesModel(name="tree", pipeline=fitted, probability=True))
    response = post_json(client, "/tree/predict_proba/", X[:1].tolist())
    assert response.get_json()["classes"] == classes
    assert response.get_json()["predictions"] == fitted.predict_proba(X[:1]).tolist()
    assert client.get("/tree").get_json()["classes"] == classes
    values = client.post("/tree/predict/", data={"values": "5.1,3.5,1.4,0.2"})
    assert line(values) == str(classes[0])
    assert post_json(client, "/tree/predict", X[:1].tolist()).get_json()["predictions"] == [
        classes[0]
    ]


def test_multi_output_classifier() -> None:
    targets = np.column_stack([Y, Y > 0])
    fitted = RandomForestClassifier(3, random_state=0).fit(X, targets)
    model = ValuesModel(name="forest", pipeline=fitted, probability=True)
    client = serve(model)
    rows = X[[0, 60, 140]]
    assert post_json(client, "/forest/predict/", rows.tolist()).get_json()["predictions"] == (
        fitted.predict(rows).tolist()
    )
    document = post_json(client, "/forest/predict_proba/", rows.tolist()).get_json()
    first, second = fitted.predict_proba(rows)
    assert document["predictions"] == [first.tolist(), second.tolist()]
    assert document["classes"] == [[0, 1, 2], [0, 1]]
    text = line(post_json(client, "/forest/predict_proba/", rows[:1].tolist(), "text/plain"))
    assert [float(cell) for cell in text.split(",")] == [*first[0], *second[0]]


def test_multi_output_regressor_and_sparse_transformer() -> None:
    fitted = LinearRegression().fit(X, X[:, :2])
    client = serve(ValuesModel(name="two", pipeline=fitted))
    document = post_json(client, "/two/predict/", X[:2].tolist()).get_json()
    assert document["predictions"] == fitted.predict(X[:2]).tolist()
    encoder = OneHotEncoder(handle_unknown="ignore").fit(X[:5, :1])
    assert scipy.sparse.issparse(encoder.transform(X[:1, :1]))
    client = serve(Model(name="hot", pipeline=encoder))
    response = post_json(client, "/hot/transform/", X[:2, :1].tolist())
    assert response.get_json()["predictions"] == encoder.transform(X[:2, :1]).toarray().tolist()


def test_classes_of_a_regressor_are_none(line_pipeline: Any) -> None:
    client = serve(ValuesModel(name="line", pipeline=line_pipeline))
    assert client.get("/line").get_json()["classes"] is None


# Strict JSON


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(SETOSA | {"note": "a:b:c"}),
        json.dumps([SETOSA | {"note": {"a": {"b": ":"}}}])[1:-1],
        json.dumps(SETOSA | {"note": float("nan")}),
        json.dumps(SETOSA | {"note": 10**400}),
        json.dumps(SETOSA, indent=2),
        '{"note": 1, "note": 2,' + json.dumps(SETOSA)[1:],
        json.dumps(SETOSA).replace("sepal", "\\u0073epal"),
    ],
    ids=["colons", "nested", "nan", "long", "spread", "unknown twice", "escaped"],
)
def test_json_that_only_looks_odd(pipeline: Any, body: str) -> None:
    client = serve(KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA))
    response = client.post("/iris/predict/", data=body, content_type="application/json")
    assert response.get_json()["predictions"] == [0]


# A custom codec


class Lines(Codec):
    """One row of numbers, with semicolons."""

    media_type = "text/x-lines"
    reads = ("text/x-lines",)

    def decode(self, source: Source, schema: Schema) -> Rows:
        mark = source.parameters.get("mark", ";")
        return Rows([row.split(mark) for row in source.data.decode().splitlines()], text=True)

    def encode(self, prediction: Prediction) -> bytes:
        return ";".join(map(str, prediction.outputs)).encode()


@pytest.fixture
def lines() -> Iterator[None]:
    register(Lines())
    yield
    registration._CODECS.pop(Lines.media_type)


@pytest.mark.usefixtures("lines")
def test_custom_codec(pipeline: Any) -> None:
    client = serve(KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA))
    for mark, content_type in ((";", "text/x-lines"), ("|", 'text/x-lines; mark="|"')):
        body = f"5.1{mark}3.5{mark}1.4{mark}.2\n6.3{mark}3.3{mark}6{mark}2.5"
        response = client.post("/iris/predict/", data=body, content_type=content_type)
        assert (response.text, response.mimetype) == ("0;2", "text/x-lines")
    response = post_json(client, "/iris/predict/", SETOSA, "text/x-lines")
    assert response.text == "0"


def test_codec_without_its_methods() -> None:
    class Bare(Codec):
        media_type = "text/x-bare"

    with pytest.raises(NotImplementedError):
        Bare().decode(None, None)  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError):
        Bare().encode(None)  # type: ignore[arg-type]
