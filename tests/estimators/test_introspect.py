"""The description of a fitted estimator, compared with its behaviour."""

from __future__ import annotations

import warnings
from math import isnan, nan
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pandas as pd
import polars as pl
import pytest
from palmerpenguins import load_penguins
from sklearn import compose, ensemble, feature_selection, impute, multiclass, multioutput
from sklearn import linear_model as lm
from sklearn import model_selection as ms
from sklearn import naive_bayes as nb
from sklearn import preprocessing as pp
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import DBSCAN, KMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction import DictVectorizer, FeatureHasher
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.frozen import FrozenEstimator
from sklearn.impute import KNNImputer, MissingIndicator, SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, LocalOutlierFactor
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.svm import SVC, OneClassSVM
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.discovery import all_estimators

from flask_skmodels.estimators import introspect
from flask_skmodels.estimators.input_columns import inputs
from flask_skmodels.schema.fields import InputColumn, Inputs
from tests.support.skips import has_version, library, needs_version

X, Y = load_iris(return_X_y=True)
HOLES = np.where(np.arange(X.size).reshape(X.shape) % 11 == 0, nan, X)
FRAME = pd.DataFrame(X, columns=["a", "b", "c", "d"])
TARGETS = np.column_stack([X[:, 0] * 2, X[:, 1] - X[:, 2]])
TEXTS = ["good film", "bad film", "good book", "bad book"] * 10
MOODS = ["good", "bad"] * 20
PENGUINS = load_penguins()
CLEAN = PENGUINS.dropna().reset_index(drop=True)
NUMBERS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
LR = LogisticRegression(tol=1.0)  # quick, and good enough to be asked
HGB = HistGradientBoostingClassifier(max_iter=3)
RF = RandomForestClassifier(n_estimators=3, random_state=0)
IMPUTED = make_pipeline(SimpleImputer(), clone(LR))


@pytest.fixture(autouse=True)
def quiet() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def of_penguins(*transformers: Any, final: Any = LR, data: Any = CLEAN, **kwargs: Any) -> Any:
    named = [
        (str(i), clone(t) if not isinstance(t, str) else t, c)
        for i, (t, c) in enumerate(transformers)
    ]
    pipeline = make_pipeline(ColumnTransformer(named, **kwargs), clone(final))
    return pipeline.fit(data[[*NUMBERS, "island", "sex"]], data["species"])


def one_row(said: Inputs, row: list[Any], index: int | None, marker: object) -> Any:
    """X of one row in the estimator's own container, with one value missing."""
    values = [marker if i == index else v for i, v in enumerate(row)]
    if said.container == "frame":
        assert said.columns is not None
        columns = {}
        for value, old, column in zip(values, row, said.columns, strict=True):
            text = column.allowed or isinstance(old, (str, bool, np.bool_)) or marker is None
            columns[column.name] = pd.Series([value], dtype=object if text else float)
        return pd.DataFrame(columns)
    strings = any(isinstance(v, str) for v in values) or marker is None
    return np.array([values], dtype=object if strings else float)


def call(estimator: Any, rows: Any) -> Any:
    return getattr(estimator, introspect.methods(estimator)[0])(rows)


def works(estimator: Any, rows: Any) -> bool:
    try:
        call(estimator, rows)
    except Exception:
        return False
    return True


def told(estimator: Any, row: list[Any]) -> list[bool]:
    """Hold every nullable claim against the estimator; return the claims."""
    said = inputs(estimator)
    assert said.columns is not None
    call(estimator, one_row(said, row, None, nan))
    for index, column in enumerate(said.columns):
        got = works(estimator, one_row(said, row, index, column.missing))
        assert got == column.nullable, (column, estimator)
    return [column.nullable for column in said.columns]


def by_name(estimator: Any) -> dict[str, InputColumn]:
    columns = inputs(estimator).columns
    assert columns is not None
    return {column.name: column for column in columns}


# -- The truth of every nullable claim

