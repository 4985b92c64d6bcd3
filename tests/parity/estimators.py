"""Every estimator of scikit-learn: its parameters and data, or the reason it is not served."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer  # noqa: F401
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.discovery import all_estimators

from tests.parity import data

CLASSES: dict[str, type[Any]] = dict(all_estimators())

LR = LogisticRegression(max_iter=50, random_state=0)
TWO = [("a", LR), ("b", HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=5))]
# They take several targets only.
SEVERAL = {
    *("ClassifierChain", "MultiOutputClassifier", "MultiOutputRegressor", "RegressorChain"),
    *("MultiTaskElasticNet", "MultiTaskElasticNetCV", "MultiTaskLasso", "MultiTaskLassoCV"),
    *("CCA", "PLSCanonical", "PLSRegression", "PLSSVD"),
}

# Beyond random_state=0 and five estimators: what an estimator needs, or what makes it quick.
PARAMETERS: dict[str, dict[str, Any]] = {
    "ARDRegression": {"max_iter": 20},
    "BernoulliRBM": {"n_components": 8, "n_iter": 2},
    "CalibratedClassifierCV": {"estimator": LR, "cv": 2},
    "ClassifierChain": {"estimator": LR},
    "ColumnTransformer": {
        "transformers": [("a", StandardScaler(), [2, 0]), ("b", MinMaxScaler(), [1])],
        "remainder": "passthrough",
    },
    "DictionaryLearning": {"n_components": 3, "max_iter": 5},
    "ElasticNetCV": {"cv": 2, "alphas": [0.1, 1.0]},
    "FastICA": {"whiten": "unit-variance"},
    "FeatureUnion": {"transformer_list": [("a", StandardScaler()), ("b", MinMaxScaler())]},
    "FixedThresholdClassifier": {"estimator": LR},
    "FrozenEstimator": {"estimator": LR},
    "GaussianRandomProjection": {"n_components": 3},
    "GraphicalLassoCV": {"cv": 2},
    "GridSearchCV": {"estimator": LR, "param_grid": {"C": [0.1, 1.0]}, "cv": 2},
    "HashingVectorizer": {"n_features": 16},
    "HalvingGridSearchCV": {"estimator": LR, "param_grid": {"C": [0.1, 1.0]}, "cv": 2},
    "HalvingRandomSearchCV": {
        "estimator": LR,
        "param_distributions": {"C": [0.1, 1.0]},
        "cv": 2,
        "n_candidates": 2,
    },
    "HistGradientBoostingClassifier": {"max_iter": 4, "min_samples_leaf": 5},
    "HistGradientBoostingRegressor": {"max_iter": 4, "min_samples_leaf": 5},
    "IterativeImputer": {"max_iter": 2},
    "KBinsDiscretizer": {"n_bins": 3, "quantile_method": "averaged_inverted_cdf"},
    "LarsCV": {"cv": 2},
    "LassoCV": {"cv": 2, "alphas": [0.1, 1.0]},
    "LassoLarsCV": {"cv": 2},
    "LatentDirichletAllocation": {"n_components": 4, "max_iter": 3},
    "LocalOutlierFactor": {"novelty": True},
    "LogisticRegressionCV": {"Cs": 2, "cv": 2, "max_iter": 50},
    "MLPClassifier": {"hidden_layer_sizes": (6,), "max_iter": 30},
    "MLPRegressor": {"hidden_layer_sizes": (6,), "max_iter": 30},
    "MiniBatchDictionaryLearning": {"n_components": 3, "max_iter": 3},
    "MiniBatchNMF": {"n_components": 4, "max_iter": 20},
    "MiniBatchSparsePCA": {"n_components": 3, "max_iter": 5},
    "MultiOutputClassifier": {"estimator": LR},
    "MultiOutputRegressor": {"estimator": Ridge()},
    "MultiTaskElasticNetCV": {"cv": 2, "alphas": [0.1, 1.0]},
    "MultiTaskLassoCV": {"cv": 2, "alphas": [0.1, 1.0]},
    "NMF": {"n_components": 4, "max_iter": 100},
    "NeighborhoodComponentsAnalysis": {"max_iter": 5},
    "OneVsOneClassifier": {"estimator": LR},
    "OneVsRestClassifier": {"estimator": LR},
    "OrthogonalMatchingPursuitCV": {"cv": 2},
    "OutputCodeClassifier": {"estimator": LR},
    "Pipeline": {"steps": [("scale", StandardScaler()), ("classify", LR)]},
    "QuantileTransformer": {"n_quantiles": 20},
    "RANSACRegressor": {"estimator": LinearRegression()},
    "RFE": {"estimator": LR},
    "RFECV": {"estimator": LR, "cv": 2},
    "RadiusNeighborsClassifier": {"radius": 5.0, "outlier_label": "most_frequent"},
    "RadiusNeighborsRegressor": {"radius": 5.0},
    "RadiusNeighborsTransformer": {"radius": 1.0},
    "RandomizedSearchCV": {
        "estimator": LR,
        "param_distributions": {"C": [0.1, 1.0]},
        "cv": 2,
        "n_iter": 2,
    },
    "RegressorChain": {"estimator": Ridge()},
    "SelectFromModel": {"estimator": LR},
    "SelectKBest": {"k": 2},
    "SelfTrainingClassifier": {"estimator": LR},
    "SequentialFeatureSelector": {"estimator": LR, "cv": 2},
    "SparseCoder": {"dictionary": np.eye(4)[:3] + 0.1},
    "SparsePCA": {"n_components": 3, "max_iter": 10},
    "SparseRandomProjection": {"n_components": 3, "density": 0.5},
    "StackingClassifier": {"estimators": TWO, "final_estimator": LR, "cv": 2},
    "StackingRegressor": {"estimators": [("a", Ridge())], "cv": 2},
    "TheilSenRegressor": {"max_subpopulation": 100, "max_iter": 20},
    "TransformedTargetRegressor": {
        "regressor": Ridge(),
        "func": np.log1p,
        "inverse_func": np.expm1,
    },
    "TunedThresholdClassifierCV": {"estimator": LR, "cv": 2},
    "VotingClassifier": {"estimators": TWO, "voting": "soft"},
    "VotingRegressor": {"estimators": [("a", Ridge()), ("b", LinearRegression())]},
}

# What an estimator is fitted on, where the sort of it does not say.
DATA: dict[str, str] = {
    "AdditiveChi2Sampler": "digits",
    "BernoulliNB": "digits",
    "BernoulliRBM": "ones",
    "CategoricalNB": "steps",
    "ComplementNB": "digits",
    "FixedThresholdClassifier": "cancer",
    "GaussianProcessClassifier": "wine",
    "IsotonicRegression": "one",
    "KernelCenterer": "kernel",
    "LatentDirichletAllocation": "digits",
    "LinearDiscriminantAnalysis": "wine",
    "LinearSVC": "wine",
    "MLPClassifier": "digits",
    "MiniBatchNMF": "digits",
    "MultinomialNB": "digits",
    "NMF": "digits",
    "OneHotEncoder": "islands",
    "OrdinalEncoder": "islands",
    "PCA": "wine",
    "SGDClassifier": "cancer",
    "SVC": "digits",
    "TargetEncoder": "islands",
    "TfidfTransformer": "digits",
    "TunedThresholdClassifierCV": "cancer",
}  # fmt: skip

FITTED_ALONE = "it has results only for the rows that it was fitted on, and no method for new rows"
NEIGHBOURS = "it searches for neighbors, and has no method with one result for each row"
COVARIANCE = "it estimates a covariance, and has no method for new rows"
NO_METHOD = (FITTED_ALONE, NEIGHBOURS, COVARIANCE)
LABELS = "it transforms targets, not rows of features"
MAPPINGS = "it takes dictionaries with any keys: it is served only if the model has a schema"

NOT_SERVED: dict[str, str] = {
    "AgglomerativeClustering": FITTED_ALONE,
    "ClassicalMDS": FITTED_ALONE,
    "DBSCAN": FITTED_ALONE,
    "DictVectorizer": MAPPINGS,
    "EmpiricalCovariance": COVARIANCE,
    "FeatureHasher": MAPPINGS,
    "GraphicalLasso": COVARIANCE,
    "GraphicalLassoCV": COVARIANCE,
    "HDBSCAN": FITTED_ALONE,
    "LabelBinarizer": LABELS,
    "LabelEncoder": LABELS,
    "LedoitWolf": COVARIANCE,
    "MDS": FITTED_ALONE,
    "MinCovDet": COVARIANCE,
    "MultiLabelBinarizer": LABELS,
    "NearestNeighbors": NEIGHBOURS,
    "OAS": COVARIANCE,
    "OPTICS": FITTED_ALONE,
    "PatchExtractor": "it takes images, not rows of features",
    "ShrunkCovariance": COVARIANCE,
    "SpectralBiclustering": FITTED_ALONE,
    "SpectralClustering": FITTED_ALONE,
    "SpectralCoclustering": FITTED_ALONE,
    "SpectralEmbedding": FITTED_ALONE,
    "TSNE": FITTED_ALONE,
}


NOT_SERVED = {name: reason for name, reason in NOT_SERVED.items() if name in CLASSES}
SERVED = [name for name in CLASSES if name not in NOT_SERVED]

# One estimator of each kind of input, output and sort, for the run of every day.
ONE_OF_EACH_KIND = [
    *("LogisticRegression", "LinearRegression", "HistGradientBoostingClassifier"),
    *("RandomForestClassifier", "MultiOutputRegressor", "IsotonicRegression", "KMeans"),
    *("IsolationForest", "LocalOutlierFactor", "StandardScaler", "OneHotEncoder", "SparsePCA"),
    *("TfidfVectorizer", "GaussianMixture"),
]


@dataclass(frozen=True, slots=True)
class Case:
    """A fitted estimator and the rows that requests are drawn from, in the container of its fit."""

    name: str
    estimator: Any
    X: Any
    schema: Mapping[str, Any] | None = None
    profile: Any = None

    def rows(self, places: list[int]) -> Any:
        """Return some rows in the same container, as one C-ordered block where they are of a kind.

        It is what a user has who builds the rows of one call by hand. With a profile, a data frame
        has the memory layout that pandas gives to a frame of records.
        """
        if isinstance(self.X, list):
            return [self.X[place] for place in places]
        if isinstance(self.X, pd.DataFrame):
            part = self.X.iloc[places].reset_index(drop=True)
            first = part.dtypes.iloc[0]
            is_block = isinstance(first, np.dtype) and first.kind in "fiub"
            if part.dtypes.nunique() > 1 or not is_block or self.profile is not None:
                return part
            block = np.ascontiguousarray(part.to_numpy())
            return pd.DataFrame(block, columns=part.columns, copy=False)  # a copy is F-ordered
        return self.X[places].copy(order="C") if isinstance(self.X, np.ndarray) else self.X[places]


VARIANTS = ("array", "frame", "several outputs")


@cache
def case(name: str, variant: str) -> Case | None:
    """Return an estimator, fitted; None where there is no such variant of it.

    :param name: of the class
    :param variant: one of :data:`VARIANTS`: fitted on an array; on a data frame, with labels that
        are texts and with holes where the estimator takes them; on an array with several targets
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # five iterations do not converge
        estimator = make(name)
        if get_tags(estimator).input_tags.string and not get_tags(estimator).input_tags.two_d_array:
            return _of_texts(name, estimator) if variant == "array" else None
        return _of_numbers(name, estimator, variant)


