"""Pipelines with encoders of category_encoders and skrub."""

from __future__ import annotations

from typing import Any

import pandas as pd
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.preprocessing import (
    FunctionTransformer,
    OrdinalEncoder,
    StandardScaler,
)

from tests.parity.data import KINDS, NUMBERS
from tests.parity.foreign.entry import Entry, Library
from tests.parity.foreign.steps import HGB, LENIENT, LR, PENGUINS, TREE, WHOLE_PENGUINS, steps

ce = Library("category_encoders")


def encoded(encoder: Any, final: Any = LR) -> Any:
    """Return a pipeline of an encoder of the penguins' texts, an imputer and a last step."""
    return steps(encoder, SimpleImputer(), final)


CATEGORY_ENCODERS = {
    "BackwardDifferenceEncoder": Entry(
        "penguins", lambda: encoded(ce.BackwardDifferenceEncoder(cols=KINDS))
    ),
    "BaseNEncoder": Entry("penguins", lambda: encoded(ce.BaseNEncoder(cols=KINDS, base=3))),
    "BinaryEncoder": Entry("penguins", lambda: encoded(ce.BinaryEncoder(cols=KINDS))),
    "CatBoostEncoder": Entry("penguins", lambda: encoded(ce.CatBoostEncoder(cols=KINDS), TREE)),
    "CountEncoder": Entry("penguins", lambda: encoded(ce.CountEncoder(cols=KINDS))),
    "GrayEncoder": Entry("penguins", lambda: encoded(ce.GrayEncoder(cols=KINDS))),
    "HashingEncoder": Entry(
        "penguins",
        lambda: encoded(ce.HashingEncoder(cols=KINDS, n_components=4, max_process=1)),
    ),
    "HelmertEncoder": Entry("penguins", lambda: encoded(ce.HelmertEncoder(cols=KINDS))),
    "JamesSteinEncoder": Entry("penguins", lambda: encoded(ce.JamesSteinEncoder(cols=KINDS), TREE)),
    "LeaveOneOutEncoder": Entry(
        "penguins", lambda: encoded(ce.LeaveOneOutEncoder(cols=KINDS), TREE)
    ),
    "MEstimateEncoder": Entry(
        "penguins", lambda: encoded(ce.MEstimateEncoder(cols=KINDS), LR), target="binary"
    ),
    "OneHotEncoder": Entry("penguins", lambda: encoded(ce.OneHotEncoder(cols=KINDS))),
    "OrdinalEncoder": Entry("penguins", lambda: encoded(ce.OrdinalEncoder(cols=KINDS), HGB)),
    "PolynomialEncoder": Entry("penguins", lambda: encoded(ce.PolynomialEncoder(cols=KINDS))),
    "QuantileEncoder": Entry("penguins", lambda: encoded(ce.QuantileEncoder(cols=KINDS), TREE)),
    "RankHotEncoder": Entry("penguins", lambda: encoded(ce.RankHotEncoder(cols=KINDS))),
    "SumEncoder": Entry("penguins", lambda: encoded(ce.SumEncoder(cols=KINDS))),
    "SummaryEncoder": Entry("penguins", lambda: encoded(ce.SummaryEncoder(cols=KINDS), TREE)),
    "TargetEncoder": Entry("penguins", lambda: encoded(ce.TargetEncoder(cols=KINDS), TREE)),
    "WOEEncoder": Entry("penguins", lambda: encoded(ce.WOEEncoder(cols=KINDS)), target="binary"),
    "TargetEncoder that finds its columns": Entry(
        "shop: town price kind amount",
        lambda: encoded(ce.TargetEncoder(), TREE),
        schema={
            "town": {"type": "string"},
            "price": {},
            "kind": {"type": "string", "nullable": True},
            "amount": {"nullable": True},
        },
    ),
    "OrdinalEncoder of a zip code": Entry(
        "shop: zip price", lambda: steps(ce.OrdinalEncoder(cols=["zip"]), HGB)
    ),
    "OneHotEncoder of a zip code that is a text": Entry(
        "shop: zip price",
        lambda: steps(FunctionTransformer(_zip_as_text), ce.OneHotEncoder(cols=["zip"]), LR),
        needs_profile="the estimator does not hold that the zip code is an integer",
    ),
    "CountEncoder of categories": Entry(
        "whole penguins",
        lambda: encoded(ce.CountEncoder(cols=KINDS)),
        container="categories",
    ),
    "TargetEncoder of objects": Entry(
        "penguins", lambda: encoded(ce.TargetEncoder(cols=KINDS), TREE), container="objects"
    ),
    "BinaryEncoder of nullable columns": Entry(
        "whole penguins", lambda: encoded(ce.BinaryEncoder(cols=KINDS)), container="nullable"
    ),
    "encoder alone": Entry(
        "whole penguins: island sex", lambda: ce.OneHotEncoder(cols=KINDS, use_cat_names=True)
    ),
    "encoder inside a ColumnTransformer": Entry(
        "penguins",
        lambda: steps(
            ColumnTransformer(
                [
                    ("kinds", ce.TargetEncoder(), KINDS),
                    ("numbers", SimpleImputer(), NUMBERS),
                ]
            ),
            Ridge(),
        ),
    ),
    "schema in place of a profile": Entry(
        "penguins", lambda: encoded(ce.CatBoostEncoder(cols=KINDS), TREE), schema=PENGUINS
    ),
}


def _zip_as_text(X: pd.DataFrame) -> pd.DataFrame:
    return X.assign(zip=X["zip"].astype(str))


