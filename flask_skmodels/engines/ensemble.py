"""Lean forms of ``sklearn.ensemble``."""

from flask_skmodels.engines import forests

__all__ = ["forests"]
