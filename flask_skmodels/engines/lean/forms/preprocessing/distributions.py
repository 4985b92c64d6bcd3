"""Lean forms of ``PowerTransformer`` and ``QuantileTransformer``.

scikit-learn transforms the columns one by one. With a few rows, most of the time is spent in the
checks of scipy's functions, so here the arithmetic is done for all columns together.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

import numpy as np
from scipy.special import boxcox, ndtri
from scipy.stats import norm
from sklearn.preprocessing import PowerTransformer, QuantileTransformer

from flask_skmodels.engines.lean.compiler import (
    Compiler,
    Decline,
    Methods,
    as_row,
    doubles,
    finite_or_missing,
    lean_form,
)
from flask_skmodels.schema.types import BoolArray, FloatArray, ModelInput, ModelOutput

InPlace = Callable[[FloatArray], None]

_FEW_ROWS = 8
_MAX_NUMBERS = 100_000  # kept as Python objects
_BOUND = 1e-7  # scikit-learn's distance from the smallest and the largest quantile


@lean_form(PowerTransformer)
def power_transformer(transformer: PowerTransformer, compiler: Compiler) -> Methods:
    function = _power_function(transformer)
    needs_positive = transformer.method == "box-cox"
    standardize = None
    if transformer.standardize:
        standardize = compiler.methods(transformer._scaler)["transform"]

    def transform(X: ModelInput) -> ModelOutput:
        X = finite_or_missing(doubles(X)).copy(order="K")
        if needs_positive and not np.nanmin(X) > 0:
            raise Decline("a value is not positive")
        function(X)
        return X if standardize is None else standardize(X)

    return {"transform": transform}


def _power_function(transformer: PowerTransformer) -> InPlace:
    """Return a function that transforms an array in place.

    Before version 1.8, scikit-learn uses its own formula instead of scipy's.
    """
    powers = transformer.lambdas_
    if transformer.method == "box-cox":
        return _by_column(boxcox, powers.tolist())
    if hasattr(transformer, "_yeo_johnson_transform"):
        return _by_column(transformer._yeo_johnson_transform, powers.tolist())
    return _yeo_johnson(as_row(powers))


def _by_column(function: Callable[..., FloatArray], powers: list[float]) -> InPlace:
    def transform(X: FloatArray) -> None:
        for index, power in enumerate(powers):
            X[:, index] = function(X[:, index], power)

    return transform


def _yeo_johnson(powers: FloatArray) -> InPlace:
    """Return scipy's transform, in which negative numbers have the exponent 2 - power."""
    smallest = np.finfo(np.float64).eps
    opposite = 2 - powers
    are_zero, are_two = np.abs(powers) < smallest, np.abs(opposite) <= smallest
    has_logarithms = bool(are_zero.any() or are_two.any())

    def transform(X: FloatArray) -> None:
        is_positive = X >= 0
        exponents = np.where(is_positive, powers, opposite)
        logarithms = np.log1p(np.where(is_positive, X, -X))
        result = np.expm1(exponents * logarithms) / exponents
        if has_logarithms:
            result = np.where(np.where(is_positive, are_zero, are_two), logarithms, result)
        X[:] = np.where(is_positive, result, -result)

    return transform


@lean_form(QuantileTransformer)
def quantile_transformer(transformer: QuantileTransformer, compiler: Compiler) -> Methods:
    """Interpolate a few rows here, and many in scikit-learn's private function."""
    few = _Quantiles(transformer)

    def transform(X: ModelInput) -> ModelOutput:
        X = finite_or_missing(doubles(X)).copy(order="K")
        if len(X) > _FEW_ROWS:
            return transformer._transform(X, inverse=False)
        few(X)
        return X

    return {"transform": transform}


class _Quantiles:
    """The transform of a few rows, in place.

    :param transformer: a fitted transformer
    """

    def __init__(self, transformer: QuantileTransformer) -> None:
        quantiles, references = transformer.quantiles_, transformer.references_
        self._columns = [
            (np.ascontiguousarray(column), np.ascontiguousarray(-column[::-1]))
            for column in quantiles.T
        ]
        self._references = references, np.ascontiguousarray(-references[::-1])
        rising, falling = self._references
        self._of_row = [
            (interpolation(points, rising), interpolation(negative, falling))
            for points, negative in (self._columns if quantiles.size <= _MAX_NUMBERS else ())
        ]
        self._least, self._most = as_row(quantiles[0]), as_row(quantiles[-1])
        self._is_normal = transformer.output_distribution == "normal"
        clip = _BOUND - np.spacing(1)
        self._limits = norm.ppf(clip), norm.ppf(1 - clip)

    def __call__(self, X: FloatArray) -> None:
        (low, high), missing = self._ends(X), np.isnan(X)
        kept = X[missing]
        if len(X) == 1 and self._of_row:
            X[0] = [
                0.5 * (rise(value) - fall(-value))
                for value, (rise, fall) in zip(X[0].tolist(), self._of_row, strict=True)
            ]
        else:
            self._interpolate(X)
        X[high] = 1
        X[low] = 0
        if self._is_normal:  # norm.ppf multiplies by its scale and adds its location
            np.clip(ndtri(X) * 1.0 + 0.0, *self._limits, out=X)
            kept[:] = np.nan
        X[missing] = kept  # the sign of a NaN may have changed

    def _interpolate(self, X: FloatArray) -> None:
        references, opposite = self._references
        for index, (quantiles, negative) in enumerate(self._columns):
            column = X[:, index]
            X[:, index] = 0.5 * (
                np.interp(column, quantiles, references) - np.interp(-column, negative, opposite)
            )

    def _ends(self, X: FloatArray) -> tuple[BoolArray, BoolArray]:
        """Return which numbers are at or beyond the ends of their distribution."""
        if self._is_normal:
            return self._least > X - _BOUND, self._most < X + _BOUND
        return self._least == X, self._most == X


def interpolation(points: FloatArray, values: FloatArray) -> Callable[[float], float]:
    """Return ``np.interp`` for one number, in a third of NumPy's time.

    On processors where NumPy multiplies and adds with a single rounding, it is NumPy's function.

    :param points: increasing numbers
    :param values: the value at each of them
    """
    known: list[float] = points.tolist()
    heights: list[float] = values.tolist()
    with np.errstate(all="ignore"):  # for equal points, between which there are no numbers
        slopes: list[float] = (np.diff(values) / np.diff(points)).tolist()
    last = len(known) - 1

    def interpolate(x: float) -> float:
        index = bisect_right(known, x) - 1
        if x != x or index < 0:
            return x if x != x else heights[0]
        if index >= last or known[index] == x:
            return heights[min(index, last)]
        return slopes[index] * (x - known[index]) + heights[index]

    samples = points[:-1] + np.diff(points) / 3
    if [interpolate(x) for x in samples.tolist()] == np.interp(samples, points, values).tolist():
        return interpolate
    return lambda x: float(np.interp(x, points, values))
