"""``models.digest``, a key for caches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sklearn.linear_model import LogisticRegression

from flask_skmodels import SKModels, UnknownModel
from tests.support.helpers import SCHEMA, X, Y
from tests.support.versions_folder import put


def digest(pipeline: Any, **attributes: Any) -> str:
    app = Flask("cached")
    models = SKModels(app)
    models.add("iris", pipeline, **attributes)
    return models.digest("iris", app=app)


def test_digest_is_the_same_for_the_same_model(pipeline: Any) -> None:
    assert digest(pipeline) == digest(pipeline)
    assert len(digest(pipeline)) == 64


def test_digest_changes_with_the_estimator_and_the_schema(pipeline: Any) -> None:
    other = LogisticRegression(C=0.5, max_iter=1000).fit(X, Y)
    assert len({digest(pipeline), digest(other), digest(pipeline, schema=SCHEMA)}) == 3


def test_digest_changes_with_the_version(tmp_path: Path) -> None:
    put(tmp_path / "iris", "1")
    app = Flask("cached")
    app.config["SKMODELS_TRUST_PICKLE"] = True
    models = SKModels(app)
    models.add("iris", str(tmp_path / "iris"))
    first = models.digest("iris", app=app)
    put(tmp_path / "iris", "2")
    models.refresh("iris", app)
    assert models.digest("iris", app=app) != first == models.digest("iris", version="1", app=app)
    with pytest.raises(UnknownModel):
        models.digest("rose", app=app)
