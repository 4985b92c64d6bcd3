"""The pages in a real browser, headless Chromium, used as a person would."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Browser, Frame, Page, Route, ViewportSize, expect
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer

from flask_skmodels import KeyValueModel, Model, SKModels
from flask_skmodels.testing import FakeEstimator
from tests.support.browser import Witness, chromium, serving
from tests.support.helpers import FIELDS, SETOSA, VIRGINICA
from tests.support.html import file_of
from tests.support.selection import cases
from tests.support.versions_folder import put

# What a form calls its own parts is hidden by inputs of the same names.
ODD: dict[str, Any] = {
    name: {} for name in ("action", "submit", "dataset", "enctype", "elements", "id")
}
WIDE, NARROW = ViewportSize(width=1280, height=900), ViewportSize(width=390, height=844)


@pytest.fixture(scope="module")
def address(
    pipeline: Any, mixed_pipeline: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of a real server with models of several kinds and a few predictions."""
    app = Flask("shown")
    app.config["SKMODELS_TRUST_PICKLE"] = True
    models = SKModels(app)
    lengths = {"min": 0, "max": 30, "meta": {"unit": "cm"}}
    models.register(
        KeyValueModel(
            name="iris",
            pipeline=pipeline,
            probability=True,
            description="Species of an iris flower.",
            examples=[SETOSA, VIRGINICA],
            schema=dict.fromkeys(FIELDS, lengths)
            | {"petal_width": {**lengths, "meta": {"unit": "cm", "label": "Petal width"}}},
        )
    )
    island = {"allowed": ["Biscoe", "Dream", "Torgersen"]}
    models.add("birds", mixed_pipeline, schema={"island": island, "mass": {"nullable": True}})
    models.add("line", LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0]))
    wide = make_pipeline(make_union(*(FunctionTransformer() for _ in range(4))), LinearRegression())
    models.add("wide", wide.fit([[0.0], [1.0]], [0.0, 2.0]), schema={"x": {}})
    models.add("odd", LinearRegression().fit(np.eye(6), np.arange(6.0)), schema=dict(ODD))
    models.add("slow", FakeEstimator(predict=_slow, n_features_in=1), schema={"x": {}})
    folder = tmp_path_factory.mktemp("versions")
    for label in ("1", "2"):
        put(folder, label, pipeline)
    models.add("versions", str(folder), traffic={"2": 0.5})
    for number in range(8):
        models.register(Model(name=f"more{number}", pipeline=pipeline))
    client = app.test_client()
    client.post("/iris/predict/", json=[SETOSA, VIRGINICA])
    client.post("/iris/predict/", json={})
    client.post("/birds/predict/", json=[{"island": "Dream", "mass": None}])
    client.post("/line/predict/", json=[[number] for number in range(30)])
    client.post("/versions/predict/", json=[[*SETOSA.values()]])
    with serving(app) as address:
        yield address


def _slow(X: Any) -> Any:
    sleep(0.002 * len(X))
    return np.asarray(X, dtype=float)[:, 0] * 2


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@contextmanager
def opened(browser: Browser, address: str, **options: Any) -> Iterator[Page]:
    """A page of a new visitor; it must log no error and send no request to other hosts."""
    context = browser.new_context(base_url=address, **options)
    page = context.new_page()
    page.set_default_timeout(15_000)
    witness = Witness(page, address)
    yield page
    context.close()
    # An answer that is a 400, as it is meant to be, the browser calls an error; a download, and a
    # frame that is left before it has come, a failure.
    meant = ("status of 400", "download=1", "/pipeline/")
    assert [each for each in witness.found if not any(part in each for part in meant)] == []


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    with opened(browser, address, viewport=WIDE, color_scheme="light") as page:
        yield page


@pytest.fixture
def plain_page(browser: Browser, address: str) -> Iterator[Page]:
    """A page on a phone, without JavaScript."""
    with opened(browser, address, viewport=NARROW, java_script_enabled=False) as page:
        yield page


def fill(page: Page, row: dict[str, float]) -> None:
    for name, value in row.items():
        page.fill(f"input[name={name}]", str(value))


def press_predict(page: Page) -> None:
    page.get_by_role("button", name="Predict", exact=True).click()


