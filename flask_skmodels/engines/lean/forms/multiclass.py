"""Lean forms of ``sklearn.multiclass``."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.utils.multiclass import _ovr_decision_function

from flask_skmodels.engines.lean.compiler import (
    Call,
    Compiler,
    Decline,
    Methods,
    doubles,
    lean_form,
)
from flask_skmodels.engines.lean.response_values import score_of


@lean_form(OneVsRestClassifier)
def one_vs_rest(estimator: OneVsRestClassifier, compiler: Compiler) -> Methods:
    parts, classes = estimator.estimators_, estimator.classes_
    each = list(map(compiler.methods, parts))
    scores = [score_of(*pair) for pair in zip(parts, each, strict=True)]
    if estimator.label_binarizer_.y_type_ == "multiclass":
        methods: Methods = {"predict": lambda X: classes.take(_first_best(scores, X))}
    elif len(classes) == 2 and not estimator.multilabel_:
        (score,), threshold = scores, _threshold_of(parts[0], each[0])
        methods = {"predict": lambda X: classes.take((score(X) > threshold).astype(np.intp))}
    else:
        raise Decline("it has several labels a row")
    if all("predict_proba" in own for own in each):
        methods["predict_proba"] = _shares_of([own["predict_proba"] for own in each])
    if all("decision_function" in own for own in each):
        methods["decision_function"] = _decisions_of([own["decision_function"] for own in each])
    return methods


def _first_best(scores: list[Call], X: Any) -> Any:
    """Return for each row the place of the largest score; none is one that is not a number."""
    each = np.array([score(X) for score in scores])
    if np.isnan(each).any():
        raise Decline("a score is not a number")
    return each.argmax(axis=0)


def _threshold_of(estimator: Any, methods: Methods) -> float:
    return 0.0 if "decision_function" in methods and is_classifier(estimator) else 0.5


def _shares_of(calls: list[Call]) -> Call:
    def predict_proba(X: Any) -> Any:
        shares = np.array([call(X)[:, 1] for call in calls]).T
        if len(calls) == 1:
            shares = np.concatenate((1 - shares, shares), axis=1)
        sums = shares.sum(axis=1)[:, np.newaxis]
        np.divide(shares, sums, out=shares, where=sums != 0)
        return shares

    return predict_proba


def _decisions_of(calls: list[Call]) -> Call:
    if len(calls) == 1:
        return calls[0]
    return lambda X: np.array([call(X).ravel() for call in calls]).T


@lean_form(OneVsOneClassifier)
def one_vs_one(estimator: OneVsOneClassifier, compiler: Compiler) -> Methods:
    if estimator.pairwise_indices_ is not None:
        raise Decline("its estimators take distances")
    parts, classes = estimator.estimators_, estimator.classes_
    each = list(map(compiler.methods, parts))
    labels = [own["predict"] for own in each]
    scores = [score_of(*pair) for pair in zip(parts, each, strict=True)]
    is_binary = estimator.n_classes_ == 2

    def decision_function(X: Any) -> Any:
        X = doubles(X)
        predicted = np.vstack([label(X) for label in labels]).T
        confidences = np.vstack([score(X) for score in scores]).T
        votes = _ovr_decision_function(predicted, confidences, len(classes))
        return votes[:, 1] if is_binary else votes

    def predict(X: Any) -> Any:
        votes = decision_function(X)
        if is_binary:
            return classes.take((votes > _threshold_of(parts[0], each[0])).astype(np.intp))
        return classes.take(votes.argmax(axis=1))

    return {"predict": predict, "decision_function": decision_function}
