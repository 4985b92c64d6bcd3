"""The signals of a chunk, sent by the process that runs the command, not by its workers."""

from __future__ import annotations

from functools import partial
from itertools import chain, islice
from typing import Any, cast

from flask_skmodels.bulk.batch import BatchResult, EstimatorFailed
from flask_skmodels.bulk.chunks import Chunk
from flask_skmodels.bulk.record import DeferredPrediction
from flask_skmodels.exceptions import REPORTED_ERRORS, ScoringError, in_one_line
from flask_skmodels.inference.prediction import Prediction, PredictionCall, announce
from flask_skmodels.schema.rows import Rows
from flask_skmodels.schema.types import ModelInput
from flask_skmodels.signals import (
    Sender,
    after_prediction,
    input_rejected,
    notify,
    prediction_failed,
)
from flask_skmodels.versions.version import ModelVersion


class ChunkSignals:
    """Sends the signals of the chunks of a run.

    :param sender: the application
    :param version: the version
    :param method: name of the method
    :param keep: names of the key columns
    """

    def __init__(
        self, sender: Sender, version: ModelVersion, method: str, keep: tuple[str, ...]
    ) -> None:
        self._sender = sender
        self._version = version
        self._method = method
        self._keep = keep

    def send_result(self, chunk: Chunk, result: BatchResult) -> None:
        """Send the signals of a chunk that was predicted.

        :raises ScoringError: a receiver of ``before_prediction`` has stopped the run
        """
        if result.errors:
            self._send_rejection(result)
        if result.prediction is None:
            return
        record = self._record(chunk, result, result.prediction)
        self._announce(record)
        notify(after_prediction, self._sender, model=self._version.model, prediction=record)

    def send_failure(self, chunk: Chunk, error: EstimatorFailed) -> None:
        """Send the signals of a chunk for which the estimator has failed."""
        record = error.prediction or self._record_of_worker(chunk)
        self._announce(record)
        notify(
            prediction_failed,
            self._sender,
            model=self._version.model,
            prediction=record,
            exception=error.__cause__ or error,
        )

    def _record_of_worker(self, chunk: Chunk) -> Prediction:
        """Return the record of a chunk for which the estimator has failed in another process."""
        version, unsent = self._version, cast(ModelInput, None)
        record = Prediction(
            model=version.name,
            version=version.label,
            method=self._method,
            X=unsent,
            fields=version.schema.column_names,
            rows=len(chunk.content),
            classes=version.classes(self._method),
            request_id=None,
            is_bulk=True,
        )
        return DeferredPrediction(record, partial(self._valid_rows, chunk))

    def _valid_rows(self, chunk: Chunk) -> ModelInput:
        """Return X of the rows of a chunk that the schema accepts."""
        schema = self._version.schema
        rows: Any = chunk.content.read(schema, self._keep).rows
        errors = schema.row_errors(rows)
        return schema.clean(rows.take([row for row in range(len(rows)) if row not in errors]))

    def _send_rejection(self, result: BatchResult) -> None:
        errors = chain.from_iterable(result.errors[row] for row in result.rejected)
        notify(
            input_rejected,
            self._sender,
            model=self._version.model,
            version=self._version.label,
            method=self._method,
            errors=tuple(islice(errors, REPORTED_ERRORS)),
            request_id=None,
            prediction=None,
        )

    def _announce(self, record: Prediction) -> None:
        combiner: Any = None
        call = PredictionCall(self._sender, self._version, self._method, None, combiner)
        try:
            announce(call, record)
        except Exception as error:
            text = f"a receiver of before_prediction has stopped the run: {in_one_line(error)}"
            raise ScoringError(text) from error

    def _record(self, chunk: Chunk, result: BatchResult, record: Prediction) -> Prediction:
        X: Any = record.X
        if X is not None:
            return record
        return DeferredPrediction(
            record,
            partial(self._rows_of_estimator, chunk, result),
            partial(self._version.schema.clean, cast(Rows, result.sample)),
        )

    def _rows_of_estimator(self, chunk: Chunk, result: BatchResult) -> ModelInput:
        """Return X of the rows that were scored."""
        schema = self._version.schema
        read = chunk.content.read(schema, self._keep)
        rows: Any = read.rows
        if result.scored is not None:
            places = range(len(chunk.content)) if read.indices is None else read.indices
            place_of = {row: place for place, row in enumerate(places)}
            rows = rows.take([place_of[row] for row in result.scored])
        return schema.clean(rows)
