"""The extension on an application: registration, several extensions, and the host's routes."""

from __future__ import annotations

import functools
import gc
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from flask import Flask, abort, g, request, url_for, views
from flask.cli import cli
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from werkzeug.exceptions import HTTPException

from flask_skmodels import (
    ConfigurationError,
    KeyValueModel,
    Model,
    ModelError,
    Profile,
    SKModels,
    ValuesModel,
)
from tests.support.helpers import SCHEMA, SETOSA, line, post_json, predictions, serve

PATH = "/iris/predict/"
View = Callable[..., ResponseReturnValue]


def test_init_app_or_constructor(pipeline: Any) -> None:
    app = Flask("host")
    models = SKModels(app)
    models.add("iris", pipeline, schema=SCHEMA)
    assert line(app.test_client().post(PATH, data=SETOSA)) == "0"
    assert app.extensions["skmodels"].models is models


@pytest.mark.parametrize("when", ["before", "after", "late"])
def test_register_at_any_time(pipeline: Any, when: str) -> None:
    app, models = Flask("host"), SKModels()
    client = app.test_client()
    if when != "before":
        models.init_app(app)
    if when == "late":
        assert client.get("/-/models").get_json() == {"models": []}
    models.add("iris", pipeline, schema=SCHEMA, probability=True)
    if when == "before":
        models.init_app(app)
    for path in ("/iris/predict", "/iris/predict/", "/iris/predict_proba/"):
        assert client.post(path, data=SETOSA).status_code == 200
    assert client.get("/iris").get_json()["name"] == "iris"
    assert [m["name"] for m in client.get("/-/models").get_json()["models"]] == ["iris"]


def test_register_in_every_manner(pipeline: Any) -> None:
    models = SKModels()
    fitted = pipeline

    @models.register
    class BareModel(KeyValueModel):
        pipeline = fitted
        schema = SCHEMA

    @models.register(name="given", probability=True, schema=SCHEMA, description="Given.")
    class WithOptions(KeyValueModel):
        pipeline = fitted

    instance = KeyValueModel(name="instance", pipeline=pipeline, schema=SCHEMA)
    assert models.register(instance) is instance
    named = models.register(name="named")(Model(pipeline=pipeline))
    added = models.add("added", pipeline)
    assert list(models) == ["bare", "given", "instance", "named", "added"]
    assert (len(models), "given" in models, "other" in models) == (5, True, False)
    assert isinstance(BareModel, type)
    assert isinstance(models["bare"], BareModel)
    assert isinstance(models["given"], WithOptions)
    assert (WithOptions.name, models["given"].description) == ("", "Given.")
    assert (models["instance"], models["named"], models["added"]) == (instance, named, added)


def test_add_takes_every_attribute(pipeline: Any) -> None:
    attributes: dict[str, Any] = {
        "probability": True,
        "methods": ["decision_function"],
        "schema": SCHEMA,
        "validator": KeyValueModel.validator,
        "purge_unknown": False,
        "engine": "sklearn",
        "batching": False,
        "max_concurrency": 8,
        "max_queue": 16,
        "timeout": 5,
        "max_rows": 1000,
        "max_cells": 10_000,
        "decorators": [lambda view: view],
        "description": "Iris.",
        "examples": [SETOSA],
        "traffic": {},
        "traffic_key": "header:X-User",
        "shadow": None,
        "profile": Profile.of(load_iris().data),
        "enforce_ranges": True,
        "drift_window": 1000,
        "drift_minimum": 100,
        "drift_threshold": 0.1,
        "explain": True,
        "max_explained_rows": 50,
    }
    model = SKModels().add("iris", pipeline, **attributes)
    assert set(attributes) | {"name", "pipeline"} == set(Model.attributes)
    assert all(getattr(model, name) == value for name, value in attributes.items())


@pytest.mark.parametrize("given", [5, "iris", dict, object()])
def test_register_what_is_no_model(given: Any) -> None:
    with pytest.raises(TypeError, match="register takes a Model"):
        SKModels().register(given)


def test_unknown_attribute(pipeline: Any) -> None:
    with pytest.raises(TypeError, match="Model has no attribute 'probabilty' to set"):
        SKModels().add("iris", pipeline, probabilty=True)


def test_failed_registration_leaves_nothing(pipeline: Any) -> None:
    app = Flask("host")
    models = SKModels(app)
    with pytest.raises(ModelError):
        models.add("iris", pipeline, methods=["transform"])
    assert len(models) == 0
    assert app.test_client().get("/iris").status_code == 404
    models.add("iris", pipeline)
    assert app.test_client().get("/iris").status_code == 200


# Several applications, several extensions


