"""Loads the plugins of the tests and their fixtures."""

from __future__ import annotations

import os

import pytest

# Each of the processes that run the tests would start a thread for each core, and wait for them.
os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest_plugins = ("tests.support.selection", "tests.support.skips")


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Load the fixtures, which import scikit-learn, unless worker processes run the tests.

    It is done after pytest-cov has started, which would miss what is imported earlier.
    """
    config = session.config
    starts_workers = config.getoption("dist", "no") != "no" and not config.option.collectonly
    if hasattr(config, "workerinput") or not starts_workers:
        config.pluginmanager.import_plugin("tests.support.fixtures")
        config.pluginmanager.import_plugin("tests.support.both_ways")