def hold(page: Page, url: str) -> list[Route]:
    """Return the list of the requests to a URL, which do not go on by themselves."""
    held: list[Route] = []

    def keep(route: Route) -> None:
        held.append(route)

    page.route(url, keep)
    return held


def wait_for_held(page: Page, held: list[Route], count: int) -> None:
    """Wait until so many requests are held: a page sends them before the test is told of them."""
    deadline = monotonic() + 10
    while len(held) < count:
        assert monotonic() < deadline
        page.wait_for_timeout(10)


# With JavaScript


def test_fill_in_and_predict(page: Page) -> None:
    page.goto("/-/")
    page.get_by_role("link", name="iris").click()
    fill(page, VIRGINICA)
    press_predict(page)
    expect(page.locator(".prediction")).to_have_text("2")
    expect(page.locator("#result")).to_be_focused()
    assert page.url.endswith("/iris/")  # it was answered in place
    bars = page.locator("#result .bars .bar")
    expect(bars).to_have_count(3)
    first = bars.first.locator(".fill").bounding_box()
    assert first is not None
    assert first["width"] > 50


def test_error_beside_its_field_and_mended(page: Page) -> None:
    page.goto("/iris/")
    page.fill("input[name=sepal_length]", "-3")
    press_predict(page)
    wrong = page.locator("input[name=sepal_length]")
    expect(wrong).to_have_attribute("aria-invalid", "true")
    expect(page.locator(".field.invalid .error")).to_have_text("must be at least 0")
    page.get_by_role("link", name="sepal_length").click()
    expect(wrong).to_be_focused()
    wrong.fill("5")
    press_predict(page)
    expect(page.locator(".prediction")).to_have_text("0")
    expect(page.locator(".field.invalid")).to_have_count(0)


def test_fields_of_any_name_and_a_response_with_another_page(page: Page) -> None:
    page.goto("/odd/")
    fill(page, dict.fromkeys(ODD, 0.0) | {"submit": 1.0})
    page.evaluate("window.isSame = true")
    press_predict(page)
    expect(page.locator("#result .prediction")).to_have_text("1")
    assert page.evaluate("window.isSame")  # it was answered in place
    page.route("**/odd/**", lambda route: route.fulfill(body="<h1>Log in</h1>"))
    press_predict(page)
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


def test_earlier_response_does_not_replace_a_later_one(page: Page) -> None:
    page.goto("/line/")
    held = hold(page, "**/line/**")
    for count, value in enumerate(("1", "3"), 1):
        page.fill("input[name=x0]", value)
        press_predict(page)
        wait_for_held(page, held, count)
    for route in reversed(held):
        with page.expect_event("requestfinished"):
            route.continue_()
        page.wait_for_timeout(50)
        expect(page.locator(".prediction")).to_have_text("6")
        expect(page.locator("input[name=x0]")).to_have_value("3")


def test_response_does_not_replace_what_is_typed_meanwhile(page: Page) -> None:
    page.goto("/line/")
    held = hold(page, "**/line/**")
    press_predict(page)
    wait_for_held(page, held, 1)
    page.fill("input[name=x0]", "7")
    with page.expect_event("requestfinished"):
        held[0].continue_()
    page.wait_for_timeout(50)
    expect(page.locator("input[name=x0]")).to_have_value("7")
    page.unroute("**/line/**")
    press_predict(page)
    expect(page.locator(".prediction")).to_have_text("14")


def test_select_and_missing_value(page: Page) -> None:
    page.goto("/birds/")
    page.get_by_label("island").select_option("Dream")
    press_predict(page)
    expect(page.locator(".prediction")).to_have_text("light")


def test_upload_and_download(page: Page, tmp_path: Path) -> None:
    body, content_type = file_of("csv", [SETOSA, VIRGINICA])
    page.goto("/iris/")
    file: Any = {"name": "rows.csv", "mimeType": content_type, "buffer": body}
    page.set_input_files("#file", file)
    page.get_by_role("button", name="Predict the file").click()
    expect(page.locator("#file-result tbody tr")).to_have_count(4)  # two bars, two rows
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the predictions").click()
    saved = tmp_path / "saved.csv"
    download.value.save_as(saved)
    assert download.value.suggested_filename == "iris-predictions.csv"
    assert saved.read_text(encoding="utf-8").splitlines() == ["prediction", "0", "2"]
    with page.expect_download() as at_once:  # the file is still chosen
        page.get_by_role("button", name="Predict and download").click()
    at_once.value.save_as(saved)
    assert saved.read_text(encoding="utf-8").splitlines() == ["prediction", "0", "2"]


