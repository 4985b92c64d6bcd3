"""Functions and transformers of a user's own, as steps of pipelines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin


def sine(X: Any, period: float = 12) -> Any:
    return np.sin(X / period * 2 * np.pi)


def cosine(X: Any, period: float = 12) -> Any:
    return np.cos(X / period * 2 * np.pi)


def text_stats(notes: Any) -> Any:
    return [{"length": len(note), "commas": note.count(",")} for note in notes]


def ratio(X: Any) -> Any:
    return (X["price"] / X["visits"]).to_frame()


def ratio_with_names(X: pd.DataFrame) -> pd.DataFrame:
    return X.assign(ratio=X["price"] / X["visits"])


def ratio_of_an_array(X: Any) -> Any:
    return X[:, [0]] / X[:, [1]]


def first_and_third(X: Any) -> Any:
    return X[[0, 2]]


def as_text(X: pd.DataFrame) -> pd.DataFrame:
    return X.astype({"zip": str})


def cells_as_text(X: pd.DataFrame) -> pd.DataFrame:
    return X.astype(str)


def month(X: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"month": X["since"].dt.month, "day": X["since"].dt.dayofweek})


def hour(X: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"hour": X["seen"].dt.hour, "month": X["seen"].dt.month})


def polars_ratio(X: Any) -> Any:
    return X.with_columns(ratio=pl.col("price") / pl.col("visits")).select("price", "ratio")


def polars_month(X: Any) -> Any:
    return X.select(pl.col("since").dt.month(), pl.col("since").dt.year().alias("year"))


def filled(X: pd.DataFrame) -> pd.DataFrame:
    return X.fillna({"amount": 0.0, "kind": "unknown"})


def as_floats(X: pd.DataFrame) -> pd.DataFrame:
    return X.astype({"maybe": float})


def power_of_10(y: Any) -> Any:
    return 10.0**y


class DataFrameSelector(BaseEstimator, TransformerMixin):
    """The selector of a well-known book: it has no attribute of its columns."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def fit(self, X: Any, y: Any = None) -> DataFrameSelector:
        return self

    def transform(self, X: Any) -> Any:
        return X[self.names].to_numpy()


class RatioAdder(BaseEstimator, TransformerMixin):
    """The adder of columns of the same book, on a data frame."""

    def fit(self, X: Any, y: Any = None) -> RatioAdder:
        return self

    def transform(self, X: Any) -> Any:
        return np.c_[X[["price", "visits"]], X["price"] / X["visits"]]


class GroupMeans(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """A home-made imputer: it has no tags, and fills a gap with the mean of the town."""

    def fit(self, X: pd.DataFrame, y: Any = None) -> GroupMeans:
        self.means_ = X.groupby("town")["amount"].mean()
        self.n_features_in_ = X.shape[1]
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        return X.assign(amount=X["amount"].fillna(X["town"].map(self.means_)))
