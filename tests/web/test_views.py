"""The URLs of a model: their responses, media types and errors."""

from __future__ import annotations

import io
import json
import logging
import os
import random
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from flask import Flask, Response, abort, make_response, request
from flask.testing import FlaskClient
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from flask_skmodels import KeyValueModel, SKModels, ValuesModel, before_prediction, create_app
from tests.support.helpers import (
    FIELDS,
    FORM,
    JSON,
    PROBLEM,
    SCHEMA,
    SETOSA,
    VIRGINICA,
    X,
    encoded,
    errors_of,
    hooked,
    line,
    messages_of,
    post_bytes,
    post_json,
    predictions,
    problem,
    serve,
)

PATH = "/iris/predict/"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


# The promises of the first hour


@pytest.mark.parametrize(
    ("path", "options", "status"),
    [
        ("/iris/predict/", {"data": SETOSA}, 200),
        ("/iris/predict/", {"json": SETOSA}, 200),
        ("/iris/predict/", {"data": {}}, 400),
        ("/iris/predict/", {"data": {}, "headers": {"Accept": "text/plain"}}, 400),
        ("/-/models", {"method": "GET"}, 200),
    ],
)
def test_texts_end_with_a_newline_on_a_terminal(
    client: FlaskClient, path: str, options: dict[str, Any], status: int
) -> None:
    """The prompt of a shell is below what curl shows; other clients get the text alone."""
    options = {"method": "POST", **options}
    plain = client.open(path, **options)
    environ = {"HTTP_USER_AGENT": "curl/8.14.1"}
    shown = client.open(path, **options, environ_overrides=environ)
    assert (plain.status_code, shown.status_code) == (status, status)
    assert shown.data == plain.data + b"\n"
    assert shown.content_length == len(shown.data)
    table = client.post(
        "/iris/predict/", data=SETOSA, headers={"Accept": "text/csv"}, environ_overrides=environ
    )
    assert table.text == "prediction\r\n0\r\n"


@pytest.mark.parametrize("body", ["values=1,3,7.2", "values=1, 3 , 7.2", "values=+1,3.0,72e-1"])
def test_values(line_pipeline: Any, body: str) -> None:
    client = serve(ValuesModel(name="line", pipeline=line_pipeline))
    response = line(post_bytes(client, "/line/predict/", body.replace("+", "%2B").encode(), FORM))
    assert response == repr(float(line_pipeline.predict([[1, 3, 7.2]])[0]))


@pytest.mark.parametrize(
    "document", [{"values": [1, 3, 7.2]}, [[1, 3, 7.2]], [{"values": [1, 3, 7.2]}]]
)
def test_values_as_json(line_pipeline: Any, document: object) -> None:
    client = serve(ValuesModel(name="line", pipeline=line_pipeline))
    expected = line_pipeline.predict([[1, 3, 7.2]]).tolist()
    assert predictions(post_json(client, "/line/predict/", document)) == expected


@pytest.mark.parametrize("content_type", [FORM, "multipart/form-data"])
def test_key_value_form(client: FlaskClient, content_type: str) -> None:
    response = client.post(PATH, data=SETOSA, content_type=content_type)
    assert line(response) == "0"
    assert line(client.post(PATH, data=VIRGINICA, content_type=content_type)) == "2"


def test_json_object_is_one_row(client: FlaskClient) -> None:
    response = post_json(client, PATH, SETOSA)
    assert response.content_type == JSON
    assert json.loads(response.data) == {
        "model": "iris",
        "version": None,
        "method": "predict",
        "predictions": [0],
    }


@pytest.mark.parametrize(
    "rows",
    [
        [SETOSA, VIRGINICA],
        [list(SETOSA.values()), list(VIRGINICA.values())],
        [SETOSA, list(VIRGINICA.values())],
        [dict(reversed(SETOSA.items())), dict(reversed(VIRGINICA.items()))],
    ],
    ids=["objects", "arrays", "both", "objects in another order"],
)
def test_json_array_is_many_rows(client: FlaskClient, rows: list[Any]) -> None:
    assert predictions(post_json(client, PATH, rows)) == [0, 2]


def test_what_comes_out_is_what_the_estimator_returns(client: FlaskClient, pipeline: Any) -> None:
    response = post_json(client, "/iris/predict_proba/", X.tolist())
    assert predictions(response) == pipeline.predict_proba(X).tolist()


