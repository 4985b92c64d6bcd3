"""Lean forms of stacking."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import StackingClassifier, StackingRegressor

from flask_skmodels.engines.lean.compiler import (
    Call,
    Compiler,
    Decline,
    Methods,
    doubles,
    lean_form,
)
from flask_skmodels.schema.types import Estimator, ModelInput, ModelOutput


@lean_form(StackingRegressor)
def stacking_regressor(estimator: StackingRegressor, compiler: Compiler) -> Methods:
    transform = _transform(estimator, compiler)
    predict = compiler.methods(estimator.final_estimator_)["predict"]
    return {
        "predict": lambda X: predict(transform(X).astype(np.float64, copy=False)),
        "transform": transform,
    }


@lean_form(StackingClassifier)
def stacking_classifier(estimator: StackingClassifier, compiler: Compiler) -> Methods:
    if isinstance(estimator._label_encoder, list):
        raise Decline("it has several outputs")
    transform, classes = _transform(estimator, compiler), estimator._label_encoder.classes_
    final = compiler.methods(estimator.final_estimator_)

    def chained(call: Call) -> Call:
        return lambda X: call(transform(X).astype(np.float64, copy=False))

    predict = chained(final["predict"])
    supported = ("predict_proba", "decision_function")
    methods = {method: chained(final[method]) for method in supported if method in final}
    return methods | {
        "predict": lambda X: classes.take(predict(X)),
        "transform": transform,
    }


def _transform(estimator: Estimator, compiler: Compiler) -> Call:
    """Return a function for the final estimator's input: predictions, then X for passthrough."""
    pairs = zip(estimator.estimators_, estimator.stack_method_, strict=True)
    calls = [(compiler.methods(part)[method], method) for part, method in pairs]
    is_binary = len(getattr(estimator, "classes_", ())) == 2
    includes_X = estimator.passthrough

    def transform(X: ModelInput) -> ModelOutput:
        blocks = []
        for call, method in calls:
            output = call(X)
            if isinstance(output, list):
                blocks += [part[:, 1:] for part in output]
            elif output.ndim == 1:
                blocks.append(output.reshape(-1, 1))
            else:
                is_redundant = is_binary and method == "predict_proba"
                blocks.append(output[:, 1:] if is_redundant else output)
        return np.hstack([*blocks, doubles(X)] if includes_X else blocks)

    return transform
