"""X for a boosting library as an array of doubles, with codes in the columns of categories."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import nan
from typing import Generic, TypeVar

import numpy as np

from flask_skmodels.engines.lean.compiler import Decline, doubles
from flask_skmodels.schema.dtypes import python_values
from flask_skmodels.schema.fields import NUMERIC_KINDS, Field
from flask_skmodels.schema.frame import DeferredFrame, Fields, is_float
from flask_skmodels.schema.types import ColumnValues, FieldValue, FloatArray, ModelInput, Values

_T = TypeVar("_T")
_DOUBLE = np.dtype(np.float64)


class KnownFields(Generic[_T]):
    """A property of the fields of a data frame, computed once for the same fields.

    :param compute: returns the property, or raises; it is called again only after it has raised
    """

    def __init__(self, compute: Callable[[Fields], _T]) -> None:
        self._compute = compute
        self._known: dict[int, tuple[Fields, _T]] = {}

    def __call__(self, fields: Fields) -> _T:
        """Return the property."""
        known = self._known.get(id(fields))
        if known is None or known[0] is not fields:
            known = self._known[id(fields)] = fields, self._compute(fields)
        return known[1]


class CodedColumns:
    """The conversion of X to a C-ordered array of doubles.

    :param categories: the categories of each column that has them, by the index of the column; the
        code of a category is its index
    :param width: the number of columns
    """

    def __init__(self, categories: Mapping[int, Values], width: int) -> None:
        self._codes = {
            index: {value: float(code) for code, value in enumerate(values)}
            for index, values in categories.items()
        }
        self._width = width
        self._fits = KnownFields(self._has_only_numbers)

    def __call__(self, X: ModelInput) -> FloatArray:
        """Return an array of shape (rows, columns); NaN stands for a value without a code.

        :raises Decline: the columns of X do not hold numbers, or other columns hold categories
        """
        if type(X) is DeferredFrame and not self._codes and X.fields.are_numbers:
            matrix = X.matrix  # the most common case
            if matrix is not None and matrix.dtype == _DOUBLE and matrix.flags.c_contiguous:
                return matrix
        if not isinstance(X, DeferredFrame) or not (self._codes or X.fields.are_typed):
            return np.ascontiguousarray(doubles(X))
        if not self._fits(X.fields):
            raise Decline("a column has a dtype that the lean form cannot read")
        if X.row is not None:
            return np.array((self._coded(X.row),), dtype=np.float64)
        columns = [self._column(index, column) for index, column in enumerate(X.columns)]
        return np.array(columns, dtype=np.float64).T.copy()

    def _coded(self, row: Values) -> list[float]:
        values = list(row)
        for index, codes in self._codes.items():
            values[index] = codes.get(values[index], nan)
        return [nan if value is None else value for value in values]

    def _column(self, index: int, column: ColumnValues) -> ColumnValues:
        codes = self._codes.get(index)
        if codes is None:
            return column
        return [codes.get(value, nan) for value in python_values(column)]

    def _has_only_numbers(self, fields: Fields) -> bool:
        """Return whether a data frame has only numbers and known categories."""
        return len(fields) == self._width and all(
            self._is_known(field, self._codes.get(index)) for index, field in enumerate(fields)
        )

    def _is_known(self, field: Field, codes: Mapping[FieldValue, float] | None) -> bool:
        if codes is not None:
            return tuple(field.column.categories or ()) == tuple(codes)
        return field.storage in NUMERIC_KINDS or (field.is_number and is_float(field))
