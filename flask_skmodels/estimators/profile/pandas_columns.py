"""Summaries of the columns of a pandas data frame. The frame is not copied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np

from flask_skmodels.estimators.profile.column_summary import ColumnSummary
from flask_skmodels.exceptions import ModelError
from flask_skmodels.schema.types import DType, FieldValue, Frame, Series

PART = 2**16  # rows of a column of objects that are converted at a time


def summaries(frame: Frame) -> Iterator[ColumnSummary]:
    """Yield the summary of each column of a data frame.

    :raises ModelError: two columns have the same label, or a label is neither text nor an integer
    """
    labels = [_label(label) for label in frame.columns]
    names = [str(label) for label in labels]
    if len(set(names)) != len(names):
        repeated = next(name for name, count in Counter(names).items() if count > 1)
        raise ModelError(f"the training data has two columns named {repeated!r}")
    for index, label in enumerate(labels):
        yield _summary(frame.iloc[:, index], label)


def _label(label: Any) -> str | int:
    if isinstance(label, str):
        return str(label)
    if isinstance(label, int | np.integer) and not isinstance(label, bool):
        return int(label)
    raise ModelError(f"the column label {label!r} of the training data is not text or an integer")


def _summary(series: Series, label: str | int) -> ColumnSummary:
    summary = ColumnSummary(str(label))
    summary.label = label if isinstance(label, int) else None
    summary.dtype = str(series.dtype)
    add_series(summary, series)
    return summary


def add_series(summary: ColumnSummary, series: Series) -> None:
    """Add the values of a series to the summary of a column."""
    from pandas import CategoricalDtype
    from pandas.api.types import (
        is_bool_dtype,
        is_datetime64_any_dtype,
        is_float_dtype,
        is_integer_dtype,
    )

    dtype = series.dtype
    if isinstance(dtype, CategoricalDtype):
        _add_categories(summary, series)
    elif is_bool_dtype(dtype) and not _is_object(dtype):
        present = _present(summary, series)
        summary.add_booleans(present.to_numpy(dtype=np.bool_))
    elif is_integer_dtype(dtype):
        present = _present(summary, series)
        summary.add_numbers(present.to_numpy(dtype=_integer_type(dtype)))
    elif is_float_dtype(dtype):
        _add_floats(summary, series)
    elif is_datetime64_any_dtype(dtype) and hasattr(series, "dt"):
        _add_times(summary, series)
    else:
        _add_objects(summary, series)


def _is_object(dtype: DType) -> bool:
    return bool(dtype == np.dtype(object))


def _is_text(dtype: DType) -> bool:
    """Return True for a dtype whose values are all texts."""
    return isinstance(dtype, import_module("pandas").StringDtype)


def _integer_type(dtype: DType) -> DType:
    return np.uint64 if str(dtype).lower().startswith("uint64") else np.int64


def _marker(series: Series) -> str:
    """Return how a missing value of an extension dtype is written."""
    value = getattr(series.dtype, "na_value", None)
    return "na" if type(value).__name__ == "NAType" else "nan"


def _present(summary: ColumnSummary, series: Series) -> Series:
    """Count the missing values of a series, and return it without them."""
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "iub":
        return series
    mask = series.isna()
    count = int(mask.sum())
    summary.add_missing(count, _marker(series))
    return series[~mask] if count else series


def _add_floats(summary: ColumnSummary, series: Series) -> None:
    if isinstance(series.dtype, np.dtype):
        values = series.to_numpy()
    else:
        values = _present(summary, series).to_numpy(dtype=np.float64, na_value=np.nan)
    summary.add_floats(values)


def _add_times(summary: ColumnSummary, series: Series) -> None:
    present = _present(summary, series)
    zone = getattr(series.dt, "tz", None)
    if zone is not None:
        summary.zone = str(zone)
        present = present.dt.tz_localize(None)
    summary.add_times(present.to_numpy(dtype="datetime64[us]"))


def _add_categories(summary: ColumnSummary, series: Series) -> None:
    codes = series.cat.codes.to_numpy()
    categories = series.cat.categories.tolist()
    missing = int(np.count_nonzero(codes < 0))
    counts = np.bincount(codes[codes >= 0], minlength=len(categories)).tolist()
    summary.add_missing(missing, "nan")
    if not all(isinstance(each, str | int | float | bool) for each in categories):
        summary.add_other(sum(counts))
        return
    summary.categories = tuple(categories)
    summary.is_ordered = bool(series.cat.ordered)
    summary.add_counts(type_of_categories(categories), dict(zip(categories, counts, strict=True)))


def type_of_categories(categories: list[FieldValue]) -> str:
    """Return the type of a field for the categories of a column."""
    kinds = {type(each) for each in categories}
    if kinds <= {str}:
        return "string"
    if kinds == {bool}:
        return "boolean"
    if kinds <= {int, float}:
        return "integer" if kinds == {int} else "number"
    return "any"


def _add_objects(summary: ColumnSummary, series: Series) -> None:
    add = summary.add_texts if _is_text(series.dtype) else summary.add_objects
    for start in range(0, len(series), PART):
        part = series.iloc[start : start + PART]
        mask = part.isna()
        count = int(mask.sum())
        if count:
            summary.add_missing(count, _object_marker(part[mask].iloc[0], _marker(series)))
            part = part[~mask]
        add(part.tolist())


def _object_marker(value: FieldValue, of_dtype: str) -> str:
    if value is None:
        return "none"
    return "na" if type(value).__name__ == "NAType" else of_dtype
