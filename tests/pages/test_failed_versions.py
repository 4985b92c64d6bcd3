"""A version that failed to load is told apart: on the pages, in the health checks and metrics."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_skmodels import SKModels
from tests.support.html import HTML
from tests.support.versions_folder import iris, put, refresh, spoil

REASON = "it cannot be loaded"


def client_of(folder: Path, decorators: Any = (), *, debug: bool = False) -> FlaskClient:
    """Return a client of a model whose second version cannot be loaded."""
    put(folder / "iris", "1")
    app = Flask("failing")
    app.debug = debug
    app.config.update(SKMODELS_ROOT=folder, SKMODELS_TRUST_PICKLE=True, SKMODELS_VISIBLE=True)
    models = SKModels()
    models.register(iris(decorators=decorators))
    models.init_app(app)
    spoil(folder / "iris", "2")
    refresh(app)
    return app.test_client()


def login(view: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(*arguments: Any, **options: Any) -> Any:
        return view(*arguments, **options)

    return guarded


def text(client: FlaskClient, path: str) -> str:
    response = client.get(path, headers=HTML)
    assert response.status_code == 200
    return response.text


def test_page_of_the_model_has_a_red_badge(tmp_path: Path) -> None:
    page = text(client_of(tmp_path), "/iris/")
    assert '<span class="tag bad">failed</span>' in page
    assert page.count('<span class="tag good">live</span>') == 1
    assert "log says why" in page
    assert "not loaded yet" not in page
    assert REASON not in page


@pytest.mark.parametrize("options", [{"decorators": [login]}, {"debug": True}])
def test_reason_is_for_those_who_may_see_it(tmp_path: Path, options: dict[str, Any]) -> None:
    page = text(client_of(tmp_path, **options), "/iris/")
    assert REASON in page
    assert "log says why" not in page


def test_index_says_how_many(tmp_path: Path) -> None:
    index = text(client_of(tmp_path), "/-/")
    assert '<span class="tag bad">1 version could not be loaded</span>' in index


def test_error_page_names_the_version(tmp_path: Path) -> None:
    response = client_of(tmp_path).get("/iris/?version=2", headers=HTML)
    assert response.status_code == 503
    assert "Version 2: The model cannot be loaded." in response.text


def failed_of(client: FlaskClient) -> list[dict[str, str]]:
    """Return the failed versions that the health check names, which needs no login."""
    failed: list[dict[str, str]]
    failed = client.get("/-/health/ready").get_json()["models"]["iris"]["failed"]
    return failed


def test_health_gives_the_reason_to_developers(tmp_path: Path) -> None:
    assert failed_of(client_of(tmp_path)) == [{"version": "2"}]
    [failed] = failed_of(client_of(tmp_path, debug=True))
    assert failed["version"] == "2"
    assert REASON in failed["reason"]


def test_metrics_count_it(tmp_path: Path) -> None:
    client = client_of(tmp_path)
    metrics = client.get("/-/metrics").text
    assert 'skmodels_load_failures_total{extension="skmodels",model="iris"} 1.0' in metrics
