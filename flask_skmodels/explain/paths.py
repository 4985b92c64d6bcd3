"""The paths of decision trees: for each leaf, the conditions on the way from the root.

A row reaches a leaf if its value of each column on the path of the leaf lies in an interval, in a
set of categories, or is missing. Several splits on the same column are one condition.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flask_skmodels.explain.contributions import Unexplained
from flask_skmodels.schema.types import Array, BoolArray, FloatArray

MAX_CONDITIONS = 10_000_000  # of all paths of a model, about 60 bytes each
MIN_SHARE = 1e-150  # instead of zero, so that a product can be divided by it
_WORDS = 8  # a set of categories has 256 bits in words of 32


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """The nodes of one tree or of several, as arrays with an entry for each node.

    :param left: index of the left child, below 0 for a leaf
    :param right: index of the right child
    :param column: the column of X that a split compares
    :param threshold: values up to it go left
    :param missing_left: whether a missing value goes left
    :param cover: the weight of the training rows in the node
    :param values: the outputs of a leaf, of shape (nodes, outputs)
    :param bitset: index of the set of categories that go left, -1 for a split of numbers
    :param bitsets: the sets, of shape (sets, 8)
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    column: NDArray[np.int64]
    threshold: FloatArray
    missing_left: BoolArray
    cover: FloatArray
    values: FloatArray
    bitset: NDArray[np.int64]
    bitsets: NDArray[np.uint32]

    @classmethod
    def joined(cls, trees: list[Nodes]) -> Nodes:
        """Return the nodes of several trees as one."""
        starts = np.cumsum([0, *(len(tree.left) for tree in trees)])
        sets = np.cumsum([0, *(len(tree.bitsets) for tree in trees)])
        moved = [
            replace(
                tree,
                left=np.where(tree.left < 0, tree.left, tree.left + starts[index]),
                right=np.where(tree.right < 0, tree.right, tree.right + starts[index]),
                bitset=np.where(tree.bitset < 0, tree.bitset, tree.bitset + sets[index]),
            )
            for index, tree in enumerate(trees)
        ]
        names = list(cls.__dataclass_fields__)
        return cls(**{n: np.concatenate([getattr(tree, n) for tree in moved]) for n in names})


@dataclass(frozen=True, kw_only=True)
class Paths:
    """The conditions of all leaves; the conditions of a leaf stand next to one another.

    :ivar leaf: the leaf of each condition, an index into ``values``
    :ivar column: the column of X
    :ivar low: values above it meet the condition
    :ivar high: values up to it meet the condition
    :ivar takes_missing: whether a missing value meets the condition
    :ivar share: of the training rows that reach the splits of the condition, the share that meets
        it
    :ivar bitset: index of the set of categories that meet the condition, -1 for numbers
    :ivar bitsets: the sets
    :ivar values: the outputs of each leaf
    :ivar counts: the number of conditions of each leaf
    """

    leaf: NDArray[np.int64]
    column: NDArray[np.int64]
    low: FloatArray
    high: FloatArray
    takes_missing: BoolArray
    share: FloatArray
    bitset: NDArray[np.int64]
    bitsets: NDArray[np.uint32]
    values: FloatArray
    counts: NDArray[np.int64]


def no_bitsets(count: int) -> dict[str, Array]:
    """Return the sets of categories of a tree of ``count`` nodes that has none."""
    return {
        "bitset": np.full(count, -1, dtype=np.int64),
        "bitsets": np.zeros((0, _WORDS), dtype=np.uint32),
    }


