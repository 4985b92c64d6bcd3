"""Lean forms of clusters, kernels, decompositions, imputers, splines and searches of neighbors."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask import Flask
from sklearn.base import clone
from sklearn.cluster import (
    AffinityPropagation,
    Birch,
    BisectingKMeans,
    FeatureAgglomeration,
    KMeans,
    MeanShift,
)
from sklearn.covariance import EllipticEnvelope
from sklearn.cross_decomposition import PLSSVD
from sklearn.decomposition import (
    NMF,
    DictionaryLearning,
    KernelPCA,
    LatentDirichletAllocation,
    MiniBatchNMF,
    SparsePCA,
)
from sklearn.ensemble import RandomTreesEmbedding
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Matern, WhiteKernel
from sklearn.impute import KNNImputer
from sklearn.impute._iterative import IterativeImputer
from sklearn.kernel_approximation import (
    AdditiveChi2Sampler,
    Nystroem,
    PolynomialCountSketch,
    SkewedChi2Sampler,
)
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression, RANSACRegressor, Ridge
from sklearn.manifold import Isomap, LocallyLinearEmbedding
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.multiclass import OutputCodeClassifier
from sklearn.neighbors import (
    KernelDensity,
    KNeighborsClassifier,
    KNeighborsRegressor,
    KNeighborsTransformer,
    LocalOutlierFactor,
    NearestCentroid,
    NeighborhoodComponentsAnalysis,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
    RadiusNeighborsTransformer,
)
from sklearn.neural_network import BernoulliRBM
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer, StandardScaler
from sklearn.random_projection import SparseRandomProjection
from sklearn.semi_supervised import LabelPropagation, LabelSpreading, SelfTrainingClassifier

from flask_skmodels import SKModels
from flask_skmodels.engines.lean import pairwise
from flask_skmodels.engines.lean.forms import cluster, decomposition, impute, mixture, neighbors
from flask_skmodels.engines.lean.forms.preprocessing import splines
from flask_skmodels.estimators.introspect import methods
from tests.support.equality import assert_equal
from tests.support.selection import cases

RANDOM = np.random.default_rng(0)
X = pd.DataFrame(RANDOM.gamma(2.0, size=(200, 6)), columns=list("abcdef")).round(2)
LABELS = np.array(["no", "perhaps", "yes"])[np.digitize(X["a"] + X["b"], [3, 5])]
BINARY = (X["a"] > X["b"]).to_numpy()
SCORE = X["a"].to_numpy() * X["c"].to_numpy()
GAPS = X.mask(RANDOM.random(X.shape) < 0.1)
OUTSIDE = pd.DataFrame(RANDOM.normal(4.0, 9.0, size=(60, 6)), columns=X.columns)
LINE = LogisticRegression(max_iter=30)

# An estimator, and the target that it is fitted to.
ESTIMATORS: dict[str, tuple[Any, Any]] = {
    "affinity": (AffinityPropagation(random_state=0), None),
    "birch": (Birch(n_clusters=3), None),
    "bisecting": (BisectingKMeans(5, random_state=0), None),
    "agglomeration": (FeatureAgglomeration(3), None),
    "agglomeration by another function": (FeatureAgglomeration(3, pooling_func=np.max), None),
    "k-means": (KMeans(4, n_init=1, random_state=0), None),
    "mean shift": (MeanShift(), None),
    "envelope": (EllipticEnvelope(random_state=0), None),
    "PLS SVD": (PLSSVD(2), np.column_stack([SCORE, X["b"]])),
    "dictionary": (DictionaryLearning(4, max_iter=5, random_state=0), None),
    "split dictionary": (
        DictionaryLearning(
            4, max_iter=5, random_state=0, transform_algorithm="threshold", split_sign=True
        ),
        None,
    ),
    "lars dictionary": (
        DictionaryLearning(3, max_iter=5, random_state=0, transform_algorithm="lasso_lars"),
        None,
    ),
    "linear kernel PCA": (KernelPCA(3), None),
    "radial kernel PCA": (KernelPCA(3, kernel="rbf"), None),
    "polynomial kernel PCA": (KernelPCA(3, kernel="poly", degree=2, gamma=0.1), None),
    "topics": (LatentDirichletAllocation(3, max_iter=2, random_state=0), None),
    "NMF": (NMF(3, init="nndsvda", random_state=0, max_iter=30), None),
    "regularized NMF": (
        NMF(3, init="nndsvda", random_state=0, alpha_W=0.1, l1_ratio=0.5, max_iter=30),
        None,
    ),
    "NMF of batches": (MiniBatchNMF(3, init="nndsvda", random_state=0, max_iter=5), None),
    "sparse PCA": (SparsePCA(3, max_iter=5, random_state=0), None),
    "embedding of trees": (RandomTreesEmbedding(4, random_state=0), None),
    "dense embedding of trees": (
        RandomTreesEmbedding(4, random_state=0, sparse_output=False),
        None,
    ),
    "tf-idf": (make_pipeline(TfidfTransformer(), LINE), BINARY),
    "process of classes": (GaussianProcessClassifier(), BINARY),
    "process": (GaussianProcessRegressor(alpha=1.0), SCORE),
    "process of radial and other kernels": (
        GaussianProcessRegressor(
            ConstantKernel() * RBF(2.0) + WhiteKernel() + Matern(nu=1.5), optimizer=None
        ),
        SCORE,
    ),
    "process of lengths": (
        GaussianProcessRegressor(RBF(np.arange(1.0, 7.0)) * ConstantKernel(2.0), optimizer=None),
        SCORE,
    ),
    "neighbors fill": (make_pipeline(KNNImputer(), LINE), BINARY),
    "iterations fill": (make_pipeline(IterativeImputer(max_iter=2), LINE), BINARY),
    "chi2 sampler": (AdditiveChi2Sampler(), None),
    "radial Nystroem": (Nystroem(n_components=20, random_state=0), None),
    "Laplacian Nystroem": (Nystroem("laplacian", n_components=20, random_state=0), None),
    "sigmoid Nystroem": (Nystroem("sigmoid", gamma=0.01, coef0=0.5, random_state=0), None),
    "sketch": (PolynomialCountSketch(n_components=16, random_state=0), None),
    "sketch with a constant": (
        PolynomialCountSketch(degree=3, coef0=2, n_components=16, random_state=0),
        None,
    ),
    "skewed sampler": (SkewedChi2Sampler(n_components=16, random_state=0), None),
    "kernel ridge": (KernelRidge(kernel="rbf"), SCORE),
    "linear kernel ridge": (KernelRidge(), SCORE),
    "RANSAC": (RANSACRegressor(Ridge(), min_samples=20, random_state=0), SCORE),
    "isomap": (Isomap(n_components=3), None),
    "local embedding": (LocallyLinearEmbedding(random_state=0), None),
    **{
        f"{kind} mixture": (GaussianMixture(3, covariance_type=kind, random_state=0), None)
        for kind in ("full", "tied", "diag", "spherical")
    },
    "Bayesian mixture": (BayesianGaussianMixture(n_components=3, random_state=0), None),
    "Bayesian mixture of shares": (
        BayesianGaussianMixture(
            n_components=3,
            covariance_type="diag",
            weight_concentration_prior_type="dirichlet_distribution",
            random_state=0,
        ),
        None,
    ),
    "fixed threshold": (FixedThresholdClassifier(LINE, threshold=0.3), BINARY),
    "fixed score": (
        FixedThresholdClassifier(
            LINE, response_method="decision_function", pos_label=False, threshold=-0.5
        ),
        BINARY,
    ),
    "tuned threshold": (TunedThresholdClassifierCV(LINE, cv=2), BINARY),
    "output code": (OutputCodeClassifier(LINE, random_state=0), LABELS),
    "weighted neighbors": (KNeighborsClassifier(4, weights="distance"), LABELS),
    "weighted neighbors of numbers": (KNeighborsRegressor(weights="distance"), SCORE),
    "graph of neighbors": (KNeighborsTransformer(), None),
    "links of neighbors": (KNeighborsTransformer(mode="connectivity"), None),
    "outliers": (LocalOutlierFactor(novelty=True), None),
    "outliers by brute force": (LocalOutlierFactor(novelty=True, algorithm="brute"), None),
    "centroids": (NearestCentroid(), LABELS),
    "components of neighbors": (
        NeighborhoodComponentsAnalysis(2, max_iter=3, random_state=0),
        LABELS,
    ),
    "radius": (RadiusNeighborsClassifier(2.0, outlier_label="most_frequent"), LABELS),
    "radius by brute force": (
        RadiusNeighborsClassifier(2.0, outlier_label="yes", algorithm="brute"),
        LABELS,
    ),
    "radius of numbers": (RadiusNeighborsRegressor(2.0), SCORE),
    "graph of a radius": (RadiusNeighborsTransformer(radius=1.5), None),
    "links of a radius by brute force": (
        RadiusNeighborsTransformer(mode="connectivity", radius=1.5, algorithm="brute"),
        None,
    ),
    "density": (KernelDensity(bandwidth=0.5), None),
    "density by ball tree": (KernelDensity(kernel="epanechnikov", algorithm="ball_tree"), None),
    "hidden units": (BernoulliRBM(4, n_iter=2, random_state=0), None),
    "sparse projection": (SparseRandomProjection(3, density=0.5, random_state=0), None),
    "propagation": (LabelPropagation(), BINARY.astype(int)),
    "spreading": (LabelSpreading(kernel="knn"), BINARY.astype(int)),
    "self-training": (SelfTrainingClassifier(LINE), BINARY.astype(int)),
    **{
        f"splines, {kind}": (
            make_pipeline(SplineTransformer(extrapolation=kind, include_bias=has_bias), Ridge()),
            SCORE,
        )
        for kind, has_bias in (
            ("constant", True),
            ("linear", False),
            ("continue", True),
            ("periodic", False),
        )
    },
    "splines of columns": (SplineTransformer(degree=2, knots="quantile", order="F"), None),
}
QUICK = ("NMF", "full mixture", "radial Nystroem", "outliers", "splines, constant")
NOT_OF_NUMBERS_BELOW_0 = ("topics", "NMF", "chi2", "skewed", "tf-idf", "NMF of")


def block(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows as one C-ordered block, as the library builds X without a profile."""
    return pd.DataFrame(rows.to_numpy().copy(order="C"), columns=rows.columns, copy=False)


