"""The fields of a schema: how each is declared, read from a request and named to Cerberus."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from math import inf, isnan, nan
from typing import Any, Final

import cerberus

from flask_skmodels.errors import ModelError

Declaration = Mapping[str, Any] | Sequence[Mapping[str, Any]]
Reader = Callable[[str], object]

ABSENT: Final = object()
LONGEST_NUMBER = 400

_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_NOT_FINITE = {"nan": nan, "inf": inf, "infinity": inf}
_BOOLEANS = {"true": True, "1": True, "yes": True, "on": True}
_BOOLEANS |= {"false": False, "0": False, "no": False, "off": False}
_NUMERIC_TYPES = {"number", "float", "integer"}
_TYPING_RULES = {"type", "coerce", "transform", "allowed"}
_LOGICAL_RULE = re.compile(r"(any|all|one|none)of(_.+)?")
_TYPE_NAMES = {bool: "boolean", int: "integer", float: "number", str: "string"}
_TYPE_NAMES |= {datetime: "datetime", date: "date"}


@dataclass(frozen=True, slots=True, kw_only=True)
class InputColumn:
    """One column of what a fitted estimator takes.

    :param name: the estimator's own name of it, else ``"x0"``, ``"x1"`` and so on
    :param type: ``"number"``, ``"integer"``, ``"string"``, ``"boolean"``, or ``"any"`` where the
        estimator drops the column
    :param allowed: the values that the estimator knows, where it refuses all others
    :param nullable: whether a missing value may be given
    :param missing: what stands for a missing value in X, ``nan`` or ``None``
    """

    name: str
    type: str = "number"
    allowed: tuple[object, ...] | None = None
    nullable: bool = False
    missing: object = nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a fitted estimator takes.

    :param columns: its columns in its own order; None where it does not say how many
    :param named: whether the names are the estimator's own
    :param container: ``"array"``, ``"frame"`` (a data frame), ``"sequence"`` (of texts),
        ``"mapping"`` (a list of them) or ``"nothing"`` (it takes no rows of features)
    """

    columns: tuple[InputColumn, ...] | None = None
    named: bool = False
    container: str = "array"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a schema, compiled.

    :param name: what a client calls it
    :param rules: the rules as they were declared
    :param definition: the rules as Cerberus takes them
    :param kind: what X holds: a type of :class:`InputColumn`, or ``"object"``
    :param column: the estimator's column that it fills
    """

    name: str
    rules: Mapping[str, Any]
    definition: Mapping[str, Any]
    kind: str
    column: InputColumn
    nullable: bool = field(init=False)
    has_default: bool = field(init=False)
    is_alias: bool = field(init=False)
    takes_text: bool = field(init=False)
    text_readers: tuple[Reader, ...] = field(init=False)
    typed_readers: tuple[Reader, ...] = field(init=False)

    def __post_init__(self) -> None:
        types = _types(self.definition)
        readers = () if "coerce" in self.rules else tuple(_readers(types, _TEXT_READERS))
        derived = {
            "nullable": bool(self.definition.get("nullable")),
            "has_default": not self.definition.keys().isdisjoint({"default", "default_setter"}),
            "is_alias": is_alias(self.rules),
            "takes_text": self.kind == "string" or "string" in types,
            "text_readers": readers,
            "typed_readers": tuple(_readers(types, _ISO_READERS)),
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    def read(self, value: object, *, text: bool) -> object:
        """Return the value that Cerberus is to see.

        :param value: the client's value
        :param text: whether it came as text
        :returns: the value, None for a missing one where the field is nullable, and
            :data:`ABSENT` where the default, or the lack of one, is to speak
        """
        if isinstance(value, str):
            if value == "" or (text and not self.takes_text and value.isspace()):
                return self._read_empty(text)
            value = _first_reading(self.text_readers if text else self.typed_readers, value)
        if self.nullable and isinstance(value, float) and isnan(value):
            return None
        return value

    def _read_empty(self, text: bool) -> object:
        if self.nullable:
            return None if text else ""
        if self.has_default or (text and not self.takes_text):
            return ABSENT
        return ""


def declared(declaration: Declaration) -> dict[str, dict[str, Any]]:
    """Return the rules of each field of a schema in either of its two forms.

    :param declaration: Cerberus's mapping of names to rules, or a list of rules with ``name``
    :raises ModelError: it is neither, or a name is missing or given twice
    """
    if isinstance(declaration, Mapping):
        return {str(name): _rules(name, rules) for name, rules in declaration.items()}
    if not isinstance(declaration, list | tuple):
        raise ModelError("schema must be a mapping of names to rules, or a list of rules with name")
    fields: dict[str, dict[str, Any]] = {}
    for entry in declaration:
        rules = _rules("of the schema's list", entry)
        name = rules.pop("name", None)
        if not isinstance(name, str) or name in fields:
            raise ModelError(
                f"each entry of the schema's list needs a name of its own, not {name!r}"
            )
        fields[name] = rules
    return fields


def compile_field(name: str, rules: Mapping[str, Any], column: InputColumn) -> Field:
    """Return the field that its declared rules make.

    :param name: what a client calls it
    :param rules: Cerberus's rules and ``transform``
    :param column: the estimator's column that it fills
    :raises ModelError: ``required`` is off where nothing can stand for a missing value
    """
    definition = {rule: value for rule, value in rules.items() if rule != "transform"}
    coercers = [*_listed(rules.get("coerce")), *_listed(rules.get("transform"))]
    if coercers:
        definition["coerce"] = coercers if len(coercers) > 1 else coercers[0]
    _add_type(definition, rules)
    definition["nullable"] = bool(rules.get("nullable")) and column.nullable
    _add_required(name, definition)
    kind = _kind(definition, column)
    unsure = "type" not in definition and not is_alias(rules)
    if unsure and kind in _NUMERIC_TYPES | {"boolean"}:
        kind = "number"
        definition["finite"] = True
    return Field(name=name, rules=rules, definition=definition, kind=kind, column=column)


def is_alias(rules: Mapping[str, Any]) -> bool:
    """Return whether a field only gives its value to another one, as Cerberus's ``rename``."""
    return not rules.keys().isdisjoint({"rename", "rename_handler"})


