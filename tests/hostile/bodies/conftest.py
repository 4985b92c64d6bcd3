"""The server of the tests in this folder: one for each process that runs tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hostile.bodies.measured_server import CAN_MEASURE, MeasuredServer, measured_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeasuredServer]:
    """A server whose worker is measured."""
    if not CAN_MEASURE:
        pytest.skip("needs Linux: time and memory of a process are read from /proc")
    with measured_server(tmp_path_factory.mktemp("hostile")) as running:
        yield running
