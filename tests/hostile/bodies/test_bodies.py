"""Hostile bodies: the status, the time and the memory of each, and an honest request after it.

The full run sends all of them to one process of a real server. The plain run sends the ones of the
issue that asked for limits there, and one size of each attack to the application in this process.
"""

from __future__ import annotations

from time import process_time

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.hostile.bodies.application import create_app
from tests.hostile.bodies.measured_server import HONEST, MeasuredServer, post
from tests.hostile.bodies.table import FEW, JSON, Case, all_cases
from tests.support.selection import cases
from tests.support.skips import library

MAX_CPU = 2.0  # seconds
MAX_GROWTH = 256.0  # MiB
NORMAL = 0.25  # seconds of an honest request; it takes about 0.001
CASES = all_cases()
QUICK = [case for case in CASES if case.is_quick]


@pytest.mark.parametrize(
    "case",
    cases(CASES, quick=[case for case in QUICK if case.name.startswith("issue: ")]),
    ids=lambda case: case.name,
)
def test_hostile_body_gets_its_status_within_the_limits(server: MeasuredServer, case: Case) -> None:
    skip_without_pyarrow(case)
    body, headers, status = case.sent()
    exchange = server.exchange(post(case.path, body, headers))
    assert exchange.status == status, exchange.body[:1000]
    assert b"Traceback" not in exchange.body
    if len(body) <= FEW:
        assert exchange.cpu <= MAX_CPU
        assert exchange.growth <= MAX_GROWTH
    honest = server.honest()
    assert honest.status == 200
    assert honest.cpu <= NORMAL


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    app: Flask = create_app()
    return app.test_client()


@pytest.mark.parametrize("case", QUICK, ids=lambda case: case.name)
def test_hostile_body_gets_its_status_in_process(client: FlaskClient, case: Case) -> None:
    skip_without_pyarrow(case)
    body, headers, status = case.sent()
    headers = {name: value.replace("\n", ",") for name, value in headers.items()}
    started = process_time()
    response = client.post(case.path, data=body, headers=headers)
    assert response.status_code == status
    assert response.data
    if len(body) <= FEW:
        assert process_time() - started <= MAX_CPU
    assert client.post("/iris/predict/", data=HONEST, headers=JSON).status_code == 200


def skip_without_pyarrow(case: Case) -> None:
    if "arrow" in case.headers.get("Content-Type", "") or "parquet" in case.name:
        library("pyarrow")


def test_table_has_at_least_600_cases() -> None:
    assert len(CASES) >= 600
    assert len({case.name for case in CASES}) == len(CASES)
