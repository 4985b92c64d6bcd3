"""A cluster of Dask, which runs the chunks, and those of a dead worker again."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from flask_skmodels.bulk.batch import BatchResult
from flask_skmodels.bulk.chunks import Chunk
from flask_skmodels.bulk.executors.executor import Models, Task, run_remotely
from flask_skmodels.bulk.shipped_model import FileNotSeen, ShippedModel, receive, received
from flask_skmodels.exceptions import ScoringError, in_one_line

_POLL = 0.5  # seconds
_LARGE_GRAPHS = {"distributed.admin.large-graph-warning-threshold": "1 GiB"}
INSTALL = "pip install 'Flask-SKModels[dask]'"


class DaskExecutor:
    """Predicts the chunks on a cluster.

    :param models: the model
    :param address: address of the scheduler, None for a cluster of this machine
    :param workers: number of the workers of a cluster of this machine
    :raises ScoringError: Dask is not installed, or there is no scheduler at the address
    """

    def __init__(self, models: Models, address: str | None, workers: int) -> None:
        try:
            distributed, config = import_module("distributed"), import_module("dask.config")
        except ImportError as error:
            raise ScoringError(f"dask.distributed is not installed: {INSTALL}") from error
        config.set(_LARGE_GRAPHS)
        self._models = models
        self._cluster: Any = None
        self._timeout = distributed.TimeoutError
        try:
            if address is None:
                self._cluster = distributed.LocalCluster(
                    n_workers=workers, threads_per_worker=1, dashboard_address=None
                )
            self._client = distributed.Client(self._cluster or address, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ScoringError(f"no Dask scheduler at {address}: {in_one_line(error)}") from error
        threads = self._client.nthreads()
        self.workers = max(1, sum(threads.values()))
        self._key = self._ship(models.by_file)
        self._is_whole = False

    def submit(self, task: Task, chunk: Chunk) -> PendingChunk:
        return PendingChunk(self, task, chunk)

    def begin(self, task: Task, chunk: Chunk) -> Any:
        """Submit a chunk to the cluster.

        The chunk is part of the task: data that a worker holds would be lost with the worker.
        """
        return self._client.submit(_run, self._key, task, chunk, pure=False)

    def wait(self, future: Any) -> BatchResult:
        """Wait for a result, so that a signal of the system is handled in time."""
        while True:
            try:
                result: BatchResult = future.result(timeout=_POLL)
                return result
            except (TimeoutError, self._timeout):
                if future.status == "error":  # the task has raised it
                    raise

    def ship_whole(self) -> None:
        """Send the estimator, because a worker does not see its file."""
        if not self._is_whole:
            self._is_whole = True
            self._key = self._ship(self._models.whole())

    def close(self, *, at_once: bool) -> None:
        self._client.close(timeout=1 if at_once else 10)
        if self._cluster is not None:
            self._cluster.close(timeout=1 if at_once else 10)

    def _ship(self, shipped: ShippedModel) -> str:
        """Send the model to each worker, also to those that join later; return its key."""
        base = import_module("distributed").WorkerPlugin

        class ModelPlugin(base):  # type: ignore[misc, valid-type]
            def setup(self, worker: Any) -> None:
                receive(shipped)

        self._client.register_plugin(ModelPlugin(), name=f"skmodels-{shipped.key}")
        return shipped.key


class PendingChunk:
    """A chunk that the cluster predicts.

    :param executor: the executor
    :param task: what to do with it
    :param chunk: the chunk
    """

    def __init__(self, executor: DaskExecutor, task: Task, chunk: Chunk) -> None:
        self._executor = executor
        self._task = task
        self._chunk = chunk
        self._future = executor.begin(task, chunk)

    def result(self) -> BatchResult:
        try:
            return self._executor.wait(self._future)
        except FileNotSeen:
            self._executor.ship_whole()
            self._future = self._executor.begin(self._task, self._chunk)
            return self._executor.wait(self._future)


def _run(key: str, task: Task, chunk: Chunk) -> BatchResult:
    return run_remotely(received(key), task, chunk)
