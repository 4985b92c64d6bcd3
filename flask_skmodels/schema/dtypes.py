"""The columns of a data frame, made from validated values in the dtypes of the training data."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import partial
from importlib import import_module
from math import nan

import numpy as np

from flask_skmodels.exceptions import ModelError
from flask_skmodels.schema.fields import Field, family_of
from flask_skmodels.schema.times import TimeRule
from flask_skmodels.schema.types import Array, ColumnValues, DType, FieldValue, Series, Values

UNALLOWED = "unallowed value"
DTYPES: dict[str, type] = {"number": np.float64, "integer": np.int64, "boolean": np.bool_}

Maker = Callable[[ColumnValues], Series]
"""A function that makes a column of a data frame from validated values, None if missing."""

Problems = Callable[[ColumnValues], dict[int, str]]
"""A function that returns a message for each row whose value the dtype of a column cannot hold."""

_INTEGER_BITS = re.compile(r"(u?)int(\d+)", re.IGNORECASE)
_UNIT = re.compile(r"(?:datetime64|timestamp)\[(\w+)|time_unit='(\w+)'")
_ZONE = re.compile(r"datetime64\[\w+, (.+)\]|timestamp\[\w+, tz=(.+)\]\[|time_zone='([^']+)'")


def maker_of(field: Field) -> Maker:
    """Return the function that makes the column of a field.

    :param field: a field of a data frame; the container of the field decides between pandas and
        polars
    :raises ModelError: no request can contain the dtype of the training data
    """
    dtype = field.column.dtype
    if dtype is not None and family_of(dtype) is None:
        raise ModelError(
            f"column {field.column.name!r} of its training data has the dtype {dtype}, which no "
            "request can contain: convert the column before fit"
        )
    if dtype == "category" and field.column.categories is None:
        raise ModelError(
            f"column {field.column.name!r} of its training data has categories that the estimator "
            "did not record: declare a profile of the training data"
        )
    if field.container == "polars":
        return partial(_polars_series, field, _polars_dtype(field), time_rule(field))
    return _typed_maker(field) if field.storage == "typed" else partial(_plain, field)


def missing_of(field: Field) -> object:
    """Return the value that stands for a missing value in a column without an explicit dtype.

    :raises TypeError: the column has an explicit dtype, whose missing value only pandas knows
    """
    if field.storage == "typed":
        raise TypeError("the missing value of this dtype is not known")
    return nan if storage_in_frame(field) in DTYPES else field.column.missing


def storage_in_frame(field: Field) -> str:
    """Return how a data frame holds a column: its ``storage``, or ``"object"``.

    The values that the estimator knows may be Python objects. scikit-learn finds a number in a
    column of objects, but finds no object in a column of floats.
    """
    is_of_objects = field.column.allowed is not None and field.column.dtype is None
    return "object" if is_of_objects and field.storage != "typed" else field.storage


def object_array(column: ColumnValues, missing: object) -> Array:
    """Return a column as an array of objects.

    :param missing: the value that replaces None
    """
    values = np.empty(len(column), dtype=object)
    if isinstance(column, np.ndarray):  # nan stands for a missing number
        column = to_objects(column)
    values[:] = [missing if value is None else value for value in column]
    return values


def limits_of(dtype: str | None) -> tuple[int, int] | None:
    """Return the least and largest integer of a dtype that is narrower than int64, or else None."""
    match = None if dtype is None else _INTEGER_BITS.match(dtype)
    if match is None:
        return None
    is_unsigned, bits = bool(match[1]), int(match[2])
    if bits > 64 or (bits == 64 and not is_unsigned):
        return None
    limits = np.iinfo(f"{'u' * is_unsigned}int{bits}")
    return int(limits.min), int(limits.max)


def problems_of(field: Field) -> Problems | None:
    """Return a function that returns a message for each value that the dtype cannot hold.

    The function takes a column of valid values, and returns the messages by row. Columns of
    float64, int64 and the like can hold all valid values, so None is returned for their fields.
    """
    rule = time_rule(field)
    if rule is not None:
        return lambda column: rule.problems(to_objects(column))
    if field.column.categories is not None:
        is_lenient = field.column.allowed is None  # the estimator takes unknown ones as missing
        return None if is_lenient else partial(_unknown, frozenset(field.column.categories))
    limits = limits_of(field.column.dtype) if field.is_number else None
    return None if limits is None else partial(_out_of_limits, *limits)


def _unknown(categories: frozenset[object], column: ColumnValues) -> dict[int, str]:
    values = enumerate(to_objects(column))
    return {row: UNALLOWED for row, v in values if v is not None and v not in categories}


def _out_of_limits(least: int, most: int, column: ColumnValues) -> dict[int, str]:
    message = f"must be from {least} to {most}"
    values = enumerate(to_objects(column))
    return {row: message for row, v in values if v is not None and not least <= v <= most}


def time_rule(field: Field) -> TimeRule | None:
    """Return the rule for a column of dates and times, None for any other column."""
    if not field.is_time or field.storage != "typed":
        return None
    dtype = field.column.dtype
    is_known = dtype is not None and family_of(dtype) == "time"
    zone = _first_group(_ZONE, dtype or "")
    unit = _first_group(_UNIT, dtype or "") or ("us" if is_known else _default_unit(field))
    return TimeRule(zone, is_known=is_known, unit=unit)


def _first_group(pattern: re.Pattern[str], text: str) -> str | None:
    match = pattern.search(text)
    return None if match is None else next(filter(None, match.groups()), None)


def _default_unit(field: Field) -> str:
    if field.container != "frame":
        return "us"
    pandas = import_module("pandas")
    return str(pandas.to_datetime([datetime(2000, 1, 1)]).unit)


def _plain(field: Field, column: ColumnValues) -> Series:
    """Return a column of pandas in the default dtype of its kind."""
    storage = storage_in_frame(field)
    if storage in DTYPES:
        return np.array(column, dtype=DTYPES[storage])
    missing, dtype = field.column.missing, field.column.dtype
    values = object_array(column, missing)
    if dtype == "str":
        return _pandas_array(values, "str")
    if missing is None or dtype is not None:  # pandas would turn a None among texts into nan
        return import_module("pandas").Series(values, dtype=object)
    return values


def _typed_maker(field: Field) -> Maker:
    rule = time_rule(field)
    if rule is not None:
        return partial(_times, rule, _pandas_dtype(field))
    if field.column.categories is not None:
        return partial(_categorical, _category_codes(field), _category_dtype(field))
    if field.column.dtype is None and not field.keeps_integers:
        return partial(_inferred, field.column.missing)
    if field.keeps_integers:
        return partial(_numbers_by_value, _pandas_dtype(field))
    dtype = _pandas_dtype(field)
    if isinstance(dtype, np.dtype) and dtype.kind in "iufb":
        return partial(_numpy_column, dtype, field.column.missing)
    return partial(_extension, dtype)


def _pandas_dtype(field: Field) -> DType:
    pandas, dtype = import_module("pandas"), field.column.dtype
    family = None if dtype is None else family_of(dtype)
    if family is None or (field.is_time and family != "time"):
        return None
    try:
        if dtype == "string[pyarrow]":  # pandas writes its own dtype as "string"
            return pandas.ArrowDtype(import_module("pyarrow").string())
        return pandas.api.types.pandas_dtype(dtype)
    except (TypeError, NotImplementedError, ImportError, ValueError) as error:
        raise ModelError(
            f"the installed pandas does not have the dtype {dtype} of column "
            f"{field.column.name!r} of its training data"
        ) from error


def python_values(column: ColumnValues) -> Values:
    """Return the values of a column as Python objects."""
    values: Values = column.tolist() if isinstance(column, np.ndarray) else column
    return values


def to_objects(column: ColumnValues) -> list[FieldValue]:
    """Return the values of a column as Python objects, None for a missing one."""
    values = python_values(column)
    return [None if value is None or value != value else value for value in values]


def are_integers(column: ColumnValues) -> bool:
    """Return whether there are values that are not missing, and all of these are integers."""
    if isinstance(column, np.ndarray):
        return column.dtype.kind in "iu"
    kinds = set(map(type, column)) - {type(None)}
    return bool(kinds) and all(issubclass(kind, int | np.integer) for kind in kinds)


def has_missing(column: ColumnValues) -> bool:
    """Return whether a sequence has None; arrays have none."""
    return not isinstance(column, np.ndarray) and any(value is None for value in column)


def _numbers_by_value(dtype: DType, column: ColumnValues) -> Series:
    """Return integers in the dtype of the training data, or int64; floats if one is a float."""
    is_of_numpy = dtype is None or isinstance(dtype, np.dtype)
    is_empty = not is_of_numpy and not any(value is not None for value in column)
    if not is_of_numpy:
        are_kept = is_empty or are_integers(column)
        return _extension(dtype if are_kept else "Float64", column)
    return _numpy_column(dtype or np.dtype(np.int64), nan, column)


def _numpy_column(dtype: DType, missing: object, column: ColumnValues) -> Series:
    """Return a column of numpy.

    NumPy has no missing integer or boolean, so a column with a missing value has floats or objects.
    """
    if dtype.kind == "f":
        return np.array(column, dtype=np.float64).astype(dtype)
    if dtype.kind == "b" and has_missing(column):
        return object_array(column, missing)
    are_kept = dtype.kind == "b" or (are_integers(column) and not has_missing(column))
    return np.array(column, dtype=dtype if are_kept else np.float64)


def _extension(dtype: DType, column: ColumnValues) -> Series:
    return _pandas_array(to_objects(column), dtype)


def _pandas_array(values: ColumnValues, dtype: DType) -> Series:
    return import_module("pandas").array(values, dtype=dtype)


def _inferred(missing: object, column: ColumnValues) -> Series:
    """Return a column in the dtype that pandas infers, as it does for records."""
    values = [missing if value is None else value for value in to_objects(column)]
    is_text = missing is None and any(isinstance(value, str) for value in values)
    # pandas would turn a None among texts into nan
    return import_module("pandas").Series(values, dtype=object if is_text else None)


def _times(rule: TimeRule, dtype: DType, column: ColumnValues) -> Series:
    pandas = import_module("pandas")
    times = rule.times(to_objects(column))
    has_zone = any(time is not None and time.tzinfo is not None for time in times)
    zone = getattr(dtype, "tz", None)
    index = pandas.to_datetime(times, utc=has_zone or zone is not None)
    if dtype is None:
        return index
    if isinstance(dtype, np.dtype):
        return index.as_unit(np.datetime_data(dtype)[0])
    if zone is not None:
        return index.tz_convert(zone).as_unit(dtype.unit)
    return index.astype(dtype)


def _category_dtype(field: Field) -> DType:
    pandas = import_module("pandas")
    column = field.column
    return pandas.CategoricalDtype(list(column.categories or ()), ordered=column.is_ordered)


def _category_codes(field: Field) -> dict[object, int]:
    return {category: code for code, category in enumerate(field.column.categories or ())}


def _categorical(codes: dict[object, int], dtype: DType, column: ColumnValues) -> Series:
    """Return a column of categories; a value that is not a category is missing."""
    found = [-1 if value is None else codes.get(value, -1) for value in python_values(column)]
    return import_module("pandas").Categorical.from_codes(found, dtype=dtype)


def _polars_dtype(field: Field) -> DType:
    """Return the dtype of polars for a field, None to let polars choose it."""
    polars, column = import_module("polars"), field.column
    name = column.dtype or ""
    if column.categories is not None:
        is_enum = not name.startswith("Categorical")
        return polars.Enum(list(map(str, column.categories))) if is_enum else polars.Categorical
    if name.startswith("Datetime"):
        unit = _first_group(_UNIT, name) or "us"
        return polars.Datetime(unit, _first_group(_ZONE, name))
    if not name or name.startswith("Enum"):
        defaults = {"number": "Float64", "integer": "Int64", "boolean": "Boolean"}
        name = defaults.get(field.kind, "String" if field.kind == "string" else "")
    return getattr(polars, name, None)


def _polars_series(
    field: Field, dtype: DType, rule: TimeRule | None, column: ColumnValues
) -> Series:
    polars = import_module("polars")
    values: Values = to_objects(column)
    if rule is not None:
        values = _polars_times(rule, dtype, values)
    elif field.column.categories is not None:
        known = set(field.column.categories)
        values = [str(value) if value in known else None for value in values]
    elif field.keeps_integers and not are_integers(column):
        dtype = polars.Float64 if any(value is not None for value in values) else dtype
    return polars.Series(values, dtype=dtype, strict=False)


def _polars_times(rule: TimeRule, dtype: DType, values: Values) -> Values:
    times = rule.times(values)
    if dtype == import_module("polars").Date:
        return [None if time is None else time.date() for time in times]
    return times
