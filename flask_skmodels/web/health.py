"""Whether the application lives, and whether it is ready to predict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flask import Response

from flask_skmodels.inference.deployment import Service
from flask_skmodels.web.views import AnswerView, application, json_response


class HealthView(AnswerView):
    """``GET /-/health/live`` and ``/-/health/ready``.

    Ready says of each model which version serves and which could not be loaded; it is answered with
    503 while one of them has failed to load and nothing of it serves.

    :param state: ``"live"`` or ``"ready"``
    :param services: the models
    """

    def __init__(self, state: str, services: Mapping[str, Service]) -> None:
        self.state = state
        self.services = services

    def answer(self, request_id: str) -> Response:
        if self.state == "live":
            return json_response({"live": True})
        services = list(self.services.values())
        is_ready = are_ready(services)
        models = {service.name: service.status() for service in services}
        response = json_response({"ready": is_ready, "models": models})
        response.status_code = 200 if is_ready else 503
        return response


def are_ready(services: Sequence[Service]) -> bool:
    """Return whether of each model a version serves, or is to be loaded at its first use."""
    for service in services:
        if service.versions.is_down:  # no request may come to look while this is 503
            service.versions.look(application())
    return not any(service.versions.is_down for service in services)
