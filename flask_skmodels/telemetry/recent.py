"""What has lately gone through the models of an application in this process, for its pages."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Mapping
from threading import Lock
from time import time
from typing import Any, NamedTuple
from weakref import ref

import numpy as np
from blinker import NamedSignal
from numpy.typing import NDArray

from flask_skmodels.errors import InputError
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.models import Model
from flask_skmodels.schema.fields import Field
from flask_skmodels.schema.tabular import Tabular, matrix_of
from flask_skmodels.signals import Sender, after_prediction, input_rejected, prediction_failed
from flask_skmodels.telemetry.listener import Listener, Receiver
from flask_skmodels.versions.version import ModelVersion

WINDOW = 500  # predictions of a model that are kept
SAMPLE = 100  # rows that are kept of one of them
CELLS = 50_000  # values that are kept of a model's inputs and outputs together
WINDOWS = 100  # models of which predictions are kept, those that were asked last
_BYTES = 65_536  # of the outputs of one prediction; hooks may return anything
_TEXTS = (str, bytes)
_LABELS = (*_TEXTS, int, float, np.number, np.bool_, type(None))
_COUNTED = 1000  # pairs of a field and a rule that are told apart


class Kept(NamedTuple):
    """What is kept of one prediction.

    :param version: label of the version that answered
    :param method: name of the estimator's method
    :param seconds: how long the estimator took
    :param inputs: the columns of X that can be measured, at most 100 rows; None where it has none
    :param outputs: what the estimator returned for these rows; None if it is not kept
    :param classes: what the columns of outputs stand for
    :param cells: how many values that is
    """

    version: str | None
    method: str
    seconds: float
    inputs: Any
    outputs: Any
    classes: list[object] | None
    cells: int


class ModelTraffic:
    """The traffic of one model in this process: counts since its start, and the last predictions.

    :param deployment: the model
    """

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.predictions = 0
        self.rows = 0
        self.failures = 0
        self.rejections = 0
        self.rejected: Counter[tuple[str | None, str]] = Counter()
        self.last_at: float | None = None
        self.window: deque[Kept] = deque()
        self._cells = 0
        self._version: ref[ModelVersion] | None = None  # only weakly: it may be let go of
        self._columns: tuple[str, ...] = ()
        self._measured: list[int] = []
        self._fields: frozenset[str] = frozenset()

    def add(self, prediction: Prediction) -> None:
        """Count a prediction, and keep it in the window."""
        self.predictions += 1
        self.rows += prediction.rows
        self.last_at = time()
        if prediction.fields is not self._columns:
            self._look_at_schema()
        measured = self._measured if prediction.fields == self._columns else []
        kept = _kept_row(prediction, measured) or _kept(prediction, measured)
        self.window.append(kept)
        self._cells += kept.cells
        while len(self.window) > WINDOW or self._cells > CELLS:
            self._cells -= self.window.popleft().cells

    def add_rejection(self, errors: Iterable[InputError]) -> None:
        """Count a request that was turned down; names that the model does not know are not kept."""
        self.rejections += 1
        self._look_at_schema()
        for error in errors:
            is_known = error.field in self._fields
            pair = (error.field if is_known else None, error.rule)
            if pair in self.rejected or len(self.rejected) < _COUNTED:
                self.rejected[pair] += 1

    def forget(self) -> None:
        """Let go of the predictions; the counts stay."""
        self.window.clear()
        self._cells = 0

    def _look_at_schema(self) -> None:
        version = self.deployment.versions.live
        known = None if self._version is None else self._version()
        if version is not known and version is not None:
            fields = measured_fields(version)
            self._version = ref(version)
            self._columns = version.schema.column_names
            self._measured = [place for place, field in enumerate(fields) if field is not None]
            self._fields = frozenset({"values", *(field.name for field in version.schema.fields)})


class RecentTraffic(Listener):
    """Listens to the signals of one extension on one application.

    What it keeps is bounded, whatever comes: for each of the 100 models that were asked last at
    most 500 predictions, and of these at most 50,000 values. Texts of clients are not kept.

    :param deployments: the models
    """

    def __init__(self, deployments: Mapping[str, Deployment]) -> None:
        self.started_at = time()
        self._deployments = deployments
        self._traffic: dict[str, ModelTraffic] = {}
        self._latest: OrderedDict[str, ModelTraffic] = OrderedDict()
        self._last: ModelTraffic | None = None
        self._lock = Lock()

    def receivers(self) -> Mapping[NamedSignal, Receiver]:
        return {
            after_prediction: self._on_prediction,
            prediction_failed: self._on_failure,
            input_rejected: self._on_rejection,
        }

    def of(self, name: str) -> ModelTraffic:
        """Return the traffic of a model; it can change at any time."""
        found = self._traffic.get(name)
        if found is None:
            found = self._traffic.setdefault(name, ModelTraffic(self._deployments[name]))
        return found

    def window(self, name: str) -> list[Kept]:
        """Return the last predictions of a model, the oldest first."""
        with self._lock:
            return list(self.of(name).window)

    def rejected(self, name: str) -> Counter[tuple[str | None, str]]:
        """Return how often each rule of each field of a model was broken."""
        with self._lock:
            return self.of(name).rejected.copy()

    def _on_prediction(
        self, sender: Sender, model: Model, prediction: Prediction, **extra: Any
    ) -> None:
        with self._lock:
            traffic = self._traffic.get(prediction.model) or self.of(prediction.model)
            traffic.add(prediction)
            if traffic is not self._last:
                self._put_last(prediction.model, traffic)

    def _put_last(self, name: str, traffic: ModelTraffic) -> None:
        """Note that a model was asked last; too many, and the one asked first forgets its own."""
        self._latest[name] = self._last = traffic
        self._latest.move_to_end(name)
        if len(self._latest) > WINDOWS:
            self._latest.popitem(last=False)[1].forget()

    def _on_failure(self, sender: Sender, model: Model, **extra: Any) -> None:
        with self._lock:
            self.of(model.name).failures += 1

    def _on_rejection(
        self, sender: Sender, model: Model, errors: Iterable[InputError], **extra: Any
    ) -> None:
        with self._lock:
            self.of(model.name).add_rejection(errors)


def measured_fields(version: ModelVersion) -> list[Field | None]:
    """Return for each column of X its field; None for free texts and objects, which are not kept.

    :param version: the model
    """
    fields = {field.column.name: field for field in version.schema.fields if not field.is_alias}
    own = [fields[name] for name in version.schema.column_names]
    return [field if _is_measured(field) else None for field in own]


def _is_measured(field: Field) -> bool:
    return field.is_number or field.kind == "boolean" or "allowed" in field.definition


def _kept_row(prediction: Prediction, measured: list[int]) -> Kept | None:
    """Return what is kept of a row of few numbers, None where it is none; most predictions are."""
    X, outputs = prediction.X, prediction.outputs
    if (
        type(X) is type(outputs) is np.ndarray
        and X.shape == (1, len(measured))
        and outputs.dtype.kind in "fiub"
        and outputs.base is None
        and outputs.ndim <= 2
        and outputs.nbytes <= _BYTES
    ):
        told = prediction.version, prediction.method, prediction.seconds
        return Kept(*told, X, outputs, prediction.classes, len(measured) + _width(outputs))
    return None


def _kept(prediction: Prediction, measured: list[int]) -> Kept:
    rows = prediction.rows
    step = 1 if rows <= SAMPLE else -(-rows // SAMPLE)
    inputs = _inputs(prediction.X, measured, step) if measured else None
    outputs = _outputs(prediction.outputs, prediction.method, step)
    return Kept(
        prediction.version,
        prediction.method,
        prediction.seconds,
        inputs,
        outputs,
        prediction.classes,
        -(-rows // step) * (len(measured) + _width(outputs)),
    )


def _inputs(X: Any, measured: list[int], step: int) -> Any:
    """Return the columns of X that are measured, of every row or of some: a matrix or a list."""
    matrix = matrix_of(X)
    if matrix is None:
        is_tabular = isinstance(X, Tabular)
        return [X.validated_column(each)[::step] for each in measured] if is_tabular else None
    if matrix.shape[1] != len(measured):
        return matrix[::step, measured]
    return matrix if step == 1 else matrix[::step].copy()


def _outputs(outputs: Any, method: str, step: int) -> Any:
    """Return the outputs of every row or of some; None where they are no numbers or labels."""
    if isinstance(outputs, np.ndarray) and outputs.ndim <= 2:
        return _array(outputs if step == 1 else outputs[::step], method)
    if isinstance(outputs, list):
        return _labels(outputs[::step], method)
    return None


def _array(outputs: NDArray[Any], method: str) -> NDArray[Any] | None:
    """Return an array of its own, which keeps no larger one of which it is a part."""
    if outputs.nbytes > _BYTES:
        return None
    if outputs.dtype.kind not in "OSU":
        return outputs if outputs.base is None else outputs.copy()
    labels = _labels(outputs.ravel().tolist(), method)
    return None if labels is None else np.array(labels, dtype=object).reshape(outputs.shape)


def _labels(values: list[Any], method: str) -> list[Any] | None:
    """Return labels, their texts cut short; a text that was transformed is a client's."""
    are_texts = any(isinstance(v, _TEXTS) for v in values)
    if (are_texts and method == "transform") or not all(isinstance(v, _LABELS) for v in values):
        return None
    return [v[:SAMPLE] if isinstance(v, _TEXTS) else v for v in values]


def _width(outputs: Any) -> int:
    return int(outputs.shape[1]) if getattr(outputs, "ndim", 1) == 2 else 1
