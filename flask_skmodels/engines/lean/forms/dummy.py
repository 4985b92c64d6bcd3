"""Lean forms of ``sklearn.dummy``: the same output for each row."""

from __future__ import annotations

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor

from flask_skmodels.engines.lean.compiler import Compiler, Decline, Methods, lean_form
from flask_skmodels.schema.types import ModelOutput


@lean_form(DummyClassifier)
def dummy_classifier(estimator: DummyClassifier, compiler: Compiler) -> Methods:
    if estimator.n_outputs_ > 1 or estimator.strategy not in ("most_frequent", "prior", "constant"):
        raise Decline("its predictions are random, or it has several outputs")
    row = np.zeros((1, 1))
    names = ("predict", "predict_proba", "predict_log_proba")
    return {name: _repeated(getattr(estimator, name)(row)) for name in names}


@lean_form(DummyRegressor)
def dummy_regressor(estimator: DummyRegressor, compiler: Compiler) -> Methods:
    return {"predict": _repeated(estimator.predict(np.zeros((1, 1))))}


def _repeated(output: ModelOutput) -> ModelOutput:
    return lambda X: np.repeat(output, len(X), axis=0)
