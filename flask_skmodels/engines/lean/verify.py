"""The lean engine: an estimator's own arithmetic, compiled at load and held equal to it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import accumulate, pairwise
from time import perf_counter
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from flask_skmodels.engines.lean.compiler import Call, Compiler, Decline
from flask_skmodels.engines.lean.equality import same
from flask_skmodels.engines.lean.probes import PROBES, Probes, part_of, repeated
from flask_skmodels.estimators import introspect
from flask_skmodels.schema.schema import Schema
from flask_skmodels.schema.tabular import copy_of, native

MOST_ROWS = PROBES  # beyond what was tried, and the checks cost nothing there
SECONDS = 0.25  # for the estimator's own calls of one method
_SIZES = (1, 2, 65, 1, 64, 1, 33, 8, 3, *[1] * 20)
_PARTS = list(pairwise(accumulate(_SIZES, initial=0)))


ProbeRows = Sequence[Sequence[Any]]  # a list for each column


class Differs(Exception):
    """A lean call does not answer as the estimator does.

    :param message: how
    :param X: to what
    """

    def __init__(self, message: str, X: Any) -> None:
        super().__init__(message)
        self.X = X


class Refuted(Decline):
    """The lean form of a step does not answer as the step does, which is a fault of its own."""


def lean_calls(
    estimator: Any,
    own: Mapping[str, Call],
    schema: Schema,
    examples: Sequence[Any] = (),
) -> tuple[dict[str, Call], str | None]:
    """Return the methods of an estimator as lean calls, verified, and which steps are not lean.

    They are tried on hundreds of rows at once and on some one at a time, on one thread, so that
    nothing is left behind for a fork.

    :param estimator: fitted
    :param own: the estimator's methods that are served
    :param schema: of the rows
    :param examples: further rows
    :raises Decline: there is no lean form; the message names the step
    :raises Refuted: it differs from an estimator that does not differ from itself
    """
    compiler = Compiler()
    compiled = compiler.methods(estimator)
    if not compiler.lean:
        reasons = "; ".join(compiler.declined)
        raise Decline(reasons or f"{introspect.class_name(estimator)} has no lean form")
    lean = {method: compiled[method] for method in own if method in compiled}
    with _quietly():
        probes = Probes(schema, estimator, examples)
        try:
            for method, call in lean.items():
                _verify(_natively(call), own[method], probes)
        except Differs as difference:
            step = _step_that_differs(estimator, own, difference.X)
            why = Refuted if _is_repeatable(own, difference.X) else Decline
            raise why(f"{step}: {difference}") from None
    return {method: _or_own(call, own[method]) for method, call in lean.items()}, _kept(compiler)


def _kept(compiler: Compiler) -> str | None:
    """Say which steps keep their own methods."""
    steps = ", ".join(dict.fromkeys(compiler.own))
    why = "".join(f"; {reason}" for reason in compiler.declined)
    return f"but for the methods of {steps}{why}" if steps else None


def _natively(call: Call) -> Call:
    return lambda X: native(call(X))


def _or_own(lean: Call, own: Call) -> Call:
    """Return a call that leaves what the lean one turns down to the estimator's own method."""

    @np.errstate(all="ignore")  # which costs half of what it does as a context
    def called(X: Any) -> Any:
        if len(X) <= MOST_ROWS:
            try:
                return native(lean(X))
            except Exception:  # noqa: S110 - the estimator's own method says what is wrong
                pass
        return own(X)

    return called


