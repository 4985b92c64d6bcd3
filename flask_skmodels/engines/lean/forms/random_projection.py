"""Lean forms of ``sklearn.random_projection``."""

from __future__ import annotations

from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection

from flask_skmodels.engines.lean.compiler import Compiler, Methods, doubles, finite, lean_form
from flask_skmodels.engines.lean.containers import to_csr
from flask_skmodels.schema.types import ModelInput, ModelOutput


@lean_form(GaussianRandomProjection)
def gaussian_random_projection(projection: GaussianRandomProjection, compiler: Compiler) -> Methods:
    components = projection.components_.T
    return {"transform": lambda X: finite(doubles(X) @ components)}


@lean_form(SparseRandomProjection)
def sparse_random_projection(projection: SparseRandomProjection, compiler: Compiler) -> Methods:
    """Multiply the sparse components with dense rows, which scipy does in the same order."""
    components = to_csr(projection.components_)

    def transform(X: ModelInput) -> ModelOutput:
        return components.dot(finite(doubles(X)).T).T

    return {"transform": transform}
