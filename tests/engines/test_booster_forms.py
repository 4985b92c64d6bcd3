"""Lean forms of LightGBM, XGBoost and CatBoost: the same bits as their own methods."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask import Flask
from packaging.version import Version
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from flask_skmodels import SKModels
from flask_skmodels.artifacts.structures.checks import Unsound
from flask_skmodels.artifacts.structures.universal_json import read_universal_json
from flask_skmodels.engines.lean import coded_columns
from flask_skmodels.engines.lean.compiler import Decline
from tests.support.equality import assert_equal, check
from tests.support.selection import cases, label
from tests.support.skips import library

pytestmark = pytest.mark.filterwarnings("ignore")  # the libraries warn of their own doing

RANDOM = np.random.default_rng(0)
ROWS = 300
NUMBERS = pd.DataFrame(RANDOM.normal(size=(ROWS, 4)), columns=list("abcd"))
NUMBERS.loc[::9, "b"] = np.nan
MIXED = NUMBERS.assign(
    city=pd.Categorical(RANDOM.choice(["Bonn", "Oslo", "Rome"], ROWS)),
    size=pd.Categorical(RANDOM.choice([3, 5, 8], ROWS)),
)
SCORE = (NUMBERS["a"] + NUMBERS["c"] * NUMBERS["d"]).to_numpy()
SCORE = SCORE + np.where(MIXED["city"] == "Bonn", 1.0, 0.0) - np.where(MIXED["size"] == 5, 1.0, 0.0)
TWO = (SCORE > 0).astype(int)
TEXTS = np.array(["no", "yes"])[TWO]
THREE = np.digitize(SCORE, [-1, 1])
COUNTS = (1, 2, 7, 200)

LIGHTGBM: dict[str, Any] = {"n_estimators": 12, "verbose": -1, "n_jobs": 1}
XGBOOST: dict[str, Any] = {"n_estimators": 12, "n_jobs": 1}
CATBOOST: dict[str, Any] = {"n_estimators": 12, "verbose": 0, "allow_writing_files": False}

Case = tuple[str, dict[str, Any], Any, Any]  # class, parameters, X and y
OF_LIGHTGBM: dict[str, Case] = {
    "categories and texts": ("LGBMClassifier", {}, MIXED, TEXTS),
    "three classes": ("LGBMClassifier", {}, MIXED, THREE),
    "two classes": ("LGBMClassifier", {}, NUMBERS, TWO),
    "one class against all": ("LGBMClassifier", {"objective": "multiclassova"}, MIXED, THREE),
    "dart": ("LGBMRegressor", {"boosting_type": "dart"}, MIXED, SCORE),
    "Poisson": ("LGBMRegressor", {"objective": "poisson"}, MIXED, np.abs(SCORE)),
    "quantile": ("LGBMRegressor", {"objective": "quantile", "alpha": 0.8}, MIXED, SCORE),
    "ranks": ("LGBMRanker", {}, MIXED, THREE),
    "linear trees": ("LGBMRegressor", {"linear_tree": True}, NUMBERS.fillna(0), SCORE),
    "early stop": ("LGBMClassifier", {"pred_early_stop": True}, MIXED, TWO),
    "monotone": ("LGBMRegressor", {"monotone_constraints": [1, 0, 0, 0]}, NUMBERS, SCORE),
    "random forest": (
        *("LGBMClassifier", {"boosting_type": "rf", "subsample": 0.5, "subsample_freq": 1}),
        *(MIXED, THREE),
    ),
    "array": ("LGBMClassifier", {}, NUMBERS.to_numpy(), TWO),
}
OF_XGBOOST: dict[str, Case] = {
    "categories": ("XGBClassifier", {}, MIXED, TWO),
    "two classes": ("XGBClassifier", {}, NUMBERS, TWO),
    "three classes": ("XGBClassifier", {}, NUMBERS, THREE),
    "categories and three classes": ("XGBClassifier", {}, MIXED, THREE),
    "one category against all": ("XGBRegressor", {"max_cat_to_onehot": 9}, MIXED, SCORE),
    "dart": ("XGBRegressor", {"booster": "dart", "rate_drop": 0.3}, NUMBERS, SCORE),
    "base score": ("XGBRegressor", {"base_score": 0.25}, NUMBERS, SCORE),
    "base score of a class": ("XGBClassifier", {"base_score": 0.25}, NUMBERS, TWO),
    "monotone": ("XGBRegressor", {"monotone_constraints": (1, 0, 0, 0)}, NUMBERS, SCORE),
    "Poisson": ("XGBRegressor", {"objective": "count:poisson"}, NUMBERS, np.abs(SCORE)),
    "gamma": ("XGBRegressor", {"objective": "reg:gamma"}, NUMBERS, np.abs(SCORE) + 0.1),
    "Tweedie": ("XGBRegressor", {"objective": "reg:tweedie"}, NUMBERS, np.abs(SCORE)),
    "survival": ("XGBRegressor", {"objective": "survival:cox"}, NUMBERS, np.abs(SCORE)),
    "raw scores": ("XGBClassifier", {"objective": "binary:logitraw"}, NUMBERS, TWO),
    "quantiles": (
        *("XGBRegressor", {"objective": "reg:quantileerror", "quantile_alpha": [0.2, 0.8]}),
        *(NUMBERS, SCORE),
    ),
    "two targets": ("XGBRegressor", {}, NUMBERS, np.stack([SCORE, -SCORE], axis=1)),
    "leaves of two targets": (
        *("XGBRegressor", {"multi_strategy": "multi_output_tree"}),
        *(NUMBERS, np.stack([SCORE, -SCORE], axis=1)),
    ),
    "other missing value": ("XGBClassifier", {"missing": -1.0}, NUMBERS, TWO),
    "ranks": ("XGBRanker", {}, NUMBERS, THREE),
    "forest": ("XGBRFRegressor", {}, NUMBERS, SCORE),
    "forest of three classes": ("XGBRFClassifier", {}, NUMBERS, THREE),
    "hinge": ("XGBClassifier", {"objective": "binary:hinge"}, NUMBERS, TWO),
    "array": ("XGBClassifier", {}, NUMBERS.to_numpy(), TWO),
}
CITY = NUMBERS.assign(city=RANDOM.choice(["Bonn", "Oslo", "Rome"], ROWS).astype(object))
CODES = np.array([f"code {index:02}" for index in range(12)], dtype=object)
TWO_CATEGORIES = CITY.assign(code=RANDOM.choice(CODES, ROWS), unused="x")
OF_TWO_COLUMNS = {"cat_features": ["city", "code", "unused"], "n_estimators": 40}
OF_CATBOOST: dict[str, Case] = {
    "categories": ("CatBoostClassifier", {"cat_features": ["city"]}, CITY, TWO),
    "statistics of categories": ("CatBoostClassifier", OF_TWO_COLUMNS, TWO_CATEGORIES, THREE),
    "one-hot": (
        *("CatBoostRegressor", OF_TWO_COLUMNS | {"one_hot_max_size": 20}),
        *(TWO_CATEGORIES, SCORE),
    ),
    "statistics of one column at a time": (
        *("CatBoostClassifier", OF_TWO_COLUMNS | {"max_ctr_complexity": 1}),
        *(TWO_CATEGORIES, TWO),
    ),
    "texts as labels": ("CatBoostClassifier", {}, NUMBERS, TEXTS),
    "two classes": ("CatBoostClassifier", {}, NUMBERS, TWO),
    "three classes": ("CatBoostClassifier", {}, NUMBERS, THREE),
    "categories and three classes": ("CatBoostClassifier", {"cat_features": ["city"]}, CITY, THREE),
    "one class against all": (
        *("CatBoostClassifier", {"loss_function": "MultiClassOneVsAll"}),
        *(NUMBERS, THREE),
    ),
    "depth of ten": ("CatBoostRegressor", {"depth": 10}, NUMBERS, SCORE),
    "two numbers": (
        *("CatBoostRegressor", {"loss_function": "MultiRMSE"}),
        *(NUMBERS, np.stack([SCORE, -SCORE], axis=1)),
    ),
    "missing values are large": ("CatBoostClassifier", {"nan_mode": "Max"}, NUMBERS, TWO),
    "booleans as labels": ("CatBoostClassifier", {}, NUMBERS, TWO > 0),
    "floats as labels": ("CatBoostClassifier", {}, NUMBERS, TWO + 0.5),
    "several labels": (
        *("CatBoostClassifier", {"loss_function": "MultiLogloss"}),
        *(NUMBERS, np.stack([TWO, 1 - TWO, TWO], axis=1)),
    ),
    "number": ("CatBoostRegressor", {}, NUMBERS, SCORE),
    "number of categories": ("CatBoostRegressor", {"cat_features": ["city"]}, CITY, SCORE),
    "Poisson": ("CatBoostRegressor", {"loss_function": "Poisson"}, NUMBERS, np.abs(SCORE)),
    "uncertainty": ("CatBoostRegressor", {"loss_function": "RMSEWithUncertainty"}, NUMBERS, SCORE),
    "monotone": ("CatBoostRegressor", {"monotone_constraints": [1, 0, 0, 0]}, NUMBERS, SCORE),
    "leaf by leaf": ("CatBoostRegressor", {"grow_policy": "Lossguide"}, NUMBERS, SCORE),
    "ranks": ("CatBoostRanker", {}, NUMBERS, THREE),
}
OF_RANKERS: dict[str, dict[str, Any]] = {
    "LGBMRanker": {"group": [ROWS // 10] * 10},
    "XGBRanker": {"qid": np.repeat(np.arange(10), ROWS // 10)},
    "CatBoostRanker": {"group_id": np.repeat(np.arange(10), ROWS // 10)},
}


def fitted(name: str, case: Case, options: dict[str, Any]) -> Any:
    kind, parameters, X, y = case
    estimator = getattr(library(name), kind)(**{**options, **parameters})
    return estimator.fit(X, y, **OF_RANKERS.get(kind, {}))


@pytest.mark.parametrize("name", cases(OF_LIGHTGBM, quick=list(OF_LIGHTGBM)[:2]))
def test_lightgbm(name: str) -> None:
    case = OF_LIGHTGBM[name]
    check(fitted("lightgbm", case, LIGHTGBM), case[2], COUNTS)


def test_lightgbm_gets_no_array_without_rows_as_one_row() -> None:
    estimator = fitted("lightgbm", OF_LIGHTGBM["array"], LIGHTGBM)
    form = import_module("flask_skmodels.engines.lean.forms.lightgbm")
    scores = form._Scores(estimator, form._RAW_SCORE)
    assert scores(np.empty((0, 4))).shape == (0,)


def test_lightgbm_stops_at_the_best_iteration() -> None:
    lightgbm = library("lightgbm")
    estimator = lightgbm.LGBMRegressor(**LIGHTGBM | {"n_estimators": 60, "learning_rate": 0.9})
    stop = lightgbm.early_stopping(2, verbose=False)
    estimator.fit(
        NUMBERS[:200], SCORE[:200], eval_set=[(NUMBERS[200:], SCORE[200:])], callbacks=[stop]
    )
    assert estimator.best_iteration_ < 60
    check(estimator, NUMBERS, COUNTS)


@pytest.mark.parametrize("name", cases(OF_XGBOOST, quick=list(OF_XGBOOST)[:1]))
def test_xgboost(name: str) -> None:
    case = OF_XGBOOST[name]
    if case[2] is MIXED and Version(library("xgboost").__version__) < Version("3.1"):
        pytest.skip("XGBoost is older than 3.1")
    options = XGBOOST | {"enable_categorical": case[2] is MIXED}
    check(fitted("xgboost", case, options), case[2], COUNTS)


def test_xgboost_stops_at_the_best_iteration() -> None:
    xgboost = library("xgboost")
    options = XGBOOST | {"n_estimators": 60, "learning_rate": 0.9, "early_stopping_rounds": 2}
    estimator = xgboost.XGBRegressor(**options)
    estimator.fit(
        NUMBERS[:200], SCORE[:200], eval_set=[(NUMBERS[200:], SCORE[200:])], verbose=False
    )
    assert estimator.best_iteration < 50
    check(estimator, NUMBERS, COUNTS)


@pytest.mark.parametrize("name", cases(OF_CATBOOST, quick=list(OF_CATBOOST)[1:3]))
def test_catboost(name: str) -> None:
    case = OF_CATBOOST[name]
    check(fitted("catboost", case, CATBOOST), case[2], COUNTS)


def catboost_of_categories(**options: Any) -> tuple[Any, list[int], Callable[[Any], Any]]:
    """Return a model with categories, the rows of its own calls, and the scores of its trees."""
    model = library("catboost").CatBoostRegressor(**CATBOOST | OF_TWO_COLUMNS | options)
    model.fit(TWO_CATEGORIES, SCORE)
    form = import_module("flask_skmodels.engines.lean.forms.catboost")
    trees = import_module("flask_skmodels.engines.lean.forms.oblivious_trees")
    calls: list[int] = []

    def leaves_of(cells: Any) -> Any:
        calls.append(len(cells))
        return model.calc_leaf_indexes(pd.DataFrame(cells, columns=list(TWO_CATEGORIES)))

    found = form._trees_of(model, [4, 5, 6], leaves_of)
    assert isinstance(found, trees.CategoricalTrees)
    return model, calls, lambda rows: found(rows.to_numpy(object))


@pytest.mark.parametrize("options", [{}, {"one_hot_max_size": 20}], ids=["statistics", "one-hot"])
def test_catboost_is_called_once_for_the_same_categories(options: dict[str, Any]) -> None:
    model, calls, scores = catboost_of_categories(**options)
    rows = TWO_CATEGORIES[:1]
    other_numbers = rows.assign(a=-rows["a"], b=np.nan)
    for each in (
        rows,
        other_numbers,
        rows.assign(city="unseen"),
        rows.assign(code="code 05"),
        rows,
    ):
        assert_equal(scores(each), model.predict(each))
    assert calls == [1, 1, 1]
    together = pd.concat([rows, rows.assign(city="also unseen"), other_numbers])
    assert_equal(scores(together), model.predict(together))
    assert calls == [1, 1, 1, 3]


def test_catboost_keeps_a_limited_number_of_categories(monkeypatch: pytest.MonkeyPatch) -> None:
    trees = library("flask_skmodels.engines.lean.forms.oblivious_trees")
    monkeypatch.setattr(trees, "MAX_BYTES_OF_RESULTS", 1000)
    model, calls, scores = catboost_of_categories(one_hot_max_size=20)
    rows = [TWO_CATEGORIES[:1].assign(city=f"city {index}") for index in range(50)]
    for row in [*rows, rows[-1], rows[0]]:
        assert_equal(scores(row), model.predict(row))
    assert len(calls) == 51


def test_statistics_that_depend_on_numbers_are_left_to_catboost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    catboost = library("catboost")
    options = OF_TWO_COLUMNS | {"max_ctr_complexity": 4, "depth": 6}
    parity = CODES.searchsorted(TWO_CATEGORIES["code"]) % 2
    target = parity ^ (NUMBERS["a"] > 0) ^ (CITY["city"] == "Bonn")
    model = catboost.CatBoostClassifier(**CATBOOST | options).fit(TWO_CATEGORIES, target)
    with caplog.at_level(logging.INFO, logger="flask_skmodels"):
        check(model, TWO_CATEGORIES, COUNTS)
    assert "its statistics of categories depend on numbers" in caplog.text


@pytest.mark.full
def test_catboost_stops_at_the_best_iteration() -> None:
    estimator = library("catboost").CatBoostRegressor(**CATBOOST | {"n_estimators": 60})
    estimator.set_params(learning_rate=0.9, early_stopping_rounds=2)
    estimator.fit(NUMBERS[:200], SCORE[:200], eval_set=(NUMBERS[200:], SCORE[200:]))
    assert estimator.tree_count_ < 60
    check(estimator, NUMBERS, COUNTS)


@pytest.mark.full
def test_catboost_with_another_threshold_of_its_probabilities() -> None:
    estimator = library("catboost").CatBoostClassifier(**CATBOOST).fit(NUMBERS, TWO)
    before = estimator.predict(NUMBERS)
    estimator.set_probability_threshold(0.8)
    assert (estimator.predict(NUMBERS) != before).any()
    check(estimator, NUMBERS, COUNTS)


def test_catboost_model_of_texts_is_not_written_and_read_again() -> None:
    """CatBoost 1.2.10 ends the process if such a model, itself a copy, is copied."""
    catboost, X = (
        library("catboost"),
        NUMBERS[["a"]].assign(note=["a good day", "no"] * (ROWS // 2)),
    )
    original = catboost.CatBoostClassifier(**CATBOOST, text_features=["note"]).fit(X, TWO)
    estimator = copy(original)
    with count_copies(catboost.CatBoostClassifier) as copies:
        models, app, engine = engine_of(estimator, "predict", {"a": {}, "note": {"type": "string"}})
    assert not copies
    assert engine == {
        "name": "sklearn",
        "reason": "CatBoostClassifier: it takes texts or embeddings",
    }
    assert_equal(models.predict("case", X[:9], app=app).outputs, original.predict(X[:9]))


@contextmanager
def count_copies(cls: Any) -> Iterator[list[Any]]:
    """Return a context with a list of the states of which CatBoost makes an estimator."""
    states: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cls, "__setstate__", lambda self, state: states.append(state))
        yield states


def in_pipeline(booster: Any) -> Any:
    return make_pipeline(StandardScaler(), booster)


def in_search(booster: Any) -> Any:
    return GridSearchCV(booster, {"max_depth": [3]}, cv=2)


def in_vote(booster: Any) -> Any:
    return VotingClassifier([("one", booster)], voting="soft")


OUTER = (in_pipeline, in_search, in_vote, partial(CalibratedClassifierCV, cv=2))
BOOSTERS = {
    "lightgbm": ("LGBMClassifier", LIGHTGBM),
    "xgboost": ("XGBClassifier", XGBOOST),
    "catboost": ("CatBoostClassifier", CATBOOST),
}


@pytest.mark.parametrize("outer", cases(OUTER, quick=OUTER[:1]), ids=label)
@pytest.mark.parametrize("name", cases(BOOSTERS, quick=["xgboost"]))
def test_booster_in_another_estimator(name: str, outer: Any) -> None:
    kind, options = BOOSTERS[name]
    booster = getattr(library(name), kind)(**options)
    check(outer(booster).fit(NUMBERS, TWO), NUMBERS, COUNTS)


def engine_of(
    estimator: Any, method: str, schema: Any = None
) -> tuple[SKModels, Flask, dict[str, Any]]:
    models, app = SKModels(), Flask("booster")
    models.add("case", estimator, methods=[method], schema=schema)
    models.init_app(app)
    return models, app, (app.test_client().get("/case/").json or {})["engine"]


def codes_of_other_categories(self: Any, row: Any) -> list[Any]:
    values = list(row)
    for index, codes in self._codes.items():
        values[index] = (codes.get(values[index], np.nan) + 1) % len(codes)
    return [np.nan if value is None else value for value in values]


def test_corrupt_codes_are_not_served(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    is_bonn = (MIXED["city"] == "Bonn").astype(int)
    estimator = library("lightgbm").LGBMClassifier(**LIGHTGBM).fit(MIXED, is_bonn)
    monkeypatch.setattr(coded_columns.CodedColumns, "_coded", codes_of_other_categories)
    with caplog.at_level(logging.WARNING, logger="flask_skmodels"):
        models, app, engine = engine_of(estimator, "predict_proba")
    assert engine["name"] == "sklearn"
    assert engine["reason"].startswith("LGBMClassifier: the lean form differs on ")
    assert engine["reason"] in caplog.text
    outputs = models.predict("case", MIXED[:1], "predict_proba", app=app).outputs
    assert_equal(outputs, estimator.predict_proba(MIXED[:1]))


def less_or_equal(right: Any) -> Any:
    def nodes(tree: Any, columns: Any) -> Any:
        made = right(tree, columns)
        made["threshold"] = np.asarray(tree["split_conditions"])
        return made

    return nodes


def missing_to_the_other_side(right: Any) -> Any:
    def nodes(tree: Any, columns: Any) -> Any:
        made = right(tree, columns)
        made["missing_go_to_left"] = 1 - made["missing_go_to_left"]
        return made

    return nodes


def without_base_score(right: Any) -> Any:
    return lambda *arguments: right(*arguments) * np.float32(0)


def exponential_of_numpy(right: Any) -> Any:
    return lambda scores, exponential: np.exp(scores)


def other_class(right: Any) -> Any:
    return lambda scores: ~right(scores)


def columns_backwards(right: Any) -> Any:
    return lambda width: lambda X: right(width)(X)[:, ::-1].copy()


def next_border(right: Any) -> Any:
    def padded(columns: Any, borders: Any, sizes: Any, count: int) -> Any:
        return right(columns, np.nextafter(borders, np.float32(-np.inf)), sizes, count)

    return padded


CORRUPT = {
    "less or equal": ("xgboost", "xgboost.xgboost_trees", "_nodes", less_or_equal),
    "missing values": ("xgboost", "xgboost.xgboost_trees", "_nodes", missing_to_the_other_side),
    "base score": ("xgboost", "xgboost.xgboost_trees", "_bases", without_base_score),
    "last bits": ("xgboost", "xgboost.xgboost_trees", "_powers", exponential_of_numpy),
    "splits": ("catboost", "oblivious_trees", "_padded", next_border),
    "other class": ("catboost", "catboost", "_class_indices", other_class),
    "other columns": ("catboost", "catboost", "_singles", columns_backwards),
}


@pytest.mark.parametrize("what", cases(CORRUPT, quick=["less or equal", "other class"]))
def test_corrupt_form_is_not_served(
    what: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    name, module, function, corrupt = CORRUPT[what]
    kind, options = BOOSTERS[name]
    method = "predict" if name == "catboost" else "predict_proba"
    estimator = getattr(library(name), kind)(**options).fit(NUMBERS, TWO)
    forms = library(f"flask_skmodels.engines.lean.forms.{module}")
    monkeypatch.setattr(forms, function, corrupt(getattr(forms, function)))
    with caplog.at_level(logging.WARNING, logger="flask_skmodels"):
        models, app, engine = engine_of(estimator, method)
    assert engine["name"] == "sklearn"
    assert engine["reason"].startswith(f"{kind}: the lean form ")
    assert engine["reason"] in caplog.text
    outputs = models.predict("case", NUMBERS[:9], method, app=app).outputs
    assert_equal(outputs, getattr(estimator, method)(NUMBERS[:9]))


def test_result_of_another_length_is_not_written() -> None:
    """A damaged model of LightGBM says that it has one tree for three classes."""
    lightgbm = library("lightgbm")
    estimator = lightgbm.LGBMClassifier(**LIGHTGBM).fit(NUMBERS, THREE)
    text = estimator.booster_.model_to_string()
    for name in ("num_tree_per_iteration=3", "objective=multiclass num_class:3"):
        assert name in text
        text = text.replace(name, name.replace("3", "1"))
    estimator._Booster = lightgbm.Booster(model_str=text)
    _, _, engine = engine_of(estimator, "predict_proba")
    assert engine["name"] == "sklearn"


def test_child_that_does_not_exist_is_not_followed() -> None:
    xgboost = library("xgboost")
    trees = library("flask_skmodels.engines.lean.forms.xgboost.xgboost_trees")
    booster = xgboost.XGBClassifier(**XGBOOST).fit(NUMBERS, TWO).get_booster()
    learner = read_universal_json(bytes(booster.save_raw("ubj")))["learner"]
    tree = learner["gradient_booster"]["model"]["trees"][3]
    children = tree["left_children"].copy()
    children[0] = 2**30
    tree["left_children"] = children
    with pytest.raises(Unsound):
        trees.XGBoostTrees(learner, 0, 0, abs, abs)


MOVED = {
    "lightgbm": ("lightgbm", "_param_dict_to_str"),
    "xgboost": ("xgboost.sklearn_api", "_LIB"),
    "catboost": ("catboost", "Pool"),
}


@pytest.mark.parametrize("name", MOVED)
def test_internal_that_has_moved_leads_to_the_native_method(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kind, options = BOOSTERS[name]
    module, internal = MOVED[name]
    forms = library(f"flask_skmodels.engines.lean.forms.{module}")
    estimator = getattr(library(name), kind)(**options).fit(NUMBERS, TWO)
    moved = type("moved", (), {k: v for k, v in vars(forms.library).items() if k != internal})
    monkeypatch.setattr(forms, "library", moved)
    with caplog.at_level(logging.INFO, logger="flask_skmodels"):
        models, app, engine = engine_of(estimator, "predict_proba")
    assert engine["name"] == "sklearn"
    assert "is served by scikit-learn's native methods" in caplog.text
    outputs = models.predict("case", NUMBERS[:3], "predict_proba", app=app).outputs
    assert_equal(outputs, estimator.predict_proba(NUMBERS[:3]))


@pytest.mark.parametrize("damage", ["cut off", "other leaves", "no splits"])
def test_damaged_trees_of_catboost_are_not_followed(damage: str) -> None:
    trees = library("flask_skmodels.engines.lean.forms.oblivious_trees")
    model = library("catboost").CatBoostRegressor(**CATBOOST).fit(NUMBERS, SCORE)
    buffer, leaves = model._serialize_model(), model.get_leaf_values().astype("<f8").tobytes()
    place = buffer.index(leaves) - 4
    damaged = {
        "cut off": buffer[: len(buffer) // 2],
        "other leaves": buffer[:place] + (len(leaves) // 8 - 1).to_bytes(4, "little") + leaves,
        "no splits": b"CBM1" + bytes(len(buffer) - 4),
    }[damage]
    with pytest.raises((Decline, struct.error)):
        trees.ObliviousTrees(damaged, *model.get_scale_and_bias())


def test_catboost_model_in_another_format_is_left_to_catboost(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    catboost = library("catboost")
    estimator = catboost.CatBoostClassifier(**CATBOOST).fit(NUMBERS, TWO)
    monkeypatch.setattr(estimator, "_serialize_model", lambda: b"CBM2")
    with caplog.at_level(logging.INFO, logger="flask_skmodels"):
        check(estimator, NUMBERS, COUNTS)
    assert "the trees of CatBoostClassifier are left to CatBoost: " in caplog.text


def test_trees_that_are_stored_in_another_way_are_left_to_xgboost(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    xgboost = library("xgboost")
    forms = library("flask_skmodels.engines.lean.forms.xgboost.sklearn_api")
    monkeypatch.setattr(forms, "read_universal_json", lambda data: {"learners": []})
    estimator = xgboost.XGBClassifier(**XGBOOST).fit(NUMBERS, TWO)
    with caplog.at_level(logging.INFO, logger="flask_skmodels"):
        check(estimator, NUMBERS, COUNTS)
    assert "the trees of XGBClassifier are left to XGBoost: " in caplog.text
