"""Contributions in linear models, in closed form: coefficient x (value - mean)."""

from __future__ import annotations

from typing import Any

import numpy as np

from flask_skmodels.estimators.attributes import get, is_a
from flask_skmodels.explain.contributions import (
    Contributions,
    FieldColumns,
    Unexplained,
    as_margins,
)
from flask_skmodels.schema.types import Estimator, EstimatorInput, FloatArray, ModelOutput

_OF_SINGLES = 1e-5  # the tolerance of an estimator that computes in single precision
_DENSE = 2**20  # cells of a matrix of weights; a larger one is sparse

# Their decision_function is linear in X, with coef_ and intercept_.
CLASSIFIERS = frozenset(
    "LogisticRegression LogisticRegressionCV RidgeClassifier RidgeClassifierCV SGDClassifier "
    "Perceptron PassiveAggressiveClassifier LinearSVC LinearDiscriminantAnalysis SVC NuSVC".split()
)
# Their predict is linear in X, with coef_ and intercept_.
REGRESSORS = frozenset(
    "LinearRegression Ridge RidgeCV Lasso LassoCV ElasticNet ElasticNetCV Lars LarsCV LassoLars "
    "LassoLarsCV LassoLarsIC OrthogonalMatchingPursuit OrthogonalMatchingPursuitCV BayesianRidge "
    "ARDRegression HuberRegressor TheilSenRegressor QuantileRegressor SGDRegressor "
    "PassiveAggressiveRegressor MultiTaskLasso MultiTaskLassoCV MultiTaskElasticNet "
    "MultiTaskElasticNetCV LinearSVR SVR NuSVR PLSRegression PLSCanonical CCA".split()
)
# Their prediction has a link function; the linear predictor is explained.
GENERALIZED = frozenset({"PoissonRegressor", "GammaRegressor", "TweedieRegressor"})
_OUTLIERS = frozenset({"SGDOneClassSVM", "OneClassSVM"})
_BAYES = frozenset({"MultinomialNB"})
NAMES = CLASSIFIERS | REGRESSORS | GENERALIZED | _OUTLIERS | _BAYES
_WITH_KERNEL = frozenset({"SVC", "NuSVC", "SVR", "NuSVR", "OneClassSVM"})


class Linear(Contributions):
    """The contributions to ``X @ coefficients + intercepts``.

    :param coefficients: of shape (outputs, columns)
    :param intercepts: of shape (outputs,)
    :param columns: the columns of X; without a baseline they are compared with zero
    """

    is_slow = False

    def __init__(
        self, coefficients: FloatArray, intercepts: FloatArray, columns: FieldColumns
    ) -> None:
        self.outputs = outputs = len(coefficients)
        width = coefficients.shape[1]
        if width != len(columns.owners):
            raise Unexplained(f"it has {width} coefficients for {len(columns.owners)} columns")
        mean = columns.baseline
        if mean is not None and len(mean) != width:
            mean = None
        self.rules = ("linear_zero" if mean is None else "linear_mean",)
        self._shape = outputs, columns.count + 1
        weights = _weights(coefficients, columns)
        offset = np.zeros(self._shape)
        offset[:, -1] = intercepts
        if mean is not None:
            offset[:, -1] += coefficients @ mean
            offset -= np.reshape(mean @ weights, self._shape)
        self._weights, self._offset = weights, offset.reshape(1, -1)

    def __call__(self, X: EstimatorInput) -> FloatArray:
        if not hasattr(X, "tocsr"):
            X = np.asarray(X, dtype=np.float64)
        values: FloatArray = np.asarray(X @ self._weights) + self._offset
        return values.reshape(-1, *self._shape)

    def size(self, X: EstimatorInput) -> FloatArray:
        values = np.asarray(abs(X) @ abs(self._weights)) + abs(self._offset)
        sizes: FloatArray = values.reshape(-1, *self._shape).sum(axis=2)
        return sizes


