"""Comparison of two outputs of an estimator, to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import coo_array, issparse

from flask_skmodels.schema.types import Array, Frame, ModelOutput


def same(one: ModelOutput, other: ModelOutput) -> bool:
    """Return whether two outputs have the same type, shape, dtype and values.

    NaN equals NaN. Zero and minus zero differ.
    """
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if issparse(one):
        return same(_parts(one), _parts(other))
    if hasattr(one, "iloc"):
        return _same_frames(one, other)
    if not isinstance(one, np.ndarray):
        return False
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return _has_same_values(one, other)


def _has_same_values(one: Array, other: Array) -> bool:
    if one.dtype.kind == "f":
        equal = (one == other) & (np.signbit(one) == np.signbit(other))
        return bool((equal | (np.isnan(one) & np.isnan(other))).all())
    return bool((one == other).all())


def _same_frames(one: Frame, other: Frame) -> bool:
    """Return whether two data frames of pandas have the same columns, dtypes and values.

    Their indices may differ, because the estimator gets a part of a larger data frame.
    """
    if len(one) != len(other) or not one.columns.equals(other.columns):
        return False
    if list(one.dtypes) != list(other.dtypes):
        return False
    pairs = zip(one.items(), other.items(), strict=True)
    return all(_same_columns(a.to_numpy(), b.to_numpy()) for (_, a), (_, b) in pairs)


def _same_columns(one: Array, other: Array) -> bool:
    if one.dtype != object:
        return same(one, other)
    return all(a is b or a == b for a, b in zip(one, other, strict=True))


def _parts(matrix: Any) -> list[Array]:
    """Return the stored values of a sparse matrix, including zeros, their indices and its shape."""
    stored = coo_array(matrix)
    indices = [each.astype(np.int64) for each in stored.coords]
    return [stored.data, *indices, np.array(stored.shape)]
