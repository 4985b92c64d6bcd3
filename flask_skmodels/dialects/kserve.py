"""KServe's V1 protocol."""

from __future__ import annotations

from flask import Flask, Response

from flask_skmodels.dialects.common import (
    DialectCallView,
    DialectView,
    ListView,
    ReadyView,
    UnknownCallView,
    UnknownView,
)
from flask_skmodels.dialects.json_instances import read_instances, read_object, read_rows, refused
from flask_skmodels.estimators.outputs import plain_outputs
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.schema.rows import Rows
from flask_skmodels.schema.schema import Schema
from flask_skmodels.state import State
from flask_skmodels.versions.version import ModelVersion
from flask_skmodels.web.body import Body
from flask_skmodels.web.url_rules import add_unprefixed_url_rule
from flask_skmodels.web.views import json_response, request_at_hand


def read_request(body: bytes, schema: Schema) -> Rows:
    """Return the rows that a request says, as ``instances`` or as ``inputs``.

    :param body: of the request
    :param schema: the fields that the model takes
    :raises InvalidInput: it is not as the protocol has it
    """
    document = read_object(body)
    if ("instances" in document) == ("inputs" in document):
        raise refused("instances", "the body must have either instances or inputs")
    if "inputs" in document:
        return read_rows(document["inputs"], schema, "inputs")
    return read_instances(document["instances"], schema)


class AliveView(DialectView):
    """``GET /`` below a prefix of the protocol's own: that the server lives."""

    def answer(self, request_id: str) -> Response:
        return json_response({"status": "alive"})


class PredictView(DialectCallView):
    """``POST /v1/models/{name}:predict``."""

    def call(self, app: Flask, version: ModelVersion, request_id: str) -> Response:
        body = Body(request_at_hand(), self.settings.max_rows)
        prediction = self.predict(
            app,
            version,
            version.default_method,
            lambda: read_request(body.data, version.schema),
            request_id=request_id,
        )
        return json_response({"predictions": plain_outputs(prediction.outputs)})


def add_rules(state: State) -> None:
    """Add what an application has once."""
    prefix, login = _prefix(state), state.decorators
    if prefix != state.settings.url_prefix:  # else what is there is not the protocol's
        add_unprefixed_url_rule(state, "-:v1:alive", f"{prefix}/", AliveView)
    models = f"{prefix}/v1/models/"
    add_unprefixed_url_rule(state, "-:v1:models", models, ListView, state, decorators=login)
    add_unprefixed_url_rule(
        state, "-:v1:unknown", f"{models}<name>/", UnknownView, decorators=login
    )
    path = f"{models}<name>:predict/"
    add_unprefixed_url_rule(state, "-:v1:unknown:predict", path, UnknownCallView, decorators=login)


def add_model_rules(state: State, deployment: Deployment) -> None:
    """Add what an application has for each model."""
    name, decorators = deployment.name, state.decorators_of(deployment)
    path = f"{_prefix(state)}/v1/models/{name}"
    add_unprefixed_url_rule(
        state, f"{name}:v1", f"{path}/", ReadyView, deployment, decorators=decorators
    )
    predict = (f"{name}:v1:predict", f"{path}:predict/", PredictView)
    add_unprefixed_url_rule(state, *predict, deployment, state.settings, decorators=decorators)


def _prefix(state: State) -> str:
    own = state.settings.kserve_v1_url_prefix
    return state.settings.url_prefix if own is None else own