def served(estimator: Any, served_methods: Any = None) -> tuple[SKModels, Flask]:
    models, app = SKModels(), Flask("forms")
    models.add("case", estimator, methods=served_methods or methods(estimator))
    models.init_app(app)
    return models, app


def engine_of(app: Flask) -> Any:
    return (app.test_client().get("/case/").json or {})["engine"]


def equal(outputs: Any, expected: Any, what: str) -> None:
    if hasattr(expected, "toarray"):
        assert outputs.nnz == expected.nnz
        outputs, expected = outputs.toarray(), expected.toarray()
    if expected.ndim < outputs.ndim:  # SparsePCA returns a vector for one row
        expected = expected.reshape(1, -1)
    assert_equal(outputs, expected, what)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore:.*outlier")
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore:.*neighbors:UserWarning")
@pytest.mark.filterwarnings("ignore:y contains no unlabeled samples:UserWarning")
@pytest.mark.parametrize("name", cases(ESTIMATORS, quick=QUICK))
def test_result_is_the_estimators_own(name: str) -> None:
    estimator, target = ESTIMATORS[name]
    rows = GAPS if name.endswith("fill") else X
    estimator.fit(block(rows), target)
    if not name.endswith("fill") and not any(each in name for each in NOT_OF_NUMBERS_BELOW_0):
        rows = pd.concat([X, OUTSIDE], ignore_index=True)
    random = "score_samples" if name == "hidden units" else None
    compared = [method for method in methods(estimator) if method != random]
    counts = (1, 2, 7, 64, len(rows))
    expected = {(m, n): getattr(estimator, m)(block(rows[:n])) for m in compared for n in counts}
    models, app = served(estimator, compared)
    assert engine_of(app)["name"] == "lean"
    for (method, count), outputs in expected.items():
        given = models.predict("case", block(rows[:count]), method, app=app).outputs
        equal(given, outputs, f"{method} of {count} rows")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_lean_methods_are_not_the_estimators_own() -> None:
    """No call falls back where the tests above would not notice."""
    for name in QUICK:
        estimator, target = ESTIMATORS[name]
        estimator = clone(estimator).fit(X, target)
        models, app = served(estimator)
        for method in methods(estimator):
            setattr(estimator, method, None)
            models.predict("case", X[:3], method, app=app)


