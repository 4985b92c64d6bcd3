"""The road of a prediction: validate, signal, call the estimator, signal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np

from flask_skmodels.engines.batching import Combiner
from flask_skmodels.errors import InvalidInput, Report, SKModelsError
from flask_skmodels.estimators.outputs import is_multi_output
from flask_skmodels.schema.json_schema import VALUES
from flask_skmodels.schema.rows import Rows
from flask_skmodels.schema.tabular import native
from flask_skmodels.signals import (
    Sender,
    after_prediction,
    before_prediction,
    input_rejected,
    notify,
    prediction_failed,
    prediction_stopped,
    send,
)
from flask_skmodels.versions.version import ModelVersion

_LARGE = float(np.finfo(np.float32).max)


@dataclass(slots=True, kw_only=True)
class Prediction:
    """The record of one prediction, filled in on the way.

    :ivar model: name of the model
    :ivar version: label of the version that answered, None where the model has no versions
    :ivar method: name of the estimator's method
    :ivar X: what the schema has made of the rows: an array, a list, or the table of a data frame
    :ivar fields: names of the columns of X; none where the estimator leaves their number open
    :ivar rows: number of rows
    :ivar outputs: what the estimator returned, unchanged, one entry a row; None before that
    :ivar classes: what the columns of ``outputs`` stand for, None where they are not classes
    :ivar decode: seconds that it took to read the rows from what the request said
    :ivar validate: seconds that it took to check them and to make X
    :ivar queue: seconds that the call has waited for others, which it was combined with
    :ivar batch_rows: number of rows of that call, its own and those of others
    :ivar seconds: how long the estimator took
    :ivar request_id: identifier of the request; None for a call in process without one
    """

    model: str
    version: str | None
    method: str
    X: Any = field(repr=False)
    fields: tuple[str, ...]
    rows: int
    classes: list[object] | None
    request_id: str | None
    outputs: Any = field(default=None, repr=False)
    decode: float = 0.0
    validate: float = 0.0
    queue: float = 0.0
    batch_rows: int = 0
    seconds: float = 0.0

    @property
    def inputs(self) -> Any:
        """What the estimator is called with: an array, a data frame, or a list."""
        return native(self.X)


class WrongOutput(SKModelsError):
    """The estimator did not return one entry for each row."""


def run(
    sender: Sender,
    version: ModelVersion,
    method: str,
    read: Callable[[], Rows],
    *,
    request_id: str | None = None,
    before_call: Callable[[Prediction], None] | None = None,
    batch_rows: int = 0,
) -> Prediction:
    """Predict, and tell who listens.

    :param sender: the application, sender of the signals
    :param version: the model
    :param method: name of the estimator's method
    :param read: returns what the request said, or raises :class:`~flask_skmodels.InvalidInput`
    :param request_id: identifier of the request
    :param before_call: called with the prediction when nothing but the estimator is left to ask
    :param batch_rows: the most rows for which calls at the same time are combined to one
    :raises UnknownModel: the model does not serve that method
    :raises InvalidInput: the rows cannot be read or are not valid
    :raises Exception: what a receiver of ``before_prediction`` or the estimator raised
    """
    combiner = version.combiner(method)
    started = perf_counter()
    try:
        rows = read()
        decoded = perf_counter()
        X = _validated(rows, version)
    except InvalidInput as exception:
        _notify_rejected(sender, version, method, exception, request_id)
        raise
    prediction = Prediction(
        model=version.name,
        version=version.label,
        method=method,
        X=X,
        fields=version.schema.column_names,
        rows=len(rows),
        classes=version.classes(method),
        request_id=request_id,
        decode=decoded - started,
        validate=perf_counter() - decoded,
    )
    _send_before(sender, version, prediction)
    if before_call is not None:
        before_call(prediction)
    _call(combiner, prediction, sender, version, batch_rows)
    notify(after_prediction, sender, model=version.model, prediction=prediction)
    return prediction


def _validated(rows: Rows, version: ModelVersion) -> Any:
    if not len(rows):
        raise InvalidInput.of_request("empty", "there must be one row at least")
    return version.schema.clean(rows)


def _send_before(sender: Sender, version: ModelVersion, prediction: Prediction) -> None:
    try:
        send(before_prediction, sender, model=version.model, prediction=prediction)
    except Exception as exception:
        notify(
            prediction_stopped,
            sender,
            model=version.model,
            prediction=prediction,
            exception=exception,
        )
        raise


def _notify_rejected(
    sender: Sender,
    version: ModelVersion,
    method: str,
    exception: InvalidInput,
    request_id: str | None,
    *,
    prediction: Prediction | None = None,
) -> None:
    notify(
        input_rejected,
        sender,
        model=version.model,
        version=version.label,
        method=method,
        errors=exception.errors,
        request_id=request_id,
        prediction=prediction,
    )


def _call(
    combiner: Combiner,
    prediction: Prediction,
    sender: Sender,
    version: ModelVersion,
    batch_rows: int,
) -> None:
    started = perf_counter()
    try:
        outputs, prediction.queue, prediction.batch_rows = combiner.call(prediction.X, batch_rows)
        is_plain = type(outputs) is np.ndarray and outputs.shape[:1] == (prediction.rows,)
        prediction.outputs = outputs if is_plain else _checked(outputs, prediction)
    except Exception as error:
        prediction.seconds = perf_counter() - started
        rejection = _rejection_of(error, prediction, version)
        if rejection is None:
            model = version.model
            notify(prediction_failed, sender, model=model, prediction=prediction, exception=error)
            raise
        method, request_id = prediction.method, prediction.request_id
        _notify_rejected(sender, version, method, rejection, request_id, prediction=prediction)
        if rejection is error:
            raise
        raise rejection from error
    prediction.seconds = perf_counter() - started - prediction.queue


def _rejection_of(
    error: Exception, prediction: Prediction, version: ModelVersion
) -> InvalidInput | None:
    """Return what is wrong with the input, None where the estimator is to blame for an error.

    Numbers too large for single precision, in which trees compute, or for their squares are the
    client's error.
    """
    if isinstance(error, InvalidInput):
        return error
    return _too_large(prediction, version) if isinstance(error, ValueError) else None


def _too_large(prediction: Prediction, version: ModelVersion) -> InvalidInput | None:
    """Return which numbers of X are too large for the estimator, None if none is."""
    report = Report()
    for row, column in zip(*_large_numbers(prediction.inputs), strict=True):
        name, item = (
            (VALUES, f"item {column}: ")
            if version.schema.unnamed
            else (prediction.fields[column], "")
        )
        report.add(int(row), name, "max", f"{item}is too large a number for the estimator")
    return InvalidInput(report.errors, report.count) if report.count else None


def _large_numbers(inputs: Any) -> Any:
    """Return the rows and columns of the numbers of X that single precision cannot hold."""
    if hasattr(inputs, "select_dtypes"):
        inputs = inputs.apply(lambda column: column if column.dtype.kind in "fiu" else 0)
    array = np.asarray(inputs)
    if array.dtype.kind not in "fiu" or array.ndim != 2:
        return (), ()
    return np.nonzero(np.abs(array.astype(np.float64)) > _LARGE)


def _checked(outputs: Any, prediction: Prediction) -> Any:
    """Return outputs that have one entry for each row.

    :raises WrongOutput: they have not
    """
    outputs = _in_rows(outputs, prediction)
    for part in outputs if is_multi_output(outputs) else (outputs,):
        if _length(part) != prediction.rows:
            raise WrongOutput(
                f"{prediction.method} of model {prediction.model!r} did not return one entry for "
                f"each of {prediction.rows} rows"
            )
    return outputs


def _in_rows(outputs: Any, prediction: Prediction) -> Any:
    """Return outputs as rows: scikit-learn's SparsePCA gives the features of one row flat."""
    is_flat = prediction.method == "transform" and getattr(outputs, "ndim", 0) == 1
    if is_flat and prediction.rows == 1 and len(outputs) > 1:
        return np.asarray(outputs)[np.newaxis]
    return outputs


def _length(outputs: Any) -> int | None:
    if isinstance(outputs, list | tuple):
        return len(outputs)
    shape = getattr(outputs, "shape", None) or np.shape(outputs)
    return shape[0] if shape else None
