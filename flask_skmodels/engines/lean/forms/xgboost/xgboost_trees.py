"""The trees of an XGBoost model joined into one tree of scikit-learn.

XGBoost's call for an array takes 0.1 ms before it reaches the trees. Measured with 100 trees and
one row of 20 numbers: 18 microseconds instead of 104.

XGBoost compares and adds single precision numbers: a value goes left if it is less than the
condition, so the threshold is the next smaller number. The leaves are added to the base score in
the order of the trees. A split on a set of categories becomes a split on an additional column,
which is 1 for the categories of the set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flask_skmodels.artifacts.structures.booster_buffers import check_xgboost_learner
from flask_skmodels.engines.lean.compiler import Decline
from flask_skmodels.engines.lean.forms.tree import joined_tree, new_nodes
from flask_skmodels.engines.lean.joined_trees import MAX_BYTES
from flask_skmodels.schema.types import Array, FloatArray, JSONMapping

MAX_CALLS = 64  # of the exponential function; with more calls, XGBoost itself is as fast
_MAX_EXPONENT = np.float32(88.7)  # XGBoost's own limit
_ONE = np.float32(1)

Floats = NDArray[np.float32]
Function = Callable[[Any], float]
Transform = Callable[[Floats, Function], Floats]


class XGBoostTrees:
    """The predictions of the trees of a model.

    :param learner: the learner in the document of the model
    :param first: the first iteration
    :param last: the iteration after the last one; 0 for all
    :param exponential: the function ``expf`` that XGBoost calls
    :param logarithm: the function ``logf`` that XGBoost calls
    :raises Decline: the predictions cannot be computed here
    :raises Unsound: a tree refers to a node or a column that does not exist
    """

    def __init__(
        self,
        learner: JSONMapping,
        first: int,
        last: int,
        exponential: Function,
        logarithm: Function,
    ) -> None:
        check_xgboost_learner(learner)
        objective = _OBJECTIVES.get(learner["objective"]["name"])
        if objective is None:
            raise Decline("its objective is computed by XGBoost only")
        parameters = learner["learner_model_param"]
        trees, groups = _trees_by_group(learner["gradient_booster"], parameters, first, last)
        self._sets = _CategorySets(trees, int(parameters["num_feature"]))
        self._joined, self._leaf_values = _join(trees, self._sets)
        self._exponential = exponential
        self._transform = objective.transform
        self._bases = _bases(parameters["base_score"], groups, objective.base, logarithm)
        self._shape = groups, len(trees) // groups
        self._calls = groups if objective.transform else 0

    def is_faster(self, X: Array) -> bool:
        """Return whether X is small enough for the joined trees to be faster than XGBoost."""
        return len(X) * max(1, self._calls) <= MAX_CALLS and self._joined.is_faster(X)

    def __call__(self, X: FloatArray) -> Floats:
        """Return predictions of shape (rows,), or (rows, groups) if there are several groups.

        :param X: an array of shape (rows, columns)
        """
        groups, count = self._shape
        values = np.empty((groups, count + 1, len(X)), dtype=np.float32)
        values[:, 0] = self._bases
        leaves = self._joined(self._sets.added(X.astype(np.float32)))
        values[:, 1:] = self._leaf_values.take(leaves).reshape(groups, count, len(X))
        scores = np.add.accumulate(values, axis=1)[:, -1].T
        if self._transform is not None:
            scores = self._transform(scores, self._exponential)
        return scores[:, 0] if groups == 1 else np.ascontiguousarray(scores)


def _trees_by_group(
    booster: JSONMapping, parameters: JSONMapping, first: int, last: int
) -> tuple[list[JSONMapping], int]:
    """Return the trees of some iterations, sorted by group, and the number of groups.

    :raises Decline: the booster is of an unknown kind, or the groups have different numbers of
        trees
    """
    if booster["name"] != "gbtree":
        raise Decline("its booster does not consist of trees only")
    model = booster["model"]
    groups = max(int(parameters["num_class"]), int(parameters.get("num_target", 1)), 1)
    ends = np.asarray(model.get("iteration_indptr", range(0, len(model["trees"]) + 1, groups)))
    start, stop = int(ends[first]), int(ends[last] if last else ends[-1])
    group_of_each = np.asarray(model["tree_info"])[start:stop]
    counts = np.bincount(group_of_each, minlength=groups)
    if not counts[0] or (counts != counts[0]).any():
        raise Decline("its groups have different numbers of trees")
    order = np.argsort(group_of_each, kind="stable")
    trees = [model["trees"][start + int(index)] for index in order]
    if any(int(tree["tree_param"].get("size_leaf_vector", 1)) > 1 for tree in trees):
        raise Decline("its leaves have several values")
    return trees, groups


class _CategorySets:
    """The sets of categories in the splits of all trees, which become additional columns of X.

    :param trees: the trees
    :param width: the number of columns of X
    """

    def __init__(self, trees: Sequence[JSONMapping], width: int) -> None:
        self._sets: dict[tuple[int, bytes], int] = {}
        self._width = width
        self._columns = [self._columns_of(tree) for tree in trees]
        self._tables = self._make_tables()

    @property
    def width(self) -> int:
        """The number of columns of X, including the additional columns."""
        return self._width + len(self._sets)

    def columns(self, index: int) -> Mapping[int, int]:
        """Return the additional column of each split on categories in a tree."""
        return self._columns[index]

    def added(self, X: Floats) -> Floats:
        """Return X with the additional columns: 1 for a category of the set, NaN if missing."""
        if not self._tables:
            return X
        if len(X) == 1:
            codes = [_code(X.item(f), len(table)) for f, table in self._tables]
            further = [
                table[code : code + 1] for code, (_, table) in zip(codes, self._tables, strict=True)
            ]
        else:
            further = [table.take(_codes(X[:, f], len(table)), axis=0) for f, table in self._tables]
        return np.concatenate([X, *further], axis=1)

    def _columns_of(self, tree: JSONMapping) -> dict[int, int]:
        columns = {}
        starts, sizes = tree["categories_segments"], tree["categories_sizes"]
        for node, start, size in zip(tree["categories_nodes"], starts, sizes, strict=True):
            categories = np.sort(tree["categories"][start : start + size]).astype(np.int64)
            key = int(tree["split_indices"][node]), categories.tobytes()
            columns[int(node)] = self._sets.setdefault(key, self._width + len(self._sets))
        return columns

    def _make_tables(self) -> list[tuple[int, Floats]]:
        """Return, for each column with categories, a table with a row for each code.

        The last two rows are for a code that is in no set, and for a missing value. This also
        renumbers the additional columns in the order of the tables.
        """
        by_feature: dict[int, list[tuple[int, Array]]] = {}
        for (feature, data), column in self._sets.items():
            categories = np.frombuffer(data, dtype=np.int64)
            by_feature.setdefault(feature, []).append((column, categories))
        tables: list[tuple[int, Floats]] = []
        renumbered: dict[int, int] = {}
        for feature, sets in by_feature.items():
            count = max(int(each.max(initial=0)) for _, each in sets) + 1
            if count * len(sets) * np.dtype(np.float32).itemsize > MAX_BYTES:
                raise Decline("its sets of categories take too much memory")
            table = np.zeros((count + 2, len(sets)), dtype=np.float32)
            table[-1] = np.nan
            for index, (column, categories) in enumerate(sets):
                table[categories, index] = 1
                renumbered[column] = self._width + len(renumbered)
            tables.append((feature, table))
        self._columns = [
            {node: renumbered[column] for node, column in columns.items()}
            for columns in self._columns
        ]
        return tables


def _code(value: float, count: int) -> int:
    """Return the row of a table for one code of a category, faster than for a column."""
    if isnan(value):
        return count - 1
    return int(value) if 0 <= value < count - 2 else count - 2


def _codes(column: Floats, count: int) -> Array:
    """Return the rows of a table for the codes of categories, without their fractions."""
    none, missing = count - 2, count - 1
    codes = np.where((column >= 0) & (column < none), column, none).astype(np.intp)
    codes[np.isnan(column)] = missing
    return codes


def _join(trees: Sequence[JSONMapping], sets: _CategorySets) -> tuple[Any, Floats]:
    """Return the joined trees, and the value of each of their nodes."""
    nodes = [_nodes(tree, sets.columns(index)) for index, tree in enumerate(trees)]
    if sum(each.nbytes for each in nodes) > MAX_BYTES:
        raise Decline("its trees take too much memory")
    joined = joined_tree(nodes, [each["left_child"] >= 0 for each in nodes], sets.width)
    values = [np.asarray(tree["split_conditions"]).astype(np.float32) for tree in trees]
    return joined, np.concatenate([np.zeros(len(trees) - 1, dtype=np.float32), *values])


def _nodes(tree: JSONMapping, columns: Mapping[int, int]) -> Array:
    """Return the nodes of a tree as scikit-learn stores them.

    :param columns: the additional column of each split on categories
    :raises Decline: a condition is not finite
    """
    left = np.asarray(tree["left_children"])
    nodes = new_nodes(len(left))
    splits = left >= 0
    conditions = np.asarray(tree["split_conditions"]).astype(np.float32)
    conditions[list(columns)] = 0  # NaN before XGBoost 3.1
    if not np.isfinite(conditions[splits]).all():
        raise Decline("a condition is not finite")
    nodes["left_child"] = left
    nodes["right_child"] = np.asarray(tree["right_children"])
    nodes["feature"] = np.where(splits, np.asarray(tree["split_indices"]).astype(np.int64), -2)
    nodes["threshold"] = np.nextafter(conditions, np.float32(-np.inf))
    nodes["missing_go_to_left"] = np.asarray(tree["default_left"])
    for node, column in columns.items():
        nodes["feature"][node], nodes["threshold"][node] = column, 0.5
    return nodes


# -- objectives: the transforms of raw scores and of the base score, in single precision


def _sigmoid(scores: Floats, exponential: Function) -> Floats:
    if scores.size == 1:  # single numbers take less time than arrays
        power = np.float32(exponential(min(-scores.item(), float(_MAX_EXPONENT))))
        return np.array(_ONE / (power + _ONE), dtype=np.float32).reshape(scores.shape)
    powers = _powers(np.minimum(-scores, _MAX_EXPONENT), exponential)
    return _ONE / (powers + _ONE)


def _powers(scores: Floats, exponential: Function) -> Floats:
    # NumPy's exponential function differs in the last bits.
    flat = [exponential(score) for score in scores.ravel().tolist()]
    return np.array(flat, dtype=np.float32).reshape(scores.shape)


def _softmax(scores: Floats, exponential: Function) -> Floats:
    powers = _powers(scores - scores.max(axis=1, keepdims=True), exponential)
    totals: Floats = np.add.accumulate(powers, axis=1, dtype=np.float64)[:, -1:].astype(np.float32)
    return powers / totals


def _hinge(scores: Floats, exponential: Function) -> Floats:
    return (scores > 0).astype(np.float32)


def _as_it_is(base: np.float32, logarithm: Function) -> float:
    return float(base)


def _logit(base: np.float32, logarithm: Function) -> float:
    return -logarithm(_ONE / base - _ONE)


def _logarithm(base: np.float32, logarithm: Function) -> float:
    return logarithm(base)


@dataclass(frozen=True, slots=True)
class _Objective:
    """An objective.

    :param transform: the transform of raw scores; None if predictions are raw scores
    :param base: the raw score of a base score
    """

    transform: Transform | None
    base: Callable[[np.float32, Function], float]


_RAW = _Objective(None, _as_it_is)
_OBJECTIVES = {
    "binary:hinge": _Objective(_hinge, _as_it_is),
    "binary:logistic": _Objective(_sigmoid, _logit),
    "count:poisson": _Objective(_powers, _logarithm),
    "multi:softprob": _Objective(_softmax, _as_it_is),
    "rank:map": _RAW,
    "rank:ndcg": _RAW,
    "rank:pairwise": _RAW,
    "reg:absoluteerror": _RAW,
    "reg:gamma": _Objective(_powers, _logarithm),
    "reg:logistic": _Objective(_sigmoid, _logit),
    "reg:pseudohubererror": _RAW,
    "reg:quantileerror": _RAW,
    "reg:squarederror": _RAW,
    "reg:squaredlogerror": _RAW,
    "reg:tweedie": _Objective(_powers, _logarithm),
}


def _bases(
    text: str, groups: int, base: Callable[[np.float32, Function], float], logarithm: Function
) -> Floats:
    """Return the raw scores of the base scores, of shape (groups, 1)."""
    scores = [np.float32(score) for score in str(text).strip("[]").split(",")]
    raw = [base(score, logarithm) for score in scores]
    return np.array(raw * (groups // len(raw)), dtype=np.float32).reshape(groups, 1)
