"""The time and memory of drift: ``python -m benchmarks.bench_drift``.

It measures how much longer the signals of a prediction of one row of 20 fields take with drift, how
long many rows take, and the memory of the counts of 100 models of 50 fields. Beside the first it
prints what NumPy's three operations on such a row take alone: the comparison with all edges, the
addition of the counts, and that of the sums. They are the least that a row can take without being
kept, and depend on the machine.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from flask import Flask

from flask_skmodels import Profile, SKModels, after_prediction
from flask_skmodels.signals import notify
from flask_skmodels.testing import FakeEstimator

FIELDS = 20
CALLS = 500
ROUNDS = 60
MANY_ROWS = 65_536
MAX_MICROSECONDS = 2.0
MODELS, FIELDS_OF_MODEL = 100, 50
MAX_BYTES = 10_000_000


def numbers(rows: int, fields: int = FIELDS) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).normal(size=(rows, fields))


def mixed(rows: int) -> pd.DataFrame:
    """Return 15 columns of numbers, some of which are missing, and 5 of texts."""
    frame = pd.DataFrame(numbers(rows), columns=[f"f{index}" for index in range(FIELDS)])
    frame["f0"] = frame["f0"].where(frame["f0"] > -1)
    for index in range(15, FIELDS):
        frame[f"f{index}"] = np.random.default_rng(index).choice(["a", "b", "c", "d"], rows)
    return frame


def signals(X: Any, rows: int, *, has_drift: bool) -> Callable[[], None]:
    """Return a function that sends the last signal of a prediction of some rows."""
    app = Flask("drift")
    app.config.update(SKMODELS_DRIFT=has_drift, SKMODELS_METRICS=False, SKMODELS_TRACING=False)
    models = SKModels(app)
    estimator = FakeEstimator(predict=lambda X: np.zeros(len(X)))
    outputs = np.random.default_rng(1).normal(size=len(X))
    profile = Profile.of(X, outputs)
    profile = Profile(**{**vars(profile), "predictions": profile.target})
    models.add("m", estimator, profile=profile)
    part = X.iloc[:rows].to_dict("records") if isinstance(X, pd.DataFrame) else X[:rows]
    prediction, model = models.predict("m", part, app=app), models["m"]
    return lambda: notify(after_prediction, app, model=model, prediction=prediction)


def microseconds(call: Callable[[], None], calls: int) -> float:
    started = perf_counter()
    for _ in range(calls):
        call()
    return (perf_counter() - started) / calls * 1e6


def difference(X: Any, rows: int, calls: int = CALLS, rounds: int = ROUNDS) -> Differences:
    """Return how many microseconds longer the signal takes with drift."""
    base, drift = (signals(X, rows, has_drift=each) for each in (False, True))
    for call in (base, drift):
        microseconds(call, calls)
    pairs = [(microseconds(drift, calls), microseconds(base, calls)) for _ in range(rounds)]
    best = min(one for one, _ in pairs) - min(other for _, other in pairs)
    return Differences(sorted(one - other for one, other in pairs), best)


class Differences:
    """The microseconds that drift adds.

    :param values: in each round
    :param best: between the best rounds with and without it, which a busy machine changes least
    """

    def __init__(self, values: Sequence[float], best: float) -> None:
        self.values, self.best = values, best

    def text(self, rows: int = 1) -> str:
        """Return them for each of some rows."""
        values = [value / rows for value in self.values]
        low, high = values[len(values) // 10], values[-1 - len(values) // 10]
        spread = f"{low:.2f} to {high:.2f}"
        return f"{median(values):.2f} µs ({spread}), at best {self.best / rows:.2f} µs"


def operations() -> float:
    """Return the microseconds of NumPy's operations on one row, at best."""
    edges = 23 * (FIELDS + 1)  # those of 20 bins, and three more; the prediction is a column too
    values, other, sums = np.zeros(edges), np.ones(edges), np.zeros(FIELDS)
    is_above = np.ones(edges, dtype=np.bool_)
    counts, row = is_above.view(np.uint8), values[:FIELDS]

    def operate() -> None:
        np.greater_equal(values, other, is_above)
        np.add(counts, counts, counts)
        np.add(sums, row, sums)

    return min(microseconds(operate, CALLS) for _ in range(10 * ROUNDS))


def memory() -> int:
    """Return the bytes of the bins and counts of 100 models of 50 fields, after a prediction."""
    X = numbers(2000, FIELDS_OF_MODEL)
    app = Flask("memory")
    app.config.update(SKMODELS_METRICS=False, SKMODELS_TRACING=False, SKMODELS_PAGES=False)
    models = SKModels(app)
    estimator = FakeEstimator(predict=lambda X: np.zeros(len(X)))
    profile = Profile.of(X, X[:, 0])
    profile = Profile(**{**vars(profile), "predictions": profile.target})
    for index in range(MODELS):
        models.add(f"m{index}", estimator, profile=profile)
    predictions = [models.predict(name, X[:1], app=app) for name in models]
    drift = app.extensions[models.name].drift
    drift.restart()
    tracemalloc.start()
    for name, prediction in zip(models, predictions, strict=True):
        notify(after_prediction, app, model=models[name], prediction=prediction)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size


def main() -> None:
    X = numbers(5000)
    print(f"one row of {FIELDS} numbers: {difference(X, 1).text()}, at most {MAX_MICROSECONDS} µs")
    print(f"three operations of NumPy on such a row: {operations():.2f} µs at best")
    print(f"one row of 15 numbers and 5 texts: {difference(mixed(5000), 1).text()}")
    many = difference(numbers(MANY_ROWS), MANY_ROWS, calls=1, rounds=9)
    print(f"each of {MANY_ROWS:,} rows: {many.text(MANY_ROWS)}")
    print(
        f"{MODELS} models of {FIELDS_OF_MODEL} fields: {memory() / 1e6:.1f} MB, at most "
        f"{MAX_BYTES / 1e6:.0f} MB"
    )


if __name__ == "__main__":
    main()
