"""A cluster of Ray: its tasks run the chunks, and run those of a dead worker again."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from flask_skmodels.bulk.batch import BatchResult
from flask_skmodels.bulk.chunks import Chunk
from flask_skmodels.bulk.executors.executor import ChunkTask, ClusterExecutor, Models, run_remotely
from flask_skmodels.bulk.shipped_model import ShippedModel
from flask_skmodels.exceptions import ScoringError, in_one_line
from flask_skmodels.hints import install_line

_RETRIES = 3
_POLL = 0.5  # seconds


class RayExecutor(ClusterExecutor):
    """Predicts the chunks on a cluster.

    :param models: the model
    :param address: address of the cluster, None for one on this machine
    :param workers: the number of workers if the cluster is on this machine
    :raises ScoringError: Ray is not installed, or there is no cluster at the address
    """

    def __init__(self, models: Models, address: str | None, workers: int) -> None:
        try:
            self._ray = import_module("ray")
        except ImportError as error:
            raise ScoringError(f"Ray is not installed: {install_line('ray')}") from error
        self._was_running = self._ray.is_initialized()
        if not self._was_running:
            self._connect(address, workers)
        self.workers = max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        super().__init__(models)
        self.ship(models.by_file)
        self._task = self._ray.remote(max_retries=_RETRIES)(run_remotely)

    def begin(self, task: ChunkTask, chunk: Chunk) -> Any:
        return self._task.remote(self._shipped, task, chunk)

    def wait(self, reference: Any) -> BatchResult:
        while not self._ray.wait([reference], timeout=_POLL)[0]:
            pass
        try:
            result: BatchResult = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            raise (error.cause or error) from error
        except self._ray.exceptions.WorkerCrashedError as error:
            raise ScoringError(f"workers of Ray have died: {in_one_line(error)}") from error
        return result

    def ship(self, shipped: ShippedModel) -> None:
        self._shipped = self._ray.put(shipped)

    def close(self, *, at_once: bool) -> None:
        if not self._was_running:
            self._ray.shutdown()

    def _connect(self, address: str | None, workers: int) -> None:
        options: dict[str, Any] = {"address": address} if address else {"num_cpus": workers}
        try:
            self._ray.init(
                include_dashboard=False if not address else None,
                log_to_driver=False,
                logging_level="ERROR",
                **options,
            )
        except (OSError, RuntimeError, ValueError) as error:
            raise ScoringError(f"no Ray cluster at {address}: {in_one_line(error)}") from error
