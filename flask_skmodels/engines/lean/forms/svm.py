"""Lean forms of ``sklearn.svm``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR, NuSVC, NuSVR, OneClassSVM
from sklearn.utils.multiclass import _ovr_decision_function

from flask_skmodels.engines.lean.compiler import (
    Call,
    Compiler,
    Decline,
    Methods,
    doubles,
    finite,
    lean_form,
)
from flask_skmodels.engines.lean.forms.linear_model import classifier, scores_of, weighed

Doubles = NDArray[np.float64]


@lean_form(LinearSVC)
def linear_svc(estimator: LinearSVC, compiler: Compiler) -> Methods:
    return classifier(scores_of(estimator), estimator.classes_)


@lean_form(LinearSVR)
def linear_svr(estimator: LinearSVR, compiler: Compiler) -> Methods:
    return {"predict": weighed(estimator.coef_.T, estimator.intercept_)}


@lean_form(SVC, NuSVC)
def svc(estimator: Any, compiler: Compiler) -> Methods:
    """Calls of libsvm itself, which sums over the support vectors."""
    if estimator.break_ties:
        raise Decline("it breaks ties")
    _check(estimator)
    classes, own = estimator.classes_, estimator._dense_predict

    def predict(X: Any) -> NDArray[Any]:
        found: NDArray[Any] = classes.take(np.asarray(own(_rows(X)), dtype=np.intp))
        return found

    return {"predict": predict, "decision_function": _decision(estimator)}


def _decision(estimator: Any) -> Call:
    count, own = len(estimator.classes_), estimator._dense_decision_function
    if count == 2:
        return lambda X: -own(_rows(X)).ravel()
    if estimator.decision_function_shape != "ovr":
        return lambda X: own(_rows(X))

    def decision_function(X: Any) -> Any:
        found = own(_rows(X))
        return _ovr_decision_function(found < 0, -found, count)

    return decision_function


@lean_form(SVR, NuSVR)
def svr(estimator: Any, compiler: Compiler) -> Methods:
    _check(estimator)
    own = estimator._dense_predict
    return {"predict": lambda X: own(_rows(X))}


@lean_form(OneClassSVM)
def one_class(estimator: OneClassSVM, compiler: Compiler) -> Methods:
    _check(estimator)
    own, offset = estimator._dense_predict, estimator.offset_
    decide = estimator._dense_decision_function
    return {
        "predict": lambda X: np.asarray(own(_rows(X)), dtype=np.intp),
        "decision_function": lambda X: decide(_rows(X)).ravel(),
        "score_samples": lambda X: decide(_rows(X)).ravel() + offset,
    }


def _check(estimator: Any) -> None:
    if estimator._sparse or callable(estimator.kernel) or estimator.kernel == "precomputed":
        raise Decline("it was fitted on a sparse matrix, or has a kernel of its own")


def _rows(X: Any) -> Doubles:
    return np.ascontiguousarray(finite(doubles(X)))
