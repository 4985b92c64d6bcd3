"""Lean estimators that wrap one estimator, or one for each class or output."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import (
    ClassifierChain,
    MultiOutputClassifier,
    MultiOutputRegressor,
    RegressorChain,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from tests.support.equality import check
from tests.support.samples import LABELS, SCORE, X
from tests.support.selection import cases
from tests.support.skips import needs_version

LR = LogisticRegression(max_iter=50)
LINE = make_pipeline(StandardScaler(), LR)
FOREST = RandomForestClassifier(5, random_state=0)
RIDGE = RidgeClassifier()
TREE = DecisionTreeClassifier(max_depth=3, random_state=0)
SEVERAL = np.stack([SCORE > 0, X[:, 1] > 0.3, X[:, 2] > X[:, 0]], axis=1).astype(int)
TARGETS = np.stack([SCORE, X[:, 1] ** 2], axis=1)

by_name = pytest.mark.parametrize


@by_name("ensemble", [True, False])
@by_name("inner", cases([LINE, FOREST, RIDGE], quick=[LINE]), ids=["line", "forest", "ridge"])
@by_name(
    "method",
    [
        *("sigmoid", "isotonic"),
        pytest.param("temperature", marks=needs_version("scikit-learn", "1.8")),
    ],
)
@by_name("target", cases(["booleans", "three texts"], quick=["three texts"]))
def test_calibrated_classifier(target: str, method: Any, inner: Any, ensemble: bool) -> None:
    wrapped = CalibratedClassifierCV(inner, method=method, cv=2, ensemble=ensemble)
    check(wrapped.fit(X, LABELS[target]), X)


def test_calibrated_classifier_of_a_frozen_one() -> None:
    inner = FrozenEstimator(FOREST.fit(X[:200], LABELS["three texts"][:200]))
    check(CalibratedClassifierCV(inner).fit(X[200:], LABELS["three texts"][200:]), X)


def test_frozen_estimator() -> None:
    check(FrozenEstimator(FOREST.fit(X, LABELS["three texts"])), X)


@by_name("inner", [LINE, FOREST], ids=["line", "forest"])
def test_multi_output_classifier(inner: Any) -> None:
    check(MultiOutputClassifier(inner).fit(X, SEVERAL), X)


def test_multi_output_classifier_without_probabilities() -> None:
    check(MultiOutputClassifier(RidgeClassifier()).fit(X, SEVERAL), X)


def test_multi_output_classifier_of_texts() -> None:
    texts = np.stack([LABELS["three texts"], np.where(X[:, 0] > 0, "up", "down")], axis=1)
    check(MultiOutputClassifier(TREE).fit(X, texts), X)


@by_name("inner", [GradientBoostingRegressor(n_estimators=5), LinearRegression()], ids=str)
def test_multi_output_regressor(inner: Any) -> None:
    check(MultiOutputRegressor(inner).fit(X, TARGETS), X)


def test_multi_output_regressor_of_a_frame() -> None:
    frame = pd.DataFrame(X, columns=list("abcde"))
    check(MultiOutputRegressor(DecisionTreeRegressor(max_depth=4)).fit(frame, TARGETS), frame)


CHAIN_METHODS = ["predict", "predict_proba", "decision_function"]


@by_name("order", [None, [2, 0, 1]], ids=str)
@by_name("passed", cases(CHAIN_METHODS, quick=CHAIN_METHODS[:1]))
def test_classifier_chain(passed: str, order: Any) -> None:
    check(ClassifierChain(LINE, order=order, chain_method=passed).fit(X, SEVERAL), X)


@by_name("passed", ["predict", "predict_proba"])
def test_classifier_chain_of_trees(passed: str) -> None:
    check(ClassifierChain(TREE, order=[2, 0, 1], chain_method=passed).fit(X, SEVERAL), X)


@by_name("inner", [LinearRegression(), DecisionTreeRegressor(max_depth=4)], ids=str)
def test_regressor_chain(inner: Any) -> None:
    check(RegressorChain(inner, order=[1, 0]).fit(X, TARGETS), X)


@by_name("target", ["booleans", "three texts"])
@by_name("inner", [LINE, FOREST, LinearRegression()], ids=["line", "forest", "regression"])
def test_one_vs_rest(inner: Any, target: str) -> None:
    check(OneVsRestClassifier(inner).fit(X, LABELS[target]), X)


@by_name("target", ["booleans", "three texts"])
@by_name("inner", [LINE, TREE, LinearSVC()], ids=["line", "tree", "machine"])
def test_one_vs_one(inner: Any, target: str) -> None:
    check(OneVsOneClassifier(inner).fit(X, LABELS[target]), X)


def test_grid_search() -> None:
    search = GridSearchCV(LINE, {"logisticregression__C": [0.1, 1.0]}, cv=2)
    check(search.fit(X, LABELS["three texts"]), X)


def test_randomized_search() -> None:
    search = RandomizedSearchCV(FOREST, {"max_depth": [2, 3]}, n_iter=2, cv=2, random_state=0)
    check(search.fit(X, LABELS["three texts"]), X)
