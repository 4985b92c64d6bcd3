"""Lean forms of XGBoost: its estimators, and their trees without XGBoost."""

from flask_skmodels.engines.lean.forms.xgboost import estimators

__all__ = ["estimators"]
