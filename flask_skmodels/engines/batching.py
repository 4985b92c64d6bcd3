"""Concurrent calls of one callable become one call, without a thread and without a wait.

The first caller runs at once. Those that come meanwhile queue; when it ends, one of them takes all
that have queued, calls for them together and hands out their slices.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from threading import Lock, get_ident
from time import perf_counter
from typing import Any
from weakref import WeakSet

from flask_skmodels.estimators.outputs import is_multi_output
from flask_skmodels.schema.tabular import concatenate, layout_of

SMALL = 16  # rows: a larger call has little to gain
WORTH = 500e-6  # seconds that a call of one row takes, from where on combining pays
_TRIALS = 5  # calls of one row that are measured; the first may warm something up

Call = Callable[[Any], Any]
Shared = tuple[Any, float, int]  # outputs, seconds in the queue, rows called for at once


class Combiner:
    """Calls that run at the same time, as one.

    :param call: called with X, returns one entry for each row
    :param is_worth_it: whether to combine; where None the cost of calls of one row decides
    """

    def __init__(self, call: Call, is_worth_it: bool | None = None) -> None:
        self._call = call
        self._is_worth_it = is_worth_it
        self._trials: list[float] = []
        self.restart()
        _combiners.add(self)

    def restart(self) -> None:
        """Forget who calls and who waits: in a process that was forked they are not there."""
        self._lock = Lock()
        self._is_busy = False
        self._leader: int | None = None  # the thread that calls for all
        self._queue: deque[_Waiting] = deque()

    def call(self, X: Any, most_rows: int) -> Shared:
        """Call, together with others that wait.

        :param X: an array, a table or a list
        :param most_rows: the most rows that are called for at once, none combined below 2
        :returns: the outputs for X alone, seconds that it has waited for others, and how many rows
            were called for at once, its own and those of others
        :raises BaseException: what the call raises for X alone
        """
        if not self._is_worth_it:
            call = self._tried if self._is_worth_it is None else self._call
            return call(X), 0.0, len(X)
        # Where the estimator itself asks, in the leader's thread, it would wait for itself.
        is_inner = self._leader == get_ident()
        if is_inner or most_rows < 2 or len(X) > SMALL:
            return self._call(X), 0.0, len(X)
        waiting = _Waiting(X, most_rows)
        with self._lock:
            is_first, self._is_busy = not self._is_busy, True
            if not is_first:
                self._queue.append(waiting)
        if is_first:
            waiting.batch = [waiting]
        else:
            self._wait(waiting)
        return self._lead(waiting) if waiting.batch else waiting.result(self._call)

    def _tried(self, X: Any) -> Any:
        """Call for X alone, and decide by what a row has cost whether to combine from now on."""
        started = perf_counter()
        outputs = self._call(X)
        if len(X) == 1:
            self._trials.append(perf_counter() - started)
            if len(self._trials) >= _TRIALS:
                self._is_worth_it = min(self._trials) >= WORTH
        return outputs

    def _wait(self, waiting: _Waiting) -> None:
        try:
            waiting.turn.acquire()
        except BaseException:  # the caller gives up: it alone
            with self._lock:
                if waiting in self._queue:
                    self._queue.remove(waiting)
            self._give_back(waiting)
            raise

    def _lead(self, waiting: _Waiting) -> Shared:
        """Call for all of a batch, and have the next one called."""
        batch, started = waiting.batch, perf_counter()
        self._leader = get_ident()
        try:
            if len(batch) == 1:
                return self._call(waiting.X), started - waiting.since, len(waiting.X)
            self._call_together(batch, started)
        except BaseException:
            self._give_back(waiting)
            raise
        finally:
            if waiting.batch:
                waiting.batch = []  # it holds itself
                self._pass_on(batch)
        return waiting.result(self._call)

    def _call_together(self, batch: Sequence[_Waiting], started: float) -> None:
        """Set the outputs of all of a batch; where that fails each calls for itself."""
        try:
            slices = _split(self._call(concatenate([each.X for each in batch])), batch)
        except Exception:
            return
        rows = sum(len(each.X) for each in batch)
        for each, outputs in zip(batch, slices, strict=True):
            each.called = outputs, started - each.since, rows

    def _give_back(self, waiting: _Waiting) -> None:
        """Let the others of a batch wait for another leader, where the caller was to lead it."""
        batch, waiting.batch = waiting.batch, []
        others = [each for each in batch if each is not waiting]
        with self._lock:
            self._queue.extendleft(reversed(others))
        if batch:
            self._pass_on([])

    def _pass_on(self, batch: Sequence[_Waiting]) -> None:
        """Wake those who have their outputs, and who is to lead those that have queued."""
        self._leader = None
        with self._lock:
            following = self._next_batch()
            self._is_busy = bool(following)
            if following:
                following[0].batch = following
        for each in batch[1:]:
            each.turn.release()
        if following:
            following[0].turn.release()

    def _next_batch(self) -> list[_Waiting]:
        """Take from the queue who can be called for together."""
        found: list[_Waiting] = []
        rows = 0
        while self._queue:
            following = self._queue[0]
            rows += len(following.X)
            if found and (rows > found[0].most_rows or following.layout != found[0].layout):
                break
            found.append(self._queue.popleft())
        return found


_combiners: WeakSet[Combiner] = WeakSet()


def _restart_all() -> None:
    for combiner in list(_combiners):
        combiner.restart()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_restart_all)


class _Waiting:
    """A caller in the queue."""

    __slots__ = ("X", "batch", "called", "layout", "most_rows", "since", "turn")

    def __init__(self, X: Any, most_rows: int) -> None:
        self.X = X
        self.most_rows = most_rows
        self.layout = layout_of(X)
        self.since = perf_counter()
        self.called: Shared | None = None
        self.batch: list[_Waiting] = []  # who it is to call for
        self.turn = Lock()
        self.turn.acquire()

    def result(self, call: Call) -> Shared:
        """Return what the call for all has brought; called for alone where that is nothing."""
        if self.called is not None:
            return self.called
        queue = perf_counter() - self.since
        return call(self.X), queue, len(self.X)


def _split(outputs: Any, batch: Sequence[_Waiting]) -> list[Any]:
    """Return the outputs of each caller.

    :raises ValueError: there is not one entry for each row
    """
    ends = [0, *accumulate(len(each.X) for each in batch)]
    if is_multi_output(outputs):
        parts = [_split(part, batch) for part in outputs]
        return [list(slices) for slices in zip(*parts, strict=True)]
    shape = getattr(outputs, "shape", None)
    if (shape[0] if shape else len(outputs)) != ends[-1]:
        raise ValueError("there is not one entry for each row")
    rows = outputs.iloc if hasattr(outputs, "iloc") else outputs
    return [rows[start:stop] for start, stop in pairwise(ends)]
