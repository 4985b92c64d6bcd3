"""The fast lane: predictions that are answered before Flask dispatches their request."""

from __future__ import annotations

import gzip
import json
import logging
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from io import BytesIO
from threading import Lock
from typing import Any

import flask
import numpy as np
import pytest
from flask import (
    Flask,
    Request,
    Response,
    abort,
    after_this_request,
    current_app,
    g,
    has_request_context,
    request,
    session,
    signals,
    url_for,
)
from flask.ctx import _AppCtxGlobals
from flask.globals import request_ctx
from flask.sessions import SecureCookieSessionInterface
from werkzeug.routing import Map, Rule

from flask_skmodels import (
    ConfigurationError,
    InvalidInput,
    KeyValueModel,
    SKModels,
    Validator,
    after_prediction,
    before_prediction,
    input_rejected,
)
from flask_skmodels.config import DIALECTS
from flask_skmodels.testing import FakeEstimator
from flask_skmodels.web import deferred_context, fast_lane
from flask_skmodels.web.fast_lane import FastLane
from tests.support.both_ways import ask as ask_wsgi
from tests.support.both_ways import both_ways, environ_of, through_flask
from tests.support.command_line import output
from tests.support.helpers import FIELDS, FORM, JSON, SCHEMA, SETOSA, VIRGINICA, hooked

PATH = "/iris/predict/"
ENDPOINT = "skmodels.iris:predict"
BODY = json.dumps(SETOSA).encode()
ROW = {"data": BODY, "content_type": JSON}

