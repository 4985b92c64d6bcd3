"""Lean forms of voting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.ensemble import VotingClassifier, VotingRegressor

from flask_skmodels.engines.lean.compiler import Call, Compiler, Methods, lean_form
from flask_skmodels.schema.types import Array, FieldValue, ModelInput, ModelOutput


@lean_form(VotingClassifier)
def voting_classifier(estimator: VotingClassifier, compiler: Compiler) -> Methods:
    each = list(map(compiler.methods, estimator.estimators_))
    weights, classes = estimator._weights_not_none, estimator.le_.classes_
    if estimator.voting == "soft":
        return _soft_voting(each, weights, classes, is_flat=estimator.flatten_transform)
    votes = _predictions(each)

    def winner(row: Array) -> FieldValue:
        return np.bincount(row, weights=weights).argmax()

    return {
        "predict": lambda X: classes.take([winner(row) for row in votes(X)]),
        "transform": votes,
    }


def _soft_voting(
    each: Sequence[Methods], weights: Any, classes: Array, *, is_flat: bool
) -> Methods:
    calls = [methods["predict_proba"] for methods in each]

    def probabilities(X: ModelInput) -> Array:
        return np.asarray([call(X) for call in calls])

    def predict_proba(X: ModelInput) -> ModelOutput:
        return np.average(probabilities(X), axis=0, weights=weights)

    methods: Methods = {
        "predict": lambda X: classes.take(predict_proba(X).argmax(axis=1)),
        "predict_proba": predict_proba,
    }
    if is_flat:  # otherwise the output does not have one entry for each row
        methods["transform"] = lambda X: np.hstack(list(probabilities(X)))
    return methods


@lean_form(VotingRegressor)
def voting_regressor(estimator: VotingRegressor, compiler: Compiler) -> Methods:
    predictions = _predictions(list(map(compiler.methods, estimator.estimators_)))
    weights = estimator._weights_not_none
    return {
        "predict": lambda X: np.average(predictions(X), axis=1, weights=weights),
        "transform": predictions,
    }


def _predictions(each: Sequence[Methods]) -> Call:
    """Return a function that returns the estimators' predictions, of shape (rows, estimators)."""
    calls = [methods["predict"] for methods in each]
    return lambda X: np.asarray([call(X) for call in calls]).T
