"""What computes a prediction: lean, scikit-learn's own, or ONNX Runtime."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask_skmodels.engines.forms import Decline
from flask_skmodels.engines.lean import lean_calls
from flask_skmodels.engines.own import own_calls
from flask_skmodels.models import Model, name_of, overrides
from flask_skmodels.schema import Cleaner

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Engine:
    """What computes the methods of one version of a model.

    :param name: ``"lean"``, ``"sklearn"`` or ``"onnx"``
    :param reason: why it is this one, or what it leaves to the estimator's own methods; None where
        it is the one that was asked for, and all of it
    :param calls: for each method what is called with X
    """

    name: str
    reason: str | None
    calls: Mapping[str, Callable[[Any], Any]]

    def describe(self) -> dict[str, Any]:
        """Return what runs and why, for a client."""
        return {"name": self.name, "reason": self.reason}


def engine_of(model: Model, methods: tuple[str, ...], schema: Cleaner) -> Engine:
    """Return what computes the methods of a model.

    :param model: the declaration, with a fitted estimator as its pipeline
    :param methods: those that are served
    :param schema: of the rows
    """
    own = own_calls(model, methods)
    if model.engine == "sklearn":
        return Engine("sklearn", None, own)
    plain = {method: call for method, call in own.items() if not overrides(model, method)}
    if not plain:
        return Engine("sklearn", "the model has methods of its own around the estimator's", own)
    try:
        lean, but_for = lean_calls(model.pipeline, plain, schema, model.examples)
    except Decline as why:
        _log.info("model %r is served by scikit-learn's own methods: %s", name_of(model), why)
        return Engine("sklearn", str(why), own)
    if but_for is not None:
        _log.info("model %r is served by the lean engine %s", name_of(model), but_for)
    return Engine("lean", but_for, own | lean)
