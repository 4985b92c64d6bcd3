"""The health of an application: whether it runs, and whether it is ready to predict."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Flask, Response

from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.web.exchange import Exchange
from flask_skmodels.web.responses import json_response
from flask_skmodels.web.views import BaseView


class LiveView(BaseView):
    """``GET /-/health/live``: the application runs."""

    def respond(self, exchange: Exchange) -> Response:
        return json_response({"live": True})


class ReadyView(BaseView):
    """``GET /-/health/ready``: the live version of each model, and the versions that failed.

    The status is 503 while a model has failed to load and no version of it serves.

    :param deployments: the models, by name
    """

    def __init__(self, deployments: Mapping[str, Deployment]) -> None:
        self._deployments = deployments

    def respond(self, exchange: Exchange) -> Response:
        is_ready = are_ready(self._deployments, exchange.app)
        models = {name: each.status() for name, each in self._deployments.items()}
        return json_response({"ready": is_ready, "models": models}, 200 if is_ready else 503)


def are_ready(deployments: Mapping[str, Deployment], app: Flask) -> bool:
    """Return whether each model has a live version, or will be loaded when it is first used.

    :param deployments: the models, by name
    :param app: the application
    """
    every = [deployment.versions for deployment in list(deployments.values())]
    for versions in every:
        if versions.is_down:  # while this returns 503, no other request may come to poll
            versions.poll(app)
    return not any(versions.is_down for versions in every)
