"""The pages of an application: the list of models, their traffic and their pipelines."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Request, Response, render_template
from sklearn.utils import estimator_html_repr

from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.models import description_of
from flask_skmodels.pages import charts, statistics
from flask_skmodels.pages.model_page import ModelPage
from flask_skmodels.pages.page import (
    SECURITY,
    Page,
    StaticView,
    base_of,
    estimator_of,
    traffic_of,
)
from flask_skmodels.pages.results import format_value
from flask_skmodels.state import State
from flask_skmodels.web.exchange import Exchange
from flask_skmodels.web.url_rules import add_url_rule
from flask_skmodels.web.views import BaseView, ModelView

MANY = 8  # models; with more, the index has a search field
MOST_MODELS = 100  # models that the index shows
_SCRIPT = re.compile(r"<script\b.*?</script>|\son\w+=\"[^\"]*\"", re.DOTALL)
_SANDBOX = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "
    "style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
)


def add_rules(state: State) -> None:
    """Add the index, and the files that the pages need."""
    if state.settings.pages:
        add_url_rule(state, "-:index", "/-/", IndexPage(state), decorators=state.decorators)
        add_url_rule(state, "-:static", "/-/static/<file>", StaticView())


def add_model_rules(state: State, deployment: Deployment) -> None:
    """Add the pages of a model; without pages, its description for a client."""
    name, decorators = deployment.name, state.decorators_of(deployment)
    if not state.settings.pages:
        add_url_rule(state, name, f"/{name}/", ModelView(deployment), decorators=decorators)
        return
    page = ModelPage(state, deployment)
    add_url_rule(state, name, f"/{name}/", page, decorators=decorators)
    pages = {"traffic": TrafficPage(state, deployment), "pipeline": PipelineView(deployment)}
    for suffix, view in pages.items():
        address = f"/{name}/{suffix}/"
        add_url_rule(state, f"{name}:{suffix}", address, view, decorators=decorators)


class IndexPage(Page):
    """``GET /-/``: the models that the visitor may see."""

    template = "index.html"

    def context(self, exchange: Exchange) -> dict[str, Any]:
        visible = self.state.visible()
        found = _matching(visible, exchange.request)
        return {
            "models": [self._entry(exchange, deployment) for deployment in found[:MOST_MODELS]],
            "count": len(found),
            "total": len(visible),
            "search": exchange.request.args.get("q", "") if len(visible) > MANY else None,
            "since": statistics.iso_time(traffic_of(self.state).started_at),
        }

    def document(self, exchange: Exchange) -> Mapping[str, Any]:
        found = _matching(self.state.visible(), exchange.request)
        return {
            "since": statistics.iso_time(traffic_of(self.state).started_at),
            "models": [self._entry(exchange, deployment) for deployment in found],
        }

    def _entry(self, exchange: Exchange, deployment: Deployment) -> dict[str, Any]:
        live, name = deployment.versions.live, deployment.name
        traffic = traffic_of(self.state)
        return {
            "name": name,
            "url": f"{base_of(self.state, exchange.request)}/{name}/",
            "description": description_of(deployment.model),
            "version": None if live is None else live.label,
            "estimator": None if live is None else estimator_of(live),
            "is_loaded": live is not None,
            "is_down": deployment.versions.is_down,
            "methods": list(deployment.versions.methods),
            "traffic": statistics.summary(traffic.of(name), traffic.window(name)),
        }


class TrafficPage(Page):
    """``GET /{name}/traffic/``: the recent predictions of a model in this process.

    :param state: the extension on this application
    :param deployment: the model
    """

    template = "traffic.html"

    def __init__(self, state: State, deployment: Deployment) -> None:
        super().__init__(state)
        self._deployment = deployment

    def context(self, exchange: Exchange) -> dict[str, Any]:
        return {
            "name": self._deployment.name,
            "traffic": self.document(exchange),
            "histogram": charts.histogram,
            "bar_width": charts.bar_width,
            "range_bar": charts.range_bar,
            "format_value": format_value,
        }

    def document(self, exchange: Exchange) -> Mapping[str, Any]:
        deployment = self._deployment
        details = statistics.details(traffic_of(self.state), deployment.name)
        if deployment.versions.is_folder:
            details["shares"] = dict(deployment.model.traffic or {})
        if deployment.shadow is not None:
            details["shadow"] = deployment.shadow.summary()
        return details


class PipelineView(BaseView):
    """``GET /{name}/pipeline/``: scikit-learn's diagram of a model, shown in a frame of its page.

    Its style is inline, so it is kept in a sandbox; its scripts are left out.

    :param deployment: the model
    """

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    def respond(self, exchange: Exchange) -> Response:
        version = self._deployment.current(exchange.app)
        drawn = _SCRIPT.sub("", estimator_html_repr(version.model.pipeline))
        html = render_template("skmodels/pipeline.html", name=self._deployment.name, drawn=drawn)
        response = Response(html, mimetype="text/html")
        response.headers.update({**SECURITY, "Content-Security-Policy": _SANDBOX})
        return response


def _matching(deployments: Sequence[Deployment], request: Request) -> list[Deployment]:
    """Return the models that have all words of a search in their name or description."""
    words = request.args.get("q", "").lower().split()
    return [deployment for deployment in deployments if _has_words(deployment, words)]


def _has_words(deployment: Deployment, words: Sequence[str]) -> bool:
    text = f"{deployment.name} {description_of(deployment.model)}".lower() if words else ""
    return all(word in text for word in words)
