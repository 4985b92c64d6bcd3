"""LightGBM and XGBoost, fitted on categories of pandas, without a profile."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from flask_skmodels import Model, ModelError, Profile
from flask_skmodels.estimators import categories
from flask_skmodels.estimators.categories import RecordedCategories, recorded_categories
from tests.support.helpers import errors_of, post_json, predictions, serve
from tests.support.skips import library

TOWNS = ["Bergen", "Oslo", "Vardo"]
X = pd.DataFrame(
    {
        "town": pd.Categorical(["Oslo", "Bergen", "Vardo", "Oslo"] * 15, categories=TOWNS),
        "rooms": pd.Categorical([3, 5] * 30),
        "area": np.arange(60.0) % 7,
    }
)
Y = X["town"].map({"Bergen": 5.0, "Oslo": 10.0, "Vardo": 0.0}).astype(float) + X["area"]
TEXTS: dict[str, Any] = {"town": {"type": "string"}, "area": {}}
URL = "/rent/predict/"


def fit(name: str, frame: pd.DataFrame = X) -> Any:
    return unfitted(name).fit(frame, Y)


def unfitted(name: str) -> Any:
    few: dict[str, Any] = {"n_estimators": 3, "n_jobs": 1}
    module = library(name)
    if name == "lightgbm":
        few |= {"verbose": -1, "min_child_samples": 2, "min_data_per_group": 2, "cat_smooth": 1}
        return module.LGBMRegressor(**few)
    return module.XGBRegressor(**few, enable_categorical=True)


def of_towns(towns: list[Any]) -> pd.DataFrame:
    known = [town if town in TOWNS else None for town in towns]
    count = len(towns)
    return pd.DataFrame(
        {
            "town": pd.Categorical(known, categories=TOWNS),
            "rooms": pd.Categorical([5] * count, categories=[3, 5]),
            "area": [1.0] * count,
        }
    )


def rows_of(towns: list[Any]) -> list[dict[str, Any]]:
    return [{"town": town, "rooms": 5, "area": 1} for town in towns]


@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
def test_the_categories_are_those_of_the_booster(name: str) -> None:
    booster = fit(name)
    client = serve(Model(name="rent", pipeline=booster))
    towns = ["Vardo", "Oslo", "Bergen", None]
    response = post_json(client, URL, rows_of(towns))
    assert predictions(response) == booster.predict(of_towns(towns)).tolist()
    one = client.post(URL, data={"town": "Oslo", "rooms": "5", "area": "1"})
    assert float(one.text) == booster.predict(of_towns(["Oslo"]))[0]
    assert len(set(predictions(response))) > 2


def test_lightgbm_takes_an_unknown_category_for_a_missing_one() -> None:
    booster = fit("lightgbm")
    client = serve(Model(name="rent", pipeline=booster))
    response = post_json(client, URL, rows_of(["Drammen", None]))
    assert predictions(response) == booster.predict(of_towns([None, None])).tolist()


def test_xgboost_has_an_error_for_an_unknown_category() -> None:
    client = serve(Model(name="rent", pipeline=fit("xgboost")))
    response = post_json(client, URL, rows_of(["Oslo", "Drammen"]))
    assert errors_of(response) == [(1, "town", "allowed")]


@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
def test_a_pipeline_may_make_the_categories_from_texts(name: str) -> None:
    def categorized(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(town=pd.Categorical(frame["town"], categories=TOWNS))

    frame = X[["town", "area"]].astype({"town": "str"})
    pipeline = make_pipeline(FunctionTransformer(categorized), unfitted(name)).fit(frame, Y)
    client = serve(Model(name="rent", pipeline=pipeline, schema=TEXTS))
    rows = [{"town": "Vardo", "area": 1}, {"town": "Oslo", "area": 2}]
    expected = pipeline.predict(pd.DataFrame(rows).astype({"area": float}))
    assert predictions(post_json(client, URL, rows)) == expected.tolist()


def test_a_booster_that_keeps_no_categories_needs_a_profile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    booster = fit("xgboost")
    nothing = RecordedCategories(None, rejects_unknown=True)
    monkeypatch.setattr(categories, "_of_xgboost", lambda _: {0: nothing, 1: nothing})
    with pytest.raises(ModelError, match=r"column 'town' of its training data has categories"):
        serve(Model(name="rent", pipeline=booster))
    client = serve(Model(name="rent", pipeline=booster, profile=Profile.of(X)))
    towns = ["Vardo", "Bergen"]
    response = post_json(client, URL, rows_of(towns))
    assert predictions(response) == booster.predict(of_towns(towns)).tolist()
    assert errors_of(post_json(client, URL, rows_of(["Drammen"]))) == [(0, "town", "allowed")]


def test_categories_that_are_not_ascii() -> None:
    frame = X.assign(town=X["town"].cat.rename_categories({"Vardo": "Vardø"}))
    client = serve(Model(name="rent", pipeline=fit("lightgbm", frame)))
    assert predictions(post_json(client, URL, rows_of(["Vardø"])))
    booster = fit("xgboost", frame)
    with pytest.raises(ModelError, match="declare a profile"):
        serve(Model(name="rent", pipeline=booster))
    client = serve(Model(name="rent", pipeline=booster, profile=Profile.of(frame)))
    one = frame.iloc[[2]].assign(area=1.0)
    rows = [{"town": "Vardø", "rooms": 3, "area": 1}]
    assert predictions(post_json(client, URL, rows)) == booster.predict(one).tolist()


def test_lightgbm_does_not_tell_which_column_has_ordered_categories() -> None:
    ordered = X.assign(rooms=pd.Categorical([3, 5] * 30, ordered=True))
    booster = fit("lightgbm", ordered)
    assert recorded_categories(booster) == {}
    client = serve(Model(name="rent", pipeline=booster, profile=Profile.of(ordered)))
    response = post_json(client, URL, rows_of(["Oslo"]))
    frame = of_towns(["Oslo"]).assign(rooms=pd.Categorical([5], [3, 5], ordered=True))
    assert predictions(response) == booster.predict(frame).tolist()
