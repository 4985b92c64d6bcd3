"""Prometheus metrics of the predictions of an application, updated by the signals."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from itertools import chain
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from blinker import NamedSignal

from flask_skmodels.exceptions import InputError, Overloaded, TimedOut
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.models import Model
from flask_skmodels.schema.json_schema import VALUES
from flask_skmodels.signals import (
    Sender,
    after_prediction,
    before_prediction,
    input_rejected,
    model_load_failed,
    model_loaded,
    prediction_failed,
    prediction_refused,
    prediction_stopped,
)
from flask_skmodels.telemetry.drift.drift import Drift
from flask_skmodels.telemetry.drift_metrics import add_to_registry, drift_gauges
from flask_skmodels.telemetry.listener import Listener, Receiver

PREFIX = "skmodels_"
SECONDS = (
    *(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1),
    *(0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
ROWS = (1, 2, 5, 10, 20, 50, 100, 1_000, 10_000, 100_000, 1_000_000)

_MODEL = ("extension", "model")
_VERSION = (*_MODEL, "version")
_METHOD = (*_VERSION, "method")
_MethodKey = tuple[str, str | None, str]  # model, version, method

_families_of: WeakKeyDictionary[Any, Families] = WeakKeyDictionary()
_lock = Lock()


def is_multiprocess() -> bool:
    """Return whether prometheus-client combines the metrics of several processes."""
    return bool(os.environ.get("PROMETHEUS_MULTIPROC_DIR"))


class Families:
    """The metrics, each with a time series for each combination of labels.

    The object is a collector of prometheus-client; when it is read, it adds what is pending.

    :param is_shared: whether other processes read the metrics, so that nothing may be pending
    """

    def __init__(self, *, is_shared: bool) -> None:
        from prometheus_client import Counter, Gauge, Histogram

        self._is_shared = is_shared
        self._pending: list[_PendingSeries] = []
        self._metrics: list[Any] = []

        def added(metric: Any) -> Any:
            self._metrics.append(metric)
            return metric

        def counter(name: str, help_text: str, labels: Iterable[str] = _METHOD) -> Any:
            return added(Counter(PREFIX + name, help_text, labels, registry=None))

        def histogram(name: str, help_text: str, buckets: Sequence[float]) -> Any:
            name = PREFIX + name
            return added(Histogram(name, help_text, _METHOD, registry=None, buckets=buckets))

        def gauge(name: str, help_text: str, labels: Iterable[str], mode: Any) -> Any:
            name = PREFIX + name
            return added(Gauge(name, help_text, labels, registry=None, multiprocess_mode=mode))

        self.predictions = counter("predictions", "Successful predictions.")
        self.rows = counter("rows", "Rows of successful predictions.")
        self.failures = counter(
            "failures", "Predictions that failed because the estimator raised an exception."
        )
        self.stopped = counter("stopped", "Predictions that a receiver of a signal stopped.")
        self.refusals = counter(
            "refusals",
            "Predictions refused because others were in progress: at once (busy), or after a wait "
            "(timeout).",
            (*_METHOD, "reason"),
        )
        self.rejections = counter("rejections", "Requests with rejected input.")
        self.rejected_rows = counter(
            "rejected_rows",
            "Rejected rows by field and rule, among the first 100 errors of a request.",
            (*_VERSION, "field", "rule"),
        )
        self.load_failures = counter("load_failures", "Versions that could not be loaded.", _MODEL)
        self.seconds = histogram(
            "prediction_seconds", "Time that the estimator took in seconds.", SECONDS
        )
        self.sizes = histogram(
            "batch_rows", "Rows in the call of the estimator that made a prediction.", ROWS
        )
        self.in_flight = gauge(
            "predictions_in_flight", "Predictions in progress.", _MODEL, "livesum"
        )
        self.loaded_at = gauge(
            "model_loaded_timestamp_seconds",
            "Time at which a version was loaded.",
            _VERSION,
            "livemax",
        )

    def series(self, extension: str, key: _MethodKey) -> _Series | _PendingSeries:
        """Return the time series of a method."""
        series = _Series(self, extension, key)
        if self._is_shared:
            return series
        try:
            pending = _PendingSeries(series)
        except AttributeError:  # a different release of prometheus-client
            return series
        self._pending.append(pending)
        return pending

    def describe(self) -> Iterable[Any]:
        """Yield the metrics without samples."""
        return chain.from_iterable(metric.describe() for metric in self._metrics)

    def collect(self) -> Iterable[Any]:
        """Yield the metrics with their samples."""
        for pending in list(self._pending):
            pending.flush()
        return chain.from_iterable(metric.collect() for metric in self._metrics)


class _Series:
    """The time series of a method of a version, kept to avoid a lookup at each request."""

    __slots__ = (
        *("begin", "end", "failed", "predictions", "rejected", "rows", "seconds", "sizes"),
        "stopped",
    )

    def __init__(self, families: Families, extension: str, key: _MethodKey) -> None:
        model, version, method = key
        labels = (extension, model, version or "", method)
        in_flight = families.in_flight.labels(extension, model)
        self.begin: Callable[..., None] = in_flight.inc
        self.end: Callable[..., None] = in_flight.dec
        self.predictions: Callable[..., None] = families.predictions.labels(*labels).inc
        self.rows: Callable[[float], None] = families.rows.labels(*labels).inc
        self.sizes: Any = families.sizes.labels(*labels)
        self.seconds: Any = families.seconds.labels(*labels)
        self.failed: Callable[[], None] = families.failures.labels(*labels).inc
        self.stopped: Callable[[], None] = families.stopped.labels(*labels).inc
        self.rejected: Callable[[], None] = families.rejections.labels(*labels).inc

    def succeed(self, prediction: Prediction) -> None:
        """Count a prediction that has succeeded."""
        self.end()
        self.predictions()
        self.rows(prediction.rows)
        self.sizes.observe(prediction.batch_rows)
        self.seconds.observe(prediction.seconds)


class _PendingSeries:
    """Time series whose values are passed to prometheus-client only when they are read.

    Counting a prediction takes 1 µs here, and 5 µs in prometheus-client, which has a lock for each
    value.

    :param series: the time series
    :raises AttributeError: prometheus-client does not have the expected attributes
    """

    __slots__ = ("_in_flight", "_lock", "_predictions", "_rows", "_seconds", "_series", "_sizes")

    def __init__(self, series: _Series) -> None:
        self._series = series
        self._sizes = _Bins(ROWS, series.sizes)
        self._seconds = _Bins(SECONDS, series.seconds)
        self._in_flight = self._predictions = self._rows = 0
        self._lock = Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._series, name)

    def begin(self) -> None:
        """Count a prediction that begins."""
        with self._lock:
            self._in_flight += 1

    def end(self) -> None:
        """Count a prediction that has not succeeded."""
        with self._lock:
            self._in_flight -= 1

    def succeed(self, prediction: Prediction) -> None:
        """Count a prediction that has succeeded."""
        size, seconds = prediction.batch_rows, prediction.seconds
        with self._lock:
            self._in_flight -= 1
            self._predictions += 1
            self._rows += prediction.rows
            sizes, times = self._sizes, self._seconds
            sizes.total += size
            sizes.counts[bisect_left(ROWS, size)] += 1
            times.total += seconds
            times.counts[bisect_left(SECONDS, seconds)] += 1

    def flush(self) -> None:
        """Add everything to the time series of prometheus-client."""
        with self._lock:
            series = self._series
            series.begin(self._in_flight)
            series.predictions(self._predictions)
            series.rows(self._rows)
            self._in_flight = self._predictions = self._rows = 0
            self._sizes.flush()
            self._seconds.flush()


class _Bins:
    """The values of a histogram that are not added to it yet.

    :param bounds: the upper bounds of its bins, except the last bin
    :param histogram: the histogram of prometheus-client, with labels
    :ivar counts: the number of values in each bin
    :ivar total: the sum of the values
    """

    __slots__ = ("_add_to_bins", "_add_to_sum", "counts", "total")

    def __init__(self, bounds: Sequence[float], histogram: Any) -> None:
        self._add_to_sum = histogram._sum.inc
        self._add_to_bins = [each.inc for each in histogram._buckets]
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def flush(self) -> None:
        """Add the values to the histogram."""
        self._add_to_sum(self.total)
        for add, count in zip(self._add_to_bins, self.counts, strict=True):
            if count:
                add(count)
        self.counts = [0] * len(self.counts)
        self.total = 0.0


class _AllSeries(dict[_MethodKey, _Series | _PendingSeries]):
    """The time series of each method of each version, made when they are first needed."""

    def __init__(self, families: Families, extension: str) -> None:
        super().__init__()
        self._families = families
        self._extension = extension

    def __missing__(self, key: _MethodKey) -> _Series | _PendingSeries:
        series = self[key] = self._families.series(self._extension, key)
        return series


class Metrics(Listener):
    """Counts the predictions of one extension on one application.

    :param extension: name of the extension
    :param deployments: models of the extension by name
    :param registry: the ``prometheus_client.CollectorRegistry`` to register the metrics in, by
        default a new one
    :param drift: the drift of the models, None if it is off
    :raises ImportError: prometheus-client is not installed
    """

    def __init__(
        self,
        extension: str,
        deployments: Mapping[str, Deployment],
        registry: Any = None,
        drift: Drift | None = None,
    ) -> None:
        from prometheus_client import CollectorRegistry

        self._extension = extension
        self._deployments = deployments
        self._is_own = registry is None
        self._registry = CollectorRegistry() if registry is None else registry
        self._families = _families_in(self._registry)
        self._series = _AllSeries(self._families, extension)
        self._drift = drift
        if drift is not None:
            add_to_registry(drift, self._registry)

    def receivers(self) -> Mapping[NamedSignal, Receiver]:
        return {
            before_prediction: self._start,
            after_prediction: self._succeed,
            prediction_failed: self._fail,
            prediction_stopped: self._stop,
            input_rejected: self._reject,
            prediction_refused: self._refuse,
            model_loaded: self._load,
            model_load_failed: self._fail_to_load,
        }

    def prepare(self, deployment: Deployment) -> None:
        """Create the time series of a model with the value zero, if the model is loaded."""
        live = deployment.versions.live
        for method in live.methods if live is not None else ():
            self._series[deployment.name, live.label if live is not None else None, method]

    def exposition(self, shown: Collection[tuple[str, str]]) -> tuple[bytes, str]:
        """Return the metrics in the text format of Prometheus, and its content type.

        If there are several processes, these are the metrics of all of them.

        :param shown: the models whose metrics are included, each as the name of its extension and
            its own name
        """
        from prometheus_client.exposition import choose_encoder

        encode, content_type = choose_encoder("")  # what all versions of Prometheus can read
        return encode(_Shown(self._collect, shown)), content_type

    def totals(self, model: str, versions: Collection[str | None] | None = None) -> Totals:
        """Return the counts of a model; if there are several processes, of all of them.

        :param model: name of the model
        :param versions: labels of the versions that are counted, None for all
        """
        totals = Totals()
        labels = None if versions is None else {label or "" for label in versions}
        for metric in self._collect():
            for sample in metric.samples:
                known = sample.labels
                is_model = (known.get("extension"), known.get("model")) == (self._extension, model)
                if is_model and (labels is None or known.get("version") in labels):
                    totals.add(sample.name, known, int(sample.value))
        return totals

    def _collect(self) -> Iterable[Any]:
        if not is_multiprocess():
            return self._registry.collect()
        metrics = [*_collect_from_all_processes()]
        if self._drift is not None:
            metrics += drift_gauges([self._drift])
        return [each for each in metrics if each.name.startswith(PREFIX) or not self._is_own]

    def _start(self, sender: Sender, model: Model, prediction: Prediction, **extra: object) -> None:
        self._series[prediction.model, prediction.version, prediction.method].begin()

    def _succeed(
        self, sender: Sender, model: Model, prediction: Prediction, **extra: object
    ) -> None:
        self._series[prediction.model, prediction.version, prediction.method].succeed(prediction)

    def _fail(
        self,
        sender: Sender,
        model: Model,
        prediction: Prediction,
        exception: Exception,
        **extra: object,
    ) -> None:
        key = prediction.model, prediction.version, prediction.method
        self._series[key].end()
        if isinstance(exception, Overloaded | TimedOut):
            self._count_refusal(key, exception)
        else:
            self._series[key].failed()

    def _refuse(
        self,
        sender: Sender,
        *,
        model: Model,
        version: str | None,
        method: str,
        exception: Exception,
        **extra: object,
    ) -> None:
        self._count_refusal((model.name, version, method), exception)

    def _count_refusal(self, key: _MethodKey, exception: Exception) -> None:
        model, version, method = key
        reason = "timeout" if isinstance(exception, TimedOut) else "busy"
        labels = (self._extension, model, version or "", method, reason)
        self._families.refusals.labels(*labels).inc()

    def _stop(self, sender: Sender, model: Model, prediction: Prediction, **extra: object) -> None:
        series = self._series[prediction.model, prediction.version, prediction.method]
        series.end()
        series.stopped()

    def _reject(
        self,
        sender: Sender,
        *,
        model: Model,
        version: str | None,
        method: str,
        errors: Iterable[InputError],
        prediction: Prediction | None,
        **extra: object,
    ) -> None:
        name = model.name
        series = self._series[name, version, method]
        series.rejected()
        if prediction is not None:
            series.end()
        known = self._fields_of(name)
        rows = {(e.row, e.field if e.field in known else "", e.rule) for e in errors}
        for _, subject, rule in rows:
            labels = (self._extension, name, version or "", subject, rule)
            self._families.rejected_rows.labels(*labels).inc()

    def _fields_of(self, name: str) -> set[str]:
        """Return the names of the fields of a model: a client can also send other names."""
        live = self._deployments[name].versions.live
        return {VALUES, *(field.name for field in (() if live is None else live.schema.fields))}

    def _load(
        self,
        sender: Sender,
        model: Model,
        version: str | None,
        artifact: Mapping[str, Any],
        **extra: object,
    ) -> None:
        labels = (self._extension, model.name, version or "")
        loaded_at = datetime.fromisoformat(artifact["loaded_at"]).timestamp()
        self._families.loaded_at.labels(*labels).set(loaded_at)

    def _fail_to_load(self, sender: Sender, model: Model, **extra: object) -> None:
        self._families.load_failures.labels(self._extension, model.name).inc()


@dataclass(slots=True)
class Totals:
    """The counts of a model.

    :ivar predictions: successful predictions
    :ivar rows: rows of these predictions
    :ivar failures: predictions that failed
    :ivar rejections: rejected requests
    :ivar rejected: rejected rows by field and rule; the field is None for the request as a whole
    """

    predictions: int = 0
    rows: int = 0
    failures: int = 0
    rejections: int = 0
    rejected: Counter[tuple[str | None, str]] = field(default_factory=Counter)

    def add(self, name: str, labels: Mapping[str, str], value: int) -> None:
        """Add a sample of a metric, if it is one of these counts."""
        kind = name.removeprefix(PREFIX).removesuffix("_total")
        if kind == "rejected_rows":
            self.rejected[labels["field"] or None, labels["rule"]] += value
        elif name.endswith("_total") and kind in {"predictions", "rows", "failures", "rejections"}:
            setattr(self, kind, getattr(self, kind) + value)


class _Shown:
    """A collector for the metrics of some models, and for metrics that are not the library's.

    :param collect: returns all metrics
    :param shown: the models, each as the name of its extension and its own name
    """

    def __init__(
        self, collect: Callable[[], Iterable[Any]], shown: Collection[tuple[str, str]]
    ) -> None:
        self._collect_all = collect
        self._shown = shown

    def collect(self) -> Iterable[Any]:
        for metric in self._collect_all():
            if metric.name.startswith(PREFIX):
                metric = copy(metric)
                metric.samples = [each for each in metric.samples if self._is_shown(each.labels)]
            yield metric

    def _is_shown(self, labels: Mapping[str, str]) -> bool:
        return (labels["extension"], labels["model"]) in self._shown


def _collect_from_all_processes() -> Iterable[Any]:
    from prometheus_client import CollectorRegistry, multiprocess

    collector: Any = multiprocess.MultiProcessCollector
    metrics: Iterable[Any] = collector(CollectorRegistry()).collect()
    return metrics


def _families_in(registry: Any) -> Families:
    """Return the metrics of a registry, created at the first call.

    A registry can hold each metric only once. A process that shares its metrics with other
    processes has only one set of metrics, because two sets would overwrite each other's values.
    """
    if is_multiprocess():
        return _shared_families()
    with _lock:
        families = _families_of.get(registry)
        if families is None:
            families = Families(is_shared=False)
            registry.register(families)
            _families_of[registry] = families
        return families


@lru_cache(maxsize=1)
def _shared_families() -> Families:
    return Families(is_shared=True)
