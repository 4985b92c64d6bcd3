"""X of an estimator that was fitted on a data frame, which is made when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from functools import cached_property
from importlib import import_module
from itertools import chain
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flask_skmodels.schema.fields import Field
from flask_skmodels.schema.rows import EXACT

DTYPES: dict[str, type] = {"number": np.float64, "integer": np.int64, "boolean": np.bool_}
FEW = 4096  # numbers that BLAS takes one thread for


class Fields(tuple[Field, ...]):
    """The fields of the columns of a table, and what a table asks of them."""

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The kinds of its columns."""
        return frozenset(map(_kind, self))

    @cached_property
    def integers(self) -> list[int]:
        """The places of the integers."""
        return [place for place, field in enumerate(self) if field.kind == "integer"]

    @cached_property
    def missing(self) -> list[object]:
        """What stands for a missing value in each column."""
        return list(map(_missing_of, self))


class Table:
    """The validated columns of a data frame.

    :param fields: the fields of the columns, in the estimator's order
    :param columns: for each field its values, None for a missing one
    """

    __slots__ = ("_columns", "_frame", "fields", "matrix", "row")

    def __init__(self, fields: Fields, columns: Sequence[Sequence[Any] | NDArray[Any]]) -> None:
        self.fields = fields
        self.matrix: NDArray[Any] | None = None
        self.row: Sequence[Any] | None = None
        self._columns = columns
        self._frame: Any = None

    @classmethod
    def of_matrix(cls, fields: Fields, matrix: NDArray[Any]) -> Table:
        """Return a table of numbers of one kind.

        :param matrix: of shape (rows, fields)
        """
        table = cls(fields, ())
        table.matrix = matrix
        return table

    @classmethod
    def of_row(cls, fields: Fields, row: Sequence[Any]) -> Table:
        """Return a table of one row.

        :param row: for each field its value, None for a missing one
        """
        table = cls(fields, ())
        table.row = row
        return table

    @classmethod
    def joined(cls, tables: Sequence[Table]) -> Table:
        """Return several tables of the same fields as one, one after the other."""
        fields, matrices = tables[0].fields, [table.matrix for table in tables]
        if matrices[0] is not None:
            return cls.of_matrix(fields, np.concatenate([m for m in matrices if m is not None]))
        every = zip(*(table.columns for table in tables), strict=True)
        return cls(fields, [list(chain.from_iterable(columns)) for columns in every])

    def __len__(self) -> int:
        if self.row is not None:
            return 1
        return len(self._columns[0]) if self.matrix is None else len(self.matrix)

    @property
    def columns(self) -> Sequence[Sequence[Any] | NDArray[Any]]:
        """For each field its values, None for a missing one; nothing where there is a matrix."""
        return self._columns if self.row is None else [(value,) for value in self.row]

    def frame(self) -> Any:
        """Return the pandas data frame, the same at each call."""
        if self._frame is None:
            self._frame = self._new_frame()
        return self._frame

    def take(self, places: Sequence[int], fields: Fields) -> Table:
        """Return a table of some of the columns.

        :param places: which
        :param fields: their fields
        """
        if self.row is not None:
            row = self.row
            return Table.of_row(fields, [row[place] for place in places])
        if self.matrix is not None:
            return Table.of_matrix(fields, _taken(self.matrix, places))
        return Table(fields, [self._columns[place] for place in places])

    def numbers(self) -> NDArray[np.float64]:
        """Return the columns as doubles, of shape (rows, fields).

        :raises OverflowError: an integer is beyond what a double holds exactly
        :raises TypeError: a column is not of numbers or booleans
        :raises ValueError: likewise
        """
        if self.matrix is not None:
            array: NDArray[np.float64] = self.matrix.astype(np.float64, copy=False)
        elif self.row is not None:
            array = np.array((self.row,), dtype=np.float64)
        else:  # as pandas keeps columns of one kind: one after the other
            array = np.array(self._columns, dtype=np.float64).T
        # The square of no number among them is beyond that of the largest exact one.
        if self.fields.integers and not (array.size < FEW and np.vdot(array, array) < EXACT**2):
            self._check_exact(array)
        return array

    def array(self) -> NDArray[Any]:
        """Return the columns as one array, as a data frame gives it.

        :raises OverflowError: an integer is beyond what a double holds exactly
        """
        kinds = self.fields.kinds
        if kinds <= {"number", "integer"}:
            numbers = self.numbers()
            return numbers.astype(np.int64) if kinds == {"integer"} else numbers
        if kinds == {"boolean"}:
            return self.numbers().astype(np.bool_)
        cells = np.empty((len(self.fields), len(self)), dtype=object)
        for place in range(len(self.fields)):
            cells[place] = self.values(place)
        return cells.T

    def values(self, place: int) -> Sequence[Any]:
        """Return the values of a column, what stands for a missing value in the place of None."""
        if self.matrix is not None:
            return list(self.matrix[:, place].tolist())
        missing = self.fields.missing[place]
        if self.row is not None:
            value = self.row[place]
            return [missing if value is None else value]
        column = self._columns[place]
        plain = column.tolist() if isinstance(column, np.ndarray) else column
        return [missing if value is None else value for value in plain]

    def copy(self) -> Table:
        """Return a table of its own columns, with a frame as it is now if there is one."""
        columns = [each.copy() if isinstance(each, np.ndarray) else each for each in self._columns]
        own = Table(self.fields, columns)
        own.row = self.row
        own.matrix = None if self.matrix is None else self.matrix.copy()
        own._frame = None if self._frame is None else self._frame.copy()
        return own

    def _check_exact(self, numbers: NDArray[np.float64]) -> None:
        if (np.abs(numbers[:, self.fields.integers]) >= EXACT).any():
            raise OverflowError("integers beyond what a double holds exactly")

    def _new_frame(self) -> Any:
        pandas = import_module("pandas")
        names = [field.column.name for field in self.fields]
        if self.matrix is not None:
            return pandas.DataFrame(self.matrix, columns=names, copy=False)
        series = zip(names, map(_series, self.fields, self.columns), strict=True)
        return pandas.DataFrame(dict(series), columns=names)


