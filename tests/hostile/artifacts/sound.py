"""Sound artifacts with every native structure, from which the tampered ones are made."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn.cluster import BisectingKMeans, KMeans
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomTreesEmbedding,
)
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import (
    KernelDensity,
    KNeighborsClassifier,
    KNeighborsRegressor,
    LocalOutlierFactor,
    RadiusNeighborsClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, SplineTransformer
from sklearn.svm import SVC, SVR, NuSVC, OneClassSVM
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

X, Y = load_iris(return_X_y=True)
X, Y = X[::3], Y[::3]
TWO = (Y > 0).astype(int)
WORDS = [f"{'ab'[index % 2]} word{index % 7} {'long ' * (index % 3)}" for index in range(50)]
ROW = [5.1, 3.5, 1.4, 0.2]
CITIES = pd.DataFrame(
    {"city": np.array(["Bonn", "Rome", "Oslo", "Lima", "Kiel"] * 10), "age": X[:, 0]}
)

Build = Callable[[], tuple[Any, Any]]
SMALL = {"n_estimators": 3, "random_state": 0}


def _on_cities() -> Any:
    model = HistGradientBoostingClassifier(
        categorical_features=["city"], max_iter=3, min_samples_leaf=2
    )
    frame = CITIES.assign(city=CITIES["city"].astype("category"))
    return model.fit(frame, np.arange(50) % 5 % 2)


def _of_words(*steps: Any) -> Any:
    return make_pipeline(*steps).fit(WORDS, TWO)


def _booster(library: str, name: str, **options: Any) -> Any:
    module = __import__(library)
    return getattr(module, name)(n_estimators=2, max_depth=3, **options).fit(X, Y)


TEXT = ["a word1 long"]
CITY = {"city": "Rome", "age": 5.0}
SOUND: dict[str, Build] = {
    "tree": lambda: (DecisionTreeClassifier(max_depth=4).fit(X, Y), ROW),
    "tree of two outputs": lambda: (DecisionTreeRegressor(max_depth=3).fit(X, X[:, :2]), ROW),
    "forest": lambda: (RandomForestClassifier(max_depth=3, **SMALL).fit(X, Y), ROW),
    "extra trees": lambda: (ExtraTreesRegressor(max_depth=3, **SMALL).fit(X, X[:, 0]), ROW),
    "isolation forest": lambda: (IsolationForest(**SMALL).fit(X), ROW),
    "embedding": lambda: (RandomTreesEmbedding(max_depth=2, **SMALL).fit(X), ROW),
    "boosting": lambda: (GradientBoostingClassifier(max_depth=2, **SMALL).fit(X, Y), ROW),
    "bagging": lambda: (
        BaggingClassifier(DecisionTreeClassifier(max_depth=2), max_features=0.5, **SMALL).fit(X, Y),
        ROW,
    ),
    "histogram boosting": lambda: (
        HistGradientBoostingRegressor(max_iter=3, min_samples_leaf=3).fit(X, X[:, 0]),
        ROW,
    ),
    "histogram boosting of categories": lambda: (_on_cities(), CITY),
    "support vectors": lambda: (SVC(probability=True, random_state=0).fit(X, Y), ROW),
    "support vectors, linear": lambda: (NuSVC(kernel="linear").fit(X, TWO), ROW),
    "support vectors, regression": lambda: (SVR().fit(X, X[:, 0]), ROW),
    "support vectors, one class": lambda: (OneClassSVM().fit(X), ROW),
    "support vectors, sparse": lambda: (_of_words(TfidfVectorizer(), SVC()), TEXT),
    "neighbors, brute force": lambda: (KNeighborsClassifier(3, algorithm="brute").fit(X, Y), ROW),
    "neighbors, k-d tree": lambda: (KNeighborsClassifier(3, algorithm="kd_tree").fit(X, Y), ROW),
    "neighbors, ball tree": lambda: (
        KNeighborsRegressor(3, algorithm="ball_tree", leaf_size=5, metric="minkowski", p=3).fit(
            X, X[:, 0]
        ),
        ROW,
    ),
    "neighbors, weighted metric": lambda: (
        KNeighborsClassifier(
            3, algorithm="ball_tree", metric="seuclidean", metric_params={"V": X.var(0)}
        ).fit(X, Y),
        ROW,
    ),
    "neighbors in a radius": lambda: (
        RadiusNeighborsClassifier(9.0, algorithm="brute", outlier_label=0).fit(X, Y),
        ROW,
    ),
    "neighbors, density": lambda: (KernelDensity(leaf_size=5).fit(X), ROW),
    "neighbors, outliers": lambda: (LocalOutlierFactor(5, novelty=True).fit(X), ROW),
    "clusters": lambda: (KMeans(3, n_init=1, random_state=0).fit(X), ROW),
    "clusters, bisected": lambda: (BisectingKMeans(4, random_state=0).fit(X), ROW),
    "vocabulary": lambda: (_of_words(TfidfVectorizer(), LogisticRegression()), TEXT),
    "hashed words": lambda: (
        _of_words(HashingVectorizer(n_features=32), LogisticRegression()),
        TEXT,
    ),
    "categories": lambda: (
        make_pipeline(
            OneHotEncoder(min_frequency=3, handle_unknown="infrequent_if_exist"),
            LogisticRegression(max_iter=50),
        ).fit(CITIES, TWO),
        CITY,
    ),
    "bins": lambda: (
        make_pipeline(KBinsDiscretizer(3, strategy="uniform"), LogisticRegression()).fit(X, Y),
        ROW,
    ),
    "sparse coefficients": lambda: (LogisticRegression(max_iter=500).fit(X, Y).sparsify(), ROW),
    "splines": lambda: (make_pipeline(SplineTransformer(), LogisticRegression()).fit(X, Y), ROW),
    "XGBoost": lambda: (_booster("xgboost", "XGBClassifier", n_jobs=1), ROW),
    "LightGBM": lambda: (
        _booster("lightgbm", "LGBMClassifier", n_jobs=1, verbose=-1, min_child_samples=2),
        ROW,
    ),
}
BOOSTERS = ("XGBoost", "LightGBM")


@cache
def sound(name: str) -> tuple[Any, Any]:
    """Return a fitted estimator and a row that it accepts."""
    return build(name)


def build(name: str) -> tuple[Any, Any]:
    """Return a new estimator, fitted, and a row that it accepts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of parameters that will go
        return SOUND[name]()
