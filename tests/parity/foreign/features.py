"""Pipelines with transformers of feature-engine."""

from __future__ import annotations

from typing import Any

from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.preprocessing import (
    OneHotEncoder,
    StandardScaler,
)

from tests.parity.data import KINDS, NUMBERS
from tests.parity.foreign.entry import Entry, Library
from tests.parity.foreign.steps import LR, PENGUINS, SPLIT, TREE, steps

impute, encode = Library("feature_engine.imputation"), Library("feature_engine.encoding")
bins, outliers = Library("feature_engine.discretisation"), Library("feature_engine.outliers")
curve, create = Library("feature_engine.transformation"), Library("feature_engine.creation")
select, dates = Library("feature_engine.selection"), Library("feature_engine.datetime")
match, wrap = Library("feature_engine.preprocessing"), Library("feature_engine.wrappers")


def filled(*between: Any, final: Any = LR) -> Any:
    """Return a pipeline that imputes the penguins with feature-engine's imputers, and more."""
    return steps(
        impute.MeanMedianImputer(variables=NUMBERS),
        impute.CategoricalImputer(variables=KINDS),
        *between,
        final,
    )


FEATURE_ENGINE = {
    "MeanMedianImputer": Entry(
        "penguins: bill_length_mm body_mass_g",
        lambda: steps(impute.MeanMedianImputer(), StandardScaler(), LR),
        schema={"bill_length_mm": {"nullable": True}, "body_mass_g": {"nullable": True}},
    ),
    "CategoricalImputer, OneHotEncoder": Entry(
        "penguins", lambda: filled(encode.OneHotEncoder(variables=KINDS)), schema=PENGUINS
    ),
    "CategoricalImputer of the most frequent": Entry(
        "penguins: island sex",
        lambda: steps(
            impute.CategoricalImputer(imputation_method="frequent"),
            encode.OrdinalEncoder(encoding_method="arbitrary"),
            SPLIT,
        ),
        schema={name: {"type": "string", "nullable": True} for name in KINDS},
    ),
    "ArbitraryNumberImputer": Entry(
        "penguins: bill_length_mm body_mass_g",
        lambda: steps(impute.ArbitraryNumberImputer(arbitrary_number=-1), TREE),
        schema={"bill_length_mm": {"nullable": True}, "body_mass_g": {"nullable": True}},
    ),
    "EndTailImputer": Entry(
        "penguins: bill_length_mm body_mass_g",
        lambda: steps(impute.EndTailImputer(), StandardScaler(), LR),
        schema={"bill_length_mm": {"nullable": True}, "body_mass_g": {"nullable": True}},
    ),
    "AddMissingIndicator": Entry(
        "penguins: bill_length_mm body_mass_g",
        lambda: steps(impute.AddMissingIndicator(), SimpleImputer(), LR),
        schema={"bill_length_mm": {"nullable": True}, "body_mass_g": {"nullable": True}},
    ),
    "CountFrequencyEncoder": Entry(
        "penguins", lambda: filled(encode.CountFrequencyEncoder(variables=KINDS))
    ),
    "DecisionTreeEncoder": Entry(
        "penguins",
        lambda: filled(
            encode.DecisionTreeEncoder(variables=KINDS, cv=2, random_state=0), final=TREE
        ),
    ),
    "MeanEncoder": Entry(
        "penguins", lambda: filled(encode.MeanEncoder(variables=KINDS), final=TREE)
    ),
    "OrdinalEncoder": Entry(
        "penguins",
        lambda: filled(encode.OrdinalEncoder(encoding_method="arbitrary", variables=KINDS)),
    ),
    "RareLabelEncoder": Entry(
        "penguins",
        lambda: filled(
            encode.RareLabelEncoder(tol=0.3, n_categories=1, variables=KINDS),
            encode.OneHotEncoder(variables=KINDS),
        ),
    ),
    "StringSimilarityEncoder": Entry(
        "penguins", lambda: filled(encode.StringSimilarityEncoder(variables=KINDS))
    ),
    "WoEEncoder": Entry(
        "shop: town kind price",
        lambda: steps(impute.CategoricalImputer(), encode.WoEEncoder(fill_value=0.0), LR),
        target="binary",
        schema={
            "town": {"type": "string"},
            "kind": {"type": "string", "nullable": True},
            "price": {},
        },
    ),
    "EqualFrequencyDiscretiser": Entry(
        "iris", lambda: steps(bins.EqualFrequencyDiscretiser(q=4), LR)
    ),
    "EqualWidthDiscretiser of objects, OneHotEncoder": Entry(
        "iris",
        lambda: steps(
            bins.EqualWidthDiscretiser(bins=3, return_object=True), encode.OneHotEncoder(), LR
        ),
    ),
    "DecisionTreeDiscretiser": Entry(
        "diabetes",
        lambda: steps(bins.DecisionTreeDiscretiser(cv=2, random_state=0), LinearRegression()),
    ),
    "ArbitraryDiscretiser": Entry(
        "iris: sepal_length_cm petal_length_cm",
        lambda: steps(
            bins.ArbitraryDiscretiser({"sepal_length_cm": [0, 5, 6, 99]}, return_boundaries=False),
            LR,
        ),
    ),
    "Winsorizer": Entry("wine", lambda: steps(outliers.Winsorizer(), StandardScaler(), LR)),
    "ArbitraryOutlierCapper": Entry(
        "iris",
        lambda: steps(outliers.ArbitraryOutlierCapper(max_capping_dict={"petal_length_cm": 5}), LR),
    ),
    "LogTransformer": Entry("iris", lambda: steps(curve.LogTransformer(), LR)),
    "LogCpTransformer": Entry("diabetes", lambda: steps(curve.LogCpTransformer(), Ridge())),
    "YeoJohnsonTransformer": Entry("wine", lambda: steps(curve.YeoJohnsonTransformer(), LR)),
    "PowerTransformer": Entry("iris", lambda: steps(curve.PowerTransformer(), LR)),
    "MathFeatures": Entry(
        "iris",
        lambda: steps(
            create.MathFeatures(["sepal_length_cm", "sepal_width_cm"], func=["sum", "mean"]), LR
        ),
    ),
    "RelativeFeatures": Entry(
        "iris",
        lambda: steps(
            create.RelativeFeatures(["sepal_length_cm"], ["petal_length_cm"], ["div"]), Ridge()
        ),
    ),
    "CyclicalFeatures": Entry(
        "shop: visits price", lambda: steps(create.CyclicalFeatures(["visits"]), Ridge())
    ),
    "DatetimeFeatures": Entry(
        "shop: since price",
        lambda: steps(
            dates.DatetimeFeatures(features_to_extract=["month", "day_of_week"]), Ridge()
        ),
        schema={"since": {"type": "datetime"}, "price": {}},
    ),
    "DatetimeFeatures of a time zone": Entry(
        "shop: seen price",
        lambda: steps(dates.DatetimeFeatures(features_to_extract=["month", "hour"]), Ridge()),
        needs_profile="the estimator does not hold the time zone",
    ),
    "DropFeatures": Entry(
        "shop: note visits price", lambda: steps(select.DropFeatures(["note"]), Ridge())
    ),
    "SmartCorrelatedSelection": Entry(
        "wine", lambda: steps(select.SmartCorrelatedSelection(threshold=0.6), LR)
    ),
    "MatchVariables": Entry("iris", lambda: steps(match.MatchVariables(), LR)),
    "SklearnTransformerWrapper": Entry(
        "shop: town price visits",
        lambda: steps(
            wrap.SklearnTransformerWrapper(OneHotEncoder(sparse_output=False), ["town"]),
            wrap.SklearnTransformerWrapper(StandardScaler(), ["price"]),
            Ridge(),
        ),
        schema={"town": {"type": "string"}, "price": {}, "visits": {}},
    ),
    "MeanNormalizationScaler": Entry(
        "iris", lambda: steps(Library("feature_engine.scaling").MeanNormalizationScaler(), LR)
    ),
    "TextFeatures": Entry(
        "shop: note price",
        lambda: steps(
            Library("feature_engine.text").TextFeatures(["note"], drop_original=True), TREE
        ),
        schema={"note": {"type": "string"}, "price": {}},
    ),
}