def make(name: str) -> Any:
    """Return an estimator with the parameters of the tables."""
    known = CLASSES[name]._get_param_names()
    usual = {"random_state": 0, "n_estimators": 5}
    given = {**usual, **PARAMETERS.get(name, {})}
    return clone(CLASSES[name](**{key: value for key, value in given.items() if key in known}))


def _of_texts(name: str, estimator: Any) -> Case:
    texts, _ = data.texts()
    return Case(name, estimator.fit(texts), texts)


def _of_numbers(name: str, estimator: Any, variant: str) -> Case | None:
    tags = get_tags(estimator)
    kind = tags.estimator_type or ""
    both = tags.target_tags.multi_output and tags.target_tags.single_output
    if variant == "several outputs" and not (both and kind in ("classifier", "regressor")):
        return None
    several = variant == "several outputs" or name in SEVERAL
    X, y = data.load("linnerud" if several and kind != "classifier" else _source(name, kind))
    if kind == "classifier":
        y = _labels(name, y, several=several, named=variant == "frame")
    if variant == "frame" and tags.input_tags.allow_nan:
        X = data.with_holes(X)
    fitted = _fit(name, estimator, X if variant == "frame" else X.to_numpy(), y)
    has_names = variant != "frame" or hasattr(fitted, "feature_names_in_")
    return Case(name, fitted, X if variant == "frame" else X.to_numpy()) if has_names else None


def _source(name: str, kind: str) -> str:
    by_kind = {"regressor": "diabetes"}
    return DATA.get(name, by_kind.get(kind, "iris"))


def _labels(name: str, y: Any, *, several: bool, named: bool) -> Any:
    """Return the target of a classifier: numbers or texts, of one output or of two."""
    if name == "ClassifierChain" or (name == "OneVsRestClassifier" and several):  # yes and no alone
        return np.column_stack([y == 0, y == 1]).astype(int)
    if named:
        y = np.array([f"class {label}" for label in y], dtype=object)
    return np.column_stack([y, np.where(y == y[0], y[0], y[1])]) if several else y


def _fit(name: str, estimator: Any, X: Any, y: Any) -> Any:
    if name == "FrozenEstimator":
        estimator.estimator = clone(LR).fit(X, y)
    if name == "DictVectorizer":
        return estimator.fit([{"a": 1.0, "b": "c"}])
    if name == "MultiLabelBinarizer":
        return estimator.fit([[label] for label in y])
    return estimator.fit(y) if name in ("LabelBinarizer", "LabelEncoder") else estimator.fit(X, y)
