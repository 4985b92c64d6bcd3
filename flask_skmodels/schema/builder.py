"""Construction of X from validated values: an array, a data frame or a list."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

import numpy as np

from flask_skmodels.exceptions import ModelError
from flask_skmodels.hints import install_line, pip_install
from flask_skmodels.schema.dtypes import DTYPES, are_integers, has_missing, object_array
from flask_skmodels.schema.fields import NUMERIC_KINDS, Field, family_of
from flask_skmodels.schema.frame import DeferredFrame, Fields, by_column
from flask_skmodels.schema.types import Array, ColumnValues, DType, FieldValue, ModelInput, Values

FRAMES = {"frame": "pandas", "polars": "polars"}  # the library of each container that is a frame


def require_frame_library(container: str) -> None:
    """Import pandas or polars at startup if X is a data frame, so that no request waits for it.

    :raises ModelError: the library is not installed
    """
    library = FRAMES.get(container)
    if library is not None:
        try:
            import_module(library)
        except ImportError as error:
            needed = install_line(library) if library == "pandas" else pip_install(library)
            raise ModelError(
                f"the estimator was fitted on a data frame of {library}: {needed}"
            ) from error


class Builder:
    """Builds X from validated values.

    :param fields: the fields of the columns, in the estimator's order
    :param container: as in :class:`~flask_skmodels.schema.fields.Inputs`
    :ivar as_arrays: whether X holds numbers as NumPy's types
    """

    def __init__(self, fields: Sequence[Field], container: str) -> None:
        self._fields = Fields(fields)
        self._has_unknown = any(field.column.type == "unknown" for field in fields)
        self._container = container
        self._is_frame = container in FRAMES
        self._names = [field.column.name for field in fields]
        kinds = {field.storage if self._is_frame else _array_storage(field) for field in fields}
        is_one_kind = len(kinds) == 1
        self._dtype: DType = np.object_
        if kinds <= DTYPES.keys():
            self._dtype = DTYPES[kinds.pop()] if is_one_kind else np.float64
        is_numeric = self._dtype is not np.object_
        self._is_array = container == "array" and is_numeric
        self._is_one_block = container == "frame" and is_numeric and is_one_kind
        self._is_profiled = self._fields.are_profiled
        self._is_by_column = self._is_frame and self._is_profiled
        self._integer_dtype: DType = None
        if self._is_array:
            self._set_array_dtypes()
        self.as_arrays = self._is_array or self._is_frame
        if self._is_frame:
            self._fields.makers  # noqa: B018 - raises now for a dtype that no request can fill

    def _set_array_dtypes(self) -> None:
        dtypes = {field.column.dtype for field in self._fields}
        if None not in dtypes and all(family_of(str(name)) in NUMERIC_KINDS for name in dtypes):
            self._dtype = np.result_type(*map(np.dtype, map(str, dtypes)))
        if any(field.keeps_integers for field in self._fields) and all(
            field.keeps_integers or field.kind == "integer" for field in self._fields
        ):
            is_integer = np.dtype(self._dtype).kind in "iu"
            self._integer_dtype = np.dtype(self._dtype) if is_integer else np.dtype(np.int64)
            self._dtype = np.float64

    def row(self, values: Values) -> ModelInput:
        """Return X from the values of one row; see :meth:`columns`."""
        if self._is_array and self._integer_dtype is None:
            return np.array([values], dtype=self._dtype)
        if self._is_one_block:
            matrix = np.array([values], dtype=self._dtype)
            matrix = by_column(matrix) if self._is_by_column else matrix
            return DeferredFrame.from_matrix(self._fields, matrix)
        if self._is_frame:
            return DeferredFrame.from_row(self._fields, values)
        return self.columns([(value,) for value in values])

    def columns(self, columns: Sequence[ColumnValues] | Array) -> ModelInput:
        """Return X.

        :param columns: for each field, its validated values, None for a missing value; or an array
            of shape (rows, fields), if all fields are numbers
        :returns: a C-ordered array of shape (rows, fields); a
            :class:`~flask_skmodels.schema.frame.DeferredFrame`; or a list of texts or mappings.
            Numbers are float64, unless all columns are integers, booleans or float32, or a profile
            says otherwise.
        """
        if self._is_frame:
            return self._frame(columns)
        if self._container == "sequence":
            return list(columns[0])
        if self._container == "mapping":
            return self._mappings(columns)
        return self._matrix(columns)

    def _matrix(self, columns: Sequence[ColumnValues] | Array) -> Array:
        if isinstance(columns, np.ndarray):
            return columns.astype(self._dtype, copy=False) if self._is_profiled else columns
        shape = (len(columns[0]), len(columns))
        matrix: Array = np.empty(shape, dtype=self._dtype_of(columns))
        is_object = self._dtype is np.object_
        for index, (field, column) in enumerate(zip(self._fields, columns, strict=True)):
            # NumPy converts None to nan in a float column.
            missing = field.column.missing
            matrix[:, index] = object_array(column, missing) if is_object else column
        return _inferred(matrix) if is_object and self._has_unknown else matrix

    def _mappings(self, columns: Sequence[ColumnValues] | Array) -> list[dict[str, FieldValue]]:
        rows = columns if isinstance(columns, np.ndarray) else zip(*columns, strict=True)
        return [dict(zip(self._names, row, strict=True)) for row in rows]

    def _dtype_of(self, columns: Sequence[ColumnValues]) -> DType:
        """Return the dtype of a matrix, float32 if that is the dtype of all columns."""
        if self._integer_dtype is not None:
            are_kept = all(are_integers(c) and not has_missing(c) for c in columns)
            return self._integer_dtype if are_kept else self._dtype
        dtypes = {getattr(column, "dtype", None) for column in columns}
        is_narrow = self._dtype is np.float64 and dtypes == {np.dtype(np.float32)}
        return np.float32 if is_narrow and not self._is_profiled else self._dtype

    def _frame(self, columns: Sequence[ColumnValues] | Array) -> DeferredFrame:
        if self._is_one_block or isinstance(columns, np.ndarray):
            matrix = self._matrix(columns)
            matrix = by_column(matrix) if self._is_by_column else matrix
            return DeferredFrame.from_matrix(self._fields, matrix)
        return DeferredFrame(self._fields, columns)


def _array_storage(field: Field) -> str:
    """Return how an array holds a field; for a dtype that only data frames have, as an object."""
    if field.storage != "typed":
        return field.storage
    return "number" if field.keeps_integers else field.kind


def _inferred(matrix: Array) -> Array:
    """Return a matrix of objects as float64 if all its values are numbers."""
    is_numeric = all(isinstance(value, int | float) for value in matrix.flat)
    return matrix.astype(np.float64) if is_numeric else matrix
