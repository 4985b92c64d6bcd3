"""Lean forms of ``sklearn.gaussian_process``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Product

from flask_skmodels.engines.lean.compiler import (
    Compiler,
    Decline,
    Methods,
    doubles,
    finite,
    lean_form,
)
from flask_skmodels.engines.lean.pairwise import of_doubles
from flask_skmodels.schema.types import FloatArray, ModelInput, ModelOutput

Kernel = Callable[[FloatArray], Any]


@lean_form(GaussianProcessRegressor)
def gaussian_process_regressor(estimator: GaussianProcessRegressor, compiler: Compiler) -> Methods:
    kernel = _kernel(estimator.kernel_, of_doubles(estimator.X_train_), is_first=False)
    weights, mean, deviation = estimator.alpha_, estimator._y_train_mean, estimator._y_train_std

    def predict(X: ModelInput) -> ModelOutput:
        values = kernel(finite(doubles(X))) @ weights
        values = deviation * values + mean
        return values[:, 0] if values.ndim > 1 and values.shape[1] == 1 else values

    return {"predict": predict}


@lean_form(GaussianProcessClassifier)
def gaussian_process_classifier(
    estimator: GaussianProcessClassifier, compiler: Compiler
) -> Methods:
    """The sign of the latent function of two classes."""
    inner = estimator.base_estimator_
    if estimator.n_classes_ > 2 or not hasattr(inner, "pi_"):
        raise Decline("it has more than two classes")
    kernel = _kernel(inner.kernel_, of_doubles(inner.X_train_), is_first=True)
    weights, classes = inner.y_train_ - inner.pi_, inner.classes_
    first, second = classes[0], classes[1]

    def predict(X: ModelInput) -> ModelOutput:
        latent = kernel(finite(doubles(X))).T.dot(weights)
        return np.where(latent > 0, second, first)

    return {"predict": predict}


def _kernel(kernel: Any, rows: FloatArray, *, is_first: bool) -> Kernel:
    """Return a function for the kernel between fixed rows and X.

    :param is_first: whether the fixed rows are the first argument of the kernel
    """
    if type(kernel) is Product and type(kernel.k2) is not ConstantKernel:
        second = _kernel(kernel.k2, rows, is_first=is_first)
        if type(kernel.k1) is ConstantKernel:
            constant = np.float64(kernel.k1.constant_value)
            return lambda X: constant * second(X)
        first = _kernel(kernel.k1, rows, is_first=is_first)
        return lambda X: first(X) * second(X)
    if type(kernel) is RBF:
        return _radial(kernel.length_scale, rows, is_first=is_first)
    if is_first:
        return lambda X: kernel(rows, X)
    return lambda X: kernel(X, rows)


def _radial(scale: Any, rows: FloatArray, *, is_first: bool) -> Kernel:
    scale = np.squeeze(scale).astype(float)
    scaled = rows / scale

    def radial(X: FloatArray) -> FloatArray:
        pair = (scaled, X / scale) if is_first else (X / scale, scaled)
        values: FloatArray = np.exp(-0.5 * cdist(*pair, metric="sqeuclidean"))
        return values

    return radial
