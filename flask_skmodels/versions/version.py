"""One version of a model, ready to predict, and the interface to all versions of a model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Protocol

from flask_skmodels.artifacts.declaration import Policy
from flask_skmodels.artifacts.loading import Loaded
from flask_skmodels.engines.accepted_inputs import compile_for_accepted_input
from flask_skmodels.engines.batching import Combiner
from flask_skmodels.engines.selection import choose_engine
from flask_skmodels.estimators import introspect
from flask_skmodels.estimators.requirements import check_pipeline
from flask_skmodels.exceptions import InvalidInput, ModelError, UnknownModel
from flask_skmodels.explain.explainer import Explainer
from flask_skmodels.explain.explanation import ExplanationLayout
from flask_skmodels.models import (
    EXPLAIN,
    Model,
    description_of,
    inputs_of,
    methods_of,
    name_of,
    profile_of,
)
from flask_skmodels.schema.hidden_fields import fields_to_show
from flask_skmodels.schema.json_schema import typical_row
from flask_skmodels.schema.rows import Rows, from_python
from flask_skmodels.schema.schema import Schema
from flask_skmodels.schema.types import ArrowSchema, JSONObject, JSONValue, ModelInput, ModelOutput
from flask_skmodels.signals import Sender
from flask_skmodels.versions.load_limit import LoadLimit

_WITH_CLASSES = frozenset({"predict_proba", "predict_log_proba", "decision_function", EXPLAIN})


class ModelVersion:
    """A model that is checked, compiled and ready to predict.

    :param model: the declaration, with a fitted estimator as its pipeline
    :param label: label of the version, None if the model has no versions
    :param loaded: the loaded file, None for an estimator in memory
    :ivar explainer: the function of ``explain``, None if ``explain`` is not served
    :ivar accepted_rows: by method, a row that the estimator has predicted, see
        :mod:`~flask_skmodels.inference.rejected_rows`
    :ivar accepted_probes: by method, X of a probe that the estimator accepts
    :ivar output_widths: by method, the number of cells in a row of its output, once the method was
        called
    :ivar arrow_schemas: by method, the Arrow schema of its output in bulk scoring
    :ivar probed_methods: the methods for which an accepted row was searched for among the probes
    :raises ModelError: the model cannot be served; the message names it
    """

    def __init__(
        self, model: Model, label: str | None = None, loaded: Loaded | None = None
    ) -> None:
        self.model = model
        self.label = label
        self.loaded = loaded
        self.name = name_of(model)
        try:
            check_pipeline(model.pipeline)
            self.methods = methods_of(model)
            self.profile = profile_of(model)
            inputs = inputs_of(model, self.methods)
            inputs, self.schema = compile_for_accepted_input(
                model, self.methods, inputs, checks_examples=loaded is None
            )
            self.container = inputs.container
            if label is None and (loaded is None or model.examples is not loaded.examples):
                _check_examples_fit(model.examples, self.schema)
            self.engine = choose_engine(model, self.methods, self.schema)
            self.explainer = self._explainer() if model.explain else None
        except ModelError as error:
            raise ModelError(f"model {self.name!r}: {error}") from error
        self.accepted_rows: dict[str, Rows] = {}
        self.accepted_probes: dict[str, ModelInput] = {}
        self.output_widths: dict[str, int] = {}
        self._calls = self.engine.calls
        if self.explainer is not None:
            self.methods += (EXPLAIN,)
            self._calls = {**self._calls, EXPLAIN: self.explainer}
            self.output_widths[EXPLAIN] = self.explainer.layout.cells
        self._combiners = {
            method: Combiner(call, model.batching) for method, call in self._calls.items()
        }
        self.arrow_schemas: dict[str, ArrowSchema] = {}
        self.probed_methods: set[str] = set()

    def _explainer(self) -> Explainer:
        """Return the function that explains predictions.

        :raises ModelError: the model cannot be explained exactly, or its file would be explained by
            native code but is neither pinned nor trusted
        """
        is_trusted = self.loaded is None or self.loaded.is_trusted
        return Explainer(
            self.model, self.schema, self.engine.calls, self.profile, is_trusted=is_trusted
        )

    @property
    def layout(self) -> ExplanationLayout | None:
        """The order of the outputs of ``explain``, None if ``explain`` is not served."""
        return None if self.explainer is None else self.explainer.layout

    @property
    def default_method(self) -> str:
        """The method that is called if a request names none."""
        return self.methods[0]

    @cached_property
    def _classes(self) -> list[object] | None:
        return introspect.classes(self.model.pipeline)

    @cached_property
    def example_rows(self) -> list[JSONValue]:
        """The examples of the model, or else a row of typical values of the training data."""
        return self.examples_to_show()

    def examples_to_show(self, hidden: Collection[str] = ()) -> list[JSONValue]:
        """Return the examples as a document may show them; see :attr:`example_rows`.

        :param hidden: names of the fields whose training data are not shown; the examples that the
            model declares are not training data
        """
        if self.model.examples:
            return list(self.model.examples)
        row = typical_row(fields_to_show(self.schema, hidden), unnamed=self.schema.unnamed)
        return [] if row is None else [row]

    @property
    def is_classifier(self) -> bool:
        """True if the model predicts labels."""
        return self._classes is not None

    @property
    def sha256(self) -> str | None:
        """The digest of the file in hexadecimal, None for an estimator in memory."""
        return None if self.loaded is None else self.loaded.sha256

    def classes(self, method: str) -> list[object] | None:
        """Return the classes of the columns of a method's output, None if there are none."""
        return self._classes if method in _WITH_CLASSES else None

    def callable(self, method: str) -> Callable[[ModelInput], ModelOutput]:
        """Return the engine's function for a method; it takes X.

        :raises UnknownModel: the model does not serve that method
        """
        if method not in self.methods:
            raise self._unknown_method(method)
        return self._calls[method]

    def combiner(self, method: str) -> Combiner:
        """Return the combiner for calls of a method that arrive at the same time.

        :raises UnknownModel: the model does not serve that method
        """
        if method not in self.methods:
            raise self._unknown_method(method)
        return self._combiners[method]

    def _unknown_method(self, method: str) -> UnknownModel:
        served = ", ".join(self.methods)
        return UnknownModel(f"model {self.name!r} does not serve {method!r}, only {served}")

    def check(self, policy: Policy) -> None:
        """Check that the engine's results are as close to the estimator's as the policy requires.

        :raises ModelError: the results differ too much
        """
        try:
            self.engine.check(policy.onnx_tolerance)
        except ModelError as error:
            raise ModelError(f"model {self.name!r}: {error}") from error

    def describe(self, hidden: Collection[str] = ()) -> JSONObject:
        """Return the description of the model for clients, as values for JSON.

        :param hidden: names of the fields whose training data are not shown
        """
        row = self.schema.json_schema(hidden)
        return {
            "name": self.name,
            "version": self.label,
            "description": description_of(self.model),
            "methods": list(self.methods),
            "fields": row["properties"],
            "required": row["required"],
            "classes": self._classes,
            "estimator": introspect.class_name(self.model.pipeline),
            "engine": self.engine.describe(),
            "examples": list(self.model.examples),
            "artifact": self.artifact(),
        }

    def artifact(self) -> dict[str, str | None] | None:
        """Return the file's digest, scikit-learn's version and the time of loading.

        :returns: values for JSON; None for an estimator in memory
        """
        if self.loaded is None:
            return None
        return {
            "sha256": self.loaded.sha256,
            "sklearn_version": self.loaded.sklearn_version,
            "loaded_at": self.loaded.loaded_at.isoformat(),
        }


