"""The application of the soak: models from memory and from a folder, whose answers are known."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
from flask import Flask, Response
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.linear_model import LinearRegression

from flask_skmodels import Artifact, SKModels


class Slow(BaseEstimator):
    """Doubles its only column, slowly enough for its calls to be combined."""

    def fit(self, X: Any, y: Any = None) -> Slow:
        self.n_features_in_ = 1
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        threading.Event().wait(0.005)
        doubled: NDArray[np.float64] = np.asarray(X, dtype=np.float64)[:, 0] * 2
        return doubled


def create_app() -> Flask:
    """Return the application; ``SOAK_FOLDER`` names its folder, with ``versions/`` in it."""
    folder = Path(os.environ["SOAK_FOLDER"])
    numbers = np.arange(8.0).reshape(-1, 1)
    models = SKModels()
    line = LinearRegression().fit(numbers, 3 * numbers[:, 0] + 1)
    models.add("line", line, schema={"x": {"type": "number"}}, examples=[{"x": 1}])
    slow = Slow().fit(None)
    schema = {"x": {"type": "number"}}
    models.add("slow", slow, schema=schema, engine="sklearn", batching=True)
    models.add(
        "narrow", slow, schema=schema, engine="sklearn", batching=False,
        max_concurrency=1, max_queue=1, timeout=1,
    )  # fmt: skip
    models.add(
        "number", Artifact("versions/"), examples=[[0.5, 0.5]], traffic={"1": 0.2}, shadow="2"
    )
    app = Flask("soaked")
    app.config.update(
        SKMODELS_ROOT=folder,
        SKMODELS_TRUST_PICKLE=True,
        SKMODELS_RELOAD=1.0,
        SKMODELS_READY_EXAMPLES=True,
        SKMODELS_STATE_DIR=folder / "state",
    )
    models.init_app(app)

    @app.after_request
    def name_worker(response: Response) -> Response:
        response.headers["X-Worker"] = str(os.getpid())
        return response

    return app
