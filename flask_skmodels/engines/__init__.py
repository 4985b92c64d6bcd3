"""What computes a prediction: lean, scikit-learn's own, or ONNX Runtime."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask_skmodels.artifacts.onnx import OnnxModel
from flask_skmodels.engines.lean.compiler import Decline
from flask_skmodels.engines.lean.verify import Refuted, lean_calls
from flask_skmodels.engines.native import own_calls
from flask_skmodels.engines.onnx import Difference, onnx_calls
from flask_skmodels.errors import ModelError
from flask_skmodels.models import Model, name_of, overrides
from flask_skmodels.schema.schema import Schema

_log = logging.getLogger(__name__)

ENGINES = ("lean", "sklearn", "onnx")
Calls = Mapping[str, Callable[[Any], Any]]


@dataclass(frozen=True, slots=True)
class Engine:
    """What computes the methods of one version of a model.

    :param name: ``"lean"``, ``"sklearn"`` or ``"onnx"``
    :param reason: why it is this one, or what it leaves to the estimator's own methods; None where
        it is the one that was asked for, and all of it
    :param calls: for each method what is called with X
    :param difference: how far it is from the estimator, None where it is equal
    """

    name: str
    reason: str | None
    calls: Calls
    difference: Difference | None = None

    def describe(self) -> dict[str, Any]:
        """Return what runs and why, for a client."""
        measured = {} if self.difference is None else self.difference.describe()
        return {"name": self.name, "reason": self.reason} | measured

    def check(self, tolerance: float) -> None:
        """Raise ModelError where it is further from the estimator than it may be.

        :param tolerance: ``SKMODELS_ONNX_TOLERANCE``
        """
        if self.difference is not None:
            self.difference.check(tolerance)


def engine_of(model: Model, methods: tuple[str, ...], schema: Schema) -> Engine:
    """Return what computes the methods of a model.

    :param model: the declaration, with a fitted estimator as its pipeline
    :param methods: those that are served
    :param schema: of the rows
    :raises ModelError: there is no such engine, or ONNX Runtime cannot compute the estimator
    """
    if model.engine not in ENGINES:
        raise ModelError(f"engine must be one of {', '.join(ENGINES)}, not {model.engine!r}")
    own = own_calls(model, methods)
    if isinstance(model.pipeline, OnnxModel):
        return Engine("onnx", "its pipeline is a graph of ONNX", own)
    if model.engine == "sklearn":
        return Engine("sklearn", None, own)
    plain = {method: call for method, call in own.items() if not overrides(model, method)}
    if not plain:
        return Engine("sklearn", "the model has methods of its own around the estimator's", own)
    if model.engine == "onnx":
        return _onnx(model, own, plain, schema)
    try:
        lean, but_for = lean_calls(model.pipeline, plain, schema, model.examples)
    except Decline as why:
        level = logging.WARNING if isinstance(why, Refuted) else logging.INFO
        text = "model %r is served by scikit-learn's own methods: %s"
        _log.log(level, text, name_of(model), why)
        return Engine("sklearn", str(why), own)
    if but_for is not None:
        _log.info("model %r is served by the lean engine %s", name_of(model), but_for)
    return Engine("lean", but_for, own | lean)


def _onnx(model: Model, own: Calls, plain: Calls, schema: Schema) -> Engine:
    calls, difference = onnx_calls(model, plain, schema)
    others = ", ".join(method for method in own if method not in calls)
    reason = f"but for {others}, which the graph has not" if others else None
    return Engine("onnx", reason, {**own, **calls}, difference)
