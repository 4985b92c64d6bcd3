"""The base class of the containers of X, and functions that do the same for arrays and lists.

X is a NumPy array, a list of texts or mappings, or a container of this library. The functions here
take any of them, so that only this module has to distinguish them.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from itertools import chain
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


class Tabular:
    """Base class of the containers of this library; each holds rows of a fixed number of columns.

    A container overrides the methods that it supports. It is a plain base class and not a
    :class:`typing.Protocol`, because ``isinstance`` is several times faster with a plain class.
    """

    __slots__ = ()

    def __len__(self) -> int:
        """Return the number of rows."""
        raise NotImplementedError

    @property
    def matrix(self) -> NDArray[Any] | None:
        """The array of shape (rows, columns) with all values, None if there is no such array."""
        return None

    @property
    def layout(self) -> object:
        """A value that is equal for two containers if they can be concatenated."""
        return type(self)

    def to_sklearn(self) -> Any:
        """Return the array, data frame or sparse matrix that is passed to scikit-learn."""
        raise NotImplementedError

    def to_numpy(self) -> NDArray[Any]:
        """Return a dense array of shape (rows, columns)."""
        return np.asarray(self.to_sklearn())

    def to_float64(self) -> NDArray[np.float64]:
        """Return a dense array of float64 of shape (rows, columns).

        :raises TypeError: scikit-learn would not convert this container to such an array
        """
        raise TypeError(f"{type(self).__name__} is not an array of numbers")

    def column(self, index: int) -> Sequence[Any]:
        """Return the values of one column as Python objects."""
        values: list[Any] = self.to_numpy()[:, index].tolist()
        return values

    def validated_columns(self, indices: Sequence[int]) -> Sequence[Sequence[Any] | NDArray[Any]]:
        """Return the values of some columns as they were validated, None for a missing value."""
        return [self.column(index) for index in indices]

    def select(self, indices: tuple[int, ...]) -> Tabular:
        """Return a container of some of the columns, in the order of the indices.

        :raises TypeError: this container does not select columns
        """
        raise TypeError(f"{type(self).__name__} does not select columns")

    def copy(self) -> Self:
        """Return a copy that shares no writable array with this container."""
        return deepcopy(self)

    @classmethod
    def concatenate(cls, parts: Sequence[Any]) -> Self:
        """Return the rows of several containers with the same layout, one after the other.

        :raises TypeError: this container cannot be concatenated
        """
        raise TypeError(f"{cls.__name__} cannot be concatenated")


def to_sklearn(X: object) -> Any:
    """Return X as it is passed to scikit-learn; arrays and lists are returned unchanged."""
    if type(X) is np.ndarray:  # the most common case
        return X
    return X.to_sklearn() if isinstance(X, Tabular) else X


def matrix_of(X: object) -> NDArray[Any] | None:
    """Return X if it is an array, or the array with all its values; None if there is none."""
    return X.matrix if isinstance(X, Tabular) else X if isinstance(X, np.ndarray) else None


def layout_of(X: object) -> object:
    """Return a value that is equal for two X if :func:`concatenate` can join them."""
    if isinstance(X, Tabular):
        return X.layout
    return (type(X), X.dtype, X.shape[1:]) if isinstance(X, np.ndarray) else type(X)


def concatenate(parts: Sequence[Any]) -> Any:
    """Return the rows of several X with the same layout as one X, one after the other."""
    first = parts[0]
    if isinstance(first, Tabular):
        return first.concatenate(parts)
    if isinstance(first, np.ndarray):
        return np.concatenate(parts)
    return list(chain.from_iterable(parts))


def copy_of(X: object) -> Any:
    """Return a copy of X, for an estimator that may write to it."""
    return X.copy() if isinstance(X, np.ndarray | Tabular) else deepcopy(X)
