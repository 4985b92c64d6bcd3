"""Lean forms of ``sklearn.ensemble``, in the files of its kinds of ensembles."""

from flask_skmodels.engines.lean.forms.ensemble import (
    boosting,
    forests,
    histogram_boosting,
    meta_estimators,
)

__all__ = ["boosting", "forests", "histogram_boosting", "meta_estimators"]
