"""Rows in the JSON of TensorFlow Serving, KServe v1 and MLflow."""

from __future__ import annotations

from collections.abc import Collection
from itertools import chain

from flask_skmodels.codecs.columns import MIN_ROW_BYTES, check_row_marks, request_columns
from flask_skmodels.codecs.json_text import loads
from flask_skmodels.exceptions import InvalidInput
from flask_skmodels.inference.request_limits import Budget
from flask_skmodels.schema.json_schema import VALUES
from flask_skmodels.schema.rows import Columns, Repeated, Rows
from flask_skmodels.schema.schema import Schema
from flask_skmodels.schema.types import JSONMapping, JSONObject, JSONValue

invalid = InvalidInput.of_request


def read_object(body: bytes, budget: Budget) -> JSONObject:
    """Return the JSON object in a body.

    :param body: the JSON text
    :param budget: the limits on the request
    :raises TooManyRows: the body must contain too many rows
    :raises InvalidInput: the body is not a JSON object, or repeats a name
    """
    check_row_marks(body, b"{[", budget, MIN_ROW_BYTES)
    document = loads(body, count_names=_count_names)
    if not isinstance(document, dict):
        raise invalid("type", "the body must be an object")
    if isinstance(document, Repeated):
        raise invalid("unique", "a name occurs more than once in the body")
    return document


def read_rows(value: JSONValue, schema: Schema, name: str) -> Rows:
    """Return the rows of an array of rows, of an object of columns, or of an array of values.

    An array of values is for models of one field; each value is a row. An object without arrays is
    one row. For a model of unnamed values, an object with the single name ``values`` contains the
    rows.

    :param value: the array or object
    :param schema: the fields of the model
    :param name: name of the value in error messages
    :raises InvalidInput: the value is none of these
    """
    if isinstance(value, dict) and schema.unnamed and value.keys() == {VALUES}:
        value = value[VALUES]
        is_row = isinstance(value, list) and value and not isinstance(value[0], list)
        value = [value] if is_row else value
    elif isinstance(value, dict):
        return _columns(value, schema, name)
    if not isinstance(value, list):
        raise invalid("type", f"{name} must be an array or an object of columns")
    names = [field.name for field in schema.fields if not field.is_alias]
    if len(names) == 1 and value and not any(isinstance(row, dict | list) for row in value):
        return Columns({names[0]: value}, positional=True)
    return Rows(value)


def read_instances(value: JSONValue, schema: Schema, budget: Budget) -> Rows:
    """Return the rows of KServe's ``instances``; one instance may contain several rows.

    Such an instance is an array of objects, or an object of columns. Its columns are arrays, or
    objects by index as pandas writes a data frame.

    :param value: the array of instances
    :param schema: the fields of the model
    :param budget: the limits on the request
    :raises InvalidInput: the value is not such an array
    :raises TooManyRows: the instances contain too many rows
    """
    if isinstance(value, list) and not schema.unnamed:
        kinds = set(map(type, value))
        if kinds == {list} and all(part and isinstance(part[0], dict) for part in value):
            value = list(chain.from_iterable(value))
        elif kinds <= {dict, Repeated}:
            budget.check_rows(sum(map(_count_rows, value)))
            known = {field.name for field in schema.fields}
            value = [row for instance in value for row in _rows_of_instance(instance, known)]
    return read_rows(value, schema, "instances")


def _has_columns(instance: JSONObject) -> bool:
    """Return whether an instance is an object of columns: all are arrays, or all are objects."""
    kinds = set(map(type, instance.values()))
    return not isinstance(instance, Repeated) and kinds in ({list}, {dict})


def _count_rows(instance: JSONObject) -> int:
    """Return the number of rows in an instance.

    :raises InvalidInput: its columns differ in length
    """
    lengths = set(map(len, instance.values())) if _has_columns(instance) else {1}
    if len(lengths) > 1:
        raise invalid("length", "the columns of an instance must all have the same length")
    return lengths.pop()


def _rows_of_instance(instance: JSONObject, known: Collection[str]) -> list[JSONObject]:
    """Return the rows in an instance; fields that are not known are kept only in the first row."""
    if not _has_columns(instance):
        return [instance]
    columns = {n: v if type(v) is list else list(v.values()) for n, v in instance.items()}
    read = {name: column for name, column in columns.items() if name in known}
    rows = [dict(zip(read, row, strict=True)) for row in zip(*read.values(), strict=True)]
    rows = rows if read else [{} for _ in range(_count_rows(instance))]
    if rows:
        rows[0] = {name: column[0] for name, column in columns.items()}
    return rows


def read_table(columns: JSONValue, data: JSONValue, schema: Schema, name: str) -> Rows:
    """Return the rows of an array of arrays and the names of its columns.

    :param columns: the names, or numbers as pandas gives to columns without names
    :param data: the array of arrays
    :param schema: the fields of the model
    :param name: name of the columns and rows in error messages
    :raises InvalidInput: the columns are not an array of unique names, or a row has more or fewer
        values than there are names
    """
    if not isinstance(columns, list) or not all(type(column) in (str, int) for column in columns):
        raise invalid("type", f"the columns of {name} must be an array of names")
    if not all(isinstance(row, list) and len(row) == len(columns) for row in data):
        raise invalid("length", f"the rows of {name} must have a value for each of its columns")
    names = list(map(str, columns))
    if len(set(names)) < len(names):
        raise invalid("unique", f"two of the columns of {name} have the same name")
    if not data:
        return Rows([])
    return request_columns(names, list(zip(*data, strict=True)), schema)


def _columns(value: JSONMapping, schema: Schema, name: str) -> Rows:
    if isinstance(value, Repeated):
        raise invalid("unique", f"a name occurs more than once in {name}")
    are_lists = {isinstance(column, list) for column in value.values()}
    if are_lists == {False}:
        return Rows([value])
    if are_lists != {True}:
        raise invalid("type", f"the columns of {name} must be arrays")
    return request_columns(list(value), list(value.values()), schema)


def _count_names(document: JSONValue) -> int:
    """Return the number of names in an object, in its objects and in its rows."""
    if not isinstance(document, dict):
        return 0
    objects = [value for value in document.values() if isinstance(value, dict)]
    rows = [
        row
        for value in document.values()
        if isinstance(value, list) and value and isinstance(value[0], dict)
        for row in value
    ]
    return sum(len(part) for part in [document, *objects, *rows] if isinstance(part, dict))
