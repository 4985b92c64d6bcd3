"""The Cerberus validator that defines which values are valid."""

from __future__ import annotations

import math
from datetime import date, datetime
from operator import lt
from typing import Any, TypeGuard

import numpy as np
from cerberus import TypeDefinition
from cerberus import Validator as CerberusValidator
from cerberus.errors import BAD_TYPE, MAX_VALUE, MIN_VALUE

from flask_skmodels.schema.error_messages import NOT_64_BIT, NOT_A_NUMBER, NOT_FINITE
from flask_skmodels.schema.types import FieldValue

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
NUMBER_TYPES = frozenset({"number", "float", "integer"})

_BOOLEANS = (bool, np.bool_)
_INTEGERS = (int, np.integer)
_NUMBERS = (int, float, np.integer, np.floating)


class Validator(CerberusValidator):  # type: ignore[misc]
    """A Cerberus validator that is stricter about numbers.

    Booleans, ``nan`` and infinity are not valid numbers, and an integer has at most 64 bits. NumPy
    scalars are accepted like Python numbers. With the rule ``finite``, coerced values must be
    finite numbers or booleans. To add rules, types and coercers, write a subclass as the
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

    def _validate_type(self, data_type: Any, field: str, value: FieldValue) -> None:
        """{'type': ['string', 'list'], 'check_with': 'type'}"""
        super()._validate_type(data_type, field, value)
        if not isinstance(value, _NUMBERS) or self._has_bad_type(field):
            return
        if not is_finite_number(value):
            self._error(field, NOT_FINITE)
            self._drop_remaining_rules()
        elif data_type == "integer" and not INT64_MIN <= value <= INT64_MAX:
            self._error(field, NOT_64_BIT)
            self._drop_remaining_rules()

    def _validate_nullable(self, nullable: bool, field: str, value: FieldValue) -> None:
        """{'type': 'boolean'}"""
        super()._validate_nullable(nullable, field, value)
        if value is None and not nullable:
            self._drop_remaining_rules()  # also those of a subclass, which may not expect None

    def _validate_min(self, min_value: FieldValue, field: str, value: FieldValue) -> None:
        """{'nullable': False }"""
        super()._validate_min(min_value, field, value)
        if _is_not_comparable(value, min_value):
            self._error(field, MIN_VALUE)

    def _validate_max(self, max_value: FieldValue, field: str, value: FieldValue) -> None:
        """{'nullable': False }"""
        super()._validate_max(max_value, field, value)
        if _is_not_comparable(value, max_value):
            self._error(field, MAX_VALUE)

    def _validate_finite(self, finite: bool, field: str, value: FieldValue) -> None:
        """{'type': 'boolean'}"""
        path = (*self.document_path, field)
        if not finite or value is None or self.document_error_tree.fetch_errors_from(path):
            return
        if not isinstance(value, (*_NUMBERS, *_BOOLEANS)) or not is_finite_number(value):
            self._error(field, NOT_A_NUMBER)

    def _has_bad_type(self, field: str) -> bool:
        path = (*self.document_path, field)
        return BAD_TYPE in self.document_error_tree.fetch_errors_from(path)


def is_finite_number(value: FieldValue) -> bool:
    """Return whether a number is finite as a float64."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def is_number(value: object) -> TypeGuard[float]:
    """Return whether a value is a finite number of Python; a boolean is none."""
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and is_finite_number(value)
    )


def _is_not_comparable(value: FieldValue, bound: FieldValue) -> bool:
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
