"""Pages of an application that has turned escaping off for its own templates."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sklearn.linear_model import LogisticRegression

import flask_skmodels
from flask_skmodels import KeyValueModel, SKModels

HTML = {"Accept": "text/html"}
EVIL = "<script>alert('x')</script>\"'"
TEMPLATES = sorted(Path(flask_skmodels.__file__).parent.glob("pages/templates/skmodels/*.html"))
PATHS = ("/-/", "/-/?q=%3Cscript%3E", "/evil/", "/evil/traffic/", "/evil/pipeline/", "/-/docs/")


def evil() -> KeyValueModel:
    """Return a model that has markup in every text of its declaration and of its estimator."""

    class Evil(KeyValueModel):
        def predict(self, X: Any) -> Any:
            return np.array([EVIL] * len(X), dtype=object)

    return Evil(
        name="evil",
        pipeline=LogisticRegression().fit([[0.0], [1.0]], [EVIL, "b"]),
        schema={EVIL: {"type": "number", "meta": {"title": EVIL, "unit": EVIL}}},
        description=EVIL,
        probability=True,
        examples=[{EVIL: 1.0}, {EVIL: 0.0}],
    )


def client_of(autoescape: Any) -> FlaskClient:
    class Host(Flask):
        jinja_options = {"autoescape": autoescape}

        def select_jinja_autoescape(self, filename: str | None) -> bool:
            return False

    app = Host(EVIL)
    models = SKModels(app)
    models.register(evil())
    return app.test_client()


@pytest.mark.parametrize("autoescape", [False, lambda name: False], ids=["off", "function"])
def test_pages_are_escaped_if_the_application_has_turned_it_off(autoescape: Any) -> None:
    client = client_of(autoescape)
    for value in ("1.5", EVIL):
        client.post("/evil/", data={EVIL: value}, headers=HTML)
    pages = [client.get(path, headers=HTML).text for path in PATHS]
    pages += [
        client.post("/evil/", data={EVIL: value}, headers=HTML).text for value in ("1.5", EVIL)
    ]
    pages.append(client.get("/evil/?example=1", headers=HTML).text)
    pages.append(client.get(f"/-/?q={EVIL}", headers=HTML).text)
    for page in pages:
        assert page.startswith(("<!doctype html>", "<!DOCTYPE html>"))
        assert "<script>alert" not in page
        assert "&lt;section" not in page
        assert "&lt;div" not in page
        assert "&lt;span" not in page


def test_pages_are_the_same_as_with_escaping() -> None:
    off, on = client_of(False), client_of(True)
    for path in PATHS:
        assert without_times(off, path) == without_times(on, path)


def without_times(client: FlaskClient, path: str) -> str:
    return re.sub(r"\d\d:\d\d:\d\d[^<\"]*|sk-\w+-id-\d+", "", client.get(path, headers=HTML).text)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_block_and_macro_of_a_template_escapes(template: Path) -> None:
    text = template.read_text(encoding="utf-8")
    starts = re.findall(r"\{% (?:block|macro) [^%]*%\}(.{,19})", text)
    escapes = ("{% autoescape true", "{% endblock %}")
    assert [start for start in starts if not start.startswith(escapes)] == []
    assert starts or text.startswith("{% autoescape true %}")
