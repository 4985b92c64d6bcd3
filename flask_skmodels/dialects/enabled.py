"""The URL rules of the dialects that are enabled in an application."""

from __future__ import annotations

from flask_skmodels.dialects import kserve, mlflow, open_inference
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.state import State

_DIALECTS = {"open-inference": open_inference, "kserve-v1": kserve, "mlflow": mlflow}


def add_rules(state: State) -> None:
    """Add the URLs of the enabled protocols that exist once in an application."""
    for name in dict.fromkeys(state.settings.dialects):
        _DIALECTS[name].add_rules(state)


def add_model_rules(state: State, deployment: Deployment) -> None:
    """Add the URLs of a model in the enabled protocols."""
    for name in dict.fromkeys(state.settings.dialects):
        _DIALECTS[name].add_model_rules(state, deployment)
