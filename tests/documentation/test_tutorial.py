"""The tutorial, step by step: its files run in their order and answer what it shows."""

from __future__ import annotations

import json
import logging
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient

from flask_skmodels.telemetry.prediction_log import LOGGER
from tests.support.browser import chromium, serving
from tests.support.documentation import ROOT, check_response, conversations, files, page, sent
from tests.support.gunicorn import JSON_HEADERS, gunicorn
from tests.support.skips import library

pytestmark = pytest.mark.full  # they start real servers

TEXT = page("tutorial")
STEPS = dict(re.findall(r"^(\d)\. .+\n-+\n((?:(?!^\d\. ).*\n)+)", TEXT, re.MULTILINE))
LOGIN = {"password": "3f9c"}
GUARDED = ("/penguins/", "/-/models", "/-/metrics", "/-/docs/", "/-/openapi.json")
BIRD = {"bill_length_mm": 39.1, "flipper_length_mm": 181, "island": "Torgersen"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tutorial is followed, with the file that its notebook writes."""
    folder = tmp_path_factory.mktemp("tutorial")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    (folder / "notebook.py").write_text(files(STEPS["1"])["notebook.py"], encoding="utf-8")
    subprocess.run(
        [sys.executable, "notebook.py"], cwd=folder, env=environment, check=True, timeout=300
    )
    return folder


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the tutorial, to import from; nothing of it is left imported.

    Other tests may have imported modules of such names.
    """
    monkeypatch.setenv("SECRET_KEY", "a key")
    monkeypatch.setenv("STATION_PASSWORD", LOGIN["password"])
    monkeypatch.syspath_prepend(folder)
    for name in ("app", "predictions"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with chdir(folder):
        yield folder
    for name in ("app", "predictions"):
        sys.modules.pop(name, None)


def follow(here: Path, last: str) -> FlaskClient:
    """Write the files of the steps as far as one, and return a client of the application."""
    for step in sorted(STEPS):
        if step <= last:
            for name, source in files(STEPS[step]).items():
                (here / name).write_text(source, encoding="utf-8")
    client = import_module("app").create_app().test_client()
    assert isinstance(client, FlaskClient)
    return client


def test_first_command_installs_all_that_the_steps_use() -> None:
    [command] = re.findall(r"^    \$ pip install (.*\\\n.*)$", TEXT, re.MULTILINE)
    extras, *packages = shlex.split(command.replace("\\\n", " "))
    given = {*re.split(r"[\[\],]", extras)[1:-1], *packages}
    sources = "".join(files(TEXT).values())
    used = {
        name
        for name in re.findall(r"^(?:from|import) (\w+)", sources, re.MULTILINE)
        if name not in sys.stdlib_module_names
    }
    used |= {"gunicorn", "pandas", "swagger"}  # by a command, by the data frame and by /-/docs/
    names = {"flask_login": "flask-login", "prometheus_client": "metrics"}
    of_the_library = {"flask", "sklearn", "flask_skmodels"}
    of_the_tutorial = {"app", "predictions"}
    assert given == {names.get(n, n) for n in used - of_the_library - of_the_tutorial}


def test_there_are_eight_steps() -> None:
    assert list(STEPS) == [str(number) for number in range(1, 9)]


@pytest.mark.parametrize("step", ["2", "3", "4", "5", "6"])
def test_step_shows_the_answers_that_curl_gets(here: Path, step: str) -> None:
    client = follow(here, step)
    client.post("/login", data=LOGIN)  # the cookie is sent only by commands with -b
    shown = conversations(STEPS[step])
    assert shown
    for command, response in shown:
        check_response(response, sent(client, command))


def test_guarded_step_lets_nobody_else_in(here: Path) -> None:
    client = follow(here, "5")
    assert client.post("/penguins/predict", json=BIRD).status_code == 401
    for path in GUARDED:
        assert client.get(path).status_code == 401
    for path in ("/-/health/live", "/-/health/ready"):
        assert client.get(path).status_code == 200
    client.post("/login", data=LOGIN)
    for path in GUARDED:
        assert client.get(path).status_code == 200


def test_browser_opens_the_guarded_pages(here: Path) -> None:
    playwright_api = library("playwright.sync_api")
    client = follow(here, "5")
    with chromium() as browser, serving(client.application) as address:
        page = browser.new_page()
        assert page.goto(f"{address}/penguins/").status == 401  # type: ignore[union-attr]
        page.goto(f"{address}/login")
        page.fill("input[name=password]", LOGIN["password"])
        page.click("button")
        page.goto(f"{address}/penguins/")
        page.get_by_role("button", name="Predict", exact=True).click()
        playwright_api.expect(page.locator(".prediction")).to_contain_text("Adelie")


def test_documented_and_watched_step(here: Path, caplog: pytest.LogCaptureFixture) -> None:
    client = follow(here, "6")
    client.post("/login", data=LOGIN)
    with caplog.at_level(logging.INFO, LOGGER):
        client.post("/sightings", json=BIRD)
        client.post("/penguins/predict", json=BIRD | {"body_mass_g": 40})
    document = client.get("/-/openapi.json").get_json()
    assert document["paths"]["/penguins/predict/"]["post"]["security"] == [{"session": []}]
    metrics = client.get("/-/metrics").text
    assert re.search(
        r'^skmodels_rejected_rows_total\{.*field="body_mass_g".* 1\.0$', metrics, re.MULTILINE
    )
    first, second = [json.loads(r.getMessage()) for r in caplog.records if r.name == LOGGER]
    assert first["inputs"] == [
        {"bill_length_mm": 39.1, "flipper_length_mm": 181.0, "body_mass_g": None}
    ]
    assert second["errors"] == [{"row": 0, "field": "body_mass_g", "rule": "min"}]


@pytest.mark.full
def test_tests_of_the_tutorial_pass(here: Path) -> None:
    follow(here, "7")
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{here}"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_app.py"]
    done = subprocess.run(
        command, cwd=here, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "5 passed" in done.stdout


@pytest.mark.full
def test_workers_of_the_last_step(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    follow(here, "8")
    (here / "shared").mkdir()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(here / "shared"))
    module = "from app import create_app\napp = create_app()\n"
    with gunicorn(here, module, "--config", str(here / "gunicorn.conf.py")) as server:
        cookie = logged_in(server)
        for _ in range(10):
            assert ask(server, cookie, "POST", "/penguins/predict", json.dumps(BIRD)) == (
                b'{"model":"penguins","version":null,"method":"predict","predictions":["Adelie"]}'
            )
        metrics = ask(server, cookie, "GET", "/-/metrics")
        assert b" 10.0" in metrics.partition(b"predictions_total{")[2]


def logged_in(server: Any) -> str:
    """Return the cookie of a session."""
    connection = server.connect()
    try:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", "/login", urlencode(LOGIN), form)
        cookie: str = connection.getresponse().headers["Set-Cookie"]
        return cookie.partition(";")[0]
    finally:
        connection.close()


def ask(server: Any, cookie: str, method: str, path: str, body: str | None = None) -> bytes:
    connection = server.connect()
    try:
        connection.request(method, path, body, {"Cookie": cookie} | JSON_HEADERS)
        response = connection.getresponse()
        assert response.status == 200
        data: bytes = response.read()
        return data
    finally:
        connection.close()
