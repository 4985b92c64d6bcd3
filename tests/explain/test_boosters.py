"""LightGBM, XGBoost and CatBoost explain themselves, if their file is pinned or trusted."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask import Flask
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from flask_skmodels import Artifact, ArtifactError, ModelError, SKModels
from tests.support.selection import cases
from tests.support.skips import library

_random = np.random.default_rng(0)
ROWS = 200
X = pd.DataFrame(
    {"age": _random.normal(40, 10, ROWS), "income": _random.normal(3, 1, ROWS), "z": 1.0}
)
X.loc[::9, "income"] = np.nan
SCORE = X["age"] / 10 + X["income"].fillna(0)
TARGETS = {
    "score": SCORE,
    "two": (SCORE > 7).astype(int),
    "three": np.digitize(SCORE, [6, 8]),
    "scores": np.column_stack([SCORE, -SCORE]),
}
LIGHT: dict[str, Any] = {"n_estimators": 8, "verbose": -1, "n_jobs": 1}
EXTREME: dict[str, Any] = {"n_estimators": 8, "n_jobs": 1}
CAT: dict[str, Any] = {
    "iterations": 8,
    "verbose": 0,
    "thread_count": 1,
    "allow_writing_files": False,
}
BOOSTERS: dict[str, tuple[str, dict[str, Any]]] = {
    "lightgbm-score": ("lightgbm.LGBMRegressor", LIGHT),
    "lightgbm-two": ("lightgbm.LGBMClassifier", LIGHT),
    "lightgbm-three": ("lightgbm.LGBMClassifier", LIGHT),
    "lightgbm-poisson-score": ("lightgbm.LGBMRegressor", {**LIGHT, "objective": "poisson"}),
    "lightgbm-forest-score": (
        "lightgbm.LGBMRegressor",
        {**LIGHT, "boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.7},
    ),
    "xgboost-score": ("xgboost.XGBRegressor", EXTREME),
    "xgboost-two": ("xgboost.XGBClassifier", EXTREME),
    "xgboost-three": ("xgboost.XGBClassifier", EXTREME),
    "xgboost-scores": ("xgboost.XGBRegressor", EXTREME),
    "xgboost-dart-score": ("xgboost.XGBRegressor", {**EXTREME, "booster": "dart"}),
    "xgboost-forest-two": ("xgboost.XGBRFClassifier", EXTREME),
    "catboost-score": ("catboost.CatBoostRegressor", CAT),
    "catboost-two": ("catboost.CatBoostClassifier", CAT),
    "catboost-margins-two": (
        "catboost.CatBoostClassifier",
        {**CAT, "loss_function": "MultiClass"},
    ),
    "catboost-three": ("catboost.CatBoostClassifier", CAT),
}
QUICK = ["lightgbm-three", "xgboost-two"]
TOLERANCES = {"lightgbm": 1e-9, "xgboost": 1e-5, "catboost": 1e-9}


def booster(name: str, **options: Any) -> Any:
    """Return a fitted estimator of a boosting library."""
    path, parameters = BOOSTERS[name]
    module, _, cls = path.partition(".")
    estimator = getattr(library(module), cls)(**{**parameters, **options})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(X, TARGETS[name.rpartition("-")[2]])


def explained(estimator: Any, rows: Any, **attributes: Any) -> tuple[Any, str]:
    """Return the explanations, of shape (rows, outputs, fields + 2), and their rule."""
    app, models = Flask(__name__), SKModels()
    models.init_app(app)
    models.add("model", estimator, explain=True, **attributes)
    prediction = models.predict("model", rows, "explain", app=app)
    assert prediction.layout is not None
    width = prediction.layout.width
    return prediction.outputs.reshape(len(rows), -1, width), prediction.layout.rule


def raw(estimator: Any, rows: Any) -> Any:
    module = type(estimator).__module__.partition(".")[0]
    options: dict[str, dict[str, Any]] = {
        "lightgbm": {"raw_score": True},
        "xgboost": {"output_margin": True},
        "catboost": {"prediction_type": "RawFormulaVal"},
    }
    outputs = np.asarray(estimator.predict(rows, **options[module]))
    return outputs.reshape(len(outputs), -1)


@pytest.mark.no_cover  # measuring the coverage doubles the time
@pytest.mark.parametrize("name", cases(BOOSTERS, quick=QUICK))
def test_contributions_add_up_to_the_margin_for_10_000_rows(name: str) -> None:
    estimator = booster(name)
    rows = pd.concat([X] * 50, ignore_index=True)
    rows["age"] += np.linspace(-5, 5, len(rows))
    parts, rule = explained(estimator, rows)
    assert rule == "pred_contribs"
    margins = raw(estimator, rows)
    if name.endswith("-two") and margins.shape[1] == 2:
        margins = margins[:, 1:] - margins[:, :1]
    tolerance = TOLERANCES[name.partition("-")[0]]
    np.testing.assert_allclose(parts[:, :, -1], margins, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(
        parts[:, :, :-1].sum(axis=2), margins, rtol=tolerance, atol=tolerance
    )


@pytest.mark.full  # shap takes seconds to import
@pytest.mark.parametrize("name", ["lightgbm-two", "lightgbm-three", "xgboost-score"])
def test_boosters_are_explained_as_by_shap(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shap = library("shap")
        estimator = booster(name)
        values = np.asarray(shap.TreeExplainer(estimator).shap_values(X))
    values = values[:, :, np.newaxis] if values.ndim == 2 else values
    parts, _ = explained(estimator, X)
    np.testing.assert_allclose(parts[:, :, 1:-1], np.moveaxis(values, 1, 2), rtol=1e-4, atol=1e-5)


@pytest.mark.full
def test_the_columns_of_a_field_are_folded_back() -> None:
    light = library("lightgbm")
    frame = X[["age"]].assign(city=_random.choice(list("abc"), ROWS))
    encoder = make_column_transformer(
        (OneHotEncoder(), ["city"]), remainder="passthrough", sparse_threshold=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline = make_pipeline(encoder, light.LGBMRegressor(**LIGHT)).fit(frame, SCORE)
        by_column = pipeline[-1].predict(pipeline[0].transform(frame), pred_contrib=True)
    parts, _ = explained(pipeline, frame)
    np.testing.assert_allclose(parts[:, 0, 1], by_column[:, 3])
    np.testing.assert_allclose(parts[:, 0, 2], by_column[:, :3].sum(axis=1))


@pytest.mark.full
def test_categories_of_pandas() -> None:
    light = library("lightgbm")
    city = pd.Categorical(_random.choice(list("abc"), ROWS))
    frame = X[["age"]].assign(city=city)
    estimator = light.LGBMRegressor(**LIGHT).fit(frame, SCORE + 3 * city.codes)
    parts, _ = explained(estimator, frame)
    np.testing.assert_allclose(parts[:, 0, 1:3], estimator.predict(frame, pred_contrib=True)[:, :2])


@pytest.mark.full  # CatBoost takes long to import
def test_categories_of_catboost() -> None:
    cat = library("catboost")
    frame = X[["age"]].assign(city=_random.choice(list("abc"), ROWS))
    estimator = cat.CatBoostRegressor(**CAT, cat_features=["city"]).fit(frame, SCORE)
    parts, _ = explained(estimator, frame)
    np.testing.assert_allclose(parts[:, 0, :-1].sum(axis=1), estimator.predict(frame))


@pytest.mark.full
def test_linear_trees_are_refused() -> None:
    estimator = booster("lightgbm-score", linear_tree=True)
    with pytest.raises(ModelError, match="not implemented for linear trees"):
        explained(estimator, X)


def file_of(tmp_path: Path) -> Path:
    skops, estimator = library("skops.io"), booster("xgboost-two")
    skops.dump(estimator, tmp_path / "risk.skops")
    return tmp_path / "risk.skops"


def trusted_types() -> list[str]:
    return ["xgboost.core.Booster", "xgboost.sklearn.XGBClassifier"]


def serve(artifact: Artifact, **config: Any) -> Any:
    app, models = Flask(__name__), SKModels()
    app.config.from_mapping({"SKMODELS_TRIAL": False, **config})
    models.init_app(app)
    models.add("risk", artifact, explain=True)
    return app.test_client().post("/risk/explain/", json={"age": 40, "income": 3, "z": 1})


def test_a_file_that_is_not_pinned_is_not_explained_by_native_code(tmp_path: Path) -> None:
    artifact = Artifact(file_of(tmp_path), trusted=trusted_types())
    with pytest.raises(ArtifactError, match="only for files that are pinned or trusted"):
        serve(artifact)


def test_a_file_that_is_pinned_is_explained(tmp_path: Path) -> None:
    from hashlib import sha256

    path = file_of(tmp_path)
    digest = sha256(path.read_bytes()).hexdigest()
    assert serve(Artifact(path, trusted=trusted_types(), sha256=digest)).status_code == 200


def test_a_file_that_the_application_accepts_is_explained(tmp_path: Path) -> None:
    artifact = Artifact(file_of(tmp_path), trusted=trusted_types())
    assert serve(artifact, SKMODELS_VERIFY=lambda path, data: True).status_code == 200
