"""Contributions for LightGBM, XGBoost and CatBoost, computed by these libraries themselves."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

import numpy as np

from flask_skmodels.estimators.attributes import get
from flask_skmodels.explain.contributions import (
    Contributions,
    FieldColumns,
    Unexplained,
    as_margins,
    dense,
    sum_by_field,
)
from flask_skmodels.schema.types import Estimator, EstimatorInput, FloatArray, ModelOutput


class _OfBooster(Contributions):
    """The contributions of the fields to the output of an estimator of a boosting library.

    :param estimator: the fitted estimator
    :param columns: the columns of X
    """

    rules = ("pred_contribs",)
    is_native = True

    def __init__(self, estimator: Estimator, columns: FieldColumns) -> None:
        self._estimator = estimator
        self._columns = columns
        classes = get(estimator, "classes_")
        self._classes = 0 if classes is None else len(classes)
        self.outputs = self._classes if self._classes > 2 else 1
        self._is_plain = np.array_equal(columns.owners, np.arange(columns.count))

    def __call__(self, X: EstimatorInput) -> FloatArray:
        X = dense(X)
        values = np.asarray(self.by_column(X), dtype=np.float64)
        values = self._of_second(values.reshape(len(X), -1, len(self._columns.owners) + 1))
        return values if self._is_plain else sum_by_field(values, self._columns)

    def margins(self, X: EstimatorInput) -> FloatArray:
        return self._of_second(as_margins(self.raw(dense(X))))

    def by_column(self, X: EstimatorInput) -> ModelOutput:
        """Return the contributions of the columns and the base, for one output after the other."""
        raise NotImplementedError

    def raw(self, X: EstimatorInput) -> ModelOutput:
        """Return the margins as the library computes them."""
        raise NotImplementedError

    def _of_second(self, values: FloatArray) -> FloatArray:
        """Return values for the one margin of two classes, even if the library has two margins."""
        if self._classes != 2 or values.shape[1] != 2:
            return values
        return values[:, 1:] - values[:, :1]


class OfLightGBM(_OfBooster):
    """The contributions to the output of LightGBM, which computes in double precision."""

    def by_column(self, X: EstimatorInput) -> ModelOutput:
        return self._estimator.predict(X, pred_contrib=True, num_threads=1)

    def raw(self, X: EstimatorInput) -> ModelOutput:
        return self._estimator.predict(X, raw_score=True, num_threads=1)


class OfXGBoost(_OfBooster):
    """The contributions to the output of XGBoost, which computes in single precision."""

    tolerance = 1e-4

    def __init__(self, estimator: Estimator, columns: FieldColumns) -> None:
        super().__init__(estimator, columns)
        self._booster = estimator.get_booster()
        self._range = estimator._get_iteration_range(None)
        targets = _target_count(self._booster)
        if targets > 1 and self._classes:
            raise Unexplained(
                f"its {type(estimator).__name__} predicts classes for several outputs"
            )
        self.outputs = max(self.outputs, targets)

    def by_column(self, X: EstimatorInput) -> ModelOutput:
        return self._predict(X, pred_contribs=True)

    def raw(self, X: EstimatorInput) -> ModelOutput:
        return self._predict(X, output_margin=True)

    def _predict(self, X: EstimatorInput, **options: Any) -> ModelOutput:
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
    """The contributions to the output of CatBoost."""

    tolerance = 1e-6

    def by_column(self, X: EstimatorInput) -> ModelOutput:
        pool = import_module("catboost").Pool(
            X, cat_features=self._estimator.get_cat_feature_indices()
        )
        return self._estimator.get_feature_importance(pool, type="ShapValues", thread_count=1)

    def raw(self, X: EstimatorInput) -> ModelOutput:
        return self._estimator.predict(X, prediction_type="RawFormulaVal", thread_count=1)


def _target_count(booster: Estimator) -> int:
    """Return the number of targets of a booster of XGBoost."""
    parameters = json.loads(booster.save_config())["learner"]["learner_model_param"]
    return int(parameters.get("num_target", 1))


_CLASSES = {"lightgbm": OfLightGBM, "xgboost": OfXGBoost, "catboost": OfCatBoost}


def booster_contributions(
    estimator: Estimator, library: str, columns: FieldColumns
) -> Contributions:
    """Return the contributions to the output of an estimator of a boosting library.

    :param library: ``"lightgbm"``, ``"xgboost"`` or ``"catboost"``
    """
    return _CLASSES[library](estimator, columns)
