"""The protocol of MLflow's scoring server."""

from __future__ import annotations

from http import HTTPStatus
from importlib.util import find_spec
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import UnsupportedMediaType

from flask_skmodels.codecs import reader_of
from flask_skmodels.codecs.json_text import dumps
from flask_skmodels.codecs.parquet import ParquetCodec
from flask_skmodels.codecs.problem import Problem
from flask_skmodels.dialects.common import (
    DialectCallView,
    DialectView,
    sentence_of,
    server_version,
    version_at,
)
from flask_skmodels.dialects.json_instances import read_object, read_rows, read_table, refused
from flask_skmodels.errors import ConfigurationError, SKModelsError
from flask_skmodels.estimators.outputs import plain_outputs
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.schema.rows import Rows
from flask_skmodels.schema.schema import Schema
from flask_skmodels.state import State
from flask_skmodels.versions.version import ModelVersion
from flask_skmodels.web.body import Body
from flask_skmodels.web.url_rules import add_unprefixed_url_rule
from flask_skmodels.web.views import json_response, request_at_hand

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


def read_json(body: bytes, schema: Schema) -> Rows:
    """Return the rows that a JSON document says in one of the four formats.

    ``params`` are for models whose signature names some; as MLflow does, others ignore them.

    :param body: of the request
    :param schema: the fields that the model takes
    :raises InvalidInput: it is not as the protocol has it
    """
    document = read_object(body)
    found = [name for name in FORMATS if name in document]
    if len(found) != 1:
        raise refused("format", f"the body must have exactly one of {', '.join(FORMATS)}")
    if not isinstance(document.get("params") or {}, dict):
        raise refused("params", "params must be an object")
    value = document[found[0]]
    if found[0] == "dataframe_split":
        return _split(value, schema)
    if found[0] == "dataframe_records" and not isinstance(value, list):
        raise refused("type", "dataframe_records must be an array of records")
    return read_rows(value, schema, found[0])


def _split(value: Any, schema: Schema) -> Rows:
    if not isinstance(value, dict) or "data" not in value or not value.keys() <= _SPLIT:
        raise refused("type", "dataframe_split must be an object of data, columns and index")
    data, columns = value["data"], value.get("columns")
    if not isinstance(data, list):
        raise refused("type", "the data of dataframe_split must be an array of arrays")
    if columns is None:
        return read_rows(data, schema, "data")
    return read_table(columns, data, schema, "dataframe_split")


class MLflowView(DialectView):
    """A view whose exceptions become ``{"error_code": ..., "message": ...}``."""

    def error(self, problem: Problem) -> bytes:
        is_of_values = any(error.field is not None for error in problem.errors)
        usual = "BAD_REQUEST" if problem.status < 500 else "INTERNAL_ERROR"
        code = "INVALID_PARAMETER_VALUE" if is_of_values else _CODES.get(problem.status, usual)
        return dumps({"error_code": code, "message": sentence_of(problem)})


class InvocationsView(MLflowView, DialectCallView):
    """``POST /invocations``."""

    def call(self, app: Flask, version: ModelVersion, request_id: str) -> Response:
        _check_media_type()
        body = Body(request_at_hand(), self.settings.max_rows)
        prediction = self.predict(
            app,
            version,
            version.default_method,
            lambda: _read(body, version.schema),
            request_id=request_id,
        )
        return json_response({"predictions": plain_outputs(prediction.outputs)})


def _check_media_type() -> None:
    has_parquet = find_spec("pyarrow") is not None
    known = [JSON, CSV, *[PARQUET] * has_parquet]
    parameters = {name.lower(): value.lower() for name, value in request.mimetype_params.items()}
    if request.mimetype not in known:
        raise UnsupportedMediaType(f"the content type must be one of {', '.join(known)}")
    if parameters not in ({}, {"charset": "utf-8"}):
        raise UnsupportedMediaType("the only parameter of the content type is charset=utf-8")


def _read(body: Body, schema: Schema) -> Rows:
    if request.mimetype == PARQUET:
        return ParquetCodec().decode(body, schema)
    reader = reader_of(CSV)
    if request.mimetype == CSV and reader is not None:
        return reader.decode(body, schema)
    return read_json(body.data, schema)


class PingView(DialectView):
    """``GET /ping`` and ``/health``: 200 once the model is loaded, 404 where it cannot be.

    :param state: of the extension on this application
    """

    def __init__(self, state: State) -> None:
        self.state = state

    def answer(self, request_id: str) -> Response:
        deployment = self.state.deployments.get(str(self.state.settings.mlflow_model))
        is_loaded = deployment is not None and _is_loaded(deployment)
        return Response("\n", 200 if is_loaded else 404, content_type=JSON)


def _is_loaded(deployment: Deployment) -> bool:
    try:
        version_at(deployment)
    except SKModelsError:
        return False
    return True


class VersionView(DialectView):
    """``GET /version``: of this library."""

    def answer(self, request_id: str) -> Response:
        return Response(server_version(), content_type="text/plain; charset=utf-8")


def add_rules(state: State) -> None:
    """Add what an application has once.

    :raises ConfigurationError: no model is named
    """
    if state.settings.mlflow_model is None:
        key = f"{state.name.upper()}_MLFLOW_MODEL"
        raise ConfigurationError(f"{key} must name the model that /invocations means")
    prefix = _prefix(state)
    for name in ("ping", "health"):
        add_unprefixed_url_rule(state, f"-:mlflow:{name}", f"{prefix}/{name}/", PingView, state)
    path = f"{prefix}/version/"
    add_unprefixed_url_rule(
        state, "-:mlflow:version", path, VersionView, decorators=state.decorators
    )


def add_model_rules(state: State, deployment: Deployment) -> None:
    """Add what an application has for the model that is named."""
    if deployment.name == state.settings.mlflow_model:
        path, decorators = f"{_prefix(state)}/invocations/", state.decorators_of(deployment)
        arguments = (deployment, state.settings)
        endpoint = f"{deployment.name}:mlflow:invocations"
        add_unprefixed_url_rule(
            state, endpoint, path, InvocationsView, *arguments, decorators=decorators
        )


def _prefix(state: State) -> str:
    own = state.settings.mlflow_url_prefix
    return state.settings.url_prefix if own is None else own
