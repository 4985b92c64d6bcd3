"""Skipped tests: what a machine lacks, what to install, and which skips the full run permits.

A test that needs a program, a large library or an operating system says so with one of the marks or
functions of this module, so that it is skipped with one line that says what to install. With
``--no-skips``, as ``.ci/run`` runs the tests, each skip that :data:`PERMITTED` does not list is an
error.

``conftest.py`` loads this module as a plugin of pytest.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

# Patterns of the reasons of skips that may remain where everything is installed.
PERMITTED = {
    r"root may (write into|list) every folder": "the test needs a user who is not root",
    r"the estimator takes no floats": "the test is about floats",
    r"Java is not installed": "nothing else of the project needs Java",
    r"PostgreSQL is not installed": "its server is large, and SQLite takes the same path",
    r"pyspark is not installed": "it takes half a gigabyte, and needs Java",
}

PROGRAMS = {
    "chromium": "apt-get install chromium",
    "sha256sum": "apt-get install coreutils",
    "wrk": "apt-get install wrk",
}
TEST_LIBRARIES = "pip install -e '.[test-foreign]'"
# Packages that the extra test installs; the extra test-foreign installs all others.
OF_TEST = {
    *("openapi_spec_validator", "pandas", "polars", "pyarrow", "simdjson", "skl2onnx", "skops"),
    "sqlalchemy",
}

# Test modules that import a library of the extra test-foreign at their top.
LIBRARIES_OF_MODULES = {
    "test_browser.py": ("axe_playwright_python", "playwright"),
    "test_embedded_in_browser.py": ("axe_playwright_python", "playwright"),
    "test_openapi_merged.py": ("apiflask", "flask_openapi3", "flask_smorest"),
    "test_schemathesis.py": ("schemathesis",),
}

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the test reads /proc")
FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork processes")


def program(name: str) -> str:
    """Return the path of a program, or skip the test."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed: {PROGRAMS[name]}")
    return path


def needs_program(name: str) -> pytest.MarkDecorator:
    """Return a mark that skips a test where a program is not installed."""
    reason = f"{name} is not installed: {PROGRAMS[name]}"
    return pytest.mark.skipif(shutil.which(name) is None, reason=reason)


def library(name: str, install: str | None = None) -> Any:
    """Return a module of a library, or skip the test, or the module that calls this at its top.

    :param install: the command that installs the library, None if an extra for tests does
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = (error.name or name).partition(".")[0]
        extra = "pip install -e '.[test]'" if package in OF_TEST else TEST_LIBRARIES
        reason = f"{package} is not installed: {install or extra}"
    except OSError as error:  # LightGBM's wheel needs OpenMP of the system
        reason = f"{name} cannot be loaded ({error}): apt-get install libgomp1"
    pytest.skip(reason, allow_module_level=True)


def has_version(name: str, version: str) -> bool:
    """Return True if a package is installed in this version or a newer one."""
    return Version(importlib.metadata.version(name)) >= Version(version)


def needs_version(name: str, version: str) -> pytest.MarkDecorator:
    """Return a mark that skips a test where an older version of a package is installed.

    ``tox -e minimum`` installs the oldest supported versions.
    """
    reason = f"{name} is older than {version}"
    return pytest.mark.skipif(not has_version(name, version), reason=reason)


class MissingLibrary(pytest.Item):
    """Stands for the tests of a module that cannot be imported, and is skipped."""

    def runtest(self) -> None:
        library(self.name)


class ModuleWithoutLibrary(pytest.Module):
    """A test module whose libraries are not all installed."""

    def collect(self) -> Iterator[pytest.Item]:
        for name in _missing(self.path):
            yield MissingLibrary.from_parent(self, name=name)


def _missing(path: Path) -> list[str]:
    names = LIBRARIES_OF_MODULES.get(path.name, ())
    return [name for name in names if importlib.util.find_spec(name) is None]


def pytest_pycollect_makemodule(module_path: Path, parent: Any) -> pytest.Module | None:
    if _missing(module_path):
        return ModuleWithoutLibrary.from_parent(parent, path=module_path)
    return None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="fail where a test was skipped")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption("no_skips") and _not_permitted(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    skips = _not_permitted(config) if config.getoption("no_skips") else []
    if skips:
        terminalreporter.section("skipped, which --no-skips does not permit")
    for skip in skips:
        terminalreporter.write_line(skip)


def _not_permitted(config: pytest.Config) -> list[str]:
    """Return the skipped tests and their reasons, without those that are permitted."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    reports = reporter.stats.get("skipped", []) if reporter else []
    skips = {(report.nodeid, report.longrepr[2]) for report in reports}
    return [
        f"{test}: {reason.removeprefix('Skipped: ')}"
        for test, reason in sorted(skips)
        if not any(re.search(pattern, reason) for pattern in PERMITTED)
    ]
