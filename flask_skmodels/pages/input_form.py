"""The HTML form of a model: an input for each field of its schema, and the row read from it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from math import isfinite
from typing import Any
from weakref import WeakKeyDictionary

from flask_skmodels.exceptions import InputError
from flask_skmodels.pages.charts import round_width
from flask_skmodels.pages.error_words import words_of
from flask_skmodels.pages.starting_values import bounds_of, starting_values, whole
from flask_skmodels.pages.value_texts import format_value, grouped
from flask_skmodels.schema.fields import NUMBER_KINDS, Field, as_list
from flask_skmodels.schema.hidden_fields import fields_to_show, shown_names
from flask_skmodels.schema.json_schema import VALUES, field_schema
from flask_skmodels.schema.schema import Schema
from flask_skmodels.schema.text_values import ABSENT
from flask_skmodels.schema.types import JSONMapping, JSONObject
from flask_skmodels.telemetry.drift.bins import label_of
from flask_skmodels.versions.version import ModelVersion

MAX_OPTIONS = 500  # of a select; for a field with more values, a text is typed
MAX_SUGGESTIONS = 200  # values that are offered for a field
MAX_IN_HINT = 6  # values that the hint of a field lists
SLIDER_STEPS = 200
LONG_TEXT = 60  # characters; a field that may have more gets a box with several lines
LINKED = "fill."  # precedes the name of a field in the parameters of a link to a filled-in form
MAX_POSITIONS = 40  # inputs for a row without names; a longer row is typed as one text
_ITEM = re.compile(r"item (\d+): (.*)", re.DOTALL)
_INPUTS = {"number": "number", "integer": "number", "boolean": "checkbox"}
_FORMATS = {"date": "date", "date-time": "datetime-local"}
_OF_A_REQUEST = {"id", "value", "errors"}  # attributes of an input that differ between requests


@dataclass(slots=True, kw_only=True)
class Input:
    """An input of a form.

    :ivar name: name in the form
    :ivar id: identifier in the page
    :ivar label: label above the input
    :ivar kind: ``"select"``, ``"area"``, or a type of the HTML ``input`` element
    :ivar value: text in the input
    :ivar hint: the values that the field accepts, in words
    :ivar unit: unit of the value
    :ivar options: values and texts of a select
    :ivar attributes: HTML attributes such as ``min``, ``max`` and ``step``
    :ivar suggestions: values that are offered; other values are accepted too
    :ivar slider: the lowest value, the highest value and the step of a number with bounds
    :ivar is_required: whether a value must be given
    :ivar errors: messages about the value
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
    suggestions: Sequence[str] = ()
    slider: tuple[float, float, float] | None = None
    is_required: bool = True
    errors: list[str] = field(default_factory=list)


