"""Lean forms of ``sklearn.preprocessing``, one module for each kind of transformer.

The compiler imports this package when it first needs it, so the package imports all its modules.
"""

from flask_skmodels.engines.lean.forms.preprocessing import (
    discretization,
    distributions,
    encoders,
    function_transformer,
    polynomial,
    scalers,
    splines,
)

__all__ = [
    "discretization",
    "distributions",
    "encoders",
    "function_transformer",
    "polynomial",
    "scalers",
    "splines",
]
