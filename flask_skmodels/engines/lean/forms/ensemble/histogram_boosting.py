"""Lean forms of histogram-based gradient boosting."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor

from flask_skmodels.engines.lean.compiler import (
    Call,
    Compiler,
    Methods,
    by_sign,
    doubles,
    lean_form,
)
from flask_skmodels.engines.lean.forms.compose import taker
from flask_skmodels.engines.lean.joined_trees import (
    MOST_BYTES,
    Array,
    Layout,
    Trees,
    joined,
    summed,
)
from flask_skmodels.schema.frame import DeferredFrame

_LAYOUT = Layout("left", "right", "feature_idx", "num_threshold", np.float64)


@lean_form(HistGradientBoostingRegressor)
def hist_gradient_boosting_regressor(
    estimator: HistGradientBoostingRegressor, compiler: Compiler
) -> Methods:
    raw, inverse = _raw_of(estimator), estimator._loss.link.inverse
    return {"predict": lambda X: inverse(raw(X).ravel())}


@lean_form(HistGradientBoostingClassifier)
def hist_gradient_boosting_classifier(
    estimator: HistGradientBoostingClassifier, compiler: Compiler
) -> Methods:
    raw, probabilities, classes = (
        _raw_of(estimator),
        estimator._loss.predict_proba,
        estimator.classes_,
    )
    is_binary = estimator.n_trees_per_iteration_ == 1

    def decision_function(X: Any) -> Any:
        return raw(X).ravel() if is_binary else raw(X)

    def predict(X: Any) -> Any:
        scores = decision_function(X)
        return by_sign(scores, classes) if is_binary else classes.take(scores.argmax(axis=1))

    return {
        "predict": predict,
        "decision_function": decision_function,
        "predict_proba": lambda X: probabilities(raw(X)),
    }


def _raw_of(estimator: Any) -> Call:
    """Return what scores rows before the link, of shape (rows, trees of an iteration)."""
    columns, trees = _columns_of(estimator), _Histograms(estimator)
    count = estimator.n_trees_per_iteration_

    def raw(X: Any) -> NDArray[np.float64]:
        values = trees.values(columns(X))
        return summed(values.reshape(-1, count, values.shape[1])).T

    return raw


class _Histograms:
    """The trees of histogram-based gradient boosting, in the order of their values' sum.

    The values of the first iteration have the baseline added, which the sum begins with.
    """

    def __init__(self, estimator: Any) -> None:
        known, places = estimator._bin_mapper.make_known_categories_bitsets()
        self._known = known, places, 1  # on one thread
        self._trees = [tree for trees in estimator._predictors for tree in trees]
        # scikit-learn adds it to zeros, which makes zero of a minus zero.
        for place, baseline in enumerate(0.0 + estimator._baseline_prediction.ravel()):
            self._trees[place] = _raised(self._trees[place], baseline)
        self._walk: Trees | None = None
        if sum(tree.nodes.nbytes for tree in self._trees) <= MOST_BYTES:
            tree = _joined(self._trees, len(places))
            further = known, np.append(places, places[:1]), 1
            self._walk = Trees(lambda X: tree.predict(X, *further), len(self._trees), np.float64)

    def values(self, X: NDArray[np.float64]) -> Array:
        """Return the value of the leaf that each row ends at, of shape (trees, rows)."""
        if self._walk is not None and self._walk.takes(X):
            return self._walk(X)
        return np.stack([tree.predict(X, *self._known) for tree in self._trees])


def _raised(tree: TreePredictor, by: float) -> TreePredictor:
    nodes = tree.nodes.copy()
    nodes["value"] += by
    return TreePredictor(nodes, tree.binned_left_cat_bitsets, tree.raw_left_cat_bitsets)


def _joined(trees: Sequence[TreePredictor], width: int) -> TreePredictor:
    """Return one tree that holds all."""
    bits = [tree.raw_left_cat_bitsets for tree in trees]
    starts = np.cumsum([0] + [len(own) for own in bits])
    parts = [tree.nodes.copy() for tree in trees]
    for start, nodes in zip(starts, parts, strict=False):
        nodes["bitset_idx"][nodes["is_categorical"] == 1] += np.uint32(start)
    nodes = joined(parts, [part["is_leaf"] == 0 for part in parts], width, _LAYOUT)
    together = np.concatenate(bits)
    return TreePredictor(nodes, together, together)


def _columns_of(estimator: Any) -> Call:
    """Return what makes of X the columns that the trees take: categories as codes, and first."""
    is_categorical = getattr(estimator, "is_categorical_", None)
    if is_categorical is None or estimator._preprocessor is None:
        return doubles
    encoder = estimator._preprocessor.named_transformers_["encoder"]
    chosen = np.flatnonzero(is_categorical).tolist()
    codes = list(zip(chosen, map(_codes_of, encoder.categories_), strict=True))
    others = np.flatnonzero(~is_categorical).tolist()
    take_others = taker(others, others)

    def columns(X: Any) -> NDArray[np.float64]:
        encoded = np.empty((len(X), len(chosen) + len(others)))
        for column, (place, known) in zip(encoded.T, codes, strict=False):
            column[:] = [known.get(value, nan) for value in _values(X, place)]
        if others:
            encoded[:, len(chosen) :] = doubles(take_others(X))
        return encoded

    return columns


def _codes_of(categories: Array) -> dict[Any, float]:
    """Return the code of each category; what is missing or unknown has none."""
    return {
        category: float(code)
        for code, category in enumerate(categories.tolist())
        if category == category
    }


def _values(X: Any, place: int) -> Sequence[Any]:
    if type(X) is DeferredFrame:
        return X.column(place)
    column: list[float] = doubles(X)[:, place].tolist()
    return column
