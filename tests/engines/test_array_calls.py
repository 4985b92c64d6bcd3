"""Native methods called with an array instead of a data frame: the same bits, and no frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask import Flask
from sklearn import config_context
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multioutput import ClassifierChain
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer, StandardScaler

from flask_skmodels import SKModels
from flask_skmodels.engines.lean import array_calls, compiler
from flask_skmodels.schema.frame import DeferredFrame
from tests.support.equality import assert_equal
from tests.support.selection import cases

RANDOM = np.random.default_rng(0)
FLOATS = pd.DataFrame(RANDOM.normal(size=(120, 4)), columns=list("abcd"))
INTEGERS = pd.DataFrame(RANDOM.integers(0, 40, size=(120, 4)), columns=list("abcd"))
MIXED = FLOATS.assign(b=INTEGERS["b"], c=INTEGERS["c"] > 20)
TARGET = (FLOATS["a"] + FLOATS["b"] > 0).astype(int)
FRAMES = {"floats": FLOATS, "integers": INTEGERS, "floats, integers and booleans": MIXED}
ESTIMATORS: dict[str, Any] = {
    "neighbors": KNeighborsClassifier(),
    "clusters": KMeans(3, n_init=1, random_state=0),
    "centroids": NearestCentroid(metric="manhattan"),
    "chain": ClassifierChain(KNeighborsClassifier()),
    "step": make_pipeline(SplineTransformer(sparse_output=True), Ridge()),
}


def served(estimator: Any, **options: Any) -> tuple[SKModels, Flask]:
    models, app = SKModels(), Flask("array")
    models.add("case", estimator, **options)
    models.init_app(app)
    return models, app


def fitted(estimator: Any, X: Any) -> Any:
    is_chain = isinstance(estimator, ClassifierChain)
    return estimator.fit(X, np.column_stack([TARGET, 1 - TARGET]) if is_chain else TARGET)


@pytest.fixture
def no_frames(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function after whose call no data frame can be made."""

    def refuse(frame: Any) -> Any:
        raise AssertionError("a data frame was made")

    return lambda: monkeypatch.setattr(DeferredFrame, "to_sklearn", refuse)


@pytest.mark.parametrize("profiled", [False, True])
@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("name", cases(ESTIMATORS, quick=["neighbors", "step"]))
def test_result_for_an_array_is_that_for_a_data_frame(name: str, kind: str, profiled: bool) -> None:
    X = FRAMES[kind]
    if not profiled and X is MIXED:  # only a profile tells which columns have booleans
        X = X.astype({"c": float})
    estimator = fitted(ESTIMATORS[name], X)
    models, app = served(estimator, **({"profile": X} if profiled else {}))
    for count in (1, 2, 60):
        outputs = models.predict("case", X[:count], app=app).outputs
        assert_equal(outputs, estimator.predict(X[:count]))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_no_data_frame_is_made(name: str, no_frames: Any) -> None:
    estimator = fitted(ESTIMATORS[name], FLOATS)
    expected = estimator.predict(FLOATS[:3])
    models, app = served(estimator)
    no_frames()
    rows = FLOATS[:3].to_dict("records")
    assert_equal(models.predict("case", rows, app=app).outputs, expected)


def test_engine_is_named_after_the_library_that_computes() -> None:
    _, app = served(NearestCentroid(metric="manhattan").fit(FLOATS, TARGET))
    assert (app.test_client().get("/case/").json or {})["engine"] == {
        "name": "sklearn",
        "reason": "NearestCentroid: its metric has no lean form",
    }


class ByName(ClusterMixin, BaseEstimator):
    """Reads a column by its name."""

    def fit(self, X: Any, y: Any = None) -> ByName:
        self.feature_names_in_ = np.array(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X: Any) -> Any:
        return (X["a"] > 0).to_numpy().astype(int)


def test_estimators_that_read_names_keep_the_data_frame() -> None:
    by_name = ColumnTransformer([("scaled", StandardScaler(), ["a"])]).fit(FLOATS)
    chain = ClassifierChain(make_pipeline(by_name, LogisticRegression()))
    for estimator in (ByName().fit(FLOATS), by_name, chain):
        assert array_calls.without_names(estimator) is None
    models, app = served(ByName().fit(FLOATS))
    assert_equal(
        models.predict("case", FLOATS[:5], app=app).outputs,
        ByName().fit(FLOATS).predict(FLOATS[:5]),
    )


def test_registered_configuration_of_scikit_learn_keeps_the_native_call() -> None:
    estimator = KMeans(3, n_init=1, random_state=0).fit(FLOATS)
    with config_context(enable_metadata_routing=True):
        models, app = served(estimator)
    outputs = models.predict("case", FLOATS[:2], app=app).outputs
    assert_equal(outputs, estimator.predict(FLOATS[:2]))


def test_wrong_array_is_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "array_of_frame", lambda X: X.to_float64()[:, ::-1].copy())
    estimator = NearestCentroid(metric="manhattan").fit(FLOATS, TARGET)
    models, app = served(estimator)
    outputs = models.predict("case", FLOATS[:50], app=app).outputs
    assert_equal(outputs, estimator.predict(FLOATS[:50]))
