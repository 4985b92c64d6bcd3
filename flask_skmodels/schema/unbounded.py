"""Rows of numbers for an estimator that does not say how many it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask_skmodels.errors import InputError, InvalidInput, Report
from flask_skmodels.schema.fields import InputColumn, Inputs
from flask_skmodels.schema.json_schema import VALUES, values_schema
from flask_skmodels.schema.rows import Matrix, Rows
from flask_skmodels.schema.schema import FixedSchema, values_of


class UnboundedSchema:
    """Rows of any number of numbers; the first row of a request says how many the others have.

    All values are checked as one column, so their number costs nothing to prepare for.
    """

    column_names = ()
    fields = ()
    unnamed = True
    takes_arrays = True
    width_of_numbers = 0

    def __init__(self) -> None:
        column = InputColumn(name=VALUES)
        self._schema = FixedSchema({VALUES: {}}, Inputs(columns=(column,)))

    def clean(self, rows: Rows) -> Any:
        """Return X; see :meth:`flask_skmodels.schema.schema.FixedSchema.clean`."""
        report = Report()
        if isinstance(rows, Matrix):
            return self._matrix(rows, report)
        found = {}
        for index in range(len(rows)):
            values = _row(rows.item(index), index, rows.text, report)
            if values is not None:
                found[index] = values
        width = len(next(iter(found.values()), ()))
        for index, values in list(found.items()):
            if len(values) != width:
                message = f"length of list should be {width}, it is {len(values)}"
                report.add(index, VALUES, "items", message)
                del found[index]
        flat = self._column(found, width, rows.text, report)
        report.raise_if_any()
        return flat.reshape(len(rows), width)

    def json_schema(self) -> dict[str, Any]:
        """Return the schema of one row as a JSON Schema object."""
        return values_schema(())

    def _column(
        self, found: Mapping[int, Sequence[Any]], width: int, text: bool, report: Report
    ) -> Any:
        """Return all values, one row after the other, as a column."""
        flat = [[value] for values in found.values() for value in values]
        return self._cleaned(Rows(flat, text=text), list(found), width, report) if flat else None

    def _matrix(self, rows: Matrix, report: Report) -> Any:
        count, width = rows.values.shape
        flat = self._cleaned(Matrix(rows.values.reshape(-1, 1)), range(count), width, report)
        report.raise_if_any()
        return flat.reshape(count, width)

    def _cleaned(self, column: Rows, places: Sequence[int], width: int, report: Report) -> Any:
        """Return a column of all values, None where the report says what is wrong with them.

        :param places: the indices of the rows that they are of
        """
        try:
            return self._schema.clean(column)
        except InvalidInput as exception:
            for error in exception.errors:
                report.add_error(_at_its_place(error, places, width))
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


def _at_its_place(error: InputError, places: Sequence[int], width: int) -> InputError:
    row, item = divmod(error.row or 0, width)
    return InputError(places[row], VALUES, error.rule, f"item {item}: {error.message}")