class InputForm:
    """The form for one row of a model.

    A row without names has a single input for all values if it has more than ``MAX_POSITIONS``
    values, or if the number of values is not known.

    The form does not refer to the version, so that it does not keep an unloaded version in memory.

    :param version: the version of the model
    :param hidden: names of the hidden fields, as in ``SKMODELS_LOG_HIDDEN_FIELDS``; the form does
        not show their training data
    :ivar fields: the fields of the model, without aliases
    :ivar labels: the label of each input and the unit of its value, by name
    :ivar hidden_names: names of the inputs whose values are not kept anywhere
    :ivar source: the source of the first values of a form without an example, as in
        :class:`.StartingValues`; empty if the form is empty at first
    """

    def __init__(self, version: ModelVersion, hidden: Collection[str] = ()) -> None:
        self._examples = version.model.examples
        self._is_unnamed = version.schema.unnamed
        fields = fields_to_show(version.schema, hidden)
        self.fields = [each for each in fields if not each.is_alias]
        starting = starting_values(version, self.fields)
        self._starting = starting.values
        self._is_single = self._is_unnamed and not 0 < len(self.fields) <= MAX_POSITIONS
        self.source = starting.source if self._starting_values() else ""
        self.hidden_names = self._hidden_names(version.schema, hidden)
        empty = [self._area()] if self._is_single else self._inputs()
        self._empty = [
            {name: getattr(each, name) for name in Input.__slots__ if name not in _OF_A_REQUEST}
            for each in empty
        ]
        self.labels = {each.name: (each.label, each.unit) for each in empty}
        self._checkboxes = [each.name for each in empty if each.kind == "checkbox"]

    @classmethod
    def of(cls, version: ModelVersion, hidden: Collection[str] = ()) -> InputForm:
        """Return the form of a version.

        It is made only once for each version, because making it takes longer than filling it in.
        """
        forms, key = _forms.setdefault(version, {}), frozenset(hidden)
        form = forms.get(key)
        if form is None:
            form = forms[key] = cls(version, key)
        return form

    def initial(self, index: int = 0) -> dict[str, str]:
        """Return the initial texts of the inputs: an example of the model, and the defaults.

        A model without examples has typical values of its training data instead, or values that the
        schema allows.

        :param index: index of the example
        """
        examples = self._examples
        values = {each.name: each.definition.get("default") for each in self.fields}
        if index < len(examples):
            values |= self._by_name(examples[index])
        elif not examples:
            values |= self._starting_values()
        texts = {name: _text(whole(value)) for name, value in values.items() if value is not None}
        return {VALUES: ", ".join(texts.values())} if self._is_single else texts

    def linked(self, parameters: Mapping[str, str]) -> dict[str, str]:
        """Return the texts in the parameters of a link, empty if there are none.

        :param parameters: the parameters of the URL
        """
        names = self._names() - self.hidden_names
        return {name: parameters[key] for name in names if (key := LINKED + name) in parameters}

    def link(self, texts: Mapping[str, str]) -> list[tuple[str, str]]:
        """Return the parameters of a link to the form with these texts; see :meth:`linked`."""
        left_out = self.hidden_names
        return [(LINKED + name, text) for name, text in texts.items() if name not in left_out]

    def _hidden_names(self, schema: Schema, hidden: Collection[str]) -> set[str]:
        if not hidden:
            return set()
        is_named = not self._is_single
        return self._names() - (shown_names(schema, hidden) if is_named else set())

    def _names(self) -> set[str]:
        return {VALUES} if self._is_single else {each.name for each in self.fields}

    def inputs(
        self, texts: Mapping[str, str], errors: Iterable[InputError] = ()
    ) -> tuple[list[Input], list[str]]:
        """Return the inputs, and the messages of errors that belong to no input.

        :param texts: texts of the inputs by name
        :param errors: errors of the request
        """
        inputs = [
            Input(id=f"field-{index}", value=texts.get(each["name"], ""), **each)
            for index, each in enumerate(self._empty)
        ]
        by_name = {each.name: each for each in inputs}
        general = []
        for error in errors:
            name, message = self._input_of_error(error)
            if name in by_name:
                by_name[name].errors.append(message)
            else:
                general.append(message)
        return inputs, general

    def texts(self, form: Mapping[str, str]) -> dict[str, str]:
        """Return the text of each input; browsers do not send checkboxes that are not checked.

        :param form: names and values that were sent
        """
        if self._is_single:
            return {VALUES: form.get(VALUES, "")}
        boxes = dict.fromkeys(self._checkboxes, "false")
        sent = {each.name: form[each.name] for each in self.fields if each.name in form}
        return boxes | sent

    def pairs(self, texts: Mapping[str, str]) -> list[tuple[str, str]]:
        """Return the form fields to decode, as a client sends them to the prediction URL.

        :param texts: texts of the inputs by name
        """
        if not self._is_unnamed or self._is_single:
            return list(texts.items())
        return [(VALUES, ",".join(texts.get(each.name, "") for each in self.fields))]

    def row(self, texts: Mapping[str, str]) -> JSONObject:
        """Return the row in the inputs, in its JSON form.

        :param texts: texts of the inputs by name
        """
        if self._is_single:
            return {VALUES: [_number(part) for part in texts.get(VALUES, "").split(",")]}
        values = {each.name: _read(each, texts.get(each.name, "")) for each in self.fields}
        if self._is_unnamed:
            return {VALUES: [None if v is ABSENT else v for v in values.values()]}
        return {name: value for name, value in values.items() if value is not ABSENT}

    def _inputs(self) -> list[Input]:
        return [_input(each, is_alone=len(self.fields) == 1) for each in self.fields]

    def _starting_values(self) -> JSONMapping:
        """Return the values without an example; for a row typed as one text, all or none."""
        is_whole = all(each.name in self._starting for each in self.fields)
        return self._starting if is_whole or not self._is_single else {}

    def _by_name(self, example: Any) -> JSONObject:
        """Return an example as an object: each value under the name of its field."""
        if isinstance(example, Mapping) and VALUES not in example:
            return {str(name): value for name, value in example.items()}
        values = example[VALUES] if isinstance(example, Mapping) else example
        if isinstance(values, str) or not isinstance(values, Iterable):
            values = [values]  # the value of the only field
        names = [each.name for each in self.fields] or [str(index) for index in range(len(values))]
        return dict(zip(names, values, strict=False))

    def _area(self) -> Input:
        count = len(self.fields)
        hint = f"{count} numbers" if count else "numbers"
        return Input(name=VALUES, label="Values", kind="area", hint=f"{hint}, separated by commas")

    def _input_of_error(self, error: InputError) -> tuple[str | None, str]:
        """Return the name of the input that an error belongs to, and the message to show there."""
        words = words_of(error)
        match = _ITEM.fullmatch(words) if error.field == VALUES else None
        if match is None or self._is_single or int(match[1]) >= len(self.fields):
            return error.field, words
        return self.fields[int(match[1])].name, match[2]


