"""Results of methods that another method calls: one call of the estimator verifies both.

``predict`` of a forest and of many other classifiers calls ``predict_proba`` for the same X. These
calls take most of the time of the verification. A forest of 1,000 trees with both methods is
verified in half the time if its trees are not called again for the second method.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from threading import get_ident
from typing import Any

import numpy as np

from flask_skmodels.engines.native import Call
from flask_skmodels.schema.tabular import copy_of, matrix_of
from flask_skmodels.schema.types import Estimator, EstimatorInput, ModelInput, ModelOutput

_CALLERS = ("predict", "predict_log_proba")
_CALLED = ("predict_proba", "decision_function")

_InputKey = tuple[Any, ...]
_Results = dict[tuple[str, _InputKey], ModelOutput]  # by the name of the method, and X


def with_shared_outputs(
    estimator: Estimator, native: Mapping[str, Call]
) -> tuple[dict[str, Call], Collection[str]]:
    """Return the native methods, one that calls others first, and the names of those others.

    For an X that the first method was called with, the others return the same results without being
    called again.

    :param estimator: a fitted estimator
    :param native: its native methods
    """
    last = estimator
    while _is_pipeline(last):
        last = last.steps[-1][1]
    caller = next((name for name in _CALLERS if name in native), None)
    called = [name for name in _CALLED if name in native]
    if caller is None or not called or not hasattr(last, "__dict__"):
        return dict(native), ()
    results: _Results = {}
    first = {caller: _caller(last, caller, called, native[caller], results)}
    others = {name: KnownResults(name, native[name], results) for name in called}
    return {**first, **native, **first, **others}, called


def _is_pipeline(estimator: Estimator) -> bool:
    """Return whether an estimator is a pipeline, but not of a subclass with its own methods."""
    kind = type(estimator)
    return (kind.__module__, kind.__qualname__) == ("sklearn.pipeline", "Pipeline")


def _caller(
    last: Estimator, method: str, called: list[str], native: Call, results: _Results
) -> Call:
    """Return a native method that keeps the results of the methods that it calls."""

    def call(X: ModelInput) -> ModelOutput:
        key = _key_of(X)
        if key is None:
            return native(X)
        with _recording(last, method, called) as recorded:
            output = native(X)
        results.update({(name, key): result for name, result in recorded.items()})
        return output

    return call


class KnownResults:
    """A native method that is not called again for an X whose result is known.

    :param method: its name
    :param native: the method
    :param results: the known results
    """

    def __init__(self, method: str, native: Call, results: _Results) -> None:
        self._method = method
        self._native = native
        self._results = results

    def __call__(self, X: ModelInput) -> ModelOutput:
        known = self._known(X)
        return self._native(X) if known is None else known

    def knows(self, X: ModelInput) -> bool:
        """Return whether the result for X is known."""
        return self._known(X) is not None

    def _known(self, X: ModelInput) -> ModelOutput | None:
        key = _key_of(X)
        return None if key is None else self._results.get((self._method, key))


def is_known(native: Call, X: ModelInput) -> bool:
    """Return whether the result of a native method is known, so that it need not be called."""
    return isinstance(native, KnownResults) and native.knows(X)


def _key_of(X: ModelInput) -> _InputKey | None:
    """Return the numbers of X and their layout in memory, None if it has other values."""
    matrix = matrix_of(X)
    if matrix is None or matrix.dtype.kind not in "fiub":
        return None
    return type(X), matrix.dtype.str, matrix.shape, matrix.strides, matrix.tobytes()


@contextmanager
def _recording(
    estimator: Estimator, caller: str, called: list[str]
) -> Iterator[dict[str, ModelOutput]]:
    """Record the results of the methods that a method calls for its own X.

    They are recorded by attributes of the object, which hide the methods of its class. Nothing is
    recorded if the object has such attributes already, as while another thread does the same. Calls
    of other threads, which have a different X, are not recorded.
    """
    recorded: dict[str, ModelOutput] = {}
    passed: list[EstimatorInput] = []
    thread = get_ident()

    def note_input(X: EstimatorInput) -> None:
        if get_ident() == thread:
            passed.append(X)

    def note(X: EstimatorInput, result: ModelOutput, name: str) -> None:
        if get_ident() == thread and passed and X is passed[-1]:
            recorded[name] = copy_of(result)

    substitutes: dict[str, Callable[..., Any]] = {
        caller: _before(getattr(estimator, caller), note_input),
        **{name: _after(getattr(estimator, name), name, note) for name in called},
    }
    attributes: Any = vars(estimator)
    own = {n: each for n, each in substitutes.items() if attributes.setdefault(n, each) is each}
    try:
        yield recorded
    finally:
        for name in own:
            del attributes[name]


def _before(call: Callable[..., Any], note: Callable[[Any], None]) -> Callable[..., Any]:
    def substitute(X: EstimatorInput, *arguments: Any, **named: Any) -> Any:
        note(X)
        return call(X, *arguments, **named)

    return substitute


def _after(
    call: Callable[..., Any], name: str, note: Callable[[Any, Any, str], None]
) -> Callable[..., Any]:
    def substitute(X: EstimatorInput, *arguments: Any, **named: Any) -> Any:
        result = call(X, *arguments, **named)
        if isinstance(result, np.ndarray | list) and not arguments and not named:
            note(X, result, name)
        return result

    return substitute
