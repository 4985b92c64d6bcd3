"""Polling of the files of a model: at the interval ``SKMODELS_RELOAD``, and on request.

A reload is requested by a file in the folder, :data:`REQUEST_FILE`: each process that serves the
folder compares the modification time of that file with the time that it saw last.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock, Thread
from time import monotonic

from flask_skmodels.artifacts.declaration import Artifact, Policy
from flask_skmodels.exceptions import ArtifactError
from flask_skmodels.signals import Sender
from flask_skmodels.versions import discovery

SECONDS_WHILE_DOWN = 1.0  # between two polls of a model that could not be loaded


class Polling:
    """The polls of the files of one model, one at a time, each in a new thread.

    :param name: name of the model
    :param artifact: the file or folder of the model
    :param policy: how artifacts are loaded
    :param interval: seconds between two polls, None to poll only when a reload is requested
    """

    def __init__(
        self, name: str, artifact: Artifact, policy: Policy, interval: float | None
    ) -> None:
        self._name = name
        self._interval = interval
        self._is_folder = discovery.is_folder(artifact, policy)
        self._marker = discovery.marker(artifact, policy)
        self._requested_at = discovery.changed_at(self._marker)
        self._polled_at = monotonic()
        self._is_polling = Lock()

    def request(self) -> None:
        """Make every process that serves the folder poll it at its next request.

        :raises ArtifactError: the folder cannot be written
        """
        path = Path(self._marker)
        try:
            path.touch()
        except OSError as error:
            raise ArtifactError(path, f"cannot be written: {error.strerror}") from error

    def is_due(self) -> bool:
        """Return True if the interval is over or a reload was requested."""
        if self._interval is not None and monotonic() - self._polled_at >= self._interval:
            return True
        return self._is_folder and discovery.changed_at(self._marker) != self._requested_at

    def is_due_while_down(self) -> bool:
        """Return True if it is time to try again to load a model that is down."""
        return monotonic() - self._polled_at >= SECONDS_WHILE_DOWN

    def start(self, poll: Callable[[], None], sender: Sender) -> None:
        """Start a thread that polls, unless one is running.

        :param poll: lists the files and loads a newer version
        :param sender: the application, for its log
        """
        if not self._is_polling.acquire(blocking=False):
            return
        self._polled_at = monotonic()
        self._requested_at = discovery.changed_at(self._marker)
        try:
            Thread(
                target=self._run, args=(poll, sender), name=f"poll-{self._name}", daemon=True
            ).start()
        except RuntimeError as error:  # no more threads: the next request tries again
            self._is_polling.release()
            sender.logger.warning("model %r is not polled: %s", self._name, error)

    def _run(self, poll: Callable[[], None], sender: Sender) -> None:
        try:
            poll()
        except Exception:
            sender.logger.exception("polling the versions of model %r failed", self._name)
        finally:
            self._is_polling.release()