def test_several_applications(models: SKModels, line_pipeline: Any) -> None:
    first, second = Flask("first"), Flask("second")
    second.config["SKMODELS_URL_PREFIX"] = "/api"
    second.config["SKMODELS_MAX_ROWS"] = 1
    models.init_app(first)
    models.init_app(second)
    models.add("line", line_pipeline)
    one, two = first.test_client(), second.test_client()
    for client, prefix in ((one, ""), (two, "/api")):
        assert line(client.post(f"{prefix}{PATH}", data=SETOSA)) == "0"
        assert client.post(f"{prefix}/line/predict", data={"values": "1,2,3"}).status_code == 200
        assert client.get(f"{prefix}/-/health/ready").status_code == 200
    assert two.post(PATH, data=SETOSA).status_code == 404
    assert predictions(post_json(one, PATH, [SETOSA] * 2)) == [0, 0]
    assert post_json(two, f"/api{PATH}", [SETOSA] * 2).status_code == 413


def test_same_extension_twice(app: Flask, models: SKModels) -> None:
    with pytest.raises(RuntimeError, match=r"already has an extension named 'skmodels'.*init_app"):
        models.init_app(app)
    with pytest.raises(RuntimeError, match="another name and url_prefix"):
        SKModels(app)
    assert line(app.test_client().post(PATH, data=SETOSA)) == "0"


@pytest.mark.parametrize("prefix", ["", "/models"])
def test_second_extension_of_the_same_prefix_is_refused(prefix: str) -> None:
    bare = Flask("bare")
    SKModels(bare, url_prefix=prefix)
    with pytest.raises(ConfigurationError) as caught:
        SKModels(bare, name="other", url_prefix=prefix)
    assert str(caught.value) == (
        f"OTHER_URL_PREFIX is {prefix!r}, which is also the prefix of the extension 'skmodels'. "
        "Give each extension its own prefix: SKModels(name='other', url_prefix='/other')"
    )


def test_second_extension(app: Flask, client: FlaskClient, line_pipeline: Any) -> None:
    other = SKModels(app, name="other", url_prefix="/other")
    other.add("iris", line_pipeline)
    assert app.config["OTHER_URL_PREFIX"] == "/other"
    assert app.config["SKMODELS_URL_PREFIX"] == ""
    assert line(client.post(PATH, data=SETOSA)) == "0"
    response = client.post("/other/iris/predict/", data={"values": "1,3,7.2"})
    assert float(line(response)) == pytest.approx(751)
    assert len(client.get("/other/-/models").get_json()["models"]) == 1
    assert client.get("/other/-/health/live").get_json() == {"live": True}
    with app.test_request_context():
        assert url_for("skmodels.iris:predict") == PATH
        assert url_for("other.iris:predict") == f"/other{PATH}"


@pytest.mark.not_repeatable
def test_extension_keeps_no_application(models: SKModels) -> None:
    app = Flask("host")
    models.init_app(app)
    assert line(app.test_client().post(PATH, data=SETOSA)) == "0"
    with app.app_context():
        models.predict("iris", SETOSA)
    kept = weakref.ref(app)
    del app
    gc.collect()
    assert kept() is None


def test_factory(pipeline: Any) -> None:
    models = SKModels()
    models.add("iris", pipeline, schema=SCHEMA)

    def create_app(prefix: str) -> Flask:
        app = Flask("factory")
        app.config["SKMODELS_URL_PREFIX"] = prefix
        models.init_app(app)
        return app

    for prefix in ("/a", "/b"):
        client = create_app(prefix).test_client()
        assert line(client.post(f"{prefix}{PATH}", data=SETOSA)) == "0"


# Names in addresses


@pytest.mark.parametrize("name", ["a", "A", "9", "iris-v2", "iris_2", "iris.v2", "a.b-c_d", "a.."])
def test_name_in_address(pipeline: Any, name: str) -> None:
    client = serve(KeyValueModel(name=name, pipeline=pipeline, schema=SCHEMA))
    assert line(client.post(f"/{name}/predict/", data=SETOSA)) == "0"
    assert client.get(f"/{name}").get_json()["name"] == name


def test_flask_routes_shows_a_rule_for_each_method(app: Flask) -> None:
    output = app.test_cli_runner().invoke(cli, ["routes"]).output
    rules = {tuple(row.split()[-1:]) for row in output.splitlines()}
    expected = ["/iris/", "/iris/predict/", "/iris/predict_proba/", "/-/models/"]
    assert {(path,) for path in [*expected, "/-/health/live/", "/-/health/ready/"]} <= rules
    variable = [path for (path,) in rules if "<" in path]
    assert [path for path in variable if not path.startswith(("/-/", "/static/"))] == []


# The blueprint


