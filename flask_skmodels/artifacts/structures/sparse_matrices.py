"""Sparse matrices of SciPy, whose native code does not check indices."""

from __future__ import annotations

import numpy as np

from flask_skmodels.artifacts.structures.checks import Part, check_indices, ensure, structure
from flask_skmodels.schema.types import Array


@structure("scipy.sparse._compressed._cs_matrix")
def check_compressed(matrix: Part) -> None:
    """Check the arrays of a matrix in the format CSR, CSC or BSR."""
    pointers, indices, data = matrix.indptr, matrix.indices, matrix.data
    shape = matrix.shape if len(matrix.shape) == 2 else (1, *matrix.shape)
    rows, columns = _blocks(shape, data) if matrix.format == "bsr" else shape
    if matrix.format == "csc":
        rows, columns = columns, rows
    ensure(pointers.ndim == indices.ndim == 1, "its indices must have one dimension")
    ensure(
        data.ndim == (3 if matrix.format == "bsr" else 1),
        "its data have the wrong number of dimensions",
    )
    ensure(pointers.dtype.kind == indices.dtype.kind == "i", "its indices are not whole numbers")
    ensure(len(pointers) == rows + 1, "indptr has the wrong length")
    ensure(pointers[0] == 0, "indptr does not begin with 0")
    ensure(not (pointers[1:] < pointers[:-1]).any(), "indptr decreases")
    stored = int(pointers[-1])
    ensure(stored <= len(indices) == len(data), "indices and data are too short")
    check_indices(indices, columns, "its indices")


def _blocks(shape: tuple[int, ...], data: Array) -> tuple[int, int]:
    """Return the number of rows and columns of blocks."""
    height, width = data.shape[1:]
    is_whole = height and width and not (shape[0] % height or shape[1] % width)
    ensure(is_whole, "its blocks do not fit its shape")
    return shape[0] // height, shape[1] // width


@structure("scipy.sparse._coo._coo_base")
def check_coordinates(matrix: Part) -> None:
    """Check the arrays of a matrix in the format COO."""
    coordinates = matrix.coords
    ensure(len(coordinates) == len(matrix.shape), "it has the wrong number of dimensions")
    for indices, size in zip(coordinates, matrix.shape, strict=True):
        ensure(indices.shape == (len(matrix.data),), "its indices have the wrong length")
        check_indices(indices, size, "its indices")


@structure("scipy.sparse._dia._dia_base")
def check_diagonals(matrix: Part) -> None:
    """Check the arrays of a matrix in the format DIA."""
    offsets, data = matrix.offsets, matrix.data
    ensure(offsets.ndim == 1 and data.ndim == 2, "its arrays have the wrong number of dimensions")
    ensure(offsets.dtype.kind == "i", "its offsets are not whole numbers")
    ensure(len(offsets) == len(data), "it has the wrong number of diagonals")
    rows, columns = matrix.shape
    is_inside = ((offsets > -rows) & (offsets < columns)).all()
    ensure(is_inside or not offsets.size, "a diagonal lies outside the matrix")


@structure("scipy.sparse._lil._lil_base")
def check_lists(matrix: Part) -> None:
    """Check the lists of a matrix in the format LIL."""
    rows, columns = matrix.shape
    ensure(matrix.rows.shape == matrix.data.shape == (rows,), "it has the wrong number of rows")
    for indices, values in zip(matrix.rows, matrix.data, strict=True):
        ensure(len(indices) == len(values), "a row has the wrong number of values")
        check_indices(np.asarray(indices, dtype=np.int64), columns, "its indices")


@structure("scipy.sparse._dok._dok_base")
def check_keys(matrix: Part) -> None:
    """Check the keys of a matrix in the format DOK."""
    for key in list(matrix.keys()):
        indices = key if isinstance(key, tuple) else (key,)
        ensure(len(indices) == len(matrix.shape), "a key has the wrong number of indices")
        for index, size in zip(indices, matrix.shape, strict=True):
            ensure(0 <= index < size, "an index lies outside the matrix")
