"""The X that an estimator accepts when it is loaded, and whether it accepts missing values."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from flask_skmodels import KeyValueModel, ModelError, SKModels
from tests.support.helpers import post_json, predictions, serve

FRAME = pd.DataFrame(
    {"a": [1.0, 2.0, 3.0, 5.0], "b": [2.0, 1.0, 4.0, 8.0], "c": [0.5, 0.25, 1.0, 3.0]}
)
TARGET = np.array([1.0, 2.0, 3.0, 4.0])
SCHEMA: dict[str, Any] = {"a": {}, "b": {}, "c": {}}
ROWS = [{"a": 2, "b": 4, "c": 1}, {"a": 1, "b": 2.5, "c": 8}, {"a": 0.5, "b": 1, "c": 1}]


class DataFrameSelector(TransformerMixin, BaseEstimator):
    """Selects columns by their names, or by their labels."""

    def __init__(self, names: Any) -> None:
        self.names = names

    def fit(self, X: Any, y: Any = None) -> DataFrameSelector:
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def transform(self, X: Any) -> Any:
        return X[self.names].values


class Ratio(DataFrameSelector):
    """Adds the ratio of two columns."""

    def transform(self, X: Any) -> Any:
        first, second = self.names
        return np.column_stack([X[first] / X[second], X[first]])


class Passer(DataFrameSelector):
    """Passes X on as it is."""

    def transform(self, X: Any) -> Any:
        return X


def ratio(X: Any) -> Any:
    return pd.DataFrame({"ratio": X["a"] / X["b"]})


def by_label(X: Any) -> Any:
    return X[[0, 2]]


LABELLED = FRAME.set_axis([0, 1, 2], axis=1)
# case: the estimator, the frame that it was fitted on
FRAMES: dict[str, tuple[Any, Any]] = {
    "selector": (make_pipeline(DataFrameSelector(["a", "c"]), Ridge()), FRAME),
    "selector of one": (make_pipeline(DataFrameSelector(["b"]), StandardScaler(), Ridge()), FRAME),
    "ratio in a class": (make_pipeline(Ratio(["a", "b"]), Ridge()), FRAME),
    "union of selectors": (
        make_pipeline(
            FeatureUnion(
                [
                    ("one", make_pipeline(DataFrameSelector(["a"]), SimpleImputer())),
                    ("two", make_pipeline(DataFrameSelector(["b", "c"]), StandardScaler())),
                ]
            ),
            Ridge(),
        ),
        FRAME,
    ),
    "function after a class": (
        make_pipeline(Passer(None), FunctionTransformer(ratio), Ridge()),
        FRAME,
    ),
    "labels in a function": (make_pipeline(FunctionTransformer(by_label), Ridge()), LABELLED),
    "labels in a class": (make_pipeline(DataFrameSelector([0, 2]), Ridge()), LABELLED),
}


@pytest.mark.parametrize("engine", ["lean", "sklearn"])
@pytest.mark.parametrize("case", FRAMES)
def test_estimator_that_needs_a_frame(
    case: str, engine: str, caplog: pytest.LogCaptureFixture
) -> None:
    estimator, frame = FRAMES[case]
    estimator.fit(frame, TARGET)
    with caplog.at_level(logging.WARNING, "flask_skmodels"):
        client = serve(KeyValueModel(name="home", pipeline=estimator, schema=SCHEMA, engine=engine))
    assert "model 'home' gets a data frame" in caplog.text
    plain = pd.DataFrame(ROWS).set_axis(frame.columns, axis=1)
    expected = estimator.predict(plain.astype(float)).tolist()
    assert predictions(post_json(client, "/home/predict/", ROWS)) == expected
    for row, value in zip(ROWS, expected, strict=True):
        assert predictions(post_json(client, "/home/predict/", row)) == [pytest.approx(value)]


def test_estimator_of_an_array_gets_an_array(caplog: pytest.LogCaptureFixture) -> None:
    estimator = make_pipeline(Passer(None), Ridge()).fit(FRAME.to_numpy(), TARGET)
    with caplog.at_level(logging.WARNING, "flask_skmodels"):
        client = serve(KeyValueModel(name="home", pipeline=estimator, schema=SCHEMA))
    assert caplog.text == ""
    expected = estimator.predict(pd.DataFrame(ROWS).to_numpy()).tolist()
    assert predictions(post_json(client, "/home/predict/", ROWS)) == expected


class Hooked(KeyValueModel):
    def predict(self, X: Any) -> Any:
        return self.pipeline.predict(X) * 2


def test_model_with_methods_of_its_own_gets_a_frame() -> None:
    estimator = make_pipeline(DataFrameSelector(["a", "c"]), Ridge()).fit(FRAME, TARGET)
    client = serve(Hooked(pipeline=estimator, schema=SCHEMA))
    expected = (estimator.predict(pd.DataFrame(ROWS)) * 2).tolist()
    assert predictions(post_json(client, "/hooked/predict/", ROWS)) == expected


def test_estimator_that_nothing_works_for() -> None:
    estimator = make_pipeline(DataFrameSelector(["a", "d"]), Ridge())
    estimator.fit(FRAME.assign(d=1.0), TARGET)
    with pytest.raises(ModelError, match=r"home.*: its Pipeline raises .*IndexError") as why:
        SKModels().add("home", estimator, schema=SCHEMA)
    assert "profile" in str(why.value)


@pytest.mark.parametrize("engine", ["lean", "sklearn"])
def test_names_that_are_not_known(engine: str) -> None:
    estimator = make_pipeline(DataFrameSelector(["a", "c"]), Ridge()).fit(FRAME, TARGET)
    with pytest.raises(ModelError, match="names of its columns are not known: set schema"):
        SKModels().add("home", estimator, engine=engine)


class Picky(RegressorMixin, BaseEstimator):
    """Raises for negative numbers."""

    def fit(self, X: Any, y: Any) -> Picky:
        self.n_features_in_ = 3
        return self

    def predict(self, X: Any) -> Any:
        if (np.asarray(X) < 0).any():
            raise ValueError("negative")
        return np.asarray(X).sum(axis=1)


def test_estimator_that_raises_on_some_rows_is_served() -> None:
    client = serve(KeyValueModel(name="home", pipeline=Picky().fit(FRAME, TARGET), schema=SCHEMA))
    assert predictions(post_json(client, "/home/predict/", ROWS)) == [7.0, 11.5, 2.5]


def test_estimator_that_raises_on_its_examples() -> None:
    options = {"schema": SCHEMA, "examples": [{"a": 1, "b": 2, "c": -3}]}
    with pytest.raises(ModelError, match="model 'home': it fails on example 0: ValueError: neg"):
        SKModels().add("home", Picky().fit(FRAME, TARGET), **options)


# -- Missing values


class Filler(TransformerMixin, BaseEstimator):
    """An imputer that sets no tag."""

    def fit(self, X: Any, y: Any = None) -> Filler:
        self.n_features_in_ = np.shape(X)[1]
        return self

    def transform(self, X: Any) -> Any:
        return np.nan_to_num(np.asarray(X, dtype=float), nan=-1.0)


NULLABLE = {**SCHEMA, "c": {"nullable": True}}
GAP = {"a": 1, "b": 2, "c": None}


@pytest.mark.parametrize("engine", ["lean", "sklearn"])
def test_declared_nullable_holds_without_a_tag(engine: str) -> None:
    estimator = make_pipeline(Filler(), Ridge()).fit(FRAME.to_numpy(), TARGET)
    client = serve(KeyValueModel(name="home", pipeline=estimator, schema=NULLABLE, engine=engine))
    expected = estimator.predict(np.array([[1.0, 2.0, np.nan]])).tolist()
    assert predictions(post_json(client, "/home/predict/", GAP)) == expected
    form = client.post("/home/predict/", data={"a": "1", "b": "2", "c": ""})
    assert form.status_code == 200


@pytest.mark.parametrize("engine", ["lean", "sklearn"])
@pytest.mark.parametrize("frame", [FRAME, FRAME.to_numpy()], ids=["frame", "array"])
def test_declared_nullable_that_cannot_hold(frame: Any, engine: str) -> None:
    estimator = LinearRegression().fit(frame, TARGET)
    with pytest.raises(
        ModelError, match="field 'c' is nullable, but the model's LinearRegression raises"
    ):
        SKModels().add("home", estimator, schema=NULLABLE, engine=engine)


def test_declared_nullable_of_a_text() -> None:
    class Towns(DataFrameSelector):
        def transform(self, X: Any) -> Any:
            return X["town"].map(lambda town: 0.0 if town is None else len(town)).to_frame()

    frame = pd.DataFrame({"town": ["Oslo", "Bergen", "Oslo", "Rome"]}, dtype=object)
    estimator = make_pipeline(Towns(None), Ridge()).fit(frame, TARGET)
    schema = {"town": {"type": "string", "nullable": True}}
    client = serve(KeyValueModel(name="home", pipeline=estimator, schema=schema))
    expected = estimator.predict(pd.DataFrame({"town": [None]}, dtype=object)).tolist()
    assert predictions(post_json(client, "/home/predict/", {"town": None})) == expected


# -- X and a plain data frame


class Integers(DataFrameSelector):
    """Returns 1 for a column of integers, 0 for any other."""

    def transform(self, X: Any) -> Any:
        return np.full((len(X), 1), float(X["c"].dtype.kind == "i"))


@pytest.mark.parametrize(("kind", "is_logged"), [("float", True), ("integer", False)])
def test_difference_from_a_plain_frame_is_logged(
    kind: str, is_logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    estimator = make_pipeline(Integers(None), Ridge()).fit(FRAME, TARGET)
    estimator[-1].coef_[:] = 1
    schema = {**SCHEMA, "c": {"type": kind, "allowed": [1, 2]}}
    with caplog.at_level(logging.WARNING, "flask_skmodels"):
        serve(KeyValueModel(name="home", pipeline=estimator, schema=schema))
    assert ("differ from those for a plain data frame" in caplog.text) is is_logged
    assert ("because of 'c'" in caplog.text) is is_logged
