"""Rows to try an engine on: what the schema lets through and what the estimator knows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice, pairwise
from math import inf, isfinite, nextafter
from typing import Any

import numpy as np

from flask_skmodels.engines.lean.breakpoints import landmarks
from flask_skmodels.engines.lean.compiler import Decline
from flask_skmodels.errors import InvalidInput
from flask_skmodels.schema.fields import Field
from flask_skmodels.schema.rows import from_python
from flask_skmodels.schema.schema import FixedSchema, Schema

PROBES = 512
_GENERIC = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 3.7, -12.25, 100.0, 1e-9, 12345.678)
_EXTREME = (3.5e38, -3.5e38, 1e300, 1e-320, 3e154)
_UNKNOWN = ("", "?", "unseen", "Unseen", " ")
_SHARE_MISSING = 0.08
_LARGEST_SINGLE = 3e38
_SIDES = np.array([-inf, inf], dtype=np.float32)


class Probes:
    """Rows that an engine and an estimator are to answer alike.

    :param schema: of the model
    :param estimator: fitted
    :param examples: of the model
    :raises Decline: no rows can be drawn for one of the fields
    """

    def __init__(self, schema: Schema, estimator: Any, examples: Sequence[Any]) -> None:
        if not isinstance(schema, FixedSchema) or not schema.column_fields:
            raise Decline("what it takes is no table of known columns")
        self._schema = schema
        self._examples = examples
        self._random = np.random.default_rng(0)
        names = [field.column.name for field in schema.column_fields]
        known = landmarks(estimator, len(names), names)
        self._pools = [_pool(*each) for each in zip(schema.column_fields, known, strict=True)]

    def rows(self, count: int = PROBES) -> list[list[Any]]:
        """Return validated rows, a list for each column."""
        return [
            self._column(field, pool, count)
            for field, pool in zip(self._schema.column_fields, self._pools, strict=True)
        ]

    def build(self, columns: Sequence[Sequence[Any]], *, by_column: bool = False) -> Any:
        """Return X of validated rows.

        :param by_column: whether one row, too, is as it comes from a request of columns
        """
        if len(columns[0]) == 1 and not by_column:
            return self._schema.build_row([column[0] for column in columns])
        return self._schema.build(columns)

    def extremes(self) -> list[list[list[Any]]]:
        """Return rows one by one, each with a value at the end of what numbers can be."""
        numeric = [
            place
            for place, field in enumerate(self._schema.column_fields)
            if field.kind == "number" and "allowed" not in field.definition
        ]
        found = []
        for turn, value in enumerate(_EXTREME if numeric else ()):
            place = numeric[turn % len(numeric)]
            if _is_within(value, self._schema.column_fields[place]):
                found.append(self.rows(1))
                found[-1][place] = [value]
        return found

    def examples(self) -> Any:
        """Return X of the model's examples, None where it has none that are valid."""
        try:
            return self._schema.clean(from_python(self._examples)) if self._examples else None
        except InvalidInput:
            return None  # who loads the model is told elsewhere

    def _column(self, field: Field, pool: list[Any], count: int) -> list[Any]:
        chosen = [pool[place] for place in self._random.integers(len(pool), size=count)]
        if field.nullable:
            for place in np.flatnonzero(self._random.random(count) < _SHARE_MISSING):
                chosen[place] = None
        return chosen


def part_of(columns: Sequence[Sequence[Any]], start: int, stop: int) -> list[Sequence[Any]]:
    """Return some of the rows of columns."""
    return [column[start:stop] for column in columns]


def repeated(parts: Sequence[Sequence[Sequence[Any]]], count: int) -> list[list[Any]]:
    """Return a number of rows of the columns of some parts, again from the first when they end."""
    columns = [[value for part in parts for value in part[place]] for place in range(len(parts[0]))]
    return [list(islice(cycle(column), count)) for column in columns]


def _pool(field: Field, known: list[Any]) -> list[Any]:
    """Return the values that a column of probes is drawn from."""
    allowed = field.definition.get("allowed")
    if allowed is not None:
        return list(allowed)
    if field.is_number:
        return _numbers(field, known)
    if field.kind == "boolean":
        return [False, True]
    if field.kind == "string":
        return [value for value in known if isinstance(value, str)] + list(_UNKNOWN)
    if field.nullable:
        return [None]  # the estimator drops it
    raise Decline(f"no values can be drawn for field {field.name!r}")


def _numbers(field: Field, known: list[Any]) -> list[Any]:
    marks = sorted({float(value) for value in known if _is_number(value)})
    between = [(low + high) / 2 for low, high in pairwise(marks)]
    beside = [number for mark in marks for number in _beside(mark)]
    bounds = [field.definition[rule] for rule in ("min", "max") if rule in field.definition]
    generic = [*_GENERIC, *_scaled(marks), *map(float, bounds)]
    # What the estimator knows weighs as much as what it does not.
    pool = [*marks, *beside, *between] + generic * max(1, len(marks) // len(generic))
    if field.kind == "integer":
        pool = [float(round(value)) for value in pool]
    within = [value for value in pool if _is_within(value, field)] or [float(bounds[0])]
    return [int(value) for value in within] if field.kind == "integer" else within


def _beside(mark: float) -> list[float]:
    """Return the numbers next to one, in double and in single precision."""
    beside = [nextafter(mark, side) for side in (-inf, inf)]
    if abs(mark) < _LARGEST_SINGLE:
        beside += [float(np.nextafter(np.float32(mark), side)) for side in _SIDES]
    return beside


def _scaled(marks: list[float]) -> list[float]:
    """Return values around and beyond the known ones."""
    if not marks:
        return []
    low, high = marks[0], marks[-1]
    width = (high - low) or abs(low) or 1.0
    return [low - width, low + width / 3, low + width / 7, high + width, low, high]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_within(value: float, field: Field) -> bool:
    definition = field.definition
    return bool(definition.get("min", -inf) <= value <= definition.get("max", inf))
