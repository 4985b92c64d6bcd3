"""Real pipelines, and estimators of other libraries, each fitted at its first use."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC

from tests.parity import data
from tests.parity.data import KINDS, NUMBERS
from tests.parity.estimators import Case
from tests.support.skips import library

LR = LogisticRegression(max_iter=50)
HGB = HistGradientBoostingClassifier(max_iter=4, min_samples_leaf=5)
FOREST = RandomForestClassifier(n_estimators=5, random_state=0)
LENIENT = OneHotEncoder(handle_unknown="ignore")
MOST = SimpleImputer(strategy="most_frequent")

Maker = Callable[[], tuple[Any, Any]]
MAKERS: dict[str, Maker] = {}
SCHEMAS: dict[str, Mapping[str, Any]] = {}


def maker(name: str, schema: Mapping[str, Any] | None = None) -> Callable[[Maker], Maker]:
    """Add a function that returns a fitted estimator and its rows.

    :param name: what it is
    :param schema: for an estimator that does not say its columns
    """

    def add(make: Maker) -> Maker:
        MAKERS[name] = make
        if schema is not None:
            SCHEMAS[name] = schema
        return make

    return add


@cache
def pipeline_case(name: str) -> Case:
    """Return a pipeline, fitted.

    :raises pytest.skip.Exception: its library is not installed
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator, X = MAKERS[name]()
    own = deepcopy(estimator)  # of what makers share; and as from a file
    return Case(name, own, X, SCHEMAS.get(name))


def of_penguins(
    *parts: tuple[Any, Any], final: Any = LR, whole: bool = False, convert: Any = None, **more: Any
) -> tuple[Any, Any]:
    X, y = data.penguins(whole=whole)
    X = convert(X) if convert else X
    copies = [(part if isinstance(part, str) else clone(part), c) for part, c in parts]
    named = [(str(place), part, columns) for place, (part, columns) in enumerate(copies)]
    pipeline = make_pipeline(ColumnTransformer(named, **more), clone(final))
    return pipeline.fit(X, y), X


def _add_penguins() -> None:
    scaled = make_pipeline(SimpleImputer(), StandardScaler())
    filled = make_pipeline(MOST, OneHotEncoder())
    unknown = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
    )
    lower = FunctionTransformer(_lower, feature_names_out="one-to-one")
    cases: dict[str, dict[str, Any]] = {
        "imputer, one-hot encoder, linear": {"parts": [(scaled, NUMBERS), (filled, KINDS)]},
        "one-hot encoder that ignores unknown categories": {
            "parts": [(scaled, NUMBERS), (LENIENT, KINDS)],
        },
        "one-hot encoder, no missing values in fit": {
            "parts": [(StandardScaler(), NUMBERS), (OneHotEncoder(), KINDS)], "whole": True,
        },
        "one-hot encoder, missing values in fit": {
            "parts": [(scaled, NUMBERS), (OneHotEncoder(), KINDS)],
        },
        "one-hot encoder with infrequent categories": {
            "parts": [(scaled, NUMBERS), (OneHotEncoder(
                min_frequency=30, handle_unknown="infrequent_if_exist"), KINDS)],
        },
        "ordinal encoder with unknown categories, boosting": {
            "parts": [("passthrough", NUMBERS), (unknown, KINDS)], "final": HGB,
        },
        "ordinal encoder, boosting": {
            "parts": [("passthrough", NUMBERS), (OrdinalEncoder(), KINDS)], "final": HGB,
        },
        "target encoder": {"parts": [(scaled, NUMBERS), (TargetEncoder(cv=2), KINDS)]},
        "columns by selector": {
            "parts": [(scaled, make_column_selector(dtype_include="number")),
                      (filled, make_column_selector(dtype_exclude="number"))],
        },
        "imputed remainder": {"parts": [(filled, KINDS)], "remainder": KNNImputer()},
        "dropped remainder": {"parts": [(scaled, NUMBERS[:2])], "remainder": "drop"},
        "sparse matrix": {"parts": [(scaled, NUMBERS), (LENIENT, KINDS)], "sparse_threshold": 1.0},
        "function of a data frame": {
            "parts": [(make_pipeline(MOST.set_output(transform="pandas"), lower, LENIENT), KINDS)],
        },
        "text column": {
            "parts": [(CountVectorizer(analyzer="char"), "island"), (scaled, NUMBERS)],
            "whole": True,
        },
        "polars": {"parts": [(scaled, NUMBERS), (filled, KINDS)], "convert": pl.from_pandas},
        "polars, ordinal encoder, boosting": {"parts": [("passthrough", NUMBERS), (unknown, KINDS)],
                                      "final": HGB, "convert": pl.from_pandas},
        "polynomial features, nearest neighbors": {
            "parts": [(make_pipeline(SimpleImputer(), PolynomialFeatures()), NUMBERS),
                      (LENIENT, KINDS)],
            "final": make_pipeline(StandardScaler(), PCA(3), KNeighborsClassifier()),
        },
        "support vector machine": {"parts": [(scaled, NUMBERS), (filled, KINDS)], "final": SVC()},
    }  # fmt: skip
    for name, options in cases.items():
        parts = options.pop("parts")
        maker(f"penguins: {name}")(partial(of_penguins, *parts, **options))


