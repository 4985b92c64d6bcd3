"""The contexts of a request, made when code first uses one of them.

These are the two contexts of Flask 3.1; later releases have a single context.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, Self

from flask import Flask, signals
from flask.ctx import AppContext, RequestContext
from flask.globals import _cv_app, _cv_request
from werkzeug.routing import Rule

from flask_skmodels.web.deferred import Deferred, DeferredRequest

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

SIGNALS = (
    *(signals.request_started, signals.request_finished, signals.request_tearing_down),
    *(signals.appcontext_pushed, signals.appcontext_popped, signals.appcontext_tearing_down),
)
_RECEIVERS = [signal.receivers for signal in SIGNALS]


def receivers_of_flask(app: Flask) -> list[str]:
    """Return which of Flask's signals for requests and contexts have receivers."""
    if not any(_RECEIVERS):
        return []
    return [f"receivers of {each.name}" for each in SIGNALS if each.has_receivers_for(app)]


class DeferredAppContext(Deferred, AppContext):
    """An application context that is made when it is first used."""

    token: Token[AppContext]

    def made(self) -> AppContext:
        context = AppContext(self.app)
        context._cv_tokens = [self.token]
        return context


class DeferredContext(Deferred, RequestContext):
    """A request context that is made when it is first used, with its application context."""

    token: Token[RequestContext]

    @classmethod
    def push_new(cls, app: Flask, environ: WSGIEnvironment, rule: Rule) -> Self:
        """Return the context of a request to a rule without arguments, now the current context."""
        request = DeferredRequest.unmade(
            app=app, environ=environ, json_module=app.json, url_rule=rule, view_args={}
        )
        app_context = DeferredAppContext.unmade(app=app)
        context = cls.unmade(app=app, request=request, app_context=app_context)
        app_context.token = _cv_app.set(app_context)
        context.token = _cv_request.set(context)
        return context

    def made(self) -> RequestContext:
        context = RequestContext(self.app, self.request.environ, self.request)
        interface = self.app.session_interface
        session = interface.open_session(self.app, self.request)
        context._session = interface.make_null_session(self.app) if session is None else session
        context._cv_tokens = [(self.token, self.app_context)]
        return context

    def is_used(self) -> bool:
        """Return whether Flask has to end the request: a context was made, or a signal is used."""
        return self.is_made or self.app_context.is_made or bool(receivers_of_flask(self.app))

    def pop_both(self, error: BaseException | None) -> None:
        """Leave both contexts. Flask does this if they are used, or if there are files to close."""
        app_context = self.app_context
        try:
            if self.is_used() or "files" in vars(self.request):
                self.pop(None if error is None or self.app.should_ignore_error(error) else error)
        finally:
            _leave(_cv_request, self.token)
            _leave(_cv_app, app_context.token)


def _leave(variable: ContextVar[Any], token: Token[Any]) -> None:
    """Reset a context variable, unless Flask has done so."""
    if variable.get(None) is not None:
        variable.reset(token)
