"""The charts of the traffic by minutes: predictions, times and errors of the last hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from flask_skmodels.pages.charts import HEIGHT, WIDTH
from flask_skmodels.schema.types import JSONObject

_QUANTILES = (("median", "median"), ("95th percentile", "p95"))


@dataclass(frozen=True, slots=True)
class HourChart:
    """Values of each of the last sixty minutes.

    :param title: title of the chart
    :param most: the value at the top, 0 if there are no values
    :param is_time: whether the values are seconds
    :param bars: left edge, top, height, text and kind of each bar; the kind decides its color
    :param lines: label and points of each line
    :param first: the first minute, in ISO 8601
    :param last: the last minute
    :param summary: the chart in words
    """

    title: str
    most: float
    is_time: bool
    bars: Sequence[tuple[float, float, float, str, str]]
    lines: Sequence[tuple[str, Sequence[str]]]
    first: str
    last: str
    summary: str


def hour_charts(minutes: Sequence[JSONObject]) -> list[HourChart]:
    """Return the charts of the predictions, the times and the errors of each minute.

    :param minutes: the minutes, as in the JSON document of the traffic
    """
    ends = minutes[0]["at"], minutes[-1]["at"]
    predictions = [("predictions", [each["predictions"] for each in minutes])]
    errors = [(name, [each[name] for each in minutes]) for name in ("rejections", "failures")]
    times = [(name, _times(minutes, key)) for name, key in _QUANTILES]
    return [
        _bar_chart("Predictions per minute", predictions, minutes, ends),
        _line_chart("Time of a prediction", times, ends),
        _bar_chart("Errors per minute", errors, minutes, ends),
    ]


def _times(minutes: Sequence[JSONObject], key: str) -> list[float | None]:
    return [None if each["seconds"] is None else each["seconds"][key] for each in minutes]


def _bar_chart(
    title: str,
    series: Sequence[tuple[str, Sequence[int]]],
    minutes: Sequence[JSONObject],
    ends: tuple[str, str],
) -> HourChart:
    sums = [sum(values) for values in zip(*(values for _, values in series), strict=True)]
    most, width = max(sums), WIDTH / len(sums)
    bars = []
    for index, minute in enumerate(minutes):
        top = HEIGHT
        for name, values in series:
            height = round(values[index] / (most or 1) * HEIGHT, 3)
            top = round(top - height, 3)
            text = f"{minute['at'][11:16]}: {values[index]:,} {name}"
            bars += [(round(index * width, 3), top, height, text, name)] if height else []
    words = "; ".join(f"{sum(values):,} {name}" for name, values in series)
    return HourChart(title, most, False, bars, (), *ends, f"{words} in the last hour")


def _line_chart(
    title: str, series: Sequence[tuple[str, Sequence[float | None]]], ends: tuple[str, str]
) -> HourChart:
    known = [value for _, values in series for value in values if value is not None]
    most = max(known, default=0.0)
    lines = [(name, _segments(values, most or 1.0)) for name, values in series]
    words = f"at most {max(known):.3g} seconds" if known else "no predictions"
    return HourChart(title, most, True, (), lines, *ends, f"{words} in the last hour")


def _segments(values: Sequence[float | None], most: float) -> list[str]:
    """Return the points of a line for each run of minutes with a value; one minute is a dash."""
    width, segments = WIDTH / len(values), []
    for is_known, run in groupby(enumerate(values), key=lambda pair: pair[1] is not None):
        if is_known:
            points = [(i * width, HEIGHT - (v or 0.0) / most * HEIGHT) for i, v in run]
            points.append((points[-1][0] + width, points[-1][1]))
            segments.append(" ".join(f"{x:.2f},{y:.2f}" for x, y in points))
    return segments
