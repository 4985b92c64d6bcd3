"""The uses of a profile: the form of the page, the OpenAPI document, and the probes at load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from flask_skmodels import Model, Profile, SKModels
from flask_skmodels.engines.lean.probes import Probes
from flask_skmodels.testing import fake_model
from tests.support.command_line import output
from tests.support.html import HTML, fill, get, read, submit
from tests.support.skips import library

pd = library("pandas")

X = pd.DataFrame(
    {
        "age": [20, 30, 40] * 20,
        "income": np.linspace(100, 200, 60),
        "member": [True, False, True] * 20,
        "town": ["Oslo", "Bergen", "Oslo"] * 20,
    }
)


def age_and_income(X: Any) -> Any:
    return X[["age", "income"]]


def as_text(X: Any) -> Any:
    return X.astype(str)


def model(**attributes: Any) -> Model:
    select = FunctionTransformer(age_and_income)
    pipeline = make_pipeline(select, LinearRegression()).fit(X, X.age)
    return Model(name="risk", pipeline=pipeline, **{"profile": Profile.of(X)} | attributes)


def client_of(served: Model) -> FlaskClient:
    models = SKModels()
    models.register(served)
    app = Flask("app")
    models.init_app(app)
    return app.test_client()


def test_form_begins_with_typical_values() -> None:
    client = client_of(model())
    page = get(client, "/risk/")
    expected = {"age": "30", "income": "151", "member": "true", "town": "Oslo"}
    assert fill(page) == expected
    assert submit(client, "/risk/").one("p", class_="prediction").text == "30"


def test_form_begins_with_an_example_if_there_is_one() -> None:
    example = {"age": 20, "income": 120, "member": False, "town": "Bergen"}
    assert fill(get(client_of(model(examples=[example])), "/risk/"))["age"] == "20"


def test_form_begins_with_a_default_before_a_typical_value() -> None:
    schema = {"age": {"default": 25}, "income": {}, "member": {}, "town": {}}
    assert fill(get(client_of(model(schema=schema)), "/risk/"))["age"] == "25"


def test_typical_value_that_a_rule_forbids_is_not_used() -> None:
    schema = {"age": {"min": 35}, "income": {}, "member": {}, "town": {"allowed": ["Bergen"]}}
    values = fill(get(client_of(model(schema=schema)), "/risk/"))
    assert (values["age"], values["town"]) == ("35", "Bergen")  # what the schema allows


def test_page_shows_the_range_of_the_training_data() -> None:
    shown = client_of(model()).get("/risk/", headers=HTML)
    assert "whole number; trained on 20 to 40" in read(shown).text
    assert "trained on 100 to 200" in read(shown).text


def test_openapi_document_has_the_typical_row_as_an_example() -> None:
    models = SKModels()
    models.register(model())
    app = Flask("app")
    models.init_app(app)
    document = models.openapi(app)
    body = document["paths"]["/risk/predict/"]["post"]["requestBody"]["content"]
    example = body["application/json"]["examples"]["example 1"]["value"]
    expected = {"age": 30, "income": 151.0, "member": True, "town": "Oslo"}
    assert expected in (example, example.get("instances", [None])[0])
    age = document["components"]["schemas"]["risk.Row"]["properties"]["age"]
    assert age["examples"] == [30]
    assert age["x-training-range"] == [20, 40]


def test_probes_are_drawn_from_the_profile() -> None:
    models = SKModels()
    models.register(model())
    app = Flask("app")
    models.init_app(app)
    version = app.extensions["skmodels"].deployments["risk"].current(app)
    columns = Probes(version.schema, version.model.pipeline, ()).rows()
    assert {20, 30, 40} <= set(columns[0])
    assert {"Oslo", "Bergen"} <= set(columns[3])


def test_show_prints_the_range_of_the_training_data() -> None:
    app = Flask("app")
    SKModels(app).register(model())
    lines = [" ".join(line.split()) for line in output(app, "show", "risk").splitlines()]
    assert "age integer yes 20 to 40 in training" in lines


@pytest.mark.parametrize("profile", [Profile.of(X), "risk.profile.json"])
def test_fake_of_a_model_with_a_profile_keeps_its_fields(profile: Any, tmp_path: Path) -> None:
    Profile.of(X).save(tmp_path / "risk.profile.json")
    joblib.dump(LinearRegression().fit(X[["age"]], X.age), tmp_path / "risk.joblib")
    in_file = isinstance(profile, str)
    pipeline = "risk.joblib" if in_file else model().pipeline
    schema: Any = {name: {} for name in X} if in_file else None
    models = SKModels()
    models.add("risk", pipeline, profile=profile, schema=schema, enforce_ranges=True)
    with fake_model(models, "risk", predict=7):
        app = Flask("app")
        models.init_app(app)
        flags = {"member": 1, "town": 2} if in_file else {"member": True, "town": "Oslo"}
        row = {"age": 30, "income": 120} | flags
        response = app.test_client().post("/risk/predict/", json=row)
    assert response.status_code == 200, response.text


def test_model_with_whole_numbers_keeps_the_lean_engine() -> None:
    numbers = X[["age", "income"]]
    forest = RandomForestRegressor(5, random_state=0).fit(numbers, X.age)
    served = Model(name="risk", pipeline=forest, profile=numbers)
    client = client_of(served)
    assert client.get("/risk/").get_json()["engine"]["name"] == "lean"
    rows = [{"age": 25, "income": 120.0}, {"age": 33, "income": 150.5}]
    got = client.post("/risk/predict/", json=rows).get_json()["predictions"]
    assert got == forest.predict(pd.DataFrame(rows)).tolist()
    got = client.post("/risk/predict/", json=[{"age": None, "income": 1}]).get_json()
    missing = pd.DataFrame({"age": [np.nan], "income": [1.0]})
    assert got["predictions"] == forest.predict(missing).tolist()


def test_integers_among_objects_stay_integers_in_columns() -> None:
    objects = pd.DataFrame({"zip": pd.Series([1010, 2020, 3030, None] * 20, dtype=object)})
    encoder = OneHotEncoder(handle_unknown="ignore")
    pipeline = make_pipeline(FunctionTransformer(as_text), encoder, LinearRegression())
    pipeline.fit(objects, [1, 2, 3, 4] * 20)
    app = Flask("app")
    models = SKModels(app)
    models.add("zip", pipeline, profile=objects)
    for rows in (objects[:4], objects[:3], objects[:3].astype("int64"), objects[:1]):
        expected = pytest.approx(pipeline.predict(objects[: len(rows)]))
        with app.app_context():
            assert models.predict("zip", rows).outputs == expected
