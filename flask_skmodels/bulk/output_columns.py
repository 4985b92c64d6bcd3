"""The columns of predictions as Arrow tables, of the same types in every chunk."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import Any

from flask_skmodels.bulk.batch import BatchResult, EstimatorFailed
from flask_skmodels.codecs.arrow import arrow_array
from flask_skmodels.codecs.columns import answer_columns
from flask_skmodels.engines.lean.probes import Probes, row_slice
from flask_skmodels.exceptions import InvalidInput, ScoringError
from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.schema.rows import Rows, from_python
from flask_skmodels.schema.tabular import copy_of
from flask_skmodels.schema.types import ArrowSchema, ArrowTable
from flask_skmodels.versions.version import ModelVersion

_SAMPLES = 8


def chunk_outputs(result: BatchResult, schema: ArrowSchema) -> ArrowTable:
    """Return the predictions of a chunk as an Arrow table.

    :param result: the result
    :param schema: the Arrow schema of the predictions, None to use the schema of this chunk
    :raises ScoringError: the columns or types of the predictions are not those of the schema
    """
    if result.prediction is None:
        return import_module("pyarrow").table({}) if schema is None else schema.empty_table()
    table = arrow_table(result.prediction)
    if schema is None or table.schema.equals(schema):
        return table
    pyarrow = import_module("pyarrow")
    try:
        return table.cast(schema)
    except (pyarrow.ArrowException, ValueError) as error:
        raise ScoringError(
            "the columns or types of this chunk's predictions differ from those of earlier "
            f"chunks: {_named(table.schema)} instead of {_named(schema)}"
        ) from error


def arrow_table(prediction: Prediction) -> ArrowTable:
    """Return the outputs of a prediction as an Arrow table, with the same columns as CSV."""
    columns = answer_columns(prediction)
    names = [name.encode("utf-8", "replace").decode() for name, _ in columns]
    pyarrow = import_module("pyarrow")
    arrays = [arrow_array(values, pyarrow) for _, values in columns]
    return pyarrow.Table.from_arrays(arrays, names=names)


def arrow_schema(version: ModelVersion, method: str) -> ArrowSchema:
    """Return the Arrow schema of the predictions of a method, None if it is not known.

    To find it, a row that the estimator accepts is predicted: an example of the model, or a probe.
    """
    known = version.arrow_schemas
    if method not in known:
        known[method] = next((s for s in _schemas(version, method) if s is not None), None)
    return known[method]


def _schemas(version: ModelVersion, method: str) -> ArrowSchema:
    for rows in _candidates(version):
        with suppress(InvalidInput, EstimatorFailed, Exception):
            X = rows if not isinstance(rows, Rows) else version.schema.clean(rows)
            outputs = version.callable(method)(copy_of(X))
            yield arrow_table(
                Prediction(
                    model=version.name,
                    version=version.label,
                    method=method,
                    X=X,
                    fields=version.schema.column_names,
                    rows=len(X),
                    classes=version.classes(method),
                    request_id=None,
                    outputs=outputs,
                )
            ).schema


def _candidates(version: ModelVersion) -> Any:
    """Yield rows that the estimator may accept."""
    if version.example_rows:
        with suppress(InvalidInput):
            yield from_python(version.example_rows[:1])
    with suppress(Exception):  # no probes can be drawn
        probes = Probes(version.schema, version.model.pipeline, ())
        rows = probes.rows(_SAMPLES)
        for index in range(_SAMPLES):
            yield probes.build(row_slice(rows, index, index + 1))


def _named(schema: ArrowSchema) -> str:
    return ", ".join(f"{field.name} {field.type}" for field in schema)
