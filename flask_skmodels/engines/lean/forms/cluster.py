"""Lean forms of ``sklearn.cluster``."""

from __future__ import annotations

import numpy as np
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.cluster._kmeans import _labels_inertia, _labels_inertia_threadpool_limit

from flask_skmodels.engines.lean.compiler import (
    Compiler,
    Decline,
    Methods,
    doubles,
    finite,
    lean_form,
)
from flask_skmodels.schema.types import Estimator, ModelInput, ModelOutput

_FEW_ROWS = 64  # for more rows, BLAS may start threads


@lean_form(KMeans, MiniBatchKMeans)
def k_means(estimator: Estimator, compiler: Compiler) -> Methods:
    """Call scikit-learn's private function, for a few rows without limits of thread pools."""
    centers = estimator.cluster_centers_
    if centers.dtype != np.float64:
        raise Decline("it was fitted on single precision")

    def predict(X: ModelInput) -> ModelOutput:
        X = np.ascontiguousarray(finite(doubles(X)))
        if X.shape[1] != centers.shape[1]:
            raise Decline("X has another number of columns")
        labels_of = _labels_inertia if len(X) <= _FEW_ROWS else _labels_inertia_threadpool_limit
        return labels_of(X, np.ones(len(X)), centers, n_threads=1, return_inertia=False)

    return {"predict": predict}
