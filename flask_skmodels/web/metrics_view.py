"""The URL of the metrics."""

from __future__ import annotations

from flask import Response
from werkzeug.exceptions import NotFound

from flask_skmodels.hints import extra
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.state import State
from flask_skmodels.telemetry.metrics import Metrics
from flask_skmodels.web.exchange import Exchange
from flask_skmodels.web.url_rules import add_url_rule
from flask_skmodels.web.views import BaseView


class MetricsView(BaseView):
    """``GET /-/metrics``: the metrics of the visible models, for Prometheus to scrape.

    :param state: the extension on this application
    :param metrics: its metrics
    """

    def __init__(self, state: State, metrics: Metrics) -> None:
        self._state = state
        self._metrics = metrics

    def respond(self, exchange: Exchange) -> Response:
        body, content_type = self._metrics.exposition(self._shown())
        return Response(body, content_type=content_type)

    def _shown(self) -> set[tuple[str, str]]:
        """Return the names of the visible models, each with the name of its extension.

        Other extensions on the application may have the same registry.
        """
        every = self._state.app.extensions.values()
        return {
            (state.name, each.name)
            for state in every
            if isinstance(state, State)
            for each in state.visible(is_guarded=state is self._state)
        }


class MissingMetricsView(BaseView):
    """``GET /-/metrics`` if prometheus-client is not installed."""

    def respond(self, exchange: Exchange) -> Response:
        raise NotFound(f"prometheus-client is not installed: install {extra('metrics')}")


def add_rules(state: State) -> None:
    """Add the URL of the metrics, unless they are turned off."""
    metrics = state.metrics
    if metrics is not None:
        view: BaseView = MetricsView(state, metrics)
    elif state.settings.metrics is None:
        view = MissingMetricsView()
    else:
        return
    add_url_rule(state, "-:metrics", "/-/metrics/", view, decorators=state.decorators)


def add_model_rules(state: State, deployment: Deployment) -> None:
    """Start the metrics of a model at zero; this adds no URL."""
    if state.metrics is not None:
        state.metrics.prepare(deployment)
