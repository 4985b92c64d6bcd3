"""The addresses of the Open Inference Protocol v2 over HTTP."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from flask import Flask, Response
from werkzeug.exceptions import RequestEntityTooLarge

from flask_skmodels.codecs.codec import TooLarge
from flask_skmodels.codecs.content_encoding import pack
from flask_skmodels.dialects.common import (
    SERVER,
    DialectCallView,
    DialectView,
    ListView,
    ReadyView,
    UnknownCallView,
    UnknownView,
    server_version,
    version_at,
)
from flask_skmodels.dialects.open_inference_messages import (
    Output,
    Request,
    read_request,
    rows_of,
    tensors_of,
    write_answer,
)
from flask_skmodels.dialects.open_inference_metadata import (
    input_tensors,
    method_of,
    output_tensors,
    platform_of,
)
from flask_skmodels.dialects.open_inference_tensors import Tensor, refused
from flask_skmodels.errors import InvalidInput
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.state import State
from flask_skmodels.versions.version import ModelVersion
from flask_skmodels.web.body import Body
from flask_skmodels.web.health import are_ready
from flask_skmodels.web.url_rules import add_unprefixed_url_rule
from flask_skmodels.web.views import REQUEST_ID, json_response, request_at_hand

HEADER_LENGTH = "Inference-Header-Content-Length"
_HEADER_LENGTH = f"HTTP_{HEADER_LENGTH.upper().replace('-', '_')}"
_DIGITS = re.compile(r"[0-9]{1,18}", re.ASCII)


class ServerView(DialectView):
    """``GET /v2``: what the server is."""

    def answer(self, request_id: str) -> Response:
        return json_response(
            {"name": SERVER, "version": server_version(), "extensions": ["binary_tensor_data"]}
        )


class ServerHealthView(DialectView):
    """``GET /v2/health/live`` and ``/v2/health/ready``.

    :param state: of the extension on this application
    :param must_be_ready: whether 503 says that a model is not ready
    """

    def __init__(self, state: State, must_be_ready: bool) -> None:
        self.state = state
        self.must_be_ready = must_be_ready

    def answer(self, request_id: str) -> Response:
        is_ready = are_ready(list(self.state.deployments.values()))
        response = json_response({"live": True, "ready": is_ready})
        response.status_code = 200 if is_ready or not self.must_be_ready else 503
        return response


class MetadataView(DialectView):
    """``GET /v2/models/{name}``, with ``/versions/{version}`` or without: what a model is."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment

    def answer(self, request_id: str) -> Response:
        version = version_at(self.deployment)
        return json_response(
            {
                "name": self.deployment.name,
                "versions": [each["version"] for each in self.deployment.versions.describe()],
                "platform": platform_of(version),
                "inputs": input_tensors(version.schema),
                "outputs": output_tensors(version),
            }
        )


class InferView(DialectCallView):
    """``POST /v2/models/{name}/infer``, with ``/versions/{version}`` or without."""

    def call(self, app: Flask, version: ModelVersion, request_id: str) -> Response:
        try:
            at_hand = request_at_hand()
            body = Body(at_hand, self.settings.max_rows).data
            asked = read_request(body, _header_length(at_hand.environ), version.schema)
            methods = _methods(asked, version)
        except TooLarge:
            raise RequestEntityTooLarge from None
        except InvalidInput as error:
            self.reject(app, version, error, request_id)
        predict = partial(self.predict, app, version, read=lambda: rows_of(asked, version.schema))
        own_id = request_id if asked.id is None else asked.id
        told_id = own_id if REQUEST_ID.fullmatch(own_id) else request_id
        found = {
            method: predict(method, request_id=told_id)
            for method in dict.fromkeys(methods.values())
        }
        head = {"model_name": version.name, "model_version": version.label, "id": own_id}
        return _answer(
            {name: value for name, value in head.items() if value is not None},
            _tensors(asked, {name: found[method] for name, method in methods.items()}),
        )


def _header_length(environ: Mapping[str, Any]) -> int | None:
    given = environ.get(_HEADER_LENGTH)
    if given is None:
        return None
    if not _DIGITS.fullmatch(given):
        raise refused("header_length", f"{HEADER_LENGTH} must be a number of bytes")
    return int(given)


