"""Concatenation of the outputs of several transformers, column by column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import hstack, issparse

from flask_skmodels.engines.lean.compiler import Call, Decline
from flask_skmodels.engines.lean.containers import (
    SPARSE_DTYPES,
    Csr,
    OneHotRows,
    SparseRows,
    to_array,
    to_csr,
)
from flask_skmodels.schema.frame import DeferredFrame
from flask_skmodels.schema.tabular import to_sklearn
from flask_skmodels.schema.types import DType, ModelInput, ModelOutput

_NUMBERS = {"number"}


def concatenate_dense(calls: Sequence[Call]) -> Call:
    """Return a function of X that puts the outputs of transformers into one dense array."""

    def transform(X: ModelInput) -> ModelOutput:
        return _dense([call(X) for call in calls], len(X))

    return transform


def concatenate_sparse(calls: Sequence[Call]) -> Call:
    """Return a function of X that puts the outputs of transformers into sparse rows."""

    def transform(X: ModelInput) -> Csr:
        return _sparse([call(X) for call in calls], len(X))

    return transform


def concatenate_outputs(calls: Sequence[Call]) -> Call:
    """Return a function of X that joins the outputs of transformers, sparse if any of them is."""

    def transform(X: ModelInput) -> ModelOutput:
        outputs = [call(X) for call in calls]
        if any(isinstance(output, SparseRows) or issparse(output) for output in outputs):
            return _sparse(outputs, len(X))
        return _dense(outputs, len(X))

    return transform


def _dense(outputs: Sequence[ModelOutput], rows: int) -> ModelOutput:
    row = _row_of_numbers(outputs) if rows == 1 else None
    if row is not None:
        return np.array((row,), dtype=np.float64)
    return np.concatenate([to_array(output) for output in outputs], axis=1)


def _row_of_numbers(outputs: Sequence[ModelOutput]) -> list[float | None] | None:
    """Return the values of one row, None unless all its columns are doubles."""
    row: list[float | None] = []
    for output in outputs:
        if type(output) is np.ndarray and output.dtype == np.float64:
            row += output[0].tolist()
        elif not isinstance(output, DeferredFrame):
            return None
        elif output.row is not None and output.fields.kinds == _NUMBERS:
            row += output.row
        else:
            return None
    return row


def _sparse(outputs: Sequence[ModelOutput], rows: int) -> Csr:
    if rows == 1:
        return _sparse_row(outputs)
    matrix = hstack([to_sklearn(output) for output in outputs]).tocsr()
    if matrix.dtype not in SPARSE_DTYPES:
        raise Decline("a transformer returns a dtype other than float64 or int64")
    return to_csr(matrix)


def _sparse_row(outputs: Sequence[ModelOutput]) -> Csr:
    data: list[float] = []
    indices: list[int] = []
    width = 0
    dtype = np.result_type(*map(_dtype_of, outputs))
    if dtype not in SPARSE_DTYPES:
        raise Decline("a transformer returns a dtype other than float64 or int64")
    for output in outputs:
        if isinstance(output, OneHotRows):
            codes = [width + code for code in output.codes[0] if code >= 0]
            indices += codes
            data += [1.0] * len(codes)
        else:
            _add_row(output, data, indices, width)
        width += output.shape[1] if hasattr(output, "shape") else to_array(output).shape[1]
    indptr = np.array((0, len(data)), dtype=np.int32)
    parts = np.array(data, dtype=dtype), np.array(indices, dtype=np.int32), indptr
    return Csr(*parts, (1, width))


def _dtype_of(output: ModelOutput) -> DType:
    """Return the dtype that the output of a transformer has in scikit-learn."""
    if isinstance(output, OneHotRows):
        return np.dtype(np.float64)
    if isinstance(output, Csr):
        return output.data.dtype
    return output.dtype if hasattr(output, "dtype") else to_array(output).dtype


def _add_row(output: ModelOutput, data: list[float], indices: list[int], width: int) -> None:
    if isinstance(output, np.ndarray) and output.dtype == np.float64:
        for index, value in enumerate(output[0].tolist(), width):
            if value:
                data.append(value)
                indices.append(index)
        return
    row = to_csr(output)
    data += row.data.tolist()
    indices += (row.indices + width).tolist()
