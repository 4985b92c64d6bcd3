"""Summaries of the columns of a polars data frame. The frame is not copied."""

from __future__ import annotations

from collections.abc import Iterator

from flask_skmodels.estimators.profile.column_summary import ColumnSummary
from flask_skmodels.estimators.profile.pandas_columns import PART
from flask_skmodels.schema.types import Frame, Series


def summaries(frame: Frame) -> Iterator[ColumnSummary]:
    """Yield the summary of each column of a data frame."""
    for series in frame.get_columns():
        summary = ColumnSummary(series.name)
        summary.dtype = str(series.dtype)
        _add(summary, series)
        yield summary


def _add(summary: ColumnSummary, series: Series) -> None:
    missing = series.null_count()
    summary.add_missing(missing, "none")
    present = series.drop_nulls() if missing else series
    kind = type(series.dtype).__name__
    if kind in ("Categorical", "Enum"):
        _add_categories(summary, present)
    elif kind == "Boolean":
        summary.add_booleans(present.to_numpy())
    elif series.dtype.is_integer():
        summary.add_numbers(present.to_numpy())
    elif series.dtype.is_float():
        summary.add_floats(present.to_numpy())
    elif kind == "Datetime":
        summary.zone = series.dtype.time_zone
        local = present.dt.replace_time_zone(None) if summary.zone else present
        summary.add_times(local.to_numpy())
    elif kind == "Date":
        summary.add_times(present.to_numpy(), is_date=True)
    elif kind in ("String", "Decimal", "Object"):
        for start in range(0, len(present), PART):
            summary.add_objects(present[start : start + PART].to_list())
    else:
        summary.add_other(len(present))


def _add_categories(summary: ColumnSummary, series: Series) -> None:
    is_fixed = type(series.dtype).__name__ == "Enum"
    categories = series.dtype.categories if is_fixed else series.unique(maintain_order=True)
    summary.categories = tuple(map(str, categories.to_list()))
    summary.is_ordered = is_fixed
    counted = series.value_counts()
    values, counts = (column.to_list() for column in counted.get_columns())
    summary.add_counts("string", dict(zip(map(str, values), counts, strict=True)))
