"""Processes of this machine, with ``concurrent.futures``.

They are started anew, not forked: threads and native libraries may run in this process already.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib import import_module

from flask_skmodels.bulk.batch import BatchResult
from flask_skmodels.bulk.chunks import Chunk
from flask_skmodels.bulk.executors.executor import ChunkTask, run_remotely
from flask_skmodels.bulk.shipped_model import ShippedModel
from flask_skmodels.exceptions import ScoringError

MAX_DEATHS = 3  # of workers on one chunk

_model: list[ShippedModel] = []


class ProcessExecutor:
    """Predicts the chunks in processes. If one dies, its chunks run in a new one.

    :param shipped: the model
    :param workers: the number of processes
    """

    def __init__(self, shipped: ShippedModel, workers: int) -> None:
        self.workers = workers
        self._shipped = shipped
        self._pool = self._new_pool()

    def submit(self, task: ChunkTask, chunk: Chunk) -> PendingChunk:
        return PendingChunk(self, task, chunk)

    def begin(self, task: ChunkTask, chunk: Chunk) -> Future[BatchResult]:
        """Submit a chunk to the pool, or to a new pool if a worker of the old one has died."""
        try:
            return self._pool.submit(_run, task, chunk)
        except BrokenProcessPool:
            self.renew(self._pool)
            return self._pool.submit(_run, task, chunk)

    def renew(self, broken: ProcessPoolExecutor) -> None:
        """Replace a pool that has lost a worker, unless another chunk has already done so."""
        if self._pool is broken:
            broken.shutdown(wait=False, cancel_futures=True)
            self._pool = self._new_pool()

    @property
    def pool(self) -> ProcessPoolExecutor:
        """The pool in use."""
        return self._pool

    def close(self, *, at_once: bool) -> None:
        processes = dict(self._pool._processes or {})
        if at_once:
            for process in processes.values():
                process.kill()
        self._pool.shutdown(wait=not at_once, cancel_futures=True)

    def _new_pool(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(
            self.workers, context, initializer=_start, initargs=(self._shipped,)
        )


class PendingChunk:
    """A chunk that a process predicts.

    :param executor: the executor
    :param task: what to do with it
    :param chunk: the chunk
    """

    def __init__(self, executor: ProcessExecutor, task: ChunkTask, chunk: Chunk) -> None:
        self._executor = executor
        self._task = task
        self._chunk = chunk
        self._submit()

    def _submit(self) -> None:
        self._future = self._executor.begin(self._task, self._chunk)
        self._pool = self._executor.pool

    def result(self) -> BatchResult:
        for _ in range(MAX_DEATHS):
            try:
                return self._future.result()
            except BrokenProcessPool:
                self._executor.renew(self._pool)
                self._submit()
        raise ScoringError(
            f"{MAX_DEATHS} workers have died on the chunk of {self._chunk.source} that begins at "
            f"row {self._chunk.first_row}: is there enough memory? Smaller chunks need less: "
            "--chunk-rows"
        )


def _start(shipped: ShippedModel) -> None:
    """Prepare a worker: it ends with its parent, ignores Ctrl-C, and loads the model."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import_module("pyarrow").set_cpu_count(1)
    _model[:] = [shipped]
    shipped.load()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run(task: ChunkTask, chunk: Chunk) -> BatchResult:
    return run_remotely(_model[0], task, chunk)