def test_probabilities(client: FlaskClient, pipeline: Any) -> None:
    expected = pipeline.predict_proba([list(SETOSA.values())])[0].tolist()
    text = line(client.post("/iris/predict_proba/", data=SETOSA))
    assert text == ",".join(map(repr, expected))
    response = post_json(client, "/iris/predict_proba/", SETOSA)
    assert predictions(response) == [expected]
    assert json.loads(response.data)["classes"] == [0, 1, 2]


def test_no_probabilities_without_probability(pipeline: Any) -> None:
    client = serve(KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA))
    assert client.post("/iris/predict_proba/", data=SETOSA).status_code == 404
    assert line(client.post(PATH, data=SETOSA)) == "0"


@pytest.mark.parametrize(
    ("method", "has_classes"),
    [
        ("predict", False),
        ("predict_proba", True),
        ("predict_log_proba", True),
        ("decision_function", True),
    ],
)
def test_every_method_of_a_classifier(pipeline: Any, method: str, *, has_classes: bool) -> None:
    client = serve(KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA, methods=[method]))
    response = post_json(client, f"/iris/{method}/", [SETOSA])
    assert predictions(response) == getattr(pipeline, method)([list(SETOSA.values())]).tolist()
    document = json.loads(response.data)
    assert document["method"] == method
    assert document.get("classes") == ([0, 1, 2] if has_classes else None)
    assert ("classes" in document) is has_classes


# Addresses and methods


@pytest.mark.parametrize("path", ["/iris/predict/", "/iris/predict"])
def test_slash_or_none_without_a_redirect(client: FlaskClient, path: str) -> None:
    assert line(client.post(path, data=SETOSA)) == "0"
    for method in ("GET", "PUT", "DELETE", "PATCH", "HEAD"):
        response = client.open(path, method=method)
        assert response.status_code == 405
        assert response.allow.as_set() == {"post", "options"}
    options = client.options(path)
    assert (options.status_code, options.allow.as_set()) == (200, {"post", "options"})


@pytest.mark.parametrize(
    "path", ["/-", "/iris/traffic", "/-/models", "/-/health/live", "/-/health/ready"]
)
def test_pages_are_read_alone(client: FlaskClient, path: str) -> None:
    for address in (path, f"{path}/"):
        response = client.get(address)
        assert (response.status_code, response.content_type) == (200, JSON)
        head = client.head(address)
        assert (head.status_code, head.data) == (200, b"")
        assert head.content_length == len(response.data)
        refused = client.post(address)
        assert refused.status_code == 405
        assert refused.allow.as_set() == {"get", "head", "options"}
        assert client.options(address).allow.as_set() == {"get", "head", "options"}


def test_page_of_a_model(client: FlaskClient) -> None:
    document = client.get("/iris/").get_json()
    assert {k: document[k] for k in ("name", "version", "methods", "classes", "estimator")} == {
        "name": "iris",
        "version": None,
        "methods": ["predict", "predict_proba"],
        "classes": [0, 1, 2],
        "estimator": "Pipeline",
    }
    assert document["fields"] == {name: {"type": "number", "minimum": 0} for name in FIELDS}
    assert document["required"] == list(FIELDS)


def test_page_of_all_models(client: FlaskClient, models: SKModels, line_pipeline: Any) -> None:
    models.add("line", line_pipeline, description="One, ten, a hundred.", examples=[[1, 2, 3]])
    document = client.get("/-/models").get_json()
    assert [model["name"] for model in document["models"]] == ["iris", "line"]
    assert document["models"][1]["description"] == "One, ten, a hundred."
    assert document["models"][1]["examples"] == [[1, 2, 3]]
    assert document["models"][1] == client.get("/line").get_json()


def test_health(client: FlaskClient) -> None:
    assert client.get("/-/health/live").get_json() == {"live": True}
    iris: dict[str, object] = {
        "ready": True,
        "loaded": True,
        "version": None,
        "sklearn_version": None,
        "failed": [],
    }
    document = client.get("/-/health/ready").get_json()
    assert document == {
        "ready": True,
        "draining": False,
        "ready_models": 1,
        "total_models": 1,
        "models": {"iris": iris},
    }


# Negotiation


