"""Summaries of columns of Arrow, which are read batch by batch."""

from __future__ import annotations

from importlib import import_module

import numpy as np

from flask_skmodels.estimators.profile.column_summary import ColumnSummary
from flask_skmodels.estimators.profile.numpy_columns import add_objects
from flask_skmodels.schema.fields import NUMERIC_KINDS
from flask_skmodels.schema.types import ArrowColumn, ArrowType

SAMPLE = 100_000  # values of a column, from which bins are taken


class StreamedColumn:
    """One column of a file, batch by batch.

    :param name: the name of the column
    :param container: ``"pandas"`` or ``"polars"``
    :param pandas_dtype: the dtype of the data frame that the file was written from, if it is known
    :param is_csv: True for a CSV file, in which pandas reads a missing text as NaN
    """

    def __init__(
        self,
        name: str,
        container: str,
        pandas_dtype: str | None = None,
        *,
        is_csv: bool = False,
    ) -> None:
        self._container = container
        self.summary = ColumnSummary(name, limit=SAMPLE)
        self._pandas_dtype = pandas_dtype
        self._marker = "nan" if is_csv and container == "pandas" else "none"
        self._type: ArrowType = None

    def add(self, column: ArrowColumn) -> None:
        """Add rows: an array of Arrow, or a list of Python objects."""
        if isinstance(column, list):
            add_objects(self.summary, column)
            return
        self._type = column.type
        self.summary.add_missing(column.null_count, self._marker)
        self._add_present(column.drop_null() if column.null_count else column)

    def _add_present(self, column: ArrowColumn) -> None:
        types, summary = import_module("pyarrow").types, self.summary
        kind = column.type
        if types.is_dictionary(kind):
            self._add_categories(column)
        elif types.is_boolean(kind):
            summary.add_booleans(column.to_numpy(zero_copy_only=False))
        elif types.is_integer(kind):
            summary.add_numbers(column.to_numpy())
        elif types.is_floating(kind):
            summary.add_floats(column.to_numpy().astype(np.float64, copy=False))
        elif types.is_timestamp(kind):
            self._add_times(column)
        elif types.is_string(kind) or types.is_large_string(kind):
            summary.add_texts(column.to_pylist())
        else:
            summary.add_objects(column.to_pylist())

    def _add_times(self, column: ArrowColumn) -> None:
        compute = import_module("pyarrow.compute")
        if column.type.tz is not None:
            self.summary.zone = str(column.type.tz)
            column = compute.local_timestamp(column)
        self.summary.add_times(column.to_numpy(zero_copy_only=False).astype("datetime64[us]"))

    def _add_categories(self, column: ArrowColumn) -> None:
        known = self.summary.categories or ()
        values = column.dictionary.to_pylist()
        self.summary.categories = tuple(dict.fromkeys((*known, *values)))
        self.summary.is_ordered = bool(column.type.ordered)
        counts = np.bincount(column.indices.to_numpy(), minlength=len(values)).tolist()
        self.summary.add_counts("string", dict(zip(values, counts, strict=True)))

    def finish(self) -> ColumnSummary:
        """Return the summary, with the dtype and the missing values that pandas would read."""
        summary = self.summary
        if self._container == "polars":
            summary.dtype = self._polars_dtype()
            return summary
        summary.dtype = self._dtype()
        if summary.marker is None:
            return summary
        if summary.dtype in ("Int64", "Float64", "boolean", "string"):
            summary.marker = "na"
        elif summary.dtype != "object":
            summary.marker = "nan"
        return summary

    def _dtype(self) -> str:
        types, has_gaps = self.summary.types, self.summary.missing > 0
        if self._type is not None and import_module("pyarrow").types.is_dictionary(self._type):
            return "category"
        if self._pandas_dtype not in (None, "object") and not self._is_time():
            return str(self._pandas_dtype)
        if types == {"integer"} and has_gaps:
            self.summary.types = {"number"}
            return "float64"
        if types == {"string"}:
            return text_dtype()
        if types == {"boolean"} and has_gaps:
            return "object"
        return self._numpy_dtype()

    def _polars_dtype(self) -> str:
        if self._type is None:
            names = {"integer": "Int64", "number": "Float64", "boolean": "Boolean"}
            return names.get(self.summary.type, "String")
        empty = import_module("pyarrow").array([], type=self._type)
        return str(import_module("polars").from_arrow(empty).dtype)

    def _is_time(self) -> bool:
        return "datetime" in self.summary.types

    def _numpy_dtype(self) -> str:
        if self._is_time():
            unit = getattr(self._type, "unit", "us")
            zone = "" if self.summary.zone is None else f", {self.summary.zone}"
            return f"datetime64[{unit}{zone}]"
        if self._type is not None and self.summary.types <= NUMERIC_KINDS:
            return str(np.dtype(self._type.to_pandas_dtype()))
        names = {"integer": "int64", "number": "float64", "boolean": "bool"}
        return names.get(self.summary.type, "object")


def text_dtype() -> str:
    """Return the dtype of a column of texts in the installed version of pandas."""
    try:
        return str(import_module("pandas").Series(["a"]).dtype)
    except ImportError:
        return "object"
