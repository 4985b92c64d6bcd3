"""The state of an extension on one application, and the addresses that it has there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from flask.views import View

from flask_skmodels.config import Settings
from flask_skmodels.recorder import Recorder
from flask_skmodels.rules import lazy
from flask_skmodels.traffic import Recent, Service

Decorator = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class State:
    """What an application keeps of an extension, in ``app.extensions``.

    :param models: the extension
    :param app: the application
    :param settings: the extension's configuration on this application
    :param recent: what keeps the number of loaded models down, None where it need not be
    :param recorder: what counts the traffic for the pages, None where there are none
    :param services: the models as this application serves them, by name
    :param listeners: what is connected to signals, which do not keep it alive
    """

    models: Any
    app: Flask
    settings: Settings
    recent: Recent | None
    recorder: Recorder | None = None
    services: dict[str, Service] = field(default_factory=dict)
    listeners: list[object] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The extension's name, which its endpoints begin with."""
        return str(self.models.name)

    @property
    def decorators(self) -> tuple[Decorator, ...]:
        """The view decorators around every address but health."""
        return tuple(self.models.decorators)

    def visible(self) -> list[Service]:
        """Return the models that the visitor of the request at hand may see, in their order."""
        may_see = self.settings.visible
        services = list(self.services.values())
        return services if may_see is None else [s for s in services if may_see(s.model)]

    def decorators_of(self, service: Service) -> tuple[Decorator, ...]:
        """Return the view decorators around every address that reaches a model."""
        return (*service.model.decorators, *self.decorators)

    def add(
        self,
        endpoint: str,
        address: str,
        view_class: type[View],
        *arguments: Any,
        decorators: Iterable[Decorator] = (),
    ) -> None:
        """Have a view answer at an address, also after the application's first request.

        :param endpoint: name of the rule, without the extension's
        :param address: path below the extension's prefix, with a slash at both ends; it is answered
            without the last one as well
        :param view_class: the view, whose methods the rule has
        :param arguments: what the view is made of
        :param decorators: view decorators around it
        """
        prefix = self.settings.url_prefix
        self.add_at(endpoint, prefix + address, view_class, *arguments, decorators=decorators)

    def add_at(
        self,
        endpoint: str,
        path: str,
        view_class: type[View],
        *arguments: Any,
        decorators: Iterable[Decorator] = (),
    ) -> None:
        """Have a view answer at a path that does not begin with the extension's prefix.

        The rules go to the URL map itself: after a request Flask's own methods forbid it.
        """
        # A dot in an endpoint would be taken for the end of the blueprint's name.
        endpoint = f"{self.name}.{endpoint.replace('.', '%2E')}"
        view = _view_function(view_class(*arguments), endpoint)
        for decorator in decorators:
            view = decorator(view)
        self.app.view_functions[endpoint] = view
        methods = {*(view_class.methods or {"GET"}), "OPTIONS"}
        rule_class = lazy(self.app.url_rule_class)
        rule = rule_class(path, endpoint=endpoint, methods=methods, strict_slashes=False)
        rule.provide_automatic_options = True  # type: ignore[attr-defined]
        self.app.url_map.add(rule)


def _view_function(view: View, name: str) -> Callable[..., Any]:
    """Return what answers for a view; Flask's own function looks whether to wait for it each time.

    :param name: of its own, since decorators tell views apart by it
    """
    dispatch = view.dispatch_request

    def answer(**values: Any) -> Any:
        return dispatch(**values)

    answer.__name__ = name
    answer.__module__ = type(view).__module__
    answer.__doc__ = type(view).__doc__
    answer.view_class = type(view)  # type: ignore[attr-defined]
    answer.methods = view.methods  # type: ignore[attr-defined]
    return answer
