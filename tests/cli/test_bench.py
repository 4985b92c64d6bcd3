"""``flask skmodels bench``."""

from __future__ import annotations

from typing import Any

from flask import Flask

from flask_skmodels import SKModels
from tests.support.command_line import error, output
from tests.support.failing_estimator import FailingEstimator


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
    unbounded = FailingEstimator().fit([[0, 0]])
    del unbounded.n_features_in_  # it leaves the number of its columns open
    models.add("open", unbounded)
    assert "cannot generate rows for model 'open'" in error(app, "bench", "open")