def test_progress_of_a_file_while_it_is_predicted(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "many.csv"
    file.write_text("x\n" + "\n".join(map(str, range(600))))
    page.goto("/slow/")
    page.set_input_files("#file", file)
    page.get_by_role("button", name="Predict the file").click()
    status = page.locator("#file-result [role=status]")
    expect(status).to_have_text(re.compile(r"of 600 rows, [\d,]+ rows/s, .* left"))
    bar = page.get_by_role("progressbar", name="Progress of the file")
    assert 0 < bar.evaluate("bar => bar.value / bar.max") < 1
    result = page.locator("#file-result")
    expect(result.get_by_role("heading", name="600 rows predicted")).to_be_visible()
    expect(result).to_be_focused()
    expect(status).to_have_count(0)
    assert page.url.endswith("/slow/")


@pytest.mark.full
def test_file_that_is_rejected_instead_of_predicted(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "wrong.csv"
    file.write_text("x\n1\nmany")
    page.goto("/slow/")
    page.set_input_files("#file", file)
    page.get_by_role("button", name="Predict the file").click()
    expect(page.locator("#file-result .errors")).to_contain_text("Row 2")


def test_file_without_a_script_is_predicted_too(plain_page: Page, tmp_path: Path) -> None:
    file = tmp_path / "many.csv"
    file.write_text("x\n" + "\n".join(map(str, range(150))))
    plain_page.goto("/slow/")
    plain_page.set_input_files("#file", file)
    plain_page.get_by_role("button", name="Predict the file").click()
    expect(plain_page.locator("#file-result")).to_contain_text("150 rows predicted")


def test_histogram_of_an_uploaded_file(page: Page) -> None:
    page.goto("/line/")
    body = b"x0\n" + b"".join(b"%d\n" % number for number in range(50))
    file: Any = {"name": "rows.csv", "mimeType": "text/csv", "buffer": body}
    page.set_input_files("#file", file)
    page.get_by_role("button", name="Predict the file").click()
    box = page.get_by_role("img", name="Histogram of 50 values").bounding_box()
    assert box is not None
    assert box["height"] > 100


def test_theme_is_switched_and_kept(page: Page) -> None:
    page.goto("/iris/")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.get_by_role("button", name="Switch to the dark theme").click()
    dark = page.evaluate(paper)
    assert dark != light
    page.goto("/-/")
    assert page.evaluate(paper) == dark
    page.get_by_role("button", name="Switch to the light theme").click()
    assert page.evaluate(paper) == light


def test_code_is_copied(page: Page, address: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=address)
    page.goto("/iris/")
    page.get_by_text("This request as code").click()
    page.get_by_role("button", name="Copy the curl code").click()
    expect(page.get_by_role("button", name="Copy the curl code")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(f"curl {address}/iris/predict/")


def test_keyboard_alone(page: Page) -> None:
    page.goto("/-/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Search", exact=True)).to_be_focused()
    page.keyboard.type("species iris")
    page.keyboard.press("Enter")
    expect(page.locator(".models li")).to_have_count(1)
    page.locator("main").focus()
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="iris")).to_be_focused()
    page.keyboard.press("Enter")
    page.locator("input[name=petal_width]").focus()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("0.3")
    page.keyboard.press("Enter")
    expect(page.locator(".prediction")).to_have_text("0")
    expect(page.locator("#result")).to_be_focused()


def test_pipeline_is_drawn_in_its_frame(page: Page) -> None:
    page.goto("/iris/")
    frame = page.frame_locator("iframe")
    page.locator("iframe").scroll_into_view_if_needed()
    expect(frame.locator("label", has_text="LogisticRegression")).to_be_visible()
    frame.locator("label", has_text="StandardScaler").click()  # it unfolds without a script
    expect(frame.locator("summary", has_text="Parameters").nth(1)).to_be_visible()