YES, NO = [True] * 4, [False] * 4
MONOTONIC = YES if has_version("scikit-learn", "1.9") else NO
ON_IRIS = {
    "linear": (LR, X, NO),
    "scaled linear": (make_pipeline(StandardScaler(), LR), X, NO),
    "scaled boosting": (make_pipeline(StandardScaler(), HGB), X, YES),
    "forest": (RF, X, YES),
    "tree": (DecisionTreeClassifier(), X, YES),
    "monotonic tree": (ensemble.RandomForestRegressor(2, monotonic_cst=[1, 0, 0, 0]), X, MONOTONIC),
    "extra trees": (ensemble.ExtraTreesClassifier(3), X, YES),
    "poisson tree": (ensemble.RandomForestRegressor(3, criterion="poisson"), X, YES),
    "gradient boosting": (ensemble.GradientBoostingClassifier(n_estimators=2), X, NO),
    "ada boost": (ensemble.AdaBoostClassifier(DecisionTreeClassifier(), n_estimators=2), X, NO),
    "isolation forest": (ensemble.IsolationForest(n_estimators=3), X, YES),
    "imputed": (IMPUTED, X, YES),
    "imputed, indicated": (make_pipeline(SimpleImputer(add_indicator=True), LR), HOLES, YES),
    "imputed late": (make_pipeline(StandardScaler(), SimpleImputer(), LR), X, YES),
    "imputed too late": (make_pipeline(PCA(), SimpleImputer(), LR), X, NO),
    "imputes its own marker": (make_pipeline(SimpleImputer(missing_values=-1), LR), X, NO),
    "nearest imputed": (make_pipeline(KNNImputer(), LR), HOLES, YES),
    "nearest imputed, whole": (make_pipeline(KNNImputer(), LR), X, YES),
    "indicator of all": (make_pipeline(MissingIndicator(features="all"), RF), X, YES),
    "indicator, none seen": (make_union(SimpleImputer(), MissingIndicator()), X, NO),
    "indicator, no error": (make_union(SimpleImputer(), MissingIndicator(error_on_new=False)),
                            HOLES, YES),
    "scalers": (make_pipeline(pp.MinMaxScaler(), pp.RobustScaler(), pp.MaxAbsScaler(),
                              pp.PowerTransformer(), HGB), X, YES),
    "quantiles": (make_pipeline(pp.QuantileTransformer(n_quantiles=9), HGB), X, YES),
    "only a scaler": (StandardScaler(), X, YES),
    "polynomials": (make_pipeline(pp.PolynomialFeatures(), HGB), X, NO),
    "passthrough": (make_pipeline("passthrough", HGB), X, YES),
    "function": (make_pipeline(pp.FunctionTransformer(np.log1p), HGB), X, YES),
    "function, linear": (make_pipeline(pp.FunctionTransformer(np.log1p), LR), X, NO),
    "validated function": (make_pipeline(pp.FunctionTransformer(validate=True), HGB), X, NO),
    "selected": (make_pipeline(SelectKBest(k=2), HGB), X, NO),
    "by variance": (make_pipeline(feature_selection.VarianceThreshold(), HGB), X, YES),
    "from model": (make_pipeline(feature_selection.SelectFromModel(RF), HGB), X, YES),
    "rfe": (feature_selection.RFE(RF, n_features_to_select=2), X, YES),
    "rfe, linear": (feature_selection.RFE(LR, n_features_to_select=2), X, NO),
    "tree embedding": (make_pipeline(ensemble.RandomTreesEmbedding(3), LR), X, YES),
    "union": (make_pipeline(make_union(StandardScaler(), SimpleImputer()), LR), X, NO),
    "union, imputed": (make_pipeline(make_union(SimpleImputer(), KNNImputer()), LR), X, YES),
    "union, parts": (make_pipeline(FeatureUnion([("a", "passthrough"), ("b", "drop")]), HGB),
                     X, YES),
    "search": (ms.GridSearchCV(IMPUTED, {"logisticregression__C": [1.0]}, cv=2), X, YES),
    "search, scaled": (ms.GridSearchCV(make_pipeline(StandardScaler(), LR), {}, cv=2), X, NO),
    "calibrated": (CalibratedClassifierCV(IMPUTED, cv=2), X, YES),
    "calibrated boosting": (CalibratedClassifierCV(HGB, ensemble=False, cv=2), X, YES),
    "calibrated linear": (CalibratedClassifierCV(LR, cv=2), X, NO),
    "voting": (ensemble.VotingClassifier([("a", IMPUTED), ("b", HGB)]), X, YES),
    "voting, one refuses": (ensemble.VotingClassifier([("a", LR), ("b", HGB)]), X, NO),
    "voting, one dropped": (ensemble.VotingClassifier([("a", "drop"), ("b", HGB)]), X, YES),
    "stacking": (ensemble.StackingClassifier([("a", IMPUTED), ("b", HGB)], LR, cv=2), X, YES),
    "stacking, passed on": (ensemble.StackingClassifier([("b", HGB)], LR, cv=2, passthrough=True),
                            X, NO),
    "stacking, taken": (ensemble.StackingClassifier([("b", HGB)], HGB, cv=2, passthrough=True),
                        X, YES),
    "bagging": (ensemble.BaggingClassifier(IMPUTED, n_estimators=3), X, YES),
    "bagging linear": (ensemble.BaggingClassifier(LR, n_estimators=3), X, NO),
    "bagging trees": (ensemble.BaggingRegressor(n_estimators=2), X, YES),
    "one v rest": (multiclass.OneVsRestClassifier(IMPUTED), X, YES),
    "one v rest linear": (multiclass.OneVsRestClassifier(LR), X, NO),
    "one v one": (multiclass.OneVsOneClassifier(IMPUTED), X, YES),
    "output code": (multiclass.OutputCodeClassifier(HGB, random_state=0), X, YES),
    "self training": (SelfTrainingClassifier(HGB), X, YES),
    "self training linear": (SelfTrainingClassifier(LR), X, NO),
    "log target": (TransformedTargetRegressor(make_pipeline(SimpleImputer(), lm.Ridge())), X, YES),
    "ransac": (lm.RANSACRegressor(make_pipeline(SimpleImputer(), lm.Ridge()), min_samples=20),
               X, YES),
    "frozen": (FrozenEstimator(clone(IMPUTED).fit(X, Y)), X, YES),
    "frozen linear": (FrozenEstimator(clone(LR).fit(X, Y)), X, NO),
    "multi-output": (multioutput.MultiOutputRegressor(make_pipeline(SimpleImputer(), lm.Ridge())),
                     X, YES),
    "multi-output linear": (multioutput.MultiOutputRegressor(lm.Ridge()), X, NO),
    "chain": (multioutput.RegressorChain(ensemble.HistGradientBoostingRegressor(max_iter=2)),
              X, None),
    "dummy": (DummyClassifier(), X, YES),
    "far neighbours": (KNeighborsClassifier(metric="nan_euclidean"), X, YES),
    "neighbours": (KNeighborsClassifier(), X, NO),
    "boosting, categories": (HistGradientBoostingClassifier(max_iter=2, categorical_features=[0]),
                             np.floor(X), YES),
    "one hot": (make_pipeline(OneHotEncoder(), LR), np.floor(X), NO),
    "one hot, ignoring": (make_pipeline(OneHotEncoder(handle_unknown="ignore"), LR),
                          np.floor(X), YES),
    "one hot, imputed": (make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(),
                                       LR), np.floor(X), YES),
    "one hot, imputed by 99": (make_pipeline(SimpleImputer(strategy="constant", fill_value=99),
                                             OneHotEncoder(), LR), np.floor(X), NO),
    "one hot, mean": (make_pipeline(SimpleImputer(), OneHotEncoder(), LR), np.floor(X), NO),
    "ordinal, unknown is nan": (make_pipeline(OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=nan), LR), np.floor(X), NO),
    "ordinal, unknown is -1": (make_pipeline(OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1), LR), np.floor(X), YES),
    "ordinal, seen": (make_pipeline(OrdinalEncoder(), HGB), np.floor(HOLES), YES),
    "ordinal, seen, linear": (make_pipeline(OrdinalEncoder(), SimpleImputer(), LR),
                              np.floor(HOLES), YES),
    "ordinal, coded": (make_pipeline(OrdinalEncoder(encoded_missing_value=-1), LR),
                       np.floor(HOLES), YES),
    "target": (make_pipeline(TargetEncoder(cv=2), LR), np.floor(X), YES),
    "naive": (nb.CategoricalNB(min_categories=9), np.floor(X), NO),
    "column transformer": (make_pipeline(ColumnTransformer(
        [("a", SimpleImputer(), [0]), ("b", StandardScaler(), slice(1, 3)), ("c", "drop", [-1])]),
        LR), X, [True, False, False, True]),
    "column mask": (make_pipeline(ColumnTransformer(
        [("a", SimpleImputer(), [True, False, True, False])], remainder="passthrough"), LR),
        X, [True, False, True, False]),
    "column callable": (make_pipeline(ColumnTransformer(
        [("a", SimpleImputer(), lambda rows: [0, 1])], remainder=StandardScaler()), LR),
        X, [True, True, False, False]),
    "column twice": (make_pipeline(ColumnTransformer(
        [("a", SimpleImputer(), [0, 1]), ("b", StandardScaler(), [1])]), LR),
        X, [True, False, True, True]),
    "columns of columns": (make_pipeline(ColumnTransformer([("x", ColumnTransformer(
        [("a", SimpleImputer(), [1])], remainder="passthrough"), [3, 2])]), LR),
        X, [True, True, True, False]),
    "sparse forest": (make_pipeline(ColumnTransformer(
        [("a", OneHotEncoder(), [0])], remainder="passthrough", sparse_threshold=1.0), RF),
        np.floor(X), NO),
}  # fmt: skip