@pytest.mark.parametrize(
    ("accept", "from_form", "from_json"),
    [
        (None, "text/plain", JSON),
        ("", "text/plain", JSON),
        ("*/*", "text/plain", JSON),
        ("text/plain", "text/plain", "text/plain"),
        ("text/*", "text/plain", "text/plain"),
        ("text/plain; charset=utf-8", "text/plain", "text/plain"),
        ("TEXT/PLAIN", "text/plain", "text/plain"),
        (JSON, JSON, JSON),
        ("application/json;charset=UTF-8", JSON, JSON),
        ("application/*", JSON, JSON),
        ("text/plain;q=0.1, application/json;q=0.9", JSON, JSON),
        ("text/plain;q=0.9, application/json;q=0.1", "text/plain", "text/plain"),
        ("text/plain, application/json", "text/plain", JSON),
        ("application/json, text/plain, */*", "text/plain", JSON),
        ("*/*;q=0.1, application/json", JSON, JSON),
        ("application/json;q=0, */*", "text/plain", "text/plain"),
        ("text/plain;q=0, */*", JSON, JSON),
        (BROWSER, "text/plain", JSON),
    ],
)
def test_accept(client: FlaskClient, accept: str | None, from_form: str, from_json: str) -> None:
    headers = {} if accept is None else {"Accept": accept}
    expected = {"text/plain": "0", JSON: [0]}
    form = client.post(PATH, data=SETOSA, headers=headers)
    document = post_json(client, PATH, SETOSA, accept)
    for response, media_type in ((form, from_form), (document, from_json)):
        read = line if media_type == "text/plain" else predictions
        assert read(response) == expected[media_type]


@pytest.mark.parametrize(
    "accept",
    [
        *("application/xml", "text/html", "image/*", "*/*;q=0", "application/problem+json"),
        *("text", "*", "*/plain", ";;;", "\xff", "a" * 5000, "text/plain;version=2"),
        "text/plain;q=0, application/json;q=0",
    ],
)
def test_not_acceptable(client: FlaskClient, accept: str) -> None:
    response = post_json(client, PATH, SETOSA, accept)
    assert response.status_code == 406
    assert "text/plain, application/json" in response.text
    if "version" not in accept:
        assert errors_of(response, 406) == [(None, None, "accept")]


@pytest.mark.parametrize("accept", ["text/plain;q=abc", "text/plain;q=-1", "text/plain;q=nan", ","])
def test_nonsense_in_accept_is_no_server_error(client: FlaskClient, accept: str) -> None:
    assert post_json(client, PATH, SETOSA, accept).status_code in {200, 406}


@pytest.mark.parametrize(
    "content_type",
    [
        *("text/plain", "application/xml", "text/json", "application/", "application/jsonx"),
        *("\xff", ";", "application/vnd.api+json", "text/yaml", "multipart/mixed"),
    ],
)
def test_unsupported_content_type(client: FlaskClient, content_type: str) -> None:
    response = post_bytes(client, PATH, b"{}", content_type)
    assert errors_of(response, 415) == [(None, None, "content_type")]
    assert "application/json" in messages_of(response, 415)[0]


def test_body_without_content_type(client: FlaskClient) -> None:
    response = client.post(PATH, data=b"{}", content_type=None)
    assert errors_of(response, 415) == [(None, None, "content_type")]
    assert errors_of(client.post(PATH)) == [(0, name, "required") for name in FIELDS]


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/json;;;"]
)
def test_content_type_in_other_words(client: FlaskClient, content_type: str) -> None:
    body = json.dumps(SETOSA).encode()
    assert predictions(post_bytes(client, PATH, body, content_type)) == [0]


# Errors


ERROR_LINES = (
    "row 0, field sepal_width, rule min: min value is 0\n"
    "row 0, field petal_width, rule required: required field"
)


@pytest.mark.parametrize(
    ("accept", "is_text"),
    [
        (None, False),
        ("*/*", False),
        (JSON, False),
        (BROWSER, False),
        ("application/json;q=0.9, text/plain;q=0.5", False),
        ("application/problem+json, text/plain;q=0.5", False),
        ("text/plain;q=0, */*", False),
        ("text/plain", True),
        ("text/plain; charset=utf-8", True),
        ("text/*", True),
        ("text/plain, application/json", True),
        ("text/plain, */*;q=0.1", True),
    ],
)
def test_errors_are_text_for_who_asks(
    client: FlaskClient, accept: str | None, *, is_text: bool
) -> None:
    row = dict(zip(FIELDS, (5.1, -1, 1.4), strict=False))
    headers = {} if accept is None else {"Accept": accept}
    response = client.post(PATH, data=row, headers=headers)
    if is_text:
        assert response.status_code == 400
        assert response.content_type == "text/plain; charset=utf-8"
        assert response.text == ERROR_LINES
    else:
        assert problem(response, 400)["errors"] == [
            {"row": 0, "field": "sepal_width", "rule": "min", "message": "min value is 0"},
            {"row": 0, "field": "petal_width", "rule": "required", "message": "required field"},
        ]


