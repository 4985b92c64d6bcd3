"""Lean forms of ``sklearn.decomposition``."""

from __future__ import annotations

from math import log

import numpy as np
from scipy import linalg
from sklearn.decomposition import PCA, FactorAnalysis, FastICA, IncrementalPCA, TruncatedSVD
from sklearn.utils.extmath import fast_logdet

from flask_skmodels.engines.lean.compiler import (
    Compiler,
    Methods,
    as_row,
    doubles,
    finite,
    lean_form,
)
from flask_skmodels.engines.lean.containers import SparseRows
from flask_skmodels.engines.lean.forms.linear_model import linear_predictor
from flask_skmodels.schema.types import Estimator, FloatArray, ModelInput, ModelOutput


@lean_form(PCA, IncrementalPCA)
def pca(estimator: Estimator, compiler: Compiler) -> Methods:
    components = estimator.components_.T
    mean = as_row(estimator.mean_) @ components
    scale = np.sqrt(as_row(estimator.explained_variance_)) if estimator.whiten else None
    if scale is not None:
        smallest = np.finfo(scale.dtype).eps
        scale[scale < smallest] = smallest

    def transform(X: ModelInput) -> FloatArray:
        projected: FloatArray = finite(doubles(X)) @ components
        projected -= mean
        if scale is not None:
            projected /= scale
        return projected

    return {"transform": transform} | (_likelihood(estimator) if type(estimator) is PCA else {})


def _likelihood(estimator: PCA) -> Methods:
    mean, precision = estimator.mean_, estimator.get_precision()
    offset = 0.5 * (len(mean) * log(2.0 * np.pi) - fast_logdet(precision))

    def score_samples(X: ModelInput) -> FloatArray:
        X = finite(doubles(X)) - mean
        scores: FloatArray = -0.5 * np.sum(X * (X @ precision), axis=1)
        scores -= offset
        return scores

    return {"score_samples": score_samples}


@lean_form(TruncatedSVD)
def truncated_svd(estimator: TruncatedSVD, compiler: Compiler) -> Methods:
    components = estimator.components_.T
    project = linear_predictor(components, 0.0)

    def transform(X: ModelInput) -> ModelOutput:
        return project(X) if isinstance(X, SparseRows) else finite(doubles(X)) @ components

    return {"transform": transform}


@lean_form(FastICA)
def fast_ica(estimator: FastICA, compiler: Compiler) -> Methods:
    components = estimator.components_.T
    mean = estimator.mean_ if estimator.whiten else None

    def transform(X: ModelInput) -> ModelOutput:
        X = finite(doubles(X))
        return np.dot(X if mean is None else X - mean, components)

    return {"transform": transform}


@lean_form(FactorAnalysis)
def factor_analysis(estimator: FactorAnalysis, compiler: Compiler) -> Methods:
    mean, components = estimator.mean_, estimator.components_
    weights = components / estimator.noise_variance_
    covariance = linalg.inv(np.eye(len(components)) + np.dot(weights, components.T))

    def transform(X: ModelInput) -> ModelOutput:
        return np.dot(np.dot(finite(doubles(X)) - mean, weights.T), covariance)

    return {"transform": transform}
