"""One row through ``models.predict`` and through the estimator's own ``predict``, for many classes.

``python -m benchmarks.bench_engines [NAME ...]`` prints both times in microseconds and their ratio.
The two sides are timed in turn, round by round, and the ratio is its median over the rounds with
the lowest and the highest. ``loading`` registers a forest of 1,000 trees.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from functools import partial
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import joblib
import numpy as np
import pandas as pd
from flask import Flask
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import KNNImputer
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer, QuantileTransformer, SplineTransformer

from benchmarks.bench_validation import seconds
from flask_skmodels import SKModels

LOADING = "loading"
ROUNDS, TIMES = 15, 40
ROWS, COLUMNS, TREES = 2000, 20, 100
RANDOM = np.random.default_rng(0)
X = pd.DataFrame(
    RANDOM.normal(size=(ROWS, COLUMNS)), columns=[f"f{place}" for place in range(COLUMNS)]
)
WORDS = ["".join(RANDOM.choice(list("abcdefghijklmnop"), 6)) for _ in range(5000)]
TEXTS = pd.Series([" ".join(RANDOM.choice(WORDS, 200)) for _ in range(ROWS)])
Y = (X["f0"] + X["f1"] * X["f2"] > 0).astype(int)
WITH_CATEGORIES = X.assign(city=pd.Categorical(RANDOM.choice(["Bonn", "Oslo", "Rome"], ROWS)))


def lightgbm(**options: Any) -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_estimators=TREES, verbose=-1, **options)


def xgboost(**options: Any) -> Any:
    from xgboost import XGBClassifier

    return XGBClassifier(n_estimators=TREES, **options)


def catboost(**options: Any) -> Any:
    from catboost import CatBoostClassifier

    return CatBoostClassifier(n_estimators=TREES, verbose=0, allow_writing_files=False, **options)


def texts() -> Any:
    """Return a pipeline that takes texts instead of the rows of a case."""
    return make_pipeline(TfidfVectorizer(), LogisticRegression())


# The estimator, the rows that it is fitted on, and the ratio to reach.
CASES: dict[str, tuple[Callable[[], Any], Any, float]] = {
    "LightGBM": (lightgbm, X, 40),
    "LightGBM, categories": (lightgbm, WITH_CATEGORIES, 40),
    "XGBoost": (xgboost, X, 18),
    "XGBoost, categories": (partial(xgboost, enable_categorical=True), WITH_CATEGORIES, 18),
    "CatBoost": (catboost, X, 8),
    "CatBoost, categories": (partial(catboost, cat_features=["city"]), WITH_CATEGORIES, 8),
    "nearest neighbors": (KNeighborsClassifier, X, 5),
    "k-means": (partial(KMeans, 8, n_init=1, random_state=0), X, 5),
    "mixture": (partial(GaussianMixture, 3, random_state=0), X, 1),
    "neighbors fill": (lambda: make_pipeline(KNNImputer(), LogisticRegression()), X, 4),
    "texts of 200 words": (texts, TEXTS, 4),
    "splines": (lambda: make_pipeline(SplineTransformer(), Ridge()), X, 15),
    "powers": (lambda: make_pipeline(PowerTransformer(), SGDClassifier()), X, 12),
    "quantiles": (lambda: make_pipeline(QuantileTransformer(), LogisticRegression()), X, 12),
}


def measure(name: str) -> None:
    make, rows, wanted = CASES[name]
    estimator = make().fit(rows, Y)
    models, app = SKModels(), Flask("bench")
    started = perf_counter()
    models.add("case", estimator)
    models.init_app(app)
    loading = perf_counter() - started
    is_text = isinstance(rows, pd.Series)
    record = rows[:1].tolist() if is_text else rows[:1].to_dict("records")
    row = record if is_text else rows[:1]
    ours = partial(models.predict, "case", record, app=app)
    own = partial(estimator.predict, row)
    assert np.array_equal(np.asarray(ours().outputs), np.asarray(own()))
    pairs = [(seconds(own, TIMES) * 1e6, seconds(ours, TIMES) * 1e6) for _ in range(ROUNDS)]
    found = sorted(slow / fast for slow, fast in pairs)
    own_time, time = (median(side) for side in zip(*pairs, strict=True))
    print(
        f"{name:22}{own_time:8.0f}{time:8.0f}  {median(found):5.1f} ({found[0]:.1f} to "
        f"{found[-1]:.1f}; to reach: {wanted}), registered in {loading:.2f} s",
        flush=True,
    )


def measure_loading() -> None:
    """Print how long a forest of 1,000 trees takes to load, and then to register."""
    forest = RandomForestClassifier(1000, random_state=0).fit(X, Y)
    with TemporaryDirectory() as folder:
        joblib.dump(forest, f"{folder}/forest.joblib")
        started = perf_counter()
        forest = joblib.load(f"{folder}/forest.joblib")
        loading = perf_counter() - started
    for methods in (["predict"], ["predict", "predict_proba"]):
        started = perf_counter()
        SKModels().add("case", forest, methods=methods)
        passed = perf_counter() - started
        print(
            f"forest of 1,000 trees: {', '.join(methods)} in {passed:.2f} s, file {loading:.2f} s"
        )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for each in sys.argv[1:] or [*CASES, LOADING]:
        if each == LOADING:
            measure_loading()
        else:
            measure(each)
