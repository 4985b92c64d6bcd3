"""Lean forms of ``sklearn.multioutput``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.multioutput import (
    ClassifierChain,
    MultiOutputClassifier,
    MultiOutputRegressor,
    RegressorChain,
)

from flask_skmodels.engines.lean.compiler import Call, Compiler, Methods, doubles, finite, lean_form
from flask_skmodels.engines.lean.response_values import response_of


@lean_form(MultiOutputClassifier, MultiOutputRegressor)
def multi_output(estimator: Any, compiler: Compiler) -> Methods:
    """What each of its estimators says."""
    each = list(map(compiler.methods, estimator.estimators_))
    methods: Methods = {
        "predict": lambda X: np.asarray([own["predict"](X) for own in each]).T,
    }
    if all("predict_proba" in own for own in each):
        methods["predict_proba"] = lambda X: [own["predict_proba"](X) for own in each]
    return methods


@lean_form(ClassifierChain, RegressorChain)
def chain(estimator: Any, compiler: Compiler) -> Methods:
    """What each of its estimators says of the columns and of what those before it have said."""
    parts = estimator.estimators_
    each = list(map(compiler.methods, parts))
    passed = getattr(estimator, "chain_method_", "predict")
    passing = [response_of(*pair, passed) for pair in zip(parts, each, strict=True)]
    order = np.argsort(estimator.order_)

    def chained(method: str) -> Call:
        says = [response_of(*pair, method) for pair in zip(parts, each, strict=True)]
        return lambda X: _along(passing, says, finite(doubles(X)))[:, order]

    shared = set.intersection(*map(set, each))
    kept = shared & {"predict", "predict_proba", "decision_function"}
    methods = {method: chained(method) for method in kept}
    if "predict_proba" in kept:
        methods["predict_log_proba"] = lambda X: np.log(methods["predict_proba"](X))
    return methods


def _along(passing: list[Call], says: list[Call], X: NDArray[np.float64]) -> NDArray[np.float64]:
    known, said = np.zeros((2, len(X), len(says)))
    for place, (passes, tells) in enumerate(zip(passing, says, strict=True)):
        further = np.hstack((X, known[:, :place]))
        known[:, place] = passes(further)
        said[:, place] = tells(further)
    return said
