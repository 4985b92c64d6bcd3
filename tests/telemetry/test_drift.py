"""Drift: the figures, the window, the signal, the gauges, and the counts of several processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from math import inf, log, nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask import Flask, abort
from scipy.spatial.distance import jensenshannon
from scipy.special import rel_entr
from scipy.stats import norm
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline

from flask_skmodels import Model, ModelError, Profile, SKModels, after_prediction, drift_detected
from flask_skmodels.estimators.profile.column_profile import Bins, ColumnProfile, Frequent
from flask_skmodels.telemetry.drift.distances import FLOOR, js_of_each, psi_of_each
from flask_skmodels.telemetry.drift.drift import KEPT_UNLOADED
from flask_skmodels.telemetry.drift.layout import bin_layout_of
from flask_skmodels.testing import FakeEstimator
from tests.support.gunicorn import Server, ask, ask_each, gunicorn
from tests.support.helpers import problem
from tests.support.versions_folder import application, extension_of, put

NOTHING = dict.fromkeys(("psi", "js", "missing", "unknown", "outside", "mean"))


def numbers(name: str, edges: Sequence[float], shares: Sequence[float], **more: Any) -> Any:
    """Return the profile of a column of numbers."""
    bins = Bins(tuple(edges), tuple(shares))
    extent: dict[str, Any] = {"min": edges[0], "max": edges[-1], "bins": bins}
    column: dict[str, Any] = {"type": "number", "dtype": "float64", "count": 1000, **extent, **more}
    return ColumnProfile(name=name, **column)


def texts(name: str, shares: dict[str, float], **more: Any) -> Any:
    """Return the profile of a column of texts, with the share of each frequent one."""
    frequent = Frequent(tuple(shares), tuple(shares.values()))
    other = round(1 - sum(shares.values()), 6)
    column: dict[str, Any] = {"type": "string", "dtype": "object", "count": 1000, **more}
    return ColumnProfile(name=name, frequent=frequent, share_other=other, **column)


TENTHS = numbers("x0", range(0, 101, 10), [0.1] * 10)


def profile_of(*columns: Any, container: str = "array", predictions: Sequence[Any] = ()) -> Profile:
    return Profile(container=container, rows=1000, columns=columns, predictions=tuple(predictions))


def first_column(X: Any) -> Any:
    return np.asarray(X, dtype=float)[:, 0]


def zeros(X: Any) -> Any:
    return np.zeros(len(X))


def served(
    *columns: Any,
    predict: Callable[[Any], Any] = zeros,
    answers: dict[str, Any] | None = None,
    predictions: Sequence[Any] = (),
    container: str = "array",
    config: dict[str, Any] | None = None,
    **attributes: Any,
) -> tuple[Flask, SKModels]:
    """Return an application that serves a model with a profile of these columns."""
    app = Flask("drift")
    app.config.update(config or {})
    models = SKModels(app)
    profile = profile_of(*columns, container=container, predictions=predictions)
    rules: dict[str, Any] = {"nullable": True, "required": False}
    schema = {column.name: rules | _type(column) for column in columns}
    estimator = FakeEstimator(predict=predict, **answers or {})
    models.add("m", estimator, profile=profile, schema=schema, engine="sklearn", **attributes)
    return app, models


def _type(column: ColumnProfile) -> dict[str, str]:
    return {"type": "number" if column.type == "integer" else column.type}


def report(app: Flask, name: str = "m") -> dict[str, Any]:
    response = app.test_client().get(f"/{name}/drift/")
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.get_json()
    return document


@pytest.fixture
def heard() -> Iterator[list[dict[str, Any]]]:
    """The signals of drift that are sent."""
    signals: list[dict[str, Any]] = []

    def receive(app: Flask, **arguments: Any) -> None:
        signals.append(arguments)

    drift_detected.connect(receive)
    yield signals
    drift_detected.disconnect(receive)


# The figures


def psi(expected: Any, actual: Any) -> float:
    return float(psi_of_each(expected, actual, np.array([0]))[0])


def js(expected: Any, actual: Any) -> float:
    return float(js_of_each(expected, actual, np.array([0]))[0])


def test_distances_equal_those_of_scipy() -> None:
    random = np.random.default_rng(0)
    pairs, indices, distances = [], [], []
    for _ in range(1000):
        bins = random.integers(2, 30)
        one, other = random.dirichlet(np.full(bins, 0.5), size=2)
        one[random.random(bins) < 0.1] = 0.0
        one, other = one / one.sum(), other / other.sum()
        floored = np.maximum(one, FLOOR), np.maximum(other, FLOOR)
        pairs.append(np.array([one, other]))
        indices.append(rel_entr(*floored).sum() + rel_entr(*floored[::-1]).sum())
        distances.append(jensenshannon(one, other, base=2))
    starts = np.cumsum([0, *(pair.shape[1] for pair in pairs[:-1])])
    ones, others = np.concatenate(pairs, axis=1)
    assert psi_of_each(ones, others, starts) == pytest.approx(indices, rel=1e-12, abs=1e-12)
    assert js_of_each(ones, others, starts) == pytest.approx(distances, rel=1e-12, abs=1e-12)


def test_distances_of_equal_and_of_disjoint_distributions() -> None:
    half, third = np.array([0.5, 0.5]), np.array([1 / 3, 1 / 3, 1 / 3])
    assert psi(half, half) == js(half, half) == 0
    assert psi(third, third) == js(third, third) == 0
    assert js(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == 1
    # by hand: one share of 3/4 in place of 1/2
    assert psi(half, np.array([0.75, 0.25])) == pytest.approx(0.25 * log(1.5) + 0.25 * log(2))


def test_bins_are_those_of_the_training_data_and_not_of_the_sample() -> None:
    counts = [0, 0, 0, 0, 100, 100, 100, 100, 170, 430]
    middles = np.arange(5, 100, 10)
    rows = np.repeat(middles, counts) + np.linspace(-4, 4, 1000)
    app, models = served(TENTHS)
    models.predict("m", rows[:, np.newaxis], app=app)
    by_hand = 4 * (0.1 - FLOOR) * log(0.1 / FLOOR) + 0.07 * log(1.7) + 0.33 * log(4.3)
    found = report(app)["fields"]["x0"]
    assert found["psi"] == pytest.approx(by_hand, abs=1e-12)
    assert round(found["psi"], 2) == 3.28
    # The quantiles of each sample, compared bin by bin, would be a tenth against a tenth.
    again = np.histogram(rows, np.quantile(rows, np.linspace(0, 1, 11)))[0] / len(rows)
    assert round(psi(np.full(10, 0.1), again), 2) == 0.00


def test_normal_distribution_that_moves() -> None:
    grid = (np.arange(20_000) + 0.5) / 20_000
    training, moved = norm.ppf(grid), norm.ppf(grid, loc=2)
    app, models = served(Profile.of(training[:, np.newaxis]).columns[0], drift_window=20_000)
    models.predict("m", moved[:, np.newaxis], app=app)
    cuts = norm.ppf(np.arange(1, 20) / 20)
    shares = np.diff([0, *norm.cdf(cuts, loc=2), 1])
    found = report(app)["fields"]["x0"]
    assert found["psi"] == pytest.approx(psi(np.full(20, 0.05), shares), rel=0.01)  # edges: rounded
    assert found["js"] == pytest.approx(js(np.full(20, 0.05), shares), rel=0.01)
    assert found["mean"] == pytest.approx(2.0)
    assert found["outside"] == pytest.approx(1 - norm.cdf(training[-1], loc=2), abs=1e-3)


def test_shares_missing_outside_and_mean() -> None:
    column = numbers("x0", range(0, 101, 10), [0.1] * 10, share_missing=0.2)
    app, models = served(column)
    rows = [{"x0": value} for value in [*([50.0] * 595), -1.0, -2.0, None, 100.0, 100.5]]
    models.predict("m", rows, app=app)
    found = report(app)["fields"]["x0"]
    assert found["missing"] == pytest.approx(1 / 600)
    assert found["outside"] == pytest.approx(3 / 600)
    assert found["unknown"] is None
    assert found["mean"] == pytest.approx((595 * 50 - 3 + 100 + 100.5) / 599)


def test_categories_and_texts() -> None:
    known = texts("island", {"Dream": 0.5, "Biscoe": 0.4}, categories=("Biscoe", "Dream", "Far"))
    free = texts("word", {"a": 0.5, "b": 0.3})
    complete = texts("sex", {"f": 0.5, "m": 0.5})
    app, models = served(known, free, complete, container="pandas")
    rows = [{"island": "Dream", "word": "a", "sex": "f"}] * 594
    rows += [{"island": "Far", "word": "z", "sex": "x"}] * 6
    models.predict("m", rows, app=app)
    found = report(app)["fields"]
    assert found["island"]["unknown"] == 0.0  # rare, but one of the categories
    assert found["word"]["unknown"] is None  # nobody knows what the others were
    assert found["sex"]["unknown"] == pytest.approx(0.01)
    assert [found[name]["outside"] for name in found] == [None] * 3
    expected = psi(np.array([0.5, 0.3, 0.2]), np.array([0.99, 0.0, 0.01]))
    assert found["word"]["psi"] == pytest.approx(expected)


def test_number_that_is_frequent_has_a_bin_of_its_own() -> None:
    flags = numbers("x0", [0, 1], [1.0], frequent=Frequent((0, 1), (0.5, 0.5)), share_other=0.0)
    spiked = numbers("x1", [-1, 0, 1], [0.001, 0.999], frequent=Frequent((0, 1), (0.6, 0.399)))
    app, models = served(flags, spiked)
    models.predict("m", [[1.0, 1.0]] * 600, app=app)
    found = report(app)["fields"]
    assert found["x0"]["psi"] == pytest.approx(psi(np.array([0.5, 0.5]), np.array([0.0, 1.0])))
    shares = np.array([0.001, 0.6, 0.0, 0.399])
    assert found["x1"]["psi"] == pytest.approx(psi(shares, np.array([0, 0, 0, 1.0])), rel=1e-9)


def mixed_rows(count: int) -> list[dict[str, Any]]:
    random = np.random.default_rng(1)
    ages = random.integers(18, 90, count).tolist()
    pays = np.where(random.random(count) < 0.2, nan, random.lognormal(3, 1, count)).tolist()
    cities = random.choice(["Oslo", "Bergen", "Nowhere"], count).tolist()
    days = random.integers(1, 28, count).tolist()
    return [
        {
            "age": age,
            "pay": None if pay != pay else pay,
            "city": city,
            "owner": age % 3 == 0,
            "since": datetime(2026, 1, day, 12, tzinfo=UTC),
        }
        for age, pay, city, day in zip(ages, pays, cities, days, strict=True)
    ]


def mixed(app: Flask) -> SKModels:
    """Serve a model of a data frame with columns of all types."""
    rows = [row | {"city": row["city"].replace("Nowhere", "Oslo")} for row in mixed_rows(400)]
    frame = pd.DataFrame(rows)
    frame["city"] = frame["city"].astype("category")
    models = SKModels(app)
    profile = Profile.of(frame, np.resize([0.0, 1.0], 400))
    profile = replace(profile, predictions=profile.target)
    estimator = FakeEstimator(predict=lambda X: np.resize([0.0, 2.0], len(X)))
    models.add("m", estimator, profile=profile, engine="sklearn", drift_minimum=100)
    return models


def test_rows_one_by_one_count_as_many_at_once_do() -> None:
    one, several = Flask("one"), Flask("several")
    singly, at_once = mixed(one), mixed(several)
    rows = [row | {"city": row["city"].replace("Nowhere", "Bergen")} for row in mixed_rows(150)]
    for row in rows:
        singly.predict("m", row, app=one)
    for start in range(0, 150, 5):
        at_once.predict("m", rows[start : start + 5], app=several)
    found, others = report(one), report(several)
    assert set(found["fields"]) == {"age", "pay", "city", "owner", "since"}
    for name, statistics in found["fields"].items():
        for key, value in statistics.items():
            assert value == pytest.approx(others["fields"][name][key]), (name, key)
    assert 0.1 < found["fields"]["pay"]["missing"] < 0.3
    assert found["fields"]["since"]["psi"] < 0.5
    assert found["fields"]["since"]["mean"] is None
    assert found["predictions"]["predict"]["psi"] > 4  # each single row is answered with 0
    assert others["predictions"]["predict"]["psi"] > 0


def test_numbers_that_are_missing_one_by_one() -> None:
    app, models = served(TENTHS, numbers("x1", [0, 50, 100], [0.5, 0.5]))
    for index in range(500):
        models.predict("m", {"x0": None if index % 5 == 0 else 10.0, "x1": 60}, app=app)
    found = report(app)["fields"]
    assert found["x0"]["missing"] == pytest.approx(0.2)
    assert (found["x0"]["mean"], found["x1"]["mean"]) == (10.0, 60.0)


# Predictions


def test_predictions_are_compared_with_those_of_the_training_data() -> None:
    labels = texts("x0", {"no": 0.75, "yes": 0.25})
    app, models = served(TENTHS, predict=lambda X: np.array(["yes"] * len(X)), predictions=[labels])
    models.predict("m", [[5.0]] * 500, app=app)
    models.predict("m", [[5.0]], app=app)
    found = report(app)["predictions"]
    by_hand = (0.75 - FLOOR) * log(0.75 / FLOOR) + 0.75 * log(4)
    assert found["predict"]["psi"] == pytest.approx(by_hand)


def test_predicted_numbers() -> None:
    outputs = numbers("x0", range(0, 101, 10), [0.1] * 10)
    app, models = served(TENTHS, predict=first_column, predictions=[outputs])
    models.predict("m", np.repeat(np.arange(5, 100, 10), 60)[:, np.newaxis], app=app)
    found = report(app)["predictions"]["predict"]
    assert (found["psi"], found["js"]) == (pytest.approx(0), pytest.approx(0, abs=1e-7))


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64"])
def test_predicted_numbers_one_by_one(dtype: str) -> None:
    def predict(X: Any) -> Any:
        values = first_column(X)
        usual = np.where((values == 5) & (dtype != "int64"), nan, values)
        return usual.astype(dtype)

    outputs = numbers("x0", range(0, 101, 10), [0.1] * 10)
    rows = np.random.default_rng(0).choice([5.0, 15.0, 95.0, 105.0], (500, 1))
    found = []
    for size in (1, 50):
        app, models = served(TENTHS, predict=predict, predictions=[outputs])
        for start in range(0, 500, size):
            models.predict("m", rows[start : start + size], app=app)
        found.append(report(app))
    one, several = found
    assert one["predictions"]["predict"]["psi"] > 1
    assert one["fields"] == several["fields"]
    assert one["predictions"] == several["predictions"]


def test_rows_of_a_method_without_a_profile() -> None:
    app, models = served(
        TENTHS,
        predict=first_column,
        answers={"transform": zeros},
        predictions=[TENTHS],
        methods=["predict", "transform"],
    )
    even = np.repeat(np.arange(5.0, 100, 10), 50)[:, np.newaxis]
    models.predict("m", even, app=app)
    before = report(app)
    for row in even:
        models.predict("m", [row], app=app, method="transform")
    assert report(app)["total"]["rows"] == 1000
    assert report(app)["predictions"] == before["predictions"]


def test_several_outputs() -> None:
    columns = [numbers(f"x{index}", [0, 50, 100], [0.5, 0.5]) for index in range(2)]
    app, models = served(TENTHS, predict=lambda X: np.tile([5.0, 55.0], (len(X), 1)))
    assert report(app)["predictions"] == {}
    app, models = served(
        TENTHS, predict=lambda X: np.tile([5.0, 55.0], (len(X), 1)), predictions=columns
    )
    for _ in range(20):
        models.predict("m", [[5.0]], app=app)
    models.predict("m", [[5.0]] * 480, app=app)
    found = report(app)["predictions"]
    assert found["predict_0"]["psi"] == found["predict_1"]["psi"] > 3


def test_most_probable_classes_are_counted() -> None:
    X = np.arange(100.0)[:, np.newaxis]
    estimator = LogisticRegression().fit(X, X[:, 0] > 49.5)
    app = Flask("probable")
    models = SKModels(app)
    profile = Profile.of(X, None, estimator)
    models.add("m", estimator, profile=profile, methods=["predict_proba"])
    models.predict("m", np.tile(X, (5, 1)), app=app)
    models.predict("m", X[:1], app=app)
    assert report(app)["predictions"]["predict_proba"]["psi"] < 0.01


# The window


def test_nothing_is_said_about_few_rows() -> None:
    app, models = served(TENTHS, predictions=[TENTHS])
    models.predict("m", [[200.0]] * 499, app=app)
    found = report(app)
    assert found["window"]["rows"] == found["total"]["rows"] == 499
    assert found["fields"] == {"x0": NOTHING}
    assert found["predictions"] == {"predict": {"psi": None, "js": None}}
    models.predict("m", [[200.0]], app=app)
    assert report(app)["fields"]["x0"]["psi"] > 8


@pytest.mark.parametrize("step", [1, 30, 300])
def test_window_is_of_the_last_rows(step: int) -> None:
    app, models = served(TENTHS, drift_window=200, drift_minimum=100)
    for start in range(0, 1000, step):
        values = np.where(np.arange(start, min(start + step, 1000)) < 750, 5.0, 95.0)
        models.predict("m", values[:, np.newaxis], app=app)
        rows = start + len(values)
        if step > 1 or rows % 100 == 0:
            assert min(rows, 200) <= report(app)["window"]["rows"] <= min(rows, 224)
    found = report(app)
    assert found["total"]["rows"] == 1000
    assert found["fields"]["x0"]["mean"] == 95.0


def test_long_request_fills_the_window_with_its_last_rows() -> None:
    app, models = served(TENTHS, predictions=[TENTHS], predict=first_column)
    models.predict("m", [[1.0]] * 100, app=app)
    values = np.full(100_000, 5.0)
    values[-2000:] = 95.0
    models.predict("m", values[:, np.newaxis], app=app)
    found = report(app)
    assert (found["window"]["rows"], found["total"]["rows"]) == (2000, 100_100)
    assert found["fields"]["x0"]["mean"] == 95.0


def test_times_of_the_window() -> None:
    app, models = served(TENTHS)
    models.predict("m", [[1.0]], app=app)
    found = report(app)
    for part in ("window", "total"):
        since = datetime.fromisoformat(found[part]["since"])
        assert abs((datetime.now(UTC) - since).total_seconds()) < 60


def test_many_threads_are_all_counted() -> None:
    app, models = served(TENTHS, numbers("x1", [0, 50, 100], [0.5, 0.5]))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: models.predict("m", [[5.0, 7.0]], app=app), range(600)))
    found = report(app)
    assert found["total"]["rows"] == 600
    assert (found["fields"]["x0"]["mean"], found["fields"]["x1"]["mean"]) == (5.0, 7.0)


def test_rejected_rows_count_as_missing_unknown_or_outside() -> None:
    known = texts("city", {"Oslo": 1.0}, categories=("Oslo",))
    app = Flask("rejecting")
    models = SKModels(app)
    schema = {"x0": {"max": 100}, "city": {"allowed": ["Oslo"]}}
    estimator = FakeEstimator(predict=zeros)
    profile = profile_of(TENTHS, known, container="pandas")
    models.add("m", estimator, profile=profile, schema=schema)
    models.predict("m", [{"x0": 50.0, "city": "Oslo"}] * 500, app=app)
    client = app.test_client()
    wrong = [{"x0": 101.0, "city": "Oslo"}, {"x0": 5.0, "city": "Rome"}, {"city": "Oslo"}]
    assert client.post("/m/predict/", json=wrong).status_code == 400
    found = report(app)
    assert found["window"]["rows"] == 500
    assert found["fields"]["x0"]["outside"] == found["fields"]["x0"]["missing"] == 1 / 502
    assert found["fields"]["city"]["unknown"] == 1 / 501


def test_rejected_rows_before_any_prediction() -> None:
    app, _ = served(TENTHS)
    assert app.test_client().post("/m/predict/", json={"x0": "many"}).status_code == 400
    assert report(app)["total"]["rows"] == 0


# The signal


def test_drift_is_reported_once_until_it_has_recovered(heard: list[dict[str, Any]]) -> None:
    app, models = served(TENTHS, drift_window=200, drift_minimum=100)
    even = np.repeat(np.arange(5.0, 100, 10), 40)[:, np.newaxis]

    def send(rows: Any) -> None:
        for row in np.random.default_rng(0).permutation(rows):
            models.predict("m", [row], app=app)

    send(even)
    assert heard == []
    send(np.full((300, 1), 95.0))
    assert len(heard) == 1
    told = heard[0]
    assert (told["model"], told["field"]) == (models["m"], "x0")
    assert (told["statistic"], told["version"]) == ("psi", None)
    assert told["value"] > told["threshold"] == 0.25
    assert told["value"] < report(app)["fields"]["x0"]["psi"]  # more rows have come since
    send(even)
    assert len(heard) == 1
    send(np.full((300, 1), 95.0))
    assert len(heard) == 2


def test_drift_of_the_predictions_is_reported(heard: list[dict[str, Any]]) -> None:
    app, models = served(TENTHS, predictions=[TENTHS])
    even = np.repeat(np.arange(5.0, 100, 10), 60)[:, np.newaxis]
    models.predict("m", even, app=app)
    assert [each["field"] for each in heard] == ["predict"]


def test_threshold_of_the_model(heard: list[dict[str, Any]]) -> None:
    app, models = served(TENTHS, drift_threshold=10.0)
    models.predict("m", [[95.0]] * 600, app=app)
    assert report(app)["fields"]["x0"]["psi"] > 8
    assert heard == []


def test_receiver_that_fails_does_not_stop_the_prediction() -> None:
    app, models = served(TENTHS)

    def fail(app: Flask, **arguments: Any) -> None:
        raise RuntimeError("no connection")

    with drift_detected.connected_to(fail):
        outputs = models.predict("m", [[95.0]] * 600, app=app).outputs
    assert len(outputs) == 600


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"drift_window": 0}, "drift_window must be an integer of at least 1"),
        ({"drift_minimum": None}, "drift_minimum must be an integer of at least 1"),
        ({"drift_window": 100}, "drift_minimum must be at most drift_window, 100"),
        ({"drift_threshold": 0}, "drift_threshold must be a number above 0"),
        ({"drift_threshold": None}, "drift_threshold must be a number above 0, not None"),
        ({"drift_threshold": inf}, "drift_threshold must be a number above 0, not inf"),
        ({"drift_threshold": nan}, "drift_threshold must be a number above 0, not nan"),
    ],
)
def test_attributes_that_are_not_valid(attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        SKModels().add("m", FakeEstimator(predict=zeros), **attributes)


# Where it is


def test_model_without_a_profile_has_no_drift() -> None:
    app = Flask("bare")
    models = SKModels(app)
    models.add("m", LinearRegression().fit([[0.0], [1.0]], [0, 1]))
    client = app.test_client()
    problem(client.get("/m/drift/"), 404)
    assert client.get("/-/drift/").get_json() == {"models": []}
    assert not drift_receivers(app)


def drift_receivers(app: Flask) -> list[Any]:
    """Return the receivers of predictions that count drift."""
    relays: list[Any] = list(after_prediction.receivers_for(app))
    receivers = [each for relay in relays for each in relay.receivers]
    return [each for each in receivers if "drift" in each.__module__]


def test_drift_can_be_turned_off() -> None:
    app, models = served(TENTHS, config={"SKMODELS_DRIFT": False})
    client = app.test_client()
    assert models.predict("m", [[5.0]], app=app).rows == 1
    assert client.get("/m/drift/").status_code == client.get("/-/drift/").status_code == 404
    assert "drift" not in client.get("/-/metrics").text
    assert not drift_receivers(app)


@pytest.mark.parametrize("pages", [True, False])
def test_addresses(pages: bool) -> None:
    app, models = served(TENTHS, config={"SKMODELS_PAGES": pages, "SKMODELS_URL_PREFIX": "/models"})
    models.predict("m", [[5.0]], app=app)
    client = app.test_client()
    found = client.get("/models/m/drift/").get_json()
    assert list(found) == ["model", "version", "window", "total", "fields", "predictions"]
    assert client.get("/models/-/drift").get_json() == {"models": [found]}
    for address in ("/models/m/drift/", "/models/-/drift/"):
        assert client.post(address).status_code == 405


def guarded(view: Callable[..., Any]) -> Callable[..., Any]:
    return lambda **arguments: abort(401)


def test_models_that_a_visitor_may_not_see_are_hidden() -> None:
    app, models = served(TENTHS, decorators=[guarded])
    models.predict("m", [[95.0]] * 600, app=app)
    client = app.test_client()
    assert client.get("/m/drift/").status_code == 401
    assert client.get("/-/drift/").get_json() == {"models": []}
    assert 'model="m"' not in client.get("/-/metrics").text


def test_drift_of_all_models_is_behind_the_decorators_of_the_extension() -> None:
    app = Flask("guarded")
    SKModels(app, decorators=[guarded])
    assert app.test_client().get("/-/drift/").status_code == 401


def test_gauges() -> None:
    app, models = served(TENTHS, predictions=[TENTHS])
    client = app.test_client()
    labels = 'extension="skmodels",field="x0",model="m",version=""'
    models.predict("m", [[95.0]] * 400, app=app)
    assert f"skmodels_drift_psi{{{labels}}}" not in client.get("/-/metrics").text
    models.predict("m", [[95.0]] * 200, app=app)
    text, found = client.get("/-/metrics").text, report(app)
    assert f"skmodels_drift_psi{{{labels}}} {found['fields']['x0']['psi']}" in text
    assert f"skmodels_drift_mean{{{labels}}} 95.0" in text
    assert f"skmodels_drift_unknown{{{labels}}}" not in text
    of_predictions = 'extension="skmodels",method="predict",model="m",version=""'
    js = found["predictions"]["predict"]["js"]
    assert f"skmodels_drift_prediction_js{{{of_predictions}}} {js}" in text
    assert 'skmodels_drift_rows{extension="skmodels",model="m",version=""} 600.0' in text


def test_texts_and_mappings() -> None:
    app = Flask("lists")
    models = SKModels(app)
    words, rows = ["good", "bad"] * 50, [{"size": 1.0, "kind": "a"}, {"size": 2.0}] * 50
    counter = make_pipeline(CountVectorizer(), LogisticRegression()).fit(words, words)
    models.add("words", counter, profile=Profile.of(words), drift_minimum=100)
    mapped = make_pipeline(DictVectorizer(), LogisticRegression()).fit(rows, [0, 1] * 50)
    schema: dict[str, Any] = {"size": {}, "kind": {"type": "string", "nullable": True}}
    models.add("rows", mapped, profile=Profile.of(rows), schema=schema, drift_minimum=100)
    for _ in range(100):
        models.predict("words", [{"text": "good"}], app=app)
        models.predict("rows", [{"size": 1.0, "kind": "a"}], app=app)
    [found] = report(app, "words")["fields"].values()
    assert found["psi"] == pytest.approx(psi(np.array([0.5, 0.5]), np.array([1.0, 0.0])))
    sizes = report(app, "rows")["fields"]
    assert sizes["size"]["mean"] == 1.0
    assert (sizes["kind"]["missing"], sizes["kind"]["unknown"]) == (0.0, 0.0)


# Versions


def label_of_version(label: str) -> Any:
    return DummyClassifier(strategy="constant", constant=label).fit([[0, 0], [0, 0]], ["1", label])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of two versions that answer with their labels, each with its profile."""
    X = np.tile(np.arange(50.0)[:, np.newaxis], (1, 2))
    for label in ("1", "2"):
        estimator = label_of_version(label)
        put(tmp_path / "m", label, estimator)
        profile = Profile.of(X + 100 * (label == "2"), None, estimator)
        profile.save(tmp_path / "m" / f"{label}.profile.json")
    return tmp_path


