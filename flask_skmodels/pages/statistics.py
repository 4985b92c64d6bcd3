"""The figures of a model's recent traffic: times, predictions, inputs and what was refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from math import isfinite
from typing import Any

import numpy as np

from flask_skmodels.pages.charts import edges_of
from flask_skmodels.schema.fields import Field
from flask_skmodels.schema.json_schema import field_schema, jsonable
from flask_skmodels.telemetry.recent import Kept, ModelTraffic, RecentTraffic, measured_fields
from flask_skmodels.versions.version import ModelVersion

MOST_OUTPUTS = 8  # columns of outputs that are drawn
MOST_VALUES = 20  # values of one column that are counted apart
_BOUNDS = {"min": "minimum", "max": "maximum", "allowed": "enum"}
_META = ("title", "x-unit")


def summary(traffic: ModelTraffic, window: Sequence[Kept]) -> dict[str, Any]:
    """Return the counts of a model, and how long its estimator takes.

    :param window: its last predictions
    :returns: ``seconds`` is the median and the 95th percentile of the window, None without any
    """
    return {
        "predictions": traffic.predictions,
        "rows": traffic.rows,
        "failures": traffic.failures,
        "rejections": traffic.rejections,
        "last_at": None if traffic.last_at is None else moment(traffic.last_at),
        "seconds": _seconds(window),
    }


def details(recent_traffic: RecentTraffic, name: str) -> dict[str, Any]:
    """Return all figures of a model: the JSON document beside its page of traffic.

    :param recent_traffic: of the application
    :param name: the model's
    """
    traffic, window = recent_traffic.of(name), recent_traffic.window(name)
    version = traffic.deployment.versions.live
    return {
        "model": name,
        "since": moment(recent_traffic.started_at),
        **summary(traffic, window),
        "window": len(window),
        "versions": _versions(window),
        "outputs": [] if version is None else outputs_of(version, window),
        "inputs": [] if version is None else _inputs(version, window),
        "rejected": _rejected(recent_traffic.rejected(name)),
    }


def moment(seconds: float) -> str:
    """Return a moment in ISO 8601.

    :param seconds: since 1970
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def outputs_of(version: ModelVersion, window: Iterable[Kept]) -> list[dict[str, Any]]:
    """Return how the predictions are distributed, one entry a column of the outputs.

    :param version: the model, which says whether these are labels
    :param window: predictions; those by the model's first method count
    """
    method = version.default_method
    tables = [_table(kept) for kept in window if kept.method == method and kept.outputs is not None]
    width = len(tables[-1]) if tables else 0
    tables = [table for table in tables if len(table) == width]
    labelled = version.is_classifier and method in {"predict", "predict_proba"}
    return [
        {"name": _name(place, width)}
        | distribution([v for table in tables for v in table[place]], labelled=labelled)
        for place in range(min(width, MOST_OUTPUTS))
    ]


def distribution(values: Sequence[Any], *, labelled: bool = False) -> dict[str, Any]:
    """Return how values are distributed.

    :param values: of one column
    :param labelled: whether they are labels, also where they are numbers
    :returns: ``counts``, a list of values with their count, the most frequent first, and how many
        ``others`` there are; or for numbers ``histogram``, with ``edges`` and ``counts``, and
        ``least``, ``most`` and ``mean``
    """
    numbers = [] if labelled else [v for v in values if _is_number(v)]
    if values and len(numbers) == len(values):
        counts, edges = np.histogram(numbers, bins=edges_of(numbers))
        histogram = {"edges": edges.tolist(), "counts": counts.tolist()}
        return {"rows": len(values), **_extent(numbers), "histogram": histogram}
    return {"rows": len(values), **_counted(values)}


def _seconds(window: Iterable[Kept]) -> dict[str, float] | None:
    seconds = [kept.seconds for kept in window]
    if not seconds:
        return None
    median, most = np.quantile(seconds, [0.5, 0.95]).tolist()
    return {"median": median, "p95": most}


def _versions(window: Sequence[Kept]) -> list[dict[str, Any]]:
    labels = dict.fromkeys(kept.version for kept in window)
    parts = {label: [kept for kept in window if kept.version == label] for label in labels}
    return [
        {"version": label, "predictions": len(part), "seconds": _seconds(part)}
        for label, part in parts.items()
    ]


def _table(kept: Kept) -> list[list[Any]]:
    """Return the columns of outputs; of probabilities the one of the most probable classes."""
    outputs = np.asarray(kept.outputs)
    if outputs.ndim == 1:
        return [outputs.tolist()]
    if kept.method == "predict_proba" and kept.classes and len(kept.classes) == outputs.shape[1]:
        return [[kept.classes[place] for place in outputs.argmax(axis=1)]]
    return list(outputs.T.tolist())


def _name(place: int, width: int) -> str:
    return "prediction" if width == 1 else f"prediction_{place}"


def _inputs(version: ModelVersion, window: Iterable[Kept]) -> list[dict[str, Any]]:
    fields = measured_fields(version)
    measured = [field for field in fields if field is not None]
    columns = _columns([kept.inputs for kept in window if kept.inputs is not None], len(measured))
    return [_input(field, values) for field, values in zip(measured, columns, strict=True)]


def _columns(parts: Sequence[Any], width: int) -> list[list[Any]]:
    columns: list[list[Any]] = [[] for _ in range(width)]
    for part in parts:
        for place, column in enumerate(columns):
            own = part[:, place] if isinstance(part, np.ndarray) else part[place]
            column += own.tolist() if isinstance(own, np.ndarray) else own
    return columns


def _input(field: Field, values: Sequence[Any]) -> dict[str, Any]:
    """Return what has come for a field beside what its schema allows."""
    definition, schema = field.definition, field_schema(field)
    # Of a field that is coerced the schema tells what is sent, the definition what it becomes.
    bounds = {
        own: jsonable(definition[rule]) for rule, own in _BOUNDS.items() if rule in definition
    }
    present = [value for value in values if not _is_missing(value)]
    seen: dict[str, Any] = {"rows": len(values), "missing": len(values) - len(present)}
    if "allowed" in field.definition or field.kind == "boolean":
        seen |= _counted(present, field.definition.get("allowed", (False, True)))
    else:
        seen |= _extent([value for value in present if _is_number(value)])
    meta = {key: schema[key] for key in _META if key in schema}
    return {"field": field.name, **bounds, **meta, **seen}


def _extent(numbers: Sequence[float]) -> dict[str, Any]:
    if not numbers:
        return {"least": None, "most": None, "mean": None}
    with np.errstate(over="ignore"):
        mean = float(np.mean(np.asarray(numbers, dtype=np.float64)))
    return {"least": min(numbers), "most": max(numbers), "mean": mean}


def _counted(values: Iterable[Any], known: Iterable[Any] = ()) -> dict[str, Any]:
    """Return how often values came, those that are known also where they did not."""
    counter = Counter(dict.fromkeys(map(_plain, known), 0))
    counter.update(map(_plain, values))
    ordered = counter.most_common()
    found = [{"value": value, "count": count} for value, count in ordered[:MOST_VALUES]]
    return {"counts": found, "others": sum(count for _, count in ordered[MOST_VALUES:])}


def _rejected(rejected: Counter[tuple[str | None, str]]) -> list[dict[str, Any]]:
    return [
        {"field": field, "rule": rule, "count": count}
        for (field, rule), count in rejected.most_common(MOST_VALUES)
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, date):
        return value.isoformat()
    return value if isinstance(value, str | int | float) else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_missing(value: Any) -> bool:
    return value is None or value != value