skrub = Library("skrub")
SHOP = "shop: town kind visits price amount member since note"

SKRUB = {
    "TableVectorizer": Entry(
        "penguins",
        lambda: steps(skrub.TableVectorizer(), SimpleImputer(), Ridge()),
        schema=PENGUINS,
    ),
    "TableVectorizer of all types": Entry(
        SHOP,
        lambda: steps(
            skrub.TableVectorizer(high_cardinality=skrub.MinHashEncoder(n_components=3)),
            SimpleImputer(),
            Ridge(),
        ),
        needs_profile="the estimator does not hold the types of its columns",
    ),
    "TableVectorizer of a polars frame": Entry(
        SHOP,
        lambda: steps(
            skrub.TableVectorizer(high_cardinality=skrub.MinHashEncoder(n_components=3)),
            SimpleImputer(),
            Ridge(),
        ),
        container="polars",
        needs_profile="the estimator does not hold the types of its columns",
    ),
    "TableVectorizer of numbers": Entry("wine", lambda: steps(skrub.TableVectorizer(), LR)),
    "tabular_pipeline of a classifier": Entry(
        "penguins", lambda: skrub.tabular_pipeline(clone(HGB)), schema=PENGUINS
    ),
    "tabular_pipeline of a linear model": Entry(
        "whole penguins", lambda: skrub.tabular_pipeline(clone(LR)), schema=WHOLE_PENGUINS
    ),
    "tabular_pipeline of categories": Entry(
        "whole penguins",
        lambda: skrub.tabular_pipeline(clone(HGB)),
        container="categories",
        needs_profile="the estimator does not hold the categories",
    ),
    "SelectCols": Entry(
        "penguins",
        lambda: steps(skrub.SelectCols(NUMBERS), SimpleImputer(), LR),
        schema={**PENGUINS, **{name: {"nullable": True} for name in NUMBERS}},
    ),
    "SelectCols of a polars frame": Entry(
        "penguins",
        lambda: steps(skrub.SelectCols(NUMBERS), SimpleImputer(), LR),
        container="polars",
        needs_profile="the estimator does not hold that X was a polars frame",
    ),
    "DropCols": Entry(
        "whole penguins",
        lambda: steps(skrub.DropCols(KINDS), StandardScaler(), LR),
        schema=WHOLE_PENGUINS,
    ),
    "ApplyToCols": Entry(
        "whole penguins",
        lambda: steps(
            skrub.ApplyToCols(OrdinalEncoder(), cols=KINDS),
            skrub.ApplyToCols(StandardScaler(), cols=NUMBERS),
            LR,
        ),
        schema=WHOLE_PENGUINS,
    ),
    "DatetimeEncoder": Entry(
        "shop: since price",
        lambda: steps(skrub.ApplyToCols(skrub.DatetimeEncoder(), cols=["since"]), Ridge()),
        schema={"since": {"type": "datetime"}, "price": {}},
    ),
    "DatetimeEncoder of a time zone": Entry(
        "shop: seen price",
        lambda: steps(skrub.ApplyToCols(skrub.DatetimeEncoder(), cols=["seen"]), Ridge()),
        needs_profile="the estimator does not hold the time zone",
    ),
    "ToDatetime of texts": Entry(
        "shop: since price",
        lambda: steps(
            FunctionTransformer(_iso),
            skrub.ApplyToCols(skrub.ToDatetime(), cols=["since"]),
            skrub.ApplyToCols(skrub.DatetimeEncoder(), cols=["since"]),
            Ridge(),
        ),
        schema={"since": {"type": "datetime"}, "price": {}},
    ),
    "MinHashEncoder": Entry(
        "shop: note price",
        lambda: steps(
            skrub.ApplyToCols(skrub.MinHashEncoder(n_components=4), cols=["note"]), Ridge()
        ),
        schema={"note": {"type": "string"}, "price": {}},
    ),
    "StringEncoder": Entry(
        "shop: note price",
        lambda: steps(
            skrub.ApplyToCols(skrub.StringEncoder(n_components=4, random_state=0), cols=["note"]),
            Ridge(),
        ),
        schema={"note": {"type": "string"}, "price": {}},
    ),
    "GapEncoder": Entry(
        "shop: note price",
        lambda: steps(
            skrub.ApplyToCols(
                skrub.GapEncoder(n_components=3, max_iter=1, random_state=0), cols=["note"]
            ),
            Ridge(),
        ),
        schema={"note": {"type": "string"}, "price": {}},
    ),
    "SimilarityEncoder": Entry(
        "shop: town kind",
        lambda: steps(skrub.SimilarityEncoder(), Ridge()),
        schema={"town": {"type": "string"}, "kind": {"type": "string", "nullable": True}},
    ),
    "SquashingScaler": Entry("wine", lambda: steps(skrub.SquashingScaler(), LR)),
    "Cleaner": Entry(
        "whole penguins",
        lambda: steps(skrub.Cleaner(), make_column_transformer((LENIENT, KINDS)), LR),
        schema=WHOLE_PENGUINS,
    ),
    "ToCategorical, boosting": Entry(
        "penguins",
        lambda: steps(
            skrub.ApplyToCols(skrub.ToCategorical(), cols=KINDS),
            HistGradientBoostingClassifier(max_iter=3, categorical_features="from_dtype"),
        ),
        schema=PENGUINS,
    ),
}


def _iso(X: pd.DataFrame) -> pd.DataFrame:
    return X.assign(since=X["since"].dt.strftime("%Y-%m-%d"))
