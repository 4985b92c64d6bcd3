"""Path-dependent TreeSHAP for one row, which is what most requests explain.

It computes the same numbers as :mod:`~flask_skmodels.explain.tree_shap`, which explains the
formula. There each leaf has all conditions of its path; here the leaves below a split share
conditions. The product of the factors ``o t + w (1 - t)`` is computed from the root downwards, and
its products with the values of the leaves are summed upwards. If a split compares a column that a
split above has compared, its condition replaces the former condition: the edge multiplies by its
own factor, divides by the former factor, and adds the difference of both terms to the contribution.
Only whether a row meets the conditions of an edge and the former condition depends on the row, so
everything else is computed once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flask_skmodels.explain.paths import MIN_SHARE, Nodes, parents_of
from flask_skmodels.schema.types import Array, BoolArray, FloatArray

MAX_NUMBERS = 2**20  # edges x quadrature nodes; there are six tables of so many doubles
MAX_OUTPUTS = 3  # with more outputs, one row is computed in the same way as many
MAX_LEVELS = 100  # of splits below one another; with more levels, as with more outputs
MAX_SPARE = 2  # sets of arrays that are kept for the next rows; a large one takes 32 MB
NONE = -1


@dataclass(frozen=True, slots=True)
class _Edges:
    """The edges of all trees; the edges nearest to the roots come first.

    :ivar levels: the edges of each level; edges to a split come before edges to a leaf
    :ivar parent: the index of the edge above, below 0 at a root
    :ivar former: the index of the nearest edge above that compares the same column, or below 0
    :ivar node: the node that the edge leads to
    :ivar below: the indices of the two edges below, below 0 at a leaf
    """

    levels: list[slice]
    parent: NDArray[np.intp]
    former: NDArray[np.intp]
    node: NDArray[np.intp]
    below: tuple[NDArray[np.intp], ...]
    column: NDArray[np.intp]
    low: FloatArray
    high: FloatArray
    takes_missing: BoolArray
    share: FloatArray


class SingleRow:
    """The contributions of the columns of one row to the sum of the outputs of trees.

    :param nodes: the nodes of the trees
    :param owners: the index of the field of each column
    :param fields: the number of fields
    :param size: the number of nodes of the quadrature
    :ivar levels: the number of splits below one another
    """

    def __init__(self, nodes: Nodes, owners: NDArray[np.intp], fields: int, size: int) -> None:
        self._edges = edges = _edges_of(nodes)
        self.levels = len(edges.levels)
        self._fields = fields
        points, weights = np.polynomial.legendre.leggauss(size)
        self._factors, self._terms = _tables(edges, (points + 1) / 2, weights / 2)
        self._offsets = np.arange(len(edges.node), dtype=np.intp)
        self._has_former = edges.former >= 0
        self._down = [(level, edges.parent[level]) for level in edges.levels[1:]]
        self._up = list(_splits(edges))
        self._owner = owners[edges.column]
        self._values = [values[edges.node, np.newaxis] for values in _of_leaves(nodes).T]
        self._spare: deque[_Work] = deque(maxlen=MAX_SPARE)  # arrays that no thread uses now

    def __call__(self, row: FloatArray) -> FloatArray:
        """Return the contributions of the fields, of shape (outputs, fields).

        :param row: array of shape (columns,), with NaN for a missing value
        """
        try:
            work = self._spare.pop()
        except IndexError:
            work = _Work(len(self._offsets), self._terms.shape[1])
        index, products = self._index(row, work), work.products
        _take(self._factors, index, products)
        for level, parent in self._down:
            products[level] *= _take(products, parent, work.part)
        _take(self._terms, index, work.terms)
        outputs = []
        for values in self._values:
            np.multiply(products, values, out=work.sums)
            outputs.append(self._summed(work))
        self._spare.append(work)
        return np.array(outputs)

    def _index(self, row: FloatArray, work: _Work) -> Array:
        """Return, for each edge, the index of its row in the tables.

        A row that meets a condition also meets the former condition of that column.
        """
        edges, values = self._edges, row.take(self._edges.column, out=work.values, mode="clip")
        met = np.greater(values, edges.low)
        met &= values <= edges.high
        if np.isnan(row).any():
            met |= np.isnan(values) & edges.takes_missing
        former_met = met.take(edges.former)
        former_met &= self._has_former
        count = met.view(np.uint8) + former_met.view(np.uint8)
        np.multiply(count, len(self._offsets), out=work.index, dtype=np.intp)
        return np.add(work.index, self._offsets, out=work.index)

    def _summed(self, work: _Work) -> FloatArray:
        """Return the contributions of the fields to one output."""
        sums = work.sums  # the products of the leaves with their values, 0 for other edges
        for splits, left, right in self._up:
            chosen = sums[splits]
            chosen[:] = _take(sums, left, work.part)
            chosen += _take(sums, right, work.part)
        parts = np.einsum("ij,ij->i", sums, work.terms, out=work.values)
        summed: Any = np.bincount(self._owner, parts, self._fields + 1)
        fields: FloatArray = summed[: self._fields]
        return fields


class _Work:
    """Arrays for the explanation of one row.

    To allocate them for each row would take longer than to compute with them.

    :param edges: the number of edges
    :param size: the number of nodes of the quadrature
    """

    def __init__(self, edges: int, size: int) -> None:
        self.values = np.empty(edges)
        self.index = np.empty(edges, dtype=np.intp)
        arrays = (np.empty((edges, size)) for _ in range(4))
        self.products, self.terms, self.sums, self.part = arrays


def _take(values: FloatArray, index: Array, out: FloatArray) -> FloatArray:
    """Return rows of an array, written into another array."""
    return values.take(index, axis=0, out=out[: len(index)], mode="clip")  # clip avoids a copy


def _splits(edges: _Edges) -> Iterator[tuple[slice, Array, Array]]:
    """Yield each level's edges that lead to a split, and the edges below; lowest level first."""
    left, right = edges.below
    for level in reversed(edges.levels):
        count = int(np.count_nonzero(left[level] >= 0))
        splits = slice(level.start, level.start + count)
        if count:
            yield splits, left[splits], right[splits]


