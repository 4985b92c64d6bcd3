"""Rules of all protocols of other servers: logins, rows of KServe, and random bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from flask import Flask, abort
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from werkzeug.test import TestResponse

from flask_skmodels import ConfigurationError, KeyValueModel, Model, SKModels, ValuesModel
from flask_skmodels.config import DIALECTS
from flask_skmodels.web.views import BaseView
from tests.support.helpers import FIELDS, SCHEMA, SETOSA, VIRGINICA, X, Y, serve
from tests.support.selection import examples

ROWS = [list(SETOSA.values()), list(VIRGINICA.values())]
TENSOR = {"name": "a", "shape": [2, 4], "datatype": "FP64", "data": ROWS}
DIALECT = "flask_skmodels.dialects."
HEADER = "Inference-Header-Content-Length"
BODIES = {
    "/v2/models/iris/infer": {"inputs": [TENSOR]},
    "/v1/models/iris:predict": {"instances": ROWS},
    "/invocations": {"inputs": ROWS},
}
OPEN = {"/v2/health/live", "/v2/health/ready", "/ping", "/health", "/-/health/live"}
OPEN |= {"/-/health/ready"}


def speaking(*models: Model, **config: Any) -> FlaskClient:
    named = {"SKMODELS_MLFLOW_MODEL": "iris", **config}
    return serve(*models, SKMODELS_DIALECTS=DIALECTS, **named)


@pytest.fixture
def client(pipeline: Any) -> FlaskClient:
    return speaking(Model(name="iris", pipeline=pipeline, schema=SCHEMA))


def test_every_view_responds_to_errors_in_the_form_of_its_protocol(client: FlaskClient) -> None:
    views = {view for view in BaseView.__subclasses__() if view.__module__.startswith(DIALECT)}
    assert len(views) > len(DIALECTS)
    assert {view for view in views if view.__subclasses__()} == set()
    assert {view for view in views if view.errors is BaseView.errors} == set()


# Logins


def login(view: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(*args: Any, **kwargs: Any) -> Any:
        abort(401)

    return guarded


def addresses(app: Flask, *, of_model: bool) -> list[tuple[str, str]]:
    """Return the methods and paths of the extension's rules, those that name the model or all."""
    found = []
    for rule in app.url_map.iter_rules():
        path = rule.rule.replace("<version>", "1").replace("<name>", "iris").rstrip("/")
        is_of_model = "iris" in rule.rule or "invocations" in rule.rule
        if rule.endpoint.startswith("skmodels.") and (is_of_model or not of_model):
            methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
            found += [(method, path) for method in sorted(methods)]
    return found


BROWSER = {"Accept": "text/html"}  # GET of an address for predictions leads a browser to the form


@pytest.mark.parametrize("late", [False, True])
def test_every_address_of_a_model_needs_its_login(pipeline: Any, late: bool) -> None:
    app = Flask("guarded")
    app.config.update(SKMODELS_DIALECTS=DIALECTS, SKMODELS_MLFLOW_MODEL="iris")
    models = SKModels()
    if late:
        models.init_app(app)
        app.test_client().get("/v2")
    models.add("iris", pipeline, schema=SCHEMA, probability=True, decorators=[login])
    models.add("open", pipeline)
    if not late:
        models.init_app(app)
    client = app.test_client()
    paths = addresses(app, of_model=True)
    assert {path for _, path in paths} >= {*BODIES, "/v2/models/iris", "/v1/models/iris"}
    for method, path in paths:
        response = client.open(path, method=method, json=BODIES.get(path), headers=BROWSER)
        assert response.status_code == 401, path
    for path, body in BODIES.items():
        assert client.post(f"{path}/", json=body).status_code == 401
        assert client.post(path.replace("iris", "%69ris"), json=body).status_code == 401
    assert client.post("/v2/models/open/infer", json={"inputs": [TENSOR]}).status_code == 200


def test_every_address_needs_the_login_of_the_extension(pipeline: Any) -> None:
    app = Flask("guarded")
    app.config.update(SKMODELS_DIALECTS=DIALECTS, SKMODELS_MLFLOW_MODEL="iris")
    models = SKModels(app, decorators=[login])
    models.add("iris", pipeline)
    client = app.test_client()
    for method, path in addresses(app, of_model=False):
        expected = path in OPEN
        status = client.open(path, method=method, headers=BROWSER).status_code
        assert (status != 401) is expected or "<" in path, (path, status)


# Configuration


@pytest.mark.parametrize("value", ["mlflow", ["grpc"], [1], None, {"mlflow": ""}])
def test_dialects_that_are_not_known(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="SKMODELS_DIALECTS must be a list of names from:"):
        serve(SKMODELS_DIALECTS=value)


