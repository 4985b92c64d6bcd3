"""The Flask extension: registration, configuration, and the state of each application."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from threading import RLock
from typing import Any, TypeVar, overload
from weakref import WeakSet

from flask import Blueprint, Flask, has_app_context
from flask.typing import RouteCallable
from werkzeug.exceptions import HTTPException

from flask_skmodels.config import Settings, read_settings
from flask_skmodels.models import Model
from flask_skmodels.registry import Registry
from flask_skmodels.rows import from_python
from flask_skmodels.runner import Prediction, run
from flask_skmodels.versions import Version
from flask_skmodels.views import (
    AnswerView,
    HealthView,
    ModelsView,
    ModelView,
    PredictionView,
    application,
    log_missing_codecs,
    problem_response_with_id,
)

_M = TypeVar("_M", bound=type[Model] | Model)
_Decorator = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class State:
    """What an application keeps of an extension, in ``app.extensions``.

    :param models: the extension
    :param settings: its configuration on this application
    """

    models: SKModels
    settings: Settings


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
        decorators: Iterable[_Decorator] = (),
        url_prefix: str | None = None,
    ) -> None:
        self.name = name
        self.decorators = tuple(decorators)
        self.url_prefix = url_prefix
        self.registry = Registry()
        self.blueprint = Blueprint(name, __name__)
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
        """
        if self.name in app.extensions:
            raise RuntimeError(
                f"an extension named {self.name!r} is on this application already. Was init_app "
                "called twice, or after SKModels(app)? Call it once; a second extension takes "
                "another name and url_prefix, SKModels(name='other', url_prefix='/other')."
            )
        settings = read_settings(app.config, self.name, self.url_prefix)
        if not any(isinstance(state, State) for state in app.extensions.values()):
            log_missing_codecs(app)
        with self._lock:
            app.register_blueprint(self.blueprint)
            app.extensions[self.name] = State(self, settings)
            self._add_own_rules(app)
            for version in self.registry.versions():
                self._add_model_rules(app, version)
            self._apps.add(app)

    @overload
    def register(self, model: _M) -> _M: ...

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
        self, name: str, rows: Any, method: str | None = None, *, app: Flask | None = None
    ) -> Prediction:
        """Predict in process: the same validation, signals and record as over HTTP.

        :param name: name of the model
        :param rows: a dict, a list of dicts or of lists in the order of the fields, a
            two-dimensional array, or a data frame
        :param method: name of the estimator's method, by default the model's first
        :param app: sender of the signals, by default the current application
        :raises UnknownModel: there is no such model, or it does not serve the method
        :raises InvalidInput: the rows are not valid
        :raises RuntimeError: there is no application, or this extension is not on it
        """
        sender = self._sender(app)
        version = self.registry.version(name)
        return run(sender, version, method or version.default_method, lambda: from_python(rows))

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

    def _add(self, model: Model) -> None:
        with self._lock:
            version = self.registry.add(model)
            model.bind(self.predict)
            for app in list(self._apps):
                self._add_model_rules(app, version)

    def _add_model_rules(self, app: Flask, version: Version) -> None:
        # A dot in an endpoint would be taken for the end of the blueprint's name.
        endpoint = version.name.replace(".", "%2E")
        decorators = (*version.model.decorators, *self.decorators)
        view = ModelView.as_view(f"{self.name}.{endpoint}", version)
        self._add_rule(app, f"/{version.name}/", ModelView, view, decorators)
        for method in version.methods:
            name = f"{self.name}.{endpoint}:{method}"
            view = PredictionView.as_view(name, version, method, self._settings(app))
            self._add_rule(app, f"/{version.name}/{method}/", PredictionView, view, decorators)

    def _add_own_rules(self, app: Flask) -> None:
        view = ModelsView.as_view(f"{self.name}.-:models", self.registry)
        self._add_rule(app, "/-/models/", ModelsView, view, self.decorators)
        for state in ("live", "ready"):
            view = HealthView.as_view(f"{self.name}.-:{state}", state)
            self._add_rule(app, f"/-/health/{state}/", HealthView, view)

    def _add_rule(
        self,
        app: Flask,
        address: str,
        view_class: type[AnswerView],
        view: RouteCallable,
        decorators: Iterable[_Decorator] = (),
    ) -> None:
        """Add rules to the URL map itself: after a request Flask's own methods forbid it."""
        endpoint = view.__name__
        for decorator in decorators:
            view = decorator(view)
        app.view_functions[endpoint] = view
        full = self._settings(app).url_prefix + address
        methods = {*view_class.methods, "OPTIONS"}
        for path in (full, full.rstrip("/")):  # the first is the one that url_for builds
            rule = app.url_rule_class(
                path, endpoint=endpoint, methods=methods, strict_slashes=False
            )
            rule.provide_automatic_options = True  # type: ignore[attr-defined]
            app.url_map.add(rule)

    def _settings(self, app: Flask) -> Settings:
        settings: Settings = app.extensions[self.name].settings
        return settings


def create_app(models: Iterable[Model | type[Model]], import_name: str = __name__) -> Flask:
    """Return a whole application that serves models and nothing else.

    Its 404 and 405 are problem documents as well.

    :param models: the models, classes or instances
    :param import_name: as for ``Flask``
    :raises ModelError: a model cannot be served; the message says why
    """
    app = Flask(import_name, static_folder=None)
    extension = SKModels(app)
    for model in models:
        extension.register(model)
    app.register_error_handler(HTTPException, problem_response_with_id)
    return app