def _lower(frame: Any) -> Any:
    return frame.apply(lambda column: column.str.lower())


_add_penguins()


@maker("penguins: grid search")
def _searched() -> tuple[Any, Any]:
    pipeline, X = of_penguins((SimpleImputer(), NUMBERS), (LENIENT, KINDS))
    search = GridSearchCV(pipeline, {"logisticregression__C": [0.1, 1.0]}, cv=2)
    return search.fit(X, data.penguins(whole=False)[1]), X


@maker("penguins: calibrated classifier")
def _calibrated() -> tuple[Any, Any]:
    pipeline, X = of_penguins((SimpleImputer(), NUMBERS), (LENIENT, KINDS))
    return CalibratedClassifierCV(pipeline, cv=2).fit(X, data.penguins(whole=False)[1]), X


@maker("penguins: stacking and voting")
def _stacked() -> tuple[Any, Any]:
    pipeline, X = of_penguins((SimpleImputer(), NUMBERS), (LENIENT, KINDS))
    forest, _ = of_penguins((SimpleImputer(), NUMBERS), final=FOREST)
    stack = StackingClassifier([("a", pipeline), ("b", forest)], LR, cv=2)
    vote = VotingClassifier([("s", stack), ("f", forest)], voting="soft")
    return vote.fit(X, data.penguins(whole=False)[1]), X


@maker("penguins: array of objects")
def _objects() -> tuple[Any, Any]:
    X, y = data.penguins()
    parts = [("n", StandardScaler(), [0, 1, 2, 3]), ("k", OneHotEncoder(), [4, 5])]
    values = X.to_numpy(dtype=object)
    return make_pipeline(ColumnTransformer(parts), LR).fit(values, y), values


@maker("penguins: boosting with categorical features")
def _boosting() -> tuple[Any, Any]:
    X, y = data.penguins(whole=False)
    boosting = HistGradientBoostingClassifier(max_iter=4, categorical_features=KINDS)
    return boosting.fit(X.astype(dict.fromkeys(KINDS, "category")), y), X


@maker("penguins: integers and booleans")
def _integers() -> tuple[Any, Any]:
    X, y = data.penguins()
    X = pd.DataFrame({
        "year": 2007 + np.arange(len(X)) % 3, "male": (X["sex"] == "male").to_numpy(),
        "mass": X["body_mass_g"].astype(int), "depth": X["bill_depth_mm"],
    })  # fmt: skip
    parts = [("k", OneHotEncoder(), ["year", "male"]), ("n", StandardScaler(), ["mass", "depth"])]
    return make_pipeline(ColumnTransformer(parts), LR).fit(X, y), X


@maker("penguins: integer columns in fit")
def _whole_numbers() -> tuple[Any, Any]:
    X, y = data.penguins()
    X = X[["flipper_length_mm", "body_mass_g"]].astype(int)
    return make_pipeline(StandardScaler(), LR).fit(X, y), X


@maker("penguins: boolean target")
def _boolean() -> tuple[Any, Any]:
    X, _ = data.penguins()
    return make_pipeline(StandardScaler(), LR).fit(X[NUMBERS], X["sex"] == "male"), X[NUMBERS]


@maker("penguins: two targets")
def _several() -> tuple[Any, Any]:
    X, y = data.penguins()
    targets = np.column_stack([y, X["sex"]])
    scaled = make_pipeline(StandardScaler(), LR)
    return MultiOutputClassifier(scaled).fit(X[NUMBERS], targets), X[NUMBERS]


