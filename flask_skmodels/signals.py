"""The signals of a prediction.

The sender of each is the application itself, so ``signal.connect(receiver, app)`` hears one
application alone. Receivers take the keyword arguments that they use and ``**extra``.
"""

from __future__ import annotations

import logging
from typing import Protocol

from blinker import NamedSignal, Namespace

_NOTE = "raised by a receiver of "
_signals = Namespace()

before_prediction = _signals.signal(
    "before-prediction",
    doc="""Sent when the input is valid and the estimator is about to be called.

    :param model: the :class:`~flask_skmodels.Model`
    :param prediction: the :class:`~flask_skmodels.Prediction`, not yet with outputs

    A receiver stops the prediction by raising, for example with ``flask.abort(403)``. For each
    prediction exactly one of ``after_prediction``, ``prediction_stopped``, ``prediction_failed``
    and ``input_rejected`` follows.
    """,
)

prediction_stopped = _signals.signal(
    "prediction-stopped",
    doc="""Sent when a receiver of ``before_prediction`` has stopped the prediction.

    :param model: the :class:`~flask_skmodels.Model`
    :param prediction: the :class:`~flask_skmodels.Prediction`, without outputs
    :param exception: what the receiver has raised
    """,
)

after_prediction = _signals.signal(
    "after-prediction",
    doc="""Sent when the estimator has answered.

    :param model: the :class:`~flask_skmodels.Model`
    :param prediction: the :class:`~flask_skmodels.Prediction`, complete
    """,
)

prediction_failed = _signals.signal(
    "prediction-failed",
    doc="""Sent when the estimator has raised.

    :param model: the :class:`~flask_skmodels.Model`
    :param prediction: the :class:`~flask_skmodels.Prediction`, without outputs
    :param exception: what was raised
    """,
)

input_rejected = _signals.signal(
    "input-rejected",
    doc="""Sent when the input was turned down.

    :param model: the :class:`~flask_skmodels.Model`
    :param version: label of the version that turned it down, None where the model has no versions
    :param method: name of the method that was asked for
    :param errors: the :class:`~flask_skmodels.InvalidInput`'s errors, a tuple of
        :class:`~flask_skmodels.InputError`, at most 100
    :param request_id: identifier of the request; None for a call in process without one
    :param prediction: the :class:`~flask_skmodels.Prediction` where it was the model or its
        estimator that turned valid rows down, else None
    """,
)

model_loaded = _signals.signal(
    "model-loaded",
    doc="""Sent when a version of a model was loaded and is ready to serve.

    :param model: the :class:`~flask_skmodels.Model`
    :param version: label of the version, None where the model has no versions
    :param artifact: a mapping of what the file is: ``sha256``, ``sklearn_version``, ``loaded_at``
    """,
)

model_load_failed = _signals.signal(
    "model-load-failed",
    doc="""Sent when a version of a model could not be loaded or failed its checks.

    :param model: the :class:`~flask_skmodels.Model`
    :param version: label of the version, None where the model has no versions or none is found
    :param exception: what was raised
    """,
)

shadow_prediction = _signals.signal(
    "shadow-prediction",
    doc="""Sent when a model's shadow has answered, from a thread of its own.

    :param model: the :class:`~flask_skmodels.Model`
    :param prediction: the :class:`~flask_skmodels.Prediction` that the client got
    :param shadow: the shadow's
    """,
)


SIGNALS = tuple(_signals.values())


class Sender(Protocol):
    """What a sender of signals has; a Flask application is one."""

    @property
    def logger(self) -> logging.Logger: ...

    @property
    def testing(self) -> bool: ...

    @property
    def debug(self) -> bool: ...


def send(signal: NamedSignal, sender: Sender, **arguments: object) -> None:
    """Call every receiver of a signal, then raise the first exception that one of them raised."""
    if not signal.receivers:
        return
    failures = _call_receivers(signal, sender, arguments)
    if failures:
        raise failures[0]


def notify(signal: NamedSignal, sender: Sender, **arguments: object) -> None:
    """Call every receiver of a signal; what they raise is logged, or raised in tests and debug."""
    if not signal.receivers:
        return
    failures = _call_receivers(signal, sender, arguments)
    if failures and (sender.testing or sender.debug):
        failures[0].add_note(f"{_NOTE}{signal.name}")
        raise failures[0]
    for failure in failures:
        sender.logger.error("a receiver of %s failed", signal.name, exc_info=failure)


def is_receiver_error(exception: Exception) -> bool:
    """Return whether :func:`notify` has raised an exception, of a receiver in tests or debug."""
    return any(note.startswith(_NOTE) for note in getattr(exception, "__notes__", ()))


def _call_receivers(
    signal: NamedSignal, sender: Sender, arguments: dict[str, object]
) -> list[Exception]:
    failures = []
    for receiver in signal.receivers_for(sender):
        try:
            receiver(sender, **arguments)
        except Exception as failure:
            failures.append(failure)
    return failures
