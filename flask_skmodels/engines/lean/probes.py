"""Probes: valid rows on which an engine is compared with the estimator.

Their values are drawn from the schema and from the breakpoints of the estimator.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime
from itertools import cycle, islice, pairwise
from math import inf

import numpy as np

from flask_skmodels.engines.lean.breakpoints import find_breakpoints
from flask_skmodels.engines.lean.compiler import Decline
from flask_skmodels.engines.lean.inverse_transforms import Breakpoints
from flask_skmodels.estimators.attributes import is_a, tags_of
from flask_skmodels.exceptions import InvalidInput
from flask_skmodels.schema.dtypes import limits_of
from flask_skmodels.schema.fields import Field, as_list
from flask_skmodels.schema.rows import from_python
from flask_skmodels.schema.schema import FixedSchema, Schema
from flask_skmodels.schema.types import Estimator, FieldValue, JSONValue, ModelInput, Values
from flask_skmodels.schema.validator import is_number

PROBES = 512
_GENERIC = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 3.7, -12.25, 100.0, 1e-9, 12345.678)
_EXTREME = (3.5e38, -3.5e38, 1e300, 1e-320, 3e154)
_PLAIN = (1.0, 0.0, 0.5, 2.0, 100.0)
_UNKNOWN = ("", "?", "unseen", "Unseen", " ")
_DATES = (date(2024, 2, 29), date(2001, 1, 1))
_BY_TYPE: dict[object, Values] = {
    "number": _GENERIC,
    "float": _GENERIC,
    "integer": (1, 0, -1, 2, 100),
    "boolean": (True, False),
    "string": _UNKNOWN,
    "date": _DATES,
    "datetime": (datetime(2024, 2, 29, 12, 30), datetime(2001, 1, 1)),
}
_SHARE_MISSING = 0.08
_MAX_SINGLE = 3e38
_SIDES = np.array([-inf, inf], dtype=np.float32)  # with doubles, singles would become doubles


class Probes:
    """A source of valid rows.

    :param schema: the schema of the model
    :param estimator: the fitted estimator whose breakpoints are drawn; None to draw no breakpoints
    :param examples: the example rows of the model
    :param takes_any_type: whether to draw values for dates and for fields of several types too
    :raises Decline: no values can be drawn for one of the fields
    """

    def __init__(
        self,
        schema: Schema,
        estimator: Estimator,
        examples: Sequence[JSONValue],
        *,
        takes_any_type: bool = False,
    ) -> None:
        if not isinstance(schema, FixedSchema) or not schema.column_fields:
            raise Decline("X is not a table of known columns")
        self._schema = schema
        self._examples = examples
        self.restart()
        names = [field.column.name for field in schema.column_fields]
        breakpoints: Breakpoints = [[] for _ in names]
        if estimator is not None:
            breakpoints = find_breakpoints(estimator, len(names), names)
        pool = _pool_of_any_type if takes_any_type else _pool
        pools = [pool(*each) for each in zip(schema.column_fields, breakpoints, strict=True)]
        self._pools = list(map(_not_negative, pools)) if _takes_no_negatives(estimator) else pools

    def restart(self) -> None:
        """Draw the same rows again from now on."""
        self._random = np.random.default_rng(0)

    def rows(self, count: int = PROBES) -> list[list[FieldValue]]:
        """Return random valid rows as a list of values for each column."""
        return [
            self._column(field, pool, count)
            for field, pool in zip(self._schema.column_fields, self._pools, strict=True)
        ]

    def sample(self, count: int) -> list[list[FieldValue]]:
        """Return some plain rows, such as all ones, then random valid rows; no value is missing."""
        columns = []
        for pool in self._pools:
            plain = [pool[pool.index(value)] for value in _PLAIN if value in pool]
            drawn = [pool[index] for index in self._random.integers(len(pool), size=count)]
            columns.append([*islice(cycle(plain or pool), len(_PLAIN)), *drawn])
        return columns

    def build(self, columns: Sequence[Values], *, by_column: bool = False) -> ModelInput:
        """Return X for valid rows.

        :param columns: the values of each column
        :param by_column: whether to build a single row in the same way as several rows
        """
        if len(columns[0]) == 1 and not by_column:
            return self._schema.build_row([column[0] for column in columns])
        return self._schema.build(columns)

    def extremes(self) -> list[list[list[FieldValue]]]:
        """Return single rows that each have one very large or very small number."""
        numeric = [
            index
            for index, field in enumerate(self._schema.column_fields)
            if field.kind == "number" and "allowed" not in field.definition
        ]
        extremes = []
        for turn, value in enumerate(_EXTREME if numeric else ()):
            index = numeric[turn % len(numeric)]
            if _is_within(value, self._schema.column_fields[index]):
                extremes.append(self.rows(1))
                extremes[-1][index] = [value]
        return extremes

    def examples(self) -> ModelInput | None:
        """Return X for the model's examples, None if there are none or they are invalid."""
        try:
            return self._schema.clean(from_python(self._examples)) if self._examples else None
        except InvalidInput:
            return None  # the checks at registration report invalid examples

    def _column(self, field: Field, pool: list[FieldValue], count: int) -> list[FieldValue]:
        values = [pool[index] for index in self._random.integers(len(pool), size=count)]
        if field.nullable:
            for index in np.flatnonzero(self._random.random(count) < _SHARE_MISSING):
                values[index] = None
        return values


