"""The declarations of models: an estimator, its schema and the options for serving it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import fsum
from os import PathLike
from typing import Any, ClassVar, Protocol

import sklearn

from flask_skmodels.artifacts.declaration import Artifact
from flask_skmodels.config import KEYS, is_count, is_positive
from flask_skmodels.estimators import attributes, input_columns, introspect
from flask_skmodels.estimators.categories import restricted
from flask_skmodels.estimators.profile.profile import Profile
from flask_skmodels.estimators.profile.profiled_inputs import profiled
from flask_skmodels.estimators.profile.profiled_rules import with_ranges, with_types
from flask_skmodels.exceptions import ArtifactError, ModelError
from flask_skmodels.hints import did_you_mean, nearest_name
from flask_skmodels.schema.fields import Declaration, InputColumn, Inputs, declared
from flask_skmodels.schema.pydantic_rules import forbids_unknown, is_pydantic_model, rules_of
from flask_skmodels.schema.schema import FixedSchema, Schema
from flask_skmodels.schema.types import (
    Estimator,
    EstimatorInput,
    FieldRules,
    JSONObject,
    ModelOutput,
)
from flask_skmodels.schema.unbounded import UnboundedSchema
from flask_skmodels.schema.validator import Validator

EXPLAIN = "explain"  # the name of the method that explains predictions
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*", re.ASCII)
RESERVED_NAMES = frozenset({"static", "v1", "v2", "ping", "health", "version", "invocations"})
TRAFFIC_KEY = re.compile(r"(header|cookie):.+")
# The attributes with the meaning and the valid values of a configuration key, or None.
_LIMITS = (
    *("max_explained_rows", "max_rows", "max_cells", "max_concurrency", "max_queue", "timeout"),
)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class Extension(Protocol):
    """The extension that a model is registered with, as far as the model uses it."""

    def predict(
        self,
        name: str,
        rows: Any,
        method: str | None = None,
        *,
        version: str | None = None,
        app: Any = None,
    ) -> Any:
        """Predict; see :meth:`SKModels.predict <flask_skmodels.SKModels.predict>`."""

    def scorer(
        self, name: str, method: str | None, keep: Any, *, version: str | None, app: Any
    ) -> Any:
        """Return a scorer; see :meth:`Model.scorer`."""

    def form(self, name: str, *, version: str | None, app: Any) -> Any:
        """Return a form class; see :meth:`Model.form`."""


class Model:
    """A fitted estimator and the options for serving it.

    Each attribute can be set on a subclass, or passed to the constructor by name. A row has named
    fields if there is a schema or the estimator was fitted with names; if not, it has one field
    ``values``.

    :ivar name: the first segment of the model's URLs; by default the name of the class in
        snake_case, without a trailing ``Model``
    :ivar pipeline: the fitted estimator; or an :class:`Artifact`, or the path of a file or a folder
        of versions
    :ivar probability: whether ``predict_proba`` is served in addition
    :ivar methods: the methods that are served; by default ``predict``, or ``transform`` if the
        estimator has no ``predict``
    :ivar schema: a mapping of field names to Cerberus rules; a list of rules that each have
        ``name``, and may have ``default`` and ``transform``; or a pydantic model; by default
        derived from the estimator
    :ivar validator: the Cerberus validator class
    :ivar purge_unknown: whether fields that are not in the schema are ignored; if not, they are
        errors
    :ivar engine: how predictions are computed: ``"lean"``, the estimator's arithmetic without its
        checks, verified against the estimator at load; ``"sklearn"``, the estimator's native
        methods; or ``"onnx"``, ONNX Runtime
    :ivar batching: whether calls of few rows that arrive at the same time are combined; if None,
        the measured time of a call of one row decides
    :ivar max_concurrency: the maximum number of calls that run at the same time in a process; None
        for no limit
    :ivar max_queue: the maximum number of calls that wait until they may run; None for no limit
    :ivar timeout: the seconds that a call may wait for other calls, and the seconds that the call
        of a request may take while the process makes another call; None for ``SKMODELS_TIMEOUT``
    :ivar decorators: view decorators for every URL of the model, as in Flask's ``View``
    :ivar description: a description of the model; by default the docstring of the class
    :ivar examples: rows that clients may send; a new version must predict them before it is served
    :ivar traffic: the share of requests, from 0 to 1, that each listed version gets instead of the
        live version
    :ivar traffic_key: the value that decides which version a request gets: ``"header:X-User"``,
        ``"cookie:session"`` or a function of the request; if None, the version is chosen at random
    :ivar shadow: a version that predicts the same rows in the background, for comparison
    :ivar profile: the :class:`Profile` of the training data, the path of its file, or the training
        data themselves; by default the profile beside the artifact, if there is one
    :ivar enforce_ranges: whether numbers outside the ranges in the profile are errors; if not, the
        ranges are only shown
    :ivar explain: whether the method ``explain`` is served in addition: the exact contribution of
        each field to the output
    :ivar max_explained_rows: the maximum number of rows in a request for explanations by trees; by
        default ``SKMODELS_MAX_EXPLAINED_ROWS``
    :ivar drift_window: the number of most recent rows for which drift is computed
    :ivar drift_minimum: the number of rows that are needed for drift; with fewer rows, none is
        computed
    :ivar drift_threshold: the population stability index above which a field has drifted
    :ivar max_rows: the maximum number of rows in a request; by default ``SKMODELS_MAX_ROWS``
    :ivar max_cells: the maximum number of cells (cells of a row times rows) of a request and of its
        response; by default ``SKMODELS_MAX_CELLS``
    """

    name: str = ""
    pipeline: Estimator = None
    probability: bool = False
    methods: Sequence[str] | None = None
    schema: Declaration | None = None
    validator: type[Any] = Validator
    purge_unknown: bool = True
    engine: str = "lean"
    batching: bool | None = None
    max_concurrency: int | None = None
    max_queue: int | None = None
    timeout: float | None = None
    decorators: Sequence[Callable[..., Any]] = ()
    description: str = ""
    examples: Sequence[Any] = ()
    traffic: Mapping[str, float] | None = None
    traffic_key: str | Callable[..., str | None] | None = None
    shadow: str | None = None
    profile: Any = None
    enforce_ranges: bool = False
    explain: bool = False
    max_explained_rows: int | None = None
    drift_window: int = 2_000
    drift_minimum: int = 500
    drift_threshold: float = 0.25
    max_rows: int | None = None
    max_cells: int | None = None

    registered_with: Extension | None = None
    configuration: JSONObject | None = None

    attributes: ClassVar[tuple[str, ...]] = (
        *("name", "pipeline", "probability", "methods", "schema", "validator", "purge_unknown"),
        *("engine", "batching", "max_concurrency", "max_queue", "timeout"),
        *("decorators", "description", "examples", "traffic", "traffic_key", "shadow"),
        *("profile", "enforce_ranges", "drift_window", "drift_minimum", "drift_threshold"),
        *("explain", "max_explained_rows", "max_rows", "max_cells"),
    )

    def __init__(self, **attributes: Any) -> None:
        self.configure(**attributes)

    def configure(self, **attributes: Any) -> None:
        """Set attributes of this model by name.

        :raises TypeError: a model has no such attribute
        """
        for name, value in attributes.items():
            if name not in self.attributes:
                hint = did_you_mean(name, self.attributes)
                raise TypeError(f"{type(self).__name__} has no attribute {name!r} to set{hint}")
            setattr(self, name, value)

    def __repr__(self) -> str:
        name = self.name or _snake_case(type(self).__name__)
        artifact = artifact_of(self)
        served = introspect.class_name(self.pipeline) if artifact is None else repr(artifact)
        return f"<{type(self).__name__} {name!r}: {served}>"

    def bind(self, extension: Extension) -> None:
        """Register this model with an extension, which makes its calls, scorers and forms.

        The model also keeps scikit-learn's configuration, which is local to a thread, so that the
        same configuration applies in every thread that predicts.
        """
        self.registered_with = extension
        self.name = name_of(self)
        self.configuration = sklearn.get_config()

    @property
    def is_bound(self) -> bool:
        """True after an extension has registered this model."""
        return self.configuration is not None

    def __call__(self, rows: Any, method: str | None = None, **options: Any) -> Any:
        """Predict in this process; see :meth:`SKModels.predict <flask_skmodels.SKModels.predict>`.

        :raises RuntimeError: the model is not registered
        """
        return self._extension().predict(name_of(self), rows, method, **options)

    def scorer(
        self,
        method: str | None = None,
        keep: Sequence[str] | Mapping[str, Any] = (),
        *,
        version: str | None = None,
        app: Any = None,
    ) -> Any:
        """Return an object that predicts batches inside other engines: Spark, Ray, Dask, Polars.

        The scorer can be pickled, and loads the model once in each process that calls it.

        :param method: the name of the estimator's method; by default the model's first
        :param keep: names of the columns to copy to the output, or a mapping of these names to
            Arrow types
        :param version: the label of a version; by default the live one
        :param app: the application; by default the current one
        :returns: a :class:`~flask_skmodels.bulk.scorer.Scorer`
        :raises RuntimeError: the model is not registered, or there is no application
        """
        return self._extension().scorer(name_of(self), method, keep, version=version, app=app)

    def form(self, *, version: str | None = None, app: Any = None) -> Any:
        """Return a form class of Flask-WTF for one row of this model.

        The form has a field for each field of the schema, with its type, range, choices and help.
        Its first values are those of the first example, or typical values of the training data.
        ``validate_on_submit`` runs the model's own validation; then ``row`` is the row, and
        ``predict()`` returns its prediction. The extra ``wtf`` is needed.

        :param version: the label of a version; by default the live one
        :param app: the application; by default the current one
        :returns: a subclass of ``FlaskForm``
        :raises ConfigurationError: Flask-WTF is not installed
        :raises RuntimeError: the model is not registered, or there is no application
        """
        return self._extension().form(name_of(self), version=version, app=app)

    def _extension(self) -> Extension:
        if self.registered_with is None:
            raise RuntimeError(f"model {name_of(self)!r} is not registered with an SKModels yet")
        return self.registered_with

    def predict(self, X: EstimatorInput) -> ModelOutput:
        """Return the estimator's predictions. Override it to change X or the predictions.

        :param X: the validated array or data frame of shape (rows, columns)
        :returns: array of shape (rows,) or (rows, outputs)
        """
        return self.pipeline.predict(X)

    def predict_proba(self, X: EstimatorInput) -> ModelOutput:
        """Return the probability of each class, shape (rows, classes); see :meth:`predict`."""
        return self.pipeline.predict_proba(X)

    def predict_log_proba(self, X: EstimatorInput) -> ModelOutput:
        """Return the logarithm of each probability, shape (rows, classes); see :meth:`predict`."""
        return self.pipeline.predict_log_proba(X)

    def decision_function(self, X: EstimatorInput) -> ModelOutput:
        """Return confidence scores, shape (rows,) or (rows, classes); see :meth:`predict`."""
        return self.pipeline.decision_function(X)

    def transform(self, X: EstimatorInput) -> ModelOutput:
        """Return the transformed rows, shape (rows, features); see :meth:`predict`."""
        return self.pipeline.transform(X)

    def score_samples(self, X: EstimatorInput) -> ModelOutput:
        """Return the score of each row, shape (rows,); see :meth:`predict`."""
        return self.pipeline.score_samples(X)

    def compile_schema(self, inputs: Inputs) -> Schema:
        """Return the compiled schema of the rows that this model takes.

        :param inputs: the X that the estimator takes
        :raises ModelError: the schema cannot be compiled or does not match the estimator
        """
        unnamed = self.schema is None and not inputs.named and inputs.container != "sequence"
        return self._compile(inputs, unnamed=unnamed)

    def _compile(self, inputs: Inputs, *, unnamed: bool) -> Schema:
        rules: FieldRules | None
        rules = rules_from(inputs) if self.schema is None else declared(self.schema)
        if inputs.container == "nothing":
            raise ModelError("its estimator takes targets or images, not rows of features")
        if rules is None and inputs.container == "mapping":
            raise ModelError(
                "its estimator takes mappings with arbitrary keys, so the fields are not known: "
                "set schema"
            )
        if rules is None:
            return UnboundedSchema()
        if inputs.is_profiled:
            rules = with_types(rules, inputs)
        if self.enforce_ranges:
            rules = with_ranges(rules, inputs)
        return FixedSchema(
            rules,
            inputs,
            unnamed=unnamed,
            validator=self.validator,
            purge_unknown=self.purge_unknown and not forbids_unknown(self.schema),
        )


class ValuesModel(Model):
    """A model whose rows have one field ``values`` with all values in order: ``values=1,3,7.2``."""

    def compile_schema(self, inputs: Inputs) -> Schema:
        return self._compile(inputs, unnamed=True)


class KeyValueModel(Model):
    """A model whose rows have named fields, which its schema validates."""

    def compile_schema(self, inputs: Inputs) -> Schema:
        if self.schema is None and not inputs.named and inputs.container != "sequence":
            raise ModelError(
                "it has no schema and its estimator was fitted without names: "
                "set schema, or use ValuesModel"
            )
        return self._compile(inputs, unnamed=False)


_BASES = frozenset({*ValuesModel.__mro__, KeyValueModel})


def name_of(model: Model) -> str:
    """Return the name that a model is served under.

    :raises ModelError: the name is reserved, or cannot be part of a URL
    """
    name: Any = model.name or _snake_case(type(model).__name__)
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ModelError(f"model name {name!r} must match {NAME.pattern}")
    if name in RESERVED_NAMES:
        raise ModelError(f"model name {name!r} is reserved: choose another")
    return str(name)


def plain_schema(model: Model) -> dict[str, Any]:
    """Return the attributes of a model that are a pydantic model, converted to Cerberus rules.

    They are for another process, which may not have the classes of the application.
    """
    if not is_pydantic_model(model.schema):
        return {}
    purge_unknown = model.purge_unknown and not forbids_unknown(model.schema)
    return {"schema": rules_of(model.schema), "purge_unknown": purge_unknown}


def check_spelling(model: Model) -> None:
    """Raise :class:`ModelError` if a public name of a model is nearly the name of an attribute.

    Such a name would be ignored: a misspelt ``decorators`` would publish a model without its login.
    A function is compared with the methods of a model as well.
    """
    own = [cls for cls in type(model).__mro__ if cls not in _BASES]
    given = [item for each in [*own, model] for item in vars(each).items()]
    for name, value in given:
        if name.startswith("_") or hasattr(Model, name):
            continue
        meant = nearest_name(
            name, [*Model.attributes, *(introspect.METHODS if callable(value) else ())]
        )
        if meant is not None:
            raise ModelError(
                f"model {name_of(model)!r} has no attribute {name!r}; did you mean {meant!r}? "
                f"If the name is your own, begin it with an underscore: '_{name}'"
            )


def artifact_of(model: Model) -> Artifact | None:
    """Return the artifact that holds a model's estimator, or None if the estimator is in memory."""
    if isinstance(model.pipeline, str | PathLike):
        return Artifact(model.pipeline)
    return model.pipeline if isinstance(model.pipeline, Artifact) else None


