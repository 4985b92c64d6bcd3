"""What the pages share: a page for a browser beside a JSON document for any other client."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, cast
from urllib.parse import quote

from flask import Response, render_template, request
from werkzeug.exceptions import HTTPException, NotFound

from flask_skmodels.codecs.problem import Problem
from flask_skmodels.estimators.introspect import class_name
from flask_skmodels.state import State
from flask_skmodels.telemetry.recent import RecentTraffic
from flask_skmodels.versions.version import ModelVersion
from flask_skmodels.web.views import AnswerView, json_response, problem_response

MOST_STEPS = 4  # of a pipeline that are named
_STATIC = {"pages.css": "text/css", "pages.js": "text/javascript"}
_YEAR = 365 * 24 * 3600
SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # Flask-WTF wants a referrer over HTTPS
    "Cache-Control": "private, no-cache",
}


class Page(AnswerView):
    """A page for a browser, and a JSON document for any other client.

    :param state: the extension on this application
    """

    template: ClassVar[str]

    def __init__(self, state: State) -> None:
        self.state = state

    def answer(self, request_id: str) -> Response:
        if wants_page():
            return self.page(self.template, **self.context())
        return varied(json_response(self.document()))

    def context(self) -> dict[str, Any]:
        """Return what the template is given."""
        raise NotImplementedError

    def document(self) -> Mapping[str, Any]:
        """Return what a client gets."""
        raise NotImplementedError

    def refusal(self, exception: Exception) -> Response:
        response = problem_response(exception)
        is_own = isinstance(exception, HTTPException) and exception.response is not None
        if is_own or not wants_page():
            return varied(response)
        page = self.page("error.html", problem=Problem(exception))
        page.status_code = response.status_code
        headers = {name: value for name, value in response.headers if name not in page.headers}
        page.headers.update(headers)
        return page

    def page(self, template: str, **context: Any) -> Response:
        """Return a template of ``skmodels/`` as an answer."""
        shared = {"base": base_of(self.state), "static": _static_version(), "links": self.links()}
        response = Response(
            render_template(f"skmodels/{template}", **shared, **context), mimetype="text/html"
        )
        response.headers.update(SECURITY)
        return varied(response)

    def links(self) -> list[tuple[str, str]]:
        """Return the addresses and names of what else there is."""
        has_docs = f"{self.state.name}.-:docs" in self.state.app.view_functions
        return [(f"{base_of(self.state)}/-/docs/", "API")] if has_docs else []

    @property
    def recent_traffic(self) -> RecentTraffic:
        """What counts the traffic; there is one wherever there are pages."""
        return cast(RecentTraffic, self.state.recent_traffic)


class StaticView(AnswerView):
    """``GET /-/static/{file}``: the style and the script of the pages."""

    def answer(self, request_id: str) -> Response:
        name = (request.view_args or {}).get("file", "")
        if name not in _STATIC:
            raise NotFound
        response = Response(_static(name), mimetype=_STATIC[name])
        response.headers["Cache-Control"] = f"public, max-age={_YEAR}, immutable"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def wants_page() -> bool:
    """Return whether the client is a browser: it likes HTML better than JSON."""
    accept = request.accept_mimetypes
    return accept.quality("text/html") > accept.quality("application/json")


def varied(response: Response) -> Response:
    """Return an answer that says that it depends on ``Accept``."""
    response.vary.add("Accept")
    return response


def base_of(state: State) -> str:
    """Return the path that the addresses of an extension begin with, as a browser sees it."""
    return quote(request.script_root + state.settings.url_prefix)


def estimator_of(version: ModelVersion) -> str:
    """Return the names of the steps of a pipeline, or that of another estimator."""
    pipeline = version.model.pipeline
    steps = [step for _, step in getattr(pipeline, "steps", ()) if hasattr(step, "fit")]
    names = [class_name(step) for step in steps or [pipeline]]
    return " → ".join(names if len(names) <= MOST_STEPS else [names[0], "…", names[-1]])


@cache
def _static(name: str) -> bytes:
    return Path(__file__).with_name("static").joinpath(name).read_bytes()


@cache
def _static_version() -> str:
    return sha256(b"".join(map(_static, _STATIC))).hexdigest()[:12]
