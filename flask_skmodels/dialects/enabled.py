"""The URL rules of the dialects that are enabled in an application.

Their names are in ``config.DIALECTS``; the first segments of their URLs, which no model may have as
its name, are in ``models.RESERVED_NAMES``.
"""

from __future__ import annotations

from flask_skmodels.config import DIALECTS
from flask_skmodels.dialects import kserve, mlflow, open_inference
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.state import State

_MODULES = dict(zip(DIALECTS, (open_inference, kserve, mlflow), strict=True))


def add_rules(state: State) -> None:
    """Add those URLs of the enabled protocols that exist once in an application."""
    for name in dict.fromkeys(state.settings.dialects):
        _MODULES[name].add_rules(state)


def add_model_rules(state: State, deployment: Deployment) -> None:
    """Add the URLs of a model in the enabled protocols."""
    for name in dict.fromkeys(state.settings.dialects):
        _MODULES[name].add_model_rules(state, deployment)
