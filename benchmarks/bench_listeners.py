"""What metrics, traces and log lines add to the signals of a prediction.

``pytest benchmarks/bench_listeners.py -s`` prints for each how long the signals of one prediction
take with it, over how long they take with two receivers that do nothing. The sides of a ratio are
timed in turn, round by round; it is the median over the rounds, with the lowest and the highest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import pytest
from flask import Flask
from opentelemetry.sdk.trace import TracerProvider
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from flask_skmodels import SKModels, after_prediction, before_prediction
from flask_skmodels.signals import notify, send
from flask_skmodels.telemetry.prediction_log import LOGGER

ROUNDS = 15
CALLS = 2000
X, Y = load_iris(return_X_y=True)
KEYS = ("METRICS", "TRACING", "LOG_PREDICTIONS", "PAGES")
OFF = {f"SKMODELS_{key}": False for key in KEYS}


def nothing(sender: Any, **extra: Any) -> None:
    pass


def signals(**config: Any) -> Callable[[], None]:
    """Return what sends the signals of one prediction on an application of its own."""
    app = Flask("listeners")
    app.config.update(OFF | config)
    models = SKModels(app)
    models.add("iris", LogisticRegression(max_iter=1000).fit(X, Y))
    model, prediction = models["iris"], models.predict("iris", X[:1], app=app)
    if not config:
        before_prediction.connect(nothing, app)
        after_prediction.connect(nothing, app)

    def send_both() -> None:
        send(before_prediction, app, model=model, prediction=prediction)
        notify(after_prediction, app, model=model, prediction=prediction)

    return send_both


def microseconds(call: Callable[[], None]) -> float:
    started = perf_counter()
    for _ in range(CALLS):
        call()
    return (perf_counter() - started) / CALLS * 1e6


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("metrics", {"SKMODELS_METRICS": True}),
        ("tracing without a provider", {"SKMODELS_TRACING": True}),
        ("tracing", {"SKMODELS_TRACING": TracerProvider()}),
        ("a log line", {"SKMODELS_LOG_PREDICTIONS": True}),
    ],
)
def test_listener(name: str, config: dict[str, Any]) -> None:
    logger = logging.getLogger(LOGGER)
    logger.handlers, logger.propagate = [logging.NullHandler()], False
    base, listened = signals(), signals(**config)
    pairs = [(microseconds(listened), microseconds(base)) for _ in range(ROUNDS)]
    ratios = sorted(one / other for one, other in pairs)
    shown = f"{median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})"
    print(f"\n{name} / two receivers that do nothing: {shown}; {min(pairs)[0]:.1f} us at best")
