"""Lean forms of ``sklearn.impute``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.impute import MissingIndicator, SimpleImputer

from flask_skmodels.engines.lean.compiler import (
    Call,
    Compiler,
    Decline,
    Methods,
    doubles,
    finite_or_missing,
    is_finite,
    lean_form,
)
from flask_skmodels.engines.lean.containers import Cells, values

Mask = Callable[[NDArray[np.float64]], NDArray[np.bool_]]


@lean_form(SimpleImputer)
def simple_imputer(imputer: SimpleImputer, compiler: Compiler) -> Methods:
    is_nan = imputer.missing_values != imputer.missing_values
    if imputer._fit_dtype.kind == "O":
        return {"transform": _objects(imputer)}
    if imputer._fit_dtype.kind != "f":
        raise Decline("it was fitted on whole numbers")
    fills = imputer.statistics_
    kept = np.arange(len(fills))
    if not imputer.keep_empty_features:
        kept = np.flatnonzero([fill == fill for fill in fills])
    fills = fills[kept].astype(imputer._fill_dtype)
    marked = None if imputer.indicator_ is None else imputer.indicator_.features_
    if is_nan and len(kept) == imputer.n_features_in_ and marked is None:
        return {"transform": _nan_filled(fills)}
    return {"transform": _filled(mask_of(imputer.missing_values), fills, kept, marked)}


def _nan_filled(fills: NDArray[np.float64]) -> Call:
    def transform(X: Any) -> Any:
        X = doubles(X).copy(order="K")
        if not is_finite(X):
            np.copyto(finite_or_missing(X), fills, where=np.isnan(X))
        return X

    return transform


def _filled(
    mask: Mask,
    fills: NDArray[np.float64],
    kept: NDArray[np.intp],
    marked: NDArray[np.intp] | None,
) -> Call:
    def transform(X: Any) -> Any:
        X = doubles(X)
        missing = mask(X)
        if len(kept) == X.shape[1]:
            found, own = X.copy(order="K"), missing
        else:
            found, own = X[:, kept], missing[:, kept]
        np.copyto(found, fills, where=own)
        return found if marked is None else np.concatenate((found, _of(missing, marked)), axis=1)

    return transform


def mask_of(marker: Any) -> Mask:
    """Return what finds the missing values of an array of doubles.

    :param marker: nan, or the number that stands for a missing value
    """
    if marker != marker:
        return lambda X: np.isnan(finite_or_missing(X))
    if marker is None or isinstance(marker, str):
        raise Decline("its missing values are no numbers")

    def mask(X: NDArray[np.float64]) -> NDArray[np.bool_]:
        if not is_finite(X):
            raise Decline("a value is not finite")
        found: NDArray[np.bool_] = np.equal(X, marker)
        return found

    return mask


def _of(missing: NDArray[np.bool_], features: NDArray[np.intp]) -> NDArray[np.bool_]:
    return missing[:, features] if len(features) < missing.shape[1] else missing


def _objects(imputer: SimpleImputer) -> Call:
    """Return the transform of an imputer that was fitted on objects."""
    is_missing = _missing_test(imputer.missing_values)
    fills = imputer.statistics_.tolist()
    kept = [
        place for place, fill in enumerate(fills) if imputer.keep_empty_features or fill == fill
    ]
    marked: Sequence[int] = []
    if imputer.indicator_ is not None:
        marked = imputer.indicator_.features_.tolist()

    def transform(X: Any) -> Cells:
        columns = values(X)
        gaps = [list(map(is_missing, column)) for column in columns]
        found: list[Sequence[Any]] = [
            _filled_column(columns[place], gaps[place], fills[place]) for place in kept
        ]
        return Cells(found + [gaps[place] for place in marked])

    return transform


def _filled_column(column: Sequence[Any], gaps: Sequence[bool], fill: Any) -> Sequence[Any]:
    if True not in gaps:
        return column
    return [fill if gap else value for value, gap in zip(column, gaps, strict=True)]


def _missing_test(marker: Any) -> Callable[[Any], bool]:
    if marker != marker:
        return lambda value: bool(value != value)

    def is_missing(value: Any) -> bool:
        if value != value:
            raise Decline("a value is nan")
        return bool(value is None if marker is None else value == marker)

    return is_missing


@lean_form(MissingIndicator)
def missing_indicator(indicator: MissingIndicator, compiler: Compiler) -> Methods:
    if indicator.sparse is True:
        raise Decline("its output is sparse")
    mask = mask_of(indicator.missing_values)
    features = indicator.features_
    new = np.setdiff1d(np.arange(indicator.n_features_in_), features)
    refuses = indicator.features == "missing-only" and indicator.error_on_new and len(new)

    def transform(X: Any) -> Any:
        missing = mask(doubles(X))
        if refuses and missing[:, new].any():
            raise Decline("values are missing where none was missing in fit")
        return _of(missing, features)

    return {"transform": transform}
