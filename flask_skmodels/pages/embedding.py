"""Forms and predictions in the application's own templates, which have a global for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import current_app, has_request_context, request
from markupsafe import Markup

from flask_skmodels.exceptions import InvalidInput, SKModelsError, UnknownModel
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.pages.csrf import csrf_of
from flask_skmodels.pages.error_words import sentence_of
from flask_skmodels.pages.form_input import errors_of
from flask_skmodels.pages.input_form import Input, InputForm
from flask_skmodels.pages.results import RowResult, row_result
from flask_skmodels.schema.types import JSONObject
from flask_skmodels.state import State
from flask_skmodels.versions.version import ModelVersion
from flask_skmodels.web.cross_site import CrossSite, check_origin
from flask_skmodels.web.exchange import application
from flask_skmodels.web.http_errors import Problem


@dataclass(slots=True)
class Submission:
    """The form of a model, as it was sent in the current request.

    :param texts: texts of the inputs by name
    :param inputs: the inputs with their texts and errors
    :param general: messages of errors that belong to no input
    :param row: the row, None if it is not valid
    """

    texts: dict[str, str]
    inputs: Sequence[Input]
    general: list[str] = field(default_factory=list)
    row: JSONObject | None = None


class TemplateModels:
    """The models of an extension, for templates: ``{{ skmodels.form("iris") }}``.

    :param models: the extension
    """

    def __init__(self, models: Any) -> None:
        self._models = models

    def form(
        self, subject: Any, *, action: str = "", method: str = "post", submit: str = "Predict"
    ) -> Markup:
        """Return a form for one row of a model, with the texts and errors of the current request.

        :param subject: the name of a model, or a form of :meth:`flask_skmodels.Model.form`
        :param action: the URL that the form is sent to; by default the URL of the page
        :param method: ``"post"``, or ``"get"`` to send the values in the address
        :param submit: the text of the button
        :raises UnknownModel: there is no such model
        """
        options = {"action": action, "method": method, "submit": submit}
        if not isinstance(subject, str):
            return _drawn("form", form=_wtf_context(subject) | options)
        version = self._deployment(subject).current(application())
        form = self._form(version)
        sent = self._submission(version, form, method)
        inputs = form.inputs(form.initial())[0] if sent is None else sent.inputs
        for index, each in enumerate(inputs):
            each.id = f"{subject}-{index}"
        context = {
            "model": subject,
            "inputs": inputs,
            "general": [] if sent is None else sent.general,
            "hidden": self._hidden(form, subject, method),
            "hidden_tag": "",
            "others": (),
        }
        return _drawn("form", form=context | options)

    def prediction(
        self,
        subject: Any,
        row: Any = None,
        *,
        method: str | None = None,
        version: Any = None,
        form_method: str = "post",
    ) -> Markup:
        """Return the prediction of one row, with the probabilities if the model serves them.

        :param subject: the name of a model, or a :class:`~flask_skmodels.Prediction` of one row
        :param row: the row; by default the row of the form that was sent in the current request. If
            none was sent, nothing is drawn
        :param method: the name of the estimator's method; by default the model's first
        :param version: the label of a version; by default the live one
        :param form_method: ``"get"`` if the form was drawn with ``method="get"``
        :raises UnknownModel: there is no such model, version or method
        """
        if isinstance(subject, Prediction):
            live = self._deployment(subject.model).current(application())  # its version may be gone
            return _drawn("prediction", result=_result_of(subject, live), errors=())
        if row is None:
            served = self._deployment(subject).current(application())
            sent = self._submission(served, self._form(served), form_method)
            if sent is None:
                return Markup("")
            if sent.row is None:
                return _drawn("prediction", result=None, errors=["The input is not valid."])
            row = sent.row
        result, errors = self._predicted(subject, row, method, version)
        return _drawn("prediction", result=result, errors=errors)

    def _predicted(
        self, name: str, row: Any, method: str | None, label: str | None
    ) -> tuple[RowResult | None, list[str]]:
        """Return the prediction of a row, or the error messages if there is none."""

        try:
            prediction = self._models.predict(name, [row], method, version=label)
            version = self._deployment(name).version(application(), prediction.version)
            is_label = method is None and prediction.method == "predict"
            if not is_label or "predict_proba" not in version.methods:
                return _result_of(prediction, version), []
            options = {"method": "predict_proba", "version": prediction.version}
            probabilities = self._models.predict(name, [row], **options)
            return _result_of(prediction, version, probabilities), []
        except UnknownModel:
            raise
        except InvalidInput as error:
            return None, [sentence_of(each) for each in error.errors]
        except SKModelsError as error:
            return None, [Problem(error).detail]

    def _form(self, version: ModelVersion) -> InputForm:
        state: State = current_app.extensions[self._models.name]
        return InputForm.of(version, state.settings.hidden_fields)

    def _deployment(self, name: str) -> Deployment:
        state: State = current_app.extensions[self._models.name]
        found = state.deployments.get(name)
        if found is None:
            raise UnknownModel.named(name, state.deployments)
        return found

    def _submission(self, version: ModelVersion, form: InputForm, method: str) -> Submission | None:
        """Return the form of a model that was sent in the current request, None if it was not sent.

        :param method: the HTTP method of the form; only with ``"get"`` the form is read from the
            address
        """
        if not has_request_context():
            return None
        in_address = method.lower() == "get"
        sent = request.args if in_address else request.form
        if sent.get(_marker(self._models.name, form)) != version.name:
            return None
        texts = form.texts(sent)
        if self._is_cross_site() and not (in_address and _is_followed()):
            inputs, _ = form.inputs(texts)
            return Submission(texts, inputs, [CrossSite.description])
        errors = errors_of(version, form, texts)
        inputs, general = form.inputs(texts, errors)
        return Submission(texts, inputs, general, None if errors else form.row(texts))

    def _is_cross_site(self) -> bool:
        if "Origin" not in request.headers and "Sec-Fetch-Site" not in request.headers:
            return False  # the client is not a browser
        state: State = current_app.extensions[self._models.name]
        try:
            check_origin(request, state.settings.trusted_origins)
        except CrossSite:
            return True
        return False

    def _hidden(self, form: InputForm, name: str, method: str) -> list[tuple[str, str]]:
        """Return the hidden inputs: one names the model, another has the token of Flask-WTF."""
        token = None if method.lower() == "get" else csrf_of(application())
        return [(_marker(self._models.name, form), name), *([] if token is None else [token])]


def _wtf_context(form: Any) -> JSONObject:
    """Return the variables of a form of Flask-WTF."""
    inputs, name = form.inputs(), form._version.name
    for index, each in enumerate(inputs):
        each.id = f"{name}-{index}"
    others = form.other_fields()
    hidden = [error for each in others if _is_hidden(each) for error in each.errors]
    return {
        "model": name,
        "inputs": inputs,
        "general": [*form.form_errors, *hidden],
        "hidden": (),
        "hidden_tag": form.hidden_tag(),
        "others": [each for each in others if not _is_hidden(each)],
    }


def _is_followed() -> bool:
    """Return whether the visitor opens the address, such as by a link, and no page embeds it."""
    return request.headers.get("Sec-Fetch-Dest") == "document"


def _is_hidden(field: Any) -> bool:
    return getattr(field.widget, "input_type", "") == "hidden"


def _marker(name: str, form: InputForm) -> str:
    """Return the name of the hidden input that names the model; no field has this name."""
    known = {each.name for each in form.fields}
    while name in known:
        name += "_"
    return name


def _result_of(
    prediction: Prediction, version: ModelVersion, probabilities: Prediction | None = None
) -> RowResult:
    """Return what is shown of the prediction of one row.

    :raises ValueError: the prediction has several rows
    """
    if prediction.rows != 1:
        raise ValueError(f"a template shows the prediction of one row, not of {prediction.rows}")
    return row_result(prediction, version, probabilities, None, {})


def _drawn(macro: str, **arguments: Any) -> Markup:
    """Return what a macro draws; the application's macro if it has a template of this name."""
    template = current_app.jinja_env.get_template(f"skmodels/embed/{macro}.html")
    return Markup(getattr(template.module, macro)(**arguments))  # noqa: S704 - it is escaped there
