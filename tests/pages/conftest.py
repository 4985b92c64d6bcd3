"""Fixtures of the tests of pages."""

from __future__ import annotations

import pytest
from flask import Flask
from jinja2 import StrictUndefined


@pytest.fixture
def strict_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make templates raise an exception for an undefined variable."""
    options = Flask.jinja_options | {"undefined": StrictUndefined}
    monkeypatch.setattr(Flask, "jinja_options", options)
