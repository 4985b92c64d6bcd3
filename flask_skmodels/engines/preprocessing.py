"""Lean forms of ``sklearn.preprocessing``."""

from __future__ import annotations

from typing import Any

from sklearn.preprocessing import StandardScaler

from flask_skmodels.engines.forms import Compiler, Methods, doubles, lean_form


@lean_form(StandardScaler)
def standard_scaler(scaler: StandardScaler, compiler: Compiler) -> Methods:
    mean = scaler.mean_ if scaler.with_mean else None
    scale = scaler.scale_ if scaler.with_std else None

    def transform(X: Any) -> Any:
        X = doubles(X)
        X = X.copy() if mean is None else X - mean
        if scale is not None:
            X /= scale
        return X

    return {"transform": transform}
