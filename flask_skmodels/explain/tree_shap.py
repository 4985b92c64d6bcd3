"""Path-dependent TreeSHAP, for all leaves of all trees together.

A leaf with the value v and the conditions 1 to d adds to the contribution of its condition j

    v (o_j - w_j) * the integral over t from 0 to 1 of the product of o_i t + w_i (1 - t), i != j

where o_i is 1 if the row meets the condition i, else 0, and w_i is the share of the training rows
that pass its splits. The integral spreads the product over the sizes of coalitions with Shapley's
weights. It is a polynomial of degree d - 1, which Gauss-Legendre quadrature with d/2 nodes
integrates exactly; all its terms are positive, so nothing cancels. A condition with w = o = 1
changes nothing, so a leaf with an odd number of conditions gets one more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from flask_skmodels.explain.paths import Paths, in_sets
from flask_skmodels.schema.types import Array, BoolArray, FloatArray

CONDITIONS = 2**14  # of the leaves that are computed together, few enough for the cache
CELLS = 2**17  # numbers of one intermediate array, few enough for the cache


@dataclass(frozen=True, slots=True)
class _Leaves:
    """Leaves that need the same number of nodes; arrays of shape (conditions, leaves, 1).

    :ivar nodes: pairs of a node of the quadrature and its weight
    :ivar summing: the matrix of shape (outputs x fields, conditions x leaves) that sums what the
        conditions add
    """

    nodes: list[tuple[float, float]]
    column: NDArray[np.intp]
    low: FloatArray
    high: FloatArray
    takes_missing: BoolArray
    share: FloatArray
    bitset: NDArray[np.int64]
    categorical: NDArray[np.intp]
    summing: csr_array


class TreeShap:
    """The contributions of the columns of X to the sum of the outputs of trees.

    :param paths: the conditions of the leaves
    :param owners: the index of the field of each column
    :param fields: the number of fields
    :ivar base: the mean output of the training rows, of shape (outputs,)
    """

    def __init__(self, paths: Paths, owners: NDArray[np.intp], fields: int) -> None:
        self._bitsets, self._owners, self._fields = paths.bitsets, owners, fields
        self._outputs = paths.values.shape[1]
        self.base = paths.values[paths.counts == 0].sum(axis=0)  # of trees with a single leaf
        self._parts: list[_Leaves] = []
        first = np.cumsum(paths.counts) - paths.counts
        sizes = (paths.counts + 1) // 2
        for size in np.unique(sizes[sizes > 0]).tolist():
            leaves = np.flatnonzero(sizes == size)
            step = max(1, CONDITIONS // (2 * size))
            for start in range(0, len(leaves), step):
                self._add(paths, leaves[start : start + step], first, size)

    def _add(self, paths: Paths, leaves: Array, first: Array, size: int) -> None:
        offsets = np.arange(2 * size)[:, np.newaxis]
        used = offsets < paths.counts[leaves]
        index = np.where(used, first[leaves] + offsets, first[leaves])
        share = np.where(used, paths.share[index], 1.0)
        bitset = np.where(used, paths.bitset[index], -1)
        self.base = self.base + share.prod(axis=0) @ paths.values[leaves]
        column = paths.column[index].astype(np.intp)
        points, weights = np.polynomial.legendre.leggauss(size)
        self._parts.append(
            _Leaves(
                list(zip(((points + 1) / 2).tolist(), (weights / 2).tolist(), strict=True)),
                column,
                np.where(used, paths.low[index], -np.inf)[..., np.newaxis],
                np.where(used, paths.high[index], np.inf)[..., np.newaxis],
                (paths.takes_missing[index] | ~used)[..., np.newaxis],
                share[..., np.newaxis],
                bitset,
                np.flatnonzero(bitset.ravel() >= 0),
                self._summing(np.where(used, self._owners[column], -1), paths.values[leaves]),
            )
        )

    def _summing(self, owner: Array, values: FloatArray) -> csr_array:
        """Return the matrix that sums what the conditions of leaves add.

        :param owner: the field of each condition; below 0, or the number of fields, if it has none
        :param values: the outputs of the leaves
        """
        is_used = ((owner >= 0) & (owner < self._fields)).ravel()
        condition, field = np.flatnonzero(is_used), owner.ravel()[is_used]
        value = np.tile(values, (len(owner), 1))[is_used]
        outputs = np.arange(self._outputs)[:, np.newaxis]
        rows = (field + self._fields * outputs).ravel()
        shape = self._outputs * self._fields, owner.size
        columns = np.tile(condition, self._outputs)
        return csr_array((value.T.ravel(), (rows, columns)), shape=shape)

    def __call__(self, X: FloatArray) -> FloatArray:
        """Return the contributions, of shape (rows, outputs, fields + 1); the last is the base.

        :param X: array of shape (rows, columns), with NaN for a missing value
        """
        transposed, has_missing = np.ascontiguousarray(X.T), bool(np.isnan(X).any())
        sums = np.zeros((self._outputs * self._fields, len(X)))
        for leaves in self._parts:
            for rows in _slices(len(X), max(1, CELLS // leaves.column.size)):
                met = _met(leaves, transposed[:, rows], has_missing, self._bitsets)
                shares = _shares(leaves, met).reshape(leaves.column.size, -1)
                sums[:, rows] += leaves.summing @ shares
        result = np.empty((len(X), self._outputs, self._fields + 1))
        result[:, :, :-1] = np.moveaxis(sums.reshape(self._outputs, self._fields, -1), -1, 0)
        result[:, :, -1] = self.base
        return result


def _slices(count: int, size: int) -> Iterator[slice]:
    for start in range(0, count, size):
        yield slice(start, start + size)


def _met(leaves: _Leaves, X: FloatArray, has_missing: bool, bitsets: Array) -> BoolArray:
    """Return whether rows meet the conditions, of shape (conditions, leaves, rows).

    :param X: array of shape (columns, rows)
    """
    values = X[leaves.column]
    met = (values > leaves.low) & (values <= leaves.high)
    if has_missing:
        met |= np.isnan(values) & leaves.takes_missing
    if len(leaves.categorical):
        flat, index = met.reshape(-1, met.shape[-1]), leaves.categorical
        codes = values.reshape(-1, met.shape[-1])[index]
        missing = np.isnan(codes) & leaves.takes_missing.reshape(-1, 1)[index]
        sets = leaves.bitset.ravel()[index, np.newaxis]
        flat[index] = in_sets(codes, sets, bitsets) | missing
    return met


def _shares(leaves: _Leaves, met: BoolArray) -> FloatArray:
    """Return the share of its leaf's value that each condition adds, in the shape of ``met``."""
    one = met.astype(np.float64)
    total = np.zeros_like(one)
    factor, divided = np.empty_like(one), np.empty_like(one)
    for node, weight in leaves.nodes:
        np.multiply(one, node, out=factor)
        factor += leaves.share * (1 - node)
        product = np.multiply.reduce(factor, axis=0)
        product *= weight
        np.divide(product, factor, out=divided)
        total += divided
    one -= leaves.share
    total *= one
    return total
