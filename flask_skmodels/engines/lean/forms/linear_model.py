"""Lean forms of ``sklearn.linear_model``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn import linear_model

from flask_skmodels.engines.lean.compiler import (
    Call,
    Compiler,
    Decline,
    Methods,
    as_row,
    doubles,
    finite,
    labels_by_sign,
    lean_form,
)
from flask_skmodels.engines.lean.containers import Csr, SparseRows
from flask_skmodels.engines.lean.installed import HAS_SKLEARN_1_9
from flask_skmodels.schema.frame import has_only_integers
from flask_skmodels.schema.types import Array, Estimator, FloatArray, ModelInput


def _if_available(name: str) -> list[type]:
    """Return a class that a later release of scikit-learn removes, if this release still has it."""
    return [getattr(linear_model, name)] if hasattr(linear_model, name) else []


@lean_form(linear_model.LogisticRegression, linear_model.LogisticRegressionCV)
def logistic_regression(estimator: Estimator, compiler: Compiler) -> Methods:
    decision = decision_function_of(estimator)
    probabilities = one_vs_rest_probabilities if len(estimator.classes_) <= 2 else softmax
    methods = methods_of_scores(decision, estimator.classes_)
    return methods | probability_methods(decision, probabilities)


@lean_form(linear_model.SGDClassifier)
def sgd_classifier(estimator: linear_model.SGDClassifier, compiler: Compiler) -> Methods:
    decision = decision_function_of(estimator)
    methods = methods_of_scores(decision, estimator.classes_)
    if estimator.loss == "log_loss":
        methods |= probability_methods(decision, one_vs_rest_probabilities)
    return methods


@lean_form(
    *_if_available("PassiveAggressiveClassifier"),
    linear_model.Perceptron,
    linear_model.RidgeClassifier,
    linear_model.RidgeClassifierCV,
)
def linear_classifier(estimator: Estimator, compiler: Compiler) -> Methods:
    return methods_of_scores(decision_function_of(estimator), estimator.classes_)


@lean_form(
    linear_model.ARDRegression,
    linear_model.BayesianRidge,
    linear_model.ElasticNet,
    linear_model.ElasticNetCV,
    linear_model.HuberRegressor,
    linear_model.Lars,
    linear_model.LarsCV,
    linear_model.Lasso,
    linear_model.LassoCV,
    linear_model.LassoLars,
    linear_model.LassoLarsCV,
    linear_model.LassoLarsIC,
    linear_model.LinearRegression,
    linear_model.MultiTaskElasticNet,
    linear_model.MultiTaskElasticNetCV,
    linear_model.MultiTaskLasso,
    linear_model.MultiTaskLassoCV,
    linear_model.OrthogonalMatchingPursuit,
    linear_model.OrthogonalMatchingPursuitCV,
    linear_model.QuantileRegressor,
    linear_model.Ridge,
    linear_model.RidgeCV,
    linear_model.TheilSenRegressor,
)
def linear_regressor(estimator: Estimator, compiler: Compiler) -> Methods:
    return {"predict": linear_predictor(estimator.coef_.T, estimator.intercept_)}


@lean_form(linear_model.RANSACRegressor)
def ransac_regressor(estimator: linear_model.RANSACRegressor, compiler: Compiler) -> Methods:
    """Return the ``predict`` of the inner regressor, which was fitted on an array."""
    predict = compiler.methods(estimator.estimator_)["predict"]
    return {"predict": lambda X: predict(doubles(X))}


@lean_form(*_if_available("PassiveAggressiveRegressor"), linear_model.SGDRegressor)
def sgd_regressor(estimator: Estimator, compiler: Compiler) -> Methods:
    value = linear_predictor(estimator.coef_.T, estimator.intercept_)
    return {"predict": lambda X: value(X).ravel()}


@lean_form(linear_model.SGDOneClassSVM)
def sgd_one_class_svm(estimator: linear_model.SGDOneClassSVM, compiler: Compiler) -> Methods:
    score = linear_predictor(estimator.coef_.T, -estimator.offset_)
    offset = estimator.offset_

    def predict(X: ModelInput) -> NDArray[np.int32]:
        return np.where(score(X).ravel() >= 0, np.int32(1), np.int32(-1))

    return {
        "predict": predict,
        "decision_function": lambda X: score(X).ravel(),
        "score_samples": lambda X: score(X).ravel() + offset,
    }


@lean_form(
    linear_model.GammaRegressor, linear_model.PoissonRegressor, linear_model.TweedieRegressor
)
def generalized_linear_regressor(estimator: Estimator, compiler: Compiler) -> Methods:
    # The inner regressor converts integers to doubles itself.
    value = linear_predictor(estimator.coef_, estimator.intercept_, keeps_integers=False)
    link = estimator._base_loss.link
    return {"predict": lambda X: link.inverse(value(X))}


def methods_of_scores(decision: Call, classes: Array) -> Methods:
    """Return the methods of a classifier that follow from its decision function."""
    return {"decision_function": decision, "predict": labels_from_scores(decision, classes)}


def probability_methods(
    decision: Call, probabilities: Callable[[FloatArray], FloatArray]
) -> Methods:
    """Return ``predict_proba`` and ``predict_log_proba`` of a linear classifier.

    :param decision: the decision function
    :param probabilities: converts the scores of the decision function to probabilities
    """
    return {
        "predict_proba": lambda X: probabilities(decision(X)),
        "predict_log_proba": lambda X: np.log(probabilities(decision(X))),
    }


def linear_predictor(weights: Any, intercept: Any, *, keeps_integers: bool = True) -> Call:
    """Return a function that multiplies X with weights and adds the intercept.

    The function checks the result and not X: a missing or infinite value in X makes the result
    missing or infinite.

    :param weights: an array of shape (columns,) or (columns, outputs)
    :param intercept: a number, or one for each output
    :param keeps_integers: whether the estimator multiplies integers as they are. NumPy then makes
        C-ordered doubles of them, whatever their own layout is, and BLAS sums in a different order.
    :raises Decline: the weights are not an array of doubles
    """
    if not isinstance(weights, np.ndarray) or weights.dtype != np.float64:
        raise Decline("its weights are not an array of doubles")
    if weights.ndim == 2 and np.ndim(intercept) == 1:
        intercept = as_row(intercept)
    is_contiguous = weights.flags.c_contiguous or weights.flags.f_contiguous

    def value(X: ModelInput) -> FloatArray:
        if isinstance(X, SparseRows):
            rows: Csr = X.to_csr()
            return finite(rows.dot(weights) + intercept)
        array = doubles(X)
        # For one row, dot calls the same BLAS function as @ and is faster, except for views.
        if len(array) == 1 and is_contiguous and array.flags.c_contiguous:
            scores: FloatArray = array.dot(weights)
        elif keeps_integers and has_only_integers(X):
            scores = np.ascontiguousarray(array) @ weights
        else:
            scores = array @ weights
        scores += intercept
        return finite(scores)

    return value


def decision_function_of(estimator: Estimator) -> Call:
    """Return the decision function of a linear classifier."""
    weights = estimator.coef_.T
    scores = linear_predictor(weights, estimator.intercept_)
    is_column = weights.ndim == 2 and weights.shape[1] == 1
    return (lambda X: scores(X).reshape(-1)) if is_column else scores


def labels_from_scores(decision: Call, classes: Array) -> Call:
    """Return a function that predicts the class of the largest score.

    For two classes there is one score, and a positive score means the second class.
    """
    if len(classes) == 2:
        return lambda X: labels_by_sign(decision(X), classes)
    return lambda X: classes.take(decision(X).argmax(1))


def one_vs_rest_probabilities(scores: FloatArray) -> FloatArray:
    """Return probabilities from the scores of one logistic regression for each class.

    Where all scores are 0, the classes are equally probable; before scikit-learn 1.9, probabilities
    are NaN.
    """
    positive: FloatArray = expit(scores, out=scores)
    if positive.ndim == 1:
        return np.stack([1 - positive, positive], axis=1)
    total = positive.sum(axis=1)
    if not HAS_SKLEARN_1_9:
        with np.errstate(invalid="ignore"):
            positive /= total.reshape(-1, 1)
        return positive
    if not total.all():
        positive[total == 0] = 1
        total[total == 0] = positive.shape[1]
    positive /= total.reshape(-1, 1)
    return positive


def softmax(scores: FloatArray) -> FloatArray:
    """Return the softmax of each row. The argument is overwritten."""
    scores -= scores.max(axis=1).reshape(-1, 1)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1).reshape(-1, 1)
    return scores
