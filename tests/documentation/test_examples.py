"""The examples, each called as its docstring says."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask import Flask
from flask.cli import ScriptInfo
from flask.testing import FlaskClient
from palmerpenguins import load_penguins
from sklearn.datasets import load_iris

import examples.audit.app as audit
import examples.drain.app as drain
import examples.embedded.app as embedded
import examples.factory.app as factory
import examples.iris.app as iris
import examples.login.app as login
import examples.penguins.app as penguins
from examples.factory.models import models as cellar_models
from flask_skmodels import InvalidInput

EXAMPLES = Path(__file__).parent.parent.parent / "examples"

SETOSA = "5.1,3.5,1.4,0.2"
BIRD = {
    "bill_length_mm": 50.0,
    "bill_depth_mm": 19.5,
    "flipper_length_mm": 196.0,
    "body_mass_g": 3900.0,
    "island": "Dream",
    "sex": "female",
}


def test_every_example_has_a_test() -> None:
    names = {path.parent.name for path in EXAMPLES.glob("*/app.py")}
    assert names == {"audit", "drain", "embedded", "factory", "iris", "login", "penguins"}


@pytest.mark.parametrize("name", ["embedded", "factory", "iris", "login", "penguins"])
def test_flask_run_finds_the_application(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not audit, which would make its database in the checkout.
    monkeypatch.setattr("sys.path", list(sys.path))
    monkeypatch.delitem(sys.modules, "app", raising=False)
    app = ScriptInfo(app_import_path=str(EXAMPLES / name / "app.py")).load_app()
    monkeypatch.delitem(sys.modules, "app", raising=False)
    addresses = {rule.rule for rule in app.url_map.iter_rules()}
    assert any(address.endswith("/predict/") for address in addresses)


@pytest.mark.parametrize("module", [drain, iris, login, penguins])
def test_root_leads_to_the_list_of_models(module: Any) -> None:
    client = module.create_app().test_client()
    assert client.get("/").status_code == 302  # a browser would keep a permanent redirect
    assert client.get("/", follow_redirects=True).request.path == "/-/"


# iris


def test_iris() -> None:
    features = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    row = dict(zip(features, SETOSA.split(","), strict=True))
    client = iris.create_app().test_client()
    assert client.post("/iris/predict/", data=row).text == "0"
    assert client.post("/iris/predict_proba/", data=row).text.count(",") == 2


# embedded


def test_embedded_predicts_in_a_page_of_its_own() -> None:
    client = embedded.create_app().test_client()
    assert 'value="5.1"' in client.get("/").text
    names = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    sent = {"skmodels": "iris", **dict(zip(names, SETOSA.split(","), strict=True))}
    assert '<p class="skmodels-output">0</p>' in client.post("/", data=sent).text
    wrong = client.post("/", data={**sent, "petal_width": "31"}).text
    assert "must be at most 30" in wrong
    assert "skmodels-output" not in wrong.partition("</style>")[2]


def test_embedded_needs_two_lines_of_its_page() -> None:
    page = (EXAMPLES / "embedded/templates/start.html").read_text(encoding="utf-8")
    assert page.count("{{ skmodels.") == page.count("{{") == 2


# factory


@pytest.fixture
def cellar() -> FlaskClient:
    return factory.create_app().test_client()


def test_factory_serves_under_the_configured_prefix(cellar: FlaskClient) -> None:
    wine = {"alcohol": 13.7, "malic_acid": 1.8, "flavanoids": 3.1, "color_intensity": 5.6}
    assert cellar.post("/models/cultivar/predict/", data=wine).text == "Barolo"
    assert cellar.post("/cultivar/predict/", data=wine).status_code == 404


def test_factory_limits_rows_by_its_configuration(cellar: FlaskClient) -> None:
    rows = [[13.7, 1.8, 3.1, 5.6]] * (factory.Config.SKMODELS_MAX_ROWS + 1)
    assert cellar.post("/models/cultivar/predict/", json=rows[1:]).status_code == 200
    assert cellar.post("/models/cultivar/predict/", json=rows).status_code == 413


@pytest.mark.parametrize(("number", "cultivar"), [(0, "Barolo"), (1, "Grignolino"), (2, "Barbera")])
def test_factory_predicts_in_a_view_of_its_own(
    cellar: FlaskClient, number: int, cultivar: str
) -> None:
    assert cellar.get(f"/cellar/{number}").get_json()["cultivar"] == cultivar


def test_factory_keeps_its_own_pages(cellar: FlaskClient) -> None:
    assert cellar.get("/").get_json() == {"models": ["cultivar"], "wines": 3}
    missing = cellar.get("/cellar/3")
    assert (missing.status_code, missing.mimetype) == (404, "text/html")


def test_factory_makes_applications_that_differ(cellar: FlaskClient) -> None:
    class Other(factory.Config):
        SKMODELS_URL_PREFIX = "/other"

    other = factory.create_app(Other).test_client()
    assert other.get("/other/cultivar/").status_code == 200
    assert other.get("/models/cultivar/").status_code == 404
    assert cellar.get("/models/cultivar/").status_code == 200


def test_factory_checks_rows_in_process_as_well() -> None:
    with factory.create_app().app_context(), pytest.raises(InvalidInput, match="min value is 0"):
        cellar_models.predict("cultivar", [[-1, 1, 1, 1]])


# penguins


@pytest.fixture
def colony() -> FlaskClient:
    return penguins.create_app().test_client()


def probabilities_of(**changes: object) -> Any:
    """Return what the pipeline itself says of the bird, its columns in their order."""
    frame = pd.DataFrame([BIRD | changes])[penguins.NUMBERS + penguins.TEXTS]
    return penguins.Penguins.pipeline.predict_proba(frame).tolist()[0]


def posted_probabilities(client: FlaskClient, form: dict[str, object]) -> list[float]:
    return [float(p) for p in client.post("/penguins/predict_proba/", data=form).text.split(",")]


def without(field: str) -> dict[str, object]:
    return {name: value for name, value in BIRD.items() if name != field}


def test_penguins_predicts_what_the_pipeline_predicts(colony: FlaskClient) -> None:
    frame = load_penguins()[penguins.NUMBERS + penguins.TEXTS]
    assert frame.isna().any(axis=None)
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    predictions = colony.post("/penguins/predict/", json=rows).get_json()["predictions"]
    assert predictions == penguins.Penguins.pipeline.predict(frame).tolist()
    probabilities = colony.post("/penguins/predict_proba/", json=rows).get_json()["predictions"]
    assert probabilities == penguins.Penguins.pipeline.predict_proba(frame).tolist()


def test_penguins_answers_a_form_with_the_species(colony: FlaskClient) -> None:
    assert colony.post("/penguins/predict/", data=BIRD).text == "Chinstrap"


@pytest.mark.parametrize("field", [*penguins.NUMBERS, "sex"])
def test_penguins_takes_a_missing_value_from_a_form(colony: FlaskClient, field: str) -> None:
    expected = probabilities_of(**{field: np.nan})
    assert posted_probabilities(colony, BIRD | {field: ""}) == expected
    assert expected != probabilities_of()


@pytest.mark.parametrize("field", [*penguins.NUMBERS, "sex"])
def test_penguins_takes_a_missing_value_as_null(colony: FlaskClient, field: str) -> None:
    response = colony.post("/penguins/predict_proba/", json=BIRD | {field: None})
    assert response.get_json()["predictions"] == [probabilities_of(**{field: np.nan})]


@pytest.mark.parametrize("field", [*penguins.NUMBERS, "sex"])
def test_penguins_takes_what_is_not_required_for_missing(colony: FlaskClient, field: str) -> None:
    assert posted_probabilities(colony, without(field)) == probabilities_of(**{field: np.nan})


@pytest.mark.parametrize("row", [without("island"), BIRD | {"island": ""}])
def test_penguins_has_a_default_island(colony: FlaskClient, row: dict[str, object]) -> None:
    expected = probabilities_of(island="Biscoe")
    assert posted_probabilities(colony, row) == expected
    assert expected != probabilities_of()


def test_penguins_takes_the_default_for_null_too(colony: FlaskClient) -> None:
    response = colony.post("/penguins/predict_proba/", json=BIRD | {"island": None})
    assert response.get_json()["predictions"] == [probabilities_of(island="Biscoe")]


def test_penguins_turns_down_what_it_does_not_know(colony: FlaskClient) -> None:
    response = colony.post("/penguins/predict/", json=BIRD | {"island": "Java", "body_mass_g": -1})
    assert response.status_code == 400
    broken = [(error["field"], error["rule"]) for error in response.get_json()["errors"]]
    assert broken == [("body_mass_g", "min"), ("island", "allowed")]


# audit


@pytest.fixture
def audited(tmp_path: Path) -> Iterator[Flask]:
    app = audit.create_app(f"sqlite:///{tmp_path / 'audit.sqlite'}")
    yield app
    with app.app_context():
        audit.db.engine.dispose()


def written(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path / "audit.sqlite")) as connection:
        query = "SELECT request_id, method, inputs, outputs, errors FROM audit ORDER BY id"
        return connection.execute(query).fetchall()


def test_audit_writes_each_prediction(audited: Flask, tmp_path: Path) -> None:
    client = audited.test_client()
    headers = {"X-Request-ID": "first"}
    assert client.post("/iris/predict/", data={"values": SETOSA}, headers=headers).text == "0"
    with audited.app_context():
        audit.models.predict("iris", load_iris().data[100:102])
    row = load_iris().data[100:102].tolist()
    assert written(tmp_path) == [
        ("first", "predict", f"[[{SETOSA.replace(',', ', ')}]]", "[0]", "[]"),
        (None, "predict", str(row), "[2, 2]", "[]"),
    ]


def test_audit_writes_what_was_rejected(audited: Flask, tmp_path: Path) -> None:
    client = audited.test_client()
    assert client.post("/iris/predict/", data={"values": "5.1"}).status_code == 400
    [(_, method, inputs, outputs, errors)] = written(tmp_path)
    assert (method, inputs, outputs) == ("predict", "[]", "[]")
    assert '"rule": "items"' in str(errors)
    assert client.get("/audit").get_json()[0]["errors"][0]["field"] == "values"


def test_audit_leaves_the_session_of_a_view_alone(audited: Flask, tmp_path: Path) -> None:
    with audited.app_context():
        audit.db.session.add(audit.Audit(method="not committed"))
        audit.models.predict("iris", [[5.1, 3.5, 1.4, 0.2]])
        audit.db.session.rollback()
    assert [row[1] for row in written(tmp_path)] == ["predict"]


def test_audit_hears_its_own_application_alone(audited: Flask, tmp_path: Path) -> None:
    other = audit.create_app("sqlite://")
    with audited.app_context():
        audit.models.predict("iris", [[5.1, 3.5, 1.4, 0.2]])
    assert other.test_client().get("/audit").get_json() == []
    assert len(written(tmp_path)) == 1


# login


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> Flask:
    monkeypatch.setenv("DEMO_PASSWORD", "only in this test")
    app = login.create_app()
    login.limiter.reset()
    return app


def log_in(app: Flask, user: str = "ada") -> FlaskClient:
    client = app.test_client()
    form = {"user": user, "password": "only in this test"}
    assert client.post("/login", data=form).status_code == 200
    return client


def ask(client: FlaskClient) -> int:
    return client.post("/iris/predict/", data={"values": SETOSA}).status_code


def test_login_is_needed_for_every_address_of_the_model(guarded: Flask) -> None:
    client = guarded.test_client()
    assert ask(client) == 401
    assert client.get("/iris/").status_code == client.get("/-/models").status_code == 401


@pytest.mark.parametrize(
    "form", [{}, {"user": "ada"}, {"user": "eve", "password": "only in this test"}]
)
def test_login_needs_user_and_password(guarded: Flask, form: dict[str, str]) -> None:
    client = guarded.test_client()
    assert client.post("/login", data=form).status_code == 401
    assert ask(client) == 401


def test_login_opens_the_model(guarded: Flask) -> None:
    client = log_in(guarded)
    assert client.post("/iris/predict/", data={"values": SETOSA}).text == "0"
    assert client.get("/iris/").status_code == client.get("/-/models").status_code == 200


def test_login_limits_each_user(guarded: Flask) -> None:
    ada, grace = log_in(guarded), log_in(guarded, "grace")
    assert [ask(ada) for _ in range(6)] == [200] * 5 + [429]
    assert ask(grace) == 200


def test_login_leaves_health_open(guarded: Flask) -> None:
    client = guarded.test_client()
    for state in ("live", "ready"):
        assert [client.get(f"/-/health/{state}").status_code for _ in range(9)] == [200] * 9


def test_login_has_no_secret_in_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    first, second = login.create_app(), login.create_app()
    assert first.config["SECRET_KEY"] != second.config["SECRET_KEY"]
    monkeypatch.setenv("SECRET_KEY", "from the environment")
    assert login.create_app().config["SECRET_KEY"] == "from the environment"
