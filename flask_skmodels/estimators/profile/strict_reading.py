"""Reads the JSON form of a profile strictly.

A profile is data, never code. Each known key must have the right type and a sensible value, and the
sizes are bounded. Unknown keys are kept, so that an older version of the library can read and save
the profile of a newer one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any, TypeVar

import orjson

from flask_skmodels.estimators.profile.column_profile import (
    MARKERS,
    TYPES,
    Bins,
    ColumnProfile,
    Frequent,
)
from flask_skmodels.schema.types import JSONObject

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

_Reader = Callable[[Any], Any]
_T = TypeVar("_T")


class MalformedProfile(Exception):
    """A document is not a profile. The message gives the path of the key and what is expected."""


def parse(data: bytes) -> JSONObject:
    """Return the JSON object in the bytes of a file.

    :raises MalformedProfile: it is too large or too deep, or it is not a JSON object
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


def read_document(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a profile from its JSON form.

    :raises MalformedProfile: a key is missing, or its value is not allowed
    """
    entries = dict(document)
    if entries.pop("format", None) != FORMAT:
        raise MalformedProfile(f"its format is not {FORMAT!r}")
    if (version := entries.pop("version", None)) != VERSION or isinstance(version, bool):
        raise MalformedProfile(f"its version is not {VERSION}: a newer library has written it")
    attributes = {
        "container": _take(entries, "container", _one_of(CONTAINERS)),
        "library_versions": _take(entries, "library_versions", _texts_by_name, {}),
        "rows": _take(entries, "rows", _count),
        "columns": _take(entries, "columns", _columns(MAX_COLUMNS)),
        "target": _take(entries, "target", _columns(MAX_OUTPUTS), ()),
        "predictions": _take(entries, "predictions", _columns(MAX_OUTPUTS), ()),
        "baseline": _take(entries, "baseline", _array(_number, MAX_BASELINE), None),
    }
    return attributes | {"extra": _unknown(entries)}


_REQUIRED: Any = object()


def _take(
    entries: dict[str, Any], key: str, read: Callable[[Any], _T], default: Any = _REQUIRED
) -> _T:
    """Remove a key, and return its value as a reader returns it."""
    value = entries.pop(key, None)
    if value is None:
        if default is _REQUIRED:
            raise MalformedProfile(f"{key!r} is missing")
        return default  # type: ignore[no-any-return]
    try:
        return read(value)
    except MalformedProfile as error:
        raise MalformedProfile(f"{key}: {error}") from None


def _columns(most: int) -> Callable[[Any], tuple[ColumnProfile, ...]]:
    def read(value: Any) -> tuple[ColumnProfile, ...]:
        columns = _array(_column, most)(value)
        names = {column.name for column in columns}
        if len(names) != len(columns):
            raise MalformedProfile("two columns have the same name")
        return columns

    return read


def _column(value: Any) -> ColumnProfile:
    entries = dict(_object(value))
    attributes = {
        "name": _take(entries, "name", _text),
        "label": _take(entries, "label", _integer, None),
        "type": _take(entries, "type", _one_of(TYPES)),
        "dtype": _take(entries, "dtype", _text),
        "categories": _take(entries, "categories", _array(_value, MAX_CATEGORIES), None),
        "is_ordered": _take(entries, "is_ordered", _boolean, False),
        "zone": _take(entries, "zone", _text, None),
        "share_missing": _take(entries, "share_missing", _share, 0.0),
        "missing_marker": _take(entries, "missing_marker", _one_of(MARKERS), None),
        "count": _take(entries, "count", _count),
        "mean": _take(entries, "mean", _number, None),
        "std": _take(entries, "std", _number, None),
        "min": _take(entries, "min", _value, None),
        "max": _take(entries, "max", _value, None),
        "bins": _take(entries, "bins", _bins, None),
        "frequent": _take(entries, "frequent", _frequent, Frequent()),
        "share_other": _take(entries, "share_other", _share, 1.0),
        "typical": _take(entries, "typical", _value, None),
    }
    _check_kinds(attributes)
    return ColumnProfile(**attributes, extra=_unknown(entries))


def _check_kinds(attributes: Mapping[str, Any]) -> None:
    """Check that the bounds are in order, and of the column's type."""
    low, high, bins = attributes["min"], attributes["max"], attributes["bins"]
    edges = [] if bins is None else list(bins.edges)
    bounds = [value for value in (low, high, *edges) if value is not None]
    is_text = attributes["type"] in ("datetime", "date", "any")
    if not all(isinstance(v, str) if is_text else _is_number(v) for v in bounds):
        raise MalformedProfile("min, max and bins are not of the column's type")
    if (low is not None and high is not None and low > high) or edges != sorted(edges):
        raise MalformedProfile("min, max and bins are not in ascending order")


def _bins(value: Any) -> Bins:
    entries = _object(value)
    edges = _array(_value, MAX_BINS + 1)(entries.get("edges"))
    shares = _array(_share, MAX_BINS)(entries.get("shares"))
    if len(edges) != len(shares) + 1 or not shares:
        raise MalformedProfile("there must be one more edge than shares")
    if len({isinstance(edge, str) for edge in edges}) > 1:
        raise MalformedProfile("the edges are of different types")
    return Bins(edges, shares)


def _frequent(value: Any) -> Frequent:
    entries = _object(value)
    values = _array(_value, MAX_FREQUENT)(entries.get("values"))
    shares = _array(_share, MAX_FREQUENT)(entries.get("shares"))
    if len(values) != len(shares):
        raise MalformedProfile("there must be as many shares as values")
    return Frequent(values, shares)


def _array(read: _Reader, most: int) -> Callable[[Any], tuple[Any, ...]]:
    def read_all(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise MalformedProfile("an array is expected")
        if len(value) > most:
            raise MalformedProfile(f"at most {most} entries are allowed")
        return tuple(map(read, value))

    return read_all


def _object(value: Any) -> JSONObject:
    if not isinstance(value, dict):
        raise MalformedProfile("an object is expected")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise MalformedProfile(f"a text of at most {MAX_TEXT} characters is expected")
    return value


def _texts_by_name(value: Any) -> dict[str, str]:
    entries = _object(value)
    if len(entries) > MAX_OUTPUTS:
        raise MalformedProfile(f"at most {MAX_OUTPUTS} entries are allowed")
    return {_text(name): _text(text) for name, text in entries.items()}


def _one_of(known: Sequence[str]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in known:
            raise MalformedProfile(f"one of {', '.join(known)} is expected")
        return value

    return read


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise MalformedProfile("true or false is expected")
    return value


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise MalformedProfile("an integer is expected")
    return value


def _count(value: Any) -> int:
    if _integer(value) < 0:
        raise MalformedProfile("a count is expected")
    return _integer(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _number(value: Any) -> float:
    if not _is_number(value):
        raise MalformedProfile("a number is expected")
    return value  # type: ignore[no-any-return]


def _share(value: Any) -> float:
    if not 0 <= _number(value) <= 1:
        raise MalformedProfile("a share from 0 to 1 is expected")
    return float(value)


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return _text(value)
    return value if isinstance(value, bool) else _number(value)


def _unknown(entries: JSONObject) -> JSONObject:
    """Return the keys that are left over, after a check of their depth."""
    level: list[Any] = list(entries.values())
    for _ in range(MAX_DEPTH):
        level = [inner for each in level for inner in _inner(each)]
        if not level:
            return entries
    raise MalformedProfile(f"it is nested deeper than {MAX_DEPTH} levels")


def _inner(value: Any) -> Sequence[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else ()
