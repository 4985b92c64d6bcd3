"""The prediction of one chunk: valid rows are predicted, the others are rejected with their errors.

The valid rows take the same path as those of a request. A row is rejected if it cannot be read, if
the schema rejects it, or if the estimator does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

from flask_skmodels.bulk.chunks import Chunk, Content, Errors, take
from flask_skmodels.exceptions import InputError, InvalidInput, RejectedRows
from flask_skmodels.inference.prediction import (
    Prediction,
    PredictionCall,
    checked_outputs,
    prepare,
    rejection_in,
)
from flask_skmodels.inference.rejected_rows import remember_accepted_row
from flask_skmodels.schema.rows import Rows
from flask_skmodels.schema.types import ArrowTable, ArrowType
from flask_skmodels.versions.version import ModelVersion


@dataclass(slots=True)
class BatchResult:
    """The predictions of a chunk.

    :param count: number of rows of the chunk
    :param prediction: the record of the prediction of the valid rows, None if there are none
    :param scored: the index of each predicted row in the chunk, None if every row was predicted
    :param errors: the errors of the rejected rows
    :param keys: the Arrow table of the key columns, of all rows of the chunk
    :param sample: some of the rows that were scored, None if there are none
    """

    count: int
    prediction: Prediction | None
    scored: Sequence[int] | None
    errors: Errors
    keys: ArrowTable
    sample: Rows | None = None

    @property
    def rejected(self) -> list[int]:
        """The indices of the rejected rows, in order."""
        return sorted(self.errors)

    def scored_keys(self) -> ArrowTable:
        """Return the key columns of the rows that were scored."""
        if self.prediction is None:
            return self.keys.slice(0, 0)
        return take(self.keys, self.scored)


class EstimatorFailed(Exception):
    """The estimator has raised, but not because of the rows; ``__cause__`` is its exception.

    :param prediction: the record, without outputs
    """

    def __init__(self, message: str, prediction: Prediction | None = None) -> None:
        super().__init__(message)
        self.prediction = prediction

    def __reduce__(self) -> Any:
        return type(self), (str(self),)  # the record stays in the process of the worker


def score_chunk(
    version: ModelVersion, method: str, chunk: Chunk, types: Mapping[str, ArrowType]
) -> BatchResult:
    """Predict a chunk.

    :param version: the version
    :param method: name of its method
    :param chunk: the rows
    :param types: the key columns, each with its Arrow type; None to keep the type of the column
    :raises InvalidInput: the columns of the chunk are wrong, not single rows
    :raises EstimatorFailed: the estimator has raised, but not because of the rows
    """
    return score_content(version, method, chunk.content, types)


def score_content(
    version: ModelVersion, method: str, content: Content, types: Mapping[str, ArrowType]
) -> BatchResult:
    """Predict the content of a chunk; see :func:`score_chunk`."""
    keys, errors = content.keys(types)
    started = perf_counter()
    read = content.read(version.schema, list(types))
    decode = perf_counter() - started
    for row, found in read.errors.items():
        errors.setdefault(row, []).extend(found)
    rows, indices = read.rows, read.indices
    if rows is not None and errors.keys() - read.errors.keys():  # rows with wrong keys
        kept = range(len(content)) if indices is None else indices
        chosen = [place for place, index in enumerate(kept) if index not in errors]
        rows, indices = rows.take(chosen), [kept[place] for place in chosen]
    prediction = sample = None
    if rows is not None and len(rows):
        prediction, valid, refused = _predict_valid(version, method, rows)
        at = range(len(content)) if indices is None else indices
        for row, each in refused.items():
            errors[at[row]] = [replace(error, row=at[row]) for error in each]
        indices = indices if valid is None else [at[row] for row in valid]
        if prediction is not None:
            prediction.decode = decode
            places = range(0, prediction.rows, prediction.sample_step)
            sample = rows.take(places if valid is None else [valid[place] for place in places])
    return BatchResult(len(content), prediction, indices, errors, keys, sample)


def _predict_valid(
    version: ModelVersion, method: str, rows: Rows
) -> tuple[Prediction | None, Sequence[int] | None, Errors]:
    """Return the prediction of the valid rows, their indices, and the errors of the others."""
    errors: Errors = {}
    valid: list[int] | None = None
    is_validated = False
    while True:
        kept = rows if valid is None else rows.take(valid)
        if not len(kept):
            return None, [], errors
        try:
            return _predict(version, method, kept), valid, errors
        except InvalidInput as error:
            at = range(len(rows)) if valid is None else valid
            found = _errors_by_row(error, at)
            if not is_validated and not isinstance(error, RejectedRows):
                is_validated = True
                found = version.schema.row_errors(rows) or found
        errors |= found
        valid = [index for index in range(len(rows)) if index not in errors]


def _errors_by_row(error: InvalidInput, at: Sequence[int]) -> Errors:
    """Return errors by row; an error of the estimator that names no row is given to every row.

    :param at: the index of each row that was predicted
    :raises InvalidInput: the columns are wrong, not single rows
    """
    of_all = [each for each in error.errors if each.row is None]
    if of_all and not isinstance(error, RejectedRows):
        raise error
    if of_all:
        return {row: [replace(each, row=row) for each in of_all] for row in at}
    found: dict[int, list[InputError]] = {}
    for each in error.errors:
        row = at[each.row or 0]
        found.setdefault(row, []).append(replace(each, row=row))
    return found


def _predict(version: ModelVersion, method: str, rows: Rows) -> Prediction:
    """Return the prediction of rows, without signals.

    :raises InvalidInput: a row is not valid, or the estimator rejects it
    :raises EstimatorFailed: the estimator has raised, but not because of the rows
    """
    sender: Any = None
    call = PredictionCall(sender, version, method, None, version.combiner(method))
    prediction = prepare(call, rows)
    prediction.is_bulk = True
    started = perf_counter()
    try:
        outputs = version.callable(method)(prediction.X)
        prediction.outputs = checked_outputs(outputs, prediction)
    except Exception as error:
        prediction.seconds = perf_counter() - started
        rejection = rejection_in(error, prediction, call)
        if rejection is None:
            text = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            raise EstimatorFailed(text, prediction) from error
        raise rejection from error
    prediction.seconds = perf_counter() - started
    if method not in version.accepted_rows:
        remember_accepted_row(version, method, rows)
    return prediction
