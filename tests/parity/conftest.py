"""The long tests of parity compare each lean form with its estimator on all rows."""

from __future__ import annotations

import pytest

from tests.support.verified_once import verify_all_rows


@pytest.fixture(autouse=True)
def all_rows_verified(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("differential"):
        verify_all_rows(monkeypatch)
