"""The application that hostile bodies are sent to: one model of each kind of schema."""

from __future__ import annotations

import logging
import os
from typing import Any

import numpy as np
from flask import Flask, Response
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.datasets import load_iris
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from flask_skmodels import KeyValueModel, Model, SKModels, ValuesModel

FIELDS = ("sepal_length", "sepal_width", "petal_length", "petal_width")
WIDE = 100  # columns
CATEGORIES = 5_000
DIALECTS = ["open-inference", "kserve-v1", "mlflow"]


class RowSums(BaseEstimator, TransformerMixin):
    """Takes rows of any length, and returns their sums."""

    def fit(self, X: Any, y: Any = None) -> RowSums:
        self.is_fitted_ = True
        return self

    def transform(self, X: Any) -> Any:
        return np.asarray(X).sum(axis=1, keepdims=True)


def create_app() -> Flask:
    """Return the application."""
    app = Flask("hostile")
    logging.basicConfig(level=logging.INFO)
    app.logger.setLevel(logging.INFO)
    app.config.update(SKMODELS_DIALECTS=DIALECTS, SKMODELS_MLFLOW_MODEL="iris")
    models = SKModels(app)
    for model in _models():
        models.register(model)

    @app.after_request
    def name_worker(response: Response) -> Response:
        response.headers["X-Worker"] = str(os.getpid())
        return response

    return app


def _models() -> list[Model]:
    data, labels = load_iris(return_X_y=True)
    iris = make_pipeline(StandardScaler(), LogisticRegression()).fit(data, labels)
    wide = LinearRegression().fit(np.eye(WIDE), np.arange(WIDE))
    names = np.array([[f"c{index}"] for index in range(CATEGORIES)], dtype=object)
    words = [f"w{index}" for index in range(CATEGORIES)]
    numbers = {name: {"type": "number", "min": 0} for name in FIELDS}
    choice = {"type": "number", "allowed": list(range(50))}
    checked = {name: {"type": "number", "anyof": [{"min": 0}, {"max": -5}]} for name in FIELDS}
    return [
        KeyValueModel(name="iris", pipeline=iris, schema=numbers, probability=True),
        ValuesModel(name="values", pipeline=iris),
        KeyValueModel(name="strict", pipeline=iris, schema=numbers, purge_unknown=False),
        KeyValueModel(name="choices", pipeline=iris, schema=dict.fromkeys(FIELDS, choice)),
        KeyValueModel(name="checked", pipeline=iris, schema=checked),
        ValuesModel(name="wide", pipeline=wide),
        Model(name="sums", pipeline=RowSums().fit(None), methods=["transform"]),
        KeyValueModel(
            name="onehot",
            pipeline=OneHotEncoder(handle_unknown="ignore").fit(names),
            schema={"category": {"type": "string"}},
            methods=["transform"],
        ),
        Model(name="words", pipeline=CountVectorizer().fit(words), methods=["transform"]),
        KeyValueModel(
            name="dense",
            pipeline=OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(names[:300]),
            schema={"category": {"type": "string"}},
            methods=["transform"],
        ),
    ]
