"""Combines concurrent calls of a method into one call, without waiting for more calls.

The first caller calls the method immediately. Callers that arrive during this call wait in a queue.
When it ends, one of them becomes the leader: it calls the method for all rows in the queue and
hands out the results. A combined call has at most ``SKMODELS_BATCH_ROWS`` rows.

``call_threads`` decides which calls run in a thread of their own. A call that is late, which means
that it has not returned after its time limit, is no longer waited for. If several calls of a method
are late, further callers are refused.

Measured with a random forest in 2 workers with 32 threads each and 64 connections: 46 predictions
per second without combining, 267 to 291 with a batching thread, and 800 with a leader.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate, pairwise
from threading import TIMEOUT_MAX, Lock, get_ident
from time import perf_counter
from typing import Any

from flask_skmodels.engines.after_fork import restart_after_fork
from flask_skmodels.engines.call_threads import DIRECT, ThreadCall
from flask_skmodels.engines.native import Call
from flask_skmodels.estimators.outputs import is_multi_output
from flask_skmodels.exceptions import Overloaded, TimedOut
from flask_skmodels.schema.tabular import concatenate, layout_of
from flask_skmodels.schema.types import ModelInput, ModelOutput

MAX_ROWS_OF_A_CALL = 16  # a call with more rows has little to gain from being combined
MIN_SECONDS = 500e-6  # calls of one row are combined if each takes at least this long
MAX_LATE = 4  # calls of a method that are no longer waited for; each keeps a thread
_MARGIN = 0.001  # seconds after the time limit, when it is surely over
_TRIALS = 5  # calls of one row that are timed; the first one may include a warm-up

# The outputs, the seconds spent in the queue, and the number of rows in the combined call.
CombinedResult = tuple[ModelOutput, float, int]


class Combiner:
    """A method whose concurrent calls are combined.

    :param call: the method; it returns one entry for each row of X
    :param is_worth_it: whether to combine calls; None decides after timing some calls of one row
    """

    def __init__(self, call: Call, is_worth_it: bool | None = None) -> None:
        self._call = call
        self._is_worth_it = is_worth_it
        self._trials: list[float] = []
        self.restart()
        restart_after_fork(self)

    def restart(self) -> None:
        """Forget all callers. A forked child process has none of its parent's threads."""
        self._lock = Lock()
        self._leading: _Caller | None = None  # its call is in progress, and others wait for it
        self._threads: set[int] = set()  # the identifiers of the threads that call the method
        self._late: set[_Running] = set()  # calls that are no longer waited for
        self._queue: deque[_Caller] = deque()

    def call(
        self,
        X: ModelInput,
        most_rows: int,
        timeout: float | None = None,
        waited: float = 0.0,
        limit: float | None = None,
    ) -> CombinedResult:
        """Call the method, together with other callers if they are waiting.

        A call that is still in progress after the timeout is no longer waited for: it cannot be
        stopped, so the next callers start beside it. If several calls do not return, further
        callers are refused, because the process would run out of threads.

        :param X: an array, a table or a list
        :param most_rows: the maximum number of rows in a combined call; below 2 nothing is combined
        :param timeout: the seconds that a call may wait for other calls, None for no limit
        :param waited: the part of these seconds that has passed
        :param limit: the seconds that the call itself may take, None for no limit; the direct call
            of the process may take longer
        :returns: the outputs for this X, the seconds that the call waited for other callers, and
            the number of rows in the call, including those of other callers
        :raises TimedOut: the call has waited or taken too long
        :raises Overloaded: several calls do not return
        :raises BaseException: the exception that the method raises for this X
        """
        call = self._timed_call if self._is_worth_it is None else self._call
        is_combined = self._is_worth_it and most_rows > 1 and len(X) <= MAX_ROWS_OF_A_CALL
        # An estimator that calls this method during its own call would wait for itself.
        if is_combined and get_ident() not in self._threads:
            return self._call_combined(X, most_rows, timeout, waited, limit)
        if limit is None:
            return call(X), 0.0, len(X)
        place = DIRECT.place
        if place.acquire(False):
            try:
                return call(X), 0.0, len(X)
            finally:
                place.release()
        return self._call_in_thread(_Running(), partial(call, X), limit), 0.0, len(X)

    def _call_combined(
        self,
        X: ModelInput,
        most_rows: int,
        timeout: float | None,
        waited: float,
        limit: float | None,
    ) -> CombinedResult:
        caller = _Caller(X, most_rows, limit)
        with self._lock:
            self._leave_behind(timeout)
            self._check_late()
            self._queue.append(caller)
            leader = self._next_leader()
        if leader is not caller:
            _wake(leader)
            self._wait(caller, timeout, waited)
        return self._lead(caller) if caller.batch else self._result(caller)

    def _call_in_thread(self, running: _Running, call: Callable[[], Any], limit: float) -> Any:
        """Make the call in a thread of its own, and wait for it until the limit.

        :raises TimedOut: the call has not returned
        :raises Overloaded: several calls do not return
        """
        self._check_late()
        call_in_thread = ThreadCall(partial(self._run, running, call))
        if not call_in_thread.wait(limit):
            with self._lock:
                if not running.has_returned:
                    self._late.add(running)
                    raise TimedOut("the prediction takes too long: try again later")
            call_in_thread.wait(TIMEOUT_MAX)  # it has returned, and is about to store its result
        return call_in_thread.result()

    def _run(self, running: _Running, call: Callable[[], Any]) -> Any:
        """Make the call, and note when it returns."""
        thread = get_ident()
        self._threads.add(thread)
        try:
            return call()
        finally:
            with self._lock:
                self._threads.discard(thread)
                running.has_returned = True
                self._late.discard(running)
                leader = self._next_leader()
            _wake(leader)

    def _check_late(self) -> None:
        """Refuse a call if several calls do not return.

        :raises Overloaded: several calls do not return
        """
        if len(self._late) >= MAX_LATE:
            raise Overloaded("predictions of this model do not return: try again later", 30)

    def _timed_call(self, X: ModelInput) -> ModelOutput:
        """Make a call for this X alone. After some calls of one row, decide whether to combine."""
        started = perf_counter()
        outputs = self._call(X)
        if len(X) == 1:
            self._trials.append(perf_counter() - started)
            if len(self._trials) >= _TRIALS:
                self._is_worth_it = min(self._trials) >= MIN_SECONDS
        return outputs

    def _wait(self, caller: _Caller, timeout: float | None, waited: float) -> None:
        """Wait until the caller has its result, has to call alone, or has to lead.

        :raises TimedOut: none of these happened in time
        """
        try:
            if timeout is None:
                caller.turn.acquire()
            else:
                self._wait_until(caller, timeout, perf_counter() + timeout - waited)
        except BaseException:  # this caller stops waiting; the others continue
            with self._lock:
                caller.is_gone = True
                if caller in self._queue:
                    self._queue.remove(caller)
            self._return_batch(caller)
            raise

    def _wait_until(self, caller: _Caller, timeout: float, deadline: float) -> None:
        while not caller.turn.acquire(timeout=self._pause(timeout, deadline)):
            with self._lock:
                self._leave_behind(timeout)
                leader = self._next_leader()
                is_done = caller.combined is not None or bool(caller.batch)
            if leader is not caller:
                _wake(leader)
            if is_done:
                return
            if perf_counter() >= deadline:
                raise TimedOut("the prediction has waited too long for others: try again later")

    def _pause(self, timeout: float, deadline: float) -> float:
        """Return the seconds to wait: until the deadline, or until the call in progress is late."""
        leading, now = self._leading, perf_counter()
        until = deadline if leading is None else leading.called_at + timeout + _MARGIN
        return min(max((until if now < until < deadline else deadline) - now, 0), TIMEOUT_MAX)

    def _leave_behind(self, timeout: float | None) -> None:
        """Stop waiting for the call in progress if it takes longer than the timeout."""
        leading = self._leading
        if leading is None or timeout is None or perf_counter() - leading.called_at <= timeout:
            return
        if not leading.has_returned:
            self._late.add(leading)
        self._leading = None

    def _lead(self, caller: _Caller) -> CombinedResult:
        """Call the method for the whole batch, then start the next batch."""
        batch, started = caller.batch, perf_counter()
        try:
            if len(batch) == 1:
                outputs = self._call_limited(caller, caller.X, caller.limit)
                return outputs, started - caller.since, len(caller.X)
            self._call_together(caller, batch, started)
        except BaseException:
            self._return_batch(caller)
            raise
        finally:
            if caller.batch:
                caller.batch = []  # break the reference cycle
                self._finish(caller, batch)
        return self._result(caller)

    def _call_together(self, leader: _Caller, batch: Sequence[_Caller], started: float) -> None:
        """Set the results of the whole batch. If the call fails, each caller makes its own call.

        :raises TimedOut: the call has not returned in time
        """
        X = concatenate([each.X for each in batch])
        try:
            slices = _split(self._call_limited(leader, X, leader.limit), batch)
        except TimedOut:
            raise
        except Exception:
            return
        rows = sum(len(each.X) for each in batch)
        for each, outputs in zip(batch, slices, strict=True):
            each.combined = outputs, started - each.since, rows

    def _result(self, caller: _Caller) -> CombinedResult:
        """Return the result of the combined call; if that failed, make a call for this X alone."""
        if caller.combined is not None:
            return caller.combined
        queue = perf_counter() - caller.since
        outputs = self._call_limited(_Running(), caller.X, caller.limit)
        return outputs, queue, len(caller.X)

    def _call_limited(self, running: _Running, X: ModelInput, limit: float | None) -> ModelOutput:
        """Call the method; a limited call that is not the direct call has a thread of its own."""
        call, place = partial(self._call, X), DIRECT.place
        if limit is None:
            return self._run(running, call)
        if not place.acquire(False):
            return self._call_in_thread(running, call, limit)
        try:
            return self._run(running, call)
        finally:
            place.release()

    def _return_batch(self, caller: _Caller) -> None:
        """Put the other callers of a batch back in the queue when its leader has failed."""
        batch, caller.batch = caller.batch, []
        with self._lock:
            others = [each for each in batch if each is not caller and not each.is_gone]
            self._queue.extendleft(reversed(others))
        if batch:
            self._finish(caller, [])

    def _finish(self, caller: _Caller, batch: Sequence[_Caller]) -> None:
        """Wake the callers of the finished batch, and the leader of the next one."""
        with self._lock:
            if self._leading is caller:
                self._leading = None
            leader = self._next_leader()
        for each in batch:
            if each is not caller:
                _wake(each)
        _wake(leader)

    def _next_leader(self) -> _Caller | None:
        """Let the first caller of the queue lead, unless a call is in progress, and return it."""
        if self._leading is not None or not self._queue or len(self._late) >= MAX_LATE:
            return None
        batch = self._next_batch()
        self._leading = leader = batch[0]
        leader.batch, leader.called_at = batch, perf_counter()
        return leader

    def _next_batch(self) -> list[_Caller]:
        """Take callers from the queue whose X can be concatenated."""
        batch: list[_Caller] = []
        rows = 0
        while self._queue:
            following = self._queue[0]
            rows += len(following.X)
            if batch and (rows > batch[0].most_rows or following.layout != batch[0].layout):
                break
            batch.append(self._queue.popleft())
        return batch


