"""The base class of the pages: HTML for a browser, a JSON document for any other client."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

from flask import Request, Response, render_template
from werkzeug.exceptions import NotFound

from flask_skmodels.estimators.attributes import has, is_a
from flask_skmodels.estimators.introspect import class_name
from flask_skmodels.exceptions import UnknownModel
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.pages.template_bytecode import use_compiled_templates
from flask_skmodels.schema.types import JSONMapping, JSONObject
from flask_skmodels.state import State
from flask_skmodels.telemetry.recent_traffic import RecentTraffic
from flask_skmodels.versions.version import ModelVersion
from flask_skmodels.web.exchange import Exchange
from flask_skmodels.web.http_errors import NoSuchVersion
from flask_skmodels.web.negotiation import prefers_page
from flask_skmodels.web.responses import (
    json_response,
    problem_of,
    problem_response,
    response_of,
)
from flask_skmodels.web.views import BaseView

MAX_STEPS = 4  # steps of a pipeline whose names are shown
HIDDEN = "The application hides these values."
_SCRIPT = "text/javascript"
_STATIC = {"pages.css": "text/css", "pages.js": _SCRIPT, "file_progress.js": _SCRIPT}
_KEPT_IN_JSON = {"q", "version"}  # the parameters that JSON documents have too
_NAME_THE_MODEL = {404, 413, 503}  # statuses whose page has a link to the model, if it is visible
_YEAR = 365 * 24 * 3600
SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # Flask-WTF requires a referrer over HTTPS
}


class Page(BaseView):
    """A page for a browser, and a JSON document for any other client.

    :param state: the extension on this application
    """

    template: ClassVar[str]

    def __init__(self, state: State) -> None:
        self.state = state

    def respond(self, exchange: Exchange) -> Response:
        if prefers_page(exchange.request):
            return render_page(self.state, exchange, self.template, **self.context(exchange))
        return varied(json_response(self.document(exchange)))

    def refuse(self, exchange: Exchange, exception: Exception) -> Response:
        return error_page(self.state, exchange, exception)

    def context(self, exchange: Exchange) -> JSONObject:
        """Return the variables of the template."""
        raise NotImplementedError

    def document(self, exchange: Exchange) -> JSONMapping:
        """Return the JSON document."""
        raise NotImplementedError


class StaticView(BaseView):
    """``GET /-/static/{file}``: the style and the script of the pages."""

    def respond(self, exchange: Exchange) -> Response:
        name = (exchange.request.view_args or {}).get("file", "")
        if name not in _STATIC:
            raise NotFound
        response = Response(_static(name), mimetype=_STATIC[name])
        exchange.cache_control = f"public, max-age={_YEAR}, immutable"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def render_page(state: State, exchange: Exchange, template: str, **context: Any) -> Response:
    """Return a template of ``skmodels/`` as a response.

    :param state: the extension on this application
    :param exchange: the request and its response
    :param template: name of the template
    :param context: the variables of the template
    """
    use_compiled_templates(state.app.jinja_env)
    base = base_of(state, exchange.request)
    has_docs = f"{state.name}.-:docs" in state.app.view_functions
    links = [(f"{base}/-/docs/", "API")] if has_docs else []
    shared = {"base": base, "static": _static_version(), "links": links}
    shared["json_url"] = _json_url(exchange.request)
    shared["path"] = quote(exchange.request.script_root + exchange.request.path)
    html = render_template(f"skmodels/{template}", **shared, **context)
    response = Response(html, mimetype="text/html")
    response.headers.update(SECURITY)
    return varied(response)


def _json_url(request: Request) -> str:
    """Return the URL of the JSON document with the content of a page."""
    kept = [(k, v) for k, v in request.args.items(multi=True) if k in _KEPT_IN_JSON]
    path = quote(request.script_root + request.path)
    return f"{path}?{urlencode([*kept, ('format', 'json')])}"


def error_page(state: State, exchange: Exchange, exception: Exception) -> Response:
    """Return an exception as a page for a browser, as a problem document for any other client."""
    if response_of(exception) is not None or not prefers_page(exchange.request):
        return varied(problem_response(exception, exchange.request))
    problem = problem_of(exception, exchange.request)
    known: JSONObject = {"problem": problem, "limit": _limit(exchange.request)}
    known |= {"model": None, "version": None}
    names_model = problem.status in _NAME_THE_MODEL
    deployment = _deployment_of(state, exchange.request) if names_model else None
    if deployment is not None:
        known["model"] = deployment.name
        if problem.status == 503:  # perhaps this version cannot be loaded
            known["version"] = _known_label(deployment, exchange)
    page = render_page(state, exchange, "error.html", **known)
    page.status_code = problem.status
    sent = {name for name, _ in page.headers}
    page.headers.update([header for header in problem.headers if header[0] not in sent])
    return page


def _limit(request: Request) -> int | None:
    """Return the size that a body may have, None if the body of the request is not larger."""
    limit, length = request.max_content_length, request.content_length
    return limit if limit is not None and (length or 0) > limit else None


def _deployment_of(state: State, request: Request) -> Deployment | None:
    """Return the model that a path belongs to, None if the visitor may not see it."""
    name = request.path.removeprefix(state.settings.url_prefix).strip("/").partition("/")[0]
    return next((each for each in state.visible() if each.name == name), None)


def _known_label(deployment: Deployment, exchange: Exchange) -> str | None:
    """Return the version that was requested for a page, None if the model has no such version."""
    label = chosen_label(deployment, exchange)
    known = [] if label is None else deployment.versions.describe()
    return label if label in [each["version"] for each in known] else None


def recent_traffic_of(state: State) -> RecentTraffic:
    """Return the recent traffic of the models.

    :raises LookupError: the pages are turned off, so traffic is not counted
    """
    traffic = state.recent_traffic
    if traffic is None:
        raise LookupError("the pages are turned off")
    return traffic


def chosen_label(deployment: Deployment, exchange: Exchange) -> str | None:
    """Return the label in the parameter ``version`` of a page, None if there is none."""
    label = exchange.request.args.get("version") or None
    return label if deployment.versions.is_folder else None


def chosen_version(deployment: Deployment, exchange: Exchange) -> ModelVersion:
    """Return the version that the parameter ``version`` of a page names, or the live version.

    :raises NoSuchVersion: the model has no such version
    :raises SKModelsError: the version cannot be loaded
    """
    label = chosen_label(deployment, exchange)
    if label is None:
        return deployment.current(exchange.app)
    try:
        return deployment.version(exchange.app, label, is_client=True)
    except UnknownModel as error:
        raise NoSuchVersion from error


def has_drift(state: State, deployment: Deployment) -> bool:
    """Return whether a model has a drift page."""
    live = deployment.versions.live
    return state.drift is not None and live is not None and live.profile is not None


def varied(response: Response) -> Response:
    """Add ``Accept`` to the ``Vary`` header of a response, and return it."""
    response.vary.add("Accept")
    return response


def base_of(state: State, request: Request) -> str:
    """Return the path with which all URLs of an extension begin, as browsers see it."""
    return quote(request.script_root + state.settings.url_prefix)


def estimator_of(version: ModelVersion) -> str:
    """Return the class names of the steps of a pipeline, or the class name of another estimator."""
    pipeline = version.model.pipeline
    pairs = pipeline.steps if is_a(pipeline, "Pipeline") else ()
    steps = [step for _, step in pairs if has(step, "fit")]
    names = [class_name(step) for step in steps or [pipeline]]
    return " → ".join(names if len(names) <= MAX_STEPS else [names[0], "…", names[-1]])


@cache
def _static(name: str) -> bytes:
    return Path(__file__).with_name("static").joinpath(name).read_bytes()


@cache
def _static_version() -> str:
    return sha256(b"".join(map(_static, _STATIC))).hexdigest()[:12]
