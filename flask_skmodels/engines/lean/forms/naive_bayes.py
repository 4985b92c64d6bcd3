"""Lean forms of ``sklearn.naive_bayes``."""

from __future__ import annotations

import numpy as np
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
from flask_skmodels.engines.lean.containers import Csr, SparseRows
from flask_skmodels.engines.lean.installed import HAS_SCIPY_1_15
from flask_skmodels.schema.types import Array, FloatArray, ModelInput, ModelOutput


@lean_form(GaussianNB)
def gaussian_nb(estimator: GaussianNB, compiler: Compiler) -> Methods:
    means, variances = estimator.theta_, estimator.var_
    priors = [np.log(prior) for prior in estimator.class_prior_]
    norms = [-0.5 * np.sum(np.log(2.0 * np.pi * variance)) for variance in variances]
    priors_of_row, norms_of_row = np.array(priors), np.array(norms)

    def joint_of_row(X: FloatArray) -> FloatArray:
        distances = np.sum((X - means) ** 2 / variances, axis=1)
        scores: FloatArray = (priors_of_row + (norms_of_row - 0.5 * distances)).reshape(1, -1)
        return scores

    def joint(X: ModelInput) -> FloatArray:
        X = finite(doubles(X))
        if len(X) == 1:
            return joint_of_row(X)
        classes = zip(means, variances, priors, norms, strict=True)
        return np.stack(
            [
                prior + (norm - 0.5 * np.sum((X - mean) ** 2 / variance, axis=1))
                for mean, variance, prior, norm in classes
            ]
        ).T

    return _methods_of_joint(joint, estimator.classes_)


@lean_form(MultinomialNB)
def multinomial_nb(estimator: MultinomialNB, compiler: Compiler) -> Methods:
    product, prior = _product(estimator.feature_log_prob_.T), estimator.class_log_prior_
    return _methods_of_joint(lambda X: product(X) + prior, estimator.classes_)


@lean_form(ComplementNB)
def complement_nb(estimator: ComplementNB, compiler: Compiler) -> Methods:
    if len(estimator.classes_) == 1:
        raise Decline("it was fitted on a single class")
    return _methods_of_joint(_product(estimator.feature_log_prob_.T), estimator.classes_)


@lean_form(BernoulliNB)
def bernoulli_nb(estimator: BernoulliNB, compiler: Compiler) -> Methods:
    threshold = estimator.binarize
    negative = np.log(1 - np.exp(estimator.feature_log_prob_))
    weights = (estimator.feature_log_prob_ - negative).T
    prior = estimator.class_log_prior_ + negative.sum(axis=1)
    product = _product(weights)

    def joint(X: ModelInput) -> FloatArray:
        if threshold is not None:
            X = _binarized(threshold, X)
        scores: FloatArray = product(X)
        scores += prior
        return scores

    return _methods_of_joint(joint, estimator.classes_)


@lean_form(CategoricalNB)
def categorical_nb(estimator: CategoricalNB, compiler: Compiler) -> Methods:
    tables = [table.T.copy() for table in estimator.feature_log_prob_]
    shape, prior = (len(estimator.classes_),), estimator.class_log_prior_

    def joint(X: ModelInput) -> FloatArray:
        codes = finite(doubles(X)).astype(np.intp)
        if (codes < 0).any():
            raise Decline("a category is negative")
        scores = np.zeros((len(codes), *shape))
        for index, table in enumerate(tables):
            scores += table[codes[:, index]]
        total: FloatArray = scores + prior
        return total

    return _methods_of_joint(joint, estimator.classes_)


def _binarized(threshold: float, X: ModelInput) -> ModelOutput:
    """Return ones for the numbers above a threshold, zeros for the others."""
    if not isinstance(X, SparseRows):
        return (finite(doubles(X)) > threshold).astype(np.float64)
    if threshold < 0:
        raise Decline("the threshold is negative and X is sparse")
    rows: Csr = X.to_csr()
    data = (finite(rows.data) > threshold).astype(np.float64)
    return Csr(data, rows.indices, rows.indptr, rows.shape)


def _product(weights: FloatArray) -> Call:
    def product(X: ModelInput) -> FloatArray:
        if isinstance(X, SparseRows):
            rows: Csr = X.to_csr()
            finite(rows.data)
            return rows.dot(weights)
        dense: FloatArray = finite(doubles(X)) @ weights
        return dense

    return product


def _methods_of_joint(joint: Call, classes: Array) -> Methods:
    """Return the methods of a classifier.

    :param joint: a function for the joint log likelihoods, of shape (rows, classes)
    :param classes: the labels
    """

    def log_probabilities(X: ModelInput) -> ModelOutput:
        scores = joint(X)
        return scores - log_of_sum(scores)

    return {
        "predict": lambda X: classes[joint(X).argmax(axis=1)],
        "predict_log_proba": log_probabilities,
        "predict_proba": lambda X: np.exp(log_probabilities(X)),
    }


def log_of_sum(scores: FloatArray) -> FloatArray:
    """Return the log of the sum of the exponentials of each row, of shape (rows, 1).

    This is scipy's ``logsumexp`` without its overhead, with the same order of operations.
    """
    largest = scores.max(axis=1, keepdims=True)
    if not HAS_SCIPY_1_15:
        shift = np.where(np.isfinite(largest), largest, 0)
        sums: FloatArray = np.exp(scores - shift).sum(axis=1, keepdims=True)
        return np.log(sums) + shift
    is_largest = scores == largest
    others = scores.copy(order="K")
    others[is_largest] = -np.inf
    count = is_largest.astype(np.float64).sum(axis=1, keepdims=True)
    shift = np.where(np.isfinite(largest), largest, 0)
    rest = np.exp(others - shift).sum(axis=1, keepdims=True)
    rest = np.where(rest == 0, rest, rest / count)
    total: FloatArray = np.log1p(rest) + np.log(count) + largest
    return total
