"""The pages without JavaScript, and their JSON documents."""

from __future__ import annotations

import base64
import gc
import re
from datetime import date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from weakref import ref

import numpy as np
import pandas as pd
import pytest
from flask import Flask, abort
from flask.testing import FlaskClient
from flask_wtf import CSRFProtect
from sklearn.decomposition import PCA
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from flask_skmodels import (
    Artifact,
    KeyValueModel,
    Model,
    ModelError,
    SKModels,
    ValuesModel,
    before_prediction,
)
from flask_skmodels.codecs import registration
from flask_skmodels.testing import record_signals
from tests.support.command_line import without_pyarrow
from tests.support.helpers import FIELDS, JSON, SCHEMA, SETOSA, VIRGINICA, X, Y, problem, serve
from tests.support.html import (
    HTML,
    Element,
    bars,
    errors_beside,
    file_of,
    fill,
    get,
    read,
    rows_of,
    statistics,
    submit,
    upload,
)
from tests.support.versions_folder import (
    application,
    deployment_of,
    extension_of,
    iris,
    put,
    refresh,
)

pytestmark = pytest.mark.usefixtures("strict_host")

STATIC = Path(__file__).parent.parent.parent / "flask_skmodels" / "pages" / "static"
TEXTS: dict[str, Any] = {name: str(value) for name, value in SETOSA.items()}
NASTY = "<script>alert(1)</script>'\"&"
CSV = b"sepal_length,sepal_width,petal_length,petal_width\n5.1,3.5,1.4,0.2\n6.3,3.3,6.0,2.5\n"


@pytest.fixture
def flowers(pipeline: Any) -> FlaskClient:
    """An application with the iris model, with two examples, labels and units."""
    iris = KeyValueModel(
        name="iris",
        pipeline=pipeline,
        probability=True,
        description="Species of an iris flower.\n\nFrom four lengths.",
        examples=[SETOSA, VIRGINICA],
        schema={
            name: {"min": 0, "max": 30, "meta": {"label": name.title(), "unit": "cm"}}
            for name in FIELDS
        },
    )
    return serve(iris)


@pytest.fixture
def mixed(mixed_pipeline: Any) -> FlaskClient:
    """An application with a model of a text and a number that can be missing."""
    birds = KeyValueModel(
        name="birds",
        pipeline=mixed_pipeline,
        schema={
            "island": {"allowed": ["Biscoe", "Dream", "Torgersen"]},
            "mass": {"min": 1000, "nullable": True},
        },
    )
    return serve(birds)


def result_of(page: Element) -> Element:
    return page.one("div", id="result")


# Negotiation


@pytest.mark.parametrize("path", ["/-/", "/-", "/iris/", "/iris", "/iris/traffic/"])
@pytest.mark.parametrize(
    ("accept", "is_page"),
    [
        (HTML["Accept"], True),
        ("text/html", True),
        ("text/html, application/json;q=0.9", True),
        (None, False),
        ("*/*", False),
        ("application/json", False),
        ("application/json, text/html;q=0.9", False),
        ("application/json, text/html", False),
        ("text/plain", False),
    ],
)
def test_browser_gets_a_page_and_a_client_json(
    client: FlaskClient, path: str, accept: str | None, *, is_page: bool
) -> None:
    response = client.get(path, headers={} if accept is None else {"Accept": accept})
    assert response.status_code == 200
    assert response.content_type == ("text/html; charset=utf-8" if is_page else JSON)
    assert "Accept" in response.vary
    assert response.headers["X-Request-ID"]


def test_client_that_posts_to_the_page_is_answered_by_the_first_method(
    client: FlaskClient,
) -> None:
    assert client.post("/iris/", data=SETOSA).text == "0"
    assert client.post("/iris/", json=SETOSA).get_json()["predictions"] == [0]
    problem(client.post("/iris/", json={}), 400)


def test_without_pages_there_are_none(pipeline: Any) -> None:
    iris = KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA)
    client = serve(iris, SKMODELS_PAGES=False)
    assert client.get("/iris/", headers=HTML).content_type == JSON
    assert client.post("/iris/", data=SETOSA, headers=HTML).status_code == 405
    for path in ("/-/", "/iris/traffic/", "/iris/pipeline/", "/-/static/pages.css"):
        assert client.get(path, headers=HTML).status_code == 404


@pytest.mark.parametrize("path", ["/-/", "/iris/", "/iris/traffic/", "/iris/card/"])
def test_page_allows_nothing_inline_and_nothing_from_elsewhere(
    client: FlaskClient, path: str
) -> None:
    response = client.get(path, headers=HTML)
    policy = response.headers["Content-Security-Policy"].split("; ")
    assert policy[0] == "default-src 'none'"
    assert {"script-src 'self'", "style-src 'self'", "base-uri 'none'"} <= {*policy}
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    page = read(response)
    assert not page.all("style")
    assert {script.text for script in page.all("script")} == {""}
    assert not re.search(r"\s(style|on\w+)=", response.text)
    addresses = re.findall(r'(?:href|src|action)="([^"]*)"', response.text)
    assert [a for a in addresses if not a.startswith(("/", "#", "data:"))] == []


@pytest.mark.parametrize(("name", "kind"), [("pages.css", "text/css"), ("pages.js", "javascript")])
def test_static_files(client: FlaskClient, name: str, kind: str) -> None:
    page = client.get("/-/", headers=HTML).text
    [address] = re.findall(rf'"(/-/static/{name}\?v=\w+)"', page)
    response = client.get(address)
    assert kind in response.content_type
    assert response.data == (STATIC / name).read_bytes()
    assert "immutable" in response.headers["Cache-Control"]


