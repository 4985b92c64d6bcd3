"""Lean forms of ``sklearn.semi_supervised``."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.semi_supervised import LabelPropagation, LabelSpreading, SelfTrainingClassifier

from flask_skmodels.engines.lean.compiler import (
    Call,
    Compiler,
    Decline,
    Methods,
    doubles,
    finite,
    lean_form,
)
from flask_skmodels.engines.lean.pairwise import of_doubles
from flask_skmodels.schema.types import Estimator, FloatArray, ModelInput

OfRows = Callable[[FloatArray], FloatArray]


@lean_form(SelfTrainingClassifier)
def self_training(estimator: SelfTrainingClassifier, compiler: Compiler) -> Methods:
    """Return the methods of the inner classifier, which was fitted on an array."""
    methods = compiler.methods(estimator.estimator_)
    return {name: _of_array(call) for name, call in methods.items()}


def _of_array(call: Call) -> Call:
    return lambda X: call(doubles(X))


@lean_form(LabelPropagation, LabelSpreading)
def label_propagation(estimator: Estimator, compiler: Compiler) -> Methods:
    distributions, classes = estimator.label_distributions_, estimator.classes_
    sums = _sums_of_neighbors(estimator) if estimator.kernel == "knn" else _sums(estimator)

    def predict_proba(X: ModelInput) -> FloatArray:
        probabilities = sums(finite(doubles(X)))
        probabilities /= np.sum(probabilities, axis=1).reshape(-1, 1)
        return probabilities

    if len(distributions) != len(estimator.X_):
        raise Decline("its distributions do not match its rows")
    return {
        "predict": lambda X: classes[np.argmax(predict_proba(X), axis=1)].ravel(),
        "predict_proba": predict_proba,
    }


def _sums(estimator: Estimator) -> OfRows:
    """Return a function for the sums of the labels, weighted by the kernel."""
    if estimator.kernel != "rbf":
        raise Decline("its kernel is custom")
    rows, gamma = of_doubles(estimator.X_), estimator.gamma
    distributions = estimator.label_distributions_
    norms = np.einsum("ij,ij->i", rows, rows)[:, np.newaxis]

    def sums(X: FloatArray) -> FloatArray:
        weights: FloatArray = -2 * (rows @ X.T)
        weights += norms
        weights += np.einsum("ij,ij->i", X, X)[np.newaxis, :]
        np.maximum(weights, 0, out=weights)
        weights *= -gamma
        np.exp(weights, out=weights)
        total: FloatArray = weights.T @ distributions
        return total

    return sums


def _sums_of_neighbors(estimator: Estimator) -> OfRows:
    search, distributions = estimator.nn_fit.kneighbors, estimator.label_distributions_

    def sums(X: FloatArray) -> FloatArray:
        neighbors = search(X, return_distance=False)
        return np.array([np.sum(distributions[each], axis=0) for each in neighbors])

    return sums
