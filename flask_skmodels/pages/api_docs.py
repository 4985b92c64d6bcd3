"""The API document, and Swagger UI to read it and to try it."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

from flask import Response, render_template, request, url_for
from werkzeug.exceptions import NotFound

from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.openapi import document
from flask_skmodels.pages.page import Page
from flask_skmodels.state import State
from flask_skmodels.web.url_rules import add_url_rule
from flask_skmodels.web.views import AnswerView, json_response, problem_response

_LIBRARY = "flask_swagger_ui"
_INSTALL = "pip install 'Flask-SKModels[swagger]'"
# What the page is made of: the library's own files, and ours to start it.
_ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "docs.js": "text/javascript",
    "docs.css": "text/css",
}
_OURS = {"docs.js", "docs.css"}
# Swagger UI draws its icons from data URLs. Nothing is inline, and nothing comes from elsewhere.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


def add_rules(state: State) -> None:
    """Add the document and its page, unless they are switched off."""
    if state.settings.docs:
        guards = {"decorators": state.decorators}
        add_url_rule(state, "-:openapi", "/-/openapi.json/", DocumentView, state, **guards)
        add_url_rule(state, "-:docs", "/-/docs/", DocsView, state, **guards)
        add_url_rule(state, "-:docs:asset", "/-/docs/<name>/", AssetView, **guards)


def add_model_rules(state: State, deployment: Deployment) -> None:
    """Add nothing: the models are in the one document."""


def document_of(state: State, deployments: Iterable[Deployment], root: str = "") -> dict[str, Any]:
    """Return the API document of models on an application.

    :param deployments: those that it tells of
    :param root: where the application is mounted
    """
    site = document.Site(
        title=state.app.name,
        prefix=state.settings.url_prefix,
        root=root,
        security_schemes=state.settings.security_schemes,
        is_guarded=bool(state.decorators),
    )
    return document.document(deployments, site)


class DocumentView(AnswerView):
    """``GET /-/openapi.json``: what the visitor may see."""

    def __init__(self, state: State) -> None:
        self.state = state

    def answer(self, request_id: str) -> Response:
        return json_response(document_of(self.state, self.state.visible(), request.script_root))


class DocsView(Page):
    """``GET /-/docs/``: the document in Swagger UI."""

    def answer(self, request_id: str) -> Response:
        if find_spec(_LIBRARY) is None:
            raise NotFound(f"Swagger UI is not installed: {_INSTALL}")
        start = f"{self.state.name}.-:"
        models = url_for(f"{start}index") if self.state.settings.pages else None
        page = render_template(
            "skmodels/docs.html",
            title=self.state.app.name,
            models=models,
            document=url_for(f"{start}openapi").rstrip("/"),
            assets={name: url_for(f"{start}docs:asset", name=name).rstrip("/") for name in _ASSETS},
        )
        response = Response(page, content_type="text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    def refusal(self, exception: Exception) -> Response:
        has_pages = self.state.settings.pages
        return super().refusal(exception) if has_pages else problem_response(exception)


class AssetView(AnswerView):
    """``GET /-/docs/{name}``: a file of the page."""

    def answer(self, request_id: str) -> Response:
        name = (request.view_args or {})["name"]
        if name not in _ASSETS or (name not in _OURS and find_spec(_LIBRARY) is None):
            raise NotFound("the page has no such file")
        folder = files(__package__) / "static" if name in _OURS else files(_LIBRARY) / "dist"
        response = Response((folder / name).read_bytes(), mimetype=_ASSETS[name])
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cache-Control"] = "no-cache"
        response.add_etag()
        response.make_conditional(request)
        return response