def paths_of(nodes: Nodes) -> Paths:
    """Return the paths of trees.

    :raises Unexplained: the paths have too many conditions
    """
    parent, is_left = parents_of(nodes)
    leaves = np.flatnonzero(nodes.left < 0)
    leaf, child = _edges(leaves, parent)
    split, went_left = parent[child], is_left[child]
    column = nodes.column[split]
    order = np.lexsort((column, leaf))
    leaf, child, split = leaf[order], child[order], split[order]
    went_left, column = went_left[order], column[order]
    is_first = np.ones(len(leaf), dtype=bool)
    is_first[1:] = (leaf[1:] != leaf[:-1]) | (column[1:] != column[:-1])
    starts = np.flatnonzero(is_first)
    threshold, is_number = nodes.threshold[split], nodes.bitset[split] < 0
    cover = nodes.cover[split]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(cover > 0, nodes.cover[child] / cover, 0.0)
    takes_missing = nodes.missing_left[split] == went_left
    bitset, bitsets = _merged_sets(nodes, split, went_left, starts)
    return Paths(
        leaf=leaf[starts],
        column=column[starts],
        low=_reduced(np.maximum, np.where(is_number & ~went_left, threshold, -np.inf), starts),
        high=_reduced(np.minimum, np.where(is_number & went_left, threshold, np.inf), starts),
        takes_missing=_reduced(np.logical_and, takes_missing, starts),
        share=np.maximum(_reduced(np.multiply, share, starts), MIN_SHARE),
        bitset=bitset,
        bitsets=bitsets,
        values=nodes.values[leaves],
        counts=np.bincount(leaf[starts], minlength=len(leaves)),
    )


def parents_of(nodes: Nodes) -> tuple[NDArray[np.int64], BoolArray]:
    """Return the parent of each node, -1 for a root, and whether it is the left child."""
    parent = np.full(len(nodes.left), -1, dtype=np.int64)
    is_left = np.zeros(len(nodes.left), dtype=bool)
    splits = np.flatnonzero(nodes.left >= 0)
    parent[nodes.left[splits]] = splits
    parent[nodes.right[splits]] = splits
    is_left[nodes.left[splits]] = True
    return parent, is_left


def _edges(leaves: Array, parent: Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the edges from each leaf to its root: the index of the leaf, the child of the edge."""
    of_leaf, child, total = [], [], 0
    index, current = np.arange(len(leaves)), leaves
    while len(current):
        inside = parent[current] >= 0
        index, current = index[inside], current[inside]
        total += len(current)
        if total > MAX_CONDITIONS:
            raise Unexplained(f"its trees have more than {MAX_CONDITIONS:,} conditions")
        of_leaf.append(index)
        child.append(current)
        current = parent[current]
    return np.concatenate(of_leaf), np.concatenate(child)


def _reduced(combine: np.ufunc, values: Array, starts: Array) -> Array:
    return combine.reduceat(values, starts) if len(starts) else values[:0]


def _merged_sets(
    nodes: Nodes, split: Array, went_left: Array, starts: Array
) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """Return the index of the set of categories of each condition, and the sets."""
    sets = nodes.bitset[split[starts]]
    bitset = np.full(len(starts), -1, dtype=np.int64)
    if not (sets >= 0).any():
        return bitset, np.zeros((0, _WORDS), dtype=np.uint32)
    allowed = np.full((len(split), _WORDS), 0xFFFFFFFF, dtype=np.uint32)
    is_set = nodes.bitset[split] >= 0
    left = nodes.bitsets[nodes.bitset[split[is_set]]]
    allowed[is_set] = np.where(went_left[is_set, np.newaxis], left, ~left)
    merged = np.bitwise_and.reduceat(allowed, starts, axis=0)
    chosen = np.flatnonzero(sets >= 0)
    bitset[chosen] = np.arange(len(chosen))
    return bitset, merged[chosen]


def in_sets(values: Any, bitset: Array, bitsets: Array) -> BoolArray:
    """Return whether the categories of rows are in sets.

    :param values: codes of categories, of shape (rows, ...)
    :param bitset: the index of a set for each, of shape (...)
    """
    codes = np.where((values >= 0) & (values < 256), values, 0).astype(np.int64)
    words = bitsets[bitset, codes >> 5] >> (codes & 31).astype(np.uint32)
    is_known = (values >= 0) & (values < 256)
    result: BoolArray = ((words & 1) == 1) & is_known
    return result
