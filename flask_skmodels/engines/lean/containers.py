"""Containers that a lean step passes to the next step if its output is not a plain array."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from flask_skmodels.schema.frame import DeferredFrame
from flask_skmodels.schema.tabular import Tabular
from flask_skmodels.schema.types import (
    Array,
    EstimatorInput,
    FieldValue,
    FloatArray,
    ModelOutput,
    Values,
)

SPARSE_DTYPES = (np.dtype(np.float64), np.dtype(np.int64))  # texts are counted in int64


class SparseRows(Tabular):
    """Rows of numbers that are mostly zero."""

    __slots__ = ()

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of rows and columns."""
        raise NotImplementedError

    def to_csr(self) -> Csr:
        """Return the rows in the compressed format of scipy's ``csr_matrix``."""
        raise NotImplementedError

    def to_sklearn(self) -> EstimatorInput:
        """Return a ``scipy.sparse.csr_matrix``."""
        rows = self.to_csr()
        return sparse.csr_matrix((rows.data, rows.indices, rows.indptr), shape=rows.shape)


class Csr(SparseRows):
    """Sparse rows in the compressed format of scipy's ``csr_matrix``.

    :param data: the non-zero numbers, row after row, of any dtype
    :param indices: the column of each number
    :param indptr: the position in ``data`` at which each row starts, then the end of the last row
    :param shape: the numbers of rows and columns
    """

    __slots__ = ("_shape", "data", "indices", "indptr")

    def __init__(
        self,
        data: Array,
        indices: NDArray[np.int32],
        indptr: NDArray[np.int32],
        shape: tuple[int, int],
    ) -> None:
        self.data, self.indices, self.indptr, self._shape = data, indices, indptr, shape

    def __len__(self) -> int:
        return self._shape[0]

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of rows and columns."""
        return self._shape

    def to_csr(self) -> Csr:
        """Return the rows unchanged."""
        return self

    def to_numpy(self) -> Array:
        """Return a C-ordered array of shape (rows, columns)."""
        dense = np.zeros(self.shape, dtype=self.data.dtype)
        sparse._sparsetools.csr_todense(*self.shape, self.indptr, self.indices, self.data, dense)
        return dense

    def dot(self, weights: FloatArray) -> FloatArray:
        """Return the product with weights. Each sum is computed in the order of the columns.

        :param weights: an array of shape (columns,) or (columns, outputs)
        """
        rows, columns = self.shape
        product = np.zeros((rows, *weights.shape[1:]))
        data = self.data.astype(np.float64, copy=False)
        parts = self.indptr, self.indices, data, weights.ravel(), product.ravel()
        if product.size == rows:
            sparse._sparsetools.csr_matvec(rows, columns, *parts)
        else:
            sparse._sparsetools.csr_matvecs(rows, columns, product.shape[1], *parts)
        return product


class OneHotRows(SparseRows):
    """The sparse output of an encoder: rows of zeros and ones.

    :param codes: for each row, the columns that contain a one; -1 for a feature without a one
    :param width: the number of columns
    """

    __slots__ = ("codes", "width")

    def __init__(self, codes: Sequence[Sequence[int]], width: int) -> None:
        self.codes = codes
        self.width = width

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of rows and columns."""
        return len(self.codes), self.width

    def to_csr(self) -> Csr:
        """Return the rows in scipy's compressed format."""
        flat = [code for row in self.codes for code in row if code >= 0]
        indptr = np.zeros(len(self.codes) + 1, dtype=np.int32)
        counts = [sum(code >= 0 for code in row) for row in self.codes]
        np.cumsum(counts, out=indptr[1:])
        return Csr(np.ones(len(flat)), np.array(flat, dtype=np.int32), indptr, self.shape)

    def to_numpy(self) -> FloatArray:
        """Return a C-ordered array of shape (rows, columns)."""
        if len(self.codes) > 1:
            return self.to_csr().to_numpy()
        dense = np.zeros((1, self.width))
        row = dense[0]
        for code in self.codes[0]:
            if code >= 0:
                row[code] = 1.0
        return dense


class ObjectColumns(Tabular):
    """Columns of Python objects, as an imputer of texts returns them.

    :param columns: the values of each column
    """

    __slots__ = ("columns",)

    def __init__(self, columns: Sequence[Values]) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns[0])

    def to_sklearn(self) -> NDArray[np.object_]:
        """Return an array of objects of shape (rows, columns)."""
        array = np.empty((len(self), len(self.columns)), dtype=object)
        for index, column in enumerate(self.columns):
            array[:, index] = column
        return array

    def select(self, indices: tuple[int, ...]) -> ObjectColumns:
        """Return some of the columns, in the order of the indices."""
        return ObjectColumns([self.columns[index] for index in indices])


def from_sklearn(output: ModelOutput) -> ModelOutput:
    """Return the output of a native method, with a sparse matrix of numbers as `Csr`."""
    if type(output) is sparse.csr_matrix and output.dtype in SPARSE_DTYPES:
        return Csr(output.data, output.indices, output.indptr, output.shape)
    return output


def to_array(X: ModelOutput) -> Array:
    """Return the output of a step as a dense array."""
    if isinstance(X, np.ndarray):
        return X
    if isinstance(X, Tabular):
        return X.to_numpy()
    return X.toarray() if sparse.issparse(X) else np.asarray(X)


def column_values(X: ModelOutput) -> Sequence[Values]:
    """Return the values of each column as Python objects."""
    if isinstance(X, DeferredFrame):
        return [X.column(index) for index in range(len(X.fields))]
    if isinstance(X, ObjectColumns):
        return X.columns
    columns: list[list[FieldValue]] = to_array(X).T.tolist()
    return columns


def to_csr(X: ModelOutput) -> Csr:
    """Return the output of a step as sparse rows."""
    if isinstance(X, SparseRows):
        return X.to_csr()
    matrix = sparse.csr_matrix(X if sparse.issparse(X) else to_array(X))
    if matrix.dtype not in SPARSE_DTYPES:
        matrix = matrix.astype(np.float64)
    return Csr(matrix.data, matrix.indices, matrix.indptr, matrix.shape)
