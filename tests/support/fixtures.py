"""Fixtures: a fitted pipeline, an extension that serves it, an application and its client.

``conftest.py`` loads this module as a plugin of pytest, in each process that runs tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

import flask_skmodels
from flask_skmodels import (
    SKModels,
    after_prediction,
    before_prediction,
    drift_detected,
    extension,
    input_rejected,
    model_load_failed,
    model_loaded,
    prediction_failed,
    prediction_refused,
    prediction_stopped,
    shadow_prediction,
)
from tests.support.helpers import FIELDS, SCHEMA, X, Y
from tests.support.measured_processes import measure_processes
from tests.support.templates import TemplateCache
from tests.support.verified_once import verify_once

TRIALS_OF = extension.trials_of
SIGNALS = (
    *(before_prediction, after_prediction, prediction_stopped, prediction_failed, input_rejected),
    prediction_refused,
    *(model_loaded, model_load_failed, shadow_prediction, drift_detected),
)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Use one thread for BLAS and OpenMP: for small data, more of them only take time."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session", autouse=True)
def imported_for_coverage(request: pytest.FixtureRequest) -> None:
    """Import all modules now, because a test without coverage may be the first to import one."""
    if request.config.pluginmanager.hasplugin("_cov"):
        for module in walk_packages(flask_skmodels.__path__, "flask_skmodels."):
            with suppress(ImportError):
                import_module(module.name)


@pytest.fixture(scope="session", autouse=True)
def verified_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        verify_once(patch)
        yield


@pytest.fixture(scope="session", autouse=True)
def compiled_once() -> Iterator[None]:
    """Compile each template once, not once for each application."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Flask, "jinja_options", {"bytecode_cache": TemplateCache()})
        yield


@pytest.fixture(scope="session", autouse=True)
def untried() -> Iterator[None]:
    """Load files without a trial, which takes a second, except in the tests of trials."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flask_skmodels.extension.trials_of", lambda app, settings: None)
        yield


@pytest.fixture
def measured_processes(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measure coverage in the processes that the test starts, too."""
    measure_processes(monkeypatch, tmp_path_factory.mktemp("coverage"))


@pytest.fixture(scope="session")
def named() -> Any:
    """A classifier of iris flowers, fitted on a data frame: it knows the names of its columns."""
    frame = pd.DataFrame(X, columns=list(FIELDS))
    return LogisticRegression(max_iter=1000).fit(frame, Y)


@pytest.fixture(scope="session")
def pipeline() -> Any:
    """A classifier of iris flowers, fitted on an array: without names."""
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)


@pytest.fixture(scope="session")
def line_pipeline() -> Any:
    """A regression of three values: 1 * a + 10 * b + 100 * c."""
    return LinearRegression(fit_intercept=False).fit(np.eye(3), [1.0, 10.0, 100.0])


@pytest.fixture(scope="session")
def mixed_pipeline() -> Any:
    """A classifier of a data frame with texts, numbers and missing numbers."""
    frame = pd.DataFrame(
        {
            "island": ["Dream", "Biscoe", "Torgersen", "Dream", "Biscoe", "Torgersen"] * 5,
            "mass": [3000.0, 5000.0, np.nan, 3100.0, 5100.0, 4000.0] * 5,
        }
    )
    columns = ColumnTransformer(
        [("island", OneHotEncoder(), ["island"]), ("mass", SimpleImputer(), ["mass"])]
    )
    scaled = make_pipeline(columns, StandardScaler(), LogisticRegression())
    return scaled.fit(frame, ["light", "heavy", "light", "light", "heavy", "light"] * 5)


@pytest.fixture
def models(pipeline: Any) -> SKModels:
    models = SKModels()
    models.add("iris", pipeline, schema=SCHEMA, probability=True)
    return models


@pytest.fixture
def app(models: SKModels) -> Flask:
    app = Flask("iris_app")
    models.init_app(app)
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """No receiver of one test hears another."""
    yield
    for signal in SIGNALS:
        signal._clear_state()
