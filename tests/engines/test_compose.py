"""Lean column transformers, unions, encoders and imputers, of data frames and arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask import Flask
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.naive_bayes import BernoulliNB, MultinomialNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)

from flask_skmodels import SKModels
from flask_skmodels.engines.lean import verify
from tests.support.equality import assert_equal, check
from tests.support.selection import cases, examples
from tests.support.skips import library

RANDOM = np.random.default_rng(0)
ROWS = 300
NUMBERS = ["age", "income", "score"]
WORDS = ["city", "colour"]


def mixed(missing: float = 0.1) -> pd.DataFrame:
    """Return a frame of numbers, whole numbers, texts and booleans, some of them missing."""
    frame = pd.DataFrame(
        {
            "age": RANDOM.normal(40, 10, ROWS).round(1),
            "city": RANDOM.choice(["Bonn", "Rome", "Oslo", "Lima", "Quito"], ROWS, p=_SHARES),
            "income": RANDOM.lognormal(10, 1, ROWS).round(2),
            "visits": RANDOM.integers(0, 9, ROWS),
            "colour": RANDOM.choice(["red", "green"], ROWS),
            "score": RANDOM.normal(size=ROWS),
            "member": RANDOM.random(ROWS) < 0.5,
        }
    ).astype({"city": object, "colour": object})
    for name in (*NUMBERS, *WORDS):
        frame.loc[RANDOM.random(ROWS) < missing, name] = np.nan
    return frame


_SHARES = [0.4, 0.3, 0.2, 0.08, 0.02]
FRAME, FULL = mixed(), mixed(0)
TARGET = FULL["score"] * 2 + FULL["visits"] + RANDOM.normal(size=ROWS) / 9
CLASSES = np.where(TARGET > 3, "high", "low")

ENCODERS = [
    OneHotEncoder(),
    OneHotEncoder(handle_unknown="ignore"),
    OneHotEncoder(sparse_output=False, handle_unknown="ignore"),
    OneHotEncoder(drop="first"),
    OneHotEncoder(drop="if_binary", handle_unknown="ignore"),
    OneHotEncoder(drop=["Rome", "red"]),
    OneHotEncoder(min_frequency=0.1, handle_unknown="infrequent_if_exist"),
    OneHotEncoder(max_categories=2, handle_unknown="infrequent_if_exist", drop="first"),
    OneHotEncoder(min_frequency=40, handle_unknown="ignore"),
    OneHotEncoder(min_frequency=40, handle_unknown="warn"),
    OrdinalEncoder(),
    OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-2, min_frequency=0.1),
    TargetEncoder(random_state=0),
]
WITH_GAPS = [
    OneHotEncoder(handle_unknown="ignore"),
    OneHotEncoder(drop=[np.nan, "red"]),
    OneHotEncoder(min_frequency=0.15, handle_unknown="infrequent_if_exist"),
    make_pipeline(
        OrdinalEncoder(
            encoded_missing_value=-5, handle_unknown="use_encoded_value", unknown_value=-1
        ),
        MinMaxScaler(),
    ),
    make_pipeline(OrdinalEncoder(), SimpleImputer(strategy="most_frequent")),
    make_pipeline(OrdinalEncoder(max_categories=2, encoded_missing_value=np.nan), SimpleImputer()),
    make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")),
    make_pipeline(
        SimpleImputer(strategy="constant", fill_value="none"), OneHotEncoder(drop="first")
    ),
    make_pipeline(
        SimpleImputer(strategy="constant", add_indicator=True),
        OneHotEncoder(handle_unknown="ignore"),
    ),
    TargetEncoder(smooth=3.0, random_state=0),
]
IMPUTERS = [
    SimpleImputer(),
    SimpleImputer(strategy="median"),
    SimpleImputer(strategy="most_frequent"),
    SimpleImputer(strategy="constant", fill_value=-1),
    SimpleImputer(add_indicator=True),
    make_union(SimpleImputer(), MissingIndicator()),
    make_union(SimpleImputer(strategy="median"), MissingIndicator(features="all")),
    make_pipeline(StandardScaler(), SimpleImputer()),
    make_pipeline(SimpleImputer(), StandardScaler(), KBinsDiscretizer(4, encode="ordinal")),
]
LAST_OF_SPARSE = [
    Ridge(),
    LinearRegression(),
    LogisticRegression(),
    MultinomialNB(),
    BernoulliNB(),
    MLPClassifier((5,), max_iter=5),
    make_pipeline(MaxAbsScaler(), LogisticRegression()),
    make_pipeline(SelectKBest(k=3), LogisticRegression()),
    make_pipeline(StandardScaler(with_mean=False), LogisticRegression()),
]


def columns(words: Any, numbers: Any, **options: Any) -> ColumnTransformer:
    return ColumnTransformer([("numbers", numbers, NUMBERS), ("words", words, WORDS)], **options)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("threshold", [0, 1.0])
@pytest.mark.parametrize("encoder", cases(ENCODERS, quick=ENCODERS[1::4]), ids=str)
def test_encoder(encoder: Any, threshold: float) -> None:
    transformer = columns(encoder, StandardScaler(), sparse_threshold=threshold)
    check(make_pipeline(transformer, Ridge()).fit(FULL, TARGET), FULL)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("threshold", [0, 1.0])
@pytest.mark.parametrize("encoder", cases(WITH_GAPS, quick=WITH_GAPS[::3]), ids=str)
def test_encoder_of_missing_values(encoder: Any, threshold: float) -> None:
    transformer = columns(encoder, SimpleImputer(), sparse_threshold=threshold)
    check(make_pipeline(transformer, Ridge()).fit(FRAME, TARGET), FRAME)


@pytest.mark.parametrize("encoder", [OneHotEncoder(), OrdinalEncoder(), TargetEncoder()], ids=str)
def test_encoder_of_several_classes(encoder: Any) -> None:
    levels = np.array(["a", "b", "c"])[np.digitize(TARGET, [2, 5])]
    transformer = columns(encoder, StandardScaler())
    check(make_pipeline(transformer, LogisticRegression()).fit(FULL, levels), FULL)


@pytest.mark.parametrize("imputer", cases(IMPUTERS, quick=IMPUTERS[::4]), ids=str)
def test_imputer(imputer: Any) -> None:
    transformer = columns(OneHotEncoder(handle_unknown="ignore"), imputer)
    check(make_pipeline(transformer, Ridge()).fit(FRAME, TARGET), FRAME)


@pytest.mark.parametrize("imputer", IMPUTERS, ids=str)
def test_imputer_of_an_array(imputer: Any) -> None:
    numbers = np.ascontiguousarray(FRAME[NUMBERS])
    check(imputer.fit(numbers), numbers)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("add", [True, False])
def test_imputer_of_an_empty_column(*, keep: bool, add: bool) -> None:
    numbers = np.ascontiguousarray(FRAME[NUMBERS])
    numbers[:, 1] = np.nan
    imputer = SimpleImputer(keep_empty_features=keep, add_indicator=add)
    check(make_pipeline(imputer, LinearRegression()).fit(numbers, TARGET), numbers)


def test_imputer_of_a_number_that_means_missing() -> None:
    numbers = np.ascontiguousarray(FRAME[NUMBERS].fillna(-1.0))
    check(make_pipeline(SimpleImputer(missing_values=-1.0), Ridge()).fit(numbers, TARGET), numbers)


@pytest.mark.parametrize(
    "options",
    [
        {"remainder": "drop"},
        {"remainder": "passthrough"},
        {"remainder": StandardScaler()},
        {"transformer_weights": {"numbers": 0.3, "words": 2.0}},
        {"sparse_threshold": 1.0, "transformer_weights": {"words": 2.0}},
        {"sparse_threshold": 1.0, "remainder": "passthrough"},
        {"verbose_feature_names_out": False},
    ],
    ids=str,
)
def test_options(options: Any) -> None:
    transformer = columns(OneHotEncoder(), StandardScaler(), **options)
    frame = FULL.drop(columns="member")
    check(make_pipeline(transformer, Ridge()).fit(frame, TARGET), frame)


@pytest.mark.parametrize("last", cases(LAST_OF_SPARSE, quick=LAST_OF_SPARSE[::4]), ids=str)
@pytest.mark.filterwarnings("ignore")
def test_sparse_input(last: Any) -> None:
    transformer = columns(OneHotEncoder(), MinMaxScaler(clip=True), sparse_threshold=1.0)
    y = TARGET if "predict_proba" not in dir(last) else CLASSES
    check(make_pipeline(transformer, last).fit(FULL, y), FULL)


def test_sparse_input_of_several_targets() -> None:
    transformer = columns(OneHotEncoder(), StandardScaler(), sparse_threshold=1.0)
    targets = np.stack([TARGET, -TARGET, TARGET**2], axis=1)
    check(make_pipeline(transformer, Ridge()).fit(FULL, targets), FULL)


@pytest.mark.parametrize("engine", ["lean", "sklearn"])
def test_none_among_texts_is_no_nan(engine: str) -> None:
    """What an encoder has learnt as None it is given as None, whatever pandas makes of texts."""
    words = np.array(["left", "right", None] * 20, dtype=object)
    frame = pd.DataFrame({"side": pd.Series(words, dtype=object), "size": RANDOM.random(60)})
    encoder = ColumnTransformer([("side", OneHotEncoder(handle_unknown="ignore"), ["side"])])
    model = make_pipeline(encoder, Ridge()).fit(frame, np.arange(60) % 3)
    models, app = SKModels(), Flask("none")
    models.add("sides", model, engine=engine)
    models.init_app(app)
    for rows in (frame[:1], frame[2:3], frame):
        assert_equal(models.predict("sides", rows, app=app).outputs, model.predict(rows))


def test_columns_dropped_passed_and_selected() -> None:
    transformer = ColumnTransformer(
        [
            ("dropped", "drop", ["age"]),
            ("passed", "passthrough", ["income", "visits"]),
            ("none", StandardScaler(), []),
            ("words", OneHotEncoder(), make_column_selector(dtype_include=object)),
            ("more", Pipeline([("same", "passthrough"), ("scale", MaxAbsScaler())]), ["score"]),
        ]
    )
    check(make_pipeline(transformer, Ridge()).fit(FULL, TARGET), FULL)


def test_nested_transformers() -> None:
    inner = columns(OneHotEncoder(handle_unknown="ignore"), SimpleImputer())
    outer = ColumnTransformer(
        [("inner", make_pipeline(inner, StandardScaler(with_mean=False)), [*NUMBERS, *WORDS])],
        remainder="passthrough",
    )
    frame = FRAME.drop(columns="member")
    check(make_pipeline(outer, Ridge()).fit(frame, TARGET), frame)


@pytest.mark.parametrize("key", [[0, 2], slice(1, 4), [True, False, True, False, False]])
def test_columns_of_an_array(key: Any) -> None:
    numbers = RANDOM.normal(size=(ROWS, 5))
    transformer = ColumnTransformer([("some", StandardScaler(), key)], remainder=MinMaxScaler())
    check(make_pipeline(transformer, Ridge()).fit(numbers, TARGET), numbers)


@pytest.mark.parametrize("key", [["a", "c"], ["b", "c"], ["d", "a"]])
def test_columns_of_a_frame_of_numbers(key: Any) -> None:
    # As it is served: one block, row by row.
    numbers = RANDOM.normal(size=(ROWS, 4))
    frame = pd.DataFrame(numbers, columns=list("abcd"), copy=False)
    transformer = ColumnTransformer([("some", StandardScaler(), key)], remainder="passthrough")
    check(make_pipeline(transformer, Ridge()).fit(frame, TARGET), frame)


def test_array_of_objects() -> None:
    objects = FRAME[[*NUMBERS, *WORDS]].to_numpy()
    transformer = ColumnTransformer(
        [
            ("numbers", SimpleImputer(), [0, 1, 2]),
            ("words", OneHotEncoder(handle_unknown="ignore"), [3, 4]),
        ]
    )
    check(make_pipeline(transformer, Ridge()).fit(objects, TARGET), objects)


def test_encoder_of_numbers() -> None:
    frame = FULL[["visits", "member", "colour"]]
    check(make_pipeline(OneHotEncoder(drop="if_binary"), Ridge()).fit(frame, TARGET), frame)
    codes = frame[["visits"]].to_numpy(dtype=float)
    check(make_pipeline(OneHotEncoder(handle_unknown="ignore"), Ridge()).fit(codes, TARGET), codes)


def test_texts_among_the_columns() -> None:
    frame = FULL[["age"]].assign(text=FULL["city"] + " and " + FULL["colour"])
    transformer = ColumnTransformer(
        [("text", TfidfVectorizer(), "text"), ("numbers", StandardScaler(), ["age"])]
    )
    check(make_pipeline(transformer, Ridge()).fit(frame, TARGET), frame)


@pytest.mark.parametrize(
    "union",
    [
        FeatureUnion([("scaled", StandardScaler()), ("binned", KBinsDiscretizer(3))]),
        FeatureUnion([("a", MinMaxScaler()), ("b", "passthrough"), ("c", "drop")]),
        FeatureUnion(
            [("a", MinMaxScaler()), ("bins", KBinsDiscretizer(3))],
            transformer_weights={"a": 0.1, "bins": 0.7},
        ),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore")
def test_union(union: Any) -> None:
    numbers = RANDOM.normal(size=(ROWS, 4))
    check(make_pipeline(union, Ridge()).fit(numbers, TARGET), numbers)


@pytest.mark.parametrize("function", [None, np.log1p, np.sqrt])
def test_function_of_columns(function: Any) -> None:
    transformer = ColumnTransformer(
        [("function", FunctionTransformer(function), ["income", "visits"])],
        remainder="drop",
    )
    scaled = make_pipeline(transformer, StandardScaler(), Ridge())
    check(scaled.fit(FULL, TARGET), FULL)


def test_rows_that_the_estimator_accepts_are_found_on_a_busy_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Negative probes become NaN, which Ridge refuses; a slow call must not end the search."""
    monkeypatch.setattr(verify, "SECONDS", 0)
    transformer = ColumnTransformer([("log", FunctionTransformer(np.log1p), ["income", "visits"])])
    check(make_pipeline(transformer, StandardScaler(), Ridge()).fit(FULL, TARGET), FULL)


