"""Attributes of any estimator, read without raising, and the estimators inside it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
from sklearn.utils import Tags, get_tags

from flask_skmodels.schema.types import Estimator

BOOSTING_LIBRARIES = ("lightgbm", "xgboost", "catboost")
# The attribute in which a meta-estimator of scikit-learn keeps the estimators that get its X.
_SAME_X = {
    "best_estimator_": {"BaseSearchCV"},
    "calibrated_classifiers_": {"CalibratedClassifierCV"},
    "estimator": {"FrozenEstimator", "_CalibratedClassifier"},
    "estimator_": {"BaseThresholdClassifier", "SelfTrainingClassifier", "RANSACRegressor"},
    "estimators_": {"OneVsRestClassifier", "OneVsOneClassifier", "_BaseHeterogeneousEnsemble"}
    | {"OutputCodeClassifier", "BaggingClassifier", "BaggingRegressor", "_MultiOutputEstimator"},
    "regressor_": {"TransformedTargetRegressor"},
}


def get(item: Any, name: str) -> Any:
    """Return an attribute, None if there is none or reading it fails."""
    with suppress(Exception):  # a property of another library may raise anything
        return getattr(item, name, None)


def has(item: Any, name: str) -> bool:
    """Return True if an attribute can be read and is not None."""
    return get(item, name) is not None


def tags_of(estimator: Estimator) -> Tags | None:
    """Return the tags of an estimator, None if it has no tags or broken ones."""
    with suppress(Exception):
        return get_tags(estimator)
    return None


def is_from_sklearn(estimator: Estimator) -> bool:
    """Return True if the class of an estimator is defined in scikit-learn."""
    return _is_defined_in_sklearn(type(estimator))


def _is_defined_in_sklearn(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == "sklearn"


def is_from(estimator: Estimator, *libraries: str) -> bool:
    """Return True if the class of an estimator, or one of its base classes, is from a library."""
    return any(cls.__module__.partition(".")[0] in libraries for cls in type(estimator).__mro__)


def boosting_library(estimator: Estimator) -> str:
    """Return the name of the boosting library of an estimator, an empty text if there is none."""
    return next((name for name in BOOSTING_LIBRARIES if is_from(estimator, name)), "")


def extends_sklearn(estimator: Estimator) -> bool:
    """Return True if an estimator extends a scikit-learn class that defines ``fit``."""
    mro = type(estimator).__mro__
    return any("fit" in vars(cls) for cls in mro if _is_defined_in_sklearn(cls))


def sklearn_classes(estimator: Estimator) -> list[str]:
    """Return the names of the scikit-learn classes that an estimator is an instance of."""
    return [cls.__name__ for cls in type(estimator).__mro__ if _is_defined_in_sklearn(cls)]


def is_a(estimator: Estimator, *names: str) -> bool:
    """Return True if an estimator is an instance of a scikit-learn class with such a name."""
    return not set(names).isdisjoint(sklearn_classes(estimator))


def records_names(estimator: Estimator) -> bool:
    """Return True if an estimator is known to keep the names of the data frame in ``fit``.

    Estimators of scikit-learn and of the boosting libraries keep them; a pipeline does if its first
    step does.
    """
    while is_a(estimator, "Pipeline"):
        estimator = estimator.steps[0][1]
    return is_from_sklearn(estimator) or bool(boosting_library(estimator))


def to_python(value: Any) -> Any:
    """Return arrays, including arrays in lists, as lists, and NumPy scalars as Python objects."""
    if isinstance(value, (np.ndarray, list)):
        return [to_python(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def shallow_copy(estimator: Estimator) -> Any:
    """Return a copy of an estimator that shares its fitted attributes and native objects.

    ``copy.copy`` of a CatBoost model writes the model and reads it again, which ends the process if
    the model takes texts and was itself read from a file or copied (CatBoost 1.2.10).
    """
    duplicate = object.__new__(type(estimator))
    vars(duplicate).update(vars(estimator))
    return duplicate


def wrapped(estimator: Estimator) -> list[Estimator]:
    """Return the estimators that a meta-estimator passes its X to unchanged."""
    names = [name for name, kinds in _SAME_X.items() if is_a(estimator, *kinds)]
    if not is_from_sklearn(estimator):  # the names in meta-estimators of other libraries
        foreign = ("best_estimator_", "estimator_")
        names += [name for name in foreign if has(get(estimator, name), "get_params")]
    inner: Estimator = next((get(estimator, name) for name in names if has(estimator, name)), [])
    return list(inner) if isinstance(inner, (list, tuple, np.ndarray)) else [inner]


def active_steps(pipeline: Estimator) -> list[Estimator]:
    """Return the steps that run when a pipeline predicts, without passthrough and samplers."""
    steps = [step for _, step in pipeline.steps if step is not None and step != "passthrough"]
    return [step for step in steps[:-1] if has(step, "transform")] + steps[-1:]
