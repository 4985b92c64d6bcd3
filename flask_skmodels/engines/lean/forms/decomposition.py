"""Lean forms of ``sklearn.decomposition``."""

from __future__ import annotations

from collections.abc import Callable
from math import log

import numpy as np
from scipy import linalg
from sklearn.decomposition import (
    NMF,
    PCA,
    DictionaryLearning,
    FactorAnalysis,
    FastICA,
    IncrementalPCA,
    KernelPCA,
    LatentDirichletAllocation,
    MiniBatchDictionaryLearning,
    MiniBatchNMF,
    MiniBatchSparsePCA,
    SparseCoder,
    SparsePCA,
    TruncatedSVD,
)
from sklearn.decomposition._cdnmf_fast import _update_cdnmf_fast
from sklearn.decomposition._dict_learning import _sparse_encode_precomputed
from sklearn.decomposition._lda import _update_doc_distribution
from sklearn.linear_model import ridge_regression
from sklearn.linear_model._omp import _gram_omp
from sklearn.utils.extmath import fast_logdet

from flask_skmodels.engines.lean.compiler import (
    Compiler,
    Decline,
    Methods,
    as_row,
    doubles,
    finite,
    lean_form,
)
from flask_skmodels.engines.lean.containers import SparseRows
from flask_skmodels.engines.lean.forms.linear_model import linear_predictor
from flask_skmodels.engines.lean.pairwise import kernel, of_doubles
from flask_skmodels.schema.tabular import to_sklearn
from flask_skmodels.schema.types import (
    Estimator,
    EstimatorInput,
    FloatArray,
    Keywords,
    ModelInput,
    ModelOutput,
)

OfRows = Callable[[FloatArray], FloatArray]


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


@lean_form(KernelPCA)
def kernel_pca(estimator: KernelPCA, compiler: Compiler) -> Methods:
    options = {"degree": estimator.degree, "coef0": estimator.coef0}
    options["gamma"] = estimator.gamma_
    kernel_of = kernel(estimator.kernel, estimator.X_fit_, jobs=estimator.n_jobs, **options)
    project = kernel_projection(estimator)
    return {"transform": lambda X: project(kernel_of(finite(doubles(X))))}


def kernel_projection(estimator: KernelPCA) -> OfRows:
    """Return a function that centers a kernel matrix, which it overwrites, and projects it."""
    centerer = estimator._centerer
    rows, total = centerer.K_fit_rows_, centerer.K_fit_all_
    values, vectors = estimator.eigenvalues_, estimator.eigenvectors_
    non_zeros = np.flatnonzero(values)
    weights = np.zeros_like(vectors)
    weights[:, non_zeros] = vectors[:, non_zeros] / np.sqrt(values[non_zeros])

    def project(K: FloatArray) -> FloatArray:
        means = (np.sum(finite(K), axis=1) / rows.shape[0])[:, None]
        K -= rows
        K -= means
        K += total
        projected: FloatArray = np.dot(K, weights)
        return projected

    return project


@lean_form(SparsePCA, MiniBatchSparsePCA)
def sparse_pca(estimator: Estimator, compiler: Compiler) -> Methods:
    """Solve the ridge regression of scikit-learn, whose matrix is the same at each call."""
    mean, columns = estimator.mean_, np.ascontiguousarray(estimator.components_.T)
    count = columns.shape[1]
    if count > columns.shape[0]:
        raise Decline("it has more components than columns")
    matrix = columns.T @ columns
    matrix.flat[:: count + 1] += np.float64(estimator.ridge_alpha)
    one = np.ones((2, 1))
    is_flat = ridge_regression(one, one, 1.0, solver="cholesky").ndim == 1  # since 1.7

    def transform(X: ModelInput) -> ModelOutput:
        target = columns.T @ (finite(doubles(X)) - mean).T
        codes = linalg.solve(matrix.copy(), target, assume_a="pos", overwrite_a=True).T
        return codes.ravel() if is_flat and len(X) == 1 else codes

    return {"transform": transform}


@lean_form(NMF)
def nmf(estimator: NMF, compiler: Compiler) -> Methods:
    """Descend along the coordinates of the weights. Their matrix is the same in each iteration."""
    if estimator.solver != "cd" or estimator.shuffle:
        raise Decline("its solver has no lean form")
    columns = np.ascontiguousarray(of_doubles(estimator.components_).T)
    l1, _, l2, _ = estimator._compute_regularization(np.empty((1, len(columns))))
    count = columns.shape[1]
    matrix = np.dot(columns.T, columns)
    if l2 != 0.0:
        matrix.flat[:: count + 1] += l2
    order = np.arange(count, dtype=np.intp)

    def transform(X: ModelInput) -> FloatArray:
        X = _non_negative(X)
        if estimator._beta_loss <= 0 and X.min() == 0:
            raise Decline("a value is 0")
        target = X @ columns
        if l1 != 0.0:
            target -= l1
        weights = np.zeros((len(X), count))
        first = 0.0
        for turn in range(estimator.max_iter):
            violation = _update_cdnmf_fast(weights, matrix, target, order)
            first = violation if not turn else first
            if first == 0 or violation / first <= estimator.tol:
                break
        return weights

    return {"transform": transform}


