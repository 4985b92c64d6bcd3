"""Lean forms of ``sklearn.manifold``."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve
from sklearn.manifold import Isomap, LocallyLinearEmbedding

from flask_skmodels.engines.lean.compiler import Compiler, Decline, Methods, contiguous, lean_form
from flask_skmodels.engines.lean.forms.decomposition import kernel_projection
from flask_skmodels.engines.lean.forms.neighbors import neighbor_search
from flask_skmodels.engines.lean.pairwise import of_doubles
from flask_skmodels.schema.types import FloatArray, ModelInput, ModelOutput


@lean_form(Isomap)
def isomap(estimator: Isomap, compiler: Compiler) -> Methods:
    """Project the shortest distances through the nearest neighbors."""
    if estimator.n_neighbors is None:
        raise Decline("it takes the neighbors in a radius")
    search, shortest = neighbor_search(estimator.nbrs_), of_doubles(estimator.dist_matrix_)
    project = kernel_projection(estimator.kernel_pca_)

    def transform(X: ModelInput) -> ModelOutput:
        distances, indices = search.with_distances(X, estimator.n_neighbors)
        kernel = np.empty((len(indices), len(shortest)))
        for row, each, neighbors in zip(kernel, distances, indices, strict=True):
            row[:] = np.min(shortest[neighbors] + each[:, None], 0)
        kernel **= 2
        kernel *= -0.5
        return project(kernel)

    return {"transform": transform}


@lean_form(LocallyLinearEmbedding)
def locally_linear(estimator: LocallyLinearEmbedding, compiler: Compiler) -> Methods:
    """Combine the neighbors' embeddings with the weights that reconstruct each row."""
    search, rows = neighbor_search(estimator.nbrs_), of_doubles(estimator.nbrs_._fit_X)
    embedding, count = estimator.embedding_, estimator.n_neighbors

    def transform(X: ModelInput) -> FloatArray:
        points = contiguous(X)
        indices = search.indices(points, count)
        result = np.empty((len(points), estimator.n_components))
        for row, x, neighbors in zip(result, points, indices, strict=True):
            weights = _reconstruction(rows[neighbors] - x, estimator.reg)
            row[:] = np.dot(embedding[neighbors].T, weights)
        return result

    return {"transform": transform}


def _reconstruction(differences: FloatArray, regularization: float) -> FloatArray:
    products = np.dot(differences, differences.T)
    trace = np.trace(products)
    products.flat[:: len(products) + 1] += regularization * trace if trace > 0 else regularization
    weights: FloatArray = solve(products, np.ones(len(products)), assume_a="pos")
    return weights / np.sum(weights)