Calls = list[str]
Hook = Callable[[Flask, Calls], None]


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the requests that the lane has answered."""
    paths: list[str] = []
    respond = FastLane._respond

    def recording(self: FastLane, rule: Rule, *arguments: Any) -> Any:
        paths.append(rule.rule)
        return respond(self, rule, *arguments)

    monkeypatch.setattr(FastLane, "_respond", recording)
    return paths


def served(*models: KeyValueModel, cls: type[Flask] = Flask, **config: Any) -> Flask:
    """Return an application with models that has had its first request."""
    app = cls("served")
    app.config.update(config)
    extension = SKModels(app)
    for model in models:
        extension.register(model)
    return started(app)


def started(app: Flask) -> Flask:
    """Return an application after its first request."""
    app.test_client().get("/nothing")
    return app


def ask(app: Flask, **changed: Any) -> Any:
    return ask_wsgi(app, environ_of(PATH, **{**ROW, **changed}))


@pytest.fixture
def iris(pipeline: Any) -> KeyValueModel:
    return KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA, probability=True)


# The requests that the lane answers


def test_two_first_requests_at_the_same_time(iris: KeyValueModel) -> None:
    class Raced(defaultdict[Any, Any]):
        def __delitem__(self, key: Any) -> None:
            self.pop(key)  # in another thread
            super().__delitem__(key)

    app = Flask("served")
    app.before_request_funcs = Raced(list)
    SKModels(app).register(iris)
    assert app.test_client().post(PATH, **ROW).status_code == 200
    assert not app.before_request_funcs


def test_first_request_is_left_to_flask(iris: KeyValueModel, answered: list[str]) -> None:
    app = Flask("served")
    SKModels(app).register(iris)
    for count in range(3):
        assert ask(app).status == "200 OK"
        assert len(answered) == count
    assert app._got_first_request


@pytest.mark.parametrize("path", ["/iris/predict/", "/iris/predict", "/iris/predict_proba/"])
def test_addresses(iris: KeyValueModel, answered: list[str], path: str) -> None:
    assert both_ways(served(iris), path, **ROW).status == "200 OK"
    assert len(answered) == 1


def test_lane_is_off_by_configuration(iris: KeyValueModel, answered: list[str]) -> None:
    app = served(iris, SKMODELS_FAST_LANE=False)
    assert "wsgi_app" not in vars(app)
    assert ask(app).status == "200 OK"
    assert not answered
    assert output(app, "check").endswith("iris: fast lane off (SKMODELS_FAST_LANE is False)\n")


def test_value_of_the_key_is_checked() -> None:
    app = Flask("served")
    app.config["SKMODELS_FAST_LANE"] = "no"
    with pytest.raises(ConfigurationError, match="SKMODELS_FAST_LANE must be True or False"):
        SKModels(app)


def test_check_says_that_the_lane_is_on(iris: KeyValueModel) -> None:
    app = Flask("served")
    SKModels(app).register(iris)
    assert output(app, "check").splitlines()[-1] == "iris: fast lane on"
    document = json.loads(output(app, "check", "--json"))
    assert document["fast_lane"] == [{"model": "iris", "on": True, "reasons": []}]


def test_other_release_of_flask(iris: KeyValueModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flask_skmodels.extension._flask_release", lambda: "3.2.0")
    app = served(iris)
    assert "wsgi_app" not in vars(app)
    assert "fast lane off (Flask 3.2.0" in output(app, "check")


MULTIPART = (
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="rows.csv"\r\n'
    b"Content-Type: text/csv\r\n\r\n" + b",".join(f.encode() for f in FIELDS) + b"\r\n5,3,1,0\r\n"
    b"--x--\r\n"
)
FORM_BODY = "&".join(f"{name}={value}" for name, value in SETOSA.items())
TENSOR = {"name": "x", "shape": [1, 4], "datatype": "FP64", "data": list(SETOSA.values())}


def as_json(document: Any, **more: Any) -> dict[str, Any]:
    return {"data": json.dumps(document), "content_type": JSON, **more}


REQUESTS: dict[str, tuple[str, dict[str, Any], int]] = {
    "row": (PATH, ROW, 200),
    "rows": (PATH, as_json([SETOSA, VIRGINICA]), 200),
    "columns": (PATH, as_json({"columns": {n: [1, 2] for n in FIELDS}}), 200),
    "many rows": (PATH, as_json([list(SETOSA.values())] * 3_000), 200),
    "large response": ("/iris/predict_proba/", as_json([list(SETOSA.values())] * 30_000), 200),
    "probabilities": ("/iris/predict_proba/", ROW, 200),
    "form": (PATH, {"data": FORM_BODY, "content_type": FORM}, 200),
    "file": (PATH, {"data": MULTIPART, "content_type": "multipart/form-data; boundary=x"}, 200),
    "multipart": (PATH, {"data": SETOSA, "content_type": "multipart/form-data"}, 200),
    "CSV": (
        PATH,
        {"data": "\n".join([",".join(FIELDS), "1,2,3,4"]), "content_type": "text/csv"},
        200,
    ),
    "NDJSON": (PATH, {"data": BODY + b"\n" + BODY, "content_type": "application/x-ndjson"}, 200),
    "gzip": (
        PATH,
        {**ROW, "data": gzip.compress(BODY), "headers": {"Content-Encoding": "gzip"}},
        200,
    ),
    "broken gzip": (PATH, {**ROW, "headers": {"Content-Encoding": "gzip"}}, 400),
    "unknown coding": (PATH, {**ROW, "headers": {"Content-Encoding": "br"}}, 415),
    "chunked": (PATH, {**ROW, "headers": {"Transfer-Encoding": "chunked"}}, 200),
    "accept": (PATH, {**ROW, "headers": {"Accept": "text/csv"}}, 200),
    "accept text": (PATH, {**ROW, "data": b"{}", "headers": {"Accept": "text/plain"}}, 400),
    "not acceptable": (PATH, {**ROW, "headers": {"Accept": "image/png"}}, 406),
    "no body": (PATH, {}, 400),
    "no content type": (PATH, {"data": BODY}, 415),
    "unknown content type": (PATH, {"data": BODY, "content_type": "image/png"}, 415),
    "not JSON": (PATH, {"data": b"{", "content_type": JSON}, 400),
    "no rows": (PATH, as_json([]), 400),
    "missing field": (PATH, as_json({"sepal_length": 1}), 400),
    "invalid values": (PATH, as_json([dict.fromkeys(FIELDS, -1)] * 200), 400),
    "too many rows": (PATH, as_json([list(SETOSA.values())] * 40_000), 413),
    "too large": (PATH, {"data": b" " * 3_000_001, "content_type": JSON}, 413),
    "query": (f"{PATH}?a=1&b", ROW, 200),
    "own identifier": (PATH, {**ROW, "headers": {"X-Request-ID": "mine"}}, 200),
    "another site": (
        PATH,
        {
            "data": FORM_BODY,
            "content_type": FORM,
            "headers": {"Sec-Fetch-Site": "cross-site", "Authorization": "Basic eA=="},
        },
        403,
    ),
    "below a prefix": (PATH, {**ROW, "base_url": "https://example.org:8443/app"}, 200),
    "strange host": (PATH, {**ROW, "headers": {"Host": "a b"}}, 200),
    "failing": ("/failing/predict/", ROW, 500),
    "rejecting": ("/rejecting/predict/", ROW, 400),
    "aborting": ("/aborting/predict/", ROW, 403),
    "tensors": ("/v2/models/iris/infer", as_json({"inputs": [TENSOR]}), 200),
    "bad tensors": ("/v2/models/iris/infer", as_json({"inputs": []}), 400),
    "instances": ("/v1/models/iris:predict", as_json({"instances": [list(SETOSA.values())]}), 200),
    "invocations": ("/invocations", as_json({"inputs": [list(SETOSA.values())]}), 200),
    "no model": ("/v2/models/rose/infer", as_json({"inputs": [TENSOR]}), 404),
    "no method": ("/iris/transform/", ROW, 404),
    "GET": (PATH, {"method": "GET"}, 405),
    "HEAD": (PATH, {"method": "HEAD"}, 405),
    "OPTIONS": (PATH, {"method": "OPTIONS"}, 200),
    "PUT": (PATH, {**ROW, "method": "PUT"}, 405),
}


@pytest.fixture(scope="module")
def everything(pipeline: Any) -> Flask:
    def fail(X: Any) -> Any:
        raise ZeroDivisionError("a secret")

    def reject(X: Any) -> Any:
        raise InvalidInput.of_request("max", "too much")

    iris = KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA, probability=True)
    models = [iris]
    for name, hook in {
        "failing": fail,
        "rejecting": reject,
        "aborting": lambda X: abort(403),
    }.items():
        model = hooked(pipeline, hook)
        model.name = name
        models.append(model)
    return served(
        *models,
        SKMODELS_DIALECTS=DIALECTS,
        SKMODELS_MLFLOW_MODEL="iris",
        SKMODELS_SERVER_TIMING=True,
        SKMODELS_MAX_ROWS=30_000,
        MAX_CONTENT_LENGTH=3_000_000,
    )


@pytest.mark.parametrize("name", REQUESTS)
def test_requests_get_the_same_response_both_ways(everything: Flask, name: str) -> None:
    path, sent, status = REQUESTS[name]
    assert both_ways(everything, path, **sent).status.startswith(str(status))


def test_predictions_and_errors_are_answered_by_the_lane(
    everything: Flask, answered: list[str]
) -> None:
    by_flask = {"no model", "no method", "GET", "HEAD", "OPTIONS", "PUT"}
    for name, (path, sent, _) in REQUESTS.items():
        answered.clear()
        ask_wsgi(everything, environ_of(path, **sent))
        assert bool(answered) is (name not in by_flask), name


@pytest.mark.parametrize("length", ["5", "1000", "-1", "x", ""])
def test_wrong_length_of_the_body(everything: Flask, length: str) -> None:
    responses = []
    for application in (through_flask(everything), everything.wsgi_app):
        environ = environ_of(PATH, **ROW) | {"CONTENT_LENGTH": length}
        responses.append(ask_wsgi(application, environ))
    assert responses[0] == responses[1]


def test_body_that_cannot_be_read(everything: Flask) -> None:
    class Broken(BytesIO):
        def read(self, *size: Any) -> bytes:
            raise OSError("gone")

    responses = []
    for application in (through_flask(everything), everything.wsgi_app):
        environ = environ_of(PATH, **ROW) | {"wsgi.input": Broken()}
        responses.append(ask_wsgi(application, environ))
    assert responses[0] == responses[1]
    assert responses[0].status.startswith("400")


# What keeps the lane off


def before(app: Flask, calls: Calls) -> None:
    app.before_request_funcs.setdefault(None, []).append(lambda: calls.append("hook"))


def before_in_the_blueprint(app: Flask, calls: Calls) -> None:
    app.before_request_funcs.setdefault("skmodels", []).append(lambda: calls.append("hook"))


def after(app: Flask, calls: Calls) -> None:
    def hook(response: Response) -> Response:
        calls.append("hook")
        return response

    app.after_request_funcs.setdefault(None, []).append(hook)


def teardown(app: Flask, calls: Calls) -> None:
    app.teardown_request_funcs.setdefault(None, []).append(lambda error: calls.append("hook"))


def teardown_of_the_context(app: Flask, calls: Calls) -> None:
    app.teardown_appcontext_funcs.append(lambda error: calls.append("hook"))


def url_values(app: Flask, calls: Calls) -> None:
    functions = app.url_value_preprocessors.setdefault(None, [])
    functions.append(lambda endpoint, values: calls.append("hook"))


def receiver_of(signal: Any) -> Hook:
    def connect(app: Flask, calls: Calls) -> None:
        signal.connect(lambda sender, **extra: calls.append("hook"), app, weak=False)

    connect.__name__ = signal.name
    return connect


def method_of_the_application(name: str) -> Hook:
    def patch(app: Flask, calls: Calls) -> None:
        usual = getattr(app, name)

        @wraps(usual)
        def method(*arguments: Any, **named: Any) -> Any:
            calls.append("hook")
            return usual(*arguments, **named)

        setattr(app, name, method)

    patch.__name__ = name
    return patch


def request_class(app: Flask, calls: Calls) -> None:
    class Own(Request):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            calls.append("hook")
            super().__init__(*arguments, **named)

    app.request_class = Own


def response_class(app: Flask, calls: Calls) -> None:
    class Own(Response):
        def get_wsgi_headers(self, environ: Any) -> Any:
            calls.append("hook")
            return super().get_wsgi_headers(environ)

    app.response_class = Own


def app_ctx_globals_class(app: Flask, calls: Calls) -> None:
    class Own(_AppCtxGlobals):
        def __init__(self) -> None:
            calls.append("hook")

    app.app_ctx_globals_class = Own


def session_interface(app: Flask, calls: Calls) -> None:
    class Own(SecureCookieSessionInterface):
        def open_session(self, app: Flask, request: Request) -> Any:
            calls.append("hook")

    app.session_interface = Own()


def method_of_the_session_interface(app: Flask, calls: Calls) -> None:
    app.session_interface = (
        SecureCookieSessionInterface()
    )  # the default is one for all applications
    app.session_interface.open_session = (  # type: ignore[method-assign]
        lambda app, request: calls.append("hook")
    )


def view_function(app: Flask, calls: Calls) -> None:
    usual = app.view_functions[ENDPOINT]

    @wraps(usual)
    def view(**values: Any) -> Any:
        calls.append("hook")
        return usual(**values)

    app.view_functions[ENDPOINT] = view


HOOKS = [
    *(before, before_in_the_blueprint, after, teardown, teardown_of_the_context, url_values),
    *map(receiver_of, deferred_context.SIGNALS),
    *map(method_of_the_application, fast_lane._STEPS),
    *(request_class, response_class, session_interface, method_of_the_session_interface),
    *(app_ctx_globals_class, view_function),
]


def name_of(hook: Hook) -> str:
    return hook.__name__


@pytest.mark.parametrize("is_late", [False, True], ids=["early", "late"])
@pytest.mark.parametrize("hook", HOOKS, ids=name_of)
def test_hook_is_called(
    iris: KeyValueModel, answered: list[str], hook: Hook, is_late: bool
) -> None:
    app = served(iris)
    if is_late:
        ask(app)
        assert answered
        answered.clear()
    calls: Calls = []
    hook(app, calls)
    assert ask(app).status == "200 OK"
    assert "hook" in calls
    assert not answered
    [line] = [each for each in output(app, "check").splitlines() if "fast lane" in each]
    assert line.startswith("iris: fast lane off (")


@pytest.mark.parametrize("hook", HOOKS[:6], ids=name_of)
def test_lane_is_on_again_without_the_hook(
    iris: KeyValueModel, answered: list[str], hook: Hook
) -> None:
    app = served(iris)
    hook(app, [])
    ask(app)
    for name in fast_lane._HOOKS:
        getattr(app, name).clear()
    ask(app)
    assert len(answered) == 1


def test_check_names_the_hook(iris: KeyValueModel) -> None:
    app = Flask("served")
    SKModels(app).register(iris)

    @app.before_request
    def log_in() -> None:
        """Let everybody in."""

    assert "iris: fast lane off (before_request_funcs: test_fast_lane.test_check_" in (
        output(app, "check")
    )
    assert "log_in)" in output(app, "check")


def test_method_of_a_subclass_is_called(iris: KeyValueModel, answered: list[str]) -> None:
    calls = []

    class Own(Flask):
        def process_response(self, response: Any) -> Any:
            calls.append(1)
            return super().process_response(response)

    assert ask(served(iris, cls=Own)).status == "200 OK"
    assert calls
    assert not answered


def test_subclass_without_methods_of_its_own(iris: KeyValueModel, answered: list[str]) -> None:
    class Own(Flask):
        def tidy(self) -> None:
            """Do nothing that Flask would call."""

    ask(served(iris, cls=Own))
    assert answered


@pytest.mark.parametrize("name", ["full_dispatch_request", "wsgi_app", "preprocess_request"])
def test_method_of_flask_that_a_tracer_replaces(
    iris: KeyValueModel, answered: list[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    app = served(iris)
    usual, calls = getattr(Flask, name), []

    @wraps(usual)
    def traced(*arguments: Any, **named: Any) -> Any:
        calls.append(name)
        return usual(*arguments, **named)

    monkeypatch.setattr(Flask, name, traced)
    assert ask(app).status == "200 OK"
    assert calls == [name]
    assert not answered


def test_decorators(iris: KeyValueModel, answered: list[str]) -> None:
    iris.decorators = [lambda view: wraps(view)(lambda **values: abort(401))]
    app = served(iris)
    assert ask(app).status.startswith("401")
    assert not answered
    assert "iris: fast lane off (a decorator of its view" in output(app, "check")


def test_middleware_below(iris: KeyValueModel, answered: list[str]) -> None:
    app = Flask("served")
    seen = []
    usual = app.wsgi_app

    def middleware(environ: Any, start_response: Any) -> Any:
        seen.append(environ["PATH_INFO"])
        return usual(environ, start_response)

    app.wsgi_app = middleware  # type: ignore[method-assign]
    SKModels(app).register(iris)
    started(app)
    ask(app)
    assert PATH in seen
    assert not answered
    assert "fast lane off (middleware" in output(app, "check")


def test_middleware_above(iris: KeyValueModel, answered: list[str]) -> None:
    app = served(iris)
    usual, seen = app.wsgi_app, []

    def middleware(environ: Any, start_response: Any) -> Any:
        seen.append(environ["PATH_INFO"])
        return usual(environ, start_response)

    app.wsgi_app = middleware  # type: ignore[method-assign]
    ask(app)
    assert seen == [PATH]
    assert len(answered) == 1


def test_view_of_the_application_at_the_same_url(iris: KeyValueModel, answered: list[str]) -> None:
    app = Flask("served")
    app.add_url_rule(PATH, "mine", lambda: "mine", methods=["POST"])
    SKModels(app).register(iris)
    started(app)
    assert ask(app).body == b"mine"
    assert not answered


def test_rule_that_is_added_later(iris: KeyValueModel, answered: list[str]) -> None:
    app = served(iris)
    app.url_map.add(Rule("/<path:anything>", endpoint="anything", methods=["POST"]))
    app.view_functions["anything"] = lambda anything: anything
    assert both_ways(app, PATH, **ROW).status == "200 OK"
    assert both_ways(app, "/iris/other/", **ROW).body == b"iris/other/"
    assert answered == [PATH]


def test_rule_that_is_added_later_for_a_view_that_is_known(
    iris: KeyValueModel, answered: list[str]
) -> None:
    app = Flask("served")
    app.add_url_rule("/mine", "mine", lambda: "mine", methods=["POST"])
    SKModels(app).register(iris)
    assert both_ways(started(app), PATH, **ROW).status == "200 OK"
    app.url_map.add(Rule(PATH, endpoint="mine", methods=["POST"]))
    app.test_client().get("/nothing")
    assert both_ways(app, PATH, **ROW).body == b"mine"
    assert both_ways(app, PATH.rstrip("/"), **ROW).status == "200 OK"
    assert answered == [PATH, PATH]


def test_late_model(iris: KeyValueModel, answered: list[str], pipeline: Any) -> None:
    app = served(iris)
    app.extensions["skmodels"].models.add("late", pipeline, schema=SCHEMA)
    assert both_ways(app, "/late/predict/", **ROW).status == "200 OK"
    assert answered == ["/late/predict/"]


def test_versions_of_a_url_prefix(iris: KeyValueModel, answered: list[str]) -> None:
    app = served(iris, SKMODELS_URL_PREFIX="/models")
    assert both_ways(app, "/models/iris/predict/", **ROW).status == "200 OK"
    assert answered


def test_prefix_that_is_not_ascii(iris: KeyValueModel, answered: list[str]) -> None:
    app = served(iris, SKMODELS_URL_PREFIX="/modèles")
    assert both_ways(app, "/modèles/iris/predict/", **ROW).status == "200 OK"
    assert not answered


def test_two_extensions(iris: KeyValueModel, answered: list[str], pipeline: Any) -> None:
    app = Flask("served")
    SKModels(app).register(iris)
    other = SKModels(app, name="other", url_prefix="/other")
    other.add("iris", pipeline, schema=SCHEMA)
    started(app)
    for path in ("/iris/predict/", "/other/iris/predict/"):
        assert both_ways(app, path, **ROW).status == "200 OK"
    assert answered == ["/iris/predict/", "/other/iris/predict/"]


def test_hook_of_another_blueprint(iris: KeyValueModel, answered: list[str]) -> None:
    app = Flask("served")
    SKModels(app).register(iris)
    admin = flask.Blueprint("admin", __name__)
    admin.before_request(lambda: abort(401))
    app.register_blueprint(admin)
    ask(started(app))
    assert answered


@pytest.mark.parametrize(
    "config",
    [
        {"DEBUG": True},
        {"SERVER_NAME": "example.org", "SESSION_COOKIE_DOMAIN": "example.org"},
        {"APPLICATION_ROOT": "/app", "PREFERRED_URL_SCHEME": "https"},
        {"TRUSTED_HOSTS": ["localhost"]},
        {"TRUSTED_HOSTS": ["example.org"]},
        {"TRUSTED_HOSTS": "localhost"},
        {"SECRET_KEY": "a", "SESSION_REFRESH_EACH_REQUEST": True},
        {"MAX_CONTENT_LENGTH": 10},
        {"MAX_CONTENT_LENGTH": 0},
        {"TRAP_HTTP_EXCEPTIONS": True, "TRAP_BAD_REQUEST_ERRORS": True},
        {"PROPAGATE_EXCEPTIONS": True},
        {"TESTING": True},
    ],
    ids=str,
)
def test_configuration_of_flask(iris: KeyValueModel, config: dict[str, Any]) -> None:
    app = served(iris, **config)
    requests: list[dict[str, Any]] = [ROW, as_json({}), {"headers": {"Host": "other.org"}, **ROW}]
    for sent in requests:
        both_ways(app, PATH, **sent)


def test_trusted_hosts_are_compared_at_each_request(
    iris: KeyValueModel, answered: list[str]
) -> None:
    app = served(iris, TRUSTED_HOSTS=["localhost"])
    assert both_ways(app, PATH, **ROW).status == "200 OK"
    assert len(answered) == 1
    app.config["TRUSTED_HOSTS"].clear()
    app.config["TRUSTED_HOSTS"].append("example.org")
    assert both_ways(app, PATH, **ROW).status.startswith("400")
    assert len(answered) == 1


def test_set_of_trusted_hosts_that_changes(iris: KeyValueModel, answered: list[str]) -> None:
    app = served(iris, TRUSTED_HOSTS={"localhost"})
    assert both_ways(app, PATH, **ROW).status == "200 OK"
    assert len(answered) == 1
    app.config["TRUSTED_HOSTS"].clear()
    app.config["TRUSTED_HOSTS"].add("example.org")
    assert both_ways(app, PATH, **ROW).status.startswith("400")
    assert len(answered) == 1


@pytest.mark.parametrize("matching", ["host", "subdomain"])
def test_matching_of_hosts(iris: KeyValueModel, answered: list[str], matching: str) -> None:
    options: dict[str, dict[str, Any]] = {
        "host": {"host_matching": True, "static_host": "localhost"},
        "subdomain": {"subdomain_matching": True},
    }
    app = Flask("served", **options[matching])
    SKModels(app).register(iris)
    started(app)
    both_ways(app, PATH, **ROW)
    assert not answered


def test_own_url_map(iris: KeyValueModel, answered: list[str]) -> None:
    class OwnMap(Map):
        """A map that might match by other things than the path."""

    class Own(Flask):
        url_map_class = OwnMap

    assert both_ways(served(iris, cls=Own), PATH, **ROW).status == "200 OK"
    assert not answered


def test_attributes_of_the_session_interface_are_not_copied(
    iris: KeyValueModel, answered: list[str]
) -> None:
    app = served(iris)
    app.session_interface = SecureCookieSessionInterface()
    app.session_interface.lock = Lock()  # type: ignore[attr-defined]
    assert both_ways(app, PATH, **ROW).status == "200 OK"
    assert not answered


def test_url_map_that_replaces_the_first(iris: KeyValueModel, answered: list[str]) -> None:
    app = served(iris)
    app.url_map = Map([rule.empty() for rule in app.url_map.iter_rules()])
    assert both_ways(app, PATH, **ROW).status == "200 OK"
    app.url_map.add(Rule(PATH, endpoint="mine", methods=["POST"]))
    app.view_functions["mine"] = lambda: "mine"
    both_ways(app, PATH, **ROW)
    assert not answered
    assert "iris: fast lane off (its own url_map)" in output(app, "check")


# Requests that are left to Flask


def test_cookies(iris: KeyValueModel, answered: list[str]) -> None:
    app = served(iris, SECRET_KEY="a")
    with app.test_client() as client, client.session_transaction() as stored:
        stored.permanent = True
        stored["name"] = "value"
    response = client.post(PATH, **ROW)  # Flask sends a permanent cookie again
    assert "session=" in response.headers["Set-Cookie"]
    assert not answered


def test_client_that_keeps_the_context(iris: KeyValueModel, answered: list[str]) -> None:
    with served(iris).test_client() as client:
        client.post(PATH, **ROW)
        assert request.path == PATH
    assert not answered


def test_request_inside_a_context(iris: KeyValueModel, answered: list[str]) -> None:
    app = served(iris)
    with app.app_context():
        g.name = "value"
        seen = []

        def receiver(sender: Flask, **extra: Any) -> None:
            seen.append(g.get("name"))

        after_prediction.connect(receiver)
        app.test_client().post(PATH, **ROW)
    assert seen == ["value"]
    assert not answered


def test_websocket(iris: KeyValueModel, answered: list[str]) -> None:
    headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
    assert both_ways(served(iris), PATH, **ROW, headers=headers).status.startswith("400")
    assert not answered


# Code of the application has its contexts


def facts() -> list[Any]:
    """Return what code of an application can learn about the request."""
    return [
        *(request.method, request.path, request.endpoint, request.blueprint, request.view_args),
        *(request.headers["X-Request-ID"], request.get_data(), request.get_json(), request.host),
        *(request.url_rule.rule if request.url_rule else None, request.max_content_length),
        *(has_request_context(), current_app.name, url_for("skmodels.-:index"), request.url),
        *(dict(session), g.get("nothing"), request.routing_exception, request.remote_addr),
    ]


def facts_both_ways(app: Flask, seen: list[Any], answered: list[str]) -> None:
    assert both_ways(app, PATH, **ROW).status == "200 OK"
    usual, lane = seen
    assert usual == lane
    assert usual[1] == PATH
    assert answered == [PATH]


@pytest.mark.parametrize("signal", [before_prediction, after_prediction])
def test_receivers_of_our_signals(iris: KeyValueModel, answered: list[str], signal: Any) -> None:
    app, seen = served(iris, SECRET_KEY="a"), list[Any]()
    signal.connect(lambda sender, **extra: seen.append(facts()), app, weak=False)
    facts_both_ways(app, seen, answered)


def test_receiver_of_a_rejection(iris: KeyValueModel, answered: list[str]) -> None:
    app, seen = served(iris), list[Any]()
    input_rejected.connect(lambda sender, **extra: seen.append(facts()), app, weak=False)
    assert both_ways(app, PATH, **as_json({})).status.startswith("400")
    assert seen[0] == seen[1]
    assert answered


def test_predict_of_the_application(pipeline: Any, answered: list[str]) -> None:
    seen: list[Any] = []

    def predict(X: Any) -> Any:
        seen.append(facts())
        return [0] * len(X)

    app = Flask("served")
    SKModels(app).register(hooked(pipeline, predict), name="iris")
    seen.clear()
    facts_both_ways(started(app), seen, answered)


def test_estimator_of_the_application(answered: list[str]) -> None:
    seen: list[Any] = []

    def predict(X: Any) -> Any:
        if has_request_context():  # not while it is verified
            seen.append(facts())
        return np.zeros(len(X))

    model = KeyValueModel(name="iris", pipeline=FakeEstimator(predict=predict), schema=SCHEMA)
    facts_both_ways(served(model), seen, answered)


def test_validator_of_the_application(pipeline: Any, answered: list[str]) -> None:
    seen: list[Any] = []

    class Own(Validator):
        def _check_with_request(self, field: str, value: Any) -> None:
            if field == FIELDS[0]:
                seen.append(facts())

    schema = {name: {"check_with": "request"} for name in FIELDS}
    model = KeyValueModel(name="iris", pipeline=pipeline, schema=schema, validator=Own)
    facts_both_ways(served(model), seen, answered)


def test_formatter_of_the_log(iris: KeyValueModel, answered: list[str]) -> None:
    seen: list[Any] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(facts())

    app = served(iris, SKMODELS_LOG_PREDICTIONS=True)
    logger, handler = logging.getLogger("flask_skmodels.predictions"), Handler()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        facts_both_ways(app, seen, answered)
    finally:
        logger.removeHandler(handler)


def test_what_a_receiver_does_to_the_response(iris: KeyValueModel, answered: list[str]) -> None:
    app = served(iris, SECRET_KEY="a")

    def receiver(sender: Flask, **extra: Any) -> None:
        session["name"] = "value"
        g.name = "value"

        @after_this_request
        def add(response: Response) -> Response:
            response.headers["X-Added"] = g.name
            response.status_code = 202
            return response

    after_prediction.connect(receiver, app)
    response = both_ways(app, PATH, **ROW)
    assert response.status == "202 ACCEPTED"
    names = dict(response.headers)
    assert names["X-Added"] == "value"
    assert names["Vary"] == "Cookie"
    assert names["Set-Cookie"].startswith("session=")
    assert answered


def test_contexts_are_left(iris: KeyValueModel, answered: list[str]) -> None:
    app = served(iris)
    for _ in range(2):
        ask(app)
        assert not has_request_context()
        assert not flask.has_app_context()
        after_prediction.connect(lambda sender, **extra: facts(), app, weak=False)
    assert len(answered) == 2


def test_context_can_be_copied_to_a_thread(iris: KeyValueModel, answered: list[str]) -> None:
    app, seen = served(iris), list[Any]()

    def receiver(sender: Flask, **extra: Any) -> None:
        seen.append(flask.copy_current_request_context(lambda: request.path))

    after_prediction.connect(receiver, app)
    ask(app)
    assert answered
    assert seen[0]() == PATH


def test_copied_context_is_whole(iris: KeyValueModel, answered: list[str]) -> None:
    app, seen = served(iris), list[Any]()

    def look() -> tuple[bool, dict[str, Any]]:
        return hasattr(request_ctx, "nothing"), dict(session)

    def receiver(sender: Flask, **extra: Any) -> None:
        seen.append(flask.copy_current_request_context(look))

    after_prediction.connect(receiver, app)
    ask(app)
    assert answered
    assert seen[0]() == (False, {})
    assert not has_request_context()
    assert not flask.has_app_context()


def test_receiver_sets_an_attribute_of_the_request(
    iris: KeyValueModel, answered: list[str]
) -> None:
    app, seen = served(iris), list[Any]()

    def receiver(sender: Flask, **extra: Any) -> None:
        request.remote_addr = "192.0.2.1"
        request_ctx.flashes = [("first", "message")]
        seen.extend([request.path, request.remote_addr, dict(session), request_ctx.flashes])

    before_prediction.connect(receiver, app)
    ask(app)
    assert answered
    assert seen == [PATH, "192.0.2.1", {}, [("first", "message")]]


@pytest.mark.parametrize("name", ["nothing", "g"])
@pytest.mark.parametrize(
    "signal",
    [
        each
        for each in deferred_context.SIGNALS
        if each.name.endswith(("finished", "down", "popped"))
    ],
    ids=lambda signal: signal.name,
)
def test_signals_of_flask_that_a_receiver_connects_to(
    iris: KeyValueModel, answered: list[str], signal: Any, name: str
) -> None:
    app, seen = served(iris), list[Any]()

    def other(sender: Flask, **extra: Any) -> None:
        seen.append(signal.name)

    def receiver(sender: Flask, **extra: Any) -> None:
        signal.connect(other, app)
        if name == "g":
            g.name = "value"

    before_prediction.connect(receiver, app)
    ask(app)
    assert answered
    assert seen == [signal.name]


# Exceptions that leave a view


@pytest.mark.parametrize("config", [{}, {"TESTING": True}, {"PROPAGATE_EXCEPTIONS": True}])
@pytest.mark.parametrize("handles", [None, KeyError, 500, Exception])
def test_exception_of_a_receiver(
    iris: KeyValueModel, answered: list[str], config: dict[str, Any], handles: Any
) -> None:
    app = Flask("served")
    app.config.update(config)
    SKModels(app).register(iris)
    if handles is not None:
        app.register_error_handler(handles, lambda error: (f"handled {request.path}", 500))
    started(app)
    caught: list[Any] = []
    signals.got_request_exception.connect(
        lambda sender, exception, **extra: caught.append(exception), app, weak=False
    )

    def receiver(sender: Flask, **extra: Any) -> None:
        raise KeyError("the receiver's")

    after_prediction.connect(receiver, app)
    both_ways(app, PATH, **ROW)
    assert len(caught) in {0, 2}
    assert answered


@pytest.mark.not_repeatable
def test_exit_leaves_the_contexts(iris: KeyValueModel, answered: list[str]) -> None:
    app = served(iris)

    def receiver(sender: Flask, **extra: Any) -> None:
        raise SystemExit(1)

    before_prediction.connect(receiver, app)
    with pytest.raises(SystemExit):
        ask(app)
    assert answered
    assert not has_request_context()
    assert not flask.has_app_context()


@pytest.mark.parametrize("name", ["session", "g"])
def test_contexts_are_left_although_they_cannot_be_made(
    iris: KeyValueModel, answered: list[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    app = served(iris)

    def fail(*arguments: Any) -> None:
        raise ZeroDivisionError

    def receiver(sender: Flask, **extra: Any) -> None:
        monkeypatch.setattr(app, "create_url_adapter", fail)
        getattr(flask, name).get("nothing")

    before_prediction.connect(receiver, app)
    assert ask(app).status.startswith("500")
    assert answered
    assert not has_request_context()
    assert not flask.has_app_context()
