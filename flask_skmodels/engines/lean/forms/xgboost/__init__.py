"""Lean forms of XGBoost: ``sklearn_api``, and ``xgboost_trees`` for a few rows.

The compiler imports this package when it first needs it, so the package imports the forms.
"""

from flask_skmodels.engines.lean.forms.xgboost import sklearn_api

__all__ = ["sklearn_api"]
