"""Trials of new versions, each in a process of its own, before the process that serves loads them.

A file can be bad in ways that no check finds: native code trusts its arrays. So a version is loaded
and called in another process first, with limits on time and memory. If that process dies, the
version is refused, and the process that serves has not touched it.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flask_skmodels.artifacts.declaration import Artifact, Policy
from flask_skmodels.exceptions import ArtifactError
from flask_skmodels.models import Model
from flask_skmodels.versions.trial_records import Record, TrialRecords
from flask_skmodels.versions.trial_runner import START_SECONDS, CannotStart, Report, TrialRunner
from flask_skmodels.versions.trial_task import Task

MAX_ATTEMPTS = 2  # trials that were started and whose end nobody saw
_FROM_OUTSIDE = frozenset({"SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"})  # from a person or a server


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a trial.

    :param refusal: why the version is refused, None if it is not
    :param is_kept: True if the outcome of another trial would be the same
    """

    refusal: str | None = None
    is_kept: bool = True


class Trials:
    """Tries versions, and remembers the outcomes.

    :param folder: the state directory
    :param seconds: time limit of a trial
    :param max_bytes: memory limit of a trial
    """

    def __init__(self, folder: Path, *, seconds: float, max_bytes: int) -> None:
        self._records = TrialRecords(folder)
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._runner: TrialRunner | None = None

    @contextmanager
    def several(self) -> Iterator[None]:
        """Keep one helper process for all trials in a ``with`` block, which is faster."""
        with TrialRunner() as self._runner:
            try:
                yield
            finally:
                self._runner = None

    def check(self, model: Model, artifact: Artifact, policy: Policy, digest: str) -> None:
        """Try a version, unless that was done before, here or in another process.

        :param model: the declaration of its model
        :param artifact: its file, whose pin and signature have been checked
        :param policy: the requirements for artifacts
        :param digest: SHA-256 of the bytes of the file
        :raises ArtifactError: it is refused
        """
        limits = {"seconds": self._seconds, "max_bytes": self._max_bytes}
        task = Task.of(model, artifact, policy, digest, **limits)  # type: ignore[arg-type]
        refusal = self._refusal_of(task, task.key)
        if refusal is not None:
            raise ArtifactError(task.path, refusal)

    def _refusal_of(self, task: Task, key: str) -> str | None:
        known = self._records.read(key)
        if not known.is_over:
            with self._records.one_at_a_time(2 * (self._seconds + START_SECONDS)):
                known = self._records.read(key)  # another process may have tried it
                if not known.is_over and known.attempts < MAX_ATTEMPTS:
                    return self._try(task, key, known.attempts + 1)
        if known.is_over and known.refusal is None:
            return None
        reason = known.refusal or f"its trial was started {known.attempts} times and never ended"
        return f"{reason}; it is not tried again: {self._remedy(key)}"

    def _try(self, task: Task, key: str, attempts: int) -> str | None:
        name = task.path.name
        self._records.write(key, Record(attempts, file=name))
        try:
            outcome = self._run(task)
        except KeyboardInterrupt:
            self._records.delete(key)
            raise
        if outcome.is_kept:
            over = Record(attempts, is_over=True, refusal=outcome.refusal, file=name)
            self._records.write(key, over)
        else:
            self._records.delete(key)
        return outcome.refusal

    def _run(self, task: Task) -> Outcome:
        try:
            if self._runner is not None:
                return _outcome_of(task, self._runner.run(task))
            with TrialRunner() as runner:
                return _outcome_of(task, runner.run(task))
        except CannotStart as error:
            return _not_started(str(error))

    def _remedy(self, key: str) -> str:
        path = self._records.path_of(key)
        return "restart to try it" if path is None else f"delete {path} to have it tried"


def _not_started(reason: str) -> Outcome:
    return Outcome(
        f"the process for its trial cannot be started ({reason}). If this machine cannot start "
        "Python, name it with multiprocessing.set_executable, or set SKMODELS_TRIAL to False",
        is_kept=False,
    )


def _out_of_time(task: Task) -> Outcome:
    return Outcome(
        f"its trial took longer than {task.seconds:g} seconds: if it may take longer, raise "
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


def _outcome_of(task: Task, report: Report) -> Outcome:
    if report.is_late:
        return _out_of_time(task)
    if report.status < 0:
        return _of_signal(-report.status)
    result = report.result if isinstance(report.result, dict) else {}
    kind = result.get("outcome")
    if kind == "memory":
        return Outcome(
            f"its trial needs more than {task.max_bytes:,} bytes of memory: if it may take more, "
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
