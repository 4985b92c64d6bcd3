"""The API document (OpenAPI 3.1) of models, from their schemas and estimators alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version as version_of
from typing import Any

import orjson

from flask_skmodels.codecs import writers
from flask_skmodels.codecs.codec import FILE, Codec, Shapes
from flask_skmodels.codecs.json_text import dumps
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.models import description_of
from flask_skmodels.openapi.components import (
    HEADERS,
    PARAMETERS,
    RESPONSES,
    SCHEMAS,
    answer,
    closed,
    failures,
    json_of,
    ref,
    shared,
    shared_paths,
)
from flask_skmodels.openapi.outputs import predictions_schema
from flask_skmodels.schema.json_schema import (
    VALUES,
    array_schema,
    columns_schema,
    form_schema,
    jsonable,
)

_MULTIPART = "multipart/form-data"
_TAGS = (
    {"name": "models", "description": "All models"},
    {"name": "health", "description": "Whether the application lives and is ready"},
)
_SUMMARIES = {
    "predict": "Predict",
    "predict_proba": "Predict the probability of each class",
    "predict_log_proba": "Predict the logarithm of the probability of each class",
    "decision_function": "Compute the confidence scores",
    "transform": "Transform",
    "score_samples": "Score",
}
# Not components of their own: openapi-python-client passes over them there, and what it writes for
# bodies of several types fails where one of them is an array.
_FORM, _UPLOAD = "Row/$defs/Form", "Row/$defs/Upload"
_REQUEST_HEADERS = ("X-Request-ID", "Content-Encoding")
_ANY_ARRAY = {"type": "array", "items": {}}  # some code generators need the items
_REFUSALS = {"401": {"description": "It is not known who asks."}} | failures(403)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where models are served, and how a client says who it is.

    :param title: of the document
    :param prefix: what every path begins with
    :param root: where the application is mounted
    :param security_schemes: OpenAPI's, by name; one of them is needed for all but health
    :param is_guarded: whether view decorators stand around every model
    """

    title: str
    prefix: str = ""
    root: str = ""
    security_schemes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    is_guarded: bool = False


def document(deployments: Iterable[Deployment], site: Site) -> dict[str, Any]:
    """Return the API document of models. Nothing is loaded for it.

    :param deployments: the models
    :param site: where they are served
    :returns: what JSON can hold, and nothing else
    """
    described = [_Described(deployment) for deployment in deployments]
    paths = {path: item for each in described for path, item in each.paths(site)}
    paths |= {path: _guarded(item, site) for path, item in shared_paths(site.prefix).items()}
    components = {
        "schemas": {**SCHEMAS, **{k: v for each in described for k, v in each.schemas()}},
        "responses": RESPONSES,
        "parameters": PARAMETERS,
        "headers": HEADERS,
    }
    found: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": site.title, "version": version_of("Flask-SKModels")},
        "paths": paths,
        "components": components,
        "tags": [*(each.tag for each in described), *_TAGS],
    }
    if site.root:
        found["servers"] = [{"url": site.root}]
    if site.security_schemes:
        components["securitySchemes"] = dict(site.security_schemes)
    plain: dict[str, Any] = orjson.loads(dumps(found))
    return plain


