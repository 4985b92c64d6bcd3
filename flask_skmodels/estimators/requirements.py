"""Requirements that a pipeline must meet to be served."""

from __future__ import annotations

import dis
from collections.abc import Iterator
from contextlib import suppress
from inspect import unwrap
from typing import Any

import numpy as np

from flask_skmodels.estimators import introspect
from flask_skmodels.estimators.attributes import (
    active_steps,
    get,
    has,
    is_a,
    is_from_sklearn,
    wrapped,
)
from flask_skmodels.exceptions import ModelError
from flask_skmodels.schema.types import Estimator

_WRAPPERS = ("BaseSearchCV", "FrozenEstimator", "BaseThresholdClassifier")  # around a pipeline

_PLAIN = frozenset({bool, float, int, str, type(None), np.float64, np.int64})


def check_pipeline(pipeline: Estimator) -> None:
    """Check that the pipeline of a model is a fitted estimator that can be served.

    :param pipeline: the value of the model's attribute
    :raises ModelError: it cannot be served; the message gives the reason and the remedy
    """
    if pipeline is None:
        raise ModelError("it has no pipeline: set pipeline to a fitted estimator")
    if isinstance(pipeline, type):
        raise ModelError(
            f"its pipeline is the class {pipeline.__name__}: use a fitted instance of it"
        )
    if not introspect.methods(pipeline):
        raise ModelError(
            f"its pipeline ({introspect.class_name(pipeline)}) has none of the methods "
            f"{', '.join(introspect.METHODS)}"
        )
    if not introspect.is_fitted(pipeline):
        raise ModelError(
            f"its pipeline ({introspect.class_name(pipeline)}) is not fitted: call fit first"
        )
    for name, step in _unfitted_steps(pipeline):
        raise ModelError(
            f"step {name!r} of its pipeline ({introspect.class_name(step)}) is not fitted: "
            "fit the whole pipeline"
        )
    for part in estimators_in(pipeline):
        _check_part(part)


def _check_part(part: Estimator) -> None:
    name = introspect.class_name(part)
    if _opens_files(part):
        raise ModelError(
            f"its {name} has input={part.input!r} and would open files that a client names: "
            "use input='content'"
        )


def _opens_files(estimator: Estimator) -> bool:
    """Return True for a vectorizer that reads its texts from files instead of its input."""
    return is_a(estimator, "_VectorizerMixin") and get(estimator, "input") != "content"


def _unfitted_steps(estimator: Estimator, prefix: str = "") -> Iterator[tuple[str, Estimator]]:
    """Yield the steps that predict but are not fitted, with their names as in ``set_params``."""
    with suppress(Exception):  # an object with unusual attributes
        for name, step in _steps_of(estimator):
            path = f"{prefix}{name}"
            if _is_unfitted(step):
                yield path, step
            else:
                yield from _unfitted_steps(step, f"{path}__")


def _steps_of(estimator: Estimator) -> list[tuple[str, Estimator]]:
    """Return the named estimators inside an estimator that run when it predicts."""
    if is_a(estimator, "Pipeline"):
        steps, active = estimator.steps, list(map(id, active_steps(estimator)))
        return [(name, step) for name, step in steps if id(step) in active and _is_object(step)]
    if is_a(estimator, "FeatureUnion"):
        return [(name, step) for name, step in estimator.transformer_list if _is_object(step)]
    if is_a(estimator, "ColumnTransformer"):
        indices = estimator._transformer_to_input_indices  # without columns, fit skips a step
        named = [(name, step) for name, step, _ in estimator.transformers_ if _is_object(step)]
        return [(name, step) for name, step in named if len(indices[name])]
    inner = wrapped(estimator) if is_a(estimator, *_WRAPPERS) else []
    return [pair for each in inner for pair in _steps_of(each)]


def _is_object(step: object) -> bool:
    return step is not None and not isinstance(step, str)


def _is_unfitted(step: Estimator) -> bool:
    """Return True if a step has to be fitted and is not.

    Many classes outside scikit-learn need no fit but do not declare that. They are recognized by a
    ``fit`` that sets no attribute.
    """
    if introspect.is_fitted(step):
        return False
    return is_from_sklearn(step) or any(map(_sets_attributes, type(step).__mro__))


def _sets_attributes(cls: type) -> bool:
    """Return True if ``fit`` of a class sets an attribute whose name ends with an underscore."""
    function = unwrap(cls.__dict__.get("fit", object))
    code = getattr(function, "__code__", None)
    if code is None:
        return False
    stores = (each.argval for each in dis.get_instructions(code) if each.opname == "STORE_ATTR")
    return any(name.endswith("_") for name in stores)


def estimators_in(estimator: Estimator) -> Iterator[Estimator]:
    """Yield an estimator and all estimators in its attributes, fitted or not."""
    stack, seen = [*_attributes(estimator), estimator], set[int]()
    while stack:
        item = stack.pop()
        if type(item) in _PLAIN:  # most attributes of the thousands of trees of a forest
            continue
        if isinstance(item, np.ndarray):
            stack += item.flat if item.dtype == object else []
        elif isinstance(item, list | tuple | dict):
            stack += item.values() if isinstance(item, dict) else item
        elif has(item, "get_params") and id(item) not in seen:
            seen.add(id(item))
            yield item
            stack += _attributes(item)


def _attributes(item: Any) -> list[Any]:
    return list((get(item, "__dict__") or {}).values())
