"""Pipelines with estimators of scikit-lego and mlxtend."""

from __future__ import annotations

from typing import Any

from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    StandardScaler,
)

from tests.parity.data import KINDS, NUMBERS
from tests.parity.foreign.entry import Entry, Library
from tests.parity.foreign.steps import LENIENT, LR, PENGUINS, SPLIT, TREE, WHOLE_PENGUINS, steps

lego, meta = Library("sklego.preprocessing"), Library("sklego.meta")
line, mixture = Library("sklego.linear_model"), Library("sklego.mixture")

SCIKIT_LEGO = {
    "ColumnSelector": Entry(
        "penguins",
        lambda: steps(lego.ColumnSelector(NUMBERS), SimpleImputer(), LR),
        schema=PENGUINS,
    ),
    "ColumnSelector of a polars frame": Entry(
        "penguins",
        lambda: steps(lego.ColumnSelector(NUMBERS), SimpleImputer(), LR),
        container="polars",
        schema=PENGUINS,
    ),
    "ColumnDropper": Entry(
        "whole penguins",
        lambda: steps(lego.ColumnDropper(KINDS), StandardScaler(), LR),
        schema=WHOLE_PENGUINS,
    ),
    "TypeSelector": Entry(
        "whole penguins",
        lambda: steps(
            make_union(
                make_pipeline(lego.TypeSelector(include="number"), StandardScaler()),
                make_pipeline(lego.TypeSelector(exclude="number"), clone(LENIENT)),
            ),
            LR,
        ),
        schema=WHOLE_PENGUINS,
    ),
    "ColumnCapper": Entry("wine", lambda: steps(lego.ColumnCapper(), LR)),
    "DictMapper": Entry(
        "whole penguins: island sex",
        lambda: steps(lego.DictMapper({"Dream": 1, "Biscoe": 2, "male": 3}, default=0), SPLIT),
        schema={name: {"type": "string"} for name in KINDS},
    ),
    "IntervalEncoder": Entry("iris", lambda: steps(lego.IntervalEncoder(n_chunks=4), Ridge())),
    "RepeatingBasisFunction": Entry(
        "shop: visits price",
        lambda: steps(
            lego.RepeatingBasisFunction("visits", n_periods=3, remainder="passthrough"), Ridge()
        ),
        schema={"visits": {}, "price": {}},
    ),
    "InformationFilter": Entry(
        "iris", lambda: steps(lego.InformationFilter(["sepal_width_cm"]), Ridge())
    ),
    "OrthogonalTransformer": Entry("wine", lambda: steps(lego.OrthogonalTransformer(), LR)),
    "LinearEmbedder": Entry("iris", lambda: steps(lego.LinearEmbedder(), TREE)),
    "MonotonicSplineTransformer": Entry(
        "iris", lambda: steps(lego.MonotonicSplineTransformer(n_knots=3), Ridge())
    ),
    "GroupedPredictor": Entry(
        "whole penguins: island body_mass_g flipper_length_mm",
        lambda: meta.GroupedPredictor(LinearRegression(), groups=["island"]),
        schema={"island": {"type": "string"}, "body_mass_g": {}, "flipper_length_mm": {}},
    ),
    "GroupedClassifier of booleans": Entry(
        "shop: member price visits",
        lambda: meta.GroupedClassifier(clone(SPLIT), groups=["member"]),
        needs_profile="the estimator does not hold that the column was boolean",
    ),
    "GroupedTransformer": Entry(
        "whole penguins: island body_mass_g flipper_length_mm",
        lambda: steps(meta.GroupedTransformer(StandardScaler(), groups=["island"]), Ridge()),
        schema={"island": {"type": "string"}, "body_mass_g": {}, "flipper_length_mm": {}},
    ),
    "HierarchicalPredictor": Entry(
        "shop: town price visits",
        lambda: meta.HierarchicalRegressor(LinearRegression(), groups=["town"]),
        schema={"town": {"type": "string"}, "price": {}, "visits": {}},
    ),
    "EstimatorTransformer": Entry(
        "iris", lambda: steps(meta.EstimatorTransformer(Ridge(), "predict"), TREE)
    ),
    "Thresholder": Entry(
        "cancer",
        lambda: meta.Thresholder(steps(StandardScaler(), LR), threshold=0.4),
        target="binary",
    ),
    "ZeroInflatedRegressor": Entry(
        "iris", lambda: meta.ZeroInflatedRegressor(clone(SPLIT), clone(TREE)), target="binary"
    ),
    "OrdinalClassifier": Entry("iris", lambda: meta.OrdinalClassifier(clone(LR)), target="codes"),
    "SubjectiveClassifier": Entry(
        "iris",
        lambda: meta.SubjectiveClassifier(GaussianNB(), {0: 0.2, 1: 0.3, 2: 0.5}),
        target="codes",
    ),
    "DecayEstimator": Entry("iris", lambda: meta.DecayEstimator(LinearRegression())),
    "ConfusionBalancer": Entry("iris", lambda: meta.ConfusionBalancer(clone(LR)), target="codes"),
    "RegressionOutlierDetector": Entry(
        "iris", lambda: meta.RegressionOutlierDetector(LinearRegression(), column=0)
    ),
    "LADRegression": Entry("iris", lambda: line.LADRegression()),
    "QuantileRegression": Entry("iris", lambda: line.QuantileRegression(quantile=0.3)),
    "ImbalancedLinearRegression": Entry("iris", lambda: line.ImbalancedLinearRegression()),
    "LowessRegression": Entry("diabetes", lambda: steps(StandardScaler(), line.LowessRegression())),
    "GMMClassifier": Entry("iris", lambda: mixture.GMMClassifier(n_components=2, random_state=0)),
    "GMMOutlierDetector": Entry(
        "iris", lambda: mixture.GMMOutlierDetector(n_components=2, random_state=0)
    ),
    "GaussianMixtureNB": Entry(
        "iris",
        lambda: Library("sklego.naive_bayes").GaussianMixtureNB(n_components=2, random_state=0),
    ),
    "BayesianKernelDensityClassifier": Entry(
        "iris", lambda: Library("sklego.neighbors").BayesianKernelDensityClassifier()
    ),
    "PCAOutlierDetection": Entry(
        "wine",
        lambda: Library("sklego.decomposition").PCAOutlierDetection(n_components=2, threshold=0.05),
    ),
}


