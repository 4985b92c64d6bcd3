"""Lean forms of ``sklearn.impute``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.impute import KNNImputer, MissingIndicator, SimpleImputer
from sklearn.impute._iterative import IterativeImputer  # an experimental class of sklearn.impute

from flask_skmodels.engines.lean.array_calls import without_names
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
from flask_skmodels.engines.lean.containers import ObjectColumns, column_values
from flask_skmodels.schema.types import (
    BoolArray,
    Estimator,
    FieldValue,
    FloatArray,
    ModelInput,
    ModelOutput,
    Values,
)

Mask = Callable[[FloatArray], BoolArray]


@lean_form(SimpleImputer)
def simple_imputer(imputer: SimpleImputer, compiler: Compiler) -> Methods:
    is_nan = imputer.missing_values != imputer.missing_values
    if imputer._fit_dtype.kind == "O":
        return {"transform": _objects(imputer)}
    if imputer._fit_dtype.kind != "f":
        raise Decline("it was fitted on integers")
    fills = imputer.statistics_
    kept = np.arange(len(fills))
    if not imputer.keep_empty_features:
        kept = np.flatnonzero([fill == fill for fill in fills])
    fills = fills[kept].astype(getattr(imputer, "_fill_dtype", imputer._fit_dtype))
    indicated = None if imputer.indicator_ is None else imputer.indicator_.features_
    if is_nan and len(kept) == imputer.n_features_in_ and indicated is None:
        return {"transform": _nan_filled(fills)}
    return {"transform": _filled(mask_of(imputer.missing_values), fills, kept, indicated)}


def _nan_filled(fills: FloatArray) -> Call:
    def transform(X: ModelInput) -> ModelOutput:
        X = doubles(X).copy(order="K")
        if not is_finite(X):
            np.copyto(finite_or_missing(X), fills, where=np.isnan(X))
        return X

    return transform


def _filled(
    mask: Mask,
    fills: FloatArray,
    kept: NDArray[np.intp],
    indicated: NDArray[np.intp] | None,
) -> Call:
    def transform(X: ModelInput) -> ModelOutput:
        X = doubles(X)
        missing = mask(X)
        if len(kept) == X.shape[1]:
            filled, is_missing = X.copy(order="K"), missing
        else:
            filled, is_missing = X[:, kept], missing[:, kept]
        np.copyto(filled, fills, where=is_missing)
        if indicated is None:
            return filled
        return np.concatenate((filled, _indicators(missing, indicated)), axis=1)

    return transform


def mask_of(marker: FieldValue) -> Mask:
    """Return a function that finds the missing values of an array of doubles.

    :param marker: NaN, or the number that marks a missing value
    :raises Decline: the marker is not a number
    """
    if marker != marker:
        return lambda X: np.isnan(finite_or_missing(X))
    if marker is None or isinstance(marker, str):
        raise Decline("its missing_values is not a number")

    def mask(X: FloatArray) -> BoolArray:
        if not is_finite(X):
            raise Decline("a value is not finite")
        missing: BoolArray = np.equal(X, marker)
        return missing

    return mask


def _indicators(missing: BoolArray, features: NDArray[np.intp]) -> BoolArray:
    return missing[:, features] if len(features) < missing.shape[1] else missing


def _objects(imputer: SimpleImputer) -> Call:
    """Return the transform of an imputer that was fitted on objects."""
    is_missing = _missing_test(imputer.missing_values)
    fills = imputer.statistics_.tolist()
    kept = [
        index for index, fill in enumerate(fills) if imputer.keep_empty_features or fill == fill
    ]
    indicated: Sequence[int] = []
    if imputer.indicator_ is not None:
        indicated = imputer.indicator_.features_.tolist()

    def transform(X: ModelInput) -> ObjectColumns:
        columns = column_values(X)
        missing = [list(map(is_missing, column)) for column in columns]
        filled: list[Values] = [
            _filled_column(columns[index], missing[index], fills[index]) for index in kept
        ]
        return ObjectColumns(filled + [missing[index] for index in indicated])

    return transform


def _filled_column(column: Values, missing: Sequence[bool], fill: FieldValue) -> Values:
    if True not in missing:
        return column
    return [fill if gap else value for value, gap in zip(column, missing, strict=True)]


def _missing_test(marker: FieldValue) -> Callable[[FieldValue], bool]:
    if marker != marker:
        return lambda value: bool(value != value)

    def is_missing(value: FieldValue) -> bool:
        if value != value:
            raise Decline("a value is NaN")
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

    def transform(X: ModelInput) -> ModelOutput:
        missing = mask(doubles(X))
        if refuses and missing[:, new].any():
            raise Decline("values are missing in a column without missing values at fit")
        return _indicators(missing, features)

    return {"transform": transform}


@lean_form(KNNImputer)
def knn_imputer(imputer: KNNImputer, compiler: Compiler) -> Methods:
    """Copy the columns of rows without gaps, and leave the others to the native method."""
    mask, kept = mask_of(imputer.missing_values), imputer._valid_mask
    if imputer.keep_empty_features and not kept.all():
        raise Decline("it fills columns that were empty at fit")
    if imputer.add_indicator:
        raise Decline("it indicates missing values")
    fill = _native_transform(imputer)

    def transform(X: ModelInput) -> ModelOutput:
        X = doubles(X)
        if mask(X)[:, kept].any():
            return fill(X.copy(order="K"))
        return X[:, kept]

    return {"transform": transform}


@lean_form(IterativeImputer)
def iterative_imputer(imputer: IterativeImputer, compiler: Compiler) -> Methods:
    """Copy rows without gaps, and leave the others to the native method."""
    mask = mask_of(imputer.missing_values)
    if getattr(imputer, "_is_empty_feature", np.ones(1)).any() or imputer.add_indicator:
        raise Decline("it indicates missing values, or fills columns that were empty at fit")
    fill = _native_transform(imputer)

    def transform(X: ModelInput) -> ModelOutput:
        X = doubles(X)
        if mask(X).any():
            return fill(X.copy(order="K"))
        return np.array(X, order="F")

    return {"transform": transform}


def _native_transform(imputer: Estimator) -> Call:
    """Return the native method. It takes an array even if the imputer was fitted on a frame."""
    transform: Call = (without_names(imputer) or imputer).transform
    return transform
