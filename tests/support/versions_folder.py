"""Folders of model versions: functions that write versions and serve them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from flask import Flask
from flask.testing import FlaskClient
from sklearn.dummy import DummyClassifier, DummyRegressor

from flask_skmodels import Artifact, Model, SKModels
from flask_skmodels.inference.deployment import Deployment

FIELDS: dict[str, dict[str, Any]] = {"a": {}, "b": {}}
ROW = {"a": 1, "b": 2}
PREDICT = "/iris/predict/"


def constant(output: Any, columns: int = 2) -> Any:
    """Return a fitted estimator that always gives the same answer."""
    kind = DummyRegressor if isinstance(output, float) else DummyClassifier
    estimator = kind(strategy="constant", constant=output)
    return estimator.fit(np.zeros((2, columns)), [output, output])


def put(folder: Path, label: str, estimator: Any = None) -> Path:
    """Put a version into a folder, whole at once; by default one that answers with its label."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{label}.joblib"
    aside = folder / f".{label}.tmp"
    joblib.dump(constant(label) if estimator is None else estimator, aside)
    aside.replace(path)
    return path


def spoil(folder: Path, label: str, content: bytes = b"half") -> Path:
    """Put a version into a folder that cannot be loaded."""
    path = folder / f"{label}.joblib"
    aside = folder / f".{label}.tmp"
    aside.write_bytes(content)
    aside.replace(path)
    return path


def application(*models: Model, root: Path, **config: Any) -> Flask:
    """Return an application that serves models, by an extension of its own."""
    app = Flask("served")
    app.config.update(SKMODELS_ROOT=root, SKMODELS_TRUST_PICKLE=True, **config)
    extension = SKModels()
    for model in models:
        extension.register(model)
    extension.init_app(app)
    return app


def iris(pipeline: Any = "iris", **attributes: Any) -> Model:
    """Return the declaration of a model of a folder, by default of that of its name."""
    return Model(name="iris", pipeline=pipeline, schema=FIELDS, **attributes)


def extension_of(app: Flask) -> SKModels:
    models: SKModels = app.extensions["skmodels"].models
    return models


def deployment_of(app: Flask, name: str = "iris") -> Deployment:
    deployment: Deployment = app.extensions["skmodels"].deployments[name]
    return deployment


def refresh(app: Flask, name: str = "iris") -> None:
    extension_of(app).refresh(name, app)


def served_by(client: FlaskClient, path: str = PREDICT, **headers: str) -> tuple[str, str]:
    """Return the version that an answer names, and what that version predicted."""
    response = client.post(path, json=ROW, headers=headers)
    assert response.status_code == 200, response.text
    document = response.get_json()
    assert response.headers["X-Model-Version"] == document["version"]
    return document["version"], document["predictions"][0]


def versions_of(client: FlaskClient) -> list[str]:
    """Return the versions that the model's own page lists, as they are listed."""
    return [version["version"] for version in client.get("/iris/").get_json()["versions"]]


def failed(client: FlaskClient, status: int = 200) -> list[str | None]:
    """Return the versions that the health answer says have failed."""
    response = client.get("/-/health/ready")
    assert response.status_code == status
    return [each["version"] for each in response.get_json()["models"]["iris"]["failed"]]


def is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def artifact(**options: Any) -> Artifact:
    return Artifact("iris", **options)
