"""The state of an extension on one application."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flask import Flask

from flask_skmodels.config import Settings
from flask_skmodels.inference.deployment import Deployment, LoadedModels
from flask_skmodels.telemetry.listener import Listener, Listeners
from flask_skmodels.telemetry.metrics import Metrics
from flask_skmodels.telemetry.recent_traffic import RecentTraffic
from flask_skmodels.versions.load_limit import LoadLimit
from flask_skmodels.versions.trials import Trials

Decorator = Callable[..., Any]
_L = TypeVar("_L", bound=Listener)


@dataclass(frozen=True, slots=True)
class State:
    """The state of an extension on one application, kept in ``app.extensions``.

    :param models: the extension
    :param app: the application
    :param settings: the extension's configuration on this application
    :param loaded_models: limits the number of loaded models, None for no limit
    :param listeners: the listeners that follow the predictions; signals do not keep them alive
    :param deployments: the models as this application serves them, by name
    :param trials: tries the files of models before they are loaded, None to load them untried
    :param load_limit: the limit on loads that clients cause by naming versions, None for no limit
    """

    models: Any
    app: Flask
    settings: Settings
    loaded_models: LoadedModels | None
    listeners: Listeners
    deployments: dict[str, Deployment] = field(default_factory=dict)
    trials: Trials | None = None
    load_limit: LoadLimit | None = None

    @property
    def name(self) -> str:
        """The extension's name, which its endpoints begin with."""
        return str(self.models.name)

    @property
    def decorators(self) -> tuple[Decorator, ...]:
        """The view decorators around every URL except the health checks."""
        return tuple(self.models.decorators)

    @property
    def metrics(self) -> Metrics | None:
        """The metrics, None if they are off."""
        return self._listener(Metrics)

    @property
    def recent_traffic(self) -> RecentTraffic | None:
        """The recent traffic that the pages show, None if there are no pages."""
        return self._listener(RecentTraffic)

    def visible(self) -> list[Deployment]:
        """Return the models that the visitor of the current request may see, in their order."""
        may_see = self.settings.visible
        deployments = list(self.deployments.values())
        return deployments if may_see is None else [d for d in deployments if may_see(d.model)]

    def decorators_of(self, deployment: Deployment) -> tuple[Decorator, ...]:
        """Return the view decorators around every URL of a model."""
        return (*deployment.model.decorators, *self.decorators)

    def several_trials(self) -> AbstractContextManager[None]:
        """Return a context in which the trials of several files take less time."""
        return nullcontext() if self.trials is None else self.trials.several()

    def _listener(self, kind: type[_L]) -> _L | None:
        return next((each for each in self.listeners if isinstance(each, kind)), None)
