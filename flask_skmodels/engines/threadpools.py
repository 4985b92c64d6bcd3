"""Limits on threads: the pools of BLAS and OpenMP, and the workers of joblib.

The server runs as many requests in parallel as it has cores, so a request that uses several threads
only takes cores away from other requests. Measured on 2 cores:

- Histogram gradient boosting in two processes: 415 predictions a second with OpenMP's default
  number of threads, 1,816 with one thread set once per worker, and 328 with one thread set at each
  call. So pools are sized once.
- A random forest with ``n_jobs=-1`` takes 2.8 times as long for one row as with one worker.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import cache, lru_cache
from typing import Any

import joblib
from threadpoolctl import ThreadpoolController

from flask_skmodels.estimators.attributes import get
from flask_skmodels.estimators.requirements import estimators_in
from flask_skmodels.schema.types import Estimator

_WORKERS = re.compile(r"(?:-w|--workers)[ =]?([0-9]+)")
_sized = threading.local()
_last: list[int | None] = [None]  # the last size that was requested

if hasattr(os, "register_at_fork"):  # the child process starts with new pools
    os.register_at_fork(after_in_child=lambda: vars(_sized).clear())


def size_pools(count: int | None) -> None:
    """Set the size of the BLAS and OpenMP pools, once for each thread of the process.

    OpenMP keeps a separate limit for each thread that calls it.

    :param count: the number of threads; None divides the cores by the number of workers that an
        environment variable gives, and leaves the pools alone if ``OMP_NUM_THREADS`` is set
    """
    if hasattr(_sized, "is_done"):
        return
    _sized.is_done = True
    _last[0] = count
    if count is None and "OMP_NUM_THREADS" in os.environ:
        return
    for library in _libraries(os.getpid()):
        library.set_num_threads(threads_per_worker(os.environ) if count is None else count)


def size_pools_again() -> None:
    """Set the size of the pools for a new thread to the size that was requested last."""
    size_pools(_last[0])


def threads_per_worker(environ: Mapping[str, str]) -> int:
    """Return the number of threads that each worker process may use, 1 if it is unknown.

    :param environ: the environment variables of the process
    """
    option = _WORKERS.search(environ.get("GUNICORN_CMD_ARGS", ""))
    names = ("WEB_CONCURRENCY", "GRANIAN_WORKERS", "UWSGI_WORKERS")
    workers = (
        option[1] if option else next((environ[name] for name in names if name in environ), "")
    )
    return max(1, _cores() // int(workers)) if workers.isdecimal() and int(workers) else 1


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _libraries(process: int) -> list[Any]:
    """Return the controllers of the libraries with pools that the process has loaded so far."""
    controllers: list[Any] = ThreadpoolController().lib_controllers
    return controllers


def one_thread() -> AbstractContextManager[Any]:
    """Return a context in which BLAS and OpenMP use one thread."""
    controller = _controller(os.getpid(), len(sys.modules))
    context: AbstractContextManager[Any] = controller.limit(limits=1)
    return context


@lru_cache(maxsize=1)
def _controller(process: int, modules: int) -> ThreadpoolController:
    """Return a controller of the libraries with pools.

    Finding the libraries takes 4 ms, so it is repeated only after an import, which may load another
    library.
    """
    return ThreadpoolController()


def uses_joblib_workers(estimator: Estimator) -> bool:
    """Return whether a method of the estimator would start joblib workers at each call."""
    return any(get(part, "n_jobs") not in (None, 1) for part in estimators_in(estimator))


def without_joblib_workers() -> AbstractContextManager[Any]:
    """Return a context in which joblib runs everything in the calling thread."""
    context: AbstractContextManager[Any] = joblib.parallel_config(backend="sequential")
    return context
