"""Distances and kernels between X and fixed rows, without the checks of ``sklearn.metrics``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.metrics._pairwise_distances_reduction import ArgKmin
from sklearn.utils.extmath import row_norms

from flask_skmodels.engines.lean.compiler import Decline
from flask_skmodels.schema.types import FloatArray

Distances = Callable[[FloatArray], FloatArray]
"""Called with X, returns an array of shape (rows of X, fixed rows)."""

_Kernel = Callable[..., Distances]


def of_doubles(rows: object) -> FloatArray:
    """Return fixed rows unchanged.

    :raises Decline: the rows are sparse, or their dtype is not float64
    """
    if not isinstance(rows, np.ndarray) or rows.dtype != np.float64:
        raise Decline("it was not fitted on a dense array of float64 numbers")
    return rows


def squared_distances(rows: FloatArray) -> Distances:
    """Return a function for the squared Euclidean distances."""
    transposed, norms = of_doubles(rows).T, row_norms(rows, squared=True)[np.newaxis, :]

    def distances(X: FloatArray) -> FloatArray:
        result: FloatArray = -2 * (X @ transposed)
        result += np.einsum("ij,ij->i", X, X)[:, np.newaxis]
        result += norms
        return np.maximum(result, 0, out=result)

    return distances


def euclidean_distances(rows: FloatArray) -> Distances:
    """Return a function for the Euclidean distances."""
    squared = squared_distances(rows)

    def distances(X: FloatArray) -> FloatArray:
        result = squared(X)
        return np.sqrt(result, out=result)

    return distances


def nearest_row(
    rows: FloatArray, options: Mapping[str, Any] | None = None
) -> Callable[[FloatArray], NDArray[np.intp]]:
    """Return a function for the index of the nearest fixed row, for each row of X.

    :param options: the ``metric_kwargs`` of scikit-learn's search
    """
    if not ArgKmin.is_usable_for(of_doubles(rows), rows, "euclidean"):
        raise Decline("scikit-learn searches for the nearest rows in a way that has no lean form")

    def search(X: FloatArray) -> NDArray[np.intp]:
        indices: NDArray[np.intp] = ArgKmin.compute(
            X=np.ascontiguousarray(X),
            Y=rows,
            k=1,
            metric="euclidean",
            metric_kwargs=dict(options or {}),
            strategy="auto",
            return_distance=False,
        )
        return indices.ravel()

    return search


def kernel(
    name: object, rows: FloatArray, *, jobs: int | None = None, **options: object
) -> Distances:
    """Return a function for a kernel between X and fixed rows.

    :param name: the name of the kernel in scikit-learn
    :param jobs: the number of joblib workers; several workers share the rows
    :param options: the parameters of the kernel; other options are ignored, as in scikit-learn
    :raises Decline: the kernel is custom, or has no lean form
    """
    make = _KERNELS.get(name) if isinstance(name, str) else None
    if make is None or jobs not in (None, 1):
        raise Decline("its kernel has no lean form")
    gamma = options.get("gamma")
    options["gamma"] = 1.0 / of_doubles(rows).shape[1] if gamma is None else gamma
    return make(rows, **options)


def _linear(rows: FloatArray, **options: object) -> Distances:
    transposed = rows.T
    return lambda X: X @ transposed


def _polynomial(
    rows: FloatArray, gamma: float, degree: float = 3, coef0: float = 1, **options: object
) -> Distances:
    transposed = rows.T

    def polynomial(X: FloatArray) -> FloatArray:
        values = X @ transposed
        values *= gamma
        values += coef0
        values **= degree
        return values

    return polynomial


def _sigmoid(rows: FloatArray, gamma: float, coef0: float = 1, **options: object) -> Distances:
    transposed = rows.T

    def sigmoid(X: FloatArray) -> FloatArray:
        values = X @ transposed
        values *= gamma
        values += coef0
        return np.tanh(values, values)

    return sigmoid


def _radial(rows: FloatArray, gamma: float, **options: object) -> Distances:
    distances = squared_distances(rows)

    def radial(X: FloatArray) -> FloatArray:
        values = distances(X)
        values *= -gamma
        return np.exp(values, out=values)

    return radial


def _laplacian(rows: FloatArray, gamma: float, **options: object) -> Distances:
    def laplacian(X: FloatArray) -> FloatArray:
        values: FloatArray = -gamma * cdist(X, rows, "cityblock")
        return np.exp(values, values)

    return laplacian


_KERNELS: dict[str, _Kernel] = {
    "laplacian": _laplacian,
    "linear": _linear,
    "poly": _polynomial,
    "polynomial": _polynomial,
    "rbf": _radial,
    "sigmoid": _sigmoid,
}
