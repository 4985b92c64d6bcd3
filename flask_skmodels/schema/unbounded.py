"""The schema of an estimator that does not fix its number of columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask_skmodels.exceptions import InputError, InvalidInput, Report
from flask_skmodels.schema.fields import InputColumn, Inputs
from flask_skmodels.schema.json_schema import VALUES, values_schema
from flask_skmodels.schema.rows import Matrix, Rows
from flask_skmodels.schema.schema import FixedSchema, values_of
from flask_skmodels.schema.types import Array, JSONObject, ModelInput


class UnboundedSchema:
    """A schema of rows of numbers; all rows of a request must have the same length.

    The first row of a request sets the length. All values are validated as one column.
    """

    column_names = ()
    fields = ()
    unnamed = True
    takes_arrays = True
    width_of_numbers = 0

    def __init__(self) -> None:
        column = InputColumn(name=VALUES)
        self._schema = FixedSchema({VALUES: {}}, Inputs(columns=(column,)))

    def clean(self, rows: Rows) -> ModelInput:
        """Return X; see :meth:`.FixedSchema.clean`."""
        report = Report()
        if isinstance(rows, Matrix):
            return self._matrix(rows, report)
        values_by_row = {}
        for index in range(len(rows)):
            values = _row(rows.item(index), index, rows.text, report)
            if values is not None:
                values_by_row[index] = values
        width = len(next(iter(values_by_row.values()), ()))
        for index, values in list(values_by_row.items()):
            if len(values) != width:
                message = f"length of list should be {width}, it is {len(values)}"
                report.add(index, VALUES, "items", message)
                del values_by_row[index]
        flat = self._column(values_by_row, width, rows.text, report)
        report.raise_if_any()
        X: Array = flat.reshape(len(rows), width)
        return X

    def json_schema(self) -> JSONObject:
        """Return the JSON Schema of one row, an object."""
        return values_schema(())

    def _column(
        self, values_by_row: Mapping[int, Sequence[Any]], width: int, text: bool, report: Report
    ) -> Any:
        """Return all values as one column, one row after the other."""
        flat = [[value] for values in values_by_row.values() for value in values]
        if not flat:
            return None
        return self._cleaned(Rows(flat, text=text), list(values_by_row), width, report)

    def _matrix(self, rows: Matrix, report: Report) -> Array:
        count, width = rows.values.shape
        flat = self._cleaned(Matrix(rows.values.reshape(-1, 1)), range(count), width, report)
        report.raise_if_any()
        X: Array = flat.reshape(count, width)
        return X

    def _cleaned(self, column: Rows, indices: Sequence[int], width: int, report: Report) -> Any:
        """Return a validated column of all values, or None after errors were reported.

        :param indices: the index of each row in the request
        """
        try:
            return self._schema.clean(column)
        except InvalidInput as exception:
            for error in exception.errors:
                report.add_error(_located(error, indices, width))
            report.count += exception.error_count - len(exception.errors)
        return None


def _row(item: object, index: int, text: bool, report: Report) -> Sequence[Any] | None:
    values = values_of(item, index, text, report) if isinstance(item, Mapping) else item
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
