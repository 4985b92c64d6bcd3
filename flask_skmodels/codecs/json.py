"""``application/json``: an object is a row or the columns of several; an array is several rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from flask_skmodels.codecs.codec import Codec, Shapes, Source
from flask_skmodels.codecs.columns import MIN_ROW_BYTES, check_row_marks, request_columns
from flask_skmodels.codecs.json_numbers import MIN_BYTES, read_columns, read_matrix
from flask_skmodels.codecs.json_text import dumps, loads
from flask_skmodels.codecs.parts import entries_of, json_parts
from flask_skmodels.estimators.outputs import plain_outputs
from flask_skmodels.exceptions import InputError, InvalidInput
from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.schema.json_schema import COLUMNS
from flask_skmodels.schema.rows import Matrix, Repeated, Rows
from flask_skmodels.schema.schema import Schema
from flask_skmodels.schema.types import JSONMapping, JSONObject, JSONValue


class JSONCodec(Codec):
    """Reads rows in JSON; writes the prediction with its model, version and method."""

    media_type = "application/json"
    reads = ("application/json",)
    suffixes = (".json",)

    def decode(self, source: Source, schema: Schema) -> Rows:
        body = source.data
        if len(body) >= MIN_BYTES:
            check_row_marks(body, b"{[", source.budget, MIN_ROW_BYTES)
            numbers = _numbers(body, schema)
            if numbers is not None:
                return numbers
        document = loads(body)
        if isinstance(document, dict):
            if COLUMNS in document and _has_columns(document, schema):
                return _columns(document, schema)
            return Rows([document])
        if isinstance(document, list):
            return Rows(document)
        raise InvalidInput.of_request("type", "must be an object or an array")

    def encode(self, prediction: Prediction) -> bytes:
        document: JSONObject = {
            "model": prediction.model,
            "version": prediction.version,
            "method": prediction.method,
        }
        if prediction.layout is not None:
            return dumps(document | _explanations(prediction))
        document["predictions"] = plain_outputs(prediction.outputs)
        if prediction.classes is not None:
            document["classes"] = prediction.classes
        return dumps(document)

    def encode_parts(self, prediction: Prediction) -> Iterable[bytes]:
        return json_parts(prediction, self.encode(replace(prediction, outputs=[])))

    def request_schema(self, shapes: Shapes) -> JSONMapping:
        row = {"anyOf": [shapes.row, shapes.array]}
        rows = {"type": "array", "items": row, "minItems": 1}
        return {"anyOf": [shapes.row, rows, shapes.columns]}

    def answer_schema(self, shapes: Shapes) -> JSONMapping:
        return shapes.answer

    def example(self, row: JSONMapping) -> JSONValue:
        return row


def _explanations(prediction: Prediction) -> JSONObject:
    classes = {} if prediction.classes is None else {"classes": prediction.classes}
    is_empty = type(prediction.outputs) is list  # the outputs follow in parts
    return classes | {"explanations": [] if is_empty else entries_of(prediction)}


def _numbers(body: bytes, schema: Schema) -> Rows | None:
    """Return the rows or columns of a body of plain numbers, None for any other body."""
    width = schema.width_of_numbers
    if not width:
        return None
    if body.lstrip(b" \t\r\n")[:1] == b"[":
        matrix = read_matrix(body, width)
        return None if matrix is None else Matrix(matrix)
    columns = read_columns(body, COLUMNS)
    if columns is None or not _has_columns({COLUMNS: columns}, schema):
        return None
    return request_columns(list(columns), list(columns.values()), schema)


def _has_columns(document: Mapping[str, object], schema: Schema) -> bool:
    """Return whether an object holds columns: it has ``columns``, and no field of the model."""
    if COLUMNS not in document:
        return False
    fields = {"values"} if schema.unnamed else {field.name for field in schema.fields}
    return fields.isdisjoint(document)


def _columns(document: Mapping[str, object], schema: Schema) -> Rows:
    columns = document[COLUMNS]
    if isinstance(document, Repeated) and COLUMNS in document.names:
        raise InvalidInput([InputError(None, COLUMNS, "unique", "given more than once")])
    if not isinstance(columns, dict):
        raise InvalidInput([InputError(None, COLUMNS, "type", "must be an object of arrays")])
    if isinstance(columns, Repeated):
        _check_repeated(columns, schema)
    _check_arrays(columns, schema)
    return request_columns(list(columns), list(columns.values()), schema)


def _check_repeated(columns: Repeated, schema: Schema) -> None:
    fields = [field.name for field in schema.fields]
    # If one of the columns were lost, columns that are read by order would be mixed up.
    if schema.unnamed or not columns.names.isdisjoint(fields):
        repeated = [name for name in fields if name in columns.names] or [COLUMNS]
        raise InvalidInput(
            InputError(None, name, "unique", "given more than once") for name in repeated
        )


def _check_arrays(columns: Mapping[str, object], schema: Schema) -> None:
    fields = {field.name for field in schema.fields}
    wrong = [name for name, column in columns.items() if not isinstance(column, list)]
    if wrong:
        raise InvalidInput(
            InputError(None, name if name in fields else COLUMNS, "type", "must be of list type")
            for name in wrong
        )
