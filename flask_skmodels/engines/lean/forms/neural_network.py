"""Lean forms of ``sklearn.neural_network``."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import expit
from sklearn.neural_network import BernoulliRBM, MLPClassifier, MLPRegressor

from flask_skmodels.engines.lean.compiler import Call, Compiler, Methods, doubles, finite, lean_form
from flask_skmodels.engines.lean.containers import SparseRows
from flask_skmodels.schema.types import Estimator, FloatArray, ModelInput, ModelOutput


@lean_form(MLPClassifier)
def mlp_classifier(estimator: MLPClassifier, compiler: Compiler) -> Methods:
    forward, binarizer = _forward(estimator), estimator._label_binarizer
    classes, kind = binarizer.classes_, binarizer.y_type_

    def predict(X: ModelInput) -> ModelOutput:
        outputs = forward(X)
        if kind == "multiclass":
            return classes.take(outputs.argmax(axis=1), mode="clip")
        is_positive = (outputs > 0.5).astype(np.intp)
        return classes[is_positive.ravel()] if kind == "binary" else is_positive

    def predict_proba(X: ModelInput) -> ModelOutput:
        outputs = forward(X)
        if estimator.n_outputs_ > 1:
            return outputs
        positive = outputs.ravel()
        return np.vstack([1 - positive, positive]).T

    return {
        "predict": predict,
        "predict_proba": predict_proba,
        "predict_log_proba": lambda X: _log(predict_proba(X)),
    }


@lean_form(MLPRegressor)
def mlp_regressor(estimator: MLPRegressor, compiler: Compiler) -> Methods:
    forward = _forward(estimator)
    is_flat = estimator.n_outputs_ == 1
    return {"predict": (lambda X: forward(X).ravel()) if is_flat else forward}


def _log(probabilities: FloatArray) -> FloatArray:
    logarithms: FloatArray = np.log(probabilities, out=probabilities)
    return logarithms


def _forward(estimator: Estimator) -> Call:
    """Return a function for the outputs of the network's last layer, of shape (rows, outputs)."""
    hidden = _ACTIVATIONS[estimator.activation]
    last = _ACTIVATIONS[estimator.out_activation_]
    layers = list(zip(estimator.coefs_, estimator.intercepts_, strict=True))
    (weights, intercept), *rest = layers

    def forward(X: ModelInput) -> FloatArray:
        if isinstance(X, SparseRows):
            rows = X.to_csr()
            finite(rows.data)
            activation = rows.dot(weights)
        else:
            activation = finite(doubles(X)) @ weights
        activation += intercept
        for layer_weights, layer_intercept in rest:
            hidden(activation)
            activation = activation @ layer_weights
            activation += layer_intercept
        last(activation)
        outputs: FloatArray = activation
        return outputs

    return forward


def _softmax(X: FloatArray) -> None:
    shifted = X - X.max(axis=1)[:, np.newaxis]
    np.exp(shifted, out=X)
    X /= X.sum(axis=1)[:, np.newaxis]


_ACTIVATIONS: dict[str, Callable[[FloatArray], object]] = {
    "identity": lambda X: None,
    "exp": lambda X: np.exp(X, out=X),
    "tanh": lambda X: np.tanh(X, out=X),
    "logistic": lambda X: expit(X, out=X),
    "relu": lambda X: np.maximum(X, 0, out=X),
    "softmax": _softmax,
}


@lean_form(BernoulliRBM)
def bernoulli_rbm(estimator: BernoulliRBM, compiler: Compiler) -> Methods:
    """The probabilities of the hidden units; ``score_samples`` draws numbers and stays native."""
    weights, intercept = estimator.components_.T, estimator.intercept_hidden_

    def transform(X: ModelInput) -> ModelOutput:
        hidden = X.to_csr().dot(weights) if isinstance(X, SparseRows) else doubles(X) @ weights
        hidden += intercept
        return expit(finite(hidden), out=hidden)

    return {"transform": transform}