@maker("penguins: forest with two targets")
def _forest() -> tuple[Any, Any]:
    X, y = data.penguins()
    return clone(FOREST).fit(X[NUMBERS], np.column_stack([y, X["sex"]])), X[NUMBERS]


@maker("penguins: logarithm of the target")
def _mass() -> tuple[Any, Any]:
    X, _ = data.penguins(whole=False)
    known = X["body_mass_g"].notna()
    X, mass = X[known].drop(columns="body_mass_g").reset_index(drop=True), X["body_mass_g"][known]
    parts = [("n", SimpleImputer(), NUMBERS[:3]), ("k", LENIENT, KINDS)]
    line = make_pipeline(ColumnTransformer(parts), Ridge())
    return TransformedTargetRegressor(line, func=np.log, inverse_func=np.exp).fit(X, mass), X


@maker("penguins: encoders with data frame output")
def _encoded() -> tuple[Any, Any]:
    X, _ = data.penguins(whole=False)
    one_hot = OneHotEncoder(sparse_output=False).set_output(transform="pandas")
    return one_hot.fit(X[KINDS]), X[KINDS]


@maker("penguins: encoders with sparse output")
def _sparse() -> tuple[Any, Any]:
    X, _ = data.penguins(whole=False)
    return OneHotEncoder().fit(X[KINDS]), X[KINDS]


@maker(
    "penguins: data frame output with text and missing values",  # the pipeline does not know
    {
        **{name: {"nullable": True} for name in NUMBERS},
        **{name: {"type": "string", "nullable": True} for name in KINDS},
    },
)
def _frame_out() -> tuple[Any, Any]:
    X, _ = data.penguins(whole=False)
    parts = [("n", MinMaxScaler(), NUMBERS), ("k", "passthrough", KINDS)]
    transformer = ColumnTransformer(parts).set_output(transform="pandas")
    return transformer.fit(X), X


@maker("penguins: polars output")
def _polars_out() -> tuple[Any, Any]:
    X, _ = data.penguins(whole=False)
    transformer = make_pipeline(SimpleImputer(), PCA(2)).set_output(transform="polars")
    return transformer.fit(X[NUMBERS]), X[NUMBERS]


@maker("iris: polars")
def _polars() -> tuple[Any, Any]:
    X, y = data.load("iris")
    frame = pl.from_pandas(X)
    return make_pipeline(StandardScaler(), LR).fit(frame, y), frame


@maker("iris: scaler with data frame output")
def _scaled() -> tuple[Any, Any]:
    X, _ = data.load("iris")
    return StandardScaler().set_output(transform="pandas").fit(X), X


@maker("iris: feature union and selection")
def _union() -> tuple[Any, Any]:
    X, y = data.load("iris")
    union = make_union(StandardScaler(), PCA(2), PolynomialFeatures())
    return make_pipeline(union, SelectKBest(k=5), LR).fit(X.to_numpy(), y), X.to_numpy()


@maker("iris: columns by index")
def _by_place() -> tuple[Any, Any]:
    X, y = data.load("iris")
    parts = [("a", StandardScaler(), [3, 0]), ("b", "passthrough", slice(1, 2))]
    return make_pipeline(ColumnTransformer(parts), LR).fit(X.to_numpy(), y), X.to_numpy()


@maker("iris: one-vs-one support vector machines")
def _pairs() -> tuple[Any, Any]:
    X, y = data.load("digits")
    return SVC(decision_function_shape="ovo").fit(X.to_numpy(), y), X.to_numpy()


@maker("iris: function only")
def _function() -> tuple[Any, Any]:
    X, _ = data.load("iris")
    return FunctionTransformer(np.log1p), X.to_numpy()


@maker("iris: function, linear")
def _function_first() -> tuple[Any, Any]:
    X, y = data.load("iris")
    pipeline = make_pipeline(FunctionTransformer(np.log1p), LinearRegression())
    return pipeline.fit(X, y), X


@maker("diabetes: boosting with missing values")
def _holes() -> tuple[Any, Any]:
    X, y = data.load("diabetes")
    X = data.with_holes(X).to_numpy()
    return HistGradientBoostingRegressor(max_iter=4).fit(X, y), X


def _of_texts(final: Any, *vectorizers: Any) -> tuple[Any, Any]:
    texts, owners = data.texts()
    first = vectorizers[0] if len(vectorizers) == 1 else make_union(*vectorizers)
    return make_pipeline(first, clone(final)).fit(texts, owners), texts


