"""The second table: what an entry of it holds, and how a pipeline of it is fitted."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib import import_module
from typing import Any

from sklearn.base import is_classifier

from flask_skmodels import Profile
from tests.parity.estimators import Case
from tests.parity.foreign.data import convert, source
from tests.parity.formats import FORMATS
from tests.parity.served import MANY, ONE, Served
from tests.support.skips import library

BARE, PROFILED = "without profile", "with profile"
ONE_OF_EACH_KIND = ("JSON objects", "CSV", "Arrow")  # objects, texts, and columns with types


@dataclass(frozen=True, slots=True)
class Library:
    """A module of a library, imported when a class of it is used.

    :param module: its name, for example ``"imblearn.over_sampling"``
    """

    module: str

    def __getattr__(self, name: str) -> Any:
        """Return a class or a function of the module, or skip the test if it is not installed."""
        library(self.module.partition(".")[0])
        return getattr(import_module(self.module), name)


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A pipeline of the table.

    :param data: the data set, as :func:`tests.parity.foreign.data.source` takes it
    :param make: returns the estimator, not fitted
    :param container: of X: a key of :data:`tests.parity.foreign.data.CONTAINERS`
    :param target: a target of :class:`tests.parity.foreign.data.Source`; by default numbers, for
        classifiers labels; ``""`` if it is fitted on X alone
    :param schema: the schema for a pipeline that does not hold the types of its columns
    :param needs_profile: why it is served only with a profile
    """

    data: str
    make: Callable[[], Any]
    container: str = "pandas"
    target: str | None = None
    schema: Mapping[str, Any] | None = None
    needs_profile: str = ""

    @property
    def variants(self) -> tuple[str, ...]:
        return (PROFILED,) if self.needs_profile else (BARE, PROFILED)


@lru_cache(maxsize=1)  # both variants of an entry follow one another
def fitted(entry: Entry) -> tuple[Any, Any, Any]:
    """Return the fitted estimator, its X and its target, not to be changed.

    :raises pytest.skip.Exception: its library is not installed
    """
    found = source(entry.data)
    X = convert(found.X.copy(), entry.container)
    estimator = entry.make()
    kind = "labels" if _is_classifier(estimator) else "number"
    targets = [found.target(entry.target or kind)] if entry.target != "" else []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few iterations do not converge
        estimator.fit(X, *targets)
    return estimator, X, targets[0] if targets else None


def _is_classifier(estimator: Any) -> bool:
    with suppress(AttributeError):  # mlxtend's have no tags
        return bool(is_classifier(estimator))
    return False


def case_of(name: str, entry: Entry, variant: str) -> Case:
    """Return a pipeline of the table, fitted.

    :raises pytest.skip.Exception: its library is not installed
    """
    estimator, X, y = deepcopy(fitted(entry))
    if variant == BARE:
        return Case(name, estimator, X, entry.schema)
    return Case(name, estimator, X, profile=Profile.of(X, y, estimator))


def differences(case: Case, formats: Collection[str]) -> dict[str, str]:
    """Return for each format in which the results differ from the pipeline's how they differ.

    Calls in process are compared too. One row is sent only if all formats are compared.

    :param formats: keys of :data:`tests.parity.formats.FORMATS`
    :raises ModelError: the pipeline cannot be served
    """
    parts = (ONE, MANY) if len(formats) == len(FORMATS) else (MANY,)
    served = Served(case, may_warn=True, most_methods=2, parts=parts)
    checks: dict[str, Callable[[], Any]] = {name: partial(served.check, name) for name in formats}
    checks["in process"] = served.check_in_process
    found = {}
    for name, check in checks.items():
        try:
            check()
        except Exception as error:  # any difference is reported with those of the other formats
            found[name] = f"{type(error).__name__}: {error}"
    return found
