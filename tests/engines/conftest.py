"""The tests of the engines compile and verify each lean form anew."""

from __future__ import annotations

import pytest

from tests.support import shared_estimators


@pytest.fixture(autouse=True)
def verified_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_estimators, "_shared", [])
