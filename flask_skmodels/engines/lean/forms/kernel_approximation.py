"""Lean forms of ``sklearn.kernel_approximation``."""

from __future__ import annotations

import numpy as np
from sklearn.kernel_approximation import RBFSampler

from flask_skmodels.engines.lean.compiler import Compiler, Methods, doubles, finite, lean_form
from flask_skmodels.engines.lean.containers import SparseRows
from flask_skmodels.schema.types import ModelInput, ModelOutput


@lean_form(RBFSampler)
def rbf_sampler(sampler: RBFSampler, compiler: Compiler) -> Methods:
    weights, offset = sampler.random_weights_, sampler.random_offset_
    factor = (2.0 / sampler.n_components) ** 0.5

    def transform(X: ModelInput) -> ModelOutput:
        features = X.to_csr().dot(weights) if isinstance(X, SparseRows) else doubles(X) @ weights
        features += offset
        finite(features)
        np.cos(features, features)
        features *= factor
        return features

    return {"transform": transform}