def test_dialects_of_a_second_extension(pipeline: Any) -> None:
    app = Flask("two")
    app.config["INTERNAL_DIALECTS"] = ["kserve-v1", "kserve-v1"]
    SKModels(app).add("iris", pipeline)
    internal = SKModels(app, name="internal", url_prefix="/internal")
    internal.add("iris", pipeline)
    client = app.test_client()
    assert client.get("/internal/v1/models").json == {"models": ["iris"]}
    assert client.get("/v1/models").status_code == 404


# KServe V1


def predict(client: FlaskClient, document: Any, model: str = "iris") -> TestResponse:
    return client.post(f"/v1/models/{model}:predict", data=json.dumps(document))


def refused(response: TestResponse, status: int = 400) -> str:
    assert response.status_code == status, response.text
    assert response.content_type == "application/json"
    assert list(response.get_json()) == ["error"]
    return str(response.get_json()["error"])


RECORDS = [SETOSA, VIRGINICA]
COLUMNS = {name: [row[name] for row in RECORDS] for name in FIELDS}


@pytest.mark.parametrize(
    "document",
    [
        {"instances": RECORDS},
        {"instances": ROWS},
        {"instances": [COLUMNS]},
        {"instances": [{name: {"0": SETOSA[name], "9": VIRGINICA[name]} for name in FIELDS}]},
        {"instances": [RECORDS]},
        {"instances": [RECORDS[:1], RECORDS[1:]]},
        {"inputs": RECORDS},
        {"inputs": ROWS},
        {"inputs": COLUMNS},
        {"instances": ROWS, "signature_name": "serving_default"},
    ],
    ids=lambda document: repr(document)[:60],
)
def test_kserve_v1(client: FlaskClient, document: Any) -> None:
    assert predict(client, document).json == {"predictions": [0, 2]}


def test_kserve_v1_of_values() -> None:
    estimator = LogisticRegression(max_iter=500).fit(X, Y)
    client = speaking(ValuesModel(name="iris", pipeline=estimator))
    for rows in (ROWS, [{"values": row} for row in ROWS]):
        assert predict(client, {"instances": rows}).json == {"predictions": [0, 2]}
    assert predict(client, {"inputs": {"values": ROWS}}).json == {"predictions": [0, 2]}
    assert predict(client, {"inputs": {"values": ROWS[0]}}).json == {"predictions": [0]}


def test_kserve_v1_of_texts() -> None:
    texts = make_pipeline(CountVectorizer(), MultinomialNB()).fit(["aa bb", "cc dd"], ["x", "y"])
    client = speaking(Model(name="iris", pipeline=texts))
    for rows in (["aa", "dd"], [["aa"], ["dd"]], [{"text": "aa"}, {"text": "dd"}]):
        assert predict(client, {"instances": rows}).json == {"predictions": ["x", "y"]}
    assert refused(predict(client, {"instances": ["aa", 1]}))


@pytest.mark.parametrize("name", ["instances", "inputs"])
@pytest.mark.parametrize("values", [None, True, 7, 1.5, "text", {}, {"0": 1}, {"0": [1]}, []])
def test_values_that_are_no_array(name: str, values: Any) -> None:
    estimator = LogisticRegression(max_iter=500).fit(X, Y)
    client = speaking(ValuesModel(name="iris", pipeline=estimator))
    assert refused(predict(client, {name: {"values": values}}))


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        ROWS,
        {},
        {"instances": ROWS, "inputs": ROWS},
        {"instances": None},
        {"instances": []},
        {"instances": 7},
        {"instances": "text"},
        {"instances": [1, 2, 3, 4]},
        {"instances": [[]]},
        {"instances": [{}]},
        {"instances": [[1, 2, 3]]},
        {"instances": [{**COLUMNS, FIELDS[0]: [1.0]}]},
        {"inputs": {**COLUMNS, FIELDS[0]: 1.0}},
        {"inputs": {**COLUMNS, FIELDS[0]: [1.0]}},
    ],
    ids=lambda document: repr(document)[:60],
)
def test_bad_kserve_v1(client: FlaskClient, document: Any) -> None:
    assert refused(predict(client, document))


def test_addresses_of_kserve_v1(client: FlaskClient, pipeline: Any) -> None:
    assert client.get("/v1/models").json == {"models": ["iris"]}
    assert client.get("/v1/models/iris").json == {"name": "iris", "ready": True}
    assert refused(client.get("/v1/models/rose"), 404)
    assert refused(predict(client, {"instances": ROWS}, "rose"), 404)
    assert refused(client.post("/v1/models/iris:predict", data=b'{"instances": 1, "instances": 2}'))
    own = speaking(Model(name="iris", pipeline=pipeline), SKMODELS_KSERVE_V1_URL_PREFIX="/kserve")
    assert own.get("/kserve/").json == {"status": "alive"}
    assert own.get("/kserve/v1/models/iris").json == {"name": "iris", "ready": True}


