"""The Flask extension: registration, configuration, and the state of each application."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from copy import copy
from threading import RLock
from typing import Any, TypeVar, overload
from weakref import WeakSet

from flask import Blueprint, Flask, has_app_context

from flask_skmodels import cli, dialects
from flask_skmodels.config import Settings, read_settings
from flask_skmodels.errors import ConfigurationError
from flask_skmodels.inference.deployment import Deployment, LoadedModels
from flask_skmodels.inference.prediction import Prediction, prepare, rejecting
from flask_skmodels.models import Model, name_of
from flask_skmodels.pages import api_docs, page_routes
from flask_skmodels.schema.rows import from_python
from flask_skmodels.state import Decorator, State
from flask_skmodels.telemetry.setup import listeners_of
from flask_skmodels.versions.registry import Registry
from flask_skmodels.web import metrics, routes
from flask_skmodels.web.exchange import application
from flask_skmodels.web.url_rules import uncollected

_M = TypeVar("_M", bound=type[Model] | Model)
_ADDRESSES = (routes, metrics, api_docs, dialects, page_routes)  # modules that add URL rules


class SKModels:
    """Serves scikit-learn models in Flask applications.

    :param app: an application to serve them in at once; see :meth:`init_app`
    :param name: key of ``app.extensions``, name of the blueprint, and in capitals the beginning of
        the configuration keys; a second extension on one application takes another one
    :param decorators: view decorators around every address but health, as in Flask's ``View``
    :param url_prefix: what the addresses begin with; ``SKMODELS_URL_PREFIX`` takes
        precedence over it

    ``models["iris"]`` is a registered :class:`Model`, to be called with rows; ``in``, ``len`` and
    iteration are over the names.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        name: str = "skmodels",
        decorators: Iterable[Decorator] = (),
        url_prefix: str | None = None,
    ) -> None:
        self.name = name
        self.decorators = tuple(decorators)
        self.url_prefix = url_prefix
        self.registry = Registry()
        self.blueprint = Blueprint(name, __name__, template_folder="pages/templates")
        self._apps: WeakSet[Flask] = WeakSet()
        self._lock = RLock()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Serve the registered models, and those still to come, in an application.

        Sets defaults for the configuration keys, registers the blueprint, and adds a rule for each
        method of each model.

        :param app: the application
        :raises RuntimeError: an extension of this name is on the application already
        :raises ConfigurationError: a configuration key holds what it cannot hold
        :raises ArtifactError: a file that is loaded at the start is refused
        """
        if self.name in app.extensions:
            raise RuntimeError(
                f"an extension named {self.name!r} is on this application already. Was init_app "
                "called twice, or after SKModels(app)? Call it once; a second extension takes "
                "another name and url_prefix, SKModels(name='other', url_prefix='/other')."
            )
        settings = read_settings(app.config, self.name, self.url_prefix)
        others = [state for state in app.extensions.values() if isinstance(state, State)]
        _check_prefix(self.name, settings, others)
        loaded_models = LoadedModels(settings.max_loaded) if settings.max_loaded else None
        deployments: dict[str, Deployment] = {}
        listeners = listeners_of(self.name, app, self.predict, deployments, settings)
        with self._lock:
            app.register_blueprint(self.blueprint)
            state = State(self, app, settings, loaded_models, listeners, deployments)
            app.extensions[self.name] = state
            app.cli.add_command(cli.group(self.name))
            for module in _ADDRESSES:
                module.add_rules(state)
            self._check_versions_in_time(state)
            for name in self.registry:
                self._start(state, name)
            with uncollected():
                for deployment in state.deployments.values():
                    _add_addresses(state, deployment)
            self._apps.add(app)

    @overload
    def register(self, model: _M, **attributes: Any) -> _M: ...

    @overload
    def register(self, model: None = None, **attributes: Any) -> Callable[[_M], _M]: ...

    def register(self, model: Any = None, **attributes: Any) -> Any:
        """Register a model class or instance; a class decorator, bare or with attributes.

        :param model: the class or instance
        :param attributes: attributes of :class:`Model` to set on it
        :returns: what was given, or the decorator
        :raises ModelError: the model cannot be served; the message says why
        :raises TypeError: it is no model
        """
        if model is None:
            return lambda decorated: self.register(decorated, **attributes)
        instance = model() if isinstance(model, type) else model
        if not isinstance(instance, Model):
            raise TypeError(f"register takes a Model, a class or an instance, not {model!r}")
        if instance.is_bound:
            instance = copy(instance)  # the first registration keeps its own
        instance.configure(**attributes)
        self._add(instance)
        return model

    def add(self, name: str, pipeline: Any, **attributes: Any) -> Model:
        """Register a model without a class of its own.

        :param name: first segment of its addresses
        :param pipeline: the fitted estimator
        :param attributes: any other attribute of :class:`Model`
        :returns: the model
        :raises ModelError: the model cannot be served; the message says why
        """
        model = Model(name=name, pipeline=pipeline, **attributes)
        self._add(model)
        return model

    def predict(
        self,
        name: str,
        rows: Any,
        method: str | None = None,
        *,
        version: str | None = None,
        app: Flask | None = None,
    ) -> Prediction:
        """Predict in process: the same validation, signals and record as over HTTP.

        :param name: name of the model
        :param rows: a dict, a list of dicts or of lists in the order of the fields, a
            two-dimensional array, or a data frame
        :param method: name of the estimator's method, by default the model's first
        :param version: label of the version, by default the one that serves
        :param app: sender of the signals, by default the current application
        :raises UnknownModel: there is no such model or version, or it does not serve the method
        :raises InvalidInput: the rows are not valid
        :raises RuntimeError: there is no application, or this extension is not on it
        """
        sender = self._sender(app)
        deployment = self._deployment(sender, name)
        chosen = deployment.version(sender, version)
        call = deployment.call(sender, chosen, method or chosen.default_method)
        with rejecting(call):
            prediction = prepare(call, from_python(rows))
        return deployment.execute(call, prediction, is_shadowed=version is None)

    def openapi(self, app: Flask | None = None) -> dict[str, Any]:
        """Return the API document of all models, to be merged into one of the application's own.

        :param app: the application, by default the current one
        :returns: an OpenAPI 3.1 document; ``paths`` and ``components`` are what is to be merged
        :raises RuntimeError: there is no application, or this extension is not on it
        """
        state: State = self._sender(app).extensions[self.name]
        return api_docs.document_of(state, state.deployments.values())

    def comparison(self, name: str, app: Flask | None = None) -> dict[str, Any] | None:
        """Return how the shadow of a model compares in this process, None if it has no shadow.

        :param name: name of the model
        :param app: the application, by default the current one
        :returns: ``version`` is the shadow's, ``rows`` how many were compared, ``agreement`` the
            share of equal labels, ``mean_difference`` and ``largest_difference`` those of numbers,
            ``dropped`` and ``failed`` how many predictions the shadow did not answer
        :raises UnknownModel: there is no such model
        :raises RuntimeError: there is no application, or this extension is not on it
        """
        shadow = self._deployment(self._sender(app), name).shadow
        return None if shadow is None else shadow.summary()

    def refresh(self, name: str, app: Flask | None = None) -> None:
        """Look at the versions of a model now, in this process, and wait until that is done.

        :param name: name of the model
        :param app: the application, by default the current one
        :raises UnknownModel: there is no such model
        :raises RuntimeError: there is no application, or this extension is not on it
        """
        sender = self._sender(app)
        self._deployment(sender, name).versions.refresh(sender)

    def __getitem__(self, name: str) -> Model:
        return self.registry[name]

    def __contains__(self, name: object) -> bool:
        return name in self.registry

    def __iter__(self) -> Iterator[str]:
        return iter(self.registry)

    def __len__(self) -> int:
        return len(self.registry)

    def _sender(self, app: Flask | None) -> Flask:
        if app is None and not has_app_context():
            raise RuntimeError(
                "there is no application: predict inside an app context, or give app="
            )
        sender = application() if app is None else app
        state = sender.extensions.get(self.name)
        if state is None or state.models is not self:
            raise RuntimeError(
                f"this extension is not on the application {sender.name!r}. Was init_app called "
                "with it, and is this the SKModels that was?"
            )
        return sender

    def _deployment(self, app: Flask, name: str) -> Deployment:
        deployments: dict[str, Deployment] = app.extensions[self.name].deployments
        return deployments.get(name) or deployments[name_of(self.registry[name])]

    def _add(self, model: Model) -> None:
        with self._lock:
            name = self.registry.add(model)
            model.bind(self.predict)
            states: list[State] = [app.extensions[self.name] for app in self._apps]
            try:
                deployments = [self._start(state, name) for state in states]
            except Exception:
                self.registry.discard(name)
                for state in states:
                    state.deployments.pop(name, None)
                raise
            for state, deployment in zip(states, deployments, strict=True):
                _add_addresses(state, deployment)

    def _start(self, state: State, name: str) -> Deployment:
        """Have an application serve a model, loaded unless it is at first use.

        Its addresses are not there yet, but the receivers of ``model_loaded`` may predict.
        """
        settings = state.settings
        versions = self.registry.serve(
            name,
            settings.policy(state.app.root_path),
            pinned=settings.versions.get(name),
            interval=settings.reload,
        )
        state.deployments[name] = deployment = Deployment(
            versions, state.loaded_models, threads=settings.threads, batch_rows=settings.batch_rows
        )
        if settings.loading == "startup":
            deployment.start(state.app)
        return deployment

    def _check_versions_in_time(self, state: State) -> None:
        """Hold ``SKMODELS_VERSIONS`` against the models: now if they are registered, else later.

        That is when the first request for one of the extension's addresses comes.
        """
        if len(self.registry):
            self._check_versions(state)
        elif state.settings.versions:
            checks = state.app.before_request_funcs.setdefault(self.name, [])
            checks.append(lambda: self._check_versions(state))

    def _check_versions(self, state: State) -> None:
        for name in state.settings.versions:
            if name not in self.registry:
                known = ", ".join(self.registry) or "none"
                raise ConfigurationError(
                    f"{self.name.upper()}_VERSIONS names the model {name!r}, which is not "
                    f"registered; registered: {known}. Is it misspelt, or registered too late?"
                )


def _add_addresses(state: State, deployment: Deployment) -> None:
    for module in _ADDRESSES:
        module.add_model_rules(state, deployment)


def _check_prefix(name: str, settings: Settings, others: Iterable[State]) -> None:
    """Refuse the prefix of another extension, which would hide this one's addresses.

    :raises ConfigurationError: one of the others has it
    """
    for other in others:
        if other.settings.url_prefix == settings.url_prefix:
            raise ConfigurationError(
                f"{name.upper()}_URL_PREFIX is {settings.url_prefix!r}, which the extension "
                f"{other.name!r} has: give each its own, "
                f"SKModels(name={name!r}, url_prefix='/{name}')"
            )
