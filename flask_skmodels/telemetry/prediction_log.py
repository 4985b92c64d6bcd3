"""The prediction log: a line of JSON for each prediction, written with ``logging``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from numbers import Number
from typing import Any

import numpy as np
from blinker import NamedSignal

from flask_skmodels.codecs.json_text import dumps
from flask_skmodels.estimators.outputs import is_multi_output
from flask_skmodels.exceptions import InputError
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.models import Model
from flask_skmodels.schema.fields import Field
from flask_skmodels.schema.hidden_fields import shown_names
from flask_skmodels.schema.json_schema import VALUES
from flask_skmodels.schema.tabular import Tabular
from flask_skmodels.schema.types import JSONObject, ModelInput, ModelOutput
from flask_skmodels.signals import (
    Sender,
    after_prediction,
    input_rejected,
    prediction_failed,
    prediction_refused,
    prediction_stopped,
)
from flask_skmodels.telemetry.listener import Listener, Receiver

MAX_ROWS = 10
MAX_VALUES = 1000
MAX_TEXT_LENGTH = 100

LOGGER = "flask_skmodels.predictions"

_PLAIN = (bool, Number, np.generic, date, time, timedelta, type(None))


class PredictionLog(Listener):
    """Logs the predictions of one extension on one application.

    A line has at most 10 rows, 1,000 values, and the first 100 characters of each text.

    :param deployments: models of the extension by name
    :param hidden: names of the fields whose values are not logged, None for all fields
    """

    def __init__(
        self,
        deployments: Mapping[str, Deployment],
        hidden: Collection[str] | None,
    ) -> None:
        self._deployments = deployments
        self._hidden = None if hidden is None else frozenset(hidden)
        # Not at import, because logging.config disables the loggers that exist when it runs.
        self._logger = logging.getLogger(LOGGER)

    def receivers(self) -> Mapping[NamedSignal, Receiver]:
        return {
            after_prediction: self._succeed,
            prediction_failed: self._fail,
            prediction_stopped: self._stop,
            prediction_refused: self._refuse,
            input_rejected: self._reject,
        }

    def _succeed(
        self, sender: Sender, model: Model, prediction: Prediction, **extra: object
    ) -> None:
        self._log(model, "prediction", lambda: self._described(prediction) | _outputs(prediction))

    def _fail(self, sender: Sender, model: Model, **arguments: Any) -> None:
        self._log(model, "failure", lambda: self._with_error(**arguments))

    def _stop(self, sender: Sender, model: Model, **arguments: Any) -> None:
        self._log(model, "stop", lambda: self._with_error(**arguments))

    def _refuse(
        self,
        sender: Sender,
        *,
        model: Model,
        version: str | None,
        method: str,
        exception: Exception,
        request_id: str | None,
        **extra: object,
    ) -> None:
        self._log(
            model,
            "refusal",
            lambda: {
                "model": model.name,
                "version": version,
                "method": method,
                "request_id": request_id,
                "error": type(exception).__qualname__,
            },
        )

    def _reject(
        self,
        sender: Sender,
        *,
        model: Model,
        version: str | None,
        method: str,
        errors: Iterable[InputError],
        request_id: str | None,
        **extra: object,
    ) -> None:
        self._log(
            model,
            "rejection",
            lambda: {
                "model": model.name,
                "version": version,
                "method": method,
                "request_id": request_id,
                "errors": self._errors(model.name, errors),
            },
        )

    def _log(self, model: Model, event: str, describe: Callable[[], JSONObject]) -> None:
        if self._logger.isEnabledFor(logging.INFO):
            when = datetime.now(UTC).isoformat(timespec="milliseconds")
            self._logger.info("%s", dumps({"time": when, "event": event, **describe()}).decode())

    def _described(self, prediction: Prediction) -> JSONObject:
        described: JSONObject = {
            "model": prediction.model,
            "version": prediction.version,
            "method": prediction.method,
            "request_id": prediction.request_id,
            "rows": prediction.rows,
            "seconds": prediction.seconds,
        }
        if prediction.is_bulk:
            described["bulk"] = True
        if self._hidden is None:
            return described
        return described | {"inputs": _inputs(prediction, self._shown(prediction))}

    def _with_error(
        self, prediction: Prediction, exception: Exception, **extra: object
    ) -> JSONObject:
        return self._described(prediction) | {"error": type(exception).__qualname__}

    def _shown(self, prediction: Prediction) -> dict[int, str]:
        """Return the names of the columns of X to log, by the index of the column."""
        live = self._deployments[prediction.model].versions.live
        shown = set() if live is None else shown_names(live.schema, self._hidden or ())
        return {index: name for index, name in enumerate(prediction.fields) if name in shown}

    def _fields(self, name: str) -> Sequence[Field]:
        live = self._deployments[name].versions.live
        if live is None or (live.schema.unnamed and VALUES in (self._hidden or ())):
            return ()
        return live.schema.fields

    def _errors(self, name: str, errors: Iterable[InputError]) -> list[JSONObject]:
        """Return the first errors, without names of fields that the model does not have."""
        known = {VALUES, *(field.name for field in self._fields(name))}
        return [
            {"row": e.row, "field": e.field if e.field in known else None, "rule": e.rule}
            for e in islice(errors, MAX_ROWS)
        ]


def _inputs(prediction: Prediction, shown: Mapping[int, str]) -> list[JSONObject]:
    """Return the first rows as values by field."""
    names = list(islice(shown.values(), MAX_VALUES))
    rows = min(prediction.rows, MAX_ROWS, MAX_VALUES // max(len(names), 1))
    columns = [
        _column(prediction.X, index, name, rows)
        for index, name in islice(shown.items(), len(names))
    ]
    return [dict(zip(names, map(_bounded, row), strict=True)) for row in zip(*columns, strict=True)]


def _column(X: ModelInput, index: int, name: str, rows: int) -> list[Any]:
    """Return the first values of a column of X."""
    if isinstance(X, Tabular):
        return list(X.validated_columns([index])[0][:rows])
    if isinstance(X, np.ndarray) and X.ndim == 2:
        return list(X[:rows, index])
    return [row.get(name) if isinstance(row, Mapping) else row for row in X[:rows]]


def _outputs(prediction: Prediction) -> JSONObject:
    """Return the first outputs; none for ``transform`` and ``explain``, which reveal the inputs."""
    if prediction.method in {"transform", "explain"}:
        return {}
    outputs = prediction.outputs
    if is_multi_output(outputs):
        return {"outputs": [_first(part) for part in outputs[:MAX_ROWS]]}
    return {"outputs": _first(outputs)}


def _first(outputs: ModelOutput) -> list[Any]:
    part = outputs[:MAX_ROWS]
    rows = np.asarray(part.toarray() if hasattr(part, "toarray") else part, dtype=object)
    if rows.ndim == 1:
        return [_bounded(value) for value in rows]
    flat = rows.reshape(len(rows), -1)[: max(1, MAX_VALUES // max(rows[0].size, 1)), :MAX_VALUES]
    return [[_bounded(value) for value in row] for row in flat]


def _bounded(value: Any) -> Any:
    if isinstance(value, _PLAIN):
        return value
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= MAX_TEXT_LENGTH else f"{text[:MAX_TEXT_LENGTH]}…"
