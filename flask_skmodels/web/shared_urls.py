"""URLs that both a view of the application and this extension have, so that one hides the other."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect, Rule

from flask_skmodels.state import State


def watch(state: State) -> None:
    """Log the URLs that the application also has: now, and for views that are added later.

    Later views are found at the first request; after that, this does not run again.
    """
    known: set[str] = set()
    functions = state.app.before_request_funcs

    def log_once() -> None:
        functions[None] = [each for each in functions[None] if each is not log_once]
        if not functions[None]:
            functions.pop(None, None)  # an empty list would be looked through at each request
        _log(state, known)

    _log(state, known)
    functions.setdefault(None, []).append(log_once)


def messages(state: State) -> Iterator[str]:
    """Yield a message for each URL that both a view of the application and the extension have."""
    start = f"{state.name}."
    rules = list(state.app.url_map.iter_rules())
    own = {_path(rule): rule for rule in rules if rule.endpoint.startswith(start)}
    for rule in rules:
        if rule.endpoint.startswith(start) or rule.arguments or _path(rule) not in own:
            continue
        answering = _endpoint_of(state.app, rule)
        prefix = f"give the view another URL, or set {state.name.upper()}_URL_PREFIX"
        if answering == rule.endpoint:
            name = own[_path(rule)].endpoint.removeprefix(start).partition(":")[0]
            subject = "this extension" if name == "-" else f"model {name!r}"
            yield (
                f"the view {rule.endpoint!r} of the application is at {rule.rule}, so requests "
                f"there do not reach {subject}: {prefix}"
            )
        elif answering is not None:
            yield (
                f"the view {rule.endpoint!r} of the application is never called at {rule.rule}, a "
                f"URL of this extension: {prefix}"
            )


def _log(state: State, known: set[str]) -> None:
    for message in messages(state):
        if message not in known:
            known.add(message)
            state.app.logger.warning(message)


def _path(rule: Rule) -> str:
    return rule.rule.rstrip("/")


def _endpoint_of(app: Flask, rule: Rule) -> str | None:
    """Return the endpoint that gets the requests for a rule, None if both may get requests."""
    methods = sorted((rule.methods or {"GET"}) & {"GET", "POST"})
    try:
        adapter = app.url_map.bind("localhost")
        found = {str(adapter.match(rule.rule, method)[0]) for method in methods}
    except (HTTPException, RequestRedirect):
        return None
    return found.pop() if len(found) == 1 else None