maker("texts: tf-idf, linear")(lambda: _of_texts(LR, TfidfVectorizer()))
maker("texts: tf-idf, grid search")(
    lambda: _of_texts(GridSearchCV(LR, {"C": [1.0, 9.0]}, cv=2), TfidfVectorizer())
)
maker("texts: words and characters")(
    lambda: _of_texts(LR, CountVectorizer(), TfidfVectorizer(analyzer="char_wb"))
)
maker("texts: hashing, forest")(lambda: _of_texts(FOREST, HashingVectorizer(n_features=32)))
maker("texts: lower case first")(
    lambda: _of_texts(LR, make_pipeline(FunctionTransformer(_lowered), TfidfVectorizer()))
)


def _lowered(texts: Any) -> Any:
    return [text.lower() for text in texts]


@maker(
    "mappings with a schema",
    {"island": {"type": "string"}, "body_mass_g": {}},
)
def _mappings() -> tuple[Any, Any]:
    X, y = data.penguins()
    X = X[["island", "body_mass_g"]]
    return make_pipeline(DictVectorizer(), LR).fit(X.to_dict("records"), y), X.to_dict("records")


def boosters(name: str) -> tuple[Any, Any]:
    module = library(name)
    few: dict[str, Any] = {"n_estimators": 4, "n_jobs": 1, "random_state": 0}
    if name == "lightgbm":
        few |= {"verbose": -1, "min_child_samples": 5}
        return module.LGBMClassifier(**few), module.LGBMRegressor(**few)
    if name == "xgboost":
        return module.XGBClassifier(**few), module.XGBRegressor(**few)
    few = {"iterations": 4, "thread_count": 1, "random_seed": 0, "allow_writing_files": False}
    few["verbose"] = False
    return module.CatBoostClassifier(**few), module.CatBoostRegressor(**few)


def _boosted(name: str, source: str, *, named: bool, piped: bool = False) -> tuple[Any, Any]:
    classifier, regressor = boosters(name)
    X, y = data.load(source)
    X = data.with_holes(X) if named else X.to_numpy()
    if named:  # LightGBM has other names than it is given: it puts underscores for blanks
        X = X.rename(columns=lambda label: label.replace(" ", "_"))
    booster = regressor if source in ("diabetes", "linnerud") else classifier
    return (make_pipeline(StandardScaler(), booster) if piped else booster).fit(X, y), X


for _name in ("xgboost", "lightgbm", "catboost"):
    for _source in ("iris", "cancer", "diabetes"):
        for _named in (False, True):
            _kind = "data frame with missing values" if _named else "array"
            maker(f"{_name}: {_source}, {_kind}")(partial(_boosted, _name, _source, named=_named))
    maker(f"{_name}: scaled")(partial(_boosted, _name, "iris", named=True, piped=True))
maker("xgboost: several outputs")(lambda: _boosted("xgboost", "linnerud", named=False))


@maker("xgboost: penguins")
def _xgboost_penguins() -> tuple[Any, Any]:
    booster, _ = boosters("xgboost")
    X, y = data.penguins(whole=False)
    parts = [("n", "passthrough", NUMBERS), ("k", LENIENT, KINDS)]
    codes = np.unique(y, return_inverse=True)[1]
    return make_pipeline(ColumnTransformer(parts), booster).fit(X, codes), X


@maker("lightgbm: penguins")
def _lightgbm_penguins() -> tuple[Any, Any]:
    booster, _ = boosters("lightgbm")
    X, y = data.penguins(whole=False)
    parts = [("n", "passthrough", NUMBERS), ("k", OrdinalEncoder(), KINDS)]
    return make_pipeline(ColumnTransformer(parts), booster).fit(X, y), X


@maker("catboost: penguins")
def _catboost_penguins() -> tuple[Any, Any]:
    booster, _ = boosters("catboost")
    X, y = data.penguins()
    return booster.fit(X, y, cat_features=KINDS), X


# One pipeline of each kind of input, for the run of every day.
ONE_OF_EACH_KIND = [
    *("penguins: imputer, one-hot encoder, linear", "penguins: array of objects"),
    *("penguins: two targets", "penguins: data frame output with text and missing values"),
    *("iris: scaler with data frame output", "texts: tf-idf, linear", "mappings with a schema"),
]
