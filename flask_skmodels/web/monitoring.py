"""What listens to the predictions of an application, and the address of its metrics."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any

from flask import Response
from flask.logging import has_level_handler, wsgi_errors_stream
from werkzeug.exceptions import NotFound

from flask_skmodels.errors import ConfigurationError
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.state import State
from flask_skmodels.telemetry.metrics import Metrics
from flask_skmodels.telemetry.prediction_log import LOGGER, PredictionLog
from flask_skmodels.telemetry.tracing import Tracing
from flask_skmodels.web.url_rules import add_url_rule
from flask_skmodels.web.views import AnswerView


class MetricsView(AnswerView):
    """``GET /-/metrics``: for Prometheus to scrape."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics

    def answer(self, request_id: str) -> Response:
        body, content_type = self.metrics.exposition()
        return Response(body, content_type=content_type)


class MissingMetricsView(AnswerView):
    """``GET /-/metrics`` without the library: what installs it."""

    def answer(self, request_id: str) -> Response:
        raise NotFound(f"prometheus-client is not installed: {_install('metrics')}")


def add_rules(state: State) -> None:
    """Have the application's predictions heard as its configuration says."""
    _add_metrics(state)
    _add_tracing(state)
    _add_log(state)


def add_model_rules(state: State, deployment: Deployment) -> None:
    """Have a model's metrics begin at zero."""
    for listener in state.listeners:
        if isinstance(listener, Metrics):
            listener.prepare(deployment)


def _add_metrics(state: State) -> None:
    asked = state.settings.metrics
    if _is_on(state, "METRICS", asked, "prometheus_client"):
        registry = None if isinstance(asked, bool) else asked
        metrics = Metrics(state.name, state.models.predict, state.deployments, registry)
        _listen(state, metrics)
        add_url_rule(
            state, "-:metrics", "/-/metrics/", MetricsView, metrics, decorators=state.decorators
        )
    elif asked is None:
        add_url_rule(
            state, "-:metrics", "/-/metrics/", MissingMetricsView, decorators=state.decorators
        )


def _add_tracing(state: State) -> None:
    asked = state.settings.tracing
    if _is_on(state, "TRACING", asked, "opentelemetry.trace"):
        _listen(state, Tracing(state.models.predict, None if isinstance(asked, bool) else asked))


def _add_log(state: State) -> None:
    settings = state.settings
    if settings.log_predictions:
        _have_shown(logging.getLogger(LOGGER))
        hidden = settings.log_hidden_fields
        _listen(state, PredictionLog(state.models.predict, state.deployments, hidden))


def _have_shown(logger: logging.Logger) -> None:
    """Have what is logged shown, unless the application has said how, as Flask does for its own."""
    if not logger.level:
        logger.setLevel(logging.INFO)
    if not has_level_handler(logger):
        stream: Any = wsgi_errors_stream
        handler = logging.StreamHandler(stream)
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)


def _listen(state: State, listener: Metrics | Tracing | PredictionLog) -> None:
    listener.connect(state.app)
    state.listeners.append(listener)


def _is_on(state: State, key: str, asked: object, library: str) -> bool:
    """Return whether something is on: by default where its library is installed.

    :raises ConfigurationError: it was asked for, and its library is not installed
    """
    if asked is False:
        return False
    try:
        import_module(library)
    except ImportError as error:
        if asked is None:
            return False
        needed = _install(key.lower())
        raise ConfigurationError(f"{state.name.upper()}_{key} needs {needed}") from error
    return True


def _install(extra: str) -> str:
    return f"pip install 'Flask-SKModels[{extra}]'"
