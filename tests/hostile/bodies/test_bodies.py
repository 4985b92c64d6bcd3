"""Hostile bodies against a real server: the status, the time and the memory of each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hostile.bodies.measured_server import CAN_MEASURE, MeasuredServer, measured_server, post
from tests.hostile.bodies.table import FEW, Case, all_cases

MOST_CPU = 2.0  # seconds
MOST_GROWTH = 256.0  # MiB
NORMAL = 0.25  # seconds of an honest request; it takes about 0.001
CASES = all_cases()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeasuredServer]:
    if not CAN_MEASURE:
        pytest.skip("needs Linux: time and memory of a process are read from /proc")
    with measured_server(tmp_path_factory.mktemp("hostile")) as running:
        yield running


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=[] if case.is_quick else pytest.mark.full) for case in CASES],
    ids=lambda case: case.name,
)
def test_hostile_body_gets_its_status_within_the_limits(server: MeasuredServer, case: Case) -> None:
    if "arrow" in case.headers.get("Content-Type", "") or "parquet" in case.name:
        pytest.importorskip("pyarrow")
    body, headers, status = case.sent()
    exchange = server.exchange(post(case.path, body, headers))
    assert exchange.status == status, exchange.body[:1000]
    assert b"Traceback" not in exchange.body
    if len(body) <= FEW:
        assert exchange.cpu <= MOST_CPU
        assert exchange.growth <= MOST_GROWTH
    honest = server.honest()
    assert honest.status == 200
    assert honest.cpu <= NORMAL


def test_table_has_at_least_600_cases() -> None:
    assert len(CASES) >= 600
    assert len({case.name for case in CASES}) == len(CASES)
