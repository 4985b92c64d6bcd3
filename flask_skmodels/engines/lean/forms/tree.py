"""Lean forms of ``sklearn.tree``, and the leaf values of its trees in ensembles."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
from flask_skmodels.engines.lean.containers import SparseRows
from flask_skmodels.engines.lean.joined_trees import (
    MAX_BYTES,
    JoinedTrees,
    NodeFields,
    join_trees,
    sum_in_order,
)
from flask_skmodels.schema.types import Array, Estimator, FloatArray, ModelInput, ModelOutput

CLASSIFIERS = (DecisionTreeClassifier, ExtraTreeClassifier)
REGRESSORS = (DecisionTreeRegressor, ExtraTreeRegressor)
_FIELDS = NodeFields("left_child", "right_child", "feature", "threshold")


@lean_form(*CLASSIFIERS)
def tree_classifier(estimator: Estimator, compiler: Compiler) -> Methods:
    to_float32 = float32_converter(supports_missing_values(estimator))
    leaf_values = estimator.tree_.predict
    probabilities = leaf_probabilities(estimator)
    return classifier_methods(lambda X: probabilities(leaf_values(to_float32(X))), estimator)


@lean_form(*REGRESSORS)
def tree_regressor(estimator: Estimator, compiler: Compiler) -> Methods:
    to_float32 = float32_converter(supports_missing_values(estimator))
    leaf_values = estimator.tree_.predict
    if estimator.n_outputs_ == 1:
        return {"predict": lambda X: leaf_values(to_float32(X))[:, 0]}
    return {"predict": lambda X: leaf_values(to_float32(X))[:, :, 0]}


def supports_missing_values(tree: Estimator) -> bool:
    """Return whether a fitted tree accepts NaN."""
    return bool(tree._support_missing_values(np.empty((1, 1))))


def float32_converter(allow_nan: bool) -> Call:
    """Return a function that converts X to the C-ordered float32 array that trees take.

    The function raises :class:`Decline` for an infinite value, and for NaN if it is not allowed.

    :param allow_nan: whether NaN is allowed; in sparse rows it never is
    """

    def to_float32(X: ModelInput) -> NDArray[np.float32]:
        converted: NDArray[np.float32] = dense_doubles(X).astype(np.float32, order="C")
        if not is_finite(converted):
            is_refused = isinstance(X, SparseRows) or not allow_nan
            if is_refused or np.isinf(converted).any():
                raise Decline("a value is missing, or too large for single precision")
        return converted

    return to_float32


def are_trees(estimators: Sequence[Estimator], classes: tuple[type, ...]) -> bool:
    """Return whether all estimators are trees of the given classes with one output."""
    return all(type(each) in classes and each.n_outputs_ == 1 for each in estimators)


def dense_doubles(X: ModelInput) -> FloatArray:
    """Return X, dense or sparse, as an array of doubles."""
    return X.to_numpy() if isinstance(X, SparseRows) else doubles(X)


def leaf_probabilities(estimator: Estimator) -> Callable[[Array], ModelOutput]:
    """Return a function that takes class probabilities from leaf values.

    Leaf values have the shape (rows, classes), or (rows, outputs, largest number of classes). For
    several outputs the result is a list.
    """
    if estimator.n_outputs_ == 1:
        count = int(estimator.n_classes_)
        return lambda values: values[:, :count]
    counts = [int(count) for count in estimator.n_classes_]
    return lambda values: [values[:, index, :count] for index, count in enumerate(counts)]


def classifier_methods(predict_proba: Call, estimator: Estimator) -> Methods:
    """Return the methods of a classifier with one or several outputs, given one of them."""
    classes = estimator.classes_
    if estimator.n_outputs_ == 1:
        return {
            "predict": lambda X: classes.take(predict_proba(X).argmax(axis=1)),
            "predict_proba": predict_proba,
            "predict_log_proba": lambda X: np.log(predict_proba(X)),
        }

    def predict(X: ModelInput) -> Array:
        labels_of_outputs = [
            labels.take(probabilities.argmax(axis=1))
            for labels, probabilities in zip(classes, predict_proba(X), strict=True)
        ]
        return np.array(labels_of_outputs, dtype=classes[0].dtype).T

    return {
        "predict": predict,
        "predict_proba": predict_proba,
        "predict_log_proba": lambda X: [np.log(each) for each in predict_proba(X)],
    }


class LeafValues:
    """The values of the leaves of several trees, for each tree and row.

    :param trees: fitted estimators, each with a ``tree_``
    :param values: for each tree the values of its nodes, of shape (nodes, ...)
    :param width: the number of columns of X
    :param features: for each tree, the columns that it was fitted on; None if all trees were fitted
        on all columns
    """

    def __init__(
        self,
        trees: Sequence[Estimator],
        values: Sequence[Array],
        width: int,
        features: Sequence[Array] | None = None,
    ) -> None:
        self._each = [
            (tree.tree_.apply, node_values, None if features is None else features[index])
            for index, (tree, node_values) in enumerate(zip(trees, values, strict=True))
        ]
        self._joined = _joined([tree.tree_ for tree in trees], values, width, features)
        if self._joined is not None:
            selector = np.zeros((len(trees) - 1, *values[0].shape[1:]))
            self._values = np.concatenate([selector, *values])
            self._has_negative_zeros = bool(np.signbit(self._values[self._values == 0]).any())

    def of_each_tree(self, X: NDArray[np.float32]) -> Array:
        """Return the value of each row's leaf in each tree.

        :param X: an array of shape (rows, columns)
        :returns: an array of shape (trees, rows, ...)
        """
        if self._joined is not None and self._joined.is_faster(X):
            return self._values.take(self._joined(X), axis=0)
        return np.stack([_values_in(*tree, X) for tree in self._each])

    def total(self, X: NDArray[np.float32]) -> Array:
        """Return the sum over the trees, added in their order, of shape (rows, ...)."""
        if self._joined is not None and self._joined.is_faster(X):
            values = self._values.take(self._joined(X), axis=0)
            if self._has_negative_zeros:
                values[0] += 0.0  # scikit-learn adds the values to zeros
            return sum_in_order(values)
        total = np.zeros((len(X), *self._each[0][1].shape[1:]))
        for tree in self._each:
            total += _values_in(*tree, X)
        return total


def _values_in(apply: Call, values: Array, features: Array | None, X: Array) -> Array:
    leaf_values: Array = values.take(apply(X if features is None else X[:, features]), axis=0)
    return leaf_values


def _joined(
    trees: Sequence[Estimator],
    values: Sequence[Array],
    width: int,
    features: Sequence[Array] | None,
) -> JoinedTrees | None:
    """Return the trees joined into one, None if the copy would take too much memory."""
    parts = [tree.__getstate__()["nodes"] for tree in trees]
    if sum(part.nbytes for part in parts) + sum(each.nbytes for each in values) > MAX_BYTES:
        return None
    is_split = [part["left_child"] >= 0 for part in parts]
    if features is not None:
        parts = list(map(_with_input_columns, parts, is_split, features))
    return joined_tree(parts, is_split, width)


def joined_tree(parts: Sequence[Array], is_split: Sequence[Array], width: int) -> JoinedTrees:
    """Return a tree that contains several trees.

    :param parts: the nodes of each tree
    :param is_split: for each tree, whether each of its nodes has children
    :param width: the number of columns of X
    """
    nodes = join_trees(parts, is_split, width, _FIELDS)
    tree = Tree(width + 1, np.array([1], dtype=np.intp), 1)
    tree.__setstate__(
        {
            "max_depth": len(nodes),  # an upper limit, not used to find leaves
            "node_count": len(nodes),
            "nodes": nodes,
            "values": np.zeros((len(nodes), 1, 1)),
        }
    )
    return JoinedTrees(tree.apply, len(parts), np.float32)


def new_nodes(count: int) -> Array:
    """Return an array of nodes as scikit-learn stores them, filled with zeros."""
    empty = Tree(1, np.array([1], dtype=np.intp), 1)
    return np.zeros(count, dtype=empty.__getstate__()["nodes"].dtype)


def _with_input_columns(nodes: Array, is_split: Array, features: Array) -> Array:
    """Return nodes that refer to columns of X, for a tree that was fitted on some of them."""
    nodes = nodes.copy()
    nodes["feature"][is_split] = np.asarray(features)[nodes["feature"][is_split]]
    return nodes
