"""``flask skmodels bench``."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
from flask import Flask
from sklearn.base import BaseEstimator

from flask_skmodels import SKModels, after_prediction
from flask_skmodels.testing import record_signals
from tests.support.command_line import error, output


class EstimatorOfAnyWidth(BaseEstimator):
    """A fitted estimator that does not tell how many columns it takes."""

    def fit(self, X: Any, y: Any = None) -> EstimatorOfAnyWidth:
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, X: Any) -> Any:
        return np.zeros(len(X))


def test_bench_prints_rates_and_shares(app: Flask) -> None:
    lines = output(app, "bench", "iris", "--rows", "1", "--rows", "20", "--seconds", "0.05")
    title, head, *rates = lines.splitlines()
    assert title == "model iris, method predict, engine lean"
    assert head.split() == [
        "ROWS",
        "REQUESTS/SECOND",
        "ROWS/SECOND",
        *"DECODE VALIDATE PREDICT ENCODE".split(),
    ]
    for count, line in zip((1, 20), rates, strict=True):
        rows, requests, rate, *shares = line.replace(",", "").split()
        assert int(rows) == count
        assert abs(int(requests) * count - int(rate)) <= count
        assert 0 < sum(int(share.rstrip("%")) for share in shares) <= 103


def test_bench_makes_up_rows_with_and_without_names(
    app: Flask, models: SKModels, pipeline: Any, mixed_pipeline: Any
) -> None:
    models.add("values", pipeline)
    models.add("mixed", mixed_pipeline)
    for name in ("values", "mixed"):
        assert f"model {name}, method predict" in output(
            app, "bench", name, "--rows", "9", "--seconds", "0.01"
        )


def test_bench_sends_no_signals_unless_asked_to(app: Flask) -> None:
    with record_signals(app) as signals:
        output(app, "bench", "iris", "--rows", "2", "--seconds", "0.01")
        assert not signals
        arguments = "bench", "iris", "--rows", "2", "--seconds", "0.01", "--with-signals"
        lines = output(app, *arguments).splitlines()
        assert lines[1].split()[-1] == "RECEIVERS"
        assert set(signals.names) == {"before-prediction", "after-prediction"}


def test_bench_says_what_receivers_cost(app: Flask) -> None:
    def slow(sender: Flask, **extra: Any) -> None:
        time.sleep(0.002)

    arguments = "bench", "iris", "--rows", "1", "--seconds", "0.02", "--with-signals", "--json"
    with after_prediction.connected_to(slow, app):
        document = json.loads(output(app, *arguments))
    assert (document["model"], document["method"]) == ("iris", "predict")
    [rate] = document["rates"]
    assert rate["rows"] == 1
    assert rate["requests_per_second"] < 500
    assert 0.5 < rate["receivers"] < 1


def test_bench_fails_if_no_rows_can_be_made_up(app: Flask, models: SKModels) -> None:
    models.add("open", EstimatorOfAnyWidth())
    assert "cannot generate rows for model 'open'" in error(app, "bench", "open")