def labels_of(version: ModelVersion | None, hidden: Collection[str]) -> dict[str, str]:
    """Return the label of each field by its name, or nothing if no version is loaded.

    :param hidden: names of the hidden fields, as for :class:`InputForm`
    """
    labels = {} if version is None else InputForm.of(version, hidden).labels
    return {name: label for name, (label, _) in labels.items()}


_forms: WeakKeyDictionary[ModelVersion, dict[frozenset[str], InputForm]] = WeakKeyDictionary()


def _input(each: Field, *, is_alone: bool) -> Input:
    schema = field_schema(each)
    options = _options(each, schema)
    kind = "select" if options else _kind(each, schema)
    suggestions = _suggestions(each) if kind in {"text", "number"} else []
    if kind == "text" and not suggestions and _is_long(schema, is_alone=is_alone):
        kind = "area"
    return Input(
        name=each.name,
        label=str(schema.get("title", each.name)),
        kind=kind,
        hint=_with_known(_hint_of(schema, kind), schema, suggestions if kind == "text" else ()),
        unit=str(schema.get("x-unit", "")),
        options=options,
        attributes=_attributes(schema, kind),
        suggestions=suggestions,
        slider=_slider(schema) if kind == "number" else None,
        is_required=not (each.nullable or each.has_default or kind == "checkbox"),
    )


def _kind(each: Field, schema: JSONMapping) -> str:
    types = [name for name in as_list(schema.get("type")) if name != "null"]
    if len(types) != 1:
        return "number" if {*types} == NUMBER_KINDS else "text"
    if types == ["string"]:
        return _FORMATS.get(schema.get("format", ""), "text")
    return _INPUTS.get(types[0], "text")


def _options(each: Field, schema: JSONMapping) -> list[tuple[str, str]]:
    """Return the values to choose from with their texts, an empty list if the value is typed."""
    values = [value for value in schema.get("enum", ()) if value is not None]
    may_be_missing = each.nullable or each.has_default
    if schema.get("type") == ["boolean", "null"]:
        values = [False, True]
    if not 0 < len(values) <= MAX_OPTIONS:
        return []
    options = [(_text(value), _label(value)) for value in values]
    return ([("", "not given")] if may_be_missing else [("", "choose")]) + options


def _suggestions(each: Field) -> list[str]:
    """Return the values that the estimator knows, or that were frequent in its training data."""
    column = each.column
    if "coerce" in each.definition:
        return []
    frequent = column.samples if column.type == "string" else ()
    known = column.known or column.categories or frequent
    return list(dict.fromkeys(_text(whole(value)) for value in known))[:MAX_SUGGESTIONS]


