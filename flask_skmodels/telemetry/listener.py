"""The base class of the listeners, and their connection to the signals of an extension.

Several extensions can share an application, which is the sender of all their signals. Each signal
therefore has one receiver for each extension, a :class:`Relay`. The relay checks once whether the
model belongs to its extension, and whether a client, not a health check, caused the prediction.
Then it calls all listeners.

``telemetry.setup`` turns the listeners of an application on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias, TypeVar

from blinker import NamedSignal

from flask_skmodels.models import Extension, Model
from flask_skmodels.signals import Sender, after_prediction

Receiver: TypeAlias = Callable[..., None]
_L = TypeVar("_L", bound="Listener")


class Listener:
    """Base class of the listeners to the models of one extension on one application."""

    def receivers(self) -> Mapping[NamedSignal, Receiver]:
        """Return the receiver for each signal that the listener handles."""
        raise NotImplementedError


class Listeners:
    """The listeners of one extension on one application.

    Signals keep weak references to receivers, so the listeners work as long as this object exists.

    :param sender: the application
    :param extension: the extension
    """

    def __init__(self, sender: Sender, extension: Extension) -> None:
        self._sender = sender
        self._extension = extension
        self._listeners: list[Listener] = []
        self._relays: dict[NamedSignal, Relay] = {}

    def add(self, listener: _L) -> _L:
        """Connect a listener to the signals of the application, and return it."""
        self._listeners.append(listener)
        self.connect(listener.receivers())
        return listener

    def connect(self, receivers: Mapping[NamedSignal, Receiver]) -> None:
        """Connect receivers to the signals of the application."""
        for signal, receiver in receivers.items():
            if signal not in self._relays:
                kind = PredictionRelay if signal is after_prediction else Relay
                self._relays[signal] = kind(self._extension)
                signal.connect(self._relays[signal], self._sender)
            self._relays[signal].receivers.append(receiver)

    def __iter__(self) -> Iterator[Listener]:
        return iter(self._listeners)


class Relay:
    """The receiver of a signal, which forwards it for the models of one extension.

    :param extension: the extension
    :ivar receivers: the receivers of the extension's listeners
    """

    def __init__(self, extension: Extension) -> None:
        self.receivers: list[Receiver] = []
        self._extension = extension

    def __call__(
        self, sender: Sender, model: Model, prediction: Any = None, **arguments: object
    ) -> None:
        is_probe = prediction is not None and prediction.is_probe
        if is_probe or model.registered_with is not self._extension:
            return
        first: Exception | None = None
        for receiver in self.receivers:
            try:
                if arguments:
                    receiver(sender, model=model, prediction=prediction, **arguments)
                else:  # an else clause takes a fifth less time
                    receiver(sender, model=model, prediction=prediction)
            except Exception as error:
                first = first or error
        if first is not None:
            raise first


class PredictionRelay(Relay):
    """The receiver of ``after_prediction``, the most frequent signal.

    Python passes named arguments to a receiver several times faster than arguments in a mapping.
    """

    def __call__(
        self, sender: Sender, model: Model, prediction: Any = None, **arguments: object
    ) -> None:
        if model.registered_with is not self._extension or prediction.is_probe:
            return
        first: Exception | None = None
        for receiver in self.receivers:
            try:
                receiver(sender, model=model, prediction=prediction)
            except Exception as error:
                first = first or error
        if first is not None:
            raise first
