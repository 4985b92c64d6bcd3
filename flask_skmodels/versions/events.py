"""Loads and failed loads of versions, which are reported after the lock is released."""

from __future__ import annotations

from collections.abc import Iterable
from threading import local

from flask_skmodels.exceptions import SKModelsError
from flask_skmodels.models import Model
from flask_skmodels.signals import Sender, model_load_failed, model_loaded, notify
from flask_skmodels.versions.version import ModelVersion

Event = tuple[str | None, ModelVersion | SKModelsError]


class Events(local):
    """The loads and failed loads of one model that this thread has not reported yet, in order."""

    def __init__(self) -> None:
        self._events: list[Event] = []

    def add(self, label: str | None, result: ModelVersion | SKModelsError) -> None:
        """Add a version that was loaded, or the error if it was not.

        :param label: the label of the version, None if the model has no versions
        """
        self._events.append((label, result))

    def discard(self, version: ModelVersion) -> None:
        """Drop the event of a version that was loaded but may not serve."""
        self._events = [event for event in self._events if event[1] is not version]

    def take(self) -> list[Event]:
        """Return the events and forget them."""
        events, self._events = self._events, []
        return events


def report_events(
    events: Iterable[Event], model: Model, sender: Sender, raised: SKModelsError | None = None
) -> None:
    """Send ``model_loaded`` or ``model_load_failed`` for each event; log the failures.

    The lock of the versions must be free, because a receiver may predict.

    :param raised: an error that the developer sees, so it is not logged
    """
    for label, result in events:
        if isinstance(result, ModelVersion):
            artifact = result.artifact()
            notify(model_loaded, sender, model=model, version=label, artifact=artifact)
        else:
            if str(result) != str(raised):
                sender.logger.error("%s", result)
            notify(model_load_failed, sender, model=model, version=label, exception=result)
