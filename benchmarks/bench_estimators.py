"""One row through ``models.predict`` and the estimator's own method, for all of scikit-learn.

``python -m benchmarks.bench_estimators [FIRST-LAST ...]`` takes every class that can be made
without arguments and fitted on a data frame of 8 columns, and that has ``predict`` or
``transform``. It prints both times in microseconds, their ratio with its spread over the rounds,
and the engine; then the geometric mean of the ratios and the estimators that are slower than their
own method. ``A-F`` are the classes whose names begin with A to F.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from functools import partial
from math import exp, log
from statistics import mean, median
from typing import Any

import numpy as np
import pandas as pd
from flask import Flask
from sklearn.utils import get_tags
from sklearn.utils.discovery import all_estimators

from benchmarks.bench_validation import seconds
from flask_skmodels import SKModels

ROUNDS, ROUND_SECONDS, TIMES = 5, 0.02, 100
RANDOM = np.random.default_rng(0)
X = pd.DataFrame(RANDOM.gamma(2.0, size=(300, 8)), columns=list("abcdefgh"))
LABELS = (X["a"] + X["b"] * X["c"] > X["d"] + 2).astype(int).to_numpy()
SCORES = (X["a"] + 2 * X["b"] + RANDOM.normal(size=300)).to_numpy()


def fitted(cls: type[Any]) -> Any:
    """Return a fitted estimator.

    :raises Exception: it needs arguments, other data, or has no method for a row
    """
    estimator = cls()
    kind = get_tags(estimator).estimator_type
    target = SCORES if kind == "regressor" else LABELS
    try:
        estimator.fit(X, target)
    except ValueError:  # several targets only
        estimator.fit(X, np.column_stack([target, 2 * target]))
    if not hasattr(estimator, "feature_names_in_"):
        raise TypeError(f"{cls.__name__} does not keep the names of a data frame")
    method = "predict" if hasattr(estimator, "predict") else "transform"
    getattr(estimator, method)(X[:1])
    return estimator


def measured(name: str, estimator: Any) -> tuple[list[float], list[float]]:
    """Return the microseconds of both sides in each round, and print them."""
    models, app = SKModels(), Flask("bench")
    method = "predict" if hasattr(estimator, "predict") else "transform"
    models.add("case", estimator, methods=[method])
    models.init_app(app)
    row, record = X[:1], X[:1].to_dict("records")
    sides = [
        partial(getattr(estimator, method), row),
        partial(models.predict, "case", record, app=app),
    ]
    times = [min(TIMES, max(1, int(ROUND_SECONDS / seconds(side, 2)))) for side in sides]
    pairs = [
        [seconds(side, count) * 1e6 for side, count in zip(sides, times, strict=True)]
        for _ in range(ROUNDS)
    ]
    own, ours = ([pair[index] for pair in pairs] for index in (0, 1))
    ratios = sorted(slow / fast for slow, fast in pairs)
    engine = (app.test_client().get("/case/").json or {})["engine"]
    print(
        f"{name:32}{median(own):8.0f}{median(ours):8.0f}{median(ratios):7.1f} "
        f"({ratios[0]:.1f} to {ratios[-1]:.1f}) {engine['name']} {engine['reason'] or ''}",
        flush=True,
    )
    return own, ratios


def selected(ranges: list[str]) -> Iterator[tuple[str, type[Any]]]:
    """Yield the classes whose names begin with a letter in one of the ranges, such as ``A-F``."""
    for name, cls in all_estimators():
        if not ranges or any(each[0] <= name[0] <= each[-1] for each in ranges):
            yield name, cls


def main(ranges: list[str]) -> None:
    logs, slower = [], []
    for name, cls in selected(ranges):
        try:
            own, ratios = measured(name, fitted(cls))
        except Exception:  # it cannot be fitted plainly, or its rows are no plain numbers
            continue
        logs.append(log(median(ratios)))
        if median(ratios) < 1:
            slower.append(f"{name} ({median(own):.0f} µs)")
    print(f"{len(logs)} estimators, geometric mean {exp(mean(logs)):.2f}")
    print(f"slower than their own method: {', '.join(slower) or 'none'}")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(sys.argv[1:])
