"""The outputs of a classifier that meta-estimators use: scores or probabilities of its classes."""

from __future__ import annotations

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.utils.multiclass import type_of_target

from flask_skmodels.engines.lean.compiler import Call, Decline, Methods
from flask_skmodels.schema.types import Array, Estimator


def response_values(estimator: Estimator, methods: Methods, method: str) -> Call:
    """Return a method of an estimator; with two classes, only the output for the positive class.

    :param estimator: a fitted estimator
    :param methods: its lean methods
    :param method: the name of the method
    :raises Decline: the classes are neither binary nor multiclass
    """
    call = methods[method]
    if not is_classifier(estimator) or method == "predict":
        return call
    kind = type_of_target(estimator.classes_)
    if kind not in ("binary", "multiclass"):
        raise Decline(f"its classes are {kind}")
    if kind == "binary" and len(estimator.classes_) < 2:
        raise Decline("it was fitted on a single class")
    if kind == "binary" and method in ("predict_proba", "predict_log_proba"):
        return lambda X: call(X)[:, 1]
    return call


def probabilities_of_two(positive: Array) -> Array:
    """Return the probabilities of two classes, of shape (rows, 2).

    :param positive: the probabilities of the second class, of shape (rows,)
    """
    probabilities = np.empty((len(positive), 2), dtype=positive.dtype)
    np.subtract(1.0, positive, out=probabilities[:, 0])
    probabilities[:, 1] = positive
    return probabilities


def positive_class_score(estimator: Estimator, methods: Methods) -> Call:
    """Return a function for the score of the positive class, of shape (rows,)."""
    if is_regressor(estimator):
        return methods["predict"]
    if "decision_function" in methods:
        decision_function = methods["decision_function"]
        return lambda X: np.ravel(decision_function(X))
    predict_proba = methods["predict_proba"]
    return lambda X: predict_proba(X)[:, 1]
