"""Contributions for scikit-learn's trees and their ensembles, by path-dependent TreeSHAP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flask_skmodels.estimators.attributes import is_a
from flask_skmodels.explain.contributions import (
    Contributions,
    FieldColumns,
    Unexplained,
    dense,
    second_of_two,
)
from flask_skmodels.explain.paths import Nodes, no_bitsets, paths_of
from flask_skmodels.explain.single_row import (
    MAX_LEVELS,
    MAX_NUMBERS,
    MAX_OUTPUTS,
    SingleRow,
)
from flask_skmodels.explain.tree_shap import TreeShap
from flask_skmodels.schema.types import Estimator, EstimatorInput, FloatArray, ModelOutput

_TREES = frozenset(
    {"DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor"}
)
_FORESTS = frozenset(
    {
        *("RandomForestClassifier", "RandomForestRegressor"),
        *("ExtraTreesClassifier", "ExtraTreesRegressor"),
    }
)
_BOOSTED = frozenset({"GradientBoostingClassifier", "GradientBoostingRegressor"})
_HISTOGRAM = frozenset({"HistGradientBoostingClassifier", "HistGradientBoostingRegressor"})
NAMES = _TREES | _FORESTS | _BOOSTED | _HISTOGRAM
_FLOAT_MAX = np.finfo(np.float64).max


class OfTrees(Contributions):
    """The contributions to the sum of the outputs of trees, which compare in single precision.

    :param nodes: the nodes of each tree
    :param base: added to the sum, of shape (outputs,)
    :param columns: the columns of X
    :param method: the method of the estimator whose outputs are explained
    :param are_probabilities: whether the outputs are probabilities of classes
    """

    rules = ("tree_shap",)

    def __init__(
        self,
        nodes: Sequence[Nodes],
        base: FloatArray | float,
        columns: FieldColumns,
        method: str,
        *,
        are_probabilities: bool = False,
    ) -> None:
        self.method = method
        self._are_probabilities = are_probabilities
        self._fields = columns.count
        joined = Nodes.joined(list(nodes))
        self.outputs = joined.values.shape[1]
        paths = paths_of(joined)
        self._shap = TreeShap(paths, columns.owners, columns.count)
        self._shap.base = self._shap.base + np.ravel(base)
        self._single = _single_row(joined, columns, int(paths.counts.max(initial=0)))

    def __call__(self, X: EstimatorInput) -> FloatArray:
        converted = self.converted(X)
        if len(converted) != 1 or self._single is None:
            return self._shap(converted)
        values = np.empty((1, self.outputs, self._fields + 1))
        values[0, :, :-1] = self._single(converted[0])
        values[0, :, -1] = self._shap.base
        return values

    def converted(self, X: EstimatorInput) -> FloatArray:
        """Return X as the trees compare it."""
        return np.asarray(dense(X), dtype=np.float32).astype(np.float64)

    def select(self, outputs: ModelOutput) -> FloatArray:
        return second_of_two(outputs) if self._are_probabilities else super().select(outputs)


def _single_row(nodes: Nodes, columns: FieldColumns, conditions: int) -> SingleRow | None:
    """Return the code for one row, None if it would need too much memory or be no faster.

    :param conditions: the largest number of conditions of a leaf
    """
    size = (conditions + 1) // 2
    is_large = len(nodes.left) * size > MAX_NUMBERS or nodes.values.shape[1] > MAX_OUTPUTS
    if not size or is_large or len(nodes.bitsets):
        return None
    single = SingleRow(nodes, columns.owners, columns.count, size)
    return single if single.levels <= MAX_LEVELS else None


class _OfHistogram(OfTrees):
    """The contributions to the raw predictions of histogram gradient boosting."""

    def __init__(self, estimator: Estimator, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._estimator = estimator
        is_regressor = is_a(estimator, "RegressorMixin")
        self.has_link = is_regressor and not is_identity(estimator._loss.link)

    def converted(self, X: EstimatorInput) -> FloatArray:
        preprocessed = self._estimator._preprocess_X(X, reset=False)
        return np.maximum(np.asarray(preprocessed, dtype=np.float64), -_FLOAT_MAX)

    def select(self, outputs: ModelOutput) -> FloatArray:
        if not self.has_link:
            return super().select(outputs)
        with np.errstate(all="ignore"):
            return super().select(self._estimator._loss.link.link(np.asarray(outputs)))


def is_identity(link: Any) -> bool:
    """Return True if a link function of scikit-learn changes nothing."""
    return type(link).__name__ == "IdentityLink"


def tree_contributions(estimator: Estimator, name: str, columns: FieldColumns) -> Contributions:
    """Return the contributions of the fields to the output of a tree or an ensemble of trees.

    :param name: the name of its class, one of :data:`NAMES`
    :raises Unexplained: it predicts classes for several outputs, or has an ``init`` estimator
    """
    if name in _BOOSTED:
        return _boosted(estimator, columns)
    if name in _HISTOGRAM:
        return _histogram(estimator, columns)
    trees = [estimator] if name in _TREES else list(estimator.estimators_)
    is_classifier = is_a(estimator, "ClassifierMixin")
    if is_classifier and estimator.n_outputs_ > 1:
        raise Unexplained(f"its {name} predicts classes for several outputs")
    nodes = [_nodes(tree.tree_, _leaf_values(tree, is_classifier) / len(trees)) for tree in trees]
    method = "predict_proba" if is_classifier else "predict"
    return OfTrees(nodes, 0.0, columns, method, are_probabilities=is_classifier)


def _leaf_values(tree: Estimator, is_classifier: bool) -> FloatArray:
    """Return the outputs of each node, of shape (nodes, outputs)."""
    values = tree.tree_.value
    return second_of_two(values[:, 0, :]) if is_classifier else values[:, :, 0]


def _nodes(tree: Any, values: FloatArray) -> Nodes:
    """Return the nodes of a ``sklearn.tree`` tree with other values."""
    count = tree.node_count
    return Nodes(
        left=np.asarray(tree.children_left, dtype=np.int64),
        right=np.asarray(tree.children_right, dtype=np.int64),
        column=np.asarray(tree.feature, dtype=np.int64),
        threshold=np.asarray(tree.threshold, dtype=np.float64),
        missing_left=np.asarray(tree.missing_go_to_left, dtype=bool),
        cover=np.asarray(tree.weighted_n_node_samples, dtype=np.float64),
        values=values,
        **no_bitsets(count),
    )


def _boosted(estimator: Estimator, columns: FieldColumns) -> Contributions:
    trees = estimator.estimators_
    outputs = trees.shape[1]
    first = estimator.init_
    if not (isinstance(first, str) or first is None or is_a(first, *_CONSTANT)):
        raise Unexplained(
            f"its {type(estimator).__name__} starts from the predictions of another estimator"
        )
    base = estimator._raw_predict_init(np.zeros((1, len(columns.owners)), dtype=np.float32))
    nodes = [
        _nodes(tree.tree_, _only(output, outputs, estimator.learning_rate * tree.tree_.value))
        for row in trees
        for output, tree in enumerate(row)
    ]
    method = "decision_function" if is_a(estimator, "ClassifierMixin") else "predict"
    return OfTrees(nodes, base, columns, method)


_CONSTANT = ("DummyClassifier", "DummyRegressor")


def _only(output: int, outputs: int, values: FloatArray) -> FloatArray:
    """Return the values of a tree with one output as the values of a tree with all outputs."""
    wide = np.zeros((len(values), outputs))
    wide[:, output] = values.reshape(len(values))
    return wide


def _histogram(estimator: Estimator, columns: FieldColumns) -> Contributions:
    base = np.ravel(estimator._baseline_prediction).astype(np.float64)
    nodes = [
        _histogram_nodes(predictor, output, len(base))
        for predictors in estimator._predictors
        for output, predictor in enumerate(predictors)
    ]
    is_classifier = is_a(estimator, "ClassifierMixin")
    method = "decision_function" if is_classifier else "predict"
    return _OfHistogram(estimator, nodes, base, _preprocessed(estimator, columns), method)


def _histogram_nodes(predictor: Any, output: int, outputs: int) -> Nodes:
    nodes = predictor.nodes
    is_leaf, is_categorical = nodes["is_leaf"] == 1, nodes["is_categorical"] == 1
    sets = np.asarray(predictor.raw_left_cat_bitsets, dtype=np.uint32).reshape(-1, 8)
    return Nodes(
        left=np.where(is_leaf, -1, nodes["left"].astype(np.int64)),
        right=np.where(is_leaf, -1, nodes["right"].astype(np.int64)),
        column=nodes["feature_idx"].astype(np.int64),
        threshold=nodes["num_threshold"].astype(np.float64),
        missing_left=nodes["missing_go_to_left"] == 1,
        cover=nodes["count"].astype(np.float64),
        values=_only(output, outputs, nodes["value"].astype(np.float64)),
        bitset=np.where(is_categorical, nodes["bitset_idx"].astype(np.int64), -1),
        bitsets=sets,
    )


def _preprocessed(estimator: Estimator, columns: FieldColumns) -> FieldColumns:
    """Return the columns in the order of the trees: columns of categories come first."""
    is_categorical = getattr(estimator, "is_categorical_", None)
    if is_categorical is None or estimator._preprocessor is None:
        return columns
    order = np.argsort(~is_categorical, kind="stable")
    return FieldColumns(columns.owners[order], columns.names)
