"""The explanation of a prediction on the page of its model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline

from flask_skmodels import KeyValueModel, SKModels, ValuesModel
from flask_skmodels.explain.explanation import ExplanationLayout
from flask_skmodels.pages.value_texts import MINUS, percent
from flask_skmodels.pages.waterfall import MAX_FIELDS, waterfalls
from tests.support.html import bars, get, rows_of, submit, upload

ROWS = 90
_random = np.random.default_rng(0)
X = pd.DataFrame({"age": _random.integers(20, 60, ROWS), "income": _random.normal(40, 9, ROWS)})
HOLES = X.assign(income=X["income"].mask(X.index % 8 == 0))
RICH = np.where(X["income"] + X["age"] > 80, "rich", "poor")
KIND = np.digitize(X["income"], [35, 45])
ROW: dict[str, Any] = {"age": "30", "income": "50"}


class Risk(KeyValueModel):
    pipeline = make_pipeline(SimpleImputer(), LogisticRegression()).fit(HOLES, RICH)
    explain = True
    probability = True
    schema = {
        "age": {"type": "integer", "meta": {"label": "Age of the person", "unit": "years"}},
        "income": {"type": "number", "nullable": True, "meta": {"label": "<Income>", "unit": "k€"}},
    }


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    app = Flask("pages")
    models = SKModels(app)
    models.register(Risk)
    models.add("kind", RandomForestClassifier(5, random_state=0).fit(X, KIND), explain=True)
    models.add("price", RandomForestRegressor(5, random_state=0).fit(X, KIND), explain=True)
    models.add("both", LinearRegression().fit(X, np.c_[KIND, X["age"]]), explain=True)
    models.register(
        ValuesModel(
            name="values", pipeline=LinearRegression().fit(X.to_numpy(), KIND), explain=True
        )
    )
    return app.test_client()


def explanation(client: FlaskClient, name: str, **row: Any) -> Any:
    return client.post(f"/{name}/explain/", json=row).get_json()["explanations"][0]


def amount(value: float, *, signed: bool = True) -> str:
    return f"{value:{'+' if signed else ''}.4g}".replace("-", "\N{MINUS SIGN}")


def test_a_waterfall_is_under_the_prediction(client: FlaskClient) -> None:
    result = submit(client, "/risk/", **ROW).one(id="result")
    assert result.one("p", class_="prediction").text == "rich"
    why = result.one("div", class_="why")
    assert why.one("h3").text == "Why: rich"
    found = explanation(client, "risk", age=30, income=50)
    parts = found["contributions"]
    steps = bars(why.one("table"))
    assert steps == {
        "Base before the fields": amount(found["base"], signed=False),
        "Age of the person 30 years": amount(parts["age"]),
        "<Income> 50 k€": amount(parts["income"]),
        "Output after all fields": amount(found["output"], signed=False),
    }
    order = [label.split()[0] for label in steps][1:-1]
    sizes = {"Age": abs(parts["age"]), "<Income>": abs(parts["income"])}
    assert order == sorted(sizes, key=lambda name: -sizes[name])
    assert "compared with zero, because the model has no profile" in why.text
    assert "Base is the score before any field counts" in why.text
    assert "the score of rich. The higher the score, the higher the probability." in why.text


def test_a_missing_value_is_named(client: FlaskClient) -> None:
    why = submit(client, "/risk/", age="30", income="").one("div", class_="why")
    assert "<Income> missing" in bars(why.one("table"))


def test_the_predicted_class_of_several_is_explained(client: FlaskClient) -> None:
    result = submit(client, "/kind/", **ROW).one(id="result")
    label = result.one("p", class_="prediction").text
    why = result.one("div", class_="why")
    assert why.one("h3").text == f"Why: {label}"
    found = explanation(client, "kind", age=30, income=50)
    steps = bars(why.one("table"))
    assert steps["Output after all fields"] == percent(max(found["output"]))
    contribution = found["contributions"]["income"][int(label)]
    assert steps["income 50"] == f"{contribution:+.1%}".replace("-", "\N{MINUS SIGN}")
    assert f"add up to the output: the probability of {label}." in why.text
    assert "compared with the mean output for the training data" in why.text
    assert "Base is the average probability; base and fields add up" in why.text


def test_each_target_has_a_waterfall(client: FlaskClient) -> None:
    result = submit(client, "/both/", **ROW).one(id="result")
    titles = [each.one("h3").text for each in result.all("div", class_="why")]
    assert titles == ["Why: output 0", "Why: output 1"]


def test_rows_without_names_are_explained_by_position(client: FlaskClient) -> None:
    page = get(client, "/values/")
    names = [each.attributes["name"] for each in page.one(id="predict").all("input")]
    row: dict[str, Any] = dict(zip(names, ("30", "50"), strict=True))
    result = submit(client, "/values/", **row)
    assert len(bars(result.one("div", class_="why").one("table"))) == 4


def test_there_is_no_button_and_no_waterfall_without_need(client: FlaskClient) -> None:
    page = get(client, "/price/")
    assert not page.all("div", class_="why")
    buttons = [button.text for button in page.one(id="predict").one("form").all("button")]
    assert buttons == ["Predict"]


def test_a_file_has_the_mean_contribution_of_each_field(client: FlaskClient) -> None:
    csv = X.head(12).to_csv(index=False).encode()
    result = upload(client, "/price/", csv, "rows.csv", method="explain").one(id="file-result")
    assert "12 rows explained" in result.text
    rows = client.post(
        "/price/explain/", data=csv, content_type="text/csv", headers={"Accept": "application/json"}
    )
    parts = [entry["contributions"] for entry in rows.get_json()["explanations"]]
    means = {name: np.mean([abs(part[name]) for part in parts]) for name in X}
    shown = bars(result.one("div", class_="why").one("table"))
    assert shown == {name: f"{means[name]:.4g}" for name in sorted(means, key=lambda n: -means[n])}
    header = rows_of(result.one("table", class_="rows"))[0]
    assert header == ["age", "income", "base", "age", "income", "output"]
    assert (
        "In the blue columns, base is the answer before any field counts, age is how much the "
        "value of age moves it, and so on; output is their sum."
    ) in result.text
    assert not result.all("div", class_="with-prediction")


def test_columns_of_several_explained_classes_are_told_by_the_first(client: FlaskClient) -> None:
    csv = X.head(12).to_csv(index=False).encode()
    result = upload(client, "/kind/", csv, "rows.csv", method="explain").one(id="file-result")
    header = rows_of(result.one("table", class_="rows"))[0]
    first = header[2].removesuffix("_base")
    assert f"{first}_base is the answer for {first} before any field counts" in result.text
    assert f"{first}_age is how much the value of age moves it" in result.text
    assert f"{first}_output is their sum" in result.text


def test_a_file_has_contributions_to_probabilities_in_percent(client: FlaskClient) -> None:
    csv = X.head(12).to_csv(index=False).encode()
    result = upload(client, "/kind/", csv, "rows.csv", method="explain").one(id="file-result")
    shown = bars(result.one("div", class_="why").one("table")).values()
    _, *rows = rows_of(result.one("table", class_="rows"))
    response = client.post(
        "/kind/explain/", data=csv, content_type="text/csv", headers={"Accept": "application/json"}
    )
    means = np.mean(
        [
            [np.abs(entry["contributions"][name]) for name in X]
            for entry in response.get_json()["explanations"]
        ],
        axis=(0, 2),
    )
    assert sorted(shown) == sorted(percent(mean, is_probability=False) for mean in means)
    first = response.get_json()["explanations"][0]
    contributions = [[first["contributions"][name][index] for name in X] for index in range(3)]
    assert rows[0][2:] == [
        text
        for index in range(3)
        for text in (
            percent(first["base"][index]),
            *(percent(each, is_probability=False) for each in contributions[index]),
            percent(first["output"][index]),
        )
    ]


def test_amounts_of_probabilities() -> None:
    layout = ExplanationLayout(("a", "b", "c", "d"), 1, "tree_shap", are_probabilities=True)
    numbers = [1.0, -0.75, -0.2496, -0.0004, -0.0]
    (picture,) = waterfalls(layout, np.array([*numbers, 1e-16]), None, ["1"] * 4, {})
    amounts = [step.amount for step in picture.steps]
    assert amounts == ["100%", f"{MINUS}75.0%", f"{MINUS}25.0%", f"{MINUS}0.0%", "+0%", "0%"]
    small = np.array([0.0004, 0.0004, 0.9991, 0.0, -0.0, 0.9999])
    (picture,) = waterfalls(layout, small, None, ["1"] * 4, {})
    amounts = [step.amount for step in picture.steps]
    assert amounts == ["< 0.1%", "+99.9%", "+0.0%", "+0%", "+0%", "> 99.9%"]


def test_many_fields_are_cut_to_the_largest() -> None:
    names = tuple(f"f{index}" for index in range(30))
    numbers = np.arange(30.0) - 10.25
    layout = ExplanationLayout(names, 1, "tree_shap")
    row = np.array([1.0, *numbers, 1.0 + numbers.sum()])
    (picture,) = waterfalls(layout, row, None, ["x"] * 30, {})
    assert len(picture.steps) == MAX_FIELDS + 3
    assert picture.steps[0].label == "Base"
    assert picture.steps[1].label == "f29"
    assert picture.steps[-2].label == "10 other fields"
    smallest = sorted(numbers, key=abs)[:10]
    assert picture.steps[-2].amount == amount(sum(smallest))


def test_every_bar_is_inside_the_picture() -> None:
    layout = ExplanationLayout(("a", "b", "c"), 1, "linear_mean")
    for numbers in ([0.0, 0.0, 0.0], [5.0, -3.0, 1e-9], [-1e300, 1e300, 1.0], [-4.0, -4.0, 2.0]):
        row = np.array([2.0, *numbers, 2.0 + sum(numbers)])
        (picture,) = waterfalls(layout, row, None, ["1"] * 3, {})
        for step in picture.steps:
            assert 0 <= step.start <= step.start + step.width <= 100.001
        kinds = {step.label: step.kind for step in picture.steps}
        assert kinds["a"] == ("down" if numbers[0] < 0 else "up")


def test_a_failed_explanation_is_an_error_page(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flask_skmodels.explain.linear import Linear

    monkeypatch.setattr(Linear, "__call__", lambda self, X: np.ones((len(X), 1, 3)))
    page = submit(client, "/risk/", 500, **ROW)
    assert not page.all("div", class_="why")
