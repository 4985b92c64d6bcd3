"""What a page shows of predictions: one row's with its probabilities, or a table of many."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flask_skmodels.codecs.codec import Codec
from flask_skmodels.codecs.columns import answer_columns
from flask_skmodels.estimators.outputs import is_multi_output
from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.pages.charts import share
from flask_skmodels.pages.statistics import distribution
from flask_skmodels.versions.version import ModelVersion

MOST_BARS = 12  # classes that have a bar, the most probable
MOST_OUTPUTS = 60  # outputs of one row that are listed
MOST_ROWS = 20  # rows of a table
MOST_COLUMNS = 12  # fields of a table, and as many outputs
MOST_BYTES = 1_000_000  # of a result that a page carries with it


@dataclass(frozen=True, slots=True)
class Bar:
    """One probability.

    :param label: the class
    :param text: its probability
    :param width: from 0 to 100
    """

    label: str
    text: str
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The predictions of one row.

    :param outputs: names and texts
    :param more: how many there are beside these
    :param groups: for each output of probabilities its name, where there are several, and its bars
    :param prediction: the record of it
    """

    outputs: Sequence[tuple[str, str]]
    more: int
    groups: Sequence[tuple[str, Sequence[Bar]]]
    prediction: Prediction


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The predictions of many rows.

    :param header: names of the columns, those of the outputs last
    :param first_output: place of the first output
    :param rows: texts of the first rows
    :param distributions: of each of the outputs, its name among it
    :param hidden_columns: how many columns are not in the table
    :param download: address that holds the whole answer, None where it is too large for that
    :param file_name: what it is called when it is saved
    :param prediction: the record of it
    """

    header: Sequence[str]
    first_output: int
    rows: Sequence[Sequence[str]]
    distributions: Sequence[dict[str, Any]]
    hidden_columns: int
    download: str | None
    file_name: str
    prediction: Prediction


def answer_of(prediction: Prediction, probabilities: Prediction | None) -> Answer:
    """Return what is shown of one row.

    :param prediction: of the row
    :param probabilities: of its classes, where the model serves them
    """
    if probabilities is None and prediction.method == "predict_proba":
        return Answer(outputs=(), more=0, groups=_groups(prediction), prediction=prediction)
    columns = answer_columns(prediction)
    outputs = [(name, text_of(values[0])) for name, values in columns[:MOST_OUTPUTS]]
    groups = [] if probabilities is None else _groups(probabilities)
    more = len(columns) - len(outputs)
    return Answer(outputs=outputs, more=more, groups=groups, prediction=prediction)


def result_of(prediction: Prediction, version: ModelVersion, writer: Codec) -> Result:
    """Return what is shown of many rows.

    :param prediction: of the rows
    :param version: that has answered
    :param writer: the media type of the download
    """
    columns = answer_columns(prediction)
    fields = list(prediction.fields[:MOST_COLUMNS])
    shown = columns[:MOST_COLUMNS]
    inputs = _inputs(prediction, len(fields))
    outputs = [[text_of(v) for v in values[:MOST_ROWS]] for _, values in shown]
    labelled = version.is_classifier and prediction.method == "predict"
    body = writer.encode(prediction)
    return Result(
        header=[*fields, *(name for name, _ in shown)],
        first_output=len(fields),
        rows=list(zip(*inputs, *outputs, strict=True)),
        distributions=[_distribution(name, values, labelled) for name, values in shown[:4]],
        hidden_columns=len(prediction.fields) - len(fields) + len(columns) - len(shown),
        download=_data_url(body, writer) if len(body) <= MOST_BYTES else None,
        file_name=file_name(prediction.model, writer),
        prediction=prediction,
    )


def file_name(model: str, writer: Codec) -> str:
    """Return what a downloaded answer is called.

    :param model: the model's name
    :param writer: its media type
    """
    suffix = writer.suffixes[0] if writer.suffixes else ".txt"
    return f"{model}-predictions{suffix}"


def text_of(value: Any, digits: int = 6) -> str:
    """Return a value as a person reads it.

    :param value: any
    :param digits: of floats
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return f"{value:.{digits}g}"
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)


def _groups(prediction: Prediction) -> list[tuple[str, list[Bar]]]:
    classes: Any = prediction.classes or []
    if not is_multi_output(prediction.outputs):
        return [("", _bars(classes, np.asarray(prediction.outputs)[0]))]
    return [
        (f"prediction_{place}", _bars(classes[place] if place < len(classes) else [], part[0]))
        for place, part in enumerate(prediction.outputs)
    ]


def _bars(classes: Sequence[Any], row: Any) -> list[Bar]:
    values = [float(value) for value in np.ravel(row)]
    labels = [str(label) for label in classes]
    if len(labels) != len(values):
        labels = [str(place) for place in range(len(values))]
    found = sorted(zip(labels, values, strict=True), key=lambda pair: -pair[1])
    return [Bar(label, _percent(value), share(value, 1.0)) for label, value in found[:MOST_BARS]]


def _percent(value: float) -> str:
    return f"{value:.1%}" if value >= 0.001 or value == 0 else "< 0.1%"


def _inputs(prediction: Prediction, width: int) -> list[list[str]]:
    X = prediction.inputs
    if hasattr(X, "iloc"):
        return [[text_of(v) for v in X.iloc[:MOST_ROWS, place].tolist()] for place in range(width)]
    if isinstance(X, np.ndarray):
        return [[text_of(v) for v in X[:MOST_ROWS, place].tolist()] for place in range(width)]
    rows = list(X[:MOST_ROWS])
    if width == 1:
        return [[text_of(row) for row in rows]]
    names = prediction.fields[:width]
    return [[text_of(row.get(name)) for row in rows] for name in names]


def _distribution(name: str, values: Any, labelled: bool) -> dict[str, Any]:
    plain = values.tolist() if isinstance(values, np.ndarray) else list(values)
    return {"name": name, **distribution(plain, labelled=labelled)}


def _data_url(body: bytes, writer: Codec) -> str:
    return f"data:{writer.media_type};base64,{b64encode(body).decode()}"
