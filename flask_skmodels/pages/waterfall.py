"""The chart of an explanation: how the fields lead from the base to the output, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask_skmodels.explain.explanation import ExplanationLayout
from flask_skmodels.pages.charts import WIDTH, bar_width
from flask_skmodels.pages.value_texts import MINUS, format_value, percent, plain_text
from flask_skmodels.schema.types import FloatArray

MAX_FIELDS = 20  # with their own bar: those with the largest contributions
MAX_OUTPUTS = 3  # of a model with several targets
_MIN_WIDTH = 1.5  # of a bar
_COMPARED = {
    "linear_mean": "compared with the mean row of the training data",
    "linear_zero": "compared with zero, because the model has no profile of its training data",
    "tree_shap": "compared with the mean output for the training data",
    "pred_contribs": "compared with the mean output for the training data",
}

Label = tuple[str, str]
"""The label of a field and the unit of its values."""


@dataclass(frozen=True, slots=True)
class Step:
    """A bar of a waterfall.

    :param label: label of the field, or of the base or the output
    :param value: the value of the field
    :param amount: the contribution, or the output, as a text
    :param start: left end of the bar, from 0 to 100
    :param width: width of the bar
    :param kind: ``"up"``, ``"down"``, or ``"level"`` for the base and the output
    """

    label: str
    value: str
    amount: str
    start: float
    width: float
    kind: str


@dataclass(frozen=True, slots=True)
class Waterfall:
    """The explanation of one output of one row.

    :param subject: the class or target that is explained, empty if there is only one
    :param steps: the base, the contributions, the largest first, and the output
    :param compared: what the row is compared with
    :param is_probability: whether the output is a probability
    """

    subject: str
    steps: Sequence[Step]
    compared: str
    is_probability: bool


def waterfalls(
    layout: ExplanationLayout,
    row: FloatArray,
    classes: Sequence[Any] | None,
    values: Sequence[str],
    labels: Mapping[str, Label],
) -> list[Waterfall]:
    """Return the waterfalls of one row: one for its class, or one for each target.

    :param layout: the order of the numbers
    :param row: the outputs of ``explain`` for the row, of shape (outputs x (fields + 2),)
    :param classes: the classes of the model, None for a regressor
    :param values: the texts of the values of the fields
    :param labels: the labels of the fields, by name
    """
    parts = row.reshape(layout.count, layout.width)
    compared = "; ".join(dict.fromkeys(_COMPARED[rule] for rule in layout.rule.split("+")))
    shown: Sequence[int] = range(min(layout.count, MAX_OUTPUTS))
    if layout.count > 1 and classes is not None:
        shown = [int(parts[:, -1].argmax())]
    named = [_labelled(name, values[i], labels) for i, name in enumerate(layout.fields)]
    is_share = layout.are_probabilities
    return [
        Waterfall(
            _subject(layout, classes, index),
            _steps(parts[index], named, is_share=is_share),
            compared,
            is_share,
        )
        for index in shown
    ]


def importance_bars(
    layout: ExplanationLayout, outputs: FloatArray, labels: Mapping[str, Label]
) -> list[tuple[str, str, float]]:
    """Return the label, the text and the width of a bar for the largest mean contributions.

    :param layout: the order of the numbers
    :param outputs: the outputs of ``explain``
    :param labels: the labels of the fields, by name
    """
    importance = layout.importance(outputs)[:MAX_FIELDS]
    largest = importance[0][1] if importance else 0.0
    return [
        (
            labels.get(name, (name, ""))[0],
            percent(mean, is_probability=False)
            if layout.are_probabilities
            else format_value(mean, 4),
            bar_width(mean, largest),
        )
        for name, mean in importance
    ]


def _subject(layout: ExplanationLayout, classes: Sequence[Any] | None, index: int) -> str:
    if classes is not None:
        return plain_text(classes[-1 if layout.count == 1 else index])
    return "" if layout.count == 1 else f"output {index}"


def _labelled(name: str, value: str, labels: Mapping[str, Label]) -> tuple[str, str]:
    label, unit = labels.get(name, (name, ""))
    if value in {"", "nan", "None"}:
        return label, "missing"
    return label, f"{value} {unit}" if unit else value


def _steps(numbers: FloatArray, named: Sequence[tuple[str, str]], *, is_share: bool) -> list[Step]:
    plain, signed = (percent, _signed_percent) if is_share else (_plain, _signed)
    base, *contributions, output = numbers.tolist()
    ranked = sorted(zip(contributions, named, strict=True), key=lambda each: -abs(each[0]))
    bars = [(label, value, amount) for amount, (label, value) in ranked[:MAX_FIELDS]]
    others = [amount for amount, _ in ranked[MAX_FIELDS:]]
    if others:
        bars.append((f"{len(others)} other fields", "", sum(others)))
    points = [base]
    for _, _, amount in bars:
        points.append(points[-1] + amount)
    axis = _Axis(points)
    steps = [
        Step(label, value, signed(amount), *axis.bar(start, start + amount), _kind(amount))
        for (label, value, amount), start in zip(bars, points, strict=False)
    ]
    ends = [("Base", "before the fields", base), ("Output", "after all fields", output)]
    first, last = (Step(n, t, plain(v), *axis.bar(v, v), "level") for n, t, v in ends)
    return [first, *steps, last]


def _signed(amount: float) -> str:
    return _with_sign(_plain(amount))


def _plain(amount: float) -> str:
    return format_value(amount, 4).replace("-", MINUS)


def _signed_percent(amount: float) -> str:
    return _with_sign(percent(amount, is_probability=False))


def _with_sign(text: str) -> str:
    return text if text.startswith(MINUS) else f"+{text}"


def _kind(amount: float) -> str:
    return "down" if amount < 0 else "up"


class _Axis:
    """The horizontal axis of a waterfall.

    :param points: the sums after each step
    """

    def __init__(self, points: Sequence[float]) -> None:
        self._low = min(points)
        self._whole = (max(points) - self._low) or 1.0

    def bar(self, start: float, end: float) -> tuple[float, float]:
        """Return the left end and the width of the bar between two values."""
        left = (min(start, end) - self._low) / self._whole * WIDTH
        width = max(abs(end - start) / self._whole * WIDTH, _MIN_WIDTH)
        return round(min(max(left, 0.0), WIDTH - width), 3), round(width, 3)
