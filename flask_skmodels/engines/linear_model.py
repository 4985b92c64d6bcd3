"""Lean forms of ``sklearn.linear_model``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from flask_skmodels.engines.forms import Call, Compiler, Methods, doubles, finite, lean_form


@lean_form(LogisticRegression)
def logistic_regression(estimator: LogisticRegression, compiler: Compiler) -> Methods:
    decision = scores_of(estimator)
    probabilities = binary_probabilities if len(estimator.classes_) <= 2 else softmax

    def predict_proba(X: Any) -> Any:
        return probabilities(decision(X))

    return {
        "decision_function": decision,
        "predict": labels_of(decision, estimator.classes_),
        "predict_proba": predict_proba,
        "predict_log_proba": lambda X: np.log(predict_proba(X)),
    }


def scores_of(estimator: Any) -> Call:
    """Return the decision function of a linear classifier."""
    weights, intercept = estimator.coef_.T, estimator.intercept_
    is_flat = weights.shape[1] == 1

    def decision_function(X: Any) -> NDArray[np.float64]:
        scores: NDArray[np.float64] = finite(doubles(X) @ weights + intercept)
        return scores.reshape(-1) if is_flat else scores

    return decision_function


def labels_of(decision: Call, classes: NDArray[Any]) -> Call:
    """Return what predicts the class of the largest score, of the positive one where two."""
    if len(classes) == 2:
        return lambda X: classes.take((decision(X) > 0).astype(np.intp))
    return lambda X: classes.take(decision(X).argmax(axis=1))


def binary_probabilities(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    positive = expit(scores, out=scores)
    return np.stack([1 - positive, positive], axis=1)


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    scores -= scores.max(axis=1).reshape(-1, 1)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1).reshape(-1, 1)
    return scores
