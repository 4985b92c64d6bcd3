"""Lean forms of ``sklearn.neural_network``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.neural_network import MLPClassifier, MLPRegressor

from flask_skmodels.engines.lean.compiler import Call, Compiler, Methods, doubles, finite, lean_form
from flask_skmodels.engines.lean.containers import Sparse

Doubles = NDArray[np.float64]


@lean_form(MLPClassifier)
def mlp_classifier(estimator: MLPClassifier, compiler: Compiler) -> Methods:
    forward, binarizer = _forward(estimator), estimator._label_binarizer
    classes, kind = binarizer.classes_, binarizer.y_type_

    def predict(X: Any) -> Any:
        found = forward(X)
        if kind == "multiclass":
            return classes.take(found.argmax(axis=1), mode="clip")
        above = (found > 0.5).astype(np.intp)
        return classes[above.ravel()] if kind == "binary" else above

    def predict_proba(X: Any) -> Any:
        found = forward(X)
        if estimator.n_outputs_ > 1:
            return found
        positive = found.ravel()
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


def _log(probabilities: Doubles) -> Doubles:
    found: Doubles = np.log(probabilities, out=probabilities)
    return found


def _forward(estimator: Any) -> Call:
    """Return what a network says of X."""
    hidden = _ACTIVATIONS[estimator.activation]
    last = _ACTIVATIONS[estimator.out_activation_]
    layers = list(zip(estimator.coefs_, estimator.intercepts_, strict=True))
    (weights, intercept), *rest = layers

    def forward(X: Any) -> Doubles:
        if type(X) in Sparse:
            rows = X.csr()
            finite(rows.data)
            activation = rows.dot(weights)
        else:
            activation = finite(doubles(X)) @ weights
        activation += intercept
        for own, added in rest:
            hidden(activation)
            activation = activation @ own
            activation += added
        last(activation)
        found: Doubles = activation
        return found

    return forward


def _softmax(X: Doubles) -> None:
    shifted = X - X.max(axis=1)[:, np.newaxis]
    np.exp(shifted, out=X)
    X /= X.sum(axis=1)[:, np.newaxis]


_ACTIVATIONS: dict[str, Callable[[Doubles], object]] = {
    "identity": lambda X: None,
    "exp": lambda X: np.exp(X, out=X),
    "tanh": lambda X: np.tanh(X, out=X),
    "logistic": lambda X: expit(X, out=X),
    "relu": lambda X: np.maximum(X, 0, out=X),
    "softmax": _softmax,
}
