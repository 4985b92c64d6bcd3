"""The page ``/{name}/drift/``: the last rows of a model compared with its training data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, isnan

import numpy as np

from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.pages.charts import HEIGHT, WIDTH
from flask_skmodels.pages.input_form import labels_of
from flask_skmodels.pages.page import HIDDEN, Page
from flask_skmodels.pages.value_texts import format_value, grouped, percent
from flask_skmodels.schema.types import JSONMapping, JSONObject
from flask_skmodels.state import State
from flask_skmodels.telemetry.drift.bins import MISSING, OTHER, UNKNOWN, ColumnBins, NumberBins
from flask_skmodels.telemetry.drift.drift import DriftReport
from flask_skmodels.telemetry.drift.figures import Figures
from flask_skmodels.web.drift_views import report_of
from flask_skmodels.web.exchange import Exchange

MAX_FIELDS = 60
MAX_BARS = 24
FEW_BARS = 5
GAP = 0.08  # between two bars, as a share of their width
NOTABLE = 0.1  # by convention, a field has not drifted below this
USUAL_THRESHOLD = 0.25  # by convention, a field has drifted above this
_YES_OR_NO = {"True": "yes", "False": "no"}
_RARE = (OTHER, UNKNOWN, MISSING)  # bins that are shown only if they have values


@dataclass(frozen=True, slots=True)
class Pair:
    """Two bars in the same place.

    :ivar x: the left edge, from 0 to 100
    :ivar width: the width, from 0 to 100
    :ivar expected: the height of the bar of the training data, or of the live version, from 0 to 40
    :ivar actual: the height of the bar of the window
    :ivar text: the label of the bin, and both shares
    """

    x: float
    width: float
    expected: float
    actual: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """The histograms of one column.

    :ivar name: the label of the field, or the name of the output
    :ivar tone: ``"bad"`` if the column has drifted, ``"notable"`` if it has nearly drifted, else
        ``""``
    :ivar statistics: the statistics of the column by name
    :ivar pairs: the bars
    :ivar labels: the labels of all bins if there are few, otherwise of the first and the last bin
    :ivar rows: the number of values; for two versions, the smaller number
    :ivar trained_mean: the mean in the training data; for booleans, the share of True
    :ivar note: what the chart compares
    :ivar is_yes_or_no: whether the values are only yes and no
    """

    name: str
    tone: str
    statistics: Mapping[str, float | None]
    pairs: Sequence[Pair]
    labels: Sequence[str]
    rows: int
    trained_mean: float | None
    note: str = ""
    is_yes_or_no: bool = False


class DriftPage(Page):
    """``GET /{name}/drift/``: the drift of the live version of a model.

    :param state: the extension on this application
    :param deployment: the model
    """

    template = "drift.html"

    def __init__(self, state: State, deployment: Deployment) -> None:
        super().__init__(state)
        self._deployment = deployment

    def document(self, exchange: Exchange) -> JSONMapping:
        return report_of(self.state, self._deployment, exchange).document()

    def context(self, exchange: Exchange) -> JSONObject:
        report = report_of(self.state, self._deployment, exchange)
        fields = len(report.layout.fields)
        charts = [_chart(report, index) for index in _worst_first(report, report.shown)]
        labels = labels_of(self._deployment.versions.live, self.state.settings.hidden_fields)
        charts = [replace(each, name=labels.get(each.name, each.name)) for each in charts]
        columns = range(fields, len(report.layout.columns))
        outputs = [index for index in columns if report.figures.rows[index]]
        return {
            "report": report,
            "drift": report.document(),
            "fields": charts[:MAX_FIELDS],
            "hidden": max(0, len(charts) - MAX_FIELDS),
            "predictions": [
                *(_chart(report, index) for index in outputs),
                *_charts_of_versions(report),
            ],
            "drifted": [report.layout.columns[index].name for index, _ in report.drifted()],
            "output_count": len(outputs),
            "unshown": [labels.get(name, name) for name in _hidden_fields(report)],
            "hidden_words": HIDDEN,
            "notable": NOTABLE,
            "usual_threshold": USUAL_THRESHOLD,
            "format_value": format_value,
            "percent": percent,
        }


def _hidden_fields(report: DriftReport) -> list[str]:
    fields = report.layout.fields
    return [each.name for index, each in enumerate(fields) if index not in report.shown]


def _worst_first(report: DriftReport, columns: Sequence[int]) -> list[int]:
    values = report.figures.psi.tolist()
    return sorted(columns, key=lambda index: inf if isnan(values[index]) else -values[index])


def _chart(report: DriftReport, index: int) -> Chart:
    figures, column = report.figures, report.layout.columns[index]
    is_field = index < len(report.layout.fields)
    statistics = figures.of_field(index) if is_field else figures.distances(index)
    expected = [bar.expected for bar in column.bars]
    chart = _drawn(figures, index, statistics, expected)
    return replace(chart, tone=_tone(statistics["psi"], report.threshold))


def _charts_of_versions(report: DriftReport) -> Iterator[Chart]:
    """Yield charts of the predictions of the shadow and the canaries, over the live version's."""
    first = len(report.layout.fields)
    for compared in report.compared:
        for index in np.flatnonzero(compared.figures.rows).tolist():
            expected = report.figures.bars(first + index).tolist()
            statistics = compared.figures.distances(index)
            live = f"version {report.version}"
            note = f"{compared.role}, version {compared.version}; grey: the answers of {live}"
            beside = f"the rows of {live}"
            chart = _drawn(compared.figures, index, statistics, expected, beside)
            tone = _tone(statistics["psi"], report.threshold)
            rows = min(chart.rows, int(report.figures.rows[first + index]))
            yield replace(chart, tone=tone, note=note, rows=rows)


