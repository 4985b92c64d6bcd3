"""Lean forms of CatBoost's estimators, which take an array faster than a data frame.

Measured with 100 trees and one row of 20 numbers: 0.15 ms instead of 1.2.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
from catboost import CatBoostClassifier, CatBoostRanker, CatBoostRegressor, Pool

from flask_skmodels.engines.lean.coded_columns import CodedColumns
from flask_skmodels.engines.lean.compiler import Call, Compiler, Decline, Methods, lean_form
from flask_skmodels.schema.fields import NUMBER_KINDS
from flask_skmodels.schema.frame import DeferredFrame
from flask_skmodels.schema.types import Array, Estimator, ModelInput, ModelOutput

_ONE_THREAD = 1
_METHODS = ("predict", "predict_proba", "predict_log_proba")


@lean_form(CatBoostClassifier, CatBoostRegressor, CatBoostRanker)
def catboost_estimator(estimator: Estimator, compiler: Compiler) -> Methods:
    if estimator._get_text_feature_indices() or estimator._get_embedding_feature_indices():
        raise Decline("it takes texts or embeddings")
    width = len(estimator.feature_names_)
    categorical = [int(index) for index in estimator._get_cat_feature_indices()]
    to_data = _Cells(categorical, width) if categorical else CodedColumns({}, width)
    return {
        method: _method(estimator, method, to_data, categorical or None)
        for method in _METHODS
        if hasattr(estimator, method)
    }


def _method(
    estimator: Estimator, method: str, to_data: Call, categorical: list[int] | None
) -> Call:
    kind, first, last = _prediction(estimator, method)
    base_predict = estimator._base_predict

    def call(X: ModelInput) -> ModelOutput:
        pool = Pool(to_data(X), cat_features=categorical, thread_count=_ONE_THREAD)
        return base_predict(pool, kind, first, last, _ONE_THREAD, False, "CPU")

    return call


def _prediction(estimator: Estimator, method: str) -> tuple[str, int, int]:
    """Return the kind of prediction of a method, its first tree and the end of its trees."""
    passed: list[Any] = []
    duplicate = copy(estimator)
    duplicate._predict = lambda data, *options: passed.extend(options)
    getattr(duplicate, method)(None)
    kind, first, last, *_ = passed
    return kind, first, last


class _Cells:
    """The conversion of X to an array of objects, in which CatBoost finds categories.

    :param categorical: the indices of the columns of categories
    :param width: the number of columns
    """

    def __init__(self, categorical: list[int], width: int) -> None:
        self._categorical = frozenset(categorical)
        self._width = width

    def __call__(self, X: ModelInput) -> Array:
        """Return an array of shape (rows, columns).

        :raises Decline: a category is missing or a float, or X is not a data frame
        """
        if not isinstance(X, DeferredFrame) or len(X.fields) != self._width:
            raise Decline("X is not a data frame")
        cells = np.empty((len(X), self._width), dtype=object)
        for index, column in enumerate(X.validated_columns(range(self._width))):
            values = column.tolist() if isinstance(column, np.ndarray) else column
            cells[:, index] = self._checked(X, index, values)
        return cells

    def _checked(self, X: DeferredFrame, index: int, values: Any) -> Any:
        if index in self._categorical:
            known = X.fields[index].column.categories
            if any(type(v) not in (str, int) or not (known is None or v in known) for v in values):
                raise Decline("a category is missing or of another type")
        elif X.fields[index].storage not in NUMBER_KINDS:
            raise Decline("a column has a dtype of its own")
        return [np.nan if value is None else value for value in values]
