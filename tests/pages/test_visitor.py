"""Pages as a visitor uses them, without JavaScript: the form, curves, files, traffic, the card."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from time import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import FileSystemBytecodeCache
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from flask_skmodels import KeyValueModel, Model, Profile, SKModels
from flask_skmodels.pages import code_samples, uploaded_table
from flask_skmodels.pages.value_texts import percent
from flask_skmodels.state import State
from flask_skmodels.telemetry.metrics import Totals
from flask_skmodels.telemetry.traffic_minutes import (
    FAILURES,
    MINUTES,
    PREDICTIONS,
    REJECTIONS,
    TIMES,
    WIDTH,
    TrafficMinutes,
    hour_of,
    process_tables,
)
from flask_skmodels.testing import FakeEstimator, record_signals
from tests.support.helpers import FIELDS, SCHEMA, SETOSA, VIRGINICA, problem, serve
from tests.support.html import (
    HTML,
    Element,
    bars,
    fill,
    get,
    read,
    rows_of,
    statistics,
    submit,
    upload,
)
from tests.support.versions_folder import application, put, refresh

pytestmark = pytest.mark.usefixtures("strict_host")

LENGTHS: dict[str, Any] = {name: {"min": 0, "max": 10} for name in FIELDS}
SEMICOLONS = b"sepal_length;sepal_width;petal_length;petal_width\n5,1;3,5;1,4;0,2\n6,3;3,3;6;2,5\n"
TOWNS = pd.DataFrame(
    {"town": ["Oslo", "Roma", "Oslo", "Bergen"] * 30, "area": [50.0, 60.0, 70.0, 90.0] * 30}
)


@pytest.fixture
def flowers(pipeline: Any) -> FlaskClient:
    iris = KeyValueModel(name="iris", pipeline=pipeline, probability=True, schema=LENGTHS)
    return serve(iris)


@pytest.fixture(scope="module")
def towns() -> Any:
    encoder = OneHotEncoder(handle_unknown="ignore")
    columns = make_column_transformer((encoder, ["town"]), remainder="passthrough")
    return make_pipeline(columns, LinearRegression()).fit(TOWNS, TOWNS["area"] * 3)


@pytest.fixture
def versions(tmp_path: Path, pipeline: Any) -> FlaskClient:
    for label in ("1", "2"):
        put(tmp_path, label, pipeline)
    return serve(Model(name="iris", pipeline=str(tmp_path)), SKMODELS_TRUST_PICKLE=True)


def result_of(page: Element) -> Element:
    return page.one("div", id="result")


def sample(page: Element, title: str) -> str:
    return page.one("code", id=f"code-{title}").text


# The form


def test_form_without_examples_is_filled_from_the_schema(flowers: FlaskClient) -> None:
    page = get(flowers, "/iris/")
    assert fill(page) == dict.fromkeys(FIELDS, "5")
    assert "The values are examples that the model accepts." in page.one("form", id="row").text
    assert result_of(submit(flowers, "/iris/")).all("p", class_="prediction")


def test_form_is_filled_with_typical_values_of_the_training_data(towns: Any) -> None:
    client = serve(Model(name="price", pipeline=towns, profile=Profile.of(TOWNS, None, towns)))
    page = get(client, "/price/")
    assert fill(page) == {"town": "Oslo", "area": "70"}
    assert "typical values of the training data" in page.one("form", id="row").text


def test_form_of_values_from_both_says_so(towns: Any) -> None:
    profile = Profile.of(TOWNS, None, towns)
    model = KeyValueModel(
        name="price", pipeline=towns, profile=profile, schema={"town": {}, "area": {"default": 1}}
    )
    page = get(serve(model), "/price/")
    assert fill(page) == {"town": "Oslo", "area": "1"}
    assert "typical of the training data where these are known. The others are examples" in (
        page.one("form", id="row").text
    )


def test_form_without_values_is_not_said_to_have_any() -> None:
    words = make_pipeline(TfidfVectorizer(), LogisticRegression())
    words.fit(["good", "bad"], ["yes", "no"])
    page = get(serve(Model(name="mood", pipeline=words)), "/mood/")
    assert fill(page) == {"text": ""}
    assert "examples that the model accepts" not in page.text


def test_times_are_told_without_a_midnight() -> None:
    days = pd.DataFrame({"since": pd.to_datetime(["2020-01-31", "2024-01-31"] * 50)})
    model = Model(
        name="days",
        pipeline=FakeEstimator(predict=lambda X: np.zeros(len(X))),
        profile=Profile.of(days),
    )
    client = serve(model)
    assert "trained on 2020-01-01 to 2024-02-01" in get(client, "/days/").one(id="predict").text
    [_, row] = rows_of(get(client, "/days/card/").one("table"))
    assert row[2:] == ["any date and time; trained on 2020-01-01 to 2024-02-01", "2024-01-01"]


def test_form_of_a_link_is_not_said_to_be_filled_from_the_schema(flowers: FlaskClient) -> None:
    page = get(flowers, "/iris/?fill.sepal_width=2")
    assert fill(page)["sepal_width"] == "2"
    assert "The form is filled" not in page.one("form", id="row").text


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        ({}, "0"),
        ({"min": 3}, "3"),
        ({"max": -2}, "-2"),
        ({"min": 0, "max": 1}, "0.5"),
        ({"type": "integer", "min": 1, "max": 4}, "2"),
        ({"allowed": [7, 8]}, "7"),
        ({"type": "float", "min": -1e308, "max": 1e308}, "0"),
        ({"check_with": lambda field, value, error: error(field, "never")}, ""),
    ],
)
def test_made_up_value_follows_the_rules(rules: dict[str, Any], text: str) -> None:
    one = LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])
    client = serve(KeyValueModel(name="one", pipeline=one, schema={"x": rules}))
    assert fill(get(client, "/one/")) == {"x": text}


def test_known_categories_are_offered_where_others_are_allowed(towns: Any) -> None:
    client = serve(Model(name="price", pipeline=towns))
    page = get(client, "/price/")
    field = page.one("input", name="town").attributes
    options = page.one("datalist", id=field["list"]).all("option")
    assert [each.attributes["value"] for each in options] == ["Bergen", "Oslo", "Roma"]
    assert result_of(submit(client, "/price/", town="Paris")).all("p", class_="prediction")


def test_field_with_more_allowed_values_than_a_list_accepts_no_others(towns: Any) -> None:
    schema: dict[str, Any] = {"town": {"allowed": [*"ABC", *map(str, range(500))]}, "area": {}}
    schema["town"]["allowed"] += ["Oslo", "Roma", "Bergen"]
    page = get(serve(KeyValueModel(name="price", pipeline=towns, schema=schema)), "/price/")
    assert page.one("p", id="field-0-hint").text == "in training: Bergen, Oslo, Roma"


def test_values_of_a_hidden_field_are_not_suggested(towns: Any) -> None:
    profile = Profile.of(TOWNS, None, towns)
    model = Model(name="price", pipeline=towns, profile=profile)
    page = get(serve(model, SKMODELS_LOG_HIDDEN_FIELDS=["town"]), "/price/")
    assert not page.all("datalist")
    assert page.one("form", id="row").attributes["data-unkept"] == '["town"]'


def test_long_text_has_a_box_of_several_lines() -> None:
    words = make_pipeline(TfidfVectorizer(), LogisticRegression())
    words.fit(["good", "bad"], ["yes", "no"])
    page = get(serve(Model(name="mood", pipeline=words)), "/mood/")
    assert page.one("form", id="row").all("textarea")


def test_link_holds_the_form_without_the_hidden_fields(pipeline: Any) -> None:
    iris = KeyValueModel(name="iris", pipeline=pipeline, schema=LENGTHS)
    client = serve(iris, SKMODELS_LOG_HIDDEN_FIELDS=["sepal_length"])
    page = submit(client, "/iris/", sepal_length="9", petal_width="1.25")
    link = page.one("a", id="code-link").attributes["href"]
    assert "fill.petal_width=1.25" in link
    assert "sepal_length" not in link
    assert "Hidden fields are left out of the link" in page.text
    with record_signals() as sent:
        again = fill(get(client, link))
    assert (again["petal_width"], again["sepal_length"]) == ("1.25", "5")
    assert sent.names == []  # opening a link predicts nothing
    client.get("/iris/", query_string={"fill.sepal_length": "9"}, headers=HTML)


def test_version_is_chosen(versions: FlaskClient) -> None:
    page = get(versions, "/iris/")
    options = page.one("select", id="version").all("option")
    assert [each.text for each in options] == ["2 (live)", "1"]
    button = page.one("form", class_="version").one("button").attributes
    hint = page.one(id=button["aria-describedby"]).text
    assert hint.endswith("Nothing changes for anybody else.")
    page = get(versions, "/iris/?version=1")
    assert "/iris/versions/1/predict/" in sample(page, "curl")
    assert page.one("form", id="row").attributes["action"] == "/iris/?version=1#result"
    values = dict(zip(("x0", "x1", "x2", "x3"), map(str, SETOSA.values()), strict=True))
    response = versions.post("/iris/?version=1", data=values, headers=HTML)
    assert response.headers["X-Model-Version"] == "1"
    assert "Version 1" in result_of(read(response)).text
    assert versions.get("/iris/?version=1").get_json()["version"] == "1"
    get(versions, "/iris/?version=9", 404)
    assert versions.get("/iris/pipeline/?version=1").status_code == 200


def test_curve_of_probabilities(flowers: FlaskClient) -> None:
    sent = fill(get(flowers, "/iris/"))
    with record_signals() as signals:
        page = read(flowers.post("/iris/?curve=petal_length", data=sent, headers=HTML))
    drawn = result_of(page).one("figure", class_="curve")
    assert len(drawn.all("polyline")) == 3
    assert drawn.one("svg", role="img").attributes["aria-label"].startswith("Over petal_length")
    assert "thin line: now 5" in drawn.text
    assert "The vertical axis is the probability, from 0% to 100%." in drawn.text
    labels = [each.text for each in drawn.one("p", class_="legend").all("span")]
    rows = result_of(page).all("table", class_="bars")[0].all("tr")
    assert [row.one("th").text for row in rows] == labels
    assert [row.attributes["class"] for row in rows] == ["of-line-1", "of-line-2", "of-line-3"]
    assert signals.names.count("after-prediction") == 3  # predict, probabilities, the curve
    buttons = [each.text for each in result_of(page).one("div", class_="chips").all("button")]
    assert buttons == [*FIELDS]


def test_curve_of_numbers_and_of_labels(pipeline: Any) -> None:
    two = LinearRegression(fit_intercept=False).fit([[1.0], [2.0]], [2.0, 4.0])
    number = KeyValueModel(name="two", pipeline=two, schema={"x": {"min": 0, "max": 4}})
    label = KeyValueModel(name="label", pipeline=pipeline, schema=LENGTHS)
    client = serve(number, label)
    page = read(client.post("/two/?curve=x", data={"x": "1"}, headers=HTML))
    points = page.one("polyline").attributes["points"].split()
    assert (len(points), points[0], points[-1]) == (41, "0.00,120.00", "300.00,0.00")
    assert "from 0 to 8" in page.one("svg", role="img").attributes["aria-label"]
    sent = fill(get(client, "/label/"))
    page = read(client.post("/label/?curve=petal_width", data=sent, headers=HTML))
    parts = rows_of(page.one("div", class_="why").one("table"))
    assert parts[0][0].startswith("0")
    assert {label for _, label in parts} <= {"0", "1", "2"}


def test_curve_over_whole_numbers_keeps_the_limit_on_rows() -> None:
    two = LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])
    rules = {"type": "integer", "min": 0, "max": 100}
    client = serve(KeyValueModel(name="two", pipeline=two, schema={"x": rules}, max_rows=5))
    page = read(client.post("/two/?curve=x", data={"x": "50"}, headers=HTML))
    assert len(page.one("polyline").attributes["points"].split()) == 5
    page = read(client.post("/two/?curve=y", data={"x": "50"}, headers=HTML), 400)
    assert "a number and has bounds" in result_of(page).text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (1.0, "100%"),
        (0.9996, "> 99.9%"),
        (0.9876, "98.8%"),
        (0.0004, "< 0.1%"),
        (0.0, "0%"),
    ],
)
def test_probability_is_a_percentage(share: float, text: str) -> None:
    estimator = FakeEstimator(classes=["no", "yes"], predict_proba=[1 - share, share])
    client = serve(Model(name="sure", pipeline=estimator, probability=True, schema={"x": {}}))
    shown = bars(result_of(submit(client, "/sure/", x="1")).one("table", class_="bars"))
    assert shown["yes"] == text
    page = upload(client, "/sure/", b"x\n1\n", "rows.csv", method="predict_proba")
    assert rows_of(page.one("table", class_="rows"))[1][-1] == text


# Code samples


LOGINS: dict[str, dict[str, Any]] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic"},
    "header": {"type": "apiKey", "in": "header", "name": "X-Key"},
    "query": {"type": "apiKey", "in": "query", "name": "key"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "session"},
    "oauth2": {"type": "oauth2"},
    "mutual": {"type": "mutualTLS"},
}
SENT = {
    "bearer": "Authorization: Bearer s3cret",
    "basic": "Authorization: Basic dXNlcjpwdw==",
    "header": "X-Key: s3cret",
    "query": "/iris/predict/?key=s3cret",
    "cookie": "Cookie: session=s3cret",
    "oauth2": "Authorization: Bearer s3cret",
}


@pytest.mark.parametrize("kind", LOGINS)
def test_samples_carry_the_login(kind: str) -> None:
    login = code_samples.login_of({"first": LOGINS[kind]})
    for title, text in code_samples.samples("http://h/iris/predict/", {"a": 1}, login):
        expected = {
            "bearer": "Bearer ",
            "basic": "USERNAME",
            "header": "X-Key",
            "query": "key",
            "cookie": "session",
            "oauth2": "Bearer ",
            "mutual": "client",
        }[kind]
        assert expected in text, title
        if title == "Python":
            compile(text, "sample", "exec")


def test_curl_file_carries_the_login(pipeline: Any) -> None:
    schemes = {"token": LOGINS["bearer"]}
    client = serve(Model(name="iris", pipeline=pipeline), SKMODELS_SECURITY_SCHEMES=schemes)
    page = get(client, "/iris/")
    for title in ("curl", "file"):
        assert '-H "Authorization: Bearer $TOKEN"' in sample(page, title)
    assert page.text.count("set the environment variable TOKEN to your access token") == 2
    assert "Put the name of your file in place of rows.csv." in page.text


@pytest.mark.parametrize("kind", LOGINS)
def test_words_about_the_login_name_what_each_sample_reads(kind: str) -> None:
    login = code_samples.login_of({"first": LOGINS[kind]})
    words = code_samples.login_words(login)
    names = [name for name in ("TOKEN", "API_KEY", "USERNAME", "PASSWORD") if name in words]
    names += re.findall(r"client\.\w+", words)
    assert names
    for title, text in code_samples.samples("http://h/iris/predict/", {"a": 1}, login):
        is_left_to_the_reader = kind == "mutual" and title == "JavaScript"
        assert is_left_to_the_reader or all(name in text for name in names), title


ROW = {"a b": 1.5, "if": None, "text": 'it\'s "é"', "list": [1, True], "_x": "$HOME"}


def test_samples_in_javascript_run(flowers: FlaskClient) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: apt-get install nodejs")
    text = code_samples.javascript("http://h/", ROW, code_samples.login_of(LOGINS))
    start = "globalThis.fetch = async (url, o) => ({json: async () => ({predictions: o})});\n"
    arguments = [node, "--input-type=module", "-e", f"{start}{text}"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=60)
    assert "method: 'POST'" in done.stdout
    assert "a b" in done.stdout


def test_sample_in_r_quotes_names_and_values() -> None:
    text = code_samples.r("http://h/", ROW)
    assert "`a b` = 1.5" in text
    assert "`if` = NULL" in text
    assert "list = list(1, TRUE)" in text
    assert "`_x` =" in text


# The URL of a prediction in a browser


def test_url_of_a_prediction_leads_a_browser_to_the_form(versions: FlaskClient) -> None:
    response = versions.get("/iris/predict/", headers=HTML)
    assert (response.status_code, response.location) == (303, "/iris/?redirected=1")
    assert "Accept" in response.vary
    response = versions.get("/iris/versions/1/predict", headers=HTML)
    assert (response.status_code, response.location) == (303, "/iris/?version=1&redirected=1")
    assert versions.get("/iris/predict/").status_code == 405
    page = versions.get("/iris/predict/", headers=HTML, base_url="https://example.org/ml")
    assert page.location == "/ml/iris/?redirected=1"


def test_view_of_the_host_still_gets_other_clients(pipeline: Any) -> None:
    app = Flask("host")
    app.add_url_rule("/<path:path>", "all", lambda path: f"all {path}")
    SKModels(app).add("iris", pipeline)
    client = app.test_client()
    assert client.get("/iris/predict/").text == "all iris/predict/"
    assert client.get("/iris/predict/", headers=HTML).location == "/iris/?redirected=1"
    assert client.options("/iris/predict/").allow.as_set() >= {"post", "options"}


def test_without_pages_it_leads_nowhere(pipeline: Any) -> None:
    client = serve(Model(name="iris", pipeline=pipeline), SKMODELS_PAGES=False)
    assert client.get("/iris/predict/", headers=HTML).status_code == 405
    assert client.options("/iris/predict/").allow.as_set() == {"post", "options"}


def test_json_is_a_link_on_each_page(flowers: FlaskClient) -> None:
    for path in ("/-/", "/-/?q=iris", "/iris/", "/iris/traffic/", "/iris/card/"):
        link = get(flowers, path).one("footer").one("a").attributes["href"]
        assert flowers.get(link, headers=HTML).content_type == "application/json"
    assert "q=iris" in get(flowers, "/-/?q=iris").one("footer").one("a").attributes["href"]


# Files


def columns_of(page: Element) -> dict[str, str]:
    facts = page.one(id="file-columns").one("dl")
    names = [each.text for each in facts.all("dt")]
    return dict(zip(names, [each.text for each in facts.all("dd")], strict=True))


def predicted(page: Element) -> list[str]:
    return [row[-1] for row in rows_of(page.one(id="file-result").one("table", class_="rows"))[1:]]


def test_semicolons_and_decimal_commas_are_recognised_and_said(flowers: FlaskClient) -> None:
    page = upload(flowers, "/iris/", SEMICOLONS, "rows.csv")
    assert predicted(page) == ["0", "2"]
    note = page.one(id="file-columns").text
    assert "separated by semicolons, and the numbers have decimal commas" in note
    tabs = SEMICOLONS.replace(b",", b".").replace(b";", b"\t")
    page = upload(flowers, "/iris/", tabs, "rows.csv")
    assert predicted(page) == ["0", "2"]
    assert "separated by tabs. The file" in page.one(id="file-columns").text


def test_decimal_sign_is_not_guessed_where_it_is_not_certain(flowers: FlaskClient) -> None:
    mixed = SEMICOLONS.replace(b"6,3", b"1.234,5")
    page = upload(flowers, "/iris/", mixed, "rows.csv", 400)
    assert "decimal commas" not in page.one(id="file-columns").text
    strict = flowers.post("/iris/predict/", data=SEMICOLONS, content_type="text/csv")
    problem(strict, 400)  # only pages recognise it


def test_columns_are_checked_before_anything_runs(flowers: FlaskClient) -> None:
    body = SEMICOLONS.replace(b"sepal_width", b"Sepal.Width").replace(b"petal_width", b"note")
    with record_signals() as sent:
        page = upload(flowers, "/iris/?check=1", body, "rows.csv")
    assert sent.names == []
    assert columns_of(page) == {
        "Matched fields": "sepal_length, petal_length",
        "Ignored columns": "Sepal.Width, note",
        "Missing fields": "sepal_width, petal_width",
    }
    selects = page.one(id="file-columns").all("select")
    chosen = {
        each.attributes["name"]: [o.text for o in each.all("option") if "selected" in o.attributes]
        for each in selects
    }
    assert chosen == {"from.sepal_width": ["Sepal.Width"], "from.petal_width": []}
    renamed: dict[str, Any] = {"from.sepal_width": "Sepal.Width", "from.petal_width": "note"}
    page = upload(flowers, "/iris/", body, "rows.csv", **renamed)
    assert predicted(page) == ["0", "2"]
    assert "sepal_width (from “Sepal.Width”)" in columns_of(page)["Matched fields"]


@pytest.mark.parametrize(
    "unused", [[f"sepal_widt{n}" for n in range(700)], ["sepal_width" * 20]], ids=["many", "long"]
)
def test_only_equal_names_are_suggested_of_many_or_long_columns(
    flowers: FlaskClient, unused: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[Any] = []

    def nearest(name: str, known: Iterable[str], least: float) -> None:
        compared.extend(known)

    monkeypatch.setattr(uploaded_table, "nearest_name", nearest)
    body = ",".join(["Petal Width", *unused]).encode()
    page = upload(flowers, "/iris/?check=1", body, "a.csv")
    columns = page.one(id="file-columns")
    chosen = {
        each.attributes["name"]: [o.text for o in each.all("option") if "selected" in o.attributes]
        for each in columns.all("select")
    }
    assert chosen["from.petal_width"] == ["Petal Width"]
    assert chosen["from.sepal_width"] == []
    assert compared == []


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("rows.csv", b"sepal_length,wide,petal_length,petal_width\r\n5.1,3.5,1.4,0.2\r\n"),
        (
            "rows.ndjson",
            b'{"sepal_length":5.1,"wide":3.5,"petal_length":1.4,"petal_width":0.2}\n',
        ),
        (
            "rows.json",
            b'[{"sepal_length":5.1,"wide":3.5,"petal_length":1.4,"petal_width":0.2}]',
        ),
        (
            "rows.json",
            b'{"columns":{"sepal_length":[6],"wide":[3],"petal_length":[1],"petal_width":[0]}}',
        ),
    ],
)
def test_misnamed_column_is_mapped_in_each_format(
    flowers: FlaskClient, name: str, body: bytes
) -> None:
    page = upload(flowers, "/iris/?check=1", body, name)
    assert columns_of(page)["Ignored columns"] == "wide"
    renamed: dict[str, Any] = {"from.sepal_width": "wide"}
    page = upload(flowers, "/iris/", body, name, **renamed)
    assert predicted(page) == ["0"]


def test_beginning_of_a_large_file_is_enough(flowers: FlaskClient) -> None:
    rows = b"".join(b"5,%d;3,5;1,4;0,2\n" % (n % 9) for n in range(9_000))
    body = SEMICOLONS + rows
    page = upload(flowers, "/iris/?check=1", body[:65_536], "rows.csv")
    assert columns_of(page)["Missing fields"] == "none"
    assert "decimal commas" in page.one(id="file-columns").text
    beginning = b'[{"sepal_length":5.1,"sepal_width":3.5},{"sepal_length":5.1,"sepal'
    page = upload(flowers, "/iris/?check=1", beginning, "rows.json")
    assert columns_of(page)["Missing fields"] == "petal_length, petal_width"


def test_plain_file_is_not_commented_on(flowers: FlaskClient) -> None:
    body = b"sepal_length,sepal_width,petal_length,petal_width\n5.1,3.5,1.4,0.2\n"
    assert upload(flowers, "/iris/", body, "rows.csv").one(id="file-columns").text == ""
    assert columns_of(upload(flowers, "/iris/?check=1", body, "r.csv"))["Ignored columns"] == "none"


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("rows.csv", b'sepal_length;"wide\n' + b"1;" * 3),
        ("rows.csv", SEMICOLONS.replace(b"5", b"\xff")),
        ("rows.csv", b"sepal_length;wide\n" + b"x" * 200_000 + b";2\n"),
        ("rows.json", b"[1, 2]"),
        ("rows.json", b'{"sepal_length": '),
        ("rows.json", b'[{"wide": 3.5}, 7, {"wide": 3}'),
        ("rows.ndjson", b'{"wide": 3.5}\n7\n'),
        ("rows.ndjson", b'{"wide": 3.5}\n{"wi'),
    ],
)
def test_file_that_cannot_be_read_is_refused(flowers: FlaskClient, name: str, body: bytes) -> None:
    renamed: dict[str, Any] = {"from.sepal_width": "wide"}
    page = upload(flowers, "/iris/", body, name, 400, **renamed)
    assert page.one(id="file-result").all("li")


@pytest.mark.parametrize("name", ["rows.xlsx", "rows.csv"])
def test_excel_file_is_told_what_to_do(flowers: FlaskClient, name: str) -> None:
    page = upload(flowers, "/iris/", b"PK\x03\x04 a workbook", name, 400)
    assert "Save As, “CSV UTF-8 (Comma delimited)”" in page.one(id="file-result").text


def rejected_rows(page: Element) -> list[list[str]]:
    link = page.one(id="file-result").one("a", class_="button").attributes
    assert link["download"] == "iris-rejected-rows.csv"
    text = base64.b64decode(link["href"].partition(",")[2]).decode()
    return list(csv.reader(io.StringIO(text, newline="")))


def test_field_that_may_be_null_but_is_required(pipeline: Any) -> None:
    schema = LENGTHS | {"petal_width": {"nullable": True, "required": True}}
    tree = DecisionTreeClassifier().fit([[*SETOSA.values()], [*VIRGINICA.values()]], [0, 1])
    client = serve(KeyValueModel(name="iris", pipeline=tree, schema=schema))
    fields = client.get("/iris/card/").get_json()["fields"]
    assert [each["is_required"] for each in fields] == [True] * 4
    body = b"sepal_length,sepal_width,petal_length\n5,3,1\n6,3,6\n"
    page = upload(client, "/iris/", body, "rows.csv", 400)
    assert "petal_width (optional)" not in page.one(id="file-result").text


def test_rejected_rows_are_a_file_with_reasons(flowers: FlaskClient) -> None:
    body = SEMICOLONS.replace(b"6,3", b"-1") + b"5,1;x;1,4;-2\n"
    page = upload(flowers, "/iris/", body.replace(b"petal_width", b"petal_width;id"), "a.csv", 400)
    assert not page.one(id="file-result").all("a", class_="button")  # the lines are too short
    page = upload(flowers, "/iris/", body, "rows.csv", 400)
    header, *rows = rejected_rows(page)
    assert header == [*FIELDS, "row", "reasons"]
    assert [row[:5] for row in rows] == [
        ["-1", "3.3", "6", "2.5", "2"],
        ["5.1", "x", "1.4", "-2", "3"],
    ]
    assert rows[0][5] == "sepal_length: must be at least 0"
    assert rows[1][5].startswith("sepal_width: must be a number")
    assert "petal_width: must be at least 0" in rows[1][5]


def test_rejected_rows_of_json_and_more_than_are_listed(flowers: FlaskClient) -> None:
    many = [SETOSA, *[SETOSA | {"sepal_width": -1}] * 150]
    body = b"\n".join(str(row).replace("'", '"').encode() for row in many)
    page = upload(flowers, "/iris/", body, "rows.ndjson", 400)
    _, *rows = rejected_rows(page)
    assert (len(rows), rows[-1][4]) == (150, "151")
    assert "150 rows as CSV" in page.text


def test_rejected_rows_are_no_formulas_of_a_spreadsheet(pipeline: Any) -> None:
    model = KeyValueModel(name="iris", pipeline=pipeline, schema=LENGTHS, purge_unknown=False)
    row = {**SETOSA, "sepal_length": "=1+1", "petal_length": "@x", "petal_width": -1, "=2+2": 1}
    body = json.dumps([row | {"sepal_width": "+3.5"}]).encode()
    page = upload(serve(model), "/iris/", body, "rows.json", 400)
    [_, cells] = rejected_rows(page)
    assert cells[:4] == ["'=1+1", "+3.5", "'@x", "-1"]
    assert cells[5].startswith("'=2+2: the model has no such field")


# Traffic


def test_traffic_of_the_last_hour(flowers: FlaskClient) -> None:
    for _ in range(3):
        flowers.post("/iris/predict/", json=[SETOSA, VIRGINICA])
    flowers.post("/iris/predict/", json={})
    document = flowers.get("/iris/traffic/").get_json()
    assert document["hour"]["predictions"] == 3
    assert (document["hour"]["rows"], document["hour"]["rejections"]) == (6, 1)
    assert len(document["minutes"]) == 60
    assert sum(each["predictions"] for each in document["minutes"]) == 3
    median, p95 = document["hour"]["seconds"]["median"], document["hour"]["seconds"]["p95"]
    assert document["seconds"]["median"] / 1.5 < median <= p95
    page = get(flowers, "/iris/traffic/")
    drawn = page.one("section", aria_labelledby="hour-title").all("svg", role="img")
    assert [each.attributes["aria-label"].partition(":")[0] for each in drawn] == [
        "Predictions per minute",
        "Time of a prediction",
        "Errors per minute",
    ]
    assert "Predictions by this server process (one copy of the application; there may" in page.text


def test_counts_by_class_are_those_of_one_method(flowers: FlaskClient) -> None:
    flowers.post("/iris/predict/", json=[SETOSA, VIRGINICA])
    flowers.post("/iris/predict_proba/", json=[SETOSA])
    section = get(flowers, "/iris/traffic/").one("section", aria_labelledby="outputs-title")
    assert bars(section) == {"0": "1", "2": "1"}
    assert (
        "Only rows sent to the method “predict” are counted here"
        in section.one("p", class_="note").text
    )


def test_counts_of_the_only_method_need_no_word(versions: FlaskClient) -> None:
    versions.post("/iris/predict/", json=[[*SETOSA.values()]])
    section = get(versions, "/iris/traffic/").one("section", aria_labelledby="outputs-title")
    assert "are counted here" not in section.text


def test_chart_without_values_has_no_greatest_one(flowers: FlaskClient) -> None:
    flowers.post("/iris/predict/", json=SETOSA)
    titles = [each.text for each in get(flowers, "/iris/traffic/").all("h3")]
    assert "Predictions per minute highest 1" in titles
    assert "Errors per minute" in titles


def test_errors_are_grouped_by_field_and_rule(flowers: FlaskClient) -> None:
    flowers.post("/iris/predict/", json={"sepal_length": -1})
    flowers.post("/iris/predict/", json={})
    page = get(flowers, "/iris/traffic/")
    groups = page.one("section", aria_labelledby="rejected-title").all("div", class_="range")
    found = {each.one("h3").text: bars(each) for each in groups}
    assert found["sepal_length 2 errors"] == {"too small": "1", "no value": "1"}
    assert found["sepal_width 2 errors"] == {"no value": "2"}


def test_traffic_is_filtered_by_version(versions: FlaskClient) -> None:
    row = [[*SETOSA.values()]]
    versions.post("/iris/predict/", json=row)
    for _ in range(2):
        versions.post("/iris/versions/1/predict/", json=row)
    versions.post("/iris/versions/1/predict/", json=[["x"]])
    document = versions.get("/iris/traffic/?version=1").get_json()
    assert (document["version"], document["predictions"], document["rejections"]) == ("1", 2, 1)
    assert document["window"] == 2
    assert versions.get("/iris/traffic/?version=2").get_json()["rejected"] == []
    assert versions.get("/iris/traffic/").get_json()["predictions"] == 3
    page = get(versions, "/iris/traffic/?version=1")
    assert statistics(page)["Predictions"] == "2"
    assert "Predictions by version 1 in the last hour, in this server process" in page.text
    note = page.one("section", aria_labelledby="rejected-title").one("p", class_="note")
    assert note.text.startswith("Wrong values in requests to this server process since it started")
    assert document["seconds"] == document["hour"]["seconds"]
    table = get(versions, "/iris/traffic/").one("section", aria_labelledby="versions-title")
    assert table.one("p", class_="note").text == (
        "The last 3 predictions of this server process. The intended share is the part of the "
        "requests that a version should get. Scroll sideways to see all columns of a wide table."
    )
    assert [row[2] for row in rows_of(table.one("table"))[1:]] == ["live, 100%", "only when named"]
    get(versions, "/iris/traffic/?version=7", 404)
    assert statistics(get(versions, "/iris/traffic/?version="))["Predictions"] == "3"


def test_version_that_is_not_loaded_has_no_reason_for_missing_inputs(
    versions: FlaskClient, tmp_path: Path
) -> None:
    versions.post("/iris/versions/1/predict/", json=[[*SETOSA.values()]])
    assert get(versions, "/iris/traffic/?version=1").all(aria_labelledby="inputs-title")
    (tmp_path / "1.joblib").unlink()
    refresh(versions.application)
    page = get(versions, "/iris/traffic/?version=1")
    assert statistics(page)["Predictions"] == "1"
    assert "Not shown" not in page.text


def test_many_values_without_names_are_shown_if_others_are_hidden() -> None:
    wide = LinearRegression().fit(np.eye(60), np.arange(60.0))
    model = Model(name="wide", pipeline=wide)
    client = serve(model, SKMODELS_LOG_HIDDEN_FIELDS=["password"])
    client.post("/wide/predict/", json=[[0.0] * 60])
    inputs = get(client, "/wide/traffic/").one("section", aria_labelledby="inputs-title")
    assert len(inputs.all("div", class_="range")) == 60
    assert "Not shown" not in inputs.text


def test_minutes_of_several_processes_are_added_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    identity = ("skmodels", "iris", None)
    for _ in range(2):  # each opens a file, as each of two processes does
        TrafficMinutes(identity).add_one(REJECTIONS)
    TrafficMinutes(("skmodels", "other", None)).add_one(REJECTIONS)
    hour = hour_of(process_tables(identity, None), time())
    assert hour[:, REJECTIONS].sum() == 2
    assert hour_of(process_tables(identity, None), time() + 3600)[:, REJECTIONS].sum() == 0


def test_minutes_are_counted_where_the_shared_directory_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "none"))
    minutes = TrafficMinutes(["a"])
    minutes.add_one(FAILURES)
    assert minutes.table()[:, FAILURES].sum() == 1


def test_counts_of_one_process_are_named_so_where_only_minutes_are_shared(
    flowers: FlaskClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(State, "metrics", None)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    flowers.post("/iris/predict/", json={})
    document = flowers.get("/iris/traffic/").get_json()
    assert (document["is_shared"], document["are_counts_shared"]) == (True, False)
    text = get(flowers, "/iris/traffic/").text
    assert "Predictions by this server process (one copy of the application" in text
    assert "Wrong values in requests to this server process" in text


def test_times_beside_counts_of_all_processes_are_of_all_too(
    flowers: FlaskClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    totals = Totals(predictions=1)
    monkeypatch.setattr(State, "metrics", SimpleNamespace(totals=lambda *_: totals))
    minutes = TrafficMinutes(("skmodels", "iris", None))  # of another process
    start = int(time() // 60) % MINUTES * WIDTH
    minutes.add_one(PREDICTIONS)
    minutes.cells[start + TIMES + 5] = 1
    document = flowers.get("/iris/traffic/").get_json()
    assert document["are_counts_shared"] is True
    assert document["seconds"] == document["hour"]["seconds"]
    assert document["seconds"] is not None
    text = get(flowers, "/iris/traffic/").text
    assert "Predictions by all server processes (copies of the application) that share" in text
    assert "The times are those of the last hour." in text


SHARED = """
import os, sys
from flask import Flask
import numpy as np
from sklearn.linear_model import LinearRegression
from flask_skmodels import KeyValueModel, Profile, SKModels
X = np.arange(400.0).reshape(-1, 1)
line = LinearRegression().fit(X, X[:, 0])
app = Flask("shared")
models = SKModels(app)
models.add("line", line, profile=Profile.of(X, X[:, 0], line), schema={"x": {"min": 0}})
models.add("plain", line, schema={"x": {"min": 0}})
client = app.test_client()
for name in ("line", "plain"):
    for number in range(3):
        client.post(f"/{name}/predict/", json=[{"x": float(n)} for n in range(300)])
    client.post(f"/{name}/predict/", json={"x": -1})
