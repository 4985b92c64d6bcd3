"""The tests of the engines compare each lean form with its estimator anew."""

from __future__ import annotations

import pytest

from tests.support.verified_once import verify_all_rows, verify_always

# These modules test the comparison itself, or have inputs for which single rows matter most.
ALL_ROWS = ("test_corrupt", "test_fork", "test_random_rows")
# This one tests which methods have no lean form.
FEW_ROWS = "test_native_methods.py"


@pytest.fixture(autouse=True)
def verified_always(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    verify_always(monkeypatch)
    is_exhaustive = request.config.getoption("full") and request.path.name != FEW_ROWS
    if is_exhaustive or request.path.name.startswith(ALL_ROWS):
        verify_all_rows(monkeypatch)
