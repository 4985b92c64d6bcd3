"""The messages of errors in plain words for the visitors of a page.

JSON documents keep Cerberus's messages, which programs may compare.
"""

from __future__ import annotations

import re

from flask_skmodels.exceptions import InputError

_ITEMS = re.compile(r"((?:item [^:]*: )*)(.*)", re.DOTALL)
_MISSING = "a value is needed"
_TYPES = {
    "number": "a number",
    "float": "a number",
    "integer": "a whole number",
    "boolean": "yes or no",
    "string": "a text",
    "date": "a date",
    "datetime": "a date and time",
    "list": "a list",
}
_WORDS = {
    "required field": _MISSING,
    "null value not allowed": _MISSING,
    "empty values not allowed": _MISSING,
    "unknown field": "the model has no such field",
}
_BEGINNINGS = {
    "min value is ": "must be at least ",
    "max value is ": "must be at most ",
    "min length is ": "must have a length of at least ",
    "max length is ": "must have a length of at most ",
    "value does not match regex ": "must match the pattern ",
}
_RULES = {
    "type": "not of the right type",
    "allowed": "not an allowed value",
    "required": "no value",
    "nullable": "no value",
    "empty": "no value",
    "min": "too small",
    "max": "too large",
    "minlength": "too short",
    "maxlength": "too long",
    "regex": "not in the right form",
    "forbidden": "not an allowed value",
    "unknown": "not a field of the model",
    "unique": "given more than once",
    "coerce": "not readable",
}
_TYPE = re.compile(r"must be of (.+) type", re.DOTALL)


def words_of(error: InputError) -> str:
    """Return the message of an error in plain words, without the client's value."""
    if error.hint is not None:
        return error.hint
    found = _ITEMS.fullmatch(error.message)
    items, message = ("", error.message) if found is None else found.groups()
    return f"{items}{_in_words(message)}"


def sentence_of(error: InputError) -> str:
    """Return the message of an error in words, after the name of its field if it has one."""
    words = words_of(error)
    return words if error.field is None else f"{error.field}: {words}"


def rule_in_words(rule: str) -> str:
    """Return what is wrong with a value that breaks a rule; for an unknown rule, its name."""
    return _RULES.get(rule, rule)


def _in_words(message: str) -> str:
    if message in _WORDS:
        return _WORDS[message]
    for beginning, words in _BEGINNINGS.items():
        if message.startswith(beginning):
            return words + message.removeprefix(beginning)
    found = _TYPE.fullmatch(message)
    return message if found is None else f"must be {_any_of(found[1])}"


def _any_of(types: str) -> str:
    """Return the names of types, such as ``"integer or string"``, in plain words."""
    names = re.split(", | or ", types)
    *first, last = dict.fromkeys(_TYPES.get(name, name) for name in names)
    return f"{', '.join(first)} or {last}" if first else last
