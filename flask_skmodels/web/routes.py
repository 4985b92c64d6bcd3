"""The addresses that predict, the list of the models and their health."""

from __future__ import annotations

from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.state import State
from flask_skmodels.web.health import HealthView
from flask_skmodels.web.url_rules import add_url_rule
from flask_skmodels.web.views import ModelsView, PredictionView


def add_rules(state: State) -> None:
    """Add what an application has once."""
    add_url_rule(state, "-:models", "/-/models/", ModelsView, state, decorators=state.decorators)
    for health in ("live", "ready"):
        add_url_rule(
            state, f"-:{health}", f"/-/health/{health}/", HealthView, health, state.deployments
        )


def add_model_rules(state: State, deployment: Deployment) -> None:
    """Add what an application has for each model."""
    name, decorators = deployment.name, state.decorators_of(deployment)
    for method in deployment.versions.methods:
        addresses = {f"{name}:{method}": f"/{name}/{method}/"}
        if deployment.versions.is_folder:
            addresses[f"{name}:{method}:version"] = f"/{name}/versions/<version>/{method}/"
        for endpoint, address in addresses.items():
            arguments = (deployment, method, state.settings)
            add_url_rule(
                state, endpoint, address, PredictionView, *arguments, decorators=decorators
            )