@pytest.mark.parametrize("name", ["none.css", "..%2Fpages.py", "py.typed"])
def test_no_other_file_is_static(client: FlaskClient, name: str) -> None:
    assert client.get(f"/-/static/{name}").status_code == 404


# The index


def test_index_shows_what_each_model_does(flowers: FlaskClient) -> None:
    flowers.post("/iris/predict/", json=[SETOSA, VIRGINICA])
    flowers.post("/iris/predict/", json={})
    [entry] = get(flowers, "/-/").one("ul", class_="models").all("li")
    assert entry.one("h2").one("a").attributes["href"] == "/iris/"
    assert "Species of an iris flower." in entry.text
    assert "From four lengths" not in entry.text
    assert "StandardScaler → LogisticRegression" in entry.text
    shown = statistics(entry)
    assert (shown["Predictions"], shown["Errors"]) == ("1 2 rows", "1")
    assert shown["Median time"].endswith("s")


def test_index_as_json(flowers: FlaskClient) -> None:
    flowers.post("/iris/predict/", json=[SETOSA, VIRGINICA])
    document = flowers.get("/-/").get_json()
    [model] = document["models"]
    assert (model["name"], model["url"], model["version"]) == ("iris", "/iris/", None)
    assert model["methods"] == ["predict", "predict_proba"]
    assert model["description"].startswith("Species")
    traffic = model["traffic"]
    assert (traffic["predictions"], traffic["rows"], traffic["failures"]) == (1, 2, 0)
    assert traffic["seconds"]["median"] > 0


def test_index_without_models() -> None:
    page = get(serve(), "/-/")
    assert page.one("h2").text == "No models yet"
    assert "In the Python code of the application, add a trained model:" in page.text
    assert not page.all("form")


def test_index_is_searched_when_there_are_many(line_pipeline: Any) -> None:
    many = [Model(name=f"m{n}", pipeline=line_pipeline) for n in range(8)]
    assert not get(serve(*many), "/-/").all("form")
    client = serve(*many, Model(name="odd", pipeline=line_pipeline, description="A rare bird"))
    assert get(client, "/-/").one("form").attributes["role"] == "search"
    found = get(client, "/-/?q=RARE+bird").one("ul", class_="models").all("li")
    assert [each.one("h2").text for each in found] == ["odd"]
    assert [m["name"] for m in client.get("/-/?q=m3").get_json()["models"]] == ["m3"]


def test_search_without_a_finding_shows_no_markup_of_its_own(line_pipeline: Any) -> None:
    client = serve(*(Model(name=f"m{n}", pipeline=line_pipeline) for n in range(9)))
    page = read(client.get("/-/", query_string={"q": NASTY}, headers=HTML))
    assert page.one("h2").text == "No models found"
    assert page.one("input", id="q").attributes["value"] == NASTY
    assert len(page.all("script")) == 1


@pytest.mark.full
def test_index_of_very_many_models_shows_the_first(line_pipeline: Any) -> None:
    client = serve(*(Model(name=f"m{n}", pipeline=line_pipeline) for n in range(120)))
    page = get(client, "/-/")
    assert len(page.one("ul", class_="models").all("li")) == 100
    assert "Showing the first 100 of 120 models" in page.text
    assert len(client.get("/-/").get_json()["models"]) == 120


def test_index_shows_what_the_visitor_may_see(line_pipeline: Any) -> None:
    models = [Model(name=name, pipeline=line_pipeline) for name in ("open", "secret")]
    client = serve(*models, SKMODELS_VISIBLE=lambda model: model.name == "open")
    assert "secret" not in client.get("/-/", headers=HTML).text
    assert [m["name"] for m in client.get("/-/").get_json()["models"]] == ["open"]


def test_visibility_that_needs_a_login(pipeline: Any) -> None:
    iris = KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA)
    client = serve(iris, SKMODELS_VISIBLE=lambda model: abort(401))
    assert get(client, "/-/", 401).one("h1").text == "Unauthorized"


# Guards


def refuse(view: Any) -> Any:
    return lambda **arguments: abort(401)


PLACES = ["/iris/", "/iris/traffic/", "/iris/card/", "/iris/pipeline/"]


@pytest.mark.parametrize("path", PLACES)
def test_decorators_of_a_model_guard_its_pages(pipeline: Any, path: str) -> None:
    iris = KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA, decorators=[refuse])
    client = serve(iris)
    assert client.get(path, headers=HTML).status_code == 401
    assert client.post("/iris/", data=SETOSA, headers=HTML).status_code == 401
    assert client.get("/-/", headers=HTML).status_code == 200


@pytest.mark.parametrize("path", [*PLACES, "/-/"])
def test_decorators_of_the_extension_guard_all_pages(pipeline: Any, path: str) -> None:
    app = Flask("host")
    SKModels(app, decorators=[refuse]).add("iris", pipeline, schema=SCHEMA)
    assert app.test_client().get(path, headers=HTML).status_code == 401


def test_form_of_another_site_is_refused_with_a_login(flowers: FlaskClient) -> None:
    flowers.set_cookie("session", "secret")
    headers = {**HTML, "Origin": "https://elsewhere.example"}
    page = read(flowers.post("/iris/", data=SETOSA, headers=headers), 403)
    assert page.one("h1").text == "Forbidden"


def test_form_carries_the_token_of_the_host(pipeline: Any) -> None:
    app = Flask("host")
    app.config["SECRET_KEY"] = "x" * 32
    CSRFProtect(app)
    models = SKModels(app)
    models.add("iris", pipeline, schema=SCHEMA, purge_unknown=False)
    client = app.test_client()
    assert client.post("/iris/", data=SETOSA, headers=HTML).status_code == 400
    assert result_of(submit(client, "/iris/", **TEXTS)).one("p", class_="prediction").text == "0"
    token = fill(get(client, "/iris/"), "upload")["csrf_token"]
    assert upload(client, "/iris/", CSV, "rows.csv", csrf_token=token).all("table", class_="rows")


