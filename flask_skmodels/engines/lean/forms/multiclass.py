"""Lean forms of ``sklearn.multiclass``."""

from __future__ import annotations

import numpy as np
from sklearn.base import is_classifier
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.utils.multiclass import _ovr_decision_function

from flask_skmodels.engines.lean.compiler import (
    Call,
    Compiler,
    Decline,
    Methods,
    doubles,
    lean_form,
)
from flask_skmodels.engines.lean.installed import HAS_SKLEARN_1_7, HAS_SKLEARN_1_8
from flask_skmodels.engines.lean.pairwise import nearest_row
from flask_skmodels.engines.lean.response_values import positive_class_score
from flask_skmodels.schema.types import Estimator, ModelInput, ModelOutput


@lean_form(OneVsRestClassifier)
def one_vs_rest(estimator: OneVsRestClassifier, compiler: Compiler) -> Methods:
    parts, classes = estimator.estimators_, estimator.classes_
    each = list(map(compiler.methods, parts))
    scores = [positive_class_score(*pair) for pair in zip(parts, each, strict=True)]
    if estimator.label_binarizer_.y_type_ == "multiclass":
        methods: Methods = {"predict": lambda X: classes.take(_index_of_largest(scores, X))}
    elif len(classes) == 2 and not estimator.multilabel_:
        (score,), threshold = scores, _threshold(parts[0], each[0])
        methods = {"predict": lambda X: classes.take((score(X) > threshold).astype(np.intp))}
    else:
        raise Decline("it predicts several labels for each row")
    if all("predict_proba" in inner for inner in each):
        methods["predict_proba"] = _normalized([inner["predict_proba"] for inner in each])
    if all("decision_function" in inner for inner in each):
        methods["decision_function"] = _decisions([inner["decision_function"] for inner in each])
    return methods


def _index_of_largest(scores: list[Call], X: ModelInput) -> ModelOutput:
    """For each row, return the index of the largest score.

    If several are equal, return the first of them (before scikit-learn 1.8, the last).

    :raises Decline: a score is NaN
    """
    each = np.array([score(X) for score in scores])
    if np.isnan(each).any():
        raise Decline("a score is NaN")
    if HAS_SKLEARN_1_8:
        return each.argmax(axis=0)
    return len(each) - 1 - each[::-1].argmax(axis=0)


def _threshold(estimator: Estimator, methods: Methods) -> float:
    return 0.0 if "decision_function" in methods and is_classifier(estimator) else 0.5


def _normalized(calls: list[Call]) -> Call:
    """Return a function for the probabilities of the classes, divided by their sum."""

    def predict_proba(X: ModelInput) -> ModelOutput:
        probabilities = np.array([call(X)[:, 1] for call in calls]).T
        if len(calls) == 1:
            probabilities = np.concatenate((1 - probabilities, probabilities), axis=1)
        sums = probabilities.sum(axis=1)[:, np.newaxis]
        if HAS_SKLEARN_1_7:
            np.divide(probabilities, sums, out=probabilities, where=sums != 0)
        else:
            with np.errstate(invalid="ignore"):  # NaN where no class is probable
                probabilities /= sums
        return probabilities

    return predict_proba


def _decisions(calls: list[Call]) -> Call:
    if len(calls) == 1:
        return calls[0]
    return lambda X: np.array([call(X).ravel() for call in calls]).T


@lean_form(OneVsOneClassifier)
def one_vs_one(estimator: OneVsOneClassifier, compiler: Compiler) -> Methods:
    if estimator.pairwise_indices_ is not None:
        raise Decline("its estimators take pairwise distances")
    parts, classes = estimator.estimators_, estimator.classes_
    each = list(map(compiler.methods, parts))
    labels = [inner["predict"] for inner in each]
    scores = [positive_class_score(*pair) for pair in zip(parts, each, strict=True)]
    is_binary = estimator.n_classes_ == 2

    def decision_function(X: ModelInput) -> ModelOutput:
        X = doubles(X)
        predicted = np.vstack([label(X) for label in labels]).T
        confidences = np.vstack([score(X) for score in scores]).T
        votes = _ovr_decision_function(predicted, confidences, len(classes))
        return votes[:, 1] if is_binary else votes

    def predict(X: ModelInput) -> ModelOutput:
        votes = decision_function(X)
        if is_binary:
            return classes.take((votes > _threshold(parts[0], each[0])).astype(np.intp))
        return classes.take(votes.argmax(axis=1))

    return {"predict": predict, "decision_function": decision_function}


@lean_form(OutputCodeClassifier)
def output_code(estimator: OutputCodeClassifier, compiler: Compiler) -> Methods:
    """The class whose code is nearest to the scores of the estimators."""
    parts, classes = estimator.estimators_, estimator.classes_
    scores = [positive_class_score(part, compiler.methods(part)) for part in parts]
    search = nearest_row(np.asarray(estimator.code_book_, dtype=np.float64))

    def predict(X: ModelInput) -> ModelOutput:
        return classes[search(np.array([score(X) for score in scores], dtype=np.float64).T)]

    return {"predict": predict}
