"""Statistics of a model's recent traffic: times, predictions, inputs and rejected fields."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.pages.charts import bin_edges
from flask_skmodels.schema.fields import Field
from flask_skmodels.schema.json_schema import field_schema, jsonable
from flask_skmodels.schema.times import iso_time
from flask_skmodels.schema.types import FloatArray, JSONObject
from flask_skmodels.schema.validator import is_number
from flask_skmodels.telemetry.drift.bins import MISSING, OTHER, UNKNOWN
from flask_skmodels.telemetry.drift.drift import DriftReport
from flask_skmodels.telemetry.drift.shared_counts import directory
from flask_skmodels.telemetry.metrics import Metrics
from flask_skmodels.telemetry.recent_traffic import (
    KeptPrediction,
    RecentModelTraffic,
    RecentTraffic,
    measured_fields,
)
from flask_skmodels.telemetry.traffic_minutes import (
    FAILURES,
    MINUTE,
    PREDICTIONS,
    REJECTIONS,
    ROWS,
    TIMES,
    quantiles,
)
from flask_skmodels.versions.version import ModelVersion

MAX_OUTPUTS = 8  # output columns with a chart
MAX_VALUES = 20  # distinct values of a column that are counted separately
_BOUNDS = {"min": "minimum", "max": "maximum", "allowed": "enum"}
_META = ("title", "x-unit")
_RARE = (OTHER, UNKNOWN, MISSING)  # bins that are shown only if they have values
_COUNTS = {
    "predictions": PREDICTIONS,
    "rows": ROWS,
    "failures": FAILURES,
    "rejections": REJECTIONS,
}


def summary(traffic: RecentModelTraffic, window: Sequence[KeptPrediction]) -> JSONObject:
    """Return the counts of a model and the times of its predictions.

    :param traffic: recent traffic of the model
    :param window: the last predictions of the model
    :returns: ``seconds`` is the median and the 95th percentile of the window, None if the window is
        empty
    """
    return {
        "predictions": traffic.predictions,
        "rows": traffic.rows,
        "failures": traffic.failures,
        "rejections": traffic.rejections,
        "last_at": None if traffic.last_at is None else iso_time(traffic.last_at),
        "seconds": _seconds(window),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The part of the traffic that a page shows.

    :param deployment: the model
    :param labels: labels of the versions
    :param version: the version whose schema describes the rows, None if none is loaded
    :param is_filtered: whether a visitor has chosen one version
    :param metrics: the metrics, if they count all processes
    :param report: the counts of the rows in the bins of the profile, if they are from all processes
    """

    deployment: Deployment
    labels: Collection[str | None]
    version: ModelVersion | None
    is_filtered: bool = False
    metrics: Metrics | None = None
    report: DriftReport | None = None


def details(recent_traffic: RecentTraffic, scope: Scope) -> JSONObject:
    """Return all statistics of a model, the JSON document of ``/{name}/traffic/``.

    :param recent_traffic: recent traffic of the application
    :param scope: the versions that are counted, and the sources of the counts
    """
    name = scope.deployment.name
    traffic, window = recent_traffic.of(name), recent_traffic.window(name)
    if scope.is_filtered:
        window = [kept for kept in window if kept.version in scope.labels]
    hour = recent_traffic.hour(name, scope.labels)
    counted = summary(traffic, window) | _totals(recent_traffic, scope, hour)
    return {
        "model": name,
        "version": next(iter(scope.labels)) if scope.is_filtered else None,
        "since": iso_time(recent_traffic.started_at),
        "is_shared": directory() is not None,
        "are_counts_shared": scope.metrics is not None,
        **counted,
        "window": len(window),
        "hour": _hour(hour),
        "minutes": _minutes(hour),
        "versions": _versions(window),
        **_distributions(recent_traffic, scope, window),
        "rejected": _rejected(_rejected_counts(recent_traffic, scope)),
    }


def _totals(recent_traffic: RecentTraffic, scope: Scope, hour: FloatArray) -> JSONObject:
    """Return the counts and times, unless they are those of this process since its start."""
    name, last = scope.deployment.name, _hour(hour)
    if scope.metrics is not None:
        totals = scope.metrics.totals(name, scope.labels if scope.is_filtered else None)
        return {each: getattr(totals, each) for each in _COUNTS} | {"seconds": last["seconds"]}
    return last if scope.is_filtered else {}


