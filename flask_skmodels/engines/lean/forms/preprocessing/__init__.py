"""Lean forms of ``sklearn.preprocessing``, one module for each kind of transformer.

The compiler imports this package at first use, so it imports all of them.
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
