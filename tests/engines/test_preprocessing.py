"""Lean scalers and other transformers of numbers, as last steps and before others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flask import Flask
from joblib import Parallel
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.decomposition import PCA, FactorAnalysis, FastICA, IncrementalPCA, TruncatedSVD
from sklearn.feature_selection import (
    RFE,
    SelectFromModel,
    SelectKBest,
    SelectPercentile,
    SequentialFeatureSelector,
    VarianceThreshold,
)
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.random_projection import GaussianRandomProjection

from flask_skmodels import SKModels
from tests.support.equality import assert_equal, check
from tests.support.selection import cases, label

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(300, 9)) * [1, 10, 0.1, 1, 100, 1, 1, 3, 9] + [0, 3, 0, -1, 40, 0, 0, 1, 9]
HOLES = np.where(RANDOM.random(X.shape) < 0.1, np.nan, X)
TARGET = X[:, 0] + X[:, 1] / 10 * X[:, 3] + RANDOM.normal(size=300) / 4
CLASSES = TARGET > 0

TAKE_GAPS = [
    StandardScaler(),
    StandardScaler(with_mean=False),
    StandardScaler(with_std=False),
    StandardScaler(with_mean=False, with_std=False),
    RobustScaler(),
    RobustScaler(with_centering=False),
    RobustScaler(with_scaling=False, quantile_range=(5, 95)),
    MaxAbsScaler(),
    MinMaxScaler(),
    MinMaxScaler(feature_range=(-3, 5), clip=True),
    PowerTransformer(),
    PowerTransformer(standardize=False),
    QuantileTransformer(n_quantiles=50),
    QuantileTransformer(n_quantiles=50, output_distribution="normal"),
    VarianceThreshold(0.5),
]
WITHOUT_GAPS = [
    Normalizer(),
    Normalizer("l1"),
    Normalizer("max"),
    Binarizer(),
    Binarizer(threshold=2.5),
    PolynomialFeatures(),
    PolynomialFeatures(3, include_bias=False),
    PolynomialFeatures(3, interaction_only=True, order="F"),
    PolynomialFeatures((2, 3)),
    PolynomialFeatures((2, 3), include_bias=False, interaction_only=True),
    PolynomialFeatures(1),
    KBinsDiscretizer(encode="ordinal"),
    KBinsDiscretizer(4, encode="onehot-dense", strategy="uniform"),
    KBinsDiscretizer(3, encode="ordinal", strategy="kmeans"),
    FunctionTransformer(),
    FunctionTransformer(np.arctan),
    FunctionTransformer(np.clip, kw_args={"a_min": -1, "a_max": 2}),
    PCA(),
    PCA(3),
    PCA(4, whiten=True),
    PCA(0.9, svd_solver="full"),
    IncrementalPCA(3, whiten=True),
    TruncatedSVD(3),
    FastICA(3, random_state=0),
    FactorAnalysis(3),
    GaussianRandomProjection(4, random_state=0),
    RBFSampler(n_components=20, random_state=0),
    SelectKBest(k=4),
    SelectPercentile(percentile=30),
    SelectFromModel(Ridge()),
    SequentialFeatureSelector(Ridge(), n_features_to_select=3, cv=2),
]
BETWEEN = [*WITHOUT_GAPS, KBinsDiscretizer(4)]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("transformer", cases(TAKE_GAPS, quick=TAKE_GAPS[::4]), ids=label)
def test_transformer_of_missing_values(transformer: Any) -> None:
    check(clone(transformer).fit(HOLES, TARGET), HOLES)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("transformer", TAKE_GAPS + WITHOUT_GAPS, ids=label)
def test_transformer(transformer: Any) -> None:
    check(clone(transformer).fit(X, TARGET), X)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("transformer", cases(BETWEEN, quick=BETWEEN[::4]), ids=label)
def test_transformer_between_others(transformer: Any) -> None:
    steps = SimpleImputer(), StandardScaler(), clone(transformer), LinearRegression()
    check(make_pipeline(*steps).fit(HOLES, TARGET), HOLES)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("transformer", cases(TAKE_GAPS, quick=TAKE_GAPS[::4]), ids=label)
def test_transformer_before_an_imputer(transformer: Any) -> None:
    check(make_pipeline(clone(transformer), SimpleImputer(), Ridge()).fit(HOLES, TARGET), HOLES)


@pytest.mark.parametrize("estimator", [LogisticRegression(), Ridge()], ids=str)
def test_elimination_predicts(estimator: Any) -> None:
    target = CLASSES if isinstance(estimator, LogisticRegression) else TARGET
    check(make_pipeline(StandardScaler(), RFE(estimator)).fit(X, target), X)


def test_positive_numbers_alone() -> None:
    positive = np.abs(X) + 0.1
    check(make_pipeline(PowerTransformer("box-cox"), Ridge()).fit(positive, TARGET), positive)


def test_step_without_a_lean_form_keeps_its_own_method() -> None:
    imputer = KNNImputer(add_indicator=True)
    model = make_pipeline(imputer, StandardScaler(), Ridge()).fit(HOLES, TARGET)
    with pytest.raises(AssertionError, match="native methods are used for KNNImputer"):
        check(model, HOLES)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "transformer",
    [
        KBinsDiscretizer(4),
        OneHotEncoder(handle_unknown="ignore"),
        make_union(StandardScaler(), KBinsDiscretizer(3)),
        FeatureUnion(
            [("a", KBinsDiscretizer(3)), ("b", MinMaxScaler())], transformer_weights={"a": 0.3}
        ),
        make_pipeline(KBinsDiscretizer(4), MaxAbsScaler()),
        make_pipeline(KBinsDiscretizer(4), SelectKBest(k=5)),
    ],
    ids=label,
)
def test_sparse_output(transformer: Any) -> None:
    codes = X.round()
    models, app = SKModels(), Flask("sparse")
    models.add("case", transformer.fit(codes, CLASSES))
    models.init_app(app)
    description = app.test_client().get("/case/").json or {}
    assert description["engine"] == {"name": "lean", "reason": None}
    for count in (1, 2, 50):
        outputs = models.predict("case", codes[:count], app=app).outputs
        expected = transformer.transform(codes[:count])
        assert type(outputs) is type(expected)
        for part in ("data", "indices", "indptr"):
            assert_equal(getattr(outputs, part), getattr(expected, part))


def test_function_may_write_into_what_it_is_given() -> None:
    def halve(numbers: Any) -> Any:
        numbers /= 2
        return numbers

    steps = SimpleImputer(), FunctionTransformer(halve), Ridge()
    model = make_pipeline(*steps).fit(X.copy(), TARGET)
    models, app = SKModels(), Flask("writes")
    models.add("case", model)
    models.init_app(app)
    given = X[:3].copy()
    prediction = models.predict("case", given, app=app)
    assert (given == X[:3]).all()
    assert (prediction.inputs == X[:3]).all()


def test_whole_numbers() -> None:
    whole = RANDOM.integers(-5, 9, size=(300, 4))
    check(make_pipeline(StandardScaler(), Ridge()).fit(whole, TARGET), whole)


@pytest.mark.parametrize(
    "scaler", [StandardScaler(copy=False), MinMaxScaler(copy=False), RobustScaler(copy=False)]
)
def test_scaler_that_writes_into_its_input(scaler: Any) -> None:
    check(make_pipeline(scaler, Ridge()).fit(X.copy(), TARGET), X)


class Larger(TransformerMixin, BaseEstimator):
    """Multiplies large numbers where they are, by very much."""

    def fit(self, X: Any, y: Any = None) -> Larger:
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: Any) -> Any:
        X[X > 1e200] *= 1e50
        return X


def test_step_that_writes_into_its_input_does_so_once() -> None:
    """What the estimator is left with after the chain has given up is what the client sent."""
    estimator = make_pipeline(Larger(), Ridge()).fit(X, np.column_stack([TARGET, TARGET]))
    estimator[-1].coef_[:, 0] = 1e200, 1e-200  # the first overflows, and the chain gives up
    row = np.array([[1e230] + [0.0] * (X.shape[1] - 1)])
    models, app = SKModels(), Flask("writes")
    models.add("larger", estimator)
    models.init_app(app)
    outputs = models.predict("larger", row.copy(), app=app).outputs
    with np.errstate(over="ignore"):
        assert_equal(outputs, estimator.predict(row))


def test_step_that_keeps_its_own_method_starts_no_pool() -> None:
    estimator = make_pipeline(StandardScaler(), Backend(n_jobs=2), Ridge()).fit(X, TARGET)
    models, app = SKModels(), Flask("pool")
    models.add("jobs", estimator)
    models.init_app(app)
    estimator[1].workers_.clear()
    models.predict("jobs", X[:2], app=app)
    assert estimator[1].workers_ == {1}


class Backend(TransformerMixin, BaseEstimator):
    """Notes how many workers joblib gives it."""

    def __init__(self, n_jobs: int | None = None) -> None:
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any = None) -> Backend:
        self.n_features_in_ = X.shape[1]
        self.workers_: set[int] = set()
        return self

    def transform(self, X: Any) -> Any:
        self.workers_.add(Parallel(n_jobs=self.n_jobs, require="sharedmem")._effective_n_jobs())
        return X
