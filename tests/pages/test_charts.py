"""The geometry of the charts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_skmodels.pages.charts import (
    BINS,
    HEIGHT,
    WIDTH,
    bar_width,
    bin_edges,
    histogram,
    range_bar,
)
from flask_skmodels.pages.traffic_statistics import distribution

NUMBERS = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30)


@given(NUMBERS)
def test_every_number_is_in_a_bin(numbers: list[float]) -> None:
    found = distribution(numbers)["histogram"]
    assert sum(found["counts"]) == len(numbers)
    assert 1 <= len(found["counts"]) <= BINS + 2


@given(NUMBERS)
def test_bars_are_inside_the_drawing(numbers: list[float]) -> None:
    counts, edges = np.histogram(numbers, bins=bin_edges(numbers))
    for each in histogram(counts.tolist(), edges.tolist()):
        assert each.x >= 0
        assert each.x + each.width <= WIDTH
        assert 0 <= each.height <= HEIGHT
        assert (each.height > 0) is (each.count > 0)


@pytest.mark.parametrize(
    ("numbers", "first", "width"), [([0, 49], 0, 5), ([0.0, 1.0], 0, 0.05), ([7], 7, 1)]
)
def test_edges_are_round(numbers: list[float], first: float, width: float) -> None:
    edges = bin_edges(numbers)
    assert edges[0] == first
    assert edges[1] - edges[0] == pytest.approx(width)


@pytest.mark.parametrize(
    ("value", "most", "width"),
    [(1, 2, 50), (3, 2, 100), (0, 2, 0), (None, 2, 0), (1, 0, 0), (-1, 2, 0), (float("nan"), 2, 0)],
)
def test_share(value: float | None, most: float, width: float) -> None:
    assert bar_width(value, most) == width


def test_span_within_bounds() -> None:
    found = range_bar({"least": 2, "most": 4, "minimum": 0, "maximum": 10})
    assert found is not None
    assert (found.start, found.width, found.low, found.high) == (20, 20, 0, 10)
    assert found.is_open == (False, False)


def test_span_without_bounds() -> None:
    found = range_bar({"least": 0, "most": 10, "minimum": 0})
    assert found is not None
    assert (found.start, found.is_open) == (0, (False, True))
    assert found.start + found.width < WIDTH


def test_span_of_one_value_can_be_seen() -> None:
    found = range_bar({"least": 10, "most": 10, "minimum": 0, "maximum": 10})
    assert found is not None
    assert (found.start, found.width) == (99, 1)


def test_span_of_nothing() -> None:
    assert range_bar({"least": None, "most": None}) is None


@given(st.floats(-1e308, 1e308), st.floats(0, 2e307))
def test_span_is_inside_the_drawing(least: float, more: float) -> None:
    found = range_bar({"least": least, "most": least + more})
    assert found is None or 0 <= found.start <= found.start + found.width <= WIDTH + 1e-6
