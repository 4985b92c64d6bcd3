"""``flask skmodels drift``."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask, request
from werkzeug.serving import BaseWSGIServer, make_server

from flask_skmodels import Profile, SKModels
from flask_skmodels.testing import FakeEstimator
from tests.support.command_line import error, run

X = np.arange(100.0)[:, np.newaxis]


def application(**config: Any) -> tuple[Flask, SKModels]:
    app = Flask("drift")
    app.config.update({"SKMODELS_METRICS": False, **config})
    models = SKModels(app)
    estimator = FakeEstimator(predict=lambda X: np.zeros(len(X)))
    profile = Profile.of(X)
    models.add("risk", estimator, profile=profile, schema={"x0": {}}, drift_minimum=100)
    models.add("bare", estimator, schema={"x0": {}})
    return app, models


@pytest.fixture
def served() -> Iterator[tuple[Flask, SKModels, str]]:
    """An application that a server serves, and its URL."""
    app, models = application(SKMODELS_URL_PREFIX="/models")

    @app.before_request
    def login() -> Any:
        is_known = request.headers.get("Authorization") == "Bearer 1"
        return None if is_known else ("no", 401)

    server: BaseWSGIServer = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield app, models, f"http://127.0.0.1:{server.port}/"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


LOGIN = ("--header", "Authorization: Bearer 1")


def test_running_application_is_asked(served: tuple[Flask, SKModels, str]) -> None:
    app, models, url = served
    asking, _ = application(SKMODELS_URL_PREFIX="/models")
    models.predict("risk", X[:50], app=app)
    result = run(asking, "drift", "--url", url, *LOGIN)
    assert (result.exit_code, result.output.splitlines()[1]) == (
        0,
        "too few rows: at least 100 rows are needed",
    )
    models.predict("risk", X, app=app)
    result = run(asking, "drift", "risk", "--url", url, *LOGIN)
    assert result.exit_code == 0, result.output
    models.predict("risk", np.tile(X[:10], (30, 1)), app=app)
    result = run(asking, "drift", "--url", url, *LOGIN)
    assert result.exit_code == 3
    head, titles, row = result.output.splitlines()
    assert head.startswith("risk: 450 rows since ")
    assert titles.split() == ["FIELD", "PSI", "JS", "MISSING", "UNKNOWN", "OUTSIDE", "MEAN"]
    assert (row.split()[0], row.split()[-1]) == ("x0", "drifted")


def test_json(served: tuple[Flask, SKModels, str]) -> None:
    app, models, url = served
    models.predict("risk", X[:50], app=app)
    result = run(app, "drift", "--json", "--url", url, *LOGIN)
    client = app.test_client()
    headers = {"Authorization": "Bearer 1"}
    assert json.loads(result.output) == client.get("/models/-/drift/", headers=headers).get_json()


def test_errors(served: tuple[Flask, SKModels, str]) -> None:
    app, _, url = served
    assert error(app, "drift", "rose").startswith("there is no model named 'rose'")
    assert "HTTP Error 401" in error(app, "drift", "--url", url)
    said = error(app, "drift", "bare", "--url", url, *LOGIN)
    assert "HTTP Error 404: NOT FOUND: the model has no profile of its training data" in said
    assert error(app, "drift", "--url", "http://127.0.0.1:1") == (
        "cannot read http://127.0.0.1:1/models/-/drift/: Connection refused"
    )
    assert error(app, "drift", "--url", "localhost") == "--url must begin with http:// or https://"
    assert run(app, "drift", "--url", url, "--header", "login").exit_code == 2


def test_counts_in_the_shared_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    app, models = application()
    models.predict("risk", np.tile(X[:10], (30, 1)), app=app)
    result = run(application()[0], "drift")
    assert result.exit_code == 3
    assert "risk: 300 rows since " in result.output
    assert len(list(tmp_path.glob("*.drift"))) == 1
    result = run(application()[0], "drift", "bare")
    assert (result.exit_code, result.output) == (
        0,
        "bare: no profile of the training data, so no drift is measured\n",
    )


def test_without_a_url_or_a_shared_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    assert "PROMETHEUS_MULTIPROC_DIR" in error(application()[0], "drift")
    off, _ = application(SKMODELS_DRIFT=False)
    assert error(off, "drift") == "drift is turned off by the configuration"
