"""How many threads the pools of BLAS and OpenMP have, set once and not for each call."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

_WORKERS = re.compile(r"(?:-w|--workers)[ =]?([0-9]+)")
_ready = threading.local()

if hasattr(os, "register_at_fork"):  # the child's pools, and its one thread, are new
    os.register_at_fork(after_in_child=lambda: vars(_ready).clear())


def size_pools(count: int | None) -> None:
    """Size the pools of this process, and of this thread, unless that was done.

    OpenMP keeps the number for each thread that calls it, so it is set in each.

    :param count: of threads; where None the cores over the workers, as far as the environment says
    """
    if hasattr(_ready, "is_sized"):
        return
    _ready.is_sized = True
    if count is None and "OMP_NUM_THREADS" in os.environ:
        return
    for library in _libraries(os.getpid()):
        library.set_num_threads(threads_of_worker(os.environ) if count is None else count)


def threads_of_worker(environ: Mapping[str, str]) -> int:
    """Return how many threads each worker has to itself: 1 where their number is not known.

    :param environ: of the process
    """
    told = _WORKERS.search(environ.get("GUNICORN_CMD_ARGS", ""))
    names = ("WEB_CONCURRENCY", "GRANIAN_WORKERS", "UWSGI_WORKERS")
    workers = told[1] if told else next((environ[name] for name in names if name in environ), "")
    return max(1, _cores() // int(workers)) if workers.isdecimal() and int(workers) else 1


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _libraries(process: int) -> list[Any]:
    """Return the libraries with pools that a process has loaded by its first prediction."""
    controllers: list[Any] = ThreadpoolController().lib_controllers
    return controllers
