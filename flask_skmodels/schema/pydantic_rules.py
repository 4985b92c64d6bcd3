"""The Cerberus rules of a pydantic model. What Cerberus cannot check is refused with its name.

Pydantic itself is not imported here, because its models have all that is needed.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from enum import Enum
from typing import Any, Literal, NoReturn, Union, get_args, get_origin

from flask_skmodels.exceptions import ModelError
from flask_skmodels.schema.types import FieldValue, Keywords

# The type rule of each type.
_TYPES = {
    float: "number",
    int: "integer",
    bool: "boolean",
    str: "string",
    datetime: "datetime",
    date: "date",
}
_NONE = type(None)
# Settings of a model that change which values it accepts.
_SETTINGS = (
    *("coerce_numbers_to_str", "populate_by_name", "str_max_length", "str_min_length"),
    *("str_strip_whitespace", "str_to_lower", "str_to_upper", "validate_by_name"),
)
_DECORATORS = {
    "validators": "validator",
    "field_validators": "validator",
    "root_validators": "validator",
    "model_validators": "validator",
    "computed_fields": "computed field",
}
_BOUNDS = {"ge": "min", "le": "max"}
_OPEN_BOUNDS = {"gt": ("min", 1), "lt": ("max", -1)}
_LENGTHS = {"min_length": "minlength", "max_length": "maxlength"}
_HARMLESS = frozenset({"strict", "allow_inf_nan", "fail_fast"})  # Cerberus rules are strict anyway
_FIELD_VALIDATORS = frozenset(
    {"AfterValidator", "BeforeValidator", "PlainValidator", "WrapValidator"}
)


def is_pydantic_model(declaration: object) -> bool:
    """Return whether the declaration of a schema is a pydantic model class."""
    return isinstance(declaration, type) and (
        hasattr(declaration, "model_fields") or hasattr(declaration, "__fields__")
    )


def forbids_unknown(declaration: object) -> bool:
    """Return whether a declaration is a pydantic model with ``extra="forbid"``."""
    config = getattr(declaration, "model_config", {}) if is_pydantic_model(declaration) else {}
    return config.get("extra") == "forbid"


def rules_of(model: Any) -> dict[str, dict[str, Any]]:
    """Return the rules of each field of a pydantic model, by the name that clients use.

    :param model: a subclass of ``pydantic.BaseModel``
    :raises ModelError: the model has something that cannot be converted; the message names it
    """
    if not hasattr(model, "model_fields"):
        raise ModelError(f"{model.__name__} is a model of pydantic 1, but pydantic 2 is needed")
    _check_model(model)
    rules: dict[str, dict[str, Any]] = {}
    for attribute, info in model.model_fields.items():
        place = f"field {attribute!r} of {model.__name__}"
        rules[_name_of(attribute, info, place)] = _Field(place).rules_of(info)
    return rules


def _check_model(model: Any) -> None:
    """Check that a model has only fields, whose rules can be converted.

    :raises ModelError: the model has a validator or a setting that cannot be converted
    """
    if model.__pydantic_root_model__:
        raise ModelError(f"{model.__name__} is a RootModel: a row needs fields with names")
    decorators = model.__pydantic_decorators__
    for kind, noun in _DECORATORS.items():
        for name in getattr(decorators, kind):
            raise ModelError(
                f"the {noun} {name!r} of {model.__name__} cannot be converted to the rules of a "
                "schema: put it into the pipeline, or write it as a Cerberus rule, with check_with"
            )
    for setting in _SETTINGS:
        if model.model_config.get(setting):
            raise ModelError(
                f"the setting {setting!r} of {model.__name__} cannot be converted to the rules of "
                "a schema"
            )


def _name_of(attribute: str, info: Any, place: str) -> str:
    """Return the name that clients use for a field: its alias, if it has one."""
    alias = info.validation_alias if info.validation_alias is not None else info.alias
    if alias is None:
        return attribute
    if not isinstance(alias, str):
        raise ModelError(
            f"{place}: its {type(alias).__name__} cannot be converted to the rules of a schema"
        )
    return alias


class _Field:
    """Converts one field.

    :param place: the field in words, for messages
    """

    def __init__(self, place: str) -> None:
        self._place = place
        self._rules: dict[str, Any] = {}
        self._open_bounds: dict[str, Any] = {}

    def rules_of(self, info: Any) -> dict[str, Any]:
        """Return the rules of a field.

        :param info: the ``FieldInfo`` of the field
        :raises ModelError: something cannot be converted; the message names it
        """
        self._add_type(info.annotation)
        for constraint in info.metadata:
            self._add_constraint(constraint)
        self._add_open_bounds()
        self._add_default(info)
        self._add_words(info)
        return self._rules

    def _add_type(self, annotation: Any) -> None:
        members = list(_members(annotation))
        names: list[str] = []
        choices: list[FieldValue] = []
        for member in members:
            if get_origin(member) is typing.Annotated:
                member, *constraints = get_args(member)
                for constraint in constraints:
                    self._add_constraint(constraint)
            found = _choices_of(member)
            if member is _NONE or found == [None]:
                self._rules["nullable"] = True
            elif found is not None:
                choices += found
            elif member in _TYPES:
                names.append(_TYPES[member])
            else:
                self._refuse(f"the type {_written(member)}")
        self._add_types(list(dict.fromkeys(names)), choices)

    def _add_types(self, names: list[str], choices: list[FieldValue]) -> None:
        if choices and names:
            self._refuse("a union of a type and a Literal or Enum")
        if "number" in names and "integer" in names:
            names.remove("integer")
        if None in choices:
            self._rules["nullable"] = True
        if choices:
            self._rules["allowed"] = [each for each in choices if each is not None]
        elif names:
            self._rules["type"] = names[0] if len(names) == 1 else names

    def _add_constraint(self, constraint: Any) -> None:
        """Add the rules of one object in the metadata of a field."""
        kind = type(constraint).__name__
        if constraint is None or isinstance(constraint, str):
            return  # a comment
        if kind in _FIELD_VALIDATORS:
            self._refuse(f"the {kind}")
        if kind == "FieldInfo":  # Annotated[int, Field(ge=0)] inside a union
            for inner in constraint.metadata:
                self._add_constraint(inner)
            return
        values = _attributes_of(constraint)
        if not values and kind not in {"Strict", "AllowInfNan"}:
            self._refuse(f"the constraint {kind}")
        for name, value in values.items():
            self._add_rule(name, value)

    def _add_rule(self, name: str, value: FieldValue) -> None:
        if value is None or name in _HARMLESS:
            return
        if name in _BOUNDS:
            self._add_bound(_BOUNDS[name], value)
        elif name in _OPEN_BOUNDS:
            self._open_bounds[name] = value
        elif name in _LENGTHS:
            if value:
                self._rules[_LENGTHS[name]] = value
        elif name == "pattern":
            self._rules["regex"] = self._regex_of(value)
        elif value is not False:
            self._refuse(f"the constraint {name!r}")

    def _add_bound(self, rule: str, value: FieldValue) -> None:
        known = self._rules.get(rule)
        if known is None or (value > known if rule == "min" else value < known):
            self._rules[rule] = value

    def _add_open_bounds(self) -> None:
        """Add exclusive bounds, which Cerberus does not have.

        For integers, the next integer is the bound; otherwise the bound is a forbidden value.
        """
        for name, value in self._open_bounds.items():
            rule, step = _OPEN_BOUNDS[name]
            if self._rules.get("type") == "integer" and isinstance(value, int):
                self._add_bound(rule, value + step)
                continue
            self._add_bound(rule, value)
            self._rules["forbidden"] = [*self._rules.get("forbidden", ()), value]

    def _regex_of(self, pattern: Any) -> str:
        """Return a regular expression for Cerberus, which compares it with the whole text.

        Pydantic searches for the pattern anywhere in the text.
        """
        if getattr(pattern, "flags", re.UNICODE) != re.UNICODE:
            self._refuse("a pattern with flags")
        text = str(getattr(pattern, "pattern", pattern))
        if text.startswith("^") and text.endswith("$") and "|" not in text:
            return text
        return rf"[\s\S]*?(?:{text})[\s\S]*"

    def _add_default(self, info: Any) -> None:
        if info.default_factory is not None:
            if info.default_factory_takes_validated_data:
                self._refuse("a default_factory that takes the other fields")
            factory = info.default_factory
            self._rules["default_setter"] = lambda document: _plain(factory())
        elif not info.is_required():
            default = _plain(info.default)
            if default is None:
                self._rules |= {"nullable": True, "required": False}
            else:
                self._rules["default"] = default
        elif self._rules.get("nullable"):
            self._rules["required"] = True  # null is a valid value, but the field must be sent

    def _add_words(self, info: Any) -> None:
        """Add the title, the description and the unit, which the pages and documents show."""
        extra = info.json_schema_extra if isinstance(info.json_schema_extra, Mapping) else {}
        meta = {
            "label": info.title,
            "description": info.description,
            "unit": extra.get("x-unit"),
        }
        given = {key: value for key, value in meta.items() if value}
        if given:
            self._rules["meta"] = given

    def _refuse(self, part: str) -> NoReturn:
        raise ModelError(f"{self._place}: {part} cannot be converted to the rules of a schema")


def _members(annotation: Any) -> Iterator[Any]:
    """Yield the members of a union, or else the annotation itself."""
    if get_origin(annotation) in {Union, types.UnionType}:
        for member in get_args(annotation):
            yield from _members(member)
    else:
        yield annotation


def _choices_of(member: Any) -> list[FieldValue] | None:
    """Return the values of a Literal or of an Enum, None for any other type."""
    if get_origin(member) is Literal:
        return [_plain(value) for value in get_args(member)]
    if isinstance(member, type) and issubclass(member, Enum):
        return [each.value for each in member]
    return None


def _attributes_of(constraint: Any) -> Keywords:
    """Return the constraints in an object: of annotated-types, or of pydantic."""
    slots = getattr(type(constraint), "__slots__", ())
    named = {name: getattr(constraint, name) for name in slots if hasattr(constraint, name)}
    return named | dict(getattr(constraint, "__dict__", {}))


def _plain(value: FieldValue) -> FieldValue:
    return value.value if isinstance(value, Enum) else value


def _written(annotation: object) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)
