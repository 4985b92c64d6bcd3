"""What is served: fitted pipelines, and the rows that are sent to them.

Everything is drawn from fixed seeds, so that two runs serve the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris, make_classification
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import Matern
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC

ONE_ROW_REQUESTS = 32  # so many different rows are sent in turn
DIGITS = 6  # of the numbers that are sent
TOWNS = ("Bergen", "Oslo", "Trondheim", "Stavanger", "Bodø")
PLANS = ("basic", "family", "pro")


@dataclass(frozen=True)
class Workload:
    """A fitted pipeline with the requests that are sent to it.

    :param name: what options and results call it
    :param model: name of the model
    :param title: what it is
    :param pipeline: the estimator; fitted on an array, or on a frame where it has texts
    :param requests: the rows of each request
    :param schema: Cerberus's rules by field
    :param method: of the pipeline
    :param coded: the same with numbers in place of categories, for servers that take no categories
    """

    name: str
    model: str
    title: str
    pipeline: Any
    requests: tuple[pd.DataFrame, ...]
    schema: dict[str, dict[str, Any]]
    method: str = "predict"
    coded: Workload | None = None

    @property
    def has_texts(self) -> bool:
        return any(rules.get("type") == "string" for rules in self.schema.values())

    @property
    def rows(self) -> int:
        """How many rows a request has."""
        return len(self.requests[0])

    def X(self, request: pd.DataFrame) -> Any:  # noqa: N802
        """Return the rows of a request as what the pipeline was fitted on."""
        return request if self.has_texts else request.to_numpy()

    def expected(self, request: pd.DataFrame) -> list[Any]:
        """Return the predictions that the pipeline itself makes of a request."""
        predictions: list[Any] = getattr(self.pipeline, self.method)(self.X(request)).tolist()
        return predictions


@cache
def one_row() -> dict[str, Workload]:
    """Return W1, W2 and W3 by name."""
    return {workload.name: workload for workload in (_w1(), _w2(), _w3())}


@cache
def many_rows() -> dict[str, Workload]:
    """Return W4 with 1,000 and with 10,000 rows a request."""
    names = [f"f{place}" for place in range(20)]
    X, y = make_classification(2_000, 20, n_informative=10, random_state=0)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    title = "W4, {:,} rows of 20 numbers"
    return {
        f"w4-{rows}": Workload(
            f"w4-{rows}",
            "w4",
            title.format(rows),
            pipeline,
            (_frame(np.random.default_rng(1).normal(size=(rows, 20)), names),),
            {name: {"type": "number", "nullable": False} for name in names},
        )
        for rows in (1_000, 10_000)
    }


@cache
def boosted() -> Workload:
    """Return W5, a LightGBM classifier of numbers and categories.

    :raises ImportError: LightGBM is not installed
    """
    from lightgbm import LGBMClassifier

    mixed, labels = _mixed()
    is_whole = mixed.notna().all(axis=1)
    frame, y = mixed[is_whole].astype({"town": "category", "plan": "category"}), labels[is_whole]
    codes = frame.assign(**{name: frame[name].cat.codes.astype(float) for name in ("town", "plan")})
    options: dict[str, Any] = {"n_estimators": 100, "random_state": 0, "n_jobs": 1, "verbose": -1}
    own = LGBMClassifier(**options).fit(frame, y)
    other = LGBMClassifier(**options).fit(codes.to_numpy(), y, categorical_feature=[4, 5])
    coded = replace(
        _mixed_workload("w5", "W5, LightGBM with codes of categories", other, codes),
        schema={name: {"type": "number"} for name in codes},
    )
    title = "W5, LightGBM with categories"
    return replace(_mixed_workload("w5", title, own, frame), coded=coded)


@cache
def in_process_only() -> dict[str, Workload]:
    """Return what is measured in process beside W1, W2 and W3."""
    X, y = _numbers()
    extra = ExtraTreesClassifier(100, random_state=0).fit(X, y)
    boosting = GradientBoostingClassifier(random_state=0).fit(X, y)
    return {
        "extra-trees": _numeric("extra-trees", "extra trees, 100", extra, X),
        "ridge": _ridge(),
        "gradient-boosting": _numeric(
            "gradient-boosting", "gradient boosting, 100 trees", boosting, X
        ),
    }


# Estimators that stay slow, lean or not, fitted when they are first asked for.


def _support_vectors() -> Workload:
    X, y = make_classification(5_000, 200, n_informative=40, flip_y=0.3, random_state=0)
    estimator = SVC(C=0.1).fit(X, y)
    return _numeric("svc", f"SVC with {len(estimator.support_):,} vectors", estimator, X)


def _neighbours() -> Workload:
    X, y = make_classification(400_000, 20, n_informative=10, random_state=0)
    estimator = KNeighborsClassifier(15, algorithm="brute").fit(X, y)
    return _numeric("knn", "k nearest neighbours of 400,000", estimator, X)


def _gaussian_process() -> Workload:
    X, y = make_classification(1_000, 20, n_informative=10, random_state=0)
    estimator = GaussianProcessClassifier(Matern(nu=1.5), optimizer=None).fit(X, y)
    workload = _numeric("gp", "probabilities of a Gaussian process of 1,000 points", estimator, X)
    return replace(workload, method="predict_proba")


SLOW: dict[str, Callable[[], Workload]] = {
    "svc": _support_vectors,
    "knn": _neighbours,
    "gp": _gaussian_process,
}


@cache
def slow(name: str) -> Workload:
    """Return a workload of :data:`SLOW`."""
    return SLOW[name]()


def _w1() -> Workload:
    iris = load_iris()
    names = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(iris.data, iris.target)
    rows = iris.data[np.random.default_rng(0).permutation(150)[:ONE_ROW_REQUESTS]]
    rules: dict[str, Any] = {"type": "number", "min": 0}
    return Workload(
        "w1",
        "w1",
        "W1, scaler and logistic regression",
        pipeline,
        tuple(_singles(_frame(rows, names))),
        dict.fromkeys(names, rules),
    )


@cache
def by_rows() -> tuple[Workload, ...]:
    """Return W1 with 1, 10, 100 ... 1,000,000 rows a request."""
    w1 = one_row()["w1"]
    row = pd.concat(w1.requests, ignore_index=True)
    return tuple(
        replace(
            w1,
            name=f"rows-{rows}",
            title=f"{rows:,} rows a request",
            requests=(row.sample(rows, replace=True, random_state=0, ignore_index=True),),
        )
        for rows in (10**power for power in range(7))
    )


@cache
def large_forest() -> Workload:
    """Return a forest of some 100 MB."""
    X = np.random.default_rng(0).random((20_000, 5))
    y = np.random.default_rng(1).random(20_000)
    forest = ExtraTreesRegressor(40, random_state=0).fit(X, y)
    return _numeric("large", "forest of 100 MB", forest, X)


def _w2() -> Workload:
    X, y = _numbers()
    forest = RandomForestClassifier(100, random_state=0).fit(X, y)
    return _numeric("w2", "W2, forest of 100 trees", forest, X)


def _w3() -> Workload:
    frame, y = _mixed()
    numbers, texts = ["age", "income", "visits", "score"], ["town", "plan"]
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = ColumnTransformer([("numbers", "passthrough", numbers), ("texts", encoder, texts)])
    boosting = HistGradientBoostingClassifier(random_state=0, early_stopping=False)
    pipeline = make_pipeline(columns, boosting).fit(frame, y)
    return _mixed_workload("w3", "W3, column transformer and histogram boosting", pipeline, frame)


def _ridge() -> Workload:
    frame, y = _mixed()
    numbers, texts = ["age", "income", "visits", "score"], ["town", "plan"]
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), numbers),
            ("texts", OneHotEncoder(handle_unknown="ignore"), texts),
        ]
    )
    pipeline = make_pipeline(columns, RidgeClassifier()).fit(frame, y)
    return _mixed_workload("ridge", "imputed and one-hot ridge", pipeline, frame)


def _numbers() -> tuple[Any, Any]:
    X, y = make_classification(2_000, 10, n_informative=6, flip_y=0.05, random_state=0)
    return X, y


def _numeric(name: str, title: str, pipeline: Any, X: Any) -> Workload:
    names = [f"f{place}" for place in range(X.shape[1])]
    rows = _frame(X[:ONE_ROW_REQUESTS], names)
    schema = {field: {"type": "number"} for field in names}
    return Workload(name, name, title, pipeline, tuple(_singles(rows)), schema)


def _mixed() -> tuple[pd.DataFrame, Any]:
    """Return rows of numbers, some of them missing, and texts, with a class for each."""
    source = np.random.default_rng(0)
    rows = 4_000
    frame = pd.DataFrame(
        {
            "age": source.integers(18, 90, rows).astype(float),
            "income": source.lognormal(10, 0.6, rows),
            "visits": source.poisson(3, rows).astype(float),
            "score": source.normal(size=rows),
            "town": pd.Series(source.choice(TOWNS, rows), dtype=object),
            "plan": pd.Series(source.choice(PLANS, rows), dtype=object),
        }
    )
    frame = frame.round(DIGITS)
    told = (
        frame["age"] / 40 + frame["score"] + (frame["town"] == "Oslo") + source.normal(0, 0.7, rows)
    )
    y = (told > told.median()).astype(int)
    for name in ("age", "income", "score"):
        frame.loc[source.random(rows) < 0.1, name] = np.nan
    return frame, y.to_numpy()


def _mixed_workload(name: str, title: str, pipeline: Any, frame: pd.DataFrame) -> Workload:
    number: dict[str, Any] = {"type": "number", "nullable": True}
    schema = {
        "age": number | {"min": 0},
        "income": number,
        "visits": {"type": "number", "min": 0},
        "score": number,
        "town": {"type": "string", "maxlength": 40},
        "plan": {"type": "string", "allowed": list(PLANS)},
    }
    return Workload(name, name, title, pipeline, tuple(_singles(frame[:ONE_ROW_REQUESTS])), schema)


def _frame(X: Any, names: list[str]) -> pd.DataFrame:
    return pd.DataFrame(X, columns=names)


def _singles(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    return (frame.iloc[[row]] for row in range(len(frame)))
