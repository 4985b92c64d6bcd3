"""When the files of a model are looked at: at an interval, or when a reload was asked for."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock, Thread
from time import monotonic

from flask_skmodels.artifacts.loading import Artifact, Policy
from flask_skmodels.signals import Sender
from flask_skmodels.versions import discovery


class Polling:
    """The looks at the files of one model, one at a time, each in a thread of its own.

    :param name: the model's
    :param artifact: its file or folder
    :param policy: how artifacts are loaded
    :param interval: seconds between two looks, None for none but those that are asked for
    """

    def __init__(
        self, name: str, artifact: Artifact, policy: Policy, interval: float | None
    ) -> None:
        self._name = name
        self._interval = interval
        self._is_folder = discovery.is_folder(artifact, policy)
        self._marker = discovery.marker(artifact, policy)
        self._requested_at = discovery.requested_at(self._marker)
        self._looked_at = monotonic()
        self._looking = Lock()

    def request(self) -> None:
        """Ask every process that serves the folder to look at it at its next request.

        :raises ArtifactError: the folder cannot be written
        """
        discovery.request_reload(self._marker)

    def is_due(self) -> bool:
        """Return whether it is time for a look, or one was asked for."""
        if self._interval is not None and monotonic() - self._looked_at >= self._interval:
            return True
        return self._is_folder and discovery.requested_at(self._marker) != self._requested_at

    def is_due_while_down(self) -> bool:
        """Return whether it is time to look again for what cannot be loaded."""
        return monotonic() - self._looked_at >= discovery.LOOK_WHILE_DOWN

    def start(self, look: Callable[[], None], sender: Sender) -> None:
        """Have a thread look, unless one does."""
        if not self._looking.acquire(blocking=False):
            return
        self._looked_at = monotonic()
        self._requested_at = discovery.requested_at(self._marker)
        try:
            Thread(target=self._look_aside, args=(look, sender), daemon=True).start()
        except RuntimeError as error:  # no more threads: at the next request then
            self._looking.release()
            sender.logger.warning("model %r is not looked at: %s", self._name, error)

    def _look_aside(self, look: Callable[[], None], sender: Sender) -> None:
        try:
            look()
        except Exception:
            sender.logger.exception("looking at the versions of model %r failed", self._name)
        finally:
            self._looking.release()
