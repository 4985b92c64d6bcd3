"""The form of a model: what is drawn for each field of its schema, and what is read from it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from flask_skmodels.errors import InputError
from flask_skmodels.schema.fields import ABSENT, Field
from flask_skmodels.schema.json_schema import VALUES, field_schema
from flask_skmodels.versions.version import ModelVersion

MOST_OPTIONS = 500  # of a select; beyond, the value is typed
MOST_POSITIONS = 40  # that have an input each; beyond, all are in one text
_ITEM = re.compile(r"item (\d+): (.*)", re.DOTALL)
_INPUTS = {"number": "number", "integer": "number", "boolean": "checkbox"}
_FORMATS = {"date": "date", "date-time": "datetime-local"}


@dataclass(slots=True, kw_only=True)
class Input:
    """One input of a form.

    :ivar name: what it is called in the form
    :ivar id: what it is called in the page
    :ivar label: what a person reads
    :ivar kind: ``"select"``, ``"area"``, or a type of HTML's input
    :ivar value: the text in it
    :ivar hint: what may be given
    :ivar unit: in which it is measured
    :ivar options: values and texts of a select
    :ivar attributes: ``min``, ``max``, ``step`` and so on
    :ivar is_required: whether it must be given
    :ivar errors: what is wrong with the value
    """

    name: str
    label: str
    id: str = ""
    kind: str = "text"
    value: str = ""
    hint: str = ""
    unit: str = ""
    options: Sequence[tuple[str, str]] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    is_required: bool = True
    errors: list[str] = field(default_factory=list)


class Form:
    """The form of a version of a model.

    :param version: the version that it is drawn for
    """

    def __init__(self, version: ModelVersion) -> None:
        self._version = version
        schema = version.schema
        self.fields = [each for each in schema.fields if not each.is_alias]
        self._is_one = schema.unnamed and not 0 < len(self.fields) <= MOST_POSITIONS

    def initial(self, place: int = 0) -> dict[str, str]:
        """Return the texts that the form begins with: an example of the model's, and its defaults.

        :param place: which of the examples
        """
        examples = self._version.model.examples
        values = {each.name: each.definition.get("default") for each in self.fields}
        if place < len(examples):
            values |= self._named(examples[place])
        texts = {name: _text(value) for name, value in values.items() if value is not None}
        return {VALUES: ", ".join(texts.values())} if self._is_one else texts

    def inputs(
        self, texts: Mapping[str, str], errors: Iterable[InputError] = ()
    ) -> tuple[list[Input], list[str]]:
        """Return the inputs, and what is wrong with none of them in particular.

        :param texts: what is in them, by name
        :param errors: what is wrong
        """
        drawn = [self._area()] if self._is_one else [_input(each) for each in self.fields]
        by_name = {each.name: each for each in drawn}
        general = []
        for error in errors:
            name, message = self._placed(error)
            if name in by_name:
                by_name[name].errors.append(message)
            else:
                general.append(message)
        for place, each in enumerate(drawn):
            each.id, each.value = f"field-{place}", texts.get(each.name, "")
        return drawn, general

    def texts(self, form: Mapping[str, str]) -> dict[str, str]:
        """Return what a form says of the inputs; a box that is not checked is not sent.

        :param form: the names and values that were sent
        """
        if self._is_one:
            return {VALUES: form.get(VALUES, "")}
        boxes = {each.name: "false" for each in self.fields if _is_checkbox(each)}
        sent = {each.name: form[each.name] for each in self.fields if each.name in form}
        return boxes | sent

    def pairs(self, texts: Mapping[str, str]) -> list[tuple[str, str]]:
        """Return the fields of a form as the prediction address takes them.

        :param texts: what is in the inputs, by name
        """
        if not self._version.schema.unnamed or self._is_one:
            return list(texts.items())
        return [(VALUES, ",".join(texts.get(each.name, "") for each in self.fields))]

    def row(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """Return the row that texts say, as JSON has it.

        :param texts: what is in the inputs, by name
        """
        if self._is_one:
            return {VALUES: [_number(part) for part in texts.get(VALUES, "").split(",")]}
        read = {each.name: _read(each, texts.get(each.name, "")) for each in self.fields}
        if self._version.schema.unnamed:
            return {VALUES: [None if v is ABSENT else v for v in read.values()]}
        return {name: value for name, value in read.items() if value is not ABSENT}

    def _named(self, example: Any) -> dict[str, Any]:
        if isinstance(example, Mapping) and VALUES not in example:
            return {str(name): value for name, value in example.items()}
        values = example[VALUES] if isinstance(example, Mapping) else example
        if isinstance(values, str) or not isinstance(values, Iterable):
            values = [values]  # of the only field
        names = [each.name for each in self.fields] or [str(place) for place in range(len(values))]
        return dict(zip(names, values, strict=False))

    def _area(self) -> Input:
        count = len(self.fields)
        hint = f"{count} numbers" if count else "numbers"
        return Input(name=VALUES, label="Values", kind="area", hint=f"{hint}, comma separated")

    def _placed(self, error: InputError) -> tuple[str | None, str]:
        """Return the name of the input that an error is about, and what it says there."""
        found = _ITEM.fullmatch(error.message) if error.field == VALUES else None
        if found is None or self._is_one or int(found[1]) >= len(self.fields):
            return error.field, error.message
        return self.fields[int(found[1])].name, found[2]


def _input(each: Field) -> Input:
    schema = field_schema(each)
    options = _options(each, schema)
    kind = "select" if options else _kind(each, schema)
    return Input(
        name=each.name,
        label=str(schema.get("title", each.name)),
        kind=kind,
        hint=str(schema.get("description", "")) or _hint(schema, kind),
        unit=str(schema.get("x-unit", "")),
        options=options,
        attributes=_attributes(schema, kind),
        is_required=not (each.nullable or each.has_default or kind == "checkbox"),
    )


def _kind(each: Field, schema: Mapping[str, Any]) -> str:
    types = [name for name in _listed(schema.get("type")) if name != "null"]
    if len(types) != 1:
        return "number" if {*types} == {"number", "integer"} else "text"
    if types == ["string"]:
        return _FORMATS.get(schema.get("format", ""), "text")
    return _INPUTS.get(types[0], "text")


def _is_checkbox(each: Field) -> bool:
    schema = field_schema(each)
    return not _options(each, schema) and _kind(each, schema) == "checkbox"


def _options(each: Field, schema: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the values that are chosen from, with their texts; none where one is typed."""
    values = [value for value in schema.get("enum", ()) if value is not None]
    is_missable = each.nullable or each.has_default
    if schema.get("type") == ["boolean", "null"]:
        values = [False, True]
    if not 0 < len(values) <= MOST_OPTIONS:
        return []
    options = [(_text(value), _text(value)) for value in values]
    return ([("", "not given")] if is_missable else [("", "choose")]) + options


