"""The methods and the classes of an estimator, and whether it is fitted.

Only fitted attributes and tags are read: nothing is predicted or transformed. Nothing raises.
"""

from __future__ import annotations

from contextlib import suppress
from inspect import signature

from sklearn.utils.validation import check_is_fitted

from flask_skmodels.estimators.attributes import (
    active_steps,
    get,
    has,
    is_a,
    tags_of,
    to_python,
    wrapped,
)
from flask_skmodels.schema.types import Estimator

METHODS = tuple(
    "predict predict_proba predict_log_proba decision_function transform score_samples".split()
)


def is_fitted(estimator: Estimator) -> bool:
    """Return True if an estimator is fitted, as ``check_is_fitted`` defines it.

    :param estimator: any object
    :returns: True also for an object that needs no fit: a stateless estimator, or an object with a
        method of :data:`METHODS` but no ``fit``; False for a class
    """
    if isinstance(estimator, type) or not has(estimator, "fit"):
        return not isinstance(estimator, type) and bool(methods(estimator))
    if tags_of(estimator) is None and not has(estimator, "__sklearn_is_fitted__"):
        return _has_learned(estimator)
    with suppress(Exception):  # NotFittedError, or any error of an unknown object
        return check_is_fitted(estimator) is None
    return False


def _has_learned(estimator: Estimator) -> bool:
    """Return True if an unknown object has an attribute that ``fit`` seems to have set.

    The name of such an attribute ends with an underscore, or is not a parameter of the constructor.
    """
    attributes = get(estimator, "__dict__") or {}
    if any(name.endswith("_") and not name.startswith("__") for name in attributes):
        return True
    with suppress(Exception):  # a class without a signature
        parameters = signature(type(estimator)).parameters
        return any(v is not None for name, v in attributes.items() if name not in parameters)
    return False


def methods(estimator: Estimator) -> tuple[str, ...]:
    """Return the names of the methods that an estimator has and that can be served.

    :param estimator: any object
    :returns: names from :data:`METHODS`, in this order, without those that its parameters disable
    """
    return tuple(name for name in METHODS if callable(get(estimator, name)))


def classes(estimator: Estimator) -> list[object] | None:
    """Return the classes of a classifier.

    :param estimator: a fitted estimator
    :returns: ``classes_`` as plain Python values, a list of lists for several outputs; None for
        regressors, outlier detectors, clusterers and transformers
    """
    if not has(estimator, "predict"):
        return None  # the classes_ of a TargetEncoder are the classes of its target
    with suppress(Exception):  # an object with unusual attributes
        if (labels := get(estimator, "classes_")) is not None:
            return list(to_python(labels))
        is_pipeline = is_a(estimator, "Pipeline")
        inner = active_steps(estimator)[-1:] if is_pipeline else wrapped(estimator)
        return classes(inner[0]) if inner else None
    return None


def class_name(estimator: Estimator) -> str:
    """Return the name of the class of an estimator, without its module.

    :param estimator: any object; a pipeline is a ``"Pipeline"``
    """
    return type(estimator).__name__


def final_estimator(estimator: Estimator) -> Estimator:
    """Return the estimator that predicts in a pipeline, a search or a frozen estimator.

    :param estimator: a fitted estimator
    :returns: the last step, the best estimator or the frozen estimator, at any depth; any other
        estimator unchanged
    """
    while True:
        if is_a(estimator, "Pipeline"):
            estimator = estimator.steps[-1][1]
        elif is_a(estimator, "BaseSearchCV") and has(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif is_a(estimator, "FrozenEstimator"):
            estimator = estimator.estimator
        else:
            return estimator
