"""The fields of a schema: their declarations and Cerberus rules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from math import isnan, nan
from typing import Any

import cerberus

from flask_skmodels.exceptions import ModelError
from flask_skmodels.schema.pydantic_rules import is_pydantic_model, rules_of
from flask_skmodels.schema.text_values import (
    ISO_READERS,
    TEXT_READERS,
    TextReader,
    first_reading,
    read_blank,
    readers_of,
)
from flask_skmodels.schema.types import FieldRules, FieldValue, Rules
from flask_skmodels.schema.validator import NUMBER_TYPES

Declaration = FieldRules | Sequence[Rules] | type[Any]

OWN_RULES = ("transform", "name")  # the rules that Cerberus does not have
NUMBER_KINDS = frozenset({"number", "integer"})
NUMERIC_KINDS = NUMBER_KINDS | {"boolean"}  # kinds whose values become doubles
TIME_KINDS = frozenset({"date", "datetime"})

_PLAIN_RULES = {"type", "min", "max", "nullable", "required", "default", "meta"}
_LOGICAL_RULE = re.compile(r"(any|all|one|none)of(_.+)?")
_TYPE_NAMES = {bool: "boolean", int: "integer", float: "number", str: "string"}
_TYPE_NAMES |= {datetime: "datetime", date: "date"}
_FAMILIES = {
    "integer": r"[uU]?[iI]nt(8|16|32|64|128)(\[pyarrow\])?",
    "number": r"[fF]loat(16|32|64)|(float|double|halffloat)\[pyarrow\]|Sparse\[float.*\]",
    "boolean": r"bool|boolean|Boolean|bool\[pyarrow\]",
    "string": r"str|string(\[.*\])?|large_string\[pyarrow\]|String|Utf8|<U\d+",
    "time": r"datetime64\[.*\]|(timestamp|date32|date64)\[.*\]\[pyarrow\]|Date|Datetime(\(.*\))?",
    "category": r"category|Categorical(\(.*\))?|Enum\(.*\)|dictionary<.*>\[pyarrow\]",
    "object": r"object|Object|null\[pyarrow\]|Null",
}
# The families of dtypes that can hold the values of each kind of field.
_HELD_BY = {
    "number": {"number", "integer", "object"},
    "float": {"number", "integer", "object"},
    "integer": {"number", "integer", "object"},
    "boolean": {"boolean", "number", "integer", "object"},
    "string": {"string", "object"},
}
# The dtypes in which the columns of a data frame are held if no dtype is known.
_DEFAULTS = {
    "number": {"float64"},
    "integer": {"int64"},
    "boolean": {"bool"},
    "string": {"object", "str"},
}
_POLARS_DEFAULTS = {
    "number": {"Float64"},
    "integer": {"Int64"},
    "boolean": {"Boolean"},
    "string": {"String", "Utf8"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InputColumn:
    """A column of the X that a fitted estimator takes.

    :param name: the name that the column had in ``fit``; without names ``"x0"``, ``"x1"`` and so on
    :param type: ``"number"``, ``"integer"``, ``"string"``, ``"boolean"``, ``"datetime"``, or
        ``"any"`` if the estimator drops the column
    :param allowed: the values that the estimator knows, if it rejects all others
    :param nullable: whether the estimator accepts missing values
    :param missing: the missing value in X, ``nan`` or ``None``
    :param dtype: the dtype of the column in the data frame that the estimator was fitted on, as
        pandas or polars writes it, such as ``"int64"``, ``"boolean"``, ``"int64[pyarrow]"`` or
        ``"datetime64[ns, Europe/Oslo]"``; None to choose one from the type
    :param categories: the categories of a column of categories, in order
    :param is_ordered: whether the categories are ordered
    :param known: the values that the estimator knows, if it also accepts others
    :param label: the label of the column in the data frame, if it is an integer
    :param typical: a typical value in the training data; a date or time is a text in ISO 8601
    :param range: the smallest and the largest value in the training data, rounded outwards
    :param samples: values like those in the training data
    :param keeps_integers: whether numbers stay integers if a column of a request has only integers,
        because they are passed to a function that is not from scikit-learn
    """

    name: str
    type: str = "number"
    allowed: tuple[object, ...] | None = None
    nullable: bool = False
    missing: object = nan
    dtype: str | None = None
    categories: tuple[object, ...] | None = None
    is_ordered: bool = False
    known: tuple[object, ...] | None = field(default=None, compare=False)
    label: int | None = None
    typical: FieldValue = None
    range: tuple[FieldValue, FieldValue] | None = None
    samples: tuple[FieldValue, ...] = ()
    keeps_integers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The X that a fitted estimator takes.

    :param columns: the columns, in the order of ``fit``; None if their number is unknown
    :param named: whether the estimator was fitted with the names of the columns
    :param container: ``"array"``, ``"frame"`` (a pandas data frame), ``"polars"`` (a polars data
        frame), ``"sequence"`` (a list of texts), ``"mapping"`` (a list of mappings) or
        ``"nothing"`` (the estimator does not take rows of features)
    :param is_profiled: whether a profile of the training data describes the columns
    """

    columns: tuple[InputColumn, ...] | None = None
    named: bool = False
    container: str = "array"
    is_profiled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A compiled field of a schema.

    :param name: the name that clients use
    :param rules: the rules as they were declared
    :param definition: the rules as Cerberus takes them
    :param kind: the kind of the values in X: a type of :class:`InputColumn`, or ``"object"``
    :param column: the column of X that the field fills
    :param container: the container of X, as in :class:`Inputs`
    :ivar is_alias: whether the field only passes its value to another field
    :ivar storage: how X holds the column: ``"number"`` (float64), ``"integer"`` (int64),
        ``"boolean"``, ``"string"``, ``"object"``, or ``"typed"`` (in the dtype of the training
        data, which only :mod:`flask_skmodels.schema.dtypes` makes)
    :ivar is_time: whether all values are dates or times
    :ivar keeps_integers: whether a column of integers stays a column of integers, although the
        field takes numbers
    :ivar is_number: whether X holds numbers
    :ivar is_plain_number: whether the only rules are a number type and its bounds
    :ivar text_readers: functions that convert a text of a form or CSV
    :ivar typed_readers: functions that convert a text of JSON or Arrow
    """

    name: str
    rules: Rules
    definition: Rules
    kind: str
    column: InputColumn
    container: str = "array"
    storage: str = field(init=False)
    is_time: bool = field(init=False)
    keeps_integers: bool = field(init=False)
    nullable: bool = field(init=False)
    has_default: bool = field(init=False)
    is_alias: bool = field(init=False)
    is_number: bool = field(init=False)
    is_plain_number: bool = field(init=False)
    takes_text: bool = field(init=False)
    text_readers: tuple[TextReader, ...] = field(init=False)
    typed_readers: tuple[TextReader, ...] = field(init=False)

    def __post_init__(self) -> None:
        types = _types(self.definition)
        readers = () if "coerce" in self.rules else tuple(readers_of(types, TEXT_READERS))
        nullable = bool(self.definition.get("nullable"))
        is_time = bool(types) and set(types) <= TIME_KINDS
        keeps_integers = _keeps_integers(types, self.kind, self.column)
        is_typed = keeps_integers or (
            _is_held(self.kind, types, self.column)
            and _is_typed(self.kind, self.column, self.container, nullable)
        )
        is_typed |= is_time and self.column.dtype != "object"
        is_typed |= _is_inferred(self.kind, self.column)
        derived = {
            "nullable": nullable,
            "is_time": is_time,
            "keeps_integers": keeps_integers,
            "storage": "typed" if is_typed else _storage(self.kind, self.column, nullable),
            "has_default": not self.definition.keys().isdisjoint({"default", "default_setter"}),
            "is_alias": is_alias(self.rules),
            "is_number": self.kind in NUMBER_KINDS,
            "is_plain_number": _is_plain_number(self.definition),
            "takes_text": self.kind == "string" or "string" in types,
            "text_readers": readers,
            "typed_readers": tuple(readers_of(types, ISO_READERS)),
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    def read(self, value: object, *, text: bool) -> object:
        """Return the value that Cerberus validates.

        :param value: the value that the client sent
        :param text: whether the value came as text, as in a form or CSV
        :returns: the value; None if it is missing and the field is nullable; :data:`ABSENT` if the
            field counts as not sent, so that its default applies
        """
        if isinstance(value, str):
            # In a column whose type is not known, a blank cell is a missing value, not a text.
            takes_blank = self.takes_text and not _is_inferred(self.kind, self.column)
            if value == "" or (text and not takes_blank and value.isspace()):
                return read_blank(
                    nullable=self.nullable,
                    has_default=self.has_default,
                    takes_text=takes_blank,
                    is_text=text,
                )
            value = first_reading(self.text_readers if text else self.typed_readers, value)
        if self.nullable and isinstance(value, float) and isnan(value):
            return None
        if self.is_time and isinstance(value, date) and not isinstance(value, datetime):
            has_dates = "date" in _types(self.definition)
            return value if has_dates else datetime.combine(value, time.min)
        return value


def declared(declaration: Declaration) -> dict[str, dict[str, Any]]:
    """Return the rules of each field of a declared schema.

    :param declaration: a mapping of field names to Cerberus rules, a list of rules that each have
        ``name``, or a pydantic model
    :raises ModelError: the declaration is none of these, a name is missing or used twice, or the
        pydantic model has something that cannot be converted
    """
    if is_pydantic_model(declaration):
        return rules_of(declaration)
    if isinstance(declaration, Mapping):
        return {str(name): _rules(rules, f"field {name}") for name, rules in declaration.items()}
    if not isinstance(declaration, list | tuple):
        raise ModelError(
            "schema must be a mapping of names to rules, a list of rules that each have the key "
            '"name", or a pydantic model class'
        )
    fields: dict[str, dict[str, Any]] = {}
    for index, entry in enumerate(declaration):
        rules = _rules(entry, f"entry {index} of the schema")
        name = rules.pop("name", None)
        if not isinstance(name, str) or name in fields:
            raise ModelError(f"each entry of the schema needs a unique name, not {name!r}")
        fields[name] = rules
    return fields


def compile_field(name: str, rules: Rules, column: InputColumn, container: str = "array") -> Field:
    """Return the field for declared rules.

    :param name: the name that clients use
    :param rules: Cerberus rules and ``transform``
    :param column: the column of X that the field fills
    :param container: the container of X, as in :class:`Inputs`
    :raises ModelError: the field is not required, but there is no value for a missing field
    """
    definition = {rule: value for rule, value in rules.items() if rule != "transform"}
    coercers = [*as_list(rules.get("coerce")), *as_list(rules.get("transform"))]
    if coercers:
        definition["coerce"] = coercers if len(coercers) > 1 else coercers[0]
    _add_type(definition, rules)
    definition["nullable"] = bool(rules.get("nullable"))
    _add_required(name, definition)
    kind = _kind(definition, column)
    is_untyped = "type" not in definition and not is_alias(rules)
    if is_untyped and kind in NUMBER_TYPES | {"boolean"}:
        kind = "number"
        definition["finite"] = True
    return Field(
        name=name,
        rules=rules,
        definition=definition,
        kind=kind,
        column=column,
        container=container,
    )


def family_of(dtype: str) -> str | None:
    """Return the family of a dtype: ``"number"``, ``"integer"``, ``"boolean"``, ``"string"``,
    ``"time"``, ``"category"`` or ``"object"``; None for a dtype that no request can fill.

    :param dtype: the dtype as pandas or polars writes it
    """
    matches = (name for name, pattern in _FAMILIES.items() if re.fullmatch(pattern, dtype))
    return next(matches, None)


def _keeps_integers(types: Sequence[str], kind: str, column: InputColumn) -> bool:
    if kind != "number" or "float" in types:
        return False
    is_integer = column.dtype is not None and family_of(column.dtype) == "integer"
    return is_integer or (column.keeps_integers and column.dtype is None)


def _is_inferred(kind: str, column: InputColumn) -> bool:
    """Return whether pandas chooses the dtype, because neither estimator nor schema gives it."""
    return kind in {"object", "unknown"} and column.type == "unknown" and column.dtype is None


def _is_held(kind: str, types: Sequence[str], column: InputColumn) -> bool:
    """Return whether the dtype of a column can hold the values of all declared types.

    If it cannot, the declared types decide how the column is held.
    """
    family = None if column.dtype is None else family_of(column.dtype)
    if family is None or column.categories is not None or column.dtype == "category":
        return True
    return all(family in _HELD_BY[each] for each in (types or [kind]) if each in _HELD_BY)


def _is_typed(kind: str, column: InputColumn, container: str, nullable: bool) -> bool:
    """Return whether a data frame holds a column in a dtype that is not the default of its kind."""
    if column.categories is not None:
        return True
    if column.dtype is None:
        return False
    if column.dtype == "category":
        return True
    family = family_of(column.dtype)
    defaults = _POLARS_DEFAULTS if container == "polars" else _DEFAULTS
    if family == "object" or (kind == "boolean" and column.dtype in defaults["number"]):
        return False
    is_default = column.dtype in defaults.get(kind, ())
    return not is_default or (kind == "boolean" and nullable)


def _storage(kind: str, column: InputColumn, nullable: bool) -> str:
    family = "" if column.dtype is None else family_of(column.dtype)
    if kind == "any" or (family == "object" and kind != "string"):
        return "object"
    if kind == "boolean" and family == "number":
        return "number"
    if kind == "boolean" and nullable:  # a column of booleans would have False for a missing value
        return "number" if column.type in NUMBER_KINDS else "object"
    return kind


def is_alias(rules: Rules) -> bool:
    """Return whether a field only passes its value to another field, by Cerberus's ``rename``."""
    return not rules.keys().isdisjoint({"rename", "rename_handler"})


