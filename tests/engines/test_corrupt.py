"""A wrong lean form is detected at load, and the native method serves."""

from __future__ import annotations

import logging
from bisect import bisect_left
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask import Flask
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    StandardScaler,
)

from flask_skmodels import SKModels
from flask_skmodels.engines.lean import compiler, concatenation
from flask_skmodels.engines.lean.forms import (
    cluster,
    compose,
    impute,
    linear_model,
    naive_bayes,
    neural_network,
)
from flask_skmodels.engines.lean.forms.preprocessing import (
    discretization,
    distributions,
    encoders,
    polynomial,
    scalers,
)
from tests.support.equality import assert_equal

RANDOM = np.random.default_rng(0)
ROWS = 200
FRAME = pd.DataFrame(
    {
        "city": RANDOM.choice(["Bonn", "Rome", "Oslo", "Lima"], ROWS),
        "age": RANDOM.normal(40, 10, ROWS),
        "income": RANDOM.lognormal(10, 1, ROWS),
    }
).astype({"city": object})
FRAME.loc[::7, "age"] = np.nan
TARGET = RANDOM.normal(size=ROWS)
NUMBERS = RANDOM.normal(size=(ROWS, 9)) * np.arange(1, 10)
CLASSES = np.digitize(NUMBERS[:, 0] + NUMBERS[:, 1], [-1, 1])


def mixed(words: Any, numbers: Any) -> Any:
    columns = ColumnTransformer([("words", words, ["city"]), ("rest", numbers, ["age", "income"])])
    return make_pipeline(columns, Ridge()).fit(FRAME, TARGET)


def numbers_of(*steps: Any) -> Any:
    return make_pipeline(*steps).fit(NUMBERS, CLASSES)


def swapped_categories(right: Any) -> Any:
    def one_hot(encoder: Any, place: int, start: int) -> Any:
        lookup = right(encoder, place, start)
        first, second, *_ = lookup._codes
        codes = lookup._codes
        codes[first], codes[second] = codes[second], codes[first]
        return lookup

    return one_hot


def unknown_as_first(right: Any) -> Any:
    def ordinal(encoder: Any, place: int) -> Any:
        lookup = right(encoder, place)
        lookup._unknown = 0
        return lookup

    return ordinal


def mean_of_another_column(right: Any) -> Any:
    return lambda middle, scale: right(np.roll(middle, 1), scale)


def nearly_the_mean(right: Any) -> Any:
    def scaled(middle: Any, scale: Any) -> Any:
        middle = middle.copy()
        middle[0] = np.nextafter(middle[0], np.inf)
        return right(middle, scale)

    return scaled


def fill_of_another_column(right: Any) -> Any:
    return lambda fills: right(fills[::-1].copy())


def columns_in_another_order(right: Any) -> Any:
    return lambda places, columns: right(places[::-1], columns)


def numbers_of_a_row_backwards(right: Any) -> Any:
    return lambda blocks: (right(blocks) or [])[::-1] or None


def first_categories(right: Any) -> Any:
    return lambda lookups, row, missing: [[0.0] * len(row)]


def sums_in_another_order(right: Any) -> Any:
    def linear_predictor(weights: Any, intercept: Any) -> Any:
        return lambda X: X[:, ::-1] @ weights[::-1] + intercept

    return linear_predictor


def intercept_first(right: Any) -> Any:
    return lambda weights, intercept: (
        lambda X: intercept + X[:, :-1] @ weights[:-1] + (X[:, -1:] @ weights[-1:])
    )


def product_of_other_columns(right: Any) -> Any:
    def terms(transformer: Any, width: int, bias: int) -> Any:
        (place, below, features), *rest = right(transformer, width, bias)
        return [(place, below, np.roll(features, 1)), *rest]

    return terms


def at_the_edge_below(right: Any) -> Any:
    return bisect_left


def leaky(right: Any) -> Any:
    return right | {"relu": lambda X: np.maximum(X, -1e-9, out=X)}


def argmin(right: Any) -> Any:
    return lambda decision, classes: lambda X: classes.take(decision(X).argmin(axis=1))


def sum_without_shift(right: Any) -> Any:
    return lambda scores: np.log(np.exp(scores).sum(axis=1, keepdims=True))


