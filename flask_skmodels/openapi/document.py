"""The OpenAPI 3.1 document of models. Making it loads no model and makes no prediction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import orjson

from flask_skmodels.codecs.codec import FILE, Codec, Shapes
from flask_skmodels.codecs.json_text import dumps
from flask_skmodels.codecs.registration import writers
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.models import EXPLAIN, description_of
from flask_skmodels.openapi.components import (
    HEADERS,
    PARAMETERS,
    RESPONSES,
    SCHEMAS,
    json_content,
    object_of,
    problem_responses,
    ref,
    response,
    shared,
    shared_paths,
)
from flask_skmodels.openapi.output_schemas import explanations_schema, predictions_schema
from flask_skmodels.schema.json_schema import (
    VALUES,
    array_schema,
    columns_schema,
    form_schema,
    jsonable,
)
from flask_skmodels.schema.types import FieldRules, JSONObject

UNVERSIONED = "0.0.0"  # OpenAPI requires a version; this stands for no version
_MULTIPART = "multipart/form-data"
_TAGS = (
    {"name": "models", "description": "All models"},
    {"name": "health", "description": "Health checks of the application"},
)
_SUMMARIES = {
    "predict": "Predict",
    "predict_proba": "Predict the probability of each class",
    "predict_log_proba": "Predict the logarithm of the probability of each class",
    "decision_function": "Compute the confidence scores",
    "transform": "Transform",
    "score_samples": "Score",
    EXPLAIN: "Explain predictions by the contributions of the fields",
}
# These are not separate components: openapi-python-client ignores such components, and the client
# that it generates fails for bodies of several types if one of them is an array.
_FORM, _UPLOAD = "Row/$defs/Form", "Row/$defs/Upload"
_REQUEST_HEADERS = ("X-Request-ID", "Content-Encoding")
_ANY_ARRAY = {"type": "array", "items": {}}  # some code generators need the key "items"
_UNAUTHENTICATED = {"401": {"description": "The client is not authenticated."}} | problem_responses(
    403
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The URLs of the models, and how clients authenticate.

    :param title: title of the document
    :param version: version of the document
    :param prefix: URL prefix of all paths
    :param root: the path at which the application is mounted
    :param security_schemes: OpenAPI's security schemes, by name; a client needs one of them for all
        operations except health checks
    :param is_guarded: whether view decorators guard every model
    :param has_drift: whether the drift of models with a profile is measured
    """

    title: str
    version: str = UNVERSIONED
    prefix: str = ""
    root: str = ""
    security_schemes: FieldRules = field(default_factory=dict)
    is_guarded: bool = False
    has_drift: bool = False


def document(deployments: Iterable[Deployment], site: Site) -> JSONObject:
    """Return the OpenAPI document of models.

    :param deployments: the models
    :param site: the URLs of the models, and how clients authenticate
    :returns: the document, which has only JSON's types
    """
    described = [_DescribedModel(deployment) for deployment in deployments]
    paths = {path: item for model in described for path, item in model.paths(site)}
    others = shared_paths(site.prefix, has_drift=site.has_drift)
    paths |= {path: _guarded(item, site) for path, item in others.items()}
    components = {
        "schemas": {**SCHEMAS, **{k: v for model in described for k, v in model.schemas()}},
        "responses": RESPONSES,
        "parameters": PARAMETERS,
        "headers": HEADERS,
    }
    content: JSONObject = {
        "openapi": "3.1.0",
        "info": {"title": site.title, "version": site.version},
        "paths": paths,
        "components": components,
        "tags": [*(model.tag for model in described), *_TAGS],
    }
    if site.root:
        content["servers"] = [{"url": site.root}]
    if site.security_schemes:
        components["securitySchemes"] = dict(site.security_schemes)
    plain: JSONObject = orjson.loads(dumps(content))
    return plain


