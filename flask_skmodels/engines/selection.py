"""The choice of the engine that computes a model's predictions."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from flask_skmodels.artifacts.onnx import OnnxModel
from flask_skmodels.engines.boosters import on_one_thread
from flask_skmodels.engines.lean.compiler import Decline
from flask_skmodels.engines.lean.verify import VerifiedCalls, WrongForm, lean_calls, with_fallback
from flask_skmodels.engines.native import Call, has_default_configuration, native_calls
from flask_skmodels.engines.onnx import Difference, onnx_calls
from flask_skmodels.estimators.requirements import estimators_in
from flask_skmodels.exceptions import ModelError
from flask_skmodels.models import Model, name_of, overrides
from flask_skmodels.schema.schema import Schema
from flask_skmodels.schema.types import JSONObject

_log = logging.getLogger("flask_skmodels.engines")

ENGINES = ("lean", "sklearn", "onnx")
Calls = Mapping[str, Call]


@dataclass(frozen=True, slots=True)
class Engine:
    """The engine of one version of a model.

    :param name: ``"lean"``, ``"sklearn"`` or ``"onnx"``
    :param reason: why this engine was chosen, or which methods and steps it leaves to the
        estimator; None if this is the declared engine and it computes everything
    :param calls: a function of X for each method
    :param difference: the difference between the results of the engine and the estimator's; None if
        they are equal
    """

    name: str
    reason: str | None
    calls: Calls
    difference: Difference | None = None

    def describe(self) -> JSONObject:
        """Return the JSON object that describes the engine to clients."""
        measured = {} if self.difference is None else self.difference.describe()
        return {"name": self.name, "reason": self.reason} | measured

    def check(self, tolerance: float) -> None:
        """Check that the results are close enough to the estimator's.

        :param tolerance: ``SKMODELS_ONNX_TOLERANCE``
        :raises ModelError: the difference is larger than the tolerance
        """
        if self.difference is not None:
            self.difference.check(tolerance)


def choose_engine(model: Model, methods: tuple[str, ...], schema: Schema) -> Engine:
    """Return the engine for a model.

    :param model: the declaration, with a fitted estimator as its pipeline
    :param methods: the methods that are served
    :param schema: the schema of the rows
    :raises ModelError: the declared engine does not exist, or ONNX Runtime cannot compute the
        estimator
    """
    if model.engine not in ENGINES:
        raise ModelError(f"engine must be one of {', '.join(ENGINES)}, not {model.engine!r}")
    native = native_calls(model, methods)
    if isinstance(model.pipeline, OnnxModel):
        return Engine("onnx", "the pipeline is an ONNX graph", native)
    if model.engine == "sklearn":
        return Engine("sklearn", None, native)
    replaceable = {name: call for name, call in native.items() if not overrides(model, name)}
    if not replaceable:
        return Engine("sklearn", "the model overrides the estimator's methods", native)
    if model.engine == "onnx":
        return _onnx(model, native, replaceable, schema)
    return _lean(model, native, replaceable, schema)


def _lean(model: Model, native: Calls, replaceable: Calls, schema: Schema) -> Engine:
    name = name_of(model)
    try:
        verified = verified_calls(model, replaceable, schema)
    except Decline as why:
        level = logging.WARNING if isinstance(why, WrongForm) else logging.INFO
        text = "model %r is served by scikit-learn's native methods: %s"
        _log.log(level, text, name, why)
        return Engine("sklearn", str(why), native)
    lean = {name: with_fallback(call, native[name]) for name, call in verified.calls.items()}
    calls = {**native, **lean}
    if not verified.is_lean:
        text = "model %r is served by scikit-learn's native methods, called with an array: %s"
        _log.info(text, name, verified.reason)
        return Engine("sklearn", verified.reason, calls)
    if verified.reason is not None:
        _log.info("model %r is served by the lean engine: %s", name, verified.reason)
    return Engine("lean", verified.reason, calls)


def verified_calls(model: Model, methods: Calls, schema: Schema) -> VerifiedCalls:
    """Return the verified calls of a model; its boosters predict on one thread.

    :raises Decline: the model has none
    :raises WrongForm: a lean form returns other results than the estimator
    """
    with on_one_thread(model, list(estimators_in(model.pipeline))) as limited:
        return lean_calls(
            model.pipeline,
            native_calls(limited, tuple(methods)) if limited not in (None, model) else methods,
            schema,
            model.examples,
            passes_arrays=has_default_configuration(model),
        )


def _onnx(model: Model, native: Calls, replaceable: Calls, schema: Schema) -> Engine:
    calls, difference = onnx_calls(model, replaceable, schema)
    others = ", ".join(method for method in native if method not in calls)
    reason = (
        f"native methods are used for {others}, which the graph does not have" if others else None
    )
    return Engine("onnx", reason, {**native, **calls}, difference)
