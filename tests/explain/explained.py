"""The estimators that are explained, each fitted on a small sample, and 10,000 rows to explain."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.cross_decomposition import CCA, PLSCanonical, PLSRegression
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import (
    ARDRegression,
    BayesianRidge,
    ElasticNet,
    ElasticNetCV,
    GammaRegressor,
    HuberRegressor,
    Lars,
    LarsCV,
    Lasso,
    LassoCV,
    LassoLars,
    LassoLarsCV,
    LassoLarsIC,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    MultiTaskElasticNet,
    MultiTaskElasticNetCV,
    MultiTaskLasso,
    MultiTaskLassoCV,
    OrthogonalMatchingPursuit,
    OrthogonalMatchingPursuitCV,
    Perceptron,
    PoissonRegressor,
    QuantileRegressor,
    RANSACRegressor,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
    SGDClassifier,
    SGDOneClassSVM,
    SGDRegressor,
    TheilSenRegressor,
    TweedieRegressor,
)
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR, NuSVC, NuSVR, OneClassSVM
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

ROWS = 10_000
WIDTH = 6
_random = np.random.default_rng(0)
X = np.abs(_random.normal(1, 1, (120, WIDTH))).round(3)
MANY = np.abs(_random.normal(1, 1, (ROWS, WIDTH))).round(3)
SCORE = X @ np.arange(1, WIDTH + 1) + X[:, 0] * X[:, 1]
TARGETS: dict[str, Any] = {
    "score": SCORE,
    "positive": SCORE + 1,
    "two": (np.median(SCORE) < SCORE).astype(int),
    "three": np.array(["few", "some", "many"])[np.digitize(SCORE, np.quantile(SCORE, [0.3, 0.7]))],
    "scores": np.column_stack([SCORE, X[:, 0] - X[:, 2]]),
    "none": None,
}
SMALL = {"n_estimators": 5, "max_depth": 4, "random_state": 0}
BOOSTED = {"n_estimators": 5, "max_depth": 3, "random_state": 0}
HISTOGRAM = {"max_iter": 5, "max_leaf_nodes": 8, "random_state": 0}
RANDOM = {"random_state": 0}

Output = Callable[[Any, Any], Any]


def of(method: str) -> Output:
    """Return a function that calls a method of an estimator with X."""
    return lambda estimator, X: getattr(estimator, method)(X)


def linear_predictor(estimator: Any, X: Any) -> Any:
    return np.log(estimator.predict(X))


MARGIN, VALUE, PROBABILITY = of("decision_function"), of("predict"), of("predict_proba")


def _several(estimators: list[Any], target: str, output: Output) -> dict[str, Any]:
    return {f"{type(e).__name__}-{target}": (e, target, output) for e in estimators}


LINEAR: dict[str, tuple[Any, str, Output]] = {
    **_several(
        [
            *(ARDRegression(), BayesianRidge(), ElasticNet(), ElasticNetCV(cv=2), HuberRegressor()),
            *(Lars(), LarsCV(cv=2), Lasso(), LassoCV(cv=2), LassoLars(), LassoLarsCV(cv=2)),
            *(LassoLarsIC(), LinearRegression(), OrthogonalMatchingPursuit()),
            *(OrthogonalMatchingPursuitCV(cv=2), QuantileRegressor(), Ridge(), RidgeCV()),
            *(SGDRegressor(**RANDOM), TheilSenRegressor(max_subpopulation=50, **RANDOM)),
            *(RANSACRegressor(**RANDOM), LinearSVR(max_iter=200, **RANDOM), SVR(kernel="linear")),
            *(NuSVR(kernel="linear"), PLSRegression(), GridSearchCV(Ridge(), {"alpha": [1, 2]})),
        ],
        "score",
        VALUE,
    ),
    **_several(
        [
            *(LinearRegression(), Ridge(), MultiTaskLasso(), MultiTaskLassoCV(cv=2)),
            *(MultiTaskElasticNet(), MultiTaskElasticNetCV(cv=2), PLSCanonical(), CCA()),
            *(PLSRegression(), MultiOutputRegressor(Ridge())),
        ],
        "scores",
        VALUE,
    ),
    **_several(
        [PoissonRegressor(), GammaRegressor(), TweedieRegressor(power=1.5)],
        "positive",
        linear_predictor,
    ),
    **_several([TweedieRegressor(power=0)], "score", VALUE),
    **_several(
        [
            *(LogisticRegression(), LogisticRegressionCV(cv=2, l1_ratios=(0,)), RidgeClassifier()),
            *(RidgeClassifierCV(), SGDClassifier(**RANDOM), Perceptron(**RANDOM)),
            *(LinearSVC(**RANDOM), LinearDiscriminantAnalysis(), SVC(kernel="linear")),
            *(NuSVC(kernel="linear"), FrozenEstimator(LogisticRegression().fit(X, SCORE > 20))),
            *(OneVsRestClassifier(LogisticRegression()),),
            FixedThresholdClassifier(LogisticRegression()),
        ],
        "two",
        MARGIN,
    ),
    **_several(
        [
            *(LogisticRegression(), RidgeClassifier(), SGDClassifier(**RANDOM)),
            *(LinearSVC(**RANDOM), LinearDiscriminantAnalysis(), Perceptron(**RANDOM)),
            OneVsRestClassifier(LogisticRegression()),
        ],
        "three",
        MARGIN,
    ),
    **_several([SGDOneClassSVM(**RANDOM), OneClassSVM(kernel="linear")], "none", MARGIN),
    **_several([MultinomialNB()], "three", of("predict_joint_log_proba")),
}
TREES: dict[str, tuple[Any, str, Output]] = {
    **_several(
        [
            *(DecisionTreeRegressor(max_depth=4, **RANDOM), ExtraTreeRegressor(max_depth=4)),
            *(RandomForestRegressor(**SMALL), ExtraTreesRegressor(**SMALL)),
            *(GradientBoostingRegressor(**BOOSTED), HistGradientBoostingRegressor(**HISTOGRAM)),
        ],
        "score",
        VALUE,
    ),
    **_several(
        [DecisionTreeRegressor(max_depth=4, **RANDOM), RandomForestRegressor(**SMALL)],
        "scores",
        VALUE,
    ),
    **{
        name: each
        for target in ("two", "three")
        for name, each in _several(
            [
                *(DecisionTreeClassifier(max_depth=4, **RANDOM), ExtraTreeClassifier(max_depth=4)),
                *(RandomForestClassifier(**SMALL), ExtraTreesClassifier(**SMALL)),
            ],
            target,
            PROBABILITY,
        ).items()
    },
    **{
        name: each
        for target in ("two", "three")
        for name, each in _several(
            [GradientBoostingClassifier(**BOOSTED), HistGradientBoostingClassifier(**HISTOGRAM)],
            target,
            MARGIN,
        ).items()
    },
}
WRAPPED: dict[str, tuple[Any, str, Output]] = {
    **_several(
        [
            BaggingRegressor(DecisionTreeRegressor(max_depth=3), 3, max_features=4, **RANDOM),
            VotingRegressor(
                [("r", Ridge()), ("f", RandomForestRegressor(**SMALL))], weights=[2, 1]
            ),
        ],
        "score",
        VALUE,
    ),
    **_several(
        [
            TransformedTargetRegressor(
                make_pipeline(StandardScaler(), Ridge()), transformer=StandardScaler()
            )
        ],
        "scores",
        VALUE,
    ),
    **_several(
        [
            BaggingClassifier(DecisionTreeClassifier(max_depth=3), 3, **RANDOM),
            VotingClassifier(
                [
                    ("t", DecisionTreeClassifier(max_depth=3)),
                    ("f", RandomForestClassifier(**SMALL)),
                ],
                voting="soft",
            ),
        ],
        "three",
        PROBABILITY,
    ),
}
EXPLAINED = LINEAR | TREES | WRAPPED


@cache
def fitted(name: str) -> tuple[Any, Output]:
    """Return an estimator, fitted on its target, and the function of its outputs."""
    estimator, target, output = EXPLAINED[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if target == "none":
            return estimator.fit(X), output
        return estimator.fit(X, TARGETS[target]), output


def margins(outputs: Any) -> Any:
    """Return outputs as (rows, outputs): of two probabilities only the second."""
    array = np.asarray(outputs, dtype=float)
    return array.reshape(len(array), -1)
