"""The time of an explanation, compared with a prediction: ``python -m benchmarks.bench_explain``.

Each model has 20 fields and explains one row. A prediction is a call of ``models.predict``, which
uses the lean engine if there is one; the ``predict`` of the estimator, as in a script, is printed
beside it. The times alternate, so that a busy machine slows all of them down alike; a ratio is the
median of the rounds, with its quartiles.
"""

from __future__ import annotations

import statistics
import warnings
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
from flask import Flask
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from flask_skmodels import SKModels

FIELDS = 20
TRAINING_ROWS = 1000
ROUNDS = 30
MAX_RATIOS = {"linear": 2.0, "forest of 100": 20.0, "LightGBM": 5.0}


def models() -> dict[str, Any]:
    """Return the estimators, of which those without an entry in ``MAX_RATIOS`` have no limit."""
    estimators: dict[str, Any] = {
        "linear": make_pipeline(StandardScaler(), LogisticRegression()),
        "forest of 100": RandomForestClassifier(100, random_state=0),
        "gradient boosting": GradientBoostingClassifier(random_state=0),
        "histogram boosting": HistGradientBoostingClassifier(random_state=0),
    }
    try:
        from lightgbm import LGBMClassifier
    except ImportError:
        print("LightGBM is not installed: pip install lightgbm")
    else:
        estimators["LightGBM"] = LGBMClassifier(verbose=-1, n_jobs=1, random_state=0)
    return estimators


def seconds(call: Callable[[], object]) -> float:
    """Return the time of one of several calls that take 10 milliseconds together."""
    started = perf_counter()
    call()
    count = max(1, int(0.01 / (perf_counter() - started)))
    started = perf_counter()
    for _ in range(count):
        call()
    return (perf_counter() - started) / count


def measure(name: str, estimator: Any, X: Any) -> None:
    """Print the times of one model."""
    app, extension = Flask("bench"), SKModels()
    extension.init_app(app)
    extension.add("model", estimator, explain=True)
    version = app.extensions["skmodels"].deployments["model"].version(app)
    row, explain = X[:1].copy(), version.callable("explain")
    values = row.tolist()
    calls: list[Callable[[], object]] = [
        lambda: estimator.predict(row),
        lambda: explain(row),
        lambda: extension.predict("model", values),
        lambda: extension.predict("model", values, method="explain"),
    ]
    with app.app_context():
        for call in calls:
            call()
        rounds = [[seconds(call) for call in calls] for _ in range(ROUNDS)]
    own, alone, predict, whole = (statistics.median(each) for each in zip(*rounds, strict=True))
    ratios = [round_[3] / round_[2] for round_ in rounds]
    low, ratio, high = statistics.quantiles(ratios, n=4)
    most = MAX_RATIOS.get(name)
    limit = "" if most is None else f", at most {most:g}: {'yes' if ratio <= most else 'NO'}"
    print(
        f"{name:20} models.predict {predict * 1e6:7.0f} µs, explain {whole * 1e6:7.0f} µs, ratio "
        f"{ratio:5.2f} ({low:.2f} to {high:.2f}){limit}; the estimator's predict {own * 1e6:.0f} "
        f"µs, explain without checks of the rows {alone * 1e6:.0f} µs, ratio {alone / own:.2f}"
    )


def main() -> None:
    """Print the times of all models."""
    warnings.simplefilter("ignore")
    X, y = make_classification(TRAINING_ROWS, FIELDS, n_informative=10, random_state=0)
    X = np.round(X, 3)
    for name, estimator in models().items():
        measure(name, estimator.fit(X, y), X)


if __name__ == "__main__":
    main()