def _verify(lean: Call, own: Call, probes: Probes) -> None:
    """Hold a lean call to the estimator's own, on many rows at once, on fewer and on one.

    Where the estimator has had its time, what it said of many rows is taken for fewer, too.
    """
    started, rows = perf_counter(), probes.rows()
    try:
        expected = _compare(lean, own, probes.build(rows), f"{PROBES} rows")
    except Decline:  # it raises on one of them
        rows = accepted(lean, own, probes)
        expected = _compare(lean, own, probes.build(rows), f"{PROBES} rows")
    extremes = [_compare_extreme(lean, own, probes.build(row)) for row in probes.extremes()]
    had_one_row = any(extremes)
    for place, (start, stop) in enumerate(_PARTS):
        X = probes.build(part_of(rows, start, stop), by_column=not place)
        is_late = had_one_row and perf_counter() - started > SECONDS
        if not (is_late and _says(lean, X, _rows_of(expected, start, stop))):
            _compare(lean, own, X, _counted(stop - start))
        had_one_row = True
    examples = probes.examples()
    if examples is not None:
        _compare(lean, own, examples, "the examples")


def _says(lean: Call, X: Any, expected: Any) -> bool:
    try:
        return same(lean(X), expected)
    except Exception:
        return False


def _rows_of(output: Any, start: int, stop: int) -> Any:
    if isinstance(output, list):
        return [part[start:stop] for part in output]
    return output[start:stop]


def _counted(rows: int) -> str:
    return f"{rows} rows" if rows > 1 else "one row"


def accepted(lean: Call, own: Call, probes: Probes) -> list[list[Any]]:
    """Return rows that the estimator takes; those that it raises on, the lean call must turn down.

    :raises Decline: there are none
    """
    deadline = perf_counter() + SECONDS
    good: list[ProbeRows] = []
    parts: list[ProbeRows] = [probes.rows()]
    while parts and perf_counter() < deadline:
        part = parts.pop()
        count = len(part[0])
        try:
            own(probes.build(part))
            good.append(part)
        except Exception:
            if count == 1:
                _compare_extreme(lean, own, probes.build(part))
            else:
                parts += [part_of(part, 0, count // 2), part_of(part, count // 2, count)]
    if not good:
        raise Decline("the estimator raises on all probes")
    return repeated(good, PROBES)


def _compare(lean: Call, own: Call, X: Any, what: str) -> Any:
    """Return what the estimator says, which the lean call must say, too."""
    try:
        expected = own(copy_of(X))  # it may write into it
    except Exception as error:
        raise Decline(f"the estimator raises on probes: {type(error).__name__}") from error
    try:
        got = lean(X)
    except Exception as error:
        raise Differs(f"the lean form raises {type(error).__name__}: {error}", X) from error
    if not same(got, expected):
        raise Differs(f"the lean form differs on {what}", X)
    return expected


def _compare_extreme(lean: Call, own: Call, X: Any) -> bool:
    """Hold a lean call to the estimator where it may turn the row down, as the estimator may.

    :return: whether it answers
    """
    try:
        got = lean(X)
    except Exception:
        return False
    try:
        expected = own(X)
    except Exception as error:
        raise Differs("the lean form answers where the estimator raises", X) from error
    if not same(got, expected):
        raise Differs("the lean form differs on large or small numbers", X)
    return True


def _is_repeatable(own: Mapping[str, Call], X: Any) -> bool:
    """Return whether an estimator answers to the same as before."""
    try:
        return all(same(call(copy_of(X)), call(copy_of(X))) for call in own.values())
    except Exception:
        return True


def _step_that_differs(estimator: Any, own: Mapping[str, Call], X: Any) -> str:
    """Return the class of the innermost step whose lean form answers otherwise than it to X."""
    found: list[str] = []

    def watch(step: Any, method: str, call: Call) -> Call:
        def watched(X: Any) -> Any:
            try:
                got = call(X)
            except Exception:
                found.append(introspect.class_name(step))
                raise
            with suppress(Exception):  # it was given what it would not be: the fault is outside it
                if not found and not same(native(got), getattr(step, method)(native(X))):
                    found.append(introspect.class_name(step))
            return got

        return watched

    compiled = Compiler(watch).methods(estimator)
    for method in own:
        with suppress(Exception):  # it is the differing step that is looked for
            compiled[method](X)
    return found[0] if found else introspect.class_name(estimator)


@contextmanager
def _quietly() -> Iterator[None]:
    with warnings.catch_warnings(), threadpool_limits(1), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield
