"""OpenTelemetry spans: one for each prediction, created from the signals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from blinker import NamedSignal

from flask_skmodels.exceptions import InputError
from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.models import Model
from flask_skmodels.signals import (
    Sender,
    after_prediction,
    before_prediction,
    input_rejected,
    prediction_failed,
    prediction_stopped,
)
from flask_skmodels.telemetry.listener import Listener, Receiver

_REJECTED = "InvalidInput"


class Tracing(Listener):
    """Creates a span for each prediction of one extension on one application.

    The span belongs to the current trace; if the application is traced, its parent is the span of
    the request. It has the names of the model, the version and the method, and the number of rows,
    but no values. Of an exception, it has only the name of the class.

    :param provider: an ``opentelemetry.trace.TracerProvider``, by default the global one
    :raises ImportError: opentelemetry-api is not installed
    """

    def __init__(self, provider: Any = None) -> None:
        from opentelemetry import context, trace

        self._context = context
        self._trace = trace
        self._tracer = trace.get_tracer("flask_skmodels", tracer_provider=provider)
        self._is_global = isinstance(self._tracer, trace.ProxyTracer)
        self._open: dict[int, tuple[Any, Any]] = {}

    def receivers(self) -> Mapping[NamedSignal, Receiver]:
        return {
            before_prediction: self._begin,
            after_prediction: self._end,
            prediction_failed: self._end,
            prediction_stopped: self._end,
            input_rejected: self._reject,
        }

    def _begin(self, sender: Sender, model: Model, prediction: Prediction, **extra: object) -> None:
        # A span that records nothing takes 1 µs to make.
        if self._is_global and getattr(self._trace, "_TRACER_PROVIDER", self) is None:
            return
        span = self._start(prediction.model, prediction.version, prediction.method)
        if span is not None:
            span.set_attribute("skmodels.rows", prediction.rows)
            token = self._context.attach(self._trace.set_span_in_context(span))
            self._open[id(prediction)] = span, token

    def _end(
        self,
        sender: Sender,
        prediction: Prediction,
        exception: Exception | None = None,
        **extra: object,
    ) -> None:
        if id(prediction) in self._open:
            self._close(prediction, None if exception is None else type(exception).__qualname__)

    def _reject(
        self,
        sender: Sender,
        *,
        model: Model,
        version: str | None,
        method: str,
        errors: Iterable[InputError],
        prediction: Prediction | None,
        **extra: object,
    ) -> None:
        if prediction is not None:
            self._close(prediction, _REJECTED, errors)
            return
        span = self._start(model.name, version, method)
        if span is not None:
            self._fail(span, _REJECTED, errors)
            span.end()

    def _start(self, model: str, version: str | None, method: str) -> Any:
        """Return a new span, None if tracing is not set up in this process."""
        span = self._tracer.start_span(f"{method} {model}")
        if not span.get_span_context().is_valid:
            return None
        span.set_attributes({"skmodels.model": model, "skmodels.method": method})
        if version is not None:
            span.set_attribute("skmodels.version", version)
        return span

    def _close(
        self, prediction: Prediction, error: str | None, errors: Iterable[InputError] = ()
    ) -> None:
        span, token = self._open.pop(id(prediction), (None, None))
        if span is None:
            return
        self._context.detach(token)
        if error is not None:
            self._fail(span, error, errors)
        span.end()

    def _fail(self, span: Any, error: str, errors: Iterable[InputError]) -> None:
        rules = sorted({each.rule for each in errors})
        if rules:
            span.set_attribute("skmodels.rules", rules)
        span.set_attribute("error.type", error)
        span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, error))
