"""The state of an extension on one application."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from flask import Flask, Response
from werkzeug.routing import Rule

from flask_skmodels.config import Settings
from flask_skmodels.inference.concurrency import ConcurrencyLimit
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.inference.readiness import Readiness
from flask_skmodels.telemetry.drift.drift import Drift
from flask_skmodels.telemetry.listener import Listener, Listeners
from flask_skmodels.telemetry.metrics import Metrics
from flask_skmodels.telemetry.recent_traffic import RecentTraffic
from flask_skmodels.versions.load_limit import LoadLimit
from flask_skmodels.versions.loaded_models import LoadedModels
from flask_skmodels.versions.trials import Trials

Decorator = Callable[..., Any]


class Lane(Protocol):
    """The URLs whose requests may be answered before Flask dispatches them."""

    def add(self, rule: Rule, view_function: Callable[[], Response]) -> None:
        """Answer POST requests to the path of a rule with its view function."""

    def reasons(self, endpoint: str) -> list[str]:
        """Return what keeps the requests of an endpoint out of the lane; empty if nothing does."""


@dataclass(frozen=True)
class NoLane:
    """Leaves all requests to Flask.

    :param reason: the reason for this
    """

    reason: str

    def add(self, rule: Rule, view_function: Callable[[], Response]) -> None:
        """Do nothing."""

    def reasons(self, endpoint: str) -> list[str]:
        """Return the reason."""
        return [self.reason]


_L = TypeVar("_L", bound=Listener)


@dataclass(frozen=True, slots=True)
class State:
    """The state of an extension on one application, kept in ``app.extensions``.

    :param models: the extension
    :param app: the application
    :param settings: the extension's configuration on this application
    :param loaded_models: limits the number of loaded models, None for no limit
    :param listeners: the listeners that follow the predictions; signals do not keep them alive
    :param readiness: checks whether the application is ready to predict
    :param process_limit: the limit on the concurrent calls of all models, None for no limit
    :param deployments: the models as this application serves them, by name
    :param lane: the URLs that are answered before Flask dispatches their requests
    :param trials: tries the files of models before they are loaded, None to load them untried
    :param load_limit: the limit on loads that clients cause by naming versions, None for no limit
    """

    models: Any
    app: Flask
    settings: Settings
    loaded_models: LoadedModels | None
    listeners: Listeners
    readiness: Readiness
    process_limit: ConcurrencyLimit | None
    deployments: dict[str, Deployment]
    lane: Lane
    trials: Trials | None = None
    load_limit: LoadLimit | None = None

    @property
    def name(self) -> str:
        """The extension's name, with which its endpoints begin."""
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
    def drift(self) -> Drift | None:
        """The drift of the models with a profile, None if drift is off."""
        return self._listener(Drift)

    @property
    def recent_traffic(self) -> RecentTraffic | None:
        """The recent traffic that the pages show, None if there are no pages."""
        return self._listener(RecentTraffic)

    def visible(self, *, is_guarded: bool = True) -> list[Deployment]:
        """Return the models that a response to the current request may name, in their order.

        Without ``SKMODELS_VISIBLE`` these are the models that are guarded by no decorators other
        than those around the URL of the request.

        :param is_guarded: whether the extension's decorators are around that URL
        """
        may_see, deployments = self.settings.visible, list(self.deployments.values())
        if may_see is True:
            return deployments
        if may_see is not None:
            return [each for each in deployments if may_see(each.model)]
        if self.decorators and not is_guarded:
            return []
        return [each for each in deployments if not each.model.decorators]

    def decorators_of(self, deployment: Deployment) -> tuple[Decorator, ...]:
        """Return the view decorators around every URL of a model."""
        return (*deployment.model.decorators, *self.decorators)

    def may_see_reasons(self, deployment: Deployment) -> bool:
        """Return whether visitors of a model's pages may read why a version failed.

        The reason can name files and parts of the estimator. So only visitors whom a decorator has
        let in, and developers, may read it.
        """
        return self.app.debug or bool(self.decorators_of(deployment))

    def several_trials(self) -> AbstractContextManager[None]:
        """Return a context in which the trials of several files take less time."""
        return nullcontext() if self.trials is None else self.trials.several()

    def _listener(self, kind: type[_L]) -> _L | None:
        return next((each for each in self.listeners if isinstance(each, kind)), None)
