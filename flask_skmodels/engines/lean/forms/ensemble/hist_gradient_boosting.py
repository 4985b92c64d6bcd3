"""Lean forms of histogram-based gradient boosting."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor

from flask_skmodels.engines.lean.compiler import (
    Call,
    Compiler,
    Methods,
    doubles,
    labels_by_sign,
    lean_form,
)
from flask_skmodels.engines.lean.forms.compose import column_selector
from flask_skmodels.engines.lean.joined_trees import (
    MAX_BYTES,
    JoinedTrees,
    NodeFields,
    join_trees,
    sum_in_order,
)
from flask_skmodels.schema.tabular import Tabular
from flask_skmodels.schema.types import (
    Array,
    Estimator,
    FieldValue,
    FloatArray,
    ModelInput,
    ModelOutput,
    Values,
)

_FIELDS = NodeFields("left", "right", "feature_idx", "num_threshold")


@lean_form(HistGradientBoostingRegressor)
def hist_gradient_boosting_regressor(
    estimator: HistGradientBoostingRegressor, compiler: Compiler
) -> Methods:
    raw_predict, inverse = _raw_predict(estimator), estimator._loss.link.inverse
    return {"predict": lambda X: inverse(raw_predict(X).ravel())}


@lean_form(HistGradientBoostingClassifier)
def hist_gradient_boosting_classifier(
    estimator: HistGradientBoostingClassifier, compiler: Compiler
) -> Methods:
    raw_predict, classes = _raw_predict(estimator), estimator.classes_
    probabilities = estimator._loss.predict_proba
    is_binary = estimator.n_trees_per_iteration_ == 1

    def decision_function(X: ModelInput) -> ModelOutput:
        return raw_predict(X).ravel() if is_binary else raw_predict(X)

    def predict(X: ModelInput) -> ModelOutput:
        scores = decision_function(X)
        return labels_by_sign(scores, classes) if is_binary else classes.take(scores.argmax(axis=1))

    return {
        "predict": predict,
        "decision_function": decision_function,
        "predict_proba": lambda X: probabilities(raw_predict(X)),
    }


def _raw_predict(estimator: Estimator) -> Call:
    """Return a function that returns raw scores of shape (rows, trees of an iteration)."""
    preprocess, leaves = _preprocessor(estimator), _LeafValues(estimator)
    count = estimator.n_trees_per_iteration_

    def raw_predict(X: ModelInput) -> FloatArray:
        values = leaves.of_each_tree(preprocess(X))
        return sum_in_order(values.reshape(-1, count, values.shape[1])).T

    return raw_predict


class _LeafValues:
    """The values of the leaves of all trees, in the order in which they are summed.

    scikit-learn adds them to the baseline. Here the baseline is added to the values of the trees of
    the first iteration.
    """

    def __init__(self, estimator: Estimator) -> None:
        bitsets, indices = estimator._bin_mapper.make_known_categories_bitsets()
        self._categories = bitsets, indices, 1  # the last value is the number of threads
        self._trees = [tree for trees in estimator._predictors for tree in trees]
        # scikit-learn adds the baseline to zeros, which turns a minus zero into zero.
        for index, baseline in enumerate(0.0 + estimator._baseline_prediction.ravel()):
            self._trees[index] = _with_baseline(self._trees[index], baseline)
        self._joined: JoinedTrees | None = None
        if sum(tree.nodes.nbytes for tree in self._trees) <= MAX_BYTES:
            tree = _joined(self._trees, len(indices))
            categories = bitsets, np.append(indices, indices[:1]), 1
            self._joined = JoinedTrees(
                lambda X: tree.predict(X, *categories), len(self._trees), np.float64
            )

    def of_each_tree(self, X: FloatArray) -> Array:
        """Return the value of each row's leaf in each tree, of shape (trees, rows)."""
        if self._joined is not None and self._joined.is_faster(X):
            return self._joined(X)
        return np.stack([tree.predict(X, *self._categories) for tree in self._trees])


def _with_baseline(tree: TreePredictor, baseline: float) -> TreePredictor:
    nodes = tree.nodes.copy()
    nodes["value"] += baseline
    return TreePredictor(nodes, tree.binned_left_cat_bitsets, tree.raw_left_cat_bitsets)


def _joined(trees: Sequence[TreePredictor], width: int) -> TreePredictor:
    """Return one tree that contains all trees."""
    bitsets = [tree.raw_left_cat_bitsets for tree in trees]
    starts = np.cumsum([0] + [len(each) for each in bitsets])
    parts = [tree.nodes.copy() for tree in trees]
    for start, nodes in zip(starts, parts, strict=False):
        nodes["bitset_idx"][nodes["is_categorical"] == 1] += np.uint32(start)
    nodes = join_trees(parts, [part["is_leaf"] == 0 for part in parts], width, _FIELDS)
    all_bitsets = np.concatenate(bitsets)
    return TreePredictor(nodes, all_bitsets, all_bitsets)


def _preprocessor(estimator: Estimator) -> Call:
    """Return a function that converts X to codes of categories, followed by the numeric columns."""
    is_categorical = getattr(estimator, "is_categorical_", None)
    if is_categorical is None or estimator._preprocessor is None:
        return doubles
    encoder = estimator._preprocessor.named_transformers_["encoder"]
    categorical = np.flatnonzero(is_categorical).tolist()
    codes = list(zip(categorical, map(_codes_of, encoder.categories_), strict=True))
    numeric = np.flatnonzero(~is_categorical).tolist()
    select_numeric = column_selector(numeric, numeric)

    def preprocess(X: ModelInput) -> FloatArray:
        columns = np.empty((len(X), len(categorical) + len(numeric)))
        for column, (index, code_of) in zip(columns.T, codes, strict=False):
            column[:] = [code_of.get(value, nan) for value in _column_values(X, index)]
        if numeric:
            columns[:, len(categorical) :] = doubles(select_numeric(X))
        return columns

    return preprocess


def _codes_of(categories: Array) -> dict[FieldValue, float]:
    """Return the code of each category that is not missing."""
    return {
        category: float(code)
        for code, category in enumerate(categories.tolist())
        if category == category
    }


def _column_values(X: ModelInput, index: int) -> Values:
    if isinstance(X, Tabular):
        return X.column(index)
    column: list[float] = doubles(X)[:, index].tolist()
    return column
