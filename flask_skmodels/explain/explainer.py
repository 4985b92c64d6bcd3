"""The method ``explain`` of a model: exact contributions of its fields, checked for every row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from importlib import import_module

import numpy as np

from flask_skmodels.engines.boosters import on_one_thread
from flask_skmodels.engines.lean.compiler import Decline
from flask_skmodels.engines.lean.probes import Probes, row_slice
from flask_skmodels.engines.lean.verify import quiet_on_one_thread, with_fallback
from flask_skmodels.engines.native import Call, call_context, native_calls
from flask_skmodels.engines.selection import verified_calls
from flask_skmodels.engines.threadpools import uses_joblib_workers
from flask_skmodels.estimators import introspect
from flask_skmodels.estimators.attributes import get, is_a
from flask_skmodels.estimators.profile.profile import Profile
from flask_skmodels.estimators.requirements import estimators_in
from flask_skmodels.exceptions import ModelError, SKModelsError, in_one_line
from flask_skmodels.explain.contributions import FieldColumns, Unexplained
from flask_skmodels.explain.dispatch import contributions_of, unpiped
from flask_skmodels.explain.explanation import ExplanationLayout
from flask_skmodels.models import Model, name_of, overrides
from flask_skmodels.schema.schema import Schema
from flask_skmodels.schema.tabular import copy_of, to_sklearn
from flask_skmodels.schema.types import Estimator, EstimatorInput, FloatArray, ModelInput

PROBES = 32  # rows that are explained at registration
SINGLE_PROBES = 8  # of these, tried one at a time if the estimator rejects all of them together
_NOT_TRUSTED = (
    "it cannot be explained: this library calls the explanation code of a boosting library only "
    "for files that are pinned or trusted. Set sha256 of its Artifact, or SKMODELS_SHA256SUMS"
)


class WrongExplanation(SKModelsError):
    """The base and the contributions of a row do not add up to the output of the model."""


class InfiniteExplanation(ValueError):
    """The output or a contribution of a row is not finite; the estimator cannot take such a row."""


class Explainer:
    """The function ``explain`` of X; see :class:`~.explanation.ExplanationLayout` for its outputs.

    :param model: the declaration, with a fitted estimator as its pipeline
    :param schema: the schema of the rows
    :param calls: the engine's functions of the methods that are served
    :param profile: the profile of the training data
    :param is_trusted: whether the native code of a boosting library may explain the estimator
    :ivar layout: the order of the outputs
    :raises ModelError: the model cannot be explained exactly; the message says why
    """

    def __init__(
        self,
        model: Model,
        schema: Schema,
        calls: Mapping[str, Call],
        profile: Profile | None,
        *,
        is_trusted: bool = True,
    ) -> None:
        self._model = model
        columns = _columns_of(model, schema, profile)
        try:
            steps, last, taken = unpiped(model.pipeline, columns)
            self.contributions = contributions_of(last, taken)
        except Unexplained as reason:
            raise ModelError(f"it cannot be explained: {reason}") from reason
        except SKModelsError:
            raise
        except Exception as error:  # a private attribute may be missing in another release
            raise ModelError(f"it cannot be explained: {in_one_line(error)}") from error
        if self.contributions.is_native and not is_trusted:
            raise ModelError(_NOT_TRUSTED)
        self._transform = _transform_of(model, steps, schema)
        method = self.contributions.method
        _check_overrides(model, method)
        self._output = None if method is None else _output_of(model, method, schema, calls)
        self._is_parallel = uses_joblib_workers(model.pipeline)
        self._may_write = any(get(part, "copy") is False for part in estimators_in(model.pipeline))
        count = self.contributions.outputs
        _check_classes(model, count)
        rules, are_probabilities = "+".join(self.contributions.rules), method == "predict_proba"
        self.layout = ExplanationLayout(columns.names, count, rules, are_probabilities)
        self._try(schema)

    @property
    def is_slow(self) -> bool:
        """True if the number of rows of a request has to be limited."""
        return self.contributions.is_slow

    def __call__(self, X: ModelInput) -> FloatArray:
        """Return the explanations of rows.

        :raises WrongExplanation: the contributions of a row do not add up to the output
        :raises InfiniteExplanation: an output or a contribution is not finite
        """
        with call_context(self._model, self._is_parallel):
            inner = self._transform(copy_of(X) if self._may_write else X)
            values = self.contributions(inner)
            outputs = self._outputs(X, inner)
            self._check(values, outputs, inner)
        parts = (values[:, :, -1:], values[:, :, :-1], outputs[:, :, np.newaxis])
        return np.concatenate(parts, axis=2).reshape(len(values), -1)

    def _outputs(self, X: ModelInput, inner: EstimatorInput) -> FloatArray:
        if self._output is None:
            return self.contributions.margins(inner)
        return self.contributions.select(self._output(X))

    def _check(self, values: FloatArray, outputs: FloatArray, inner: EstimatorInput) -> None:
        """Check that base and contributions add up to the outputs.

        :raises WrongExplanation: they do not add up
        :raises InfiniteExplanation: a number is not finite
        """
        tolerance, scale, difference = self.contributions.tolerance, None, None
        if outputs.shape == values.shape[:2] == (len(outputs), self.layout.count):
            difference = np.abs(np.add.reduce(values, axis=2) - outputs)
            scale = np.add.reduce(np.abs(values), axis=2) + np.abs(outputs) + 1.0
            if (difference < tolerance * scale).all():  # False if a number is not finite
                return
        if not (np.isfinite(outputs).all() and np.isfinite(values).all()):
            raise InfiniteExplanation("the output or a contribution is not a finite number")
        if difference is not None and scale is not None:
            limit = tolerance * (scale + self.contributions.size(inner))
            if (difference <= limit).all():
                return
        raise WrongExplanation(
            f"the explanations of model {name_of(self._model)!r} are wrong: base + contributions "
            f"differ from the output by more than {self.contributions.tolerance:g} of their size"
        )

    def _try(self, schema: Schema) -> None:
        """Explain rows that are drawn from the schema, as far as the estimator accepts them.

        :raises ModelError: explanations are wrong, or cannot be computed
        """
        parts = list(estimators_in(self._model.pipeline))
        with on_one_thread(self._model, parts) as limited:
            if limited is None:  # calling it would start threads, which a fork would break
                return
            with quiet_on_one_thread():
                for X in _accepted_probes(limited, schema):
                    self._explain_probes(X)

    def _explain_probes(self, X: ModelInput) -> None:
        try:
            self(X)
        except InfiniteExplanation:  # the row is the cause
            return
        except WrongExplanation as error:
            raise ModelError(f"it cannot be explained: {error}") from error
        except Exception as error:
            raise ModelError(f"it cannot be explained: {in_one_line(error)}") from error


def _columns_of(model: Model, schema: Schema, profile: Profile | None) -> FieldColumns:
    """Return the columns of X, each of which is a field.

    :raises ModelError: the number of columns is not known
    """
    names = tuple(map(str, schema.column_names))
    if not names:
        raise ModelError(
            "it cannot be explained, because the number of its fields is not known: set schema"
        )
    baseline = None if profile is None or profile.baseline is None else np.array(profile.baseline)
    return FieldColumns(np.arange(len(names)), names, baseline)


def _check_classes(model: Model, count: int) -> None:
    """Check that there is an output for each class, or one for two classes.

    :param count: the number of outputs
    :raises ModelError: there is a different number, because the model predicts several labels
    """
    classes = introspect.classes(model.pipeline)
    if classes and count != (1 if len(classes) == 2 else len(classes)):
        raise ModelError("it cannot be explained, because it predicts several labels for a row")


def _check_overrides(model: Model, method: str | None) -> None:
    """Check that the output that is explained is the estimator's own.

    :raises ModelError: the model overrides the method that returns it
    """
    if method is None:
        is_classifier = is_a(model.pipeline, "ClassifierMixin")
        method = "predict_proba" if is_classifier else "predict"
    if overrides(model, method):
        raise ModelError(
            f"it cannot be explained, because it overrides {method}: the explanation of the "
            "estimator would not match its output"
        )


def _transform_of(
    model: Model, steps: list[Estimator], schema: Schema
) -> Callable[[ModelInput], EstimatorInput]:
    """Return a function that makes the input of the last step from X."""
    if not steps:
        return to_sklearn
    make = import_module("sklearn.pipeline").Pipeline  # this import takes a tenth of a second
    pipeline = make([(str(index), step) for index, step in enumerate(steps)])
    return _fast_call(model, pipeline, "transform", schema)


def _output_of(model: Model, method: str, schema: Schema, calls: Mapping[str, Call]) -> Call:
    """Return the engine's function of a method, even if the method is not served."""
    if method in calls and model.engine != "onnx":  # ONNX Runtime computes in single precision
        return calls[method]
    return _fast_call(model, model.pipeline, method, schema)


