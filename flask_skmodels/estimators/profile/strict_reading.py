"""Reads the JSON form of a profile strictly.

A profile is data, never code. Each known key must have the right type and a sensible value, and the
sizes are bounded. Unknown keys are kept, so that an older version of the library can read and save
the profile of a newer one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any

import orjson

from flask_skmodels.estimators.profile.column_profile import (
    MARKERS,
    TYPES,
    Bins,
    ColumnProfile,
    Frequent,
)
from flask_skmodels.schema.types import JSONMapping, JSONObject, JSONValue, Keywords
from flask_skmodels.schema.validator import is_number

FORMAT = "flask-skmodels-profile"
VERSION = 1
CONTAINERS = ("pandas", "polars", "array", "list")
MAX_BYTES = 16 * 2**20
MAX_COLUMNS = 10_000
MAX_DEPTH = 16  # of unknown keys
MAX_BINS = 100
MAX_FREQUENT = 50
MAX_CATEGORIES = 10_000
MAX_BASELINE = 1_000_000
MAX_OUTPUTS = 1_000
MAX_TEXT = 10_000  # characters of a text

_ValueReader = Callable[[JSONValue], Any]


class MalformedProfile(Exception):
    """A document is not a profile. The message gives the path of the key and what is expected."""


def parse(data: bytes) -> JSONObject:
    """Return the JSON object in the bytes of a file.

    :raises MalformedProfile: the document is too large or too deep, or is not a JSON object
    """
    if len(data) > MAX_BYTES:
        raise MalformedProfile(f"it is larger than {MAX_BYTES >> 20} MiB")
    try:
        document = orjson.loads(data)
    except ValueError as error:
        raise MalformedProfile("it is not valid JSON") from error
    if not isinstance(document, dict):
        raise MalformedProfile("it is not a JSON object")
    return document


def read_document(document: JSONMapping) -> Keywords:
    """Return the attributes of a profile from its JSON form.

    :raises MalformedProfile: a key is missing, or its value is not allowed
    """
    entries = dict(document)
    if entries.pop("format", None) != FORMAT:
        raise MalformedProfile(f"its format is not {FORMAT!r}")
    if (version := entries.pop("version", None)) != VERSION or isinstance(version, bool):
        raise MalformedProfile(f"its version is not {VERSION}, the only version that can be read")
    return _read_object(entries, _PROFILE, ("container", "rows", "columns"))


def _read_object(
    entries: JSONMapping, readers: Mapping[str, _ValueReader], required: Sequence[str]
) -> Keywords:
    """Return the values of known keys from their readers, and all other keys as ``extra``.

    A key whose value is null counts as missing.
    """
    attributes: Keywords = {}
    extra: JSONObject = {}
    for key, value in entries.items():
        reader = readers.get(key)
        if reader is None:
            extra[key] = value
        elif value is not None:
            try:
                attributes[key] = reader(value)
            except MalformedProfile as error:
                raise MalformedProfile(f"{key}: {error}") from None
    for key in required:
        if key not in attributes:
            raise MalformedProfile(f"{key!r} is missing")
    if extra:
        _check_depth(extra)
    return attributes | {"extra": extra}


def _columns(most: int) -> Callable[[JSONValue], tuple[ColumnProfile, ...]]:
    read_all = _array(_column, most)

    def read(value: JSONValue) -> tuple[ColumnProfile, ...]:
        columns = read_all(value)
        names = {column.name for column in columns}
        if len(names) != len(columns):
            raise MalformedProfile("two columns have the same name")
        return columns

    return read


def _column(value: JSONValue) -> ColumnProfile:
    attributes = _read_object(_object(value), _COLUMN, ("name", "type", "dtype", "count"))
    _check_kinds(attributes)
    return ColumnProfile(**attributes)


def _check_kinds(attributes: Keywords) -> None:
    """Check that the bounds are in ascending order and have the column's type."""
    low, high, bins = (attributes.get(key) for key in ("min", "max", "bins"))
    edges = [] if bins is None else list(bins.edges)
    bounds = [value for value in (low, high, *edges) if value is not None]
    is_text = attributes["type"] in ("datetime", "date", "any")
    if not set(map(type, bounds)) <= ({str} if is_text else {int, float}):
        raise MalformedProfile("min, max and bins do not have the column's type")
    if (low is not None and high is not None and low > high) or edges != sorted(edges):
        raise MalformedProfile("min, max and bins are not in ascending order")


def _bins(value: JSONValue) -> Bins:
    entries = _object(value)
    edges, shares = _edges(entries.get("edges")), _shares_of_bins(entries.get("shares"))
    if len(edges) != len(shares) + 1 or not shares:
        raise MalformedProfile("there must be one more edge than shares")
    if len({isinstance(edge, str) for edge in edges}) > 1:
        raise MalformedProfile("the edges are of different types")
    return Bins(edges, shares)


