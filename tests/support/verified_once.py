"""The verification of a lean form, done once for each estimator and schema.

Registering a model compiles its lean form and compares it with the estimator on hundreds of rows.
Where several tests register the same estimator, that comparison is the same work each time, and by
far the most of what such a test takes. So it is left out after the first time. The tests in
``tests/engines`` test the comparison, and compare each time.

It also leaves out most of the single rows, for which the estimator is called once each: three in
four of all its calls. Single rows remain among the first parts and the extreme values. The full run
compares all rows in the tests of the engines, and with ``-m differential`` also in those of parity.

No coverage is measured in the methods of the estimators: they are not code of this library.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary

import pytest

from flask_skmodels.engines import selection
from flask_skmodels.engines.lean import verify
from tests.support.untraced import Untraced

_verified: WeakKeyDictionary[Any, set[Any]] = WeakKeyDictionary()
_thread = threading.local()
_lean_calls, _verify, _parts = verify.lean_calls, verify._verify, verify._PARTS


def verify_once(patch: pytest.MonkeyPatch) -> None:
    """Compare an estimator with its lean form once for the same methods, schema and examples."""
    patch.setattr(selection, "lean_calls", lean_calls)
    patch.setattr(verify, "_verify", verify_unless_known)
    patch.setattr(verify, "_PARTS", _parts[:3])


def verify_always(patch: pytest.MonkeyPatch) -> None:
    """Undo :func:`verify_once`."""
    patch.setattr(selection, "lean_calls", with_untraced_methods)
    patch.setattr(verify, "_verify", _verify)


def verify_all_rows(patch: pytest.MonkeyPatch) -> None:
    """Compare all single rows and other parts, as the library does by itself."""
    patch.setattr(verify, "_PARTS", _parts)


def lean_calls(
    estimator: Any,
    calls: Mapping[str, Any],
    schema: Any,
    examples: Sequence[Any] = (),
    **options: Any,
) -> Any:
    fields = repr(getattr(schema, "column_fields", schema))
    key = tuple(calls), fields, repr(examples)
    try:
        known = _verified.setdefault(estimator, set())
    except TypeError:  # CatBoost's estimators cannot be hashed
        known = set()
    _thread.is_known = key in known
    try:
        result = with_untraced_methods(estimator, calls, schema, examples, **options)
    finally:
        _thread.is_known = False
    known.add(key)
    return result


def with_untraced_methods(
    estimator: Any, calls: Mapping[str, Any], *arguments: Any, **options: Any
) -> Any:
    """Return the lean calls, compared with methods in which no coverage is measured."""
    untraced = {name: _untraced(call) for name, call in calls.items()}
    return _lean_calls(estimator, untraced, *arguments, **options)


def _untraced(call: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @wraps(call)
    def untraced(X: Any) -> Any:
        with Untraced():
            return call(X)

    return untraced


def verify_unless_known(*arguments: Any) -> None:
    if not getattr(_thread, "is_known", False):
        _verify(*arguments)
