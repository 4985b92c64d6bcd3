"""Fast checks of a field, of one value or of a whole column.

A check accepts the values that Cerberus would accept, and converts them as Cerberus would. If it
refuses a value, Cerberus validates the row again to report the reason.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from datetime import date, datetime
from typing import Any, Final

import numpy as np
import orjson

from flask_skmodels.exceptions import REPORTED_ERRORS
from flask_skmodels.schema.fields import Field
from flask_skmodels.schema.rows import EXACT
from flask_skmodels.schema.text_values import ABSENT
from flask_skmodels.schema.types import Array, BoolArray, ColumnValues, FieldValue, Rules, Values
from flask_skmodels.schema.validator import INT64_MAX, INT64_MIN

REFUSED: Final = object()

_Test = Callable[[FieldValue], bool]

_FLOAT_MAX = sys.float_info.max
_PART = 256  # values that are checked together in a column with unusual values
_SCALARS: dict[str, tuple[type, ...]] = {
    "number": (int, float),
    "float": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "string": (str,),
    "date": (date,),
    "datetime": (datetime,),
}
_COERCERS = (int, float, str, bool)
_RULES = frozenset(
    "type min max allowed forbidden nullable required default coerce regex minlength maxlength "
    "empty meta finite".split()
)
_PLAIN_NUMBERS = re.compile(r"[0-9+\-.eE \t,]*", re.ASCII)
_PLAIN_INTEGERS = re.compile(r"[0-9+\-\t ,]*", re.ASCII)


class FieldCheck:
    """The compiled check of one field; see :func:`compile_check`.

    :param field: a field for which :func:`compile_check` supports all rules
    :ivar types: the Python types that the type rule accepts
    :ivar low: the lowest number that is accepted
    :ivar high: the highest number that is accepted
    :ivar is_unconverted: whether values are not converted before they are validated
    :ivar is_float: whether the field accepts all float64 from ``low`` to ``high``
    """

    def __init__(self, field: Field) -> None:
        definition = field.definition
        self.field = field
        self.types = _types_of(definition)
        self.coerce: Callable[[FieldValue], FieldValue] | None = definition.get("coerce")
        self.default = definition.get("default", ABSENT)
        self.required = bool(definition.get("required"))
        self.empty: bool | None = definition.get("empty")
        self.is_integer = definition.get("type") == "integer"
        self.low, self.high = _bounds(definition)
        self.tests = _tests(definition)
        self.is_bounded = field.is_plain_number
        self.is_unconverted = self.coerce is None and not field.typed_readers
        is_number = self.is_bounded and self.is_unconverted
        self.read_number = field.text_readers[0] if is_number else None
        self.is_float = (
            self.is_bounded
            and field.storage == "number"
            and float in self.types
            and self.default is ABSENT
            and _is_exact(self.low, self.high)
        )

    def value(self, value: FieldValue, *, text: bool) -> FieldValue:
        """Return a value as Cerberus would return it, or :data:`REFUSED`.

        :param value: the value that the client sent, or
            :data:`~flask_skmodels.schema.text_values.ABSENT`
        :param text: whether the value came as text
        """
        if text:
            number = self.read_number(value) if self.read_number and type(value) is str else None
            if type(number) in self.types and self.low <= number <= self.high:
                return number
        elif self._passes(value):
            return value
        value, errors = self._examine(value, text)
        return REFUSED if errors else value

    def column(
        self, values: ColumnValues, *, text: bool, as_array: bool = True
    ) -> tuple[ColumnValues, BoolArray | None]:
        """Return a column as Cerberus would return it, and a mask of the values that are refused.

        :param values: a list of the values that the client sent, or an array of numbers
        :param text: whether the values came as text
        :param as_array: whether numbers may become an array; if not, they stay Python objects
        :returns: the column, and the mask, which is None if no value is refused. If more than 100
            values are refused, the mask has only the first of them.
        """
        if self.is_bounded and self.field.storage == "object":
            as_array = False  # integers would become floats in an array with missing values
        if isinstance(values, np.ndarray):
            is_array = as_array and self.is_bounded and self._accepts(values.dtype)
            checked = self._check_bounds(values) if is_array else None
            if checked is not None:
                return checked
            values = list(values.tolist())
        if not self.is_unconverted or (self.is_bounded and not as_array):
            return self._in_parts(values, text, self._one_by_one)
        plain = self._from_text(values) if text else self._from_typed(values)
        return plain or self._in_parts(values, text, self._part)

    def _in_parts(
        self, values: Values, text: bool, clean: Callable[[Values, bool], list[FieldValue]]
    ) -> tuple[ColumnValues, BoolArray | None]:
        """Return a column and the mask of its refused values; see :meth:`column`.

        :param clean: returns the values of a part as :meth:`value` returns them
        """
        cleaned: list[FieldValue] = []
        refused: list[int] = []
        for start in range(0, len(values), _PART):
            part = clean(values[start : start + _PART], text)
            cleaned += part
            if REFUSED in part:
                refused += [start + i for i, value in enumerate(part) if value is REFUSED]
                if len(refused) >= REPORTED_ERRORS:
                    break
        if not refused:
            return cleaned, None
        mask = np.zeros(len(values), dtype=bool)
        mask[refused] = True
        return cleaned, mask

    def _one_by_one(self, part: Values, text: bool) -> list[FieldValue]:
        return [self.value(value, text=text) for value in part]

    def _part(self, part: Values, text: bool) -> list[FieldValue]:
        """Return a part of a column; this is faster if none of its values is refused or unusual."""
        if text:
            numbers = self._numbers(part) if self.is_bounded else None
            return self._one_by_one(part, text) if numbers is None else numbers
        plain = self._from_typed(part)
        is_plain = plain is not None and plain[1] is None
        return list(part) if is_plain else self._one_by_one(part, text)

    def _numbers(self, texts: Values) -> list[FieldValue] | None:
        """Return texts that are JSON numbers as :meth:`value` would return them, or else None."""
        try:
            joined = ",".join(texts)
            if "-0" in joined or _PLAIN_NUMBERS.fullmatch(joined) is None:
                return None
            numbers = orjson.loads(f"[{joined}]")
        except (TypeError, ValueError):
            return None
        if len(numbers) != len(texts) or not set(map(type, numbers)).issubset(self.types):
            return None
        array = np.array(numbers, dtype=np.float64)
        passed = (array >= self.low) & (array <= self.high) & (np.abs(array) < EXACT)
        return numbers if passed.all() else None

    def _examine(self, value: FieldValue, text: bool) -> tuple[FieldValue, int]:
        """Return a value as Cerberus would, None if missing, and the number of its errors."""
        if value is not ABSENT:
            value = self.field.read(value, text=text)
        if self.default is not ABSENT and (
            value is ABSENT or (value is None and not self.field.nullable)
        ):
            value = self.default
        if value is ABSENT:
            return None, int(self.required)
        value, failed = self._coerced(value)
        if value is None:
            return None, failed + (not self.field.nullable)
        if not self._is_of_type(value):
            return value, failed + 1
        return value, failed + self._count_failures(value)

    def _passes(self, value: FieldValue) -> bool:
        """Return whether a typed text or a missing value is accepted unchanged, as most are."""
        if not self.is_unconverted:
            return False
        if value is None:
            return self.field.nullable
        is_text = type(value) is str and value != "" and str in self.types
        return is_text and not self._count_failures(value)

    def _coerced(self, value: FieldValue) -> tuple[FieldValue, int]:
        if self.coerce is None:
            return value, 0
        try:
            return self.coerce(value), 0
        except Exception:
            return value, int(value is not None or not self.field.nullable)

    def _count_failures(self, value: FieldValue) -> int:
        if value == "" and self.empty is not None:
            return int(not self.empty)  # Cerberus skips the other rules for an empty text
        return sum(not test(value) for test in self.tests)

    def _is_of_type(self, value: FieldValue) -> bool:
        if type(value) not in self.types:
            return False
        if type(value) is int and self.is_integer:
            return INT64_MIN <= value <= INT64_MAX
        if type(value) in (int, float):
            return bool(-_FLOAT_MAX <= value <= _FLOAT_MAX)
        return True

    def _accepts(self, dtype: np.dtype[Any]) -> bool:
        return dtype.kind in "iu" or (dtype.kind == "f" and float in self.types)

    def _from_text(self, values: Values) -> tuple[ColumnValues, BoolArray | None] | None:
        if not self.is_bounded:
            return None
        try:
            joined = ",".join(values)
            is_integer = self.is_integer or self._keeps_integers(joined)
            pattern, parse = (_PLAIN_INTEGERS, int) if is_integer else (_PLAIN_NUMBERS, float)
            if pattern.fullmatch(joined) is None:
                return None
            kinds: set[type] = {int, parse}
            return self._check_numbers(list(map(parse, values)), kinds)
        except (TypeError, ValueError):
            return None

    def _keeps_integers(self, joined: str) -> bool:
        """Return whether texts are integers that stay integers; -0 is a float."""
        is_plain = self.field.keeps_integers and "-0" not in joined
        return is_plain and _PLAIN_INTEGERS.fullmatch(joined) is not None

    def _from_typed(self, values: Values) -> tuple[ColumnValues, BoolArray | None] | None:
        kinds = set(map(type, values))
        if self.field.nullable:
            kinds.discard(type(None))
        if not kinds.issubset(self.types):
            return None
        if self.is_bounded:
            return self._check_numbers(values, kinds)
        return self._distinct(values)

    def _check_numbers(
        self, values: Values, kinds: set[type]
    ) -> tuple[ColumnValues, BoolArray | None] | None:
        are_kept = self.field.keeps_integers and kinds == {int}
        has_missing = are_kept and None in values
        is_integer = self.field.kind == "integer" or (are_kept and not has_missing)
        try:
            array = np.array(values, dtype=np.int64 if is_integer else np.float64)
        except OverflowError:
            return None
        checked = self._check_bounds(array, from_integers=int in kinds)
        return (values, checked[1]) if has_missing and checked is not None else checked

    def _check_bounds(
        self, array: Array, *, from_integers: bool = False
    ) -> tuple[ColumnValues, BoolArray | None] | None:
        numbers = array.astype(np.float64, copy=False)
        if (from_integers or array.dtype.kind in "iu") and (np.abs(numbers) >= EXACT).any():
            return None  # Python compares such integers exactly; NumPy would round them first
        passed = (numbers >= self.low) & (numbers <= self.high)
        if self.field.nullable:
            passed |= np.isnan(numbers)
        return array, None if passed.all() else ~passed

    def _distinct(self, values: Values) -> tuple[ColumnValues, BoolArray | None] | None:
        are_texts = set(map(type, values)) <= {str, type(None)}
        # A client can choose numbers whose hashes are equal, but not texts.
        keys = values if are_texts else list(map(repr, values))
        distinct = dict(zip(keys, values, strict=True))
        if ("" if are_texts else "''") in distinct:
            return None
        refused = {k for k, v in distinct.items() if v is not None and self._examine(v, False)[1]}
        if not refused:
            return values, None
        return values, np.fromiter((key in refused for key in keys), bool, len(keys))


def compile_check(field: Field) -> FieldCheck | None:
    """Return the check of a field, or None if only Cerberus can check one of its rules."""
    definition = field.definition
    compiles = (
        definition.keys() <= _RULES
        and _types_of(definition)
        and definition.get("coerce", int) in _COERCERS
        and not (definition.get("finite") and definition.get("coerce") is str)
        and _has_plain_rules(definition)
    )
    return FieldCheck(field) if compiles else None


def _types_of(definition: Rules) -> tuple[type, ...]:
    """Return the Python types that the type rule accepts; empty if they are not known."""
    declared: FieldValue = definition.get("type")
    if declared is None and definition.get("coerce") in _COERCERS:
        return (definition["coerce"],)
    names = declared if isinstance(declared, list | tuple) else [declared]
    if not all(isinstance(name, str) and name in _SCALARS for name in names):
        return ()
    return tuple(dict.fromkeys(kind for name in names for kind in _SCALARS[name]))


def _has_plain_rules(definition: Rules) -> bool:
    bounds = (definition[rule] for rule in ("min", "max") if rule in definition)
    numeric = set(_types_of(definition)) <= {int, float}
    if not all(type(bound) in (int, float) and numeric for bound in bounds):
        return False
    return all(_is_hashable(definition.get(rule, ())) for rule in ("allowed", "forbidden"))


def _is_hashable(values: Iterable[FieldValue]) -> bool:
    try:
        return not isinstance(values, str) and frozenset(values) is not None
    except TypeError:
        return False


def _bounds(definition: Rules) -> tuple[FieldValue, FieldValue]:
    low, high = -_FLOAT_MAX, _FLOAT_MAX
    if definition.get("type") == "integer":
        low, high = INT64_MIN, INT64_MAX
    return max(low, definition.get("min", low)), min(high, definition.get("max", high))


def _is_exact(low: FieldValue, high: FieldValue) -> bool:
    return all(float(bound) == bound for bound in (low, high))


def _tests(definition: Rules) -> list[_Test]:
    makers: dict[str, Callable[[FieldValue], _Test]] = {
        "min": lambda low: lambda value: not value < low,
        "max": lambda high: lambda value: not value > high,
        "allowed": lambda allowed: frozenset(allowed).__contains__,
        "forbidden": lambda forbidden: lambda value: value not in forbidden,
        "regex": _matches,
        "minlength": lambda least: lambda value: not isinstance(value, str) or len(value) >= least,
        "maxlength": lambda most: lambda value: not isinstance(value, str) or len(value) <= most,
    }
    return [makers[rule](definition[rule]) for rule in makers if rule in definition]


def _matches(pattern: str) -> _Test:
    compiled = re.compile(pattern if pattern.endswith("$") else pattern + "$")
    return lambda value: not isinstance(value, str) or compiled.match(value) is not None