def test_host_may_exempt_the_clients_from_its_token(pipeline: Any) -> None:
    app = Flask("host")
    app.config["SECRET_KEY"] = "x" * 32
    protect = CSRFProtect(app)
    models = SKModels(app)
    models.add("iris", pipeline, schema=SCHEMA)
    assert app.test_client().post("/iris/predict/", json=SETOSA).status_code == 400
    protect.exempt(models.blueprint)
    assert app.test_client().post("/iris/predict/", json=SETOSA).status_code == 200


# The form


def test_form_is_drawn_from_the_schema(flowers: FlaskClient) -> None:
    page = get(flowers, "/iris/")
    assert page.one("h1").text == "iris"
    label = page.one("label", **{"for": "field-0"})
    assert label.text == "Sepal_Length cm"
    attributes = page.one("input", name="sepal_length").attributes
    assert attributes["type"] == "number"
    assert (attributes["min"], attributes["max"], attributes["step"]) == ("0", "30", "any")
    assert attributes["aria-required"] == "true"
    assert page.one("form", data_live="predict").attributes["action"] == "/iris/#result"


def test_form_begins_with_an_example(flowers: FlaskClient) -> None:
    assert fill(get(flowers, "/iris/")) == TEXTS
    assert fill(get(flowers, "/iris/?example=1"))["sepal_length"] == "6.3"
    links = [
        a.attributes["href"] for a in get(flowers, "/iris/").one("p", class_="examples").all("a")
    ]
    assert links == ["/iris/?example=0", "/iris/?example=1"]
    for odd in ("7", "-1", "x"):
        assert get(flowers, f"/iris/?example={odd}").all("form")


def test_answer_is_shown_with_probabilities(flowers: FlaskClient) -> None:
    page = submit(flowers, "/iris/?example=1")
    shown = result_of(page)
    assert shown.one("p", class_="prediction").text == "2"
    expected = flowers.post("/iris/predict_proba/", json=VIRGINICA).get_json()["predictions"][0]
    assert list(bars(shown)) == ["2", "1", "0"]
    assert bars(shown)["2"] == f"{expected[2]:.1%}"
    widths = [float(r.attributes["width"]) for r in shown.all("rect", class_="fill")]
    assert widths == pytest.approx(sorted((100 * p for p in expected), reverse=True), abs=1e-3)
    assert fill(page)["petal_width"] == "2.5"


def test_error_is_shown_beside_its_field(flowers: FlaskClient) -> None:
    page = submit(flowers, "/iris/", 400, sepal_length="-3", petal_width="")
    assert errors_beside(page) == {
        "sepal_length": "must be at least 0",
        "petal_width": "a value is needed",
    }
    listed = result_of(page).one("ul", class_="errors")
    assert [a.attributes["href"] for a in listed.all("a")] == ["#field-0", "#field-3"]
    assert fill(page)["sepal_length"] == "-3"
    assert page.one("title").text == "Error: iris"


def test_what_was_sent_is_shown_as_text_alone(flowers: FlaskClient) -> None:
    response = flowers.post("/iris/", data={**SETOSA, "sepal_length": NASTY}, headers=HTML)
    page = read(response, 400)
    assert len(page.all("script")) == 2  # of the library
    assert fill(page)["sepal_length"] == NASTY
    assert "<script>alert" not in response.text


def test_unknown_fields_are_not_shown(pipeline: Any) -> None:
    strict = KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA, purge_unknown=False)
    client = serve(strict)
    page = read(client.post("/iris/", data={**SETOSA, "odd": "1"}, headers=HTML))
    assert result_of(page).all("p", class_="prediction")
    page = upload(client, "/iris/", CSV.replace(b"\n", b",secret_name\n", 1), "a.csv", 400)
    assert "secret_name" not in page.text
    page = get(client, "/iris/traffic/")
    assert "secret_name" not in page.text


@pytest.mark.parametrize("body", [b"sepal_length=%ff", b"sepal_length=1%00"])
def test_broken_form_is_a_bad_request(flowers: FlaskClient, body: bytes) -> None:
    form = "application/x-www-form-urlencoded"
    with record_signals() as sent:
        page = read(flowers.post("/iris/", data=body, content_type=form, headers=HTML), 400)
    assert sent.names == ["input-rejected"]
    assert page.one(id="predict").all("form")
    assert "sepal_length" in errors_beside(page)


def test_request_as_code(flowers: FlaskClient) -> None:
    page = submit(flowers, "/iris/?example=1")
    curl, python = page.one("code", id="code-curl").text, page.one("code", id="code-Python").text
    assert "http://localhost/iris/predict/" in curl
    assert "Content-Type: application/json" in curl
    assert '"sepal_length":6.3' in curl
    assert '"sepal_length": 6.3,' in python
    compile(python.replace(" response", "\nresponse").replace(" print", "\nprint"), "page", "exec")


def test_other_methods_have_buttons(pipeline: Any) -> None:
    methods = ["predict", "decision_function"]
    client = serve(KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA, methods=methods))
    buttons = get(client, "/iris/").one("form", data_live="predict").all("button")
    assert [b.text for b in buttons] == ["Predict", "decision_function"]
    address = buttons[1].attributes["formaction"]
    page = read(client.post(address.partition("#")[0], data=SETOSA, headers=HTML))
    shown = dict(rows_of(result_of(page).one("table", class_="outputs")))
    expected = client.post("/iris/decision_function/", json=SETOSA).get_json()["predictions"][0]
    assert [float(shown[c]) for c in "012"] == pytest.approx(expected, rel=1e-4)
    get(client, "/iris/?method=none")
    assert client.post("/iris/?method=none", data=SETOSA, headers=HTML).status_code == 404


