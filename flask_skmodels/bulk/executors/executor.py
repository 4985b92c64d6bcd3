"""The protocol of executors, the base class for clusters, and the task that a worker runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from flask_skmodels.bulk.batch import BatchResult, score_chunk
from flask_skmodels.bulk.chunks import Chunk
from flask_skmodels.bulk.shipped_model import FileNotSeen, ShippedModel
from flask_skmodels.schema.types import ArrowType


@dataclass(frozen=True, slots=True)
class ChunkTask:
    """What a run does with each chunk.

    :param method: name of the method
    :param types: the key columns with their Arrow types
    """

    method: str
    types: Mapping[str, ArrowType]


class Pending(Protocol):
    """The result of a chunk, to wait for."""

    def result(self) -> BatchResult:
        """Wait for the result.

        :raises Exception: the exception of the task
        """


class Executor(Protocol):
    """Runs the tasks of a run.

    :ivar workers: the number of chunks that are predicted at the same time
    """

    workers: int

    def submit(self, task: ChunkTask, chunk: Chunk) -> Pending:
        """Begin to predict a chunk."""

    def close(self, *, at_once: bool) -> None:
        """End the workers.

        :param at_once: True to not wait for the chunks that are being predicted
        """


def run_remotely(shipped: ShippedModel, task: ChunkTask, chunk: Chunk) -> BatchResult:
    """Predict a chunk in another process, with the model that is loaded there once.

    The result has no X, which is cheaper to build again than to send.
    """
    result = score_chunk(shipped.load(), task.method, chunk, task.types)
    if result.prediction is not None:
        unsent: Any = None
        result.prediction.X = unsent
    return result


@dataclass(frozen=True, slots=True)
class Models:
    """The model of a run, in both forms in which it can be sent.

    :param by_file: the form that names the file, or contains the estimator if there is no file
    :param whole: returns the form that contains the estimator
    """

    by_file: ShippedModel
    whole: Any


class ClusterExecutor:
    """Base class of executors whose workers may not see the file of the model.

    :param models: the model
    """

    workers: int

    def __init__(self, models: Models) -> None:
        self._models = models
        self._is_whole = False

    def submit(self, task: ChunkTask, chunk: Chunk) -> Pending:
        return ClusterChunk(self, task, chunk)

    def begin(self, task: ChunkTask, chunk: Chunk) -> Any:
        """Submit a chunk to the cluster, and return the handle of its result."""
        raise NotImplementedError

    def wait(self, handle: Any) -> BatchResult:
        """Wait for a result, but let signals of the operating system be handled meanwhile."""
        raise NotImplementedError

    def ship(self, shipped: ShippedModel) -> None:
        """Send the model to the workers."""
        raise NotImplementedError

    def ship_whole(self) -> None:
        """Send the estimator, because a worker does not see its file."""
        if not self._is_whole:
            self._is_whole = True
            self.ship(self._models.whole())


class ClusterChunk:
    """A chunk that a cluster predicts.

    :param executor: the executor
    :param task: what to do with it
    :param chunk: the chunk
    """

    def __init__(self, executor: ClusterExecutor, task: ChunkTask, chunk: Chunk) -> None:
        self._executor = executor
        self._task = task
        self._chunk = chunk
        self._handle = executor.begin(task, chunk)

    def result(self) -> BatchResult:
        try:
            return self._executor.wait(self._handle)
        except FileNotSeen:
            self._executor.ship_whole()
            self._handle = self._executor.begin(self._task, self._chunk)
            return self._executor.wait(self._handle)