def test_blueprint_is_the_one_of_every_request(app: Flask, client: FlaskClient) -> None:
    seen: list[str | None] = []
    app.before_request(lambda: seen.append(request.blueprint))
    client.post(PATH, data=SETOSA)
    client.post("/iris/predict", data=SETOSA)
    client.get("/iris")
    client.get("/-/models")
    client.get("/none")
    assert seen == ["skmodels"] * 4 + [None]


def test_blueprint_of_a_dotted_name(pipeline: Any) -> None:
    models, app, seen = SKModels(), Flask("host"), list[str | None]()
    models.init_app(app)
    models.add("iris.v2", pipeline)
    app.before_request(lambda: seen.append(request.blueprint))
    app.test_client().post("/iris.v2/predict/", data={"values": "1,2,3,4"})
    assert seen == ["skmodels"]


def test_views_have_names_of_their_own(models: SKModels) -> None:
    """By which a host's decorators tell them apart, such as those that limit rates."""
    app = Flask("host")
    models.init_app(app)
    names = [view.__name__ for view in app.view_functions.values()]
    assert len(set(names)) == len(names)
    view: Any = app.view_functions["skmodels.iris:predict"]
    assert (view.__module__, view.methods) == ("flask_skmodels.web.views", ["POST"])
    assert issubclass(view.view_class, views.View)


def test_handlers_of_the_blueprint_are_its_own(models: SKModels) -> None:
    app, seen = Flask("host"), list[str]()
    app.add_url_rule("/home", "home", lambda: "home")
    models.blueprint.before_request(lambda: seen.append(request.path))

    @models.blueprint.after_request
    def mark(response: Any) -> Any:
        response.headers["X-Mark"] = "skmodels"
        return response

    models.init_app(app)
    client = app.test_client()
    assert client.post(PATH, data=SETOSA).headers["X-Mark"] == "skmodels"
    assert "X-Mark" not in client.get("/home").headers
    assert "X-Mark" not in client.get("/none").headers
    assert seen == [PATH]


def test_before_request_of_the_blueprint_may_refuse(models: SKModels) -> None:
    app = Flask("host")
    models.blueprint.before_request(lambda: abort(401))
    models.init_app(app)
    assert app.test_client().post(PATH, data=SETOSA).status_code == 401


# A host with an empty prefix


@pytest.fixture
def host(models: SKModels) -> FlaskClient:
    """A host with handlers and a catch-all route of its own, and ours at an empty prefix."""
    app = Flask("host")
    app.register_error_handler(404, lambda error: ("host 404", 404))
    app.register_error_handler(405, lambda error: ("host 405", 405, error.get_headers()))
    app.register_error_handler(400, lambda error: ("host 400", 400))
    app.register_error_handler(HTTPException, lambda error: ("host error", error.code or 500))
    app.register_error_handler(Exception, lambda error: ("host failure", 500))
    app.add_url_rule("/only-post", "only_post", lambda: "posted", methods=["POST"])
    app.add_url_rule("/<name>/about", "about", lambda name: f"about {name}")
    app.add_url_rule("/pages/<path:path>", "page", lambda path: f"page {path}")
    models.init_app(app)
    return app.test_client()


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/none", 404, "host 404"),
        ("GET", "/none/", 404, "host 404"),
        ("POST", "/none/predict/", 404, "host 404"),
        ("POST", "/iris/transform/", 404, "host 404"),
        ("GET", "/-/none", 404, "host 404"),
        ("GET", "/only-post", 405, "host 405"),
        ("GET", PATH, 405, "host 405"),
        ("PUT", "/iris/", 405, "host 405"),
        ("GET", "/iris/about", 200, "about iris"),
        ("GET", "/tulip/about", 200, "about tulip"),
        ("GET", "/pages/iris/predict/", 200, "page iris/predict/"),
        ("POST", "/only-post", 200, "posted"),
    ],
)
def test_routes_of_the_host(
    host: FlaskClient, method: str, path: str, status: int, text: str
) -> None:
    response = host.open(path, method=method)
    assert (response.status_code, response.text) == (status, text)
    assert (response.allow.as_set() != set()) is (status == 405)


def test_handlers_of_the_host_see_no_error_of_ours(host: FlaskClient) -> None:
    assert host.post(PATH, data={}).get_json()["error_count"] == 4
    assert host.post(PATH, data="x", content_type="application/xml").get_json()["status"] == 415
    assert host.post(PATH, data=SETOSA, headers={"Accept": "a/b"}).get_json()["status"] == 406


def test_failure_is_not_for_the_host(pipeline: Any) -> None:
    app = Flask("host")
    app.register_error_handler(Exception, lambda error: ("host failure", 500))
    models = SKModels(app)

    class Broken(ValuesModel):
        def predict(self, X: Any) -> Any:
            raise KeyError("x")

    models.register(Broken(pipeline=pipeline))
    response = app.test_client().post("/broken/predict", data={"values": "1,2,3,4"})
    assert response.get_json()["status"] == 500


