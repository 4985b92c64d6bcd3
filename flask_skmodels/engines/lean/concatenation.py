"""The outputs of several transformers, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import hstack, issparse

from flask_skmodels.engines.lean.compiler import Call, Decline
from flask_skmodels.engines.lean.containers import Csr, Ones, Sparse, array, csr
from flask_skmodels.schema.frame import DeferredFrame
from flask_skmodels.schema.tabular import native

_NUMBERS = {"number"}


def stacked(calls: Sequence[Call]) -> Call:
    """Return a call that puts what others make of X side by side in one dense array."""

    def transform(X: Any) -> Any:
        return _dense([call(X) for call in calls], len(X))

    return transform


def _dense(blocks: Sequence[Any], rows: int) -> Any:
    row = _row_of_numbers(blocks) if rows == 1 else None
    if row is not None:
        return np.array((row,), dtype=np.float64)
    return np.concatenate([array(block) for block in blocks], axis=1)


def _row_of_numbers(blocks: Sequence[Any]) -> list[float | None] | None:
    """Return what blocks of one row are side by side, None where they are not all of doubles."""
    row: list[float | None] = []
    for block in blocks:
        if (
            type(block) is DeferredFrame
            and block.row is not None
            and block.fields.kinds == _NUMBERS
        ):
            row += block.row
        elif type(block) is np.ndarray and block.dtype == np.float64:
            row += block[0].tolist()
        else:
            return None
    return row


def stacked_sparse(calls: Sequence[Call]) -> Call:
    """Return a call that puts what others make of X side by side without the zeros."""

    def transform(X: Any) -> Csr:
        blocks = [call(X) for call in calls]
        return _one_row(blocks) if len(X) == 1 else _rows(blocks)

    return transform


def _one_row(blocks: Sequence[Any]) -> Csr:
    data: list[float] = []
    indices: list[int] = []
    width = 0
    for block in blocks:
        if type(block) is Ones:
            codes = [width + code for code in block.codes[0] if code >= 0]
            indices += codes
            data += [1.0] * len(codes)
        else:
            _add_row(block, data, indices, width)
        width += block.shape[1] if hasattr(block, "shape") else array(block).shape[1]
    indptr = np.array((0, len(data)), dtype=np.int32)
    return Csr(np.array(data), np.array(indices, dtype=np.int32), indptr, (1, width))


def _add_row(block: Any, data: list[float], indices: list[int], width: int) -> None:
    if isinstance(block, np.ndarray) and block.dtype == np.float64:
        for place, value in enumerate(block[0].tolist(), width):
            if value:
                data.append(value)
                indices.append(place)
        return
    row = csr(block)
    data += row.data.tolist()
    indices += (row.indices + width).tolist()


def _rows(blocks: Sequence[Any]) -> Csr:
    found = hstack([native(block) for block in blocks]).tocsr()
    if found.dtype != np.float64:
        raise Decline("a transformer makes no doubles")
    return csr(found)


def stacked_like(calls: Sequence[Call]) -> Call:
    """Return a call that puts what others make of X side by side, sparse where one of them is."""

    def transform(X: Any) -> Any:
        blocks = [call(X) for call in calls]
        if any(type(block) in Sparse or issparse(block) for block in blocks):
            return _one_row(blocks) if len(X) == 1 else _rows(blocks)
        return _dense(blocks, len(X))

    return transform
