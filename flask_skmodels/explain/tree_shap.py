"""Path-dependent TreeSHAP, for all leaves of all trees together.

A leaf with the value v and the conditions 1 to d adds to the contribution of its condition j

    v (o_j - w_j) * the integral over t from 0 to 1 of the product of o_i t + w_i (1 - t), i != j

where o_i is 1 if the row meets the condition i, else 0, and w_i is the share of the training rows
that pass its splits. The integral spreads the product over the sizes of coalitions with Shapley's
weights. It is a polynomial of degree d - 1, which Gauss-Legendre quadrature with d/2 nodes
integrates exactly; all of its terms are positive, so nothing cancels. A condition with w = o = 1
changes nothing, so a leaf with an odd number of conditions gets one more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from flask_skmodels.explain.paths import Paths, in_sets
from flask_skmodels.schema.types import Array, BoolArray, FloatArray

CELLS = 2**17  # numbers of one intermediate array: it should fit into the processor's cache


@dataclass(frozen=True, slots=True)
class _Group:
    """The leaves that need the same number of nodes; arrays of shape (conditions, leaves).

    :ivar width: conditions of a leaf, those that fill it up included
    :ivar start: index of the first condition of the group among those of all groups
    :ivar nodes: pairs of a node of the quadrature and its weight
    """

    width: int
    start: int
    nodes: list[tuple[float, float]]
    column: NDArray[np.intp]
    low: FloatArray
    high: FloatArray
    takes_missing: BoolArray
    share: FloatArray
    bitset: NDArray[np.int64]
    categorical: NDArray[np.intp]


class TreeShap:
    """The contributions of the columns of X to the sum of the outputs of trees.

    :param paths: the conditions of the leaves
    :param owners: the index of the field of each column
    :param fields: the number of fields
    :ivar base: the mean output of the training rows, of shape (outputs,)
    """

    def __init__(self, paths: Paths, owners: NDArray[np.intp], fields: int) -> None:
        self._paths, self._fields = paths, fields
        self._outputs = paths.values.shape[1]
        self._groups: list[_Group] = []
        self.base = np.zeros(self._outputs)
        first = np.cumsum(paths.counts) - paths.counts
        places, values, total = [], [], 0
        single = paths.counts == 0  # a tree that is a leaf
        self.base += paths.values[single].sum(axis=0)
        sizes = (paths.counts + 1) // 2
        for size in np.unique(sizes[sizes > 0]):
            leaves = np.flatnonzero(sizes == size)
            group, used = self._group(leaves, first[leaves], int(size), total)
            self._groups.append(group)
            total += group.column.size
            self.base += group.share.prod(axis=0) @ paths.values[leaves]
            places.append(np.where(used, owners[group.column], fields).ravel())
            values.append(np.tile(paths.values[leaves], (group.width, 1)))
        self.cells = total
        self._matrix = _summing_matrix(places, values, fields, self._outputs)

    def _group(
        self, leaves: Array, first: Array, size: int, start: int
    ) -> tuple[_Group, BoolArray]:
        """Return a group of leaves, and which of its conditions are the leaves' own."""
        paths, width = self._paths, 2 * size
        offsets = np.arange(width)[:, np.newaxis]
        used = offsets < paths.counts[leaves]
        index = np.where(used, first + offsets, first)
        points, weights = np.polynomial.legendre.leggauss(size)
        bitset = np.where(used, paths.bitset[index], -1)
        group = _Group(
            width,
            start,
            [((p + 1) / 2, w / 2) for p, w in zip(points.tolist(), weights.tolist(), strict=True)],
            paths.column[index].astype(np.intp),
            np.where(used, paths.low[index], -np.inf),
            np.where(used, paths.high[index], np.inf),
            paths.takes_missing[index] | ~used,
            np.where(used, paths.share[index], 1.0),
            bitset,
            np.flatnonzero(bitset.ravel() >= 0),
        )
        return group, used

    def __call__(self, X: FloatArray) -> FloatArray:
        """Return the contributions, of shape (rows, outputs, fields + 1), the base last.

        :param X: array of shape (rows, columns), with NaN for a missing value
        """
        result = np.empty((len(X), self._outputs, self._fields + 1))
        step = max(1, CELLS // max(self.cells, 1))
        for start in range(0, len(X), step):
            rows = X[start : start + step]
            summed = self._matrix @ self._of_conditions(rows)
            result[start : start + step, :, :-1] = np.moveaxis(
                summed.reshape(self._outputs, self._fields, len(rows)), -1, 0
            )
        result[:, :, -1] = self.base
        return result

    def _of_conditions(self, X: FloatArray) -> FloatArray:
        """Return the share of its leaf's value that each condition adds, of shape (conditions,
        rows)."""
        values = np.empty((self.cells, len(X)))
        has_missing = bool(np.isnan(X).any())
        for group in self._groups:
            stop = group.start + group.column.size
            part = _shares(group, _met(group, X, has_missing, self._paths.bitsets))
            values[group.start : stop] = part.reshape(len(X), -1).T
        return values


def _met(group: _Group, X: FloatArray, has_missing: bool, bitsets: Array) -> BoolArray:
    """Return whether rows meet the conditions, of shape (rows, conditions, leaves)."""
    values = X[:, group.column]
    met = (values > group.low) & (values <= group.high)
    if has_missing:
        met |= np.isnan(values) & group.takes_missing
    if len(group.categorical):
        flat = met.reshape(len(X), -1)
        codes = values.reshape(len(X), -1)[:, group.categorical]
        chosen = group.bitset.ravel()[group.categorical]
        missing = np.isnan(codes) & group.takes_missing.ravel()[group.categorical]
        flat[:, group.categorical] = in_sets(codes, chosen, bitsets) | missing
    return met


def _shares(group: _Group, met: BoolArray) -> FloatArray:
    one = met.astype(np.float64)
    total = np.zeros_like(one)
    factor, divided = np.empty_like(one), np.empty_like(one)
    for node, weight in group.nodes:
        np.multiply(one, node, out=factor)
        factor += group.share * (1 - node)
        product = factor.prod(axis=1, keepdims=True)
        product *= weight
        np.divide(product, factor, out=divided)
        total += divided
    one -= group.share
    total *= one
    return total


def _summing_matrix(
    places: list[Array], values: list[FloatArray], fields: int, outputs: int
) -> csr_array:
    """Return the matrix of shape (outputs x fields, conditions) that sums what conditions add."""
    if not places:
        return csr_array((outputs * fields, 0))
    place, value = np.concatenate(places), np.concatenate(values)
    is_used = place < fields
    condition = np.flatnonzero(is_used)
    rows = [place[is_used] + fields * output for output in range(outputs)]
    entries = [value[is_used, output] for output in range(outputs)]
    shape = outputs * fields, len(place)
    index = np.concatenate(rows), np.tile(condition, outputs)
    return csr_array((np.concatenate(entries), index), shape=shape)
