"""The columns of a request, with the limits on their number, and the columns of a response."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flask_skmodels.codecs.json_text import dumps
from flask_skmodels.estimators.outputs import output_columns
from flask_skmodels.exceptions import InputError, InvalidInput, TooManyRows
from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.inference.request_limits import Budget
from flask_skmodels.schema.rows import Columns, Repeated, count_byte
from flask_skmodels.schema.schema import Schema
from flask_skmodels.schema.types import ColumnValues

MAX_COLUMNS = 16_384
MIN_ROW_BYTES = 3  # bytes of [] or {} in JSON, including a comma or line feed
MIN_LINE_BYTES = 2  # bytes of one digit in CSV, including a line feed


def request_columns(
    names: Sequence[str] | None,
    columns: Sequence[ColumnValues],
    schema: Schema,
    *,
    text: bool = False,
) -> Columns:
    """Return the columns of a request, by name or in the order of the fields.

    For rows of ``values`` the columns keep the order in which they were sent. They are sorted by
    name only if their names are exactly the names of the fields, so that no column is mistaken for
    another.

    :param names: the names in the request, None if it has none
    :param columns: the values of each column
    :param schema: the fields of the model; other columns are kept
    :param text: whether the values are texts
    :raises InvalidInput: there are too many columns or none, or two columns for one field
    """
    check_column_count(len(columns), schema)
    fields = [field.name for field in schema.fields]
    check_unique(names or (), fields)
    if names is not None and not schema.unnamed:
        return Columns(dict(zip(names, columns, strict=True)), text=text)
    if names is not None and set(names) == set(fields):
        named = dict(zip(names, columns, strict=True))
        columns = [named[field.name] for field in schema.fields if not field.is_alias]
    in_order = {str(index): column for index, column in enumerate(columns)}
    return Columns(in_order, text=text, positional=True)


def check_column_count(count: int, schema: Schema) -> None:
    """Check the number of columns of a request.

    :raises InvalidInput: there are no columns, or more than 16,384 and more than twice the number
        of fields
    """
    most = max(MAX_COLUMNS, 2 * len(schema.fields))
    if count > most:
        message = f"at most {most} columns are allowed, {count} were sent"
        raise InvalidInput.of_request("max_columns", message)
    if not count:
        raise InvalidInput.of_request("empty", "there must be at least one column")


def check_row_marks(body: bytes, marks: bytes, budget: Budget, least_bytes: int) -> None:
    """Refuse a body that must contain too many rows, before it is parsed.

    :param body: the body
    :param marks: bytes that occur once in each row, such as line feeds; because of empty lines and
        nested values, twice as many are allowed
    :param budget: the limits on the request
    :param least_bytes: the number of bytes of the shortest row; a body that is too short for too
        many rows is not searched, which saves 2 % of the time of its prediction
    :raises TooManyRows: the body has more marks than the maximum number of rows can have
    """
    most = 2 * (budget.max_rows + 1)
    if len(body) <= most * least_bytes:
        return
    count = max(count_byte(body, bytes([mark])) for mark in marks)
    if count > most:
        raise TooManyRows(count, budget.max_rows)


def check_unique(names: Iterable[str], fields: Iterable[str]) -> None:
    """Check that no field has two columns.

    :param names: the names of the columns
    :param fields: the names of the fields; other names may be repeated
    :raises InvalidInput: a field has two columns
    """
    repeated = Repeated((name, None) for name in names).names
    if not repeated.isdisjoint(fields):
        raise InvalidInput(
            InputError(None, name, "unique", "given more than once")
            for name in fields
            if name in repeated
        )


def answer_columns(prediction: Prediction) -> list[tuple[str, ColumnValues]]:
    """Return the outputs of a prediction as named columns, for a table.

    One output is ``prediction``, several are ``prediction_0`` and so on. The columns of classes
    have the names of the classes; with several outputs the number of the output comes first:
    ``0_setosa``. Explanations have the names of the fields, see :meth:`.ExplanationLayout.columns`.

    :returns: the name of each column and its values: an array of numbers or booleans as the
        estimator made them, or a list of anything else. Outputs that are not a table (rows of
        different lengths, or nested ones) are one column of JSON texts.
    """
    if prediction.layout is not None:
        return prediction.layout.columns(prediction.outputs, prediction.classes)
    columns = output_columns(prediction.outputs, prediction.classes or [])
    return [(name, _without_lists(values)) for name, values in columns]


def _without_lists(values: ColumnValues) -> ColumnValues:
    if type(values) is list and list in set(map(type, values)):
        return [dumps(value).decode() for value in values]
    return values
