"""Verification at load: lean forms must return the same results as the estimator, bit for bit."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import accumulate, pairwise
from time import perf_counter
from typing import Any

import numpy as np

from flask_skmodels.engines.lean.compiler import Call, Compiler, Decline, Incomplete
from flask_skmodels.engines.lean.equality import same
from flask_skmodels.engines.lean.probes import PROBES, Probes, repeat_rows, row_slice
from flask_skmodels.engines.lean.shared_outputs import is_known, with_shared_outputs
from flask_skmodels.engines.threadpools import one_thread
from flask_skmodels.estimators import introspect
from flask_skmodels.schema.schema import Schema
from flask_skmodels.schema.tabular import Tabular, copy_of, matrix_of, to_sklearn
from flask_skmodels.schema.types import (
    Estimator,
    FieldValue,
    Frame,
    JSONValue,
    ModelInput,
    ModelOutput,
    Values,
)

MAX_ROWS = PROBES  # rows that are verified; with more, scikit-learn's checks cost little
SECONDS = 0.25  # time limit for the native calls of one method
FIRST_ROW_SECONDS = 5  # time limit for finding one probe row that the estimator accepts
_SIZES = (1, 2, 65, 1, 64, 1, 33, 8, 3, *[1] * 20)
_PARTS_WITH_A_FRAME = 4  # for which the data frame is made as for a request: 1, 2, 65 and 1 rows
_PARTS = list(pairwise(accumulate(_SIZES, initial=0)))

ProbeRows = Sequence[Values]  # a list for each column


class Mismatch(Exception):
    """A lean form and its estimator return different results.

    :param message: how the results differ
    :param X: the input
    """

    def __init__(self, message: str, X: ModelInput) -> None:
        super().__init__(message)
        self.X = X


class WrongForm(Decline):
    """The lean form of a step is wrong: its results differ, and in the same way each time."""


@dataclass(frozen=True, slots=True)
class VerifiedCalls:
    """Functions that return the same results as the methods of an estimator, in less time.

    :param calls: a function of X for each method; it may raise anything
    :param reason: a phrase that names the steps that keep their native methods, None if no step
        does
    :param is_lean: whether a step has a lean form; if not, the native methods get an array
    """

    calls: dict[str, Call]
    reason: str | None
    is_lean: bool


def lean_calls(
    estimator: Estimator,
    native: Mapping[str, Call],
    schema: Schema,
    examples: Sequence[JSONValue] = (),
    *,
    passes_arrays: bool = True,
) -> VerifiedCalls:
    """Return verified lean functions for the methods of an estimator, and which steps have none.

    The functions are verified on hundreds of rows together, and on some of these rows one at a
    time. This runs on one thread, so it leaves no thread pool that a fork would break.

    :param estimator: a fitted estimator
    :param native: the native methods that are served
    :param schema: the schema of the rows
    :param examples: further rows to verify
    :param passes_arrays: whether native methods may get an array instead of a data frame
    :raises Decline: no step has a lean form; the message names the step and the reason
    :raises WrongForm: the results of a lean form differ from the estimator's
    """
    compiler = Compiler(passes_arrays=passes_arrays)
    lean = {name: call for name, call in compiler.methods(estimator).items() if name in native}
    if not compiler.lean and not compiler.with_arrays:
        raise Decline(_no_form(estimator, compiler))
    try:
        _verify_all(estimator, lean, native, schema, examples)
    except Decline:
        if not compiler.with_arrays:
            raise
        return lean_calls(estimator, native, schema, examples, passes_arrays=False)
    reason = _exceptions(compiler) if compiler.lean else _no_form(estimator, compiler)
    return VerifiedCalls(lean, reason, bool(compiler.lean))


def _no_form(estimator: Estimator, compiler: Compiler) -> str:
    reasons = "; ".join(compiler.declined)
    return reasons or f"{introspect.class_name(estimator)} has no lean form"


def _verify_all(
    estimator: Estimator,
    lean: Mapping[str, Call],
    native: Mapping[str, Call],
    schema: Schema,
    examples: Sequence[JSONValue],
) -> None:
    with quiet_on_one_thread():
        probes = Probes(schema, estimator, examples)
        try:
            calls, shared = with_shared_outputs(estimator, native)
            for method in calls:
                if method in shared:
                    probes.restart()
                if method in lean:
                    _verify(_with_sklearn_output(lean[method]), calls[method], probes)
        except Mismatch as mismatch:
            step = _wrong_step(estimator, native, mismatch.X)
            error = WrongForm if _is_deterministic(native, mismatch.X) else Decline
            raise error(f"{step}: {mismatch}") from None


def _exceptions(compiler: Compiler) -> str | None:
    """Return a phrase that names the steps that keep their native methods, and the reasons."""
    steps = ", ".join(dict.fromkeys(compiler.native))
    reasons = "".join(f"; {reason}" for reason in compiler.declined)
    return f"native methods are used for {steps}{reasons}" if steps else None


def _with_sklearn_output(call: Call) -> Call:
    return lambda X: to_sklearn(call(X))


def with_fallback(lean: Call, native: Call) -> Call:
    """Return a function that calls the native method if the lean form raises."""

    @np.errstate(all="ignore")  # as a decorator, this costs half as much as in a with statement
    def call(X: ModelInput) -> ModelOutput:
        if len(X) <= MAX_ROWS:
            try:
                outputs = lean(X)
                return outputs if type(outputs) is np.ndarray else to_sklearn(outputs)
            except Exception:  # noqa: S110 - the native method raises the right exception
                pass
        return native(X)

    return call


def _verify(lean: Call, native: Call, probes: Probes) -> None:
    """Compare a lean form with the estimator on many rows, on fewer rows and on single rows.

    After the time limit, small parts are compared with the estimator's results for many rows, and
    with a separate call only if they differ. A data frame of columns takes long to make, so after
    the first parts the estimator gets rows of the data frame for many rows.
    """
    started, rows = perf_counter(), probes.rows()
    whole = probes.build(rows)
    try:
        expected = _compare(lean, native, whole, f"{PROBES} rows")
    except Decline:  # the estimator raises on one of the rows
        rows = accepted_rows(lean, native, probes)
        whole = probes.build(rows)
        expected = _compare(lean, native, whole, f"{PROBES} rows")
    frame = _frame_of_columns(whole)
    seconds = 0 if is_known(native, whole) else SECONDS  # another method has taken the time
    has_compared_one_row = _compare_extremes(lean, native, probes)
    for index, (start, stop) in enumerate(_PARTS):
        X = probes.build(row_slice(rows, start, stop), by_column=not index)
        is_late = has_compared_one_row and perf_counter() - started > seconds
        is_late = is_late and not is_known(native, X)
        if not (is_late and _returns(lean, X, _output_slice(expected, start, stop))):
            of_frame = frame if index >= _PARTS_WITH_A_FRAME else None
            part = None if of_frame is None else of_frame.iloc[start:stop].copy()
            _compare(lean, native, X, _count_of_rows(stop - start), part)
        has_compared_one_row = True
    examples = probes.examples()
    if examples is not None:
        _compare(lean, native, examples, "the examples")


def _frame_of_columns(X: ModelInput) -> Frame:
    """Return the pandas data frame of X if that is made column by column, else None."""
    is_of_columns = isinstance(X, Tabular) and matrix_of(X) is None
    frame = to_sklearn(X) if is_of_columns else None
    return frame if hasattr(frame, "iloc") else None


def _returns(lean: Call, X: ModelInput, expected: ModelOutput) -> bool:
    try:
        return same(lean(X), expected)
    except Exception:
        return False


def _output_slice(output: ModelOutput, start: int, stop: int) -> ModelOutput:
    if isinstance(output, list):
        return [part[start:stop] for part in output]
    return output[start:stop]


def _count_of_rows(rows: int) -> str:
    return f"{rows} rows" if rows > 1 else "one row"


def accepted_rows(lean: Call, native: Call, probes: Probes) -> list[list[FieldValue]]:
    """Return probe rows on which the estimator does not raise.

    On rows where it raises, the lean form must raise too. But it is called only after the estimator
    has accepted a row: an estimator that refuses all rows may protect native code from damaged
    arrays. The search ends after ``SECONDS``, but not before a row is found, because a few calls
    can take that long on a busy machine.

    :raises Decline: the estimator raises on all rows
    :raises Mismatch: the lean form returns a result for a row on which the estimator raises
    """
    started = perf_counter()
    good: list[ProbeRows] = []
    refused: list[ProbeRows] = []
    parts: list[ProbeRows] = [probes.rows()]
    while parts and perf_counter() - started < (SECONDS if good else FIRST_ROW_SECONDS):
        part = parts.pop()
        count = len(part[0])
        try:
            native(probes.build(part))
            good.append(part)
        except Exception:
            if count == 1:
                refused.append(part)
            else:
                parts += [row_slice(part, 0, count // 2), row_slice(part, count // 2, count)]
    if not good:
        raise Decline("the estimator raises on all probes")
    for part in refused:
        _check_refusal(lean, probes.build(part))
    return repeat_rows(good, PROBES)


def _compare(
    lean: Call, native: Call, X: ModelInput, rows: str, frame: Frame = None
) -> ModelOutput:
    """Return the estimator's result after checking that the lean form returns the same.

    :param rows: the number of rows, in words
    :param frame: a data frame of the same rows for the estimator; None to make it from X
    """
    try:  # the estimator may modify its input
        expected = native(copy_of(X) if frame is None else frame)
    except Exception as error:
        raise Decline(f"the estimator raises on probes: {type(error).__name__}") from error
    try:
        result = lean(X)
    except Incomplete:
        raise
    except Exception as error:
        raise Mismatch(f"the lean form raises {type(error).__name__}: {error}", X) from error
    if not same(result, expected):
        raise Mismatch(f"the lean form differs on {rows}", X)
    return expected


def _compare_extremes(lean: Call, native: Call, probes: Probes) -> bool:
    """Compare the results for rows on which both the lean form and the estimator may raise.

    One call of the estimator returns the results of all these rows. The estimator is called for
    single rows only if the results differ or if it raises.

    :returns: whether the lean form returns a result for one of the rows
    """
    rows = probes.extremes()
    if not rows:
        return False
    together = probes.build(repeat_rows(rows, len(rows)), by_column=True)
    frame = _frame_of_columns(together)
    expected = _output_of(native, together)
    compared = []
    for index, row in enumerate(rows):
        X = probes.build(row)
        if expected is not None and _returns(lean, X, _output_slice(expected, index, index + 1)):
            compared.append(True)
            continue
        part = None if frame is None else frame.iloc[index : index + 1].copy()
        compared.append(_compare_extreme(lean, native, X, part))
    return any(compared)


def _output_of(native: Call, X: ModelInput) -> ModelOutput | None:
    """Return the estimator's result, None if it raises."""
    try:
        return native(copy_of(X))
    except Exception:
        return None


