"""Lean forms of bagging."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.ensemble import BaggingClassifier, BaggingRegressor

from flask_skmodels.engines.lean.compiler import Call, Compiler, Methods, doubles, lean_form
from flask_skmodels.engines.lean.forms.tree import (
    CLASSIFIERS,
    REGRESSORS,
    LeafValues,
    are_trees,
    dense_doubles,
    float32_converter,
    supports_missing_values,
)
from flask_skmodels.schema.types import Array, Estimator, ModelInput, ModelOutput

# The methods of an inner estimator, the columns that it was fitted on, the indices of its classes.
_Part = tuple[Methods, Array, Any]


@lean_form(BaggingRegressor)
def bagging_regressor(estimator: BaggingRegressor, compiler: Compiler) -> Methods:
    """The mean of the inner estimators' predictions."""
    inner, count = estimator.estimators_, estimator.n_estimators
    if are_trees(inner, REGRESSORS):
        total = _sum_of_leaves(estimator, [tree.tree_.value[:, 0, 0] for tree in inner])
    else:
        total = _sum_of(_parts(estimator, compiler), "predict")
    return {"predict": lambda X: total(X) / count}


@lean_form(BaggingClassifier)
def bagging_classifier(estimator: BaggingClassifier, compiler: Compiler) -> Methods:
    """The mean of the inner estimators' probabilities, or of their votes."""
    parts, count = _parts(estimator, compiler), estimator.n_estimators
    if are_trees(estimator.estimators_, CLASSIFIERS):
        values = [_node_probabilities(tree, estimator) for tree in estimator.estimators_]
        total = _sum_of_leaves(estimator, values)
    else:
        total = _sum_of_probabilities(estimator, parts)

    def predict_proba(X: ModelInput) -> ModelOutput:
        return total(X) / count

    methods: Methods = {
        "predict": lambda X: estimator.classes_.take(predict_proba(X).argmax(axis=1)),
        "predict_proba": predict_proba,
        "predict_log_proba": lambda X: np.log(predict_proba(X)),
    }
    if hasattr(estimator.estimator_, "predict_log_proba"):
        methods["predict_log_proba"] = _mean_of_log_probabilities(estimator, parts)
    if all("decision_function" in inner for inner, _, _ in parts):
        scores = _sum_of(parts, "decision_function")
        methods["decision_function"] = lambda X: scores(X) / count
    return methods


def _parts(estimator: Estimator, compiler: Compiler) -> list[_Part]:
    pairs = zip(estimator.estimators_, estimator.estimators_features_, strict=True)
    return [
        (compiler.methods(part), features, getattr(part, "classes_", None))
        for part, features in pairs
    ]


def _sum_of(parts: Sequence[_Part], method: str) -> Call:
    calls = [(methods[method], features) for methods, features, _ in parts]

    def total(X: ModelInput) -> ModelOutput:
        X = doubles(X)
        return sum(call(X[:, features]) for call, features in calls)

    return total


def _sum_of_probabilities(estimator: BaggingClassifier, parts: Sequence[_Part]) -> Call:
    """Return a function that sums probabilities, or votes if an estimator has no probabilities."""
    count = estimator.n_classes_
    if any("predict_proba" not in methods for methods, _, _ in parts):
        return _sum_of_votes(count, parts)

    def total(X: ModelInput) -> ModelOutput:
        X = doubles(X)
        sums = np.zeros((len(X), count))
        for methods, features, classes in parts:
            probabilities = methods["predict_proba"](X[:, features])
            if probabilities.shape[1] == count:
                sums += probabilities
            else:
                sums[:, classes] += probabilities
        return sums

    return total


def _sum_of_votes(count: int, parts: Sequence[_Part]) -> Call:
    def votes(X: ModelInput) -> ModelOutput:
        X = doubles(X)
        total, rows = np.zeros((len(X), count)), np.arange(len(X))
        for methods, features, _ in parts:
            total[rows, methods["predict"](X[:, features])] += 1
        return total

    return votes


def _mean_of_log_probabilities(estimator: BaggingClassifier, parts: Sequence[_Part]) -> Call:
    """Return a function for the logarithms of the mean probabilities."""
    count = estimator.n_classes_
    to_dense = dense_doubles if are_trees(estimator.estimators_, CLASSIFIERS) else doubles

    def predict_log_proba(X: ModelInput) -> ModelOutput:
        X = to_dense(X)
        total = np.full((len(X), count), -np.inf)
        for methods, features, classes in parts:
            logarithms = methods["predict_log_proba"](X[:, features])
            total[:, classes] = np.logaddexp(total[:, classes], logarithms)
        total -= np.log(len(parts))
        return total

    return predict_log_proba


def _node_probabilities(tree: Estimator, estimator: BaggingClassifier) -> Array:
    """Return the class probabilities of each node of a tree, of shape (nodes, classes)."""
    probabilities = np.zeros((tree.tree_.node_count, estimator.n_classes_))
    probabilities[:, tree.classes_] = tree.tree_.value[:, 0]
    return probabilities


def _sum_of_leaves(estimator: Estimator, values: Sequence[Array]) -> Call:
    trees, width = estimator.estimators_, estimator.n_features_in_
    to_float32 = float32_converter(supports_missing_values(trees[0]))
    leaves = LeafValues(trees, values, width, estimator.estimators_features_)
    return lambda X: leaves.total(to_float32(X))
