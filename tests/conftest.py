"""Loads the plugins of the tests and their fixtures."""

from __future__ import annotations

import gc
import os
from importlib.metadata import version

import pytest

# Each of the processes that run the tests would start a thread for each core, and wait for them.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The fast lane takes the steps of Flask 3.1; with other releases it is off.
HAS_LANE = version("flask").startswith("3.1.")
collect_ignore = [] if HAS_LANE else ["web/test_fast_lane.py"]

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
        if HAS_LANE:
            config.pluginmanager.import_plugin("tests.support.both_ways")


def pytest_collection_finish() -> None:
    """Exclude the tests from garbage collection: there are many, and all are kept to the end."""
    gc.freeze()
