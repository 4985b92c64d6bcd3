"""Loads the plugins of the tests and their fixtures."""

from __future__ import annotations

import pytest

pytest_plugins = ("tests.support.selection", "tests.support.skips")


def pytest_configure(config: pytest.Config) -> None:
    """Load the fixtures, which import scikit-learn, unless worker processes run the tests."""
    starts_workers = config.getoption("dist", "no") != "no" and not config.option.collectonly
    if hasattr(config, "workerinput") or not starts_workers:
        config.pluginmanager.import_plugin("tests.support.fixtures")