# Kinds of models


def test_model_of_values_has_an_input_for_each_position(pipeline: Any) -> None:
    client = serve(ValuesModel(name="iris", pipeline=pipeline, examples=[[5.1, 3.5, 1.4, 0.2]]))
    sent = fill(get(client, "/iris/"))
    assert sent == {"x0": "5.1", "x1": "3.5", "x2": "1.4", "x3": "0.2"}
    assert result_of(submit(client, "/iris/")).one("p", class_="prediction").text == "0"
    page = submit(client, "/iris/", 400, x1="wide", x3="")
    assert set(errors_beside(page)) == {"x1", "x3"}
    assert "item" not in "".join(errors_beside(page).values())
    assert '{"values":[5.1,3.5,1.4,0.2]}' in get(client, "/iris/").one("code", id="code-curl").text


def test_errors_are_in_words(pipeline: Any) -> None:
    schema: Any = {
        "sepal_length": {"max": 9},
        "sepal_width": {"type": ["integer", "number"]},
        "petal_length": {"forbidden": [0]},
        "petal_width": {"min": 0.5},
    }
    client = serve(KeyValueModel(name="iris", pipeline=pipeline, schema=schema))
    row = {"sepal_length": "9.5", "sepal_width": "wide", "petal_length": "0", "petal_width": "0"}
    assert errors_beside(submit(client, "/iris/", 400, **row)) == {
        "sepal_length": "must be at most 9",
        "sepal_width": "must be a whole number or a number",
        "petal_length": "this value is not allowed",
        "petal_width": "must be at least 0.5",
    }
    messages = [
        each["message"] for each in problem(client.post("/iris/predict/", data=row), 400)["errors"]
    ]
    assert messages[0] == "max value is 9"  # programs may compare these


def test_model_of_very_many_values_has_one_input() -> None:
    wide = LinearRegression().fit(np.eye(60), np.arange(60.0))
    client = serve(ValuesModel(name="wide", pipeline=wide, examples=[[1.0, *[0.0] * 59]]))
    assert fill(get(client, "/wide/"))["values"].startswith("1, 0, 0")
    assert result_of(submit(client, "/wide/")).all("p", class_="prediction")
    page = submit(client, "/wide/", 400, values="1, 2")
    assert list(errors_beside(page)) == ["values"]


def test_model_of_an_open_number_of_values() -> None:
    client = serve(Model(name="double", pipeline=FunctionTransformer(lambda x: x * 2)))
    page = submit(client, "/double/", values="1, 2.5")
    shown = result_of(page).one("table", class_="outputs")
    assert [row[1] for row in rows_of(shown)] == ["2", "5"]
    assert '{"values":[1,2.5]}' in page.one("code", id="code-curl").text
    assert list(errors_beside(submit(client, "/double/", 400, values="x"))) == ["values"]
    result = upload(client, "/double/", b"[[1, 2]]", "rows.json").one("table", class_="rows")
    assert rows_of(result) == [["prediction_0", "prediction_1"], ["2", "4"]]


def test_categories_and_missing_values(mixed: FlaskClient) -> None:
    page = get(mixed, "/birds/")
    options = page.one("select", name="island").all("option")
    assert [o.text for o in options] == ["choose", "Biscoe", "Dream", "Torgersen"]
    assert "optional" in page.one("label", **{"for": "field-1"}).text
    page = submit(mixed, "/birds/", island="Dream", mass="")
    assert result_of(page).one("p", class_="prediction").text == "light"
    assert '"mass":null' in page.one("code", id="code-curl").text
    assert '"mass": None' in page.one("code", id="code-Python").text
    assert list(errors_beside(submit(mixed, "/birds/", 400, island=""))) == ["island"]


def test_booleans_integers_dates_and_defaults() -> None:
    def days(text: str) -> int:
        return date.fromisoformat(text).toordinal()

    frame = np.array([[0.0, 1.0, 730000.0, 0.0]])
    model = LinearRegression().fit(np.vstack([frame, frame + 1]), [0.0, 1.0])
    client = serve(
        KeyValueModel(
            name="kinds",
            pipeline=model,
            schema={
                "flag": {"type": "boolean", "default": True},
                "count": {"type": "integer", "min": 1, "default": 3},
                "day": {"type": "integer", "coerce": days},
                "maybe": {"allowed": [0, 1], "default": 1},
            },
        )
    )
    page = get(client, "/kinds/")
    flag = page.one("input", name="flag").attributes
    assert flag["type"] == "checkbox"
    assert "checked" in flag
    count = page.one("input", name="count").attributes
    assert (count["step"], count["value"]) == ("1", "3")
    assert "aria-required" not in count
    sent = fill(page, day="2020-01-01")
    del sent["flag"]
    page = read(client.post("/kinds/", data=sent, headers=HTML))
    assert '"flag":false' in page.one("code", id="code-curl").text
    assert "checked" not in page.one("input", name="flag").attributes