def test_gaps_are_filled_by_the_imputer_itself() -> None:
    estimator = make_pipeline(KNNImputer(), LINE).fit(GAPS, BINARY)
    expected = [estimator.predict_proba(rows) for rows in (GAPS[:9], X[:1])]
    models, app = served(estimator)
    assert engine_of(app) == {"name": "lean", "reason": None}
    for rows, outputs in zip((GAPS[:9], X[:1]), expected, strict=True):
        assert_equal(models.predict("case", rows, "predict_proba", app=app).outputs, outputs)


def test_row_without_neighbors_is_refused_as_the_estimator_does() -> None:
    estimator = RadiusNeighborsClassifier(5.0).fit(X, LABELS)
    _, app = served(estimator, ["predict"])
    client, row = app.test_client(), dict.fromkeys(X.columns, 99.0)
    assert client.post("/case/predict/", json=X[:1].to_dict("records")).status_code == 200
    assert client.post("/case/predict/", json=[row]).status_code in (400, 422)


def next_center(right: Any) -> Any:
    return lambda rows, *rest: right(np.roll(rows, 1, axis=0), *rest)


def without_norms(right: Any) -> Any:
    def squared_distances(rows: Any) -> Any:
        distances = right(rows)
        return lambda X: np.nextafter(distances(X), np.inf)

    return squared_distances


