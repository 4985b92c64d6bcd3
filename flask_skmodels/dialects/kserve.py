"""KServe's V1 protocol, which is also the protocol of TensorFlow Serving."""

from __future__ import annotations

from typing import ClassVar

from flask import Response
from werkzeug.exceptions import NotFound

from flask_skmodels.dialects.common import (
    ERRORS,
    ListView,
    ModelReadyView,
    UnknownCallView,
    UnknownView,
    predicting_version,
)
from flask_skmodels.dialects.json_instances import invalid, read_instances, read_object, read_rows
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.inference.request_limits import Budget
from flask_skmodels.models import EXPLAIN
from flask_skmodels.schema.rows import Rows
from flask_skmodels.schema.schema import Schema
from flask_skmodels.state import State
from flask_skmodels.web.body import Body
from flask_skmodels.web.exchange import Exchange
from flask_skmodels.web.predict import Predictor
from flask_skmodels.web.responses import json_response, predictions_response
from flask_skmodels.web.url_rules import add_unprefixed_url_rule
from flask_skmodels.web.views import BaseView


def read_request(body: bytes, schema: Schema, budget: Budget) -> Rows:
    """Return the rows of a request, given as ``instances`` or as ``inputs``.

    :param body: the JSON text
    :param schema: the fields of the model
    :param budget: the limits on the request
    :raises OverBudget: the body has more rows
    :raises InvalidInput: the protocol does not allow the body
    """
    document = read_object(body, budget)
    if ("instances" in document) == ("inputs" in document):
        raise invalid("instances", "the body must have either instances or inputs")
    if "inputs" in document:
        return read_rows(document["inputs"], schema, "inputs")
    return read_instances(document["instances"], schema, budget)


class AliveView(BaseView):
    """``GET /`` below the prefix of the protocol: reports that the server runs."""

    errors = ERRORS

    def respond(self, exchange: Exchange) -> Response:
        return json_response({"status": "alive"})


class RequestReader:
    """Reads the rows of a request."""

    def decode(self, source: Body, schema: Schema) -> Rows:
        """Return the rows of a body."""
        return read_request(source.data, schema, source.budget)


class PredictView(BaseView):
    """``POST /v1/models/{name}:predict`` and ``:explain``.

    :param predictor: predicts with the model
    :param method: name of the method; None for the first method of the version
    """

    methods: ClassVar[list[str]] = ["POST"]
    errors = ERRORS

    def __init__(self, predictor: Predictor, method: str | None = None) -> None:
        self._predictor = predictor
        self._method = method

    def respond(self, exchange: Exchange) -> Response:
        predictor = self._predictor
        version = predicting_version(exchange, predictor)
        body = Body(exchange.request, predictor.budget)
        method = self._method or version.default_method
        if method not in version.methods:
            raise NotFound("this version does not serve the method")
        prediction = predictor.predict(exchange, version, method, RequestReader(), body)
        return predictions_response(prediction)


def add_rules(state: State) -> None:
    """Add the URLs that exist once in an application."""
    prefix, login = _prefix(state), state.decorators
    if prefix != state.settings.url_prefix:  # otherwise the URL belongs to the extension
        add_unprefixed_url_rule(state, "-:v1:alive", f"{prefix}/", AliveView())
    models = f"{prefix}/v1/models/"
    unknown = f"{models}<name>/", f"{models}<name>:predict/", f"{models}<name>:explain/"
    add_unprefixed_url_rule(state, "-:v1:models", models, ListView(state), decorators=login)
    add_unprefixed_url_rule(state, "-:v1:unknown", unknown[0], UnknownView(), decorators=login)
    add_unprefixed_url_rule(
        state, "-:v1:unknown:predict", unknown[1], UnknownCallView(), decorators=login
    )
    add_unprefixed_url_rule(
        state, "-:v1:unknown:explain", unknown[2], UnknownCallView(), decorators=login
    )


def add_model_rules(state: State, deployment: Deployment) -> None:
    """Add the URLs of a model."""
    name, decorators = deployment.name, state.decorators_of(deployment)
    path = f"{_prefix(state)}/v1/models/{name}"
    predictor = Predictor(deployment, state.settings)
    views: dict[str, tuple[str, BaseView]] = {
        "v1": ("/", ModelReadyView(state, deployment)),
        "v1:predict": (":predict/", PredictView(predictor)),
    }
    if EXPLAIN in deployment.versions.methods:
        views["v1:explain"] = (":explain/", PredictView(predictor, EXPLAIN))
    for endpoint, (suffix, view) in views.items():
        add_unprefixed_url_rule(
            state, f"{name}:{endpoint}", f"{path}{suffix}", view, decorators=decorators
        )


def _prefix(state: State) -> str:
    prefix = state.settings.kserve_v1_url_prefix
    return state.settings.url_prefix if prefix is None else prefix
