"""The addresses that predict, the list of the models and their health."""

from __future__ import annotations

from flask_skmodels.health import HealthView
from flask_skmodels.state import State
from flask_skmodels.traffic import Service
from flask_skmodels.views import ModelsView, PredictionView


def add_rules(state: State) -> None:
    """Add what an application has once."""
    state.add("-:models", "/-/models/", ModelsView, state, decorators=state.decorators)
    for health in ("live", "ready"):
        state.add(f"-:{health}", f"/-/health/{health}/", HealthView, health, state.services)


def add_model_rules(state: State, service: Service) -> None:
    """Add what an application has for each model."""
    name, decorators = service.name, state.decorators_of(service)
    for method in service.served.methods:
        addresses = {f"{name}:{method}": f"/{name}/{method}/"}
        if service.served.is_folder:
            addresses[f"{name}:{method}:version"] = f"/{name}/versions/<version>/{method}/"
        for endpoint, address in addresses.items():
            arguments = (service, method, state.settings)
            state.add(endpoint, address, PredictionView, *arguments, decorators=decorators)