@pytest.mark.parametrize("case", ON_IRIS)
def test_nullable_is_what_happens_to_an_array(case: str) -> None:
    estimator, data, expected = ON_IRIS[case]
    several = isinstance(estimator, (multioutput.MultiOutputRegressor, multioutput.RegressorChain))
    fitted = estimator if case.startswith("frozen") else clone(estimator)
    fitted.fit(data, TARGETS if several else Y)
    said = inputs(fitted)
    assert (said.container, said.named) == ("array", False)
    assert said.columns is not None
    assert [c.name for c in said.columns] == ["x0", "x1", "x2", "x3"]
    claims = told(fitted, np.nan_to_num(data[51], nan=1.0).tolist())
    assert expected is None or claims == expected


def served(estimator: type) -> Any:
    """The estimator fitted on iris; None if it wants other data or has nothing to call."""
    try:
        fitted = estimator().fit(np.abs(X[::3]), Y[::3])
        call(fitted, X[51:52])
    except (TypeError, ValueError, AttributeError, IndexError):
        return None
    return fitted


@pytest.mark.no_cover  # measuring the coverage doubles the time
@pytest.mark.full
def test_nullable_is_true_of_every_estimator_of_scikit_learn() -> None:
    fitted = [f for _, cls in all_estimators() if (f := served(cls)) is not None]
    assert len(fitted) > 120
    assert all(map(introspect.is_fitted, fitted))
    assert {class_ for f in fitted for class_ in told(f, X[51].tolist())} == {True, False}