def test_catch_all_of_the_host(models: SKModels) -> None:
    app = Flask("host")
    app.add_url_rule("/", "root", lambda path="": f"all {path}", defaults={"path": ""})
    app.add_url_rule("/<path:path>", "all", lambda path: f"all {path}")
    models.init_app(app)
    client = app.test_client()
    assert line(client.post(PATH, data=SETOSA)) == "0"
    assert client.get("/").text == "all "
    assert client.get("/none").text == "all none"
    assert client.get("/iris/predict/").text == "all iris/predict/"
    assert client.get("/iris").get_json()["name"] == "iris"
    models.add("late", models["iris"].pipeline)
    assert client.get("/late").get_json()["name"] == "late"
    assert client.get("/later").text == "all later"


# Decorators


def trace(label: str) -> Callable[[View], View]:
    """Return a view decorator that writes down that it was passed."""

    def decorator(view: View) -> View:
        @functools.wraps(view)
        def wrapped(*args: Any, **kwargs: Any) -> ResponseReturnValue:
            g.setdefault("trace", []).append(label)
            response = view(*args, **kwargs)
            response.headers["X-Trace"] = ",".join(g.trace)  # type: ignore[union-attr]
            return response

        return wrapped

    return decorator


@pytest.mark.parametrize("late", [False, True])
def test_decorators(pipeline: Any, *, late: bool) -> None:
    app = Flask("host")
    models = SKModels(decorators=[trace("inner"), trace("outer")])
    if late:
        models.init_app(app)
        app.test_client().get("/-/health/live")
    own = [trace("model"), trace("model outer")]
    models.add("iris", pipeline, schema=SCHEMA, probability=True, decorators=own)
    models.add("plain", pipeline)
    if not late:
        models.init_app(app)
    client = app.test_client()
    every = "outer,inner,model outer,model"
    for path in ("/iris/predict", "/iris/predict/", "/iris/predict_proba/"):
        assert client.post(path, data=SETOSA).headers["X-Trace"] == every
    assert client.post(PATH, data={}).headers["X-Trace"] == every
    assert client.get("/iris").headers["X-Trace"] == every
    assert client.get("/plain/").headers["X-Trace"] == "outer,inner"
    assert client.get("/-/models").headers["X-Trace"] == "outer,inner"
    for state in ("live", "ready"):
        assert "X-Trace" not in client.get(f"/-/health/{state}").headers


def test_decorator_that_refuses(pipeline: Any) -> None:
    def refuse(view: View) -> View:
        return lambda *args, **kwargs: ("log in first", 401)

    app = Flask("host")
    models = SKModels(app)
    models.add("iris", pipeline, schema=SCHEMA, decorators=[refuse])
    client = app.test_client()
    assert client.post("/iris/predict", data=SETOSA).status_code == 401
    assert client.get("/iris/").status_code == 401
    assert client.get("/-/models").status_code == 200


def test_instance_registered_twice_is_two_models(app: Flask, pipeline: Any) -> None:
    models = SKModels(app, name="other", url_prefix="/other")
    iris = KeyValueModel(name="one", pipeline=pipeline, schema=SCHEMA)
    models.register(iris)
    models.register(iris, name="two")
    with app.app_context():
        assert models["one"](SETOSA).model == "one"
        assert models["two"](SETOSA).model == "two"


def test_configuration_of_the_registration_holds_in_every_thread(app: Flask) -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0, np.nan, 4.0], "b": [0.0, 1.0, 0.0, 1.0]})
    with sklearn.config_context(transform_output="pandas"):
        columns = make_column_transformer((StandardScaler(), ["a", "b"]))
        chain = make_pipeline(SimpleImputer(), columns, LogisticRegression())
        fitted = chain.fit(frame, [0, 1, 0, 1])
        SKModels(app, name="other", url_prefix="/other").add("chain", fitted)
    with ThreadPoolExecutor(1) as pool:
        client = app.test_client()
        response = pool.submit(client.post, "/other/chain/predict/", json={"a": 1, "b": 0}).result()
    assert response.status_code == 200


def test_list_holds_what_the_visitor_may_see(pipeline: Any) -> None:
    def may_see(model: Model) -> bool:
        return request.headers.get("X-Team") == "flowers" or model.name == "public"

    iris, public = (Model(name=name, pipeline=pipeline) for name in ("iris", "public"))
    client = serve(iris, public, SKMODELS_VISIBLE=may_see)

    def names(**headers: str) -> list[str]:
        response = client.get("/-/models/", headers=headers)
        return [model["name"] for model in response.get_json()["models"]]

    assert names() == ["public"]
    assert names(**{"X-Team": "flowers"}) == ["iris", "public"]
