"""Lean forms of ``PowerTransformer`` and ``QuantileTransformer``."""

from __future__ import annotations

import numpy as np
from scipy.special import boxcox
from scipy.stats import yeojohnson
from sklearn.preprocessing import PowerTransformer, QuantileTransformer

from flask_skmodels.engines.lean.compiler import (
    Compiler,
    Decline,
    Methods,
    doubles,
    finite_or_missing,
    lean_form,
)
from flask_skmodels.schema.types import ModelInput, ModelOutput


@lean_form(PowerTransformer)
def power_transformer(transformer: PowerTransformer, compiler: Compiler) -> Methods:
    """Call the same function as scikit-learn for each column: scipy's, or before 1.8 its own."""
    native = getattr(transformer, "_yeo_johnson_transform", yeojohnson)
    function = boxcox if transformer.method == "box-cox" else native
    needs_positive = transformer.method == "box-cox"
    powers = transformer.lambdas_.tolist()
    standardize = None
    if transformer.standardize:
        standardize = compiler.methods(transformer._scaler)["transform"]

    def transform(X: ModelInput) -> ModelOutput:
        X = finite_or_missing(doubles(X)).copy(order="K")
        if needs_positive and not np.nanmin(X) > 0:
            raise Decline("a value is not positive")
        for index, power in enumerate(powers):
            X[:, index] = function(X[:, index], power)
        return X if standardize is None else standardize(X)

    return {"transform": transform}


@lean_form(QuantileTransformer)
def quantile_transformer(transformer: QuantileTransformer, compiler: Compiler) -> Methods:
    """Call scikit-learn's private function, which does not check its input."""

    def transform(X: ModelInput) -> ModelOutput:
        X = finite_or_missing(doubles(X)).copy(order="K")
        return transformer._transform(X, inverse=False)

    return {"transform": transform}
