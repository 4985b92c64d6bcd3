"""X for an estimator that was fitted on a data frame. The data frame is made on first use."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib import import_module
from itertools import chain
from typing import Any

import numpy as np

from flask_skmodels.schema.dtypes import (
    Maker,
    are_integers,
    has_missing,
    maker_of,
    missing_of,
    python_values,
    storage_in_frame,
)
from flask_skmodels.schema.fields import NUMBER_KINDS, Field
from flask_skmodels.schema.rows import EXACT
from flask_skmodels.schema.tabular import Tabular, matrix_of
from flask_skmodels.schema.types import Array, ColumnValues, FloatArray, Frame, ModelInput, Values

_INTEGERS = frozenset({"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"})
FEW = 4096  # BLAS uses one thread for fewer numbers than this


class Fields(tuple[Field, ...]):
    """The fields of the columns of a data frame, with properties derived from all of them."""

    @cached_property
    def kinds(self) -> frozenset[str]:
        """How the columns are held; see :class:`~flask_skmodels.schema.fields.Field`."""
        return frozenset(map(storage_in_frame, self))

    @cached_property
    def labels(self) -> list[Any]:
        """The labels of the columns of the data frame: names, or the integers used in ``fit``."""
        columns = (field.column for field in self)
        return [column.name if column.label is None else column.label for column in columns]

    @cached_property
    def makers(self) -> list[Maker]:
        """The functions that make the columns of a data frame.

        :raises ModelError: no request can contain the dtype of a column
        """
        return list(map(maker_of, self))

    @cached_property
    def is_polars(self) -> bool:
        """Whether the data frame is a polars data frame."""
        return any(field.container == "polars" for field in self)

    @cached_property
    def is_by_column(self) -> bool:
        """Whether numbers are stored column by column, as in a data frame that a user makes.

        This is so if a profile describes the training data.
        """
        return self.is_polars or self.are_profiled

    @cached_property
    def are_profiled(self) -> bool:
        """Whether the dtypes of the training data are known."""
        return any(field.column.dtype is not None for field in self)

    @cached_property
    def are_typed(self) -> bool:
        """Whether a column has an explicit dtype, which only the data frame knows."""
        return "typed" in self.kinds

    @cached_property
    def are_floats(self) -> bool:
        """Whether an array of float64 can have the same values as the data frame.

        This is also true if a column of integers becomes a column of floats because a value is
        missing.
        """
        return not self.are_typed or all(map(is_float, self))

    @cached_property
    def are_numbers(self) -> bool:
        """Whether all columns are numbers, and no column has only integers."""
        return self.kinds == {"number"} and not self.integers

    @cached_property
    def are_integers(self) -> bool:
        """Whether all columns hold integers or booleans, which scikit-learn makes integers."""
        return all(field.kind in ("integer", "boolean") or _is_integer(field) for field in self)

    @cached_property
    def integers(self) -> list[int]:
        """The indices of the columns of integers, including those that may have missing values."""
        kinds = (field.kind == "integer" or _is_integer(field) for field in self)
        return [index for index, is_integer in enumerate(kinds) if is_integer]

    @cached_property
    def missing(self) -> list[object]:
        """The value that stands for a missing value, for each column.

        :raises TypeError: a column has an explicit dtype
        """
        return list(map(missing_of, self))

    @cached_property
    def _selections(self) -> dict[tuple[int, ...], Fields]:
        return {}

    def select(self, indices: tuple[int, ...]) -> Fields:
        """Return some of the fields; the same object each time for the same indices."""
        selection = self._selections.get(indices)
        if selection is None:
            selection = self._selections[indices] = Fields(self[index] for index in indices)
        return selection


class DeferredFrame(Tabular):
    """Validated columns, in the estimator's order, converted to a data frame on demand.

    The data frame is a pandas or a polars data frame. Only the data frame knows dtypes that are not
    the default, so methods that return values raise ``TypeError`` for such columns.

    The values are held in one of three forms: as columns, as one matrix of numbers of one kind
    (:meth:`from_matrix`), or as one row (:meth:`from_row`).

    :param fields: the fields of the columns
    :param columns: for each field, its values, None for a missing value
    """

    __slots__ = ("_columns", "_frame", "fields", "matrix", "row")
    matrix: Array | None

    def __init__(self, fields: Fields, columns: Sequence[ColumnValues]) -> None:
        self.fields = fields
        self.matrix = None
        self.row: Values | None = None
        self._columns = columns
        self._frame: Frame = None

    @classmethod
    def from_matrix(cls, fields: Fields, matrix: Array) -> DeferredFrame:
        """Return the frame of a matrix of numbers of one kind.

        :param matrix: of shape (rows, fields)
        """
        frame = cls.__new__(cls)  # __init__ would take as long as all of this
        frame.fields = fields
        frame.matrix = matrix
        frame.row = frame._frame = None
        frame._columns = ()
        return frame

    @classmethod
    def from_row(cls, fields: Fields, row: Values) -> DeferredFrame:
        """Return the frame of one row.

        :param row: for each field, its value, None for a missing value
        """
        frame = cls(fields, ())
        frame.row = row
        return frame

    @classmethod
    def concatenate(cls, parts: Sequence[DeferredFrame]) -> DeferredFrame:
        """Return the rows of several frames of the same fields, one after the other."""
        fields, matrices = parts[0].fields, [part.matrix for part in parts]
        if matrices[0] is not None:
            matrix = np.concatenate([m for m in matrices if m is not None])
            return cls.from_matrix(fields, by_column(matrix) if fields.is_by_column else matrix)
        by_field = zip(*(part.columns for part in parts), strict=True)
        return cls(fields, [list(chain.from_iterable(columns)) for columns in by_field])

    def __len__(self) -> int:
        if self.row is not None:
            return 1
        return len(self._columns[0]) if self.matrix is None else len(self.matrix)

    @property
    def layout(self) -> object:
        """A value that is equal for two frames of a schema if they can be concatenated."""
        matrix = self.matrix
        if self.fields.are_typed and self.fields.are_floats:
            columns = self.columns
            kept = (columns[index] for index in self.fields.integers)
            return (type(self), *(are_integers(c) and not has_missing(c) for c in kept))
        if self.fields.are_typed:  # some dtypes depend on the values
            return (type(self), *map(str, self.to_sklearn().dtypes))
        return type(self) if matrix is None else (type(self), matrix.dtype, matrix.shape[1:])

    @property
    def columns(self) -> Sequence[ColumnValues]:
        """For each field, its values, None for a missing value; empty if there is a matrix."""
        return self._columns if self.row is None else [(value,) for value in self.row]

    def to_sklearn(self) -> Frame:
        """Return the data frame, the same object at each call."""
        if self._frame is None:
            self._frame = self._new_frame()
        return self._frame

    def select(self, indices: tuple[int, ...]) -> DeferredFrame:
        """Return a frame of some of the columns, in the order of the indices."""
        fields, row = self.fields.select(indices), self.row
        if row is not None:
            return DeferredFrame.from_row(fields, [row[index] for index in indices])
        if self.matrix is not None:
            selected = _select(self.matrix, indices)
            is_by_column = self.fields.is_by_column
            return DeferredFrame.from_matrix(
                fields, by_column(selected) if is_by_column else selected
            )
        return DeferredFrame(fields, [self._columns[index] for index in indices])

    def to_float64(self) -> FloatArray:
        """Return the values as an array of float64 of shape (rows, fields).

        :raises OverflowError: an integer is too large for float64 to hold exactly
        :raises TypeError: a column holds values other than numbers and booleans
        :raises ValueError: as for ``TypeError``
        """
        if not self.fields.are_floats:
            raise TypeError("a column has a dtype that this container cannot read")
        if self.matrix is not None:
            array: FloatArray = self.matrix.astype(np.float64, copy=False)
        elif self.row is not None:
            array = np.array((self.row,), dtype=np.float64)
            array = by_column(array) if self.fields.is_by_column else array
        else:  # column by column, as pandas stores columns of one dtype
            array = np.array(self._columns, dtype=np.float64).T
        # If the sum of squares is below the square of EXACT, each number is below EXACT.
        if self.fields.integers and not (array.size < FEW and np.vdot(array, array) < EXACT**2):
            self._check_exact(array)
        return array

    def to_numpy(self) -> Array:
        """Return the values as one array, with the dtype that a data frame's ``to_numpy`` returns.

        :raises OverflowError: an integer is too large for float64 to hold exactly
        """
        if self.fields.kinds <= NUMBER_KINDS:
            numbers = self.to_float64()
            return numbers.astype(np.int64) if self.fields.kinds == {"integer"} else numbers
        if self.fields.kinds == {"boolean"}:
            return self.to_float64().astype(np.bool_)
        cells = np.empty((len(self.fields), len(self)), dtype=object)
        for index in range(len(self.fields)):
            cells[index] = self.column(index)
        return cells.T

    def validated_columns(self, indices: Sequence[int]) -> Sequence[ColumnValues]:
        """Return the values of some columns as they were validated, None for a missing value."""
        if self.matrix is not None:
            return [self.matrix[:, index] for index in indices]
        columns = self.columns
        return [columns[index] for index in indices]

    def column(self, index: int) -> Values:
        """Return the values of one column as Python objects; missing values as in a data frame."""
        if self.matrix is not None:
            return list(self.matrix[:, index].tolist())
        are_typed = self.fields.are_typed
        missing = missing_of(self.fields[index]) if are_typed else self.fields.missing[index]
        if self.row is not None:
            value = self.row[index]
            return [missing if value is None else value]
        values = python_values(self._columns[index])
        return [missing if value is None else value for value in values]

    def copy(self) -> DeferredFrame:
        """Return a copy that shares neither arrays nor a data frame with this one."""
        columns = [each.copy() if isinstance(each, np.ndarray) else each for each in self._columns]
        fields = self.fields
        duplicate = DeferredFrame(fields, columns)
        duplicate.row = self.row
        if self.matrix is not None:
            matrix = self.matrix.copy(order="K")
            duplicate.matrix = by_column(matrix) if fields.is_by_column else matrix
        if self._frame is not None:
            duplicate._frame = self._frame.clone() if fields.is_polars else self._frame.copy()
        return duplicate

    def _check_exact(self, numbers: FloatArray) -> None:
        if (np.abs(numbers[:, self.fields.integers]) >= EXACT).any():
            raise OverflowError("an integer is too large for float64 to hold exactly")

    def _new_frame(self) -> Frame:
        names = self.fields.labels
        if self.matrix is not None and not self.fields.is_polars:
            return import_module("pandas").DataFrame(self.matrix, columns=names, copy=False)
        columns = self.columns if self.matrix is None else list(self.matrix.T)
        pairs = zip(self.fields.makers, columns, strict=True)
        series = dict(zip(names, (make(column) for make, column in pairs), strict=True))
        if self.fields.is_polars:
            return import_module("polars").DataFrame(series)
        if not self.fields.is_by_column and _are_of_one_numeric_dtype(list(series.values())):
            matrix = np.stack([np.asarray(column) for column in series.values()], axis=1)
            return import_module("pandas").DataFrame(matrix, columns=names, copy=False)
        return import_module("pandas").DataFrame(series, columns=names)


def _is_integer(field: Field) -> bool:
    """Return whether a column has a NumPy dtype of integers if no value is missing."""
    return field.storage == "typed" and field.is_number and field.column.dtype in _INTEGERS


def is_float(field: Field) -> bool:
    """Return whether float64 can hold the values that a column has in the data frame."""
    is_of_pandas = field.container == "frame" and field.column.categories is None
    return field.storage != "typed" or (is_of_pandas and _is_integer(field))


def _are_of_one_numeric_dtype(columns: Sequence[Any]) -> bool:
    dtypes = {column.dtype for column in columns}
    dtype = dtypes.pop()
    return not dtypes and isinstance(dtype, np.dtype) and dtype.kind in "iuf"


def has_only_integers(X: ModelInput) -> bool:
    """Return whether the array that scikit-learn makes of X holds integers or booleans.

    This is not known for columns of integers with missing values, which make it an array of floats.
    """
    matrix = matrix_of(X)
    if matrix is not None:
        return matrix.dtype.kind in "iub"
    return isinstance(X, DeferredFrame) and X.fields.are_integers


def _select(matrix: Array, indices: tuple[int, ...]) -> Array:
    """Return columns of a matrix in the memory layout in which pandas returns them."""
    first, count = indices[0], len(indices)
    if indices == tuple(range(first, first + count)):
        return matrix[:, first : first + count]
    return matrix.take(indices, axis=1)


def by_column(matrix: Array) -> Array:
    """Return a matrix in the memory layout in which pandas stores columns of one dtype.

    The last bits of NumPy's matrix products depend on the layout.
    """
    if len(matrix) == 1:  # NumPy takes one row for both layouts, but keeps other strides
        return matrix.reshape(-1, 1).T
    return np.asfortranarray(matrix)
