"""The Flask extension: registration, configuration, and the state of each application."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from functools import cache, partial
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar, overload
from weakref import WeakSet

from flask import Blueprint, Flask, has_app_context

from flask_skmodels.cli import commands
from flask_skmodels.cli.console import without_traceback
from flask_skmodels.config import Settings, read_settings
from flask_skmodels.dialects import enabled as enabled_dialects
from flask_skmodels.exceptions import ConfigurationError, InvalidInput
from flask_skmodels.hints import install_line
from flask_skmodels.inference.concurrency import concurrency_limit
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.inference.prediction import Prediction, PredictionCall, prepare
from flask_skmodels.inference.readiness import ExampleRuns, Readiness
from flask_skmodels.models import Model, artifact_of, name_of
from flask_skmodels.pages import api_docs, page_routes
from flask_skmodels.pages.embedding import TemplateModels
from flask_skmodels.schema.rows import from_python
from flask_skmodels.schema.types import Estimator, JSONObject
from flask_skmodels.state import Decorator, Lane, NoLane, State
from flask_skmodels.telemetry.setup import listeners_of
from flask_skmodels.versions.digest import version_digest
from flask_skmodels.versions.load_limit import LoadLimit
from flask_skmodels.versions.loaded_models import LoadedModels
from flask_skmodels.versions.registry import Registry
from flask_skmodels.versions.trial_outcomes import Limits
from flask_skmodels.versions.trial_task import is_trial_process
from flask_skmodels.versions.trials import Trials
from flask_skmodels.web import drift_views, metrics_view, routes, shared_urls
from flask_skmodels.web.exchange import application
from flask_skmodels.web.url_rules import without_garbage_collection

if TYPE_CHECKING:
    from flask_skmodels.bulk.job import Job
    from flask_skmodels.bulk.scorer import Scorer
    from flask_skmodels.bulk.summary import Summary

_M = TypeVar("_M", bound=type[Model] | Model)
_MODULES_WITH_URLS = (
    routes,
    metrics_view,
    drift_views,
    api_docs,
    enabled_dialects,
    page_routes,
)  # modules that add URL rules
LANE_FLASK = "3.1."  # the releases of Flask whose steps the fast lane repeats


class SKModels:
    """Serves scikit-learn models in Flask applications.

    :param app: an application to initialize now; otherwise call :meth:`init_app` later
    :param name: the key in ``app.extensions``, the name of the blueprint and, in capitals, the
        prefix of the configuration keys; a second extension on one application needs another name
    :param decorators: view decorators for every URL except health, as in Flask's ``View``
    :param url_prefix: the prefix of all URLs; ``SKMODELS_URL_PREFIX`` takes precedence

    ``models["iris"]`` is a registered :class:`Model`, which can be called with rows. ``in``,
    ``len`` and iteration use the names of the models.
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
        """Serve the models in an application, including those that are registered later.

        This sets defaults for the configuration keys, registers the blueprint, and adds a URL rule
        for each method of each model.

        :param app: the application
        :raises RuntimeError: the application already has an extension of this name
        :raises ConfigurationError: a configuration key has an invalid value
        :raises ArtifactError: a model file cannot be loaded
        """
        if self.name in app.extensions:
            raise RuntimeError(
                f"this application already has an extension named {self.name!r}. Was init_app "
                "called twice, or after SKModels(app)? Call it once. A second extension needs "
                "another name and url_prefix: SKModels(name='other', url_prefix='/other')."
            )
        settings = read_settings(app.config, self.name, self.url_prefix)
        others = [state for state in app.extensions.values() if isinstance(state, State)]
        _check_prefix(self.name, settings, others)
        loaded_models = LoadedModels(settings.max_loaded) if settings.max_loaded else None
        process_limit = concurrency_limit(settings.max_concurrency, settings.max_queue)
        deployments: dict[str, Deployment] = {}
        listeners = listeners_of(self.name, app, self, deployments, settings)
        with self._lock, without_traceback():
            app.register_blueprint(self.blueprint)
            state = State(
                self,
                app,
                settings,
                loaded_models,
                listeners,
                _readiness_of(app, deployments, settings),
                process_limit,
                deployments,
                lane_of(app, self.name, settings),
                trials=trials_of(app, settings),
                load_limit=limit_of(settings),
            )
            app.extensions[self.name] = state
            app.cli.add_command(commands.group(self.name))
            app.jinja_env.globals.setdefault(self.name, TemplateModels(self))
            app.shell_context_processor(lambda: {_shell_name(self.name): self})
            for module in _MODULES_WITH_URLS:
                module.add_rules(state)
            self._schedule_version_check(state)
            with state.several_trials():
                for name in self.registry:
                    self._start(state, name)
            with without_garbage_collection():
                for deployment in state.deployments.values():
                    _add_url_rules(state, deployment)
            self._apps.add(app)
        shared_urls.watch(state)

    @overload
    def register(self, model: _M, **attributes: Any) -> _M: ...

    @overload
    def register(self, model: None = None, **attributes: Any) -> Callable[[_M], _M]: ...

    def register(self, model: Any = None, **attributes: Any) -> Any:
        """Register a model class or instance. Also a class decorator, with or without attributes.

        :param model: the class or instance
        :param attributes: attributes of :class:`Model` to set on it
        :returns: the class or instance, or the decorator if only attributes are given
        :raises ModelError: the model cannot be served; the message says why
        :raises TypeError: the argument is not a model
        """
        if model is None:
            return lambda decorated: self.register(decorated, **attributes)
        instance = model() if isinstance(model, type) else model
        if not isinstance(instance, Model):
            raise TypeError(f"register takes a Model, a class or an instance, not {model!r}")
        if instance.is_bound:
            instance = copy(instance)  # the instance belongs to its first registration
        instance.configure(**attributes)
        self._add(instance)
        return model

    def add(self, name: str, pipeline: Estimator, **attributes: Any) -> Model:
        """Register a model without a class of its own.

        :param name: the name of the model, the first segment of its URLs
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
        """Predict in Python, with the same validation, signals and record as over HTTP.

        :param name: the name of the model
        :param rows: a dict, a list of dicts, a list of lists in the order of the fields, an array
            of shape (rows, fields), or a data frame
        :param method: the name of the estimator's method, or ``"explain"``; by default the model's
            first
        :param version: the label of a version; by default the live one
        :param app: the application, which sends the signals; by default the current one
        :raises UnknownModel: there is no such model, version or method
        :raises InvalidInput: the rows are not valid
        :raises RejectedRows: the rows are valid, but the estimator rejects some of them
        :raises Overloaded: too many predictions are in progress
        :raises TimedOut: the prediction has waited too long for others
        :raises RuntimeError: there is no application, or it does not have this extension
        """
        sender = self._sender(app)
        deployment = self._deployment(sender, name)
        chosen = deployment.version(sender, version)
        call = deployment.call(sender, chosen, method or chosen.default_method)
        if not deployment.limits:
            return _predicted(deployment, call, rows, version)
        with deployment.admission(call) as call.waited:
            return _predicted(deployment, call, rows, version)

    def score(
        self,
        name: str,
        source: Any,
        sink: str | PathLike[str],
        *,
        version: str | None = None,
        app: Flask | None = None,
        **options: Any,
    ) -> Summary:
        """Score all rows of files, a database or batches, of any size, and write them to a sink.

        :param name: the name of the model
        :param source: the path, URL, glob or folder of Parquet, Arrow, CSV or NDJSON files, or a
            list of them; the URL of a database, with ``query``; or an iterable of Arrow record
            batches or of data frames
        :param sink: the path or URL of a file if it has a known suffix, otherwise of a folder; or
            the URL of a database, with ``table``
        :param version: the label of a version; by default the live one, for the whole run
        :param app: the application, which sends the signals; by default the current one
        :param options: the options of ``flask skmodels score``: ``method``, ``keep``, ``jobs``,
            ``engine``, ``address``, ``chunk_rows``, ``rejects``, ``max_rejects``, ``resume``,
            ``fail_fast``, ``format``, ``query``, ``table``; and ``watch``, a function that is
            called with the progress after each chunk
        :returns: the counts: ``rows``, ``scored``, ``rejected``, ``chunks``, ``resumed``,
            ``seconds``, ``version``, ``output``, ``rejects``
        :raises TooManyRejects: more rows are rejected than ``max_rejects`` allows
        :raises ScoringError: the run cannot begin or has failed; it can be resumed
        :raises UnknownModel: there is no such model, version or method
        :raises RuntimeError: there is no application, or it does not have this extension
        """
        return self.scoring_job(name, source, sink, version=version, app=app, **options).run()

    def scoring_job(
        self,
        name: str,
        source: Any,
        sink: str | PathLike[str],
        *,
        version: str | None = None,
        app: Flask | None = None,
        **options: Any,
    ) -> Job:
        """Return the job of a run without starting it; see :meth:`score`."""
        from flask_skmodels.bulk.job import Job
        from flask_skmodels.bulk.runner import Scoring

        sender = self._sender(app)
        state: State = sender.extensions[self.name]
        deployment = self._deployment(sender, name)
        scoring = Scoring(
            sender=sender,
            deployment=deployment,
            version=deployment.version(sender, version),
            artifact=artifact_of(deployment.model),
            policy=state.settings.policy(sender.root_path),
        )
        folder = Path(sender.instance_path, state.settings.state_dir or "")
        return Job(scoring, source, sink, state=folder, **options)

    def scorer(
        self,
        name: str,
        method: str | None,
        keep: Any,
        *,
        version: str | None,
        app: Flask | None,
    ) -> Scorer:
        """Return a scorer, for :meth:`Model.scorer`."""
        from flask_skmodels.bulk.scorer import Scorer
        from flask_skmodels.bulk.shipped_model import ShippedModel

        sender = self._sender(app)
        state: State = sender.extensions[self.name]
        deployment = self._deployment(sender, name)
        chosen = deployment.version(sender, version)
        wanted = method or chosen.default_method
        chosen.callable(wanted)  # raises if the version does not serve the method
        policy = state.settings.policy(sender.root_path)
        shipped = ShippedModel.of(chosen, artifact_of(deployment.model), policy)
        return Scorer(shipped, wanted, keep)

    def form(self, name: str, *, version: str | None, app: Flask | None) -> Any:
        """Return a form class of Flask-WTF, for :meth:`Model.form`."""
        try:
            from flask_skmodels.pages.wtf_form import form_class
        except ImportError as error:
            needed = install_line("wtf")
            raise ConfigurationError(f"forms need Flask-WTF. To install it: {needed}") from error
        sender = self._sender(app)
        state: State = sender.extensions[self.name]
        chosen = self._deployment(sender, name).version(sender, version)
        predict = partial(self.predict, version=version, app=app)
        return form_class(chosen, predict, state.settings.hidden_fields)

    def openapi(self, app: Flask | None = None) -> JSONObject:
        """Return the OpenAPI document of all models.

        Merge its ``paths`` and ``components`` into the application's own document, if there is one.

        :param app: the application; by default the current one
        :returns: an OpenAPI 3.1 document
        :raises RuntimeError: there is no application, or it does not have this extension
        """
        state: State = self._sender(app).extensions[self.name]
        return api_docs.api_document(state, state.deployments.values())

    def digest(self, name: str, *, version: str | None = None, app: Flask | None = None) -> str:
        """Return a text that changes whenever the predictions of a model may change.

        Use it in the key of a cache. It is the digest of the model's file or of its estimator, and
        of its declaration, in hexadecimal.

        :param name: the name of the model
        :param version: the label of a version; by default the live one
        :param app: the application; by default the current one
        :raises UnknownModel: there is no such model or version
        :raises RuntimeError: there is no application, or it does not have this extension
        """
        sender = self._sender(app)
        return version_digest(self._deployment(sender, name).version(sender, version))

    def comparison(self, name: str, app: Flask | None = None) -> JSONObject | None:
        """Return a comparison of a model with its shadow in this process; None without a shadow.

        :param name: the name of the model
        :param app: the application; by default the current one
        :returns: a dict with the ``version`` of the shadow, the number of ``rows`` compared,
            ``agreement``, the share of equal labels, ``mean_difference`` and ``largest_difference``
            of numbers, and the numbers of predictions that the shadow has ``dropped`` and for which
            it has ``failed``
        :raises UnknownModel: there is no such model
        :raises RuntimeError: there is no application, or it does not have this extension
        """
        shadow = self._deployment(self._sender(app), name).shadow
        return None if shadow is None else shadow.summary()

    def refresh(self, name: str, app: Flask | None = None) -> None:
        """Load new versions of a model in this process now, and wait until that is done.

        :param name: the name of the model
        :param app: the application; by default the current one
        :raises UnknownModel: there is no such model
        :raises RuntimeError: there is no application, or it does not have this extension
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

    def __repr__(self) -> str:
        return f"<SKModels {self.name!r}: {', '.join(self.registry) or 'no models'}>"

    def _sender(self, app: Flask | None) -> Flask:
        if app is None and not has_app_context():
            raise RuntimeError(
                "there is no current application: call this in an application context or pass app="
            )
        sender = application() if app is None else app
        state = sender.extensions.get(self.name)
        if state is None or state.models is not self:
            raise RuntimeError(
                f"the application {sender.name!r} does not have this extension. Was init_app of "
                "this SKModels object called with the application?"
            )
        return sender

    def _deployment(self, app: Flask, name: str) -> Deployment:
        deployments: dict[str, Deployment] = app.extensions[self.name].deployments
        return deployments.get(name) or deployments[name_of(self.registry[name])]

    def _add(self, model: Model) -> None:
        with self._lock, without_traceback():
            name = self.registry.add(model)
            model.bind(self)
            states: list[State] = [app.extensions[self.name] for app in self._apps]
            try:
                deployments = [self._start(state, name) for state in states]
            except Exception:
                self.registry.discard(name)
                for state in states:
                    state.deployments.pop(name, None)
                raise
            for state, deployment in zip(states, deployments, strict=True):
                _add_url_rules(state, deployment)

    def _start(self, state: State, name: str) -> Deployment:
        """Deploy a model in an application, and load it unless it is to be loaded on first use.

        The model has no URLs yet, but receivers of ``model_loaded`` can already predict with it.
        """
        settings = state.settings
        versions = self.registry.serve(
            name,
            settings.policy(state.app.root_path),
            pinned=settings.versions.get(name),
            interval=settings.reload,
            trials=state.trials,
            loaded_models=state.loaded_models,
        )
        state.deployments[name] = deployment = Deployment(
            versions,
            threads=settings.threads,
            batch_rows=settings.batch_rows,
            load_limit=state.load_limit,
            timeout=settings.timeout,
            process_limit=state.process_limit,
            hidden_fields=settings.hidden_fields,
        )
        if settings.loading == "startup" and not is_trial_process():
            deployment.start(state.app)
        return deployment

    def _schedule_version_check(self, state: State) -> None:
        """Check that ``SKMODELS_VERSIONS`` names only registered models.

        If no model is registered yet, this is checked at the first request to the extension.
        """
        if len(self.registry):
            self._check_versions(state)
        elif state.settings.versions:
            functions = state.app.before_request_funcs

            def check_once() -> None:
                self._check_versions(state)
                functions[self.name] = [e for e in functions[self.name] if e is not check_once]

            functions.setdefault(self.name, []).append(check_once)

    def _check_versions(self, state: State) -> None:
        for name in state.settings.versions:
            if name not in self.registry:
                known = ", ".join(self.registry) or "none"
                raise ConfigurationError(
                    f"{self.name.upper()}_VERSIONS names the model {name!r}, which is not "
                    f"registered. Registered models: {known}. Is it misspelt, or registered late?"
                )