def folder_app(folder: Path, **attributes: Any) -> Flask:
    schema: dict[str, Any] = {"a": {}, "b": {}}
    return application(Model(name="m", pipeline="m", schema=schema, **attributes), root=folder)


def test_version_is_compared_with_its_own_training_data(folder: Path) -> None:
    (folder / "m" / "2.joblib").rename(folder / "waiting")
    app = folder_app(folder, drift_minimum=50)
    models = extension_of(app)
    models.predict("m", [[10, 110]] * 100, app=app)
    found = report(app)
    assert (found["version"], found["fields"]["a"]["outside"]) == ("1", 0.0)
    (folder / "waiting").rename(folder / "m" / "2.joblib")
    models.refresh("m", app=app)
    assert report(app)["version"] == "2"
    assert report(app)["total"]["rows"] == 0
    models.predict("m", [[10, 110]] * 100, app=app)
    found = report(app)
    assert (found["fields"]["a"]["outside"], found["fields"]["b"]["outside"]) == (1.0, 0.0)
    gauges = re.findall(
        r'skmodels_drift_rows{.*version="(.)"}', app.test_client().get("/-/metrics").text
    )
    assert gauges == ["2"]  # the other no longer gets any rows


def test_profile_that_is_replaced_begins_new_counts(folder: Path) -> None:
    app = folder_app(folder)
    models = extension_of(app)
    models.predict("m", [[1, 1]] * 3, app=app)
    deployment = app.extensions["skmodels"].deployments["m"]
    deployment.versions.unload()
    models.predict("m", [[1, 1]] * 3, app=app)
    assert report(app)["total"]["rows"] == 6


