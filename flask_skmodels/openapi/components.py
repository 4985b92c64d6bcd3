"""The parts of the OpenAPI document that are the same for every model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flask_skmodels.codecs.codec import FILE
from flask_skmodels.schema.types import JSONObject

PROBLEM_MEDIA_TYPE = "application/problem+json"  # RFC 9457
PREFIX = "skmodels."  # of the components that belong to no single model


def ref(kind: str, name: str) -> dict[str, str]:
    """Return a reference to a component.

    :param kind: the kind of the component, such as ``"schemas"`` or ``"responses"``
    """
    return {"$ref": f"#/components/{kind}/{name}"}


def shared(kind: str, name: str) -> dict[str, str]:
    """Return a reference to a component of this module."""
    return ref(kind, PREFIX + name)


def object_of(properties: Mapping[str, JSONObject], optional: Iterable[str] = ()) -> JSONObject:
    """Return the schema of an object.

    :param properties: the schema of each property
    :param optional: names of the properties that are not required
    """
    required = [name for name in properties if name not in set(optional)]
    return {"type": "object", "properties": dict(properties), "required": required}


def json_content(schema: JSONObject) -> JSONObject:
    """Return the content of a JSON body."""
    return {"application/json": {"schema": schema}}


def response(status: int, description: str, content: JSONObject, *headers: str) -> JSONObject:
    """Return a mapping of a status to its response.

    :param headers: names of the headers of the response besides ``X-Request-ID``
    """
    references = {name: shared("headers", name) for name in ("X-Request-ID", *headers)}
    return {str(status): {"description": description, "headers": references, "content": content}}


def problem_responses(*statuses: int) -> JSONObject:
    """Return a mapping of statuses to their responses, which are problem documents."""
    return {str(status): shared("responses", str(status)) for status in statuses}


def _prefixed(components: Mapping[str, Any]) -> JSONObject:
    return {PREFIX + name: component for name, component in components.items()}


_TEXT = {"type": "string"}
_FLAG = {"type": "boolean"}
_COUNT = {"type": "integer", "minimum": 0}
_TEXT_OR_NULL = {"type": ["string", "null"]}
_NUMBER_OR_NULL = {"type": ["number", "null"]}
_OBJECT = {"type": "object"}
_TEXTS = {"type": "array", "items": _TEXT}


def _array_of(schema: JSONObject) -> JSONObject:
    return {"type": "array", "items": schema}


def _or_null(schema: JSONObject) -> JSONObject:
    return {"anyOf": [schema, {"type": "null"}]}


_UPLOAD = {
    **object_of({FILE: {"type": "string", "format": "binary"}}),
    "description": "A file in one of the types that a request may have. Its type is the content "
    "type of the part or, if there is none, the type of its file name. The form may have the "
    "fields of a row instead.",
}
_INPUT_ERROR = object_of(
    {
        "row": {
            **_COUNT,
            "type": ["integer", "null"],
            "description": "the index of the row, from 0; null if the error is not about a single "
            "row",
        },
        "field": {
            **_TEXT_OR_NULL,
            "description": "the name of the field; null if the error is not about a single field",
        },
        "rule": {**_TEXT, "description": "the rule that was broken"},
        "message": _TEXT,
        "hint": {
            **_TEXT,
            "description": "the message in plain words, if the message itself is not",
        },
    },
    optional=("hint",),
)
_PROBLEM = {
    **object_of(
        {
            "type": _TEXT,
            "title": _TEXT,
            "status": {"type": "integer"},
            "detail": _TEXT,
            "errors": _array_of(shared("schemas", "InputError")),
            "error_count": _COUNT,
        }
    ),
    "description": "A problem document (RFC 9457) with the first 100 errors.",
}
_ARTIFACT = object_of(
    {
        "sha256": _TEXT,
        "sklearn_version": _TEXT_OR_NULL,
        "loaded_at": {"type": "string", "format": "date-time"},
    }
)
_VERSION = object_of(
    {"version": _TEXT, "is_loaded": _FLAG, **_ARTIFACT["properties"]}, _ARTIFACT["properties"]
)
_SHADOW = object_of(
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
_MODEL = object_of(
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
        "versions": _array_of(shared("schemas", "Version")),
        "traffic": {**_OBJECT, "additionalProperties": {"type": "number"}},
        "shadow": _or_null(shared("schemas", "Shadow")),
    },
    ("versions", "traffic", "shadow"),
)
_SUMMARY = {
    **_MODEL,
    "required": ["name", "version", "methods"],
}  # of a model that is not loaded yet
_STATUS = object_of(
    {
        "ready": _FLAG,
        "loaded": _FLAG,
        "version": _TEXT_OR_NULL,
        "sklearn_version": _TEXT_OR_NULL,
        "failed": _array_of(object_of({"version": _TEXT_OR_NULL})),
    }
)
_READY = object_of(
    {
        "ready": _FLAG,
        "draining": {**_FLAG, "description": "whether the application is shutting down"},
        "ready_models": _COUNT,
        "total_models": _COUNT,
        "models": {
            **_OBJECT,
            "additionalProperties": shared("schemas", "Status"),
            "description": "the models that the visitor may see",
        },
    }
)
_EXTENT = object_of({"rows": _COUNT, "since": {"type": "string", "format": "date-time"}})
_PSI_AND_JS = {"psi": _NUMBER_OR_NULL, "js": _NUMBER_OR_NULL}
_STATISTICS = ("missing", "unknown", "outside", "mean")
_OF_PREDICTIONS = {**_OBJECT, "additionalProperties": object_of(_PSI_AND_JS)}
_COMPARED = object_of(
    {
        "role": {"type": "string", "enum": ["shadow", "canary"]},
        "window": _EXTENT,
        "predictions": _OF_PREDICTIONS,
    }
)
_DRIFT = {
    **object_of(
        {
            "model": _TEXT,
            "version": _TEXT_OR_NULL,
            "window": _EXTENT,
            "total": _EXTENT,
            "fields": {
                **_OBJECT,
                "additionalProperties": object_of(
                    _PSI_AND_JS | dict.fromkeys(_STATISTICS, _NUMBER_OR_NULL)
                ),
                "description": "the statistics of each field in the window",
            },
            "predictions": {
                **_OF_PREDICTIONS,
                "description": "the statistics of the predictions in the window, by method",
            },
            "versions": {
                **_OBJECT,
                "additionalProperties": _COMPARED,
                "description": "the predictions of other versions, compared with those of the live "
                "version",
            },
        },
        ["versions"],
    ),
    "description": "The drift of a model; statistics are null if there are too few rows.",
}

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
        "Models": object_of({"models": _array_of(shared("schemas", "Summary"))}),
        "Status": _STATUS,
        "Ready": _READY,
        "Drift": _DRIFT,
        "Drifts": object_of({"models": _array_of(shared("schemas", "Drift"))}),
        "Live": object_of({"live": {"type": "boolean", "const": True}}),
    }
)
HEADERS = _prefixed(
    {
        "X-Request-ID": {
            "description": "The identifier in the request if it is valid, otherwise a new one.",
            "schema": _TEXT,
            "required": True,
        },
        "X-Model-Version": {
            "description": "The version of the model that made the prediction.",
            "schema": _TEXT,
        },
        "Retry-After": {
            "description": "The seconds after which the client may try again, if the model is "
            "overloaded.",
            "schema": {"type": "integer"},
        },
        "Accept-Encoding": {
            "description": "The accepted content encodings, if the encoding of the request was not "
            "accepted.",
            "schema": _TEXT,
        },
    }
)
PARAMETERS = _prefixed(
    {
        "X-Request-ID": {
            "name": "X-Request-ID",
            "in": "header",
            "description": "An identifier of at most 128 visible ASCII characters. It is repeated "
            "in the response and in the application's logs. A value that is not valid is ignored.",
            "schema": _TEXT,
        },
        "Content-Encoding": {
            "name": "Content-Encoding",
            "in": "header",
            "description": "The encoding that the body is compressed with.",
            "schema": shared("schemas", "ContentEncoding"),
        },
    }
)
_PROBLEMS = {PROBLEM_MEDIA_TYPE: {"schema": shared("schemas", "Problem")}}
_PROBLEMS |= {"text/plain": {"schema": _TEXT}}
_DESCRIPTIONS = {
    400: "The input is not valid; the errors name the rows and fields.",
    403: "A page from another site sent the form, or the application refused the request.",
    404: "There is no such version, or it does not serve this method.",
    406: "None of the media types in Accept can be written.",
    413: "The body is too long, or has too many rows.",
    415: "The content type or encoding cannot be read.",
    422: "The input is valid, but the estimator rejects it; the errors name the rows.",
    500: "The prediction failed.",
    503: "The model cannot be loaded, or too many predictions are in progress.",
    504: "The prediction has waited too long for other predictions, or has taken too long.",
}


def _problem_response(status: int, description: str) -> JSONObject:
    extra = {415: ["Accept-Encoding"], 503: ["Retry-After"]}.get(status, [])
    responses = response(status, description, _PROBLEMS, "X-Model-Version", *extra)
    entry: JSONObject = responses[str(status)]
    return entry


RESPONSES = _prefixed(
    {str(status): _problem_response(status, text) for status, text in _DESCRIPTIONS.items()}
)


def shared_paths(prefix: str, *, has_drift: bool = False) -> JSONObject:
    """Return the paths that belong to no model: the list of models, drift and the health checks.

    :param prefix: URL prefix of the paths
    :param has_drift: whether drift is measured
    """
    ready = json_content(shared("schemas", "Ready"))
    operations: dict[str, JSONObject] = {
        "/-/models/": {
            "operationId": "models.list",
            "summary": "List the models",
            "tags": ["models"],
            "responses": response(200, "The models.", json_content(shared("schemas", "Models"))),
        },
        "/-/health/live/": {
            "operationId": "health.live",
            "summary": "Check that the application is alive",
            "tags": ["health"],
            "responses": response(
                200, "The application is alive.", json_content(shared("schemas", "Live"))
            ),
        },
        "/-/health/ready/": {
            "operationId": "health.ready",
            "summary": "Check that the application is ready to predict",
            "tags": ["health"],
            "responses": response(200, "The application is ready.", ready)
            | response(503, "A model is not ready, or the application is shutting down.", ready),
        },
    }
    if has_drift:
        content = json_content(shared("schemas", "Drifts"))
        operations["/-/drift/"] = {
            "operationId": "models.drift",
            "summary": "Compare the most recent rows of all models with their training data",
            "tags": ["models"],
            "responses": response(200, "The models with a profile.", content),
        }
    for operation in operations.values():
        operation["parameters"] = [shared("parameters", "X-Request-ID")]
        operation["responses"] |= problem_responses(500)
    return {f"{prefix}{path}": {"get": operation} for path, operation in operations.items()}
