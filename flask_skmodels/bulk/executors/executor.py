"""The protocol of executors, and the task that each of them runs for a chunk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from flask_skmodels.bulk.batch import BatchResult, score_chunk
from flask_skmodels.bulk.chunks import Chunk
from flask_skmodels.bulk.shipped_model import ShippedModel


@dataclass(frozen=True, slots=True)
class Task:
    """What a run does with each chunk.

    :param method: name of the method
    :param types: the key columns with their Arrow types
    """

    method: str
    types: Mapping[str, Any]


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

    def submit(self, task: Task, chunk: Chunk) -> Pending:
        """Begin to predict a chunk."""

    def close(self, *, at_once: bool) -> None:
        """End the workers.

        :param at_once: whether not to wait for the chunks that are being predicted
        """


def run_remotely(shipped: ShippedModel, task: Task, chunk: Chunk) -> BatchResult:
    """Predict a chunk in another process, with the model that is loaded there once.

    The result has no X, which would take more to send than to build again.
    """
    result = score_chunk(shipped.load(), task.method, chunk, task.types)
    if result.prediction is not None:
        unsent: Any = None
        result.prediction.X = unsent
    return result


@dataclass(frozen=True, slots=True)
class Models:
    """The model of a run, in both forms in which it can travel.

    :param by_file: the form that names the file, or has the estimator if there is no file
    :param whole: returns the form that has the estimator
    """

    by_file: ShippedModel
    whole: Any