def _drawn(
    figures: Figures,
    index: int,
    statistics: Mapping[str, float | None],
    expected: Sequence[float],
    beside: str = "the training data",
) -> Chart:
    """Return the chart of a column, without its tone.

    :param expected: the shares with which the actual shares are compared
    :param beside: what has the expected shares, in words
    """
    column = figures.layout.columns[index]
    actual = figures.bars(index).tolist()
    is_yes_or_no = column.source.type == "boolean"
    names = [_bar_name(column, bar.label) for bar in column.bars]
    bars = list(zip(names, expected, actual, strict=True))
    shown = [bar for bar in bars if bar[0] not in _RARE or bar[1] or bar[2]]
    shown = [*shown[:MAX_BARS], *(bar for bar in shown[MAX_BARS:] if bar[0] in _RARE)]
    labels = [label for label, _, _ in shown]
    named = labels if len(labels) <= FEW_BARS else [labels[0], labels[-1]]
    pairs = list(_pairs(shown, beside))
    rows = int(figures.rows[index])
    mean = column.source.mean
    return Chart(column.name, "", statistics, pairs, named, rows, mean, is_yes_or_no=is_yes_or_no)


def _bar_name(column: ColumnBins, label: str) -> str:
    """Return the label of a bar in words: yes or no, or numbers with separators."""
    if column.source.type == "boolean":
        return _YES_OR_NO.get(label, label)
    return grouped(label) if isinstance(column, NumberBins) else label


def _tone(psi: float | None, threshold: float) -> str:
    if psi is None or psi <= min(NOTABLE, threshold):
        return ""
    return "bad" if psi > threshold else "notable"


def _pairs(bars: Sequence[tuple[str, float, float]], beside: str) -> Iterator[Pair]:
    most = max((max(expected, actual) for _, expected, actual in bars), default=0.0) or 1.0
    width = WIDTH / (max(len(bars), 1) - GAP)  # the last bar ends at the axis
    for index, (label, expected, actual) in enumerate(bars):
        shares = f"{percent(expected)} of {beside}, {percent(actual)} of the last rows"
        yield Pair(
            round(index * width, 3),
            round(width, 3),
            round(expected / most * HEIGHT, 3),
            round(actual / most * HEIGHT, 3),
            f"{label}: {shares}",
        )