def test_fields_of_dates() -> None:
    class Season(KeyValueModel):
        pipeline = LinearRegression().fit([[730000.0, 1.0], [731000.0, 2.0]], [1.0, 2.0])
        schema = {
            "day": {"type": "date", "min": date(2000, 1, 1), "default": date(2020, 2, 3)},
            "moment": {"type": "datetime", "default": datetime(2020, 2, 3, 4, 5)},
        }

        def predict(self, X: Any) -> Any:
            return [value.year for value in X[:, 0]]

    client = serve(Season)
    page = get(client, "/season/")
    day = page.one("input", name="day").attributes
    assert (day["type"], day["min"], day["value"]) == ("date", "2000-01-01", "2020-02-03")
    assert page.one("input", name="moment").attributes["type"] == "datetime-local"
    assert result_of(submit(client, "/season/")).one("p", class_="prediction").text == "2020"
    assert '"day":"2020-02-03"' in page.one("code", id="code-curl").text


def test_regression(line_pipeline: Any) -> None:
    client = serve(Model(name="line", pipeline=line_pipeline))
    page = submit(client, "/line/", x0="1", x1="2", x2="3")
    assert result_of(page).one("p", class_="prediction").text == "321"
    assert not result_of(page).all("table")


def test_several_outputs() -> None:
    two = LinearRegression().fit(np.eye(2), np.eye(2))
    client = serve(Model(name="two", pipeline=two))
    shown = result_of(submit(client, "/two/", x0="1", x1="0")).one("table", class_="outputs")
    assert [name for name, _ in rows_of(shown)] == ["prediction_0", "prediction_1"]


def test_probabilities_of_several_outputs() -> None:
    targets = np.column_stack([Y, (Y == 1).astype(int)])
    many = MultiOutputClassifier(LogisticRegression(max_iter=500)).fit(X, targets)
    client = serve(Model(name="many", pipeline=many, probability=True, examples=[X[0].tolist()]))
    shown = result_of(submit(client, "/many/"))
    assert [h.text for h in shown.all("h3")] == ["prediction_0", "prediction_1"]
    assert len(shown.all("table", class_="bars")) == 2


def test_transformer() -> None:
    client = serve(Model(name="main", pipeline=PCA(2).fit(X), examples=[X[0].tolist()]))
    page = get(client, "/main/")
    assert page.one("form", data_live="predict").one("button").text == "transform"
    shown = result_of(submit(client, "/main/")).one("table", class_="outputs")
    assert len(rows_of(shown)) == 2
    outputs = get(client, "/main/traffic/").one("section", aria_labelledby="outputs-title")
    assert len(outputs.all("figure", class_="histogram")) == 2


def test_model_of_texts() -> None:
    texts = make_pipeline(TfidfVectorizer(), LogisticRegression())
    texts.fit(["good", "bad", "good fine", "bad awful"], ["yes", "no", "yes", "no"])
    client = serve(Model(name="mood", pipeline=texts, probability=True))
    page = submit(client, "/mood/", text="good " + NASTY)
    assert result_of(page).one("p", class_="prediction").text == "yes"
    assert NASTY not in get(client, "/mood/traffic/").text
    result = upload(client, "/mood/", b"text\ngood\nbad\n", "rows.csv").one("table", class_="rows")
    assert rows_of(result)[1:] == [["good", "yes"], ["bad", "no"]]


def test_model_that_is_not_loaded_yet(tmp_path: Path, pipeline: Any) -> None:
    file = put(tmp_path, "iris", pipeline)
    lazy = Model(name="lazy", pipeline=Artifact(file), description="Later")
    client = serve(lazy, SKMODELS_LOADING="first-use", SKMODELS_TRUST_PICKLE=True)
    assert "not loaded yet" in get(client, "/-/").text
    assert client.get("/-/").get_json()["models"][0]["is_loaded"] is False
    page = get(client, "/lazy/traffic/")
    assert page.one("h2").text == "No requests yet"
    page = get(client, "/lazy/")
    assert page.one("dl", class_="facts").all("code")[0].text
    assert "loaded at first use" not in get(client, "/-/").text


def test_model_that_cannot_be_loaded(tmp_path: Path) -> None:
    file = tmp_path / "broken.joblib"
    file.write_bytes(b"no pickle")
    client = serve(
        Model(name="broken", pipeline=Artifact(file)),
        SKMODELS_LOADING="first-use",
        SKMODELS_TRUST_PICKLE=True,
    )
    page = get(client, "/broken/", 503)
    assert page.one("h1").text == "Service Unavailable"
    assert str(tmp_path) not in page.text
    assert "cannot be loaded" in get(client, "/-/").text


def test_versions(tmp_path: Path, pipeline: Any) -> None:
    for label in ("0", "1", "2", "3"):
        put(tmp_path, label, pipeline)
    iris = ValuesModel(
        name="iris", pipeline=str(tmp_path), traffic={"2": 0.25}, shadow="3", probability=True
    )
    client = serve(iris, SKMODELS_TRUST_PICKLE=True)
    unknown = get(client, "/iris/?version=9", 404)
    assert "The model has no such version." in unknown.text
    assert unknown.one("main").all("a")[0].attributes["href"] == "/iris/"
    page = get(client, "/iris/")
    assert "A canary answers a share of the requests. The shadow predicts" in page.text
    table = page.one("section", aria_labelledby="versions-title").one("table")
    head, *rows = rows_of(table)
    assert head == ["Version", "State", "Trained with", "Loaded", "Fingerprint (SHA-256)"]
    assert [row[:2] for row in rows] == [
        *(["3", "shadow"], ["2", "canary, 25%"], ["1", "live"], ["0", "idle"])
    ]
    assert "An idle version answers only requests that name it." in page.text
    (tmp_path / "0.joblib").unlink()
    refresh(client.application)
    assert "An idle version" not in get(client, "/iris/").text
    facts = page.one("section", aria_labelledby="facts-title").one("p", class_="note").text
    assert facts.startswith("Predictions, time and errors are those of all versions in this server")
    versions = client.get("/iris/").get_json()["versions"]
    digests = {v["version"]: v["sha256"] for v in versions if "sha256" in v}
    shown = {
        row.one("th").text: code.attributes["title"]
        for row in table.all("tr")[1:]
        for code in row.all("code")
    }
    assert shown == digests
    for _ in range(60):
        client.post("/iris/predict/", json=[[5.1, 3.5, 1.4, 0.2]])
    page = get(client, "/iris/traffic/")
    _, *rows = rows_of(page.one("section", aria_labelledby="versions-title").one("table"))
    assert {row[0]: row[2] for row in rows} == {"1": "live, 75%", "2": "canary, 25%"}
    assert sum(int(row[1]) for row in rows) == 60
    assert page.one("section", aria_labelledby="shadow-title").one("h2").text == "Shadow, version 3"
    document = client.get("/iris/traffic/").get_json()
    assert document["shares"] == {"2": 0.25}
    assert document["shadow"]["version"] == "3"