choose, vote = Library("mlxtend.feature_selection"), Library("mlxtend.classifier")
stack, simple = Library("mlxtend.regressor"), Library("mlxtend.preprocessing")
project = Library("mlxtend.feature_extraction")
IRIS: dict[str, Any] = {name: {} for name in
        ("sepal_length_cm", "sepal_width_cm", "petal_length_cm", "petal_width_cm")}  # fmt: skip

MLXTEND = {
    "ColumnSelector of names": Entry(
        "whole penguins",
        lambda: steps(choose.ColumnSelector(tuple(NUMBERS)), StandardScaler(), LR),
        schema=WHOLE_PENGUINS,
    ),
    "ColumnSelector of indices": Entry(
        "iris", lambda: steps(choose.ColumnSelector((0, 2)), LR), schema=IRIS
    ),
    "ColumnSelector of an array": Entry(
        "iris",
        lambda: steps(choose.ColumnSelector((0, 2)), StandardScaler(), LR),
        container="array",
        schema=IRIS,
    ),
    "SequentialFeatureSelector": Entry(
        "iris",
        lambda: steps(choose.SequentialFeatureSelector(clone(LR), k_features=2, cv=2), LR),
        schema=IRIS,
    ),
    "ExhaustiveFeatureSelector": Entry(
        "iris",
        lambda: steps(
            choose.ExhaustiveFeatureSelector(
                GaussianNB(), max_features=2, cv=2, print_progress=False
            ),
            GaussianNB(),
        ),
        schema=IRIS,
    ),
    "EnsembleVoteClassifier": Entry(
        "iris",
        lambda: vote.EnsembleVoteClassifier([clone(LR), GaussianNB()], voting="hard"),
        schema=IRIS,
    ),
    "StackingClassifier": Entry(
        "iris",
        lambda: vote.StackingClassifier([clone(SPLIT), GaussianNB()], clone(LR), use_probas=True),
        schema=IRIS,
        target="codes",
    ),
    "StackingCVClassifier": Entry(
        "iris",
        lambda: vote.StackingCVClassifier(
            [clone(SPLIT), GaussianNB()], clone(LR), cv=2, random_state=0
        ),
        schema=IRIS,
        target="codes",
    ),
    "StackingRegressor": Entry(
        "iris", lambda: stack.StackingRegressor([clone(TREE), Ridge()], Ridge()), schema=IRIS
    ),
    "StackingCVRegressor": Entry(
        "iris",
        lambda: stack.StackingCVRegressor([clone(TREE), Ridge()], Ridge(), cv=2, random_state=0),
        schema=IRIS,
    ),
    "DenseTransformer": Entry(
        "whole penguins",
        lambda: steps(
            make_column_transformer((LENIENT, KINDS), sparse_threshold=1.0),
            simple.DenseTransformer(),
            GaussianNB(),
        ),
    ),
    "CopyTransformer": Entry("iris", lambda: steps(StandardScaler(), simple.CopyTransformer(), LR)),
    "MeanCenterer": Entry(
        "iris", lambda: simple.MeanCenterer(), container="array", schema=IRIS, target=""
    ),
    "SoftmaxRegression": Entry(
        "iris",
        lambda: vote.SoftmaxRegression(epochs=3, random_seed=0),
        container="array",
        target="codes",
        schema=IRIS,
    ),
    "LogisticRegression": Entry(
        "iris",
        lambda: vote.LogisticRegression(epochs=3, random_seed=0),
        container="array",
        target="binary",
        schema=IRIS,
    ),
    "Perceptron after a scaler": Entry(
        "iris",
        lambda: make_pipeline(StandardScaler(), vote.Perceptron(epochs=3, random_seed=0)),
        target="binary",
    ),
    "OneRClassifier": Entry(
        "shop: visits zip",
        lambda: vote.OneRClassifier(),
        container="array",
        target="codes",
        schema={"visits": {"type": "integer"}, "zip": {"type": "integer"}},
    ),
    "LinearRegression": Entry(
        "iris", lambda: stack.LinearRegression(), container="array", schema=IRIS
    ),
    "Kmeans": Entry(
        "iris",
        lambda: Library("mlxtend.cluster").Kmeans(k=3, max_iter=3, random_seed=0),
        container="array",
        schema=IRIS,
        target="",
    ),
    "PrincipalComponentAnalysis": Entry(
        "iris",
        lambda: project.PrincipalComponentAnalysis(n_components=2),
        container="array",
        schema=IRIS,
    ),
}
