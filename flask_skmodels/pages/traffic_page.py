"""The page ``/{name}/traffic/``: the recent traffic of a model.

The template ``traffic.html`` has its sections, ``traffic_statistics`` computes their numbers, and
``charts`` draws them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.pages import charts, traffic_statistics
from flask_skmodels.pages.page import Page, recent_traffic_of
from flask_skmodels.pages.results import format_value
from flask_skmodels.schema.types import JSONObject
from flask_skmodels.state import State
from flask_skmodels.web.exchange import Exchange


class TrafficPage(Page):
    """``GET /{name}/traffic/``: the recent predictions of a model in this process.

    :param state: the extension on this application
    :param deployment: the model
    """

    template = "traffic.html"

    def __init__(self, state: State, deployment: Deployment) -> None:
        super().__init__(state)
        self._deployment = deployment

    def context(self, exchange: Exchange) -> JSONObject:
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
        details = traffic_statistics.details(recent_traffic_of(self.state), deployment.name)
        if deployment.versions.is_folder:
            details["shares"] = dict(deployment.model.traffic or {})
        if deployment.shadow is not None:
            details["shadow"] = deployment.shadow.summary()
        return details