# Files


def test_file_of_rows(flowers: FlaskClient) -> None:
    page = upload(flowers, "/iris/", CSV, "rows.csv")
    table = page.one(id="file-result").one("div", class_="with-prediction")
    head, *rows = rows_of(table.one("table", class_="rows"))
    assert head == [*FIELDS, "prediction"]
    assert rows == [["5.1", "3.5", "1.4", "0.2", "0"], ["6.3", "3.3", "6", "2.5", "2"]]
    assert bars(page.one("div", class_="distributions")) == {"0": "1", "2": "1"}


@pytest.mark.parametrize("suffix", ["csv", "ndjson", "json", "arrow"])
def test_result_of_a_file_is_downloaded_as_the_address_answers(
    flowers: FlaskClient, suffix: str
) -> None:
    body, content_type = file_of(suffix, [SETOSA, VIRGINICA])
    expected = flowers.post("/iris/predict/", data=body, content_type=content_type).data
    link = upload(flowers, "/iris/", body, f"rows.{suffix}").one("a", class_="button").attributes
    head, _, data = link["href"].partition(",")
    assert base64.b64decode(data) == expected
    assert head.startswith("data:")
    assert link["download"].startswith("iris-predictions.")
    file = {"file": (BytesIO(body), f"rows.{suffix}")}
    response = flowers.post("/iris/?download=1", data=file, headers=HTML)
    assert response.data == expected
    assert response.headers["Content-Disposition"].startswith("attachment; filename=iris-pred")


def test_large_result_is_not_carried_by_the_page(flowers: FlaskClient) -> None:
    head, row, _ = CSV.splitlines(keepends=True)
    many = head + row * 20_000
    page = upload(flowers, "/iris/", many, "rows.csv", method="predict_proba")
    assert not page.all("a", class_="button")
    assert "too large for this page" in page.text
    assert "The first 20 of 20,000 rows" in page.text
    drawn = page.one("div", class_="distributions").all("figure", class_="histogram")
    assert [each.one("svg").attributes["role"] for each in drawn] == ["img"] * 3


def test_file_is_answered_by_the_method_that_is_chosen(flowers: FlaskClient) -> None:
    options = get(flowers, "/iris/").one("select", id="method").all("option")
    assert [option.text for option in options] == ["predict", "predict_proba"]
    page = upload(flowers, "/iris/", CSV, "rows.csv", method="predict_proba")
    head, *rows = rows_of(page.one("table", class_="rows"))
    assert head[4:] == ["0", "1", "2"]
    shown = bars(result_of(submit(flowers, "/iris/", **TEXTS)).one("table", class_="bars"))
    assert dict(zip(head[4:], rows[0][4:], strict=True)) == shown  # as for a single row
    assert not page.all("div", class_="with-prediction")
    assert "The height of a bar is the number of rows." in page.text
    ends = page.one("div", class_="distributions").all("figcaption")[0].all("span")
    assert [ends[0].text, ends[-1].text] == ["0%", "100%"]
    assert ends[1].text.endswith("%")
    upload(flowers, "/iris/", CSV, "rows.csv", 404, method="transform")


def test_wide_file_shows_the_first_columns() -> None:
    wide = LinearRegression().fit(np.eye(60), np.arange(60.0))
    client = serve(Model(name="wide", pipeline=wide))
    page = upload(client, "/wide/", (",".join("1" * 60) + "\n").encode() * 2, "rows.csv")
    head, *_ = rows_of(page.one(id="file-result").one("table", class_="rows"))
    assert len(head) == 13
    assert "48 more columns are not shown." in page.text  # they are in the file, not the download


def test_outputs_that_are_not_shown_are_in_the_download() -> None:
    many = LinearRegression().fit([[0.0], [1.0]], np.ones((2, 15)))
    client = serve(Model(name="many", pipeline=many))
    page = upload(client, "/many/", b"1\n2\n", "rows.csv")
    assert "3 more columns are not shown, they are in the download" in page.text


def test_hidden_column_is_named_in_the_singular() -> None:
    many = LinearRegression().fit([[0.0], [1.0]], np.ones((2, 13)))
    page = upload(serve(Model(name="many", pipeline=many)), "/many/", b"1\n2\n", "rows.csv")
    assert "1 more column is not shown, it is in the download" in page.text


def test_hidden_columns_are_not_said_to_be_in_a_download_that_is_missing() -> None:
    many = LinearRegression().fit([[0.0], [1.0]], np.ones((2, 15)))
    client = serve(Model(name="many", pipeline=many))
    page = upload(client, "/many/", b"1\n" * 40_000, "rows.csv")
    assert "too large for this page" in page.text
    assert "3 more columns are not shown." in page.text


