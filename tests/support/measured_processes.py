"""Coverage of the processes that a test starts.

A process is measured if the environment names a configuration of coverage when it starts. Only few
tests ask for that, with the fixture ``measured_processes``, because it slows each start. A process
that is killed leaves no figures.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import ENVIRONMENT

VARIABLE = "COVERAGE_PROCESS_START"
CONFIGURATION = """
[run]
branch = True
source = flask_skmodels
concurrency = thread
parallel = True
patch = _exit
data_file = {data}
"""


def measure_processes(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Measure the processes that are started from now on, if this one is measured.

    :param patch: undoes it
    :param folder: where to write the configuration
    """
    coverage: Any = sys.modules.get("coverage")
    measured = coverage.Coverage.current() if coverage else None
    if measured is None:
        return
    data = Path(measured.get_data().base_filename()).absolute()
    file = folder / "coverage.ini"
    file.write_text(CONFIGURATION.format(data=data), encoding="utf-8")
    patch.setenv(VARIABLE, str(file))
    patch.setitem(ENVIRONMENT, VARIABLE, str(file))