def read_number(text: str) -> object:
    """Return the number that a text says, or the text when it says none.

    Blanks around it are fine; ``nan`` and ``inf`` are read, for the validation to turn down.
    """
    stripped = text.strip()
    if _INTEGER.fullmatch(stripped):
        number = read_integer(stripped)
        return -0.0 if number == 0 and stripped[0] == "-" else number
    if _NUMBER.fullmatch(stripped):
        return float(stripped)
    unsigned = _NOT_FINITE.get(stripped.lstrip("+-").lower())
    return text if unsigned is None else unsigned


def read_integer(text: str) -> object:
    """Return the integer that a text says, or the text when it says none.

    Of more than 400 digits it is infinity: no estimator takes it, and to convert it is not free.
    """
    stripped = text.strip()
    if not _INTEGER.fullmatch(stripped):
        return text
    return int(stripped) if len(stripped) <= LONGEST_NUMBER else inf


def read_boolean(text: str) -> object:
    """Return the boolean that a text says (true, 1, yes, on; false, 0, no, off), or the text."""
    return _BOOLEANS.get(text.strip().lower(), text)


def read_datetime(text: str) -> object:
    """Return the moment that a text says in ISO 8601, or the text when it says none."""
    return _from_iso(datetime, text)


def read_date(text: str) -> object:
    """Return the day that a text says in ISO 8601, or the text when it says none."""
    return _from_iso(date, text)


def _from_iso(kind: type[date], text: str) -> object:
    try:
        return kind.fromisoformat(text.strip())
    except ValueError:
        return text


_ISO_READERS: dict[str, Reader] = {"date": read_date, "datetime": read_datetime}
_TEXT_READERS: dict[str, Reader] = {
    "number": read_number,
    "float": read_number,
    "integer": read_integer,
    "boolean": read_boolean,
    **_ISO_READERS,
}


def _first_reading(readers: Iterable[Reader], value: str) -> object:
    for reader in readers:
        reading = reader(value)
        if not isinstance(reading, str):
            return reading
    return value


def _readers(types: Iterable[str], readers: Mapping[str, Reader]) -> list[Reader]:
    return [readers[name] for name in types if name in readers]


def _rules(name: object, rules: object) -> dict[str, Any]:
    if isinstance(rules, str):
        rules = cerberus.rules_set_registry.get(rules)
    if not isinstance(rules, Mapping):
        raise ModelError(f"the rules of field {name} must be a mapping")
    return dict(rules)


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _types(definition: Mapping[str, Any]) -> list[str]:
    return [name for name in _listed(definition.get("type")) if isinstance(name, str)]


def _add_type(definition: dict[str, Any], rules: Mapping[str, Any]) -> None:
    if is_alias(rules) or not rules.keys().isdisjoint({"type", "coerce", "transform"}):
        return
    if "allowed" in rules:
        types = _types_of_values(rules["allowed"])
        if types:
            definition["type"] = types
    elif not any(_LOGICAL_RULE.fullmatch(rule) for rule in rules):
        definition["type"] = "number"


def _types_of_values(values: Any) -> str | list[str] | None:
    if isinstance(values, str) or not isinstance(values, Iterable):
        return None  # Cerberus says what is wrong with it.
    names = list(dict.fromkeys(_TYPE_NAMES.get(type(value), "") for value in values))
    if "" in names:
        return None
    if set(names) == {"integer", "number"}:
        return "number"
    return names[0] if len(names) == 1 else names or None


def _add_required(name: str, definition: dict[str, Any]) -> None:
    if is_alias(definition):
        return
    has_default = "default" in definition or "default_setter" in definition
    if definition.get("required", True) or has_default:
        definition["required"] = True
    elif not definition["nullable"]:
        raise ModelError(
            f"field {name!r} is not required, has no default, and no missing value can stand for "
            "it: give it a default, or make it nullable where the estimator accepts missing values"
        )


def _kind(definition: Mapping[str, Any], column: InputColumn) -> str:
    types = set(_types(definition))
    if not types:
        return column.type
    if types == {"integer"}:
        return "number" if definition["nullable"] else "integer"
    if types <= _NUMERIC_TYPES:
        return "number"
    if len(types) == 1 and types <= {"boolean", "string"}:
        return types.pop()
    return "object"