def declared_methods_of(model: Model) -> tuple[str, ...]:
    """Return the methods that a model may serve, as far as they are known before it is loaded.

    :raises ModelError: methods is not a list of method names
    """
    explain = (EXPLAIN,) if model.explain else ()
    if model.methods is None:
        also = ("predict_proba",) if model.probability else ()
        return ("predict", *also, "transform", *explain)
    wanted = _wanted_methods(model, introspect.METHODS)
    for method in wanted:
        _check_method(method)
    return wanted + explain


def check_traffic(model: Model) -> None:
    """Raise :class:`ModelError` if the traffic, traffic_key or shadow of a model is not valid."""
    problem = ""
    if (model.traffic or model.shadow is not None) and artifact_of(model) is None:
        problem = "traffic and shadow need a folder of versions as the pipeline"
    elif not _are_shares(model.traffic or {}):
        problem = (
            "traffic must be a mapping of version labels (strings) to shares from 0 to 1 with a "
            "sum of at most 1"
        )
    elif not _is_label(model.shadow):
        problem = "shadow must be the label of a version (a string)"
    elif not _is_traffic_key(model.traffic_key):
        problem = "traffic_key must be 'header:NAME', 'cookie:NAME' or a function of the request"
    if problem:
        raise ModelError(f"model {name_of(model)!r}: {problem}")