def test_counts_of_versions_that_are_no_longer_loaded_are_bounded(folder: Path) -> None:
    app = folder_app(folder)
    models = extension_of(app)
    drift = app.extensions["skmodels"].drift
    profile = (folder / "m" / "2.profile.json").read_bytes()
    for label in map(str, range(3, 9)):
        (folder / "m" / f"{label}.profile.json").write_bytes(profile)
        put(folder / "m", label, label_of_version(label))
        models.refresh("m", app=app)
        models.predict("m", [[1, 1]] * 3, app=app)
        (folder / "m" / f"{label}.joblib").touch()  # another file from now on
    kept = [label for _, label in drift._observed]
    assert kept[-1] == "8"
    assert len(kept) <= KEPT_UNLOADED + 1
    assert report(app)["total"]["rows"] == 3


def test_counts_of_the_versions_that_were_unloaded_last_are_kept(folder: Path) -> None:
    profile = (folder / "m" / "2.profile.json").read_bytes()
    app = folder_app(folder)
    drift = app.extensions["skmodels"].drift
    for label in "212345":
        for file in (folder / "m").glob("*.joblib"):
            file.unlink()
        put(folder / "m", label, label_of_version(label))
        (folder / "m" / f"{label}.profile.json").write_bytes(profile)
        extension_of(app).refresh("m", app=app)
        extension_of(app).predict("m", [[1, 1]], app=app)
    assert {label for _, label in drift._observed} == set("2345")