ONE_HOT = OneHotEncoder()
ORDINAL = OrdinalEncoder()
LENIENT = OneHotEncoder(handle_unknown="ignore")
MOST = SimpleImputer(strategy="most_frequent")
WORD = SimpleImputer(strategy="constant", fill_value="none")
KINDS = ["island", "sex"]
ISLANDS = ("Biscoe", "Dream", "Torgersen")
SEXES = ("female", "male")

# case: (transformers, final, data, nullable of [a number, island, sex], allowed of sex)
ON_PENGUINS: dict[str, Any] = {
    "strict": ([(StandardScaler(), NUMBERS), (ONE_HOT, KINDS)], LR, CLEAN, (0, 0, 0), SEXES),
    "seen": ([(SimpleImputer(), NUMBERS), (ONE_HOT, KINDS)], LR, PENGUINS, (1, 0, 1), SEXES),
    "lenient": ([("passthrough", NUMBERS), (LENIENT, KINDS)], HGB, CLEAN, (1, 1, 1), None),
    "imputed": ([(IMPUTED[0], NUMBERS), (make_pipeline(MOST, ONE_HOT), KINDS)], LR, PENGUINS,
                (1, 1, 1), SEXES),
    "imputed, whole": ([(IMPUTED[0], NUMBERS), (make_pipeline(MOST, ONE_HOT), KINDS)], LR, CLEAN,
                       (1, 1, 1), SEXES),
    "word unknown": ([(make_pipeline(WORD, ONE_HOT), KINDS)], LR, CLEAN, (1, 0, 0), SEXES),
    "word known": ([(make_pipeline(WORD, ONE_HOT), KINDS)], LR, PENGUINS, (1, 0, 1),
                   ("female", "male", "none")),
    "word lenient": ([(make_pipeline(WORD, LENIENT), KINDS)], LR, CLEAN, (1, 1, 1), None),
    "ordinal": ([(StandardScaler(), NUMBERS), (ORDINAL, KINDS)], HGB, PENGUINS, (1, 0, 1), SEXES),
    "ordinal, linear": ([(ORDINAL, KINDS)], LR, CLEAN, (1, 0, 0), SEXES),
    "ordinal, scaled": ([(make_pipeline(ORDINAL, StandardScaler()), KINDS)], HGB, PENGUINS,
                        (1, 0, 1), SEXES),
    "target": ([("drop", NUMBERS), (TargetEncoder(cv=2), KINDS)], LR, CLEAN, (1, 1, 1), None),
    "by mask": ([(ONE_HOT, [False] * 4 + [True] * 2)], LR, PENGUINS, (1, 0, 1), SEXES),
    "by position": ([(ONE_HOT, [-2, -1])], LR, PENGUINS, (1, 0, 1), SEXES),
    "by label slice": ([(ONE_HOT, slice("island", "sex"))], LR, PENGUINS, (1, 0, 1), SEXES),
    "by callable": ([(ONE_HOT, compose.make_column_selector("island|sex"))], LR, PENGUINS,
                    (1, 0, 1), SEXES),
    "as text": ([(CountVectorizer(), "island"), (LENIENT, ["sex"])], LR, CLEAN, (1, 0, 1), None),
    "as words": ([(HashingVectorizer(n_features=8), "island"), (ONE_HOT, ["sex"])], LR, CLEAN,
                 (1, 0, 0), SEXES),
    "twice": ([(ONE_HOT, ["sex"]), (LENIENT, KINDS)], LR, CLEAN, (1, 1, 0), SEXES),
    "through a function": ([(make_pipeline(pp.FunctionTransformer(), ONE_HOT), KINDS)], LR, CLEAN,
                           (1, 0, 0), SEXES),
}  # fmt: skip


@pytest.mark.parametrize("case", ON_PENGUINS)
def test_nullable_is_what_happens_to_a_frame(case: str) -> None:
    transformers, final, data, expected, allowed = ON_PENGUINS[case]
    estimator = of_penguins(*transformers, final=final, data=data)
    said = inputs(estimator)
    assert (said.container, said.named) == ("frame", True)
    columns = by_name(estimator)
    assert list(columns) == [*NUMBERS, "island", "sex"]
    told(estimator, CLEAN.loc[200, list(columns)].tolist())
    shown = [columns[name].nullable for name in ("body_mass_g", "island", "sex")]
    assert shown == [bool(e) for e in expected]
    assert columns["sex"].allowed == allowed
    assert columns["body_mass_g"].type in ("number", "any")  # where it is dropped
    assert [columns[n].type for n in ("island", "sex")] == ["string", "string"]


