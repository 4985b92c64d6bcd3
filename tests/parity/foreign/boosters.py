"""Estimators of LightGBM, XGBoost and CatBoost, and pipelines that end with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import (
    StackingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OrdinalEncoder,
    StandardScaler,
)

from tests.parity.data import KINDS, NUMBERS
from tests.parity.foreign.entry import Entry, Library
from tests.parity.foreign.steps import LR, VISITS, steps

lightgbm, xgboost, catboost = Library("lightgbm"), Library("xgboost"), Library("catboost")
FEW: dict[str, Any] = {"n_estimators": 4, "n_jobs": 1, "random_state": 0}
CAT: dict[str, Any] = {
    "iterations": 4,
    "thread_count": 1,
    "random_seed": 0,
    "allow_writing_files": False,
    "verbose": False,
}
ISLANDS = ["Biscoe", "Dream", "Torgersen"]


def lgbm(kind: str = "LGBMClassifier", **parameters: Any) -> Any:
    return getattr(lightgbm, kind)(**FEW, min_child_samples=5, verbose=-1, **parameters)


def xgb(kind: str = "XGBClassifier", **parameters: Any) -> Any:
    return getattr(xgboost, kind)(**FEW, **parameters)


def cat(kind: str = "CatBoostClassifier", **parameters: Any) -> Any:
    return getattr(catboost, kind)(**CAT, **parameters)


def _categorized(X: pd.DataFrame) -> pd.DataFrame:
    """Make a category of the island, whose categories are written in the code."""
    return X.assign(island=pd.Categorical(X["island"], categories=ISLANDS))


def _all_categories(X: pd.DataFrame) -> pd.DataFrame:
    return X.astype(dict.fromkeys(KINDS, "category"))


MAKES_CATEGORIES = FunctionTransformer(_categorized)
NO_SEX = "whole penguins: bill_length_mm body_mass_g island"
NO_SEX_SCHEMA = {"bill_length_mm": {}, "body_mass_g": {}, "island": {"type": "string"}}

LIGHTGBM = {
    "categories": Entry("whole penguins", lgbm, container="categories"),
    "categories with missing values": Entry("penguins", lgbm, container="categories"),
    "categories and a regressor": Entry(
        "whole penguins", lambda: lgbm("LGBMRegressor"), container="categories"
    ),
    "categories made from texts": Entry(
        NO_SEX, lambda: steps(MAKES_CATEGORIES, lgbm()), schema=NO_SEX_SCHEMA
    ),
    "nullable columns": Entry(
        "shop: visits price amount member score",
        lgbm,
        container="nullable",
        schema={**VISITS, "score": {"nullable": True}},
    ),
    "booleans and integers": Entry(
        "shop: member visits zip price",
        lgbm,
        schema={"member": {"type": "boolean"}, "visits": {}, "zip": {}, "price": {}},
    ),
    "random forest": Entry(
        "iris",
        lambda: lgbm(boosting_type="rf", subsample=0.5, subsample_freq=1),
    ),
    "dart": Entry("iris", lambda: lgbm(boosting_type="dart")),
    "linear trees": Entry("iris", lambda: lgbm("LGBMRegressor", linear_tree=True)),
    "calibrated": Entry("iris", lambda: CalibratedClassifierCV(lgbm(), cv=2)),
    "logarithm of the target": Entry(
        "wine",
        lambda: TransformedTargetRegressor(lgbm("LGBMRegressor"), func=np.log, inverse_func=np.exp),
    ),
    "ordinal encoder with categorical_feature": Entry(
        "whole penguins",
        lambda: steps(
            make_column_transformer((OrdinalEncoder(), KINDS), ("passthrough", NUMBERS)), lgbm()
        ),
    ),
    "imputed pyarrow columns": Entry(
        "iris", lambda: steps(SimpleImputer(), lgbm()), container="pyarrow"
    ),
}

XGBOOST = {
    "categories": Entry(
        "whole penguins",
        lambda: xgb(enable_categorical=True),
        container="categories",
        target="codes",
    ),
    "categories with missing values": Entry(
        "penguins", lambda: xgb(enable_categorical=True), container="categories", target="codes"
    ),
    "categories and a regressor": Entry(
        "whole penguins",
        lambda: xgb("XGBRegressor", enable_categorical=True),
        container="categories",
    ),
    "categories made from texts": Entry(
        NO_SEX,
        lambda: steps(MAKES_CATEGORIES, xgb(enable_categorical=True)),
        target="codes",
        schema=NO_SEX_SCHEMA,
    ),
    "nullable columns": Entry(
        "shop: visits price amount member score",
        xgb,
        container="nullable",
        target="codes",
        schema={**VISITS, "score": {"nullable": True}},
    ),
    "booleans and integers": Entry(
        "shop: member visits zip price",
        xgb,
        target="codes",
        schema={"member": {"type": "boolean"}, "visits": {}, "zip": {}, "price": {}},
    ),
    "polars frame": Entry("iris", xgb, container="polars", target="codes"),
    "random forest": Entry("iris", lambda: xgb("XGBRFClassifier"), target="codes"),
    "linear booster": Entry(
        "iris", lambda: xgb("XGBRegressor", booster="gblinear", updater="coord_descent")
    ),
    "dart": Entry("iris", lambda: xgb(booster="dart"), target="codes"),
    "own missing value": Entry("iris", lambda: xgb(missing=-1.0), target="codes"),
    "voting with a scaled linear model": Entry(
        "iris",
        lambda: StackingClassifier(
            [("xgb", xgb()), ("lr", steps(StandardScaler(), LR))], clone(LR), cv=2
        ),
    ),
    "pyarrow columns": Entry("iris", xgb, container="pyarrow", target="codes"),
}

CATBOOST = {
    "texts as cat_features": Entry("whole penguins", lambda: cat(cat_features=KINDS)),
    "categories as cat_features": Entry(
        "whole penguins", lambda: cat(cat_features=KINDS), container="categories"
    ),
    "integers as cat_features": Entry(
        "shop: zip price amount",
        lambda: cat(cat_features=["zip"]),
        needs_profile="the estimator does not hold that the zip code is an integer",
    ),
    "integers as cat_features with a schema": Entry(
        "shop: zip price amount",
        lambda: cat(cat_features=["zip"]),
        schema={"zip": {"type": "integer"}, "price": {}, "amount": {"nullable": True}},
    ),
    "booleans as cat_features": Entry(
        "shop: member price visits",
        lambda: cat(cat_features=["member"]),
        needs_profile="the estimator does not hold that the column was boolean",
    ),
    "text_features": Entry(
        "shop: note price",
        lambda: cat(text_features=["note"]),
        needs_profile="the estimator does not hold that the column was text",
    ),
    "regressor with texts": Entry(
        "whole penguins", lambda: cat("CatBoostRegressor", cat_features=KINDS)
    ),
    "missing numbers": Entry("penguins: bill_length_mm body_mass_g", cat),
    "imputed texts": Entry(
        "penguins: island sex body_mass_g",
        lambda: make_pipeline(FunctionTransformer(_unknown_sex), cat(cat_features=KINDS)),
        schema={
            "island": {"type": "string"},
            "sex": {"type": "string", "nullable": True},
            "body_mass_g": {"nullable": True},
        },
    ),
    "after an ordinal encoder": Entry(
        "penguins",
        lambda: steps(
            make_column_transformer((OrdinalEncoder(), KINDS), ("passthrough", NUMBERS)), cat()
        ),
    ),
    "calibrated": Entry("iris", lambda: CalibratedClassifierCV(cat(), cv=2)),
    "nullable columns": Entry(
        "shop: visits price member",
        cat,
        container="nullable",
        schema={"visits": {}, "price": {}, "member": {"type": "boolean"}},
    ),
    "polars frame": Entry("iris", cat, container="polars"),
}


def _unknown_sex(X: pd.DataFrame) -> pd.DataFrame:
    return X.assign(sex=X["sex"].fillna("unknown"))
