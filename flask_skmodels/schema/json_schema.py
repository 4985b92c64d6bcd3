"""JSON Schema of the fields of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from flask_skmodels.schema.fields import NUMBER_KINDS, Field, as_list
from flask_skmodels.schema.rows import plain
from flask_skmodels.schema.types import FieldValue, JSONMapping, JSONObject, JSONValue

VALUES = "values"
COLUMNS = "columns"
OPEN_ARRAY = {"type": "array", "items": {"type": "number"}, "minItems": 1}

_TYPES: dict[str, JSONObject] = {
    "number": {"type": "number"},
    "float": {"type": "number"},
    "integer": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "string": {"type": "string"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
    "list": {"type": "array", "items": {}},
    "dict": {"type": "object"},
}
# The JSON Schema keyword of each Cerberus rule, by JSON type.
_BOUNDS = {"min": "minimum", "max": "maximum"}
_TIME_BOUNDS = {"min": "formatMinimum", "max": "formatMaximum"}
_LENGTHS = {
    "string": {"minlength": "minLength", "maxlength": "maxLength"},
    "array": {"minlength": "minItems", "maxlength": "maxItems"},
    "object": {"minlength": "minProperties", "maxlength": "maxProperties"},
}
_COERCERS = (int, float, str, bool)  # both their argument and their result have the declared type
TRAINING = frozenset({"examples", "x-training-range"})  # keywords that only inform
_META = {"label": "title", "unit": "x-unit", "description": "description"}


def object_schema(fields: Sequence[Field], *, additional: bool) -> JSONObject:
    """Return the schema of a row with named fields.

    :param fields: the fields of the model
    :param additional: whether unknown fields are allowed
    """
    has_aliases = any(field.is_alias for field in fields)
    required = [
        field.name
        for field in fields
        if field.definition.get("required") and not field.has_default and not has_aliases
    ]
    schema: JSONObject = {
        "type": "object",
        "properties": {field.name: field_schema(field) for field in fields},
        "required": required,
    }
    return schema if additional else {**schema, "additionalProperties": False}


def values_schema(fields: Sequence[Field], *, additional: bool = True) -> JSONObject:
    """Return the schema of a row without names.

    :param fields: one field for each value; empty if their number is not known
    :param additional: whether other fields are allowed besides ``values``
    """
    values = array_schema(fields) if fields else OPEN_ARRAY
    schema = {"type": "object", "properties": {VALUES: values}, "required": [VALUES]}
    return schema if additional else {**schema, "additionalProperties": False}


def field_schema(field: Field) -> JSONObject:
    """Return the schema of one field; it allows any value if a function coerces the field.

    The schema has a typical value and the range of the training data, if they are known.
    """
    return _rules_schema(field) | _training_schema(field)


def _training_schema(field: Field) -> JSONObject:
    """Return the keywords of :data:`TRAINING`, which accept and reject nothing."""
    typical, bounds = typical_value(field), field.column.range
    schema: JSONObject = {} if typical is None else {"examples": [typical]}
    return schema if bounds is None else schema | {"x-training-range": list(bounds)}


def typical_value(field: Field) -> JSONValue:
    """Return a typical value of the training data, None if the rules accept none."""
    typical, rules = field.column.typical, field.definition
    is_allowed = typical in rules.get("allowed", (typical,))
    if typical is None or not is_allowed or "coerce" in rules:
        return None
    if isinstance(typical, str):
        return typical
    is_within = bool(rules.get("min", typical) <= typical <= rules.get("max", typical))
    return typical if is_within else None


def typical_row(fields: Sequence[Field], *, unnamed: bool = False) -> JSONObject | None:
    """Return a row of typical values of the training data, None if a required value is not known.

    :param fields: the fields of the model
    :param unnamed: whether a row has one field for all values
    """
    row: JSONObject = {}
    for field in fields:
        value = typical_value(field)
        if value is None and not field.is_alias and (unnamed or not field.has_default):
            return None
        row |= {} if value is None else {field.name: value}
    return {VALUES: list(row.values())} if unnamed and row else row or None


def _rules_schema(field: Field) -> JSONObject:
    definition = field.definition
    schema = _value_schema(field) if _is_declared(definition.get("coerce")) else {}
    if "default" in definition:
        schema["default"] = jsonable(definition["default"])
    meta = definition.get("meta") or {}
    return schema | {keyword: meta[key] for key, keyword in _META.items() if key in meta}


def array_schema(fields: Sequence[Field]) -> JSONObject:
    """Return the schema of a row as an array, with one item for each field in order."""
    items = [_rules_schema(field) for field in fields if not field.is_alias]
    sized = {"type": "array", "minItems": len(items), "maxItems": len(items)}
    if all(item == items[0] for item in items):
        return {**sized, "items": items[0]}
    return {**sized, "prefixItems": items}


def columns_schema(row: JSONMapping, fields: Sequence[Field]) -> JSONObject:
    """Return the schema of a request that holds columns instead of rows.

    :param row: the schema of a row
    :param fields: the fields of the model
    """
    if VALUES in row["properties"] and not any(field.name == VALUES for field in fields):
        columns = _unnamed_columns(row["properties"][VALUES])
    else:
        columns = {
            "type": "object",
            "properties": {name: _column(each) for name, each in row["properties"].items()},
            "required": row["required"],
            "additionalProperties": row.get("additionalProperties", {"type": "array", "items": {}}),
        }
    return {"type": "object", "properties": {COLUMNS: columns}, "required": [COLUMNS]}


def form_schema(row: JSONMapping, fields: Sequence[Field]) -> JSONObject:
    """Return the schema of a row as a form, where an empty text is a missing value.

    :param row: the schema of a row
    :param fields: the fields of the model
    """
    properties = {name: _without_null(each) for name, each in row["properties"].items()}
    if VALUES in properties and not any(field.name == VALUES for field in fields):
        properties[VALUES] = {"type": "string", "description": "the values, separated by commas"}
    return {**row, "properties": properties}


def _column(values: JSONMapping) -> JSONObject:
    return {"type": "array", "items": values, "minItems": 1}


def _unnamed_columns(array: JSONMapping) -> JSONObject:
    """Return the schema of columns without known names, one for each item of a row's array."""
    kinds = array.get("prefixItems") or [array["items"]]
    distinct = [kind for index, kind in enumerate(kinds) if kind not in kinds[:index]]
    values = distinct[0] if len(distinct) == 1 else {"anyOf": distinct}
    sizes = {"minItems": "minProperties", "maxItems": "maxProperties"}
    counts = {keyword: array[size] for size, keyword in sizes.items() if size in array}
    return {"type": "object", "additionalProperties": _column(values), **counts}


