"""Results that do not change for a version, computed once for each version."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

from flask_skmodels.versions.version import ModelVersion

_R = TypeVar("_R")


def per_version(function: Callable[[ModelVersion], _R]) -> Callable[[ModelVersion], _R]:
    """Return a function that keeps its result as long as the version is in memory.

    :param function: a function of a version, whose result does not refer to the version
    """
    results: WeakKeyDictionary[ModelVersion, _R] = WeakKeyDictionary()

    @wraps(function)
    def cached(version: ModelVersion) -> _R:
        try:
            return results[version]
        except KeyError:
            result = results[version] = function(version)
            return result

    return cached