def test_version_is_forgotten_while_a_prediction_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app, models = served(TENTHS)
    models.predict("m", [[1]], app=app)
    drift = app.extensions["skmodels"].drift

    def add(prediction: Any) -> bool:
        drift._observed.clear()
        return True

    drift._adders["m", None] = add
    models.predict("m", [[1]], app=app)
    assert not caplog.records


def test_shadow_is_compared_with_the_live_version(folder: Path) -> None:
    app = folder_app(folder, shadow="1", drift_minimum=50)
    models = extension_of(app)
    models.predict("m", [[1, 1]] * 60, app=app)
    app.extensions["skmodels"].deployments["m"].shadow.wait()
    found = report(app)
    assert found["predictions"]["predict"]["psi"] == 0
    shadow = found["versions"]["1"]
    assert (shadow["role"], shadow["window"]["rows"]) == ("shadow", 60)
    assert shadow["predictions"]["predict"]["js"] == 1.0


def test_canary_is_compared_with_the_live_version(folder: Path) -> None:
    app = folder_app(folder, traffic={"1": 0.5}, traffic_key="header:X-User", drift_minimum=30)
    client = app.test_client()
    for user in range(120):
        row = {"a": 1, "b": 1}
        client.post("/m/predict/", json=row, headers={"X-User": str(user)})
    found = report(app)
    canary = found["versions"]["1"]
    assert canary["role"] == "canary"
    assert canary["window"]["rows"] + found["total"]["rows"] == 120
    assert canary["predictions"]["predict"]["js"] == 1.0
    assert 'version="1"' in client.get("/-/metrics").text


