"""Lean forms of the transformers of numbers in ``sklearn.preprocessing``."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import boxcox
from scipy.stats import yeojohnson
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from flask_skmodels.engines.lean.compiler import (
    Call,
    Compiler,
    Decline,
    Methods,
    as_row,
    doubles,
    finite,
    finite_or_missing,
    lean_form,
)
from flask_skmodels.engines.lean.containers import Csr, Ones, Sparse
from flask_skmodels.schema.frame import DeferredFrame

Doubles = NDArray[np.float64]


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

    def transform(X: Any) -> Any:
        found = scaled(X)
        numbers = found.data if type(found) is Csr else found
        np.clip(numbers, -1.0, 1.0, out=numbers)
        return found

    return {"transform": transform}


def _scaled(middle: Doubles | None, scale: Doubles | None) -> Call:
    inverse = None if scale is None else 1.0 / scale
    middles, scales = (None if part is None else as_row(part) for part in (middle, scale))

    def transform(X: Any) -> Any:
        if type(X) in Sparse and middles is None:
            return _rescaled(X.csr(), inverse)
        X = finite_or_missing(doubles(X))
        X = X.copy(order="K") if middles is None else X - middles
        if scales is not None:
            X /= scales
        return X

    return transform


def _rescaled(rows: Csr, factors: Doubles | None) -> Csr:
    finite_or_missing(rows.data)
    data = rows.data.copy() if factors is None else rows.data * factors[rows.indices]
    return Csr(data, rows.indices, rows.indptr, rows.shape)


@lean_form(MinMaxScaler)
def min_max_scaler(scaler: MinMaxScaler, compiler: Compiler) -> Methods:
    scale, low = as_row(scaler.scale_), as_row(scaler.min_)
    bounds = [np.float64(bound) for bound in scaler.feature_range] if scaler.clip else None

    def transform(X: Any) -> Doubles:
        X = finite_or_missing(doubles(X)) * scale
        X += low
        if bounds is not None:
            np.clip(X, *bounds, out=X)
        scaled: Doubles = X
        return scaled

    return {"transform": transform}


@lean_form(Normalizer)
def normalizer(normalizer: Normalizer, compiler: Compiler) -> Methods:
    norms = _NORMS[normalizer.norm]
    smallest = 10 * np.finfo(np.float64).eps

    def transform(X: Any) -> Doubles:
        X = finite(doubles(X))
        lengths = norms(X)
        lengths[lengths < smallest] = 1.0
        scaled: Doubles = X / lengths[:, np.newaxis]
        return scaled

    return {"transform": transform}


_NORMS: dict[str, Callable[[Doubles], Doubles]] = {
    "l1": lambda X: np.sum(np.abs(X), axis=1),
    "l2": lambda X: np.sqrt(np.einsum("ij,ij->i", X, X)),
    "max": lambda X: np.max(np.abs(X), axis=1),
}


@lean_form(Binarizer)
def binarizer(binarizer: Binarizer, compiler: Compiler) -> Methods:
    threshold = binarizer.threshold
    return {"transform": lambda X: (finite(doubles(X)) > threshold).astype(np.float64)}


@lean_form(PowerTransformer)
def power_transformer(transformer: PowerTransformer, compiler: Compiler) -> Methods:
    """Column by column, by the very functions of scipy that scikit-learn calls."""
    function = boxcox if transformer.method == "box-cox" else yeojohnson
    needs_positive = transformer.method == "box-cox"
    powers = transformer.lambdas_.tolist()
    last = None
    if transformer.standardize:
        last = compiler.methods(transformer._scaler)["transform"]

    def transform(X: Any) -> Any:
        X = finite_or_missing(doubles(X)).copy(order="K")
        if needs_positive and not np.nanmin(X) > 0:
            raise Decline("a value is not positive")
        for place, power in enumerate(powers):
            X[:, place] = function(X[:, place], power)
        return X if last is None else last(X)

    return {"transform": transform}


@lean_form(QuantileTransformer)
def quantile_transformer(transformer: QuantileTransformer, compiler: Compiler) -> Methods:
    """By scikit-learn's own arithmetic, without its checks."""

    def transform(X: Any) -> Any:
        X = finite_or_missing(doubles(X)).copy(order="K")
        return transformer._transform(X, inverse=False)

    return {"transform": transform}


@lean_form(KBinsDiscretizer)
def k_bins_discretizer(discretizer: KBinsDiscretizer, compiler: Compiler) -> Methods:
    if discretizer.dtype not in (None, np.float64):
        raise Decline("its output is of another dtype than float64")
    edges = [each[1:-1].tolist() for each in discretizer.bin_edges_]
    starts = np.cumsum([0, *discretizer.n_bins_]).tolist()

    def rows(X: Any) -> list[list[int]]:
        found = finite(doubles(X)).tolist()
        return [
            [bisect_right(own, value) for own, value in zip(edges, row, strict=True)]
            for row in found
        ]

    def ones(X: Any) -> Ones:
        codes = [
            [start + code for start, code in zip(starts, row, strict=False)] for row in rows(X)
        ]
        return Ones(codes, starts[-1])

    if discretizer.encode == "ordinal":
        return {"transform": lambda X: np.array(rows(X), dtype=np.float64)}
    if discretizer.encode == "onehot":
        return {"transform": ones}
    return {"transform": lambda X: ones(X).dense()}


@lean_form(FunctionTransformer)
def function_transformer(transformer: FunctionTransformer, compiler: Compiler) -> Methods:
    """A function of arrays as it is called by scikit-learn, or what goes through unchanged."""
    function, arguments = transformer.func, transformer.kw_args or {}
    if transformer.validate:
        raise Decline("it checks its input")
    if function is None:
        return {"transform": lambda X: X}
    takes_integers = any(types[0] == "l" for types in getattr(function, "types", ()))

    def transform(X: Any) -> Any:
        if type(X) is DeferredFrame and isinstance(function, np.ufunc):
            if takes_integers and any(field.kind == "integer" for field in X.fields):
                raise Decline("a function of integers may overflow")
            X = doubles(X)
        if not isinstance(X, np.ndarray):
            raise Decline("a function is called with what is no array")
        return function(X.copy(order="K"), **arguments)  # it may write into it

    return {"transform": transform}
