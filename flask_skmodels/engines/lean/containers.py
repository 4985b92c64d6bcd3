"""What goes from one lean step to the next where it is no plain array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from flask_skmodels.schema.frame import DeferredFrame
from flask_skmodels.schema.tabular import Tabular, native


class Csr(Tabular):
    """Rows of which few numbers are not zero, as scipy's matrices of that name keep them.

    :param data: the numbers, row after row
    :param indices: the column of each
    :param indptr: where each row starts in these, and where the last one ends
    :param shape: rows and columns
    """

    __slots__ = ("data", "indices", "indptr", "shape")

    def __init__(
        self,
        data: NDArray[np.float64],
        indices: NDArray[np.int32],
        indptr: NDArray[np.int32],
        shape: tuple[int, int],
    ) -> None:
        self.data, self.indices, self.indptr, self.shape = data, indices, indptr, shape

    def __len__(self) -> int:
        return self.shape[0]

    def csr(self) -> Csr:
        """Return itself."""
        return self

    def dense(self) -> NDArray[np.float64]:
        """Return an array of shape (rows, columns), C-ordered."""
        found = np.zeros(self.shape)
        sparse._sparsetools.csr_todense(*self.shape, self.indptr, self.indices, self.data, found)
        return found

    def dot(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the product with weights, each sum in the order of the columns.

        :param weights: of shape (columns,) or (columns, outputs)
        """
        rows, columns = self.shape
        found = np.zeros((rows, *weights.shape[1:]))
        parts = self.indptr, self.indices, self.data, weights.ravel(), found.ravel()
        if found.size == rows:
            sparse._sparsetools.csr_matvec(rows, columns, *parts)
        else:
            sparse._sparsetools.csr_matvecs(rows, columns, found.shape[1], *parts)
        return found

    def native(self) -> Any:
        """Return scipy's matrix."""
        parts = self.data, self.indices, self.indptr
        return sparse.csr_matrix(parts, shape=self.shape)


class Ones(Tabular):
    """Rows of zeros and ones, of an encoder.

    :param codes: for each row the columns of its ones, -1 where a feature has none
    :param width: how many columns there are
    """

    __slots__ = ("codes", "width")

    def __init__(self, codes: Sequence[Sequence[int]], width: int) -> None:
        self.codes = codes
        self.width = width

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.codes), self.width

    def csr(self) -> Csr:
        """Return the rows as scipy keeps them."""
        flat = [code for row in self.codes for code in row if code >= 0]
        indptr = np.zeros(len(self.codes) + 1, dtype=np.int32)
        counts = [sum(code >= 0 for code in row) for row in self.codes]
        np.cumsum(counts, out=indptr[1:])
        return Csr(np.ones(len(flat)), np.array(flat, dtype=np.int32), indptr, self.shape)

    def dense(self) -> NDArray[np.float64]:
        """Return an array of shape (rows, columns), C-ordered."""
        if len(self.codes) > 1:
            return self.csr().dense()
        found = np.zeros((1, self.width))
        row = found[0]
        for code in self.codes[0]:
            if code >= 0:
                row[code] = 1.0
        return found

    def native(self) -> Any:
        """Return scipy's matrix."""
        return self.csr().native()


class Cells(Tabular):
    """Rows of objects.

    :param columns: for each column its values
    """

    __slots__ = ("columns",)

    def __init__(self, columns: Sequence[Sequence[Any]]) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns[0])

    def native(self) -> NDArray[np.object_]:
        """Return an array of shape (rows, columns)."""
        found = np.empty((len(self), len(self.columns)), dtype=object)
        for place, column in enumerate(self.columns):
            found[:, place] = column
        return found


Sparse = (Csr, Ones)


def block(found: Any) -> Any:
    """Return what a step's own method has made, sparse rows of doubles as a block."""
    if type(found) is sparse.csr_matrix and found.dtype == np.float64:
        return Csr(found.data, found.indices, found.indptr, found.shape)
    return found


def array(X: Any) -> NDArray[Any]:
    """Return what a step has made, as a dense array."""
    if isinstance(X, np.ndarray):
        return X
    if type(X) in Sparse:
        dense: NDArray[np.float64] = X.dense()
        return dense
    if type(X) is DeferredFrame:
        return X.to_numpy()
    found = native(X)
    return found.toarray() if sparse.issparse(found) else np.asarray(found)


def values(X: Any) -> Sequence[Sequence[Any]]:
    """Return for each column its values, as Python's own."""
    if type(X) is DeferredFrame:
        return [X.column(place) for place in range(len(X.fields))]
    if type(X) is Cells:
        return X.columns
    columns: list[list[Any]] = array(X).T.tolist()
    return columns


def csr(X: Any) -> Csr:
    """Return what a step has made, without its zeros where it is dense."""
    if type(X) in Sparse:
        found: Csr = X.csr()
        return found
    found = sparse.csr_matrix(X if sparse.issparse(X) else array(X), dtype=np.float64)
    return Csr(found.data, found.indices, found.indptr, found.shape)