def test_slider_moves_the_answer_one_request_at_a_time(page: Page) -> None:
    page.goto("/iris/?example=1")
    press_predict(page)
    expect(page.locator(".prediction")).to_have_text("2")
    asked, most = set[Any](), [0]

    def begin(request: Any) -> None:
        asked.add(request)
        most.append(len(asked))

    def end(request: Any) -> None:
        asked.discard(request)

    page.on("request", begin)
    page.on("requestfinished", end)
    slider = page.get_by_role("slider", name="petal_length")
    slider.focus()
    for _ in range(60):
        page.keyboard.press("ArrowLeft")
    page.get_by_role("slider", name="Petal width").evaluate(
        "slider => { slider.value = 0.2; slider.dispatchEvent(new Event('input')); }"
    )
    expect(page.locator("input[name=petal_width]")).to_have_value("0.2")
    expect(page.locator(".prediction")).to_have_text("0")
    assert max(most) == 1
    page.fill("input[name=petal_length]", "3")
    expect(slider).to_have_value("3")


def test_last_answers_and_a_curve(page: Page) -> None:
    page.goto("/iris/")
    press_predict(page)
    expect(page.locator(".prediction")).to_have_text("0")
    fill(page, VIRGINICA)
    press_predict(page)
    expect(page.locator(".prediction")).to_have_text("2")
    page.reload()
    last = page.get_by_role("region", name="Your last answers").get_by_role("button")
    expect(last).to_have_text(["2", "0"])
    changed = page.get_by_role("region", name="Your last answers").get_by_role("listitem").first
    expect(changed).to_contain_text(f"Petal width: {VIRGINICA['petal_width']}")
    last.nth(1).click()
    expect(page.locator(".prediction")).to_have_text("0")
    expect(page.locator("input[name=petal_width]")).to_have_value(str(SETOSA["petal_width"]))
    page.get_by_role("button", name="petal_length", exact=True).click()
    expect(page.get_by_role("img", name="Over petal_length from 0 to 30")).to_be_visible()


@pytest.mark.full
def test_dropped_file_is_checked_and_mapped(page: Page) -> None:
    page.goto("/iris/")
    text = "sepal_length;Sepal Width;petal_length;petal_width\\n5,1;3,5;1,4;0,2\\n"
    page.evaluate(
        f"""() => {{
            const data = new DataTransfer();
            data.items.add(new File(["{text}"], "rows.csv", {{type: "text/csv"}}));
            const card = document.querySelector("#upload h2");
            card.dispatchEvent(new DragEvent("drop", {{dataTransfer: data, bubbles: true}}));
        }}"""
    )
    columns = page.locator("#file-columns")
    expect(columns).to_contain_text("decimal commas")
    expect(columns.get_by_label("Read sepal_width from")).to_have_value("Sepal Width")
    columns.get_by_role("button", name="Use these columns").click()
    expect(columns).to_contain_text("sepal_width (from “Sepal Width”)")
    page.get_by_role("button", name="Predict the file").click()
    expect(page.locator("#file-result td.output")).to_have_text(["0"])


@pytest.mark.full
def test_pipeline_is_whole_and_dark_where_the_page_is(page: Page) -> None:
    page.goto("/iris/")
    page.get_by_role("button", name="Switch to the dark theme").click()
    page.locator("iframe").scroll_into_view_if_needed()
    body = page.frame_locator("iframe").locator("body")
    expect(body.locator("label", has_text="LogisticRegression")).to_be_visible()
    fits = "() => innerHeight >= document.documentElement.scrollHeight"
    frame = page.frames[1]
    frame.wait_for_function(fits)
    body.locator("label", has_text="StandardScaler").click()
    frame.wait_for_function(fits)
    shade = "() => getComputedStyle(document.querySelector('.sk-label')).color"
    assert "232" in frame.evaluate(shade)  # light ink on dark paper


# Without


