"""Lean forms of ``sklearn.ensemble``, one module for each kind of ensemble.

The compiler imports this package when it first needs it, so the package imports all its modules.
"""

from flask_skmodels.engines.lean.forms.ensemble import (
    ada_boost,
    bagging,
    forest,
    gradient_boosting,
    hist_gradient_boosting,
    stacking,
    voting,
)

__all__ = [
    "ada_boost",
    "bagging",
    "forest",
    "gradient_boosting",
    "hist_gradient_boosting",
    "stacking",
    "voting",
]
