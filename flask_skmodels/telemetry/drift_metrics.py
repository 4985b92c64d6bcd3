"""The drift of the models as gauges of Prometheus, computed when they are scraped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from flask_skmodels.telemetry.drift.drift import Drift, DriftReport

_PREFIX = "skmodels_drift_"
_LABELS = ("extension", "model", "version")
_OF_FIELDS = {
    "psi": "Population stability index of a field in the last rows.",
    "js": "Jensen-Shannon distance of a field from its training data in the last rows.",
    "missing": "Share of the last rows without a value.",
    "unknown": "Share of the last rows with an unknown category.",
    "outside": "Share of the last rows outside the range of the training data.",
    "mean": "Mean of a field in the last rows.",
}
_OF_PREDICTIONS = {
    "prediction_psi": "Population stability index of the predictions for the last rows.",
    "prediction_js": "Jensen-Shannon distance of the predictions for the last rows.",
}

_collectors: WeakKeyDictionary[Any, DriftCollector] = WeakKeyDictionary()
_lock = Lock()


class DriftCollector:
    """A collector of prometheus-client for the drift of one or several extensions."""

    def __init__(self) -> None:
        self.sources: WeakSet[Drift] = WeakSet()

    def describe(self) -> Iterable[Any]:
        """Return the gauges without values."""
        return drift_gauges([])

    def collect(self) -> Iterable[Any]:
        """Return the gauges."""
        return drift_gauges(self.sources)


def add_to_registry(drift: Drift, registry: Any) -> None:
    """Add the drift of an extension to the metrics of a registry."""
    with _lock:
        collector = _collectors.get(registry)
        if collector is None:
            collector = _collectors[registry] = DriftCollector()
            registry.register(collector)
    collector.sources.add(drift)


def drift_gauges(sources: Iterable[Drift]) -> list[Any]:
    """Return the gauges of the drift of several extensions.

    A statistic without a value, for example because there are too few rows, is left out.
    """
    from prometheus_client.core import GaugeMetricFamily

    def gauge(name: str, help_text: str, *labels: str) -> Any:
        return GaugeMetricFamily(_PREFIX + name, help_text, labels=[*_LABELS, *labels])

    gauges = {"rows": gauge("rows", "Rows in the window of the drift.")}
    gauges |= {name: gauge(name, text, "field") for name, text in _OF_FIELDS.items()}
    gauges |= {name: gauge(name, text, "method") for name, text in _OF_PREDICTIONS.items()}
    known: set[tuple[str, str, str]] = set()
    for source in sources:
        for report in source.reports():
            labels = source.extension, report.model, report.version or ""
            if labels not in known:  # several applications may serve the same models
                known.add(labels)
                _add(gauges, labels, report)
    return list(gauges.values())


def _add(gauges: dict[str, Any], labels: tuple[str, str, str], report: DriftReport) -> None:
    for name, label, value in _values(report):
        if value is not None:
            gauges[name].add_metric([*labels, *label], value)


def _values(report: DriftReport) -> Iterator[tuple[str, tuple[str, ...], float | None]]:
    """Yield the name of a gauge, its last label (if it has one) and its value."""
    document = report.document()
    yield "rows", (), document["window"]["rows"]
    for field, statistics in document["fields"].items():
        for name, value in statistics.items():
            yield name, (field,), value
    for method, distances in document["predictions"].items():
        for name, value in distances.items():
            yield f"prediction_{name}", (method,), value
