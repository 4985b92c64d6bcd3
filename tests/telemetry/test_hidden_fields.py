"""A field that is hidden from the log is hidden from the pages too."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from flask import Flask, render_template_string
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

from flask_skmodels import KeyValueModel, Model, Profile, SKModels
from tests.support.helpers import FIELDS, SCHEMA, SETOSA, X, post_json, serve
from tests.support.html import HTML, fill, submit

PEOPLE = pd.DataFrame({"age": [1230.0, 4560.0, 7890.0] * 30, "rooms": [2.0, 3.0, 4.0] * 30})
TOLD = ("7890", "4560")  # of the training data of the hidden field


def traffic(model: Model, row: Any, hidden: list[str], method: str = "predict") -> dict[str, Any]:
    client = serve(model, SKMODELS_LOG_HIDDEN_FIELDS=hidden)
    assert post_json(client, f"/iris/{method}/", [row]).status_code == 200
    document: dict[str, Any] = client.get("/iris/traffic/").get_json()
    return document


def test_traffic_does_not_tell_a_hidden_field(pipeline: Any) -> None:
    model = KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA)
    document = traffic(model, SETOSA, ["sepal_width"])
    assert [each["field"] for each in document["inputs"]] == [
        *("sepal_length", "petal_length", "petal_width"),
    ]
    assert document["inputs"][0]["least"] == 5.1
    assert len(document["outputs"]) == 1


def test_traffic_does_not_tell_the_field_of_a_hidden_alias(pipeline: Any) -> None:
    schema = {**SCHEMA, "width": {"rename": "sepal_width"}}
    model = KeyValueModel(name="iris", pipeline=pipeline, schema=schema)
    document = traffic(model, SETOSA, ["width"])
    assert "sepal_width" not in [each["field"] for each in document["inputs"]]


def test_traffic_does_not_tell_what_a_transformer_returns() -> None:
    scaler = StandardScaler().fit(X)
    model = Model(name="iris", pipeline=scaler, schema=SCHEMA)
    assert len(traffic(model, SETOSA, [], "transform")["outputs"]) == len(FIELDS)
    model = Model(name="iris", pipeline=scaler, schema=SCHEMA)
    assert traffic(model, SETOSA, ["sepal_width"], "transform")["outputs"] == []


def people(estimator: Any) -> Model:
    return Model(name="rent", pipeline=estimator, profile=Profile.of(PEOPLE))


@pytest.fixture
def rent() -> Model:
    return people(LinearRegression().fit(PEOPLE, PEOPLE["rooms"]))


@pytest.mark.parametrize(
    "path", ["/rent/", "/rent/card/", "/rent/card/?format=json", "/rent/card/?format=markdown"]
)
def test_pages_do_not_tell_the_training_data_of_a_hidden_field(rent: Model, path: str) -> None:
    told = serve(rent).get(path, headers=HTML).text
    assert all(text in told for text in TOLD)
    client = serve(people(rent.pipeline), SKMODELS_LOG_HIDDEN_FIELDS=["age"])
    page = client.get(path, headers=HTML).text
    assert not any(text in page for text in TOLD)


def test_curve_over_a_hidden_field_has_no_ends_of_the_training_data(rent: Model) -> None:
    client = serve(rent, SKMODELS_LOG_HIDDEN_FIELDS=["age"])
    row = {"age": "1", "rooms": "2"}
    assert client.post("/rent/?curve=rooms", data=row, headers=HTML).status_code == 200
    assert client.post("/rent/?curve=age", data=row, headers=HTML).status_code == 400


def test_forms_of_an_application_do_not_tell_a_hidden_field(rent: Model) -> None:
    app = Flask("host")
    app.config.update(SECRET_KEY="only in this test", SKMODELS_LOG_HIDDEN_FIELDS=["age"])
    models = SKModels(app)
    models.register(rent)
    with app.test_request_context("/"):
        drawn = render_template_string('{{ skmodels.form("rent") }}')
        form = rent.form()()
    assert not [text for text in TOLD if text in drawn]
    assert "trained on 2 to 4" in drawn  # of the other field
    assert (form["age"].data, form["rooms"].data) == (0, 3)
    assert form["age"].description == ""


@pytest.mark.parametrize(("hidden", "is_kept"), [([], True), (["age"], False)])
def test_answers_of_a_transformer_are_not_kept_with_hidden_fields(
    hidden: list[str], is_kept: bool
) -> None:
    scaler = people(StandardScaler().fit(PEOPLE))
    page = submit(serve(scaler, SKMODELS_LOG_HIDDEN_FIELDS=hidden), "/rent/", age="5", rooms="1")
    assert ("data-answer" in page.one("div", id="result").attributes) is is_kept
    assert set(fill(page)) == {"age", "rooms"}


def documents(model: Model, hidden: list[str], *, is_compiled: bool = False) -> list[str]:
    """Return the documents about a model: for clients, and of the command line."""
    client = serve(model, SKMODELS_LOG_HIDDEN_FIELDS=hidden)
    runner = client.application.test_cli_runner()
    commands = (["show", "rent"], ["show", "rent", "--json"], ["openapi"], ["list", "--json"])
    paths = ("/rent/", "/-/models/", "/-/openapi.json")
    told = [client.get(path).text for path in paths]
    return told + [runner.invoke(args=["skmodels", *command]).output for command in commands]


@pytest.mark.parametrize("kind", [Model, KeyValueModel])
def test_documents_do_not_tell_the_training_data_of_a_hidden_field(kind: type[Model]) -> None:
    def model(**schema: Any) -> Model:
        estimator = LinearRegression().fit(PEOPLE, PEOPLE["rooms"])
        return kind(name="rent", pipeline=estimator, profile=Profile.of(PEOPLE), **schema)

    told = documents(model(), [])
    assert sum(all(text in each for text in TOLD) for each in told) >= 5
    hidden = documents(model(), ["age"])
    assert not [each for each in hidden if any(text in each for text in TOLD)]
    assert sum("age" in each and "rooms" in each for each in hidden) == 7
    assert '"x-training-range":[2.0,4.0]' in hidden[0]  # of the other field


def test_documents_keep_the_rules_of_a_hidden_field() -> None:
    estimator = LinearRegression().fit(PEOPLE, PEOPLE["rooms"])
    rules = {"age": {"min": 17, "max": 99, "default": 40}, "rooms": {"allowed": [1.0, 2.0]}}
    model = KeyValueModel(name="rent", pipeline=estimator, schema=rules, profile=Profile.of(PEOPLE))
    client = serve(model, SKMODELS_LOG_HIDDEN_FIELDS=["age", "rooms"])
    assert client.get("/rent/").get_json()["fields"] == {
        "age": {"type": "number", "default": 40, "minimum": 17, "maximum": 99},
        "rooms": {"type": "number", "enum": [1.0, 2.0]},
    }
    row = client.get("/-/openapi.json").get_json()["components"]["schemas"]["rent.Row"]
    assert row["properties"] == client.get("/rent/").get_json()["fields"]
