"""The lean form of polynomial features."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import PolynomialFeatures

from flask_skmodels.engines.lean.compiler import (
    Compiler,
    Decline,
    Methods,
    doubles,
    finite,
    lean_form,
)

_Terms = tuple[slice, NDArray[np.intp], NDArray[np.intp]]


@lean_form(PolynomialFeatures)
def polynomial_features(transformer: PolynomialFeatures, compiler: Compiler) -> Methods:
    """Each term of a degree as one of the degree below times a feature, a degree at once."""
    if transformer._max_degree < 1:
        raise Decline("it has no term but the constant one")
    width, bias = transformer.n_features_in_, int(transformer.include_bias)
    terms = _terms(transformer, width, bias)
    count, order = transformer._n_out_full, transformer.order
    left_out = count - transformer.n_output_features_

    def transform(X: Any) -> NDArray[np.float64]:
        X = finite(doubles(X))
        found = np.empty((len(X), count), order=order)
        found[:, :bias] = 1
        found[:, bias : bias + width] = X
        for place, below, features in terms:
            found[:, place] = found[:, below] * X[:, features]
        return _without(found, left_out, bias) if left_out else found

    return {"transform": transform}


def _without(found: NDArray[np.float64], left_out: int, bias: int) -> NDArray[np.float64]:
    """Return the terms without those of the lowest degrees."""
    if not bias:
        return np.array(found[:, left_out:], copy=True)
    kept = np.empty_like(found, shape=(len(found), found.shape[1] - left_out))
    kept[:, 0] = 1
    kept[:, 1:] = found[:, left_out + 1 :]
    return kept


def _terms(transformer: PolynomialFeatures, width: int, bias: int) -> list[_Terms]:
    """Return for each degree from two on which terms are made, and of which two factors each."""
    index = [*range(bias, bias + width), bias + width]
    column, found = bias + width, []
    for _ in range(2, transformer._max_degree + 1):
        start, below, features = column, list[int](), list[int]()
        index_of_degree = []
        for feature in range(width):
            index_of_degree.append(column)
            first = index[feature + 1] if transformer.interaction_only else index[feature]
            more = range(first, index[-1])
            if not more:
                break
            below += more
            features += [feature] * len(more)
            column += len(more)
        index = [*index_of_degree, column]
        if column > start:
            found.append((slice(start, column), np.array(below), np.array(features)))
    return found
