"""Misspelt names, and declarations that do not fit, are said at start-up."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from flask import Flask

from flask_skmodels import Artifact, KeyValueModel, Model, ModelError, SKModels
from tests.support.helpers import SCHEMA, SETOSA, serve


def refusal(model: Model | type[Model]) -> str:
    with pytest.raises(ModelError) as caught:
        SKModels().register(model)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("probabilty", True, "probability"),
        ("decorator", [], "decorators"),
        ("example", [SETOSA], "examples"),
        ("max_row", 5, "max_rows"),
        ("predict_probas", lambda self, X: X, "predict_proba"),
    ],
)
def test_name_that_is_nearly_an_attribute(
    pipeline: Any, name: str, value: object, meant: str
) -> None:
    cls = type("Iris", (KeyValueModel,), {"pipeline": pipeline, "schema": SCHEMA, name: value})
    message = refusal(cls)
    assert message.startswith(f"model 'iris' has no attribute {name!r}; did you mean {meant!r}?")
    assert f"'_{name}'" in message


def test_misspelt_name_of_a_mixin_and_of_an_instance(pipeline: Any) -> None:
    class Guarded:
        decorator = ()

    class Iris(Guarded, KeyValueModel):
        schema = SCHEMA

    Iris.pipeline = pipeline
    assert "'decorators'" in refusal(Iris)
    model = KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA)
    model.shema = None  # type: ignore[attr-defined]
    assert "'schema'" in refusal(model)


def test_names_of_ones_own_are_kept(pipeline: Any) -> None:
    class Iris(KeyValueModel):
        schema = SCHEMA
        threshold = 0.5
        transformer = None
        _decorator = ()

        def predict_one(self, row: Any) -> Any:
            return self.predict([row])

    Iris.pipeline = pipeline
    SKModels().register(Iris)


def test_misspelt_attribute_as_an_argument(pipeline: Any) -> None:
    with pytest.raises(TypeError, match=r"no attribute 'probabilty' to set; did you mean 'proba"):
        SKModels().add("iris", pipeline, probabilty=True)


def test_unknown_configuration_key(caplog: pytest.LogCaptureFixture) -> None:
    app = Flask("host")
    app.config["SKMODELS_MAX_ROW"] = 5
    app.config["SKMODELS_COLOUR"] = "red"
    app.config["SKMODELS_OTHER_MAX_ROWS"] = 5  # a key of the extension skmodels_other
    SKModels(app)
    assert caplog.messages == [
        "SKMODELS_MAX_ROW is not a configuration key; did you mean SKMODELS_MAX_ROWS?",
        "SKMODELS_COLOUR is not a configuration key",
    ]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_misspelt_rule(pipeline: Any) -> None:
    rules: dict[str, Any] = {**SCHEMA, "petal_width": {"minn": 0}}
    message = refusal(KeyValueModel(name="iris", pipeline=pipeline, schema=rules))
    assert message == "model 'iris': field 'petal_width': no rule 'minn'; did you mean 'min'?"
    rules = {**SCHEMA, "petal_width": {"min": "a", "anyof_min": 5}}
    message = refusal(KeyValueModel(name="iris", pipeline=pipeline, schema=rules))
    assert "Cerberus rejects the schema" in message


def test_examples_that_do_not_fit_the_schema(pipeline: Any) -> None:
    bad = {**SETOSA, "petal_width": -1}
    model = KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA, examples=[SETOSA, bad])
    assert refusal(model) == (
        "model 'iris': example 1 does not match its schema: "
        "field petal_width, rule min: min value is 0"
    )


def warnings_of(app: Flask, caplog: pytest.LogCaptureFixture) -> list[str]:
    caplog.clear()
    app.test_client().get("/-/models")
    return caplog.messages


def test_view_of_the_application_at_the_url_of_a_model(
    pipeline: Any, caplog: pytest.LogCaptureFixture
) -> None:
    models = SKModels()
    models.add("iris", pipeline, schema=SCHEMA)
    app = Flask("host")
    app.add_url_rule("/iris/", "shop", lambda: "shop")
    app.add_url_rule("/iris/<name>", "flower", lambda name: name)
    models.init_app(app)
    [message] = caplog.messages
    assert message == (
        "the view 'shop' of the application is at /iris/, so requests there do not reach model "
        "'iris': give the view another URL, or set SKMODELS_URL_PREFIX"
    )
    assert app.test_client().get("/iris/").text == "shop"


def test_view_that_is_added_after_the_models(
    pipeline: Any, caplog: pytest.LogCaptureFixture
) -> None:
    client = serve(KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA))
    app = client.application
    app.add_url_rule("/iris/", "shop", lambda: "shop")
    app.add_url_rule("/iris/predict", "hidden", lambda: "hidden", methods=["POST"])
    app.add_url_rule("/", "start", lambda: "start")
    app.before_request(lambda: None)
    assert not caplog.messages
    first = warnings_of(app, caplog)
    assert [message.partition(" of the application")[0] for message in first] == [
        "the view 'shop'",
        "the view 'hidden'",
    ]
    assert "is never called at /iris/predict" in first[1]
    assert warnings_of(app, caplog) == []


def test_examples_of_a_file_that_do_not_fit(tmp_path: Any, pipeline: Any) -> None:
    import joblib

    joblib.dump(pipeline, tmp_path / "iris.joblib")
    app = Flask("host", root_path=str(tmp_path))
    app.config["SKMODELS_TRUST_PICKLE"] = True
    models = SKModels(app)
    with pytest.raises(Exception, match="example 0 does not match its schema"):
        models.add("iris", Artifact("iris.joblib"), schema=SCHEMA, examples=[{"a": 1}])