@pytest.mark.parametrize("case", [c for c in ON_PENGUINS if ON_PENGUINS[c][4]])
def test_allowed_is_what_works(case: str) -> None:
    transformers, final, data, _, allowed = ON_PENGUINS[case]
    estimator = of_penguins(*transformers, final=final, data=data)
    row = CLEAN.loc[200, [*NUMBERS, "island", "sex"]].tolist()
    tried = {v: works(estimator, one_row(inputs(estimator), [*row[:5], v], None, nan))
             for v in (*allowed, "unheard of")}  # fmt: skip
    assert tried == {**dict.fromkeys(allowed, True), "unheard of": False}


def test_the_fallback_for_free_strings_takes_any() -> None:
    estimator = of_penguins((LENIENT, KINDS), final=LR)
    row = [*CLEAN.loc[200, NUMBERS].tolist(), "Atlantis", "unheard of"]
    assert works(estimator, one_row(inputs(estimator), row, None, nan))


@pytest.mark.parametrize("marker", [nan, None])
@pytest.mark.parametrize(("encoder", "final"), [(ONE_HOT, LR), (LENIENT, LR), (ORDINAL, HGB)])
def test_missing_is_the_marker_that_was_a_category(
    marker: object, encoder: Any, final: Any
) -> None:
    data = pd.DataFrame({"k": pd.Series(["u", "v", marker] * 10, dtype=object)})
    estimator = make_pipeline(clone(encoder), clone(final)).fit(data, ["p", "q", "r"] * 10)
    (column,) = by_name(estimator).values()
    assert column.nullable
    assert column.missing is None if marker is None else isnan(column.missing)  # type: ignore[arg-type]
    assert told(estimator, ["u"]) == [True]


def test_none_is_imputed_by_the_imputer_that_looks_for_it() -> None:
    data = pd.DataFrame({"k": pd.Series(["u", "v", None] * 10, dtype=object)})
    imputer = SimpleImputer(missing_values=None, strategy="most_frequent")
    estimator = make_pipeline(imputer, OneHotEncoder(), clone(LR)).fit(data, list("pq") * 15)
    (column,) = by_name(estimator).values()
    assert (column.nullable, column.missing, column.allowed) == (True, None, ("u", "v"))
    assert told(estimator, ["u"]) == [True]


def test_a_polars_frame_gives_the_same_columns() -> None:
    data = pl.DataFrame({"n": [1.0, 2.0, None] * 10, "k": ["u", "v", None] * 10,
                         "b": [True, False, True] * 10, "i": [1, 2, None] * 10})  # fmt: skip
    parts = [
        ("n", SimpleImputer(), ["n"]),
        ("k", OneHotEncoder(), ["k"]),
        ("b", ONE_HOT, ["b", "i"]),
    ]
    estimator = make_pipeline(ColumnTransformer(parts), clone(LR)).fit(data, [0, 1, 2] * 10)
    columns = by_name(estimator)
    assert columns["k"] == InputColumn(
        name="k", type="string", allowed=("u", "v"), nullable=True, missing=None
    )
    assert columns["b"].allowed == (False, True)
    assert (columns["n"].type, columns["n"].nullable) == ("number", True)
    assert (columns["i"].allowed, columns["i"].nullable) == ((1, 2), True)
    assert told(estimator, [1.0, "u", True, 2.0]) == [True, True, False, True]


# -- Types and allowed values

KIND_CASES = [
    (["u", "v"], "string", ("u", "v")),
    ([True, False], "boolean", (False, True)),
    ([5, 7], "number", (5, 7)),
    ([5, np.int64(7)], "number", (5, 7)),
    ([0.5, 7.0], "number", (0.5, 7.0)),
]


@pytest.mark.parametrize(("values", "kind", "allowed"), KIND_CASES)
def test_the_type_is_that_of_the_categories(values: Any, kind: str, allowed: Any) -> None:
    data = pd.DataFrame({"k": values * 10})
    estimator = make_pipeline(OneHotEncoder(), clone(LR)).fit(data, list("pq") * 10)
    (column,) = by_name(estimator).values()
    assert (column.type, column.allowed) == (kind, allowed)
    assert [type(v) for v in column.allowed or ()] == [type(v) for v in allowed]


def test_categories_of_numbers_and_booleans_are_numbers() -> None:
    data = pd.DataFrame({"k": [0.5, True] * 10}, dtype=object)
    fitted = make_pipeline(OneHotEncoder(), clone(LR)).fit(data, [0, 1] * 10)
    assert by_name(fitted)["k"] == InputColumn(name="k", type="number", allowed=(0.5, 1))
    assert works(fitted, pd.DataFrame({"k": [1.0]}, dtype=object))


def test_an_integer_is_asked_for_only_where_nothing_else_would_do() -> None:
    column = by_name(nb.CategoricalNB().fit([[0, 1], [2, 0], [1, 1]], [0, 1, 1]))["x0"]
    assert (column.type, column.allowed) == ("integer", (0, 1, 2))


