"""Comparison of X with the plain data frame that a user would make of the same rows."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from math import nan

import numpy as np

from flask_skmodels.engines.native import Call
from flask_skmodels.estimators.outputs import plain_outputs
from flask_skmodels.schema.fields import Field, family_of
from flask_skmodels.schema.schema import FixedSchema
from flask_skmodels.schema.tabular import to_sklearn
from flask_skmodels.schema.types import Frame, ModelOutput, Series, Values

_PLAIN_DTYPES = frozenset({"int64", "float64", "bool"})  # NumPy and pandas agree on these
_TOLERANCE = 1e-9  # relative; the memory layout of X may change the last bits


def different_labels(schema: FixedSchema, columns: Sequence[Values]) -> list[Hashable]:
    """Return the labels of the columns in which X differs from a plain data frame."""
    X = to_sklearn(schema.build(columns))
    return _different_labels(X, _plain_frame(schema.column_fields, columns, X))


def _different_labels(X: Frame, plain: Frame) -> list[Hashable]:
    return [label for label in X.columns if not _is_same(X[label], plain[label])]


def fields_at_fault(
    schema: FixedSchema, columns: Sequence[Values], calls: Mapping[str, Call]
) -> list[str]:
    """Return the names of the fields that make X differ from a plain data frame.

    The data frames are compared first. The estimator is called only if they differ, and only a
    difference between its results counts.

    :param schema: the schema of a model whose X is a pandas data frame
    :param columns: the values of each column, None for a missing value
    :param calls: the native methods
    :returns: an empty list if the results are the same, or if the estimator raises
    """
    X = to_sklearn(schema.build(columns))
    plain = _plain_frame(schema.column_fields, columns, X)
    labels = _different_labels(X, plain)
    if not labels:
        return []
    at_fault: list[Hashable] = []
    for call in calls.values():
        with suppress(Exception):
            at_fault += _labels_at_fault(X, plain, labels, call)
    by_label = dict(zip(X.columns, (f.name for f in schema.column_fields), strict=True))
    return [by_label[label] for label in dict.fromkeys(at_fault)]


def _labels_at_fault(X: Frame, plain: Frame, labels: list[Hashable], call: Call) -> list[Hashable]:
    """Return the labels of the columns of X that change the results for the plain data frame."""
    expected = plain_outputs(call(plain.copy()))
    if _agrees(call, X, expected):
        return []
    suspects = [label for label in labels if not _agrees(call, _with(plain, X, label), expected)]
    return suspects or labels


def _plain_frame(fields: Sequence[Field], columns: Sequence[Values], X: Frame) -> Frame:
    pandas = import_module("pandas")
    data = {
        label: _plain_column(field, values)
        for label, field, values in zip(X.columns, fields, columns, strict=True)
    }
    return pandas.DataFrame(data, columns=X.columns)


def _plain_column(field: Field, values: Values) -> Series:
    """Return a column as a user would pass it: with the profile's dtype, or as pandas infers it."""
    pandas, column = import_module("pandas"), field.column
    missing = None if column.missing is None else nan
    plain = [missing if value is None else value for value in values]
    if column.missing is None and None in plain:  # pandas would turn None among texts into nan
        return pandas.Series(plain, dtype=object)
    if column.dtype is None:
        return plain
    if column.categories is not None:
        known = [value if value in column.categories else None for value in plain]
        return pandas.Categorical(
            known, categories=list(column.categories), ordered=column.is_ordered
        )
    if family_of(column.dtype) == "integer" and any(map(_is_fraction, plain)):
        return plain  # pandas would cut off the fraction
    try:
        if column.dtype in _PLAIN_DTYPES and None not in values:
            return np.array(plain, dtype=column.dtype)
        return pandas.Series(plain).astype(column.dtype)
    except (TypeError, ValueError):  # the declared type has values that the dtype cannot hold
        return plain


def _is_fraction(value: object) -> bool:
    return isinstance(value, float) and value == value and not value.is_integer()


def _with(plain: Frame, X: Frame, label: Hashable) -> Frame:
    """Return a copy of the plain frame with one column of X."""
    mixed = plain.copy()
    mixed[label] = X[label]
    return mixed


def _is_same(one: Series, other: Series) -> bool:
    """Return whether two series have the same dtype and the same values."""
    return bool(one.dtype == other.dtype and one.equals(other))


def _agrees(call: Call, X: Frame, expected: ModelOutput) -> bool:
    return _is_close(plain_outputs(call(X.copy())), expected)


def _is_close(one: ModelOutput, other: ModelOutput) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray) and one.dtype.kind == "f":
        return one.shape == other.shape and np.allclose(
            one, other, rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_close, one, other))
    return bool(np.array_equal(one, other)) or (one != one and other != other)
