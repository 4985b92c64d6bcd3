"""The scorer of a model: a small object that predicts batches inside other engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from flask_skmodels.bulk.batch import BatchResult, score_content
from flask_skmodels.bulk.chunks import ArrowContent
from flask_skmodels.bulk.output_columns import arrow_schema, chunk_outputs
from flask_skmodels.bulk.rejects import ERRORS, errors_text
from flask_skmodels.bulk.shipped_model import ShippedModel
from flask_skmodels.bulk.sources import to_table
from flask_skmodels.exceptions import ScoringError
from flask_skmodels.schema.fields import Field
from flask_skmodels.schema.types import ArrowSchema, ArrowTable, ArrowType

_FIELD_TYPES = {"number": "float64", "integer": "int64", "boolean": "bool", "string": "string"}


class Scorer:
    """Predicts batches of rows; it can be pickled, and loads the model once in each process.

    Each row of a batch gives one row, in the same order: the key columns, the columns of the
    prediction, and ``errors``. For a rejected row the prediction is null, and ``errors`` is a JSON
    array of the errors of the row; for any other row, ``errors`` is null.

    :param shipped: the model
    :param method: name of the method
    :param keep: names of the key columns, or a mapping of them to their Arrow types
    """

    def __init__(
        self, shipped: ShippedModel, method: str, keep: Sequence[str] | Mapping[str, Any]
    ) -> None:
        self._shipped = shipped
        self._method = method
        self._types = dict(keep) if isinstance(keep, Mapping) else dict.fromkeys(keep)

    def __call__(self, batch: Any) -> Any:
        """Return the predictions of a batch.

        :param batch: an Arrow record batch or table, a data frame of pandas or polars, or a mapping
            of names to NumPy arrays
        :returns: an object of the same kind
        :raises InvalidInput: the columns of the batch do not match the model
        """
        return _as(batch, self._scored(_table_of(batch)))

    def score(self, batch: Any) -> Any:
        """Return the predictions of a batch, for engines that take only functions."""
        return self(batch)

    def batches(self, batches: Any) -> Any:
        """Yield the predictions of each batch, as Spark's ``mapInArrow`` takes them."""
        for batch in batches:
            yield self(batch)

    @property
    def schema(self) -> ArrowSchema:
        """The Arrow schema of the result.

        :raises ScoringError: the type of a key column is not known, or no row is known whose
            prediction shows the types of the output
        """
        return self.schema_of(None)

    def schema_of(self, source: Any) -> ArrowSchema:
        """Return the Arrow schema of the result for batches that have a schema.

        :param source: the Arrow schema of the batches, None if it is not known
        """
        pyarrow = import_module("pyarrow")
        keys = [(name, self._key_type(name, source)) for name in self._types]
        outputs = arrow_schema(self._shipped.load(), self._method)
        if outputs is None:
            raise ScoringError("the types of the prediction are not known: give the model examples")
        return pyarrow.schema([*keys, *outputs, (ERRORS, pyarrow.string())])

    def _key_type(self, name: str, source: Any) -> ArrowType:
        pyarrow = import_module("pyarrow")
        if source is not None:
            return source.field(name).type
        kind = self._types[name]
        if kind is None:
            fields = {field.name: field for field in self._shipped.load().schema.fields}
            kind = _type_of(fields[name]) if name in fields else None
        if kind is None:
            raise ScoringError(
                f"the type of the key column {name!r} is not known: "
                f"name it with keep={{{name!r}: 'int64'}}"
            )
        return pyarrow.type_for_alias(kind) if isinstance(kind, str) else kind

    def _scored(self, table: ArrowTable) -> ArrowTable:
        pyarrow, version = import_module("pyarrow"), self._shipped.load()
        missing = [name for name in self._types if name not in table.column_names]
        if missing:
            raise ScoringError(f"the batch has no column {missing[0]!r} to keep")
        if not table.num_rows:
            return self.schema_of(table.schema).empty_table()
        result = score_content(version, self._method, ArrowContent(table), self._types)
        outputs = _spread(chunk_outputs(result, self._known_schema()), result)
        texts = [
            errors_text(result.errors[row]) if row in result.errors else None
            for row in range(result.count)
        ]
        columns = [*result.keys.columns, *outputs.columns, pyarrow.array(texts, pyarrow.string())]
        names = [*result.keys.column_names, *outputs.column_names, ERRORS]
        return pyarrow.Table.from_arrays(columns, names=names)

    def _known_schema(self) -> ArrowSchema:
        return arrow_schema(self._shipped.load(), self._method)


def _spread(outputs: ArrowTable, result: BatchResult) -> ArrowTable:
    """Return the predictions of the scored rows with nulls for the rejected ones."""
    if not result.errors:
        return outputs
    pyarrow = import_module("pyarrow")
    places: list[int | None] = [None] * result.count
    for place, row in enumerate(result.scored or ()):
        places[row] = place
    return outputs.take(pyarrow.array(places, pyarrow.int64()))


def _table_of(batch: Any) -> ArrowTable:
    if isinstance(batch, Mapping):
        return import_module("pyarrow").table(dict(batch))
    return to_table(batch)


def _as(batch: Any, table: ArrowTable) -> ArrowTable:
    """Return a table as an object of the kind of a batch."""
    pyarrow = import_module("pyarrow")
    if isinstance(batch, pyarrow.RecordBatch):
        batches = table.combine_chunks().to_batches()
        return batches[0] if batches else pyarrow.RecordBatch.from_pylist([], table.schema)
    if isinstance(batch, Mapping):
        return {name: table.column(name).to_numpy() for name in table.column_names}
    if hasattr(batch, "to_arrow"):
        return import_module("polars").from_arrow(table)
    if hasattr(batch, "iloc"):
        frame = table.to_pandas(types_mapper=_pandas_dtypes().get)
        frame.index = batch.index
        return frame
    return table


def _pandas_dtypes() -> dict[Any, Any]:
    """Return the nullable dtypes of pandas, so that every batch has the same dtypes."""
    pandas, pyarrow = import_module("pandas"), import_module("pyarrow")
    kinds = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
    dtypes = {
        getattr(pyarrow, kind)(): getattr(pandas, f"{_capital(kind)}Dtype")() for kind in kinds
    }
    return dtypes | {pyarrow.bool_(): pandas.BooleanDtype()}


def _capital(kind: str) -> str:
    return kind.replace("uint", "UInt") if kind.startswith("u") else kind.capitalize()


def _type_of(field: Field) -> str | None:
    return _FIELD_TYPES.get(field.kind)