def _shell_name(name: str) -> str:
    """Return the name that an extension has in ``flask shell``."""
    return "models" if name == "skmodels" else name


def _predicted(
    deployment: Deployment, call: PredictionCall, rows: Any, version: str | None
) -> Prediction:
    """Make a call in process, within the limits; see :meth:`SKModels.predict`."""
    try:
        prediction = prepare(call, from_python(rows))
    except InvalidInput as error:
        call.notify_rejected(error)
        raise
    return deployment.execute(call, prediction, is_shadowed=version is None)


def trials_of(app: Flask, settings: Settings) -> Trials | None:
    """Return the trials of an application, None if they are off or if this process is a trial."""
    if not settings.trial or is_trial_process():
        return None
    folder = Path(app.instance_path, settings.state_dir or "")
    return Trials(folder, Limits(settings.trial_seconds, settings.trial_bytes))


def lane_of(app: Flask, name: str, settings: Settings) -> Lane:
    """Return the fast lane of an extension, put in front of the application if there is one."""
    if not settings.fast_lane:
        return NoLane(f"{name.upper()}_FAST_LANE is False")
    release = _flask_release()
    if not release.startswith(LANE_FLASK):
        return NoLane(
            f"Flask {release} is installed; the fast lane is known to work with Flask {LANE_FLASK}x"
        )
    from flask_skmodels.web.fast_lane import FastLane

    below = vars(app).get("wsgi_app")
    if not isinstance(below, FastLane | None):
        return NoLane(f"middleware around wsgi_app before the extension: {type(below).__name__}")
    app.wsgi_app = lane = FastLane(app, name)  # type: ignore[method-assign]
    return lane


