"""The lean form of ``PolynomialFeatures``."""

from __future__ import annotations

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
from flask_skmodels.schema.types import FloatArray, ModelInput

_Terms = tuple[slice, NDArray[np.intp], NDArray[np.intp]]


@lean_form(PolynomialFeatures)
def polynomial_features(transformer: PolynomialFeatures, compiler: Compiler) -> Methods:
    """Compute the terms of one degree at a time, as terms of the degree below times a feature."""
    if transformer._max_degree < 1:
        raise Decline("its degree is 0")
    width, bias = transformer.n_features_in_, int(transformer.include_bias)
    terms = _terms(transformer, width, bias)
    count, order = transformer._n_out_full, transformer.order
    left_out = count - transformer.n_output_features_

    def transform(X: ModelInput) -> FloatArray:
        X = finite(doubles(X))
        columns = np.empty((len(X), count), order=order)
        columns[:, :bias] = 1
        columns[:, bias : bias + width] = X
        for terms_of_degree, below, features in terms:
            columns[:, terms_of_degree] = columns[:, below] * X[:, features]
        return _without_low_degrees(columns, left_out, bias) if left_out else columns

    return {"transform": transform}


def _without_low_degrees(columns: FloatArray, left_out: int, bias: int) -> FloatArray:
    """Return the terms without those of the lowest degrees."""
    if not bias:
        return np.array(columns[:, left_out:], copy=True)
    kept = np.empty_like(columns, shape=(len(columns), columns.shape[1] - left_out))
    kept[:, 0] = 1
    kept[:, 1:] = columns[:, left_out + 1 :]
    return kept


def _terms(transformer: PolynomialFeatures, width: int, bias: int) -> list[_Terms]:
    """Return, for each degree of at least 2, its columns and the two factors of each term."""
    index = [*range(bias, bias + width), bias + width]
    column, terms = bias + width, []
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
            terms.append((slice(start, column), np.array(below), np.array(features)))
    return terms
