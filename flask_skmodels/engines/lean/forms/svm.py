"""Lean forms of ``sklearn.svm``."""

from __future__ import annotations

import numpy as np
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR, NuSVC, NuSVR, OneClassSVM
from sklearn.utils.multiclass import _ovr_decision_function

from flask_skmodels.engines.lean.compiler import (
    Call,
    Compiler,
    Decline,
    Methods,
    contiguous,
    lean_form,
)
from flask_skmodels.engines.lean.forms.linear_model import (
    decision_function_of,
    linear_predictor,
    methods_of_scores,
)
from flask_skmodels.schema.types import Array, Estimator, ModelInput, ModelOutput


@lean_form(LinearSVC)
def linear_svc(estimator: LinearSVC, compiler: Compiler) -> Methods:
    return methods_of_scores(decision_function_of(estimator), estimator.classes_)


@lean_form(LinearSVR)
def linear_svr(estimator: LinearSVR, compiler: Compiler) -> Methods:
    return {"predict": linear_predictor(estimator.coef_.T, estimator.intercept_)}


@lean_form(SVC, NuSVC)
def svc(estimator: Estimator, compiler: Compiler) -> Methods:
    """Call libsvm as the estimator does, without the checks before the call."""
    if estimator.break_ties:
        raise Decline("break_ties is set")
    _check(estimator)
    classes, predict_index = estimator.classes_, estimator._dense_predict

    def predict(X: ModelInput) -> Array:
        indices = np.asarray(predict_index(contiguous(X)), dtype=np.intp)
        labels: Array = classes.take(indices)
        return labels

    return {"predict": predict, "decision_function": _decision_function(estimator)}


def _decision_function(estimator: Estimator) -> Call:
    count, scores_of = len(estimator.classes_), estimator._dense_decision_function
    if count == 2:
        return lambda X: -scores_of(contiguous(X)).ravel()
    if estimator.decision_function_shape != "ovr":
        return lambda X: scores_of(contiguous(X))

    def decision_function(X: ModelInput) -> ModelOutput:
        scores = scores_of(contiguous(X))
        return _ovr_decision_function(scores < 0, -scores, count)

    return decision_function


@lean_form(SVR, NuSVR)
def svr(estimator: Estimator, compiler: Compiler) -> Methods:
    _check(estimator)
    predict = estimator._dense_predict
    return {"predict": lambda X: predict(contiguous(X))}


@lean_form(OneClassSVM)
def one_class_svm(estimator: OneClassSVM, compiler: Compiler) -> Methods:
    _check(estimator)
    predict, offset = estimator._dense_predict, estimator.offset_
    decision_function = estimator._dense_decision_function
    return {
        "predict": lambda X: np.asarray(predict(contiguous(X)), dtype=np.intp),
        "decision_function": lambda X: decision_function(contiguous(X)).ravel(),
        "score_samples": lambda X: decision_function(contiguous(X)).ravel() + offset,
    }


def _check(estimator: Estimator) -> None:
    if estimator._sparse or callable(estimator.kernel) or estimator.kernel == "precomputed":
        raise Decline("it was fitted on a sparse matrix, or its kernel is custom or precomputed")
