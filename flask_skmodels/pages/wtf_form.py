"""Form classes of Flask-WTF, made from the schema of a model.

This module needs Flask-WTF; :meth:`Model.form <flask_skmodels.Model.form>` imports it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from keyword import iskeyword
from typing import Any, ClassVar

from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    DateField,
    DateTimeLocalField,
    FloatField,
    IntegerField,
    SelectField,
    StringField,
    TextAreaField,
)

from flask_skmodels.pages.form_input import errors_of
from flask_skmodels.pages.input_form import Input, InputForm
from flask_skmodels.schema.fields import Field
from flask_skmodels.schema.text_values import ABSENT
from flask_skmodels.schema.types import JSONObject
from flask_skmodels.versions.version import ModelVersion

try:
    from wtforms.fields.choices import SelectChoice
except ImportError:  # WTForms before 3.3
    SelectChoice = None

_TextReader = Callable[[str], Any]


class ModelForm(FlaskForm):  # type: ignore[misc]
    """Base class of the forms of models: a form for one row, validated as the model validates it.

    The names of the fields are those of the schema. If the name of a field is not a Python
    identifier, or is the name of an attribute of forms, such as ``data``, the attribute has an
    underscore; ``form["data"]`` takes the name itself.

    :ivar row: the row in its JSON form; None until it is valid
    """

    row: JSONObject | None = None
    form_errors: list[str]
    _version: ClassVar[ModelVersion]
    _form: ClassVar[InputForm]
    _predict: ClassVar[Callable[..., Any]]
    _attributes: ClassVar[Mapping[str, str]]

    def validate(self, extra_validators: Any = None) -> bool:
        """Return whether the form is valid for its validators and for the model.

        The errors of the model are set on their fields; errors that belong to no field are in
        ``form_errors``.
        """
        is_valid = bool(super().validate(extra_validators))
        form, texts = self._form, self.texts()
        inputs, general = form.inputs(texts, errors_of(self._version, form, texts))
        for each in inputs:
            field = self[each.name]
            field.errors = [*field.errors, *each.errors]
        self.form_errors = [*self.form_errors, *general]
        is_valid = is_valid and not general and not any(each.errors for each in inputs)
        self.row = form.row(texts) if is_valid else None
        return is_valid

    def predict(self, method: str | None = None) -> Any:
        """Return the prediction of the row, as ``models.predict`` does.

        :param method: the name of the estimator's method; by default the model's first
        :raises RuntimeError: the form was not validated, or is not valid
        """
        if self.row is None:
            raise RuntimeError("the form has no valid row: call validate_on_submit first")
        return type(self)._predict(self._version.name, self.row, method)

    def texts(self) -> dict[str, str]:
        """Return the text of each input, as a browser sends it."""
        named = {name: _text_of(self[name]) for name in self._attributes}
        given = {name: text for name, text in named.items() if text is not None}
        return self._form.texts(given)

    def inputs(self) -> list[Input]:
        """Return the inputs with their texts and errors, to be drawn by a macro."""
        inputs, _ = self._form.inputs(self.texts())
        for each in inputs:
            each.errors = list(self[each.name].errors)
            each.name = self[each.name].name  # with the prefix of the form
        return inputs

    def other_fields(self) -> list[Any]:
        """Return the fields that are not from the model: the token, and fields of a subclass."""
        own = set(self._attributes.values())
        return [field for name, field in self._fields.items() if name not in own]

    def __getitem__(self, name: str) -> Any:
        return self._fields[self._attributes.get(name, name)]

    def __contains__(self, name: str) -> bool:
        return self._attributes.get(name, name) in self._fields


def form_class(
    version: ModelVersion, predict: Callable[..., Any], hidden: Collection[str]
) -> type[ModelForm]:
    """Return a form class for one row of a version.

    :param version: the version
    :param predict: called with the name of the model, a row and a method
    :param hidden: names of the hidden fields, whose training data the form does not show
    """
    form = InputForm.of(version, hidden)
    texts = form.initial()
    inputs, _ = form.inputs(texts)
    attributes = _attributes_of([each.name for each in inputs])
    fields = {each.name: each for each in form.fields}
    namespace: dict[str, Any] = {
        attributes[each.name]: _field(each, _reader_of(fields.get(each.name))) for each in inputs
    }
    namespace |= {"_version": version, "_form": form, "_attributes": attributes}
    namespace["_predict"] = staticmethod(predict)
    words = [word[:1].upper() + word[1:] for word in version.name.replace("-", "_").split("_")]
    return type(f"{''.join(words)}Form", (ModelForm,), namespace)


def _attributes_of(names: list[str]) -> dict[str, str]:
    """Return the name of the attribute for each field; no two are the same."""
    attributes: dict[str, str] = {}
    for name in names:
        attribute = "".join(c if f"a{c}".isidentifier() else "_" for c in name).lstrip("_")
        if not attribute.isidentifier() or iskeyword(attribute):
            attribute = f"field_{attribute}"
        while hasattr(ModelForm, attribute) or attribute in attributes.values():
            attribute += "_"
        attributes[name] = attribute
    return attributes


def _reader_of(field: Field | None) -> _TextReader:
    """Return a function that reads the value of a field from a text, None if there is none."""

    def read(text: str) -> Any:
        value = text if field is None else field.read(text, text=True)
        return None if value is ABSENT or value == "" else value

    return read


class _Hints:
    """A validator that checks nothing; WTForms draws its flags as attributes of the input."""

    def __init__(self, **flags: Any) -> None:
        self.field_flags = flags

    def __call__(self, form: Any, field: Any) -> None:
        return None


class _Read:
    """A field whose text is read as the model reads it; errors come from the model."""

    data: Any

    def __init__(self, *arguments: Any, read: _TextReader, **options: Any) -> None:
        self.read = read
        super().__init__(*arguments, **options)

    def process_formdata(self, valuelist: list[str]) -> None:
        if valuelist:
            self.data = self.read(valuelist[0])


class _Number(_Read, FloatField):  # type: ignore[misc]
    pass


class _WholeNumber(_Read, IntegerField):  # type: ignore[misc]
    pass


class _Date(_Read, DateField):  # type: ignore[misc]
    pass


class _DateTime(_Read, DateTimeLocalField):  # type: ignore[misc]
    pass


class _Text(_Read, StringField):  # type: ignore[misc]
    pass


class _Area(_Read, TextAreaField):  # type: ignore[misc]
    pass


_CLASSES = {"date": _Date, "datetime-local": _DateTime, "area": _Area}


def _field(each: Input, read: _TextReader) -> Any:
    """Return the unbound field for an input."""
    flags = dict(each.attributes) | ({"required": True} if each.is_required else {})
    options: dict[str, Any] = {
        "label": f"{each.label} ({each.unit})" if each.unit else each.label,
        "name": each.name,
        "description": each.hint,
        "validators": [_Hints(**flags)],
        "default": read(each.value),
    }
    if each.kind == "checkbox":
        return BooleanField(**options)
    if each.kind == "select":
        choices = [pair if SelectChoice is None else SelectChoice(*pair) for pair in each.options]
        return SelectField(choices=choices, coerce=read, validate_choice=False, **options)
    if each.kind == "number":
        kind = _WholeNumber if each.attributes.get("step") == 1 else _Number
        return kind(read=read, **options)
    return _CLASSES.get(each.kind, _Text)(read=read, **options)


def _text_of(field: Any) -> str | None:
    """Return the text that was sent for a field, None if the sent form lacks it.

    If no form was sent, this is the text of the field's data.
    """
    if field.raw_data is not None:
        return str(field.raw_data[0]) if field.raw_data else None
    if field.data is None:
        return ""
    if isinstance(field.data, bool):
        return "true" if field.data else "false"
    return str(field.data.isoformat() if hasattr(field.data, "isoformat") else field.data)
