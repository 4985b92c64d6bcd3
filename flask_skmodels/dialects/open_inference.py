"""The views and URLs of the Open Inference Protocol v2 over HTTP."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from flask import Response

from flask_skmodels.codecs.content_encoding import pack
from flask_skmodels.dialects.common import (
    ERRORS,
    SERVER,
    ListView,
    ModelReadyView,
    UnknownCallView,
    UnknownView,
    predicting_version,
    server_version,
)
from flask_skmodels.dialects.open_inference_messages import (
    InferRequest,
    RequestedOutput,
    read_request,
    rows_of,
    tensors_of,
    write_response,
)
from flask_skmodels.dialects.open_inference_metadata import MetadataView, method_of
from flask_skmodels.dialects.open_inference_tensors import Tensor, invalid
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.inference.prediction import Prediction, rejecting
from flask_skmodels.schema.rows import Rows
from flask_skmodels.schema.schema import Schema
from flask_skmodels.state import State
from flask_skmodels.versions.version import ModelVersion
from flask_skmodels.web.body import Body
from flask_skmodels.web.exchange import REQUEST_ID, Exchange
from flask_skmodels.web.negotiation import MAX_HEADER_LENGTH
from flask_skmodels.web.predict import Predictor
from flask_skmodels.web.responses import json_response
from flask_skmodels.web.url_rules import add_unprefixed_url_rule
from flask_skmodels.web.views import BaseView

HEADER_LENGTH = "Inference-Header-Content-Length"
_HEADER_LENGTH = f"HTTP_{HEADER_LENGTH.upper().replace('-', '_')}"
_DIGITS = re.compile(r"[0-9]{1,18}", re.ASCII)


class ServerView(BaseView):
    """``GET /v2``: the name and the version of the server."""

    errors = ERRORS

    def respond(self, exchange: Exchange) -> Response:
        return json_response(
            {"name": SERVER, "version": server_version(), "extensions": ["binary_tensor_data"]}
        )


class ServerHealthView(BaseView):
    """``GET /v2/health/live`` and ``/v2/health/ready``.

    :param state: the extension on this application
    :param must_be_ready: whether the status is 503 while a model is not ready, or while the
        application is shutting down
    """

    errors = ERRORS

    def __init__(self, state: State, must_be_ready: bool) -> None:
        self._state = state
        self._must_be_ready = must_be_ready

    def respond(self, exchange: Exchange) -> Response:
        is_ready = self._state.readiness.check().is_ready
        status = 200 if is_ready or not self._must_be_ready else 503
        return json_response({"live": True, "ready": is_ready}, status)


class TensorReader:
    """Reads the rows of a parsed request."""

    def decode(self, source: InferRequest, schema: Schema) -> Rows:
        """Return the rows of the request's tensors."""
        return rows_of(source, schema)


class InferView(BaseView):
    """``POST /v2/models/{name}/infer``, with ``/versions/{version}`` or without.

    :param predictor: predicts with the model
    """

    methods: ClassVar[list[str]] = ["POST"]
    errors = ERRORS

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def respond(self, exchange: Exchange) -> Response:
        predictor = self._predictor
        version = predicting_version(exchange, predictor)
        body = Body(exchange.request, predictor.budget)
        app, method = exchange.app, version.default_method
        with rejecting(predictor.deployment.call(app, version, method, exchange.request_id)):
            header_length = _header_length(exchange.request.environ)
            request = read_request(body.data, header_length, version.schema, body.budget)
            methods = _methods(request, version)
        given_id = exchange.request_id if request.id is None else request.id
        request_id = given_id if REQUEST_ID.fullmatch(given_id) else exchange.request_id
        predictions = {
            method: predictor.predict(
                exchange, version, method, TensorReader(), request, request_id=request_id
            )
            for method in dict.fromkeys(methods.values())
        }
        head = {"model_name": version.name, "model_version": version.label, "id": given_id}
        return _response(
            exchange,
            {name: value for name, value in head.items() if value is not None},
            _tensors(request, {name: predictions[method] for name, method in methods.items()}),
        )


