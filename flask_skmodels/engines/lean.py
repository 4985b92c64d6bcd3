"""The lean engine: an estimator's own arithmetic, compiled at load and held equal to it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from flask_skmodels import introspect
from flask_skmodels.engines.compare import same
from flask_skmodels.engines.forms import Call, Compiler, Decline
from flask_skmodels.engines.probes import PROBES, Probes, part_of
from flask_skmodels.schema import Cleaner

MOST_ROWS = PROBES  # beyond what was tried, and the checks cost nothing there
SECONDS = 0.25  # for a method's rows one at a time
_PARTS = (2, 3, 8, 33, 64, 65)
_SINGLES = 10


class Differs(Exception):
    """A lean call does not answer as the estimator does."""


def lean_calls(
    estimator: Any,
    own: Mapping[str, Call],
    schema: Cleaner,
    examples: Sequence[Any] = (),
) -> dict[str, Call]:
    """Return the methods of an estimator as lean calls, verified.

    They are tried on hundreds of rows at once and on some one at a time, on one thread, so that
    nothing is left behind for a fork.

    :param estimator: fitted
    :param own: the estimator's methods that are served
    :param schema: of the rows
    :param examples: further rows
    :raises Decline: there is no lean form, or it differs; the message names the step
    """
    compiler = Compiler()
    compiled = compiler.methods(estimator)
    if not compiler.lean:
        raise Decline(f"{introspect.class_name(estimator)} has no lean form")
    lean = {method: _few(compiled[method]) for method in own if method in compiled}
    with _quietly():
        probes = Probes(schema, estimator, examples)
        try:
            for method, call in lean.items():
                _verify(call, own[method], probes)
        except Differs as difference:
            raise Decline(f"{_step_that_differs(estimator, own, probes)}: {difference}") from None
    return {method: _or_own(call, own[method]) for method, call in lean.items()}


def _few(call: Call) -> Call:
    def lean(X: Any) -> Any:
        if len(X) > MOST_ROWS:
            raise Decline("there are many rows")
        with np.errstate(all="ignore"):
            return call(X)

    return lean


def _or_own(lean: Call, own: Call) -> Call:
    """Return a call that leaves what the lean one turns down to the estimator's own method."""

    def called(X: Any) -> Any:
        try:
            return lean(X)
        except Exception:
            return own(X)

    return called


def _verify(lean: Call, own: Call, probes: Probes) -> None:
    rows = probes.rows()
    _compare(lean, own, probes.build(rows), f"{PROBES} rows")
    started, done = perf_counter(), 0
    for count in _PARTS:
        _compare(lean, own, probes.build(part_of(rows, done, done + count)), f"{count} rows")
        done += count
    for place in range(_SINGLES):
        _compare(lean, own, probes.build(part_of(rows, place, place + 1)), "one row")
        if place >= 3 and perf_counter() - started > SECONDS:
            break
    for row in probes.extremes():
        _compare_extreme(lean, own, probes.build(row))
    examples = probes.examples()
    if examples is not None:
        _compare(lean, own, examples, "the examples")


def _compare(lean: Call, own: Call, X: Any, what: str) -> None:
    try:
        expected = own(X)
    except Exception as error:
        raise Decline(f"the estimator raises on probes: {type(error).__name__}") from error
    try:
        got = lean(X)
    except Exception as error:
        raise Differs(f"the lean form raises {type(error).__name__}: {error}") from error
    if not same(got, expected):
        raise Differs(f"the lean form differs on {what}")


def _compare_extreme(lean: Call, own: Call, X: Any) -> None:
    """Hold a lean call to the estimator where it may turn the row down, as the estimator may."""
    try:
        got = lean(X)
    except Exception:
        return
    try:
        expected = own(X)
    except Exception as error:
        raise Differs("the lean form answers where the estimator raises") from error
    if not same(got, expected):
        raise Differs("the lean form differs on large or small numbers")


def _step_that_differs(estimator: Any, own: Mapping[str, Call], probes: Probes) -> str:
    """Return the class of the innermost step whose lean form is not as its own method."""
    found: list[str] = []

    def watch(step: Any, method: str, call: Call) -> Call:
        def watched(X: Any) -> Any:
            got = call(X)
            if not found and not same(got, getattr(step, method)(X)):
                found.append(introspect.class_name(step))
            return got

        return watched

    compiled = Compiler(watch).methods(estimator)
    for method in own:
        for count in (1, PROBES):
            try:
                compiled[method](probes.build(probes.rows(count)))
            except Exception:  # noqa: S112 - it is the differing step that is looked for
                continue
    return found[0] if found else introspect.class_name(estimator)


@contextmanager
def _quietly() -> Iterator[None]:
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        yield
