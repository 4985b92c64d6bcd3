"""Lean forms of ``sklearn.kernel_approximation``."""

from __future__ import annotations

import numpy as np
from scipy.fft import fft, ifft
from sklearn.kernel_approximation import (
    AdditiveChi2Sampler,
    Nystroem,
    PolynomialCountSketch,
    RBFSampler,
    SkewedChi2Sampler,
)

from flask_skmodels.engines.lean.compiler import (
    Compiler,
    Decline,
    Methods,
    doubles,
    finite,
    lean_form,
)
from flask_skmodels.engines.lean.containers import SparseRows
from flask_skmodels.engines.lean.pairwise import kernel
from flask_skmodels.schema.types import FloatArray, ModelInput, ModelOutput


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


@lean_form(Nystroem)
def nystroem(sampler: Nystroem, compiler: Compiler) -> Methods:
    options = dict(sampler.kernel_params or {})
    for name in ("gamma", "degree", "coef0"):
        if getattr(sampler, name) is not None:
            options[name] = getattr(sampler, name)
    kernel_of = kernel(sampler.kernel, sampler.components_, jobs=sampler.n_jobs, **options)
    weights = sampler.normalization_.T
    return {"transform": lambda X: kernel_of(finite(doubles(X))) @ weights}


@lean_form(SkewedChi2Sampler)
def skewed_chi2_sampler(sampler: SkewedChi2Sampler, compiler: Compiler) -> Methods:
    weights, offset = sampler.random_weights_, sampler.random_offset_
    skewedness, factor = sampler.skewedness, np.sqrt(2.0) / np.sqrt(sampler.n_components)

    def transform(X: ModelInput) -> ModelOutput:
        X = finite(doubles(X))
        if (-skewedness >= X).any():
            raise Decline("a value is too small")
        shifted = X + skewedness
        np.log(shifted, shifted)
        features = shifted @ weights
        features += offset
        np.cos(features, features)
        features *= factor
        return features

    return {"transform": transform}


_INTERVALS = {1: 0.8, 2: 0.5, 3: 0.4}  # for each number of steps


@lean_form(AdditiveChi2Sampler)
def additive_chi2_sampler(sampler: AdditiveChi2Sampler, compiler: Compiler) -> Methods:
    """Transform dense rows in scikit-learn's private function."""
    steps, interval = sampler.sample_steps, sampler.sample_interval
    if interval is None:
        interval = _INTERVALS[steps]

    def transform(X: ModelInput) -> ModelOutput:
        X = finite(doubles(X))
        if (X < 0).any():
            raise Decline("a value is negative")
        return sampler._transform_dense(X, steps, interval)

    return {"transform": transform}


@lean_form(PolynomialCountSketch)
def polynomial_count_sketch(sampler: PolynomialCountSketch, compiler: Compiler) -> Methods:
    factor, count = np.sqrt(sampler.gamma), sampler.n_components
    constant = np.sqrt(sampler.coef0)
    columns = list(zip(sampler.indexHash_, sampler.bitHash_, strict=True))

    def transform(X: ModelInput) -> FloatArray:
        scaled = factor * finite(doubles(X))
        if sampler.coef0 != 0:
            scaled = np.hstack([scaled, constant * np.ones((len(scaled), 1))])
        sketches = [
            [np.bincount(index, bits * row, minlength=count) for index, bits in columns]
            for row in scaled
        ]
        spectra = fft(np.array(sketches), axis=2, overwrite_x=True)
        data: FloatArray = np.real(ifft(np.prod(spectra, axis=1), overwrite_x=True))
        return data

    return {"transform": transform}
