"""The native methods of an estimator, called with the configuration that a server needs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import numpy as np
import sklearn

from flask_skmodels.engines.threadpools import uses_joblib_workers, without_joblib_workers
from flask_skmodels.models import Model
from flask_skmodels.schema.tabular import to_sklearn
from flask_skmodels.schema.types import EstimatorInput, ModelInput, ModelOutput

Call = Callable[[ModelInput], ModelOutput]
"""A method of an estimator, or its lean form: called with X, returns one entry for each row."""


def native_calls(model: Model, methods: tuple[str, ...]) -> dict[str, Call]:
    """Return a function of X for each method of a model.

    The functions call the methods with the scikit-learn configuration that was active at
    registration, without numpy's warnings and without joblib workers. If a method fails on an array
    of 32-bit floats, it is called again with doubles.

    :param model: the declaration, with a fitted estimator as its pipeline
    :param methods: the names of the methods
    """
    is_parallel = uses_joblib_workers(model.pipeline)
    return {method: _native_call(model, getattr(model, method), is_parallel) for method in methods}


def _native_call(model: Model, call: Call, is_parallel: bool) -> Call:
    def native(X: ModelInput) -> ModelOutput:
        with call_context(model, is_parallel):
            converted = to_sklearn(X)
            try:
                return call(converted)
            except (TypeError, ValueError):
                if not _is_float32(converted):
                    raise
                return call(converted.astype(np.float64))

    return native


def has_default_configuration(model: Model) -> bool:
    """Return whether a model was registered with scikit-learn's default configuration."""
    default = getattr(sklearn._config, "_global_config", None)
    return model.configuration is None or model.configuration == default


def _is_float32(X: EstimatorInput) -> bool:
    """Return whether all of X is float32; KMeans and others accept this only if fitted on it."""
    dtypes = {X.dtype} if isinstance(X, np.ndarray) else set(getattr(X, "dtypes", ()))
    return dtypes == {np.dtype(np.float32)}


def call_context(model: Model, is_parallel: bool) -> AbstractContextManager[Any]:
    """Return a context with the scikit-learn configuration of a model, and without warnings.

    :param is_parallel: whether a method of the estimator would start joblib workers
    """
    configuration = model.configuration
    is_configured = configuration is None or configuration == sklearn.get_config()
    without_warnings = np.errstate(all="ignore")
    if is_configured and not is_parallel:
        return without_warnings
    stack = ExitStack()
    stack.enter_context(without_warnings)
    if configuration is not None and not is_configured:
        stack.enter_context(sklearn.config_context(**configuration))
    if is_parallel:
        stack.enter_context(without_joblib_workers())
    return stack
