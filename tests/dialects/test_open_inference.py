"""The Open Inference Protocol v2, byte by byte."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from werkzeug.test import TestResponse

from flask_skmodels import (
    KeyValueModel,
    Model,
    Prediction,
    SKModels,
    ValuesModel,
    before_prediction,
    input_rejected,
)
from tests.support.helpers import FIELDS, SCHEMA, SETOSA, VIRGINICA, X, Y, hooked, serve

HEADER = "Inference-Header-Content-Length"
ROWS = [list(SETOSA.values()), list(VIRGINICA.values())]
FLAT = [value for row in ROWS for value in row]
INFER = "/v2/models/iris/infer"
Inputs = Sequence[tuple[dict[str, Any], bytes]]


@pytest.fixture(scope="module")
def iris_values() -> Any:
    """An estimator of iris flowers, fitted without names."""
    return LogisticRegression(max_iter=500).fit(X, Y)


@pytest.fixture
def client(pipeline: Any, iris_values: Any) -> FlaskClient:
    return speaking(
        Model(name="iris", pipeline=pipeline, schema=SCHEMA, probability=True),
        ValuesModel(name="flat", pipeline=iris_values),
    )


def speaking(*models: Model, **config: object) -> FlaskClient:
    return serve(*models, SKMODELS_DIALECTS=["open-inference"], **config)


def tensor(data: Any, shape: Sequence[Any], datatype: str = "FP64", **more: Any) -> dict[str, Any]:
    return {"name": "input-0", "shape": list(shape), "datatype": datatype, "data": data, **more}


def infer(client: FlaskClient, document: Any, path: str = INFER, **options: Any) -> TestResponse:
    return client.post(path, data=json.dumps(document), **options)


def ask(client: FlaskClient, *inputs: dict[str, Any], path: str = INFER, **more: Any) -> Any:
    """Return the outputs of a successful response, by name."""
    response = infer(client, {"inputs": list(inputs), **more}, path)
    assert response.status_code == 200, response.text
    assert response.content_type == "application/json"
    document = json.loads(response.data)
    return {each["name"]: each["data"] for each in document["outputs"]}


def refused(response: TestResponse, status: int = 400) -> str:
    """Return the error of a response that must be an error."""
    assert response.status_code == status, response.text
    assert response.content_type == "application/json"
    document = json.loads(response.data)
    assert list(document) == ["error"]
    return str(document["error"])


def binary(*inputs: tuple[dict[str, Any], bytes], **more: Any) -> tuple[bytes, dict[str, str]]:
    """Return a body with binary data, and the header with the length of its JSON."""
    described = [
        {"name": f"input-{place}", **each, "parameters": {"binary_data_size": len(data)}}
        for place, (each, data) in enumerate(inputs)
    ]
    header = json.dumps({"inputs": described, **more}).encode()
    return header + b"".join(data for _, data in inputs), {HEADER: str(len(header))}


def send(
    client: FlaskClient, body: bytes, headers: dict[str, str], path: str = INFER
) -> TestResponse:
    return client.post(path, data=body, headers=headers)


def packed(*texts: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


# The server and its models


@pytest.mark.parametrize("path", ["/v2", "/v2/"])
def test_server_metadata(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    document = json.loads(response.data)
    assert document["name"] == "Flask-SKModels"
    assert document["extensions"] == ["binary_tensor_data"]
    assert isinstance(document["version"], str)


@pytest.mark.parametrize("slash", ["", "/"])
def test_health(client: FlaskClient, slash: str) -> None:
    for state in ("live", "ready"):
        response = client.get(f"/v2/health/{state}{slash}")
        assert (response.status_code, response.json) == (200, {"live": True, "ready": True})


def test_models(client: FlaskClient) -> None:
    assert client.get("/v2/models").json == {"models": ["iris", "flat"]}
    assert client.get("/v2/models/iris/ready").json == {"name": "iris", "ready": True}


def test_models_that_the_visitor_may_see(pipeline: Any) -> None:
    client = speaking(
        Model(name="iris", pipeline=pipeline), SKMODELS_VISIBLE=lambda model: model.name != "iris"
    )
    assert client.get("/v2/models").json == {"models": []}


def test_metadata_of_named_fields(client: FlaskClient) -> None:
    assert client.get("/v2/models/iris").json == {
        "name": "iris",
        "versions": [],
        "platform": "sklearn_estimator",
        "inputs": [{"name": name, "datatype": "FP64", "shape": [-1, 1]} for name in FIELDS],
        "outputs": [
            {"name": "predict", "datatype": "INT64", "shape": [-1]},
            {"name": "predict_proba", "datatype": "FP64", "shape": [-1, 3]},
        ],
    }


def test_metadata_of_values(client: FlaskClient) -> None:
    document = client.get("/v2/models/flat").get_json()
    assert document["inputs"] == [{"name": "values", "datatype": "FP64", "shape": [-1, 4]}]


def metadata(estimator: Any, schema: Any = None, **attributes: Any) -> Any:
    model = Model(name="some", pipeline=estimator, schema=schema, **attributes)
    return speaking(model).get("/v2/models/some").get_json()


def test_metadata_of_texts_and_kinds() -> None:
    texts = make_pipeline(CountVectorizer(), MultinomialNB()).fit(["aa bb", "cc dd"], ["x", "y"])
    document = metadata(texts, methods=["predict", "predict_log_proba"])
    assert document["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1, 1]}]
    assert document["outputs"] == [
        {"name": "predict", "datatype": "BYTES", "shape": [-1]},
        {"name": "predict_log_proba", "datatype": "FP64", "shape": [-1, 2]},
    ]
    schema = {"a": {"type": "integer"}, "b": {"type": "boolean"}, "c": {}, "d": {"type": "date"}}
    constant = DummyClassifier(strategy="constant", constant=True).fit(X, np.ones(150, bool))
    document = metadata(constant, schema)
    assert [each["datatype"] for each in document["inputs"]] == ["INT64", "BOOL", "FP64", "BYTES"]
    assert document["outputs"][0]["datatype"] == "BOOL"


@pytest.mark.parametrize(
    ("estimator", "target", "shape"),
    [
        (LinearRegression(), Y, [-1]),
        (LinearRegression(), np.c_[Y, Y], [-1, 2]),
        (RandomForestRegressor(2), Y, [-1]),
        (RandomForestRegressor(2), np.c_[Y, Y, Y], [-1, 3]),
        (make_pipeline(LinearRegression()), np.c_[Y], [-1, 1]),
    ],
)
def test_metadata_of_regressors(estimator: Any, target: Any, shape: list[int]) -> None:
    [output] = metadata(estimator.fit(X, target))["outputs"]
    assert output == {"name": "predict", "datatype": "FP64", "shape": shape}
    fitted = estimator.predict(X)
    assert [-1, *fitted.shape[1:]] == shape


def test_metadata_of_other_methods() -> None:
    outputs = metadata(KMeans(3, n_init=1).fit(X), methods=["predict", "transform"])["outputs"]
    assert outputs == [
        {"name": "predict", "datatype": "INT32", "shape": [-1]},
        {"name": "transform", "datatype": "FP64", "shape": [-1, 3]},
    ]
    [output] = metadata(LogisticRegression().fit(X, Y == 0), methods=["decision_function"])[
        "outputs"
    ]
    assert output["shape"] == [-1]
    [output] = metadata(FunctionTransformer().fit(X))["outputs"]
    assert output["shape"] == [-1, -1]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v2/models/rose"),
        ("GET", "/v2/models/rose/ready"),
        ("POST", "/v2/models/rose/infer"),
        ("GET", "/v2/models/rose/versions/1"),
        ("GET", "/v2/models/iris/versions/1"),
        ("GET", "/v2/models/iris/versions/1/ready"),
        ("POST", "/v2/models/iris/versions/1/infer"),
    ],
)
def test_unknown_models_and_versions(client: FlaskClient, method: str, path: str) -> None:
    assert refused(client.open(path, method=method), 404)


# Versions


@pytest.fixture
def folder(tmp_path: Path, pipeline: Any) -> Path:
    for label, estimator in (("1", pipeline), ("2", DummyClassifier().fit(X, Y))):
        (tmp_path / "iris").mkdir(exist_ok=True)
        joblib.dump(estimator, tmp_path / "iris" / f"{label}.joblib")
    return tmp_path / "iris"


def test_versions(folder: Path) -> None:
    model = Model(name="iris", pipeline=folder, probability=True)
    client = speaking(model, SKMODELS_TRUST_PICKLE=True)
    document = client.get("/v2/models/iris").get_json()
    assert document["versions"] == ["2", "1"]
    assert document["platform"] == "sklearn_joblib"
    for path, version in (("", "2"), ("/versions/1", "1"), ("/versions/2", "2")):
        response = infer(client, {"inputs": [tensor(FLAT, [2, 4])]}, f"/v2/models/iris{path}/infer")
        assert response.get_json()["model_version"] == version
        assert response.headers["X-Model-Version"] == version
        assert client.get(f"/v2/models/iris{path}/ready").status_code == 200
        assert client.get(f"/v2/models/iris{path}").get_json()["name"] == "iris"
    for path in ("infer", "ready", ""):
        response = client.open(
            f"/v2/models/iris/versions/7/{path}", method="POST" if path == "infer" else "GET"
        )
        assert "version" in refused(response, 404)


def test_a_model_that_cannot_be_loaded(folder: Path) -> None:
    for file in folder.iterdir():
        file.write_bytes(b"garbage")
    config = {"SKMODELS_TRUST_PICKLE": True, "SKMODELS_LOADING": "first-use"}
    client = speaking(Model(name="iris", pipeline=folder), **config)
    assert client.get("/v2/health/ready").status_code == 200
    response = client.get("/v2/models/iris/ready")
    assert response.status_code == 503
    assert response.json == {"name": "iris", "ready": False, "error": "the model is not ready"}
    assert refused(infer(client, {"inputs": [tensor(FLAT, [2, 4])]}), 503)
    assert refused(client.get("/v2/models/iris"), 503)
    assert client.get("/v2/health/live").json == {"live": True, "ready": False}
    response = client.get("/v2/health/ready")
    assert (response.status_code, response.json) == (503, {"live": True, "ready": False})


# Requests


def test_answer(client: FlaskClient, pipeline: Any) -> None:
    response = infer(client, {"id": "a b\u2603", "inputs": [tensor(FLAT, [2, 4])]})
    assert response.json == {
        "model_name": "iris",
        "id": "a b\u2603",
        "outputs": [{"name": "predict", "shape": [2], "datatype": "INT64", "data": [0, 2]}],
    }


def test_id_is_made_when_absent(client: FlaskClient) -> None:
    response = infer(client, {"inputs": [tensor(FLAT, [2, 4])]})
    assert response.get_json()["id"] == response.headers["X-Request-ID"]
    response = infer(
        client, {"id": None, "inputs": [tensor(FLAT, [2, 4])]}, headers={"X-Request-ID": "mine"}
    )
    assert response.get_json()["id"] == "mine"


def test_id_is_that_of_the_signals(client: FlaskClient) -> None:
    seen: list[str | None] = []

    def receive(sender: Flask, prediction: Prediction, **extra: Any) -> None:
        seen.append(prediction.request_id)

    before_prediction.connect(receive)
    ask(client, tensor(FLAT, [2, 4]), id="mine")
    response = infer(client, {"id": "not\nvisible", "inputs": [tensor(FLAT, [2, 4])]})
    assert response.get_json()["id"] == "not\nvisible"
    assert seen == ["mine", response.headers["X-Request-ID"]]


@pytest.mark.parametrize(
    "data",
    [FLAT, ROWS, [[[value] for value in row] for row in ROWS]],
)
def test_flat_and_nested(client: FlaskClient, data: Any) -> None:
    assert ask(client, tensor(data, [2, 4])) == {"predict": [0, 2]}


def columns(
    names: Sequence[str], shape: Sequence[int], datatype: str = "FP64", **more: Any
) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "shape": list(shape),
            "datatype": datatype,
            "data": [SETOSA[name], VIRGINICA[name]],
            **more,
        }
        for name in names
    ]


@pytest.mark.parametrize("shape", [[2], [2, 1]])
@pytest.mark.parametrize("datatype", ["FP32", "FP64"])
def test_columns_in_any_order(client: FlaskClient, shape: list[int], datatype: str) -> None:
    inputs = columns(FIELDS[::-1], shape, datatype)
    assert ask(client, *inputs) == {"predict": [0, 2]}
    assert ask(client, *inputs, {**inputs[0], "name": "unknown"}) == {"predict": [0, 2]}


def test_columns_of_a_model_without_names(client: FlaskClient, iris_values: Any) -> None:
    path = "/v2/models/flat/infer"
    named = [{**each, "name": f"x{i}"} for i, each in enumerate(columns(FIELDS, [2]))]
    other = [{**each, "name": f"any {i}"} for i, each in enumerate(columns(FIELDS, [2]))]
    assert ask(client, *named[::-1], path=path) == {"predict": [0, 2]}
    assert ask(client, *other, path=path) == {"predict": [0, 2]}
    assert ask(client, tensor(FLAT, [2, 4]), path=path) == {"predict": [0, 2]}


def test_one_column_of_several_fields() -> None:
    schema = {"a": {}, "b": {"default": 10}}
    model = Model(name="iris", pipeline=LinearRegression().fit(X[:, :2], X[:, 0]), schema=schema)
    client = speaking(model)
    alone = {"name": "a", "shape": [2], "datatype": "INT8", "data": [1, 2]}
    assert ask(client, alone)["predict"] == pytest.approx([1, 2])
    assert ask(client, {**alone, "shape": [2, 1]}, parameters={"content_type": "pd"})
    assert refused(infer(client, {"inputs": [{**alone, "name": "c"}]}))


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        *[(kind, [5, 3, 1, 0]) for kind in ("UINT8", "UINT16", "UINT32", "UINT64")],
        *[(kind, [5, 3, 1, 0]) for kind in ("INT8", "INT16", "INT32", "INT64")],
        *[(kind, [5.1, 3, 1.4, 0]) for kind in ("FP32", "FP64")],
    ],
)
def test_datatypes(client: FlaskClient, datatype: str, data: list[float]) -> None:
    assert ask(client, tensor(data, [1, 4], datatype)) == {"predict": [0]}


@pytest.mark.parametrize("code", ["<u1", "<u2", "<u4", "<u8", "<i1", "<i2", "<i4", "<i8"])
def test_integers_in_binary(client: FlaskClient, code: str) -> None:
    datatype = {"u": "UINT", "i": "INT"}[code[1]] + str(int(code[2]) * 8)
    data = np.array([5, 3, 1, 0], dtype=code).tobytes()
    body, headers = binary(({"shape": [1, 4], "datatype": datatype}, data))
    assert json.loads(send(client, body, headers).data)["outputs"][0]["data"] == [0]


def dtype_of_inputs(client: FlaskClient, body: bytes, headers: dict[str, str]) -> Any:
    """Return X of a request."""
    seen: list[Any] = []

    def receive(sender: Flask, prediction: Prediction, **extra: Any) -> None:
        seen.append(prediction.inputs)

    with before_prediction.connected_to(receive):
        assert send(client, body, headers).status_code == 200
    return seen[0]


@pytest.mark.parametrize(
    ("code", "datatype", "dtype"),
    [("<f2", "FP16", "f8"), ("<f4", "FP32", "f4"), ("<f8", "FP64", "f8"), ("<i4", "INT32", "f8")],
)
@pytest.mark.parametrize("filler", ["", "x", "xx", "xxx", "xxxx", "xxxxx", "xxxxxx", "xxxxxxx"])
def test_precision_is_kept(
    client: FlaskClient, code: str, datatype: str, dtype: str, filler: str
) -> None:
    values = np.array(ROWS).astype(code)
    described = {"shape": [2, 4], "datatype": datatype}
    body, headers = binary((described, values.tobytes()), id=filler)
    found = dtype_of_inputs(client, body, headers)
    assert found.dtype == np.dtype(dtype)
    assert found.tolist() == values.astype(dtype).tolist()
    assert found.flags.c_contiguous
    assert found.flags.aligned
    assert found.flags.writeable


def test_precision_of_columns_and_of_json_is_kept(client: FlaskClient) -> None:
    document = {"inputs": columns(FIELDS, [2], "FP32")}
    found = dtype_of_inputs(client, json.dumps(document).encode(), {})
    assert found.dtype == np.float32
    assert found.tolist() == np.array(ROWS, dtype=np.float32).tolist()


def test_narrow_floats_of_estimators_that_take_none(client: FlaskClient) -> None:
    """KMeans that was fitted on doubles raises on floats of 32 bits."""
    means = KMeans(3, n_init=1, random_state=0).fit(X)
    with pytest.raises(ValueError, match="Buffer dtype"):
        means.predict(X.astype(np.float32))
    narrow = speaking(Model(name="iris", pipeline=means))
    expected = means.predict(np.array(ROWS, dtype=np.float32).astype(np.float64)).tolist()
    assert ask(narrow, tensor(FLAT, [2, 4], "FP32"))["predict"] == expected


# Texts and missing values


@pytest.fixture
def texts() -> FlaskClient:
    """A model that returns its texts."""
    vectorizer = CountVectorizer(analyzer=str.split).fit(["x"])

    class Echo(KeyValueModel):
        name = "iris"
        pipeline = vectorizer

        def transform(self, X: Any) -> Any:
            return np.array(X, dtype=object)

    return speaking(Echo())


WORDS = ["a", "", "\u00e4\u2603 \U0001f600"]


def test_texts_in_json(texts: FlaskClient) -> None:
    for shape in ([3], [3, 1]):
        word = [each or "-" for each in WORDS]
        assert ask(texts, tensor(word, shape, "BYTES")) == {"transform": word}
    assert ask(texts, tensor("alone", [1], "BYTES")) == {"transform": ["alone"]}


def test_texts_in_binary(texts: FlaskClient) -> None:
    words = [each.encode() or b"-" for each in WORDS]
    body, headers = binary(
        ({"shape": [3], "datatype": "BYTES"}, packed(*words)),
        parameters={"binary_data_output": True},
    )
    response = send(texts, body, headers)
    assert response.status_code == 200, response.text
    length = int(response.headers[HEADER])
    document = json.loads(response.data[:length])
    assert document["outputs"] == [
        {
            "name": "transform",
            "shape": [3],
            "datatype": "BYTES",
            "parameters": {"binary_data_size": len(packed(*words))},
        }
    ]
    assert response.data[length:] == packed(*words)


@pytest.mark.parametrize(
    ("content_type", "sent", "meant"),
    [
        ("str", "aGk=", "aGk="),
        ("base64", "aGk=", "hi"),
        ("base64", "not base64", "not base64"),
        ("datetime", "2024-01-02T03:04:05", "2024-01-02T03:04:05"),
        ("unknown", "aGk=", "aGk="),
    ],
)
def test_content_types_of_texts(
    texts: FlaskClient, content_type: str, sent: str, meant: str
) -> None:
    marked = tensor([sent], [1], "BYTES", parameters={"content_type": content_type})
    assert ask(texts, marked) == {"transform": [meant]}


def test_moments() -> None:
    model = Model(
        name="iris",
        pipeline=DummyClassifier().fit(np.array([["a"]], dtype=object), ["x"]),
        schema={"at": {"type": "datetime"}},
    )
    client = speaking(model)
    moment = tensor(["2024-01-02T03:04:05"], [1, 1], "BYTES")
    marked = {**moment, "parameters": {"content_type": "datetime"}}
    assert ask(client, marked) == ask(client, moment) == {"predict": ["x"]}
    assert "at" in refused(infer(client, {"inputs": [{**marked, "data": ["yesterday"]}]}))


def test_booleans() -> None:
    estimator = DummyClassifier(strategy="constant", constant=True).fit(X[:, :1], Y == 0)
    client = speaking(Model(name="iris", pipeline=estimator, schema={"a": {"type": "boolean"}}))
    assert ask(client, tensor([True, False], [2], "BOOL")) == {"predict": [True, True]}
    body, headers = binary(
        ({"shape": [2], "datatype": "BOOL"}, b"\x01\x00"), outputs=[{"name": "predict"}]
    )
    assert json.loads(send(client, body, headers).data)["outputs"][0]["datatype"] == "BOOL"
    body, headers = binary(({"shape": [2], "datatype": "BOOL"}, b"\x01\x02"))
    assert "boolean" in refused(send(client, body, headers))


def test_missing_values(mixed_pipeline: Any) -> None:
    client = speaking(Model(name="iris", pipeline=mixed_pipeline))
    island = {"name": "island", "shape": [2], "datatype": "BYTES", "data": ["Dream", "Biscoe"]}
    for datatype in ("FP64", "FP32", "INT32"):
        mass = {"name": "mass", "shape": [2], "datatype": datatype, "data": [None, 5000]}
        got = ask(client, mass, island, parameters={"content_type": "pd"})
        assert got["predict"][1] == "heavy"
    body, headers = binary(
        ({"name": "mass", "shape": [2], "datatype": "FP64"}, np.array([np.nan, 5000]).tobytes()),
        ({"name": "island", "shape": [2, 1], "datatype": "BYTES"}, packed(b"Dream", b"Biscoe")),
    )
    assert json.loads(send(client, body, headers).data)["outputs"][0]["data"] == got["predict"]


# Outputs


def test_outputs_by_name(client: FlaskClient, pipeline: Any) -> None:
    names = ["predict_proba", "output-0", "predict"]
    found = ask(client, tensor(FLAT, [2, 4]), outputs=[{"name": name} for name in names])
    assert list(found) == names
    assert found["predict_proba"] == pipeline.predict_proba(ROWS).ravel().tolist()
    assert found["output-0"] == found["predict"] == [0, 2]


def test_each_method_runs_once(client: FlaskClient) -> None:
    seen: list[str] = []

    def receive(sender: Flask, prediction: Prediction, **extra: Any) -> None:
        seen.append(prediction.method)

    before_prediction.connect(receive)
    names = ("predict_proba", "output-0", "predict")
    ask(client, tensor(FLAT, [2, 4]), outputs=[{"name": name} for name in names])
    assert seen == ["predict_proba", "predict"]
    ask(client, tensor(FLAT, [2, 4]), outputs=[])
    assert seen[2:] == ["predict"]


@pytest.fixture
def several() -> FlaskClient:
    target = np.c_[Y, np.array(["low", "high"])[(Y == 0).astype(int)]]
    forest = RandomForestClassifier(3, random_state=0).fit(X, target)
    return speaking(Model(name="iris", pipeline=forest, probability=True))


def test_several_outputs(several: FlaskClient) -> None:
    outputs = several.get("/v2/models/iris").get_json()["outputs"]
    assert outputs == [
        {"name": "predict", "datatype": "BYTES", "shape": [-1, 2]},
        {"name": "predict_proba_0", "datatype": "FP64", "shape": [-1, 3]},
        {"name": "predict_proba_1", "datatype": "FP64", "shape": [-1, 2]},
    ]
    found = ask(several, tensor(FLAT, [2, 4]), outputs=[{"name": "predict_proba"}])
    assert {name: len(data) for name, data in found.items()} == {
        "predict_proba_0": 6,
        "predict_proba_1": 4,
    }
    alone = ask(several, tensor(FLAT, [2, 4]), outputs=[{"name": "predict_proba_1"}])
    assert alone == {"predict_proba_1": found["predict_proba_1"]}
    for names in (["predict_proba_2"], ["predict_0"], ["predict_proba", "predict_proba_1"]):
        document = {
            "inputs": [tensor(FLAT, [2, 4])],
            "outputs": [{"name": name} for name in names],
        }
        assert refused(infer(several, document))


def test_infinite_outputs_are_null_in_json(pipeline: Any) -> None:
    client = speaking(hooked(pipeline, lambda X: np.array([np.nan, -np.inf])))
    path = "/v2/models/hooked/infer"
    assert ask(client, tensor(FLAT, [2, 4]), path=path) == {"predict": [None, None]}
    body, headers = binary(
        ({"shape": [2, 4], "datatype": "FP64"}, np.array(ROWS).tobytes()),
        parameters={"binary_data_output": True},
    )
    response = send(client, body, headers, path)
    assert response.data.endswith(np.array([np.nan, -np.inf]).tobytes())


@pytest.mark.parametrize(
    ("outputs", "datatype", "data"),
    [
        (np.array([1, 2], dtype=np.int8), "INT8", [1, 2]),
        (np.array([1, 2], dtype=">u2"), "UINT16", [1, 2]),
        (np.array([0.5, 2], dtype=np.float16), "FP32", [0.5, 2]),
        (np.array([0.5, 2], dtype=np.longdouble), "FP64", [0.5, 2]),
        (np.array([True, False]), "BOOL", [True, False]),
        (np.array([1, 2], dtype=object), "INT64", [1, 2]),
        (np.array([True, False], dtype=object), "BOOL", [True, False]),
        (np.array([1, 2.5], dtype=object), "FP64", [1, 2.5]),
        (np.array([None, 2.5], dtype=object), "FP64", [None, 2.5]),
        (np.array([2**70, 1], dtype=object), "BYTES", [str(2**70), "1"]),
        (np.array(["a", None], dtype=object), "BYTES", ["a", "null"]),
        (np.array([b"a", b"b"]), "BYTES", ["a", "b"]),
        (["a", "b"], "BYTES", ["a", "b"]),
        ([[1], [2, 3]], "BYTES", ["[1]", "[2,3]"]),
        (np.array(["2024-01-02", "2024-01-03"], "M8[D]"), "BYTES", ["2024-01-02", "2024-01-03"]),
    ],
)
def test_outputs_of_every_kind(pipeline: Any, outputs: Any, datatype: str, data: Any) -> None:
    client = speaking(hooked(pipeline, lambda X: outputs))
    response = infer(client, {"inputs": [tensor(FLAT, [2, 4])]}, "/v2/models/hooked/infer")
    expected = {"name": "predict", "shape": [2], "datatype": datatype, "data": data}
    assert response.get_json()["outputs"] == [expected]


# The binary tensor data extension


def test_binary_both_ways(client: FlaskClient, pipeline: Any) -> None:
    values = np.array(ROWS)
    body, headers = binary(
        *[
            ({"name": name, "shape": [2], "datatype": "FP64"}, values[:, place].tobytes())
            for place, name in enumerate(FIELDS)
        ],
        id="7",
        outputs=[
            {"name": "predict_proba", "parameters": {"binary_data": True}},
            {"name": "predict", "parameters": {"binary_data": False}},
        ],
    )
    response = send(client, body, headers)
    assert response.content_type == "application/octet-stream"
    length = int(response.headers[HEADER])
    document = json.loads(response.data[:length])
    assert document["id"] == "7"
    assert document["outputs"] == [
        {
            "name": "predict_proba",
            "shape": [2, 3],
            "datatype": "FP64",
            "parameters": {"binary_data_size": 48},
        },
        {"name": "predict", "shape": [2], "datatype": "INT64", "data": [0, 2]},
    ]
    assert response.data[length:] == pipeline.predict_proba(values).tobytes()


def test_binary_of_all_outputs(client: FlaskClient) -> None:
    document = {
        "inputs": [tensor(FLAT, [2, 4])],
        "parameters": {"binary_data_output": True},
        "outputs": [
            {"name": "predict"},
            {"name": "predict_proba", "parameters": {"binary_data": False}},
        ],
    }
    response = infer(client, document)
    length = int(response.headers[HEADER])
    first, second = json.loads(response.data[:length])["outputs"]
    assert first["parameters"] == {"binary_data_size": 16}
    assert len(second["data"]) == 6
    assert response.data[length:] == np.array([0, 2], dtype="<i8").tobytes()


def test_json_and_binary_inputs_together(client: FlaskClient) -> None:
    inputs = columns(FIELDS, [2])
    size = {"binary_data_size": 16}
    inputs[1] = {k: v for k, v in inputs[1].items() if k != "data"} | {"parameters": size}
    header = json.dumps({"inputs": inputs}).encode()
    body = header + np.array(ROWS)[:, 1].tobytes()
    response = send(client, body, {HEADER: str(len(header))})
    assert response.get_json()["outputs"][0]["data"] == [0, 2]
    whole = json.dumps({"inputs": columns(FIELDS, [2])}).encode()
    assert send(client, whole, {HEADER: str(len(whole))}).status_code == 200


@pytest.mark.parametrize("path", ["/v2/models/flat/infer", INFER])
def test_raw_body(client: FlaskClient, path: str) -> None:
    row = np.array(ROWS[1]).tobytes()
    response = send(client, row, {HEADER: "0"}, path)
    length = int(response.headers[HEADER])
    [output] = json.loads(response.data[:length])["outputs"]
    assert output["shape"] == [1]
    assert response.data[length:] == np.array([2], dtype="<i8").tobytes()
    for body in (row[:-1], row + b"x", row * 2, b""):
        assert refused(send(client, body, {HEADER: "0"}, path))


def test_raw_body_of_texts(texts: FlaskClient) -> None:
    response = send(texts, "\u2603 snow".encode(), {HEADER: "0"})
    assert response.data.endswith(packed("\u2603 snow".encode()))
    assert "UTF-8" in refused(send(texts, b"\xff", {HEADER: "0"}))


class Same(BaseEstimator):
    """Returns its input, of any number of columns."""

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def transform(self, X: Any) -> Any:
        return X


def test_any_number_of_values() -> None:
    client = speaking(Model(name="iris", pipeline=Same()))
    document = client.get("/v2/models/iris").get_json()
    assert document["inputs"] == [{"name": "values", "datatype": "FP64", "shape": [-1, -1]}]
    response = send(client, np.array([1.5, 2.5]).tobytes(), {HEADER: "0"})
    assert response.data.endswith(np.array([1.5, 2.5]).tobytes())
    assert ask(client, tensor(FLAT, [2, 4])) == {"transform": FLAT}
    assert "row 1" in refused(infer(client, {"inputs": [tensor([1, None], [2, 1])]}))


def test_raw_body_of_fields_of_several_kinds(mixed_pipeline: Any) -> None:
    client = speaking(Model(name="iris", pipeline=mixed_pipeline))
    assert "without JSON" in refused(send(client, b"12345678", {HEADER: "0"}))


@pytest.mark.parametrize("length", ["-1", "x", "1.5", "", "99999", "9" * 30, "\u0661", "1", "5 "])
def test_bad_header_length(client: FlaskClient, length: str) -> None:
    body = json.dumps({"inputs": [tensor(FLAT, [2, 4])]}).encode()
    response = client.post(INFER, data=body, headers={HEADER: length.encode().decode("latin-1")})
    assert refused(response)


@pytest.mark.parametrize(
    ("described", "data"),
    [
        ({"shape": [2, 4], "datatype": "FP64"}, b"\0" * 63),
        ({"shape": [2, 4], "datatype": "FP64"}, b"\0" * 65),
        ({"shape": [2, 4], "datatype": "FP32"}, b"\0" * 64),
        ({"shape": [2**62, 4], "datatype": "FP64"}, b"\0" * 64),
        ({"shape": [0, 4], "datatype": "FP64"}, b""),
        ({"shape": [2, 0], "datatype": "FP64"}, b""),
        ({"shape": [2], "datatype": "BYTES"}, packed(b"a")),
        ({"shape": [1], "datatype": "BYTES"}, packed(b"a", b"b")),
        ({"shape": [2], "datatype": "BYTES"}, packed(b"a", b"b") + b"\0"),
        ({"shape": [1], "datatype": "BYTES"}, b"\xff\xff\xff\xffab"),
        ({"shape": [1], "datatype": "BYTES"}, b"\0\0"),
        ({"shape": [10**12], "datatype": "BYTES"}, packed(b"a")),
        ({"shape": [1, 4], "datatype": "FP64"}, np.array([1, 2, np.nan, 4]).tobytes()),
        ({"shape": [1, 4], "datatype": "FP32"}, np.array([1, 2, np.inf, 4], "<f4").tobytes()),
        ({"shape": [1, 4], "datatype": "BOOL"}, b"\1\0\1\0"),
    ],
)
def test_bad_binary_data(client: FlaskClient, described: dict[str, Any], data: bytes) -> None:
    body, headers = binary((described, data))
    assert refused(send(client, body, headers))


def test_sizes_that_do_not_add_up(client: FlaskClient) -> None:
    data = np.array(ROWS).tobytes()
    body, headers = binary(({"shape": [2, 4], "datatype": "FP64"}, data))
    assert send(client, body, headers).status_code == 200
    assert "more binary data" in refused(send(client, body + b"x", headers))
    assert "binary_data_size" in refused(send(client, body[:-1], headers))
    assert HEADER in refused(send(client, body[: int(headers[HEADER])], {}))


@pytest.mark.parametrize("size", [-1, 1.5, "8", True, None, 2**70])
def test_bad_size(client: FlaskClient, size: Any) -> None:
    entry = {"name": "a", "shape": [1, 4], "datatype": "FP64"}
    header = json.dumps({"inputs": [{**entry, "parameters": {"binary_data_size": size}}]}).encode()
    assert refused(send(client, header + b"\0" * 32, {HEADER: str(len(header))}))


# Packed bodies, both ways


@pytest.mark.parametrize(
    ("coding", "pack", "unpack"),
    [("gzip", gzip.compress, gzip.decompress), ("deflate", zlib.compress, zlib.decompress)],
)
def test_packed_bodies(client: FlaskClient, coding: str, pack: Any, unpack: Any) -> None:
    body, headers = binary(
        ({"shape": [2, 4], "datatype": "FP64"}, np.array(ROWS).tobytes()),
        parameters={"binary_data_output": True},
    )
    told = {**headers, "Content-Encoding": coding, "Accept-Encoding": coding}
    response = send(client, pack(body), told)
    assert response.headers["Content-Encoding"] == coding
    assert response.headers["Vary"] == "Accept-Encoding"
    got = unpack(response.data)
    length = int(response.headers[HEADER])
    assert json.loads(got[:length])["outputs"][0]["parameters"] == {"binary_data_size": 16}
    assert got[length:] == np.array([0, 2], dtype="<i8").tobytes()


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br", "gzip"),
        ("deflate, gzip;q=0.5", "deflate"),
        ("br", None),
        ("identity", None),
        ("gzip;q=0", None),
        ("*", None),
    ],
)
def test_coding_of_the_answer(client: FlaskClient, accepted: str, coding: str | None) -> None:
    document = {"inputs": [tensor(FLAT, [2, 4])]}
    response = infer(client, document, headers={"Accept-Encoding": accepted})
    assert response.headers.get("Content-Encoding") == coding


def test_body_that_unpacks_to_too_much(client: FlaskClient) -> None:
    client.application.config["MAX_CONTENT_LENGTH"] = 1000
    for coding, bomb in (("gzip", gzip.compress), ("deflate", zlib.compress)):
        response = send(client, bomb(b" " * 100_000), {"Content-Encoding": coding})
        assert refused(response, 413)
    assert refused(send(client, b" " * 1001, {}), 413)
    assert refused(send(client, b"x", {"Content-Encoding": "gzip"}))
    assert refused(send(client, b"x", {"Content-Encoding": "br"}), 415)


# Bad requests


def entries(**changes: Any) -> dict[str, Any]:
    return {"inputs": [{**tensor(FLAT, [2, 4]), **changes}]}


BAD: list[Any] = [
    [],
    1,
    None,
    "text",
    {},
    {"inputs": None},
    {"inputs": []},
    {"inputs": {}},
    {"inputs": [1]},
    {"inputs": [None]},
    {"inputs": [{}]},
    entries(name=None),
    entries(name=1),
    entries(datatype="FP16"),
    entries(datatype="BF16"),
    entries(datatype="fp64"),
    entries(datatype=None),
    entries(datatype=["FP64"]),
    entries(datatype="BOOL"),
    entries(datatype="BYTES"),
    entries(datatype="INT32"),
    entries(shape=None),
    entries(shape=8),
    entries(shape=[]),
    entries(shape=[8]),
    entries(shape=[2, 3]),
    entries(shape=[2, 4, 1, 1]),
    entries(shape=[-1, 4]),
    entries(shape=[-2, -4]),
    entries(shape=[2.0, 4]),
    entries(shape=["2", 4]),
    entries(shape=[True, 8]),
    entries(shape=[2**64, 4]),
    entries(shape=[2**32, 2**32]),
    entries(shape=[10**400, 4]),
    entries(shape=[0, 4], data=[]),
    entries(shape=[4, 0], data=[]),
    entries(shape=[1_000_000_000, 0], data=[]),
    entries(data=None),
    entries(data=8),
    entries(data={"a": 1}),
    entries(data="text"),
    entries(data=FLAT[:-1]),
    entries(data=[ROWS[0], ROWS[1][:3]]),
    entries(data=[ROWS[0], 1]),
    entries(data=[1, ROWS[0]]),
    entries(data=list(zip(*ROWS, strict=True))),
    entries(data=[*FLAT[:-1], "1"]),
    entries(data=[*FLAT[:-1], None]),
    entries(data=[*FLAT[:-1], True]),
    entries(data=[*FLAT[:-1], {}]),
    entries(data=[*FLAT[:-1], -1]),
    entries(data=[*FLAT[:-1], 10**320]),
    entries(data=[*FLAT[:-1], 10**400]),
    entries(data=[*FLAT[:-1], float("nan")]),
    entries(data=[*FLAT[:-1], float("inf")]),
    entries(data=[1] * 7 + [1e39], datatype="FP32"),
    entries(data=[1] * 7 + [256], datatype="UINT8"),
    entries(data=[1] * 7 + [-1], datatype="UINT64"),
    entries(data=[1] * 7 + [2**63], datatype="INT64"),
    entries(data=[1] * 7 + [1.5], datatype="INT64"),
    entries(parameters=[]),
    entries(parameters={"binary_data_size": 64}),
    {**entries(), "id": 7},
    {**entries(), "id": ["a"]},
    {**entries(), "parameters": "text"},
    {**entries(), "parameters": {"binary_data_output": "yes"}},
    {**entries(), "outputs": "predict"},
    {**entries(), "outputs": ["predict"]},
    {**entries(), "outputs": [{}]},
    {**entries(), "outputs": [{"name": 1}]},
    {**entries(), "outputs": [{"name": "nothing"}]},
    {**entries(), "outputs": [{"name": ""}]},
    {**entries(), "outputs": [{"name": "transform"}]},
    {**entries(), "outputs": [{"name": "output-1"}]},
    {**entries(), "outputs": [{"name": "predict"}, {"name": "predict"}]},
    {**entries(), "outputs": [{"name": "predict", "parameters": {"binary_data": 1}}]},
    {**entries(), "outputs": [{"name": "predict", "parameters": {"classification": 2}}]},
    {**entries(), "outputs": [{"name": "predict", "parameters": {"shared_memory_region": "a"}}]},
    {"inputs": [*entries()["inputs"], *entries()["inputs"]]},
    {"inputs": columns(FIELDS, [2]) + columns(FIELDS[:1], [2])},
    {"inputs": columns(FIELDS[:3], [2])},
    {"inputs": [*columns(FIELDS[:3], [2]), tensor([1, 2, 3], [3])]},
    {"inputs": columns(FIELDS, [2]), "parameters": {"content_type": "np"}},
    {"inputs": columns(FIELDS, [1, 2])},
    {**entries(), "parameters": {"content_type": "pd"}},
    {"inputs": columns(FIELDS[:3], [2]) + columns(FIELDS[3:], [2], "BOOL", data=[True, False])},
]


@pytest.mark.parametrize("document", BAD, ids=lambda document: repr(document)[:80])
def test_bad_request(client: FlaskClient, document: Any) -> None:
    error = refused(infer(client, document))
    assert "Traceback" not in error


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"inputs": [], "inputs": []}',
        b'{"inputs": [{"name": "a", "name": "b"}]}',
        b'{"inputs": [{"parameters": {"a": 1, "a": 2}}]}',
        b'{"parameters": {"binary_data_output": true, "binary_data_output": false}, "inputs": []}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"inputs": [{"data": ' + b"[" * 900 + b"]" * 900 + b"}]}",
    ],
)
def test_bad_body(client: FlaskClient, body: bytes) -> None:
    assert refused(client.post(INFER, data=body))


def test_many_large_dimensions(client: FlaskClient) -> None:
    assert "dimensions" in refused(infer(client, entries(shape=[2**62] * 300_000)))


def test_deeply_nested_data(client: FlaskClient) -> None:
    data: Any = 1.5
    for _ in range(500):
        data = [data]
    assert refused(infer(client, entries(data=data, shape=[1, 1])))


def test_rows_are_bounded(pipeline: Any) -> None:
    client = speaking(Model(name="iris", pipeline=pipeline), SKMODELS_MAX_ROWS=1)
    assert refused(infer(client, entries()), 413)
    assert infer(client, entries(shape=[1, 4], data=ROWS[0])).status_code == 200


def test_columns_are_bounded(client: FlaskClient) -> None:
    wide = entries(shape=[1, 20_000], data=[1] * 20_000)
    assert "columns" in refused(infer(client, wide))


def test_values_of_the_client_are_not_echoed(client: FlaskClient) -> None:
    error = refused(infer(client, entries(datatype="secret", name="secret")))
    assert "secret" not in error
    assert "secret" not in refused(infer(client, {**entries(), "outputs": [{"name": "secret"}]}))


def test_errors_name_row_and_field(client: FlaskClient) -> None:
    error = refused(infer(client, entries(data=[*FLAT[:-1], -1])))
    assert error == "row 1, field petal_width: min value is 0"


def test_failures_of_the_estimator_are_not_shown(
    pipeline: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(X: Any) -> Any:
        raise KeyError("secret")

    client = speaking(hooked(pipeline, fail))
    response = infer(client, entries(), "/v2/models/hooked/infer")
    assert refused(response, 500) == "the prediction failed"
    assert "secret" in caplog.text


def test_rejected_input_is_signalled(client: FlaskClient) -> None:
    seen: list[tuple[str, list[str]]] = []

    def receive(sender: Flask, method: str, errors: Any, **extra: Any) -> None:
        seen.append((method, [error.rule for error in errors]))

    input_rejected.connect(receive)
    infer(client, {"inputs": []})
    infer(client, entries(data=[*FLAT[:-1], -1]))
    assert seen == [("predict", ["empty"]), ("predict", ["min"])]


# The content type is not read


@pytest.mark.parametrize(
    "content_type",
    ["", "application/x-www-form-urlencoded", "text/csv", "multipart/form-data; boundary=a", "?"],
)
def test_content_type_is_ignored(client: FlaskClient, content_type: str) -> None:
    response = infer(client, entries(), content_type=content_type)
    assert response.status_code == 200, response.text


def test_forms_that_a_function_of_the_request_reads(tmp_path: Path, folder: Path) -> None:
    model = Model(
        name="iris",
        pipeline=folder,
        traffic={"1": 0.5},
        traffic_key=lambda request: request.form.get("user"),
    )
    client = speaking(model, SKMODELS_TRUST_PICKLE=True)
    response = infer(client, entries(), content_type="application/x-www-form-urlencoded")
    assert response.status_code == 200, response.text


def test_forms_of_another_site_are_refused(client: FlaskClient) -> None:
    client.set_cookie("session", "1")
    headers = {"Origin": "https://evil.example"}
    assert refused(infer(client, entries(), headers=headers, content_type="text/plain"), 403)


# Prefixes, decorators and late registration


def test_prefixes(pipeline: Any) -> None:
    model = Model(name="iris", pipeline=pipeline)
    client = speaking(model, SKMODELS_URL_PREFIX="/ml")
    assert client.get("/ml/v2").status_code == 200
    assert infer(client, entries(), f"/ml{INFER}").status_code == 200
    assert client.get("/v2").status_code == 404
    own = speaking(model, SKMODELS_URL_PREFIX="/ml", SKMODELS_OPEN_INFERENCE_URL_PREFIX="")
    assert infer(own, entries()).status_code == 200
    assert own.get("/ml/v2").status_code == 404


def test_none_by_default(pipeline: Any) -> None:
    assert serve(Model(name="iris", pipeline=pipeline)).get("/v2").status_code == 404


def test_models_that_are_registered_late(pipeline: Any) -> None:
    app = Flask("late")
    app.config["SKMODELS_DIALECTS"] = ["open-inference"]
    models = SKModels(app)
    client = app.test_client()
    assert client.get("/v2/models").json == {"models": []}
    assert refused(infer(client, entries()), 404)
    models.add("iris", pipeline)
    assert infer(client, entries()).status_code == 200
    assert client.get("/v2/models/iris/ready").status_code == 200


def test_host_that_reads_the_body_first(pipeline: Any) -> None:
    app = Flask("host")
    app.config["SKMODELS_DIALECTS"] = ["open-inference"]
    app.before_request(lambda: request.get_data() and None)
    SKModels(app).add("iris", pipeline)
    assert infer(app.test_client(), entries()).status_code == 200
