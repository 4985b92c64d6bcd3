"""The inputs and outputs of a model as tensors, as the Open Inference Protocol describes them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from flask import Response
from sklearn.base import is_regressor

from flask_skmodels.dialects.common import ERRORS, version_at
from flask_skmodels.dialects.open_inference_tensors import BYTES, tensor_of
from flask_skmodels.estimators.introspect import final_estimator
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.models import EXPLAIN
from flask_skmodels.schema.fields import Field
from flask_skmodels.schema.json_schema import VALUES
from flask_skmodels.schema.schema import Schema
from flask_skmodels.schema.types import Estimator, JSONObject
from flask_skmodels.versions.version import ModelVersion
from flask_skmodels.web.exchange import Exchange
from flask_skmodels.web.responses import json_response
from flask_skmodels.web.views import BaseView

_DATATYPES = {"number": "FP64", "integer": "INT64", "boolean": "BOOL"}
DEFAULT_OUTPUT = "output-0"
_ANY_SIZE = -1  # of a dimension


class MetadataView(BaseView):
    """``GET /v2/models/{name}``, with ``/versions/{version}`` or without: a model's tensors.

    :param deployment: the model
    """

    errors = ERRORS

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    def respond(self, exchange: Exchange) -> Response:
        version = version_at(exchange, self._deployment)
        return json_response(
            {
                "name": self._deployment.name,
                "versions": [entry["version"] for entry in self._deployment.versions.describe()],
                "platform": platform_of(version),
                "inputs": input_tensors(version.schema),
                "outputs": output_tensors(version),
            }
        )


def input_tensors(schema: Schema) -> list[JSONObject]:
    """Return the input tensors of a model: one for each field, or one for rows of unnamed numbers.

    :param schema: the fields of the model
    :returns: the name, datatype and shape of each tensor; a size of -1 means any size
    """
    fields = [field for field in schema.fields if not field.is_alias]
    if schema.unnamed and all(field.is_number for field in fields):
        are_integers = bool(fields) and all(field.kind == "integer" for field in fields)
        datatype = "INT64" if are_integers else "FP64"
        return [_described(VALUES, datatype, [_ANY_SIZE, len(fields) or _ANY_SIZE])]
    return [_described(field.name, _datatype(field), [_ANY_SIZE, 1]) for field in fields]


def output_tensors(version: ModelVersion) -> list[JSONObject]:
    """Return the output tensors of a version: one for each method, or for each of several outputs.

    :returns: the name, datatype and shape of each tensor; a size of -1 means any size
    """
    methods = (method for method in version.methods if method != EXPLAIN)  # it has no tensor
    return [tensor for method in methods for tensor in _outputs(version, method)]


def part_names(name: str, count: int) -> list[str]:
    """Return the names of the tensors of several outputs: ``predict_proba_0`` and so on."""
    return [f"{name}_{index}" for index in range(count)]


def _datatype(field: Field) -> str:
    return _DATATYPES.get(field.kind, BYTES)


def _described(name: str, datatype: str, shape: Sequence[int]) -> JSONObject:
    return {"name": name, "datatype": datatype, "shape": list(shape)}


def _outputs(version: ModelVersion, method: str) -> list[JSONObject]:
    parts = _parts(version, method)
    if method == "predict":
        return [_predicted(version)]
    if parts:
        names = part_names(method, len(parts))
        sizes = [[_ANY_SIZE, len(part)] for part in parts]
        return [_described(name, "FP64", size) for name, size in zip(names, sizes, strict=True)]
    return [_described(method, "FP64", _shape(version, method))]


def _parts(version: ModelVersion, method: str) -> list[list[Any]]:
    """Return the classes of each output of a method, none if the method has only one output."""
    classes: list[Any] = version.classes(method) or []
    has_several = bool(classes) and isinstance(classes[0], list) and method != "decision_function"
    return classes if has_several else []


def _predicted(version: ModelVersion) -> JSONObject:
    """Return the tensor of ``predict``, from the attributes of the fitted estimator."""
    parts = _parts(version, "predict_proba")
    labels = version.classes("predict_proba")
    if parts:
        datatypes = {_datatype_of(part) for part in parts}
        datatype = datatypes.pop() if len(datatypes) == 1 else BYTES
        return _described("predict", datatype, [_ANY_SIZE, len(parts)])
    if labels is not None:
        return _described("predict", _datatype_of(labels), [_ANY_SIZE])
    last = final_estimator(version.model.pipeline)
    if is_regressor(version.model.pipeline):
        return _described("predict", "FP64", _targets(last))
    return _described("predict", _datatype_of(getattr(last, "labels_", [0])), [_ANY_SIZE])


def _datatype_of(labels: Any) -> str:
    return tensor_of("", np.asarray(labels)).datatype


def _targets(regressor: Estimator) -> list[int]:
    coefficients: Any = getattr(regressor, "coef_", None)
    if getattr(coefficients, "ndim", 1) == 2:
        return [_ANY_SIZE, coefficients.shape[0]]
    count = getattr(regressor, "n_outputs_", 1)
    return [_ANY_SIZE, count] if count > 1 else [_ANY_SIZE]


def _shape(version: ModelVersion, method: str) -> list[int]:
    classes = version.classes(method)
    if method == "decision_function" and (classes is None or len(classes) < 3):
        return [_ANY_SIZE]
    if classes is not None:
        return [_ANY_SIZE, len(classes)]
    if method == "score_samples":
        return [_ANY_SIZE]
    with suppress(Exception):  # estimators without feature names raise many types
        return [_ANY_SIZE, len(version.model.pipeline.get_feature_names_out())]
    return [_ANY_SIZE, _ANY_SIZE]


def method_of(version: ModelVersion, output: str) -> str | None:
    """Return the method that an output belongs to, None if the version has no such output.

    :param output: ``"output-0"`` for the default method, the name of a method, or the name of a
        single output of a method that has several
    """
    if output == DEFAULT_OUTPUT:
        return version.default_method
    if output == EXPLAIN:
        return None
    if output in version.methods:
        return output
    method = output.rpartition("_")[0]
    parts = _parts(version, method) if method in version.methods else []
    return method if output in part_names(method, len(parts)) else None


def platform_of(version: ModelVersion) -> str:
    """Return the protocol's platform name: the library of a version and its file format."""
    stored = "estimator" if version.loaded is None else version.loaded.format
    return "onnx_onnxv1" if stored == "onnx" else f"sklearn_{stored}"
