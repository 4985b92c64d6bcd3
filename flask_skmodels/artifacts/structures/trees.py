"""Checks of decision trees, and of ensembles that call native code without checking X."""

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

MAX_COUNT = 10_000_000  # of the classes or outputs of one tree


def check_nodes(left: Array, right: Array, is_leaf: Array, max_depth: int | None = None) -> None:
    """Check that nodes are a tree: each search from the first node ends at a leaf.

    The children of a node come after it, and no node has two parents.

    :param left: the index of the left child of each node
    :param right: the index of the other child
    :param is_leaf: True for a node without children
    :param max_depth: the depth that the tree claims, None if it claims none
    """
    count = len(is_leaf)
    ensure(count > 0, "it has no nodes")
    splits = np.flatnonzero(~is_leaf)
    children = np.concatenate([left[splits], right[splits]]).astype(np.int64)
    check_indices(children, count, "the children of its nodes")
    ensure((children > np.tile(splits, 2)).all(), "a child comes before its parent")
    has_one_parent = not children.size or np.bincount(children).max() <= 1
    ensure(has_one_parent, "a node has two parents")
    if max_depth is not None:
        _check_depth(left, right, is_leaf, max_depth)


def _check_depth(left: Array, right: Array, is_leaf: Array, max_depth: int) -> None:
    level, depth = np.zeros(1, dtype=np.intp), 0
    while True:
        splits = level[~is_leaf[level]]
        if not splits.size:
            return
        depth += 1
        ensure(depth <= max_depth, "it is deeper than its max_depth")
        level = np.concatenate([left[splits], right[splits]])


@structure("sklearn.tree._tree.Tree")
def check_tree(tree: Part) -> None:
    """Check the nodes of a tree, the columns that they split on, and the values of its leaves."""
    state = tree.__getstate__()
    nodes, values = state["nodes"], state["values"]
    outputs = whole_number(tree.n_outputs, "n_outputs", 1, MAX_COUNT)
    classes = whole_number(tree.max_n_classes, "max_n_classes", 1, MAX_COUNT)
    whole_number(tree.max_depth, "max_depth", 0)
    left, right = nodes["left_child"], nodes["right_child"]
    is_leaf = left == -1
    check_nodes(left, right, is_leaf, tree.max_depth)
    check_indices(nodes["feature"][~is_leaf], tree.n_features, "the columns of its splits")
    check_shape(values, (len(nodes), outputs, classes), "values")


def check_tree_arguments(arguments: Any) -> None:
    """Check the arguments of a tree before it is created: number of columns, classes, outputs."""
    ensure(isinstance(arguments, tuple) and len(arguments) == 3, "it needs three arguments")
    columns, classes, outputs = arguments
    whole_number(columns, "n_features", 0)
    count = whole_number(outputs, "n_outputs", 1, MAX_COUNT)
    check_shape(classes, (count,), "n_classes")
    check_indices(classes, MAX_COUNT, "n_classes")
    ensure(classes.min() >= 1, "n_classes has no classes")
    ensure(int(classes.max()) * count <= MAX_COUNT, "it has too many classes")


@structure("sklearn.tree._classes.BaseDecisionTree")
def check_decision_tree(estimator: Estimator) -> None:
    """Check that a tree takes X of the width that its estimator accepts."""
    tree = state_of(estimator).get("tree_")
    if tree is not None:
        check_tree_width(tree, feature_count(estimator))


def check_tree_width(tree: Part, width: int) -> None:
    """Check the number of columns that a native tree was fitted on."""
    columns = tree.n_features
    ensure(columns == width, f"its tree takes {columns} columns, the estimator {width}")


@structure("sklearn.ensemble._forest.BaseForest")
def check_forest(estimator: Estimator) -> None:
    """Check that all trees take X of the width that the ensemble accepts."""
    trees = state_of(estimator).get("estimators_")
    if trees is None:
        return
    width = feature_count(estimator)
    for tree in trees.flat if isinstance(trees, np.ndarray) else trees:
        check_tree_width(tree.tree_, width)


@structure("sklearn.ensemble._gb.BaseGradientBoosting")
def check_gradient_boosting(estimator: Estimator) -> None:
    """Check that there is a column of scores for each tree of a stage."""
    check_forest(estimator)
    state = state_of(estimator)
    trees = state.get("estimators_")
    if trees is None:
        return
    ensure(getattr(trees, "ndim", 0) == 2, "estimators_ must have two dimensions")
    columns, classes = trees.shape[1], state.get("classes_")
    expected = 1 if classes is None or len(classes) == 2 else len(classes)
    ensure(columns == expected, f"a stage has {columns} trees, not {expected}")
    ensure(
        state.get("n_trees_per_iteration_", columns) == columns,
        "n_trees_per_iteration_ is not the number of trees of a stage",
    )
    if columns > 1:
        _check_first_scores(state.get("init_"), columns)


def _check_first_scores(first: Part, columns: int) -> None:
    """Check that the estimator of the first scores returns one for each class."""
    if isinstance(first, str):
        return
    classes = getattr(first, "classes_", ())
    ensure(len(classes) == columns, f"init_ has {len(classes)} classes, not {columns}")
    state = state_of(first)
    if "class_prior_" in state:  # sklearn.dummy.DummyClassifier
        check_shape(np.asarray(state["class_prior_"]), (columns,), "class_prior_")
        ensure(state.get("n_classes_") == columns, "n_classes_ of init_ has the wrong value")
    if "coef_" in state:
        ensure(len(np.atleast_2d(state["coef_"])) == columns, "coef_ of init_ has the wrong length")


@structure("sklearn.ensemble._bagging.BaseBagging")
def check_bagging(estimator: Estimator) -> None:
    """Check the columns that each estimator is given."""
    state = state_of(estimator)
    features, estimators = state.get("estimators_features_"), state.get("estimators_")
    if features is None or estimators is None:
        return
    width = feature_count(estimator)
    ensure(len(features) == len(estimators), "estimators_features_ has the wrong length")
    for columns, part in zip(features, estimators, strict=True):
        indices = check_indices(columns, width, "estimators_features_")
        inner = getattr(part, "n_features_in_", len(indices))
        ensure(inner == len(indices) <= width, "estimators_features_ has the wrong width")
