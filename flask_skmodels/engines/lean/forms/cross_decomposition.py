"""Lean forms of ``sklearn.cross_decomposition``."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.cross_decomposition import CCA, PLSCanonical, PLSRegression

from flask_skmodels.engines.lean.compiler import Compiler, Methods, doubles, finite, lean_form


@lean_form(CCA, PLSCanonical, PLSRegression)
def partial_least_squares(estimator: Any, compiler: Compiler) -> Methods:
    mean, deviation, rotations = estimator._x_mean, estimator._x_std, estimator.x_rotations_
    weights, intercept = estimator.coef_.T, estimator.intercept_
    is_flat = getattr(estimator, "_predict_1d", False)

    def predict(X: Any) -> Any:
        predictions = (finite(doubles(X)) - mean) @ weights + intercept
        return predictions.ravel() if is_flat else predictions

    def transform(X: Any) -> Any:
        X = finite(doubles(X)) - mean
        X /= deviation
        return np.dot(X, rotations)

    return {"predict": predict, "transform": transform}