@pytest.mark.parametrize(
    ("function", "names"), [(np.log, ["income", "age"]), (np.exp, ["score", "age"])]
)
def test_function_of_columns_from_the_last_to_the_first(function: Any, names: list[str]) -> None:
    """pandas gives them backwards in memory, where numpy has another loop with other last bits."""
    columns = ColumnTransformer([("function", FunctionTransformer(function), names)])
    model = make_pipeline(columns).fit(FULL)
    models, app = SKModels(), Flask("backwards")
    for engine in ("lean", "sklearn"):
        models.add(engine, model, engine=engine, methods=["transform"])
    models.init_app(app)
    for place in range(examples(ROWS)):
        rows = FULL[place : place + 1]
        lean, own = (models.predict(name, rows, app=app).outputs for name in ("lean", "sklearn"))
        assert_equal(lean, own)


def test_function_of_whole_numbers_beyond_its_type() -> None:
    """numpy's square of an integer is one, and overflows as that of a data frame does."""
    squares = ColumnTransformer([("square", FunctionTransformer(np.square), ["visits", "score"])])
    model = make_pipeline(squares, Ridge()).fit(FULL, TARGET)
    schema = {name: {"type": "integer" if name == "visits" else "number"} for name in FULL}
    schema |= {name: {"type": "string"} for name in WORDS} | {"member": {"type": "boolean"}}
    models, app = SKModels(), Flask("squares")
    models.add("squares", model, schema=schema)
    models.init_app(app)
    rows = FULL[:1].assign(visits=2**33)
    assert_equal(models.predict("squares", rows, app=app).outputs, model.predict(rows))


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_frames_between_steps_make_no_difference(output: str) -> None:
    library(output)
    transformer = columns(OneHotEncoder(sparse_output=False), StandardScaler())
    model = make_pipeline(transformer, StandardScaler(), Ridge()).set_output(transform=output)
    models, app = SKModels(), Flask("frames")
    models.add("case", model.fit(FULL, TARGET))
    models.init_app(app)
    for count in (1, 5, 100):
        outputs = models.predict("case", FULL[:count], app=app).outputs
        assert_equal(outputs, model.predict(FULL[:count]))


