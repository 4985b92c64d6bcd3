"""The page of a model: a form for one row, another for a file, and what the model answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from flask import Flask, Response, request
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import NotFound

from flask_skmodels.codecs import reader_of, writers
from flask_skmodels.codecs.codec import FILE, Codec
from flask_skmodels.codecs.form import FormCodec
from flask_skmodels.codecs.problem import Problem
from flask_skmodels.errors import InputError, InvalidInput
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.pages import charts, code_samples, statistics
from flask_skmodels.pages.input_form import InputForm
from flask_skmodels.pages.page import Page, base_of, estimator_of, varied, wants_page
from flask_skmodels.pages.results import (
    FileResult,
    RowResult,
    file_name,
    file_result,
    format_value,
    row_result,
)
from flask_skmodels.state import State
from flask_skmodels.versions.version import ModelVersion
from flask_skmodels.web.body import Body, UploadedFile
from flask_skmodels.web.views import CallView, PredictionView, application

MOST_ERRORS = 20  # of a file that are listed


class ModelPage(Page, CallView):
    """``/{name}/``: what a model is, and a form to ask it.

    A client that posts to it is answered as at the address of the model's first method.
    """

    template = "model.html"
    methods: ClassVar[list[str]] = ["GET", "POST"]

    def __init__(self, state: State, deployment: Deployment) -> None:
        Page.__init__(self, state)
        CallView.__init__(self, deployment, state.settings)

    def answer(self, request_id: str) -> Response:
        if request.method == "POST":
            return varied(CallView.answer(self, request_id))
        return Page.answer(self, request_id)

    def document(self) -> Mapping[str, Any]:
        return self.deployment.describe(application())

    def context(self) -> dict[str, Any]:
        version = self.deployment.current(application())
        place = request.args.get("example", 0, type=int)
        return self._shown(version, InputForm(version).initial(max(place, 0)))

    def call(self, app: Flask, version: ModelVersion, request_id: str) -> Response:
        if not wants_page() or request.mimetype not in FormCodec.reads:
            view = PredictionView(self.deployment, version.default_method, self.settings)
            return view.call(app, version, request_id)
        body = Body(request, self.settings.max_rows)
        is_file = request.mimetype == "multipart/form-data"
        # A field of the first form may have any name, so the method is in its address.
        asked = (request.form if is_file else request.args).get("method")
        method = asked or version.default_method
        if method not in version.methods:
            raise NotFound("this version does not serve the method")
        answer = self._upload if is_file else self._ask
        return answer(version, method, body, request_id)

    def _ask(self, version: ModelVersion, method: str, body: Body, request_id: str) -> Response:
        """Predict the row in the form."""
        form = InputForm(version)
        texts = form.texts(dict(body.pairs))
        try:
            answer = self._answer_of(version, method, _Pairs(body, form.pairs(texts)), request_id)
        except InvalidInput as error:
            return self._page(version, texts, errors=error.errors, status=400)
        return self._page(version, texts, answer=answer)

    def _answer_of(
        self, version: ModelVersion, method: str, source: _Pairs, request_id: str
    ) -> RowResult:
        rows = FormCodec().decode(source, version.schema)
        arguments = application(), version
        prediction = self.predict(*arguments, method, lambda: rows, request_id=request_id)
        if method != version.default_method or "predict_proba" not in version.methods[1:]:
            return row_result(prediction, None)
        also = self.predict(*arguments, "predict_proba", lambda: rows, request_id=request_id)
        return row_result(prediction, also)

    def _upload(self, version: ModelVersion, method: str, body: Body, request_id: str) -> Response:
        """Predict the rows of an uploaded file."""
        texts = InputForm(version).initial()
        try:
            source, codec = _file_of(body.files, body)
            prediction = self.predict(
                application(),
                version,
                method,
                lambda: codec.decode(source, version.schema),
                request_id=request_id,
            )
        except InvalidInput as error:
            status = Problem(error).status
            return self._page(version, texts, file_errors=error, status=status)
        if "download" in request.args:
            return _attachment(codec.encode(prediction), codec, self.deployment.name)
        return self._page(version, texts, result=file_result(prediction, version, codec))

    def _page(
        self,
        version: ModelVersion,
        texts: Mapping[str, str],
        *,
        errors: Sequence[InputError] = (),
        status: int = 200,
        **shown: RowResult | FileResult | InvalidInput,
    ) -> Response:
        response = self.page(self.template, **self._shown(version, texts, errors) | shown)
        response.status_code = status
        return response

    def _shown(
        self, version: ModelVersion, texts: Mapping[str, str], errors: Sequence[InputError] = ()
    ) -> dict[str, Any]:
        deployment, form = self.deployment, InputForm(version)
        inputs, general = form.inputs(texts, errors)
        url = request.host_url.rstrip("/") + base_of(self.state) + f"/{deployment.name}"
        row, address = form.row(texts), f"{url}/{version.default_method}/"
        return {
            **dict.fromkeys(("answer", "result", "file_errors")),
            "model": deployment.describe(application()),
            "estimator": estimator_of(version),
            "inputs": inputs,
            "general": general,
            "methods": _methods_shown(version),
            "file_methods": version.methods,
            "default_method": version.default_method,
            "fields": {field.name for field in version.schema.fields} | {"values"},
            "curl": code_samples.curl(address, row),
            "python": code_samples.python(address, row),
            "curl_file": code_samples.curl_file(address, "text/csv", "rows.csv"),
            "suffixes": [suffix for codec in writers() for suffix in codec.suffixes],
            "summary": statistics.summary(
                self.recent_traffic.of(deployment.name), self.recent_traffic.window(deployment.name)
            ),
            "csrf": _csrf_of(self.state.app),
            "histogram": charts.histogram,
            "bar_width": charts.bar_width,
            "format_value": format_value,
            "most_errors": MOST_ERRORS,
        }


class _Pairs(Body):
    """A form as it was read already."""

    def __init__(self, body: Body, pairs: Sequence[tuple[str, str]]) -> None:
        super().__init__(request, body.max_rows)
        self._pairs = pairs

    @property
    def pairs(self) -> Sequence[tuple[str, str]]:
        return self._pairs


def _methods_shown(version: ModelVersion) -> list[str]:
    """Return the methods that the form offers beside the first, which brings the probabilities."""
    return [method for method in version.methods[1:] if method != "predict_proba"]


def _csrf_of(app: Flask) -> tuple[str, str] | None:
    """Return the name and the value of the host's own CSRF token, as Flask-WTF gives it."""
    token = app.jinja_env.globals.get("csrf_token")
    name = app.config.get("WTF_CSRF_FIELD_NAME", "csrf_token")
    return (str(name), str(token())) if callable(token) else None


def _file_of(files: Sequence[FileStorage], body: Body) -> tuple[UploadedFile, Codec]:
    if not files:
        raise InvalidInput([InputError(None, FILE, "required", "choose a file first")])
    source = UploadedFile(files, body)
    codec = reader_of(source.media_type)
    if codec is None:
        known = ", ".join(suffix for codec in writers() for suffix in codec.suffixes)
        raise InvalidInput.of_request("content_type", f"the file must be one of {known}")
    return source, codec


def _attachment(body: bytes, codec: Codec, name: str) -> Response:
    response = Response(body, mimetype=codec.media_type)
    response.headers.set("Content-Disposition", "attachment", filename=file_name(name, codec))
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