# Several processes


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    return tmp_path


OFF = {"SKMODELS_METRICS": False}  # prometheus-client reads the directory when it is imported


def test_processes_are_added_up(shared: Path, heard: list[dict[str, Any]]) -> None:
    apps = [served(TENTHS, config=OFF) for _ in range(3)]
    for app, models in apps:
        models.predict("m", [[95.0]] * 100, app=app)
        for _ in range(100):
            models.predict("m", [[95.0]], app=app)
    documents = [report(app) for app, _ in apps]
    assert all(found == documents[0] for found in documents)
    assert documents[0]["total"]["rows"] == documents[0]["window"]["rows"] == 600
    assert len(list(shared.glob("*.drift"))) == 3
    for app, models in apps:
        models.predict("m", [[95.0]] * 250, app=app)
    assert [each["field"] for each in heard] == ["x0"]


def test_counts_that_begin_again_go_on_in_their_file(shared: Path) -> None:
    app, models = served(TENTHS, config=OFF)
    for _ in range(3):
        models.predict("m", [[95.0]] * 10, app=app)
        app.extensions["skmodels"].drift.restart()
    assert report(app)["total"]["rows"] == 30
    assert len(list(shared.glob("*.drift"))) == 1


def test_window_of_several_processes_is_of_the_newest_rows(shared: Path) -> None:
    apps = [served(TENTHS, config=OFF, drift_window=200, drift_minimum=100) for _ in range(2)]
    for value, (app, models) in zip((5.0, 95.0), apps, strict=True):
        for _ in range(8):
            models.predict("m", [[value]] * 25, app=app)
    found = report(apps[0][0])
    assert found["total"]["rows"] == 400
    assert found["fields"]["x0"]["mean"] == 95.0