def farthest(right: Any) -> Any:
    def find(estimator: Any) -> Any:
        search = right(estimator)
        return lambda X, count, has_distances: search(-X, count, has_distances)

    return find


def at_the_knots(right: Any) -> Any:
    def evaluation(spline: Any) -> Any:
        evaluate = right(spline)
        return lambda x: evaluate(np.round(x, 1))

    return evaluation


def with_zeros(right: Any) -> Any:
    return lambda marker: lambda X: np.zeros_like(right(marker)(X))


def one_component_less(right: Any) -> Any:
    return lambda roots, means: right(roots, np.roll(means, 1, axis=0))


def one_step_less(right: Any) -> Any:
    return lambda weights, *rest: right(weights + 0.0, *rest)


CORRUPT: dict[str, tuple[Any, str, Any, Any, Any]] = {
    "another center": (cluster, "of_doubles", next_center, KMeans(4, random_state=0), None),
    "a distance": (pairwise, "squared_distances", without_norms, Nystroem(random_state=0), None),
    "another neighbor": (neighbors, "_tree", farthest, LocalOutlierFactor(novelty=True), None),
    "another value": (splines, "_evaluation", at_the_knots, SplineTransformer(), None),
    "a gap": (impute, "mask_of", with_zeros, KNNImputer(), None),
    "another mean": (mixture, "_each", one_component_less, GaussianMixture(3), None),
    "no descent": (
        *(decomposition, "_update_cdnmf_fast", one_step_less),
        *(NMF(3, random_state=0, max_iter=30), None),
    ),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")  # by LocalOutlierFactor
@pytest.mark.parametrize("what", cases(CORRUPT, quick=["another neighbor", "a gap", "a distance"]))
def test_corrupt_form_is_not_served(
    what: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    module, name, corrupt, estimator, target = CORRUPT[what]
    rows = GAPS if what == "a gap" else X
    estimator.fit(rows, target)
    monkeypatch.setattr(module, name, corrupt(getattr(module, name)))
    with caplog.at_level(logging.WARNING, logger="flask_skmodels"):
        models, app = served(estimator, methods(estimator)[:1] or None)
    engine = engine_of(app)
    assert engine["name"] == "sklearn"
    assert engine["reason"].startswith(f"{type(estimator).__name__}: ")
    assert "is served by scikit-learn's native methods" in caplog.text
    method = methods(estimator)[0]
    for count in (1, 5):
        part = rows[:count].copy()  # of the whole frame, a few rows are not contiguous
        outputs = models.predict("case", part, method, app=app).outputs
        assert_equal(outputs, getattr(estimator, method)(part))


def test_step_without_a_lean_kernel_keeps_its_native_method() -> None:
    estimator = make_pipeline(StandardScaler(), KernelPCA(2, kernel="cosine"), LINE).fit(X, BINARY)
    _, app = served(estimator)
    assert engine_of(app) == {
        "name": "lean",
        "reason": "native methods are used for KernelPCA; KernelPCA: its kernel has no lean form",
    }
