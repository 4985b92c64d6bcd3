"""Coverage is measured in the first cases of a test or fixture, until three reach no new code.

Measuring doubles the time of a test. Most cases of a parametrized test run the same code for other
values, and so do most fixtures: they register a model and make an application. What is not measured
counts as not covered, so the gate is as strict as before.

``conftest.py`` loads this module as a plugin of pytest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from typing import Any

import pytest

from tests.support.untraced import Untraced

RUNS_WITHOUT_NEW_CODE = 3  # one after another


class MeasuredCases:
    """Turns coverage off where a test or a fixture has reached no new code in this process.

    :param controller: the controller of pytest-cov
    """

    def __init__(self, controller: Any) -> None:
        self._controller = controller
        self._without_new_code: Counter[str] = Counter()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        test = item.nodeid.partition("[")[0]
        if item.get_closest_marker("no_cover") is None and self._may_reach_more(test):
            before = self._reached()
            result = yield
            self._count(test, before)
            return result
        self._controller.pause()
        try:
            return (yield)
        finally:
            if not self._controller.started:  # the marker no_cover has resumed it
                self._controller.resume()

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any]
    ) -> Generator[None, object, object]:
        fixture = f"{fixturedef.baseid}::{fixturedef.argname}"
        if self._may_reach_more(fixture):
            before = self._reached()
            result = yield
            self._count(fixture, before)
            return result
        with Untraced():
            return (yield)

    def _may_reach_more(self, name: str) -> bool:
        return self._without_new_code[name] < RUNS_WITHOUT_NEW_CODE

    def _count(self, name: str, before: int) -> None:
        is_new = self._reached() > before
        self._without_new_code[name] = 0 if is_new else self._without_new_code[name] + 1

    def _reached(self) -> int:
        """Return how many different branches were taken in this process so far."""
        data = self._controller.cov._collector.data
        return sum(map(len, list(data.values())))


def pytest_sessionstart(session: pytest.Session) -> None:
    plugin = session.config.pluginmanager.getplugin("_cov")
    controller = getattr(plugin, "cov_controller", None)
    if controller is not None:
        session.config.pluginmanager.register(MeasuredCases(controller))
