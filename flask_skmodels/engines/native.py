"""scikit-learn's own methods, called as a server should."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import joblib
import numpy as np
import sklearn

from flask_skmodels.estimators.requirements import parts_of
from flask_skmodels.models import Model
from flask_skmodels.schema.tabular import native

Call = Callable[[Any], Any]


def own_calls(model: Model, methods: tuple[str, ...]) -> dict[str, Call]:
    """Return what calls the methods of a model with X.

    They are called with scikit-learn configured as at registration, without numpy's warnings, and
    on one thread where the estimator would start a pool at each call.

    :param model: the declaration, with a fitted estimator as its pipeline
    :param methods: their names
    """
    is_parallel = starts_a_pool(model.pipeline)
    return {method: _own_call(model, getattr(model, method), is_parallel) for method in methods}


def _own_call(model: Model, call: Call, is_parallel: bool) -> Call:
    def own(X: Any) -> Any:
        with _surroundings(model, is_parallel):
            X = native(X)
            try:
                return call(X)
            except (TypeError, ValueError):
                if not _is_narrow(X):
                    raise
                return call(X.astype(np.float64))

    return own


def _is_narrow(X: Any) -> bool:
    """Return whether X is of floats of 32 bits, which KMeans and others take at their fit alone."""
    kinds = {X.dtype} if isinstance(X, np.ndarray) else set(getattr(X, "dtypes", ()))
    return kinds == {np.dtype(np.float32)}


def _surroundings(model: Model, is_parallel: bool) -> AbstractContextManager[Any]:
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
        stack.enter_context(on_one_thread())
    return stack


def starts_a_pool(estimator: Any) -> bool:
    """Return whether joblib would use several workers for a call of one of its methods."""
    return any(getattr(part, "n_jobs", None) not in (None, 1) for part in parts_of(estimator))


def on_one_thread() -> AbstractContextManager[Any]:
    """Return a context in which joblib starts no workers."""
    context: AbstractContextManager[Any] = joblib.parallel_config(backend="sequential")
    return context
