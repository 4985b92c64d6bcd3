"""Lean linear models, and other estimators that multiply X with weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask import Flask
from sklearn import linear_model
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.cross_decomposition import CCA, PLSCanonical, PLSRegression
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    PowerTransformer,
    StandardScaler,
)
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR, NuSVC, NuSVR, OneClassSVM

from flask_skmodels import SKModels
from tests.support.equality import assert_equal, check
from tests.support.selection import cases

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(300, 5)).round(2) * [1, 10, 0.1, 1, 100] + [0, 3, 0, -1, 40]
SCORE = X[:, 0] + X[:, 1] / 10 * X[:, 3] + RANDOM.normal(size=300) / 4
TARGETS = np.stack([SCORE, X[:, 1], -SCORE], axis=1)
BINARY = np.where(SCORE > 0, "yes", "no")
CLASSES = {
    "two numbers": (SCORE > 0).astype(int),
    "three texts": np.array(["low", "middle", "topmost"])[np.digitize(SCORE, [-1, 1])],
    "many": np.digitize(SCORE, np.quantile(SCORE, np.linspace(0, 1, 12)[1:-1])),
}


def _one_for_all(X: Any) -> Any:
    return np.broadcast_to(X[:, :1], X.shape)


REGRESSORS = [
    linear_model.ARDRegression(),
    linear_model.BayesianRidge(),
    linear_model.ElasticNet(alpha=0.01),
    linear_model.ElasticNetCV(cv=3),
    linear_model.HuberRegressor(max_iter=500),
    linear_model.Lars(),
    linear_model.LarsCV(cv=3),
    linear_model.Lasso(alpha=0.01),
    linear_model.LassoCV(cv=3),
    linear_model.LassoLars(alpha=0.01),
    linear_model.LassoLarsCV(cv=3),
    linear_model.LassoLarsIC(),
    linear_model.LinearRegression(),
    linear_model.LinearRegression(fit_intercept=False),
    linear_model.OrthogonalMatchingPursuit(n_nonzero_coefs=3),
    linear_model.OrthogonalMatchingPursuitCV(cv=3),
    linear_model.QuantileRegressor(alpha=0.01),
    linear_model.Ridge(),
    linear_model.RidgeCV(),
    linear_model.SGDRegressor(max_iter=20, tol=None),
    linear_model.TheilSenRegressor(random_state=0, max_subpopulation=50),
    LinearSVR(),
    SVR(),
    SVR(kernel="linear"),
    NuSVR(),
    MLPRegressor(hidden_layer_sizes=(7,), max_iter=20),
    PLSRegression(),
    DummyRegressor(),
    TransformedTargetRegressor(linear_model.Ridge(), transformer=StandardScaler()),
    TransformedTargetRegressor(linear_model.Ridge(), func=np.sinh, inverse_func=np.arcsinh),
]
MULTI_OUTPUT = [
    linear_model.LinearRegression(),
    linear_model.MultiTaskElasticNet(alpha=0.01),
    linear_model.MultiTaskElasticNetCV(cv=3),
    linear_model.MultiTaskLasso(alpha=0.01),
    linear_model.MultiTaskLassoCV(cv=3),
    linear_model.Ridge(),
    linear_model.RidgeCV(),
    MLPRegressor(hidden_layer_sizes=(7, 6), activation="logistic", max_iter=20),
    PLSRegression(),
    PLSCanonical(),
    CCA(),
    TransformedTargetRegressor(linear_model.Ridge(), transformer=StandardScaler()),
]
POSITIVE = [
    linear_model.GammaRegressor(),
    linear_model.PoissonRegressor(),
    linear_model.TweedieRegressor(power=1.5),
    linear_model.TweedieRegressor(power=0, link="identity"),
]
# scikit-learn 1.6 does not have the parameter, and newer versions warn where it is missing.
NO_LEGACY_ATTRIBUTES = (
    {"use_legacy_attributes": False}
    if "use_legacy_attributes" in linear_model.LogisticRegressionCV().get_params()
    else {}
)
CLASSIFIERS = [
    linear_model.LogisticRegression(),
    linear_model.LogisticRegression(fit_intercept=False, solver="newton-cg"),
    linear_model.LogisticRegressionCV(cv=3, scoring="neg_log_loss", **NO_LEGACY_ATTRIBUTES),
    linear_model.Perceptron(),
    linear_model.RidgeClassifier(),
    linear_model.RidgeClassifierCV(),
    linear_model.SGDClassifier(loss="hinge"),
    linear_model.SGDClassifier(loss="log_loss"),
    LinearSVC(),
    SVC(),
    SVC(kernel="linear", decision_function_shape="ovo"),
    SVC(kernel="poly", degree=2),
    NuSVC(nu=0.1),
    LinearDiscriminantAnalysis(),
    LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto"),
    QuadraticDiscriminantAnalysis(),
    GaussianNB(),
    *(MLPClassifier((8, 6), activation, max_iter=20) for activation in ("relu", "tanh")),
    *(MLPClassifier((8,), activation, max_iter=20) for activation in ("identity", "logistic")),
    DummyClassifier(),
    DummyClassifier(strategy="most_frequent"),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("regressor", REGRESSORS, ids=str)
def test_regressor(regressor: Any) -> None:
    check(make_pipeline(StandardScaler(), regressor).fit(X, SCORE), X)


@pytest.mark.parametrize("seed", cases(range(8), quick=[0]))
@pytest.mark.parametrize("turn", [np.fliplr, _one_for_all], ids=["reversed", "broadcast"])
def test_rows_that_a_step_gives_as_a_view(turn: Any, seed: int) -> None:
    """numpy multiplies them by a loop of its own, BLAS in another order."""
    random = np.random.default_rng(seed)
    wide, score = random.normal(size=(200, 3)), random.normal(size=200)
    turned = FunctionTransformer(turn)
    pipeline = make_pipeline(StandardScaler(), turned, linear_model.LinearRegression())
    pipeline.fit(wide, score)
    models, app = SKModels(), Flask("views")
    models.add("case", pipeline)
    models.init_app(app)
    engine = (app.test_client().get("/case/").json or {})["engine"]
    assert engine == {"name": "lean", "reason": None}
    for row in random.normal(size=(100, 1, 3)):
        found = models.predict("case", row, app=app).outputs
        assert_equal(found, pipeline.predict(row))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("regressor", MULTI_OUTPUT, ids=str)
def test_regressor_of_several_targets(regressor: Any) -> None:
    check(regressor.fit(X, TARGETS), X)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("regressor", POSITIVE, ids=str)
def test_generalized_regressor(regressor: Any) -> None:
    check(make_pipeline(StandardScaler(), regressor).fit(X, np.exp(SCORE / 3)), X)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("target", cases(CLASSES, quick=["three texts"]))
@pytest.mark.parametrize("classifier", CLASSIFIERS, ids=str)
def test_classifier(classifier: Any, target: str) -> None:
    if isinstance(classifier, NuSVC):
        classifier.set_params(nu=0.01)
    check(make_pipeline(StandardScaler(), classifier).fit(X, CLASSES[target]), X)


@pytest.mark.parametrize("target", cases(CLASSES, quick=["three texts"]))
@pytest.mark.parametrize(
    "classifier", [MultinomialNB(), ComplementNB(norm=True), BernoulliNB(binarize=0.5)], ids=str
)
def test_naive_bayes_of_counts(classifier: Any, target: str) -> None:
    check(make_pipeline(MinMaxScaler(clip=True), classifier).fit(X, CLASSES[target]), X)


@pytest.mark.parametrize("target", cases(CLASSES, quick=["three texts"]))
def test_naive_bayes_of_categories(target: str) -> None:
    codes = RANDOM.integers(4, size=(300, 3))
    check(CategoricalNB(min_categories=6).fit(codes, CLASSES[target]), codes)


def test_multilabel_network() -> None:
    labels = np.stack([SCORE > 0, X[:, 3] > 0], axis=1).astype(int)
    network = MLPClassifier((5,), max_iter=300, learning_rate_init=0.05, tol=1e-2)
    check(make_pipeline(StandardScaler(), network).fit(X, labels), X)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("detector", [linear_model.SGDOneClassSVM(), OneClassSVM()], ids=str)
def test_outlier_detector(detector: Any) -> None:
    check(make_pipeline(StandardScaler(), detector).fit(X), X)


@pytest.mark.filterwarnings("ignore")
def test_power_of_the_target() -> None:
    target = TransformedTargetRegressor(linear_model.Ridge(), transformer=PowerTransformer())
    check(target.fit(X, SCORE), X)


INTEGERS = pd.DataFrame(RANDOM.integers(0, 200, (300, 6)), columns=list("abcdef"))
FRAMES = {
    "int64": INTEGERS,
    "narrow": INTEGERS.astype({"a": "uint8", "b": "int16", "c": "int32"}),
    "uint8": INTEGERS.astype("uint8"),
    "booleans": INTEGERS > 100,
    "integers and booleans": INTEGERS.assign(a=INTEGERS["a"] > 100),
    "integers and floats": INTEGERS.assign(a=INTEGERS["a"] * 1.37),
}
OF_INTEGERS = [
    linear_model.LinearRegression(),
    linear_model.PoissonRegressor(max_iter=5),
    linear_model.SGDRegressor(max_iter=2),
    linear_model.LogisticRegression(max_iter=5),
    LinearSVR(max_iter=5),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("estimator", cases(OF_INTEGERS, quick=OF_INTEGERS[:2]), ids=str)
def test_frame_of_integers_with_a_profile(estimator: Any, name: str) -> None:
    """NumPy multiplies integers row by row, and a data frame's doubles column by column."""
    rows = FRAMES[name]
    estimator = clone(estimator).fit(rows, (SCORE > 0).astype(int))
    models, app = SKModels(), Flask("integers")
    models.add("case", estimator, profile=rows)
    models.init_app(app)
    described = app.test_client().get("/case/").json or {}
    assert described["engine"] == {"name": "lean", "reason": None}
    for count in (1, 2, 3, 8, 300):
        part = rows[:count]
        outputs = models.predict("case", part, app=app).outputs
        assert_equal(outputs, estimator.predict(part))
