"""The URLs of the predictions, the list of models and the health checks."""

from __future__ import annotations

from itertools import chain

from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.state import State
from flask_skmodels.web.health import LiveView, ReadyView
from flask_skmodels.web.predict import Predictor
from flask_skmodels.web.url_rules import add_url_rule, endpoint_of
from flask_skmodels.web.views import ModelsView, PredictionView


def add_rules(state: State) -> None:
    """Add the URLs that exist once in an application."""
    add_url_rule(state, "-:models", "/-/models/", ModelsView(state), decorators=state.decorators)
    add_url_rule(state, "-:live", "/-/health/live/", LiveView())
    add_url_rule(state, "-:ready", "/-/health/ready/", ReadyView(state))


def add_model_rules(state: State, deployment: Deployment) -> None:
    """Add the prediction URLs of a model, one for each method."""
    name, decorators = deployment.name, state.decorators_of(deployment)
    predictor = Predictor(deployment, state.settings)
    for method in deployment.versions.methods:
        addresses = {f"{name}:{method}": f"/{name}/{method}/"}
        if deployment.versions.is_folder:
            addresses[f"{name}:{method}:version"] = f"/{name}/versions/<version>/{method}/"
        for endpoint, address in addresses.items():
            view = PredictionView(predictor, method)
            add_url_rule(state, endpoint, address, view, decorators=decorators)


def lane_reasons(state: State, deployment: Deployment) -> list[str]:
    """Return what keeps the predictions of a model out of the fast lane; empty if nothing does."""
    endpoints = [f"{deployment.name}:{method}" for method in deployment.versions.methods]
    reasons = [state.lane.reasons(endpoint_of(state, endpoint)) for endpoint in endpoints]
    return list(dict.fromkeys(chain.from_iterable(reasons)))
