"""Lean forms of scalers and of ``Normalizer``."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    RobustScaler,
    StandardScaler,
)

from flask_skmodels.engines.lean.compiler import (
    Call,
    Compiler,
    Methods,
    as_row,
    doubles,
    finite,
    finite_or_missing,
    lean_form,
)
from flask_skmodels.engines.lean.containers import Csr, SparseRows
from flask_skmodels.schema.types import FloatArray, ModelInput, ModelOutput


@lean_form(StandardScaler)
def standard_scaler(scaler: StandardScaler, compiler: Compiler) -> Methods:
    mean = scaler.mean_ if scaler.with_mean else None
    return {"transform": _scaled(mean, scaler.scale_ if scaler.with_std else None)}


@lean_form(RobustScaler)
def robust_scaler(scaler: RobustScaler, compiler: Compiler) -> Methods:
    center = scaler.center_ if scaler.with_centering else None
    return {"transform": _scaled(center, scaler.scale_ if scaler.with_scaling else None)}


@lean_form(MaxAbsScaler)
def max_abs_scaler(scaler: MaxAbsScaler, compiler: Compiler) -> Methods:
    scaled = _scaled(None, scaler.scale_)
    if not getattr(scaler, "clip", False):
        return {"transform": scaled}

    def transform(X: ModelInput) -> ModelOutput:
        output = scaled(X)
        numbers = output.data if type(output) is Csr else output
        np.clip(numbers, -1.0, 1.0, out=numbers)
        return output

    return {"transform": transform}


def _scaled(center: FloatArray | None, scale: FloatArray | None) -> Call:
    inverse = None if scale is None else 1.0 / scale
    centers, scales = (None if part is None else as_row(part) for part in (center, scale))

    def transform(X: ModelInput) -> ModelOutput:
        if isinstance(X, SparseRows) and centers is None:
            return _scaled_sparse(X.to_csr(), inverse)
        X = finite_or_missing(doubles(X))
        X = X.copy(order="K") if centers is None else X - centers
        if scales is not None:
            X /= scales
        return X

    return transform


def _scaled_sparse(rows: Csr, factors: FloatArray | None) -> Csr:
    finite_or_missing(rows.data)
    numbers = rows.data.astype(np.float64)
    data = numbers if factors is None else numbers * factors[rows.indices]
    return Csr(data, rows.indices, rows.indptr, rows.shape)


@lean_form(MinMaxScaler)
def min_max_scaler(scaler: MinMaxScaler, compiler: Compiler) -> Methods:
    scale, offset = as_row(scaler.scale_), as_row(scaler.min_)
    bounds = [np.float64(bound) for bound in scaler.feature_range] if scaler.clip else None

    def transform(X: ModelInput) -> FloatArray:
        X = finite_or_missing(doubles(X)) * scale
        X += offset
        if bounds is not None:
            np.clip(X, *bounds, out=X)
        scaled: FloatArray = X
        return scaled

    return {"transform": transform}


@lean_form(Normalizer)
def normalizer(normalizer: Normalizer, compiler: Compiler) -> Methods:
    norms = _NORMS[normalizer.norm]
    smallest = 10 * np.finfo(np.float64).eps

    def transform(X: ModelInput) -> FloatArray:
        X = finite(doubles(X))
        lengths = norms(X)
        lengths[lengths < smallest] = 1.0
        scaled: FloatArray = X / lengths[:, np.newaxis]
        return scaled

    return {"transform": transform}


_NORMS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "l1": lambda X: np.sum(np.abs(X), axis=1),
    "l2": lambda X: np.sqrt(np.einsum("ij,ij->i", X, X)),
    "max": lambda X: np.max(np.abs(X), axis=1),
}
