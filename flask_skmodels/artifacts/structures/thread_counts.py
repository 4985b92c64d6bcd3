"""The number of threads that an estimator asks for: OpenMP ends the process if memory is short."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from flask_skmodels.artifacts.structures.checks import ensure, state_of, structure
from flask_skmodels.schema.types import Estimator

MAX_THREADS = 1024
_NAMES = ("n_jobs", "nthread", "nthreads", "num_thread", "num_threads", "thread_count")


@structure("sklearn.base.BaseEstimator")
def check_threads(estimator: Estimator) -> None:
    """Check the number of threads in the parameters, those of LightGBM and XGBoost included."""
    for name, value in _parameters(state_of(estimator)):
        if name in _NAMES and isinstance(value, int | float | np.number):
            check_number_of_threads(name, value)


def check_number_of_threads(name: str, value: Any) -> None:
    """Check one number; a negative one counts from the number of cores.

    :param name: its name in the message
    :param value: the number
    """
    ensure(abs(value) <= MAX_THREADS, f"{name} is more than {MAX_THREADS:,}")


def _parameters(state: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from state.items()
    for name in ("_other_params", "kwargs"):
        more = state.get(name)
        if isinstance(more, Mapping):
            yield from more.items()
