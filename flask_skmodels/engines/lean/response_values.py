"""What wrappers ask of a classifier: a score of the positive class, or one of each."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.utils.multiclass import type_of_target

from flask_skmodels.engines.lean.compiler import Call, Decline, Methods


def response_of(estimator: Any, methods: Methods, method: str) -> Call:
    """Return what a method says, of the positive class alone where there are two.

    :param estimator: fitted
    :param methods: what each of its methods computes
    :param method: the name of one
    :raises Decline: the classes are of another kind
    """
    call = methods[method]
    if not is_classifier(estimator) or method == "predict":
        return call
    kind = type_of_target(estimator.classes_)
    if kind not in ("binary", "multiclass"):
        raise Decline(f"classes that are {kind}")
    is_one = kind == "binary" and len(estimator.classes_) < 2
    if is_one:
        raise Decline("it knows one class alone")
    if kind == "binary" and method in ("predict_proba", "predict_log_proba"):
        return lambda X: call(X)[:, 1]
    return call


def score_of(estimator: Any, methods: Methods) -> Call:
    """Return what scores the positive class, of shape (rows,)."""
    if is_regressor(estimator):
        return methods["predict"]
    if "decision_function" in methods:
        decision = methods["decision_function"]
        return lambda X: np.ravel(decision(X))
    probabilities = methods["predict_proba"]
    return lambda X: probabilities(X)[:, 1]
