"""The recent traffic of an application in this process: counts and the last predictions.

The pages show it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, OrderedDict, deque
from collections.abc import Collection, Iterable, Mapping
from threading import Lock
from time import time
from typing import Any, NamedTuple
from weakref import ref

import numpy as np
from blinker import NamedSignal

from flask_skmodels.engines.after_fork import restart_after_fork
from flask_skmodels.exceptions import InputError
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.inference.prediction import SAMPLE, Prediction
from flask_skmodels.models import Model
from flask_skmodels.schema.fields import Field
from flask_skmodels.schema.frame import DeferredFrame
from flask_skmodels.schema.hidden_fields import shown_names
from flask_skmodels.schema.tabular import Tabular, matrix_of
from flask_skmodels.schema.types import Array, FloatArray, ModelInput, ModelOutput
from flask_skmodels.signals import Sender, after_prediction, input_rejected, prediction_failed
from flask_skmodels.telemetry.listener import Listener, Receiver
from flask_skmodels.telemetry.traffic_minutes import (
    EDGES,
    FAILURES,
    MINUTES,
    PREDICTIONS,
    REJECTIONS,
    ROWS,
    TIMES,
    WIDTH,
    TrafficMinutes,
    hour_of,
    process_tables,
)
from flask_skmodels.versions.version import ModelVersion

WINDOW = 500  # predictions kept for a model
CELLS = 50_000  # values kept for a model, inputs and outputs together
WINDOWS = 100  # models for which predictions are kept, the most recently used ones
VERSIONS = 8  # versions of a model whose traffic by minutes is kept
_BYTES = 65_536  # size of the outputs that are kept for a prediction; a hook can return any size
_TEXTS = (str, bytes)
_LABELS = (*_TEXTS, int, float, np.number, np.bool_, type(None))
_COUNTED = 1000  # triples of a version, a field and a rule that are counted separately


class KeptPrediction(NamedTuple):
    """The part of a prediction that is kept.

    :param version: label of the version that made the prediction
    :param method: name of the estimator's method
    :param seconds: time that the estimator took
    :param inputs: the measured columns of X, at most 100 rows; None if there are none
    :param outputs: outputs of the estimator for these rows; None if they are not kept
    :param classes: classes that the output columns stand for
    :param cells: number of values in inputs and outputs
    """

    version: str | None
    method: str
    seconds: float
    inputs: Any
    outputs: ModelOutput
    classes: list[object] | None
    cells: int


class RecentModelTraffic:
    """Recent traffic of one model: counts since the process started, and the last predictions.

    :param deployment: the model
    :param hidden: names of the fields whose values are not kept
    :param extension: name of the extension
    """

    def __init__(
        self, deployment: Deployment, hidden: Collection[str] = (), extension: str = ""
    ) -> None:
        self.deployment = deployment
        self.forget_minutes()
        self._extension = extension
        self._hidden = hidden
        self.predictions = 0
        self.rows = 0
        self.failures = 0
        self.rejections = 0
        self.rejected: Counter[tuple[str | None, str | None, str]] = Counter()
        self.last_at: float | None = None
        self.window: deque[KeptPrediction] = deque()
        self._cells = 0
        self._version: ref[ModelVersion] | None = None  # weak, so that it can be unloaded
        self._columns: tuple[str, ...] = ()
        self._measured: list[int] = []
        self._fields: frozenset[str] = frozenset()

    def add(self, prediction: Prediction) -> None:
        """Count a prediction and keep it in the window."""
        rows = prediction.rows
        self.predictions += 1
        self.rows += rows
        self.last_at = now = time()
        version, minutes = self._last_minutes
        if version != prediction.version or minutes is None:
            minutes = self.minutes_of(prediction.version)
        cells, minute = minutes.cells, now // 60
        start = int(minute) % MINUTES * WIDTH
        if cells[start] != minute:
            minutes.begin(start, minute)
        cells[start + PREDICTIONS] += 1
        cells[start + ROWS] += rows
        cells[start + TIMES + bisect_right(EDGES, prediction.seconds)] += 1
        if prediction.fields is not self._columns:
            self._update_fields()
        measured = self._measured if prediction.fields == self._columns else []
        kept = _kept_of_one_row(prediction, measured) if rows == 1 else None
        kept = kept or _kept(prediction, measured)
        self.window.append(kept)
        self._cells += kept.cells
        while len(self.window) > WINDOW or self._cells > CELLS:
            self._cells -= self.window.popleft().cells

    def add_failure(self, version: str | None) -> None:
        """Count a failed prediction."""
        self.failures += 1
        self.minutes_of(version).add_one(FAILURES)

    def add_rejection(self, errors: Iterable[InputError], version: str | None = None) -> None:
        """Count a rejected request, without names of fields that the model does not have."""
        self.rejections += 1
        self.minutes_of(version).add_one(REJECTIONS)
        self._update_fields()
        for error in errors:
            is_known = error.field in self._fields
            key = (version, error.field if is_known else None, error.rule)
            if key in self.rejected or len(self.rejected) < _COUNTED:
                self.rejected[key] += 1

    def forget(self) -> None:
        """Delete the predictions in the window; the counts stay."""
        self.window.clear()
        self._cells = 0
        self.forget_minutes()

    def forget_minutes(self) -> None:
        """Count minutes in new buffers from now on."""
        self.minutes: OrderedDict[str | None, TrafficMinutes] = OrderedDict()
        self._last_minutes: tuple[str | None, TrafficMinutes | None] = None, None

    def minutes_of(self, version: str | None) -> TrafficMinutes:
        """Return the traffic of a version by minutes; it is kept for the versions used last."""
        minutes = self.minutes.get(version)
        if minutes is None:
            if len(self.minutes) >= VERSIONS:
                self.minutes.popitem(last=False)
            identity = self._extension, self.deployment.name, version
            minutes = self.minutes[version] = TrafficMinutes(identity)
        else:
            self.minutes.move_to_end(version)
        self._last_minutes = version, minutes
        return minutes

    def _update_fields(self) -> None:
        """Read the fields of the live version, if it has changed."""
        version = self.deployment.versions.live
        previous = None if self._version is None else self._version()
        if version is not previous and version is not None:
            fields = measured_fields(version, self._hidden)
            self._version = ref(version)
            self._columns = version.schema.column_names
            self._measured = [index for index, field in enumerate(fields) if field is not None]
            self._fields = frozenset({"values", *(field.name for field in version.schema.fields)})


class RecentTraffic(Listener):
    """Counts and keeps the predictions of one extension on one application.

    Memory is bounded: for each of the 100 most recently used models, at most 500 predictions with
    50,000 values in all are kept. Free texts of clients are not kept.

    :param deployments: models of the extension by name
    :param hidden: names of the fields whose values are not kept
    :param extension: name of the extension
    """

    def __init__(
        self,
        deployments: Mapping[str, Deployment],
        hidden: Collection[str] = (),
        extension: str = "",
    ) -> None:
        self.hidden = hidden
        self._extension = extension
        self.started_at = time()
        self._deployments = deployments
        self._traffic: dict[str, RecentModelTraffic] = {}
        self._latest: OrderedDict[str, RecentModelTraffic] = OrderedDict()
        self._last: RecentModelTraffic | None = None
        self._lock = Lock()
        restart_after_fork(self)

    def restart(self) -> None:
        """Count minutes in new buffers in a forked process."""
        self._lock = Lock()
        for traffic in self._traffic.values():
            traffic.forget_minutes()

    def receivers(self) -> Mapping[NamedSignal, Receiver]:
        return {
            after_prediction: self._on_prediction,
            prediction_failed: self._on_failure,
            input_rejected: self._on_rejection,
        }

    def of(self, name: str) -> RecentModelTraffic:
        """Return the recent traffic of a model; other threads can change it at any time."""
        traffic = self._traffic.get(name)
        if traffic is None:
            traffic = self._traffic.setdefault(
                name, RecentModelTraffic(self._deployments[name], self.hidden, self._extension)
            )
        return traffic

    def window(self, name: str) -> list[KeptPrediction]:
        """Return the last predictions of a model, oldest first."""
        with self._lock:
            return list(self.of(name).window)

    def hour(self, name: str, labels: Iterable[str | None]) -> FloatArray:
        """Return the last hour of some versions of a model, as :func:`.hour_of` does."""
        own = self.of(name).minutes
        tables = [
            table
            for label in labels
            for table in process_tables((self._extension, name, label), own.get(label))
        ]
        return hour_of(tables, time())

    def versions(self, name: str) -> list[str | None]:
        """Return the labels of the versions that were used last."""
        with self._lock:
            return list(self.of(name).minutes)

    def rejected(self, name: str) -> Counter[tuple[str | None, str | None, str]]:
        """Return the number of errors of a model for each version, field and rule."""
        with self._lock:
            return self.of(name).rejected.copy()

    def _on_prediction(
        self, sender: Sender, model: Model, prediction: Prediction, **extra: object
    ) -> None:
        with self._lock:
            traffic = self._traffic.get(prediction.model) or self.of(prediction.model)
            traffic.add(prediction)
            if traffic is not self._last:
                self._mark_as_recent(prediction.model, traffic)

    def _mark_as_recent(self, name: str, traffic: RecentModelTraffic) -> None:
        """Mark a model as the most recently used one; if there are too many, forget the oldest."""
        self._latest[name] = self._last = traffic
        self._latest.move_to_end(name)
        if len(self._latest) > WINDOWS:
            self._latest.popitem(last=False)[1].forget()

    def _on_failure(
        self, sender: Sender, model: Model, prediction: Prediction, **extra: object
    ) -> None:
        with self._lock:
            self.of(model.name).add_failure(prediction.version)
            self._mark_as_recent(model.name, self.of(model.name))

    def _on_rejection(
        self,
        sender: Sender,
        model: Model,
        errors: Iterable[InputError],
        version: str | None = None,
        **extra: object,
    ) -> None:
        with self._lock:
            self.of(model.name).add_rejection(errors, version)
            self._mark_as_recent(model.name, self.of(model.name))


def measured_fields(version: ModelVersion, hidden: Collection[str] = ()) -> list[Field | None]:
    """Return the field of each column of X, None for columns that are not kept.

    Free texts, objects and hidden fields are not kept.

    :param version: a version of the model
    :param hidden: names of the hidden fields, as in ``SKMODELS_LOG_HIDDEN_FIELDS``
    """
    shown = shown_names(version.schema, hidden)
    fields = {field.column.name: field for field in version.schema.fields if not field.is_alias}
    in_order = [fields[name] for name in version.schema.column_names]
    return [f if is_measured(f) and (not hidden or f.name in shown) else None for f in in_order]


def is_measured(field: Field) -> bool:
    """Return whether the values of a field are kept, unless it is hidden."""
    return field.is_number or field.kind == "boolean" or "allowed" in field.definition


def _kept_of_one_row(prediction: Prediction, measured: list[int]) -> KeptPrediction | None:
    """Return the kept part of a single row of numbers, a fast path; None for other predictions."""
    outputs, width = prediction.outputs, len(measured)
    X: Any = prediction.X
    if type(X) is DeferredFrame:
        X = X.matrix
    if (
        type(X) is type(outputs) is np.ndarray
        and X.shape == (1, width)
        and prediction.layout is None
        and outputs.dtype.kind in "fiub"
        and outputs.base is None
        and outputs.ndim <= 2
        and outputs.nbytes <= _BYTES
    ):
        cells = width + (outputs.shape[1] if outputs.ndim == 2 else 1)
        facts = prediction.version, prediction.method, prediction.seconds
        values = *facts, X, outputs, prediction.classes, cells
        return tuple.__new__(KeptPrediction, values)  # its own __new__ would be a Python call
    return None


def _kept(prediction: Prediction, measured: list[int]) -> KeptPrediction:
    rows, step = prediction.rows, prediction.sample_step
    inputs = _inputs(*prediction.sampled(), measured) if measured else None
    is_kept = prediction.layout is None  # explanations have no distribution to show
    outputs = _outputs(prediction.outputs, prediction.method, step) if is_kept else None
    return KeptPrediction(
        prediction.version,
        prediction.method,
        prediction.seconds,
        inputs,
        outputs,
        prediction.classes,
        -(-rows // step) * (len(measured) + _width(outputs)),
    )


def _inputs(X: ModelInput, step: int, measured: list[int]) -> Any:
    """Return the measured columns of X for every ``step``-th row: a matrix or a list."""
    matrix = matrix_of(X)
    if matrix is None:
        if not isinstance(X, Tabular):
            return None
        return [column[::step] for column in X.validated_columns(measured)]
    if matrix.shape[1] != len(measured):
        return matrix[::step, measured]
    return matrix if step == 1 else matrix[::step].copy()


def _outputs(outputs: ModelOutput, method: str, step: int) -> ModelOutput:
    """Return the outputs of every ``step``-th row, None if they are not numbers or labels."""
    if isinstance(outputs, np.ndarray) and outputs.ndim <= 2:
        return _array(outputs if step == 1 else outputs[::step], method)
    if isinstance(outputs, list):
        return _labels(outputs[::step], method)
    return None


def _array(outputs: Array, method: str) -> Array | None:
    """Return an array that is not a view, because a view keeps the larger array in memory."""
    if outputs.nbytes > _BYTES:
        return None
    if outputs.dtype.kind not in "OSU":
        return outputs if outputs.base is None else outputs.copy()
    labels = _labels(outputs.ravel().tolist(), method)
    return None if labels is None else np.array(labels, dtype=object).reshape(outputs.shape)


def _labels(values: list[Any], method: str) -> list[Any] | None:
    """Return the labels, with long texts cut; None if they may repeat text that a client sent."""
    are_texts = any(isinstance(v, _TEXTS) for v in values)
    if (are_texts and method == "transform") or not all(isinstance(v, _LABELS) for v in values):
        return None
    return [v[:SAMPLE] if isinstance(v, _TEXTS) else v for v in values]


def _width(outputs: ModelOutput) -> int:
    return int(outputs.shape[1]) if getattr(outputs, "ndim", 1) == 2 else 1
