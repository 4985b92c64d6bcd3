"""Calls in separate threads, so that the thread of a request need not wait for them for ever.

Python cannot stop a call of an estimator, so a call that hangs keeps its thread. If each call ran
in a new thread, the threads of the server would be safe, but an ordinary request would take
noticeably longer. Therefore, at any time, one call in each process, the direct call, runs in the
thread of its request. Only calls that arrive meanwhile get new threads, and their callers stop
waiting after a timeout. So calls that hang keep only one thread of the server, however many they
are.

Measured with Python 3.11 on a busy machine: a new thread costs a call 0.09 to 0.26 ms.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, copy_context
from threading import TIMEOUT_MAX, Lock, Thread, get_ident
from typing import Any

from flask_skmodels.engines.after_fork import restart_after_fork
from flask_skmodels.engines.threadpools import size_pools_again


class DirectCall:
    """The one call of a process that may run in the thread of its request.

    :ivar place: a lock that the direct call holds
    """

    def __init__(self) -> None:
        self.restart()
        restart_after_fork(self)

    def restart(self) -> None:
        """Forget the call. A forked child process has none of its parent's threads."""
        self.place = Lock()


DIRECT = DirectCall()
_REQUEST_THREAD: ContextVar[int | None] = ContextVar("request_thread", default=None)


def request_thread() -> int:
    """Return the identifier of the request's thread, even in another thread that runs its call."""
    return _REQUEST_THREAD.get() or get_ident()


class ThreadCall:
    """A call in a thread of its own, with the context variables of its caller.

    :param function: the function to call
    :raises RuntimeError: the process can start no more threads
    """

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._result: Any = None
        self._error: BaseException | None = None
        self._returned = Lock()
        self._returned.acquire()
        context = copy_context()
        context.run(_REQUEST_THREAD.set, request_thread())
        Thread(target=context.run, args=(self._run,), daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Return whether the function has returned or raised within a number of seconds."""
        return self._returned.acquire(timeout=min(seconds, TIMEOUT_MAX))

    def result(self) -> Any:
        """Return the result of the function.

        :raises BaseException: the exception of the function
        """
        if self._error is not None:
            raise self._error
        return self._result

    def _run(self) -> None:
        try:
            size_pools_again()
            self._result = self._function()
        except BaseException as error:  # raised again in the thread that waits
            self._error = error
        finally:
            self._returned.release()