@lean_form(MiniBatchNMF)
def mini_batch_nmf(estimator: MiniBatchNMF, compiler: Compiler) -> Methods:
    components, solve = of_doubles(estimator.components_), estimator._solve_W
    count = estimator._transform_max_iter
    return {"transform": lambda X: solve(finite(doubles(X)), components, count)}


@lean_form(LatentDirichletAllocation)
def latent_dirichlet(estimator: LatentDirichletAllocation, compiler: Compiler) -> Methods:
    options = (
        of_doubles(estimator.exp_dirichlet_component_),
        estimator.doc_topic_prior_,
        estimator.max_doc_update_iter,
        estimator.mean_change_tol,
    )
    if estimator.n_jobs not in (None, 1):
        raise Decline("it shares the rows among several workers")

    def transform(X: ModelInput) -> ModelOutput:
        rows = _counts(X) if isinstance(X, SparseRows) else _non_negative(X)
        topics, _ = _update_doc_distribution(rows, *options, False, None)
        topics /= topics.sum(axis=1)[:, np.newaxis]
        return topics

    return {"transform": transform}


def _counts(X: SparseRows) -> EstimatorInput:
    """Return sparse rows as scikit-learn's matrix of doubles."""
    if (finite(X.to_csr().data) < 0).any():
        raise Decline("a value is negative")
    return to_sklearn(X).astype(np.float64)


def _non_negative(X: ModelInput) -> FloatArray:
    X = finite(doubles(X))
    if (X < 0).any():
        raise Decline("a value is negative")
    return X


@lean_form(DictionaryLearning, MiniBatchDictionaryLearning, SparseCoder)
def sparse_coding(estimator: Estimator, compiler: Compiler) -> Methods:
    """Call scikit-learn's private functions with the products of the dictionary's atoms."""
    dictionary = getattr(estimator, "dictionary", None)
    dictionary = of_doubles(estimator.components_ if dictionary is None else dictionary)
    encode = _orthogonal_pursuit if estimator.transform_algorithm == "omp" else _other_codes
    codes_of, is_split = encode(estimator, dictionary), estimator.split_sign
    if estimator.n_jobs not in (None, 1):
        raise Decline("it shares the rows among several workers")

    def transform(X: ModelInput) -> ModelOutput:
        codes = codes_of(finite(doubles(X)))
        if not is_split:
            return codes
        return np.hstack([np.maximum(codes, 0), -np.minimum(codes, 0)])

    return {"transform": transform}


def _orthogonal_pursuit(estimator: Estimator, dictionary: FloatArray) -> OfRows:
    count, width = dictionary.shape
    most = estimator.transform_n_nonzero_coefs
    most = int(min(max(width / 10, 1), count) if most is None else most)
    products = np.asfortranarray(np.dot(dictionary, dictionary.T))
    if not 0 < most <= count:
        raise Decline("it selects no atoms, or more than there are")

    def codes(X: FloatArray) -> FloatArray:
        similarities, result = np.dot(dictionary, X.T), np.zeros((len(X), count))
        for row, column in zip(result, similarities.T, strict=True):
            weights, atoms, _ = _gram_omp(products, column, most, copy_Xy=False)
            row[atoms] = weights
        return result

    return codes


def _other_codes(estimator: Estimator, dictionary: FloatArray) -> OfRows:
    algorithm, alpha = estimator.transform_algorithm, estimator.transform_alpha
    if algorithm in ("lars", "lasso_cd"):
        raise Decline("its algorithm has no lean form")
    if alpha is None:
        alpha = getattr(estimator, "alpha", None)
    options: Keywords = {
        "gram": np.dot(dictionary, dictionary.T) if algorithm != "threshold" else None,
        "algorithm": algorithm,
        "regularization": 1.0 if alpha is None else alpha,
        "copy_cov": False,
        "max_iter": estimator.transform_max_iter,
        "positive": estimator.positive_code,
    }
    return lambda X: _sparse_encode_precomputed(
        X, dictionary, cov=np.dot(dictionary, X.T), **options
    )