def _of_leaves(nodes: Nodes) -> FloatArray:
    return np.where(nodes.left[:, np.newaxis] < 0, nodes.values, 0.0)


def _tables(
    edges: _Edges, points: FloatArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the factor of each edge in the product, and what the edge adds to the contribution.

    :returns: two arrays of shape (3 x edges, points): for a row that meets neither the condition
        nor the former condition, only one of the two, and both
    """
    has_former = edges.former[:, np.newaxis] >= 0
    share = edges.share[:, np.newaxis]
    former_share = share[edges.former]
    factors, terms = [], []
    for met, former_met in ((0.0, 0.0), (np.where(has_former, 0.0, 1.0), 1.0), (1.0, 1.0)):
        factor = met * points + share * (1 - points)
        former = np.where(has_former, former_met * points + former_share * (1 - points), 1.0)
        former_term = np.where(has_former, (former_met - former_share) / former, 0.0)
        factors.append(factor / former)
        terms.append(weights * ((met - share) / factor - former_term))
    return np.concatenate(factors), np.concatenate(terms)


def _edges_of(nodes: Nodes) -> _Edges:
    parent_node, _ = parents_of(nodes)
    levels = _by_level(nodes, np.flatnonzero((parent_node < 0) & (nodes.left >= 0)))
    order = np.concatenate(levels)
    ends = np.cumsum([0, *map(len, levels)]).tolist()
    place = np.full(len(nodes.left), NONE, dtype=np.intp)
    place[order] = np.arange(len(order))
    split = parent_node[order]
    parent, column = place[split], nodes.column[split].astype(np.intp)
    is_left = nodes.left[split] == order
    threshold = nodes.threshold[split]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(nodes.cover[split] > 0, nodes.cover[order] / nodes.cover[split], 0.0)
    edges = _Edges(
        levels=[slice(*pair) for pair in pairwise(ends)],
        parent=parent,
        former=_former(parent, column),
        node=order,
        below=tuple(
            np.where(c[order] < 0, NONE, place[c[order]]) for c in (nodes.left, nodes.right)
        ),
        column=column,
        low=np.where(is_left, -np.inf, threshold),
        high=np.where(is_left, threshold, np.inf),
        takes_missing=nodes.missing_left[split] == is_left,
        share=share,
    )
    _merge_conditions(edges)
    np.maximum(edges.share, MIN_SHARE, out=edges.share)
    return edges


def _by_level(nodes: Nodes, roots: Array) -> list[NDArray[np.intp]]:
    """Return the nodes of each level below the roots; splits come before leaves."""
    levels, parents = [], roots
    while len(parents):
        children = np.concatenate([nodes.left[parents], nodes.right[parents]]).astype(np.intp)
        is_split = nodes.left[children] >= 0
        parents = children[is_split]
        levels.append(np.concatenate([parents, children[~is_split]]))
    return levels


def _former(parent: Array, column: Array) -> NDArray[np.intp]:
    """Return the nearest edge above each edge that compares the same column, or below 0."""
    former, above = np.full(len(parent), NONE, dtype=np.intp), parent.copy()
    searched = np.flatnonzero(above >= 0)
    while len(searched):
        is_same = column[above[searched]] == column[searched]
        former[searched[is_same]] = above[searched[is_same]]
        searched = searched[~is_same]
        above[searched] = parent[above[searched]]
        searched = searched[above[searched] >= 0]
    return former


def _merge_conditions(edges: _Edges) -> None:
    """Let each edge have the conditions of the edges above that compare the same column."""
    for level in edges.levels:
        chosen = np.arange(level.start, level.stop)[edges.former[level] >= 0]
        former = edges.former[chosen]
        edges.low[chosen] = np.maximum(edges.low[chosen], edges.low[former])
        edges.high[chosen] = np.minimum(edges.high[chosen], edges.high[former])
        edges.takes_missing[chosen] &= edges.takes_missing[former]
        edges.share[chosen] *= edges.share[former]
