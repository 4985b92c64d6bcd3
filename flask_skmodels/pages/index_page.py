"""The page ``/-/``: the list of models."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Request

from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.models import description_of
from flask_skmodels.pages import traffic_statistics
from flask_skmodels.pages.page import Page, base_of, estimator_of, recent_traffic_of
from flask_skmodels.schema.times import iso_time
from flask_skmodels.schema.types import JSONMapping, JSONObject
from flask_skmodels.web.exchange import Exchange

MANY = 8  # with more models, the index has a search field
MAX_MODELS = 100  # models that the index shows


class IndexPage(Page):
    """``GET /-/``: the models that the visitor may see."""

    template = "index.html"

    def context(self, exchange: Exchange) -> JSONObject:
        visible = self.state.visible()
        matching = _matching(visible, exchange.request)
        return {
            "models": [self._entry(exchange, deployment) for deployment in matching[:MAX_MODELS]],
            "count": len(matching),
            "total": len(visible),
            "search": exchange.request.args.get("q", "") if len(visible) > MANY else None,
            "since": iso_time(recent_traffic_of(self.state).started_at),
        }

    def document(self, exchange: Exchange) -> JSONMapping:
        matching = _matching(self.state.visible(), exchange.request)
        return {
            "since": iso_time(recent_traffic_of(self.state).started_at),
            "models": [self._entry(exchange, deployment) for deployment in matching],
        }

    def _entry(self, exchange: Exchange, deployment: Deployment) -> JSONObject:
        live, name = deployment.versions.live, deployment.name
        recent_traffic = recent_traffic_of(self.state)
        failed = len(deployment.versions.failures)
        return ({"failed_versions": failed} if failed else {}) | {
            "name": name,
            "url": f"{base_of(self.state, exchange.request)}/{name}/",
            "description": description_of(deployment.model),
            "version": None if live is None else live.label,
            "estimator": None if live is None else estimator_of(live),
            "is_loaded": live is not None,
            "is_down": deployment.versions.is_down,
            "methods": list(deployment.versions.methods),
            "traffic": traffic_statistics.summary(
                recent_traffic.of(name), recent_traffic.window(name)
            ),
        }


def _matching(deployments: Sequence[Deployment], request: Request) -> list[Deployment]:
    """Return the models that have all words of a search in their name or description."""
    words = request.args.get("q", "").lower().split()
    return [deployment for deployment in deployments if _has_words(deployment, words)]


def _has_words(deployment: Deployment, words: Sequence[str]) -> bool:
    text = f"{deployment.name} {description_of(deployment.model)}".lower() if words else ""
    return all(word in text for word in words)
