"""Lean forms of AdaBoost."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import AdaBoostClassifier, AdaBoostRegressor

from flask_skmodels.engines.lean.compiler import (
    Call,
    Compiler,
    Decline,
    Methods,
    doubles,
    finite,
    lean_form,
)
from flask_skmodels.engines.lean.forms.tree import (
    CLASSIFIERS,
    REGRESSORS,
    LeafValues,
    are_trees,
    float32_converter,
)
from flask_skmodels.schema.types import Array, Estimator, ModelInput, ModelOutput


@lean_form(AdaBoostClassifier)
def ada_boost_classifier(estimator: AdaBoostClassifier, compiler: Compiler) -> Methods:
    classes, weights = estimator.classes_, estimator.estimator_weights_
    count, total = len(classes), estimator.estimator_weights_.sum()
    if count == 1:
        raise Decline("it was fitted on a single class")
    if len(weights) < len(estimator.estimators_):
        raise Decline("some of its estimators have no weight")
    votes = _votes(estimator, compiler)

    def decision_function(X: ModelInput) -> ModelOutput:
        scores = np.asfortranarray(votes(X))  # scikit-learn's memory layout, for the order of sums
        scores /= total
        if count > 2:
            return scores
        scores[:, 0] *= -1
        return scores.sum(axis=1)

    def predict(X: ModelInput) -> ModelOutput:
        scores = decision_function(X)
        return classes.take(scores > 0 if count == 2 else scores.argmax(axis=1))

    def predict_proba(X: ModelInput) -> ModelOutput:
        return estimator._compute_proba_from_decision(decision_function(X), count)

    return {
        "predict": predict,
        "decision_function": decision_function,
        "predict_proba": predict_proba,
        "predict_log_proba": lambda X: np.log(predict_proba(X)),
    }


def _votes(estimator: AdaBoostClassifier, compiler: Compiler) -> Call:
    """Return a function for the sums of the weighted votes, of shape (rows, classes)."""
    labels, parts = estimator.classes_[:, np.newaxis], estimator.estimators_
    pairs = list(zip(parts, estimator.estimator_weights_, strict=False))

    def vote(predicted: Array, weight: float) -> Array:
        others = -1 / (len(labels) - 1) * weight
        return np.where((predicted == labels).T, weight, others)

    if are_trees(parts, CLASSIFIERS):
        values = [vote(labels_of_nodes(tree), weight) for tree, weight in pairs]
        to_float32 = float32_converter(allow_nan=False)
        leaves = LeafValues(parts, values, estimator.n_features_in_)
        return lambda X: leaves.total(to_float32(X))
    calls = [(compiler.methods(part)["predict"], weight) for part, weight in pairs]

    def votes(X: ModelInput) -> ModelOutput:
        X = finite(doubles(X))
        return sum(vote(predict(X), weight) for predict, weight in calls)

    return votes


def labels_of_nodes(tree: Estimator) -> Array:
    """Return the class of each node of a tree classifier with one output."""
    labels: Array = tree.classes_.take(tree.tree_.value[:, 0].argmax(axis=1))
    return labels


@lean_form(AdaBoostRegressor)
def ada_boost_regressor(estimator: AdaBoostRegressor, compiler: Compiler) -> Methods:
    """The weighted median of the predictions."""
    predictions, weights = _predictions(estimator, compiler), estimator.estimator_weights_

    def predict(X: ModelInput) -> ModelOutput:
        each = predictions(X)
        ranked, rows = each.argsort(axis=1), np.arange(len(each))
        cumulative = weights[ranked].cumsum(axis=1)
        median = (cumulative >= 0.5 * cumulative[:, -1:]).argmax(axis=1)
        return each[rows, ranked[rows, median]]

    return {"predict": predict}


def _predictions(estimator: AdaBoostRegressor, compiler: Compiler) -> Call:
    """Return a function that returns the estimators' predictions, of shape (rows, estimators)."""
    parts = estimator.estimators_
    if are_trees(parts, REGRESSORS):
        to_float32 = float32_converter(allow_nan=False)
        values = [tree.tree_.value[:, 0, 0] for tree in parts]
        leaves = LeafValues(parts, values, estimator.n_features_in_)
        return lambda X: leaves.of_each_tree(to_float32(X)).T
    calls = [compiler.methods(part)["predict"] for part in parts]

    def predictions(X: ModelInput) -> ModelOutput:
        X = finite(doubles(X))
        return np.array([predict(X) for predict in calls]).T

    return predictions
