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
    by_sign,
    doubles,
    finite,
    lean_form,
)
from flask_skmodels.engines.lean.containers import Csr, Sparse

Scores = NDArray[np.float64]


def _those_there(name: str) -> list[type]:
    """Return a class that scikit-learn is about to do without, where it has it."""
    return [getattr(linear_model, name)] if hasattr(linear_model, name) else []


@lean_form(linear_model.LogisticRegression, linear_model.LogisticRegressionCV)
def logistic_regression(estimator: Any, compiler: Compiler) -> Methods:
    decision = scores_of(estimator)
    probabilities = one_against_rest if len(estimator.classes_) <= 2 else softmax
    return classifier(decision, estimator.classes_) | with_logs(decision, probabilities)


@lean_form(linear_model.SGDClassifier)
def sgd_classifier(estimator: linear_model.SGDClassifier, compiler: Compiler) -> Methods:
    decision = scores_of(estimator)
    methods = classifier(decision, estimator.classes_)
    if estimator.loss == "log_loss":
        methods |= with_logs(decision, one_against_rest)
    return methods


@lean_form(
    *_those_there("PassiveAggressiveClassifier"),
    linear_model.Perceptron,
    linear_model.RidgeClassifier,
    linear_model.RidgeClassifierCV,
)
def linear_classifier(estimator: Any, compiler: Compiler) -> Methods:
    if np.ndim(estimator.classes_[0]):
        raise Decline("it predicts several labels")
    return classifier(scores_of(estimator), estimator.classes_)


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
def linear_regressor(estimator: Any, compiler: Compiler) -> Methods:
    return {"predict": weighed(estimator.coef_.T, estimator.intercept_)}


@lean_form(*_those_there("PassiveAggressiveRegressor"), linear_model.SGDRegressor)
def sgd_regressor(estimator: Any, compiler: Compiler) -> Methods:
    value = weighed(estimator.coef_.T, estimator.intercept_)
    return {"predict": lambda X: value(X).ravel()}


@lean_form(linear_model.SGDOneClassSVM)
def one_class(estimator: linear_model.SGDOneClassSVM, compiler: Compiler) -> Methods:
    score = weighed(estimator.coef_.T, -estimator.offset_)
    offset = estimator.offset_

    def predict(X: Any) -> NDArray[np.int32]:
        return np.where(score(X).ravel() >= 0, np.int32(1), np.int32(-1))

    return {
        "predict": predict,
        "decision_function": lambda X: score(X).ravel(),
        "score_samples": lambda X: score(X).ravel() + offset,
    }


@lean_form(
    linear_model.GammaRegressor, linear_model.PoissonRegressor, linear_model.TweedieRegressor
)
def generalized(estimator: Any, compiler: Compiler) -> Methods:
    value, inverse = weighed(estimator.coef_, estimator.intercept_), estimator._base_loss.link
    return {"predict": lambda X: inverse.inverse(value(X))}


def classifier(decision: Call, classes: NDArray[Any]) -> Methods:
    """Return what a linear classifier computes from its scores."""
    return {"decision_function": decision, "predict": labels_of(decision, classes)}


def with_logs(decision: Call, probabilities: Callable[[Scores], Scores]) -> Methods:
    """Return the probabilities that a linear classifier makes of its scores, and their logs."""
    return {
        "predict_proba": lambda X: probabilities(decision(X)),
        "predict_log_proba": lambda X: np.log(probabilities(decision(X))),
    }


def weighed(weights: Any, intercept: Any) -> Call:
    """Return what multiplies X with weights and adds the intercept.

    What is missing or infinite in X is so in the result.

    :param weights: of shape (columns,) or (columns, outputs)
    """
    if not isinstance(weights, np.ndarray) or weights.dtype != np.float64:
        raise Decline("its weights are no array of doubles")

    if weights.ndim == 2 and np.ndim(intercept) == 1:
        intercept = as_row(intercept)
    is_contiguous = weights.flags.c_contiguous or weights.flags.f_contiguous

    def value(X: Any) -> Scores:
        if type(X) in Sparse:
            rows: Csr = X.csr()
            return finite(rows.dot(weights) + intercept)
        X = doubles(X)
        # Of a row both ask BLAS for the same, unless one of them is a view; the first is quicker.
        is_row = len(X) == 1 and is_contiguous and X.flags.c_contiguous
        found: Scores = X.dot(weights) if is_row else X @ weights
        found += intercept
        return finite(found)

    return value


def scores_of(estimator: Any) -> Call:
    """Return the decision function of a linear classifier."""
    weights = estimator.coef_.T
    scores = weighed(weights, estimator.intercept_)
    is_column = weights.ndim == 2 and weights.shape[1] == 1
    return (lambda X: scores(X).reshape(-1)) if is_column else scores


def labels_of(decision: Call, classes: NDArray[Any]) -> Call:
    """Return what predicts the class of the largest score, of the positive one where two."""
    if len(classes) == 2:
        return lambda X: by_sign(decision(X), classes)
    return lambda X: classes.take(decision(X).argmax(1))


def one_against_rest(scores: Scores) -> Scores:
    """Return the probabilities of logistic regressions of each class against all others."""
    positive: Scores = expit(scores, out=scores)
    if positive.ndim == 1:
        return np.stack([1 - positive, positive], axis=1)
    total = positive.sum(axis=1)
    if not total.all():
        positive[total == 0] = 1
        total[total == 0] = positive.shape[1]
    positive /= total.reshape(-1, 1)
    return positive


def softmax(scores: Scores) -> Scores:
    scores -= scores.max(axis=1).reshape(-1, 1)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1).reshape(-1, 1)
    return scores
