"""The two sizes of a test run: ``pytest`` for every day, and ``pytest --full`` for everything.

The plain run checks all behaviour on one representative of each kind, in a few minutes. A test that
repeats the same check for every estimator, for drawn input, under load or with real clients has the
marker ``full``, and only ``--full`` runs it. Those that take minutes are left to
``pytest --full -m differential``, except for one or two of each module, which have the marker
``representative`` if the module has no others. Use :func:`cases` to mark a part of the cases of one
test, and :func:`examples` for the number of inputs that Hypothesis draws.

Exhaustive tests in ``REPEATED`` run the same code again for other estimators, bodies or pages. No
coverage is measured in them, because that would double their time.

A module whose tests are all exhaustive is not even imported in the plain run.

``conftest.py`` loads this module as a plugin of pytest.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

LEFT_OUT = "tests_left_out"
TESTS = Path(__file__).resolve().parents[1]

# Exhaustive tests that take minutes: servers under load, kills, tampered files, drawn rows, engines
# of others, and sums over 10,000 rows. Only ``pytest --full -m differential`` runs them.
LONG = (
    *("artifacts/test_memory", "bulk/test_engines", "bulk/test_executors", "bulk/test_runs"),
    *("engines/test_boosting", "engines/test_compose", "engines/test_ensembles"),
    *("engines/test_fork", "engines/test_linear_model", "engines/test_preprocessing"),
    *("engines/test_random_rows", "engines/test_tree", "engines/test_wrappers"),
    *("explain/test_exactness", "hostile/", "parity/test_foreign", "parity/test_pipelines"),
    *("project/test_benchmarks", "serving/", "versions/test_reload_under_load"),
    "versions/test_trials",
)
REPEATED = (
    *("documentation/", "hostile/", "openapi/test_schemathesis", "pages/test_browser", "parity/"),
    *("project/", "schema/test_differential", "schema/test_input", "telemetry/test_recent_traffic"),
)
_left_out = pytest.StashKey[int]()


class _Run:
    """The run of this process; Hypothesis needs it before the tests have a configuration."""

    is_full = False


def cases(values: Iterable[Any], quick: Collection[Any]) -> list[Any]:
    """Return the cases of a parametrized test; those that are not in ``quick`` are marked full.

    :raises ValueError: one of ``quick`` is no case
    """
    values = list(values)
    unknown = [each for each in quick if each not in values]
    if unknown:
        raise ValueError(f"no cases of the test: {unknown}")
    return [v if v in quick else pytest.param(v, marks=pytest.mark.full) for v in values]


def examples(count: int) -> int:
    """Return how many inputs to draw: all of ``count`` with ``--full``, else a tenth of them."""
    return count if _Run.is_full else max(10, count // 10)


def label(value: object) -> str:
    """Return the text of a value as the name of a case, without addresses in memory."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="run the exhaustive tests as well")


def pytest_configure(config: pytest.Config) -> None:
    _Run.is_full = config.getoption("full")
    config.stash[_left_out] = 0


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Return the number of worker processes, None for one on each core.

    Tests that are named one by one get none, because workers only take time to start. The full run
    gets one more than there are cores, because many of its tests wait for a server.
    """
    if _names_single_tests(config):
        return 0
    return (os.cpu_count() or 1) + 1 if config.getoption("full") else None


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a case after its argument where its value is long or no text.

    Workers must agree on the names; compressed bodies, for example, hold the time.
    """
    if isinstance(val, bytes) and not (len(val) < 40 and val.isascii()):
        return argname
    return None


class ExhaustiveTest(pytest.Item):
    """Stands for a test function that is left out, so that it is counted."""

    def runtest(self) -> None:
        raise AssertionError("this test is left out")


class ExhaustiveModule(pytest.Module):
    """A test module that is not imported, because the plain run leaves out all of its tests."""

    def collect(self) -> Iterator[pytest.Item]:
        for name in re.findall(r"^def (test_\w+)", self.path.read_text("utf-8"), re.MULTILINE):
            test = ExhaustiveTest.from_parent(self, name=name)
            test.add_marker("full")
            yield test

    def setup(self) -> None:
        """Do nothing: there is no module to set up."""


def pytest_pycollect_makemodule(module_path: Path, parent: Any) -> pytest.Module | None:
    if "full" in _markers_left_out(parent.config) and _is_exhaustive(module_path):
        return ExhaustiveModule.from_parent(parent, path=module_path)
    return None


def _is_exhaustive(path: Path) -> bool:
    pattern = r"^pytestmark = \[?pytest\.mark\.full\b"
    return bool(re.search(pattern, path.read_text("utf-8"), re.MULTILINE))


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark exhaustive tests further, before pytest looks at the markers for ``-m``."""
    if item.get_closest_marker("full") and item.path.is_relative_to(TESTS):
        path = item.path.relative_to(TESTS).as_posix()
        if path.startswith(REPEATED):
            item.add_marker("no_cover")
        if path.startswith(LONG) and not item.get_closest_marker("representative"):
            item.add_marker("differential")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that only ``--full`` or ``-m`` runs, unless they are named one by one."""
    markers = _markers_left_out(config)
    left_out = [i for i in items if any(i.get_closest_marker(name) for name in markers)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        dropped = {id(item) for item in left_out}
        items[:] = [item for item in items if id(item) not in dropped]
        config.stash[_left_out] = len(left_out)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the number of tests left out from a worker process to the one that reports."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[LEFT_OUT] = session.config.stash[_left_out]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    config, output = node.config, getattr(node, "workeroutput", {})
    config.stash[_left_out] = max(config.stash[_left_out], output.get(LEFT_OUT, 0))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    count = config.stash[_left_out]
    if count:
        option = "--full -m differential" if config.getoption("full") else "--full"
        terminalreporter.write_line(f"{count} exhaustive tests were left out: pytest {option}")


def _markers_left_out(config: pytest.Config) -> list[str]:
    if _names_single_tests(config):
        return []
    expression = config.getoption("markexpr")
    wanted = {"full"} if config.getoption("full") else set()
    return [name for name in ("full", "differential") if name not in {*wanted, expression}]


def _names_single_tests(config: pytest.Config) -> bool:
    return bool(config.args) and all("::" in argument for argument in config.args)