@cache
def _flask_release() -> str:
    return version("flask")


def limit_of(settings: Settings) -> LoadLimit | None:
    """Return the limit on loads that clients cause, None if there is none."""
    most = settings.loads_per_minute
    return None if most is None else LoadLimit(most)


def _add_url_rules(state: State, deployment: Deployment) -> None:
    for module in _MODULES_WITH_URLS:
        module.add_model_rules(state, deployment)


def _readiness_of(
    app: Flask, deployments: Mapping[str, Deployment], settings: Settings
) -> Readiness:
    """Return the check of an application's readiness, as it is configured."""
    file = None if settings.drain_file is None else Path(app.root_path, settings.drain_file)
    runs = ExampleRuns(app, deployments, app.app_context) if settings.ready_examples else None
    return Readiness(app, deployments, file, runs)


def _check_prefix(name: str, settings: Settings, others: Iterable[State]) -> None:
    """Check that no other extension has the same prefix, which would hide this one's URLs.

    :raises ConfigurationError: another extension has this prefix
    """
    for other in others:
        if other.settings.url_prefix == settings.url_prefix:
            raise ConfigurationError(
                f"{name.upper()}_URL_PREFIX is {settings.url_prefix!r}, which is also the prefix "
                f"of the extension {other.name!r}. Give each extension its own prefix: "
                f"SKModels(name={name!r}, url_prefix='/{name}')"
            )
