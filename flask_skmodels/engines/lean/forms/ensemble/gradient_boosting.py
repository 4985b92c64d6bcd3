"""Lean forms of gradient boosting (for histogram-based boosting see ``hist_gradient_boosting``)."""

from __future__ import annotations

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.ensemble._gradient_boosting import predict_stages

from flask_skmodels.engines.lean.compiler import Call, Compiler, Methods, lean_form
from flask_skmodels.engines.lean.forms.tree import float32_converter
from flask_skmodels.schema.types import Estimator, FloatArray, ModelInput, ModelOutput

_CONSTANT_STRATEGIES = {"prior", "most_frequent", "constant", "mean", "median", "quantile"}


@lean_form(GradientBoostingRegressor)
def gradient_boosting_regressor(
    estimator: GradientBoostingRegressor, compiler: Compiler
) -> Methods:
    raw_predict = _raw_predict(estimator)
    return {"predict": lambda X: raw_predict(X).ravel()}


@lean_form(GradientBoostingClassifier)
def gradient_boosting_classifier(
    estimator: GradientBoostingClassifier, compiler: Compiler
) -> Methods:
    raw_predict, loss, classes = _raw_predict(estimator), estimator._loss, estimator.classes_
    is_binary = estimator.n_trees_per_iteration_ == 1

    def decision_function(X: ModelInput) -> ModelOutput:
        return raw_predict(X).ravel() if is_binary else raw_predict(X)

    def predict(X: ModelInput) -> ModelOutput:
        scores = decision_function(X)
        return classes.take((scores >= 0).astype(np.intp) if is_binary else scores.argmax(axis=1))

    def predict_proba(X: ModelInput) -> ModelOutput:
        return loss.predict_proba(decision_function(X))

    return {
        "predict": predict,
        "decision_function": decision_function,
        "predict_proba": predict_proba,
        "predict_log_proba": lambda X: np.log(predict_proba(X)),
    }


def _raw_predict(estimator: Estimator) -> Call:
    """Return a function that returns raw scores of shape (rows, trees of an iteration)."""
    to_float32, initial = float32_converter(allow_nan=False), _initial_scores(estimator)
    trees, rate = estimator.estimators_, estimator.learning_rate

    def raw_predict(X: ModelInput) -> FloatArray:
        X = to_float32(X)
        scores: FloatArray = initial(X)
        predict_stages(trees, X, rate, scores)
        return scores

    return raw_predict


def _initial_scores(estimator: Estimator) -> Call:
    """Return a function that returns the scores to which the values of the trees are added."""
    native: Call = estimator._raw_predict_init
    init = estimator.init_
    is_dummy = type(init) in (DummyClassifier, DummyRegressor)
    is_constant = is_dummy and init.strategy in _CONSTANT_STRATEGIES
    if not (is_constant or isinstance(init, str)):
        return native
    constant = native(np.zeros((1, estimator.n_features_in_), dtype=np.float32))
    return lambda X: constant.repeat(len(X), axis=0)
