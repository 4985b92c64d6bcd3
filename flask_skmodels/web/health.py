"""Whether the application lives, and whether it is ready to predict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flask import Response

from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.web.views import AnswerView, application, json_response


class HealthView(AnswerView):
    """``GET /-/health/live`` and ``/-/health/ready``.

    Ready says of each model which version serves and which could not be loaded; it is answered with
    503 while one of them has failed to load and nothing of it serves.

    :param state: ``"live"`` or ``"ready"``
    :param deployments: the models
    """

    def __init__(self, state: str, deployments: Mapping[str, Deployment]) -> None:
        self.state = state
        self.deployments = deployments

    def answer(self, request_id: str) -> Response:
        if self.state == "live":
            return json_response({"live": True})
        deployments = list(self.deployments.values())
        is_ready = are_ready(deployments)
        models = {deployment.name: deployment.status() for deployment in deployments}
        response = json_response({"ready": is_ready, "models": models})
        response.status_code = 200 if is_ready else 503
        return response


def are_ready(deployments: Sequence[Deployment]) -> bool:
    """Return whether of each model a version serves, or is to be loaded at its first use."""
    for deployment in deployments:
        if deployment.versions.is_down:  # no request may come to look while this is 503
            deployment.versions.poll(application())
    return not any(deployment.versions.is_down for deployment in deployments)