def test_an_array_of_strings_has_string_columns_by_position() -> None:
    data = np.array([["u", 1.0], ["v", 2.0]] * 10, dtype=object)
    parts = ColumnTransformer([("k", OneHotEncoder(), [0])], remainder="passthrough")
    estimator = make_pipeline(parts, clone(HGB)).fit(data, [0, 1] * 10)
    columns = by_name(estimator)
    assert inputs(estimator).container == "array"
    assert (columns["x0"].type, columns["x0"].allowed) == ("string", ("u", "v"))
    assert (columns["x1"].type, columns["x1"].allowed) == ("number", None)
    assert told(estimator, ["u", 1.0]) == [False, True]


def test_an_unknown_function_before_an_encoder_may_make_its_texts_of_any_type() -> None:
    def lower(frame: Any) -> Any:
        return frame.apply(lambda column: column.str.lower())

    data = pd.DataFrame({"k": ["U", "V"] * 10})
    estimator = make_pipeline(pp.FunctionTransformer(lower), OneHotEncoder()).fit(data)
    assert by_name(estimator)["k"] == InputColumn(name="k", type="unknown", keeps_integers=True)
    assert told(estimator, ["U"]) == [False]


@pytest.mark.parametrize("which", ["from_dtype", ["k"]])
def test_boosting_takes_any_string_for_a_categorical_column(which: Any) -> None:
    data = pd.DataFrame({"n": np.arange(40.0), "k": pd.Categorical(["u", "v"] * 20)})
    boosting = HistGradientBoostingClassifier(max_iter=2, categorical_features=which)
    estimator = boosting.fit(data, [0, 1] * 20)
    assert by_name(estimator)["k"] == InputColumn(name="k", type="string", nullable=True)
    assert told(estimator, [1.0, "u"]) == told(estimator, [1.0, "new"]) == [True, True]


def test_a_column_that_is_dropped_is_free() -> None:
    estimator = of_penguins((ONE_HOT, ["sex"]))
    free = InputColumn(name="island", type="any", nullable=True)
    assert by_name(estimator)["island"] == free
    assert by_name(estimator)["sex"].nullable is False


# -- Names, counts, containers


def test_lightgbm_and_xgboost_by_their_scikit_learn_api() -> None:
    xgboost, lightgbm = library("xgboost"), library("lightgbm")
    for model in (xgboost.XGBClassifier(n_estimators=2, n_jobs=1),
                  lightgbm.LGBMClassifier(n_estimators=2, n_jobs=1, verbose=-1)):  # fmt: skip
        for estimator in (model, CalibratedClassifierCV(clone(model), cv=2),
                          make_pipeline(StandardScaler(), clone(model))):  # fmt: skip
            estimator.fit(X, Y)
            assert (inputs(estimator).named, inputs(estimator).container) == (False, "array")
            assert told(estimator, X[0].tolist()) == YES
            assert introspect.classes(estimator) == [0, 1, 2]
            assert introspect.is_fitted(estimator)
            estimator = clone(estimator).fit(FRAME, Y)
            assert inputs(estimator).container == "frame"
            assert list(by_name(estimator)) == ["a", "b", "c", "d"]


NAMED = [
    LR,
    make_pipeline(StandardScaler(), LR),
    make_pipeline("passthrough", LR),
    make_pipeline(pp.FunctionTransformer(), LR),
    make_union(StandardScaler(), PCA()),
    ms.GridSearchCV(LR, {}, cv=2),
    CalibratedClassifierCV(LR, cv=2),
    ensemble.VotingClassifier([("a", LR)]),
    ensemble.StackingClassifier([("a", LR)], LR, cv=2),
    ensemble.BaggingClassifier(LR, n_estimators=2),
    multiclass.OneVsRestClassifier(LR),
    SelfTrainingClassifier(LR),
    ms.FixedThresholdClassifier(LR),
    TransformedTargetRegressor(lm.Ridge()),
    FrozenEstimator(LR),
]


@pytest.mark.parametrize("estimator", NAMED, ids=introspect.class_name)
def test_names_and_counts_are_looked_for_inside(estimator: Any) -> None:
    labels = Y > 0
    for data, container, names in ((FRAME, "frame", list("abcd")),
                                   (X, "array", ["x0", "x1", "x2", "x3"])):  # fmt: skip
        if isinstance(estimator, FrozenEstimator):
            fitted: Any = FrozenEstimator(clone(LR).fit(data, labels))
        else:
            fitted = clone(estimator).fit(data, labels)
        assert inputs(fitted).container == container
        assert list(by_name(fitted)) == names


TEXT = [
    CountVectorizer(),
    TfidfVectorizer(),
    HashingVectorizer(n_features=8),
    make_pipeline(TfidfVectorizer(), LR),
    make_pipeline(pp.FunctionTransformer(), TfidfVectorizer(), LR),
    make_pipeline(make_union(CountVectorizer(), TfidfVectorizer()), LR),
    ms.GridSearchCV(make_pipeline(TfidfVectorizer(), LR), {}, cv=2),
    CalibratedClassifierCV(make_pipeline(TfidfVectorizer(), LR), cv=2),
    ensemble.VotingClassifier([("a", make_pipeline(TfidfVectorizer(), LR))]),
]


