"""Lean forms: what a fitted estimator computes, without the checks that its schema has made."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from math import isfinite
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from flask_skmodels.engines.lean.containers import block
from flask_skmodels.engines.native import on_one_thread, starts_a_pool
from flask_skmodels.estimators import introspect
from flask_skmodels.schema.frame import FEW, DeferredFrame
from flask_skmodels.schema.tabular import native

Call = Callable[[Any], Any]
Methods = dict[str, Call]
Form = Callable[[Any, "Compiler"], Methods]
_F = TypeVar("_F", bound=Form)

_FORMS: dict[type, Form] = {}
_DOUBLE = np.dtype(np.float64)
_ZERO = np.zeros(1)  # which numpy compares a few scores with sooner than with a number


class Decline(Exception):
    """A lean form leaves a call, or an estimator, to scikit-learn's own method."""


def lean_form(*classes: type) -> Callable[[_F], _F]:
    """Register the lean form of estimators that are exactly of some classes; a decorator.

    The function gets the fitted estimator and a :class:`Compiler`, for the estimators inside it. It
    returns what each method computes from X, an array of doubles of shape (rows, columns) that must
    not be written to, or a :class:`~flask_skmodels.schema.frame.DeferredFrame`: the same arithmetic
    in the same order, for one row and for many. Methods that it leaves out stay the estimator's
    own. It raises :class:`Decline`, when it compiles or when it is called, where it cannot say what
    the estimator would do; so it does for what the estimator itself would refuse.

    :param classes: classes of estimators; subclasses of them are not meant
    """

    def register(form: _F) -> _F:
        _FORMS.update(dict.fromkeys(classes, form))
        return form

    return register


class Compiler:
    """Finds the lean form of an estimator and of those inside it.

    :param watch: called with each step, method and lean call, returns what is called instead
    :ivar lean: the steps that have a lean form
    :ivar own: the steps that keep their own methods
    :ivar declined: why some of these do
    """

    def __init__(self, watch: Callable[[Any, str, Call], Call] | None = None) -> None:
        self.lean: list[str] = []
        self.own: list[str] = []
        self.declined: list[str] = []
        self._watch = watch

    def methods(self, estimator: Any) -> Methods:
        """Return what each method of an estimator computes, lean where it can be."""
        name = introspect.class_name(estimator)
        own = {method: _own(estimator, method) for method in introspect.methods(estimator)}
        try:
            form = _form_of(type(estimator))
            compiled = None if form is None else form(estimator, self)
        except Exception as error:  # an internal of scikit-learn's may be another in its release
            self.declined.append(f"{name}: {_reason(error)}")
            compiled = None
        if compiled is None:
            self.own.append(name)
            return own
        self.lean.append(name)
        return {
            m: self._watched(estimator, m, compiled[m]) if m in compiled else own[m] for m in own
        }

    def _watched(self, estimator: Any, method: str, call: Call) -> Call:
        return call if self._watch is None else self._watch(estimator, method, call)


def _form_of(cls: type) -> Form | None:
    if cls not in _FORMS:
        package, _, rest = cls.__module__.partition(".")
        if package == "sklearn":
            _load_family(rest.partition(".")[0])
    return _FORMS.get(cls)


@cache
def _load_family(module: str) -> None:
    """Import the lean forms of one of scikit-learn's modules, which are in a file of its name."""
    name = f"{__package__}.forms.{module}"
    if find_spec(name) is not None:
        import_module(name)


def doubles(X: Any) -> NDArray[np.float64]:
    """Return X as an array of doubles, for a form that computes with these.

    :raises Decline: it is of anything that scikit-learn would not turn into such an array
    """
    if type(X) is np.ndarray and X.dtype == _DOUBLE:
        return X
    if type(X) is DeferredFrame:
        return X.to_float64()
    if isinstance(X, np.ndarray) and X.dtype.kind in "biO":
        return X.astype(np.float64)
    raise Decline("X is no array of doubles")


def finite(X: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an array, which must be finite.

    :raises Decline: a value is missing or infinite
    """
    if not is_finite(X):
        raise Decline("a value is not finite")
    return X


def finite_or_missing(X: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an array, which must be finite but for missing values.

    :raises Decline: a value is infinite
    """
    if not is_finite(X) and np.isinf(X).any():
        raise Decline("a value is infinite")
    return X


def as_row(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one number for each column as an array of shape (1, columns).

    Where numpy computes two arrays of one shape it goes without its iterator, and so a row of X
    takes half the time.
    """
    return numbers.reshape(1, -1)


def by_sign(scores: NDArray[np.float64], classes: NDArray[Any]) -> NDArray[Any]:
    """Return the second of two classes where a score is positive, else the first.

    :param scores: of shape (rows,)
    """
    return classes.take(scores > _ZERO)


def is_finite(X: NDArray[np.floating[Any]]) -> bool:
    """Return whether all numbers of an array are finite."""
    # A sum of squares is the quickest look at a few numbers; where it is finite, so are they.
    if X.size < FEW:
        flat = X.ravel()
        if isfinite(flat.dot(flat)):
            return True
    return bool(np.isfinite(X).all())


def _own(estimator: Any, method: str) -> Call:
    call = getattr(estimator, method)
    needs_names = hasattr(estimator, "feature_names_in_")

    def own(X: Any) -> Any:
        if needs_names and type(X) is not DeferredFrame:
            raise Decline(f"{introspect.class_name(estimator)} was fitted on named columns")
        if isinstance(X, np.ndarray):
            X = X.copy(order="K")  # it may write into it
        return block(call(native(X)))

    def alone(X: Any) -> Any:
        with on_one_thread():
            return own(X)

    return alone if starts_a_pool(estimator) else own


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, Decline) else f"{type(error).__name__}: {error}"
