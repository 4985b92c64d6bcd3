"""The API document: valid, complete and true."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from sklearn.cluster import KMeans
from sklearn.ensemble import IsolationForest, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor

from flask_skmodels import Codec, Model, SKModels, ValuesModel, register_codec
from flask_skmodels.codecs import registration
from tests.support import described_models
from tests.support.helpers import FIELDS, FORM, JSON, SCHEMA, SETOSA, X, Y, serve
from tests.support.versions_folder import application, put

PATH = "/-/openapi.json"
MULTIPART = "multipart/form-data"
ARROW = "application/vnd.apache.arrow.stream"
NDJSON = "application/x-ndjson"


def document(client: FlaskClient, path: str = PATH) -> dict[str, Any]:
    """Return the document that an application serves, valid."""
    response = client.get(path)
    assert response.status_code == 200, response.text
    assert response.content_type == JSON
    found: dict[str, Any] = response.get_json()
    assert list(OpenAPIV31SpecValidator(found).iter_errors()) == []
    return found


def schema(found: dict[str, Any], name: str) -> dict[str, Any]:
    component: dict[str, Any] = found["components"]["schemas"][name]
    return component


def checked(found: dict[str, Any], name: str) -> Draft202012Validator:
    """Return the validator of one component."""
    return Draft202012Validator({**found, "$ref": f"#/components/schemas/{name}"})


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    return described_models.application(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def everything(app: Flask) -> dict[str, Any]:
    return document(app.test_client())


def operation(found: dict[str, Any], path: str, verb: str = "post") -> dict[str, Any]:
    one: dict[str, Any] = found["paths"][path][verb]
    return one


# What it tells of


def test_paths_are_those_of_the_models(everything: dict[str, Any]) -> None:
    assert sorted(everything["paths"]) == sorted(
        [
            *("/iris/", "/iris/predict/", "/iris/predict_proba/"),
            *("/line/", "/line/predict/", "/scaled/", "/scaled/transform/"),
            *("/penguins/", "/penguins/predict/", "/penguins/predict_proba/"),
            *("/penguins/predict_log_proba/", "/penguins/decision_function/"),
            *("/folder/", "/folder/predict/", "/folder/versions/{version}/predict/"),
            *("/-/models/", "/-/drift/", "/-/health/live/", "/-/health/ready/"),
        ]
    )


def test_paths_are_those_that_the_application_answers(
    app: Flask, everything: dict[str, Any]
) -> None:
    adapter = app.url_map.bind("localhost")
    for path, item in everything["paths"].items():
        for verb in item:
            endpoint, _ = adapter.match(path.format(version="1"), method=verb.upper())
            assert endpoint.startswith("skmodels.")


def test_operations_have_names_of_their_own(everything: dict[str, Any]) -> None:
    names = [one["operationId"] for item in everything["paths"].values() for one in item.values()]
    assert len(names) == len(set(names))
    assert {"iris.predict", "iris.describe", "folder.predict.version"} <= set(names)


def test_models_have_their_descriptions(everything: dict[str, Any]) -> None:
    assert everything["info"]["title"] == "described"
    assert {"name": "iris", "description": "Species of an iris flower."} in everything["tags"]
    assert operation(everything, "/iris/predict/")["tags"] == ["iris"]


def test_fields_have_types_bounds_titles_and_units(everything: dict[str, Any]) -> None:
    assert schema(everything, "iris.Row")["properties"]["sepal_length"] == {
        "type": "number",
        "minimum": 0,
        "maximum": 100,
        "title": "Sepal length",
        "x-unit": "cm",
    }
    row = schema(everything, "penguins.Row")
    assert row["properties"] == {
        "island": {"type": "string", "enum": list(described_models.ISLANDS)},
        "mass": {"type": ["number", "null"], "minimum": 0, "maximum": 1e6},
        "seen": {"type": "string", "format": "date", "default": "2008-11-01"},
    }
    assert row["required"] == ["island"]
    assert row["additionalProperties"] is False


def test_a_form_has_no_null(everything: dict[str, Any]) -> None:
    form = schema(everything, "penguins.Row")["$defs"]["Form"]
    assert form["properties"]["mass"] == {"type": "number", "minimum": 0, "maximum": 1e6}
    line = schema(everything, "line.Row")["$defs"]["Form"]
    assert line["properties"]["values"]["type"] == "string"


@pytest.mark.parametrize(
    ("model", "body", "is_valid"),
    [
        ("iris", SETOSA, True),
        ("iris", [SETOSA, list(SETOSA.values())], True),
        ("iris", {"columns": {name: [1, 2] for name in FIELDS}}, True),
        ("iris", {"columns": dict.fromkeys(FIELDS, 1)}, False),
        ("iris", [[1, 2, 3]], False),
        ("iris", [], False),
        ("iris", {"sepal_length": 1}, False),
        ("iris", dict(SETOSA, sepal_length="x"), False),
        ("iris", dict(SETOSA, sepal_length=-1), False),
        ("penguins", {"island": "Dream"}, True),
        ("penguins", {"island": "Anvers"}, False),
        ("penguins", {"island": "Dream", "other": 1}, False),
        ("penguins", [["Dream", None, "2009-11-01"], {"island": "Biscoe", "mass": 3}], True),
        ("penguins", {"columns": {"island": ["Dream", "Biscoe"]}}, True),
        ("penguins", {"columns": {"island": ["Dream", 3]}}, False),
        ("penguins", {"columns": {"mass": [3]}}, False),
        ("line", {"values": [1, 2, 3]}, True),
        ("line", [[1, 2, 3], {"values": [1, 2, 3]}], True),
        ("line", {"columns": {"a": [1], "b": [2], "c": [3]}}, True),
        ("line", {"columns": {"a": [1], "b": [2]}}, False),
        ("line", {"values": [1, 2]}, False),
        ("folder", [1, 2], False),
        ("folder", [[1, 2]], True),
    ],
)
def test_json_that_it_allows_is_the_json_that_is_taken(
    app: Flask, everything: dict[str, Any], model: str, body: Any, *, is_valid: bool
) -> None:
    content = operation(everything, f"/{model}/predict/")["requestBody"]["content"][JSON]
    validator = Draft202012Validator({**everything, **content["schema"]})
    assert validator.is_valid(body) is is_valid
    response = app.test_client().post(f"/{model}/predict/", json=body)
    assert response.status_code == (200 if is_valid else 400)


def test_every_format_of_a_request(everything: dict[str, Any]) -> None:
    content = operation(everything, "/iris/predict/")["requestBody"]["content"]
    own = "#/components/schemas/iris"
    assert content[FORM]["schema"] == {"$ref": f"{own}.Row/$defs/Form"}
    assert content[MULTIPART]["schema"] == {"$ref": f"{own}.Row/$defs/Upload"}
    assert content[NDJSON]["schema"] == content["text/csv"]["schema"] == {"type": "string"}
    assert content[ARROW]["schema"] == {"type": "string", "format": "binary"}
    assert next(iter(content)) == JSON


def test_every_format_of_an_answer(everything: dict[str, Any]) -> None:
    response = operation(everything, "/iris/predict/")["responses"]["200"]
    assert list(response["content"]) == [JSON, "text/plain", "text/csv", NDJSON, ARROW]
    assert set(response["headers"]) == {"X-Request-ID"}
    versions = operation(everything, "/folder/predict/")["responses"]["200"]["headers"]
    assert set(versions) == {"X-Request-ID", "X-Model-Version"}


@pytest.mark.parametrize(
    ("path", "verb", "statuses"),
    [
        ("/iris/predict/", "post", "200 400 403 406 413 415 422 500 503 504"),
        ("/folder/predict/", "post", "200 400 403 404 406 413 415 422 500 503 504"),
        (
            "/folder/versions/{version}/predict/",
            "post",
            "200 400 403 404 406 413 415 422 500 503 504",
        ),
        ("/iris/", "get", "200 500"),
        ("/folder/", "get", "200 500 503"),
        ("/-/models/", "get", "200 500"),
        ("/-/health/live/", "get", "200 500"),
        ("/-/health/ready/", "get", "200 500 503"),
    ],
)
def test_every_status(everything: dict[str, Any], path: str, verb: str, statuses: str) -> None:
    assert " ".join(sorted(operation(everything, path, verb)["responses"])) == statuses


def test_problems_are_problem_documents(app: Flask, everything: dict[str, Any]) -> None:
    problem = everything["components"]["responses"]["skmodels.400"]["content"]
    assert set(problem) == {"application/problem+json", "text/plain"}
    response = app.test_client().post("/iris/predict/", json=[{}])
    checked(everything, "skmodels.Problem").validate(json.loads(response.data))


@pytest.mark.parametrize("name", described_models.NAMES)
def test_what_a_model_is(app: Flask, everything: dict[str, Any], name: str) -> None:
    client = app.test_client()
    checked(everything, "skmodels.Model").validate(client.get(f"/{name}/").get_json())
    checked(everything, "skmodels.Models").validate(client.get("/-/models/").get_json())
    checked(everything, "skmodels.Ready").validate(client.get("/-/health/ready/").get_json())


@pytest.mark.parametrize("media_type", [JSON, FORM, "text/csv", NDJSON])
@pytest.mark.parametrize("name", described_models.NAMES)
def test_examples_are_answered(
    app: Flask, everything: dict[str, Any], name: str, media_type: str
) -> None:
    method = "transform" if name == "scaled" else "predict"
    body = operation(everything, f"/{name}/{method}/")["requestBody"]["content"][media_type]
    for example in body["examples"].values():
        value = example["value"]
        data = json.dumps(value) if media_type == JSON else value
        response = app.test_client().post(f"/{name}/{method}/", data=data, content_type=media_type)
        assert response.status_code == 200, response.text


def test_what_is_no_row_is_no_example(line_pipeline: Any) -> None:
    examples: list[Any] = [np.array([1, 2, 3]), 5, {"values": np.array([4, 5, 6])}]
    model = Model(name="line", pipeline=line_pipeline)
    client = serve(model)
    model.examples = examples  # what is no row would be refused at registration
    found = document(client)
    body = operation(found, "/line/predict/")["requestBody"]["content"]
    assert [each["value"] for each in body[JSON]["examples"].values()] == [
        {"values": [1, 2, 3]},
        {"values": [4, 5, 6]},
    ]
    assert body[FORM]["examples"]["example 1"] == {"value": {"values": "1,2,3"}}
    assert body["text/csv"]["examples"]["example 1"] == {"value": "1,2,3\r\n"}


def test_labels_of_the_versions(everything: dict[str, Any]) -> None:
    *_, label = operation(everything, "/folder/versions/{version}/predict/")["parameters"]
    assert (label["name"], label["in"]) == ("version", "path")
    assert set(label["examples"]) == {"1", "2"}


# What is predicted

NUMBER = {"type": ["number", "null"]}
PAIR = {"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2}
TWO = np.column_stack([Y, Y + 1.0])
PREDICTIONS: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "labels": (
        RandomForestClassifier(2).fit(X, Y),
        "predict",
        {"type": "integer", "enum": [0, 1, 2]},
    ),
    "names": (
        RandomForestClassifier(2).fit(X, np.array(["a", "b", "c"])[Y]),
        "predict",
        {"type": "string", "enum": ["a", "b", "c"]},
    ),
    "booleans": (RandomForestClassifier(2).fit(X, Y > 0), "predict", {"type": "boolean"}),
    "probabilities": (RandomForestClassifier(2).fit(X, Y > 0), "predict_proba", PAIR),
    "numbers": (LinearRegression().fit(X, Y), "predict", NUMBER),
    "two numbers": (RandomForestRegressor(2).fit(X, TWO), "predict", PAIR),
    "two lines": (Ridge().fit(X, TWO), "predict", PAIR),
    "one number": (RandomForestRegressor(2).fit(X, Y), "predict", NUMBER),
    "perhaps several numbers": (
        KNeighborsRegressor().fit(X, Y),
        "predict",
        {"anyOf": [NUMBER, {"type": "array", "items": NUMBER}]},
    ),
    "clusters": (KMeans(2, n_init=1).fit(X), "predict", {"type": "integer"}),
    "outliers": (
        IsolationForest(n_estimators=2).fit(X),
        "predict",
        {"type": "integer", "enum": [1, -1]},
    ),
    "scores": (IsolationForest(n_estimators=2).fit(X), "score_samples", NUMBER),
}


@pytest.mark.parametrize(("estimator", "method", "entry"), PREDICTIONS.values(), ids=PREDICTIONS)
def test_predictions_have_the_estimators_types(
    estimator: Any, method: str, entry: dict[str, Any]
) -> None:
    client = serve(Model(name="m", pipeline=estimator, methods=[method]))
    found = document(client)
    assert schema(found, f"m.{method}.Answer")["properties"]["predictions"]["items"] == entry
    response = client.post(f"/m/{method}/", json=X[::30].tolist()).get_json()
    checked(found, f"m.{method}.Answer").validate(response)


def test_a_hook_may_return_anything(pipeline: Any) -> None:
    class Hooked(Model):
        schema = SCHEMA

        def predict(self, X: Any) -> Any:
            return [{"size": 1}] * len(X)

    client = serve(Hooked(name="hooked", pipeline=pipeline))
    assert schema(document(client), "hooked.predict.Answer")["properties"]["predictions"] == {
        "type": "array",
        "items": {},
    }


def test_an_estimator_that_breaks_when_asked_may_return_anything() -> None:
    class Broken:
        n_features_in_ = 1

        @property
        def steps(self) -> Any:
            raise ValueError

        def predict(self, X: Any) -> Any:
            return X[:, 0]

    client = serve(Model(name="broken", pipeline=Broken()))
    response = schema(document(client), "broken.predict.Answer")
    assert response["properties"]["predictions"] == {"type": "array", "items": {}}
    assert client.post("/broken/predict/", json=[[1]]).status_code == 200


def test_columns_of_several_types(line_pipeline: Any) -> None:
    rules = [{"name": "a"}, {"name": "b", "max": 1}, {"name": "c"}]
    found = document(serve(ValuesModel(name="line", pipeline=line_pipeline, schema=rules)))
    columns = checked(found, "line.Columns")
    assert columns.is_valid({"columns": {"x": [3], "y": [1], "z": [3]}})
    assert not columns.is_valid({"columns": {"x": ["a"], "y": [1], "z": [3]}})
    assert not columns.is_valid({"columns": {"x": [3], "y": [1]}})


def test_versions_may_have_other_classes(tmp_path: Path) -> None:
    put(tmp_path / "iris", "1")
    put(tmp_path / "iris", "2")
    model = Model(name="iris", pipeline="iris", schema={"a": {}, "b": {}}, traffic={"1": 0.5})
    found = document(application(model, root=tmp_path).test_client())
    assert schema(found, "iris.predict.Answer")["properties"]["predictions"]["items"] == {}


# Who may see what


def test_it_shows_what_the_visitor_may_see(pipeline: Any) -> None:
    def may_see(model: Model) -> bool:
        return request.headers.get("X-Team") == "flowers" or model.name == "public"

    secret, public = (Model(name=name, pipeline=pipeline) for name in ("secret", "public"))
    client = serve(secret, public, SKMODELS_VISIBLE=may_see)
    assert b"secret" not in client.get(PATH).data
    assert b"public" in client.get(PATH).data
    assert b"secret" in client.get(PATH, headers={"X-Team": "flowers"}).data


def refuse(view: Callable[..., Any]) -> Callable[..., ResponseReturnValue]:
    return lambda **arguments: ("no", 401)


def test_decorators_guard_it(pipeline: Any) -> None:
    app = Flask("host")
    SKModels(app, decorators=[refuse]).add("iris", pipeline)
    for path in (PATH, "/-/docs/", "/-/docs/docs.js"):
        assert app.test_client().get(path).status_code == 401


def test_what_is_guarded_may_be_refused(pipeline: Any) -> None:
    guarded = Model(name="guarded", pipeline=pipeline, decorators=[refuse])
    free = Model(name="free", pipeline=pipeline)
    found = document(serve(guarded, free, SKMODELS_VISIBLE=True))
    assert "4XX" in operation(found, "/guarded/predict/")["responses"]
    assert "4XX" in operation(found, "/guarded/", "get")["responses"]
    assert "4XX" not in operation(found, "/free/predict/")["responses"]
    assert "4XX" not in operation(found, "/-/models/", "get")["responses"]


def test_security_schemes_are_needed_for_all_but_health(pipeline: Any) -> None:
    token = {"type": "http", "scheme": "bearer"}
    client = serve(Model(name="iris", pipeline=pipeline), SKMODELS_SECURITY_SCHEMES={"t": token})
    found = document(client)
    assert found["components"]["securitySchemes"] == {"t": token}
    for path, verb in (("/iris/predict/", "post"), ("/iris/", "get"), ("/-/models/", "get")):
        assert operation(found, path, verb)["security"] == [{"t": []}]
        assert {"401", "403"} <= set(operation(found, path, verb)["responses"])
    assert "security" not in operation(found, "/-/health/live/", "get")


def test_no_schemes_are_declared_by_default(everything: dict[str, Any]) -> None:
    assert "securitySchemes" not in everything["components"]


def test_it_can_be_switched_off(pipeline: Any) -> None:
    client = serve(Model(name="iris", pipeline=pipeline), SKMODELS_DOCS=False)
    for path in (PATH, "/-/docs/", "/-/docs/docs.js"):
        assert client.get(path).status_code == 404


# Where it is


def test_paths_have_the_prefix(pipeline: Any) -> None:
    client = serve(Model(name="iris", pipeline=pipeline), SKMODELS_URL_PREFIX="/models")
    paths = document(client, f"/models{PATH}")["paths"]
    assert {"/models/iris/predict/", "/models/-/models/"} < set(paths)


def test_server_is_where_the_application_is_mounted(client: FlaskClient) -> None:
    assert "servers" not in document(client)
    mounted = client.get(PATH, environ_overrides={"SCRIPT_NAME": "/shop"}).get_json()
    assert mounted["servers"] == [{"url": "/shop"}]


def test_nothing_is_loaded_for_it(tmp_path: Path) -> None:
    put(tmp_path / "iris", "1")
    model = Model(name="iris", pipeline="iris", schema={"a": {}, "b": {}}, examples=[[1, 2]])
    client = application(model, root=tmp_path, SKMODELS_LOADING="first-use").test_client()
    found = document(client)
    assert {"404", "503"} <= set(operation(found, "/iris/transform/")["responses"])
    row = schema(found, "iris.Row")
    assert (row["properties"], row["required"]) == ({}, [])
    assert client.get("/-/models/").get_json()["models"][0]["version"] is None


def test_custom_codec_is_documented(pipeline: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Lines(Codec):
        media_type = "text/x-lines"
        reads = ("text/x-lines",)

    monkeypatch.setattr(registration, "_CODECS", dict(registration._CODECS))
    register_codec(Lines())
    found = operation(document(serve(Model(name="iris", pipeline=pipeline))), "/iris/predict/")
    assert found["requestBody"]["content"]["text/x-lines"] == {"schema": {"type": "string"}}
    assert found["responses"]["200"]["content"]["text/x-lines"] == {"schema": {"type": "string"}}


def test_a_field_of_the_name_file_is_no_file(line_pipeline: Any) -> None:
    fields: dict[str, Any] = {"a": {}, "b": {}, "file": {}}
    found = document(serve(Model(name="line", pipeline=line_pipeline, schema=fields)))
    content = operation(found, "/line/predict/")["requestBody"]["content"]
    assert content[MULTIPART]["schema"] == {"$ref": "#/components/schemas/line.Row/$defs/Form"}


# From Python


def test_document_from_python(app: Flask, everything: dict[str, Any]) -> None:
    models = app.extensions["skmodels"].models
    assert models.openapi(app) == everything
    with app.app_context():
        assert models.openapi() == everything
    with pytest.raises(RuntimeError, match="no current application"):
        models.openapi()
