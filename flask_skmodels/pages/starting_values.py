"""The first values of a form: of an example, of the training data, or of the schema."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from math import floor
from typing import Any

from flask_skmodels.exceptions import InvalidInput
from flask_skmodels.pages.charts import round_width
from flask_skmodels.schema.fields import NUMBER_KINDS, Field, as_list
from flask_skmodels.schema.json_schema import VALUES, field_schema, typical_value
from flask_skmodels.schema.rows import from_python
from flask_skmodels.schema.types import JSONMapping, JSONObject
from flask_skmodels.versions.version import ModelVersion

_STEPS = 100  # between the bounds of a made-up number


@dataclass(frozen=True, slots=True)
class StartingValues:
    """The first values of the form of a model without examples.

    :ivar values: the value of each field; fields without a value are empty at first
    :ivar source: ``"training"`` if all values are typical of the training data, ``"schema"`` if
        none is, else ``"both"``
    """

    values: JSONMapping
    source: str


def starting_values(version: ModelVersion, fields: Sequence[Field]) -> StartingValues:
    """Return typical values of the training data and defaults, or else values that are allowed.

    :param version: the version of the model
    :param fields: the fields of the model, without aliases
    """
    typical = _without_none({each.name: whole(typical_value(each)) for each in fields})
    defaults = _without_none({each.name: each.definition.get("default") for each in fields})
    known = typical | defaults
    others = [each for each in fields if each.name not in known]
    allowed = defaults | _without_none({each.name: _made_up(each) for each in others})
    source = _source(typical.keys() - defaults.keys(), allowed)
    return StartingValues(_accepted(version, known | allowed), source)


def whole(value: Any) -> Any:
    """Return a whole number as an int, which is shown without a decimal point."""
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
    return int(value) if is_whole else value


def bounds_of(schema: JSONMapping) -> tuple[Any, Any]:
    """Return the lowest and the highest value that a field accepts, None if unbounded."""
    low = schema.get("minimum", schema.get("formatMinimum"))
    return low, schema.get("maximum", schema.get("formatMaximum"))


def _source(typical: Collection[str], allowed: Collection[str]) -> str:
    if not typical:
        return "schema"
    return "both" if allowed else "training"


def _without_none(values: JSONMapping) -> JSONObject:
    return {name: value for name, value in values.items() if value is not None}


def _made_up(field: Field) -> Any:
    """Return a value that the rules of a field seem to allow, None if no value is found."""
    schema = field_schema(field)
    choices = [each for each in schema.get("enum", ()) if each is not None]
    known = choices or list(field.column.known or field.column.categories or ())
    if known and "coerce" not in field.definition:
        return known[0]
    kinds = {*as_list(schema.get("type"))} - {"null"}
    if kinds & NUMBER_KINDS:
        return _number(schema, is_integer="number" not in kinds)
    if kinds == {"boolean"}:
        return False
    return _date(schema) if kinds == {"string"} and "format" in schema else None


def _number(schema: JSONMapping, *, is_integer: bool) -> Any:
    low, high = bounds_of(schema)
    if low is None or high is None:
        return next((each for each in (low, high) if each is not None), 0)
    middle = low / 2 + high / 2
    if is_integer:
        return floor(middle)
    step = round_width((high - low) / _STEPS) if 0 < high - low < 1e300 else 0.0
    rounded = round(middle / step) * step if step else middle
    return whole(float(f"{rounded:.12g}")) if low <= rounded <= high else middle


def _date(schema: JSONMapping) -> str:
    bound = next((str(each) for each in bounds_of(schema) if each is not None), None)
    today = date.today().isoformat()
    return bound or (today if schema["format"] == "date" else f"{today}T12:00:00")


def _accepted(version: ModelVersion, values: JSONMapping) -> JSONMapping:
    """Return the values without those that a rule of the model's own rejects."""
    row = {VALUES: list(values.values())} if version.schema.unnamed else dict(values)
    with suppress(Exception):  # a check of the application may raise anything
        try:
            version.schema.clean(from_python([row]))
        except InvalidInput as error:
            wrong = {each.field for each in error.errors}
            return {name: value for name, value in values.items() if name not in wrong}
    return values