def _rules(rules: object, subject: str) -> dict[str, Any]:
    if isinstance(rules, str):
        rules = cerberus.rules_set_registry.get(rules)
    if not isinstance(rules, Mapping):
        raise ModelError(f"the rules of {subject} must be a mapping")
    return dict(rules)


def is_logical(rule: str) -> bool:
    """Return whether a rule combines other rules, such as ``anyof`` or ``allof_regex``."""
    return _LOGICAL_RULE.fullmatch(rule) is not None


def as_list(value: Any) -> list[Any]:
    """Return the value of a rule as a list; it may be one value, several values, or ``None``."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _is_plain_number(definition: Rules) -> bool:
    kind = definition.get("type")  # a text, or a list of types
    return isinstance(kind, str) and kind in NUMBER_TYPES and definition.keys() <= _PLAIN_RULES


def _types(definition: Rules) -> list[str]:
    return [name for name in as_list(definition.get("type")) if isinstance(name, str)]


def _add_type(definition: dict[str, Any], rules: Rules) -> None:
    if is_alias(rules) or not rules.keys().isdisjoint({"type", "coerce", "transform"}):
        return
    if "allowed" in rules:
        types = _types_of_values(rules["allowed"])
        if types:
            definition["type"] = types
    elif not any(_LOGICAL_RULE.fullmatch(rule) for rule in rules):
        definition["type"] = "number"


def _types_of_values(values: object) -> str | list[str] | None:
    if isinstance(values, str) or not isinstance(values, Iterable):
        return None  # Cerberus reports the error
    names = list(dict.fromkeys(_TYPE_NAMES.get(type(value), "") for value in values))
    if "" in names:
        return None
    if set(names) == NUMBER_KINDS:
        return "number"
    return names[0] if len(names) == 1 else names or None


def _add_required(name: str, definition: dict[str, Any]) -> None:
    if is_alias(definition):
        return
    has_default = "default" in definition or "default_setter" in definition
    if has_default or definition.setdefault("required", not definition["nullable"]):
        definition["required"] = True
    elif not definition["nullable"]:
        raise ModelError(
            f"field {name!r} is not required, but has no default and cannot be missing: give it a "
            "default, or make it nullable if the estimator accepts missing values"
        )


def _kind(definition: Rules, column: InputColumn) -> str:
    types = set(_types(definition))
    if not types:
        return column.type
    if types == {"integer"}:
        return "number" if definition["nullable"] else "integer"
    if types <= NUMBER_TYPES:
        return "number"
    if len(types) == 1 and types <= {"boolean", "string"}:
        return types.pop()
    return "object"