def next_label(right: Any) -> Any:
    return lambda X, weights, centers, **options: (
        (right(X, weights, centers, **options) + 1) % len(centers)
    ).astype(np.int32)


def powers_backwards(right: Any) -> Any:
    def power_function(transformer: Any) -> Any:
        other = clone(transformer)
        other.lambdas_ = transformer.lambdas_[::-1]
        return right(other)

    return power_function


def quantiles_backwards(right: Any) -> Any:
    def quantiles(transformer: Any) -> Any:
        made = right(transformer)
        made._columns = made._columns[::-1]
        return made

    return quantiles


CORRUPT = {
    "a category swapped": (
        *(encoders, "_one_hot", swapped_categories, "OneHotEncoder"),
        mixed(OneHotEncoder(), SimpleImputer()),
    ),
    "what is unknown as the first category": (
        *(encoders, "_ordinal", unknown_as_first, "OrdinalEncoder"),
        mixed(
            OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), SimpleImputer()
        ),
    ),
    "the mean of another column": (
        *(scalers, "_scaled", mean_of_another_column, "StandardScaler"),
        numbers_of(StandardScaler(), LogisticRegression()),
    ),
    "a mean with another last bit": (
        *(scalers, "_scaled", nearly_the_mean, "StandardScaler"),
        numbers_of(StandardScaler(), LinearRegression()),
    ),
    "the fill of another column": (
        *(impute, "_nan_filled", fill_of_another_column, "SimpleImputer"),
        mixed(OneHotEncoder(), SimpleImputer()),
    ),
    "the columns in another order": (
        *(compose, "column_selector", columns_in_another_order, "ColumnTransformer"),
        mixed(OneHotEncoder(), SimpleImputer()),
    ),
    "the numbers of a row in another order": (
        *(concatenation, "_row_of_numbers", numbers_of_a_row_backwards, "ColumnTransformer"),
        mixed(
            OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), SimpleImputer()
        ),
    ),
    "a row of first categories": (
        *(encoders, "_encode_row", first_categories, "OrdinalEncoder"),
        mixed(
            OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), SimpleImputer()
        ),
    ),
    "sums in another order": (
        *(linear_model, "linear_predictor", sums_in_another_order, "LinearRegression"),
        numbers_of(LinearRegression()),
    ),
    "the intercept first": (
        *(linear_model, "linear_predictor", intercept_first, "LinearRegression"),
        numbers_of(LinearRegression()),
    ),
    "the class of the smallest score": (
        *(linear_model, "labels_from_scores", argmin, "LogisticRegression"),
        numbers_of(LogisticRegression(max_iter=1000)),
    ),
    "a factor of another column": (
        *(polynomial, "_terms", product_of_other_columns, "PolynomialFeatures"),
        numbers_of(PolynomialFeatures(), LinearRegression()),
    ),
    "an edge in the bin below": (
        *(discretization, "bisect_right", at_the_edge_below, "KBinsDiscretizer"),
        numbers_of(KBinsDiscretizer(encode="ordinal"), LinearRegression()),
    ),
    "a unit that leaks": (
        *(neural_network, "_ACTIVATIONS", leaky, "MLPClassifier"),
        numbers_of(StandardScaler(), MLPClassifier((5,), max_iter=300, tol=1e-2)),
    ),
    "the next center": (
        *(cluster, "_labels_inertia", next_label, "KMeans"),
        KMeans(4, n_init=1, random_state=0).fit(NUMBERS),
    ),
    "the power of another column": (
        *(distributions, "_power_function", powers_backwards, "PowerTransformer"),
        numbers_of(PowerTransformer(), LinearRegression()),
    ),
    "the quantiles of another column": (
        *(distributions, "_Quantiles", quantiles_backwards, "QuantileTransformer"),
        numbers_of(QuantileTransformer(n_quantiles=20), LinearRegression()),
    ),
    "a sum that overflows": (
        *(naive_bayes, "log_of_sum", sum_without_shift, "GaussianNB"),
        numbers_of(GaussianNB()),
    ),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("what", CORRUPT)
