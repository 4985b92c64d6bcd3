"""Lean forms: what fitted estimators compute, without checks that the schema has made already.

This module is public: use it to add the lean form of your own estimator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from math import isfinite
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from flask_skmodels.engines.lean.array_calls import array_of_frame, without_names
from flask_skmodels.engines.lean.containers import from_sklearn
from flask_skmodels.engines.native import Call
from flask_skmodels.engines.threadpools import uses_joblib_workers, without_joblib_workers
from flask_skmodels.estimators import introspect
from flask_skmodels.estimators.attributes import BOOSTING_LIBRARIES
from flask_skmodels.schema.frame import FEW, DeferredFrame
from flask_skmodels.schema.tabular import Tabular, to_sklearn
from flask_skmodels.schema.types import Array, Estimator, FloatArray, ModelInput, ModelOutput

__all__ = [
    "Call",
    "Compiler",
    "Decline",
    "Form",
    "Incomplete",
    "Methods",
    "as_row",
    "contiguous",
    "doubles",
    "finite",
    "finite_or_missing",
    "is_finite",
    "labels_by_sign",
    "lean_form",
]

Methods = dict[str, Call]
Form = Callable[[Estimator, "Compiler"], Methods]
_F = TypeVar("_F", bound=Form)

_LIBRARIES = (*BOOSTING_LIBRARIES, "category_encoders", "imblearn")
_FORMS: dict[type, Form] = {}
_DOUBLE = np.dtype(np.float64)
_ZERO = np.zeros(1)  # for a few scores, numpy compares with an array faster than with a float


class Decline(Exception):
    """Raised by a lean form that leaves a call, or an estimator, to the native method."""


class Incomplete(Decline):
    """Raised by a lean form that does not support an output, although its results are right."""


def lean_form(*classes: type) -> Callable[[_F], _F]:
    """Register the lean form of one or more estimator classes; a decorator.

    The decorated function takes the fitted estimator and a :class:`Compiler`, which compiles the
    estimators inside it. It returns a function of X for each method that it supports; the other
    methods stay native. X is an array of doubles of shape (rows, columns), or a
    :class:`~flask_skmodels.schema.tabular.Tabular` such as the data frame of a request or the
    sparse rows of an encoder. It must not be modified. Results must be equal to
    the estimator's to the last bit, for one row and for many, so the form must do the same
    arithmetic in the same order.

    Both the decorated function and the functions that it returns raise :class:`Decline` if the
    estimator would raise an exception, or if they cannot determine its result.

    :param classes: the exact classes; their subclasses are not included
    """

    def register(form: _F) -> _F:
        _FORMS.update(dict.fromkeys(classes, form))
        return form

    return register


class Compiler:
    """Compiles an estimator and the estimators inside it to their lean forms.

    :param watch: called with each estimator, method name and lean function; it returns the function
        to use instead
    :param passes_arrays: whether native methods get an array if they do not need the names of a
        data frame
    :ivar lean: the class names of the steps that have a lean form
    :ivar native: the class names of the steps that keep their native methods
    :ivar with_arrays: the class names of the native steps that get an array instead of a data frame
    :ivar declined: the reasons why some native steps have no lean form
    """

    def __init__(
        self,
        watch: Callable[[Estimator, str, Call], Call] | None = None,
        *,
        passes_arrays: bool = True,
    ) -> None:
        self.lean: list[str] = []
        self.native: list[str] = []
        self.with_arrays: list[str] = []
        self.declined: list[str] = []
        self._watch = watch
        self._passes_arrays = passes_arrays

    def methods(self, estimator: Estimator) -> Methods:
        """Return a function of X for each method of an estimator, lean where possible."""
        name = introspect.class_name(estimator)
        native = _native_methods(estimator, introspect.methods(estimator))
        try:
            form = _form_of(type(estimator))
            lean = None if form is None else form(estimator, self)
        except Exception as error:  # a private attribute may be missing in another release
            self.declined.append(f"{name}: {_reason(error)}")
            lean = None
        if lean is None:
            self.native.append(name)
            return self._with_arrays(estimator, native)
        self.lean.append(name)
        watched = {m: self._watched(estimator, m, lean[m]) for m in native if m in lean}
        return {**native, **watched}

    def _with_arrays(self, estimator: Estimator, native: Methods) -> Methods:
        """Return native methods that get an array if they do not need the names of columns."""
        duplicate = without_names(estimator) if self._passes_arrays else None
        if duplicate is None:
            return native
        self.with_arrays.append(introspect.class_name(estimator))
        of_array = _native_methods(duplicate, native)
        return {method: _with_array(of_array[method], call) for method, call in native.items()}

    def _watched(self, estimator: Estimator, method: str, call: Call) -> Call:
        return call if self._watch is None else self._watch(estimator, method, call)


def _form_of(cls: type) -> Form | None:
    if cls not in _FORMS:
        package, _, rest = cls.__module__.partition(".")
        if package == "sklearn":
            _import_forms(rest.partition(".")[0])
        elif package in _LIBRARIES:
            _import_forms(package)
    return _FORMS.get(cls)


@cache
def _import_forms(module: str) -> None:
    """Import the lean forms of a scikit-learn module or another library.

    The forms are in the module of the same name in ``forms``.
    """
    name = f"{__package__}.forms.{module}"
    if find_spec(name) is not None:
        import_module(name)


def doubles(X: ModelInput) -> FloatArray:
    """Return X as an array of doubles of shape (rows, columns).

    :raises Decline: scikit-learn would not convert X to such an array
    :raises TypeError: X is in a container without numbers
    """
    if type(X) is np.ndarray and X.dtype == _DOUBLE:
        return X
    if isinstance(X, Tabular):
        return X.to_float64()
    if isinstance(X, np.ndarray) and X.dtype.kind in "biO":
        return X.astype(np.float64)
    raise Decline("X is not an array of doubles")


def finite(X: FloatArray) -> FloatArray:
    """Return the array unchanged after checking that all its values are finite.

    :raises Decline: a value is missing or infinite
    """
    if not is_finite(X):
        raise Decline("a value is not finite")
    return X


def finite_or_missing(X: FloatArray) -> FloatArray:
    """Return the array unchanged after checking that it has no infinite values; NaN is allowed.

    :raises Decline: a value is infinite
    """
    if not is_finite(X) and np.isinf(X).any():
        raise Decline("a value is infinite")
    return X


def contiguous(X: ModelInput) -> FloatArray:
    """Return X as a C-ordered array of finite doubles.

    :raises Decline: see :func:`doubles` and :func:`finite`
    """
    return np.ascontiguousarray(finite(doubles(X)))


def as_row(numbers: FloatArray) -> FloatArray:
    """Return an array of one number for each column in the shape (1, columns).

    numpy adds such an array to one row of X in half the time, because both have the same shape.
    """
    return numbers.reshape(1, -1)


def labels_by_sign(scores: FloatArray, classes: Array) -> Array:
    """Return, for each row, the second of two classes if the score is positive, else the first.

    :param scores: an array of shape (rows,)
    """
    return classes.take(scores > _ZERO)


def is_finite(X: NDArray[np.floating[Any]]) -> bool:
    """Return whether all numbers of an array are finite."""
    # For a few numbers the sum of squares is the fastest check: if the sum is finite, all numbers
    # are.
    if X.size < FEW:
        flat = X.ravel()
        if isfinite(flat.dot(flat)):
            return True
    return bool(np.isfinite(X).all())


def _native_methods(estimator: Estimator, names: Iterable[str]) -> Methods:
    is_parallel = uses_joblib_workers(estimator)
    return {name: _native_method(estimator, name, is_parallel) for name in names}


def _native_method(estimator: Estimator, method: str, is_parallel: bool) -> Call:
    """Return a native method of an estimator as a step between lean forms.

    :param is_parallel: whether the method would start joblib workers
    """
    call = getattr(estimator, method)
    needs_names = hasattr(estimator, "feature_names_in_")

    def native(X: ModelInput) -> ModelOutput:
        if needs_names and not isinstance(X, DeferredFrame):
            raise Decline(f"{introspect.class_name(estimator)} was fitted on named columns")
        if isinstance(X, np.ndarray):
            X = X.copy(order="K")  # the method may modify it
        return from_sklearn(call(to_sklearn(X)))

    def without_workers(X: ModelInput) -> ModelOutput:
        with without_joblib_workers():
            return native(X)

    return without_workers if is_parallel else native


def _with_array(of_array: Call, of_frame: Call) -> Call:
    def native(X: ModelInput) -> ModelOutput:
        array = array_of_frame(X) if isinstance(X, DeferredFrame) else None
        return of_frame(X) if array is None else of_array(array)

    return native


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, Decline) else f"{type(error).__name__}: {error}"