def test_errors_of_a_file(flowers: FlaskClient) -> None:
    body = CSV.replace(b"6.3", b"-1").replace(b"0.2", NASTY.encode())
    page = upload(flowers, "/iris/", body, "rows.csv", 400)
    listed = [li.text for li in page.one(id="file-result").all("li")]
    assert listed == [
        "Row 1, petal_width : must be a number",
        "Row 2, sepal_length : must be at least 0",
    ]
    assert "The header of a CSV file and empty lines are not counted." in page.text
    body = CSV + b"-1,-1,-1,-1\n" * 10
    page = upload(flowers, "/iris/", body, "rows.csv", 400)
    assert len(page.one(id="file-result").all("li")) == 20
    assert "and 20 more" in page.text


def test_file_may_be_of_what_is_installed(
    flowers: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = "CSV with a header, as spreadsheets save it. Files of programs: NDJSON"
    assert hint(flowers).startswith(f"{start}, JSON or Arrow. ")
    monkeypatch.delitem(registration._CODECS, "application/vnd.apache.arrow.stream")
    assert hint(flowers).startswith(f"{start} or JSON. ")


def hint(client: FlaskClient) -> str:
    """Return the hint about the accepted files."""
    return get(client, "/iris/").one(id="file-hint").text


def test_form_without_a_file(flowers: FlaskClient) -> None:
    response = flowers.post("/iris/", data={"file": (BytesIO(), "")}, headers=HTML)
    page = read(response, 400)
    assert page.one(id="file-result").text == "There is no file choose a file first"


def test_file_of_another_type(flowers: FlaskClient) -> None:
    page = upload(flowers, "/iris/", b"x", "rows.xlsx", 400)
    assert "the file must be one of" in page.one(id="file-result").text


def test_file_that_needs_a_library(flowers: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    without_pyarrow(monkeypatch)
    page = upload(flowers, "/iris/", b"x", "rows.arrow", 400)
    assert "the extra 'arrow' of Flask-SKModels" in page.one(id="file-result").text


def test_too_many_rows(pipeline: Any) -> None:
    iris = KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA)
    client = serve(iris, SKMODELS_MAX_ROWS=1)
    page = upload(client, "/iris/", CSV, "rows.csv", 413)
    assert "at most 1 rows are allowed" in page.text


def test_too_many_bytes(pipeline: Any) -> None:
    iris = KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA)
    client = serve(iris, MAX_CONTENT_LENGTH=50)
    response = client.post("/iris/", data={"sepal_length": "1" * 60}, headers=HTML)
    page = read(response, 413)
    assert page.one("h1").text == page.one("title").text == "The request is too large"
    assert "The file or the form is larger than the application accepts." in page.text
    assert page.one("main").all("a")[0].attributes["href"] == "/iris/"


def test_error_that_is_not_of_the_version_does_not_name_it(tmp_path: Path, pipeline: Any) -> None:
    put(tmp_path, "1", pipeline)
    iris = KeyValueModel(name="iris", pipeline=str(tmp_path), schema=SCHEMA)
    client = serve(iris, SKMODELS_TRUST_PICKLE=True, MAX_CONTENT_LENGTH=50)
    body = {"sepal_length": "1" * 60}
    page = read(client.post("/iris/?version=1", data=body, headers=HTML), 413)
    assert "The file or the form is larger" in page.text
    assert "Version 1" not in page.one("main").text


# What goes wrong


def test_failure_of_the_estimator_tells_nothing(pipeline: Any, caplog: Any) -> None:
    class Broken(KeyValueModel):
        schema = SCHEMA

        def predict(self, X: Any) -> Any:
            raise RuntimeError("secret")

    client = serve(Broken(pipeline=pipeline))
    page = read(client.post("/broken/", data=SETOSA, headers=HTML), 500)
    assert page.one("h1").text == "Internal Server Error"
    assert "secret" not in page.text
    assert "secret" in caplog.text
    assert statistics(get(client, "/broken/traffic/"))["Failed"] == "1 in the model"


def test_receiver_may_stop_a_prediction(flowers: FlaskClient) -> None:
    def stop(sender: Flask, **extra: Any) -> None:
        abort(403, NASTY)

    before_prediction.connect(stop)
    page = read(flowers.post("/iris/", data=SETOSA, headers=HTML), 403)
    assert NASTY in page.text
    assert len(page.all("script")) == 1


# The pipeline


def test_pipeline_is_drawn_in_a_sandbox(flowers: FlaskClient) -> None:
    frame = get(flowers, "/iris/").one("iframe").attributes
    assert frame["title"]
    response = flowers.get(frame["src"])
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox ")
    assert "allow-scripts" not in policy
    assert "default-src 'none'" in policy  # so no script runs in it, although it has our origin
    assert "LogisticRegression" in response.text
    assert not re.search(r"<script|\son\w+=", response.text)


def test_pipeline_shows_no_markup_of_its_parameters(pipeline: Any) -> None:
    class Shouting(LinearRegression):
        def __init__(self, word: str = NASTY) -> None:
            super().__init__()
            self.word = word

    client = serve(Model(name="loud", pipeline=Shouting().fit([[0.0], [1.0]], [0.0, 1.0])))
    assert "<script" not in client.get("/loud/pipeline/").text


# The host


def test_host_overrides_a_template(tmp_path: Path, pipeline: Any) -> None:
    folder = tmp_path / "templates" / "skmodels"
    folder.mkdir(parents=True)
    (folder / "error.html").write_text("own error", encoding="utf-8")
    (folder / "index.html").write_text("{{ models|length }} of ours", encoding="utf-8")
    app = Flask("host", root_path=str(tmp_path))
    SKModels(app).add("iris", pipeline, schema=SCHEMA)
    assert app.test_client().get("/-/", headers=HTML).text == "1 of ours"
    assert "<h1>iris</h1>" in app.test_client().get("/iris/", headers=HTML).text


