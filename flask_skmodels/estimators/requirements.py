"""Requirements that a pipeline must meet to be served."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from flask_skmodels.estimators import introspect
from flask_skmodels.exceptions import ModelError
from flask_skmodels.schema.types import Estimator


def check_pipeline(pipeline: Estimator) -> None:
    """Check that the pipeline of a model is a fitted estimator that can be served.

    :param pipeline: the value of the model's attribute
    :raises ModelError: it is not; the message gives the reason and the remedy
    """
    if pipeline is None:
        raise ModelError("it has no pipeline: set pipeline to a fitted estimator")
    if isinstance(pipeline, type):
        raise ModelError(
            f"its pipeline is the class {pipeline.__name__}: use a fitted instance of it"
        )
    if not introspect.methods(pipeline):
        raise ModelError(
            f"its pipeline, a {introspect.class_name(pipeline)}, has none of the methods "
            f"{', '.join(introspect.METHODS)}"
        )
    if not introspect.is_fitted(pipeline):
        raise ModelError(
            f"its pipeline, a {introspect.class_name(pipeline)}, is not fitted: call fit first"
        )
    for part in parts_of(pipeline):
        _check_part(part)


def _check_part(part: Estimator) -> None:
    name = introspect.class_name(part)
    if _takes_categories(part):
        raise ModelError(
            f"its {name} was fitted on columns that pandas calls categories, which no request can "
            "contain: encode them in a pipeline, with OrdinalEncoder for example"
        )
    if _opens_files(part):
        raise ModelError(
            f"its {name} has input={part.input!r} and would open files that a client names: "
            "use input='content'"
        )


def _opens_files(estimator: Estimator) -> bool:
    """Return True for a vectorizer that reads its texts from files instead of its input."""
    is_vectorizer = hasattr(estimator, "build_analyzer")
    return is_vectorizer and getattr(estimator, "input", "content") != "content"


def _takes_categories(estimator: Estimator) -> bool:
    """Return True for an estimator of LightGBM or XGBoost that was fitted on pandas categories."""
    with suppress(Exception):  # not fitted: a template that is only cloned
        if hasattr(estimator, "booster_"):
            return bool(estimator.booster_.pandas_categorical)
        if hasattr(estimator, "get_booster"):
            return "c" in (estimator.get_booster().feature_types or ())
    return False


def parts_of(estimator: Estimator) -> Iterator[Any]:
    """Yield an estimator and all estimators in its attributes, fitted or not."""
    stack, seen = [*getattr(estimator, "__dict__", {}).values(), estimator], set[int]()
    while stack:
        item = stack.pop()
        if isinstance(item, np.ndarray):
            stack += item.flat if item.dtype == object else []
        elif isinstance(item, list | tuple | dict):
            stack += item.values() if isinstance(item, dict) else item
        elif hasattr(item, "get_params") and id(item) not in seen:
            seen.add(id(item))
            yield item
            stack += getattr(item, "__dict__", {}).values()
