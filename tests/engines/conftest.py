"""The tests of the engines compare each lean form with its estimator anew."""

from __future__ import annotations

import pytest

from tests.support.verified_once import verify_always


@pytest.fixture(autouse=True)
def verified_always(monkeypatch: pytest.MonkeyPatch) -> None:
    verify_always(monkeypatch)
