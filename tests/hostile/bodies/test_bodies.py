"""Hostile bodies against a real server: the status, the time and the memory of each."""

from __future__ import annotations

from time import process_time

import pytest
from flask import Flask

from tests.hostile.bodies.application import create_app
from tests.hostile.bodies.measured_server import MeasuredServer, post
from tests.hostile.bodies.table import FEW, Case, all_cases

MOST_CPU = 2.0  # seconds
MOST_GROWTH = 256.0  # MiB
NORMAL = 0.25  # seconds of an honest request; it takes about 0.001
CASES = all_cases()


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


@pytest.fixture(scope="module")
def application() -> Flask:
    return create_app()


@pytest.mark.full
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_hostile_body_gets_its_status_in_process(application: Flask, case: Case) -> None:
    if "arrow" in case.headers.get("Content-Type", "") or "parquet" in case.name:
        pytest.importorskip("pyarrow")
    body, headers, status = case.sent()
    headers = {name: value.replace("\n", ",") for name, value in headers.items()}
    started = process_time()
    response = application.test_client().post(case.path, data=body, headers=headers)
    assert response.status_code == status
    assert response.data
    if len(body) <= FEW:
        assert process_time() - started <= MOST_CPU


def test_table_has_at_least_600_cases() -> None:
    assert len(CASES) >= 600
    assert len({case.name for case in CASES}) == len(CASES)