def test_all_of_it_without_javascript(plain_page: Page, tmp_path: Path) -> None:
    page = plain_page
    page.goto("/iris/")
    expect(page.locator("[data-theme-switch]")).to_be_hidden()
    fill(page, {**VIRGINICA, "sepal_width": -1})
    press_predict(page)
    expect(page.locator(".field.invalid .error")).to_have_text("must be at least 0")
    page.fill("input[name=sepal_width]", "3.3")
    press_predict(page)
    expect(page.locator(".prediction")).to_have_text("2")
    assert page.url.endswith("/iris/#result")
    page.get_by_role("button", name="sepal_width", exact=True).click()
    expect(page.get_by_role("img", name="Over sepal_width from 0 to 30")).to_be_visible()
    body, content_type = file_of("ndjson", [SETOSA, VIRGINICA])
    file: Any = {"name": "rows.ndjson", "mimeType": content_type, "buffer": body}
    page.set_input_files("#file", file)
    page.get_by_role("button", name="Predict the file").click()
    expect(page.locator("#file-result .rows tbody tr")).to_have_count(2)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the predictions").click()
    assert download.value.suggested_filename == "iris-predictions.ndjson"


# For everybody

PLACES = [
    *("/-/", "/-/?q=none", "/iris/", "/birds/", "/line/", "/versions/", "/iris/traffic/"),
    *("/birds/traffic/", "/line/traffic/", "/versions/traffic/", "/more1/traffic/"),
    *("/iris/card/", "/birds/card/", "/versions/card/", "/versions/?version=1"),
]
SHOWN = cases([*PLACES, "error", "answer", "file", "curve", "columns"], quick=["error"])


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.differential)])
@pytest.mark.parametrize("place", SHOWN)
def test_axe_finds_nothing(browser: Browser, address: str, place: str, scheme: Any) -> None:
    with opened(browser, address, viewport=WIDE, color_scheme=scheme) as page:
        bring(page, place)
        # What is in the frame is scikit-learn's own.
        found = Axe().run(page, options={"iframes": False})
    told = [(v["id"], v["nodes"][0]["html"]) for v in found.response["violations"]]
    assert told == []


@pytest.mark.parametrize("place", SHOWN)
def test_page_fits_a_phone(browser: Browser, address: str, place: str) -> None:
    with opened(browser, address, viewport=NARROW) as page:
        bring(page, place)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_wide_pipeline_scrolls_in_its_own_box_on_a_phone(browser: Browser, address: str) -> None:
    with opened(browser, address, viewport=NARROW) as page:
        page.goto("/wide/")
        page.locator("iframe").scroll_into_view_if_needed()
        page.frame_locator("iframe").locator("label").first.wait_for()
        scrolls_in_its_box(page.frames[1])
        page.goto("/wide/pipeline/?alone=1")
        scrolls_in_its_box(page)


def scrolls_in_its_box(page: Page | Frame) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    drawing = page.locator(".sk-top-container")
    assert drawing.evaluate("box => box.scrollWidth > box.clientWidth")
    expect(page.get_by_text("Scroll sideways to see all")).to_be_visible()


def test_prediction_of_each_row_is_in_sight_on_a_phone(browser: Browser, address: str) -> None:
    with opened(browser, address, viewport=NARROW) as page:
        bring(page, "file")
        table = page.locator(".scroll:has(.output)")
        assert table.evaluate("box => box.scrollWidth > box.clientWidth")
        box, last = table.bounding_box(), table.locator("td.output").first.bounding_box()
        assert box is not None
        assert last is not None
        assert last["x"] + last["width"] <= box["x"] + box["width"] + 1


def bring(page: Page, place: str) -> None:
    """Open a page, or bring it into a state."""
    page.goto(place if place.startswith("/") else "/iris/")
    if place == "error":
        page.fill("input[name=sepal_length]", "-3")
        press_predict(page)
        page.wait_for_selector(".field.invalid")
    elif place == "answer":
        press_predict(page)
        page.wait_for_selector(".prediction")
        page.locator("summary h2").click()
    elif place == "curve":
        page.get_by_role("button", name="petal_length", exact=True).click()
        page.wait_for_selector(".curve")
    elif place == "columns":
        rows: Any = {"name": "rows.csv", "mimeType": "text/csv", "buffer": b"a,b\n-1,2\n"}
        page.set_input_files("#file", rows)
        page.wait_for_selector("#file-columns select")
    elif place == "file":
        body, content_type = file_of("csv", [SETOSA, VIRGINICA])
        file: Any = {"name": "rows.csv", "mimeType": content_type, "buffer": body}
        page.set_input_files("#file", file)
        page.get_by_role("button", name="Predict the file").click()
        page.wait_for_selector(".result-head")
