"""The curve of the answer over the range of one field, with the other fields as they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from flask_skmodels.exceptions import InvalidInput
from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.models import EXPLAIN
from flask_skmodels.pages.input_form import Input, InputForm
from flask_skmodels.pages.value_texts import format_value, percent, plain_text
from flask_skmodels.schema.rows import Rows
from flask_skmodels.schema.schema import Schema
from flask_skmodels.schema.types import FloatArray
from flask_skmodels.versions.version import ModelVersion

POINTS = 41
MAX_LINES = 3  # classes or outputs that are drawn
WIDTH, HEIGHT = 300, 120  # of the drawing


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a curve.

    :param label: the class or the output, empty if there is only one
    :param points: the points of the SVG polyline
    """

    label: str
    points: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The answer over the range of one field.

    :param field: label of the field
    :param unit: unit of the values
    :param low: text of the lowest value
    :param high: text of the highest value
    :param current: the value in the form, and its place from 0 to the width; None outside the range
    :param lines: the lines of numbers; empty if the answers are labels
    :param measure: what the vertical axis shows, in words
    :param bottom: text of the value at the bottom of the drawing
    :param top: text of the value at its top
    :param parts: for answers that are labels: first value, last value, and the label between them
    :param summary: the curve in words
    """

    field: str
    unit: str
    low: str
    high: str
    current: tuple[str, float] | None
    lines: Sequence[Line] = ()
    measure: str = ""
    bottom: str = ""
    top: str = ""
    parts: Sequence[tuple[str, str, str]] = ()
    summary: str = ""


class CurveRows:
    """Reads the rows of a curve, as a codec reads the rows of a request.

    :param form: the form of the model
    :param texts: the texts in the form
    :param field: the input that changes
    :param most: the maximum number of rows
    :ivar values: the values of the field
    """

    def __init__(self, form: InputForm, texts: Mapping[str, str], field: Input, most: int) -> None:
        self._form = form
        self._texts = texts
        self._field = field
        self.values = _values(field, min(POINTS, most))

    def decode(self, source: object, schema: Schema) -> Rows:
        """Return one row for each value of the field."""
        texts = [{**self._texts, self._field.name: f"{value:.12g}"} for value in self.values]
        return Rows([dict(self._form.pairs(each)) for each in texts], text=True)


def curve_method(version: ModelVersion) -> str:
    """Return the method whose answers are drawn: probabilities if they are served."""
    return "predict_proba" if "predict_proba" in version.methods else version.default_method


def curve_fields(version: ModelVersion, form: InputForm) -> list[Input]:
    """Return the inputs for which a curve can be drawn: the numbers with bounds."""
    inputs, _ = form.inputs({})
    is_served = curve_method(version) not in {EXPLAIN, "transform"}
    return [each for each in inputs if each.slider is not None and is_served]


def curve_field(version: ModelVersion, form: InputForm, name: str) -> Input:
    """Return the input of a field.

    :raises InvalidInput: the field has no bounds, or the model has no such field
    """
    for each in curve_fields(version, form):
        if each.name == name:
            return each
    raise InvalidInput.of_request(
        "curve", "a curve can be drawn only for a field that is a number and has bounds"
    )


def curve(
    version: ModelVersion,
    prediction: Prediction,
    rows: CurveRows,
    field: Input,
    text: str,
    *,
    order: Sequence[str] = (),
) -> Curve:
    """Return the curve of a prediction.

    :param version: the version that made the prediction
    :param prediction: the prediction of the rows
    :param rows: the rows
    :param field: the field that changes in them
    :param text: the text of the field in the form
    :param order: the classes in the order of their lines
    """
    values = rows.values
    ends = format_value(values[0]), format_value(values[-1])
    known: Any = {"field": field.label, "unit": field.unit, "low": ends[0], "high": ends[1]}
    current = _current(text, values)
    are_labels = version.is_classifier and prediction.method == "predict"
    lines = None if are_labels else _numbers(prediction, order)
    if lines is None:
        parts = list(_parts(prediction, values))
        summary = "; ".join(f"{label} from {low} to {high}" for low, high, label in parts)
        return Curve(**known, current=current, parts=parts, summary=summary)
    is_share = prediction.method == "predict_proba"
    least, most = _axis(lines, is_share=is_share)
    as_text = percent if is_share else _number_text
    words = [
        f"{label or 'the prediction'} from {as_text(line[0])} to {as_text(line[-1])}"
        for label, line in lines
    ]
    return Curve(
        **known,
        current=current,
        lines=[Line(label, _polyline(line, least, most)) for label, line in lines],
        measure="probability" if is_share else "answer",
        bottom=as_text(least),
        top=as_text(most),
        summary="; ".join(words),
    )


def _values(field: Input, count: int) -> list[float]:
    low, high, _ = field.slider or (0.0, 0.0, 0.0)
    values = np.linspace(low, high, max(count, 2))
    if field.attributes.get("step") == 1:
        values = np.unique(np.round(values))
    numbers: list[float] = values.tolist()
    return numbers


def _current(text: str, values: Sequence[float]) -> tuple[str, float] | None:
    try:
        place = (float(text) - values[0]) / (values[-1] - values[0]) * WIDTH
    except (ValueError, ZeroDivisionError):
        return None
    return (format_value(float(text)), round(place, 2)) if 0 <= place <= WIDTH else None


def _numbers(prediction: Prediction, order: Sequence[str]) -> list[tuple[str, FloatArray]] | None:
    """Return the lines with their labels, None if the answers are not numbers."""
    outputs = prediction.outputs
    if not isinstance(outputs, np.ndarray) or outputs.ndim > 2 or outputs.dtype.kind not in "fiu":
        return None
    table = np.asarray(outputs, dtype=np.float64).reshape(len(outputs), -1)
    if not np.isfinite(table).all():
        return None
    names = [plain_text(each) for each in prediction.classes or []]
    if len(names) != table.shape[1]:
        names = [str(each) for each in range(table.shape[1])] if table.shape[1] > 1 else [""]
    ranked = np.argsort(-table.max(axis=0), kind="stable")[:MAX_LINES]
    lines = [(names[index], table[:, index]) for index in ranked.tolist()]
    places = {label: place for place, label in enumerate(order)}
    return sorted(lines, key=lambda line: places.get(line[0], len(places)))


def _parts(prediction: Prediction, values: Sequence[float]) -> Iterator[tuple[str, str, str]]:
    """Yield the first value, the last value and the label of each part of the range."""
    outputs: Any = prediction.outputs
    listed = outputs.tolist() if hasattr(outputs, "tolist") else outputs
    labels = [plain_text(each) for each in listed]
    start = 0
    for label, group in groupby(labels):
        end = start + len(list(group)) - 1
        yield format_value(values[start]), format_value(values[end]), label
        start = end + 1


def _number_text(value: float) -> str:
    return format_value(value, 4)


def _axis(lines: Sequence[tuple[str, FloatArray]], *, is_share: bool) -> tuple[float, float]:
    if is_share:
        return 0.0, 1.0
    least = min(float(line.min()) for _, line in lines)
    most = max(float(line.max()) for _, line in lines)
    return (least, most) if most > least else (least - 1, most + 1)


def _polyline(line: FloatArray, least: float, most: float) -> str:
    heights = (line - least) / (most - least) * HEIGHT
    places = np.linspace(0, WIDTH, len(line))
    return " ".join(f"{x:.2f},{HEIGHT - y:.2f}" for x, y in zip(places, heights, strict=True))
