"""The record of a prediction and the steps that make one.

Every prediction takes the same steps, over HTTP and in process::

    call = deployment.call(app, version, method, request_id)
    with rejecting(call):
        rows = reader.decode(source, version.schema)
        prediction = prepare(call, rows)
    deployment.execute(call, prediction)

:func:`prepare` validates the rows, :func:`announce` sends ``before_prediction`` and :func:`execute`
calls the estimator. ``Deployment.execute`` runs the last two, and copies X for the shadow between
them.

If there are limits on concurrent calls, the steps after the first run in
``deployment.admission(call)``, which waits until the limits allow the call. Without limits there is
no admission, because entering and leaving a context would take a noticeable part of the time of an
ordinary request.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter
from types import TracebackType
from typing import Any, NoReturn

import numpy as np

from flask_skmodels.engines.batching import Combiner
from flask_skmodels.estimators.outputs import as_rows, has_rows, output_width
from flask_skmodels.exceptions import (
    InvalidInput,
    RejectedRows,
    Report,
    SKModelsError,
    TooManyCells,
)
from flask_skmodels.explain.explanation import ExplanationLayout
from flask_skmodels.inference.json_values import json_outputs, json_rows, json_value
from flask_skmodels.inference.rejected_rows import rejection_of, remember_accepted_row
from flask_skmodels.inference.request_limits import NO_BUDGET, RESPONSE, Budget
from flask_skmodels.models import EXPLAIN
from flask_skmodels.schema.json_schema import VALUES
from flask_skmodels.schema.rows import Rows
from flask_skmodels.schema.tabular import to_sklearn
from flask_skmodels.schema.types import EstimatorInput, JSONObject, ModelInput, ModelOutput
from flask_skmodels.signals import (
    Sender,
    after_prediction,
    before_prediction,
    input_rejected,
    notify,
    prediction_failed,
    prediction_refused,
    prediction_stopped,
    send,
)
from flask_skmodels.versions.version import ModelVersion

SAMPLE = 100  # rows of a prediction that are kept for the pages
_LARGE = float(np.finfo(np.float32).max)


@dataclass(slots=True, kw_only=True, repr=False)
class Prediction:
    """The record of one prediction, completed step by step.

    :ivar model: name of the model
    :ivar version: label of the version that predicts, None if the model has no versions
    :ivar method: name of the estimator's method
    :ivar X: the validated rows: an array, a list, or the table of a data frame
    :ivar fields: names of the columns of X; empty if the estimator does not fix their number
    :ivar rows: number of rows
    :ivar outputs: the estimator's return value, unchanged, with one entry for each row; None before
        the call
    :ivar classes: the classes that the columns of ``outputs`` stand for, None if they do not stand
        for classes
    :ivar layout: the order of the numbers in ``outputs`` if the method is ``explain``, else None
    :ivar decode: seconds spent reading the rows from the body
    :ivar validate: seconds spent checking the rows and building X
    :ivar queue: seconds that the call waited for other calls: to be admitted, and to be combined
    :ivar batch_rows: number of rows in the combined call, including those of this prediction
    :ivar seconds: seconds that the estimator took
    :ivar request_id: identifier of the request; None for a call in process without one
    :ivar is_probe: True if a health check caused the prediction, which is then not counted
    :ivar is_bulk: True for a chunk of bulk scoring
    """

    model: str
    version: str | None
    method: str
    X: ModelInput = field(repr=False)
    fields: tuple[str, ...]
    rows: int
    classes: list[object] | None
    request_id: str | None
    outputs: ModelOutput = field(default=None, repr=False)
    layout: ExplanationLayout | None = field(default=None, repr=False)
    decode: float = 0.0
    validate: float = 0.0
    queue: float = 0.0
    batch_rows: int = 0
    seconds: float = 0.0
    is_probe: bool = False
    is_bulk: bool = False

    @property
    def inputs(self) -> EstimatorInput:
        """The estimator's input: an array, a data frame, or a list."""
        return to_sklearn(self.X)

    @property
    def sample_step(self) -> int:
        """The step from row to row of a sample of at most 100 rows."""
        return max(1, -(-self.rows // SAMPLE))

    def sampled(self) -> tuple[ModelInput, int]:
        """Return X or a sample of it, and the step from row to row that makes the sample."""
        return self.X, self.sample_step

    def as_dict(self) -> JSONObject:
        """Return the record for a log or a table, as values that JSON can represent.

        ``inputs`` are the rows, each a list of values in the order of ``fields``, or a text.
        Missing and infinite numbers are None, dates are texts in ISO 8601, and sparse outputs are
        dense lists. All values are returned, including those of fields that are hidden from the
        log.
        """
        names = ("model", "version", "method", "request_id", "rows", "seconds", "classes")
        return {
            **{name: json_value(getattr(self, name)) for name in names},
            "fields": list(self.fields),
            "inputs": json_rows(self.X, len(self.fields)),
            "outputs": json_outputs(self.outputs),
        }

    def __repr__(self) -> str:
        version = "" if self.version is None else f" version {self.version}"
        rows = "1 row" if self.rows == 1 else f"{self.rows} rows"
        state = "no outputs yet" if self.outputs is None else f"{self.seconds * 1000:.3g} ms"
        return f"<Prediction: {self.model}{version}, {self.method} of {rows}, {state}>"


class WrongOutput(SKModelsError):
    """The estimator did not return one entry for each row."""


@dataclass(slots=True)
class PredictionCall:
    """A call of one method of one version, for one application.

    :param sender: the application, which sends the signals
    :param version: the version to call
    :param method: name of the estimator's method
    :param request_id: identifier of the request; None for a call in process without one
    :param combiner: calls the method, and combines calls that arrive at the same time
    :ivar started: value of ``perf_counter()`` when the call began to read its rows
    :ivar waited: seconds since then that the call waited to be admitted
    :ivar is_probe: True if a health check makes the call
    :ivar limit: the seconds that the estimator may take for a request if other calls are in
        progress, None for no limit
    :ivar rows: the rows, from which X is built again to find those that the estimator rejects
    """

    sender: Sender
    version: ModelVersion
    method: str
    request_id: str | None
    combiner: Combiner
    started: float = field(default_factory=perf_counter)
    waited: float = 0.0
    is_probe: bool = False
    limit: float | None = None
    rows: Rows | None = None

    def notify_rejected(self, error: InvalidInput, prediction: Prediction | None = None) -> None:
        """Send ``input_rejected``.

        :param error: the errors of the input
        :param prediction: the record, if the rows were valid and the model rejected them
        """
        notify(
            input_rejected,
            self.sender,
            model=self.version.model,
            version=self.version.label,
            method=self.method,
            errors=error.errors,
            request_id=self.request_id,
            prediction=prediction,
        )

    def notify_refused(self, error: SKModelsError) -> None:
        """Send ``prediction_refused``.

        :param error: the reason
        """
        notify(
            prediction_refused,
            self.sender,
            model=self.version.model,
            version=self.version.label,
            method=self.method,
            exception=error,
            request_id=self.request_id,
        )


@dataclass(slots=True)
class rejecting:  # noqa: N801 - used as contextlib's are
    """A ``with`` block that reads and validates the rows of a call.

    If the block raises :class:`~flask_skmodels.InvalidInput`, ``input_rejected`` is sent before the
    exception leaves the block.
    """

    call: PredictionCall

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, InvalidInput):
            self.call.notify_rejected(error)


def prepare(call: PredictionCall, rows: Rows, budget: Budget = NO_BUDGET) -> Prediction:
    """Validate the rows of a call, and begin the record of its prediction.

    :param call: the call; its ``started`` is the time at which reading began
    :param rows: the rows that were read
    :param budget: the limits on the request
    :raises OverBudget: there are more rows, or more cells in X or in the response
    :raises InvalidInput: there are no rows, or they are not valid
    """
    decoded = perf_counter()
    version, count = call.version, len(rows.items) or len(rows)  # rows as columns have no items
    if not 0 < count <= budget.max_rows:
        raise budget.row_count_error(count)
    if count > 1:  # the response for one row is checked when it is known
        width = version.output_widths.get(call.method, 1)
        if count * width > budget.max_cells:
            raise TooManyCells(count, width, budget.max_cells, RESPONSE)
    call.rows = rows
    cleaned = version.schema.clean(rows, budget.max_cells)
    return Prediction(
        model=version.name,
        version=version.label,
        method=call.method,
        X=cleaned,
        fields=version.schema.column_names,
        rows=count,
        classes=version.classes(call.method),
        request_id=call.request_id,
        layout=version.layout if call.method == EXPLAIN else None,
        decode=decoded - call.started - call.waited,
        validate=perf_counter() - decoded,
        is_probe=call.is_probe,
    )


def announce(call: PredictionCall, prediction: Prediction) -> None:
    """Send ``before_prediction``, whose receivers may stop the prediction.

    :raises Exception: the first exception that a receiver raised
    """
    model = call.version.model
    try:
        send(before_prediction, call.sender, model=model, prediction=prediction)
    except Exception as error:
        stop = {"model": model, "prediction": prediction, "exception": error}
        notify(prediction_stopped, call.sender, **stop)
        raise


def execute(
    call: PredictionCall,
    prediction: Prediction,
    batch_rows: int = 0,
    timeout: float | None = None,
) -> None:
    """Call the estimator, complete the record, and send ``after_prediction``.

    :param batch_rows: the maximum number of rows in a combined call; below 2 nothing is combined
    :param timeout: the seconds that the call may wait for others, None for no limit
    :raises TimedOut: the call has waited or taken too long
    :raises RejectedRows: the estimator raises ``ValueError`` or ``TypeError`` for some of the rows
    :raises InvalidInput: the model rejects the rows, or they are too large for its estimator
    :raises Exception: any other exception of the estimator
    """
    started = perf_counter()
    try:
        called = call.combiner.call(prediction.X, batch_rows, timeout, call.waited, call.limit)
        outputs, prediction.queue, prediction.batch_rows = called
        is_plain = type(outputs) is np.ndarray and outputs.shape[:1] == (prediction.rows,)
        prediction.outputs = outputs if is_plain else checked_outputs(outputs, prediction)
    except Exception as error:
        prediction.seconds = perf_counter() - started
        _raise_failure(call, prediction, error)
    prediction.seconds = perf_counter() - started - prediction.queue
    if call.waited:
        prediction.queue += call.waited
    if call.rows is not None and call.method not in call.version.accepted_rows:
        call.version.output_widths[call.method] = output_width(prediction.outputs)
        remember_accepted_row(call.version, call.method, call.rows)
    notify(after_prediction, call.sender, model=call.version.model, prediction=prediction)


def _raise_failure(call: PredictionCall, prediction: Prediction, error: Exception) -> NoReturn:
    """Raise an error of the estimator, as invalid input if the rows caused it."""
    rejection = rejection_in(error, prediction, call)
    if rejection is None:
        failure = {"model": call.version.model, "prediction": prediction, "exception": error}
        notify(prediction_failed, call.sender, **failure)
        raise error
    if isinstance(rejection, RejectedRows) and rejection is not error and not call.is_probe:
        _log_rejection(call, rejection, error)
    call.notify_rejected(rejection, prediction)
    if rejection is error:
        raise error
    raise rejection from error


def _log_rejection(call: PredictionCall, rejection: RejectedRows, error: Exception) -> None:
    """Log the rows that the estimator has rejected, with the traceback of its exception."""
    label = "" if call.version.label is None else f" version {call.version.label}"
    rows = ", ".join(str(each.row) for each in rejection.errors if each.row is not None)
    text = f"{rejection.summary}: {rows}" if rows else rejection.summary
    call.sender.logger.warning("model %r%s: %s", call.version.name, label, text, exc_info=error)


def rejection_in(
    error: Exception, prediction: Prediction, call: PredictionCall
) -> InvalidInput | None:
    """Return an error of the estimator as invalid input, None if the input did not cause it.

    Numbers that single precision cannot hold are invalid: trees convert numbers to single
    precision, and in other estimators their squares overflow.
    """
    if isinstance(error, InvalidInput):
        return error
    too_large = None
    if isinstance(error, ValueError):
        too_large = _too_large_numbers(prediction, call.version)
    # The estimator may also have returned a result that does not have one entry for each row.
    if too_large is not None or call.rows is None or prediction.batch_rows:
        return too_large
    return rejection_of(
        call.version, call.method, call.rows, error, seconds=prediction.seconds, limit=call.limit
    )


def _too_large_numbers(prediction: Prediction, version: ModelVersion) -> InvalidInput | None:
    """Return an error for each number of X that is too large, None if there are none."""
    report = Report()
    try:
        for row, column in zip(*_large_numbers(prediction.inputs), strict=True):
            name, item = (
                (VALUES, f"item {column}: ")
                if version.schema.unnamed
                else (prediction.fields[column], "")
            )
            report.add(int(row), name, "max", f"{item}the number is too large for the estimator")
    except InvalidInput as full:
        return full
    return InvalidInput(report.errors) if report.count else None


def _large_numbers(inputs: EstimatorInput) -> Any:
    """Return the rows and columns of the numbers of X that single precision cannot hold."""
    if hasattr(inputs, "select_dtypes"):
        inputs = inputs.apply(lambda column: column if column.dtype.kind in "fiu" else 0)
    array = np.asarray(inputs)
    if array.dtype.kind not in "fiu" or array.ndim != 2:
        return (), ()
    return np.nonzero(np.abs(array.astype(np.float64)) > _LARGE)


def checked_outputs(outputs: ModelOutput, prediction: Prediction) -> ModelOutput:
    """Return the outputs if they have one entry for each row.

    :raises WrongOutput: they do not
    """
    outputs = as_rows(outputs, prediction.rows, prediction.method)
    if not has_rows(outputs, prediction.rows):
        raise WrongOutput(
            f"{prediction.method} of model {prediction.model!r} did not return one entry for "
            f"each of {prediction.rows} rows"
        )
    return outputs