def _weights(coefficients: FloatArray, columns: FieldColumns) -> Any:
    """Return the coefficients as a matrix of shape (columns, outputs x (fields + 1)).

    Each coefficient stands in the place of the field that its column belongs to.
    """
    outputs, width = coefficients.shape
    places = columns.owners + (columns.count + 1) * np.arange(outputs)[:, np.newaxis]
    shape = width, outputs * (columns.count + 1)
    if shape[0] * shape[1] <= _DENSE:
        weights = np.zeros(shape)
        weights[np.arange(width), places] = coefficients
        return weights
    from scipy.sparse import csr_array

    rows = np.broadcast_to(np.arange(width), coefficients.shape)
    return csr_array((coefficients.ravel(), (rows.ravel(), places.ravel())), shape=shape)


class OfMethod(Linear):
    """The contributions to the output of a method of a linear model.

    :param method: name of the method
    """

    def __init__(self, method: str, *linear: Estimator) -> None:
        super().__init__(*linear)
        self.method = method


class Generalized(OfMethod):
    """The contributions to the linear predictor of a generalized linear model.

    :param estimator: the model
    """

    has_link = True

    def __init__(self, estimator: Estimator, *linear: Estimator) -> None:
        super().__init__("predict", *linear)
        self._link = estimator._base_loss.link.link

    def select(self, outputs: ModelOutput) -> FloatArray:
        with np.errstate(all="ignore"):
            return as_margins(self._link(np.asarray(outputs, dtype=np.float64)))


class _Bayes(Linear):
    """The contributions to the joint log-likelihoods of a naive Bayes model.

    For two classes, they are the contributions to the difference of the two.
    """

    def __init__(self, estimator: Estimator, columns: FieldColumns) -> None:
        coefficients, intercepts = estimator.feature_log_prob_, estimator.class_log_prior_
        if len(intercepts) == 2:
            coefficients, intercepts = np.diff(coefficients, axis=0), np.diff(intercepts)
        super().__init__(np.asarray(coefficients), np.asarray(intercepts), columns)
        self._estimator = estimator

    def margins(self, X: EstimatorInput) -> FloatArray:
        joint = self._estimator.predict_joint_log_proba(X)
        return np.diff(joint, axis=1) if joint.shape[1] == 2 else joint


def linear_contributions(estimator: Estimator, name: str, columns: FieldColumns) -> Contributions:
    """Return the contributions of the fields to the output of a linear model.

    :param name: the name of its class, one of :data:`NAMES`
    :raises Unexplained: its output is not linear
    """
    if name in _BAYES:
        return _Bayes(estimator, columns)
    if name in _WITH_KERNEL:
        _check_kernel(estimator, name)
    coefficients, intercepts = parameters(estimator)
    made: Linear
    if name in GENERALIZED:
        made = Generalized(estimator, coefficients, intercepts, columns)
    else:
        method = "predict" if name in REGRESSORS else "decision_function"
        made = OfMethod(method, coefficients, intercepts, columns)
    if estimator.coef_.dtype == np.float32:  # it computes in single precision
        made.tolerance = _OF_SINGLES
    return made


def _check_kernel(estimator: Estimator, name: str) -> None:
    if estimator.kernel != "linear":
        raise Unexplained(f"the kernel of its {name} is not linear")
    if name in {"SVC", "NuSVC"} and len(estimator.classes_) > 2:
        raise Unexplained(
            f"its {name} compares each pair of its {len(estimator.classes_)} classes, so the "
            "margin of a class is not linear. Use LinearSVC, whose margin is"
        )


def parameters(estimator: Estimator) -> tuple[FloatArray, FloatArray]:
    """Return the coefficients, of shape (outputs, columns), and the intercept of each output."""
    coefficients = estimator.coef_
    if hasattr(coefficients, "toarray"):
        coefficients = coefficients.toarray()
    coefficients = np.atleast_2d(np.asarray(coefficients, dtype=np.float64))
    intercepts = get(estimator, "intercept_")
    if is_a(estimator, "SGDOneClassSVM"):
        intercepts = -estimator.offset_
    intercepts = np.ravel(np.asarray(0.0 if intercepts is None else intercepts, dtype=np.float64))
    intercepts = np.broadcast_to(intercepts, len(coefficients)).copy()
    if is_a(estimator, "_PLS"):  # it subtracts the mean of the training data from X
        intercepts -= coefficients @ np.ravel(estimator._x_mean)
    return coefficients, intercepts
