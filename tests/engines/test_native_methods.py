"""Settings for which there is no lean form: the estimator's own methods serve, and it says why.

Beside them are settings that have a lean form and that few people use.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import AffinityPropagation
from sklearn.decomposition import NMF, DictionaryLearning, SparsePCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    GradientBoostingRegressor,
    StackingClassifier,
)
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.feature_selection import SelectKBest
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, Matern
from sklearn.impute import KNNImputer, MissingIndicator
from sklearn.impute._iterative import IterativeImputer
from sklearn.kernel_approximation import AdditiveChi2Sampler, Nystroem
from sklearn.linear_model import LinearRegression, RidgeClassifier
from sklearn.manifold import Isomap
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.naive_bayes import BernoulliNB, ComplementNB
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    NearestCentroid,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
)
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    PolynomialFeatures,
    PowerTransformer,
    SplineTransformer,
)
from sklearn.semi_supervised import LabelPropagation
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from flask_skmodels.estimators.introspect import methods
from tests.engines.test_other_forms import (
    BINARY,
    GAPS,
    LABELS,
    LINE,
    SCORE,
    X,
    block,
    engine_of,
    equal,
    served,
)
from tests.support.selection import cases

SEVERAL = np.column_stack([BINARY, X["c"] > 2.0]).astype(int)
NUMBERS = np.column_stack([SCORE, X["b"]])
FEW = X[:40]
GRAM = pd.DataFrame(FEW.to_numpy() @ FEW.to_numpy().T).add_prefix("distance")
QUICK = ("no centers", "ties", "labels of neighbors", "discriminant of two classes")


def inverse(distances: Any) -> Any:
    return 1 / (1 + distances)


def product(one: Any, other: Any) -> Any:
    return np.exp(-np.abs(one[:, np.newaxis] - other[np.newaxis]).sum(axis=2))


def in_bins() -> Any:
    """Return a transformer whose output is sparse."""
    return KBinsDiscretizer(3, strategy="uniform")


def power_transformer() -> Any:
    transformer = PowerTransformer().fit(X)
    transformer.lambdas_[:2] = [0.0, 2.0]
    return transformer


def prefit_stack() -> Any:
    tree = DecisionTreeClassifier(max_depth=2, random_state=0).fit(block(X), SEVERAL)
    return StackingClassifier([("tree", tree)], LINE, cv="prefit").fit(block(X), LABELS)


def unweighted_boosting() -> Any:
    boosting = AdaBoostClassifier(n_estimators=4, random_state=0).fit(block(X), LABELS)
    boosting.estimator_weights_ = boosting.estimator_weights_[:3]
    return boosting


# An estimator, its rows and its target, or a function that returns a fitted one; and the reason
# why the engine is not lean, or only in part.
CASES: dict[str, tuple[Any, Any, Any, str]] = {
    "no centers": (AffinityPropagation(max_iter=1, random_state=0), FEW, None, "has no centers"),
    "too many components": (SparsePCA(8, max_iter=2), FEW, None, "more components than columns"),
    "NMF of shuffled columns": (NMF(3, shuffle=True, random_state=0), FEW, None, "solver"),
    "distances of lars": (
        DictionaryLearning(3, max_iter=2, transform_algorithm="lasso_cd", random_state=0),
        *(FEW, None, "its algorithm has no lean form"),
    ),
    "boosting of a single class": (
        *(AdaBoostClassifier(n_estimators=2), FEW, np.zeros(40), "fitted on a single class"),
    ),
    "boosting without weights": (unweighted_boosting, None, None, "have no weight"),
    "stacks of several labels": (
        StackingClassifier([("tree", DecisionTreeClassifier(max_depth=2))], KNeighborsClassifier()),
        *(X, SEVERAL, "several outputs"),
    ),
    "three classes of a process": (
        *(GaussianProcessClassifier(optimizer=None), FEW, LABELS[:40], "more than two classes"),
    ),
    "empty column": (
        KNNImputer(keep_empty_features=True),
        *(GAPS.assign(a=np.nan), None, "columns that were empty at fit"),
    ),
    "indicators of iterations": (
        *(IterativeImputer(max_iter=2, add_indicator=True), GAPS, None, "indicates missing values"),
    ),
    "indicators of neighbors": (
        *(KNNImputer(add_indicator=True), GAPS, None, "indicates missing values"),
    ),
    "labels of ridges": (RidgeClassifier(), X, SEVERAL, ""),
    "isomap of a radius": (
        Isomap(n_neighbors=None, radius=9.0),
        FEW,
        None,
        "neighbors in a radius",
    ),
    "labels one against the rest": (
        OneVsRestClassifier(DecisionTreeClassifier(max_depth=2)),
        *(X, SEVERAL, "several labels"),
    ),
    "one class": (ComplementNB(), FEW, np.zeros(40), "single class"),
    "neighbors of single precision": (
        KNeighborsClassifier(algorithm="brute"),
        *(X.astype("float32"), LABELS, "not fitted on an array of float64 numbers"),
    ),
    "Nystroem of single precision": (
        *(
            Nystroem(n_components=5),
            X.astype("float32"),
            None,
            "not fitted on a dense array of float64 numbers",
        ),
    ),
    "labels of neighbors": (KNeighborsClassifier(), X, SEVERAL, "several outputs"),
    "numbers of neighbors": (KNeighborsRegressor(), X, NUMBERS, "several outputs"),
    "labels in a radius": (*(RadiusNeighborsClassifier(99.0), X, SEVERAL, "several outputs"),),
    "label of outliers": (
        RadiusNeighborsClassifier(99.0, outlier_label="none"),
        *(X, LABELS, "the label of outliers is not a class"),
    ),
    "numbers in a radius": (RadiusNeighborsRegressor(99.0), X, NUMBERS, "several outputs"),
    "weights in a radius": (
        *(RadiusNeighborsRegressor(99.0, weights="distance"), X, SCORE, "neighbors have weights"),
    ),
    "splines of lines": (SplineTransformer(degree=1), X, None, "its degree is below 2"),
    "kernel of labels": (
        *(LabelPropagation(product), X, BINARY.astype(int), "its kernel is custom"),
    ),
    "neighbors of a function": (
        *(KNeighborsRegressor(weights=inverse), X, SCORE, "its weights are custom"),
    ),
    "rows that are sparse": (
        *(make_pipeline(in_bins(), SVR()), X, SCORE, "fitted on a sparse matrix"),
    ),
    "nothing is selected": (SelectKBest(k=0), X, LABELS, "selects no columns"),
    "weights of single precision": (
        *(TfidfTransformer(), X.astype("float32"), None, "fitted on single precision"),
    ),
    "pairwise distances": (
        *(OneVsOneClassifier(SVC(kernel="precomputed")), GRAM, LABELS[:40], "pairwise distances"),
    ),
    "probabilities of classes": (
        *(NearestCentroid(priors=[0.1, 0.2, 0.7]), X, LABELS, "not equally probable"),
    ),
    "ties": (SVC(break_ties=True), X, LABELS, "break_ties is set"),
    "no degree": (PolynomialFeatures(0), X, None, "its degree is 0"),
    "discriminant of two classes": (LinearDiscriminantAnalysis(), X, BINARY, ""),
    "boosting of lines": (AdaBoostClassifier(LINE, n_estimators=3), X, LABELS, ""),
    "bags that lack classes": (
        *(
            BaggingClassifier(KNeighborsClassifier(1), 5, max_samples=4, random_state=1),
            X,
            LABELS,
            "",
        ),
    ),
    "boosting after a line": (
        GradientBoostingRegressor(init=LinearRegression(), n_estimators=3),
        *(X, SCORE, ""),
    ),
    "stack of fitted parts": (prefit_stack, None, None, ""),
    "products of kernels": (
        GaussianProcessRegressor(RBF(2.0) * Matern(nu=1.5), alpha=1.0, optimizer=None),
        *(FEW, SCORE[:40], ""),
    ),
    "process of another kernel": (
        GaussianProcessClassifier(RBF(2.0) * Matern(nu=1.5), optimizer=None),
        *(FEW, BINARY[:40], ""),
    ),
    "gaps of zeros": (KNNImputer(missing_values=0.0), X, None, ""),
    "new gaps": (MissingIndicator(error_on_new=True), GAPS.assign(a=1.0), None, ""),
    "interval of a sampler": (AdditiveChi2Sampler(sample_interval=0.5), X, None, ""),
    "automatic threshold": (FixedThresholdClassifier(LINE), X, BINARY, ""),
    "automatic threshold of scores": (
        *(FixedThresholdClassifier(RidgeClassifier(), pos_label=True), X, BINARY, ""),
    ),
    "numbers themselves": (BernoulliNB(binarize=None), (X > 2.0).astype(float), LABELS, ""),
    "probabilities of ranks": (
        CalibratedClassifierCV(LINE, method="isotonic", cv=2, ensemble=False),
        *(X, BINARY, ""),
    ),
    "powers that are logarithms": (power_transformer, None, None, ""),
    "layers after codes": (
        make_pipeline(
            in_bins(),
            MLPRegressor(hidden_layer_sizes=(4,), max_iter=5, random_state=0),
        ),
        *(X, SCORE, ""),
    ),
    "two classes of vectors": (SVC(), X, BINARY, ""),
    "pairs of vectors": (SVC(decision_function_shape="ovo"), X, LABELS, ""),
    "negative zero": (DecisionTreeRegressor(), FEW, np.where(BINARY[:40], -0.0, 1.0), ""),
    "one against one": (OneVsOneClassifier(LINE), X, LABELS, ""),
}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", cases(CASES, quick=QUICK))
def test_result_is_the_estimators_own(name: str) -> None:
    estimator, rows, target, reason = CASES[name]
    estimator = estimator() if rows is None else clone(estimator).fit(block(rows), target)
    rows = (X if rows is None else rows).astype(float)
    compared = methods(estimator)
    expected = {(m, n): getattr(estimator, m)(block(rows[:n])) for m in compared for n in (1, 9)}
    models, app = served(estimator, compared)
    engine = engine_of(app)
    assert reason in (engine["reason"] or "")
    assert engine["name"] == "lean" or reason
    for (method, count), outputs in expected.items():
        given = models.predict("case", block(rows[:count]), method, app=app).outputs
        for one, other in zip(*map(listed, (given, outputs)), strict=True):
            equal(one, other, f"{method} of {count} rows")


def listed(outputs: Any) -> list[Any]:
    """Return the outputs of a method, of which there may be several."""
    return outputs if isinstance(outputs, list) else [outputs]
