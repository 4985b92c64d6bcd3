"""The protocols of other servers: each is a translation, to rows and from predictions."""

from __future__ import annotations

from flask_skmodels.dialects import kserve, mlflow, open_inference
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.state import State

_DIALECTS = {"open-inference": open_inference, "kserve-v1": kserve, "mlflow": mlflow}


def add_rules(state: State) -> None:
    """Add what an application has once, of each protocol that it speaks."""
    for name in dict.fromkeys(state.settings.dialects):
        _DIALECTS[name].add_rules(state)


def add_model_rules(state: State, deployment: Deployment) -> None:
    """Add what an application has for each model, of each protocol that it speaks."""
    for name in dict.fromkeys(state.settings.dialects):
        _DIALECTS[name].add_model_rules(state, deployment)
