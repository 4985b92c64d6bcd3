"""Lean forms of CatBoost's estimators, which take an array faster than a data frame.

A few rows of numbers and known categories go through its trees without CatBoost. Other calls make a
``Pool``, because CatBoost has no call for an array alone. A pool of doubles would take three times
as long as a pool of single precision numbers, which CatBoost keeps, and the checks of its arguments
twice as long. Measured with 100 trees and one row of 20 numbers: 0.02 ms instead of 1.3, or 0.08
with a pool.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from catboost import CatBoostClassifier, CatBoostRanker, CatBoostRegressor
from catboost import core as library

from flask_skmodels.engines.lean.coded_columns import CodedColumns, KnownFields
from flask_skmodels.engines.lean.compiler import Call, Compiler, Decline, Methods, lean_form
from flask_skmodels.engines.lean.forms.oblivious_trees import (
    MAX_ROWS,
    CategoricalTrees,
    ObliviousTrees,
    probabilities_of_scores,
)
from flask_skmodels.estimators.attributes import shallow_copy
from flask_skmodels.schema.dtypes import python_values
from flask_skmodels.schema.fields import NUMBER_KINDS
from flask_skmodels.schema.frame import DeferredFrame, Fields
from flask_skmodels.schema.types import Array, ColumnValues, Estimator, FieldValue, ModelInput

_ONE_THREAD = 1
_METHODS = ("predict", "predict_proba", "predict_log_proba")
# CatBoost's names of kinds of predictions.
_LABELS, _RAW_SCORES, _PROBABILITIES = "Class", "RawFormulaVal", "Probability"
_log = logging.getLogger(__name__)
_ONE_LABEL = {"Logloss", "CrossEntropy", "MultiClass", "MultiClassOneVsAll"}
_EVEN = 0.5  # the probability above which CatBoost predicts the second class, by default

MakePool = Callable[[Array], Any]


@lean_form(CatBoostClassifier, CatBoostRegressor, CatBoostRanker)
def catboost_estimator(estimator: Estimator, compiler: Compiler) -> Methods:
    if estimator._get_text_feature_indices() or estimator._get_embedding_feature_indices():
        raise Decline("it takes texts or embeddings")
    width = len(estimator.feature_names_)
    categorical = [int(index) for index in estimator._get_cat_feature_indices()]
    to_array = _Cells(categorical, width) if categorical else _singles(width)
    predictions = _Predictions(estimator, categorical)
    return {
        method: _method(estimator, method, to_array, predictions)
        for method in _METHODS
        if hasattr(estimator, method)
    }


def _method(
    estimator: Estimator, method: str, to_array: Callable[[ModelInput], Array], of: _Predictions
) -> Call:
    kind, first, last = _prediction(estimator, method)
    if kind != _LABELS or not _has_plain_labels(estimator):
        return lambda X: of(to_array(X), kind, first, last)
    classes = estimator.classes_
    return lambda X: classes.take(_class_indices(of(to_array(X), _RAW_SCORES, first, last)))


class _Predictions:
    """The predictions of a model for an array.

    :param estimator: a fitted estimator
    :param categorical: the indices of the columns of categories
    """

    def __init__(self, estimator: Estimator, categorical: list[int]) -> None:
        self._to_pool = _pool_maker(categorical or None)
        self._predict = estimator._object._base_predict
        self._calc_leaves = estimator._object._base_calc_leaf_indexes
        self._count = int(estimator.tree_count_)
        self._trees = _trees_of(estimator, categorical, self._leaves_of)

    def _leaves_of(self, X: Array) -> Array:
        """Return the leaf of each row in each tree."""
        trees: int = self._count
        leaves: Array = self._calc_leaves(self._to_pool(X), 0, trees, _ONE_THREAD, False)
        return leaves

    def __call__(self, X: Array, kind: str, first: int, last: int) -> Array:
        """Return predictions of a kind.

        :param first: the index of the first tree
        :param last: the index after the last tree; 0 for all
        """
        if self._trees is not None and len(X) <= MAX_ROWS and not (first or last):
            scores = self._trees(X)
            if kind == _RAW_SCORES:
                return scores
            if kind == _PROBABILITIES and scores.ndim == 1:
                return probabilities_of_scores(scores)
        predictions: Array = self._predict(
            self._to_pool(X), kind, first, last, _ONE_THREAD, False, "CPU"
        )
        return predictions


def _trees_of(
    estimator: Estimator, categorical: list[int], leaves_of: Callable[[Array], Array]
) -> ObliviousTrees | CategoricalTrees | None:
    """Return the trees of a model, None if only CatBoost itself can predict from them.

    :param categorical: the indices of the columns of categories
    :param leaves_of: returns the leaf of each row in each tree
    """
    try:
        scale, bias = estimator.get_scale_and_bias()
        width, biases = len(estimator.feature_names_), np.atleast_1d(bias).tolist()
        trees = ObliviousTrees(estimator._serialize_model(), scale, biases, width)
        return CategoricalTrees(trees, categorical, width, leaves_of) if categorical else trees
    except Exception as error:  # the format may change in another release
        text = "the trees of %s are left to CatBoost: %s"
        _log.info(text, type(estimator).__name__, error)
        return None


def _class_indices(scores: Array) -> Array:
    """Return the indices of the classes, of shape (rows,), or (rows, 1) if there are several.

    CatBoost itself takes 0.04 ms for this.
    """
    return scores.argmax(axis=1, keepdims=True) if scores.ndim > 1 else scores > 0


def _has_plain_labels(estimator: Estimator) -> bool:
    """Return whether the class of a row is the one with the largest score."""
    loss = str(estimator.get_all_params().get("loss_function", "")).partition(":")[0]
    threshold = estimator.get_probability_threshold() if len(estimator.classes_) == 2 else _EVEN
    return loss in _ONE_LABEL and threshold == _EVEN


def _prediction(estimator: Estimator, method: str) -> tuple[str, int, int]:
    """Return the kind of prediction of a method, and the half-open range of its trees."""
    passed: list[Any] = []
    duplicate = shallow_copy(estimator)
    duplicate._predict = lambda data, *options: passed.extend(options)
    getattr(duplicate, method)(None)
    kind, first, last, *_ = passed
    return kind, first, last


def _pool_maker(categorical: list[int] | None) -> MakePool:
    """Return a function that makes a pool from an array, without checking its arguments.

    :param categorical: the indices of the columns of categories
    """
    cls, names = library.Pool, list(inspect.signature(library.Pool._init).parameters)[1:]
    known = {"cat_features": categorical, "thread_count": _ONE_THREAD}
    if names[0] != "data" or not known.keys() <= set(names):
        raise Decline("the pool of the installed CatBoost takes unexpected arguments")
    options = [known.get(name) for name in names[1:]]

    def make_pool(data: Array) -> Any:
        pool = cls.__new__(cls)
        pool._init_pool(data, *options)
        return pool

    return make_pool


def _singles(width: int) -> Callable[[ModelInput], Array]:
    to_doubles = CodedColumns({}, width)

    def to_singles(X: ModelInput) -> Array:
        array = to_doubles(X)
        if array.shape[1] != width:
            raise Decline("X has the wrong number of columns")
        return array.astype(np.float32)

    return to_singles


class _Cells:
    """The conversion of X to an array of objects, in which CatBoost finds categories.

    :param categorical: the indices of the columns of categories
    :param width: the number of columns
    """

    def __init__(self, categorical: list[int], width: int) -> None:
        self._categorical = categorical
        self._width = width
        self._categories = KnownFields(self._categories_of)

    def __call__(self, X: ModelInput) -> Array:
        """Return an array of shape (rows, columns).

        :raises Decline: X is not a data frame; or a category is missing, is neither a text nor an
            integer, or is not one of the known categories
        """
        if not isinstance(X, DeferredFrame) or len(X.fields) != self._width:
            raise Decline("X is not a data frame")
        columns = X.validated_columns(range(self._width))
        for index, known in zip(self._categorical, self._categories(X.fields), strict=True):
            if not all(_is_category(value, known) for value in columns[index]):
                raise Decline("a category is missing or of the wrong type")
        cells = np.empty((len(X), self._width), dtype=object)
        if X.row is not None:
            cells[0] = _with_nan(X.row)
            return cells
        for index, column in enumerate(columns):
            cells[:, index] = _with_nan(column)
        return cells

    def _categories_of(self, fields: Fields) -> Sequence[frozenset[FieldValue] | None]:
        """Return the known categories of each column of categories, None if any is allowed.

        :raises Decline: another column does not hold numbers
        """
        others = (field for index, field in enumerate(fields) if index not in self._categorical)
        if any(field.storage not in NUMBER_KINDS for field in others):
            raise Decline("a column has a dtype that the lean form cannot read")
        known = (fields[index].column.categories for index in self._categorical)
        return [None if each is None else frozenset(each) for each in known]


def _is_category(value: FieldValue, known: frozenset[FieldValue] | None) -> bool:
    return type(value) in (str, int) and (known is None or value in known)


def _with_nan(values: ColumnValues) -> list[FieldValue]:
    return [np.nan if value is None else value for value in python_values(values)]
