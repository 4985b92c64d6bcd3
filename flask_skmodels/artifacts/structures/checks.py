"""The checks by class, and the conditions that they have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from flask_skmodels.schema.types import Array

Part: TypeAlias = Any
"""An estimator or an object in one, for example a tree with arrays that native code trusts."""

State: TypeAlias = Mapping[str, Any]
"""The attributes of a part by name."""

Check = Callable[[Part], None]
_C = TypeVar("_C", bound=Check)

_CHECKS: dict[str, Check] = {}
_CHECKS_OF_CLASSES: WeakKeyDictionary[type, tuple[Check, ...]] = WeakKeyDictionary()


class Unsound(Exception):
    """Native code would read or write outside an array; the message says which part is wrong."""


def structure(*classes: str) -> Callable[[_C], _C]:
    """Register the check of one or more classes and their subclasses; a decorator.

    The decorated function takes an object and raises :class:`Unsound`. It must not call native
    code that trusts the object. An object without its fitted attributes is only a template: it has
    nothing to check.

    :param classes: the full names, such as ``"sklearn.tree._tree.Tree"``, so that nothing is
        imported for a class that is not in the file
    """

    def register(check: _C) -> _C:
        _CHECKS.update(dict.fromkeys(classes, check))
        return check

    return register


def checks_of(cls: type) -> tuple[Check, ...]:
    """Return the checks for the instances of a class."""
    found = _CHECKS_OF_CLASSES.get(cls)
    if found is None:
        found = _CHECKS_OF_CLASSES[cls] = _find_checks(cls)
    return found


def _find_checks(cls: type) -> tuple[Check, ...]:
    names = (f"{base.__module__}.{base.__qualname__}" for base in cls.__mro__)
    return tuple(dict.fromkeys(_CHECKS[name] for name in names if name in _CHECKS))


def ensure(condition: object, reason: str) -> None:
    """Raise :class:`Unsound` unless a condition holds."""
    if not condition:
        raise Unsound(reason)


def state_of(item: Part) -> State:
    """Return the attributes of an object, without those that its class computes."""
    state: State = vars(item)
    return state


def whole_number(value: Any, name: str, low: int, high: int = 2**31 - 1) -> int:
    """Return a whole number after checking its range.

    :param name: its name in the message
    :param low: the smallest value allowed
    :param high: the largest value allowed
    """
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    ensure(is_whole and low <= value <= high, f"{name} is not a whole number from {low} to {high}")
    return int(value)


def feature_count(item: Part) -> int:
    """Return ``n_features_in_``, the number of columns that the estimator requires of X."""
    return whole_number(state_of(item).get("n_features_in_"), "n_features_in_", 0)


def check_indices(indices: Any, stop: int, name: str) -> Array:
    """Return an array of indices after checking that each is from 0 to ``stop - 1``."""
    array: Array = np.asarray(indices)
    ensure(array.dtype.kind in "iu" or not array.size, f"{name} are not whole numbers")
    is_inside = not array.size or (array.min() >= 0 and array.max() < stop)
    ensure(is_inside, f"{name} are not all from 0 to {stop - 1}")
    return array


def check_shape(array: Any, shape: tuple[int, ...], name: str) -> None:
    """Check the shape of an array."""
    actual = getattr(array, "shape", None)
    ensure(actual == shape, f"{name} has the shape {actual}, not {shape}")
