"""Fixtures for the tests of the commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.versions_folder import (
    put,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    put(tmp_path / "iris", "1")
    return tmp_path / "iris"
