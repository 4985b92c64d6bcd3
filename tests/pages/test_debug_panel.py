"""The panel for Flask-DebugToolbar, in the real toolbar."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_debugtoolbar import DebugToolbarExtension

from flask_skmodels import InvalidInput, SKModels, before_prediction
from tests.support.helpers import SCHEMA, SETOSA
from tests.support.html import Element, parsed, rows_of

pytestmark = pytest.mark.usefixtures("strict_host")

PANEL = "flask_skmodels.pages.debug_panel.PredictionsPanel"
PAGE = "<!doctype html><html><body>Mine</body></html>"


@pytest.fixture
def toolbar(pipeline: Any) -> FlaskClient:
    app = Flask("host")
    app.config.update(SECRET_KEY="only in this test", DEBUG_TB_PANELS=[PANEL])
    app.debug = True
    models = SKModels(app)
    models.add("iris", pipeline, schema=SCHEMA, probability=True)

    def twice() -> str:
        models.predict("iris", SETOSA)
        models.predict("iris", [SETOSA, SETOSA, SETOSA], "predict_proba")
        return PAGE

    def wrong() -> str:
        with pytest.raises(InvalidInput):
            models.predict("iris", {})
        return PAGE

    def stopped() -> str:
        def stop(app: Flask, **extra: Any) -> None:
            raise PermissionError

        with before_prediction.connected_to(stop), pytest.raises(PermissionError):
            models.predict("iris", SETOSA)
        return PAGE

    app.add_url_rule("/", "none", lambda: PAGE)
    for view in (twice, wrong, stopped):
        app.add_url_rule(f"/{view.__name__}", view_func=view)
    DebugToolbarExtension(app)
    return app.test_client()


def panel(client: FlaskClient, path: str) -> tuple[str, list[list[str]]]:
    """Return the title in the toolbar, and the table of the panel."""
    response = client.get(path)
    assert response.status_code == 200, response.text
    start = response.text.index('<div id="flDebug"')
    page: Element = parsed(response.text[start : response.text.rindex("</body>")])
    [content] = page.all("div", id="flDebugPredictionsPanel-content") or page.all(
        "div", class_="panelContent"
    )
    tables = content.all("table")
    return page.text, rows_of(tables[0]) if tables else []


def test_panel_lists_the_predictions_of_the_request(toolbar: FlaskClient) -> None:
    text, (head, first, second) = panel(toolbar, "/twice")
    assert "Predictions 2 in" in text
    assert head[:6] == ["Model", "Version", "Method", "Engine", "Rows", "Outcome"]
    assert first[:6] == ["iris", "-", "predict", "lean", "1", "predicted"]
    assert second[:6] == ["iris", "-", "predict_proba", "lean", "3", "predicted"]
    assert all(time.endswith(("µs", "ms", "s")) for time in first[6:])


def test_panel_has_what_was_not_predicted(toolbar: FlaskClient) -> None:
    assert panel(toolbar, "/wrong")[1][1][:6] == ["iris", "-", "predict", "lean", "-", "rejected"]
    assert panel(toolbar, "/stopped")[1][1][5] == "stopped"


def test_each_request_begins_anew(toolbar: FlaskClient) -> None:
    panel(toolbar, "/twice")
    text, rows = panel(toolbar, "/")
    assert "This request made no predictions." in text
    assert rows == []