@pytest.mark.parametrize("estimator", TEXT, ids=introspect.class_name)
def test_texts_come_as_a_sequence(estimator: Any) -> None:
    fitted = clone(estimator).fit(TEXTS, MOODS)
    said = inputs(fitted)
    assert (said.container, said.named) == ("sequence", False)
    assert said.columns == (InputColumn(name="x0", type="string"),)
    assert works(fitted, ["good film"])
    assert not works(fitted, [nan])


MAPPINGS = [{"city": "Bonn", "size": 1.0}, {"city": "Ulm", "size": 2.0}] * 10


@pytest.mark.parametrize("estimator", [DictVectorizer(), FeatureHasher(n_features=8)])
def test_mappings_come_as_a_list_of_them(estimator: Any) -> None:
    fitted = make_pipeline(clone(estimator), clone(LR)).fit(MAPPINGS, [0, 1] * 10)
    assert inputs(fitted) == Inputs(columns=None, named=False, container="mapping")
    assert works(fitted, [{"city": "Bonn"}])


def test_what_does_not_say_how_many_columns_it_takes() -> None:
    nothing = Inputs(columns=None, named=False, container="array")
    assert inputs(pp.FunctionTransformer()) == nothing
    assert inputs(make_pipeline(pp.FunctionTransformer(), pp.FunctionTransformer())) == nothing
    assert inputs(make_pipeline(pp.FunctionTransformer(), clone(LR)).fit(X, Y)).columns is not None


def test_an_isotonic_regression_takes_one_column() -> None:
    estimator = IsotonicRegression().fit(X[:, 0], Y)
    assert told(estimator, [5.0]) == [False]


# -- Estimators that nobody knows


class Bare:
    """Something that predicts, and says nothing of itself."""

    def predict(self, rows: Any) -> Any:
        return [0 for _ in rows]


class Foreign:
    """An estimator without tags, of another library."""

    def fit(self, rows: Any, target: Any) -> Any:
        self.n_features_in_, self.classes_ = len(rows[0]), np.unique(target)
        return self

    def predict(self, rows: Any) -> Any:
        return self.classes_[[0 for _ in rows]]


class Broken:
    """Its every property raises."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


class Wrapper(ClassifierMixin, BaseEstimator):
    """A third party's meta-estimator."""

    def __init__(self, estimator: Any = None) -> None:
        self.estimator = estimator

    def fit(self, rows: Any, target: Any) -> Any:
        self.estimator_ = clone(self.estimator).fit(rows, target)
        return self

    def predict(self, rows: Any) -> Any:
        return self.estimator_.predict(rows)


def test_a_foreign_estimator_gets_the_cautious_answer() -> None:
    estimator = Foreign()
    assert not introspect.is_fitted(estimator)
    estimator.fit(X, Y)
    assert introspect.is_fitted(estimator)
    assert inputs(estimator).columns == tuple(
        InputColumn(name=f"x{i}", type="number") for i in range(4)
    )
    assert introspect.classes(estimator) == [0, 1, 2]
    around = make_pipeline(StandardScaler(), Foreign()).fit(X, Y)
    assert [column.nullable for column in inputs(around).columns or ()] == NO
    assert introspect.classes(around) == [0, 1, 2]


@pytest.mark.parametrize(
    "estimator",
    [Bare(), Broken(), MagicMock(spec=[]), object(), None, 5, LR, Bare, "x"],
    ids=introspect.class_name,
)
def test_nothing_ever_raises(estimator: Any) -> None:
    assert inputs(estimator).container == "array"
    assert inputs(estimator).columns is None
    assert introspect.classes(estimator) is None
    assert introspect.class_name(estimator)
    assert isinstance(introspect.methods(estimator), tuple)
    assert introspect.is_fitted(estimator) is isinstance(estimator, Bare)


def test_an_object_that_says_yes_to_everything_is_survived() -> None:
    assert inputs(MagicMock()).container == "array"
    assert introspect.classes(MagicMock()) in (None, [])
    assert introspect.methods(MagicMock()) == introspect.METHODS


def test_a_wrapper_of_a_third_party_is_looked_into() -> None:
    data = CLEAN[["island", "body_mass_g"]]
    inside = make_pipeline(ColumnTransformer([("k", ONE_HOT, ["island"])],
                                             remainder="passthrough"), LR)  # fmt: skip
    fitted = Wrapper(inside).fit(data, CLEAN["species"])
    assert inputs(fitted).container == "frame"
    assert by_name(fitted)["island"] == InputColumn(name="island", type="string", allowed=ISLANDS)
    assert introspect.classes(fitted) == ["Adelie", "Chinstrap", "Gentoo"]


# -- Methods, classes, fitted


