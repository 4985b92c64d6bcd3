"""Lean bagging, voting and stacking."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from tests.support.equality import check
from tests.support.samples import HOLES, LABELS, SCORE, X
from tests.support.selection import cases

ALL: dict[str, Any] = {"n_estimators": 6, "random_state": 0}
SOME = ALL | {"max_features": 3, "max_samples": 0.3}
MIXED = ALL | {"bootstrap_features": True, "bootstrap": False}
FEW_ROWS = ALL | {"max_samples": 6}  # so that some know fewer classes
BAGS = {"all columns": ALL, "some columns": SOME, "columns twice": MIXED, "few rows": FEW_ROWS}

LR = LogisticRegression(max_iter=50)
LAST = LogisticRegression(C=0.1, max_iter=2000)
LINE = make_pipeline(StandardScaler(), LR)
FOREST = RandomForestClassifier(5, random_state=0)
HISTOGRAMS = HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=5)
CLASSIFIERS = [("line", LINE), ("forest", FOREST), ("histograms", HISTOGRAMS)]
REGRESSORS = [
    ("line", LinearRegression()),
    ("forest", RandomForestRegressor(5, random_state=0)),
    ("histograms", HistGradientBoostingRegressor(max_iter=5)),
]


@pytest.mark.parametrize("bag", BAGS)
@pytest.mark.parametrize("target", cases(LABELS, quick=["three texts"]))
def test_bagging_of_trees(target: str, bag: str) -> None:
    check(BaggingClassifier(**BAGS[bag]).fit(X, LABELS[target]), X)


@pytest.mark.parametrize("bag", cases(BAGS, quick=["some columns", "few rows"]))
@pytest.mark.parametrize("inner", [LINE, RidgeClassifier()], ids=["line", "ridge"])
def test_bagging_of_other_classifiers(inner: Any, bag: str) -> None:
    options = BAGS[bag] | ({"max_samples": 30} if bag == "few rows" else {})
    check(BaggingClassifier(inner, **options).fit(X, LABELS["three texts"]), X)


@pytest.mark.parametrize("bag", BAGS)
@pytest.mark.parametrize("inner", [None, LinearRegression()], ids=["trees", "lines"])
def test_bagging_regressor(inner: Any, bag: str) -> None:
    check(BaggingRegressor(inner, **BAGS[bag]).fit(X, SCORE), X)


@pytest.mark.parametrize(
    "inner", [DecisionTreeClassifier(), HISTOGRAMS], ids=lambda inner: type(inner).__name__
)
def test_bagging_with_missing_values(inner: Any) -> None:
    check(BaggingClassifier(inner, **ALL).fit(HOLES, LABELS["three texts"]), HOLES)


def test_bagging_regressor_with_missing_values() -> None:
    check(BaggingRegressor(DecisionTreeRegressor(), **SOME).fit(HOLES, SCORE), HOLES)


@pytest.mark.parametrize("weights", [None, [1, 2, 0.5]], ids=str)
@pytest.mark.parametrize("voting", ["hard", "soft"])
@pytest.mark.parametrize("target", cases(["two numbers", "three texts"], quick=["three texts"]))
def test_voting_classifier(target: str, voting: str, weights: Any) -> None:
    voter = VotingClassifier(CLASSIFIERS, voting=voting, weights=weights)
    check(voter.fit(X, LABELS[target]), X)


def test_voting_classifier_without_one() -> None:
    voter = VotingClassifier(CLASSIFIERS, voting="soft").set_params(line="drop")
    check(voter.fit(X, LABELS["three texts"]), X)


@pytest.mark.parametrize("weights", [None, [1, 2, 0.5]], ids=str)
def test_voting_regressor(weights: Any) -> None:
    check(VotingRegressor(REGRESSORS, weights=weights).fit(X, SCORE), X)


def test_voting_without_one() -> None:
    voter = VotingRegressor(REGRESSORS, weights=[1, 2, 3]).set_params(forest="drop")
    check(voter.fit(X, SCORE), X)


@pytest.mark.parametrize("passthrough", [False, True])
@pytest.mark.parametrize("method", cases(["predict_proba", "predict"], quick=["predict_proba"]))
@pytest.mark.parametrize("target", cases(["two numbers", "ten numbers"], quick=["two numbers"]))
def test_stacking_classifier(target: str, method: str, passthrough: bool) -> None:
    stack = StackingClassifier(
        CLASSIFIERS, LAST, cv=2, stack_method=method, passthrough=passthrough
    )
    check(stack.fit(X, LABELS[target]), X)


def test_stacking_by_decision_function() -> None:
    pairs = [("line", LINE), ("ridge", RidgeClassifier())]
    stack = StackingClassifier(pairs, FOREST, cv=2, stack_method="decision_function")
    check(stack.fit(X, LABELS["three texts"]), X)


@pytest.mark.parametrize("passthrough", [False, True])
def test_stacking_regressor(passthrough: bool) -> None:
    last = HistGradientBoostingRegressor(max_iter=5)
    check(StackingRegressor(REGRESSORS, last, cv=2, passthrough=passthrough).fit(X, SCORE), X)