def _compare_extreme(lean: Call, native: Call, X: ModelInput, frame: Frame) -> bool:
    """Compare the results for one row.

    :param frame: a data frame of the same row for the estimator; None to make it from X
    :returns: whether the lean form returns a result
    """
    try:
        expected = native(copy_of(X) if frame is None else frame)
    except Exception:
        _check_refusal(lean, X)
        return False
    try:
        result = lean(X)
    except Exception:
        return False
    if not same(result, expected):
        raise Mismatch("the lean form differs on large or small numbers", X)
    return True


def _check_refusal(lean: Call, X: ModelInput) -> None:
    """Check that the lean form raises on a row on which the estimator does."""
    try:
        lean(X)
    except Exception:
        return
    raise Mismatch("the lean form returns a result where the estimator raises", X)


def _is_deterministic(native: Mapping[str, Call], X: ModelInput) -> bool:
    """Return whether the estimator returns the same result for the same input twice."""
    try:
        return all(same(call(copy_of(X)), call(copy_of(X))) for call in native.values())
    except Exception:
        return True


def _wrong_step(estimator: Estimator, native: Mapping[str, Call], X: ModelInput) -> str:
    """Return the class name of the innermost step whose lean form is wrong for X."""
    wrong: list[str] = []

    def watch(step: Estimator, method: str, call: Call) -> Call:
        def watched(X: ModelInput) -> ModelOutput:
            expected: Any = None
            with suppress(Exception):  # an earlier step may have passed on a wrong input
                expected = getattr(step, method)(to_sklearn(copy_of(X)))
            try:
                result = call(X)
            except Exception:
                wrong.append(introspect.class_name(step))
                raise
            if not wrong and expected is not None and not same(to_sklearn(result), expected):
                wrong.append(introspect.class_name(step))
            return result

        return watched

    compiled = Compiler(watch).methods(estimator)
    for method in native:
        with suppress(Exception):  # the watcher has recorded the step
            compiled[method](X)
    return wrong[0] if wrong else introspect.class_name(estimator)


@contextmanager
def quiet_on_one_thread() -> Iterator[None]:
    """Return a context without warnings, in which BLAS and OpenMP start no threads."""
    with warnings.catch_warnings(), one_thread(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield
