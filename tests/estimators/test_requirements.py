"""The requirements that a pipeline must meet to be served: each step fitted, whatever its class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import VotingRegressor
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler

from flask_skmodels import ModelError, SKModels
from tests.support.helpers import post_json, predictions, serve
from tests.support.skips import library

X = np.random.default_rng(0).normal(size=(30, 3))
Y = X @ [1.0, 2.0, 3.0]
RIDGE = Ridge().fit(X, Y)
SCALER = StandardScaler().fit(X)
UNFITTED = StandardScaler()


class Centre(TransformerMixin, BaseEstimator):
    """A transformer that learns the means."""

    def fit(self, X: Any, y: Any = None) -> Centre:
        self.means_ = np.mean(X, axis=0)
        return self

    def transform(self, X: Any) -> Any:
        return np.asarray(X) - self.means_


class Double(TransformerMixin, BaseEstimator):
    """A transformer that learns nothing, and does not declare it."""

    def fit(self, X: Any, y: Any = None) -> Double:
        return self

    def transform(self, X: Any) -> Any:
        return 2 * np.asarray(X)


def halves(*steps: Any) -> Pipeline:
    return Pipeline([(f"step{index}", step) for index, step in enumerate(steps)])


# case: a pipeline, the step that the error names, its class
HALF_FITTED: dict[str, tuple[Any, str, str]] = {
    "first step": (halves(UNFITTED, RIDGE), "step0", "StandardScaler"),
    "second step": (halves(SCALER, UNFITTED, RIDGE), "step1", "StandardScaler"),
    "home-made step": (halves(Centre(), RIDGE), "step0", "Centre"),
    "nested pipeline": (halves(halves(UNFITTED, SCALER), RIDGE), "step0__step0", "StandardScaler"),
    "union": (
        halves(FeatureUnion([("a", SCALER), ("b", UNFITTED)]), RIDGE),
        "step0",
        "FeatureUnion",
    ),
    "pipeline in a union": (
        halves(FeatureUnion([("a", halves(UNFITTED, SCALER))]), RIDGE),
        "step0__a__step0",
        "StandardScaler",
    ),
    "column transformer": (
        halves(ColumnTransformer([("a", StandardScaler(), [0, 1, 2])]), RIDGE),
        "step0",
        "ColumnTransformer",
    ),
    "frozen": (FrozenEstimator(halves(UNFITTED, RIDGE)), "step0", "StandardScaler"),
}


@pytest.mark.parametrize("case", HALF_FITTED)
def test_half_fitted_pipeline(case: str) -> None:
    pipeline, name, kind = HALF_FITTED[case]
    message = rf"model 'half': step '{name}' of its pipeline \({kind}\) is not fitted"
    with pytest.raises(ModelError, match=message):
        SKModels().add("half", pipeline)


LABELS = (Y > 0).astype(int)
GRID = {"ridge__alpha": [1.0, 2.0]}
# case: a pipeline that needs no further fit
WHOLE: dict[str, Any] = {
    "stateless": halves(Normalizer(), FunctionTransformer(np.abs), RIDGE),
    "passthrough": halves("passthrough", None, SCALER, RIDGE),
    "home-made stateless": halves(Double(), RIDGE),
    "home-made fitted": halves(Centre().fit(X), RIDGE),
    "union of fitted parts": halves(FeatureUnion([("a", SCALER), ("b", "drop")]), RIDGE),
    "search": GridSearchCV(make_pipeline(StandardScaler(), Ridge()), GRID, cv=2).fit(X, Y),
    "templates": VotingRegressor([("a", make_pipeline(StandardScaler(), Ridge()))]).fit(X, Y),
    "calibrated": CalibratedClassifierCV(LogisticRegression(), cv=2).fit(X, LABELS),
    "dropped columns": halves(
        ColumnTransformer([("a", StandardScaler(), [0, 1, 2]), ("b", "drop", [0])]).fit(X), RIDGE
    ),
}


@pytest.mark.parametrize("case", WHOLE)
def test_pipeline_that_needs_no_further_fit(case: str) -> None:
    pipeline = WHOLE[case]
    models = SKModels()
    models.add("whole", pipeline)
    rows = X[:2].tolist()
    client = serve(models["whole"])
    assert predictions(post_json(client, "/whole/predict/", rows)) == pytest.approx(
        pipeline.predict(X[:2]).tolist()
    )


def test_stateless_vectorizer() -> None:
    texts = ["good film", "bad film", "good book"]
    fitted = make_pipeline(HashingVectorizer(n_features=8), TfidfTransformer(), Ridge())
    fitted.fit(texts, [1.0, 0.0, 1.0])
    SKModels().add("mood", fitted)
    fitted.steps[1] = ("tfidf", TfidfTransformer())
    with pytest.raises(ModelError, match=r"step 'tfidf' of its pipeline \(TfidfTransformer\)"):
        SKModels().add("mood", fitted)


# -- Classes of other libraries with the attributes of scikit-learn


class Impostor(Centre):
    """Has the attributes that scikit-learn's meta-estimators have, with other contents."""

    def fit(self, X: Any, y: Any = None) -> Impostor:
        super().fit(X)
        self.n_features_in_ = 3
        self.transformers_ = {"a": "b"}
        self.steps = {"x": 1}
        self.transformer_list = 5
        self.best_estimator_ = "none"
        self.estimators_ = [1, 2]
        self.estimators_features_ = ["a"]
        self.tree_ = self.categories_ = self.statistics_ = self.is_categorical_ = "odd"
        self.named_steps = self.threshold = self.mean_ = self.scale_ = object()
        self.booster_ = self.build_analyzer = self.n_jobs = "odd"
        self.input, self.func, self._predictors = "filename", "odd", 7
        self.labels_ = self.coef_ = self.n_outputs_ = "odd"
        return self

    def get_support(self, indices: bool = False) -> Any:
        return "odd"

    def get_cat_feature_indices(self) -> Any:
        return "odd"

    def get_booster(self) -> Any:
        raise RuntimeError("odd")