def _without_null(values: JSONMapping) -> JSONObject:
    kinds = values.get("type")
    if not isinstance(kinds, list):
        return dict(values)
    others = [kind for kind in kinds if kind != "null"]
    schema = {**values, "type": others[0] if len(others) == 1 else others}
    if "enum" in schema:
        schema["enum"] = [value for value in schema["enum"] if value is not None]
    return schema


def _is_declared(coerce: object) -> bool:
    return all(coercer in _COERCERS for coercer in as_list(coerce))


def _value_schema(field: Field) -> JSONObject:
    definition = field.definition
    schema = _type_schema(definition.get("type"), nullable=field.nullable)
    for rule, keyword in _keywords(schema).items():
        if rule in definition:
            schema[keyword] = jsonable(definition[rule])
    if "allowed" in definition:
        _add_allowed(schema, jsonable(definition["allowed"]), nullable=field.nullable)
    if "regex" in definition:
        schema["pattern"] = _pattern(definition["regex"])
    if definition.get("empty") is False:
        schema.setdefault("minLength", 1)
    if "forbidden" in definition:
        schema["not"] = {"enum": jsonable(definition["forbidden"])}
    return schema


def _keywords(schema: JSONMapping) -> dict[str, str]:
    """Return the JSON Schema keyword of each Cerberus rule, for the types of a schema."""
    kinds = as_list(schema.get("type", "number"))
    keywords = dict(_TIME_BOUNDS if "format" in schema else {})
    keywords |= _BOUNDS if NUMBER_KINDS.intersection(kinds) else {}
    for kind, lengths in _LENGTHS.items():
        keywords |= lengths if kind in kinds else {}
    return keywords


def _add_allowed(schema: JSONObject, allowed: list[JSONValue], *, nullable: bool) -> None:
    if schema.get("type") == "array":
        schema["items"] = {"enum": allowed}
    else:
        schema["enum"] = [*allowed, None] if nullable else allowed


def _pattern(regex: str) -> str:
    """Return a regular expression for a search that finds the texts that Cerberus matches."""
    whole = regex if regex.endswith("$") else f"{regex}$"
    return f"^(?:{whole})" if "|" in regex else f"^{whole.removeprefix('^')}"


def _type_schema(types: JSONValue, *, nullable: bool) -> JSONObject:
    names = [types] if isinstance(types, str) else list(types or ())
    schemas = [dict(_TYPES[name]) for name in names if name in _TYPES]
    if not schemas:
        return {}
    merged: JSONObject = {key: value for each in schemas for key, value in each.items()}
    formats = {schema.get("format") for schema in schemas if schema["type"] == "string"}
    if len(formats) > 1:
        merged.pop("format")
    kinds = list(dict.fromkeys(schema["type"] for schema in schemas)) + ["null"] * nullable
    return merged | {"type": kinds[0] if len(kinds) == 1 else kinds}


def jsonable(value: FieldValue) -> JSONValue:
    """Return a value of a declaration in a form that JSON can represent."""
    value = plain(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): jsonable(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset | range):
        return [jsonable(entry) for entry in value]
    return value if value is None or isinstance(value, str | int | float) else str(value)