def test_corrupt_form_is_not_served(
    what: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    module, name, corrupt, step, estimator = CORRUPT[what]
    rows = FRAME if hasattr(estimator, "feature_names_in_") else NUMBERS
    method = "predict_proba" if hasattr(estimator, "predict_proba") else "predict"
    monkeypatch.setattr(module, name, corrupt(getattr(module, name)))
    with caplog.at_level(logging.WARNING, logger="flask_skmodels"):
        models, app = SKModels(), Flask("corrupt")
        models.add("case", estimator, methods=[method, "predict"])
        models.init_app(app)
    engine = (app.test_client().get("/case/").json or {})["engine"]
    assert engine["name"] == "sklearn"
    assert engine["reason"].startswith(f"{step}: ")
    assert [
        record.getMessage() for record in caplog.records if "scikit-learn's native" in record.msg
    ] == [f"model 'case' is served by scikit-learn's native methods: {engine['reason']}"]
    for count in (1, 5):
        outputs = models.predict("case", rows[:count], method, app=app).outputs
        assert_equal(outputs, getattr(estimator, method)(rows[:count]))


def above_or_equal(estimator: Any, compiler: Any) -> Any:
    return {"transform": lambda X: (estimator.threshold <= X).astype(np.float64)}


def without_centering(estimator: Any, compiler: Any) -> Any:
    return {"transform": lambda X: X @ estimator.components_.T}


FORMS = {
    "a threshold that is not above itself": (Binarizer(threshold=0.25), above_or_equal),
    "no clip": (
        MinMaxScaler(clip=True),
        lambda e, compiler: {"transform": lambda X: X * e.scale_ + e.min_},
    ),
    "no mean": (PCA(3), without_centering),
    "an answer for what is refused": (
        SimpleImputer(),
        lambda e, compiler: {"transform": np.nan_to_num},
    ),
}


@pytest.mark.parametrize("what", FORMS)
def test_wrong_form_of_a_transformer_is_not_served(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    transformer, form = FORMS[what]
    monkeypatch.setitem(compiler._FORMS, type(transformer), form)
    models, app = SKModels(), Flask("wrong")
    models.add("case", transformer.fit(NUMBERS))
    models.init_app(app)
    engine = (app.test_client().get("/case/").json or {})["engine"]
    assert engine["name"] == "sklearn"
    assert engine["reason"].startswith(f"{type(transformer).__name__}: the lean form differs on ")


def test_internal_that_is_gone_leaves_a_step_its_own_method(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def gone(encoder: Any, place: int, start: int) -> Any:
        raise AttributeError("no attribute '_infrequent_enabled'")

    estimator = mixed(OneHotEncoder(), SimpleImputer())
    monkeypatch.setattr(encoders, "_one_hot", gone)
    models, app = SKModels(), Flask("gone")
    with caplog.at_level(logging.INFO, logger="flask_skmodels"):
        models.add("case", estimator)
        models.init_app(app)
    reason = (
        "native methods are used for OneHotEncoder; OneHotEncoder: AttributeError: "
        "no attribute '_infrequent_enabled'"
    )
    assert (app.test_client().get("/case/").json or {})["engine"] == {
        "name": "lean",
        "reason": reason,
    }
    assert f"model 'case' is served by the lean engine: {reason}" in caplog.text
    outputs = models.predict("case", FRAME[:5], app=app).outputs
    assert_equal(outputs, estimator.predict(FRAME[:5]))


class Noise(TransformerMixin, BaseEstimator):
    """Adds another number at each call."""

    def fit(self, X: Any, y: Any = None) -> Noise:
        self.random_ = np.random.default_rng(0)
        return self

    def transform(self, X: Any) -> Any:
        return X + self.random_.random()


def test_estimator_that_differs_from_itself_is_no_fault_to_warn_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    models, app = SKModels(), Flask("noise")
    numbers = np.arange(20.0).reshape(10, 2)
    noisy = make_pipeline(Noise(), StandardScaler()).fit(numbers)
    with caplog.at_level(logging.INFO, logger="flask_skmodels"):
        models.add("case", noisy, methods=["transform"])
        models.init_app(app)
    engine = (app.test_client().get("/case/").json or {})["engine"]
    assert engine["name"] == "sklearn"
    assert {record.levelname for record in caplog.records} == {"INFO"}