def _fast_call(model: Model, estimator: Estimator, method: str, schema: Schema) -> Call:
    """Return the lean form of a method of an estimator, or the native method if it has none."""
    part = copy(model)
    part.pipeline = estimator
    native = native_calls(part, (method,))
    if model.engine == "sklearn":
        return native[method]
    try:
        lean = verified_calls(part, native, schema).calls.get(method)
    except Decline:
        return native[method]
    return native[method] if lean is None else with_fallback(lean, native[method])


def _accepted_probes(model: Model, schema: Schema) -> list[ModelInput]:
    """Return X of rows that the estimator accepts: several rows, single rows, or none."""
    try:
        probes = Probes(schema, model.pipeline, (), takes_any_type=True)
    except Decline:
        return []
    rows = probes.sample(PROBES)
    call = native_calls(model, ("predict",))["predict"]
    if _accepts(call, probes.build(rows)):
        return [probes.build(rows), probes.build(row_slice(rows, 0, 1))]
    single = [probes.build(row_slice(rows, i, i + 1)) for i in range(SINGLE_PROBES)]
    return [X for X in single if _accepts(call, X)]


def _accepts(call: Call, X: ModelInput) -> bool:
    try:
        call(copy_of(X))
    except Exception:  # of any kind
        return False
    return True