@pytest.mark.parametrize(("estimator", "expected"), [
    (LR, ("predict", "predict_proba", "predict_log_proba", "decision_function")),
    (lm.Ridge(), ("predict",)),
    (SVC(), ("predict", "decision_function")),
    (StandardScaler(), ("transform",)),
    (make_pipeline(StandardScaler(), SVC()), ("predict", "decision_function")),
    (ms.GridSearchCV(SVC(), {}), ("predict", "decision_function")),
    (ensemble.IsolationForest(n_estimators=3), ("predict", "decision_function", "score_samples")),
    (LocalOutlierFactor(), ()),
    (LocalOutlierFactor(novelty=True), ("predict", "decision_function", "score_samples")),
    (KMeans(2), ("predict", "transform")),
    (DBSCAN(), ()),
    (ensemble.VotingClassifier([("a", SVC())]), ("predict", "transform")),
    (ensemble.VotingClassifier([("a", LR)], voting="soft"),
     ("predict", "predict_proba", "transform")),
])  # fmt: skip
def test_methods_are_those_that_it_really_has(estimator: Any, expected: Any) -> None:
    assert introspect.methods(clone(estimator).fit(X, Y)) == expected


NAMES = np.array(["setosa", "versicolor", "virginica"])


@pytest.mark.parametrize(("estimator", "target", "expected"), [
    (LR, NAMES[Y], NAMES.tolist()),
    (LR, Y > 0, [False, True]),
    (LR, Y, [0, 1, 2]),
    (LR, NAMES[Y].astype(object), NAMES.tolist()),
    (make_pipeline(StandardScaler(), LR), NAMES[Y], NAMES.tolist()),
    (ms.GridSearchCV(make_pipeline(StandardScaler(), LR), {}, cv=2), NAMES[Y], NAMES.tolist()),
    (CalibratedClassifierCV(LR, cv=2), NAMES[Y], NAMES.tolist()),
    (make_pipeline(StandardScaler(), Wrapper(LR)), NAMES[Y], NAMES.tolist()),
    (feature_selection.RFE(LR), NAMES[Y], NAMES.tolist()),
    (RF, np.column_stack([NAMES[Y], NAMES[Y]]), [NAMES.tolist()] * 2),
    (multioutput.MultiOutputClassifier(LR), np.column_stack([Y, Y > 0]), [[0, 1, 2], [0, 1]]),
    (multioutput.ClassifierChain(LR), np.column_stack([Y > 1, Y > 0]), [[False, True]] * 2),
    (lm.Ridge(), Y, None),
    (make_pipeline(StandardScaler(), lm.Ridge()), Y, None),
    (ms.GridSearchCV(lm.Ridge(), {}, cv=2), Y, None),
    (TransformedTargetRegressor(lm.Ridge()), Y, None),
    (OneClassSVM(), None, None),
    (ensemble.IsolationForest(n_estimators=3), None, None),
    (KMeans(2), None, None),
    (TargetEncoder(cv=2), NAMES[Y], None),
    (StandardScaler(), Y, None),
])  # fmt: skip
def test_classes_are_plain_values(estimator: Any, target: Any, expected: Any) -> None:
    found = introspect.classes(clone(estimator).fit(X, target))
    assert found == expected
    flat = np.ravel(np.array(found or [], dtype=object))
    assert {type(v).__module__ for v in flat} <= {"builtins"}


@pytest.mark.parametrize("estimator", [
    LR, make_pipeline(StandardScaler(), LR), ms.GridSearchCV(LR, {}, cv=2), OneHotEncoder(),
    ColumnTransformer([("a", StandardScaler(), [0])]), CalibratedClassifierCV(LR, cv=2),
    make_union(StandardScaler()), impute.SimpleImputer(), IsotonicRegression(), Wrapper(LR),
], ids=introspect.class_name)  # fmt: skip
def test_is_fitted_only_after_fit(estimator: Any) -> None:
    data = X[:, 0] if isinstance(estimator, IsotonicRegression) else X
    assert introspect.is_fitted(clone(estimator)) is False
    assert introspect.is_fitted(clone(estimator).fit(data, Y)) is True


# Before, the tags of the hashing transformers said that they need a fit.
STATES_NO_FIT = needs_version("scikit-learn", "1.7.2")


@pytest.mark.parametrize("estimator", [
    pytest.param(HashingVectorizer(), marks=STATES_NO_FIT), pp.FunctionTransformer(),
    pp.Normalizer(), pytest.param(FeatureHasher(), marks=STATES_NO_FIT), Bare(),
    make_pipeline(HashingVectorizer(), pp.Normalizer()), make_pipeline("passthrough"),
    FrozenEstimator(clone(LR).fit(X, Y)),
])  # fmt: skip
def test_what_needs_no_fit_is_fitted(estimator: Any) -> None:
    assert introspect.is_fitted(estimator)


def test_the_class_name_is_the_outermost() -> None:
    assert introspect.class_name(make_pipeline(LR)) == "Pipeline"


def test_nothing_is_predicted(monkeypatch: pytest.MonkeyPatch) -> None:
    estimator = of_penguins((make_pipeline(MOST, ONE_HOT), KINDS), final=HGB)

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("called")

    for cls in (SimpleImputer, OneHotEncoder, ColumnTransformer, HistGradientBoostingClassifier):
        for method in introspect.METHODS:
            if hasattr(cls, method):
                monkeypatch.setattr(cls, method, never)
    assert inputs(estimator).columns
    assert introspect.classes(estimator)
