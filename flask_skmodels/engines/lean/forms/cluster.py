"""Lean forms of ``sklearn.cluster``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import (
    AffinityPropagation,
    Birch,
    BisectingKMeans,
    FeatureAgglomeration,
    KMeans,
    MeanShift,
    MiniBatchKMeans,
)
from sklearn.cluster._kmeans import _labels_inertia, _labels_inertia_threadpool_limit

from flask_skmodels.engines.lean.compiler import (
    Call,
    Compiler,
    Decline,
    Methods,
    contiguous,
    doubles,
    finite,
    lean_form,
)
from flask_skmodels.engines.lean.pairwise import euclidean_distances, nearest_row, of_doubles
from flask_skmodels.schema.types import Array, Estimator, FloatArray, ModelInput, ModelOutput

_FEW_ROWS = 64  # for more rows, BLAS may start threads

Labels = Callable[[FloatArray], NDArray[np.int32]]


@lean_form(KMeans, MiniBatchKMeans)
def k_means(estimator: Estimator, compiler: Compiler) -> Methods:
    """Call scikit-learn's private function; for a few rows, without limiting the thread pools."""
    centers = of_doubles(estimator.cluster_centers_)
    labels, distances = _labels(centers), euclidean_distances(centers)
    return {
        "predict": lambda X: labels(contiguous(X)),
        "transform": lambda X: distances(contiguous(X)),
    }


def _labels(centers: FloatArray) -> Labels:
    """Return a function for the index of the nearest center."""

    def labels(X: FloatArray) -> NDArray[np.int32]:
        if X.shape[1] != centers.shape[1]:
            raise Decline("X has the wrong number of columns")
        find = _labels_inertia if len(X) <= _FEW_ROWS else _labels_inertia_threadpool_limit
        found: NDArray[np.int32] = find(
            X, np.ones(len(X)), centers, n_threads=1, return_inertia=False
        )
        return found

    return labels


@lean_form(BisectingKMeans)
def bisecting_k_means(estimator: BisectingKMeans, compiler: Compiler) -> Methods:
    of_doubles(estimator.cluster_centers_)
    descend = _descent(estimator._bisecting_tree, getattr(estimator, "_X_mean", None))
    distances = euclidean_distances(estimator.cluster_centers_)
    return {
        "predict": lambda X: descend(contiguous(X)),
        "transform": lambda X: distances(contiguous(X)),
    }


def _descent(node: Any, mean: FloatArray | None) -> Labels:
    """Return a function for the labels of rows in a part of the tree of clusters."""
    if node.left is None:
        label = node.label
        return lambda X: np.full(len(X), label, dtype=np.int32)
    centers = np.vstack((node.left.center, node.right.center))
    side_of = _labels(centers if mean is None else centers + mean)
    left, right = _descent(node.left, mean), _descent(node.right, mean)

    def labels(X: FloatArray) -> NDArray[np.int32]:
        is_left = side_of(X) == 0
        if is_left.all():
            return left(X)
        if not is_left.any():
            return right(X)
        result = np.full(len(X), -1, dtype=np.int32)
        result[is_left], result[~is_left] = left(X[is_left]), right(X[~is_left])
        return result

    return labels


@lean_form(AffinityPropagation, MeanShift)
def nearest_center(estimator: Estimator, compiler: Compiler) -> Methods:
    if not len(estimator.cluster_centers_):
        raise Decline("it has no centers")
    search = nearest_row(estimator.cluster_centers_)
    return {"predict": lambda X: search(finite(doubles(X)))}


@lean_form(Birch)
def birch(estimator: Birch, compiler: Compiler) -> Methods:
    centers, labels = estimator.subcluster_centers_, estimator.subcluster_labels_
    search = nearest_row(centers, {"Y_norm_squared": estimator._subcluster_norms})
    distances = euclidean_distances(centers)
    return {
        "predict": lambda X: labels[search(finite(doubles(X)))],
        "transform": lambda X: distances(finite(doubles(X))),
    }


@lean_form(FeatureAgglomeration)
def feature_agglomeration(estimator: FeatureAgglomeration, compiler: Compiler) -> Methods:
    """Pool the columns of each cluster, as scikit-learn does for the mean and other functions."""
    labels, pool = estimator.labels_, estimator.pooling_func
    members = [labels == label for label in np.unique(labels)]
    sizes = np.bincount(labels)

    def mean(X: ModelInput) -> Array:
        return np.array([np.bincount(labels, row) / sizes for row in finite(doubles(X))])

    def pooled(X: ModelInput) -> ModelOutput:
        X = finite(doubles(X)).copy(order="K")
        return np.array([pool(X[:, columns], axis=1) for columns in members]).T

    transform: Call = mean if pool == np.mean else pooled
    return {"transform": transform}
