"""Data frames for the pipelines of other libraries: columns of every type, in every container."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from tests.parity import data

ROWS = 90
SENTENCES = ("late parcel", "kind staff, late parcel", "broken", "quick and kind", "too expensive")


@dataclass(frozen=True, slots=True)
class Source:
    """A data set: its columns, and the targets that estimators are fitted on.

    :param labels: three classes as texts
    """

    X: pd.DataFrame
    labels: Any

    def target(self, kind: str) -> Any:
        """Return the target.

        :param kind: ``"labels"``; ``"codes"``, the classes as integers from 0; ``"binary"``, 1 for
            one class and 0 for the others; or ``"number"``, positive floats
        """
        codes = np.unique(self.labels, return_inverse=True)[1]
        noise = np.random.RandomState(1).uniform(size=len(codes)).round(2)
        targets = {"labels": self.labels, "codes": codes, "binary": (codes == 0).astype(int)}
        return {**targets, "number": 3.0 + 2.5 * codes + noise}[kind]


@cache
def source(name: str) -> Source:
    """Return a data set.

    :param name: of the data set, and after a colon the names of its columns if not all are used:
        ``"shop: town amount"``
    """
    name, _, columns = name.partition(":")
    found = _SOURCES[name]()
    return Source(found.X[columns.split()] if columns else found.X, found.labels)


def convert(X: pd.DataFrame, container: str) -> Any:
    """Return a data frame in another container: a key of :data:`CONTAINERS`."""
    return CONTAINERS[container](X)


def _shop() -> Source:
    """Return visits of a shop's customers: numbers, texts, booleans, dates and missing values."""
    random = np.random.RandomState(0)
    count = ROWS

    def with_gaps(values: Any) -> Any:
        return np.where(random.uniform(size=count) < 0.2, np.nan, values)

    days = pd.to_datetime("2024-01-01") + pd.to_timedelta(random.randint(0, 700, count), unit="D")
    hours = pd.to_timedelta(random.randint(0, 86400, count), unit="s")
    kind = random.choice(np.array(["new", "old", "lost", None], dtype=object), count)
    maybe = random.choice(np.array([True, False, None], dtype=object), count)
    X = pd.DataFrame(
        {
            "town": random.choice(["Oslo", "Malmö", "Lyon", "Bad Ems"], count),
            "kind": pd.Series(kind, dtype="str"),
            "zip": random.choice([1010, 1020, 2300, 7000], count),
            "visits": random.randint(1, 9, count),
            "price": random.uniform(1, 90, count).round(2),
            "amount": with_gaps(random.normal(size=count)),
            "score": with_gaps(random.randint(0, 5, count)),
            "member": random.uniform(size=count) < 0.5,
            "maybe": pd.Series(maybe, dtype=object),
            "since": pd.Series(days).astype("datetime64[us]"),
            "seen": pd.Series(days + hours)
            .dt.tz_localize("Europe/Oslo", nonexistent="NaT")
            .ffill()
            .astype("datetime64[us, Europe/Oslo]"),
            "note": [
                ", ".join(SENTENCES[i] for i in pair) for pair in random.randint(0, 5, (count, 2))
            ],
        }
    )
    weight = X["visits"] + 3 * X["member"] + 2 * (X["town"] == "Oslo") + X["amount"].fillna(0)
    thresholds = weight.quantile([0.33, 0.66]).tolist()
    return Source(X, np.array(["few", "many", "some"])[np.digitize(weight, thresholds)])


def _numbers(name: str) -> Source:
    X, y = data.load(name)
    labels = np.array([f"class {label}" for label in y])
    if name == "diabetes":
        labels = np.array(["few", "many", "some"])[np.digitize(y, [90, 170])]
    names = [column.replace(" ", "_").replace("(cm)", "cm") for column in X.columns]
    return Source(pd.DataFrame(X.to_numpy().copy(order="F"), columns=names), labels)


def _penguins(*, whole: bool) -> Source:
    X, y = data.penguins(whole=whole)
    return Source(X, np.asarray(y, dtype=object))


def _labelled() -> Source:
    """Return the flowers with integers as the labels of their columns."""
    found = _numbers("iris")
    return Source(found.X.set_axis(range(4), axis=1), found.labels)


_SOURCES: dict[str, Callable[[], Source]] = {
    "shop": _shop,
    "penguins": lambda: _penguins(whole=False),
    "whole penguins": lambda: _penguins(whole=True),
    "labelled iris": _labelled,
    **{name: partial(_numbers, name) for name in ("iris", "wine", "cancer", "diabetes")},
}


def _with_categories(X: pd.DataFrame) -> pd.DataFrame:
    texts = [name for name in X if all(isinstance(value, str) for value in X[name].dropna())]
    return X.astype(dict.fromkeys(texts, "category"))


def _with_objects(X: pd.DataFrame) -> pd.DataFrame:
    """Return texts as objects, as pandas 2 has them, with None for a missing one."""
    texts = {name: X[name].astype(object) for name in X if X[name].dtype == "str"}
    return X.assign(**{name: column.where(column.notna(), None) for name, column in texts.items()})


CONTAINERS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda X: X,
    "objects": _with_objects,
    "categories": _with_categories,
    "nullable": lambda X: X.convert_dtypes(),
    "pyarrow": lambda X: X.convert_dtypes(dtype_backend="pyarrow"),
    "polars": pl.from_pandas,
    "array": lambda X: X.to_numpy(),
}