def test_problem_document(client: FlaskClient) -> None:
    document = problem(post_bytes(client, PATH, b"[]", JSON), 400)
    assert document == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "the input has 1 error",
        "errors": [
            {
                "row": None,
                "field": None,
                "rule": "empty",
                "message": "there must be at least one row",
            }
        ],
        "error_count": 1,
    }


def chunked(client: FlaskClient, path: str, body: bytes, content_type: str = JSON) -> TestResponse:
    """Send a body without its length, as a server hands it on that has decoded the chunks."""
    return client.open(
        path,
        method="POST",
        input_stream=io.BytesIO(body),
        headers={"Transfer-Encoding": "chunked", "Content-Type": content_type},
        environ_overrides={"wsgi.input_terminated": True},
    )


def test_chunked_body(client: FlaskClient) -> None:
    assert predictions(chunked(client, PATH, json.dumps(SETOSA).encode())) == [0]


def test_limit_of_the_host(pipeline: Any) -> None:
    model = KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA)
    client = serve(model, MAX_CONTENT_LENGTH=100)
    assert line(client.post(PATH, data=SETOSA)) == "0"
    body = json.dumps([SETOSA] * 2).encode()
    too_large = [(None, None, "max_content_length")]
    assert errors_of(post_bytes(client, PATH, body, JSON), 413) == too_large
    assert errors_of(chunked(client, PATH, body), 413) == too_large
    assert errors_of(client.post(PATH, data=SETOSA | {"a": "b" * 90}), 413) == too_large


@pytest.mark.parametrize(("extra", "status"), [(0, 400), (1, 413)])
def test_limit_of_64_mib_where_the_host_sets_none(
    client: FlaskClient, extra: int, status: int
) -> None:
    response = post_bytes(client, PATH, b" " * (64 * 1024 * 1024 + extra), JSON)
    rule = "json" if status == 400 else "max_content_length"
    assert errors_of(response, status) == [(None, None, rule)]


def test_chunked_form_is_not_cut_at_the_limit(pipeline: Any) -> None:
    body = encoded(SETOSA).encode()
    model = KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA)
    exactly = serve(model, MAX_CONTENT_LENGTH=len(body))
    assert line(chunked(exactly, PATH, body, FORM)) == "0"
    response = chunked(exactly, PATH, body + b"5", FORM)
    assert errors_of(response, 413) == [(None, None, "max_content_length")]


def test_limit_that_the_host_sets_for_one_request(models: SKModels) -> None:
    app = Flask("host")

    @app.before_request
    def limit() -> None:
        request.max_content_length = 10

    models.init_app(app)
    response = post_json(app.test_client(), PATH, SETOSA)
    assert errors_of(response, 413) == [(None, None, "max_content_length")]


def test_limit_of_nothing_at_all(pipeline: Any) -> None:
    model = KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA)
    client = serve(model, MAX_CONTENT_LENGTH=0)
    too_large = [(None, None, "max_content_length")]
    assert errors_of(post_json(client, PATH, SETOSA), 413) == too_large
    assert errors_of(post_json(client, PATH, [SETOSA] * 500), 413) == too_large


@pytest.mark.parametrize("rows", [[SETOSA], [SETOSA] * 500])
def test_stream_of_the_request_is_read_to_its_end(models: SKModels, rows: Any) -> None:
    app = Flask("host")
    left = []

    @app.after_request
    def read(response: Response) -> Response:
        left.append(request.stream.read())
        return response

    models.init_app(app)
    assert post_json(app.test_client(), PATH, rows).status_code == 200
    assert left == [b""]


def replace_body(response: Response, parts: Iterable[Any]) -> None:
    """Give an answer another body, of a length that Werkzeug has to find out if it can."""
    response.response = parts
    response.headers.remove("Content-Length")


