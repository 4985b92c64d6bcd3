"""JSON Schemas of the outputs of an estimator's methods, from its fitted attributes and tags."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import orjson
from sklearn.base import is_clusterer, is_outlier_detector, is_regressor
from sklearn.utils import get_tags

from flask_skmodels.codecs.json_text import dumps
from flask_skmodels.estimators.introspect import final_estimator
from flask_skmodels.explain.explanation import BASE, OUTPUT, RULE, ExplanationLayout
from flask_skmodels.models import overrides
from flask_skmodels.schema.types import Estimator, JSONObject
from flask_skmodels.versions.version import ModelVersion

NUMBER = {"type": ["number", "null"]}  # nan and infinity are null in JSON
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}
_SCALAR = {"type": ["number", "string", "boolean", "null"]}
_FLAT = {"sklearn", "lightgbm"}  # their classifiers never return a list of one label for each row
_BINARIZERS = ("_label_binarizer", "label_binarizer_")
_BY_CLASS = {"predict_proba", "predict_log_proba"}


def predictions_schema(version: ModelVersion, method: str) -> JSONObject:
    """Return the schema of the predictions in a JSON response, with one entry for each row.

    :param version: the version of the model
    :param method: name of the estimator's method
    :returns: the schema of an array, with items of any type if a method of the declared model makes
        the predictions, or if their type cannot be derived from the estimator
    """
    with suppress(Exception):  # attributes of estimators of other libraries may have any type
        entry = {} if overrides(version.model, method) else _entry(version, method)
        return {"type": "array", "items": entry}
    return {"type": "array", "items": {}}


def explanations_schema(layout: ExplanationLayout) -> JSONObject:
    """Return the schema of the explanations in a JSON response, with one entry for each row.

    :param layout: the names of the fields, and the number of outputs that are explained
    """
    number = {"type": "number"}
    value: JSONObject = number
    if layout.count > 1:
        size = {"minItems": layout.count, "maxItems": layout.count}
        value = {"type": "array", "items": number, **size}
    fields = dict.fromkeys(layout.fields, value)
    rules = {"type": "string", "const": layout.rule}
    contributions = _object(fields) | {"additionalProperties": False}
    parts = {BASE: value, "contributions": contributions, OUTPUT: value, RULE: rules}
    return {"type": "array", "items": _object(parts)}


def _object(properties: JSONObject) -> JSONObject:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _entry(version: ModelVersion, method: str) -> JSONObject:
    estimator = final_estimator(version.model.pipeline)
    classes = version.classes("predict_proba")
    if method == "predict":
        return _labels(estimator, classes) if classes else _predicted(estimator)
    if method in _BY_CLASS:
        return _by_class(classes)
    if method == "decision_function":
        return _scores(estimator, classes)
    return NUMBER if method == "score_samples" else _transformed(estimator)


def _labels(estimator: Estimator, classes: list[Any]) -> JSONObject:
    if all(isinstance(labels, list) for labels in classes):
        return _tuple([_label(labels) for labels in classes])
    label = _label(classes)
    if _module(estimator) in _FLAT and not _is_multilabel(estimator):
        return label
    return {"anyOf": [label, {"type": "array", "items": label}]}


def _label(classes: list[Any]) -> JSONObject:
    """Return the schema of a label: a boolean, or one of the classes."""
    values = [orjson.loads(dumps(value)) for value in classes]
    kinds = sorted({_TYPES[type(value)] for value in values})
    kind = {"type": kinds[0] if len(kinds) == 1 else kinds}
    return kind if kinds == ["boolean"] else {**kind, "enum": values}


def _predicted(estimator: Estimator) -> JSONObject:
    if is_clusterer(estimator):
        return {"type": "integer"}
    if is_outlier_detector(estimator):
        return {"type": "integer", "enum": [1, -1]}
    if not is_regressor(estimator):
        return {}
    width = _width(estimator)
    if width is None:
        return {"anyOf": [NUMBER, {"type": "array", "items": NUMBER}]}
    return NUMBER if width == 1 else _numbers(width)


def _width(estimator: Estimator) -> int | None:
    """Return the number of values that a regressor predicts for a row, None if it is unknown."""
    if not _is_multi_output(estimator):
        return 1
    if hasattr(estimator, "n_outputs_"):
        return int(estimator.n_outputs_)
    shape: tuple[int, ...] = getattr(getattr(estimator, "coef_", None), "shape", ())
    if len(shape) == 1:
        return 1
    return int(shape[0]) if len(shape) == 2 and shape[0] > 1 else None


def _is_multi_output(estimator: Estimator) -> bool:
    """Return whether an estimator can be fitted on several outputs."""
    return bool(get_tags(estimator).target_tags.multi_output)


def _is_multilabel(estimator: Estimator) -> bool:
    """Return whether a classifier can predict any number of classes for each row."""
    binarizers = (getattr(estimator, name, None) for name in _BINARIZERS)
    return any(str(getattr(b, "y_type_", "")).startswith("multilabel") for b in binarizers)


def _by_class(classes: list[Any] | None) -> JSONObject:
    if not classes or any(isinstance(labels, list) for labels in classes):
        return {}  # several outputs come one after the other, not row by row
    return _numbers(len(classes))


def _scores(estimator: Estimator, classes: list[Any] | None) -> JSONObject:
    if not classes:
        return NUMBER if is_outlier_detector(estimator) else {}
    if any(isinstance(labels, list) for labels in classes):
        return {}
    if len(classes) == 2 and _module(estimator) in _FLAT and not _is_multilabel(estimator):
        return NUMBER
    return {"anyOf": [NUMBER, {"type": "array", "items": NUMBER}]}


def _transformed(estimator: Estimator) -> JSONObject:
    is_table = _module(estimator) == "sklearn" and not is_regressor(estimator)
    if not is_table or type(estimator).__name__ == "FunctionTransformer":
        return {}
    return {"type": "array", "items": _SCALAR}


def _numbers(count: int) -> JSONObject:
    return {"type": "array", "items": NUMBER, "minItems": count, "maxItems": count}


def _tuple(items: list[JSONObject]) -> JSONObject:
    count = len(items)
    return {"type": "array", "prefixItems": items, "minItems": count, "maxItems": count}


def _module(estimator: Estimator) -> str:
    return type(estimator).__module__.partition(".")[0]
