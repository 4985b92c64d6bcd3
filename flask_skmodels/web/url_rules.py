"""URL rules that cost next to nothing before they are used: an application may have thousands."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from flask.views import View
from werkzeug.routing import Rule

from flask_skmodels.state import Decorator, State


def add_url_rule(
    state: State,
    endpoint: str,
    address: str,
    view_class: type[View],
    *arguments: Any,
    decorators: Iterable[Decorator] = (),
) -> None:
    """Add a rule below the extension's prefix, also after the application's first request.

    :param state: the extension on the application
    :param endpoint: name of the rule, without the extension's name
    :param address: path below the prefix, with a slash at both ends; it also matches without the
        last one
    :param view_class: the view; its methods are the rule's
    :param arguments: what the view is made with
    :param decorators: view decorators around it
    """
    path = state.settings.url_prefix + address
    add_unprefixed_url_rule(state, endpoint, path, view_class, *arguments, decorators=decorators)


def add_unprefixed_url_rule(
    state: State,
    endpoint: str,
    path: str,
    view_class: type[View],
    *arguments: Any,
    decorators: Iterable[Decorator] = (),
) -> None:
    """Add a rule at a path of the application, also after its first request.

    The rule goes to the URL map directly: after a request Flask's own methods refuse it.
    """
    # Flask takes a dot in an endpoint for the end of a blueprint's name.
    endpoint = f"{state.name}.{endpoint.replace('.', '%2E')}"
    view = _view_function(view_class(*arguments), endpoint)
    for decorator in decorators:
        view = decorator(view)
    state.app.view_functions[endpoint] = view
    methods = {*(view_class.methods or {"GET"}), "OPTIONS"}
    rule_class = lazy(state.app.url_rule_class)
    rule = rule_class(path, endpoint=endpoint, methods=methods, strict_slashes=False)
    rule.provide_automatic_options = True  # type: ignore[attr-defined]
    state.app.url_map.add(rule)


def _view_function(view: View, name: str) -> Callable[..., Any]:
    """Return the view function. Skips Flask's ``ensure_sync`` at each call.

    :param name: unique, since decorators tell views apart by it
    """
    dispatch = view.dispatch_request

    def answer(**values: Any) -> Any:
        return dispatch(**values)

    answer.__name__ = name
    answer.__module__ = type(view).__module__
    answer.__doc__ = type(view).__doc__
    answer.view_class = type(view)  # type: ignore[attr-defined]
    answer.methods = view.methods  # type: ignore[attr-defined]
    return answer


@lru_cache(maxsize=8)
def lazy(rule_class: type[Rule]) -> type[Rule]:
    """Return a class of rules that compile what builds their address when one is first built.

    Werkzeug compiles it when a rule is added to the map, which takes ten times as long as the rest.
    Should a version of it do so by another name, rules are as they were.

    One rule also does for an address with its last slash and without: it is matched without one,
    which Werkzeug takes for both unless it is strict about slashes, and built as it was given.

    :param rule_class: the application's class of rules
    """

    class LazyRule(rule_class):  # type: ignore[valid-type,misc]
        rule: str

        def compile(self) -> None:
            path = self.rule
            self.rule = path.rstrip("/") or path
            try:
                super().compile()
            finally:
                self.rule = path

        def _compile_builder(self, append_unknown: bool = True) -> Callable[..., Any]:
            compiled: list[Callable[..., Any]] = []

            def build(rule: Rule, /, **values: Any) -> Any:
                if not compiled:
                    compiled.append(super(LazyRule, self)._compile_builder(append_unknown))
                return _slashed(*compiled[0](rule, **values), like=rule.rule)

            return build

    return LazyRule


def _slashed(domain: str, address: str, *, like: str) -> tuple[str, str]:
    """Return what Werkzeug builds, its path ending with a slash if another one does."""
    path, mark, query = address.partition("?")
    slash = "/" if like.endswith("/") and not path.endswith("/") else ""
    return domain, f"{path}{slash}{mark}{query}"


@contextmanager
def uncollected() -> Iterator[None]:
    """Do not collect garbage meanwhile: many rules are all there to stay.

    Else each of several full collections walks over all that the process holds, which takes longer
    than to make the rules.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
