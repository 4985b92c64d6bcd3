"""Lean forms of ``sklearn.frozen``."""

from __future__ import annotations

from sklearn.frozen import FrozenEstimator

from flask_skmodels.engines.lean.compiler import Compiler, Methods, lean_form


@lean_form(FrozenEstimator)
def frozen(estimator: FrozenEstimator, compiler: Compiler) -> Methods:
    """Return the methods of the inner estimator."""
    return compiler.methods(estimator.estimator)
