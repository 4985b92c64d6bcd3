"""Nearest neighbors: the arrays of their trees, and the training data that they refer to."""

from __future__ import annotations

from typing import Any

import numpy as np

from flask_skmodels.artifacts.structures.checks import (
    Part,
    check_indices,
    check_shape,
    ensure,
    feature_count,
    state_of,
    structure,
    whole_number,
)
from flask_skmodels.schema.types import Array, Estimator

_TREES = [
    f"sklearn.neighbors._{module}.BinaryTree{bits}"
    for module in ("kd_tree", "ball_tree")
    for bits in ("", "32", "64")
]
_BOUNDS = {"KDTree": 2, "BallTree": 1}  # rows or spheres of a node


@structure(*_TREES)
def check_binary_tree(tree: Part) -> None:
    """Check the points and the nodes of a k-d tree or a ball tree."""
    state = tree.__getstate__()
    data, indices, nodes, bounds, leaf_size, levels, count = state[:7]
    metric, weights = state[-2:]
    rows, columns = data.shape
    check_shape(indices, (rows,), "its list of points")
    check_indices(indices, rows, "its points")
    has_each = rows > 0 and np.bincount(indices, minlength=rows).max() == 1
    ensure(has_each, "it lists a point twice")
    whole_number(leaf_size, "leaf_size", 1)
    whole_number(levels, "n_levels", 1, 62)
    ensure(count == 2**levels - 1, "n_nodes does not match n_levels")
    check_shape(nodes, (count,), "its nodes")
    kind = next(each for each in _BOUNDS if any(each in c.__name__ for c in type(tree).__mro__))
    check_shape(bounds, (_BOUNDS[kind], count, columns), "its bounds")
    _check_ranges(nodes, rows)
    if weights is not None:
        check_shape(weights, (rows,), "sample_weight")
    check_metric(metric)
    metric._validate_data(data)


def _check_ranges(nodes: Array, rows: int) -> None:
    """Check that the first node has all points, and each pair of children has its parent's."""
    starts, stops = nodes["idx_start"], nodes["idx_end"]
    ensure(starts[0] == 0 and stops[0] == rows, "its first node does not contain all points")
    ensure((starts >= 0).all() and (starts <= stops).all(), "a node ends before its start")
    ensure((stops <= rows).all(), "a node has points that do not exist")
    is_leaf = nodes["is_leaf"] != 0
    inner = np.flatnonzero(~is_leaf)
    left, right = 2 * inner + 1, 2 * inner + 2
    ensure(not inner.size or right[-1] < len(nodes), "a node has no children and is no leaf")
    fits = (
        (starts[left] == starts[inner])
        & (stops[left] == starts[right])
        & (stops[right] == stops[inner])
    )
    ensure(fits.all(), "the children of a node do not have its points")


@structure(
    *(f"sklearn.metrics._dist_metrics.DistanceMetric{bits}" for bits in ("", "32", "64")),
)
def check_metric(metric: Part) -> None:
    """Check that the matrix of a metric is square."""
    _, vector, matrix = metric.__getstate__()[:3]
    ensure(np.ndim(vector) == 1, "its weights must have one dimension")
    ensure(matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1], "its matrix is not square")


@structure("sklearn.neighbors._base.NeighborsBase")
def check_neighbors(estimator: Estimator) -> None:
    """Check that the training data have the width of X, and each row one label."""
    state = state_of(estimator)
    data = state.get("_fit_X")
    if data is None or "_fit_method" not in state:
        return
    rows, columns = data.shape
    ensure(
        state.get("n_samples_fit_", rows) == rows, "n_samples_fit_ differs from the number of rows"
    )
    if "n_features_in_" in state or state["_fit_method"] == "brute":
        width = feature_count(estimator)
        ensure(columns == width, f"its training data have {columns} columns, not {width}")
    tree = state.get("_tree")
    if tree is not None:
        check_shape(tree.__getstate__()[0], (rows, columns), "its tree")
    if "_y" in state and "classes_" in state:
        _check_labels(np.asarray(state["_y"]), state["classes_"], rows)


def _check_labels(labels: Array, classes: Any, rows: int) -> None:
    ensure(
        labels.ndim in (1, 2) and len(labels) == rows,
        "the number of labels differs from the number of rows",
    )
    columns = labels.reshape(rows, -1).T
    of_each = classes if isinstance(classes, list) else [classes] * len(columns)
    ensure(len(of_each) == len(columns), "classes_ has the wrong number of outputs")
    for column, names in zip(columns, of_each, strict=True):
        check_indices(column, len(names), "its labels")
