"""What somebody learns who passes no login: every URL, with every method, in every protocol."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask import Flask, abort, request
from flask.testing import FlaskClient
from sklearn.linear_model import LogisticRegression
from werkzeug.test import TestResponse

from flask_skmodels import ConfigurationError, KeyValueModel, SKModels
from flask_skmodels.config import DIALECTS
from tests.support.helpers import SCHEMA, serve

# Texts that only a response to somebody who passes the login may have.
NAME = "zebra"
SECRETS = (NAME, "stripes", "savanna", "grassland", "8471.25", "Counts the animals")
HTML = {"Accept": "text/html"}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
LISTS = ("/-/models/", "/-/openapi.json", "/-/", "/-/metrics", "/v1/models", "/v2/models")
READY = "/-/health/ready"


def login(view: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if request.headers.get("X-User") != "ada":
            abort(401)
        return view(*args, **kwargs)

    return guarded


def zebras(**attributes: Any) -> KeyValueModel:
    """Return a model whose name, fields, classes, description and examples are secret."""
    frame = pd.DataFrame({"stripes": np.arange(8.0)})
    estimator = LogisticRegression().fit(frame, ["savanna", "grassland"] * 4)
    return KeyValueModel(
        name=NAME,
        pipeline=estimator,
        schema={"stripes": {"type": "float", "max": 9000}},
        description="Counts the animals.",
        examples=[{"stripes": 8471.25}],
        probability=True,
        **attributes,
    )


def application(pipeline: Any, decorators: Any = (), **config: Any) -> Flask:
    """Return an application with a guarded model, an open one and all protocols."""
    app = Flask("strangers")
    app.config.update(
        SKMODELS_DIALECTS=DIALECTS, SKMODELS_MLFLOW_MODEL=NAME, SKMODELS_SERVER_TIMING=True
    )
    app.config.update(config)
    models = SKModels(app, decorators=decorators)
    own = {} if decorators else {"decorators": [login]}
    models.register(zebras(**own))
    models.add("open", pipeline, schema=SCHEMA)
    used(app.test_client())
    return app


def used(client: FlaskClient) -> None:
    """Use the models, with and without errors, so that there is something to tell about them."""
    ada = {"X-User": "ada"}
    for body in ({"stripes": 8471.25}, {"stripes": 1e9}, {"spots": 1}):
        for method in ("predict", "predict_proba"):
            client.post(f"/{NAME}/{method}/", json=body, headers=ada)
    client.post("/open/predict/", json=dict.fromkeys(SCHEMA, 1), headers=ada)


def paths(app: Flask) -> Iterator[str]:
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("skmodels."):
            for name in (NAME, "open", "unknown"):
                values = {"<version>": "1", "<name>": name, "<file>": "pages.css"}
                path = rule.rule
                for variable, value in values.items():
                    path = path.replace(variable, value)
                yield path


def told(response: TestResponse, path: str) -> list[str]:
    """Return the secrets in a response that the client has not sent in the path."""
    text = "\n".join(f"{k}: {v}" for k, v in response.headers) + response.text
    return [secret for secret in SECRETS if secret in text.replace(path.rstrip("/"), "")]


@pytest.mark.parametrize("is_model", [True, False], ids=["of the model", "of the extension"])
def test_no_url_tells_a_stranger_about_a_guarded_model(pipeline: Any, *, is_model: bool) -> None:
    app = application(pipeline, () if is_model else [login])
    client = app.test_client()
    seen = set()
    for path in sorted(set(paths(app))):
        for method in METHODS:
            for accept in ("application/json", "text/html", "text/plain", "*/*"):
                response = client.open(path, method=method, headers={"Accept": accept}, json={})
                assert told(response, path) == [], (method, path, response.text)
                assert response.status_code < 500, (method, path, response.text)
                seen.add(response.status_code)
    assert {200, 401, 405} <= seen


@pytest.mark.parametrize("path", LISTS)
def test_no_list_has_a_guarded_model(pipeline: Any, path: str) -> None:
    client = application(pipeline).test_client()
    for headers in ({}, HTML, {"X-User": "ada"}):  # a list cannot tell who passes a decorator
        response = client.get(path, headers=headers)
        assert response.status_code == 200
        assert told(response, path) == []
        assert "open" in response.text


@pytest.mark.parametrize("path", LISTS)
def test_true_names_all_models(pipeline: Any, path: str) -> None:
    client = application(pipeline, SKMODELS_VISIBLE=True).test_client()
    assert NAME in client.get(path).text
    assert NAME in client.get(path, headers=HTML).text


@pytest.mark.parametrize("path", [*LISTS, READY])
def test_function_decides_for_each_visitor(pipeline: Any, path: str) -> None:
    def is_visible(model: Any) -> bool:
        return model.name == "open" or request.headers.get("X-User") == "ada"

    client = application(pipeline, SKMODELS_VISIBLE=is_visible).test_client()
    assert told(client.get(path), path) == []
    assert "open" in client.get(path).text
    assert NAME in client.get(path, headers={"X-User": "ada"}).text


@pytest.mark.parametrize("path", LISTS)
def test_lists_have_the_models_that_only_the_extension_guards(pipeline: Any, path: str) -> None:
    client = application(pipeline, [login]).test_client()
    assert client.get(path).status_code == 401
    assert NAME in client.get(path, headers={"X-User": "ada"}).text


def test_own_urls_of_a_guarded_model_are_those_of_who_passes(pipeline: Any) -> None:
    client = application(pipeline).test_client()
    ada = {"X-User": "ada"}
    for path in (f"/{NAME}/", f"/{NAME}/traffic/", f"/v2/models/{NAME}"):
        assert client.get(path).status_code == 401
        assert client.get(path, headers=ada).status_code == 200
    assert "8471.25" in client.get(f"/{NAME}/", headers=ada).text


# Health


def ready(app: Flask, **headers: str) -> Any:
    return app.test_client().get(READY, headers=headers).get_json()


def test_health_counts_all_models_and_names_the_visible_ones(pipeline: Any) -> None:
    document = ready(application(pipeline))
    assert (document["ready"], document["ready_models"], document["total_models"]) == (True, 2, 2)
    assert list(document["models"]) == ["open"]
    assert list(ready(application(pipeline, SKMODELS_VISIBLE=True))["models"]) == [NAME, "open"]


def test_health_names_none_of_the_models_that_the_extension_guards(pipeline: Any) -> None:
    app = application(pipeline, [login])
    for headers in ({}, {"X-User": "ada"}):  # no decorator is around it that would know Ada
        assert ready(app, **headers)["models"] == {}
    assert ready(app)["total_models"] == 2
    named = ready(application(pipeline, [login], SKMODELS_VISIBLE=True))["models"]
    assert list(named) == [NAME, "open"]


def test_health_names_none_if_the_function_fails(pipeline: Any) -> None:
    app = application(pipeline, SKMODELS_VISIBLE=lambda model: abort(401))
    document = ready(app)
    assert (document["ready"], document["models"]) == (True, {})


# Metrics


def test_metrics_of_another_extension_are_not_named_in_a_shared_registry(pipeline: Any) -> None:
    from prometheus_client import CollectorRegistry, Counter

    registry = CollectorRegistry()
    Counter("of_the_host", "Not the library's.", registry=registry).inc()
    app = Flask("two")
    for name in ("SKMODELS", "GUARDED", "PLAIN"):
        app.config[f"{name}_METRICS"] = registry
    SKModels(app).add("open", pipeline, schema=SCHEMA)
    SKModels(app, name="guarded", url_prefix="/guarded", decorators=[login]).register(zebras())
    SKModels(app, name="plain", url_prefix="/plain").add("lion", pipeline, schema=SCHEMA)
    used(app.test_client())
    text = app.test_client().get("/-/metrics").text
    assert 'model="open"' in text
    assert 'model="lion"' in text
    assert "of_the_host_total 1.0" in text
    assert NAME not in text
    text = app.test_client().get("/guarded/-/metrics", headers={"X-User": "ada"}).text
    assert f'model="{NAME}"' in text


# Configuration


@pytest.mark.parametrize("value", [False, 1, "all", ["open"]])
def test_value_that_is_not_valid(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="SKMODELS_VISIBLE must be None, True or a"):
        serve(SKMODELS_VISIBLE=value)
