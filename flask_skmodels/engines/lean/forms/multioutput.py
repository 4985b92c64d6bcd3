"""Lean forms of ``sklearn.multioutput``."""

from __future__ import annotations

import numpy as np
from sklearn.multioutput import (
    ClassifierChain,
    MultiOutputClassifier,
    MultiOutputRegressor,
    RegressorChain,
)

from flask_skmodels.engines.lean.compiler import Call, Compiler, Methods, doubles, finite, lean_form
from flask_skmodels.engines.lean.response_values import response_values
from flask_skmodels.schema.types import Estimator, FloatArray


@lean_form(MultiOutputClassifier, MultiOutputRegressor)
def multi_output(estimator: Estimator, compiler: Compiler) -> Methods:
    """The outputs of each inner estimator, side by side."""
    each = list(map(compiler.methods, estimator.estimators_))
    methods: Methods = {
        "predict": lambda X: np.asarray([inner["predict"](X) for inner in each]).T,
    }
    if all("predict_proba" in inner for inner in each):
        methods["predict_proba"] = lambda X: [inner["predict_proba"](X) for inner in each]
    return methods


@lean_form(ClassifierChain, RegressorChain)
def chain(estimator: Estimator, compiler: Compiler) -> Methods:
    """Each inner estimator takes X and the outputs of the estimators before it."""
    parts = estimator.estimators_
    each = list(map(compiler.methods, parts))
    passed_on = getattr(estimator, "chain_method_", "predict")
    features = [response_values(*pair, passed_on) for pair in zip(parts, each, strict=True)]
    order = np.argsort(estimator.order_)

    def chained(method: str) -> Call:
        calls = [response_values(*pair, method) for pair in zip(parts, each, strict=True)]
        return lambda X: _run_chain(features, calls, finite(doubles(X)))[:, order]

    shared = set.intersection(*map(set, each))
    supported = shared & {"predict", "predict_proba", "decision_function"}
    methods = {method: chained(method) for method in supported}
    if "predict_proba" in supported:
        methods["predict_log_proba"] = lambda X: np.log(methods["predict_proba"](X))
    return methods


def _run_chain(features: list[Call], calls: list[Call], X: FloatArray) -> FloatArray:
    """Return the outputs of a chain, of shape (rows, estimators).

    :param features: for each estimator, a function that returns the column that it adds to X
    :param calls: for each estimator, a function that returns its output
    """
    added, outputs = np.zeros((2, len(X), len(calls)))
    for index, (feature, call) in enumerate(zip(features, calls, strict=True)):
        extended = np.hstack((X, added[:, :index]))
        added[:, index] = feature(extended)
        outputs[:, index] = call(extended)
    return outputs
