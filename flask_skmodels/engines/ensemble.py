"""Lean forms of ``sklearn.ensemble``."""

from flask_skmodels.engines import boosting, combined, forests, histograms

__all__ = ["boosting", "combined", "forests", "histograms"]
