"""Lean gradient boosting and AdaBoost."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from flask_skmodels.engines.lean.forms.ensemble import hist_gradient_boosting
from tests.support.equality import check
from tests.support.samples import FRAME, HOLES, LABELS, SCORE, X
from tests.support.selection import cases

FEW = {"n_estimators": 12, "random_state": 0}
SMALL = {"max_iter": 12, "min_samples_leaf": 5, "random_state": 0}
INITS = cases([None, "zero", LogisticRegression(max_iter=50)], quick=[None])
POSITIVE = np.abs(SCORE) + 0.1


@pytest.mark.parametrize("init", INITS, ids=str)
@pytest.mark.parametrize("target", cases(LABELS, quick=["two numbers", "three texts"]))
def test_gradient_boosting_classifier(target: str, init: Any) -> None:
    check(GradientBoostingClassifier(**FEW, init=init).fit(X, LABELS[target]), X)


def test_gradient_boosting_by_exponential_loss() -> None:
    boosting = GradientBoostingClassifier(**FEW, loss="exponential", subsample=0.7)
    check(boosting.fit(X, LABELS["two numbers"]), X)


@pytest.mark.parametrize("init", cases([None, "zero", LinearRegression()], quick=[None]), ids=str)
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "quantile"])
def test_gradient_boosting_regressor(loss: str, init: Any) -> None:
    check(GradientBoostingRegressor(**FEW, loss=loss, init=init).fit(X, SCORE), X)


@pytest.mark.parametrize("target", cases(LABELS, quick=["two numbers", "three texts"]))
def test_hist_gradient_boosting_classifier(target: str) -> None:
    check(HistGradientBoostingClassifier(**SMALL).fit(HOLES, LABELS[target]), HOLES)


LOSSES = ("squared_error", "absolute_error", "poisson", "gamma", "quantile")


@pytest.mark.parametrize("loss", LOSSES)
def test_hist_gradient_boosting_regressor(loss: str) -> None:
    quantile = 0.8 if loss == "quantile" else None
    boosting = HistGradientBoostingRegressor(**SMALL, loss=loss, quantile=quantile)
    check(boosting.fit(HOLES, POSITIVE), HOLES)


def test_hist_gradient_boosting_with_constraints_and_early_stopping() -> None:
    boosting = HistGradientBoostingClassifier(
        max_iter=40, early_stopping=True, monotonic_cst=[1, 0, 0, 0, -1], random_state=0
    )
    check(boosting.fit(X, LABELS["two numbers"]), X)


TEXTS = ["island", "sex"]


@pytest.mark.parametrize("columns", [TEXTS, ["island", "year", "sex"], list(FRAME)], ids=str)
def test_hist_gradient_boosting_of_categories_in_a_frame(columns: list[str]) -> None:
    frame = FRAME.assign(mass=FRAME["mass"].round(-2), bill=FRAME["bill"].round())
    target = (SCORE > 0) ^ (frame["island"] == "Dream")
    boosting = HistGradientBoostingClassifier(**SMALL, categorical_features=columns)
    check(boosting.fit(frame, target), frame)


def test_hist_gradient_boosting_of_none_as_a_category() -> None:
    sexes = [None if sex != sex else sex for sex in FRAME["sex"]]
    frame = FRAME.astype({"island": object}).assign(sex=pd.Series(sexes, dtype=object))
    assert frame["sex"].isna().any()
    boosting = HistGradientBoostingClassifier(**SMALL, categorical_features=TEXTS)
    check(boosting.fit(frame, (SCORE > 0) ^ frame["sex"].isna()), frame)


def test_hist_gradient_boosting_of_categories_by_dtype() -> None:
    frame = FRAME.astype({"island": "category", "sex": "category"})
    boosting = HistGradientBoostingRegressor(**SMALL, categorical_features="from_dtype")
    check(boosting.fit(frame, SCORE + 2 * (frame["island"] == "Biscoe")), FRAME)


def test_hist_gradient_boosting_of_categories_that_are_numbers() -> None:
    numbers = np.where(np.isnan(HOLES), np.nan, np.abs(HOLES).round())
    boosting = HistGradientBoostingClassifier(**SMALL, categorical_features=[4, 1])
    target = (numbers[:, 1] % 2 == 0) ^ (numbers[:, 0] > 0)
    check(boosting.fit(numbers, target), numbers)


def test_hist_gradient_boosting_of_a_frame_of_numbers() -> None:
    frame = pd.DataFrame(HOLES, columns=list("abcde"))
    check(HistGradientBoostingRegressor(**SMALL).fit(frame, SCORE), frame)


def test_hist_gradient_boosting_beyond_the_bound_of_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hist_gradient_boosting, "MAX_BYTES", 0)
    check(HistGradientBoostingRegressor(**SMALL).fit(HOLES, SCORE), HOLES)


STUMPS = (None, DecisionTreeClassifier(max_depth=3, random_state=0), LogisticRegression())


@pytest.mark.parametrize("estimator", cases(STUMPS, quick=STUMPS[:1]), ids=str)
@pytest.mark.parametrize("target", cases(LABELS, quick=["two numbers", "three texts"]))
def test_ada_boost_classifier(target: str, estimator: Any) -> None:
    boosting = AdaBoostClassifier(estimator, **FEW)
    check(boosting.fit(X, LABELS[target]), X)


def test_ada_boost_by_chance_alone() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        boosting = AdaBoostClassifier(DecisionTreeClassifier(), **FEW).fit(X, SCORE > 0)
    check(boosting, X)


@pytest.mark.parametrize("loss", cases(["linear", "square", "exponential"], quick=["linear"]))
@pytest.mark.parametrize(
    "estimator", [None, DecisionTreeRegressor(random_state=0), LinearRegression()], ids=str
)
def test_ada_boost_regressor(estimator: Any, loss: str) -> None:
    check(AdaBoostRegressor(estimator, **FEW, loss=loss).fit(X, SCORE), X)
