"""The API document within those of APIFlask, flask-smorest and flask-openapi3."""

from __future__ import annotations

from typing import Any

import pytest
from apiflask import APIFlask
from apispec.utils import deepupdate
from flask import Flask
from flask_openapi3 import Info, OpenAPI
from flask_smorest import Api, Blueprint
from openapi_spec_validator import OpenAPIV31SpecValidator

from flask_skmodels import SKModels

OURS = {"/line/predict/", "/-/models/"}


@pytest.fixture
def models(line_pipeline: Any) -> SKModels:
    models = SKModels()
    models.add("line", line_pipeline)
    return models


def check(document: dict[str, Any]) -> None:
    """Hold a merged document: valid, with the paths and schemas of both."""
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    assert OURS | {"/shops"} <= set(document["paths"])
    assert {"line.Row", "skmodels.Problem"} <= set(document["components"]["schemas"])


def test_apiflask(models: SKModels) -> None:
    app = APIFlask("api")
    app.config["OPENAPI_VERSION"] = "3.1.0"
    models.init_app(app)

    @app.get("/shops")
    def shops() -> dict[str, Any]:
        return {"shops": []}

    @app.spec_processor
    def add_models(spec: dict[str, Any] | str) -> dict[str, Any] | str:
        assert isinstance(spec, dict)
        found = models.openapi(app)
        return deepupdate(spec, {part: found[part] for part in ("paths", "components")})

    check(app.test_client().get("/openapi.json").get_json())


def test_flask_smorest(models: SKModels) -> None:
    app = Flask("api")
    app.config.update(API_TITLE="Shops", API_VERSION="1", OPENAPI_VERSION="3.1.0")
    app.config.update(OPENAPI_URL_PREFIX="/", OPENAPI_JSON_PATH="openapi.json")
    models.init_app(app)
    api, blueprint = Api(app), Blueprint("shops", "shops")

    def shops() -> dict[str, Any]:
        return {"shops": []}

    blueprint.route("/shops")(blueprint.response(200)(shops))
    api.register_blueprint(blueprint)
    found = models.openapi(app)
    api.spec.options.update(paths=found["paths"], components=found["components"])
    check(app.test_client().get("/openapi.json").get_json())


def test_flask_openapi3(models: SKModels) -> None:
    token: dict[str, Any] = {
        "token": {"type": "http", "scheme": "bearer"}
    }  # without any it writes null
    app = OpenAPI("api", info=Info(title="Shops", version="1"), security_schemes={**token})
    models.init_app(app)

    @app.get("/shops")
    def shops() -> dict[str, Any]:
        return {"shops": []}

    found = models.openapi(app)
    app.api_doc["paths"].update(found["paths"])
    for kind, parts in found["components"].items():
        app.api_doc["components"].setdefault(kind, {}).update(parts)
    check(app.test_client().get("/openapi/openapi.json").get_json())