class _DescribedModel:
    """The paths and schemas of the live version of one model."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.name = deployment.name
        self.version = deployment.versions.live
        self.methods = (self.version or deployment.versions).methods
        self.loads = deployment.versions.is_reloadable

    @property
    def tag(self) -> dict[str, str]:
        return {"name": self.name, "description": description_of(self.deployment.model)}

    def paths(self, site: Site) -> Iterator[tuple[str, JSONObject]]:
        """Yield each path of the model with its operations."""
        start = f"{site.prefix}/{self.name}/"
        yield start, self._item("get", self._describe_operation(), site)
        if site.has_drift and self.version is not None and self.version.profile is not None:
            yield f"{start}drift/", self._item("get", self._drift_operation(), site)
        for method in self.methods:
            yield f"{start}{method}/", self._item("post", self._predict_operation(method), site)
            if self.deployment.versions.is_folder:
                path = f"{start}versions/{{version}}/{method}/"
                yield path, self._item("post", self._version_operation(method), site)

    def schemas(self) -> Iterator[tuple[str, JSONObject]]:
        """Yield each schema of the model with its name."""
        row, fields = self._row, () if self.version is None else self.version.schema.fields
        forms = {"Form": form_schema(row, fields), "Upload": shared("schemas", "Upload")}
        yield f"{self.name}.Row", row | {"$defs": forms}
        yield f"{self.name}.Array", self._array
        yield f"{self.name}.Columns", columns_schema(row, fields)
        for method in self.methods:
            yield f"{self.name}.{method}.Answer", self._response(method)
            if self.deployment.versions.is_folder:
                yield f"{self.name}.{method}.version.Answer", self._response_of_any(method)

    @cached_property
    def _row(self) -> JSONObject:
        if self.version is None:
            return object_of({})
        return self.version.schema.json_schema(self.deployment.hidden_fields)

    @property
    def _array(self) -> JSONObject:
        if self.version is None:
            return _ANY_ARRAY
        if self.version.schema.unnamed:
            array: JSONObject = self._row["properties"][VALUES]
            return array
        return array_schema(self.version.schema.fields)

    @property
    def _takes_files(self) -> bool:
        fields = () if self.version is None else self.version.schema.fields
        return all(field.name != FILE for field in fields)

    def _response(self, method: str) -> JSONObject:
        """Return the schema of a JSON response of the live version."""
        if self.version is None or self.deployment.model.traffic:
            return self._response_of_any(method)
        layout = self.version.layout if method == EXPLAIN else None
        if layout is not None:
            return self._response_with(method, explanations_schema(layout))
        return self._response_with(method, predictions_schema(self.version, method))

    def _response_of_any(self, method: str) -> JSONObject:
        """Return the schema of a JSON response of any version; their classes may differ."""
        return self._response_with(method, _ANY_ARRAY)

    def _response_with(self, method: str, predictions: JSONObject) -> JSONObject:
        properties: dict[str, JSONObject] = {
            "model": {"type": "string", "const": self.name},
            "version": {"type": ["string", "null"]},
            "method": {"type": "string", "const": method},
            "explanations" if method == EXPLAIN else "predictions": predictions,
            "classes": _ANY_ARRAY,
        }
        return object_of(properties, ["classes"])

    def _describe_operation(self) -> JSONObject:
        model = json_content(shared("schemas", "Model"))
        return {
            "operationId": f"{self.name}.describe",
            "summary": "Describe the model",
            "parameters": [shared("parameters", "X-Request-ID")],
            "responses": response(200, "The description of the model.", model)
            | problem_responses(500, *([503] if self.loads else [])),
        }

    def _drift_operation(self) -> JSONObject:
        drift = json_content(shared("schemas", "Drift"))
        return {
            "operationId": f"{self.name}.drift",
            "summary": "Compare the most recent rows with the training data",
            "parameters": [shared("parameters", "X-Request-ID")],
            "responses": response(200, "The drift of the model.", drift)
            | problem_responses(404, 500, *([503] if self.loads else [])),
        }

    def _predict_operation(self, method: str, answer: str = "Answer") -> JSONObject:
        """Return the operation of a method.

        :param answer: the end of the name of the schema of its responses
        """
        shapes = self._shapes(f"{method}.{answer}")
        content = {codec.media_type: {"schema": codec.answer_schema(shapes)} for codec in writers()}
        headers = ["X-Model-Version"] if self.deployment.versions.is_folder else []
        entry = "explanation" if method == EXPLAIN else "prediction"
        description = f"One {entry} per row."
        return {
            "operationId": f"{self.name}.{method}",
            "summary": _SUMMARIES[method],
            "parameters": [shared("parameters", name) for name in _REQUEST_HEADERS],
            "requestBody": {
                "required": bool(self._row["required"]),
                "content": self._content(shapes),
            },
            "responses": response(200, description, _json_first(content), *headers)
            | problem_responses(400, 403, 406, 413, 415, 422, 500, *self._other_statuses()),
        }

    def _other_statuses(self) -> list[int]:
        """Return the statuses of responses that only some models have."""
        deployment = self.deployment
        may_wait = deployment.timeout is not None
        not_found = [404] if self.loads else []
        unavailable = [503] if self.loads or deployment.limits or may_wait else []
        return [*not_found, *unavailable, *([504] if may_wait else [])]

    def _version_operation(self, method: str) -> JSONObject:
        """Return the operation of a method for a version that the path names."""
        labels = [version["version"] for version in self.deployment.versions.describe()]
        version = {"name": "version", "in": "path", "required": True, "schema": {"type": "string"}}
        examples = {"examples": {label: {"value": label} for label in labels}} if labels else {}
        operation = self._predict_operation(method, "version.Answer")
        operation["operationId"] = f"{self.name}.{method}.version"
        operation["summary"] += ", by one version"
        operation["parameters"].append(version | examples)
        return operation

    def _shapes(self, answer: str) -> Shapes:
        names = {"row": "Row", "array": "Array", "columns": "Columns", "form": _FORM}
        names["answer"] = answer
        return Shapes(**{k: ref("schemas", f"{self.name}.{name}") for k, name in names.items()})

    def _content(self, shapes: Shapes) -> JSONObject:
        """Return the content of a request for each media type that can be read."""
        content: JSONObject = {}
        for codec in writers():
            for media_type in codec.reads:
                content[media_type] = {
                    "schema": codec.request_schema(shapes),
                    **self._examples(codec),
                }
        if _MULTIPART in content and self._takes_files:
            content[_MULTIPART] = {"schema": ref("schemas", f"{self.name}.{_UPLOAD}")}
        return _json_first(content)

    def _examples(self, codec: Codec) -> JSONObject:
        """Return the model's examples in the format of a codec."""
        bodies = [codec.example(row) for row in self._example_rows]
        shown = [body for body in bodies if body is not None]
        examples = {f"example {number}": {"value": body} for number, body in enumerate(shown, 1)}
        return {"examples": examples} if examples else {}

    @cached_property
    def _example_rows(self) -> list[JSONObject]:
        """The model's examples as rows with names; examples that are not rows are left out."""
        version, deployment = self.version, self.deployment
        rows = deployment.model.examples
        if version is not None:
            rows = version.examples_to_show(deployment.hidden_fields)
        return [self._named(row) for row in map(jsonable, rows) if isinstance(row, dict | list)]

    def _named(self, row: Any) -> JSONObject:
        if isinstance(row, dict):
            return row
        if self.version is None or self.version.schema.unnamed:
            return {VALUES: row}
        names = (field.name for field in self.version.schema.fields if not field.is_alias)
        return dict(zip(names, row, strict=False))

    def _item(self, verb: str, operation: JSONObject, site: Site) -> JSONObject:
        operation["tags"] = [self.name]
        return _guarded(
            {verb: operation}, site, by_decorators=bool(self.deployment.model.decorators)
        )


def _json_first(content: JSONObject) -> JSONObject:
    """Return the content of a body with JSON first, because many tools use only the first type."""
    return dict(sorted(content.items(), key=lambda entry: entry[0] != "application/json"))


def _guarded(item: JSONObject, site: Site, *, by_decorators: bool = False) -> JSONObject:
    """Add, to the operations of a path, the responses that the application's guards may send."""
    for operation in item.values():
        if "health" in operation["tags"]:
            continue
        if by_decorators or site.is_guarded:
            operation["responses"]["4XX"] = {"description": "The application refused the request."}
        if site.security_schemes:
            operation["security"] = [{name: []} for name in site.security_schemes]
            operation["responses"] |= _UNAUTHENTICATED
    return item
