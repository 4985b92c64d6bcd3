"""Support vector machines of libsvm, which reads as many numbers as the counts say."""

from __future__ import annotations

import numpy as np

from flask_skmodels.artifacts.structures.checks import (
    State,
    check_indices,
    check_shape,
    ensure,
    feature_count,
    state_of,
    structure,
)
from flask_skmodels.schema.types import Array, Estimator

_CLASSIFIERS = ("c_svc", "nu_svc")


@structure("sklearn.svm._base.BaseLibSVM")
def check_support_vectors(estimator: Estimator) -> None:
    """Check that the arrays of a fitted machine have the lengths that libsvm expects."""
    state = state_of(estimator)
    if "support_vectors_" not in state:
        return
    counts = np.asarray(state["_n_support"])
    support = np.asarray(state["support_"])
    total, classes = len(support), len(counts)
    _check_counts(estimator, counts, total)
    _check_vectors(state, total, feature_count(estimator))
    _check_coefficients(state, classes, total)
    pairs = classes * (classes - 1) // 2
    check_shape(state["_intercept_"], (pairs,), "_intercept_")
    _check_probabilities(np.asarray(state["_probA"]), np.asarray(state["_probB"]), pairs)
    check_indices(support, int(state["shape_fit_"][0]), "support_")


def _check_counts(estimator: Estimator, counts: Array, total: int) -> None:
    check_indices(counts, total + 1, "_n_support")
    ensure(counts.ndim == 1 and len(counts) >= 2, "_n_support has fewer than two counts")
    if estimator._impl in _CLASSIFIERS:
        ensure(counts.sum() == total, "the sum of _n_support is not the number of support vectors")
        names = state_of(estimator).get("classes_", counts)
        ensure(len(names) == len(counts), "_n_support has the wrong number of classes")
    else:
        ensure(
            len(counts) == 2 and counts[0] == total,
            "_n_support does not equal the number of support vectors",
        )


def _check_vectors(state: State, total: int, width: int) -> None:
    vectors, kernel = state["support_vectors_"], state.get("kernel")
    if state["_sparse"]:
        is_plain = isinstance(kernel, str) and kernel != "precomputed"
        ensure(is_plain, "a sparse machine cannot have a callable or precomputed kernel")
        check_shape(vectors, (total, width), "support_vectors_")
    elif callable(kernel) or kernel == "precomputed":
        ensure(not vectors.size or len(vectors) == total, "support_vectors_ has the wrong length")
    else:
        check_shape(vectors, (total, width), "support_vectors_")


def _check_coefficients(state: State, classes: int, total: int) -> None:
    coefficients = state["_dual_coef_"]
    check_shape(coefficients, (classes - 1, total), "_dual_coef_")
    if state["_sparse"]:
        stored = len(coefficients.data)
        ensure(stored == (classes - 1) * total, "_dual_coef_ has the wrong number of coefficients")


def _check_probabilities(slopes: Array, offsets: Array, pairs: int) -> None:
    ensure(slopes.shape == offsets.shape, "_probA and _probB have different lengths")
    ensure(slopes.shape in ((0,), (pairs,)), "_probA has the wrong length")
