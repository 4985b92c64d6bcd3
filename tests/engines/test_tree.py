"""Lean trees and forests."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from flask import Flask
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from flask_skmodels import SKModels
from flask_skmodels.engines.lean.forms import tree
from tests.support.equality import assert_equal, check, refuse
from tests.support.samples import FRAME, HOLES, LABELS, SCORE, X
from tests.support.selection import cases

CLASSES: dict[str, Any] = {
    **LABELS,
    "one class": np.full(300, "only"),
    "two outputs": np.stack([SCORE > 0, np.digitize(SCORE, [-1, 0, 1])], axis=1).astype(int),
    "two outputs of texts": np.stack(
        [np.where(SCORE > 0, "up", "d"), np.where(X[:, 3] > 0, "plus", "m")], axis=1
    ),
}
TARGETS = {
    "one": SCORE,
    "minus zero": np.where(SCORE > 0, SCORE, -0.0),
    "two outputs": np.stack([SCORE, X[:, 1]], axis=1),
}
TREE_CLASSIFIERS = (DecisionTreeClassifier, ExtraTreeClassifier)
TREE_REGRESSORS = (DecisionTreeRegressor, ExtraTreeRegressor)
FOREST_CLASSIFIERS = (RandomForestClassifier, ExtraTreesClassifier)
FOREST_REGRESSORS = (RandomForestRegressor, ExtraTreesRegressor)
SIZES = {"one tree": 1, "a few trees": 7, "more trees": 60}


@pytest.mark.parametrize("target", CLASSES)
@pytest.mark.parametrize("cls", TREE_CLASSIFIERS)
def test_tree_classifier(cls: Any, target: str) -> None:
    check(cls(random_state=0, max_depth=6).fit(X, CLASSES[target]), X)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("cls", TREE_REGRESSORS)
def test_tree_regressor(cls: Any, target: str) -> None:
    check(cls(random_state=0).fit(X, TARGETS[target]), X)


@pytest.mark.parametrize("cls", TREE_CLASSIFIERS + TREE_REGRESSORS)
def test_tree_with_missing_values(cls: Any) -> None:
    check(cls(random_state=0).fit(HOLES, CLASSES["two numbers"]), HOLES)


def test_tree_with_monotonic_constraints() -> None:
    tree = DecisionTreeRegressor(random_state=0, monotonic_cst=[1, 0, 0, -1, 0])
    check(tree.fit(X, SCORE), X)


@pytest.mark.parametrize("criterion", ["absolute_error", "poisson"])
def test_tree_by_other_criteria(criterion: str) -> None:
    tree = DecisionTreeRegressor(random_state=0, criterion=criterion, max_depth=5)
    check(tree.fit(X, np.abs(SCORE)), X)


@pytest.mark.parametrize("size", cases(SIZES, quick=["a few trees"]))
@pytest.mark.parametrize("target", cases(CLASSES, quick=["three texts", "two outputs"]))
@pytest.mark.parametrize("cls", FOREST_CLASSIFIERS)
def test_forest_classifier(cls: Any, target: str, size: str) -> None:
    forest = cls(SIZES[size], random_state=0, min_samples_leaf=2)
    check(forest.fit(X, CLASSES[target]), X)


@pytest.mark.parametrize("size", cases(SIZES, quick=["a few trees"]))
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("cls", FOREST_REGRESSORS)
def test_forest_regressor(cls: Any, target: str, size: str) -> None:
    check(cls(SIZES[size], random_state=0).fit(X, TARGETS[target]), X)


@pytest.mark.parametrize("cls", FOREST_CLASSIFIERS + FOREST_REGRESSORS)
def test_forest_with_missing_values(cls: Any) -> None:
    check(cls(20, random_state=0).fit(HOLES, CLASSES["two numbers"]), HOLES)


@pytest.mark.parametrize(
    "options", [{}, {"max_features": 2}, {"max_features": 3, "bootstrap": True}]
)
@pytest.mark.parametrize("contamination", ["auto", 0.1])
def test_isolation_forest(options: dict[str, Any], contamination: Any) -> None:
    forest = IsolationForest(
        n_estimators=20, random_state=0, contamination=contamination, **options
    )
    check(forest.fit(X), X)


SPARSE = [
    RandomForestClassifier(9, random_state=0),
    DecisionTreeClassifier(random_state=0),
    GradientBoostingClassifier(n_estimators=9, random_state=0),
    AdaBoostClassifier(n_estimators=9, random_state=0),
    BaggingClassifier(random_state=0),
]


@pytest.mark.parametrize(
    "estimator", cases(SPARSE, quick=SPARSE[:2]), ids=lambda estimator: type(estimator).__name__
)
def test_trees_of_sparse_rows(estimator: Any) -> None:
    words = ColumnTransformer(
        [("words", OneHotEncoder(handle_unknown="ignore"), ["island", "year"])], sparse_threshold=1
    )
    frame = FRAME[["island", "year"]]
    check(make_pipeline(words, estimator).fit(frame, LABELS["three texts"]), frame)


def test_forest_beyond_the_bound_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "MAX_BYTES", 0)
    check(RandomForestRegressor(9, random_state=0).fit(X, SCORE), X)


def test_threads_do_not_meet() -> None:
    forest = RandomForestClassifier(20, random_state=0).fit(X, LABELS["three texts"])
    expected = forest.predict_proba(X)
    models, app = SKModels(), Flask("threads")
    models.add("case", forest, methods=["predict_proba"])
    models.init_app(app)
    forest.predict_proba = refuse

    def ask(place: int) -> Any:
        rows = X[place : place + 1 + place % 3]
        return models.predict("case", rows.copy(), app=app).outputs

    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(ask, range(len(X) - 3)))
    for place, result in enumerate(results):
        assert_equal(result, expected[place : place + 1 + place % 3])
