"""What a model takes and gives, as tensors of the Open Inference Protocol."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from sklearn.base import is_regressor

from flask_skmodels.dialects.open_inference_tensors import BYTES, tensor_of
from flask_skmodels.estimators.introspect import final_estimator
from flask_skmodels.schema.fields import Field
from flask_skmodels.schema.json_schema import VALUES
from flask_skmodels.schema.schema import Schema
from flask_skmodels.versions.version import ModelVersion

_DATATYPES = {"number": "FP64", "integer": "INT64", "boolean": "BOOL"}
DEFAULT_OUTPUT = "output-0"
_OPEN = -1  # a dimension that may have any size


def input_tensors(schema: Schema) -> list[dict[str, Any]]:
    """Return the tensors that a model takes: one a field, or one where a row is numbers alone.

    :param schema: the fields that the model takes
    """
    fields = [field for field in schema.fields if not field.is_alias]
    if schema.unnamed and all(field.is_number for field in fields):
        are_integers = bool(fields) and all(field.kind == "integer" for field in fields)
        datatype = "INT64" if are_integers else "FP64"
        return [_described(VALUES, datatype, [_OPEN, len(fields) or _OPEN])]
    return [_described(field.name, _datatype(field), [_OPEN, 1]) for field in fields]


def output_tensors(version: ModelVersion) -> list[dict[str, Any]]:
    """Return the tensors that a version gives, those of several outputs of a method one by one."""
    return [tensor for method in version.methods for tensor in _outputs(version, method)]


def part_names(name: str, count: int) -> list[str]:
    """Return the names of the tensors of several outputs: ``predict_proba_0`` and so on."""
    return [f"{name}_{place}" for place in range(count)]


def _datatype(field: Field) -> str:
    return _DATATYPES.get(field.kind, BYTES)


def _described(name: str, datatype: str, shape: Sequence[int]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": list(shape)}


def _outputs(version: ModelVersion, method: str) -> list[dict[str, Any]]:
    parts = _parts(version, method)
    if method == "predict":
        return [_predicted(version)]
    if parts:
        names = part_names(method, len(parts))
        sizes = [[_OPEN, len(part)] for part in parts]
        return [_described(name, "FP64", size) for name, size in zip(names, sizes, strict=True)]
    return [_described(method, "FP64", _shape(version, method))]


def _parts(version: ModelVersion, method: str) -> list[list[Any]]:
    """Return the classes of each of several outputs of a method, nothing where it has one."""
    classes: list[Any] = version.classes(method) or []
    is_several = bool(classes) and isinstance(classes[0], list) and method != "decision_function"
    return classes if is_several else []


def _predicted(version: ModelVersion) -> dict[str, Any]:
    """Return the tensor of ``predict``, as far as the fitted estimator tells of it."""
    parts = _parts(version, "predict_proba")
    labels = version.classes("predict_proba")
    if parts:
        datatypes = {_datatype_of(part) for part in parts}
        datatype = datatypes.pop() if len(datatypes) == 1 else BYTES
        return _described("predict", datatype, [_OPEN, len(parts)])
    if labels is not None:
        return _described("predict", _datatype_of(labels), [_OPEN])
    last = final_estimator(version.model.pipeline)
    if is_regressor(version.model.pipeline):
        return _described("predict", "FP64", _targets(last))
    return _described("predict", _datatype_of(getattr(last, "labels_", [0])), [_OPEN])


def _datatype_of(labels: Any) -> str:
    return tensor_of("", np.asarray(labels)).datatype


def _targets(regressor: Any) -> list[int]:
    coefficients: Any = getattr(regressor, "coef_", None)
    if getattr(coefficients, "ndim", 1) == 2:
        return [_OPEN, coefficients.shape[0]]
    count = getattr(regressor, "n_outputs_", 1)
    return [_OPEN, count] if count > 1 else [_OPEN]


def _shape(version: ModelVersion, method: str) -> list[int]:
    classes = version.classes(method)
    if method == "decision_function" and (classes is None or len(classes) < 3):
        return [_OPEN]
    if classes is not None:
        return [_OPEN, len(classes)]
    if method == "score_samples":
        return [_OPEN]
    with suppress(Exception):  # estimators without names of features raise in many ways
        return [_OPEN, len(version.model.pipeline.get_feature_names_out())]
    return [_OPEN, _OPEN]


def method_of(version: ModelVersion, output: str) -> str | None:
    """Return the method that an output is of, None where the version has no such output.

    :param output: ``"output-0"`` for the default, a method, or one of a method's several outputs
    """
    if output == DEFAULT_OUTPUT:
        return version.default_method
    if output in version.methods:
        return output
    method = output.rpartition("_")[0]
    parts = _parts(version, method) if method in version.methods else []
    return method if output in part_names(method, len(parts)) else None


def platform_of(version: ModelVersion) -> str:
    """Return what a version was made by and is stored as, as the protocol's names have it."""
    stored = "estimator" if version.loaded is None else version.loaded.format
    return "onnx_onnxv1" if stored == "onnx" else f"sklearn_{stored}"
