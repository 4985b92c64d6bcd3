"""The protocol of MLflow's scoring server."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from importlib.util import find_spec
from typing import Any, ClassVar

from flask import Request, Response
from werkzeug.exceptions import UnsupportedMediaType

from flask_skmodels.codecs.parquet import ParquetCodec
from flask_skmodels.codecs.registration import reader_of
from flask_skmodels.dialects.common import (
    ERRORS,
    JSONErrors,
    predicting_version,
    problem_text,
    server_version,
    version_at,
)
from flask_skmodels.dialects.json_instances import invalid, read_object, read_rows, read_table
from flask_skmodels.exceptions import ConfigurationError, SKModelsError
from flask_skmodels.hints import extra
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.inference.request_limits import Budget
from flask_skmodels.schema.rows import Rows
from flask_skmodels.schema.schema import Schema
from flask_skmodels.state import State
from flask_skmodels.web.body import Body
from flask_skmodels.web.exchange import Exchange
from flask_skmodels.web.http_errors import Problem
from flask_skmodels.web.predict import Predictor, Reader
from flask_skmodels.web.responses import predictions_response
from flask_skmodels.web.url_rules import add_unprefixed_url_rule
from flask_skmodels.web.views import BaseView

JSON = "application/json"
CSV = "text/csv"
PARQUET = "application/vnd.apache.parquet"
FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")
_SPLIT = {"index", "columns", "data"}
_CODES: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "UNAUTHENTICATED",
    HTTPStatus.FORBIDDEN: "PERMISSION_DENIED",
    HTTPStatus.NOT_FOUND: "RESOURCE_DOES_NOT_EXIST",
    HTTPStatus.TOO_MANY_REQUESTS: "REQUEST_LIMIT_EXCEEDED",
    HTTPStatus.SERVICE_UNAVAILABLE: "TEMPORARILY_UNAVAILABLE",
}


def read_request(body: bytes, schema: Schema, budget: Budget) -> Rows:
    """Return the rows of a JSON document in one of the four formats.

    ``params`` are ignored, as MLflow does for models whose signature declares none.

    :param body: the JSON text
    :param schema: the fields of the model
    :param budget: the limits on the request
    :raises OverBudget: the body has more rows
    :raises InvalidInput: the protocol does not allow the body
    """
    document = read_object(body, budget)
    formats = [name for name in FORMATS if name in document]
    if len(formats) != 1:
        raise invalid("format", f"the body must have exactly one of {', '.join(FORMATS)}")
    if not isinstance(document.get("params") or {}, dict):
        raise invalid("params", "params must be an object")
    value = document[formats[0]]
    if formats[0] == "dataframe_split":
        return _split(value, schema)
    if formats[0] == "dataframe_records" and not isinstance(value, list):
        raise invalid("type", "dataframe_records must be an array of records")
    return read_rows(value, schema, formats[0])


def _split(value: Any, schema: Schema) -> Rows:
    if not isinstance(value, dict) or "data" not in value or not value.keys() <= _SPLIT:
        raise invalid("type", "dataframe_split must be an object of data, columns and index")
    data, columns = value["data"], value.get("columns")
    if not isinstance(data, list):
        raise invalid("type", "the data of dataframe_split must be an array of arrays")
    if columns is None:
        return read_rows(data, schema, "data")
    return read_table(columns, data, schema, "dataframe_split")


class JSONReader:
    """Reads the rows of a JSON document."""

    def decode(self, source: Body, schema: Schema) -> Rows:
        """Return the rows of a body."""
        return read_request(source.data, schema, source.budget)


def error_object(problem: Problem) -> Mapping[str, object]:
    """Return the JSON object for a problem: a code of the protocol, and a message."""
    has_fields = any(error.field is not None for error in problem.errors)
    default = "BAD_REQUEST" if problem.status < 500 else "INTERNAL_ERROR"
    code = "INVALID_PARAMETER_VALUE" if has_fields else _CODES.get(problem.status, default)
    return {"error_code": code, "message": problem_text(problem)}


class InvocationsView(BaseView):
    """``POST /invocations``.

    :param predictor: predicts with the model
    """

    methods: ClassVar[list[str]] = ["POST"]
    errors = JSONErrors(error_object)

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def respond(self, exchange: Exchange) -> Response:
        predictor = self._predictor
        version = predicting_version(exchange, predictor)
        reader = _reader_of(exchange.request)
        body = Body(exchange.request, predictor.budget)
        method = version.default_method
        prediction = predictor.predict(exchange, version, method, reader, body)
        return predictions_response(prediction)


def _reader_of(request: Request) -> Reader[Body]:
    """Return the reader of a request's content type.

    :raises UnsupportedMediaType: the protocol has no such content type or parameter, or pyarrow is
        missing
    """
    readers: dict[str, Reader[Body]] = {JSON: JSONReader()}
    csv = reader_of(CSV)
    if csv is not None:
        readers[CSV] = csv
    if find_spec("pyarrow") is not None:
        readers[PARQUET] = ParquetCodec()
    reader = readers.get(request.mimetype)
    if reader is None:
        needed = f"; Parquet needs {extra('arrow')} on the server"
        hint = needed if request.mimetype == PARQUET else ""
        raise UnsupportedMediaType(f"the content type must be one of {', '.join(readers)}{hint}")
    parameters = {name.lower(): value.lower() for name, value in request.mimetype_params.items()}
    if parameters not in ({}, {"charset": "utf-8"}):
        raise UnsupportedMediaType("the content type may have only the parameter charset=utf-8")
    return reader


class PingView(BaseView):
    """``GET /ping`` and ``/health``: 200 if the model can be loaded, otherwise 404.

    The status is 503 while the application is shutting down.

    :param state: the extension on this application
    """

    errors = ERRORS

    def __init__(self, state: State) -> None:
        self._state = state

    def respond(self, exchange: Exchange) -> Response:
        if self._state.readiness.is_draining:
            return Response("\n", 503, content_type=JSON)
        deployment = self._state.deployments.get(str(self._state.settings.mlflow_model))
        is_loaded = deployment is not None and _is_loaded(exchange, deployment)
        return Response("\n", 200 if is_loaded else 404, content_type=JSON)


def _is_loaded(exchange: Exchange, deployment: Deployment) -> bool:
    try:
        version_at(exchange, deployment)
    except SKModelsError:
        return False
    return True


class VersionView(BaseView):
    """``GET /version``: the version of this library."""

    errors = ERRORS

    def respond(self, exchange: Exchange) -> Response:
        return Response(server_version(), content_type="text/plain; charset=utf-8")


def add_rules(state: State) -> None:
    """Add the URLs that exist once in an application.

    :raises ConfigurationError: the configuration names no model
    """
    if state.settings.mlflow_model is None:
        key = f"{state.name.upper()}_MLFLOW_MODEL"
        raise ConfigurationError(f"{key} must name the model of the URL /invocations")
    prefix = _prefix(state)
    for name in ("ping", "health"):
        add_unprefixed_url_rule(state, f"-:mlflow:{name}", f"{prefix}/{name}/", PingView(state))
    path = f"{prefix}/version/"
    add_unprefixed_url_rule(
        state, "-:mlflow:version", path, VersionView(), decorators=state.decorators
    )


def add_model_rules(state: State, deployment: Deployment) -> None:
    """Add the URL of a model if the configuration names it."""
    if deployment.name == state.settings.mlflow_model:
        path, decorators = f"{_prefix(state)}/invocations/", state.decorators_of(deployment)
        view = InvocationsView(Predictor(deployment, state.settings))
        endpoint = f"{deployment.name}:mlflow:invocations"
        add_unprefixed_url_rule(state, endpoint, path, view, decorators=decorators)


def _prefix(state: State) -> str:
    prefix = state.settings.mlflow_url_prefix
    return state.settings.url_prefix if prefix is None else prefix
