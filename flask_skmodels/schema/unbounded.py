"""The schema of an estimator that does not fix its number of columns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, ClassVar

import numpy as np

from flask_skmodels.exceptions import InputError, InvalidInput, Report, TooManyCells
from flask_skmodels.schema.fields import InputColumn, Inputs
from flask_skmodels.schema.json_schema import VALUES, values_schema
from flask_skmodels.schema.rows import Columns, Matrix, Rows, plain
from flask_skmodels.schema.schema import NO_LIMIT, FixedSchema, values_field
from flask_skmodels.schema.types import Array, JSONObject, ModelInput, Values

_ROWS_OF_A_SEARCH = 256
_CELLS_OF_A_PART = 2**16  # cells that are validated together; the 100th error ends the validation


class UnboundedSchema:
    """A schema of rows of numbers; all rows of a request must have the same length.

    The first row of a request sets the length. All values are validated as one column.
    """

    column_names = ()
    fields = ()
    unnamed = True
    takes_arrays = True
    width_of_numbers = 0
    plain_names: ClassVar[list[str]] = []

    def __init__(self) -> None:
        column = InputColumn(name=VALUES)
        self._schema = FixedSchema({VALUES: {}}, Inputs(columns=(column,)))

    def clean(self, rows: Rows, max_cells: int = NO_LIMIT) -> ModelInput:
        """Return X; see :meth:`.FixedSchema.clean`."""
        report = Report()
        if isinstance(rows, Columns) and rows.positional:
            _check_cells(len(rows), len(rows.columns), max_cells)
            rows = _as_matrix(rows)
        if isinstance(rows, Matrix):
            return self._matrix(rows, report)
        values_by_row: dict[int, Values] = {}
        for index, item in enumerate(_items(rows)):
            values = _row(item, index, rows.text, report)
            if values is not None:
                values_by_row[index] = values
        width = len(next(iter(values_by_row.values()), ()))
        _check_cells(len(values_by_row), width, max_cells)
        for index, values in list(values_by_row.items()):
            if len(values) != width:
                message = f"length of list should be {width}, it is {len(values)}"
                report.add(index, VALUES, "items", message)
                del values_by_row[index]
        flat = self._column(values_by_row, width, rows.text, report)
        report.raise_if_any()
        X: Array = flat.reshape(len(rows), width)
        return X

    def row_errors(self, rows: Rows) -> dict[int, list[InputError]]:
        """Return the errors of each invalid row; see :meth:`.FixedSchema.row_errors`."""
        errors: dict[int, list[InputError]] = {}
        for start in range(0, len(rows), _ROWS_OF_A_SEARCH):
            part = rows.part(start, start + _ROWS_OF_A_SEARCH)
            valid = list(range(len(part)))
            while valid and (found := self._first_errors(part.take(valid))):
                for error in found:
                    if error.row is None:
                        raise InvalidInput([error])
                    row = start + valid[error.row]
                    errors.setdefault(row, []).append(replace(error, row=row))
                valid = [index for index in valid if start + index not in errors]
        return errors

    def _first_errors(self, rows: Rows) -> tuple[InputError, ...]:
        try:
            self.clean(rows)
        except InvalidInput as exception:
            return exception.errors
        return ()

    def json_schema(self, hidden: Collection[str] = ()) -> JSONObject:
        """Return the JSON Schema of one row, an object."""
        return values_schema(())

    def _column(
        self, values_by_row: Mapping[int, Values], width: int, text: bool, report: Report
    ) -> Any:
        """Return all values as one column, one row after the other."""
        indices, step = list(values_by_row), max(1, _CELLS_OF_A_PART // max(1, width))
        parts = [indices[start : start + step] for start in range(0, len(indices), step)]
        cleaned = [self._part(part, values_by_row, width, text, report) for part in parts]
        return None if report.count or not parts else np.concatenate(cleaned)

    def _part(
        self,
        indices: Sequence[int],
        values_by_row: Mapping[int, Values],
        width: int,
        text: bool,
        report: Report,
    ) -> Any:
        """Return the values of some rows as one column."""
        flat = list(chain.from_iterable(values_by_row[index] for index in indices))
        column = Columns({VALUES: flat}, text=text, positional=True)
        return self._cleaned(column, indices, width, report)

    def _matrix(self, rows: Matrix, report: Report) -> Array:
        count, width = rows.values.shape
        flat = self._cleaned(Matrix(rows.values.reshape(-1, 1)), range(count), width, report)
        report.raise_if_any()
        X: Array = flat.reshape(count, width)
        return X

    def _cleaned(self, column: Rows, indices: Sequence[int], width: int, report: Report) -> Any:
        """Return a validated column of all values, or None if errors were reported.

        :param indices: the index of each row in the request
        """
        try:
            return self._schema.clean(column)
        except InvalidInput as exception:
            for error in exception.errors:
                report.add_error(_located(error, indices, width))
        return None


def _check_cells(rows: int, width: int, max_cells: int) -> None:
    if rows * width > max_cells:
        raise TooManyCells(rows, width, max_cells)


def _as_matrix(rows: Columns) -> Columns:
    """Return columns of doubles as one array, and other columns unchanged."""
    columns = list(rows.columns.values())
    if isinstance(rows, Matrix) or any(getattr(c, "dtype", None) != np.float64 for c in columns):
        return rows
    return Matrix(np.stack(columns, axis=1))


def _items(rows: Rows) -> Iterable[object]:
    """Yield the rows; rows that come as columns become tuples."""
    if isinstance(rows, Columns) and rows.positional:
        return zip(*map(plain, rows.columns.values()), strict=True)
    return map(rows.item, range(len(rows)))


def _row(item: object, index: int, text: bool, report: Report) -> Values | None:
    values = values_field(item, index, text, report) if isinstance(item, Mapping) else item
    if isinstance(values, list | tuple) and values:
        return values
    if isinstance(values, list | tuple):
        report.add(index, VALUES, "minlength", "min length is 1")
    elif not isinstance(item, Mapping):
        report.add(index, None, "type", "must be an object or an array")
    return None


def _located(error: InputError, indices: Sequence[int], width: int) -> InputError:
    row, item = divmod(error.row or 0, width)
    return InputError(indices[row], VALUES, error.rule, f"item {item}: {error.message}")
