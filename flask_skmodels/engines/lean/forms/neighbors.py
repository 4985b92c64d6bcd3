"""Lean forms of ``sklearn.neighbors``, which search in scikit-learn's own trees and arrays.

scikit-learn searches through joblib, and counts the labels with scipy's ``mode``: both take longer
than the search.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics._pairwise_distances_reduction import ArgKmin
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from flask_skmodels.engines.lean.compiler import (
    Compiler,
    Decline,
    Methods,
    doubles,
    finite,
    lean_form,
)
from flask_skmodels.schema.types import Estimator, FloatArray, ModelInput, ModelOutput

Search = Callable[[ModelInput], NDArray[np.intp]]


@lean_form(KNeighborsClassifier)
def neighbors_classifier(estimator: KNeighborsClassifier, compiler: Compiler) -> Methods:
    """Count the labels of the neighbors; the first of several most frequent ones is chosen."""
    search, labels, classes = _search(estimator), estimator._y, estimator.classes_
    if estimator.outputs_2d_:
        raise Decline("it has several outputs")
    count = len(classes)

    def predict_proba(X: ModelInput) -> FloatArray:
        neighbors = labels[search(X)]
        found = np.array([np.bincount(row, minlength=count) for row in neighbors])
        return found / float(neighbors.shape[1])

    return {
        "predict": lambda X: classes.take(predict_proba(X).argmax(axis=1)),
        "predict_proba": predict_proba,
    }


@lean_form(KNeighborsRegressor)
def neighbors_regressor(estimator: KNeighborsRegressor, compiler: Compiler) -> Methods:
    search, values = _search(estimator), estimator._y
    if values.ndim > 1:
        raise Decline("it has several outputs")

    def predict(X: ModelInput) -> ModelOutput:
        return np.mean(values[search(X)], axis=1)

    return {"predict": predict}


def _search(estimator: Estimator) -> Search:
    """Return a function for the indices of the nearest rows, of shape (rows, neighbors).

    :raises Decline: the neighbors have weights, or another kind of search is used
    """
    if estimator.weights not in ("uniform", None):
        raise Decline("its neighbors have weights")
    count, width = int(estimator.n_neighbors), int(estimator.n_features_in_)
    find = _brute(estimator) if estimator._fit_method == "brute" else _tree(estimator)

    def search(X: ModelInput) -> NDArray[np.intp]:
        X = np.ascontiguousarray(finite(doubles(X)))
        if X.shape[1] != width:
            raise Decline("X has another number of columns")
        return find(X, count)

    return search


def _tree(estimator: Estimator) -> Callable[[FloatArray, int], NDArray[np.intp]]:
    if estimator._fit_method not in ("kd_tree", "ball_tree"):
        raise Decline("its search is unknown")
    query = estimator._tree.query
    return lambda X, count: query(X, count, return_distance=False)


def _brute(estimator: Estimator) -> Callable[[FloatArray, int], NDArray[np.intp]]:
    rows, metric = estimator._fit_X, estimator.effective_metric_
    if not isinstance(rows, np.ndarray) or rows.dtype != np.float64:
        raise Decline("it was fitted on other rows than doubles")
    if not ArgKmin.is_usable_for(rows, rows, metric):
        raise Decline("its metric is not one of the fast ones")
    options = {"metric": metric, "metric_kwargs": estimator.effective_metric_params_}
    return lambda X, count: ArgKmin.compute(
        X=X, Y=rows, k=count, strategy="auto", return_distance=False, **options
    )