def _header_length(environ: Mapping[str, Any]) -> int | None:
    given = environ.get(_HEADER_LENGTH)
    if given is None:
        return None
    if not _DIGITS.fullmatch(given):
        raise invalid("header_length", f"{HEADER_LENGTH} must be a number of bytes")
    return int(given)


def _methods(request: InferRequest, version: ModelVersion) -> dict[str, str]:
    """Return the method of each requested output, by the name of the output.

    :raises InvalidInput: the version has no such output, or an output is requested twice
    """
    if not request.outputs:
        return {version.default_method: version.default_method}
    known: dict[str, str] = {}
    for index, output in enumerate(request.outputs):
        method = method_of(version, output.name)
        if method is None:
            raise invalid("outputs", f"output {index}: the model has no output with this name")
        known[output.name] = method
    if any(name.startswith(f"{method}_") and method in known for name, method in known.items()):
        raise invalid(
            "unique",
            "an output is requested twice: by its own name and by the name of its method",
        )
    return known


def _tensors(
    request: InferRequest, predictions: Mapping[str, Prediction]
) -> list[tuple[Tensor, bool]]:
    """Return the tensors of a response, each with True if it is sent as binary data."""
    outputs = request.outputs or [RequestedOutput(name, request.is_binary) for name in predictions]
    return [
        (tensor, output.is_binary)
        for output in outputs
        for tensor in tensors_of(output.name, predictions[output.name])
    ]


def _response(
    exchange: Exchange, head: Mapping[str, object], tensors: Sequence[tuple[Tensor, bool]]
) -> Response:
    body, header_length = write_response(head, tensors)
    headers = {"Content-Type": "application/json"}
    if header_length is not None:
        headers = {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(header_length)}
    if 0 < len(exchange.request.environ.get("HTTP_ACCEPT_ENCODING", "")) <= MAX_HEADER_LENGTH:
        headers["Vary"] = "Accept-Encoding"
        accepted = exchange.request.accept_encodings
        coding = accepted.best_match(["identity", "gzip", "deflate"])
        if coding in {"gzip", "deflate"}:
            headers["Content-Encoding"] = coding
            body = pack(body, coding)
    return Response(body, headers=headers)


def add_rules(state: State) -> None:
    """Add the URLs that exist once in an application."""
    prefix, login = _prefix(state), state.decorators
    add_unprefixed_url_rule(state, "-:v2", f"{prefix}/v2/", ServerView(), decorators=login)
    models = f"{prefix}/v2/models/"
    add_unprefixed_url_rule(state, "-:v2:models", models, ListView(state), decorators=login)
    for health in ("live", "ready"):
        server = ServerHealthView(state, health == "ready")
        add_unprefixed_url_rule(state, f"-:v2:{health}", f"{prefix}/v2/health/{health}/", server)
    for index, path in enumerate(_paths(prefix, "<name>")):
        unknown = {"": UnknownView(), "ready": UnknownView(), "infer": UnknownCallView()}
        for name, view in unknown.items():
            endpoint = ":".join(filter(None, ["-:v2:unknown", name, str(index)]))
            address = f"{path}{name}/" if name else path
            add_unprefixed_url_rule(state, endpoint, address, view, decorators=login)


def add_model_rules(state: State, deployment: Deployment) -> None:
    """Add the URLs of a model."""
    name, decorators = deployment.name, state.decorators_of(deployment)
    views = {
        "": MetadataView(deployment),
        "ready": ModelReadyView(state, deployment),
        "infer": InferView(Predictor(deployment, state.settings)),
    }
    paths = _paths(_prefix(state), name)
    for path in paths if deployment.versions.is_folder else paths[:1]:
        endpoint = f"{name}:v2" if path == paths[0] else f"{name}:v2:version"
        for suffix, view in views.items():
            full = f"{endpoint}:{suffix}" if suffix else endpoint
            address = f"{path}{suffix}/" if suffix else path
            add_unprefixed_url_rule(state, full, address, view, decorators=decorators)


def _paths(prefix: str, name: str) -> list[str]:
    """Return the URL paths of a model and of its versions."""
    model = f"{prefix}/v2/models/{name}/"
    return [model, f"{model}versions/<version>/"]


def _prefix(state: State) -> str:
    prefix = state.settings.open_inference_url_prefix
    return state.settings.url_prefix if prefix is None else prefix
