"""``flask skmodels bench``."""

from __future__ import annotations

from typing import Any

import numpy as np
from flask import Flask
from sklearn.base import BaseEstimator

from flask_skmodels import SKModels
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


def test_bench_fails_if_no_rows_can_be_made_up(app: Flask, models: SKModels) -> None:
    models.add("open", EstimatorOfAnyWidth())
    assert "cannot generate rows for model 'open'" in error(app, "bench", "open")