def check_limits(model: Model) -> None:
    """Raise :class:`ModelError` if the limits on the rows or the calls of a model are not valid."""
    problem = ""
    for name in _LIMITS:
        key, value = KEYS[name.upper()], getattr(model, name)
        if value is not None and not key.is_valid(value):
            valid_values = key.valid_values.removeprefix("None or ")
            problem = f"{name} must be None or {valid_values}, not {value!r}"
            break
    if not problem and model.max_queue is not None and model.max_concurrency is None:
        problem = "max_queue has no effect without max_concurrency: set max_concurrency as well"
    if problem:
        raise ModelError(f"model {name_of(model)!r}: {problem}")


def check_drift(model: Model) -> None:
    """Raise :class:`ModelError` if the window, minimum or threshold of drift is not valid."""
    problem = ""
    window, minimum = model.drift_window, model.drift_minimum
    for name in ("drift_window", "drift_minimum"):
        value = getattr(model, name)
        if not is_count(value):
            problem = f"{name} must be an integer of at least 1, not {value!r}"
            break
    if not problem and minimum > window:
        problem = f"drift_minimum must be at most drift_window, {window}"
    if not problem and not is_positive(model.drift_threshold):
        problem = f"drift_threshold must be a number above 0, not {model.drift_threshold!r}"
    if problem:
        raise ModelError(f"model {name_of(model)!r}: {problem}")


