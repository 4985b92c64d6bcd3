"""The Cerberus validator that defines which values are valid, and the wording of its errors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from operator import lt
from typing import Any

import numpy as np
from cerberus import TypeDefinition
from cerberus import Validator as CerberusValidator
from cerberus.errors import (
    BAD_TYPE,
    MAX_VALUE,
    MIN_VALUE,
    BasicErrorHandler,
    ErrorDefinition,
    ValidationError,
)

NOT_FINITE = ErrorDefinition(0x101, "type")
NOT_64_BIT = ErrorDefinition(0x102, "type")
NOT_A_NUMBER = ErrorDefinition(0x103, "finite")

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
LONGEST_KEY = 100  # characters of a client's key in an error
NUMBER_TYPES = frozenset({"number", "float", "integer"})

MOST_CHOICES = 20  # values that a message lists
_OF_CHOICES = frozenset({0x44, 0x45})
_OF_FORBIDDEN = frozenset({0x46, 0x47})

_BOOLEANS = (bool, np.bool_)
_INTEGERS = (int, np.integer)
_NUMBERS = (int, float, np.integer, np.floating)

# Cerberus's messages; those that would repeat the client's value are replaced.
_MESSAGES = {
    **BasicErrorHandler.messages,
    NOT_FINITE.code: "must be a finite number",
    NOT_64_BIT.code: "must be a 64-bit integer",
    NOT_A_NUMBER.code: "must be a finite number",
    0x44: "unallowed value",
    0x45: "unallowed values",
    0x46: "unallowed value",
    0x47: "unallowed values",
    0x61: "field '{field}' cannot be coerced",
    0x62: "field '{field}' cannot be renamed",
    0x64: "default value for '{field}' cannot be set",
}


class Validator(CerberusValidator):  # type: ignore[misc]
    """A Cerberus validator that is stricter about numbers.

    Booleans, ``nan`` and infinity are not valid numbers, and an integer has at most 64 bits. NumPy
    scalars are accepted like Python numbers. The rule ``finite`` applies to coerced values: they
    must be finite numbers or booleans. To add rules, types and coercers, write a subclass as the
    documentation of Cerberus describes, and set it as the ``validator`` of the model.
    """

    types_mapping = {
        **CerberusValidator.types_mapping,
        "boolean": TypeDefinition("boolean", _BOOLEANS, ()),
        "date": TypeDefinition("date", (date,), (datetime,)),
        "float": TypeDefinition("float", _NUMBERS, _BOOLEANS),
        "integer": TypeDefinition("integer", _INTEGERS, _BOOLEANS),
        "number": TypeDefinition("number", _NUMBERS, _BOOLEANS),
    }

    def _validate_type(self, data_type: Any, field: str, value: Any) -> None:
        """{'type': ['string', 'list'], 'check_with': 'type'}"""
        super()._validate_type(data_type, field, value)
        if not isinstance(value, _NUMBERS) or self._has_bad_type(field):
            return
        if not is_finite(value):
            self._error(field, NOT_FINITE)
            self._drop_remaining_rules()
        elif data_type == "integer" and not INT64_MIN <= value <= INT64_MAX:
            self._error(field, NOT_64_BIT)
            self._drop_remaining_rules()

    def _validate_nullable(self, nullable: bool, field: str, value: Any) -> None:
        """{'type': 'boolean'}"""
        super()._validate_nullable(nullable, field, value)
        if value is None and not nullable:
            self._drop_remaining_rules()  # also rules of a subclass, which may not expect None

    def _validate_min(self, min_value: Any, field: str, value: Any) -> None:
        """{'nullable': False }"""
        super()._validate_min(min_value, field, value)
        if _is_not_comparable(value, min_value):
            self._error(field, MIN_VALUE)

    def _validate_max(self, max_value: Any, field: str, value: Any) -> None:
        """{'nullable': False }"""
        super()._validate_max(max_value, field, value)
        if _is_not_comparable(value, max_value):
            self._error(field, MAX_VALUE)

    def _validate_finite(self, finite: bool, field: str, value: Any) -> None:
        """{'type': 'boolean'}"""
        path = (*self.document_path, field)
        if not finite or value is None or self.document_error_tree.fetch_errors_from(path):
            return
        if not isinstance(value, (*_NUMBERS, *_BOOLEANS)) or not is_finite(value):
            self._error(field, NOT_A_NUMBER)

    def _has_bad_type(self, field: str) -> bool:
        path = (*self.document_path, field)
        return BAD_TYPE in self.document_error_tree.fetch_errors_from(path)


def is_finite(value: Any) -> bool:
    """Return whether a number is finite as a float64."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _is_not_comparable(value: Any, bound: Any) -> bool:
    """Return whether a date cannot be compared with a bound; Cerberus ignores such a bound."""
    if not isinstance(value, date):
        return False
    try:
        lt(value, bound)
    except TypeError:
        return True
    return False


def strict(validator: type[Any]) -> type[Any]:
    """Return a subclass of :class:`Validator` with the rules and types of a validator class."""
    if issubclass(validator, Validator):
        return validator
    changed_types = {
        name: definition
        for name, definition in validator.types_mapping.items()
        if CerberusValidator.types_mapping.get(name) is not definition
    }
    namespace = {"types_mapping": {**Validator.types_mapping, **changed_types}}
    return type(validator.__name__, (validator, Validator), namespace)


def leaves(errors: list[ValidationError]) -> Iterator[ValidationError]:
    """Yield the single errors in Cerberus's tree of errors; a ``*of`` rule counts as one."""
    for error in errors:
        if error.is_group_error and not error.is_logic_error:
            yield from leaves(error.child_errors)
        else:
            yield error


def rule_of(error: ValidationError, rules: Mapping[str, object]) -> str:
    """Return the name of the rule that was broken.

    :param rules: the declared rules of the field
    """
    if error.code == 0x03:
        return "unknown"
    if error.code == 0x61 and "transform" in rules:
        return "transform"
    return str(error.rule or "check_with")


def _in_words(constraint: Any) -> Any:
    """Return the constraint of a rule; a list of several names as an enumeration."""
    if not isinstance(constraint, list | tuple) or not all(isinstance(c, str) for c in constraint):
        return constraint
    *first, last = constraint or [""]
    return f"{', '.join(first)} or {last}" if first else last


def hint_of(error: ValidationError) -> str | None:
    """Return the message of an error in words for people, None if that of Cerberus is good."""
    if error.code in _OF_CHOICES:
        return choices_in_words(error.constraint)
    return "this value is not allowed" if error.code in _OF_FORBIDDEN else None


def choices_in_words(allowed: Any) -> str:
    """Return which values to choose from; they are those of the schema, never a client's."""
    values = list(allowed)
    shown = [str(value) for value in values[:MOST_CHOICES] if value is not None]
    more = f" or {len(values) - MOST_CHOICES} others" if len(values) > MOST_CHOICES else ""
    return f"choose one of {', '.join(shown)}{more}"


def message_of(error: ValidationError) -> str:
    """Return Cerberus's message for an error, without the client's value."""
    if error.code == 0x00:
        return str(error.info[0])
    path = error.document_path[1:]
    location = "".join(f"item {str(key)[:LONGEST_KEY]}: " for key in path)
    message = _MESSAGES.get(error.code, f"breaks the rule {error.rule}")
    values = {"constraint": _in_words(error.constraint), "field": error.field}
    return f"{location}{message.format(*error.info, **values)}"
