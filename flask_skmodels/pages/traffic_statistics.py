"""Statistics of a model's recent traffic: times, predictions, inputs and rejected fields."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime
from math import isfinite
from typing import Any

import numpy as np

from flask_skmodels.pages.charts import bin_edges
from flask_skmodels.schema.fields import Field
from flask_skmodels.schema.json_schema import field_schema, jsonable
from flask_skmodels.schema.types import JSONObject
from flask_skmodels.telemetry.recent_traffic import (
    KeptPrediction,
    RecentModelTraffic,
    RecentTraffic,
    measured_fields,
)
from flask_skmodels.versions.version import ModelVersion

MOST_OUTPUTS = 8  # output columns with a chart
MOST_VALUES = 20  # distinct values of a column that are counted separately
_BOUNDS = {"min": "minimum", "max": "maximum", "allowed": "enum"}
_META = ("title", "x-unit")


def summary(traffic: RecentModelTraffic, window: Sequence[KeptPrediction]) -> JSONObject:
    """Return the counts of a model and the time that its estimator takes.

    :param traffic: recent traffic of the model
    :param window: the last predictions of the model
    :returns: ``seconds`` is the median and the 95th percentile of the window, None if it is empty
    """
    return {
        "predictions": traffic.predictions,
        "rows": traffic.rows,
        "failures": traffic.failures,
        "rejections": traffic.rejections,
        "last_at": None if traffic.last_at is None else iso_time(traffic.last_at),
        "seconds": _seconds(window),
    }


def details(recent_traffic: RecentTraffic, name: str) -> JSONObject:
    """Return all statistics of a model, the JSON document of ``/{name}/traffic/``.

    :param recent_traffic: recent traffic of the application
    :param name: name of the model
    """
    traffic, window = recent_traffic.of(name), recent_traffic.window(name)
    version = traffic.deployment.versions.live
    is_transformer = version is not None and version.default_method == "transform"
    reveals = is_transformer and bool(recent_traffic.hidden)  # its outputs tell the inputs
    return {
        "model": name,
        "since": iso_time(recent_traffic.started_at),
        **summary(traffic, window),
        "window": len(window),
        "versions": _versions(window),
        "outputs": [] if version is None or reveals else output_distributions(version, window),
        "inputs": [] if version is None else _inputs(version, window, recent_traffic.hidden),
        "rejected": _rejected(recent_traffic.rejected(name)),
    }


def iso_time(seconds: float) -> str:
    """Return a time in UTC as ISO 8601.

    :param seconds: seconds since 1970
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def output_distributions(
    version: ModelVersion, window: Iterable[KeptPrediction]
) -> list[JSONObject]:
    """Return the distribution of each output column, see :func:`distribution`.

    :param version: the live version; it determines whether the outputs are labels
    :param window: predictions; only those by the first method of the model are counted
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
        for index in range(min(width, MOST_OUTPUTS))
    ]


def distribution(values: Sequence[Any], *, are_labels: bool = False) -> JSONObject:
    """Return the distribution of the values of one column.

    :param values: the values
    :param are_labels: whether the values are labels, even if they are numbers
    :returns: for labels ``counts``, a list of values and their counts, the most frequent first,
        and ``others``, the count of all other values; for numbers ``histogram`` with ``edges`` and
        ``counts``, and ``least``, ``most`` and ``mean``
    """
    numbers = [] if are_labels else [v for v in values if _is_number(v)]
    if values and len(numbers) == len(values):
        counts, edges = np.histogram(numbers, bins=bin_edges(numbers))
        histogram = {"edges": edges.tolist(), "counts": counts.tolist()}
        return {"rows": len(values), **_extent(numbers), "histogram": histogram}
    return {"rows": len(values), **_counts(values)}


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
    # If a field is coerced, its JSON Schema describes the value before, its definition after.
    bounds = {
        key: jsonable(definition[rule]) for rule, key in _BOUNDS.items() if rule in definition
    }
    present = [value for value in values if not _is_missing(value)]
    received: JSONObject = {"rows": len(values), "missing": len(values) - len(present)}
    if "allowed" in field.definition or field.kind == "boolean":
        received |= _counts(present, field.definition.get("allowed", (False, True)))
    else:
        received |= _extent([value for value in present if _is_number(value)])
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
    counts = [{"value": value, "count": count} for value, count in ordered[:MOST_VALUES]]
    return {"counts": counts, "others": sum(count for _, count in ordered[MOST_VALUES:])}


def _rejected(rejected: Counter[tuple[str | None, str]]) -> list[JSONObject]:
    return [
        {"field": field, "rule": rule, "count": count}
        for (field, rule), count in rejected.most_common(MOST_VALUES)
    ]


def _as_json(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, date):
        return value.isoformat()
    return value if isinstance(value, str | int | float) else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_missing(value: Any) -> bool:
    return value is None or value != value
