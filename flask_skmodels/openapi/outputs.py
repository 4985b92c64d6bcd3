"""JSON Schema of what a method of a fitted estimator returns, as far as it says so beforehand."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import orjson
from sklearn.base import is_clusterer, is_outlier_detector, is_regressor
from sklearn.utils import get_tags

from flask_skmodels.codecs.json_text import dumps
from flask_skmodels.models import overrides
from flask_skmodels.versions.version import ModelVersion

NUMBER = {"type": ["number", "null"]}  # what is not finite is null in JSON
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}
_SCALAR = {"type": ["number", "string", "boolean", "null"]}
_FLAT = {"sklearn", "lightgbm"}  # whose classifiers return one label a row, never a list of one
_BINARIZERS = ("_label_binarizer", "label_binarizer_")
_BY_CLASS = {"predict_proba", "predict_log_proba"}


def predictions_schema(version: ModelVersion, method: str) -> dict[str, Any]:
    """Return the schema of the predictions of a JSON answer, one entry a row.

    :param version: the model
    :param method: name of the estimator's method
    :returns: an array of anything where the model's own hook makes them, or the estimator does not
        say what it returns
    """
    with suppress(Exception):  # a foreign object whose attributes are not what they seem
        entry = {} if overrides(version.model, method) else _entry(version, method)
        return {"type": "array", "items": entry}
    return {"type": "array", "items": {}}


def _entry(version: ModelVersion, method: str) -> dict[str, Any]:
    estimator = _last(version.model.pipeline)
    classes = version.classes("predict_proba")
    if method == "predict":
        return _labels(estimator, classes) if classes else _predicted(estimator)
    if method in _BY_CLASS:
        return _by_class(classes)
    if method == "decision_function":
        return _scores(estimator, classes)
    return NUMBER if method == "score_samples" else _transformed(estimator)


def _last(estimator: Any) -> Any:
    """Return what predicts in the end: of a pipeline its last step, of a search its best."""
    while True:
        if isinstance(getattr(estimator, "steps", None), list):
            estimator = estimator.steps[-1][1]
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif type(estimator).__name__ == "FrozenEstimator":
            estimator = estimator.estimator
        else:
            return estimator


def _labels(estimator: Any, classes: list[Any]) -> dict[str, Any]:
    if all(isinstance(each, list) for each in classes):
        return _array([_label(each) for each in classes])
    label = _label(classes)
    if _module(estimator) in _FLAT and not _has_many_labels(estimator):
        return label
    return {"anyOf": [label, {"type": "array", "items": label}]}


def _label(classes: list[Any]) -> dict[str, Any]:
    """Return the schema of a label: that of all values for booleans, else the known values."""
    values = [orjson.loads(dumps(value)) for value in classes]
    kinds = sorted({_TYPES[type(value)] for value in values})
    kind = {"type": kinds[0] if len(kinds) == 1 else kinds}
    return kind if kinds == ["boolean"] else {**kind, "enum": values}


def _predicted(estimator: Any) -> dict[str, Any]:
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


def _width(estimator: Any) -> int | None:
    """Return how many numbers a regressor predicts a row, None where it does not say."""
    if not _takes_many(estimator):
        return 1
    if hasattr(estimator, "n_outputs_"):
        return int(estimator.n_outputs_)
    shape: tuple[int, ...] = getattr(getattr(estimator, "coef_", None), "shape", ())
    if len(shape) == 1:
        return 1
    return int(shape[0]) if len(shape) == 2 and shape[0] > 1 else None


def _takes_many(estimator: Any) -> bool:
    """Return whether it can be fitted on several outputs."""
    return bool(get_tags(estimator).target_tags.multi_output)


def _has_many_labels(estimator: Any) -> bool:
    """Return whether it predicts for each of its classes whether a row has it."""
    binarizers = (getattr(estimator, name, None) for name in _BINARIZERS)
    return any(str(getattr(b, "y_type_", "")).startswith("multilabel") for b in binarizers)


def _by_class(classes: list[Any] | None) -> dict[str, Any]:
    if not classes or any(isinstance(each, list) for each in classes):
        return {}  # several outputs come one after the other, not row by row
    return _numbers(len(classes))


def _scores(estimator: Any, classes: list[Any] | None) -> dict[str, Any]:
    if not classes:
        return NUMBER if is_outlier_detector(estimator) else {}
    if any(isinstance(each, list) for each in classes):
        return {}
    if len(classes) == 2 and _module(estimator) in _FLAT and not _has_many_labels(estimator):
        return NUMBER
    return {"anyOf": [NUMBER, {"type": "array", "items": NUMBER}]}


def _transformed(estimator: Any) -> dict[str, Any]:
    is_table = _module(estimator) == "sklearn" and not is_regressor(estimator)
    if not is_table or type(estimator).__name__ == "FunctionTransformer":
        return {}
    return {"type": "array", "items": _SCALAR}


def _numbers(count: int) -> dict[str, Any]:
    return {"type": "array", "items": NUMBER, "minItems": count, "maxItems": count}


def _array(items: list[dict[str, Any]]) -> dict[str, Any]:
    count = len(items)
    return {"type": "array", "prefixItems": items, "minItems": count, "maxItems": count}


def _module(estimator: Any) -> str:
    return type(estimator).__module__.partition(".")[0]
