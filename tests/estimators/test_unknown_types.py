"""Columns whose types the estimator does not tell: they take numbers, texts and booleans."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from flask_skmodels import Model, SKModels
from flask_skmodels.estimators.input_columns import inputs
from tests.support.helpers import errors_of, post_json, predictions, serve
from tests.support.skips import library

# category_encoders uses an option that pandas 3 no longer needs.
pytestmark = pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting'")

FRAME = pd.DataFrame(
    {"town": ["Oslo", "Bergen", "Rome", "Oslo"] * 3, "size": [1.0, 2.0, 3.0, 4.0] * 3}
)
TARGET = np.array([1.0, 5.0, 2.0, 4.0] * 3)
ROWS = [{"town": "Oslo", "size": 2.5}, {"town": "Rome", "size": 1.0}]


class Lengths(TransformerMixin, BaseEstimator):
    """A transformer of texts and numbers."""

    def fit(self, X: Any, y: Any = None) -> Lengths:
        self.feature_names_in_ = np.array(X.columns, dtype=object)
        self.n_features_in_ = len(X.columns)
        return self

    def transform(self, X: Any) -> Any:
        return np.column_stack([X["town"].str.len(), np.log1p(X["size"])])


class Reader(RegressorMixin, Lengths):
    """A regressor of texts and numbers."""

    def predict(self, X: Any) -> Any:
        return self.transform(X).sum(axis=1)


def lengths(X: Any) -> Any:
    return np.column_stack([X["town"].str.len(), np.log1p(X["size"])])


def encoder(name: str, **options: Any) -> Any:
    return getattr(library("category_encoders"), name)(**options)


PIPELINES: dict[str, Any] = {
    "leave one out": lambda: make_pipeline(encoder("LeaveOneOutEncoder"), Ridge()),
    "ordinal": lambda: make_pipeline(encoder("OrdinalEncoder"), Ridge()),
    "target": lambda: make_pipeline(encoder("TargetEncoder"), StandardScaler(), Ridge()),
    "one hot": lambda: make_pipeline(encoder("OneHotEncoder"), Ridge()),
    "home-made": lambda: make_pipeline(Lengths(), Ridge()),
    "function": lambda: make_pipeline(FunctionTransformer(lengths), Ridge()),
    "home-made regressor": Reader,
    "in columns": lambda: make_pipeline(
        ColumnTransformer(
            [("a", encoder("TargetEncoder"), ["town"]), ("b", StandardScaler(), ["size"])]
        ),
        Ridge(),
    ),
}


@pytest.mark.parametrize("engine", ["lean", "sklearn"])
@pytest.mark.parametrize("case", PIPELINES)
def test_text_column_without_a_schema(
    case: str, engine: str, caplog: pytest.LogCaptureFixture
) -> None:
    estimator = PIPELINES[case]().fit(FRAME, TARGET)
    with caplog.at_level(logging.WARNING, "flask_skmodels"):
        client = serve(Model(name="town", pipeline=estimator, engine=engine))
    warned = [r.getMessage() for r in caplog.records if "types cannot be found out" in r.msg]
    assert len(warned) == 1
    assert "model 'town'" in warned[0]
    assert "'town'" in warned[0]
    expected = estimator.predict(pd.DataFrame(ROWS)).tolist()
    assert predictions(post_json(client, "/town/predict/", ROWS)) == pytest.approx(expected)
    form = client.post("/town/predict/", data={"town": "Oslo", "size": "2.5"})
    assert form.status_code == 200
    assert float(form.text) == pytest.approx(expected[0])
    csv = client.post(
        "/town/predict/", data="town,size\nOslo,2.5\nRome,1\n", content_type="text/csv"
    )
    assert [float(line) for line in csv.text.splitlines()[1:]] == pytest.approx(expected)


def test_a_step_of_scikit_learn_tells() -> None:
    estimator = PIPELINES["in columns"]().fit(FRAME, TARGET)
    kinds = {column.name: column.type for column in inputs(estimator).columns or ()}
    assert kinds == {"town": "unknown", "size": "number"}
    client = serve(Model(name="town", pipeline=estimator))
    response = post_json(client, "/town/predict/", [{"town": "Oslo", "size": "large"}])
    assert [error[:2] for error in errors_of(response)] == [(0, "size")]


def test_numbers_keep_their_type() -> None:
    class Kinds(Lengths):
        def transform(self, X: Any) -> Any:
            self.seen_ = [str(kind) for kind in X.dtypes]
            return np.zeros((len(X), 1))

    step = Kinds()
    estimator = make_pipeline(step, Ridge()).fit(FRAME, TARGET)
    client = serve(Model(name="town", pipeline=estimator, batching=False))
    for rows in (
        ROWS,
        [{"town": 1, "size": 2}],
        [{"town": True, "size": 2.5}],
        [{"town": True, "size": "x"}, {"town": 5, "size": False}],
    ):
        step.seen_ = []
        assert post_json(client, "/town/predict/", rows).status_code == 200
        assert step.seen_ == [str(kind) for kind in pd.DataFrame(rows).dtypes]


def test_classes_that_extend_scikit_learn_take_numbers() -> None:
    class Mine(LogisticRegression):
        pass

    frame = FRAME[["size"]]
    fitted = Mine().fit(frame, TARGET > 2)
    assert [column.type for column in inputs(fitted).columns or ()] == ["number"]
    over = library("imblearn.ensemble").BalancedRandomForestClassifier(n_estimators=2)
    fitted = over.fit(frame, TARGET > 2)
    assert [column.type for column in inputs(fitted).columns or ()] == ["number"]


def test_array_of_numbers() -> None:
    class Twice(Lengths):
        def fit(self, X: Any, y: Any = None) -> Twice:
            self.n_features_in_ = np.shape(X)[1]
            return self

        def transform(self, X: Any) -> Any:
            return 2 * np.asarray(X)

    estimator = make_pipeline(Twice(), Ridge()).fit([[1.0, 2.0], [2.0, 5.0]], [1.0, 2.0])
    models = SKModels()
    models.add("twice", estimator)
    assert models["twice"] is not None
    assert {column.type for column in inputs(estimator).columns or ()} == {"number"}
