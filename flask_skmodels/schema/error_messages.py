"""The texts of the errors that the validator finds, without the client's values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cerberus.errors import BasicErrorHandler, ErrorDefinition, ValidationError

NOT_FINITE = ErrorDefinition(0x101, "type")
NOT_64_BIT = ErrorDefinition(0x102, "type")
NOT_A_NUMBER = ErrorDefinition(0x103, "finite")

MAX_KEY_LENGTH = 100  # characters of a client's key in an error
MAX_CHOICES = 20  # values that a message lists
_OF_CHOICES = frozenset({0x44, 0x45})
_OF_FORBIDDEN = frozenset({0x46, 0x47})

# Cerberus's messages; messages that would repeat the client's value are replaced.
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


def leaves(errors: list[ValidationError]) -> Iterator[ValidationError]:
    """Yield the single errors in Cerberus's tree of errors; a ``*of`` rule counts as one error."""
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
    """Return the constraint of a rule in words: a list of names as an enumeration."""
    if not isinstance(constraint, list | tuple) or not all(isinstance(c, str) for c in constraint):
        return constraint
    *first, last = constraint or [""]
    return f"{', '.join(first)} or {last}" if first else last


def hint_of(error: ValidationError) -> str | None:
    """Return the message of an error in plain words, None if Cerberus's message is good."""
    if error.code in _OF_CHOICES:
        return choices_in_words(error.constraint)
    return "this value is not allowed" if error.code in _OF_FORBIDDEN else None


def choices_in_words(allowed: Any) -> str:
    """Return which values to choose from; the values are from the schema, never from a client."""
    values = list(allowed)
    shown = [str(value) for value in values[:MAX_CHOICES] if value is not None]
    more = f" or {len(values) - MAX_CHOICES} others" if len(values) > MAX_CHOICES else ""
    return f"choose one of {', '.join(shown)}{more}"


def message_of(error: ValidationError) -> str:
    """Return Cerberus's message for an error, without the client's value."""
    if error.code == 0x00:
        return str(error.info[0])
    path = error.document_path[1:]
    location = "".join(f"item {str(key)[:MAX_KEY_LENGTH]}: " for key in path)
    message = _MESSAGES.get(error.code, f"breaks the rule {error.rule}")
    values = {"constraint": _in_words(error.constraint), "field": error.field}
    return f"{location}{message.format(*error.info, **values)}"
