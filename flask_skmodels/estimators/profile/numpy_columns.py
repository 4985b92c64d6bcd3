"""Summaries of the columns of an array, a sparse matrix or a list of rows, texts or mappings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from flask_skmodels.estimators.profile.column_summary import ColumnSummary
from flask_skmodels.estimators.profile.pandas_columns import PART
from flask_skmodels.exceptions import ModelError
from flask_skmodels.schema.types import Array, EstimatorInput, FieldValue, Values

_ABSENT = object()


def summaries(X: EstimatorInput) -> Iterator[ColumnSummary]:
    """Yield the summary of each column of an array or a sparse matrix."""
    columns = X.tocsc() if hasattr(X, "tocsc") else X
    for index in range(X.shape[1]):
        column = columns[:, [index]].toarray().ravel() if columns is not X else X[:, index]
        yield _summary(f"x{index}", np.asarray(column))


def summaries_of_rows(rows: Sequence[Values]) -> Iterator[ColumnSummary]:
    """Yield the summary of each column of a list of rows.

    :raises ModelError: the rows differ in length
    """
    width = len(rows[0])
    if any(len(row) != width for row in rows):
        raise ModelError("the rows of the training data differ in length")
    for index in range(width):
        yield summary_of_values([row[index] for row in rows], f"x{index}")


def summaries_of_mappings(
    rows: Sequence[Mapping[str, FieldValue]], most: int
) -> Iterator[ColumnSummary]:
    """Yield the summary of each key of a list of mappings; if a mapping lacks it, it is missing.

    :raises ModelError: there are more keys than allowed
    """
    names = dict.fromkeys(str(name) for row in rows for name in row)
    if len(names) > most:
        raise ModelError(f"a profile has at most {most} columns, not {len(names)}")
    for name in names:
        yield summary_of_values([row.get(name) for row in rows], name)


def summary_of_values(values: Any, name: str = "x0") -> ColumnSummary:
    """Return the summary of the values of one column."""
    summary = ColumnSummary(name)
    summary.dtype = str(getattr(values, "dtype", "object"))
    add_objects(summary, values.tolist() if hasattr(values, "tolist") else values)
    return summary


def _summary(name: str, values: Array) -> ColumnSummary:
    summary = ColumnSummary(name)
    summary.dtype = str(values.dtype)
    kind = values.dtype.kind
    if kind == "b":
        summary.add_booleans(values)
    elif kind in "iu":
        summary.add_numbers(values)
    elif kind == "f":
        summary.add_floats(values)
    elif kind == "M":
        mask = np.isnat(values)
        summary.add_missing(int(np.count_nonzero(mask)), "nan")
        summary.add_times(values[~mask])
    else:
        for start in range(0, len(values), PART):
            add_objects(summary, values[start : start + PART].tolist())
    return summary


def add_objects(summary: ColumnSummary, values: Values) -> None:
    """Add Python objects, some of which may be missing: None, NaN, NaT or ``pandas.NA``."""
    missing = [marker for value in values if (marker := _marker_of(value)) is not None]
    for marker in dict.fromkeys(missing):
        summary.add_missing(missing.count(marker), marker)
    present = [v for v in values if _marker_of(v) is None] if missing else values
    summary.add_objects(present)


def _marker_of(value: FieldValue) -> str | None:
    """Return how a missing value is written, None for a value."""
    if value is None:
        return "none"
    if isinstance(value, float):
        return "nan" if value != value else None
    kind = type(value).__name__
    return {"NAType": "na", "NaTType": "nan"}.get(kind)
