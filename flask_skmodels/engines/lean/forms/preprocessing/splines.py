"""The lean form of ``SplineTransformer``.

scikit-learn calls each spline three times for one row: for the value, and for both ends of its
range. Here the ends are computed once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.interpolate import BSpline
from sklearn.preprocessing import SplineTransformer

from flask_skmodels.engines.lean.compiler import (
    Compiler,
    Decline,
    Methods,
    as_row,
    doubles,
    finite,
    lean_form,
)
from flask_skmodels.schema.types import FloatArray, ModelInput

try:
    from scipy.interpolate import _dierckx
except ImportError:  # before scipy 1.16
    _dierckx = None

Evaluate = Callable[[FloatArray], FloatArray]


@lean_form(SplineTransformer)
def spline_transformer(transformer: SplineTransformer, compiler: Compiler) -> Methods:
    if transformer.sparse_output or getattr(transformer, "handle_missing", "error") != "error":
        raise Decline("its output is sparse, or it takes missing values")
    make = _EXTRAPOLATIONS.get(transformer.extrapolation)
    if make is None:
        raise Decline("its extrapolation has no lean form")
    splines, degree = transformer.bsplines_, transformer.degree
    if degree < 2 and make not in (_continued, _periodic):
        raise Decline("its degree is below 2")
    columns = [make(spline, degree) for spline in splines]
    count, order = splines[0].c.shape[1], transformer.order
    bounds = _bounds(columns)
    starts = range(0, count * len(splines), count)
    kept = None
    if not transformer.include_bias:  # each column lacks its last spline
        kept = [index for index in range(count * len(splines)) if (index + 1) % count]

    def transform(X: ModelInput) -> FloatArray:
        X = finite(doubles(X))
        result = np.zeros((len(X), count * len(columns)), order=order)
        if bounds is not None and ((bounds[0] <= X) & (bounds[1] >= X)).all():
            for index, (start, column) in enumerate(zip(starts, columns, strict=True)):
                result[:, start : start + count] = column.evaluate(X[:, index])
        else:
            for index, (start, fill) in enumerate(zip(starts, columns, strict=True)):
                fill(X[:, index], result[:, start : start + count])
        return result if kept is None else result[:, kept]

    return {"transform": transform}


def _evaluation(spline: BSpline) -> Evaluate:
    """Return a function for the values of a spline, of shape (numbers, splines).

    It calls scipy's private function where there is one, because ``BSpline`` takes several times
    as long for a single number.
    """
    evaluate = getattr(_dierckx, "evaluate_spline", None)
    if evaluate is None or spline.c.ndim != 2 or spline.c.dtype != np.float64:
        native: Evaluate = spline
        return native
    knots, weights = (np.ascontiguousarray(part) for part in (spline.t, spline.c))
    degree, goes_on = spline.k, bool(spline.extrapolate)

    def values(x: FloatArray) -> FloatArray:
        found: FloatArray = evaluate(knots, weights, degree, np.ascontiguousarray(x), 0, goes_on)
        return found

    return values


def _continued(spline: BSpline, degree: int) -> Any:
    evaluate = _evaluation(spline)

    def fill(x: FloatArray, result: FloatArray) -> None:
        result[:] = evaluate(x)

    return fill


def _periodic(spline: BSpline, degree: int) -> Any:
    evaluate = _evaluation(spline)
    start, width = spline.t[spline.k], spline.t[-spline.k - 1] - spline.t[spline.k]

    def fill(x: FloatArray, result: FloatArray) -> None:
        result[:] = evaluate(start + (x - start) % width if width > 0 else np.zeros_like(x))

    return fill


class _Bounded:
    """A spline whose values outside its range are extrapolated from the values at its ends.

    :param spline: the spline
    :param degree: its degree
    :ivar evaluate: a function that returns the values inside the range
    """

    def __init__(self, spline: BSpline, degree: int) -> None:
        self.evaluate = _evaluation(spline)
        self.low, self.high = spline.t[degree], spline.t[-degree - 1]
        self.at_low, self.at_high = spline(self.low), spline(self.high)

    def __call__(self, x: FloatArray, result: FloatArray) -> None:
        """Write the values for numbers into an array of shape (numbers, splines)."""
        is_inside = (self.low <= x) & (x <= self.high)
        if is_inside.all():
            result[:] = self.evaluate(x)
            return
        if is_inside.any():
            result[is_inside] = self.evaluate(x[is_inside])
        below, above = x < self.low, x > self.high
        result[below] = self.below(x[below])
        result[above] = self.above(x[above])

    def below(self, x: FloatArray) -> FloatArray:
        """Return the values for numbers below the range."""
        raise NotImplementedError

    def above(self, x: FloatArray) -> FloatArray:
        """Return the values for numbers above the range."""
        raise NotImplementedError


class _Constant(_Bounded):
    """A spline that keeps the value at its end: only the first or the last splines are not zero."""

    def __init__(self, spline: BSpline, degree: int) -> None:
        super().__init__(spline, degree)
        self._first: FloatArray = np.zeros(self.at_low.shape)
        self._last: FloatArray = np.zeros(self.at_low.shape)
        self._first[:degree] = self.at_low[:degree]
        self._last[-degree:] = self.at_high[-degree:]

    def below(self, x: FloatArray) -> FloatArray:
        return self._first

    def above(self, x: FloatArray) -> FloatArray:
        return self._last


class _Linear(_Bounded):
    """A spline that continues as a straight line."""

    def __init__(self, spline: BSpline, degree: int) -> None:
        super().__init__(spline, degree)
        self._slopes = spline(self.low, nu=1), spline(self.high, nu=1)
        self._count = degree

    def below(self, x: FloatArray) -> FloatArray:
        result = np.zeros((len(x), *self.at_low.shape))
        first = slice(0, self._count)
        distance = (x - self.low)[:, np.newaxis]
        result[:, first] = self.at_low[first] + distance * self._slopes[0][first]
        return result

    def above(self, x: FloatArray) -> FloatArray:
        result = np.zeros((len(x), *self.at_high.shape))
        last = slice(-self._count, None)
        distance = (x - self.high)[:, np.newaxis]
        result[:, last] = self.at_high[last] + distance * self._slopes[1][last]
        return result


def _bounds(columns: list[Any]) -> tuple[FloatArray, FloatArray] | None:
    """Return the ends of the ranges of all columns, None if the splines continue outside them."""
    if not all(isinstance(column, _Bounded) for column in columns):
        return None
    return as_row(np.array([c.low for c in columns])), as_row(np.array([c.high for c in columns]))


_EXTRAPOLATIONS: dict[str, Callable[[BSpline, int], Any]] = {
    "constant": _Constant,
    "continue": _continued,
    "linear": _Linear,
    "periodic": _periodic,
}
