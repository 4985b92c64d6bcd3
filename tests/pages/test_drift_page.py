"""The page of the drift of a model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression

from flask_skmodels import Model, Profile, SKModels
from flask_skmodels.testing import FakeEstimator
from tests.support.helpers import serve
from tests.support.html import HTML, Element, get, statistics
from tests.support.versions_folder import application, deployment_of, extension_of, iris, put

pytestmark = pytest.mark.usefixtures("strict_host")

NASTY = "<script>alert(1)</script>"


@pytest.fixture
def risk() -> tuple[FlaskClient, SKModels]:
    """An application with a model of numbers and texts."""
    app = Flask("risk")
    models = SKModels(app)
    frame = pd.DataFrame(
        {
            "steady": np.arange(400.0),
            "age": np.arange(400.0),
            NASTY: [NASTY, "b"] * 200,
        }
    )
    estimator = FakeEstimator(predict=lambda X: np.arange(len(X)) % 400)
    profile = Profile.of(frame, np.arange(400.0))
    profile = Profile(**{**vars(profile), "predictions": profile.target})
    schema: Any = {name: {} for name in frame} | {"age": {"meta": {"label": "Age"}}}
    models.add("risk", estimator, profile=profile, schema=schema)
    models.add("bare", LinearRegression().fit([[0.0], [1.0]], [0, 1]))
    return app.test_client(), models


def rows(count: int, age: float) -> list[dict[str, Any]]:
    return [
        {"steady": float(i * 400 // count), "age": age, NASTY: [NASTY, "b"][i % 2]}
        for i in range(count)
    ]


def page(client: FlaskClient) -> Element:
    return get(client, "/risk/drift/")


def test_worst_field_is_first(risk: tuple[FlaskClient, SKModels]) -> None:
    client, models = risk
    models.predict("risk", rows(800, 399.0), app=client.application)
    shown = page(client)
    charts = shown.all("div", class_="drift")
    assert [chart.one("h3").text.split()[0] for chart in charts] == [
        "Age",
        "steady",
        NASTY.split(maxsplit=1)[0],
        "predict",
    ]
    assert charts[0].one("span", class_="tag").text == "drifted"
    assert charts[1].all("span", class_="tag") == []
    document = client.get("/risk/drift/").get_json()
    assert f"{document['fields']['age']['psi']:.3f}" in charts[0].text
    assert "mean 399 (training 199.5)" in charts[0].text
    assert statistics(shown)["Drifted"] == "1 of 4: 3 fields and the predictions"


def pay(**attributes: Any) -> FlaskClient:
    X = pd.DataFrame({"income": np.linspace(5_000.0, 95_000.0, 400)})
    line = LinearRegression().fit(X, X["income"])
    profile = Profile.of(X)
    return serve(Model(name="pay", pipeline=line, profile=profile, drift_minimum=1, **attributes))


def test_threshold_of_its_own_is_beside_the_usual_ones() -> None:
    client = pay(drift_threshold=0.05)
    client.post("/pay/predict/", json={"income": 50_000})
    text = get(client, "/pay/drift/").text
    assert "marked drifted if its PSI is above 0.05; the usual limits are 0.1 and 0.25." in text


def test_large_numbers_of_ranges_have_separators() -> None:
    client = pay()
    assert "trained on 5000 to 95,000" in get(client, "/pay/").one("p", id="field-0-hint").text
    client.post("/pay/predict/", json={"income": 50_000})
    chart = get(client, "/pay/drift/").all("div", class_="drift")[0]
    assert re.search(r"[0-9]{2},[0-9]{3} to 95,000", chart.one("figcaption").text)
    assert "mean 50,000 (training 50,000)" in chart.text


def test_histograms_are_over_one_another(risk: tuple[FlaskClient, SKModels]) -> None:
    client, models = risk
    models.predict("risk", rows(800, 399.0), app=client.application)
    first = page(client).all("div", class_="drift")[0]
    expected = [float(r.attributes["height"]) for r in first.all("rect", class_="expected")]
    actual = [float(r.attributes["height"]) for r in first.all("rect", class_="actual")]
    assert len(expected) == len(actual) == 20
    assert (actual[:-1], actual[-1]) == ([0.0] * 19, 40.0)
    assert all(1 < height < 3 for height in expected)  # a twentieth of 40
    assert (
        first.all("title")[-1].text
        == "379 to 399: 5.2% of the training data, 100% of the last rows"
    )


def test_page_has_no_script_of_its_own_and_is_escaped(risk: tuple[FlaskClient, SKModels]) -> None:
    client, models = risk
    models.predict("risk", rows(800, 1.0), app=client.application)
    response = client.get("/risk/drift/", headers=HTML)
    assert response.status_code == 200
    assert "script-src 'self'" in response.headers["Content-Security-Policy"]
    assert NASTY not in response.text
    assert "style=" not in response.text


def test_few_rows(risk: tuple[FlaskClient, SKModels]) -> None:
    client, models = risk
    models.predict("risk", rows(10, 1.0), app=client.application)
    shown = page(client)
    assert "Drift is computed for at least 500 rows. There are 10 so far." in shown.text
    assert "With fewer rows, chance alone" in shown.text
    assert shown.all("div", class_="drift") == []


def test_method_with_few_rows_says_how_many_it_needs(pipeline: Any) -> None:
    X, y = load_iris(return_X_y=True)
    profile = Profile.of(X, y, pipeline)
    client = serve(Model(name="iris", pipeline=pipeline, profile=profile, probability=True))
    sent = [*X.tolist()] * 4
    client.post("/iris/predict/", json=sent)
    client.post("/iris/predict_proba/", json=sent[:6])
    charts = get(client, "/iris/drift/").all("div", class_="drift")
    found = {chart.one("h3").text: chart.one("dl").text for chart in charts[-2:]}
    assert found["predict_proba"] == "PSI too few rows: 6 of 500 needed"
    assert found["predict"].startswith("PSI 0.")


def test_page_says_what_its_marks_mean(risk: tuple[FlaskClient, SKModels]) -> None:
    client, models = risk
    models.predict("risk", rows(800, 399.0), app=client.application)
    section = page(client).one("section", aria_labelledby="fields-title")
    assert (
        "marked notable if its PSI is above 0.1, and drifted if it is above 0.25, which are the "
        "usual limits"
    ) in section.text
    assert "A PSI needs 500 rows" in section.text
    legend = section.one("p", class_="legend").text
    assert legend == "training data last rows last rows, drifted"


def test_page_of_the_model_has_a_link(risk: tuple[FlaskClient, SKModels]) -> None:
    client, _ = risk
    assert get(client, "/risk/").all("a", href="/risk/drift/")
    assert not get(client, "/bare/").all("a", href="/bare/drift/")
    assert client.get("/bare/drift/", headers=HTML).status_code == 404


def test_shadow_is_in_the_same_picture(tmp_path: Any) -> None:
    X = np.tile(np.arange(50.0)[:, np.newaxis], (1, 2))
    folder = tmp_path / "iris"
    put(folder, "1", LinearRegression().fit(X, X[:, 0]))
    live = LinearRegression().fit(X, 49 - X[:, 0])
    put(folder, "2", live)
    Profile.of(X, None, live).save(folder / "2.profile.json")
    app = application(iris(shadow="1", drift_minimum=50), root=tmp_path)
    extension_of(app).predict("iris", np.tile(X[:20], (5, 1)), app=app)
    shadow = deployment_of(app).shadow
    assert shadow is not None
    shadow.wait()
    charts = get(app.test_client(), "/iris/drift/").all("div", class_="drift")
    notes = [chart.one("h3").text for chart in charts]
    assert notes[-1].endswith("shadow, version 1; grey: the answers of version 2")
    assert "of the rows of version 2, " in charts[-1].all("title")[0].text
    assert "drifted" in notes[-1]


def put_two_versions(folder: Path, *, profiles_of: list[str]) -> Any:
    """Write the versions 1 and 2, the same classifier, and return the rows of its training."""
    X = np.tile(np.arange(50.0)[:, np.newaxis], (1, 2))
    fitted = LogisticRegression().fit(X, X[:, 0] > 20)
    for label in ("1", "2"):
        put(folder, label, fitted)
    for label in profiles_of:
        Profile.of(X, None, fitted).save(folder / f"{label}.profile.json")
    return X


def test_method_that_nobody_called_has_no_chart(tmp_path: Path) -> None:
    X = put_two_versions(tmp_path / "iris", profiles_of=["2"])
    app = application(iris(shadow="1", drift_minimum=50, probability=True), root=tmp_path)
    extension_of(app).predict("iris", np.tile(X, (2, 1)), app=app)
    shadow = deployment_of(app).shadow
    assert shadow is not None
    shadow.wait()
    section = get(app.test_client(), "/iris/drift/").one(aria_labelledby="predictions-title")
    assert [each.text.split()[0] for each in section.all("h3")] == ["predict", "predict"]


def test_too_few_rows_of_the_live_version(tmp_path: Path) -> None:
    X = put_two_versions(tmp_path / "iris", profiles_of=["1", "2"])
    canary = iris(traffic={"1": 0.5}, drift_minimum=50, probability=True)
    app = application(canary, root=tmp_path)
    models = extension_of(app)
    models.predict("iris", X, method="predict_proba", version="2", app=app)
    models.predict("iris", X[:6], method="predict", version="2", app=app)
    models.predict("iris", X, method="predict", version="1", app=app)
    charts = get(app.test_client(), "/iris/drift/").all("div", class_="drift")
    assert charts[-1].one("h3").text.endswith("canary, version 1; grey: the answers of version 2")
    assert charts[-1].one("dl").text == "PSI too few rows: 6 of 50 needed"