def test_transformer_of_a_dropped_column_alone_keeps_its_own_method() -> None:
    nothing = ColumnTransformer([("words", "drop", WORDS)], remainder="drop")
    union = make_union(columns(OneHotEncoder(), StandardScaler()), nothing)
    model = make_pipeline(union, Ridge()).fit(FULL, TARGET)
    with pytest.raises(AssertionError, match="native methods are used for ColumnTransformer"):
        check(model, FULL)


@pytest.mark.parametrize(
    ("transformer", "reason"),
    [
        (OneHotEncoder(dtype=np.float32), "the dtype of its output is not float64"),
        (KBinsDiscretizer(3, dtype=np.float32), "the dtype of its output is not float64"),
        (FunctionTransformer(np.log1p, validate=True), "validate is set"),
        (SimpleImputer(missing_values=3, strategy="most_frequent"), "fitted on integers"),
        (MissingIndicator(features="all", sparse=True), "its output is sparse"),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore")
def test_option_without_a_lean_form_keeps_its_own_method(transformer: Any, reason: str) -> None:
    steps = [("some", transformer, ["visits"]), ("rest", StandardScaler(), ["score"])]
    model = make_pipeline(ColumnTransformer(steps, sparse_threshold=0), Ridge())
    model.fit(FULL[["visits", "score"]], TARGET)
    engine = own_steps(model)
    assert reason in engine
    assert f"native methods are used for {type(transformer).__name__}; " in engine


def own_steps(model: Any) -> str:
    """Return what is said of the engine, which answers as the estimator does."""
    models, app = SKModels(), Flask("own")
    models.add("case", model)
    models.init_app(app)
    for count in (1, 5):
        outputs = models.predict("case", FULL[:count], app=app).outputs
        assert_equal(outputs, model.predict(FULL[["visits", "score"]][:count]))
    return str((app.test_client().get("/case/").json or {})["engine"]["reason"])


def test_words_of_texts() -> None:
    texts = [f"{city} is {colour} and {city}" for city, colour in FULL[WORDS].to_numpy()]
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, CLASSES)
    models, app = SKModels(), Flask("texts")
    models.add("case", model, probability=True)
    models.init_app(app)
    engine = (app.test_client().get("/case/").json or {})["engine"]
    assert engine == {"name": "lean", "reason": None}
    for count in (1, 2, 50):
        rows = [{"text": text} for text in texts[:count]]
        outputs = models.predict("case", rows, "predict_proba", app=app).outputs
        assert_equal(outputs, model.predict_proba(texts[:count]))
