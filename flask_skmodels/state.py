"""The state of an extension on one application."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flask import Flask

from flask_skmodels.config import Settings
from flask_skmodels.inference.deployment import Deployment, LoadedModels
from flask_skmodels.telemetry.recent import RecentTraffic

Decorator = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class State:
    """What an application keeps of an extension, in ``app.extensions``.

    :param models: the extension
    :param app: the application
    :param settings: the extension's configuration on this application
    :param loaded_models: what keeps the number of loaded models down, None where it need not be
    :param recent_traffic: what counts the traffic for the pages, None where there are none
    :param deployments: the models as this application serves them, by name
    :param listeners: what is connected to signals, which do not keep it alive
    """

    models: Any
    app: Flask
    settings: Settings
    loaded_models: LoadedModels | None
    recent_traffic: RecentTraffic | None = None
    deployments: dict[str, Deployment] = field(default_factory=dict)
    listeners: list[object] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The extension's name, which its endpoints begin with."""
        return str(self.models.name)

    @property
    def decorators(self) -> tuple[Decorator, ...]:
        """The view decorators around every address but health."""
        return tuple(self.models.decorators)

    def visible(self) -> list[Deployment]:
        """Return the models that the visitor of the request at hand may see, in their order."""
        may_see = self.settings.visible
        deployments = list(self.deployments.values())
        return deployments if may_see is None else [s for s in deployments if may_see(s.model)]

    def decorators_of(self, deployment: Deployment) -> tuple[Decorator, ...]:
        """Return the view decorators around every address that reaches a model."""
        return (*deployment.model.decorators, *self.decorators)
