"""Lean forms of ``sklearn.random_projection``."""

from __future__ import annotations

from sklearn.random_projection import GaussianRandomProjection

from flask_skmodels.engines.lean.compiler import Compiler, Methods, doubles, finite, lean_form


@lean_form(GaussianRandomProjection)
def gaussian_random_projection(projection: GaussianRandomProjection, compiler: Compiler) -> Methods:
    components = projection.components_.T
    return {"transform": lambda X: finite(doubles(X) @ components)}
