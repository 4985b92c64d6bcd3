"""The columns that a pipeline makes are folded back to the fields that they come from."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask import Flask
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import (
    BaggingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.feature_selection import RFE, SelectFromModel, SelectKBest, VarianceThreshold
from sklearn.impute import KNNImputer, MissingIndicator, SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)

from flask_skmodels import ModelError, Profile, SKModels
from tests.support.selection import cases

ROWS = 150
_random = np.random.default_rng(0)
NUMBERS = pd.DataFrame(_random.normal(2, 1, (ROWS, 3)).round(3), columns=["a", "b", "c"]).abs()
HOLES = NUMBERS.mask(_random.random(NUMBERS.shape) < 0.2)
MIXED = HOLES.assign(
    city=_random.choice(["Bonn", "Köln", "Ulm"], ROWS), size=_random.choice(["S", "M"], ROWS)
)
SCORE = NUMBERS["a"] - 2 * NUMBERS["b"] + (MIXED["city"] == "Ulm") * 3 + NUMBERS["c"] ** 2


Explained = tuple[Any, Any, Any]
"""The base, the contributions and the output of each row."""


def explainer(estimator: Any, **attributes: Any) -> Callable[[Any], Explained]:
    """Return a function that explains rows by a model with one output.

    It is served by the native methods, whose registration is faster.
    """
    app, models = Flask(__name__), SKModels()
    models.init_app(app)
    models.add("model", estimator, explain=True, **{"engine": "sklearn", **attributes})

    def explain(rows: Any) -> Explained:
        outputs = models.predict("model", rows, "explain", app=app).outputs
        return outputs[:, 0], outputs[:, 1:-1], outputs[:, -1]

    return explain


def explained(estimator: Any, rows: Any, **attributes: Any) -> Explained:
    return explainer(estimator, **attributes)(rows)


def refusal(estimator: Any, **attributes: Any) -> str:
    with pytest.raises(ModelError) as raised:
        SKModels().add("model", estimator, explain=True, engine="sklearn", **attributes)
    return str(raised.value)


def changed(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return rows with another value of one column in each."""
    return rows.assign(**{column: np.roll(rows[column], 1)})


ON_NUMBERS = [
    StandardScaler(),
    MinMaxScaler(),
    MaxAbsScaler(),
    RobustScaler(),
    PowerTransformer(),
    QuantileTransformer(n_quantiles=10),
    Binarizer(threshold=2),
    KBinsDiscretizer(4, quantile_method="averaged_inverted_cdf"),
    KBinsDiscretizer(3, encode="ordinal", quantile_method="averaged_inverted_cdf"),
    SplineTransformer(n_knots=4),
    SplineTransformer(n_knots=4, include_bias=False, extrapolation="linear"),
    PolynomialFeatures(1),
    FunctionTransformer(np.log1p),
    FunctionTransformer(),
    SelectKBest(k=2),
    VarianceThreshold(),
    SelectFromModel(Ridge()),
    RFE(Ridge(), n_features_to_select=2),
    TargetEncoder(),
    OneHotEncoder(handle_unknown="ignore"),
    make_pipeline(StandardScaler(), SplineTransformer()),
    make_union(StandardScaler(), KBinsDiscretizer(3, quantile_method="averaged_inverted_cdf")),
    FeatureUnion([("same", "passthrough"), ("scaled", StandardScaler()), ("none", "drop")]),
    ColumnTransformer(
        [("x", PolynomialFeatures(3), ["a"]), ("y", "drop", ["b"])], remainder="passthrough"
    ),
    ColumnTransformer([("x", PCA(1), ["a"])], remainder=StandardScaler()),
    ColumnTransformer(
        [("x", make_union(PCA(1), StandardScaler()), ["a"]), ("y", "passthrough", ["b", "c"])]
    ),
    SimpleImputer(keep_empty_features=True, add_indicator=True),
]


QUICK = [ON_NUMBERS[index] for index in (7, 9, 11, 16, 19, 22, 23)]