def _methods(asked: Request, version: ModelVersion) -> dict[str, str]:
    """Return the method that each output is of, by the output's name; the default's by its own."""
    if not asked.outputs:
        return {version.default_method: version.default_method}
    methods = {output.name: method_of(version, output.name) for output in asked.outputs}
    known = {name: method for name, method in methods.items() if method is not None}
    if len(known) < len(methods):
        places = [place for place, method in enumerate(methods.values()) if method is None]
        raise refused("outputs", f"output {places[0]}: the model has no output of this name")
    if any(name.startswith(f"{method}_") and method in known for name, method in known.items()):
        raise refused("unique", "an output is asked for alone, and with the others of its method")
    return known


def _tensors(asked: Request, predictions: Mapping[str, Prediction]) -> list[tuple[Tensor, bool]]:
    """Return the tensors of an answer, each with whether it comes as binary data."""
    outputs = asked.outputs or [Output(name, asked.is_binary) for name in predictions]
    return [
        (tensor, output.is_binary)
        for output in outputs
        for tensor in tensors_of(output.name, predictions[output.name])
    ]


def _answer(head: Mapping[str, object], tensors: Sequence[tuple[Tensor, bool]]) -> Response:
    body, header_length = write_answer(head, tensors)
    headers = {"Content-Type": "application/json"}
    if header_length is not None:
        headers = {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(header_length)}
    at_hand = request_at_hand()
    if "HTTP_ACCEPT_ENCODING" in at_hand.environ:
        headers["Vary"] = "Accept-Encoding"
        coding = at_hand.accept_encodings.best_match(["identity", "gzip", "deflate"])
        if coding in {"gzip", "deflate"}:
            headers["Content-Encoding"] = coding
            body = pack(body, coding)
    return Response(body, headers=headers)


def add_rules(state: State) -> None:
    """Add what an application has once."""
    prefix, login = _prefix(state), state.decorators
    add_unprefixed_url_rule(state, "-:v2", f"{prefix}/v2/", ServerView, decorators=login)
    add_unprefixed_url_rule(
        state, "-:v2:models", f"{prefix}/v2/models/", ListView, state, decorators=login
    )
    for health in ("live", "ready"):
        path = f"{prefix}/v2/health/{health}/"
        add_unprefixed_url_rule(
            state, f"-:v2:{health}", path, ServerHealthView, state, health == "ready"
        )
    for place, path in enumerate(_paths(prefix, "<name>")):
        add_unprefixed_url_rule(state, f"-:v2:unknown:{place}", path, UnknownView, decorators=login)
        add_unprefixed_url_rule(
            state, f"-:v2:unknown:ready:{place}", f"{path}ready/", UnknownView, decorators=login
        )
        path = f"{path}infer/"
        add_unprefixed_url_rule(
            state, f"-:v2:unknown:infer:{place}", path, UnknownCallView, decorators=login
        )


def add_model_rules(state: State, deployment: Deployment) -> None:
    """Add what an application has for each model."""
    name, decorators = deployment.name, state.decorators_of(deployment)
    paths = _paths(_prefix(state), name)
    for path in paths if deployment.versions.is_folder else paths[:1]:
        endpoint = f"{name}:v2:version" if path != paths[0] else f"{name}:v2"
        add_unprefixed_url_rule(
            state, endpoint, path, MetadataView, deployment, decorators=decorators
        )
        ready = (f"{endpoint}:ready", f"{path}ready/")
        add_unprefixed_url_rule(state, *ready, ReadyView, deployment, decorators=decorators)
        infer = (f"{endpoint}:infer", f"{path}infer/")
        add_unprefixed_url_rule(
            state, *infer, InferView, deployment, state.settings, decorators=decorators
        )


def _paths(prefix: str, name: str) -> list[str]:
    """Return the addresses of a model and of its versions."""
    model = f"{prefix}/v2/models/{name}/"
    return [model, f"{model}versions/<version>/"]


def _prefix(state: State) -> str:
    own = state.settings.open_inference_url_prefix
    return state.settings.url_prefix if own is None else own
