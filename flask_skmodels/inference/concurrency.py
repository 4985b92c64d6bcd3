"""Limits on the predictions that run at the same time, and the queues of waiting predictions."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from threading import TIMEOUT_MAX, Lock
from time import perf_counter
from types import TracebackType
from typing import Any

from flask_skmodels.engines.after_fork import restart_after_fork
from flask_skmodels.engines.call_threads import request_thread
from flask_skmodels.exceptions import Overloaded, SKModelsError, TimedOut
from flask_skmodels.inference.prediction import PredictionCall


class ConcurrencyLimit:
    """Limits the calls that run at the same time. Further calls wait, first come, first served.

    A call that another call makes in the same thread, for example in a receiver of a signal, runs
    without waiting: otherwise a thread would wait for itself.

    :param most: the maximum number of running calls
    :param most_waiting: the maximum number of waiting calls, None for no limit
    """

    def __init__(self, most: int, most_waiting: int | None = None) -> None:
        self._most = most
        self._most_waiting = most_waiting
        self.restart()
        restart_after_fork(self)

    def restart(self) -> None:
        """Forget all calls. A forked child process has none of its parent's threads."""
        self._lock = Lock()
        self._running = 0
        self._depths: dict[int, int] = {}  # the number of nested calls, by thread
        self._queue: deque[Any] = deque()  # a lock for each waiting call

    def acquire(self, timeout: float | None) -> None:
        """Wait until a call may run.

        :param timeout: the maximum number of seconds, None for no limit
        :raises Overloaded: too many calls wait already
        :raises TimedOut: the call has waited too long
        """
        thread = request_thread()
        with self._lock:
            depth = self._depths.get(thread, 0)
            if depth or self._running < self._most:
                self._running += 0 if depth else 1
                self._depths[thread] = depth + 1
                return
            if self._most_waiting is not None and len(self._queue) >= self._most_waiting:
                raise Overloaded("too many predictions are in progress: try again later")
            turn = Lock()
            turn.acquire()
            self._queue.append(turn)
        self._wait(turn, timeout)
        self._depths[thread] = 1

    def release(self) -> None:
        """End a call, and let the first waiting call run."""
        thread = request_thread()
        with self._lock:
            depth = self._depths.pop(thread, 0)
            if depth > 1:
                self._depths[thread] = depth - 1
            elif depth:  # otherwise the process was forked during the call
                self._start_next()

    def _wait(self, turn: Any, timeout: float | None) -> None:
        try:
            is_free = turn.acquire(timeout=-1 if timeout is None else min(timeout, TIMEOUT_MAX))
        except BaseException:
            self._leave(turn)
            raise
        if not is_free:
            self._leave(turn)
            raise TimedOut("the prediction has waited too long for others: try again later")

    def _leave(self, turn: Any) -> None:
        """Take a call that stops waiting out of the queue."""
        with self._lock:
            if turn in self._queue:
                self._queue.remove(turn)
            else:
                self._start_next()  # its turn has just come

    def _start_next(self) -> None:
        if self._queue:
            self._queue.popleft().release()
        else:
            self._running -= 1


def concurrency_limit(most: int | None, most_waiting: int | None) -> ConcurrencyLimit | None:
    """Return a limit; None if ``most`` is None."""
    return None if most is None else ConcurrencyLimit(most, most_waiting)


class Admission:
    """Lets one call run when all limits allow it, in a ``with`` block.

    The target of the ``with`` statement is the number of seconds that the call has waited.

    :param call: the call
    :param limits: the limits, in the order in which the call waits for them
    :param timeout: the seconds that the call may wait in all, None for no limit
    """

    def __init__(
        self, call: PredictionCall, limits: Sequence[ConcurrencyLimit], timeout: float | None
    ) -> None:
        self._call = call
        self._limits = limits
        self._timeout = timeout
        self._held: list[ConcurrencyLimit] = []

    def __enter__(self) -> float:
        """Wait until the call may run.

        :raises Overloaded: too many calls wait already
        :raises TimedOut: the call has waited too long
        """
        started = perf_counter()
        try:
            for limit in self._limits:
                waited = perf_counter() - started
                limit.acquire(None if self._timeout is None else max(self._timeout - waited, 0))
                self._held.append(limit)
        except BaseException as error:
            self.__exit__(None, None, None)
            if isinstance(error, SKModelsError):
                self._call.notify_refused(error)
            raise
        return perf_counter() - started

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        while self._held:
            self._held.pop().release()
