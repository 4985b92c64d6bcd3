"""Models that are loaded and verified before a fork predict in the worker processes."""

from __future__ import annotations

from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import joblib
import pytest
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)

from tests.support.gunicorn import ask, ask_each, gunicorn
from tests.support.helpers import SCHEMA, X, Y
from tests.support.skips import library

ESTIMATORS = {
    "boosted": HistGradientBoostingClassifier(max_iter=8, random_state=0),
    "forest": RandomForestClassifier(n_estimators=8, random_state=0, n_jobs=-1),
}
MODULE = """
import os

from flask import Flask

from flask_skmodels import Artifact, SKModels

models = SKModels()
for name, digest in {digests!r}.items():
    artifact = Artifact(name + ".joblib", sha256=digest)
    models.add(name, artifact, schema={schema!r}, probability=True, engine={engine!r})
app = Flask("forked", root_path=os.getcwd())
models.init_app(app)


@app.after_request
def tell_worker(response):
    response.headers["X-Worker"] = str(os.getpid())
    return response
"""


@pytest.fixture(scope="module")
def fitted() -> dict[str, Any]:
    return {name: estimator.fit(X, Y) for name, estimator in ESTIMATORS.items()}


@pytest.mark.full
@pytest.mark.parametrize(
    "engine", [pytest.param("lean", marks=pytest.mark.representative), "sklearn"]
)
def test_what_master_has_checked_answers_in_its_workers(
    tmp_path: Path, fitted: dict[str, Any], engine: str
) -> None:
    check_after_fork(tmp_path, fitted, engine)


@pytest.mark.full
@pytest.mark.filterwarnings("ignore")  # the libraries warn of their own doing
@pytest.mark.parametrize("engine", ["lean", "sklearn"])
def test_boosters_that_master_has_checked_answer_in_its_workers(
    tmp_path: Path, engine: str
) -> None:
    options = {"n_estimators": 8, "random_state": 0}
    boosters = {
        "lightgbm": library("lightgbm").LGBMClassifier(**options, n_jobs=2, verbose=-1),
        "xgboost": library("xgboost").XGBClassifier(**options, n_jobs=2),
        "catboost": library("catboost").CatBoostClassifier(
            **options, thread_count=2, verbose=0, allow_writing_files=False
        ),
    }
    vote = VotingClassifier(
        [(name, boosters[name]) for name in ("lightgbm", "xgboost")], voting="soft"
    )
    fitted = {name: estimator.fit(X, Y) for name, estimator in boosters.items()}
    check_after_fork(tmp_path, fitted | {"vote": vote.fit(X, Y)}, engine)


def check_after_fork(tmp_path: Path, fitted: dict[str, Any], engine: str) -> None:
    digests = {}
    for name, estimator in fitted.items():
        file = tmp_path / f"{name}.joblib"
        joblib.dump(estimator, file)
        digests[name] = sha256(file.read_bytes()).hexdigest()
    module = MODULE.format(digests=digests, schema=dict(SCHEMA), engine=engine)
    rows = X[::7]
    with gunicorn(tmp_path, module, "--preload", "--threads", "4") as server:
        for name, estimator in fitted.items():
            for method in ("predict", "predict_proba"):
                expected = getattr(estimator, method)(rows).tolist()
                responses = ask_each(server, 2, f"/{name}/{method}/", rows.tolist())
                assert [a.document["predictions"] for a in responses.values()] == [expected] * 2
            with closing(server.connect()) as connection:
                described = ask(connection, "GET", f"/{name}/").document
            assert described["engine"]["name"] == engine