def _taken(matrix: NDArray[Any], places: Sequence[int]) -> NDArray[Any]:
    """Return columns of a matrix in the memory layout in which pandas gives them."""
    first, count = places[0], len(places)
    if list(places) == list(range(first, first + count)):
        return matrix[:, first : first + count]
    return matrix.take(places, axis=1)


def _missing_of(field: Field) -> object:
    """Return what stands for a missing value in a column of a data frame."""
    return nan if _kind(field) in DTYPES else field.column.missing


def _kind(field: Field) -> str:
    # Where the estimator knows the values they may be objects to it: scikit-learn finds a number
    # among objects, but takes no float column for a category that is an object.
    return field.kind if field.column.allowed is None else "object"


def framed(X: Any) -> Any:
    """Return X as an estimator takes it: a data frame for a table, anything else as it is."""
    return X.frame() if type(X) is Table else X


def copied(X: Any) -> Any:
    """Return a copy of X, for an estimator that may write to it."""
    return X.copy() if isinstance(X, np.ndarray | Table) else deepcopy(X)


def objects(column: Sequence[Any] | NDArray[Any], missing: object) -> NDArray[np.object_]:
    """Return a column as an array of objects, what stands for a missing value in place of None."""
    values = np.empty(len(column), dtype=object)
    values[:] = [missing if value is None else value for value in column]
    return values


def _series(field: Field, column: Sequence[Any] | NDArray[Any]) -> Any:
    if _kind(field) in DTYPES:
        return np.array(column, dtype=DTYPES[field.kind])
    values = objects(column, field.column.missing)
    if field.column.missing is None:  # pandas makes nan of a None among texts
        return import_module("pandas").Series(values, dtype=object)
    return values
