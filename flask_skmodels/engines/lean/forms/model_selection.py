"""Lean forms of ``sklearn.model_selection``."""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.model_selection._search_successive_halving import (
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
)

from flask_skmodels.engines.lean.compiler import Call, Compiler, Decline, Methods, lean_form
from flask_skmodels.schema.types import Estimator, ModelInput, ModelOutput


@lean_form(GridSearchCV, RandomizedSearchCV, HalvingGridSearchCV, HalvingRandomSearchCV)
def search(estimator: Estimator, compiler: Compiler) -> Methods:
    """The methods of the best estimator."""
    return compiler.methods(estimator.best_estimator_)


@lean_form(FixedThresholdClassifier)
def fixed_threshold(estimator: FixedThresholdClassifier, compiler: Compiler) -> Methods:
    methods = compiler.methods(getattr(estimator, "estimator_", estimator.estimator))
    threshold = estimator.threshold
    if threshold == "auto":
        threshold = 0.5 if _response_method(estimator, methods) == "predict_proba" else 0.0
    return methods | {"predict": _labels(estimator, methods, threshold, estimator.pos_label)}


@lean_form(TunedThresholdClassifierCV)
def tuned_threshold(estimator: TunedThresholdClassifierCV, compiler: Compiler) -> Methods:
    methods, label = (
        compiler.methods(estimator.estimator_),
        estimator._curve_scorer._get_pos_label(),
    )
    return methods | {"predict": _labels(estimator, methods, estimator.best_threshold_, label)}


def _response_method(estimator: Estimator, methods: Methods) -> str:
    """Return the name of the method whose output is compared with the threshold."""
    if estimator.response_method != "auto":
        return str(estimator.response_method)
    return "predict_proba" if "predict_proba" in methods else "decision_function"


def _labels(estimator: Estimator, methods: Methods, threshold: float, label: object) -> Call:
    """Return a function for the positive class where its score reaches the threshold.

    :param label: the positive class, None for the second of the two classes
    """
    classes, method = estimator.classes_, _response_method(estimator, methods)
    if len(classes) != 2:
        raise Decline("it does not have exactly two classes")
    positive = 1 if label is None else int(np.flatnonzero(classes == label)[0])
    call, pair = methods[method], classes[[1 - positive, positive]]

    def predict(X: ModelInput) -> ModelOutput:
        scores = call(X)
        if method == "predict_proba":
            scores = scores[:, positive]
        elif not positive:
            scores = -scores
        return pair[(scores >= threshold).astype(int)]

    return predict
