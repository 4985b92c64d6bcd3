"""The page of the API document: it works under its policy and sends no request to other hosts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_skmodels import Model, SKModels
from flask_skmodels.pages import api_docs
from tests.support import described_models
from tests.support.browser import Witness, chromium, serving
from tests.support.helpers import SETOSA, serve
from tests.support.html import HTML, get
from tests.support.versions_folder import application, iris, put

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PATH = "/-/docs/"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(described_models.application(tmp_path_factory.mktemp("models"))) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    yield page
    page.close()


def open_operation(page: Page, path: str) -> None:
    """Open an operation and fill in its form."""
    page.locator(f".opblock-post:has([data-path='{path}']) .opblock-summary-control").click()
    page.get_by_role("button", name="Try it out").click()


def answered(page: Page) -> str:
    """Send the form and return the response that is shown."""
    page.get_by_role("button", name="Execute").click()
    return page.locator(".live-responses-table .highlight-code").first.inner_text()


def test_it_shows_every_operation(page: Page, address: str) -> None:
    witness = Witness(page, address)
    page.goto(f"{address}{PATH}")
    page.locator(".opblock").first.wait_for()
    assert page.title() == "described: API"
    assert page.locator(".opblock").count() == 19
    assert page.locator(".opblock-tag-section").first.inner_text().startswith("iris")
    assert witness.found == []


@pytest.mark.parametrize(
    ("system", "chosen", "paper"),
    [
        ("dark", None, "rgb(28, 32, 34)"),
        pytest.param("light", None, "rgb(255, 255, 255)", marks=pytest.mark.full),
        pytest.param("dark", "light", "rgb(255, 255, 255)", marks=pytest.mark.full),
        pytest.param("light", "dark", "rgb(28, 32, 34)", marks=pytest.mark.full),
    ],
)
def test_it_is_light_or_dark_as_the_pages_are(
    browser: Browser, address: str, system: Any, chosen: str | None, paper: str
) -> None:
    page = browser.new_page(color_scheme=system)
    page.goto(f"{address}/-/")
    if chosen is not None:
        page.get_by_role("button", name=f"Switch to the {chosen} theme").click()
    page.get_by_role("link", name="API").click()
    page.locator(".opblock").first.wait_for()
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == paper
    page.get_by_role("link", name="Models", exact=True).click()
    assert page.url == f"{address}/-/"
    page.close()


def test_a_model_is_tried_with_its_example(page: Page, address: str) -> None:
    witness = Witness(page, address)
    page.goto(f"{address}{PATH}")
    open_operation(page, "/iris/predict/")
    assert '"predictions": [\n    0\n  ]' in answered(page)
    assert witness.found == []


@pytest.mark.full
def test_a_form_is_tried(page: Page, address: str) -> None:
    page.goto(f"{address}{PATH}")
    open_operation(page, "/iris/predict/")
    types = page.locator(".opblock-section-request-body select.content-type")
    types.select_option("application/x-www-form-urlencoded")
    for name, value in SETOSA.items():
        page.locator(f"tr[data-property-name='{name}'] input").fill(str(value))
    assert answered(page).splitlines()[-1] == "0"


def test_nothing_is_inline(client: FlaskClient) -> None:
    response = client.get(PATH)
    assert response.content_type == "text/html; charset=utf-8"
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy
    assert "style=" not in response.text
    assert re.findall(r"<script[^>]*>(.*?)</script>", response.text) == ["", ""]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("swagger-ui.css", "text/css; charset=utf-8"),
        ("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
        ("docs.js", "text/javascript; charset=utf-8"),
        ("docs.css", "text/css; charset=utf-8"),
    ],
)
def test_files_of_the_page(client: FlaskClient, name: str, media_type: str) -> None:
    response = client.get(f"{PATH}{name}")
    assert (response.status_code, response.content_type) == (200, media_type)
    again = client.get(f"{PATH}{name}", headers={"If-None-Match": response.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize("name", ["nothing.js", "index.html", "..", "..%2Fflask_swagger_ui.py"])
def test_there_are_no_other_files(client: FlaskClient, name: str) -> None:
    assert client.get(f"{PATH}{name}").status_code == 404


def test_without_the_library_there_is_a_page_of_our_own(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_docs, "find_spec", lambda name: None)
    page = get(client, PATH)
    text = page.one("main").text
    assert "POST /iris/predict/" in text
    assert "application/json" in text
    assert "X-Request-ID in the header, Content-Encoding in the header" in text
    assert "sepal_length , sepal_width , petal_length , petal_width" in text
    assert text.startswith("API This page is for programmers.")
    assert "To try requests on this page, install the extra 'swagger' of Flask-SKModels" in text
    assert "400 The input is not valid; the errors name the rows and fields." in text
    assert "replace {version}" not in text  # no model has versions
    assert client.get(f"{PATH}swagger-ui.css").status_code == 404
    assert client.get("/-/openapi.json").status_code == 200


def test_page_of_our_own_explains_the_label_of_a_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_docs, "find_spec", lambda name: None)
    put(tmp_path / "iris", "1")
    client = application(iris(), root=tmp_path).test_client()
    text = get(client, PATH).one("main").text
    assert "In a URL, replace {version} with the label of a version of the model." in text


def test_without_the_library_and_without_pages_it_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(api_docs, "find_spec", lambda name: None)
    bare = serve(SKMODELS_PAGES=False)
    response = bare.get(PATH, headers=HTML)
    assert (response.status_code, response.content_type) == (404, "application/problem+json")
    assert "install the extra 'swagger' of Flask-SKModels" in response.text


def test_without_pages_it_leads_to_none(client: FlaskClient) -> None:
    assert 'href="/-/"' in client.get(PATH).text
    assert 'href="/-/"' not in serve(SKMODELS_PAGES=False).get(PATH).text


def test_under_a_prefix_and_a_mount(pipeline: object) -> None:
    client = serve(Model(name="iris", pipeline=pipeline), SKMODELS_URL_PREFIX="/models")
    page = client.get(f"/models{PATH}", environ_overrides={"SCRIPT_NAME": "/shop"}).text
    assert 'data-document="/shop/models/-/openapi.json"' in page
    assert 'src="/shop/models/-/docs/docs.js"' in page


def test_the_host_may_have_its_own_template(pipeline: object, tmp_path: Path) -> None:
    (tmp_path / "skmodels").mkdir()
    (tmp_path / "skmodels" / "docs.html").write_text("ours: {{ title }}", encoding="utf-8")
    app = Flask("host", template_folder=str(tmp_path))
    SKModels(app)
    assert app.test_client().get(PATH).text == "ours: host"
