"""What a person looks at: the models of an application, their traffic and their pipelines."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response, render_template, request
from sklearn.utils import estimator_html_repr

from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.models import description_of
from flask_skmodels.pages import charts, statistics
from flask_skmodels.pages.model_page import ModelPage
from flask_skmodels.pages.page import SECURITY, Page, StaticView, base_of, estimator_of
from flask_skmodels.pages.results import format_value
from flask_skmodels.state import State
from flask_skmodels.web.url_rules import add_url_rule
from flask_skmodels.web.views import AnswerView, ModelView, application

MANY = 8  # models, beyond which they can be searched
MOST_MODELS = 100  # of one page of the index
_SCRIPT = re.compile(r"<script\b.*?</script>|\son\w+=\"[^\"]*\"", re.DOTALL)
_SANDBOX = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "
    "style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
)


def add_rules(state: State) -> None:
    """Add the index, and what the pages are drawn with."""
    if state.settings.pages:
        add_url_rule(state, "-:index", "/-/", IndexPage, state, decorators=state.decorators)
        add_url_rule(state, "-:static", "/-/static/<file>", StaticView)


def add_model_rules(state: State, deployment: Deployment) -> None:
    """Add the pages of a model; without pages what it is, for a client."""
    name, decorators = deployment.name, state.decorators_of(deployment)
    if not state.settings.pages:
        add_url_rule(state, name, f"/{name}/", ModelView, deployment, decorators=decorators)
        return
    views = {"": ModelPage, ":traffic": TrafficPage, ":pipeline": PipelineView}
    for suffix, view in views.items():
        address = f"/{name}/{suffix[1:]}/".replace("//", "/")
        add_url_rule(
            state, f"{name}{suffix}", address, view, state, deployment, decorators=decorators
        )


class IndexPage(Page):
    """``GET /-/``: the models that the visitor may see."""

    template = "index.html"

    def context(self) -> dict[str, Any]:
        visible = self.state.visible()
        found = self._found(visible)
        return {
            "models": [self._entry(deployment) for deployment in found[:MOST_MODELS]],
            "count": len(found),
            "total": len(visible),
            "search": request.args.get("q", "") if len(visible) > MANY else None,
            "since": statistics.iso_time(self.recent_traffic.started_at),
        }

    def document(self) -> Mapping[str, Any]:
        models = [self._entry(deployment) for deployment in self._found(self.state.visible())]
        return {"since": statistics.iso_time(self.recent_traffic.started_at), "models": models}

    def _found(self, deployments: Sequence[Deployment]) -> list[Deployment]:
        words = request.args.get("q", "").lower().split()
        return [deployment for deployment in deployments if _has_words(deployment, words)]

    def _entry(self, deployment: Deployment) -> dict[str, Any]:
        live = deployment.versions.live
        name = deployment.name
        return {
            "name": name,
            "url": f"{base_of(self.state)}/{name}/",
            "description": description_of(deployment.model),
            "version": None if live is None else live.label,
            "estimator": None if live is None else estimator_of(live),
            "is_loaded": live is not None,
            "is_down": deployment.versions.is_down,
            "methods": list(deployment.versions.methods),
            "traffic": statistics.summary(
                self.recent_traffic.of(name), self.recent_traffic.window(name)
            ),
        }


class TrafficPage(Page):
    """``GET /{name}/traffic/``: what has lately gone through a model in this process."""

    template = "traffic.html"

    def __init__(self, state: State, deployment: Deployment) -> None:
        super().__init__(state)
        self.deployment = deployment

    def context(self) -> dict[str, Any]:
        return {
            "name": self.deployment.name,
            "traffic": self.document(),
            "histogram": charts.histogram,
            "bar_width": charts.bar_width,
            "range_bar": charts.range_bar,
            "format_value": format_value,
        }

    def document(self) -> Mapping[str, Any]:
        deployment = self.deployment
        found = statistics.details(self.recent_traffic, deployment.name)
        if deployment.versions.is_folder:
            found["shares"] = dict(deployment.model.traffic or {})
        if deployment.shadow is not None:
            found["shadow"] = deployment.shadow.summary()
        return found


class PipelineView(AnswerView):
    """``GET /{name}/pipeline/``: scikit-learn's own drawing of a model, which a page frames.

    Its style is inline, so it is kept in a sandbox; its scripts are left out.
    """

    def __init__(self, state: State, deployment: Deployment) -> None:
        self.deployment = deployment

    def answer(self, request_id: str) -> Response:
        version = self.deployment.current(application())
        drawn = _SCRIPT.sub("", estimator_html_repr(version.model.pipeline))
        html = render_template("skmodels/pipeline.html", name=self.deployment.name, drawn=drawn)
        response = Response(html, mimetype="text/html")
        response.headers.update({**SECURITY, "Content-Security-Policy": _SANDBOX})
        return response


def _has_words(deployment: Deployment, words: Sequence[str]) -> bool:
    text = f"{deployment.name} {description_of(deployment.model)}".lower() if words else ""
    return all(word in text for word in words)
