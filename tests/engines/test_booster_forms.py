"""Lean forms of LightGBM, XGBoost and CatBoost: the same bits as their own methods."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask import Flask
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from flask_skmodels import SKModels
from flask_skmodels.engines.lean import coded_columns
from tests.support.equality import assert_equal, check
from tests.support.selection import cases
from tests.support.skips import has_version, library

pytestmark = pytest.mark.filterwarnings("ignore")  # the libraries warn of their own doing

RANDOM = np.random.default_rng(0)
ROWS = 300
NUMBERS = pd.DataFrame(RANDOM.normal(size=(ROWS, 4)), columns=list("abcd"))
NUMBERS.loc[::9, "b"] = np.nan
MIXED = NUMBERS.assign(
    city=pd.Categorical(RANDOM.choice(["Bonn", "Oslo", "Rome"], ROWS)),
    size=pd.Categorical(RANDOM.choice([3, 5, 8], ROWS)),
)
SCORE = (NUMBERS["a"] + NUMBERS["c"] * NUMBERS["d"]).to_numpy()
SCORE = SCORE + np.where(MIXED["city"] == "Bonn", 1.0, 0.0) - np.where(MIXED["size"] == 5, 1.0, 0.0)
TWO = (SCORE > 0).astype(int)
TEXTS = np.array(["no", "yes"])[TWO]
THREE = np.digitize(SCORE, [-1, 1])
LAST_ROWS = [(NUMBERS[200:], SCORE[200:])]
COUNTS = (1, 2, 7, 200)

LIGHTGBM: dict[str, Any] = {"n_estimators": 12, "verbose": -1, "n_jobs": 1}
XGBOOST: dict[str, Any] = {"n_estimators": 12, "n_jobs": 1}
CATBOOST: dict[str, Any] = {"n_estimators": 12, "verbose": 0, "allow_writing_files": False}

Case = tuple[str, dict[str, Any], Any, Any]  # class, parameters, X and y
OF_LIGHTGBM: dict[str, Case] = {
    "two classes": ("LGBMClassifier", {}, NUMBERS, TWO),
    "categories and texts": ("LGBMClassifier", {}, MIXED, TEXTS),
    "three classes": ("LGBMClassifier", {}, MIXED, THREE),
    "one class against all": ("LGBMClassifier", {"objective": "multiclassova"}, MIXED, THREE),
    "dart": ("LGBMRegressor", {"boosting_type": "dart"}, MIXED, SCORE),
    "Poisson": ("LGBMRegressor", {"objective": "poisson"}, MIXED, np.abs(SCORE)),
    "linear trees": ("LGBMRegressor", {"linear_tree": True}, NUMBERS.fillna(0), SCORE),
    "early stop": ("LGBMClassifier", {"pred_early_stop": True}, MIXED, TWO),
    "monotone": ("LGBMRegressor", {"monotone_constraints": [1, 0, 0, 0]}, NUMBERS, SCORE),
    "array": ("LGBMClassifier", {}, NUMBERS.to_numpy(), TWO),
}
OF_XGBOOST: dict[str, Case] = {
    "two classes": ("XGBClassifier", {}, NUMBERS, TWO),
    "three classes": ("XGBClassifier", {}, NUMBERS, THREE),
    "dart": ("XGBRegressor", {"booster": "dart", "rate_drop": 0.3}, NUMBERS, SCORE),
    "base score": ("XGBRegressor", {"base_score": 0.25}, NUMBERS, SCORE),
    "monotone": ("XGBRegressor", {"monotone_constraints": {"a": 1}}, NUMBERS, SCORE),
    "Poisson": ("XGBRegressor", {"objective": "count:poisson"}, NUMBERS, np.abs(SCORE)),
    "forest": ("XGBRFRegressor", {}, NUMBERS, SCORE),
    "hinge": ("XGBClassifier", {"objective": "binary:hinge"}, NUMBERS, TWO),
    "array": ("XGBClassifier", {}, NUMBERS.to_numpy(), TWO),
}
OF_CATBOOST: dict[str, Case] = {
    "two classes": ("CatBoostClassifier", {}, NUMBERS, TWO),
    "texts as labels": ("CatBoostClassifier", {}, NUMBERS, TEXTS),
    "three classes": ("CatBoostClassifier", {}, NUMBERS, THREE),
    "number": ("CatBoostRegressor", {}, NUMBERS, SCORE),
    "Poisson": ("CatBoostRegressor", {"loss_function": "Poisson"}, NUMBERS, np.abs(SCORE)),
}


@pytest.mark.parametrize("name", cases(OF_LIGHTGBM, quick=list(OF_LIGHTGBM)[:3]))
def test_lightgbm(name: str) -> None:
    kind, options, X, y = OF_LIGHTGBM[name]
    estimator = getattr(library("lightgbm"), kind)(**LIGHTGBM, **options)
    check(estimator.fit(X, y), X, COUNTS)


def test_lightgbm_stops_at_the_best_iteration() -> None:
    lightgbm = library("lightgbm")
    estimator = lightgbm.LGBMRegressor(**LIGHTGBM | {"n_estimators": 60, "learning_rate": 0.9})
    stop = lightgbm.early_stopping(2, verbose=False)
    estimator.fit(
        NUMBERS[:200], SCORE[:200], eval_set=[(NUMBERS[200:], SCORE[200:])], callbacks=[stop]
    )
    assert estimator.best_iteration_ < 60
    check(estimator, NUMBERS, COUNTS)


@pytest.mark.parametrize("name", cases(OF_XGBOOST, quick=list(OF_XGBOOST)[:2]))
def test_xgboost(name: str) -> None:
    kind, options, X, y = OF_XGBOOST[name]
    estimator = getattr(library("xgboost"), kind)(**XGBOOST, **options)
    check(estimator.fit(X, y), X, COUNTS)


def test_xgboost_with_categories() -> None:
    xgboost = library("xgboost")
    if not has_version("xgboost-cpu", "3.1"):
        pytest.skip("xgboost-cpu is older than 3.1")
    estimator = xgboost.XGBClassifier(**XGBOOST, enable_categorical=True)
    check(estimator.fit(MIXED, TWO), MIXED, COUNTS)


def test_xgboost_stops_at_the_best_iteration() -> None:
    xgboost = library("xgboost")
    options = XGBOOST | {"n_estimators": 60, "learning_rate": 0.9, "early_stopping_rounds": 2}
    estimator = xgboost.XGBRegressor(**options)
    estimator.fit(
        NUMBERS[:200], SCORE[:200], eval_set=[(NUMBERS[200:], SCORE[200:])], verbose=False
    )
    assert estimator.best_iteration < 50
    check(estimator, NUMBERS, COUNTS)


@pytest.mark.parametrize("name", cases(OF_CATBOOST, quick=list(OF_CATBOOST)[:1]))
def test_catboost(name: str) -> None:
    kind, options, X, y = OF_CATBOOST[name]
    estimator = getattr(library("catboost"), kind)(**CATBOOST, **options)
    check(estimator.fit(X, y), X, COUNTS)


def test_catboost_with_categories() -> None:
    columns = NUMBERS.assign(city=RANDOM.choice(["Bonn", "Oslo", "Rome"], ROWS).astype(object))
    estimator = library("catboost").CatBoostClassifier(**CATBOOST, cat_features=["city"])
    check(estimator.fit(columns, TWO), columns, COUNTS)


def in_pipeline(booster: Any) -> Any:
    return make_pipeline(StandardScaler(), booster)


def in_search(booster: Any) -> Any:
    return GridSearchCV(booster, {"max_depth": [3]}, cv=2)


def in_vote(booster: Any) -> Any:
    return VotingClassifier([("one", booster)], voting="soft")


OUTER = (in_pipeline, in_search, in_vote, partial(CalibratedClassifierCV, cv=2))


@pytest.mark.parametrize("outer", cases(OUTER, quick=OUTER[:1]), ids=str)
@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
def test_booster_in_another_estimator(name: str, outer: Any) -> None:
    module = library(name)
    is_lightgbm = name == "lightgbm"
    booster = module.LGBMClassifier(**LIGHTGBM) if is_lightgbm else module.XGBClassifier(**XGBOOST)
    check(outer(booster).fit(NUMBERS, TWO), NUMBERS, COUNTS)


def engine_of(estimator: Any, method: str) -> tuple[SKModels, Flask, Any]:
    models, app = SKModels(), Flask("booster")
    models.add("case", estimator, methods=[method])
    models.init_app(app)
    return models, app, (app.test_client().get("/case/").json or {})["engine"]


def codes_of_other_categories(self: Any, row: Any) -> list[Any]:
    values = list(row)
    for index, codes in self._codes.items():
        values[index] = (codes.get(values[index], np.nan) + 1) % len(codes)
    return [np.nan if value is None else value for value in values]


def test_corrupt_codes_are_not_served(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    is_bonn = (MIXED["city"] == "Bonn").astype(int)
    estimator = library("lightgbm").LGBMClassifier(**LIGHTGBM).fit(MIXED, is_bonn)
    monkeypatch.setattr(coded_columns.CodedColumns, "_coded", codes_of_other_categories)
    with caplog.at_level(logging.WARNING, logger="flask_skmodels"):
        models, app, engine = engine_of(estimator, "predict_proba")
    assert engine["name"] == "sklearn"
    assert engine["reason"].startswith("LGBMClassifier: the lean form differs on ")
    assert engine["reason"] in caplog.text
    outputs = models.predict("case", MIXED[:1], "predict_proba", app=app).outputs
    assert_equal(outputs, estimator.predict_proba(MIXED[:1]))


MOVED = {
    "lightgbm": ("LGBMClassifier", LIGHTGBM, "_param_dict_to_str"),
    "xgboost": ("XGBClassifier", XGBOOST, "_LIB"),
}


@pytest.mark.parametrize("name", MOVED)
def test_internal_that_has_moved_leads_to_the_native_method(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kind, options, internal = MOVED[name]
    forms = library(f"flask_skmodels.engines.lean.forms.{name}")
    estimator = getattr(library(name), kind)(**options).fit(NUMBERS, TWO)
    moved = type("moved", (), {k: v for k, v in vars(forms.library).items() if k != internal})
    monkeypatch.setattr(forms, "library", moved)
    with caplog.at_level(logging.INFO, logger="flask_skmodels"):
        models, app, engine = engine_of(estimator, "predict_proba")
    assert engine["name"] == "sklearn"
    assert "is served by scikit-learn's native methods" in caplog.text
    outputs = models.predict("case", NUMBERS[:3], "predict_proba", app=app).outputs
    assert_equal(outputs, estimator.predict_proba(NUMBERS[:3]))
