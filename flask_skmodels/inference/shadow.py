"""A second version that predicts the same rows, and the comparison of the two versions."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from queue import Full, Queue
from threading import Lock, Thread
from time import perf_counter
from typing import Any

import numpy as np

from flask_skmodels.estimators.outputs import is_multi_output
from flask_skmodels.exceptions import SKModelsError
from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.schema.builder import FRAMES
from flask_skmodels.schema.fields import Field
from flask_skmodels.schema.frame import DeferredFrame
from flask_skmodels.schema.schema import FixedSchema
from flask_skmodels.schema.tabular import copy_of
from flask_skmodels.schema.types import Array, JSONObject, ModelInput, ModelOutput
from flask_skmodels.signals import Sender, notify, shadow_prediction
from flask_skmodels.versions.version import ModelVersion, Versions

WINDOW = 1000
WAITING = 100
WAITING_ROWS = 100_000

_Waiting = Queue[tuple[Sender, Versions, Prediction, Any]]


@dataclass(frozen=True, slots=True)
class _Difference:
    rows: int
    agreeing: int | None
    total: float
    largest: float


class Comparison:
    """The differences between the outputs of two versions, over the last 1,000 predictions."""

    def __init__(self, window: int = WINDOW) -> None:
        self._differences: deque[_Difference] = deque(maxlen=window)
        self._of: object = None

    def add(
        self,
        outputs: ModelOutput,
        others: ModelOutput,
        *,
        labelled: bool = False,
        comparable: bool = True,
        of: object = None,
    ) -> None:
        """Add the outputs of one prediction by two versions.

        :param outputs: the outputs that the client gets
        :param others: the outputs of the other version
        :param labelled: whether the outputs are labels, whatever their type
        :param comparable: whether the columns of both versions mean the same; if not, no row counts
            as equal
        :param of: identifies the two versions; if it changes, the comparison starts again
        """
        if self._of != of:
            self._of = of
            self._differences.clear()
        one, other = _array(outputs), _array(others)
        unequal = _Difference(len(one), 0, 0.0, 0.0)
        is_alike = comparable and one.shape == other.shape
        self._differences.append(_difference(one, other, labelled) if is_alike else unequal)

    def summary(self) -> JSONObject:
        """Return the rows, the share of equal labels, and the mean and largest difference."""
        differences = list(self._differences)
        labelled = [each for each in differences if each.agreeing is not None]
        measured = [each for each in differences if each.agreeing is None]
        return {
            "rows": sum(each.rows for each in differences),
            "agreement": _ratio(sum(each.agreeing or 0 for each in labelled), labelled),
            "mean_difference": _ratio(sum(each.total for each in measured), measured),
            "largest_difference": max((each.largest for each in measured), default=None),
        }


@dataclass(frozen=True, slots=True)
class ShadowCopy:
    """A copy of X, made before the estimator is called, because the estimator may change X.

    :param X: the copy
    """

    X: ModelInput


class Shadow:
    """Runs a second version of a model on the same rows in the background, to compare the two.

    The queue is bounded: while 100 predictions or 100,000 rows wait, further predictions are
    dropped and counted. The thread starts with the first prediction in a process, so never before a
    fork.

    :param label: the version to run
    """

    def __init__(self, label: str) -> None:
        self.label = label
        self.comparison = Comparison()
        self.dropped = 0
        self.failed = 0
        self._rows = 0
        self._logged = ""
        self._process: int | None = None
        self._waiting: _Waiting = Queue(WAITING)
        self._lock = Lock()

    def copy(self, prediction: Prediction) -> ShadowCopy | None:
        """Return a copy of the X of a prediction, None if the shadow will not run on it.

        The shadow does not run if the queue is full, or if its version makes the prediction itself.
        """
        if prediction.version == self.label or not self._has_room(prediction):
            return None
        return ShadowCopy(copy_of(prediction.X))

    def submit(
        self,
        sender: Sender,
        versions: Versions,
        prediction: Prediction,
        shadow_copy: ShadowCopy | None,
    ) -> None:
        """Queue a completed prediction, unless the shadow's version made it itself.

        :param sender: the application
        :param versions: the versions of the model
        :param prediction: the record
        :param shadow_copy: the copy of the record's X; if it is None, the prediction counts as
            dropped
        """
        if prediction.version == self.label:
            return
        with self._lock:
            try:
                self._start()
                if shadow_copy is None or not self._has_room(prediction):
                    raise Full
                self._waiting.put_nowait((sender, versions, prediction, shadow_copy.X))
                self._rows += prediction.rows
            except (Full, RuntimeError):  # RuntimeError: no more threads can be started
                self.dropped += 1

    def _has_room(self, prediction: Prediction) -> bool:
        """Return whether a prediction fits in the queue. After a fork the queue counts as empty."""
        if self._process != os.getpid() or not self._rows:
            return True
        return self._rows + prediction.rows <= WAITING_ROWS and not self._waiting.full()

    def summary(self) -> JSONObject:
        """Return the comparison, and the numbers of dropped and failed predictions."""
        counts = {"dropped": self.dropped, "failed": self.failed}
        return {"version": self.label, **self.comparison.summary(), **counts}

    def wait(self) -> None:
        """Block until the queue is empty and its last prediction is done."""
        self._waiting.join()

    def _start(self) -> None:
        if self._process != os.getpid():
            self._waiting, self._rows = Queue(WAITING), 0
            Thread(target=self._work, args=(self._waiting,), daemon=True).start()
            self._process = os.getpid()

    def _work(self, waiting: _Waiting) -> None:
        while True:
            sender, versions, prediction, X = waiting.get()
            with self._lock:
                self._rows -= prediction.rows
            try:
                self._run(sender, versions, prediction, X)
            except BaseException as error:  # no failure may end the thread
                self.failed += 1
                self._log(sender, versions.name, error)
            finally:
                # Otherwise the thread would keep the application in memory while it waits.
                del sender, versions, prediction, X
                waiting.task_done()

    def _log(self, sender: Sender, name: str, error: BaseException) -> None:
        """Log a failure, unless it is the same as the last failure."""
        text = f"{type(error).__name__}: {error}"
        if text != self._logged:
            self._logged = text
            sender.logger.error("the shadow of model %r failed", name, exc_info=error)

    def _run(
        self, sender: Sender, versions: Versions, prediction: Prediction, X: ModelInput
    ) -> None:
        version = versions.get_shadow(self.label, sender)
        if version is None:
            with self._lock:
                self.dropped += 1
            return
        _check_inputs(version, prediction)
        started = perf_counter()
        outputs = version.callable(prediction.method)(X)
        seconds = perf_counter() - started
        shadow = replace(
            prediction,
            version=version.label,
            X=X,
            outputs=outputs,
            classes=version.classes(prediction.method),
            seconds=seconds,
        )
        self._compare(versions.live, version, shadow, prediction)
        notify(
            shadow_prediction, sender, model=versions.model, prediction=prediction, shadow=shadow
        )

    def _compare(
        self,
        live: ModelVersion | None,
        version: ModelVersion,
        shadow: Prediction,
        prediction: Prediction,
    ) -> None:
        """Compare with the live version if that made the prediction; a canary is not compared."""
        if live is not None and live.label == prediction.version:
            labelled = prediction.method == "predict" and version.is_classifier
            of = live.label, live.sha256, version.sha256
            self.comparison.add(
                prediction.outputs,
                shadow.outputs,
                labelled=labelled,
                comparable=prediction.classes == shadow.classes,
                of=of,
            )


def _check_inputs(version: ModelVersion, prediction: Prediction) -> None:
    X = prediction.X
    fields = X.fields if isinstance(X, DeferredFrame) else ()
    schema = version.schema
    theirs: Sequence[Field] = ()
    if version.container in FRAMES and isinstance(schema, FixedSchema):
        theirs = schema.column_fields
    is_alike = list(map(_dtype_of, fields)) == list(map(_dtype_of, theirs))
    if schema.column_names != prediction.fields or not is_alike:
        raise SKModelsError(
            "the columns of the shadow differ from those of the version that predicted"
        )


def _dtype_of(field: Field) -> tuple[object, ...]:
    """Return how the data frame of a version holds a column."""
    column = field.column
    return field.container, column.dtype, column.categories, column.label


def _array(outputs: ModelOutput) -> Array:
    """Return outputs as one array, with one row for each input row."""
    if is_multi_output(outputs):
        return np.concatenate(outputs, axis=1)
    return np.asarray(outputs.toarray() if hasattr(outputs, "toarray") else outputs)


def _difference(outputs: Array, others: Array, labelled: bool) -> _Difference:
    rows = len(outputs)
    if not labelled and outputs.dtype.kind == "f" and others.dtype.kind in "fiu":
        per_row = _absolute_differences(outputs, others).reshape(rows, -1).max(axis=1)
        return _Difference(rows, None, float(per_row.sum()), float(per_row.max()))
    equal = np.equal(outputs.astype(object), others.astype(object))
    return _Difference(rows, int(equal.astype(bool).reshape(rows, -1).all(axis=1).sum()), 0.0, 0.0)


def _absolute_differences(outputs: Array, others: Array) -> Array:
    """Return the absolute differences: 0 where both values are missing, infinity if only one is."""
    same = (outputs == others) | (np.isnan(outputs) & np.isnan(others))
    with np.errstate(invalid="ignore", over="ignore"):
        differences = np.where(same, 0.0, np.abs(outputs - others))
    differences[np.isnan(differences)] = np.inf
    return differences


def _ratio(total: float, differences: list[_Difference]) -> float | None:
    rows = sum(each.rows for each in differences)
    return total / rows if rows else None