def test_new_process_goes_on_with_the_counts_of_one_that_has_ended(shared: Path) -> None:
    app, models = served(TENTHS, config=OFF)
    models.predict("m", [[5.0]] * 10, app=app)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (file,) = shared.glob("*.drift")
    file.rename(
        file.with_name(f"{file.name.rpartition('_')[0].rpartition('_')[0]}_{ended.pid}_0.drift")
    )
    app, models = served(TENTHS, config=OFF)
    assert report(app)["total"]["rows"] == 10
    models.predict("m", [[5.0]] * 5, app=app)
    assert report(app)["total"]["rows"] == 15
    assert len(list(shared.glob("*.drift"))) == 1


MODULE = """
import os
from pathlib import Path

import numpy as np
from flask import Flask
from sklearn.linear_model import LinearRegression

from flask_skmodels import Profile, SKModels

X = np.arange(100.0)[:, np.newaxis]
app = Flask(__name__)
models = SKModels(app)
estimator = LinearRegression().fit(X, X[:, 0])
models.add("m", estimator, profile=Profile.of(X, X[:, 0], estimator), drift_minimum=40)


@app.after_request
def name_worker(response):
    response.headers["X-Worker"] = str(os.getpid())
    return response
"""


@pytest.mark.full
@pytest.mark.parametrize("options", [[], ["--preload"]])
def test_workers_add_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    (tmp_path / "shared").mkdir()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "shared"))
    with gunicorn(tmp_path, MODULE, *options, workers=2) as server:
        workers = ask_each(server, 2, "/m/predict/", [[50]] * 10)
        before = ask_drift(server)
        assert before["total"]["rows"] >= 20
        os.kill(next(iter(workers)), signal.SIGTERM)
        for _ in range(20):
            connection = server.connect()
            assert ask(connection, "POST", "/m/predict/", [[50]]).status == 200
            connection.close()
        after = ask_drift(server)
    assert after["total"]["rows"] == before["total"]["rows"] + 20
    assert after["fields"]["x0"]["mean"] == 50.0
    assert len(list((tmp_path / "shared").glob("*.drift"))) <= 2