def _takes_no_negatives(estimator: Estimator) -> bool:
    """Return whether an estimator refuses negative numbers, as its tags say."""
    while is_a(estimator, "Pipeline"):
        estimator = estimator.steps[0][1]
    tags = None if estimator is None else tags_of(estimator)
    return tags is not None and bool(tags.input_tags.positive_only)


def _not_negative(pool: list[FieldValue]) -> list[FieldValue]:
    """Return the values without negative numbers, unless there are no others.

    Otherwise most rows would have a negative number, and an estimator that refuses such rows would
    be compared on few rows.
    """
    return [v for v in pool if not (isinstance(v, int | float) and v < 0)] or pool


def row_slice(columns: Sequence[Values], start: int, stop: int) -> list[Values]:
    """Return the rows from start to stop."""
    return [column[start:stop] for column in columns]


def repeat_rows(parts: Sequence[Sequence[Values]], count: int) -> list[list[FieldValue]]:
    """Return the rows of all parts, repeated or cut to a number of rows."""
    columns = [[value for part in parts for value in part[index]] for index in range(len(parts[0]))]
    return [list(islice(cycle(column), count)) for column in columns]


def _pool(field: Field, breakpoints: list[FieldValue]) -> list[FieldValue]:
    """Return the values from which a column of probes is drawn."""
    allowed = field.definition.get("allowed")
    if allowed is not None:
        return list(allowed)
    categories, others = field.column.categories, _uncategorized_pool(field, breakpoints)
    if not categories:
        return others
    return list(categories) * max(1, len(others) // len(categories)) + others


def _uncategorized_pool(field: Field, breakpoints: list[FieldValue]) -> list[FieldValue]:
    if field.is_number:
        return _numbers(field, breakpoints)
    if field.kind == "boolean":
        return [False, True]
    if field.kind == "string":
        known = [value for value in breakpoints if isinstance(value, str)]
        return known + [v for v in field.column.samples if isinstance(v, str)] + list(_UNKNOWN)
    times = [reader(value) for reader in field.typed_readers for value in field.column.samples]
    if times:
        return [value for value in times if isinstance(value, date)]
    if field.nullable:
        return [None]  # the estimator drops the column
    raise Decline(f"no values can be drawn for field {field.name!r}")


def _pool_of_any_type(field: Field, breakpoints: list[FieldValue]) -> list[FieldValue]:
    """Return the values of a field of any type, one type after the other."""
    with suppress(Decline):
        return _pool(field, breakpoints)
    types = as_list(field.definition.get("type"))
    pool = [value for kind in types if kind in _BY_TYPE for value in _BY_TYPE[kind]]
    if not pool:
        raise Decline(f"no values can be drawn for field {field.name!r}")
    return pool


def _numbers(field: Field, breakpoints: list[FieldValue]) -> list[FieldValue]:
    numbers = sorted({float(value) for value in breakpoints if is_number(value)})
    between = [(low + high) / 2 for low, high in pairwise(numbers)]
    beside = _neighbours(numbers)
    bounds = [field.definition[rule] for rule in ("min", "max") if rule in field.definition]
    samples = [float(value) for value in field.column.samples if is_number(value)]
    generic = [*_GENERIC, *_scaled(numbers), *map(float, bounds), *samples]
    # Generic values are drawn as often as breakpoints.
    pool = [*numbers, *beside, *between] + generic * max(1, len(numbers) // len(generic))
    if field.kind == "integer":
        pool = [float(round(value)) for value in pool]
    pool = [value for value in pool if _is_within(value, field)]
    pool = pool or [float(bounds[0] if bounds else 0)]
    return [int(value) for value in pool] if field.kind == "integer" else pool


def _neighbours(numbers: list[float]) -> list[float]:
    """Return the next larger and smaller number of each number, in double and single precision."""
    if not numbers:
        return []
    doubles = np.array(numbers)
    singles = doubles[np.abs(doubles) < _MAX_SINGLE].astype(np.float32)
    beside = [np.nextafter(values[:, np.newaxis], _SIDES) for values in (doubles, singles)]
    return [float(value) for values in beside for value in values.ravel()]


def _scaled(numbers: list[float]) -> list[float]:
    """Return values between and outside the breakpoints."""
    if not numbers:
        return []
    low, high = numbers[0], numbers[-1]
    width = (high - low) or abs(low) or 1.0
    return [low - width, low + width / 3, low + width / 7, high + width, low, high]


def _is_within(value: float, field: Field) -> bool:
    """Return whether the rules of a field accept a number, and whether its column can hold it."""
    definition = field.definition
    least, most = limits_of(field.column.dtype) or (-inf, inf)
    is_valid = definition.get("min", -inf) <= value <= definition.get("max", inf)
    return bool(is_valid and least <= value <= most)
