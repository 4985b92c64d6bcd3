"""JSON Schema of compiled fields."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from flask_skmodels.fields import Field

VALUES = "values"

_TYPES = {
    "number": {"type": "number"},
    "float": {"type": "number"},
    "integer": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "string": {"type": "string"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
    "list": {"type": "array"},
    "dict": {"type": "object"},
}
_RULES = {
    "min": "minimum",
    "max": "maximum",
    "allowed": "enum",
    "minlength": "minLength",
    "maxlength": "maxLength",
    "default": "default",
}
_META = {"label": "title", "unit": "x-unit", "description": "description"}


def object_schema(fields: Sequence[Field], *, additional: bool) -> dict[str, Any]:
    """Return the schema of a row with named fields.

    :param fields: the fields
    :param additional: whether unknown fields are allowed
    """
    has_aliases = any(field.is_alias for field in fields)
    required = [
        field.name
        for field in fields
        if field.definition.get("required") and not field.has_default and not has_aliases
    ]
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {field.name: field_schema(field) for field in fields},
        "required": required,
    }
    return schema if additional else {**schema, "additionalProperties": False}


def values_schema(fields: Sequence[Field] | None, *, additional: bool = True) -> dict[str, Any]:
    """Return the schema of a row without names.

    :param fields: one field a value; None where their number is open
    :param additional: whether other fields are allowed beside the values
    """
    values: dict[str, Any] = {"type": "array", "items": {"type": "number"}, "minItems": 1}
    if fields is not None:
        items = [field_schema(field) for field in fields]
        values |= {"minItems": len(items), "maxItems": len(items)}
        if all(item == items[0] for item in items):
            values["items"] = items[0]
        else:
            values |= {"prefixItems": items, "items": False}
    schema = {"type": "object", "properties": {VALUES: values}, "required": [VALUES]}
    return schema if additional else {**schema, "additionalProperties": False}


def field_schema(field: Field) -> dict[str, Any]:
    """Return the schema of one field."""
    definition = field.definition
    schema = _type_schema(definition.get("type"), nullable=field.nullable)
    for rule, keyword in _RULES.items():
        if rule in definition and not callable(definition[rule]):
            schema[keyword] = _jsonable(definition[rule])
    if field.nullable and "enum" in schema:
        schema["enum"] = [*schema["enum"], None]
    if "regex" in definition:
        schema["pattern"] = _pattern(definition["regex"])
    if definition.get("empty") is False:
        schema.setdefault("minLength", 1)
    if "forbidden" in definition:
        schema["not"] = {"enum": _jsonable(definition["forbidden"])}
    meta = definition.get("meta") or {}
    return schema | {keyword: meta[key] for key, keyword in _META.items() if key in meta}


def _pattern(regex: str) -> str:
    """Return a regular expression that finds what Cerberus matches from the beginning."""
    whole = regex if regex.endswith("$") else f"{regex}$"
    return f"^(?:{whole})" if "|" in regex else f"^{whole.removeprefix('^')}"


def _type_schema(types: Any, *, nullable: bool) -> dict[str, Any]:
    names = [types] if isinstance(types, str) else list(types or ())
    schemas = [dict(_TYPES[name]) for name in names if name in _TYPES]
    if not schemas:
        return {}
    merged: dict[str, Any] = {key: value for each in schemas for key, value in each.items()}
    kinds = list(dict.fromkeys(schema["type"] for schema in schemas)) + ["null"] * nullable
    return merged | {"type": kinds[0] if len(kinds) == 1 else kinds}


def _jsonable(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple | set | frozenset | range):
        return [_jsonable(entry) for entry in value]
    return value if value is None or isinstance(value, str | int | float) else str(value)
