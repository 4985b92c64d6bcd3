"""Fixtures for the tests of bulk scoring."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_skmodels import SKModels
from flask_skmodels.bulk.summary import Summary
from tests.support import scoring

Score = Callable[..., Summary]


@pytest.fixture
def score(models: SKModels, app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Score:
    """Score in a folder of the test, in small chunks."""
    monkeypatch.chdir(tmp_path)
    app.instance_path = str(tmp_path / "instance")

    def call(source: Any, sink: Any, **options: Any) -> Summary:
        return scoring.score(models, app, source, sink, **options)

    return call