def test_answers_that_json_cannot_hold(pipeline: Any) -> None:
    class Odd(KeyValueModel):
        name = "iris"
        schema = SCHEMA

        def predict(self, X: Any) -> Any:
            return np.array([np.nan, np.inf])

    client = speaking(Odd(pipeline=pipeline))
    assert predict(client, {"instances": ROWS}).json == {"predictions": [None, None]}


# Any body gets status 200 or an error of the client


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        ["FP32", "FP64", "BYTES", "INT64", "BOOL", "predict", "pd", "base64", "\ud800"]
    )
)
KEYS = st.sampled_from(
    "inputs outputs parameters name shape datatype data id binary_data binary_data_size "
    "binary_data_output content_type instances dataframe_split dataframe_records params columns "
    "index values text sepal_length petal_width".split()
) | st.text(max_size=4)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)
SHAPES = st.lists(st.integers(-2, 5), max_size=3) | st.just([2, 4]) | JSON
DATATYPES = st.sampled_from(["FP32", "FP64", "INT64", "UINT8", "BYTES", "BOOL", "FP16"]) | JSON
NUMBERS = st.lists(st.floats() | st.integers() | st.none() | st.text(max_size=3), max_size=9)
PARAMETERS = st.fixed_dictionaries(
    {}, optional={"binary_data_size": st.integers(-1, 70) | JSON, "content_type": LEAVES}
)
INPUTS = st.fixed_dictionaries(
    {"name": st.sampled_from([*FIELDS, "a"]) | JSON, "shape": SHAPES, "datatype": DATATYPES},
    optional={"data": st.just(ROWS) | NUMBERS | JSON, "parameters": PARAMETERS | JSON},
)
OUTPUTS = st.fixed_dictionaries(
    {"name": st.sampled_from(["predict", "predict_proba", "output-0"]) | LEAVES},
    optional={"parameters": st.dictionaries(st.just("binary_data"), LEAVES) | JSON},
)
INFERENCES = st.fixed_dictionaries(
    {"inputs": st.lists(INPUTS, max_size=5) | JSON},
    optional={"outputs": st.lists(OUTPUTS, max_size=3) | JSON, "id": JSON, "parameters": JSON},
)
FRAMES = st.fixed_dictionaries({"columns": JSON, "data": JSON | st.just(ROWS)}) | JSON
CALLS = st.fixed_dictionaries(
    {},
    optional={
        "instances": JSON | st.just(ROWS),
        "inputs": JSON,
        "dataframe_split": FRAMES,
        "dataframe_records": JSON,
        "params": JSON,
    },
)
FUZZ = settings(
    max_examples=examples(250),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def fuzzed() -> FlaskClient:
    estimator = LogisticRegression(max_iter=500).fit(X, Y)
    texts = make_pipeline(CountVectorizer(), MultinomialNB()).fit(["aa bb", "cc dd"], ["x", "y"])
    return speaking(
        Model(name="iris", pipeline=estimator, schema=SCHEMA, probability=True),
        ValuesModel(name="values", pipeline=estimator),
        Model(name="text", pipeline=texts),
    )


def check(response: TestResponse, *keys: str) -> None:
    """Check that a response is successful, or an error of the client."""
    assert response.status_code == 200 or 400 <= response.status_code < 500, response.text
    if response.status_code != 200:
        assert set(json.loads(response.data)) == set(keys)


MODELS = st.sampled_from(["iris", "values", "text"])


@FUZZ
@given(document=INFERENCES | JSON, model=MODELS, rest=st.binary(max_size=80), cut=st.integers(0, 9))
def test_any_inference(
    fuzzed: FlaskClient, document: Any, model: str, rest: bytes, cut: int
) -> None:
    header = json.dumps(document).encode()
    path = f"/v2/models/{model}/infer"
    check(fuzzed.post(path, data=header), "error")
    told = {HEADER: str(max(0, len(header) - max(0, cut - 6)))}
    check(fuzzed.post(path, data=header + rest, headers=told), "error")


@pytest.mark.full
@FUZZ
@given(body=st.binary(max_size=200), model=MODELS, length=st.integers(-3, 250) | st.none())
def test_any_bytes(fuzzed: FlaskClient, body: bytes, model: str, length: int | None) -> None:
    headers = {} if length is None else {HEADER: str(length)}
    check(fuzzed.post(f"/v2/models/{model}/infer", data=body, headers=headers), "error")
    check(fuzzed.post(f"/v1/models/{model}:predict", data=body), "error")
    for kind in ("application/json", "text/csv", "application/vnd.apache.parquet"):
        response = fuzzed.post("/invocations", data=body, content_type=kind)
        check(response, "error_code", "message")


@pytest.mark.full
@FUZZ
@given(document=CALLS | JSON, model=MODELS)
def test_any_call(fuzzed: FlaskClient, document: Any, model: str) -> None:
    body = json.dumps(document).encode()
    check(fuzzed.post(f"/v1/models/{model}:predict", data=body), "error")
    response = fuzzed.post("/invocations", data=body, content_type="application/json")
    check(response, "error_code", "message")
