"""Trials of new versions, each in a process of its own, before the process that serves loads them.

A file can be bad in ways that no check finds: native code trusts its arrays. So a version is loaded
and called in another process first, with limits on time and memory. If that process dies, the
version is refused, and the process that serves has not touched it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from flask_skmodels.artifacts.declaration import Artifact, Policy
from flask_skmodels.exceptions import ArtifactError
from flask_skmodels.models import Model
from flask_skmodels.versions.trial_outcomes import Limits, Outcome, not_started, outcome_of
from flask_skmodels.versions.trial_records import Note, Record, TrialRecords
from flask_skmodels.versions.trial_runner import START_SECONDS, CannotStart, TrialRunner
from flask_skmodels.versions.trial_task import TrialTask

MAX_ATTEMPTS = 2  # trials that may be started without a known end


class Trials:
    """Tries versions, and remembers the outcomes.

    :param folder: the state directory
    :param limits: the limits of each trial
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._records = TrialRecords(folder)
        self._limits = limits
        self._runner: TrialRunner | None = None
        self._runs = Lock()  # for the use of the runner

    @contextmanager
    def several(self) -> Iterator[None]:
        """Use one helper process for all trials in a ``with`` block, which is faster."""
        with TrialRunner() as runner:
            self._runner = runner
            try:
                yield
            finally:
                with self._runs:
                    self._runner = None

    def check(self, model: Model, artifact: Artifact, policy: Policy, digest: str) -> None:
        """Try a version, unless this process or another has done so before.

        :param model: the declaration of its model
        :param artifact: the file of the version, whose pin and signature have been checked
        :param policy: the requirements for artifacts
        :param digest: SHA-256 of the bytes of the file
        :raises ArtifactError: the version is refused
        """
        task = TrialTask.of(model, artifact, policy, digest, self._limits)
        refusal = self._refusal_of(task, task.key)
        if refusal is not None:
            raise ArtifactError(task.path, refusal)

    def _refusal_of(self, task: TrialTask, key: str) -> str | None:
        known = self._records.read(key)
        if not known.is_over:
            with self._records.alone(key, 2 * (self._limits.seconds + START_SECONDS)):
                known = self._records.read(key)  # another process may have tried it
                if not known.is_over and known.attempts < MAX_ATTEMPTS:
                    return self._try(task, key, known.attempts + 1)
        if known.is_over and known.refusal is None:
            return None
        reason = known.refusal or f"its trial was started {known.attempts} times and never ended"
        return f"{reason}; this file is not tried again. To try it again, {self._remedy(key)}"

    def _try(self, task: TrialTask, key: str, attempts: int) -> str | None:
        record = Record(attempts, file=task.path.name)
        self._records.write(key, record)
        try:
            outcome = self._run(task, Note(self._records.folder, key, record))
        except KeyboardInterrupt:
            self._records.delete(key)
            raise
        if outcome.is_kept:
            self._records.write(key, record.ended(outcome.refusal))
        else:
            self._records.delete(key)
        return outcome.refusal

    def _run(self, task: TrialTask, note: Note) -> Outcome:
        try:
            with self._free_runner() as runner:
                return outcome_of(runner.run(task, note), task.limits)
        except CannotStart as error:
            return not_started(str(error))

    @contextmanager
    def _free_runner(self) -> Iterator[TrialRunner]:
        """Yield the runner of several trials; if it is busy or there is none, yield a new one."""
        if self._runs.acquire(blocking=False):
            try:
                if self._runner is not None:
                    yield self._runner
                    return
            finally:
                self._runs.release()
        with TrialRunner() as runner:
            yield runner

    def _remedy(self, key: str) -> str:
        path = self._records.path_of(key)
        return "restart the application" if path is None else f"delete {path}"
