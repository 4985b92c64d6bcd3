"""Lean forms of ``sklearn.cross_decomposition``."""

from __future__ import annotations

import numpy as np
from sklearn.cross_decomposition import CCA, PLSSVD, PLSCanonical, PLSRegression

from flask_skmodels.engines.lean.compiler import Compiler, Methods, doubles, finite, lean_form
from flask_skmodels.schema.types import Estimator, ModelInput, ModelOutput


@lean_form(CCA, PLSCanonical, PLSRegression)
def partial_least_squares(estimator: Estimator, compiler: Compiler) -> Methods:
    mean, deviation, rotations = estimator._x_mean, estimator._x_std, estimator.x_rotations_
    weights, intercept = estimator.coef_.T, estimator.intercept_
    is_flat = getattr(estimator, "_predict_1d", False)

    def predict(X: ModelInput) -> ModelOutput:
        predictions = (finite(doubles(X)) - mean) @ weights + intercept
        return predictions.ravel() if is_flat else predictions

    def transform(X: ModelInput) -> ModelOutput:
        scaled = finite(doubles(X)) - mean
        scaled /= deviation
        return np.dot(scaled, rotations)

    return {"predict": predict, "transform": transform}


@lean_form(PLSSVD)
def pls_svd(estimator: PLSSVD, compiler: Compiler) -> Methods:
    mean, deviation, weights = estimator._x_mean, estimator._x_std, estimator.x_weights_
    return {"transform": lambda X: np.dot((finite(doubles(X)) - mean) / deviation, weights)}
