"""Declarations: names, methods, and the errors of a model that cannot be served."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask import Flask
from sklearn.cluster import DBSCAN
from sklearn.datasets import load_iris
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from flask_skmodels import (
    KeyValueModel,
    Model,
    ModelError,
    SKModels,
    SKModelsError,
    ValuesModel,
    before_prediction,
)
from tests.support.helpers import (
    FIELDS,
    SCHEMA,
    SETOSA,
    X,
    Y,
    hooked,
    line,
    post_json,
    predictions,
    serve,
)


def described(model: Model) -> dict[str, Any]:
    """Return the document of the page of a model."""
    client = serve(model)
    document: dict[str, Any] = client.get("/-/models").get_json()["models"][0]
    return document


@pytest.mark.parametrize(
    ("class_name", "name"),
    [
        ("IrisModel", "iris"),
        ("Iris", "iris"),
        ("iris", "iris"),
        ("HousePriceModel", "house_price"),
        ("HTTPServerModel", "http_server"),
        ("XGBModel", "xgb"),
        ("Iris2Model", "iris2"),
        ("ModelT", "model_t"),
        ("Model", "model"),
    ],
)
def test_default_name(pipeline: Any, class_name: str, name: str) -> None:
    models = SKModels()
    models.register(type(class_name, (ValuesModel,), {"pipeline": pipeline}))
    assert list(models) == [name]
    assert models[name].name == name


def test_name_of_the_class_reaches_receivers_and_both_of_two_extensions(pipeline: Any) -> None:
    class IrisSpecies(KeyValueModel):
        schema = SCHEMA

    IrisSpecies.pipeline = pipeline
    names: list[str] = []

    def receive(sender: Flask, model: Model, **extra: Any) -> None:
        names.append(model.name)

    before_prediction.connect(receive)
    app, models, others = Flask("host"), SKModels(), SKModels(name="other", url_prefix="/other")
    for extension in (models, others):
        extension.init_app(app)
        extension.register(IrisSpecies)
        assert extension["iris_species"].name == "iris_species"
    for prefix in ("", "/other"):
        app.test_client().post(f"{prefix}/iris_species/predict/", data=SETOSA)
    assert names == ["iris_species"] * 2
    assert IrisSpecies.name == ""
    assert models["iris_species"] is not others["iris_species"]


@pytest.mark.parametrize(
    "name",
    [
        "é",
        "a b",
        "a/b",
        ".a",
        "-a",
        "_a",
        "a\n",
        "<a>",
        "%41",
        "a?b",
        "-",
        "٣",
        5,
        1.5,
        b"a",
        ["a"],
    ],
)
def test_invalid_name(pipeline: Any, name: Any) -> None:
    with pytest.raises(ModelError, match=r"model name .* must match \[A-Za-z0-9\]"):
        SKModels().add(name, pipeline)


def test_invalid_default_name(pipeline: Any) -> None:
    with pytest.raises(ModelError, match="'_private' must match"):
        SKModels().register(type("_PrivateModel", (ValuesModel,), {"pipeline": pipeline}))


@pytest.mark.parametrize("name", ["static", "v1", "v2", "ping", "health", "version", "invocations"])
def test_reserved_name(pipeline: Any, name: str) -> None:
    with pytest.raises(ModelError, match=f"model name '{name}' is reserved: choose another"):
        SKModels().add(name, pipeline)


def test_name_that_is_in_use(models: SKModels, line_pipeline: Any) -> None:
    with pytest.raises(ModelError, match="'iris' is already registered: give this model another"):
        models.add("iris", line_pipeline)
    assert models["iris"].pipeline is not line_pipeline


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({}, "has no pipeline: set pipeline to a fitted estimator"),
        ({"pipeline": SVC}, "its pipeline is the class SVC: use a fitted instance of it"),
        ({"pipeline": SVC()}, "its pipeline (SVC) is not fitted: call fit first"),
        ({"pipeline": 5}, "its pipeline (int) has none of the methods predict"),
        ({"pipeline": DBSCAN().fit(X)}, "(DBSCAN) has none of the methods"),
        (
            {"pipeline": SVC().fit(X, Y), "probability": True},
            "SVC has no predict_proba: set probability to False",
        ),
        (
            {"pipeline": SVC().fit(X, Y), "methods": ["predict", "transform"]},
            "SVC has no transform: remove it from methods",
        ),
        ({"pipeline": SVC().fit(X, Y), "methods": ["fit"]}, "'fit' is not one of predict, "),
        ({"pipeline": SVC().fit(X, Y), "methods": ["__init__"]}, "'__init__' is not one of"),
        ({"pipeline": SVC().fit(X, Y), "methods": [1]}, "1 is not one of predict, "),
        ({"pipeline": SVC().fit(X, Y), "methods": []}, "methods is empty"),
        (
            {"pipeline": SVC().fit(X, Y), "methods": "predict"},
            "methods must be a list of names, not the string 'predict'",
        ),
    ],
)
def test_model_that_cannot_be_served(attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=r"^model 'flowers': ") as caught:
        SKModels().register(ValuesModel(name="flowers", **attributes))
    assert message in str(caught.value)
    assert isinstance(caught.value, SKModelsError)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({**SCHEMA, "petal_width": {"mni": 0}}, "petal_width.*no rule 'mni'; did you mean 'min'"),
        ({**SCHEMA, "petal_width": {"type": "numbr"}}, "Cerberus rejects the schema.*numbr"),
        ({**SCHEMA, "petal_width": {"min": 0, "allowed": 5}}, "Cerberus rejects the schema"),
        ({**SCHEMA, "petal_width": 5}, "the rules of field petal_width must be a mapping"),
        ({**SCHEMA, "petal_width": "no_such_set"}, "field petal_width must be a mapping"),
        ("petal_width", "schema must be a mapping of names to rules, a list"),
        ([{"min": 0}], "needs a unique name, not None"),
        ([{"name": 5}], "needs a unique name, not 5"),
        ([{"name": "a"}, {"name": "a"}], "needs a unique name, not 'a'"),
        ([5], "must be a mapping"),
        ({"a": {}}, "the schema has 1 fields, the estimator takes 4 columns"),
        ({**SCHEMA, "petal_width": {"required": False}}, "'petal_width' is not required"),
        (
            {**SCHEMA, "petal_width": {"required": False, "nullable": True}},
            "'petal_width' is nullable, but the model's Pipeline raises on each missing value",
        ),
        ({**SCHEMA, "petal_width": {"default": "x"}}, "default of field 'petal_width': must be of"),
        ({**SCHEMA, "petal_width": {"min": 0, "default": -1}}, "the default of .* min value is 0"),
    ],
)
def test_schema_that_cannot_be_served(pipeline: Any, schema: Any, message: str) -> None:
    with pytest.raises(ModelError, match=f"(?s)^model 'flowers': .*{message}"):
        SKModels().add("flowers", pipeline, schema=schema)


def test_schema_that_does_not_fit_the_columns() -> None:
    frame = pd.DataFrame(X, columns=list(FIELDS))
    fitted = LogisticRegression(max_iter=500).fit(frame, Y)
    schema: dict[str, Any] = {name: {} for name in FIELDS[:3]} | {"petal_witdh": {}, "color": {}}
    with pytest.raises(ModelError, match=r"^model 'iris': the schema's fields differ") as caught:
        SKModels().add("iris", fitted, schema=schema)
    assert "missing: 'petal_width'" in str(caught.value)
    assert "'petal_witdh' (did you mean 'petal_width'?), 'color'" in str(caught.value)


def test_schema_that_does_not_fit_very_many_columns() -> None:
    width = 5_000
    fitted = LinearRegression().fit([[0.0]], [0.0])
    fitted.coef_, fitted.n_features_in_ = np.zeros(width), width
    fitted.feature_names_in_ = np.array([f"column {i}" for i in range(width)], dtype=object)
    schema = {f"field {i}": {"type": "number"} for i in range(width // 2)}
    started = time.process_time()
    with pytest.raises(ModelError) as caught:
        SKModels().add("iris", fitted, schema=schema)
    assert time.process_time() - started < 5
    assert "'column 9', and 4,990 more; unknown: 'field 0'" in str(caught.value)
    assert str(caught.value).endswith("and 2,490 more")


def test_key_value_model_without_schema_or_names(pipeline: Any) -> None:
    with pytest.raises(ModelError, match=r"model 'iris': it has no schema .* use ValuesModel"):
        SKModels().register(KeyValueModel(name="iris", pipeline=pipeline))


def test_fields_from_the_estimator(mixed_pipeline: Any) -> None:
    for model in (KeyValueModel(pipeline=mixed_pipeline), Model(pipeline=mixed_pipeline)):
        document = described(model)
        assert document["fields"]["island"]["enum"] == ["Biscoe", "Dream", "Torgersen"]
        assert document["fields"]["mass"] == {"type": ["number", "null"]}


def test_generic_model_without_names_reads_values(pipeline: Any) -> None:
    assert list(described(Model(pipeline=pipeline))["fields"]) == ["values"]
    assert list(described(Model(pipeline=pipeline, schema=SCHEMA))["fields"]) == list(FIELDS)


def test_default_method() -> None:
    assert described(Model(pipeline=SVC().fit(X, Y)))["methods"] == ["predict"]
    assert described(Model(pipeline=StandardScaler().fit(X)))["methods"] == ["transform"]


def test_exactly_the_declared_methods_are_served(pipeline: Any) -> None:
    methods = ["decision_function", "predict", "predict"]
    model = Model(name="iris", pipeline=pipeline, methods=methods, probability=True)
    client = serve(model)
    served = client.get("/iris").get_json()["methods"]
    assert served == ["decision_function", "predict", "predict_proba"]
    assert client.post("/iris/predict_log_proba", data={"values": "1,2,3,4"}).status_code == 404


@pytest.mark.parametrize(
    ("estimator", "method"),
    [
        (StandardScaler().fit(X), "transform"),
        (GaussianMixture(random_state=0).fit(X), "score_samples"),
        (LogisticRegression(max_iter=500).fit(X, Y), "predict_log_proba"),
    ],
)
def test_method_is_the_estimators(estimator: Any, method: str) -> None:
    client = serve(Model(name="m", pipeline=estimator, methods=[method]))
    response = post_json(client, f"/m/{method}/", X[:3].tolist())
    assert predictions(response) == getattr(estimator, method)(X[:3]).tolist()


def test_overridden_method(pipeline: Any) -> None:
    class Named(KeyValueModel):
        schema = SCHEMA
        probability = True

        def predict(self, X: Any) -> Any:
            return load_iris().target_names[super().predict(X)]

        def score_samples(self, X: Any) -> Any:
            return X.sum(axis=1)

    model = Named(pipeline=pipeline, methods=["predict", "score_samples"])
    client = serve(model)
    assert line(client.post("/named/predict/", data=SETOSA)) == "setosa"
    assert float(line(client.post("/named/score_samples/", data=SETOSA))) == pytest.approx(10.2)
    assert client.post("/named/predict_proba/", data=SETOSA).status_code == 200


def test_overridden_method_may_fill_in_missing_values(pipeline: Any) -> None:
    model = hooked(pipeline, lambda X: np.nan_to_num(X, nan=-1.0)[:, 0])
    model.schema = {**SCHEMA, "sepal_length": {"nullable": True}}
    response = post_json(serve(model), "/hooked/predict/", SETOSA | {"sepal_length": None})
    assert predictions(response) == [-1.0]


def test_description(pipeline: Any) -> None:
    class Documented(ValuesModel):
        """Species of an iris flower.

        In numbers.
        """

    class Bare(ValuesModel):
        pass

    assert described(Documented(pipeline=pipeline))["description"] == (
        "Species of an iris flower.\n\nIn numbers."
    )
    assert described(Documented(pipeline=pipeline, description="D"))["description"] == "D"
    assert described(Bare(pipeline=pipeline))["description"] == ""
    assert described(ValuesModel(pipeline=pipeline))["description"] == ""


def test_estimator_with_an_unknown_number_of_columns() -> None:
    class Sum:
        def predict(self, X: Any) -> Any:
            return X.sum(axis=1)

    client = serve(Model(name="sum", pipeline=Sum()))
    assert predictions(post_json(client, "/sum/predict", [[1, 2], [3, 4]])) == [3.0, 7.0]
    assert line(client.post("/sum/predict", data={"values": "1,3,7.2"})) == "11.2"
    assert post_json(client, "/sum/predict", [[1, 2], [3]]).status_code == 400
    every: list[Any] = [[[]], [5], [{}], [{"values": 5}], [{"values": "1"}], [["x"]]]
    for wrong in every:
        assert post_json(client, "/sum/predict", wrong).status_code == 400
    fields = client.get("/sum").get_json()["fields"]
    assert fields["values"]["type"] == "array"
    assert fields["values"]["minItems"] == 1


def test_estimator_of_mappings() -> None:
    fitted = DictVectorizer(sparse=False).fit([{"a": 1.0, "b": "x"}, {"a": 2.0, "b": "y"}])
    schema = {"a": {}, "b": {"type": "string"}}
    client = serve(KeyValueModel(name="vectors", pipeline=fitted, schema=schema))
    row = {"a": 3.0, "b": "y"}
    assert predictions(post_json(client, "/vectors/transform", row)) == [[3.0, 0.0, 1.0]]


def test_estimator_of_texts() -> None:
    fitted = make_pipeline(CountVectorizer(), LogisticRegression())
    fitted.fit(["good film", "bad film"], ["good", "bad"])
    client = serve(KeyValueModel(name="mood", pipeline=fitted, schema={"text": {"type": "string"}}))
    assert line(client.post("/mood/predict", data={"text": "a bad one"})) == "bad"
    assert predictions(post_json(client, "/mood/predict", [["good"], ["bad"]])) == ["good", "bad"]


def test_call_of_a_model_that_is_not_registered(pipeline: Any) -> None:
    with pytest.raises(RuntimeError, match=r"model 'iris' is not registered"):
        ValuesModel(name="iris", pipeline=pipeline)([[1, 2, 3, 4]])
