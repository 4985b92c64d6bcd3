"""Lean forms of ``sklearn.mixture``."""

from __future__ import annotations

from collections.abc import Callable
from math import log, pi
from typing import Any

import numpy as np
from scipy.special import digamma
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.mixture._gaussian_mixture import _compute_log_det_cholesky
from sklearn.utils.extmath import row_norms

from flask_skmodels.engines.lean.compiler import Call, Compiler, Methods, doubles, finite, lean_form
from flask_skmodels.engines.lean.forms.naive_bayes import log_of_sum
from flask_skmodels.schema.types import Estimator, FloatArray, ModelInput

OfRows = Callable[[FloatArray], FloatArray]


@lean_form(GaussianMixture)
def gaussian_mixture(estimator: GaussianMixture, compiler: Compiler) -> Methods:
    log_density, weights = _log_density(estimator), np.log(estimator.weights_)
    return _methods(lambda X: log_density(X) + weights)


@lean_form(BayesianGaussianMixture)
def bayesian_mixture(estimator: BayesianGaussianMixture, compiler: Compiler) -> Methods:
    log_density, weights = _log_density(estimator), estimator._estimate_log_weights()
    width, freedom = estimator.means_.shape[1], estimator.degrees_of_freedom_
    less = 0.5 * width * np.log(freedom)
    columns = np.arange(0, width)[:, np.newaxis]
    log_lambda = width * np.log(2.0) + np.sum(digamma(0.5 * (freedom - columns)), 0)
    more = 0.5 * (log_lambda - width / estimator.mean_precision_)
    return _methods(lambda X: log_density(X) - less + more + weights)


def _methods(weighted: Call) -> Methods:
    """Return the methods of a mixture.

    :param weighted: a function for the weighted log density of each component
    """

    def predict_proba(X: ModelInput) -> FloatArray:
        scores = weighted(X)
        with np.errstate(under="ignore"):
            probabilities: FloatArray = np.exp(scores - log_of_sum(scores))
        return probabilities

    return {
        "predict": lambda X: np.argmax(weighted(X), axis=1),
        "predict_proba": predict_proba,
        "score_samples": lambda X: log_of_sum(weighted(X))[:, 0],
    }


def _log_density(estimator: Estimator) -> Call:
    """Return a function for the log density of each component, of shape (rows, components)."""
    kind, means, roots = (
        estimator.covariance_type,
        estimator.means_,
        estimator.precisions_cholesky_,
    )
    width = means.shape[1]
    determinants = _compute_log_det_cholesky(roots, kind, width)
    distances = _DISTANCES[kind](means, roots)
    constant = width * log(2 * pi)

    def log_density(X: ModelInput) -> FloatArray:
        density: FloatArray = -0.5 * (constant + distances(finite(doubles(X)))) + determinants
        return density

    return log_density


def _full(means: FloatArray, roots: FloatArray) -> OfRows:
    return _each([roots[index, :, :] for index in range(len(means))], means)


def _tied(means: FloatArray, roots: FloatArray) -> OfRows:
    return _each([roots] * len(means), means)


def _each(roots: list[Any], means: FloatArray) -> OfRows:
    """Return a function for the distances to components that each have their own precision."""
    parts = [(root, mean @ root) for root, mean in zip(roots, means, strict=True)]

    def distances(X: FloatArray) -> FloatArray:
        result = np.empty((len(X), len(parts)))
        for index, (root, centre) in enumerate(parts):
            scaled = (X @ root) - centre
            result[:, index] = np.sum(np.square(scaled), axis=1)
        return result

    return distances


def _diagonal(means: FloatArray, roots: FloatArray) -> OfRows:
    precisions = roots**2
    constant = np.sum((means**2 * precisions), axis=1)
    weights, transposed = (means * precisions).T, precisions.T
    return lambda X: constant - 2.0 * (X @ weights) + (X**2 @ transposed)


def _spherical(means: FloatArray, roots: FloatArray) -> OfRows:
    precisions = roots**2
    constant, transposed = np.sum(means**2, axis=1) * precisions, means.T

    def distances(X: FloatArray) -> FloatArray:
        outer = np.linalg.outer(row_norms(X, squared=True), precisions)
        result: FloatArray = constant - 2 * (X @ transposed * precisions) + outer
        return result

    return distances


_DISTANCES = {"full": _full, "tied": _tied, "diag": _diagonal, "spherical": _spherical}