@pytest.mark.parametrize(
    "transformer", cases(ON_NUMBERS, quick=QUICK), ids=lambda t: str(t).replace(" ", "")[:60]
)
def test_a_contribution_depends_on_its_own_field_alone(transformer: Any) -> None:
    """Each field of a linear model adds something of its own, whatever columns are made of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline = make_pipeline(transformer, Ridge()).fit(NUMBERS, SCORE)
    explain = explainer(pipeline)
    base, contributions, output = explain(NUMBERS)
    np.testing.assert_allclose(output, pipeline.predict(NUMBERS))
    for index, column in enumerate(NUMBERS):
        other = changed(NUMBERS, column)
        base_of_other, moved, outputs = explain(other)
        np.testing.assert_allclose(base_of_other, base)
        same = [other for other in range(3) if other != index]
        np.testing.assert_allclose(moved[:, same], contributions[:, same], atol=1e-12)
        difference = moved[:, index] - contributions[:, index]
        np.testing.assert_allclose(difference, outputs - output, atol=1e-9)


def mixed_pipeline(last: Any) -> Any:
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    columns = make_column_transformer(
        (numbers, ["c", "a", "b"]),
        (OneHotEncoder(min_frequency=0.2, drop="first"), ["city"]),
        (OrdinalEncoder(), ["size"]),
    )
    return make_pipeline(columns, last)


@pytest.mark.parametrize("last", [Ridge(), RandomForestRegressor(4, max_depth=4, random_state=0)])
def test_a_pipeline_of_columns_of_all_kinds(last: Any) -> None:
    pipeline = mixed_pipeline(last).fit(MIXED, SCORE)
    base, contributions, output = explained(pipeline, MIXED)
    np.testing.assert_allclose(base + contributions.sum(axis=1), output)
    np.testing.assert_allclose(output, pipeline.predict(MIXED))
    assert np.abs(contributions).max(axis=0).min() > 0.0


def test_the_folded_contributions_are_the_sums_of_those_of_the_columns() -> None:
    pipeline = mixed_pipeline(Ridge()).fit(MIXED, SCORE)
    by_column = pipeline[0].transform(MIXED) * pipeline[-1].coef_
    by_name = pd.DataFrame(by_column, columns=pipeline[0].get_feature_names_out())
    _, contributions, _ = explained(pipeline, MIXED)
    for index, field in enumerate(MIXED):
        pattern = rf"__(?:missingindicator_)?{field}(?:_|$)"
        own = by_name.loc[:, by_name.columns.str.contains(pattern)].sum(axis=1)
        np.testing.assert_allclose(contributions[:, index], own, atol=1e-12)


def test_the_base_of_a_linear_model_is_the_output_for_the_mean_of_its_profile() -> None:
    pipeline = mixed_pipeline(Ridge()).fit(MIXED, SCORE)
    profile = Profile.of(MIXED, SCORE, pipeline)
    assert profile.baseline is not None
    base, contributions, output = explained(pipeline, MIXED, profile=profile)
    last = pipeline[-1]
    expected = last.intercept_ + last.coef_ @ profile.baseline
    np.testing.assert_allclose(base, expected)
    np.testing.assert_allclose(base + contributions.sum(axis=1), output)
    np.testing.assert_allclose(contributions.mean(axis=0), 0.0, atol=0.01)  # three digits


def test_a_missing_indicator() -> None:
    union = make_union(SimpleImputer(), MissingIndicator())
    pipeline = make_pipeline(union, Ridge()).fit(HOLES, SCORE)
    base, contributions, output = explained(pipeline, HOLES)
    np.testing.assert_allclose(base + contributions.sum(axis=1), output)


def test_an_imputer_that_drops_empty_columns() -> None:
    rows = HOLES.assign(b=np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline = make_pipeline(SimpleImputer(), Ridge()).fit(rows, SCORE)
        _, contributions, _ = explained(pipeline, rows)
    assert not contributions[:, 1].any()
    assert contributions[:, [0, 2]].all()


@pytest.mark.full
def test_a_target_encoder_of_three_classes() -> None:
    target = np.digitize(SCORE, [0, 2])
    columns = make_column_transformer(
        (TargetEncoder(), ["city", "size"]), remainder=SimpleImputer()
    )
    pipeline = make_pipeline(columns, LogisticRegression()).fit(MIXED, target)
    app, models = Flask(__name__), SKModels()
    models.init_app(app)
    models.add("model", pipeline, explain=True)
    prediction = models.predict("model", MIXED, "explain", app=app)
    outputs = prediction.outputs.reshape(ROWS, 3, 7)
    np.testing.assert_allclose(outputs[:, :, :-1].sum(axis=2), outputs[:, :, -1])
    np.testing.assert_allclose(outputs[:, :, -1], pipeline.decision_function(MIXED))


def test_texts_are_one_field() -> None:
    texts = ["good film", "bad film", "good good", "bad", "fine film", "awful"]
    last = LogisticRegression()
    pipeline = make_pipeline(TfidfVectorizer(), last).fit(texts, [1, 0, 1, 0, 1, 0])
    base, contributions, output = explained(pipeline, [[text] for text in texts])
    np.testing.assert_allclose(base, last.intercept_[0])
    np.testing.assert_allclose(contributions[:, 0], output - base)


def test_a_text_among_other_columns() -> None:
    frame = NUMBERS[["a"]].assign(text=_random.choice(["good film", "bad", "fine"], ROWS))
    text = make_pipeline(HashingVectorizer(n_features=16), TruncatedSVD(3, random_state=0))
    columns = make_column_transformer((text, "text"), remainder="passthrough")
    pipeline = make_pipeline(columns, Ridge()).fit(frame, SCORE)
    base, contributions, output = explained(pipeline, frame)
    np.testing.assert_allclose(base + contributions.sum(axis=1), output)
    np.testing.assert_allclose(contributions[:, 0], frame["a"] * pipeline[-1].coef_[-1])


@pytest.mark.full
def test_a_wide_sparse_input() -> None:
    words = [f"w{i} w{i % 7} w{i % 11}" for i in range(3000)]
    frame = pd.DataFrame({"text": words, "more": words[::-1]})
    columns = make_column_transformer((TfidfVectorizer(), "text"), (TfidfVectorizer(), "more"))
    pipeline = make_pipeline(columns, Ridge()).fit(frame, np.arange(3000) % 7)
    base, contributions, output = explained(pipeline, frame[:50])
    np.testing.assert_allclose(base + contributions.sum(axis=1), output)


def test_mappings() -> None:
    rows = [{"city": "Bonn", "size": 1.0}, {"city": "Ulm", "size": 2.5}] * 10
    pipeline = make_pipeline(DictVectorizer(), LinearRegression()).fit(rows, [1.0, 4.0] * 10)
    schema = {"city": {"type": "string"}, "size": {"type": "number"}}
    base, contributions, output = explained(pipeline, rows, schema=schema)
    np.testing.assert_allclose(base + contributions.sum(axis=1), output)
    assert contributions.all()


def test_a_search_and_pipelines_inside_one_another() -> None:
    inner = make_pipeline(StandardScaler(), Ridge())
    search = GridSearchCV(inner, {"ridge__alpha": [0.1, 1.0]}, cv=2)
    pipeline = make_pipeline(SimpleImputer(), search).fit(HOLES, SCORE)
    base, contributions, output = explained(pipeline, HOLES)
    np.testing.assert_allclose(base + contributions.sum(axis=1), output)
    np.testing.assert_allclose(output, pipeline.predict(HOLES))


def test_a_step_that_writes_to_its_input() -> None:
    values = NUMBERS.to_numpy()
    pipeline = make_pipeline(StandardScaler(copy=False), Ridge()).fit(values.copy(), SCORE)
    for engine in ("sklearn", "lean"):
        base, contributions, output = explained(pipeline, values, engine=engine)
        np.testing.assert_allclose(output, pipeline.predict(values.copy()))
        np.testing.assert_allclose(base + contributions.sum(axis=1), output)


def test_bagging_of_a_data_frame() -> None:
    inner = HistGradientBoostingRegressor(max_iter=3)
    bagging = BaggingRegressor(inner, 2, max_features=2, random_state=0).fit(HOLES, SCORE)
    base, contributions, output = explained(bagging, HOLES)
    np.testing.assert_allclose(output, bagging.predict(HOLES))
    np.testing.assert_allclose(base + contributions.sum(axis=1), output)


class Ratio(TransformerMixin, BaseEstimator):
    """A transformer of another library."""

    def fit(self, X: Any, y: Any = None) -> Ratio:
        self.n_features_in_ = X.shape[1]
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        return self

    def transform(self, X: Any) -> Any:
        return np.asarray(X) / 2


def test_a_foreign_transformer_of_one_field() -> None:
    columns = make_column_transformer((Ratio(), ["a"]), remainder="passthrough")
    pipeline = make_pipeline(columns, Ridge()).fit(NUMBERS, SCORE)
    _, contributions, _ = explained(pipeline, NUMBERS)
    expected = NUMBERS.to_numpy() * pipeline[-1].coef_ * [0.5, 1, 1]
    np.testing.assert_allclose(contributions, expected)


MIXING = [
    PCA(2),
    PolynomialFeatures(2),
    Normalizer(),
    KNNImputer(),
    TruncatedSVD(2),
    FunctionTransformer(lambda X: X),
    Ratio(),
]


@pytest.mark.parametrize("transformer", MIXING, ids=lambda t: type(t).__name__)
def test_a_step_that_may_mix_fields_is_refused(transformer: Any) -> None:
    pipeline = make_pipeline(transformer, Ridge()).fit(NUMBERS, SCORE)
    assert refusal(pipeline) == (
        f"model 'model': it cannot be explained: its {type(transformer).__name__} may mix fields "
        "('a', 'b', 'c'), so a column of its output does not belong to a single field"
    )


def test_a_mixing_step_inside_a_column_transformer_is_refused() -> None:
    columns = make_column_transformer((PCA(1), ["a", "c"]), remainder="passthrough")
    pipeline = make_pipeline(columns, Ridge()).fit(NUMBERS, SCORE)
    assert "its PCA may mix fields ('a', 'c')" in refusal(pipeline)


def test_the_field_of_a_column_of_a_dict_vectorizer_must_be_known() -> None:
    rows = [{"a": "b=c", "a=b": "c"}, {"a": "x", "a=b": "y"}] * 10
    pipeline = make_pipeline(DictVectorizer(), Ridge()).fit(rows, [1, 2] * 10)
    schema = {"a": {"type": "string"}, "a=b": {"type": "string"}}
    assert "the field of the column 'a=b=" in refusal(pipeline, schema=schema)


def test_sparse_and_dense_rows_have_the_same_contributions() -> None:
    rows = MIXED[["city", "size"]]
    dense, sparse = OneHotEncoder(sparse_output=False).fit(rows), OneHotEncoder().fit(rows)
    forest = RandomForestRegressor(3, random_state=0).fit(dense.transform(rows), SCORE)
    _, expected, _ = explained(make_pipeline(dense, forest), rows)
    _, contributions, _ = explained(make_pipeline(sparse, forest), rows)
    np.testing.assert_allclose(contributions, expected)


@pytest.mark.full
@pytest.mark.parametrize("last", [Ridge(), RandomForestRegressor(4, max_depth=4, random_state=0)])
def test_the_lean_engine_explains_as_the_native_methods_do(last: Any) -> None:
    pipeline = mixed_pipeline(last).fit(MIXED, SCORE)
    native, lean = explained(pipeline, MIXED), explained(pipeline, MIXED, engine="lean")
    for one, other in zip(native, lean, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)
