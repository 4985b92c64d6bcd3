"""The choice of the executor of a run."""

from __future__ import annotations

from functools import partial

from flask_skmodels.artifacts.declaration import Artifact, Policy
from flask_skmodels.bulk.executors.executor import Executor, Models
from flask_skmodels.bulk.executors.processes import ProcessExecutor
from flask_skmodels.bulk.executors.threads import ThreadExecutor
from flask_skmodels.bulk.shipped_model import ShippedModel
from flask_skmodels.exceptions import ScoringError
from flask_skmodels.versions.version import ModelVersion

ENGINES = ("local", "dask", "ray")


def open_executor(
    engine: str,
    version: ModelVersion,
    artifact: Artifact | None,
    policy: Policy,
    *,
    jobs: int,
    address: str | None,
    threads: int | None,
) -> Executor:
    """Return the executor of a run, with its workers started.

    :param engine: ``"local"``, ``"dask"`` or ``"ray"``
    :param version: the version
    :param artifact: the file of the model as the application declares it, None for an estimator in
        memory
    :param policy: the requirements of the application for files
    :param jobs: the number of processes on this machine
    :param address: the address of a cluster
    :param threads: size of the pools of BLAS and OpenMP
    :raises ScoringError: the engine is unknown or not installed, or its cluster cannot be reached
    """
    if engine not in ENGINES:
        raise ScoringError(f"engine must be one of {', '.join(ENGINES)}, not {engine!r}")
    if engine == "local" and jobs == 1:
        return ThreadExecutor(version, threads)
    ship = partial(ShippedModel.of, version, artifact, policy)
    if engine == "local":
        return ProcessExecutor(ship(), jobs)
    models = Models(ship(), partial(ship, with_estimator=True))
    if engine == "dask":
        from flask_skmodels.bulk.executors.dask import DaskExecutor

        return DaskExecutor(models, address, jobs)
    from flask_skmodels.bulk.executors.ray import RayExecutor

    return RayExecutor(models, address, jobs)
