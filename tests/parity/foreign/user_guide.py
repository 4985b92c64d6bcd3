"""The pipelines of scikit-learn's user guide and examples that a user would serve.

They are fitted on the data of the table of other libraries, with columns of the same kinds as in
the guide. The comments name its pages.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.compose import (
    TransformedTargetRegressor,
    make_column_selector,
    make_column_transformer,
)
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingRegressor,
)
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest, SelectPercentile, chi2
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import PoissonRegressor, Ridge, RidgeCV, SGDClassifier
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, TunedThresholdClassifierCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeRegressor

from tests.parity.data import KINDS, NUMBERS
from tests.parity.foreign.entry import Entry
from tests.parity.foreign.home_made import (
    DataFrameSelector,
    GroupMeans,
    RatioAdder,
    as_floats,
    as_text,
    cells_as_text,
    cosine,
    filled,
    first_and_third,
    hour,
    month,
    polars_month,
    polars_ratio,
    power_of_10,
    ratio,
    ratio_of_an_array,
    ratio_with_names,
    sine,
    text_stats,
)
from tests.parity.foreign.steps import LENIENT, LR, steps

BOOSTED = HistGradientBoostingRegressor(max_iter=3, min_samples_leaf=5)
UNKNOWN = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
SCALED = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())


def columns(*parts: Any, final: Any = LR, **options: Any) -> Any:
    """Return a pipeline of a ColumnTransformer of copies of these parts and a last step."""
    copies = [(part if isinstance(part, str) else clone(part), names) for part, names in parts]
    return make_pipeline(make_column_transformer(*copies, **options), clone(final))


def function(func: Any, **options: Any) -> Any:
    return FunctionTransformer(func, **options)


MEMBER: dict[str, Any] = {"maybe": {"type": "boolean", "nullable": True}}
PRICE_VISITS: dict[str, Any] = {"price": {}, "visits": {"type": "integer"}}
NO_DTYPE = "the pipeline does not hold the types of its columns"
NO_CONTAINER = "the pipeline does not hold that X was a polars frame"

USER_GUIDE = {
    # Column Transformer with Mixed Types
    "mixed types": Entry(
        "penguins",
        lambda: columns(
            (SCALED, NUMBERS),
            (make_pipeline(clone(LENIENT), SelectPercentile(chi2, percentile=50)), KINDS),
        ),
    ),
    "mixed types, selected by dtype": Entry(
        "whole penguins",
        lambda: columns(
            (SCALED, make_column_selector(dtype_exclude="category")),
            (LENIENT, make_column_selector(dtype_include="category")),
        ),
        container="categories",
    ),
    "mixed types, randomized search": Entry(
        "penguins",
        lambda: RandomizedSearchCV(
            columns((SCALED, NUMBERS), (LENIENT, KINDS)),
            {"logisticregression__C": [0.1, 1.0, 10.0]},
            n_iter=2,
            cv=2,
            random_state=0,
        ),
    ),
    "mixed types, nullable columns": Entry(
        "whole penguins",
        lambda: columns((SCALED, NUMBERS), (LENIENT, KINDS)),
        container="nullable",
    ),
    "mixed types, pyarrow columns": Entry(
        "whole penguins",
        lambda: columns((SCALED, NUMBERS), (LENIENT, KINDS)),
        container="pyarrow",
    ),
    "mixed types, polars": Entry(
        "penguins", lambda: columns((SCALED, NUMBERS), (LENIENT, KINDS)), container="polars"
    ),
    # Column Transformer with Heterogeneous Data Sources
    "text and its statistics": Entry(
        "shop: note",
        lambda: columns(
            (TfidfVectorizer(max_features=20), "note"),
            (make_pipeline(function(text_stats), DictVectorizer()), "note"),
            final=SGDClassifier(random_state=0, max_iter=5, tol=None),
        ),
    ),
    "text beside numbers": Entry(
        "shop: note price visits",
        lambda: columns(
            (make_pipeline(CountVectorizer(), TruncatedSVD(3, random_state=0)), "note"),
            (StandardScaler(), ["price", "visits"]),
            final=Ridge(),
        ),
    ),
    # Categorical Feature Support in Gradient Boosting
    "boosting, categories from dtype": Entry(
        "penguins",
        lambda: HistGradientBoostingClassifier(max_iter=3, categorical_features="from_dtype"),
        container="categories",
    ),
    "boosting, categories by name": Entry(
        "whole penguins",
        lambda: HistGradientBoostingClassifier(max_iter=3, categorical_features=KINDS),
    ),
    "boosting, categories from dtype of polars": Entry(
        "penguins: island body_mass_g",
        lambda: HistGradientBoostingClassifier(max_iter=3, categorical_features=["island"]),
        container="polars",
    ),
    "boosting, ordinal codes": Entry(
        "penguins",
        lambda: columns(
            (UNKNOWN, KINDS),
            remainder="passthrough",
            final=HistGradientBoostingClassifier(max_iter=3, categorical_features=[0, 1]),
        ),
    ),
    "boosting, one-hot": Entry(
        "whole penguins",
        lambda: columns(
            (OneHotEncoder(sparse_output=False, handle_unknown="ignore"), KINDS),
            remainder="passthrough",
            final=BOOSTED,
        ),
    ),
    # Comparing Target Encoder with Other Encoders
    "target encoder": Entry(
        "shop: town kind zip visits price",
        lambda: columns(
            (TargetEncoder(target_type="continuous", cv=2), ["town", "kind", "zip"]),
            ("passthrough", ["visits", "price"]),
            final=BOOSTED,
        ),
    ),
    "target encoder of objects": Entry(
        "shop: town kind price",
        lambda: columns((TargetEncoder(cv=2), ["town", "kind"]), (SCALED, ["price"])),
        container="objects",
    ),
    # Time-related feature engineering
    "sine and cosine": Entry(
        "shop: visits zip price",
        lambda: columns(
            (function(sine), ["visits"]),
            (function(cosine, kw_args={"period": 7}), ["visits"]),
            (LENIENT, ["zip"]),
            remainder=MinMaxScaler(),
            final=RidgeCV(alphas=[0.1, 1.0]),
        ),
    ),
    "periodic splines": Entry(
        "shop: visits price town",
        lambda: columns(
            (
                SplineTransformer(
                    n_knots=5,
                    extrapolation="periodic",
                    knots=np.linspace(0, 12, 5).reshape(-1, 1),
                    include_bias=True,
                ),
                ["visits"],
            ),
            (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["town"]),
            remainder=MinMaxScaler(),
            final=make_pipeline(
                Nystroem(n_components=10, random_state=0), RidgeCV(alphas=[0.1, 1.0])
            ),
        ),
    ),
    "interactions": Entry(
        "shop: visits price member",
        lambda: columns(
            (
                make_pipeline(StandardScaler(), PolynomialFeatures(interaction_only=True)),
                ["visits", "price"],
            ),
            ("passthrough", ["member"]),
            final=Ridge(),
        ),
        schema={"visits": {}, "price": {}, "member": {"type": "boolean"}},
    ),
    "month and weekday of a date": Entry(
        "shop: since",
        lambda: steps(function(month), LENIENT, Ridge()),
        schema={"since": {"type": "datetime"}},
    ),
    "month and weekday of a day": Entry(
        "shop: since",
        lambda: steps(function(month), LENIENT, Ridge()),
        schema={"since": {"type": "date"}},
    ),
    "hour in a time zone": Entry(
        "shop: seen", lambda: steps(function(hour), LENIENT, Ridge()), needs_profile=NO_DTYPE
    ),
    # Lagged features for time series forecasting
    "lagged features in polars": Entry(
        "shop: price amount score",
        lambda: HistGradientBoostingRegressor(loss="quantile", quantile=0.95, max_iter=3),
        container="polars",
    ),
    # Poisson regression and non-normal loss, Tweedie regression on insurance claims
    "bins, logarithm and Poisson": Entry(
        "shop: visits price town zip",
        lambda: columns(
            (KBinsDiscretizer(n_bins=3, quantile_method="averaged_inverted_cdf"), ["visits"]),
            (make_pipeline(function(np.log, validate=False), StandardScaler()), ["price"]),
            (OneHotEncoder(), ["town", "zip"]),
            final=PoissonRegressor(max_iter=50),
        ),
    ),
    "Poisson boosting": Entry(
        "shop: visits price town",
        lambda: columns(
            (OrdinalEncoder(), ["town"]),
            ("passthrough", ["visits", "price"]),
            final=HistGradientBoostingRegressor(loss="poisson", max_iter=3),
        ),
    ),
    # Common pitfalls in the interpretation of coefficients of linear models
    "logarithm of the target": Entry(
        "shop: member town visits price",
        lambda: columns(
            (OneHotEncoder(drop="if_binary"), ["member", "town"]),
            remainder="passthrough",
            final=TransformedTargetRegressor(Ridge(), func=np.log10, inverse_func=power_of_10),
        ),
    ),
    # Partial Dependence
    "neural network of quantiles": Entry(
        "shop: visits price town",
        lambda: columns(
            (QuantileTransformer(n_quantiles=20), ["visits", "price"]),
            (OneHotEncoder(), ["town"]),
            final=MLPRegressor(hidden_layer_sizes=(4,), max_iter=20, random_state=0),
        ),
    ),
    # Imputing missing values
    "imputer with indicators": Entry(
        "shop: amount score price",
        lambda: steps(SimpleImputer(add_indicator=True), RandomForestRegressor(3, random_state=0)),
    ),
    "nearest neighbors imputer": Entry(
        "shop: amount score price",
        lambda: steps(StandardScaler(), KNNImputer(), Ridge()),
    ),
    "iterative imputer": Entry(
        "shop: amount score price", lambda: steps(IterativeImputer(max_iter=2), Ridge())
    ),
    "iterative imputer, nullable columns": Entry(
        "shop: amount score price",
        lambda: steps(IterativeImputer(max_iter=2), Ridge()),
        container="nullable",
    ),
    # Introducing the set_output API
    "data frame output": Entry(
        "penguins",
        lambda: columns(
            (SCALED, NUMBERS),
            (OneHotEncoder(sparse_output=False, handle_unknown="ignore"), KINDS),
            final=make_pipeline(SelectPercentile(percentile=75), LR),
            verbose_feature_names_out=False,
        ).set_output(transform="pandas"),
    ),
    "polars output": Entry(
        "iris", lambda: steps(StandardScaler(), PCA(2), LR).set_output(transform="polars")
    ),
    "polars output of a polars frame": Entry(
        "iris",
        lambda: steps(StandardScaler(), PCA(2), LR).set_output(transform="polars"),
        container="polars",
    ),
    # Concatenating multiple feature extraction methods; Pipelining
    "feature union": Entry(
        "wine",
        lambda: GridSearchCV(
            make_pipeline(make_union(PCA(2), SelectKBest(k=1)), SVC(kernel="linear")),
            {"svc__C": [0.1, 1.0]},
            cv=2,
        ),
    ),
    "fifteen columns, a linear model": Entry("cancer", lambda: steps(StandardScaler(), Ridge())),
    "a linear model alone": Entry("cancer", Ridge),
    # Combine predictors using stacking
    "stacked preprocessors": Entry(
        "penguins",
        lambda: StackingRegressor(
            [
                (
                    "forest",
                    columns(
                        (UNKNOWN, KINDS),
                        (SimpleImputer(), NUMBERS),
                        final=RandomForestRegressor(3, random_state=0),
                    ),
                ),
                ("line", columns((LENIENT, KINDS), (SCALED, NUMBERS), final=RidgeCV())),
            ],
            RidgeCV(),
            cv=2,
        ),
    ),
    # Permutation Importance vs Random Forest Feature Importance
    "random forest of mixed types": Entry(
        "penguins",
        lambda: columns(
            (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), KINDS),
            (SimpleImputer(), NUMBERS),
            final=RandomForestClassifier(3, random_state=0),
            verbose_feature_names_out=False,
        ),
    ),
    # Post-tuning the decision threshold; Outlier detection
    "tuned threshold": Entry(
        "shop: visits price town",
        lambda: TunedThresholdClassifierCV(
            columns((LENIENT, ["town"]), (StandardScaler(), ["visits", "price"])), cv=2
        ),
        target="binary",
    ),
    "outliers": Entry(
        "penguins",
        lambda: columns(
            (LENIENT, KINDS),
            (SimpleImputer(), NUMBERS),
            final=IsolationForest(n_estimators=5, random_state=0),
        ),
    ),
    # Missing booleans
    "missing boolean, tree": Entry(
        "shop: maybe price",
        lambda: steps(function(as_floats), DecisionTreeRegressor(max_depth=3)),
        schema={**MEMBER, "price": {}},
    ),
    "missing boolean, imputer and one-hot": Entry(
        "shop: maybe price",
        lambda: columns(
            (
                make_pipeline(
                    SimpleImputer(strategy="most_frequent", missing_values=None), clone(LENIENT)
                ),
                ["maybe"],
            ),
            ("passthrough", ["price"]),
            final=Ridge(),
        ),
    ),
    "missing boolean, one-hot": Entry(
        "shop: maybe price", lambda: columns((LENIENT, ["maybe"]), (SCALED, ["price"]))
    ),
    "missing boolean, ordinal encoder": Entry(
        "shop: maybe price",
        lambda: columns((OrdinalEncoder(), ["maybe"]), (SCALED, ["price"]), final=BOOSTED),
    ),
    "missing boolean, target encoder": Entry(
        "shop: maybe price",
        lambda: columns((TargetEncoder(cv=2), ["maybe"]), (SCALED, ["price"]), final=BOOSTED),
    ),
    "missing boolean, nullable columns": Entry(
        "shop: maybe price",
        lambda: columns((TargetEncoder(cv=2), ["maybe"]), (SCALED, ["price"]), final=BOOSTED),
        container="nullable",
        needs_profile="the estimator does not hold how the missing value was written",
    ),
    # Whole numbers that become text
    "zip code as a text": Entry(
        "shop: zip price",
        lambda: make_pipeline(
            function(as_text),
            make_column_transformer((clone(LENIENT), ["zip"]), ("passthrough", ["price"])),
            Ridge(),
        ),
        schema={"zip": {"type": "integer"}, "price": {}},
    ),
    "zip code as a text in a column transformer": Entry(
        "shop: zip price",
        lambda: columns(
            (make_pipeline(function(cells_as_text), clone(LENIENT)), ["zip"]),
            (StandardScaler(), ["price"]),
            final=Ridge(),
        ),
        schema={"zip": {"type": "integer"}, "price": {}},
    ),
    # Custom transformers
    "DataFrameSelector": Entry(
        "shop: price visits town",
        lambda: make_pipeline(
            make_union(
                make_pipeline(DataFrameSelector(["price", "visits"]), StandardScaler()),
                make_pipeline(DataFrameSelector(["town"]), clone(LENIENT)),
            ),
            Ridge(),
        ),
        schema={**PRICE_VISITS, "town": {"type": "string"}},
    ),
    "class that adds a ratio": Entry(
        "shop: price visits",
        lambda: steps(RatioAdder(), StandardScaler(), Ridge()),
        schema=PRICE_VISITS,
    ),
    "function of a ratio": Entry(
        "shop: price visits",
        lambda: steps(function(ratio), StandardScaler(), Ridge()),
        schema=PRICE_VISITS,
    ),
    "function that adds a ratio": Entry(
        "shop: price visits",
        lambda: steps(function(ratio_with_names), StandardScaler(), Ridge()),
        schema=PRICE_VISITS,
    ),
    "function of an array": Entry(
        "iris",
        lambda: steps(function(ratio_of_an_array), StandardScaler(), LR),
        container="array",
        schema=None,
        needs_profile="the pipeline does not hold the number of its columns",
    ),
    "ratio inside a column transformer": Entry(
        "shop: price visits town",
        lambda: columns((function(ratio), ["price", "visits"]), (LENIENT, ["town"]), final=Ridge()),
    ),
    "ratio in polars": Entry(
        "shop: price visits",
        lambda: steps(function(polars_ratio), Ridge()),
        container="polars",
        needs_profile=NO_CONTAINER,
    ),
    "dates in polars": Entry(
        "shop: since",
        lambda: steps(function(polars_month), Ridge()),
        container="polars",
        needs_profile=NO_CONTAINER,
    ),
    "integer labels": Entry(
        "labelled iris",
        lambda: steps(function(first_and_third), StandardScaler(), LR),
        needs_profile="the pipeline does not hold the labels of its columns",
    ),
    "imputer of pandas": Entry(
        "shop: amount kind price",
        lambda: make_pipeline(
            function(filled),
            make_column_transformer(
                (clone(LENIENT), ["kind"]), ("passthrough", ["amount", "price"])
            ),
            Ridge(),
        ),
        schema={
            "amount": {"nullable": True},
            "kind": {"type": "string", "nullable": True},
            "price": {},
        },
    ),
    "imputer of one's own": Entry(
        "shop: town amount price",
        lambda: make_pipeline(
            GroupMeans(),
            make_column_transformer(
                (clone(LENIENT), ["town"]), ("passthrough", ["amount", "price"])
            ),
            Ridge(),
        ),
        schema={"town": {"type": "string"}, "amount": {"nullable": True}, "price": {}},
    ),
}