def ask_drift(server: Server) -> dict[str, Any]:
    connection = server.connect()
    try:
        response = ask(connection, "GET", "/m/drift/")
    finally:
        connection.close()
    assert response.status == 200
    document: dict[str, Any] = response.document
    return document


def test_hidden_field_is_counted_and_not_shown() -> None:
    salary, age = (replace(TENTHS, name=name) for name in ("salary", "age"))
    config = {"SKMODELS_LOG_HIDDEN_FIELDS": ["salary"]}
    app, models = served(salary, age, config=config, drift_minimum=1, container="pandas")
    models.predict("m", [{"salary": 55.0, "age": 5.0}], app=app)
    assert list(report(app)["fields"]) == ["age"]
    page = app.test_client().get("/m/drift/", headers={"Accept": "text/html"})
    assert "age" in page.text
    assert "Not shown: salary. The application hides these values." in page.text
    assert page.text.count("salary") == 1


def test_bins_are_made_once_for_a_version(monkeypatch: pytest.MonkeyPatch) -> None:
    app, models = served(TENTHS)
    made: list[Any] = []

    def noted(version: Any) -> Any:
        made.append(version)
        return bin_layout_of(version)

    monkeypatch.setattr("flask_skmodels.telemetry.drift.drift.bin_layout_of", noted)
    for _ in range(3):
        models.predict("m", [[5.0]], app=app)
        report(app)
    assert len(made) == 1


def test_explanation_is_no_further_row() -> None:
    X = np.arange(20.0).reshape(-1, 2)
    app = Flask("explained")
    models = SKModels(app)
    models.add("m", LinearRegression().fit(X, X[:, 0]), profile=X, explain=True)
    for method in ("predict", "explain", "explain"):
        models.predict("m", X[:1], method=method, app=app)
    assert report(app)["window"]["rows"] == 1


def test_rows_of_bulk_scoring_count(tmp_path: Path) -> None:
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(600, 2)), columns=["a", "b"])
    app = Flask("bulk")
    models = SKModels(app)
    models.add("m", LinearRegression().fit(X, X["a"]), profile=X)
    with app.app_context():
        models.score("m", [X], tmp_path / "out.parquet")
    assert report(app)["total"]["rows"] == 600
