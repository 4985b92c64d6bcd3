"""The predictions of an estimator for its training data, and the baseline of a linear one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from flask_skmodels.estimators.attributes import active_steps, get, is_a, is_from_sklearn
from flask_skmodels.estimators.introspect import class_name
from flask_skmodels.exceptions import ModelError, in_one_line
from flask_skmodels.schema.types import Estimator

MOST_ROWS = 100_000
PART = 10_000


def predictions_of(estimator: Estimator, X: Any) -> Any:
    """Return the predictions for at most 100,000 rows, evenly spaced.

    :returns: array of shape (rows,) or (rows, outputs); empty if the estimator does not predict
    :raises ModelError: the estimator cannot predict X
    """
    if not callable(get(estimator, "predict")):
        return np.empty((0, 0))
    try:
        parts = [np.asarray(estimator.predict(part)) for part in _parts(X)]
    except Exception as error:
        raise ModelError(
            f"the {class_name(estimator)} cannot predict the training data of its profile: "
            f"{in_one_line(error)}"
        ) from error
    return np.concatenate(parts) if parts else np.empty((0, 0))


def baseline_of(estimator: Estimator, X: Any) -> tuple[float, ...] | None:
    """Return the mean of each column of the last step's input, None if that step is not linear."""
    with suppress(Exception):  # a foreign step: there is no baseline then
        steps = _steps(estimator)
        if not _is_linear(steps[-1]):
            return None
        total, rows = 0.0, 0
        for part in _parts(X):
            for step in steps[:-1]:
                part = step.transform(part)
            dense = part.toarray() if hasattr(part, "toarray") else np.asarray(part, dtype=float)
            total, rows = total + dense.sum(axis=0), rows + len(dense)
        mean = np.atleast_1d(total / rows)
        return tuple(mean.tolist()) if np.isfinite(mean).all() else None
    return None


def _steps(estimator: Estimator) -> list[Any]:
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


def _parts(X: Any) -> Iterator[Any]:
    """Yield rows of X in parts, at most 100,000 of them."""
    rows = X.shape[0] if hasattr(X, "shape") else len(X)
    step = max(1, -(-rows // MOST_ROWS))
    X = X.tocsr() if hasattr(X, "tocsr") else X
    for start in range(0, rows, PART * step):
        part = slice(start, start + PART * step, step)
        yield X.iloc[part] if hasattr(X, "iloc") else X[part]
