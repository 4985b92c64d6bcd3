"""The API document, and Swagger UI for reading it and trying it out."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as distribution_version
from importlib.resources import files
from importlib.util import find_spec

from flask import Flask, Response, render_template, url_for
from werkzeug.exceptions import NotFound

from flask_skmodels.hints import extra
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.openapi import document
from flask_skmodels.pages.page import error_page, render_page
from flask_skmodels.schema.types import JSONObject
from flask_skmodels.state import State
from flask_skmodels.web.exchange import Exchange
from flask_skmodels.web.responses import json_response, problem_response
from flask_skmodels.web.url_rules import add_url_rule
from flask_skmodels.web.views import BaseView

_LIBRARY = "flask_swagger_ui"
# The files of the page: those of Swagger UI, and our own, which start it.
_ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "docs.js": "text/javascript",
    "docs.css": "text/css",
}
_OURS = {"docs.js", "docs.css"}
# Swagger UI draws its icons from data URLs. Nothing is inline or from another site.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


def add_rules(state: State) -> None:
    """Add the document and its page, unless they are turned off."""
    if state.settings.docs:
        guards = {"decorators": state.decorators}
        add_url_rule(state, "-:openapi", "/-/openapi.json", DocumentView(state), **guards)
        add_url_rule(state, "-:docs", "/-/docs/", DocsView(state), **guards)
        add_url_rule(state, "-:docs:asset", "/-/docs/<name>", AssetView(), **guards)


def add_model_rules(state: State, deployment: Deployment) -> None:
    """Add nothing: the models are in the one document."""


def api_document(state: State, deployments: Iterable[Deployment], root: str = "") -> JSONObject:
    """Return the API document of models on an application.

    :param state: the extension on the application
    :param deployments: the models that it describes
    :param root: path at which the application is mounted
    """
    site = document.Site(
        title=_title_of(state),
        version=state.settings.api_version or _version_of(state.app),
        prefix=state.settings.url_prefix,
        root=root,
        security_schemes=state.settings.security_schemes,
        is_guarded=bool(state.decorators),
        has_drift=state.drift is not None,
    )
    return document.document(deployments, site)


def _title_of(state: State) -> str:
    return state.settings.api_title or state.app.name


def _version_of(app: Flask) -> str:
    """Return ``__version__`` of the application's module or package, or else its distribution's."""
    package = app.import_name.partition(".")[0]
    for name in (app.import_name, package):
        version = getattr(sys.modules.get(name), "__version__", None)
        if isinstance(version, str) and version:
            return version
    try:
        return distribution_version(package)
    except (PackageNotFoundError, ValueError):
        return document.UNVERSIONED


class DocumentView(BaseView):
    """``GET /-/openapi.json``: the document of the models that the visitor may see.

    :param state: the extension on this application
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def respond(self, exchange: Exchange) -> Response:
        root = exchange.request.script_root
        return json_response(api_document(self._state, self._state.visible(), root))


class DocsView(BaseView):
    """``GET /-/docs/``: the document in Swagger UI; without that extra, as a page of our own.

    :param state: the extension on this application
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def respond(self, exchange: Exchange) -> Response:
        if find_spec(_LIBRARY) is None:
            return self._own_page(exchange)
        start = f"{self._state.name}.-:"
        page = render_template(
            "skmodels/docs.html",
            title=_title_of(self._state),
            models=url_for(f"{start}index") if self._state.settings.pages else None,
            document=url_for(f"{start}openapi").rstrip("/"),
            assets={name: url_for(f"{start}docs:asset", name=name).rstrip("/") for name in _ASSETS},
        )
        response = Response(page, content_type="text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    def _own_page(self, exchange: Exchange) -> Response:
        """Return the document as a page of plain HTML.

        :raises NotFound: the pages are turned off, and so is their style sheet
        """
        if not self._state.settings.pages:
            raise NotFound(f"Swagger UI is not installed: install {extra('swagger')}")
        root = exchange.request.script_root
        document = api_document(self._state, self._state.visible(), root)
        address = url_for(f"{self._state.name}.-:openapi").rstrip("/")
        context = {"document": document, "address": address, "needed": extra("swagger")}
        return render_page(self._state, exchange, "api.html", **context)

    def refuse(self, exchange: Exchange, exception: Exception) -> Response:
        if self._state.settings.pages:
            return error_page(self._state, exchange, exception)
        return problem_response(exception, exchange.request)


class AssetView(BaseView):
    """``GET /-/docs/{name}``: a file that the page needs."""

    def respond(self, exchange: Exchange) -> Response:
        name = (exchange.request.view_args or {})["name"]
        if name not in _ASSETS or (name not in _OURS and find_spec(_LIBRARY) is None):
            raise NotFound("the page has no such file")
        folder = files(__package__) / "static" if name in _OURS else files(_LIBRARY) / "dist"
        response = Response((folder / name).read_bytes(), mimetype=_ASSETS[name])
        response.headers["X-Content-Type-Options"] = "nosniff"
        exchange.cache_control = "no-cache"
        response.add_etag()
        response.make_conditional(exchange.request)
        return response