def _rejected_counts(
    recent_traffic: RecentTraffic, scope: Scope
) -> Counter[tuple[str | None, str]]:
    name = scope.deployment.name
    if scope.metrics is not None:
        return scope.metrics.totals(name, scope.labels if scope.is_filtered else None).rejected
    counts: Counter[tuple[str | None, str]] = Counter()
    for (label, field, rule), count in recent_traffic.rejected(name).items():
        if not scope.is_filtered or label in scope.labels:
            counts[field, rule] += count
    return counts


def _hour(hour: FloatArray) -> JSONObject:
    """Return the counts of the last hour and the times of its predictions."""
    counts = hour[:, list(_COUNTS.values())].sum(axis=0).astype(int).tolist()
    seconds = _times(hour[:, TIMES:].sum(axis=0))
    return dict(zip(_COUNTS, counts, strict=True)) | {"seconds": seconds}


def _minutes(hour: FloatArray) -> list[JSONObject]:
    return [
        {"at": iso_time(minute[MINUTE] * 60)}
        | {name: int(minute[index]) for name, index in _COUNTS.items()}
        | {"seconds": _times(minute[TIMES:])}
        for minute in hour
    ]


def _times(bins: FloatArray) -> dict[str, float] | None:
    found = quantiles(bins, (0.5, 0.95))
    return None if found is None else {"median": found[0], "p95": found[1]}


def _distributions(
    recent_traffic: RecentTraffic, scope: Scope, window: Sequence[KeptPrediction]
) -> JSONObject:
    """Return the distributions of the fields and predictions, and the processes they cover."""
    version, report = scope.version, scope.report
    if report is not None:
        fields = len(report.layout.fields)
        outputs = range(fields, len(report.layout.columns))
        return {
            "are_distributions_shared": True,
            "outputs": [{"name": n, **bars} for n, bars in _all_bars(report, outputs)],
            "inputs": [{"field": n, **bars} for n, bars in _all_bars(report, report.shown)],
        }
    is_transformer = version is not None and version.default_method == "transform"
    reveals = is_transformer and bool(recent_traffic.hidden)  # the outputs reveal the inputs
    return {
        "are_distributions_shared": False,
        "outputs": [] if version is None or reveals else output_distributions(version, window),
        "inputs": [] if version is None else _inputs(version, window, recent_traffic.hidden),
    }


def _all_bars(report: DriftReport, indices: Iterable[int]) -> Iterator[tuple[str, JSONObject]]:
    """Yield the name of each column and the number of its values in each bin of the profile."""
    for index in indices:
        column, rows = report.layout.columns[index], float(report.figures.rows[index])
        shares = report.figures.bars(index).tolist()
        bars = [
            {"value": bar.label, "count": round(share * rows)}
            for bar, share in zip(column.bars, shares, strict=True)
        ]
        missing = sum(bar["count"] for bar in bars if bar["value"] == MISSING)
        shown = [bar for bar in bars if bar["count"] or bar["value"] not in _RARE]
        yield column.name, {"rows": round(rows), "missing": missing, "bars": shown}


def output_distributions(
    version: ModelVersion, window: Iterable[KeptPrediction]
) -> list[JSONObject]:
    """Return the distribution of each output column, see :func:`distribution`.

    :param version: the live version; it determines whether the outputs are labels
    :param window: predictions; only predictions of the model's first method are counted
    """
    method = version.default_method
    tables = [
        _output_columns(kept)
        for kept in window
        if kept.method == method and kept.outputs is not None
    ]
    width = len(tables[-1]) if tables else 0
    tables = [table for table in tables if len(table) == width]
    are_labels = version.is_classifier and method in {"predict", "predict_proba"}
    return [
        {"name": _output_name(index, width)}
        | distribution([v for table in tables for v in table[index]], are_labels=are_labels)
        for index in range(min(width, MAX_OUTPUTS))
    ]


def distribution(values: Sequence[Any], *, are_labels: bool = False) -> JSONObject:
    """Return the distribution of the values of one column.

    :param values: the values
    :param are_labels: whether the values are labels, even if they are numbers
    :returns: for labels ``counts``, a list of values and their counts, the most frequent first,
        and ``others``, the count of all other values; for numbers ``histogram`` with ``edges`` and
        ``counts``, and ``least``, ``most`` and ``mean``
    """
    numbers = [] if are_labels else [v for v in values if is_number(v)]
    if values and len(numbers) == len(values):
        return {"rows": len(values), **_extent(numbers), "histogram": _histogram(numbers)}
    return {"rows": len(values), **_counts(values)}


