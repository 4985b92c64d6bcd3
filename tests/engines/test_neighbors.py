"""Lean nearest neighbors and clusters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from flask_skmodels.engines.lean.forms import neighbors
from tests.support.equality import assert_equal, check
from tests.support.selection import cases

RANDOM = np.random.default_rng(0)
X = pd.DataFrame(RANDOM.normal(size=(240, 5)), columns=list("abcde")).round(1)  # with many ties
LABELS = np.array(["no", "perhaps", "yes"])[np.digitize(X["a"] + X["b"], [-1, 1])]
SCORE = X["a"].to_numpy() * X["c"].to_numpy()
SEARCHES = ("brute", "kd_tree", "ball_tree")


@pytest.mark.parametrize("count", cases([1, 4, 5], quick=[4]))
@pytest.mark.parametrize("algorithm", SEARCHES)
def test_neighbors_classifier(algorithm: str, count: int) -> None:
    estimator = KNeighborsClassifier(count, algorithm=algorithm)
    check(estimator.fit(X, LABELS), X)


@pytest.mark.parametrize("metric", cases(["euclidean", "manhattan"], quick=["euclidean"]))
@pytest.mark.parametrize("algorithm", cases(SEARCHES, quick=["brute"]))
def test_neighbors_regressor(algorithm: str, metric: str) -> None:
    check(KNeighborsRegressor(4, algorithm=algorithm, metric=metric).fit(X, SCORE), X)


def test_neighbors_of_scaled_columns() -> None:
    check(make_pipeline(StandardScaler(), KNeighborsClassifier()).fit(X, LABELS), X)


@pytest.mark.parametrize("kind", [KMeans, MiniBatchKMeans])
def test_clusters(kind: Any) -> None:
    from flask import Flask

    from flask_skmodels import SKModels

    estimator = kind(4, n_init=1, random_state=0).fit(X)
    models, app = SKModels(), Flask("clusters")
    models.add("case", estimator)
    models.init_app(app)
    assert (app.test_client().get("/case/").json or {})["engine"]["name"] == "lean"
    for count in (1, 5, 64, 65, 200):
        assert_equal(
            models.predict("case", X[:count], app=app).outputs, estimator.predict(X[:count])
        )


def farthest(right: Any) -> Any:
    return lambda estimator: lambda X, *options: right(estimator)(-X, *options)


def test_corrupt_search_is_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    from flask import Flask

    from flask_skmodels import SKModels

    estimator = KNeighborsRegressor().fit(X, SCORE)
    monkeypatch.setattr(neighbors, "_tree", farthest(neighbors._tree))
    models, app = SKModels(), Flask("corrupt")
    models.add("case", estimator)
    models.init_app(app)
    engine = (app.test_client().get("/case/").json or {})["engine"]
    assert engine["name"] == "sklearn"
    assert engine["reason"].startswith("KNeighborsRegressor: the lean form differs on ")
    assert_equal(models.predict("case", X[:3], app=app).outputs, estimator.predict(X[:3]))
