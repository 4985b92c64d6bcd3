"""Pipelines with samplers and ensembles of imbalanced-learn."""

from __future__ import annotations

from typing import Any

from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import (
    StandardScaler,
)

from tests.parity.data import KINDS
from tests.parity.foreign.entry import Entry, Library
from tests.parity.foreign.steps import HGB, LENIENT, LR, SPLIT, VISITS, mixed

over, under = Library("imblearn.over_sampling"), Library("imblearn.under_sampling")
both, balanced = Library("imblearn.combine"), Library("imblearn.ensemble")


def sampled(*parts: Any) -> Any:
    return Library("imblearn.pipeline").make_pipeline(*map(clone, parts))


IMBALANCED = {
    "RandomUnderSampler": Entry(
        "iris", lambda: sampled(under.RandomUnderSampler(random_state=0), LR)
    ),
    "RandomOverSampler, missing values": Entry(
        "penguins", lambda: sampled(*mixed(LR, over.RandomOverSampler(random_state=0)))
    ),
    "SMOTE": Entry("wine", lambda: sampled(StandardScaler(), over.SMOTE(random_state=0), LR)),
    "SMOTE between encoder and boosting": Entry(
        "penguins", lambda: sampled(*mixed(HGB, over.SMOTE(random_state=0)))
    ),
    "SMOTE on nullable columns": Entry(
        "shop: visits price amount member",
        lambda: sampled(SimpleImputer(), over.SMOTE(random_state=0), SPLIT),
        container="nullable",
        schema=VISITS,
    ),
    "SMOTE on a polars frame": Entry(
        "penguins", lambda: sampled(*mixed(LR, over.SMOTE(random_state=0))), container="polars"
    ),
    "SMOTE on an array": Entry(
        "cancer", lambda: sampled(over.SMOTE(random_state=0), GaussianNB()), container="array"
    ),
    "BorderlineSMOTE": Entry("iris", lambda: sampled(over.BorderlineSMOTE(random_state=0), SPLIT)),
    "SVMSMOTE": Entry(
        "cancer", lambda: sampled(over.SVMSMOTE(random_state=0), StandardScaler(), LR)
    ),
    "ADASYN": Entry("cancer", lambda: sampled(StandardScaler(), over.ADASYN(random_state=0), LR)),
    "SMOTENC of texts": Entry(
        "whole penguins",
        lambda: sampled(
            over.SMOTENC(KINDS, random_state=0),
            make_column_transformer((LENIENT, KINDS), remainder="passthrough"),
            SPLIT,
        ),
    ),
    "SMOTEN of texts": Entry(
        "whole penguins: island sex", lambda: sampled(over.SMOTEN(random_state=0), LENIENT, LR)
    ),
    "SMOTETomek": Entry("iris", lambda: sampled(both.SMOTETomek(random_state=0), LR)),
    "SMOTEENN": Entry("wine", lambda: sampled(both.SMOTEENN(random_state=0), GaussianNB())),
    "TomekLinks": Entry("iris", lambda: sampled(under.TomekLinks(), KNeighborsClassifier())),
    "NearMiss": Entry("wine", lambda: sampled(under.NearMiss(), StandardScaler(), LR)),
    "EditedNearestNeighbours": Entry(
        "iris", lambda: sampled(under.EditedNearestNeighbours(), SPLIT)
    ),
    "OneSidedSelection": Entry(
        "cancer", lambda: sampled(under.OneSidedSelection(random_state=0), GaussianNB())
    ),
    "sampler inside a grid search": Entry(
        "iris",
        lambda: GridSearchCV(
            sampled(over.SMOTE(random_state=0, k_neighbors=3), LR),
            {"logisticregression__C": [0.1, 1.0]},
            cv=2,
        ),
    ),
    "FunctionSampler": Entry(
        "iris", lambda: sampled(Library("imblearn").FunctionSampler(func=_first_half), LR)
    ),
    "BalancedBaggingClassifier": Entry(
        "iris", lambda: balanced.BalancedBaggingClassifier(SPLIT, n_estimators=3, random_state=0)
    ),
    "BalancedRandomForestClassifier": Entry(
        "cancer", lambda: balanced.BalancedRandomForestClassifier(n_estimators=3, random_state=0)
    ),
    "EasyEnsembleClassifier": Entry(
        "iris", lambda: balanced.EasyEnsembleClassifier(n_estimators=2, random_state=0)
    ),
    "RUSBoostClassifier": Entry(
        "wine", lambda: balanced.RUSBoostClassifier(n_estimators=3, random_state=0)
    ),
}


def _first_half(X: Any, y: Any) -> Any:
    return X[: len(X) // 2], y[: len(y) // 2]