def _histogram(numbers: Sequence[float]) -> JSONObject:
    counts, edges = np.histogram(numbers, bins=bin_edges(numbers))
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def _seconds(window: Iterable[KeptPrediction]) -> dict[str, float] | None:
    seconds = [kept.seconds for kept in window]
    if not seconds:
        return None
    median, p95 = np.quantile(seconds, [0.5, 0.95]).tolist()
    return {"median": median, "p95": p95}


def _versions(window: Sequence[KeptPrediction]) -> list[JSONObject]:
    labels = dict.fromkeys(kept.version for kept in window)
    parts = {label: [kept for kept in window if kept.version == label] for label in labels}
    return [
        {"version": label, "predictions": len(part), "seconds": _seconds(part)}
        for label, part in parts.items()
    ]


def _output_columns(kept: KeptPrediction) -> list[list[Any]]:
    """Return the columns of the outputs; for probabilities, the most probable class of each row."""
    outputs = np.asarray(kept.outputs)
    if outputs.ndim == 1:
        return [outputs.tolist()]
    if kept.method == "predict_proba" and kept.classes and len(kept.classes) == outputs.shape[1]:
        return [[kept.classes[index] for index in outputs.argmax(axis=1)]]
    return list(outputs.T.tolist())


def _output_name(index: int, width: int) -> str:
    return "prediction" if width == 1 else f"prediction_{index}"


def _inputs(
    version: ModelVersion, window: Iterable[KeptPrediction], hidden: Collection[str]
) -> list[JSONObject]:
    fields = measured_fields(version, hidden)
    measured = [field for field in fields if field is not None]
    columns = _columns([kept.inputs for kept in window if kept.inputs is not None], len(measured))
    return [_input(field, values) for field, values in zip(measured, columns, strict=True)]


def _columns(parts: Sequence[Any], width: int) -> list[list[Any]]:
    """Return the values of each column, collected from the inputs of several predictions."""
    columns: list[list[Any]] = [[] for _ in range(width)]
    for part in parts:
        for index, column in enumerate(columns):
            values = part[:, index] if isinstance(part, np.ndarray) else part[index]
            column += values.tolist() if isinstance(values, np.ndarray) else values
    return columns


def _input(field: Field, values: Sequence[Any]) -> JSONObject:
    """Return the received values of a field, and the values that its schema allows."""
    definition, schema = field.definition, field_schema(field)
    # If a field is coerced, its JSON Schema describes the value before that, its definition after.
    bounds = {
        key: jsonable(definition[rule]) for rule, key in _BOUNDS.items() if rule in definition
    }
    present = [value for value in values if not _is_missing(value)]
    received: JSONObject = {"rows": len(values), "missing": len(values) - len(present)}
    if "allowed" in field.definition or field.kind == "boolean":
        received |= _counts(present, field.definition.get("allowed", (False, True)))
    else:
        numbers = [value for value in present if is_number(value)]
        received |= _extent(numbers) | ({"histogram": _histogram(numbers)} if numbers else {})
    meta = {key: schema[key] for key in _META if key in schema}
    return {"field": field.name, **bounds, **meta, **received}


def _extent(numbers: Sequence[float]) -> JSONObject:
    if not numbers:
        return {"least": None, "most": None, "mean": None}
    with np.errstate(over="ignore"):
        mean = float(np.mean(np.asarray(numbers, dtype=np.float64)))
    return {"least": min(numbers), "most": max(numbers), "mean": mean}


def _counts(values: Iterable[Any], known: Iterable[Any] = ()) -> JSONObject:
    """Return the count of each value; known values are listed even if their count is 0."""
    counter = Counter(dict.fromkeys(map(_as_json, known), 0))
    counter.update(map(_as_json, values))
    ordered = counter.most_common()
    counts = [{"value": value, "count": count} for value, count in ordered[:MAX_VALUES]]
    return {"counts": counts, "others": sum(count for _, count in ordered[MAX_VALUES:])}


def _rejected(rejected: Counter[tuple[str | None, str]]) -> list[JSONObject]:
    return [
        {"field": field, "rule": rule, "count": count}
        for (field, rule), count in rejected.most_common(MAX_VALUES)
    ]


def _as_json(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, date):
        return value.isoformat()
    return value if isinstance(value, str | int | float) else str(value)


def _is_missing(value: Any) -> bool:
    return value is None or value != value
