"""A cluster of Dask, which runs the chunks, and repeats those of a dead worker."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from flask_skmodels.bulk.batch import BatchResult
from flask_skmodels.bulk.chunks import Chunk
from flask_skmodels.bulk.executors.executor import ChunkTask, ClusterExecutor, Models, run_remotely
from flask_skmodels.bulk.shipped_model import ShippedModel, receive, received
from flask_skmodels.exceptions import ScoringError, in_one_line
from flask_skmodels.hints import install_line

_POLL = 0.5  # seconds
_LARGE_GRAPHS = {"distributed.admin.large-graph-warning-threshold": "1 GiB"}


class DaskExecutor(ClusterExecutor):
    """Predicts the chunks on a cluster.

    :param models: the model
    :param address: address of the scheduler, None for a cluster on this machine
    :param workers: the number of workers if the cluster is on this machine
    :raises ScoringError: Dask is not installed, or there is no scheduler at the address
    """

    def __init__(self, models: Models, address: str | None, workers: int) -> None:
        try:
            distributed, config = import_module("distributed"), import_module("dask.config")
        except ImportError as error:
            needed = install_line("dask")
            raise ScoringError(f"dask.distributed is not installed: {needed}") from error
        config.set(_LARGE_GRAPHS)
        super().__init__(models)
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
        self.ship(models.by_file)

    def begin(self, task: ChunkTask, chunk: Chunk) -> Any:
        """Submit a chunk to the cluster.

        The chunk is part of the task: data that a worker holds would be lost with the worker.
        """
        return self._client.submit(_run, self._key, task, chunk, pure=False)

    def wait(self, future: Any) -> BatchResult:
        while True:
            try:
                result: BatchResult = future.result(timeout=_POLL)
                return result
            except (TimeoutError, self._timeout):
                if future.status == "error":  # the task has raised it
                    raise

    def close(self, *, at_once: bool) -> None:
        self._client.close(timeout=1 if at_once else 10)
        if self._cluster is not None:
            self._cluster.close(timeout=1 if at_once else 10)

    def ship(self, shipped: ShippedModel) -> None:
        """Send the model to each worker, including workers that join later."""
        base = import_module("distributed").WorkerPlugin

        class ModelPlugin(base):  # type: ignore[misc, valid-type]
            def setup(self, worker: Any) -> None:
                receive(shipped)

        self._client.register_plugin(ModelPlugin(), name=f"skmodels-{shipped.key}")
        self._key = shipped.key


def _run(key: str, task: ChunkTask, chunk: Chunk) -> BatchResult:
    return run_remotely(received(key), task, chunk)
