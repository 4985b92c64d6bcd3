"""Lean forms of ``sklearn.discriminant_analysis``."""

from __future__ import annotations

import numpy as np
from scipy.special import expit
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)

from flask_skmodels.engines.lean.compiler import Compiler, Methods, doubles, finite, lean_form
from flask_skmodels.engines.lean.forms.linear_model import (
    decision_function_of,
    methods_of_scores,
    softmax,
)
from flask_skmodels.schema.types import ModelInput, ModelOutput


@lean_form(LinearDiscriminantAnalysis)
def linear_discriminant(estimator: LinearDiscriminantAnalysis, compiler: Compiler) -> Methods:
    decision, is_binary = decision_function_of(estimator), len(estimator.classes_) == 2
    smallest = np.finfo(np.float64).smallest_normal

    def predict_proba(X: ModelInput) -> ModelOutput:
        scores = decision(X)
        if not is_binary:
            return softmax(scores)
        positive = expit(scores)
        return np.stack([1 - positive, positive], axis=1)

    def predict_log_proba(X: ModelInput) -> ModelOutput:
        probabilities = predict_proba(X)
        probabilities[probabilities == 0.0] += smallest
        return np.log(probabilities)

    probabilities = {"predict_proba": predict_proba, "predict_log_proba": predict_log_proba}
    methods = methods_of_scores(decision, estimator.classes_)
    return methods | probabilities | _projection(estimator)


def _projection(estimator: LinearDiscriminantAnalysis) -> Methods:
    if estimator.solver == "lsqr":
        return {}
    mean = estimator.xbar_ if estimator.solver == "svd" else None
    scalings, count = estimator.scalings_, estimator._max_components

    def transform(X: ModelInput) -> ModelOutput:
        X = finite(doubles(X))
        return ((X if mean is None else X - mean) @ scalings)[:, :count]

    return {"transform": transform}


@lean_form(QuadraticDiscriminantAnalysis)
def quadratic_discriminant(estimator: QuadraticDiscriminantAnalysis, compiler: Compiler) -> Methods:
    classes = estimator.classes_
    rotations = zip(estimator.rotations_, estimator.scalings_, strict=True)
    weights = [rotation * (scaling ** (-0.5)) for rotation, scaling in rotations]
    volumes = np.array([np.sum(np.log(scaling)) for scaling in estimator.scalings_])
    means, priors = estimator.means_, np.log(estimator.priors_)

    def scores(X: ModelInput) -> ModelOutput:
        X = finite(doubles(X))
        pairs = zip(means, weights, strict=True)
        norms = np.array([np.sum(np.dot(X - mean, w) ** 2, axis=1) for mean, w in pairs]).T
        return -0.5 * (norms + volumes) + priors

    def decision_function(X: ModelInput) -> ModelOutput:
        joint = scores(X)
        return joint[:, 1] - joint[:, 0] if len(classes) == 2 else joint

    def predict_log_proba(X: ModelInput) -> ModelOutput:
        joint = scores(X)
        joint = joint - joint.max(axis=1)[:, np.newaxis]
        return joint - np.log(np.exp(joint).sum(axis=1)[:, np.newaxis])

    return {
        "predict": lambda X: classes.take(scores(X).argmax(axis=1)),
        "decision_function": decision_function,
        "predict_log_proba": predict_log_proba,
        "predict_proba": lambda X: np.exp(predict_log_proba(X)),
    }