@pytest.mark.parametrize("example", [5, None, "text", [5], [[5]], [[5], [5, 6]]])
def test_example_of_a_single_value(line_pipeline: Any, example: Any) -> None:
    with pytest.raises(ModelError, match="example 0 does not match its schema"):
        serve(Model(name="line", pipeline=line_pipeline, examples=[example]))


def test_host_whose_templates_know_the_same_words(pipeline: Any) -> None:
    app = Flask("host")
    words = "row_result file_result file_errors errors general model models problem"
    words += " traffic name links"
    app.context_processor(lambda: dict.fromkeys(words.split(), "theirs"))
    SKModels(app).add("iris", pipeline, schema=SCHEMA)
    client = app.test_client()
    assert result_of(submit(client, "/iris/", **TEXTS)).one("p", class_="prediction").text == "0"
    for path in ("/-/", "/iris/", "/iris/traffic/"):
        assert "theirs" not in client.get(path, headers=HTML).text


def test_prefix_and_a_second_extension(pipeline: Any, line_pipeline: Any) -> None:
    app = Flask("host")
    SKModels(app, url_prefix="/public").add("iris", pipeline, schema=SCHEMA)
    SKModels(app, name="internal", url_prefix="/internal").add("iris", line_pipeline)
    client = app.test_client()
    assert result_of(submit(client, "/internal/iris/", x0="1", x1="2", x2="3")).text.count("321")
    client.post("/public/iris/predict/", json={})
    assert statistics(get(client, "/public/iris/traffic/"))["Predictions"] == "0"
    assert statistics(get(client, "/public/iris/traffic/"))["Rejected"] == "1 for invalid input"
    assert statistics(get(client, "/internal/iris/traffic/"))["Predictions"] == "1"
    for base in ("/public", "/internal"):
        [entry] = get(client, f"{base}/-/").all("li")
        assert entry.one("a").attributes["href"] == f"{base}/iris/"
        assert client.get(f"{base}/-/static/pages.css").status_code == 200


def test_application_under_a_path(flowers: FlaskClient) -> None:
    response = flowers.get("/iris/", headers=HTML, base_url="https://example.org/ml")
    page = read(response)
    assert page.one("iframe").attributes["src"] == "/ml/iris/pipeline/"
    assert "https://example.org/ml/iris/predict/" in page.one("code", id="code-curl").text


def test_model_that_is_registered_late(models: SKModels, app: Flask, line_pipeline: Any) -> None:
    client = app.test_client()
    get(client, "/-/")
    models.add("late", line_pipeline)
    assert len(get(client, "/-/").one("ul", class_="models").all("li")) == 2
    get(client, "/late/")


def test_frame_of_pandas(mixed: FlaskClient) -> None:
    frame = pd.DataFrame({"island": ["Dream", "Biscoe"], "mass": [3000.0, None]})
    page = upload(mixed, "/birds/", frame.to_csv(index=False).encode(), "rows.csv")
    rows = rows_of(page.one(id="file-result").one("table", class_="rows"))[1:]
    assert rows == [["Dream", "3000", "light"], ["Biscoe", "", "heavy"]]


def test_templates_that_a_host_can_replace_are_documented() -> None:
    root = Path(__file__).parent.parent.parent
    text = (root / "docs" / "pages.rst").read_text(encoding="utf-8")
    templates = (root / "flask_skmodels" / "pages" / "templates" / "skmodels").glob("[!_]*.html")
    names = {path.name for path in templates} - {"docs.html"}
    assert {*re.findall(r"``skmodels/([a-z]+\.html)``", text)} == names


def test_browser_that_sends_no_form_is_answered_as_a_client(flowers: FlaskClient) -> None:
    response = flowers.post("/iris/", json=SETOSA, headers=HTML)
    assert (response.status_code, response.content_type) == (200, JSON)


def test_model_of_probabilities_alone(pipeline: Any) -> None:
    model = Model(name="iris", pipeline=pipeline, methods=["predict_proba"])
    page = submit(serve(model), "/iris/", x0="5.1", x1="3.5", x2="1.4", x3="0.2")
    assert list(bars(result_of(page))) == ["0", "1", "2"]
    assert not result_of(page).all("p", class_="prediction")


def test_model_of_mappings() -> None:
    words = make_pipeline(DictVectorizer(), LogisticRegression())
    words.fit([{"a": 1.0}, {"a": 9.0}], ["low", "high"])
    model = KeyValueModel(name="words", pipeline=words, schema={"a": {}, "b": {"default": 0}})
    client = serve(model)
    assert result_of(submit(client, "/words/", a="9")).one("p", class_="prediction").text == "high"
    result = upload(client, "/words/", b"a,b\n1,2\n", "rows.csv").one("table", class_="rows")
    assert rows_of(result) == [["a", "b", "prediction"], ["1", "2", "low"]]
    assert client.get("/words/traffic/").get_json()["inputs"][0]["rows"] == 0


def test_page_does_not_keep_an_unloaded_model_in_memory(tmp_path: Path) -> None:
    for name in ("iris", "other"):
        put(tmp_path / name, "1")
    app = application(iris(), root=tmp_path, SKMODELS_MAX_LOADED=1)
    extension_of(app).register(Model(name="other", pipeline="other"))
    client = app.test_client()
    assert "Predict" in client.get("/iris/", headers=HTML).text
    version = ref(deployment_of(app).versions.live)
    assert version() is not None
    assert client.post("/other/predict/", json=[[1.0, 2.0]]).status_code == 200
    gc.collect()
    assert version() is None