class _Described:
    """One model, as the document tells of it."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.name = deployment.name
        self.version = deployment.versions.live
        self.methods = (self.version or deployment.versions).methods
        self.loads = deployment.versions.is_reloadable

    @property
    def tag(self) -> dict[str, str]:
        return {"name": self.name, "description": description_of(self.deployment.model)}

    def paths(self, site: Site) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield each path of the model with its operations."""
        start = f"{site.prefix}/{self.name}/"
        yield start, self._item("get", self._describing(), site)
        for method in self.methods:
            yield f"{start}{method}/", self._item("post", self._predicting(method), site)
            if self.deployment.versions.is_folder:
                path = f"{start}versions/{{version}}/{method}/"
                yield path, self._item("post", self._asking(method), site)

    def schemas(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield each schema of the model with its name."""
        row, fields = self._row, () if self.version is None else self.version.schema.fields
        forms = {"Form": form_schema(row, fields), "Upload": shared("schemas", "Upload")}
        yield f"{self.name}.Row", row | {"$defs": forms}
        yield f"{self.name}.Array", self._array
        yield f"{self.name}.Columns", columns_schema(row, fields)
        for method in self.methods:
            yield f"{self.name}.{method}.Answer", self._answer(method)
            if self.deployment.versions.is_folder:
                yield f"{self.name}.{method}.version.Answer", self._answer_of_any(method)

    @cached_property
    def _row(self) -> dict[str, Any]:
        if self.version is None:
            return closed({})
        return self.version.schema.json_schema()

    @property
    def _array(self) -> Mapping[str, Any]:
        if self.version is None:
            return _ANY_ARRAY
        if self.version.schema.unnamed:
            array: Mapping[str, Any] = self._row["properties"][VALUES]
            return array
        return array_schema(self.version.schema.fields)

    @property
    def _takes_files(self) -> bool:
        fields = () if self.version is None else self.version.schema.fields
        return all(each.name != FILE for each in fields)

    def _answer(self, method: str) -> dict[str, Any]:
        """Return the schema of a JSON answer of the version that serves."""
        if self.version is None or self.deployment.model.traffic:
            return self._answer_of_any(method)
        return self._answer_with(method, predictions_schema(self.version, method))

    def _answer_of_any(self, method: str) -> dict[str, Any]:
        """Return the schema of a JSON answer of any version: others may have other classes."""
        return self._answer_with(method, _ANY_ARRAY)

    def _answer_with(self, method: str, predictions: Mapping[str, Any]) -> dict[str, Any]:
        properties: dict[str, Mapping[str, Any]] = {
            "model": {"type": "string", "const": self.name},
            "version": {"type": ["string", "null"]},
            "method": {"type": "string", "const": method},
            "predictions": predictions,
            "classes": _ANY_ARRAY,
        }
        return closed(properties, ["classes"])

    def _describing(self) -> dict[str, Any]:
        model = json_of(shared("schemas", "Model"))
        return {
            "operationId": f"{self.name}.describe",
            "summary": "Say what the model is",
            "parameters": [shared("parameters", "X-Request-ID")],
            "responses": answer(200, "What it is.", model)
            | failures(500, *([503] if self.loads else [])),
        }

    def _predicting(self, method: str, answers: str = "Answer") -> dict[str, Any]:
        """Return the operation of a method.

        :param answers: the schema of its answers
        """
        shapes = self._shapes(f"{method}.{answers}")
        found = {codec.media_type: {"schema": codec.answer_schema(shapes)} for codec in writers()}
        headers = ["X-Model-Version"] if self.deployment.versions.is_folder else []
        return {
            "operationId": f"{self.name}.{method}",
            "summary": _SUMMARIES[method],
            "parameters": [shared("parameters", name) for name in _REQUEST_HEADERS],
            "requestBody": {
                "required": bool(self._row["required"]),
                "content": self._content(shapes),
            },
            "responses": answer(200, "One prediction a row.", _json_first(found), *headers)
            | failures(400, 403, 406, 413, 415, 500, *([404, 503] if self.loads else [])),
        }

    def _asking(self, method: str) -> dict[str, Any]:
        """Return the operation that asks one version by its label."""
        labels = [each["version"] for each in self.deployment.versions.describe()]
        version = {"name": "version", "in": "path", "required": True, "schema": {"type": "string"}}
        examples = {"examples": {each: {"value": each} for each in labels}} if labels else {}
        operation = self._predicting(method, "version.Answer")
        operation["operationId"] = f"{self.name}.{method}.version"
        operation["summary"] += ", by one version"
        operation["parameters"].append(version | examples)
        return operation

    def _shapes(self, answers: str) -> Shapes:
        names = ("Row", "Array", "Columns", _FORM, answers)
        row, array, columns, form, found = (ref("schemas", f"{self.name}.{name}") for name in names)
        return Shapes(row=row, array=array, columns=columns, form=form, answer=found)

    def _content(self, shapes: Shapes) -> dict[str, Any]:
        """Return the content of a request in each type that is read."""
        found: dict[str, Any] = {}
        for codec in writers():
            for media_type in codec.reads:
                found[media_type] = {
                    "schema": codec.request_schema(shapes),
                    **self._examples(codec),
                }
        if _MULTIPART in found and self._takes_files:
            found[_MULTIPART] = {"schema": ref("schemas", f"{self.name}.{_UPLOAD}")}
        return _json_first(found)

    def _examples(self, codec: Codec) -> dict[str, Any]:
        """Return the model's examples as a codec shows them."""
        shown = [codec.example(row) for row in self._example_rows]
        told = [value for value in shown if value is not None]
        found = {f"example {place}": {"value": value} for place, value in enumerate(told, 1)}
        return {"examples": found} if found else {}

    @cached_property
    def _example_rows(self) -> list[dict[str, Any]]:
        """The model's examples as rows with names; what is no row is left out."""
        model = self.deployment.model if self.version is None else self.version.model
        rows = [jsonable(row) for row in model.examples]
        return [self._named(row) for row in rows if isinstance(row, dict | list)]

    def _named(self, row: Any) -> dict[str, Any]:
        if isinstance(row, dict):
            return row
        if self.version is None or self.version.schema.unnamed:
            return {VALUES: row}
        names = (each.name for each in self.version.schema.fields if not each.is_alias)
        return dict(zip(names, row, strict=False))

    def _item(self, verb: str, operation: dict[str, Any], site: Site) -> dict[str, Any]:
        operation["tags"] = [self.name]
        return _guarded(
            {verb: operation}, site, by_decorators=bool(self.deployment.model.decorators)
        )


def _json_first(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a body with JSON first, which many tools take for the one."""
    return dict(sorted(content.items(), key=lambda entry: entry[0] != "application/json"))


def _guarded(item: dict[str, Any], site: Site, *, by_decorators: bool = False) -> dict[str, Any]:
    """Add to the operations of a path what the application answers before the model sees them."""
    for operation in item.values():
        if "health" in operation["tags"]:
            continue
        if by_decorators or site.is_guarded:
            operation["responses"]["4XX"] = {"description": "The application turned it down."}
        if site.security_schemes:
            operation["security"] = [{name: []} for name in site.security_schemes]
            operation["responses"] |= _REFUSALS
    return item