def _attributes(schema: Mapping[str, Any], kind: str) -> dict[str, Any]:
    low, high = _bounds(schema)
    found = {"min": low, "max": high}
    if kind == "number":
        found["step"] = 1 if "integer" in _listed(schema.get("type")) else "any"
    elif kind == "datetime-local":
        found["step"] = 1  # seconds
    elif kind == "text":
        found = {"minlength": schema.get("minLength"), "maxlength": schema.get("maxLength")}
    return {name: value for name, value in found.items() if value is not None}


def _bounds(schema: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the least and the most that may be given, None where there is no bound."""
    low = schema.get("minimum", schema.get("formatMinimum"))
    return low, schema.get("maximum", schema.get("formatMaximum"))


def _hint(schema: Mapping[str, Any], kind: str) -> str:
    """Return what the kind of an input does not tell by itself."""
    if kind in {"select", "checkbox"}:
        return ""
    whole = ["whole number"] if kind == "number" and schema.get("type") == "integer" else []
    low, high = _bounds(schema)
    if low is not None and high is not None:
        return ", ".join([*whole, f"from {low} to {high}"])
    bounds = {"at least": low, "at most": high}
    return ", ".join([*whole, *(f"{t} {v}" for t, v in bounds.items() if v is not None)])


def _read(each: Field, text: str) -> Any:
    value = each.read(text, text=True)
    return value.isoformat() if isinstance(value, date) else value


def _number(text: str) -> Any:
    try:
        return float(text) if not text.strip().isdecimal() else int(text)
    except ValueError:
        return text.strip()


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, date) else str(value)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
