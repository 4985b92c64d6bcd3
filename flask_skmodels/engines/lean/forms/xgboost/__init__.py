"""Lean forms of XGBoost: ``estimators``, and ``xgboost_trees`` for a few rows.

The compiler imports this package when it first needs it, so the package imports the forms.
"""

from flask_skmodels.engines.lean.forms.xgboost import estimators

__all__ = ["estimators"]
