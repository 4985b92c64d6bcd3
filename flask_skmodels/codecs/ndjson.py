"""``application/x-ndjson``: each line read is a row, each line written a prediction, as JSON."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from flask_skmodels.codecs.codec import Codec, Shapes, Source
from flask_skmodels.codecs.columns import MIN_ROW_BYTES, check_row_marks
from flask_skmodels.codecs.json_text import dumps, loads
from flask_skmodels.codecs.parts import output_parts
from flask_skmodels.estimators.outputs import is_multi_output, plain_outputs
from flask_skmodels.exceptions import InvalidInput, Report
from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.schema.rows import Rows
from flask_skmodels.schema.schema import Schema
from flask_skmodels.schema.types import FieldValue, JSONMapping, ModelOutput


class NDJSONCodec(Codec):
    """Each line is a row, an object or an array; blank lines are skipped."""

    media_type = "application/x-ndjson"
    reads = ("application/x-ndjson",)
    suffixes = (".ndjson", ".jsonl")

    def decode(self, source: Source, schema: Schema) -> Rows:
        check_row_marks(source.data, b"\n", source.budget, MIN_ROW_BYTES)
        lines = [line for line in source.data.split(b"\n") if line and not line.isspace()]
        source.budget.check_rows(len(lines))
        return Rows(_read_lines(lines))

    def encode(self, prediction: Prediction) -> bytes:
        if prediction.layout is not None:
            explanations = prediction.layout.by_row(prediction.outputs)
            return b"".join(dumps(each) + b"\n" for each in explanations)
        lines = (dumps({"prediction": row}) for row in _rows(prediction.outputs))
        return b"".join(line + b"\n" for line in lines)

    def encode_parts(self, prediction: Prediction) -> Iterable[bytes]:
        return map(self.encode, output_parts(prediction))

    def request_schema(self, shapes: Shapes) -> JSONMapping:
        return {"type": "string"}

    answer_schema = request_schema

    def example(self, row: JSONMapping) -> str:
        return f"{dumps(row).decode()}\n"


def _read_lines(lines: Iterable[bytes]) -> list[object]:
    items: list[object] = []
    report = Report()
    for row, line in enumerate(lines):
        try:
            items.append(loads(line, "the line"))
        except InvalidInput as exception:
            for error in exception.errors:
                report.add(row, None, error.rule, error.message)
    report.raise_if_any()
    return items


def _rows(outputs: ModelOutput) -> Iterable[FieldValue]:
    plain = plain_outputs(outputs)
    if is_multi_output(outputs):
        return ([*row] for row in zip(*plain, strict=True))
    is_flat = isinstance(plain, np.ndarray) and plain.ndim == 1
    rows: Iterable[FieldValue] = plain.tolist() if is_flat else plain
    return rows