class _Running:
    """A call of the method.

    :ivar has_returned: True if the call has returned or raised
    """

    __slots__ = ("has_returned",)

    def __init__(self) -> None:
        self.has_returned = False


class _Caller(_Running):
    """A caller, with its input and its result.

    :ivar limit: the seconds that the caller's own call may take, None for no limit
    :ivar batch: if the caller leads, the callers that it calls for, including itself
    :ivar called_at: if the caller leads, the time at which it began to call
    :ivar is_gone: True if the caller has stopped waiting
    """

    __slots__ = (
        *("X", "batch", "called_at", "combined", "is_gone", "layout", "limit", "most_rows"),
        *("since", "turn"),
    )

    def __init__(self, X: ModelInput, most_rows: int, limit: float | None = None) -> None:
        super().__init__()
        self.X = X
        self.most_rows = most_rows
        self.limit = limit
        self.layout = layout_of(X)
        self.since = perf_counter()
        self.combined: CombinedResult | None = None
        self.batch: list[_Caller] = []
        self.called_at = 0.0
        self.is_gone = False
        self.turn = Lock()
        self.turn.acquire()


def _wake(caller: _Caller | None) -> None:
    if caller is not None:
        caller.turn.release()


def _split(outputs: ModelOutput, batch: Sequence[_Caller]) -> list[ModelOutput]:
    """Return the outputs of each caller.

    :raises ValueError: the outputs do not have one entry for each row
    """
    ends = [0, *accumulate(len(each.X) for each in batch)]
    if is_multi_output(outputs):
        parts = [_split(part, batch) for part in outputs]
        return [list(slices) for slices in zip(*parts, strict=True)]
    shape = getattr(outputs, "shape", None)
    if (shape[0] if shape else len(outputs)) != ends[-1]:
        raise ValueError("the outputs do not have one entry for each row")
    rows = outputs.iloc if hasattr(outputs, "iloc") else outputs
    return [rows[start:stop] for start, stop in pairwise(ends)]