def _are_shares(traffic: Any) -> bool:
    if not isinstance(traffic, Mapping) or not all(isinstance(label, str) for label in traffic):
        return False
    shares = list(traffic.values())
    if not all(isinstance(s, int | float) and not isinstance(s, bool) for s in shares):
        return False
    return all(0 <= share <= 1 for share in shares) and fsum(shares) <= 1 + 1e-9


def _is_label(shadow: Any) -> bool:
    return shadow is None or (isinstance(shadow, str) and shadow != "")


def _is_traffic_key(key: Any) -> bool:
    return (
        key is None or callable(key) or (isinstance(key, str) and bool(TRAFFIC_KEY.fullmatch(key)))
    )


def description_of(model: Model) -> str:
    """Return a model's description; by default the docstring of its class."""
    if model.description:
        return model.description
    is_subclass = type(model) not in (Model, ValuesModel, KeyValueModel)
    return inspect.cleandoc(type(model).__doc__ or "") if is_subclass else ""


def methods_of(model: Model) -> tuple[str, ...]:
    """Return the estimator's methods that are served, without ``explain``.

    :raises ModelError: the estimator lacks one of these methods, or there are none
    """
    available = introspect.methods(model.pipeline)
    available += tuple(m for m in introspect.METHODS if m not in available and overrides(model, m))
    wanted = _wanted_methods(model, available)
    for method in wanted:
        _check_method(method)
        if method not in available:
            raise ModelError(
                f"{introspect.class_name(model.pipeline)} has no {method}{_hint(method)}"
            )
    return wanted


