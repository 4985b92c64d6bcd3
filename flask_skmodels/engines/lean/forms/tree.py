"""Lean forms of ``sklearn.tree``, and what is made of its trees in ensembles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)
from sklearn.tree._tree import Tree

from flask_skmodels.engines.lean.compiler import (
    Call,
    Compiler,
    Decline,
    Methods,
    doubles,
    is_finite,
    lean_form,
)
from flask_skmodels.engines.lean.containers import Sparse
from flask_skmodels.engines.lean.joined_trees import (
    MOST_BYTES,
    Array,
    Layout,
    Trees,
    joined,
    summed,
)

CLASSIFIERS = (DecisionTreeClassifier, ExtraTreeClassifier)
REGRESSORS = (DecisionTreeRegressor, ExtraTreeRegressor)
_LAYOUT = Layout("left_child", "right_child", "feature", "threshold", np.float32)


@lean_form(*CLASSIFIERS)
def tree_classifier(estimator: Any, compiler: Compiler) -> Methods:
    singles, leaf_values = singles_for(takes_missing(estimator)), estimator.tree_.predict
    shares = shares_of(estimator)
    return classifier_methods(lambda X: shares(leaf_values(singles(X))), estimator)


@lean_form(*REGRESSORS)
def tree_regressor(estimator: Any, compiler: Compiler) -> Methods:
    singles, leaf_values = singles_for(takes_missing(estimator)), estimator.tree_.predict
    if estimator.n_outputs_ == 1:
        return {"predict": lambda X: leaf_values(singles(X))[:, 0]}
    return {"predict": lambda X: leaf_values(singles(X))[:, :, 0]}


def takes_missing(tree: Any) -> bool:
    """Return whether a fitted tree takes missing values."""
    return bool(tree._support_missing_values(np.empty((1, 1))))


def singles_for(takes_missing: bool) -> Call:
    """Return what makes of X the array in single precision that a tree takes.

    :param takes_missing: whether missing values are left in, but for sparse rows
    """

    def singles(X: Any) -> NDArray[np.float32]:
        narrow: NDArray[np.float32] = dense(X).astype(np.float32, order="C")
        if not is_finite(narrow):
            is_refused = type(X) in Sparse or not takes_missing
            if is_refused or np.isinf(narrow).any():
                raise Decline("a value is missing, or beyond single precision")
        return narrow

    return singles


def dense(X: Any) -> NDArray[np.float64]:
    """Return X as an array of doubles, also where it is sparse."""
    return X.dense() if type(X) in Sparse else doubles(X)


def shares_of(estimator: Any) -> Call:
    """Return what makes of values of leaves the shares of classes, for several outputs a list.

    The values are of shape (rows, classes), or (rows, outputs, most classes).
    """
    if estimator.n_outputs_ == 1:
        count = int(estimator.n_classes_)
        return lambda values: values[:, :count]
    counts = [int(count) for count in estimator.n_classes_]
    return lambda values: [values[:, place, :count] for place, count in enumerate(counts)]


def classifier_methods(predict_proba: Call, estimator: Any) -> Methods:
    """Return the methods of a classifier, of one output or several, that follow from one."""
    classes = estimator.classes_
    if estimator.n_outputs_ == 1:
        return {
            "predict": lambda X: classes.take(predict_proba(X).argmax(axis=1)),
            "predict_proba": predict_proba,
            "predict_log_proba": lambda X: np.log(predict_proba(X)),
        }

    def predict(X: Any) -> Array:
        chosen = [
            labels.take(shares.argmax(axis=1))
            for labels, shares in zip(classes, predict_proba(X), strict=True)
        ]
        return np.array(chosen, dtype=classes[0].dtype).T

    return {
        "predict": predict,
        "predict_proba": predict_proba,
        "predict_log_proba": lambda X: [np.log(shares) for shares in predict_proba(X)],
    }


class LeafValues:
    """What the leaves of many trees hold, for each tree and row.

    :param trees: fitted estimators, each with a ``tree_``
    :param values: for each tree what each of its nodes holds, of shape (nodes, ...)
    :param width: how many columns X has
    :param features: for each tree the columns that it was fitted on, None where all
    """

    def __init__(
        self,
        trees: Sequence[Any],
        values: Sequence[Array],
        width: int,
        features: Sequence[Array] | None = None,
    ) -> None:
        self._each = [
            (tree.tree_.apply, own, None if features is None else features[place])
            for place, (tree, own) in enumerate(zip(trees, values, strict=True))
        ]
        self._walk = _walk_of([tree.tree_ for tree in trees], values, width, features)
        if self._walk is not None:
            switch = np.zeros((len(trees) - 1, *values[0].shape[1:]))
            self._values = np.concatenate([switch, *values])
            self._has_negative_zeros = bool(np.signbit(self._values[self._values == 0]).any())

    def each(self, X: NDArray[np.float32]) -> Array:
        """Return the value of the leaf that each row ends at in each tree.

        :param X: of shape (rows, columns)
        :return: of shape (trees, rows, ...)
        """
        if self._walk is not None and self._walk.takes(X):
            return self._values.take(self._walk(X), axis=0)
        return np.stack([_values_in(*tree, X) for tree in self._each])

    def total(self, X: NDArray[np.float32]) -> Array:
        """Return the sums of the trees' values, added in their order, of shape (rows, ...)."""
        if self._walk is not None and self._walk.takes(X):
            found = self._values.take(self._walk(X), axis=0)
            if self._has_negative_zeros:
                found[0] += 0.0  # what scikit-learn adds all to
            return summed(found)
        total = np.zeros((len(X), *self._each[0][1].shape[1:]))
        for tree in self._each:
            total += _values_in(*tree, X)
        return total


def _values_in(apply: Call, values: Array, features: Array | None, X: Array) -> Array:
    taken: Array = values.take(apply(X if features is None else X[:, features]), axis=0)
    return taken


def _walk_of(
    trees: Sequence[Any],
    values: Sequence[Array],
    width: int,
    features: Sequence[Array] | None,
) -> Trees | None:
    """Return the trees as one, None where their nodes would take too much memory."""
    parts = [tree.__getstate__()["nodes"] for tree in trees]
    if sum(part.nbytes for part in parts) + sum(own.nbytes for own in values) > MOST_BYTES:
        return None
    inner = [part["left_child"] >= 0 for part in parts]
    if features is not None:
        parts = list(map(_on_all_columns, parts, inner, features))
    nodes = joined(parts, inner, width, _LAYOUT)
    tree = Tree(width + 1, np.array([1], dtype=np.intp), 1)
    depth = max(tree.max_depth for tree in trees) + len(trees).bit_length()
    tree.__setstate__(
        {
            "max_depth": depth,
            "node_count": len(nodes),
            "nodes": nodes,
            "values": np.zeros((len(nodes), 1, 1)),
        }
    )
    return Trees(tree.apply, len(trees), np.float32)


def _on_all_columns(nodes: Array, inner: Array, features: Array) -> Array:
    nodes = nodes.copy()
    nodes["feature"][inner] = np.asarray(features)[nodes["feature"][inner]]
    return nodes
