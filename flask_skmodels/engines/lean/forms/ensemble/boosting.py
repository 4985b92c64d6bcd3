"""Lean forms of gradient boosting and AdaBoost."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
)
from sklearn.ensemble._gradient_boosting import predict_stages

from flask_skmodels.engines.lean.compiler import (
    Call,
    Compiler,
    Decline,
    Methods,
    doubles,
    finite,
    lean_form,
)
from flask_skmodels.engines.lean.forms.tree import CLASSIFIERS, REGRESSORS, LeafValues, singles_for
from flask_skmodels.engines.lean.joined_trees import Array

_CONSTANT = {"prior", "most_frequent", "constant", "mean", "median", "quantile"}


@lean_form(GradientBoostingRegressor)
def gradient_boosting_regressor(
    estimator: GradientBoostingRegressor, compiler: Compiler
) -> Methods:
    raw = _raw_of(estimator)
    return {"predict": lambda X: raw(X).ravel()}


@lean_form(GradientBoostingClassifier)
def gradient_boosting_classifier(
    estimator: GradientBoostingClassifier, compiler: Compiler
) -> Methods:
    raw, loss, classes = _raw_of(estimator), estimator._loss, estimator.classes_
    is_binary = estimator.n_trees_per_iteration_ == 1

    def decision_function(X: Any) -> Any:
        return raw(X).ravel() if is_binary else raw(X)

    def predict(X: Any) -> Any:
        scores = decision_function(X)
        return classes.take((scores >= 0).astype(np.intp) if is_binary else scores.argmax(axis=1))

    def predict_proba(X: Any) -> Any:
        return loss.predict_proba(decision_function(X))

    return {
        "predict": predict,
        "decision_function": decision_function,
        "predict_proba": predict_proba,
        "predict_log_proba": lambda X: np.log(predict_proba(X)),
    }


def _raw_of(estimator: Any) -> Call:
    """Return what scores rows before the link, of shape (rows, trees of an iteration)."""
    singles, first = singles_for(takes_missing=False), _first_of(estimator)
    trees, rate = estimator.estimators_, estimator.learning_rate

    def raw(X: Any) -> NDArray[np.float64]:
        narrow = singles(X)
        scores: NDArray[np.float64] = first(narrow)
        predict_stages(trees, narrow, rate, scores)
        return scores

    return raw


def _first_of(estimator: Any) -> Call:
    """Return what gives the scores that the trees are added to."""
    start: Call = estimator._raw_predict_init
    init = estimator.init_
    is_dummy = type(init) in (DummyClassifier, DummyRegressor) and init.strategy in _CONSTANT
    if not (is_dummy or isinstance(init, str)):
        return start
    constant = start(np.zeros((1, estimator.n_features_in_), dtype=np.float32))
    return lambda X: constant.repeat(len(X), axis=0)


@lean_form(AdaBoostClassifier)
def ada_boost_classifier(estimator: AdaBoostClassifier, compiler: Compiler) -> Methods:
    classes, weights = estimator.classes_, estimator.estimator_weights_
    count, total = len(classes), estimator.estimator_weights_.sum()
    if count == 1:
        raise Decline("it knows one class alone")
    votes = _votes_of(estimator, compiler)

    def decision_function(X: Any) -> Any:
        scores = np.asfortranarray(votes(X))  # as scikit-learn's, for the order of sums
        scores /= total
        if count > 2:
            return scores
        scores[:, 0] *= -1
        return scores.sum(axis=1)

    def predict(X: Any) -> Any:
        scores = decision_function(X)
        return classes.take(scores > 0 if count == 2 else scores.argmax(axis=1))

    def predict_proba(X: Any) -> Any:
        return estimator._compute_proba_from_decision(decision_function(X), count)

    if len(weights) < len(estimator.estimators_):
        raise Decline("it has estimators without a weight")
    return {
        "predict": predict,
        "decision_function": decision_function,
        "predict_proba": predict_proba,
        "predict_log_proba": lambda X: np.log(predict_proba(X)),
    }


def _votes_of(estimator: AdaBoostClassifier, compiler: Compiler) -> Call:
    """Return what sums the weighted votes of its estimators, of shape (rows, classes)."""
    labels, parts = estimator.classes_[:, np.newaxis], estimator.estimators_
    pairs = list(zip(parts, estimator.estimator_weights_, strict=False))

    def vote(predicted: Array, weight: float) -> Array:
        others = -1 / (len(labels) - 1) * weight
        return np.where((predicted == labels).T, weight, others)

    if are_trees(parts, CLASSIFIERS):
        values = [vote(labels_of_nodes(tree), weight) for tree, weight in pairs]
        singles = singles_for(takes_missing=False)
        leaves = LeafValues(parts, values, estimator.n_features_in_)
        return lambda X: leaves.total(singles(X))
    calls = [(compiler.methods(part)["predict"], weight) for part, weight in pairs]

    def votes(X: Any) -> Any:
        X = finite(doubles(X))
        return sum(vote(predict(X), weight) for predict, weight in calls)

    return votes


@lean_form(AdaBoostRegressor)
def ada_boost_regressor(estimator: AdaBoostRegressor, compiler: Compiler) -> Methods:
    predictions, weights = _predictions_of(estimator, compiler), estimator.estimator_weights_

    def predict(X: Any) -> Any:
        each = predictions(X)
        ranked, rows = each.argsort(axis=1), np.arange(len(each))
        shares = weights[ranked].cumsum(axis=1)
        middle = (shares >= 0.5 * shares[:, -1:]).argmax(axis=1)
        return each[rows, ranked[rows, middle]]

    return {"predict": predict}


def _predictions_of(estimator: AdaBoostRegressor, compiler: Compiler) -> Call:
    """Return what predicts by each of its estimators, of shape (rows, estimators)."""
    parts = estimator.estimators_
    if are_trees(parts, REGRESSORS):
        singles = singles_for(takes_missing=False)
        values = [tree.tree_.value[:, 0, 0] for tree in parts]
        leaves = LeafValues(parts, values, estimator.n_features_in_)
        return lambda X: leaves.each(singles(X)).T
    calls = [compiler.methods(part)["predict"] for part in parts]

    def predictions(X: Any) -> Any:
        X = finite(doubles(X))
        return np.array([predict(X) for predict in calls]).T

    return predictions


def are_trees(parts: Any, classes: tuple[type, ...]) -> bool:
    """Return whether all estimators are trees of some classes, of one output."""
    return all(type(part) in classes and part.n_outputs_ == 1 for part in parts)


def labels_of_nodes(tree: Any) -> Array:
    """Return the class that each node of a classifier of one output stands for."""
    labels: Array = tree.classes_.take(tree.tree_.value[:, 0].argmax(axis=1))
    return labels
