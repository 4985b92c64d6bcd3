"""Contributions in LightGBM, XGBoost and CatBoost, computed by these libraries themselves."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from flask_skmodels.estimators.attributes import get
from flask_skmodels.explain.contributions import Columns, Contributions, as_margins, dense, fold
from flask_skmodels.schema.types import Estimator, FloatArray


class _OfBooster(Contributions):
    """The contributions in an estimator of a boosting library.

    :param estimator: the fitted estimator
    :param columns: the columns of X
    """

    rules = ("pred_contribs",)
    is_native = True

    def __init__(self, estimator: Estimator, columns: Columns) -> None:
        self._estimator = estimator
        self._columns = columns
        classes = get(estimator, "classes_")
        self.outputs = len(classes) if classes is not None and len(classes) > 2 else 1
        self._is_plain = bool((columns.owners == np.arange(columns.count)).all()) and (
            len(columns.owners) == columns.count
        )

    def __call__(self, X: Any) -> FloatArray:
        X = dense(X)
        values = np.asarray(self.by_column(X), dtype=np.float64)
        values = values.reshape(len(X), -1, len(self._columns.owners) + 1)
        return values if self._is_plain else fold(values, self._columns)

    def by_column(self, X: Any) -> Any:
        """Return the contributions of the columns, the base last; one output after the other."""
        raise NotImplementedError


class OfLightGBM(_OfBooster):
    """The contributions in an estimator of LightGBM, which computes in double precision."""

    def by_column(self, X: Any) -> Any:
        return self._estimator.predict(X, pred_contrib=True, num_threads=1)

    def margins(self, X: Any) -> FloatArray:
        return as_margins(self._estimator.predict(dense(X), raw_score=True, num_threads=1))


class OfXGBoost(_OfBooster):
    """The contributions in an estimator of XGBoost, which computes in single precision."""

    tolerance = 1e-4

    def __init__(self, estimator: Estimator, columns: Columns) -> None:
        super().__init__(estimator, columns)
        self._booster = estimator.get_booster()
        self._range = estimator._get_iteration_range(None)

    def by_column(self, X: Any) -> Any:
        return self._predict(X, pred_contribs=True)

    def margins(self, X: Any) -> FloatArray:
        return as_margins(self._predict(dense(X), output_margin=True))

    def _predict(self, X: Any, **options: Any) -> Any:
        estimator = self._estimator
        matrix = import_module("xgboost").DMatrix(
            X,
            missing=estimator.missing,
            feature_types=estimator.feature_types,
            enable_categorical=bool(estimator.enable_categorical),
            nthread=1,
        )
        has_names = hasattr(X, "columns")
        return self._booster.predict(
            matrix,
            strict_shape=True,
            iteration_range=self._range,
            validate_features=has_names,
            **options,
        )


class OfCatBoost(_OfBooster):
    """The contributions in an estimator of CatBoost."""

    tolerance = 1e-6

    def by_column(self, X: Any) -> Any:
        pool = import_module("catboost").Pool(
            X, cat_features=self._estimator.get_cat_feature_indices()
        )
        return self._estimator.get_feature_importance(pool, type="ShapValues", thread_count=1)

    def margins(self, X: Any) -> FloatArray:
        raw = self._estimator.predict(X, prediction_type="RawFormulaVal", thread_count=1)
        return as_margins(raw)


_CLASSES = {"lightgbm": OfLightGBM, "xgboost": OfXGBoost, "catboost": OfCatBoost}


def booster_contributions(estimator: Estimator, library: str, columns: Columns) -> Contributions:
    """Return the contributions in an estimator of a boosting library.

    :param library: ``"lightgbm"``, ``"xgboost"`` or ``"catboost"``
    """
    return _CLASSES[library](estimator, columns)
