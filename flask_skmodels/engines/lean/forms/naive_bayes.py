"""Lean forms of ``sklearn.naive_bayes``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB

from flask_skmodels.engines.lean.compiler import (
    Call,
    Compiler,
    Decline,
    Methods,
    doubles,
    finite,
    lean_form,
)
from flask_skmodels.engines.lean.containers import Csr, Sparse

Doubles = NDArray[np.float64]


@lean_form(GaussianNB)
def gaussian(estimator: GaussianNB, compiler: Compiler) -> Methods:
    means, variances = estimator.theta_, estimator.var_
    priors = [np.log(prior) for prior in estimator.class_prior_]
    norms = [-0.5 * np.sum(np.log(2.0 * np.pi * variance)) for variance in variances]
    priors_of_row, norms_of_row = np.array(priors), np.array(norms)

    def of_row(X: Doubles) -> Doubles:
        distances = np.sum((X - means) ** 2 / variances, axis=1)
        scores: Doubles = (priors_of_row + (norms_of_row - 0.5 * distances)).reshape(1, -1)
        return scores

    def joint(X: Any) -> Doubles:
        X = finite(doubles(X))
        if len(X) == 1:
            return of_row(X)
        classes = zip(means, variances, priors, norms, strict=True)
        return np.stack(
            [
                prior + (norm - 0.5 * np.sum((X - mean) ** 2 / variance, axis=1))
                for mean, variance, prior, norm in classes
            ]
        ).T

    return _of_likelihoods(joint, estimator.classes_)


@lean_form(MultinomialNB)
def multinomial(estimator: MultinomialNB, compiler: Compiler) -> Methods:
    product, prior = _product(estimator.feature_log_prob_.T), estimator.class_log_prior_
    return _of_likelihoods(lambda X: product(X) + prior, estimator.classes_)


@lean_form(ComplementNB)
def complement(estimator: ComplementNB, compiler: Compiler) -> Methods:
    if len(estimator.classes_) == 1:
        raise Decline("it knows one class alone")
    return _of_likelihoods(_product(estimator.feature_log_prob_.T), estimator.classes_)


@lean_form(BernoulliNB)
def bernoulli(estimator: BernoulliNB, compiler: Compiler) -> Methods:
    threshold = estimator.binarize
    negative = np.log(1 - np.exp(estimator.feature_log_prob_))
    weights = (estimator.feature_log_prob_ - negative).T
    prior = estimator.class_log_prior_ + negative.sum(axis=1)
    product = _product(weights)

    def joint(X: Any) -> Doubles:
        if threshold is not None:
            X = _above(threshold, X)
        scores: Doubles = product(X)
        scores += prior
        return scores

    return _of_likelihoods(joint, estimator.classes_)


@lean_form(CategoricalNB)
def categorical(estimator: CategoricalNB, compiler: Compiler) -> Methods:
    tables = [table.T.copy() for table in estimator.feature_log_prob_]
    shape, prior = (len(estimator.classes_),), estimator.class_log_prior_

    def joint(X: Any) -> Doubles:
        codes = finite(doubles(X)).astype(np.intp)
        if (codes < 0).any():
            raise Decline("a category is negative")
        scores = np.zeros((len(codes), *shape))
        for place, table in enumerate(tables):
            scores += table[codes[:, place]]
        total: Doubles = scores + prior
        return total

    return _of_likelihoods(joint, estimator.classes_)


def _above(threshold: float, X: Any) -> Any:
    """Return where numbers are above a threshold, as ones and zeros."""
    if type(X) not in Sparse:
        return (finite(doubles(X)) > threshold).astype(np.float64)
    if threshold < 0:
        raise Decline("the zeros of a sparse matrix are above its threshold")
    rows: Csr = X.csr()
    data = (finite(rows.data) > threshold).astype(np.float64)
    return Csr(data, rows.indices, rows.indptr, rows.shape)


def _product(weights: Doubles) -> Call:
    def product(X: Any) -> Doubles:
        if type(X) in Sparse:
            rows: Csr = X.csr()
            finite(rows.data)
            return rows.dot(weights)
        found: Doubles = finite(doubles(X)) @ weights
        return found

    return product


def _of_likelihoods(joint: Call, classes: NDArray[Any]) -> Methods:
    """Return the methods of a classifier from its joint log likelihoods of rows and classes."""

    def log_probabilities(X: Any) -> Any:
        scores = joint(X)
        return scores - _log_of_sum(scores)

    return {
        "predict": lambda X: classes[joint(X).argmax(axis=1)],
        "predict_log_proba": log_probabilities,
        "predict_proba": lambda X: np.exp(log_probabilities(X)),
    }


def _log_of_sum(scores: Doubles) -> Doubles:
    """Return the logarithm of the sum of the exponentials of each row, of shape (rows, 1)."""
    largest = scores.max(axis=1, keepdims=True)
    is_largest = scores == largest
    others = scores.copy(order="K")
    others[is_largest] = -np.inf
    count = is_largest.astype(np.float64).sum(axis=1, keepdims=True)
    shift = np.where(np.isfinite(largest), largest, 0)
    rest = np.exp(others - shift).sum(axis=1, keepdims=True)
    rest = np.where(rest == 0, rest, rest / count)
    found: Doubles = np.log1p(rest) + np.log(count) + largest
    return found
