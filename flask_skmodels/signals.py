"""The signals of a prediction, and the functions that send them.

The sender is always the application itself, so ``signal.connect(receiver, app)`` receives the
signals of one application only. A receiver takes the keyword arguments that it uses, and
``**extra``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol
from weakref import ref

from blinker import NamedSignal, Namespace, base

_NOTE = "raised by a receiver of "
_ANY = getattr(base, "ANY_ID", None)  # blinker's key of the receivers for any sender
_signals = Namespace()

before_prediction = _signals.signal(
    "before-prediction",
    doc="""Sent when the input is valid and the estimator is about to be called.

    :param model: the :class:`~flask_skmodels.Model`
    :param prediction: the :class:`~flask_skmodels.Prediction`, still without outputs

    A receiver stops the prediction by raising, for example with ``flask.abort(403)``. For each
    prediction, exactly one of ``after_prediction``, ``prediction_stopped``, ``prediction_failed``
    and ``input_rejected`` follows.
    """,
)

prediction_stopped = _signals.signal(
    "prediction-stopped",
    doc="""Sent when a receiver of ``before_prediction`` has stopped the prediction.

    :param model: the :class:`~flask_skmodels.Model`
    :param prediction: the :class:`~flask_skmodels.Prediction`, without outputs
    :param exception: the exception that the receiver raised
    """,
)

after_prediction = _signals.signal(
    "after-prediction",
    doc="""Sent when the estimator has returned.

    :param model: the :class:`~flask_skmodels.Model`
    :param prediction: the :class:`~flask_skmodels.Prediction`, complete
    """,
)

prediction_failed = _signals.signal(
    "prediction-failed",
    doc="""Sent when the estimator has raised, but not because of the rows. Also sent when there is
    no result in time, with a :class:`~flask_skmodels.TimedOut`, or when the estimator was not
    called because other calls do not return, with an :class:`~flask_skmodels.Overloaded`.

    :param model: the :class:`~flask_skmodels.Model`
    :param prediction: the :class:`~flask_skmodels.Prediction`, without outputs
    :param exception: the exception that was raised
    """,
)

input_rejected = _signals.signal(
    "input-rejected",
    doc="""Sent when the input was rejected, by the schema, the model or its estimator.

    :param model: the :class:`~flask_skmodels.Model`
    :param version: label of the version that rejected it, None if the model has no versions
    :param method: name of the method that was called
    :param errors: the :class:`~flask_skmodels.InvalidInput`'s errors, a tuple of
        :class:`~flask_skmodels.InputError`, at most 100
    :param request_id: identifier of the request; None for a call in process without one
    :param prediction: the :class:`~flask_skmodels.Prediction` if the rows were valid and the model
        or its estimator rejected them, else None
    """,
)

prediction_refused = _signals.signal(
    "prediction-refused",
    doc="""Sent when a prediction was refused before its rows were read, because too many others
    were in progress, or because it has waited too long for them.

    :param model: the :class:`~flask_skmodels.Model`
    :param version: label of the version that should have predicted, None if the model has no
        versions
    :param method: name of the method that was called
    :param exception: an :class:`~flask_skmodels.Overloaded` or a :class:`~flask_skmodels.TimedOut`
    :param request_id: identifier of the request; None for a call in process without one
    """,
)

model_loaded = _signals.signal(
    "model-loaded",
    doc="""Sent when a version of a model has been loaded and is ready to serve.

    :param model: the :class:`~flask_skmodels.Model`
    :param version: label of the version, None if the model has no versions
    :param artifact: a mapping that describes the file: ``sha256``, ``sklearn_version`` and
        ``loaded_at``
    """,
)

model_load_failed = _signals.signal(
    "model-load-failed",
    doc="""Sent when a version of a model could not be loaded or failed its checks.

    :param model: the :class:`~flask_skmodels.Model`
    :param version: label of the version, None if the model has no versions or none was found
    :param exception: the reason
    """,
)

shadow_prediction = _signals.signal(
    "shadow-prediction",
    doc="""Sent from a separate thread when the shadow of a model has made a prediction.

    :param model: the :class:`~flask_skmodels.Model`
    :param prediction: the :class:`~flask_skmodels.Prediction` that the client got
    :param shadow: the :class:`~flask_skmodels.Prediction` of the shadow
    """,
)

drift_detected = _signals.signal(
    "drift-detected",
    doc="""Sent when the rows of a model have drifted from its training data, and again only after
    they have recovered.

    :param model: the :class:`~flask_skmodels.Model`
    :param field: name of the field; for predictions, the name of the method
    :param statistic: ``"psi"``, the population stability index
    :param value: the value of the statistic for the last rows
    :param threshold: the model's ``drift_threshold``, which is exceeded
    :param version: label of the version whose training data the rows are compared with
    """,
)


SIGNALS = tuple(_signals.values())


class Sender(Protocol):
    """A sender of signals; a Flask application is one."""

    @property
    def logger(self) -> logging.Logger: ...

    @property
    def testing(self) -> bool: ...

    @property
    def debug(self) -> bool: ...


def send(signal: NamedSignal, sender: Sender, **arguments: object) -> None:
    """Send a signal whose receivers may stop the sender by raising.

    :param signal: the signal
    :param sender: the application
    :param arguments: keyword arguments of the receivers
    :raises Exception: the first exception that a receiver raised, after all of them have run
    """
    if not signal.receivers or signal.is_muted:
        return
    first: Exception | None = None
    for receiver in _receivers_of(signal, sender):
        try:
            receiver(sender, **arguments)
        except Exception as error:
            first = first or error
    if first is not None:
        raise first


def notify(signal: NamedSignal, sender: Sender, **arguments: object) -> None:
    """Send a signal whose receivers cannot stop the sender: their exceptions are logged.

    :param signal: the signal
    :param sender: the application
    :param arguments: keyword arguments of the receivers
    :raises Exception: in tests and debug mode, the first exception that a receiver raised
    """
    if not signal.receivers or signal.is_muted:
        return
    failures: list[Exception] = []
    for receiver in _receivers_of(signal, sender):
        try:
            receiver(sender, **arguments)
        except Exception as failure:
            failures.append(failure)
    if failures:
        _report(failures, signal, sender)


def _receivers_of(signal: NamedSignal, sender: Sender) -> Iterable[Callable[..., Any]]:
    """Return the receivers of a signal, as blinker's ``receivers_for`` does.

    If an application has a single receiver, as with the listeners alone, this takes 0.3 µs, and
    blinker's function 1.6 µs: blinker copies sets, and inspects the sender for its identifier.
    """
    by_sender: Any = getattr(signal, "_by_sender", None)
    if by_sender and _ANY is not None and not by_sender.get(_ANY):
        keys = tuple(by_sender.get(id(sender), ()))  # another thread may connect a receiver
        if len(keys) == 1:
            reference: Any = signal.receivers.get(keys[0])
            if isinstance(reference, ref) and (receiver := reference()) is not None:
                return (receiver,)
    return signal.receivers_for(sender)


@contextmanager
def muted() -> Iterator[None]:
    """Send no signal of the library in a ``with`` block, in any thread. Blocks may be nested."""
    with ExitStack() as stack:
        for signal in SIGNALS:
            if not signal.is_muted:
                stack.enter_context(signal.muted())
        yield


def is_receiver_error(exception: Exception) -> bool:
    """Return whether :func:`notify` raised an exception of a receiver, in tests or debug mode."""
    return any(note.startswith(_NOTE) for note in getattr(exception, "__notes__", ()))


def _report(failures: Sequence[Exception], signal: NamedSignal, sender: Sender) -> None:
    """Log the exceptions of receivers, or raise the first in tests and debug mode."""
    if sender.testing or sender.debug:
        failures[0].add_note(f"{_NOTE}{signal.name}")
        raise failures[0]
    for failure in failures:
        sender.logger.error("a receiver of %s failed", signal.name, exc_info=failure)
