"""The predictions of an estimator for its training data, and the baseline of a linear estimator."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from flask_skmodels.estimators.attributes import active_steps, get, is_a, is_from_sklearn
from flask_skmodels.estimators.introspect import class_name
from flask_skmodels.estimators.profile.rounding import round_number
from flask_skmodels.estimators.profile.summaries import MIN_ROWS
from flask_skmodels.exceptions import ModelError, in_one_line
from flask_skmodels.schema.types import Estimator, EstimatorInput, ModelOutput

MAX_ROWS = 100_000
PART = 10_000


class EstimatorFigures:
    """The predictions of an estimator and the baseline if it is linear, measured part by part.

    :param estimator: the fitted estimator
    """

    def __init__(self, estimator: Estimator) -> None:
        self._estimator = estimator
        self._steps = _linear_steps(estimator)
        self._predictions: list[ModelOutput] = []
        self._sum: Any = 0.0
        self.rows = 0

    def add(self, X: EstimatorInput) -> None:
        """Add rows of the training data.

        :raises ModelError: the estimator cannot predict the rows
        """
        try:
            if callable(get(self._estimator, "predict")):
                self._predictions.append(np.asarray(self._estimator.predict(X)))
        except Exception as error:
            raise ModelError(
                f"the {class_name(self._estimator)} cannot predict the training data of its "
                f"profile: {in_one_line(error)}"
            ) from error
        if self._steps:
            self._add_to_baseline(X)
        self.rows += X.shape[0] if hasattr(X, "shape") else len(X)

    def _add_to_baseline(self, X: EstimatorInput) -> None:
        try:
            for step in self._steps[:-1]:
                X = step.transform(X)
            dense = X.toarray() if hasattr(X, "toarray") else np.asarray(X, dtype=np.float64)
            self._sum = self._sum + dense.sum(axis=0)
        except Exception:  # an unknown step: then there is no baseline
            self._steps = []

    @property
    def predictions(self) -> Any:
        """The predictions, of shape (rows,) or (rows, outputs); None if there are none."""
        return np.concatenate(self._predictions) if self._predictions else None

    @property
    def baseline(self) -> tuple[float, ...] | None:
        """The mean of each column of the last step's input, None if the last step is not linear.

        The mean is rounded to three significant digits, and left out for fewer than 20 rows,
        because exact means could reveal the values of a row.
        """
        if not self._steps or self.rows < MIN_ROWS:
            return None
        mean = np.atleast_1d(self._sum / self.rows)
        if not np.isfinite(mean).all():
            return None
        return tuple(round_number(value, "nearest") for value in mean.tolist())


def _linear_steps(estimator: Estimator) -> list[Estimator]:
    """Return the steps of an estimator, none if the last one is not linear."""
    with suppress(Exception):  # an object with unusual attributes
        steps = _steps(estimator)
        return steps if _is_linear(steps[-1]) else []
    return []


def _steps(estimator: Estimator) -> list[Estimator]:
    """Return the steps of an estimator in the order in which a row passes through them."""
    if is_a(estimator, "Pipeline"):
        *first, last = active_steps(estimator)
        return [*first, *_steps(last)]
    for name in ("best_estimator_", "regressor_"):
        if (inner := get(estimator, name)) is not None:
            return _steps(inner)
    is_frozen = is_a(estimator, "FrozenEstimator")
    return _steps(estimator.estimator) if is_frozen else [estimator]


def _is_linear(estimator: Estimator) -> bool:
    return is_from_sklearn(estimator) and get(estimator, "coef_") is not None


def figures_of(estimator: Estimator, X: EstimatorInput) -> EstimatorFigures:
    """Return the figures of an estimator for at most 100,000 rows of X, evenly spaced.

    :raises ModelError: the estimator cannot predict X
    """
    figures = EstimatorFigures(estimator)
    rows = X.shape[0] if hasattr(X, "shape") else len(X)
    step = max(1, -(-rows // MAX_ROWS))
    X = X.tocsr() if hasattr(X, "tocsr") else X
    for start in range(0, rows, PART * step):
        part = slice(start, start + PART * step, step)
        figures.add(X.iloc[part] if hasattr(X, "iloc") else X[part])
    return figures