class ImpostorRegressor(Impostor):
    def predict(self, X: Any) -> Any:
        return self.transform(X).sum(axis=1)


IMPOSTORS = {
    "alone": ImpostorRegressor(),
    "first step": make_pipeline(Impostor(), Ridge()),
    "between": make_pipeline(StandardScaler(), Impostor(), Ridge()),
    "last step": make_pipeline(StandardScaler(), ImpostorRegressor()),
    "in columns": make_pipeline(ColumnTransformer([("a", Impostor(), [0, 1, 2])]), Ridge()),
    "in a union": make_pipeline(FeatureUnion([("a", Impostor()), ("b", Normalizer())]), Ridge()),
}


@pytest.mark.parametrize("engine", ["lean", "sklearn"])
@pytest.mark.parametrize("case", IMPOSTORS)
def test_familiar_attributes_of_foreign_classes(case: str, engine: str) -> None:
    estimator = IMPOSTORS[case].fit(X, Y)
    models = SKModels()
    models.add("odd", estimator, engine=engine)
    client = serve(models["odd"])
    assert predictions(post_json(client, "/odd/predict/", X[:3].tolist())) == pytest.approx(
        estimator.predict(X[:3]).tolist()
    )
    for path in ("/odd/", "/-/openapi.json", "/v2/models/odd", "/-/metrics"):
        for accept in ("text/html", "application/json"):
            assert client.get(path, headers={"Accept": accept}).status_code < 500, path


@pytest.mark.parametrize("engine", ["lean", "sklearn"])
def test_table_vectorizer_of_skrub(engine: str) -> None:
    skrub = library("skrub")
    frame = pd.DataFrame(
        {"size": [1.0, 2.0, 3.0, 4.0] * 5, "town": ["Oslo", "Bergen", "Rome", "Rome"] * 5}
    )
    estimator = make_pipeline(skrub.TableVectorizer(), Ridge()).fit(frame, range(20))
    models = SKModels()
    models.add("town", estimator, schema={"size": {}, "town": {"type": "string"}}, engine=engine)
    rows = [{"size": 1.5, "town": "Rome"}, {"size": 2, "town": "Oslo"}]
    got = predictions(post_json(serve(models["town"]), "/town/predict/", rows))
    assert got == pytest.approx(estimator.predict(pd.DataFrame(rows)).tolist())
