"""The fast lane: predictions that are answered before Flask dispatches their request.

Flask takes two fifths of the time of a small prediction to push contexts, to match the URL, and to
find out that the application adds nothing; ``fast_path`` has the figures. :class:`FastLane` is
called before ``Flask.wsgi_app`` and calls the same view function. It leaves all requests to Flask
for which this could make a difference.

Code such as receivers of signals and formatters of logs can use the contexts of the request as
usual. They are made when they are first used; then Flask ends the request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from operator import attrgetter
from types import FunctionType
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask, Request, Response
from flask.ctx import _AppCtxGlobals
from flask.globals import _cv_app
from flask.sessions import SecureCookieSessionInterface
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule, RuleFactory

from flask_skmodels.web.deferred_context import DeferredContext, receivers_of_flask

_STEPS = (  # methods of Flask that the lane does not call
    *("request_context", "app_context", "create_url_adapter", "full_dispatch_request"),
    *("preprocess_request", "dispatch_request", "ensure_sync", "finalize_request"),
    *("make_response", "process_response", "do_teardown_request", "do_teardown_appcontext"),
)
_CLASSES = {"request_class": Request, "response_class": Response, "url_map.__class__": Map}
_CLASSES["session_interface.__class__"] = SecureCookieSessionInterface
_CLASSES["app_ctx_globals_class"] = _AppCtxGlobals
_SWITCHES = ("debug", "subdomain_matching", "url_map.host_matching", "session_interface.__dict__")
_CLASS_STEPS = [
    *(f"__class__.{name}" for name in (*_STEPS, "wsgi_app")),
    *(f"session_interface.__class__.{name}" for name in ("open_session", "save_session")),
]
_HOOKS = (
    *("before_request_funcs", "after_request_funcs", "teardown_request_funcs"),
    *("url_value_preprocessors", "teardown_appcontext_funcs"),
)
_MAX_HOSTS, _UNKNOWN = 64, object()
_OURS = ": flask_skmodels."  # in the name of a hook that runs only before the first request
_parts_of = attrgetter(*_CLASS_STEPS, *_CLASSES, *_SWITCHES, *_HOOKS)
ViewFunction = Callable[[], Response]


class FastLane:
    """Answers the predictions of one extension on one application.

    :param app: the application; its ``wsgi_app`` answers all other requests
    :param name: the name of the extension's blueprint
    """

    def __init__(self, app: Flask, name: str) -> None:
        self._app = app
        self._name = name
        self._other_lane: FastLane | None = vars(app).get("wsgi_app")  # of another extension
        self._views: dict[str, tuple[Rule, ViewFunction]] = {}  # by path
        self._url_map = app.url_map
        self._add_rule = app.url_map.add
        app.url_map.add = self._add_and_count  # type: ignore[method-assign]
        self._additions = 0  # number of rules added to the URL map
        self._matched: dict[str, int] = {}  # the number of additions when a path was matched
        self._hosts: dict[str | None, Any] = {}  # with TRUSTED_HOSTS when each was accepted
        self._decision: tuple[Any, list[str]] = None, []  # parts of the application, and reasons

    def add(self, rule: Rule, view_function: ViewFunction) -> None:
        """Answer POST requests to the path of a rule, unless the path has variable parts."""
        if "<" not in rule.rule and rule.rule.isascii():
            for path in {rule.rule, rule.rule.rstrip("/")}:
                self._views[path] = rule, view_function

    def reasons(self, endpoint: str) -> list[str]:
        """Return what keeps the requests of an endpoint out of the lane; empty if nothing does."""
        paths = [path for path, (rule, _) in self._views.items() if rule.endpoint == endpoint]
        found = [*_reasons(self._app, self._name), *receivers_of_flask(self._app)]
        if self._app.url_map is not self._url_map:
            found.append("its own url_map")
        elif not paths or not all(self._is_matched(path, *self._views[path]) for path in paths):
            found.append("a decorator of its view, or another view at its URL")
        return [each for each in dict.fromkeys(found) if _OURS not in each]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        view = self._views.get(path := environ.get("PATH_INFO", ""))
        if (
            view is not None
            and environ["REQUEST_METHOD"] == "POST"
            and "HTTP_COOKIE" not in environ  # with a cookie, there may be a session
            and "HTTP_UPGRADE" not in environ
            and "werkzeug.debug.preserve_context" not in environ  # this is set by a test client
            and _cv_app.get(None) is None
            and self._app._got_first_request
            and self._is_default()
            and self._is_matched(path, *view)
            and self._accepts_host(environ)
        ):
            return self._respond(*view, environ, start_response)
        if self._other_lane is not None:
            return self._other_lane(environ, start_response)
        return type(self._app).wsgi_app(self._app, environ, start_response)

    def _add_and_count(self, rulefactory: RuleFactory) -> None:
        self._add_rule(rulefactory)
        self._additions += 1

    def _is_default(self) -> bool:
        """Return whether the application has nothing to add to any request."""
        parts, (known, reasons) = _parts_of(self._app), self._decision
        if parts != known:
            known = tuple(map(_copied, parts))  # before the reasons: other threads may add parts
            self._decision = known, (reasons := list(_reasons(self._app, self._name)))
        if reasons or not vars(self._app).keys().isdisjoint(_STEPS):
            return False
        return not receivers_of_flask(self._app)

    def _is_matched(self, path: str, rule: Rule, view_function: ViewFunction) -> bool:
        """Return whether Flask would call the view function for the path."""
        additions, url_map = self._additions, self._url_map
        if self._matched.get(path) != additions:
            with suppress(HTTPException):
                if url_map.bind("").match(path, method="POST", return_rule=True)[0] is rule:
                    self._matched[path] = additions
        is_same = self._app.view_functions.get(rule.endpoint) is view_function
        return is_same and self._matched.get(path) == additions and self._app.url_map is url_map

    def _accepts_host(self, environ: WSGIEnvironment) -> bool:
        """Return whether Flask accepts the host of a request."""
        host, trusted = environ.get("HTTP_HOST"), self._app.config["TRUSTED_HOSTS"]
        if trusted is not None and not isinstance(trusted, str):
            trusted = list(trusted)  # copied, because the list may be changed in place
        if self._hosts.get(host, _UNKNOWN) != trusted and host is not None:
            if len(self._hosts) >= _MAX_HOSTS:
                self._hosts.clear()
            with suppress(HTTPException):
                self._app.create_url_adapter(Request(environ, populate_request=False))
                self._hosts[host] = trusted
        return bool(self._hosts.get(host, _UNKNOWN) == trusted)

    def _respond(
        self,
        rule: Rule,
        view_function: ViewFunction,
        environ: WSGIEnvironment,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        """Answer a request with the steps of ``Flask.wsgi_app``."""
        app, error = self._app, None
        context = DeferredContext.push_new(app, environ, rule)
        try:
            try:
                response = self._response(view_function, context)
            except Exception as raised:
                error = raised
                response = app.handle_exception(raised)
            return response(environ, start_response)
        finally:
            context.pop_both(error)

    def _response(self, view_function: ViewFunction, context: DeferredContext) -> Response:
        """Call the view function with the steps of ``Flask.full_dispatch_request``."""
        try:
            response = view_function()
        except Exception as error:
            return self._app.finalize_request(self._app.handle_user_exception(error))
        return self._app.finalize_request(response) if context.is_used() else response


def _reasons(app: Flask, blueprint: str) -> Iterator[str]:
    """Yield the parts and the hooks of an application that are not Flask's own."""
    for name in _CLASS_STEPS:
        function = attrgetter(name)(app)
        module = getattr(function, "__globals__", {}).get("__name__", "")
        if type(function) is not FunctionType or module.partition(".")[0] != "flask":
            yield f"its own {name.removeprefix('__class__.')}"
    yield from (f"its own {name}" for name in _STEPS if name in vars(app))
    for name, default in _CLASSES.items():
        if attrgetter(name)(app) is not default:
            yield f"its own {name.removesuffix('.__class__')}"
    yield from (name for name in _SWITCHES if attrgetter(name)(app))
    for name in _HOOKS:
        every = getattr(app, name)
        by_blueprint = every if isinstance(every, Mapping) else {None: every}
        for function in (*by_blueprint.get(None, ()), *by_blueprint.get(blueprint, ())):
            yield f"{name}: {function.__module__}.{getattr(function, '__qualname__', function)}"


def _copied(part: Any) -> Any:
    """Return a part of an application; if it is a container, a copy of it and its lists."""
    if isinstance(part, Mapping):  # other threads may add to the container
        every = dict(part).items()
        return {name: each.copy() if isinstance(each, list) else each for name, each in every}
    return part.copy() if isinstance(part, list) else part
