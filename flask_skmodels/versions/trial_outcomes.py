"""The outcomes of trials, from the way in which their processes ended."""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass
from typing import Any

_FROM_OUTSIDE = frozenset({"SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"})  # from a person or a server


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a trial.

    :param seconds: time limit
    :param max_bytes: memory limit; a file may take at least ten times its own size
    """

    seconds: float
    max_bytes: int


@dataclass(frozen=True, slots=True)
class TrialReport:
    """The end of a trial.

    :param status: 0, the exit status of its process, or the number of a signal as a negative number
    :param is_late: True if the process was stopped at the time limit
    :param result: the JSON object that the process wrote, None if it wrote none
    """

    status: int
    is_late: bool
    result: Any


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a trial.

    :param refusal: why the version is refused, None if it is not
    :param is_kept: True if another trial would have the same outcome
    """

    refusal: str | None = None
    is_kept: bool = True


def not_started(reason: str) -> Outcome:
    """Return the outcome if no trial can be made."""
    return Outcome(
        f"the process for its trial cannot be started ({reason}). If Python was not found, give "
        "its path with multiprocessing.set_executable; or set SKMODELS_TRIAL to False",
        is_kept=False,
    )


def _out_of_time(limits: Limits) -> Outcome:
    return Outcome(
        f"its trial took longer than {limits.seconds:g} seconds: if it may take longer, raise "
        "SKMODELS_TRIAL_SECONDS"
    )


def _of_signal(number: int) -> Outcome:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    if name in _FROM_OUTSIDE:
        return Outcome(f"its trial was stopped by {name}", is_kept=False)
    return Outcome(f"it killed the process of its trial ({name})")


def outcome_of(report: TrialReport, limits: Limits) -> Outcome:
    """Return the outcome of a trial from the end of its process."""
    if report.is_late:
        return _out_of_time(limits)
    if report.status < 0:
        return _of_signal(-report.status)
    result = report.result if isinstance(report.result, dict) else {}
    kind = result.get("outcome")
    if kind == "memory":
        return Outcome(
            f"its trial needs more than {limits.max_bytes:,} bytes of memory: if it may take more, "
            "raise SKMODELS_TRIAL_BYTES"
        )
    if kind == "refused":
        return Outcome(f"{result['reason']}{_hint(result.get('module'))}", is_kept=False)
    if kind != "passed":
        return Outcome("the process of its trial ended without a result")
    return Outcome()


def _hint(module: str | None) -> str:
    """Return the remedy if only this process can import the classes of a file."""
    if module is None or not (module == "__main__" or module in sys.modules):
        return ""
    return (
        f"; its trial in a process of its own cannot import {module}: move the classes of the file "
        "to a module that any process can import, or set SKMODELS_TRIAL to False"
    )