def overrides(model: Model, method: str) -> bool:
    """Return whether a subclass overrides the method that calls the estimator."""
    return getattr(type(model), method) is not getattr(Model, method)


def inputs_of(model: Model, methods: Sequence[str]) -> Inputs:
    """Return the X that a model takes.

    This is the X that its estimator takes, as the profile describes it. But a model that overrides
    one of the methods accepts missing values in all columns: the override may fill in missing
    values.

    :raises ModelError: the profile does not match the estimator, or it cannot be read
    """
    inputs = input_columns.inputs(model.pipeline)
    profile = profile_of(model)
    if profile is not None:
        is_exact = attributes.has(model.pipeline, "n_features_in_")
        has_names = attributes.records_names(model.pipeline)
        inputs = profiled(inputs, profile, is_exact=is_exact, records_names=has_names)
        inputs = restricted(inputs, model.pipeline)
    if inputs.columns is None or not any(overrides(model, method) for method in methods):
        return inputs
    columns = tuple(replace(column, nullable=True) for column in inputs.columns)
    return replace(inputs, columns=columns)


def profile_of(model: Model) -> Profile | None:
    """Return the profile of a model, None if it has none.

    Training data are measured once; after that, the model keeps their profile instead of the data.

    :raises ModelError: the data cannot be measured, or the file is not a profile
    """
    if isinstance(model.profile, str | PathLike):
        try:
            model.profile = Profile.load(model.profile)
        except ArtifactError as error:
            raise ModelError(f"its profile cannot be used: {error}") from error
    elif model.profile is not None and not isinstance(model.profile, Profile):
        model.profile = Profile.of(model.profile)
    return model.profile