def _check_examples_fit(examples: Sequence[JSONValue], schema: Schema) -> None:
    """Check that the schema accepts the examples that an application declares.

    :raises ModelError: the schema rejects an example
    """
    for index, row in enumerate(examples):
        try:
            schema.clean(from_python([row]))
        except InvalidInput as error:
            reasons = "; ".join(str(replace(each, row=None)) for each in error.errors)
            message = f"example {index} does not match its schema: {reasons}"
            raise ModelError(message) from error


class Versions(Protocol):
    """All versions of a model that one application serves.

    :ivar is_folder: True if the versions have labels
    :ivar is_reloadable: True if the model can be loaded again after :meth:`unload`
    """

    model: Model
    name: str
    is_folder: bool
    is_reloadable: bool

    @property
    def live(self) -> ModelVersion | None:
        """The live version, or before the first request the one to be live; None if unloaded."""

    @property
    def is_down(self) -> bool:
        """True if a request needed the model and no version could be loaded."""

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that are served; before a version is loaded, those that may be served."""

    @property
    def failures(self) -> Mapping[str | None, str]:
        """The reasons why versions were rejected, by label; the key None is for all versions."""

    def describe(self) -> list[JSONObject]:
        """Return an entry for each version, the newest first; empty if versions have no labels."""

    def current(self, sender: Sender) -> ModelVersion:
        """Return the live version; load it if necessary."""

    def get(self, label: str, sender: Sender, limit: LoadLimit | None = None) -> ModelVersion:
        """Return a version by its label; load it if necessary, within the limit."""

    def loaded(self, label: str | None) -> ModelVersion | None:
        """Return a version if it is loaded; the label is None if the model has no versions."""

    def get_shadow(self, label: str, sender: Sender) -> ModelVersion | None:
        """Return a version that predicts beside the live one, None if the model is unloaded."""

    def start(self, sender: Sender) -> None:
        """Load the version to serve, before any fork."""

    def poll(self, sender: Sender) -> None:
        """Start a thread that loads a newer version, if it is time for that."""

    def refresh(self, sender: Sender) -> None:
        """Serve the newest version that loads and passes its checks."""

    def touch(self) -> None:
        """Record a use of the model; if too many models are loaded, unload another one."""

    def unload(self) -> None:
        """Unload all versions; the next request loads them again."""

    def request_reload(self) -> None:
        """Make every process that serves the folder poll it at its next request."""


class SingleVersion:
    """The only version of a model whose estimator is in memory.

    :param model: the declaration
    :raises ModelError: it cannot be served
    """

    is_folder = False
    is_reloadable = False
    is_down = False

    def __init__(self, model: Model) -> None:
        self.model = model
        self.failures: Mapping[str | None, str] = {}
        self.live = ModelVersion(model)
        self.name = self.live.name
        self.methods = self.live.methods

    def describe(self) -> list[JSONObject]:
        """Return nothing: the version has no label."""
        return []

    def current(self, sender: Sender) -> ModelVersion:
        """Return the version."""
        return self.live

    def loaded(self, label: str | None) -> ModelVersion | None:
        """Return the version."""
        return self.live

    def get(self, label: str, sender: Sender, limit: LoadLimit | None = None) -> ModelVersion:
        """Raise :class:`UnknownModel`: there are no labels."""
        raise UnknownModel(f"model {self.name!r} has no versions, so there is no version {label!r}")

    def get_shadow(self, label: str, sender: Sender) -> ModelVersion | None:
        """Raise UnknownModel: there are no labels."""
        return self.get(label, sender)

    def start(self, sender: Sender) -> None:
        """Do nothing: the version is loaded."""

    def poll(self, sender: Sender) -> None:
        """Do nothing: there is no folder."""

    def refresh(self, sender: Sender) -> None:
        """Do nothing: there is no folder."""

    def touch(self) -> None:
        """Do nothing: the version is never unloaded."""

    def unload(self) -> None:
        """Do nothing: the version could not be loaded again."""

    def request_reload(self) -> None:
        """Do nothing: there is no folder."""
