"""Models of several kinds, for the tests of the API document."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from flask import Flask
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from flask_skmodels import KeyValueModel, Model, SKModels, ValuesModel
from tests.support.helpers import FIELDS, SETOSA, X, Y
from tests.support.versions_folder import put

NAMES = ("iris", "line", "penguins", "scaled", "folder")
ISLANDS = ("Biscoe", "Dream", "Torgersen")


def measure(name: str) -> dict[str, Any]:
    label = name.replace("_", " ").capitalize()
    return {"min": 0, "max": 100, "meta": {"label": label, "unit": "cm"}}


def iris() -> Model:
    """Numbers by name, with the probability of each class."""
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
    return KeyValueModel(
        name="iris",
        description="Species of an iris flower.",
        pipeline=pipeline,
        probability=True,
        schema={name: measure(name) for name in FIELDS},
        examples=[SETOSA],
    )


def line() -> Model:
    """Numbers without names, from which a number is predicted."""
    pipeline = LinearRegression(fit_intercept=False).fit(np.eye(3), [1.0, 10.0, 100.0])
    return ValuesModel(name="line", pipeline=pipeline, examples=[[1, 2, 3]])


def penguins() -> Model:
    """A data frame with categories, days, and numbers that may be missing."""
    frame = pd.DataFrame(
        {
            "island": [*ISLANDS] * 10,
            "mass": [3000.0, 5000.0, np.nan] * 10,
            "seen": [date(2007 + year % 3, 11, 1) for year in range(30)],
        }
    )
    years = FunctionTransformer(_years)
    columns = ColumnTransformer(
        [
            ("island", OneHotEncoder(), ["island"]),
            ("mass", SimpleImputer(), ["mass"]),
            ("seen", years, ["seen"]),
        ]
    )
    sizes = ["light", "heavy", "heavy"] * 10
    return KeyValueModel(
        name="penguins",
        pipeline=make_pipeline(columns, LogisticRegression(max_iter=1000)).fit(frame, sizes),
        methods=("predict", "predict_proba", "predict_log_proba", "decision_function"),
        schema={
            "island": {"allowed": ISLANDS},
            "mass": {"type": "number", "nullable": True, "required": False, "min": 0, "max": 1e6},
            "seen": {"type": "date", "default": date(2008, 11, 1)},
        },
        purge_unknown=False,
        examples=[{"island": "Dream", "mass": None, "seen": date(2009, 11, 1)}],
    )


def scaled() -> Model:
    """A transformer."""
    return Model(name="scaled", pipeline=StandardScaler().fit(X[:, :2]), examples=[[5.1, 3.5]])


def folder() -> Model:
    """A folder with two versions."""
    return Model(name="folder", pipeline="folder", schema={"a": {}, "b": {}}, examples=[[1, 2]])


def application(root: Path, **config: Any) -> Flask:
    """Return an application that serves them all.

    :param root: where the folder of versions is to be
    """
    for label in ("1", "2"):
        put(root / "folder", label)
    app = Flask("described")
    app.config.update(SKMODELS_ROOT=root, SKMODELS_TRUST_PICKLE=True, **config)
    models = SKModels(app)
    for make in (iris, line, penguins, scaled, folder):
        models.register(make())
    return app


def _years(frame: pd.DataFrame) -> Any:
    return np.array([[day.year - 2008] for day in frame.iloc[:, 0]], dtype=float)