def _is_long(schema: JSONMapping, *, is_alone: bool) -> bool:
    """Return whether the value of a field may be a long text."""
    if schema.get("type") not in ("string", ["string", "null"]) or "pattern" in schema:
        return False
    texts = [*schema.get("examples", ()), schema.get("default")]
    is_long = any(isinstance(text, str) and len(text) > LONG_TEXT for text in texts)
    return is_alone or is_long or schema.get("maxLength", 0) > LONG_TEXT


def _slider(schema: JSONMapping) -> tuple[float, float, float] | None:
    """Return the lowest value, the highest value and the step, None if a bound is missing."""
    training = tuple(schema.get("x-training-range", ())) or (None, None)
    low, high = (
        b if b is not None else t for b, t in zip(bounds_of(schema), training, strict=True)
    )
    numbers = all(isinstance(each, int | float) and isfinite(each) for each in (low, high))
    if not numbers or not 1e-300 < high - low < 1e300:
        return None
    step = round_width((high - low) / SLIDER_STEPS)
    is_integer = "integer" in as_list(schema.get("type"))
    return low, high, max(1, round(step)) if is_integer else step


def _attributes(schema: JSONMapping, kind: str) -> JSONObject:
    low, high = bounds_of(schema)
    attributes = {"min": low, "max": high}
    if kind == "number":
        attributes["step"] = 1 if "integer" in as_list(schema.get("type")) else "any"
    elif kind == "datetime-local":
        attributes["step"] = 1  # second
    elif kind in {"text", "area"}:
        attributes = {"minlength": schema.get("minLength"), "maxlength": schema.get("maxLength")}
    return {name: value for name, value in attributes.items() if value is not None}


def _hint_of(schema: JSONMapping, kind: str) -> str:
    """Return the description of a field, or the accepted values, with the range in training."""
    hint = str(schema.get("description", "")) or _hint(schema, kind)
    bounds = tuple(schema.get("x-training-range", ()))
    if not bounds or bounds == bounds_of(schema):
        return hint
    return "; ".join(filter(None, [hint, training_in_words(schema)]))


def _with_known(hint: str, schema: JSONMapping, values: Sequence[str]) -> str:
    """Return a hint with the values that are known from the estimator or its training data."""
    more = ", …" if len(values) > MAX_IN_HINT else ""
    known = f"in training: {', '.join(values[:MAX_IN_HINT])}{more}" if values else ""
    others = "other values are accepted" if values and "enum" not in schema else ""
    return "; ".join(filter(None, [hint, known, others]))


def training_in_words(schema: JSONMapping) -> str:
    """Return the range of a field in the training data, empty if it is not known."""
    bounds = schema.get("x-training-range")
    texts = [_bound_text(label_of(whole(each)), schema) for each in bounds or ()]
    return f"trained on {' to '.join(texts)}" if texts else ""


def limits_in_words(schema: JSONMapping, kind: str) -> str:
    """Return the limits of a field, empty if the kind of its input shows them."""
    return _hint(schema, kind)


def _hint(schema: JSONMapping, kind: str) -> str:
    """Return the accepted values in words, empty if the kind of the input shows them."""
    if kind in {"select", "checkbox"}:
        return ""
    kinds = ["whole number"] if kind == "number" and schema.get("type") == "integer" else []
    low, high = (None if v is None else _limit_text(v, schema) for v in bounds_of(schema))
    if low is not None and high is not None:
        return ", ".join([*kinds, f"from {low} to {high}"])
    bounds = {"at least": low, "at most": high}
    limits = [f"{words} {text}" for words, text in bounds.items() if text is not None]
    return ", ".join([*kinds, *limits])


def _limit_text(value: Any, schema: JSONMapping) -> str:
    """Return a limit with all digits, because it is enforced; a date without a time of 0:00."""
    return _bound_text(label_of(str(whole(value))), schema)


def _bound_text(text: str, schema: JSONMapping) -> str:
    """Return a number with separators, unless the numbers of the field are codes."""
    return text if "enum" in schema else grouped(text)


def _read(each: Field, text: str) -> Any:
    value = each.read(text, text=True)
    return value.isoformat() if isinstance(value, date) else value


def _number(text: str) -> Any:
    try:
        return float(text) if not text.strip().isdecimal() else int(text)
    except ValueError:
        return text.strip()


def _label(value: Any) -> str:
    return format_value(value) if isinstance(value, bool) else _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, date) else str(value)
