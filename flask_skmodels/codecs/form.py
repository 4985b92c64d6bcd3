"""Reads forms, as curl and browsers send them; writes ``text/plain``, for use in a shell."""

from __future__ import annotations

from collections.abc import Iterable

from flask_skmodels.codecs.codec import Codec, Shapes, Source
from flask_skmodels.codecs.number_lines import number_lines
from flask_skmodels.codecs.parts import output_parts
from flask_skmodels.estimators.outputs import is_multi_output, plain_outputs
from flask_skmodels.exceptions import InvalidInput
from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.schema.rows import Repeated, Rows
from flask_skmodels.schema.schema import Schema
from flask_skmodels.schema.types import FieldValue, JSONMapping, JSONObject, ModelOutput


class FormCodec(Codec):
    """A form is one row of texts; the response has only the predictions, one line for each row."""

    media_type = "text/plain"
    reads = ("application/x-www-form-urlencoded", "multipart/form-data")

    def decode(self, source: Source, schema: Schema) -> Rows:
        row = Repeated(source.pairs)
        if _is_broken("".join([*row, *map(str, row.values())])):
            raise InvalidInput.of_request("form", "the body is not valid UTF-8")
        return Rows([row if row.names else dict(row)], text=True)

    def encode(self, prediction: Prediction) -> bytes:
        lines = output_lines(prediction.outputs)
        if prediction.layout is not None:
            lines = [f"{line},{prediction.layout.rule}" for line in lines]
        return "\n".join(lines).encode("utf-8", "replace")

    def encode_parts(self, prediction: Prediction) -> Iterable[bytes]:
        for index, part in enumerate(output_parts(prediction)):
            is_plain = part.layout is None
            lines = number_lines(part.outputs, b"nan", b"\n") if is_plain else None
            text = self.encode(part) if lines is None else lines[:-1]
            yield b"\n" * (index > 0) + text

    def request_schema(self, shapes: Shapes) -> JSONMapping:
        return shapes.form

    def example(self, row: JSONMapping) -> JSONObject:
        """Return the fields of a form, without the missing values."""
        given = {name: value for name, value in row.items() if value is not None}
        return {n: ",".join(map(_text, v)) if isinstance(v, list) else v for n, v in given.items()}


def output_lines(outputs: ModelOutput) -> list[str]:
    """Return one line for each row: its values separated by commas, floats by their ``repr``."""
    plain = plain_outputs(outputs)
    if is_multi_output(outputs):
        return [",".join(map(_text, row)) for row in zip(*plain, strict=True)]
    rows = plain if isinstance(plain, list) else plain.tolist()
    return [_text(row) for row in rows]


def _text(value: FieldValue) -> str:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return ",".join(map(_text, value))
    if isinstance(value, str):
        return value.replace("\r", "\\r").replace("\n", "\\n")
    return "" if value is None else repr(value)


def _is_broken(text: str) -> bool:
    """Return whether a text has a surrogate, or a replacement for bytes that are not UTF-8."""
    if text.isascii():
        return False
    return "\ufffd" in text or any("\ud800" <= character <= "\udfff" for character in text)
