"""Lean forms of ``sklearn.preprocessing``, in the files of its kinds of transformers."""

from flask_skmodels.engines.lean.forms.preprocessing import encoders, numeric, polynomial

__all__ = ["encoders", "numeric", "polynomial"]
