"""Many trees walked by one call: below a tree that finds the tree by its number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_BYTES = 64 * 2**20  # of copied nodes, that a worker's memory is not doubled
MOST_ROWS = 64  # beyond, the trees one by one are as fast
MOST_NUMBERS = 2**18  # of a copy of X for each tree

Array = NDArray[Any]
# Called with X of shape (rows, columns + 1) returns what each row ends at.
Walk = Callable[[Array], Array]


@dataclass(frozen=True, slots=True)
class Layout:
    """The names of the fields of a node.

    :param left: the place of the child for values up to the threshold
    :param right: the place of the other
    :param feature: the column
    :param threshold: of a split
    :param dtype: of X
    """

    left: str
    right: str
    feature: str
    threshold: str
    dtype: type[np.floating[Any]]


class Trees:
    """The trees of an ensemble, each row walked down all of them at once.

    Their nodes become those of one tree. Its upper splits are on a further column of X that holds
    the number of a tree, so one call of scikit-learn's own walk, with a copy of each row for each
    tree, ends at the leaves of all.

    :param walk: of the joined tree
    :param count: how many trees there are
    :param dtype: of X
    """

    def __init__(self, walk: Walk, count: int, dtype: type[np.floating[Any]]) -> None:
        self._walk = walk
        self._numbers = np.arange(count, dtype=dtype).reshape(count, 1)

    def takes(self, X: Array) -> bool:
        """Return whether it is the faster way for so many rows."""
        rows, columns = X.shape
        numbers: int = rows * (columns + 1) * len(self._numbers)
        return rows <= MOST_ROWS and numbers <= MOST_NUMBERS

    def __call__(self, X: Array) -> Array:
        """Return what the walk ends at, of shape (trees, rows).

        :param X: of shape (rows, columns)
        """
        numbers = self._numbers
        count, (rows, columns) = len(numbers), X.shape
        copies = np.empty((count, rows, columns + 1), dtype=numbers.dtype)
        copies[:, :, :columns] = X
        copies[:, :, columns] = numbers
        return self._walk(copies.reshape(count * rows, columns + 1)).reshape(count, rows)


def joined(parts: Sequence[Array], inner: Sequence[Array], width: int, layout: Layout) -> Array:
    """Return the nodes of one tree that holds some trees.

    :param parts: for each tree its nodes
    :param inner: for each tree which of them have children
    :param width: how many columns X has
    :param layout: of the nodes
    """
    starts = np.cumsum([len(parts) - 1] + [len(nodes) for nodes in parts])
    together = np.zeros(starts[-1], dtype=parts[0].dtype)
    for start, nodes, has_children in zip(starts, parts, inner, strict=False):
        own = together[start : start + len(nodes)]
        own[:] = nodes
        for child in (layout.left, layout.right):
            own[child] += np.where(has_children, start, 0).astype(own[child].dtype)
    _add_switch(together, [int(start) for start in starts[:-1]], width, layout)
    return together


def _add_switch(nodes: Array, roots: list[int], width: int, layout: Layout) -> None:
    """Put splits before the trees, so that the first node leads to the root of each."""
    free = iter(range(len(roots) - 1))

    def lead(first: int, last: int) -> int:
        if first == last:
            return roots[first]
        place, middle = next(free), (first + last) // 2
        nodes[place][layout.feature] = width
        nodes[place][layout.threshold] = middle + 0.5
        nodes[place][layout.left] = lead(first, middle)
        nodes[place][layout.right] = lead(middle + 1, last)
        return place

    lead(0, len(roots) - 1)


def summed(values: Array) -> NDArray[np.float64]:
    """Return the sum over the first axis, one after the other from the first value on.

    :param values: of shape (count, ...)
    """
    # Where there is one sum alone, reduce would add in pairs.
    in_order = np.add.reduce if values[0].size > 1 else _last_sum
    total: NDArray[np.float64] = in_order(values, axis=0)
    return total


def _last_sum(values: Array, axis: int) -> Any:
    return np.add.accumulate(values, axis)[-1]