CHANGES: dict[str, tuple[Callable[[Response], Any], int, bytes]] = {
    "body": (lambda response: response.set_data("abcd"), 200, b"abcd"),
    "parts": (lambda response: replace_body(response, ["ab", b"c"]), 200, b"abc"),
    "stream": (lambda response: replace_body(response, iter([b"ab", b"c"])), 200, b"abc"),
    "nothing": (lambda response: setattr(response, "status_code", 204), 204, b""),
    "not modified": (lambda response: setattr(response, "status_code", 304), 304, b""),
    "no length": (lambda response: response.headers.remove("Content-Length"), 200, b"0"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_answer_that_the_host_changes(models: SKModels, what: str) -> None:
    """The host's hooks get an ordinary response, and what they make of it is sent as Werkzeug's."""
    change, status, body = CHANGES[what]
    response = _changed(models, change)
    assert (response.status_code, response.data) == (status, body)
    has_length = status == 200 and what != "stream"
    assert response.headers.get("Content-Length") == (str(len(body)) if has_length else None)


def test_address_that_the_host_adds_is_made_whole(models: SKModels) -> None:
    response = _changed(models, lambda response: setattr(response, "location", "/\xe9"))
    assert response.headers["Location"] == "/%C3%A9"


def _changed(models: SKModels, change: Callable[[Response], Any]) -> TestResponse:
    app = Flask("host")

    @app.after_request
    def changed(response: Response) -> Response:
        change(response)
        return response

    models.init_app(app)
    return app.test_client().post(PATH, data=SETOSA)


def test_host_hears_when_an_answer_was_sent(models: SKModels) -> None:
    app, sent = Flask("host"), []

    @app.after_request
    def watched(response: Response) -> Response:
        response.call_on_close(lambda: sent.append(response.status_code))
        return response

    models.init_app(app)
    app.test_client().post(PATH, data=SETOSA).close()
    assert sent == [200]


def test_body_of_a_type_without_a_name_is_no_form(client: FlaskClient) -> None:
    """A body of no length is a form without fields, one of any length is of no known type."""
    assert client.post(PATH, data=b"", content_type=";").status_code == 400
    response = client.post(PATH, data=encoded(SETOSA), content_type=";")
    assert errors_of(response, 415) == [(None, None, "content_type")]


def test_host_is_not_limited(models: SKModels) -> None:
    app = Flask("host")

    @app.post("/upload")
    def upload() -> str:
        return str(request.max_content_length)

    models.init_app(app)
    client = app.test_client()
    post_json(client, PATH, SETOSA)
    assert client.post("/upload").text == "None"


@pytest.mark.parametrize(("rows", "status"), [(3, 200), (4, 413)])
def test_limit_of_rows(pipeline: Any, rows: int, status: int) -> None:
    model = KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA)
    client = serve(model, SKMODELS_MAX_ROWS=3)
    response = post_json(client, PATH, [SETOSA] * rows)
    if status == 200:
        assert predictions(response) == [0, 0, 0]
    else:
        assert errors_of(response, 413) == [(None, None, "max_rows")]
        assert messages_of(response, 413) == ["at most 3 rows are allowed, 4 were sent"]


def test_failure_of_the_estimator_tells_nothing(
    pipeline: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def hook(X: Any) -> Any:
        raise ValueError("secret of /etc/model.pkl")

    client = serve(hooked(pipeline, hook))
    with caplog.at_level(logging.ERROR, "served"):
        response = client.post("/hooked/predict/", data=SETOSA)
    assert problem(response, 500) == {
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "detail": "the prediction failed",
        "errors": [],
        "error_count": 0,
    }
    text = client.post("/hooked/predict/", data=SETOSA, headers={"Accept": "text/plain"})
    assert (text.status_code, text.text) == (500, "the prediction failed")
    record = caplog.records[0]
    assert record.getMessage() == "prediction failed: POST /hooked/predict/"
    assert record.exc_info is not None
    assert "secret of /etc/model.pkl" in str(record.exc_info[1])
    assert record.exc_info[2] is not None


@pytest.mark.parametrize("hook", [lambda X: [0], lambda X: [], lambda X: 0, lambda X: None])
def test_answer_that_is_not_one_a_row(pipeline: Any, hook: Callable[[Any], Any]) -> None:
    client = serve(hooked(pipeline, hook))
    assert problem(post_json(client, "/hooked/predict/", [SETOSA] * 2), 500)["errors"] == []


class Odd(HTTPException):
    code = 460
    description = "An odd one."


def stop(exception: BaseException | int | Response) -> Callable[..., None]:
    def receiver(sender: Flask, **extra: object) -> None:
        if isinstance(exception, BaseException):
            raise exception
        abort(exception)

    return receiver


def test_http_error_of_a_code_without_a_name(client: FlaskClient) -> None:
    receiver = stop(Odd())
    before_prediction.connect(receiver)
    document = problem(client.post(PATH, data=SETOSA), 460)
    assert (document["title"], document["detail"]) == ("Unknown Error", "An odd one.")


def test_http_error_without_a_code(client: FlaskClient) -> None:
    receiver = stop(HTTPException("No code."))
    before_prediction.connect(receiver)
    assert problem(client.post(PATH, data=SETOSA), 500)["title"] == "Internal Server Error"


def test_http_error_with_an_answer_of_its_own(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        receiver = stop(make_response("teapot", 418))
    before_prediction.connect(receiver)
    response = client.post(PATH, data=SETOSA, headers={"X-Request-ID": "a"})
    assert (response.status_code, response.text) == (418, "teapot")
    assert response.headers["X-Request-ID"] == "a"


# Request ids


@pytest.mark.parametrize("given", ["abc", "!~", "x" * 128, "0b9e-11:/?"])
def test_request_id_is_taken(client: FlaskClient, given: str) -> None:
    headers = {"X-Request-ID": given}
    responses = [
        client.post(PATH, data=SETOSA, headers=headers),
        client.post(PATH, data={}, headers=headers),
        client.post(PATH, data="x", content_type="application/xml", headers=headers),
        client.post(PATH, data=SETOSA, headers={**headers, "Accept": "text/html"}),
        client.get("/iris", headers=headers),
        client.get("/-/models", headers=headers),
        client.get("/-/health/live", headers=headers),
    ]
    assert [response.status_code for response in responses] == [200, 400, 415, 406, 200, 200, 200]
    assert [response.headers.getlist("X-Request-ID") for response in responses] == [[given]] * 7


@pytest.mark.parametrize("given", [None, "", "x" * 129, "a b", "a\tb", "\xe9", "\x7f"])
def test_request_id_is_made(client: FlaskClient, given: str | None) -> None:
    headers = {} if given is None else {"X-Request-ID": given}
    made = [client.post(PATH, data=row, headers=headers) for row in (SETOSA, SETOSA, {})]
    ids = [response.headers["X-Request-ID"] for response in made]
    assert len(set(ids)) == 3
    assert given not in ids
    assert all(len(each) == 32 and each.isalnum() for each in ids)


def test_request_ids_are_the_own_ones_of_each_process(client: FlaskClient) -> None:
    """Also after a fork, and where the host has seeded Python's random numbers."""
    made = set()
    for _ in range(2):
        random.seed(0)
        made.add(client.post(PATH, data=SETOSA).headers["X-Request-ID"])
    made |= {_id_of_a_forked_child(client), _id_of_a_forked_child(client)}
    assert len(made - {""}) == 4


def _id_of_a_forked_child(client: FlaskClient) -> str:
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writer, client.post(PATH, data=SETOSA).headers["X-Request-ID"].encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        found = told.read()
    os.waitpid(child, 0)
    return found


def test_request_id_of_a_failure(pipeline: Any) -> None:
    client = serve(hooked(pipeline, lambda X: None))
    response = client.post("/hooked/predict/", data=SETOSA, headers={"X-Request-ID": "mine"})
    assert (response.status_code, response.headers["X-Request-ID"]) == (500, "mine")


# The whole application


def test_created_application_answers_with_problems(pipeline: Any) -> None:
    client = create_app(
        [KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA)]
    ).test_client()
    assert line(client.post(PATH, data=SETOSA)) == "0"
    missing = client.post("/none/s3cr3t")
    assert problem(missing, 404)["title"] == "Not Found"
    assert "s3cr3t" not in missing.text
    refused = client.get(PATH)
    assert problem(refused, 405)["title"] == "Method Not Allowed"
    assert refused.allow.as_set() == {"post", "options"}
    text = client.get("/none", headers={"Accept": "text/plain"})
    assert (text.status_code, text.content_type) == (404, "text/plain; charset=utf-8")
    assert client.get("/static/x").content_type == PROBLEM


def test_created_application_takes_classes(pipeline: Any) -> None:
    class Iris(KeyValueModel):
        schema = SCHEMA

    Iris.pipeline = pipeline
    assert line(
        create_app([Iris]).test_client().post(PATH, data=encoded(SETOSA), content_type=FORM)
    )
