"""One thread of this process: a chunk is predicted while another is read and a third is written."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from flask_skmodels.bulk.batch import BatchResult, score_chunk
from flask_skmodels.bulk.chunks import Chunk
from flask_skmodels.bulk.executors.executor import ChunkTask
from flask_skmodels.engines.threadpools import size_pools
from flask_skmodels.versions.version import ModelVersion


class ThreadExecutor:
    """Predicts the chunks in a thread.

    :param version: the version
    :param threads: size of the pools of BLAS and OpenMP
    """

    workers = 1

    def __init__(self, version: ModelVersion, threads: int | None) -> None:
        self._version = version
        self._pool = ThreadPoolExecutor(
            1, "skmodels-score", initializer=size_pools, initargs=(threads,)
        )

    def submit(self, task: ChunkTask, chunk: Chunk) -> Future[BatchResult]:
        return self._pool.submit(score_chunk, self._version, task.method, chunk, task.types)

    def close(self, *, at_once: bool) -> None:
        self._pool.shutdown(wait=not at_once, cancel_futures=True)
