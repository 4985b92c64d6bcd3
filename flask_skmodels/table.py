"""X of an estimator that was fitted on a data frame, which is made when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flask_skmodels.fields import Field

DTYPES: dict[str, type] = {"number": np.float64, "integer": np.int64, "boolean": np.bool_}
EXACT = 2**53  # beyond, a double does not hold every integer


class Table:
    """The validated columns of a data frame.

    :param fields: the fields of the columns, in the estimator's order
    :param columns: for each field its values, None for a missing one; or where all are numbers of
        one kind one array of shape (rows, fields)
    """

    __slots__ = ("_frame", "columns", "fields", "matrix")

    def __init__(
        self, fields: Sequence[Field], columns: Sequence[Sequence[Any] | NDArray[Any]]
    ) -> None:
        self.fields = fields
        self.columns = columns
        self.matrix: NDArray[Any] | None = None
        self._frame: Any = None

    @classmethod
    def of_matrix(cls, fields: Sequence[Field], matrix: NDArray[Any]) -> Table:
        """Return a table of numbers of one kind.

        :param matrix: of shape (rows, fields)
        """
        table = cls(fields, ())
        table.matrix = matrix
        return table

    def __len__(self) -> int:
        return len(self.columns[0]) if self.matrix is None else len(self.matrix)

    def frame(self) -> Any:
        """Return the pandas data frame, the same at each call."""
        if self._frame is None:
            self._frame = self._new_frame()
        return self._frame

    def numbers(self, places: Sequence[int]) -> NDArray[np.float64]:
        """Return some columns as doubles, of shape (rows, places).

        :raises OverflowError: an integer is beyond what a double holds exactly
        :raises TypeError: a column is not of numbers or booleans
        :raises ValueError: likewise
        """
        if self.matrix is not None:
            return self.matrix[:, places].astype(np.float64, copy=False)
        columns = [self.columns[place] for place in places]
        # As pandas keeps columns of one kind: one after the other.
        array = np.array(columns, dtype=np.float64).T
        if any(self.fields[place].kind == "integer" for place in places):
            check_exact(array)
        return array

    def values(self, place: int) -> Sequence[Any]:
        """Return the values of a column, what stands for a missing value in the place of None."""
        if self.matrix is not None:
            return list(self.matrix[:, place].tolist())
        column, missing = self.columns[place], self.fields[place].column.missing
        plain = column.tolist() if isinstance(column, np.ndarray) else column
        return [missing if value is None else value for value in plain]

    def copy(self) -> Table:
        """Return a table of its own columns, with a frame as it is now if there is one."""
        columns = [each.copy() if isinstance(each, np.ndarray) else each for each in self.columns]
        own = Table(self.fields, columns)
        own.matrix = None if self.matrix is None else self.matrix.copy()
        own._frame = None if self._frame is None else self._frame.copy()
        return own

    def _new_frame(self) -> Any:
        pandas = import_module("pandas")
        names = [field.column.name for field in self.fields]
        if self.matrix is not None:
            return pandas.DataFrame(self.matrix, columns=names, copy=False)
        series = zip(names, map(_series, self.fields, self.columns), strict=True)
        return pandas.DataFrame(dict(series), columns=names)


def check_exact(numbers: NDArray[np.float64]) -> None:
    """Raise OverflowError where integers have become doubles that may not be exactly them."""
    if (np.abs(numbers) >= EXACT).any():
        raise OverflowError("integers beyond what a double holds exactly")


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
    # Where the estimator knows the values they may be objects to it: scikit-learn finds a number
    # among objects, but takes no float column for a category that is an object.
    if field.kind in DTYPES and field.column.allowed is None:
        return np.array(column, dtype=DTYPES[field.kind])
    return objects(column, field.column.missing)
