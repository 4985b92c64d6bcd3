"""The predictions that a page shows: of one row with probabilities, or of a file as a table."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from math import isfinite
from typing import Any

import numpy as np

from flask_skmodels.codecs.codec import Codec
from flask_skmodels.codecs.columns import answer_columns
from flask_skmodels.codecs.parts import are_large
from flask_skmodels.estimators.outputs import is_multi_output
from flask_skmodels.explain.explanation import ExplanationLayout
from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.pages.charts import bar_width
from flask_skmodels.pages.traffic_statistics import distribution
from flask_skmodels.pages.value_texts import format_value, percent, plain_text
from flask_skmodels.pages.waterfall import Label, Waterfall, importance_bars, waterfalls
from flask_skmodels.schema.types import ColumnValues, JSONObject
from flask_skmodels.versions.version import ModelVersion

MAX_BARS = 12  # classes with a bar, the most probable ones
MAX_OUTPUTS = 60  # outputs listed for one row
MAX_ROWS = 20  # rows in the table of a file
MAX_COLUMNS = 12  # fields in that table, and the same number of outputs
MAX_BYTES = 1_000_000  # size of a download that is embedded in the page


@dataclass(frozen=True, slots=True)
class ProbabilityBar:
    """The probability of one class.

    :param label: the class
    :param text: its probability as a percentage
    :param width: width of the bar, from 0 to 100
    """

    label: str
    text: str
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RowResult:
    """The prediction of one row.

    :param outputs: names and texts of the outputs
    :param more: number of outputs that are not listed
    :param groups: bars of the probabilities for each output, with the name of the output; the name
        is empty if there is only one output
    :param waterfalls: the explanation of the outputs, if the model serves it
    :param prediction: the record of the prediction
    """

    outputs: Sequence[tuple[str, str]]
    more: int
    groups: Sequence[tuple[str, Sequence[ProbabilityBar]]]
    waterfalls: Sequence[Waterfall] = ()
    prediction: Prediction

    @property
    def summary(self) -> str:
        """The answer in a few words, for the list of the last answers."""
        bars = [f"{bars[0].label} ({bars[0].text})" for _, bars in self.groups[:3] if bars]
        texts = [text for _, text in self.outputs[:3]]
        return ", ".join(texts or bars)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileResult:
    """The predictions of a file.

    :param header: names of the columns; the outputs follow the fields
    :param first_output: index of the first output column
    :param rows: texts of the first rows
    :param importance: label, text and bar of the mean contribution of each field, if the rows were
        explained
    :param distributions: name and distribution of the outputs
    :param is_share: whether the outputs are probabilities
    :param columns_in_words: what the columns of an explanation mean, empty for other predictions
    :param hidden_columns: number of columns that are not in the table
    :param are_hidden_in_download: whether the download contains all these columns
    :param download: data URL of a file with all predictions, None if it is too large for the page
    :param file_name: file name of the download
    :param prediction: the record of the prediction
    """

    header: Sequence[str]
    first_output: int
    rows: Sequence[Sequence[str]]
    importance: Sequence[tuple[str, str, float]] = ()
    distributions: Sequence[JSONObject]
    is_share: bool
    columns_in_words: str
    hidden_columns: int
    are_hidden_in_download: bool
    download: str | None
    file_name: str
    prediction: Prediction


def row_result(
    prediction: Prediction,
    version: ModelVersion,
    probabilities: Prediction | None,
    explanation: Prediction | None,
    labels: Mapping[str, Label],
) -> RowResult:
    """Return the result to show for one row.

    :param prediction: the prediction of the row
    :param version: a version of the model, which says whether the outputs are labels
    :param probabilities: the prediction of the probabilities, None if the model does not serve them
    :param explanation: the explanation of the row, None if the model does not serve it
    :param labels: the labels of the fields, by name
    """
    pictures = [] if explanation is None else _waterfalls(explanation, labels)
    if prediction.layout is not None:
        pictures = _waterfalls(prediction, labels)
        return RowResult(outputs=(), more=0, groups=(), waterfalls=pictures, prediction=prediction)
    if probabilities is None and prediction.method == "predict_proba":
        return RowResult(
            outputs=(),
            more=0,
            groups=_groups(prediction),
            waterfalls=pictures,
            prediction=prediction,
        )
    columns = answer_columns(prediction)
    text = plain_text if _are_labels(prediction, version) else format_value
    outputs = [(name, text(values[0])) for name, values in columns[:MAX_OUTPUTS]]
    groups = [] if probabilities is None else _groups(probabilities)
    more = len(columns) - len(outputs)
    return RowResult(
        outputs=outputs, more=more, groups=groups, waterfalls=pictures, prediction=prediction
    )


def _waterfalls(explanation: Prediction, labels: Mapping[str, Label]) -> list[Waterfall]:
    layout = explanation.layout
    if layout is None:
        return []
    values = [texts[0] for texts in _inputs(explanation, len(layout.fields))]
    return waterfalls(layout, explanation.outputs[0], explanation.classes, values, labels)


def file_result(
    prediction: Prediction, version: ModelVersion, writer: Codec, labels: Mapping[str, Label]
) -> FileResult:
    """Return the result to show for a file.

    :param prediction: the prediction of the rows
    :param version: the version that made the prediction
    :param writer: the codec of the download
    :param labels: the labels of the fields, by name
    """
    layout = prediction.layout
    columns = answer_columns(prediction)
    if layout is not None:
        columns = columns[:-1]  # leave out the rule, which is the same in every row
    fields = list(prediction.fields[:MAX_COLUMNS])
    shown = columns[:MAX_COLUMNS]
    inputs = _inputs(prediction, len(fields))
    is_share = prediction.method == "predict_proba" if layout is None else layout.are_probabilities
    are_labels = _are_labels(prediction, version)
    texts = _texts_of_columns(layout, are_labels=are_labels, is_share=is_share)
    outputs = [
        [as_text(v) for v in _plain(values[:MAX_ROWS])]
        for as_text, (_, values) in zip(cycle(texts), shown, strict=False)
    ]
    body = None if are_large(prediction.outputs) else writer.encode(prediction)
    return FileResult(
        header=[*fields, *(name for name, _ in shown)],
        first_output=len(fields),
        rows=list(zip(*inputs, *outputs, strict=True)),
        importance=[] if layout is None else importance_bars(layout, prediction.outputs, labels),
        distributions=[_distribution(name, values, are_labels) for name, values in shown[:4]]
        if layout is None
        else [],
        is_share=is_share,
        columns_in_words=""
        if layout is None
        else _columns_in_words(layout, prediction.classes, columns),
        hidden_columns=len(prediction.fields) - len(fields) + len(columns) - len(shown),
        are_hidden_in_download=len(fields) == len(prediction.fields),
        download=data_url(body, writer.media_type) if body and len(body) <= MAX_BYTES else None,
        file_name=file_name(prediction.model, writer),
        prediction=prediction,
    )


def _columns_in_words(
    layout: ExplanationLayout,
    classes: Sequence[Any] | None,
    columns: Sequence[tuple[str, ColumnValues]],
) -> str:
    """Return what the columns of an explanation mean, with the first output as the example."""
    base, first, output = (columns[index][0] for index in (0, 1, layout.width - 1))
    labels = range(layout.count) if classes is None else classes
    subject = f" for {plain_text(labels[0])}" if layout.count > 1 else ""
    return (
        f"In the blue columns, {base} is the answer{subject} before any field counts, {first} is "
        f"how much the value of {layout.fields[0]} moves it, and so on; {output} is their sum."
    )


def file_name(model: str, writer: Codec) -> str:
    """Return the file name of a download.

    :param model: name of the model
    :param writer: the codec of the download
    """
    suffix = writer.suffixes[0] if writer.suffixes else ".txt"
    return f"{model}-predictions{suffix}"


def _groups(prediction: Prediction) -> list[tuple[str, list[ProbabilityBar]]]:
    classes: Any = prediction.classes or []
    if not is_multi_output(prediction.outputs):
        return [("", _bars(classes, np.asarray(prediction.outputs)[0]))]
    return [
        (f"prediction_{index}", _bars(classes[index] if index < len(classes) else [], part[0]))
        for index, part in enumerate(prediction.outputs)
    ]


def _bars(classes: Sequence[Any], row: Any) -> list[ProbabilityBar]:
    values = [float(value) for value in np.ravel(row)]
    labels = [plain_text(label) for label in classes]
    if len(labels) != len(values):
        labels = [str(index) for index in range(len(values))]
    ranked = sorted(zip(labels, values, strict=True), key=lambda pair: -pair[1])[:MAX_BARS]
    return [ProbabilityBar(label, percent(value), bar_width(value, 1.0)) for label, value in ranked]


def _inputs(prediction: Prediction, width: int) -> list[list[str]]:
    X = prediction.inputs
    if hasattr(X, "iloc"):
        return [
            [format_value(v) for v in X.iloc[:MAX_ROWS, index].tolist()] for index in range(width)
        ]
    if isinstance(X, np.ndarray):
        return [[format_value(v) for v in X[:MAX_ROWS, index].tolist()] for index in range(width)]
    rows = list(X[:MAX_ROWS])
    if width == 1:
        return [[format_value(row) for row in rows]]
    names = prediction.fields[:width]
    return [[format_value(row.get(name)) for row in rows] for name in names]


def _distribution(name: str, values: Any, are_labels: bool) -> JSONObject:
    return {"name": name, **distribution(_plain(values), are_labels=are_labels)}


def _plain(values: ColumnValues) -> list[Any]:
    return values.tolist() if isinstance(values, np.ndarray) else list(values)


def _are_labels(prediction: Prediction, version: ModelVersion) -> bool:
    return version.is_classifier and prediction.method == "predict"


def _texts_of_columns(
    layout: ExplanationLayout | None, *, are_labels: bool, is_share: bool
) -> list[Callable[[Any], str]]:
    """Return the functions that turn values of the output columns into text, to be repeated."""
    text = plain_text if are_labels else _share_text if is_share else format_value
    contribution = _contribution_text if is_share else format_value
    return [text] if layout is None else [text, *[contribution] * len(layout.fields), text]


def _contribution_text(value: Any) -> str:
    return _share_text(value, is_probability=False)


def _share_text(value: Any, *, is_probability: bool = True) -> str:
    """Return a share as a percentage, and a missing or any other value as usual."""
    if isinstance(value, float) and isfinite(value):
        return percent(value, is_probability=is_probability)
    return format_value(value)


def data_url(body: bytes, media_type: str) -> str:
    """Return a file as a URL that a page can contain."""
    return f"data:{media_type};base64,{b64encode(body).decode()}"
