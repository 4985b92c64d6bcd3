"""Construction of X from validated values: an array, a data frame or a list."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from flask_skmodels.exceptions import ModelError
from flask_skmodels.schema.fields import Field
from flask_skmodels.schema.frame import DTYPES, DeferredFrame, Fields, object_array
from flask_skmodels.schema.types import Array, ColumnValues, ModelInput


def require_pandas(container: str) -> None:
    """Import pandas at start-up if X is a data frame, so that the first request does not wait.

    :raises ModelError: pandas is not installed
    """
    if container == "frame":
        try:
            import_module("pandas")
        except ImportError as error:
            raise ModelError(
                "the estimator was fitted on a data frame: pip install 'Flask-SKModels[pandas]'"
            ) from error


class Builder:
    """Builds X from validated values.

    :param fields: the fields of the columns, in the estimator's order
    :param container: as in :class:`~flask_skmodels.schema.fields.Inputs`
    :ivar as_arrays: whether X holds numbers as NumPy's types
    """

    def __init__(self, fields: Sequence[Field], container: str) -> None:
        self._fields = Fields(fields)
        self._container = container
        self._names = [field.column.name for field in fields]
        kinds = {field.kind for field in fields}
        self._is_one_kind = len(kinds) == 1
        self._dtype: type = np.object_
        if kinds <= DTYPES.keys():
            self._dtype = DTYPES[kinds.pop()] if self._is_one_kind else np.float64
        is_numeric = self._dtype is not np.object_
        self._is_array = container == "array" and is_numeric
        self._is_one_block = container == "frame" and is_numeric and self._is_one_kind
        self.as_arrays = self._is_array or container == "frame"

    def row(self, values: Sequence[Any]) -> ModelInput:
        """Return X from the values of one row; see :meth:`columns`."""
        if self._is_array:
            return np.array([values], dtype=self._dtype)
        if self._is_one_block:
            return DeferredFrame.from_matrix(self._fields, np.array([values], dtype=self._dtype))
        if self._container == "frame":
            return DeferredFrame.from_row(self._fields, values)
        return self.columns([(value,) for value in values])

    def columns(self, columns: Sequence[ColumnValues] | Array) -> ModelInput:
        """Return X.

        :param columns: for each field its validated values, None for a missing value; or an array
            of shape (rows, fields), if all fields are numbers
        :returns: a C-ordered array of shape (rows, fields); a
            :class:`~flask_skmodels.schema.frame.DeferredFrame`; or a list of texts or mappings.
            Numbers are float64, unless all columns are integers, booleans or float32.
        """
        if self._container == "frame":
            return self._frame(columns)
        if self._container == "sequence":
            return list(columns[0])
        if self._container == "mapping":
            return self._mappings(columns)
        return self._matrix(columns)

    def _matrix(self, columns: Sequence[ColumnValues] | Array) -> Array:
        if isinstance(columns, np.ndarray):
            return columns
        shape = (len(columns[0]), len(columns))
        matrix: Array = np.empty(shape, dtype=self._dtype_of(columns))
        is_object = self._dtype is np.object_
        for index, (field, column) in enumerate(zip(self._fields, columns, strict=True)):
            # NumPy converts None to nan in a float column.
            matrix[:, index] = object_array(column, field.column.missing) if is_object else column
        return matrix

    def _mappings(self, columns: Sequence[ColumnValues] | Array) -> list[dict[str, Any]]:
        rows = columns if isinstance(columns, np.ndarray) else zip(*columns, strict=True)
        return [dict(zip(self._names, row, strict=True)) for row in rows]

    def _dtype_of(self, columns: Sequence[Any]) -> Any:
        """Return the dtype of a matrix, float32 if that is the dtype of all columns."""
        dtypes = {getattr(column, "dtype", None) for column in columns}
        narrow = self._dtype is np.float64 and dtypes == {np.dtype(np.float32)}
        return np.float32 if narrow else self._dtype

    def _frame(self, columns: Sequence[ColumnValues] | Array) -> DeferredFrame:
        if self._is_one_block or isinstance(columns, np.ndarray):
            return DeferredFrame.from_matrix(self._fields, self._matrix(columns))
        return DeferredFrame(self._fields, columns)
