"""The parts of the API document that are the same for every model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from flask_skmodels.codecs import problem
from flask_skmodels.codecs.codec import FILE

PREFIX = "skmodels."  # of the components that are of no model

_Schema = Mapping[str, Any]


def ref(kind: str, name: str) -> dict[str, str]:
    """Return the reference to a component of a kind, ``"schemas"`` and so on."""
    return {"$ref": f"#/components/{kind}/{name}"}


def shared(kind: str, name: str) -> dict[str, str]:
    """Return the reference to a component of this module."""
    return ref(kind, PREFIX + name)


def closed(properties: Mapping[str, _Schema], optional: Iterable[str] = ()) -> dict[str, Any]:
    """Return the schema of an object that has these properties, all but the optional ones."""
    required = [name for name in properties if name not in set(optional)]
    return {"type": "object", "properties": dict(properties), "required": required}


def json_of(schema: _Schema) -> dict[str, Any]:
    """Return the content of a body that comes as JSON."""
    return {"application/json": {"schema": schema}}


def answer(status: int, description: str, content: _Schema, *headers: str) -> dict[str, Any]:
    """Return the response for one status, by it.

    :param headers: names of those that it has besides ``X-Request-ID``
    """
    names = ("X-Request-ID", *headers)
    told = {name: shared("headers", name) for name in names}
    return {str(status): {"description": description, "headers": told, "content": content}}


def failures(*statuses: int) -> dict[str, Any]:
    """Return the responses for statuses of problem documents, by them."""
    return {str(status): shared("responses", str(status)) for status in statuses}


def _prefixed(components: Mapping[str, Any]) -> dict[str, Any]:
    return {PREFIX + name: component for name, component in components.items()}


_TEXT = {"type": "string"}
_FLAG = {"type": "boolean"}
_COUNT = {"type": "integer", "minimum": 0}
_TEXT_OR_NULL = {"type": ["string", "null"]}
_NUMBER_OR_NULL = {"type": ["number", "null"]}
_OBJECT = {"type": "object"}
_TEXTS = {"type": "array", "items": _TEXT}


def _each(schema: _Schema) -> dict[str, Any]:
    return {"type": "array", "items": schema}


def _or_null(schema: _Schema) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


_UPLOAD = {
    **closed({FILE: {"type": "string", "format": "binary"}}),
    "description": "A file in one of the types that a request may have, by the type of its part or "
    "by its name. A form may have the fields of a row instead.",
}
_INPUT_ERROR = closed(
    {
        "row": {**_COUNT, "type": ["integer", "null"], "description": "from 0; null: of no row"},
        "field": {**_TEXT_OR_NULL, "description": "null: of no field"},
        "rule": {**_TEXT, "description": "the rule that was broken"},
        "message": _TEXT,
    }
)
_PROBLEM = {
    **closed(
        {
            "type": _TEXT,
            "title": _TEXT,
            "status": {"type": "integer"},
            "detail": _TEXT,
            "errors": _each(shared("schemas", "InputError")),
            "error_count": _COUNT,
        }
    ),
    "description": "What went wrong (RFC 9457), and the first 100 of its errors.",
}
_ARTIFACT = closed(
    {
        "sha256": _TEXT,
        "sklearn_version": _TEXT_OR_NULL,
        "loaded_at": {"type": "string", "format": "date-time"},
    }
)
_VERSION = closed(
    {"version": _TEXT, "is_loaded": _FLAG, **_ARTIFACT["properties"]}, _ARTIFACT["properties"]
)
_SHADOW = closed(
    {
        "version": _TEXT,
        "rows": _COUNT,
        "agreement": _NUMBER_OR_NULL,
        "mean_difference": _NUMBER_OR_NULL,
        "largest_difference": _NUMBER_OR_NULL,
        "dropped": _COUNT,
        "failed": _COUNT,
    }
)
_MODEL = closed(
    {
        "name": _TEXT,
        "version": _TEXT_OR_NULL,
        "description": _TEXT,
        "methods": _TEXTS,
        "fields": {**_OBJECT, "description": "the JSON Schema of each field"},
        "required": _TEXTS,
        "classes": {"type": ["array", "null"], "items": {}},
        "estimator": _TEXT,
        "examples": {"type": "array", "items": {}},
        "artifact": _or_null(shared("schemas", "Artifact")),
        "versions": _each(shared("schemas", "Version")),
        "traffic": {**_OBJECT, "additionalProperties": {"type": "number"}},
        "shadow": _or_null(shared("schemas", "Shadow")),
    },
    ("versions", "traffic", "shadow"),
)
_SUMMARY = {**_MODEL, "required": ["name", "version", "methods"]}  # of one that is not loaded yet
_STATUS = closed(
    {
        "loaded": _FLAG,
        "version": _TEXT_OR_NULL,
        "sklearn_version": _TEXT_OR_NULL,
        "failed": _each(closed({"version": _TEXT_OR_NULL})),
    }
)
_READY = closed(
    {
        "ready": _FLAG,
        "models": {**_OBJECT, "additionalProperties": shared("schemas", "Status")},
    }
)

SCHEMAS = _prefixed(
    {
        "ContentEncoding": {"type": "string", "enum": ["gzip", "deflate", "identity"]},
        "Upload": _UPLOAD,
        "InputError": _INPUT_ERROR,
        "Problem": _PROBLEM,
        "Artifact": _ARTIFACT,
        "Version": _VERSION,
        "Shadow": _SHADOW,
        "Model": _MODEL,
        "Summary": _SUMMARY,
        "Models": closed({"models": _each(shared("schemas", "Summary"))}),
        "Status": _STATUS,
        "Ready": _READY,
        "Live": closed({"live": {"type": "boolean", "const": True}}),
    }
)
HEADERS = _prefixed(
    {
        "X-Request-ID": {
            "description": "The request's own identifier where it gave a good one, else a new one.",
            "schema": _TEXT,
            "required": True,
        },
        "X-Model-Version": {
            "description": "The version that answered.",
            "schema": _TEXT,
        },
        "Accept-Encoding": {
            "description": "The content encoding that is understood, where that was the matter.",
            "schema": _TEXT,
        },
    }
)
PARAMETERS = _prefixed(
    {
        "X-Request-ID": {
            "name": "X-Request-ID",
            "in": "header",
            "description": "At most 128 visible ASCII characters, which the answer and the "
            "application's records carry; anything else is passed over.",
            "schema": _TEXT,
        },
        "Content-Encoding": {
            "name": "Content-Encoding",
            "in": "header",
            "description": "How the body is packed.",
            "schema": shared("schemas", "ContentEncoding"),
        },
    }
)
_PROBLEMS = {problem.MEDIA_TYPE: {"schema": shared("schemas", "Problem")}}
_PROBLEMS |= {"text/plain": {"schema": _TEXT}}
_FAILURES = {
    400: "The input is not valid: the errors say where.",
    403: "A page of another site has sent the form, or the application has refused it.",
    404: "There is no such version, or it does not serve the method.",
    406: "None of the types that Accept names can be written.",
    413: "The body is too long, or has too many rows.",
    415: "The content type or encoding cannot be read.",
    500: "The prediction failed.",
    503: "The model cannot be loaded.",
}


def _failure(status: int, description: str) -> dict[str, Any]:
    also = ["Accept-Encoding"] if status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE else []
    found = answer(status, description, _PROBLEMS, "X-Model-Version", *also)
    response: dict[str, Any] = found[str(status)]
    return response


RESPONSES = _prefixed({str(status): _failure(status, text) for status, text in _FAILURES.items()})


def shared_paths(prefix: str) -> dict[str, Any]:
    """Return the paths that are of no model.

    :param prefix: what they begin with
    """
    ready = json_of(shared("schemas", "Ready"))
    operations: dict[str, dict[str, Any]] = {
        "/-/models/": {
            "operationId": "models.list",
            "summary": "List the models",
            "tags": ["models"],
            "responses": answer(200, "The models.", json_of(shared("schemas", "Models"))),
        },
        "/-/health/live/": {
            "operationId": "health.live",
            "summary": "Say that the application lives",
            "tags": ["health"],
            "responses": answer(200, "It lives.", json_of(shared("schemas", "Live"))),
        },
        "/-/health/ready/": {
            "operationId": "health.ready",
            "summary": "Say whether the application is ready to predict",
            "tags": ["health"],
            "responses": answer(200, "It is ready.", ready)
            | answer(503, "A model could not be loaded.", ready),
        },
    }
    for operation in operations.values():
        operation["parameters"] = [shared("parameters", "X-Request-ID")]
        operation["responses"] |= failures(500)
    return {f"{prefix}{path}": {"get": operation} for path, operation in operations.items()}