if sys.argv[1:]:
    import json
    for name in ("line", "plain"):
        print(json.dumps(client.get(f"/{name}/traffic/").get_json()))
"""


@pytest.mark.usefixtures("measured_processes")
@pytest.mark.full
def test_traffic_of_all_workers_where_metrics_are_shared(tmp_path: Path) -> None:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    outputs = [
        subprocess.run(
            [sys.executable, "-c", SHARED, *more],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout
        for more in ([], ["tell"])
    ]
    line, plain = map(json.loads, outputs[1].splitlines())
    assert line["is_shared"] is plain["is_shared"] is True
    for document in (line, plain):
        assert (document["predictions"], document["rows"]) == (6, 1800)
        assert document["hour"]["predictions"] == 6
        assert document["rejected"] == [{"field": "x", "rule": "min", "count": 2}]
    assert line["are_distributions_shared"] is True
    assert line["inputs"][0]["rows"] == 1800
    assert sum(bar["count"] for bar in line["inputs"][0]["bars"]) == pytest.approx(1800, abs=30)
    assert plain["are_distributions_shared"] is False
    assert plain["window"] == 3


# The card


def test_card_tells_what_a_manager_asks(towns: Any, tmp_path: Path) -> None:
    profile = Profile.of(TOWNS, (TOWNS["area"] * 3).rename("price"), towns)
    model = Model(name="price", pipeline=towns, profile=profile, description="Price of a flat.")
    client = serve(model)
    page = get(client, "/price/card/")
    titles = [each.text for each in page.all("h2")]
    assert titles == [
        *("What it predicts", "What it predicts from", "Which model it is, and since when"),
        *("How sure it is", "What it was trained on", "How it is checked"),
    ]
    assert "It predicts “price”: a number, between 150 and 270" in page.text
    assert "120 rows of 2 columns" in page.text
    [_, town, *_] = rows_of(page.one("table", class_="wrapped"))
    assert town[0] == "town"
    assert town[2] == "any text; in training: Bergen, Oslo, Roma"
    hint = get(client, "/price/").one("p", id="field-0-hint").text
    assert hint == "in training: Bergen, Oslo, Roma; other values are accepted"
    client.post("/price/predict/", json={"town": "Oslo", "area": 60})
    inputs = get(client, "/price/traffic/").one("section", aria_labelledby="inputs-title").text
    assert "Not shown: town. Of a request, only numbers, yes or no, and values" in inputs
    assert "hides" not in inputs
    assert "The bar below" not in inputs
    assert "does not say how sure it is" in page.text
    card = client.get("/price/card/").get_json()
    assert card["predicts"] == {"kind": "number", "name": "price", "training_range": [150, 270]}
    assert card["training"]["rows"] == 120
    assert [each["name"] for each in card["fields"]] == ["town", "area"]


def test_typical_yes_or_no_is_in_words_on_a_card() -> None:
    X = pd.DataFrame({"size": [1.0, 2.0, 3.0] * 30, "is_new": [True, True, False] * 30})
    rent = LinearRegression().fit(X, X["size"])
    client = serve(Model(name="rent", pipeline=rent, profile=Profile.of(X)))
    shown = rows_of(get(client, "/rent/card/").one("table", class_="wrapped"))[2]
    assert shown == ["is_new", "yes or no", "yes or no", "yes"]
    assert (
        "| is_new | yes or no | yes or no | yes |" in client.get("/rent/card/?format=markdown").text
    )
    assert client.get("/rent/card/").get_json()["fields"][1]["typical"] is True


def test_card_of_a_classifier_and_of_hidden_fields(pipeline: Any, tmp_path: Path) -> None:
    file = put(tmp_path, "iris", pipeline)
    iris = KeyValueModel(name="iris", pipeline=file, schema=SCHEMA, probability=True)
    client = serve(iris, SKMODELS_TRUST_PICKLE=True, SKMODELS_LOG_HIDDEN_FIELDS=["sepal_width"])
    client.post("/iris/predict_proba/", json=[SETOSA, VIRGINICA])
    page = get(client, "/iris/card/")
    assert "It predicts one of 0, 1, 2." in page.text
    card = client.get("/iris/card/").get_json()
    median = percent(card["certainty"]["recent"]["median_probability"])
    sure = percent(card["certainty"]["recent"]["share_sure"])
    assert (
        f"the median probability of the predicted class in the last 2 rows was {median}; "
        f"the probability was at least 90% in {sure} of them."
    ) in page.text
    assert f"The fingerprint (SHA-256) of its file is {card['since']['sha256']}." in card["checks"]
    assert "Those who run the application have decided that this file may be used." in page.text
    inputs = get(client, "/iris/traffic/").one("section", aria_labelledby="inputs-title").text
    assert "Not shown: sepal_width. The application hides these values." in inputs
    assert "are kept" not in inputs
    hidden = {each["name"]: "typical" in each for each in card["fields"]}
    assert hidden["sepal_width"] is False
    assert card["training"] is None


def test_card_of_a_version(towns: Any, tmp_path: Path) -> None:
    profile = Profile.of(TOWNS, (TOWNS["area"] * 3).rename("price"), towns)
    put(tmp_path / "price", "7", towns)
    example = TOWNS[:1].to_dict("records")
    model = Model(name="price", pipeline="price", profile=profile, examples=example)
    client = application(model, root=tmp_path).test_client()
    checks = client.get("/price/card/").get_json()["checks"]
    assert "A new version is used only if it predicts an example row without an error." in checks
    text = client.get("/price/card/?format=markdown").text
    assert "This card describes version 7." in text
    assert 'model_file: "7.joblib"' in text


def test_card_in_markdown_has_the_sections_of_skops(pipeline: Any) -> None:
    iris = KeyValueModel(
        name="iris", pipeline=pipeline, schema=SCHEMA, description="Some <b>iris</b>."
    )
    client = serve(iris)
    for response in (
        client.get("/iris/card/?format=markdown", headers=HTML),
        client.get("/iris/card/", headers={"Accept": "text/markdown"}),
    ):
        assert response.content_type == "text/markdown; charset=utf-8"
        assert response.text.startswith('---\nlibrary_name: "sklearn"\ntags:\n- sklearn\n- skops\n')
        assert "&lt;b>iris" in response.text
        heads = re.findall(r"^#+ .*", response.text, re.MULTILINE)
        assert heads == [
            "# Model description",
            "## Intended uses & limitations",
            "## Training Procedure",
            "### Hyperparameters",
            "## Evaluation Results",
            "# How to Get Started with the Model",
        ]
        assert "| logisticregression__max_iter |" in response.text


def test_classes_in_the_card_in_markdown_are_no_markup() -> None:
    classifier = LogisticRegression().fit([[0.0], [1.0]], ["<script>", "b"])
    client = serve(Model(name="marked", pipeline=classifier))
    card = client.get("/marked/card/?format=markdown", headers=HTML).text
    assert "It predicts one of &lt;script>, b." in card
    assert "<script>" not in card


def test_card_of_other_models() -> None:
    scale = make_pipeline(OneHotEncoder(handle_unknown="ignore"))
    scale.fit(pd.DataFrame({"a": ["x", "y"]}))
    client = serve(Model(name="scale", pipeline=scale))
    assert "transforms" in get(client, "/scale/card/").text
    assert client.get("/scale/card/").get_json()["predicts"]["kind"] == "transformed values"


def test_card_counts_the_fields_and_classes_that_it_leaves_out() -> None:
    names = [f"x{number}" for number in range(203)]
    X = pd.DataFrame([[0.0] * 203, [1.0] * 203], columns=names)
    line = LinearRegression().fit(X, [0.0, 1.0])
    client = serve(Model(name="wide", pipeline=line))
    assert "and 3 more." in get(client, "/wide/card/").text
    assert "\n\nand 3 more.\n\n" in client.get("/wide/card/?format=markdown").text
    many = GaussianNB().fit([[float(n)] for n in range(52)], [f"c{n}" for n in range(52)])
    page = get(serve(Model(name="many", pipeline=many)), "/many/card/")
    assert " and 2 more." in page.one("section", aria_labelledby="predicts-title").text


def test_guards_of_a_model_guard_its_card(pipeline: Any) -> None:
    def refuse(view: Any) -> Any:
        return lambda **arguments: ("no", 401)

    iris = KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA, decorators=[refuse])
    client = serve(iris)
    for path in ("/iris/card/", "/iris/predict/", "/iris/?version=1"):
        assert client.get(path, headers=HTML).status_code == 401


# The API document


def test_title_and_version_of_the_api_document(pipeline: Any, monkeypatch: Any) -> None:
    def info(**config: Any) -> dict[str, str]:
        client = serve(Model(name="iris", pipeline=pipeline), **config)
        found: dict[str, str] = client.get("/-/openapi.json").get_json()["info"]
        return found

    assert info()["version"] == "0.0.0"  # the application has none
    named = info(SKMODELS_API_TITLE="Flowers", SKMODELS_API_VERSION="2.1")
    assert named == {"title": "Flowers", "version": "2.1"}
    app = Flask(__name__)
    monkeypatch.setattr(sys.modules[__name__], "__version__", "3.4", raising=False)
    SKModels(app).add("iris", pipeline)
    document = app.test_client().get("/-/openapi.json").get_json()
    assert document["info"] == {"title": __name__, "version": "3.4"}


def test_nothing_is_uploaded_twice(flowers: FlaskClient) -> None:
    page = read(flowers.post("/iris/?check=1", data={"file": (BytesIO(), "")}, headers=HTML), 400)
    assert "choose a file first" in page.one(id="file-result").text


def test_large_numbers_are_not_in_powers_of_ten() -> None:
    big = LinearRegression().fit(np.array([[0.0], [1.0]]), [0.0, 6185614.25])
    client = serve(KeyValueModel(name="big", pipeline=big, schema={"x": {}}))
    shown = result_of(submit(client, "/big/", x="1")).one("p", class_="prediction").text
    assert shown == "6,185,614"
    table = upload(client, "/big/", b"x\n20000.5\n", "rows.csv").one("table", class_="rows")
    assert rows_of(table)[1][0] == "20,000.5"


@pytest.mark.parametrize("kind", [int, float])
def test_class_that_is_a_number_has_no_separators(kind: type) -> None:
    codes = GaussianNB().fit([[0.0], [1.0]], np.array([10115, 20095], dtype=kind))
    client = serve(Model(name="code", pipeline=codes, probability=True))
    result = result_of(submit(client, "/code/", x0="1"))
    assert result.one("p", class_="prediction").text == "20095"
    assert bars(result.one("table", class_="bars")) == {"20095": "100%", "10115": "0%"}
    assert "It predicts one of 10115, 20095." in get(client, "/code/card/").text
    page = upload(client, "/code/", b"1\n", "rows.csv")
    assert bars(page.one("div", class_="distributions")) == {"20095": "1"}
    assert rows_of(page.one("table", class_="rows"))[1][-1] == "20095"


def test_limits_are_shown_in_full_and_codes_without_separators() -> None:
    X = pd.DataFrame({"size": [1.0, 20000.0, 20000.0], "code": [10000, 20000, 20000]})
    line = LinearRegression().fit(X, [0.0, 1.0, 1.0])
    schema = {
        "size": {"type": "float", "min": -20000.0, "max": 1234567890123.5},
        "code": {"type": "integer", "allowed": [10000, 20000]},
    }
    model = KeyValueModel(name="m", pipeline=line, schema=schema, profile=Profile.of(X))
    client = serve(model)
    size = "from -20,000 to 1,234,567,890,123.5; trained on 1 to 20,000"
    text = get(client, "/m/").one(id="predict").text
    assert size in text
    assert "trained on 10000 to 20000" in text
    rows = rows_of(get(client, "/m/card/").one("table", class_="wrapped"))
    assert rows[1][2:] == [size, "20,000"]
    assert rows[2][2:] == ["one of 10000, 20000; trained on 10000 to 20000", "20000"]


def test_certainty_of_one_row_on_a_card() -> None:
    even = GaussianNB().fit([[0.0], [1.0]], [0, 1])
    client = serve(Model(name="even", pipeline=even, probability=True))
    client.post("/even/predict_proba/", json=[{"values": [0.0]}])
    words = "the probability of the predicted class in the last row was 100%."
    assert words in get(client, "/even/card/").text
    assert words in client.get("/even/card/?format=markdown").text


def test_small_share_of_sure_rows_is_escaped_in_markdown() -> None:
    line = LogisticRegression().fit([[-1.0], [1.0]], [0, 1])
    client = serve(Model(name="line", pipeline=line, probability=True))
    unsure = [{"values": [0.0]}] * 100
    for rows in [*[unsure] * 11, [{"values": [1e3]}]]:
        client.post("/line/predict_proba/", json=rows)
    words = "rows was 50.0%; the probability was at least 90% in {} 0.1% of them."
    assert words.format("<") in get(client, "/line/card/").text
    assert words.format("&lt;") in client.get("/line/card/?format=markdown").text


# Time


def test_compiled_templates_are_kept_as_python_keeps_modules(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def show() -> dict[str, Path]:
        app = Flask("new")
        app.jinja_env.bytecode_cache = None  # without the cache of the tests
        SKModels(app).add("line", LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]))
        assert get(app.test_client(), "/-/").one("h1").text == "Models"
        return {path.name.partition(".")[0]: path for path in tmp_path.rglob("*.jinja")}

    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert show() == {}
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    kept = show()
    assert set(kept) == {"index", "layout", "_macros"}
    kept["index"].write_bytes(kept["index"].read_bytes()[:20])  # a broken file is not used
    assert len(show()["index"].read_bytes()) > 20


def test_application_with_a_cache_of_its_own_keeps_it(pipeline: Any) -> None:
    app = Flask("own")
    app.jinja_env.bytecode_cache = cache = FileSystemBytecodeCache()
    SKModels(app).add("iris", pipeline)
    get(app.test_client(), "/-/")
    assert app.jinja_env.bytecode_cache is cache