def _frequent(value: JSONValue) -> Frequent:
    entries = _object(value)
    values, shares = _values(entries.get("values")), _shares(entries.get("shares"))
    if len(values) != len(shares):
        raise MalformedProfile("there must be as many shares as values")
    return Frequent(values, shares)


def _array(
    read: _ValueReader,
    most: int,
    are_valid: Callable[[list[JSONValue]], bool] = lambda values: False,
) -> Callable[[JSONValue], tuple[Any, ...]]:
    """Return a reader of arrays.

    :param read: the reader of an entry
    :param most: the largest number of entries
    :param are_valid: a quick check of all entries; if it returns False, each entry is read on its
        own
    """

    def read_all(value: JSONValue) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise MalformedProfile("an array is expected")
        if len(value) > most:
            raise MalformedProfile(f"at most {most} entries are allowed")
        return tuple(value) if are_valid(value) else tuple(map(read, value))

    return read_all


def _are_numbers(values: list[JSONValue]) -> bool:
    return set(map(type, values)) <= {int, float} and all(map(isfinite, values))


def _are_shares(values: list[JSONValue]) -> bool:
    are_floats = set(map(type, values)) == {float}
    return are_floats and _are_numbers(values) and min(values) >= 0 and max(values) <= 1


def _object(value: JSONValue) -> JSONObject:
    if not isinstance(value, dict):
        raise MalformedProfile("an object is expected")
    return value


def _text(value: JSONValue) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise MalformedProfile(f"a text of at most {MAX_TEXT} characters is expected")
    return value


def _texts_by_name(value: JSONValue) -> dict[str, str]:
    entries = _object(value)
    if len(entries) > MAX_OUTPUTS:
        raise MalformedProfile(f"at most {MAX_OUTPUTS} entries are allowed")
    return {_text(name): _text(text) for name, text in entries.items()}


def _one_of(known: Sequence[str]) -> Callable[[JSONValue], str]:
    def read(value: JSONValue) -> str:
        if not isinstance(value, str) or value not in known:
            raise MalformedProfile(f"one of {', '.join(known)} is expected")
        return value

    return read


def _boolean(value: JSONValue) -> bool:
    if not isinstance(value, bool):
        raise MalformedProfile("true or false is expected")
    return value


def _integer(value: JSONValue) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise MalformedProfile("an integer is expected")
    return value


def _count(value: JSONValue) -> int:
    if _integer(value) < 0:
        raise MalformedProfile("a count is expected")
    return _integer(value)


def _number(value: JSONValue) -> float:
    if not is_number(value):
        raise MalformedProfile("a number is expected")
    return value


def _share(value: JSONValue) -> float:
    if not 0 <= _number(value) <= 1:
        raise MalformedProfile("a share from 0 to 1 is expected")
    return float(value)


def _value(value: JSONValue) -> Any:
    if isinstance(value, str):
        return _text(value)
    return value if isinstance(value, bool) else _number(value)


def _check_depth(entries: JSONObject) -> None:
    """Check that unknown keys are not nested too deeply."""
    level: list[JSONValue] = list(entries.values())
    for _ in range(MAX_DEPTH):
        level = [inner for each in level for inner in _inner(each)]
        if not level:
            return
    raise MalformedProfile(f"it is nested deeper than {MAX_DEPTH} levels")


def _inner(value: JSONValue) -> Sequence[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else ()


_edges = _array(_value, MAX_BINS + 1, _are_numbers)
_shares_of_bins = _array(_share, MAX_BINS, _are_shares)
_values = _array(_value, MAX_FREQUENT, _are_numbers)
_shares = _array(_share, MAX_FREQUENT, _are_shares)

_COLUMN: dict[str, _ValueReader] = {
    "name": _text,
    "label": _integer,
    "type": _one_of(TYPES),
    "dtype": _text,
    "categories": _array(_value, MAX_CATEGORIES),
    "is_ordered": _boolean,
    "zone": _text,
    "share_missing": _share,
    "missing_marker": _one_of(MARKERS),
    "count": _count,
    "mean": _number,
    "std": _number,
    "min": _value,
    "max": _value,
    "bins": _bins,
    "frequent": _frequent,
    "share_other": _share,
    "typical": _value,
}
_PROFILE: dict[str, _ValueReader] = {
    "container": _one_of(CONTAINERS),
    "library_versions": _texts_by_name,
    "rows": _count,
    "columns": _columns(MAX_COLUMNS),
    "target": _columns(MAX_OUTPUTS),
    "predictions": _columns(MAX_OUTPUTS),
    "baseline": _array(_number, MAX_BASELINE, _are_numbers),
}
