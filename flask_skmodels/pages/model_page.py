"""The page of a model: a form for one row, a form for a file, and the predictions for both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

from flask import Response
from werkzeug.exceptions import NotFound

from flask_skmodels.codecs.codec import FILE, Codec, Source
from flask_skmodels.codecs.form import FormCodec
from flask_skmodels.codecs.parts import are_large
from flask_skmodels.codecs.registration import reader_of, writers
from flask_skmodels.exceptions import InputError, InvalidInput
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.models import EXPLAIN
from flask_skmodels.pages import charts, code_samples, traffic_statistics
from flask_skmodels.pages.csrf import csrf_of
from flask_skmodels.pages.error_words import words_of
from flask_skmodels.pages.file_progress import Steps, predict_file, upload_response
from flask_skmodels.pages.form_input import FormPairs
from flask_skmodels.pages.form_redirect import REDIRECTED
from flask_skmodels.pages.input_form import Input, InputForm
from flask_skmodels.pages.page import (
    base_of,
    chosen_label,
    chosen_version,
    error_page,
    estimator_of,
    has_drift,
    recent_traffic_of,
    render_page,
    varied,
)
from flask_skmodels.pages.rejected_rows_file import rejected_rows_file
from flask_skmodels.pages.results import (
    RowResult,
    data_url,
    file_name,
    file_result,
    row_result,
)
from flask_skmodels.pages.uploaded_table import (
    EXCEL_ADVICE,
    RENAMED,
    UploadedTable,
    uploaded_table,
)
from flask_skmodels.pages.value_texts import format_value, percent, plain_text
from flask_skmodels.pages.what_if import (
    Curve,
    CurveRows,
    curve,
    curve_field,
    curve_fields,
    curve_method,
)
from flask_skmodels.schema.json_schema import VALUES
from flask_skmodels.schema.types import JSONObject
from flask_skmodels.state import State
from flask_skmodels.versions.version import ModelVersion
from flask_skmodels.web.body import Body, UploadedFile
from flask_skmodels.web.exchange import Exchange
from flask_skmodels.web.fast_path import parsed_form
from flask_skmodels.web.http_errors import Problem
from flask_skmodels.web.negotiation import needed_for, prefers_page
from flask_skmodels.web.predict import Predictor
from flask_skmodels.web.responses import json_response
from flask_skmodels.web.views import BaseView, PredictionView

MAX_LINK_LENGTH = 4_000  # characters; some servers refuse longer URLs
BEGINNING = 65_536  # bytes of a file that are read to check its columns before it is predicted
MAX_ERRORS = 20  # errors of a file that are listed
MEANINGS = {
    "predict": "the predictions",
    "predict_proba": "the probability of each class, that is of each possible answer",
    EXPLAIN: "the contribution of each field",
}
_EXCEL = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods")


class ModelPage(BaseView):
    """``/{name}/``: the description of a model, and forms to send rows to it.

    A client that is no browser and posts to this URL gets the response of the model's first method.

    :param state: the extension on this application
    :param deployment: the model
    """

    template = "model.html"
    methods: ClassVar[list[str]] = ["GET", "POST"]

    def __init__(self, state: State, deployment: Deployment) -> None:
        self._state = state
        self._deployment = deployment
        self._predictor = Predictor(deployment, state.settings)
        self._first_method = PredictionView(self._predictor, None)

    def respond(self, exchange: Exchange) -> Response:
        request = exchange.request
        if request.method == "POST":
            is_form = prefers_page(request) and request.mimetype in FormCodec.reads
            return varied(self._post(exchange) if is_form else self._first_method.respond(exchange))
        version = chosen_version(self._deployment, exchange)
        if not prefers_page(request):
            return varied(json_response(self._describe(exchange, version)))
        form = self._form(version)
        example = max(request.args.get("example", 0, type=int), 0)
        texts = form.initial(example) | form.linked(request.args)
        return self._page(exchange, version, texts)

    def _form(self, version: ModelVersion) -> InputForm:
        return InputForm.of(version, self._state.settings.hidden_fields)

    def _describe(self, exchange: Exchange, version: ModelVersion) -> JSONObject:
        """Return the description of the model, including the chosen version."""
        described = self._deployment.describe(exchange.app)
        if chosen_label(self._deployment, exchange) is None:
            return described
        return described | version.describe(self._deployment.hidden_fields)

    def refuse(self, exchange: Exchange, exception: Exception) -> Response:
        return error_page(self._state, exchange, exception)

    def _post(self, exchange: Exchange) -> Response:
        """Return the page with the predictions for a form that was sent from it."""
        exchange.label = chosen_label(self._deployment, exchange)
        version = self._predictor.version(exchange)
        request = exchange.request
        body = Body(request, self._predictor.budget)
        is_file = request.mimetype == "multipart/form-data"
        # The fields of the row form can have any name, so its method is in the URL.
        named = (parsed_form(request)[0] if is_file else request.args).get("method")
        method = named or version.default_method
        if method not in version.methods:
            raise NotFound("this version does not serve the method")
        if is_file:
            steps = self._predict_file(exchange, version, method, body)
            return upload_response(self, exchange, steps)
        return self._predict_row(exchange, version, method, body)

    def _predict_row(
        self, exchange: Exchange, version: ModelVersion, method: str, body: Body
    ) -> Response:
        """Return the page with the prediction for the form of one row."""
        form = self._form(version)
        texts = form.texts(_fields_of(body))
        fields = FormPairs(form.pairs(texts), body)
        name = exchange.request.args.get("curve")
        try:
            result = self._row_result(exchange, version, method, fields)
            order = [bar.label for _, bars in result.groups[:1] for bar in bars]
            called = exchange, version, texts
            drawn = None if name is None else self._curve(*called, name, body, order=order)
        except InvalidInput as error:
            status = Problem(error).status
            return self._page(exchange, version, texts, errors=error.errors, status=status)
        return self._page(exchange, version, texts, row_result=result, curve=drawn)

    def _curve(
        self,
        exchange: Exchange,
        version: ModelVersion,
        texts: Mapping[str, str],
        name: str,
        body: Body,
        *,
        order: Sequence[str],
    ) -> Curve:
        """Return the answer over the range of a field, from one prediction of several rows."""
        form = self._form(version)
        field = curve_field(version, form, name)
        rows = CurveRows(form, texts, field, body.budget.max_rows)
        method = curve_method(version)
        prediction = self._predictor.predict(exchange, version, method, rows, body)
        return curve(version, prediction, rows, field, texts.get(name, ""), order=order)

    def _row_result(
        self, exchange: Exchange, version: ModelVersion, method: str, fields: FormPairs
    ) -> RowResult:
        def predict(called: str) -> Prediction:
            return self._predictor.predict(exchange, version, called, FormCodec(), fields)

        prediction, also = predict(method), _methods_with_first(version)
        is_first = method == version.default_method
        others = {name: predict(name) for name in also if is_first}
        labels = self._form(version).labels
        probabilities, explanation = others.get("predict_proba"), others.get(EXPLAIN)
        return row_result(prediction, version, probabilities, explanation, labels)

    def _predict_file(
        self, exchange: Exchange, version: ModelVersion, method: str, body: Body
    ) -> Steps[Response]:
        """Return the page, or a file to download, with the predictions for an uploaded file."""
        texts = self._form(version).initial()
        shown: dict[str, Any] = {}
        try:
            shown["has_file"] = bool(body.files)
            file, codec = _file_of(body)
            is_check = "check" in exchange.request.args
            source: Source = _Beginning(file) if is_check else file
            table = uploaded_table(source, codec, version.schema, _renamed(exchange))
            shown["columns"] = table.columns
            if is_check:
                return self._page(exchange, version, texts, **shown)
            called = exchange, version, method
            prediction = yield from predict_file(self._predictor, called, codec, table)
        except InvalidInput as error:
            status = Problem(error).status
            if "columns" in shown:
                shown |= _rejected(error, table, codec, version)
            return self._page(exchange, version, texts, file_errors=error, status=status, **shown)
        if "download" in exchange.request.args:
            is_large = are_large(prediction.outputs)
            encode = codec.encode_parts if is_large else codec.encode
            return _attachment(encode(prediction), codec, self._deployment.name)
        result = file_result(prediction, version, codec, self._form(version).labels)
        return self._page(exchange, version, texts, file_result=result, **shown)

    def _page(
        self,
        exchange: Exchange,
        version: ModelVersion,
        texts: Mapping[str, str],
        *,
        errors: Sequence[InputError] = (),
        status: int = 200,
        **shown: Any,
    ) -> Response:
        context = self._context(exchange, version, texts, errors) | shown
        response = render_page(self._state, exchange, self.template, **context)
        response.status_code = status
        return response

    def _context(
        self,
        exchange: Exchange,
        version: ModelVersion,
        texts: Mapping[str, str],
        errors: Sequence[InputError],
    ) -> JSONObject:
        name, form = self._deployment.name, self._form(version)
        inputs, general = form.inputs(texts, errors)
        recent_traffic = recent_traffic_of(self._state)
        live = self._deployment.versions.live
        return {
            **dict.fromkeys(("row_result", "file_result", "file_errors", "curve")),
            **dict.fromkeys(("columns", "rejected_rows", "has_file")),
            "is_checked": "check" in exchange.request.args,
            "model": self._describe(exchange, version),
            "live": None if live is None else live.label,
            "chosen": chosen_label(self._deployment, exchange),
            "origin": _origin(version, form, exchange),
            "estimator": estimator_of(version),
            "curve_fields": curve_fields(version, form),
            "has_drift": has_drift(self._state, self._deployment),
            "inputs": inputs,
            "columns_named": _columns_named(inputs),
            "is_redirected": REDIRECTED in exchange.request.args,
            "general": general,
            "methods": _methods_shown(version),
            "file_methods": version.methods,
            "default_method": version.default_method,
            "fields": {field.name for field in version.schema.fields} | {"values"},
            **self._samples(exchange, version, form.row(texts)),
            **self._link(exchange, form, texts),
            "suffixes": [suffix for codec in writers() for suffix in codec.suffixes],
            "reasons": self._reasons(),
            "summary": traffic_statistics.summary(
                recent_traffic.of(name), recent_traffic.window(name)
            ),
            "csrf": csrf_of(exchange.app),
            "histogram": charts.histogram,
            "bar_width": charts.bar_width,
            "format_value": format_value,
            "percent": percent,
            "plain_text": plain_text,
            "most_errors": MAX_ERRORS,
            "words_of": words_of,
            "meanings": MEANINGS,
        }

    def _samples(
        self, exchange: Exchange, version: ModelVersion, row: Mapping[str, object]
    ) -> JSONObject:
        """Return the code samples for a row and for a file."""
        login = code_samples.login_of(self._state.settings.security_schemes)
        label = chosen_label(self._deployment, exchange)
        path = "" if label is None else f"/versions/{quote(label, safe='')}"
        url = f"{self._url(exchange)}{path}/{version.default_method}/"
        return {
            "samples": code_samples.samples(url, row, login),
            "login_words": code_samples.login_words(login),
            "curl_file": code_samples.curl_file(url, "text/csv", "rows.csv", login),
        }

    def _link(self, exchange: Exchange, form: InputForm, texts: Mapping[str, str]) -> JSONObject:
        """Return the URL of the form with these texts, and the names of the hidden fields."""
        pairs = form.link(texts)
        label = chosen_label(self._deployment, exchange)
        parameters = ([] if label is None else [("version", label)]) + pairs
        path = f"/?{urlencode(parameters)}"
        url = self._url(exchange) + path
        is_short = bool(pairs) and len(url) <= MAX_LINK_LENGTH
        return {
            "link": url if is_short else None,
            "link_path": f"{base_of(self._state, exchange.request)}/{self._deployment.name}{path}",
            "unkept": sorted(form.hidden_names),
        }

    def _url(self, exchange: Exchange) -> str:
        request = exchange.request
        site = request.host_url.rstrip("/") + base_of(self._state, request)
        return f"{site}/{self._deployment.name}"

    def _reasons(self) -> Mapping[str | None, str]:
        """Return why versions have failed, by label; nothing if the visitor may not know."""
        may_see = self._state.may_see_reasons(self._deployment)
        return self._deployment.versions.failures if may_see else {}


def _fields_of(body: Body) -> dict[str, str]:
    """Return the fields of a form, even if they are not UTF-8: the page shows them again."""
    try:
        return dict(body.pairs)
    except InvalidInput:
        return dict(body.lenient_pairs)


def _origin(version: ModelVersion, form: InputForm, exchange: Exchange) -> str:
    """Return the source of the first values of a form; nothing if the form was sent."""
    request = exchange.request
    if version.model.examples or request.method == "POST" or form.linked(request.args):
        return ""
    return form.source


def _columns_named(inputs: Sequence[Input]) -> list[str]:
    """Return the names of the columns of a file, nothing if they are the labels of the inputs."""
    names = [each.name for each in inputs if each.name != VALUES]
    return names if any(each.label != each.name for each in inputs) else []


def _methods_shown(version: ModelVersion) -> list[str]:
    """Return the methods with a button; the button of the first method also shows some others."""
    shown = _methods_with_first(version)
    return [method for method in version.methods[1:] if method not in shown]


def _methods_with_first(version: ModelVersion) -> list[str]:
    """Return the methods that are called with the first method: probabilities and explanations."""
    return [method for method in version.methods[1:] if method in {"predict_proba", EXPLAIN}]


def _file_of(body: Body) -> tuple[UploadedFile, Codec]:
    """Return the uploaded file, and the codec that reads it.

    :raises InvalidInput: no file was uploaded, or no codec reads its format
    """
    files = body.files
    if not files:
        raise InvalidInput([InputError(None, FILE, "required", "choose a file first")])
    file = UploadedFile(files, body)
    codec = reader_of(file.media_type)
    if codec is None:
        known = ", ".join(suffix for codec in writers() for suffix in codec.suffixes)
        message = f"the file must be one of {known}{needed_for(file.media_type)}"
        if (files[0].filename or "").lower().endswith(_EXCEL):
            message += f"; {EXCEL_ADVICE}"
        raise InvalidInput.of_request("content_type", message)
    return file, codec


class _Beginning:
    """The whole lines at the beginning of a file, from which its columns are known.

    :param file: the file, or the beginning of it
    """

    pairs: ClassVar[tuple[tuple[str, str], ...]] = ()

    def __init__(self, file: UploadedFile) -> None:
        self.data = file.data[:BEGINNING]
        if len(file.data) >= BEGINNING:
            self.data = self.data[: self.data.rfind(b"\n") + 1] or self.data
        self.parameters, self.max_bytes, self.budget = file.parameters, file.max_bytes, file.budget


def _renamed(exchange: Exchange) -> dict[str, str]:
    """Return, for some fields, the column that they are read from, as chosen in the form."""
    fields = parsed_form(exchange.request)[0]
    return {
        name.removeprefix(RENAMED): column
        for name, column in fields.items()
        if name.startswith(RENAMED) and column
    }


def _rejected(
    error: InvalidInput, table: UploadedTable, codec: Codec, version: ModelVersion
) -> JSONObject:
    """Return what the page shows for a rejected file besides its errors.

    Names of columns are shown only if a field has no column; otherwise the errors say enough.
    """
    columns = table.columns if table.columns.misses_required or table.columns.notes else None
    file = rejected_rows_file(error, table, codec, version.schema)
    shown: JSONObject = {"columns": columns, "rejected_rows": file}
    return shown | ({} if file is None else {"rejected_url": data_url(file.body, "text/csv")})


def _attachment(body: bytes | Iterable[bytes], codec: Codec, name: str) -> Response:
    response = Response(body, mimetype=codec.media_type)
    response.headers.set("Content-Disposition", "attachment", filename=file_name(name, codec))
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