def _wanted_methods(model: Model, available: tuple[str, ...]) -> tuple[str, ...]:
    wanted: tuple[str, ...]
    if model.methods is None:
        wanted = ("predict",) if "predict" in available else ("transform",)
    elif isinstance(model.methods, str):
        raise ModelError(f"methods must be a list of names, not the string {model.methods!r}")
    else:
        wanted = tuple(dict.fromkeys(model.methods))
    if model.probability and "predict_proba" not in wanted:
        wanted += ("predict_proba",)
    if not wanted:
        raise ModelError("methods is empty: name at least one method")
    return wanted


def _check_method(method: str) -> None:
    if method == EXPLAIN:
        raise ModelError("'explain' is not a method of an estimator: set explain to True instead")
    if method not in introspect.METHODS:
        raise ModelError(f"{method!r} is not one of {', '.join(introspect.METHODS)}")


def _hint(method: str) -> str:
    if method == "predict_proba":
        return ": set probability to False, or fit an estimator that has this method"
    return ": remove it from methods, or fit an estimator that has this method"


def rules_from(inputs: Inputs) -> FieldRules | None:
    """Return the rules derived from the X that an estimator takes, None if it is not known."""
    if inputs.columns is None:
        return None
    if inputs.container == "sequence":
        return {"text": {"type": "string"}}
    return {column.name: _column_rules(column) for column in inputs.columns}


def _column_rules(column: InputColumn) -> JSONObject:
    if column.type == "any":
        return {"type": ["number", "string", "boolean"], "nullable": True, "required": False}
    is_unknown = column.type == "unknown"
    rules: JSONObject = {"type": ["number", "string", "boolean"] if is_unknown else column.type}
    if column.allowed is not None:
        rules["allowed"] = list(column.allowed)
    return rules | {"nullable": True} if column.nullable else rules


def _snake_case(name: str) -> str:
    stem = name.removesuffix("Model") or name
    return _HUMP.sub("_", stem).lower()
