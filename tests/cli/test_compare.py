"""``flask skmodels compare``."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, request
from werkzeug.serving import BaseWSGIServer, make_server

from tests.support.command_line import run
from tests.support.versions_folder import (
    FIELDS,
    application,
    constant,
    deployment_of,
    extension_of,
    iris,
    put,
    served_by,
)


@pytest.fixture
def served(folder: Path) -> Iterator[tuple[Flask, str]]:
    """An application with a shadow that a server serves, and its address."""
    put(folder, "2")
    prefix = {"SKMODELS_URL_PREFIX": "/models"}
    app = application(iris(shadow="2"), root=folder.parent, **prefix)
    server: BaseWSGIServer = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield app, f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def test_compare_reads_from_the_running_process(folder: Path, served: tuple[Flask, str]) -> None:
    app, url = served
    served_by(app.test_client(), "/models/iris/predict/")
    shadow = deployment_of(app).shadow
    assert shadow is not None
    shadow.wait()
    asking = application(iris(shadow="2"), root=folder.parent, SKMODELS_URL_PREFIX="/models")
    result = run(asking, "compare", "iris", "--url", f"{url}/")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        "version             2",
        "rows                1",
        "agreement           0.0",
        "mean difference     -",
        "largest difference  -",
        "dropped             0",
        "failed              0",
    ]


def test_compare_sends_headers(folder: Path, served: tuple[Flask, str]) -> None:
    app, url = served

    def login() -> Any:
        is_known = request.headers.get("Authorization") == "Bearer 1"
        return None if is_known else ("no", 401)

    app.before_request_funcs[None] = [login]
    assert "HTTP Error 401" in run(app, "compare", "iris", "--url", url).output
    arguments = ("compare", "iris", "--url", url, "--header", "Authorization: Bearer 1", "--json")
    assert json.loads(run(app, *arguments).output)["version"] == "2"


def test_compare_of_a_model_without_a_shadow(folder: Path, served: tuple[Flask, str]) -> None:
    app, url = served
    extension_of(app).add("memory", constant("m"), schema=FIELDS)
    result = run(app, "compare", "memory", "--url", url)
    assert (result.exit_code, result.output) == (1, "Error: model 'memory' has no shadow\n")


@pytest.mark.parametrize("url", ["file:///etc", "127.0.0.1:5000", ""])
def test_compare_accepts_http_only(folder: Path, url: str) -> None:
    result = run(application(iris(), root=folder.parent), "compare", "iris", "--url", url)
    assert result.exit_code == 1
    assert "--url must begin with http:// or https://" in result.output


def test_compare_with_a_wrong_address(folder: Path, served: tuple[Flask, str]) -> None:
    app, url = served
    result = run(app, "compare", "iris", "--url", f"{url}/elsewhere")
    assert result.exit_code == 1
    assert f"cannot read {url}/elsewhere/models/iris/: HTTP Error 404" in result.output
