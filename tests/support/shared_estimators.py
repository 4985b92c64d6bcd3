"""Estimators that many tests serve: fitted once, and their lean forms compiled and verified once.

Registering a model compiles its lean form and compares it with the estimator on hundreds of rows.
For the applications of most tests that is the same work on the same estimator each time, and by far
the most of what a test takes. The tests in ``tests/engines`` test that work, and share nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from flask_skmodels import engines

_shared: list[Any] = []


def share(estimator: Any) -> Any:
    """Return a fitted estimator whose lean form is compiled and verified once for each schema.

    A test must not change it.
    """
    _shared.append(estimator)
    return estimator


def verify_once(patch: pytest.MonkeyPatch) -> None:
    """Let models of the same shared estimator, methods and schema use the same lean form."""
    verify = engines.lean_calls
    known: dict[Any, Any] = {}

    def lean_calls(
        estimator: Any, calls: Mapping[str, Any], schema: Any, examples: Sequence[Any] = ()
    ) -> Any:
        if not any(estimator is each for each in _shared):
            return verify(estimator, calls, schema, examples)
        fields = repr(getattr(schema, "column_fields", schema))
        key = id(estimator), tuple(calls), fields, repr(examples)
        if key not in known:
            known[key] = verify(estimator, calls, schema, examples)
        return known[key]

    patch.setattr(engines, "lean_calls", lean_calls)
