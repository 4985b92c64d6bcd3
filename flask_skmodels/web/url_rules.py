"""URL rules that take little time until they are used: an application may have thousands."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from flask import has_request_context, request
from werkzeug.routing import Rule

from flask_skmodels.state import Decorator, State
from flask_skmodels.web.fast_path import view_function
from flask_skmodels.web.negotiation import prefers_page
from flask_skmodels.web.views import BaseView


def add_url_rule(
    state: State,
    endpoint: str,
    address: str,
    view: BaseView,
    *,
    decorators: Iterable[Decorator] = (),
) -> None:
    """Add a rule below the extension's prefix, even after the application's first request.

    :param state: the extension on the application
    :param endpoint: name of the rule, without the extension's name
    :param address: path below the prefix; a path with a slash at its end also matches without it,
        and the other way round
    :param view: the view, whose methods the rule has
    :param decorators: view decorators around the view
    """
    path = state.settings.url_prefix + address
    add_unprefixed_url_rule(state, endpoint, path, view, decorators=decorators)


def add_unprefixed_url_rule(
    state: State,
    endpoint: str,
    path: str,
    view: BaseView,
    *,
    decorators: Iterable[Decorator] = (),
) -> None:
    """Add a rule at a path of the application, even after its first request.

    The rule is added to the URL map directly, because Flask's methods refuse it after a request.
    """
    endpoint = endpoint_of(state, endpoint)
    function = plain = view_function(view, endpoint)
    for decorator in decorators:
        function = decorator(function)
    state.app.view_functions[endpoint] = function
    rule_class = lazy(state.app.url_rule_class)
    rule = rule_class(
        path, endpoint=endpoint, methods={*view.methods, "OPTIONS"}, strict_slashes=False
    )
    rule.provide_automatic_options = True  # type: ignore[attr-defined]
    if view.is_for_browsers:
        rule.methods = _ForBrowsers()  # type: ignore[assignment]
    state.app.url_map.add(rule)
    if view.methods == ["POST"] and function is plain:
        state.lane.add(rule, function)


def endpoint_of(state: State, endpoint: str) -> str:
    """Return the name under which Flask knows a rule, which includes the extension's name."""
    # Flask reads the part of an endpoint before a dot as the name of a blueprint.
    return f"{state.name}.{endpoint.replace('.', '%2E')}"


class _ForBrowsers(frozenset[str]):
    """The methods of a rule that is only for browsers: ``GET`` of a client that prefers HTML.

    For any other client, the rule does not exist: a rule of the application matches, or the
    response is 405 with the methods of the other rules.
    """

    def __contains__(self, method: object) -> bool:
        return method == "GET" and has_request_context() and prefers_page(request)

    def __bool__(self) -> bool:
        return True

    def __sub__(self, ignored: Set[object]) -> frozenset[str]:
        """Return the methods without some of them, for ``flask routes``."""
        return frozenset({"GET"}) - ignored


@lru_cache(maxsize=8)
def lazy(rule_class: type[Rule]) -> type[Rule]:
    """Return a class of rules that compile their URL builder when a URL is first built.

    Werkzeug compiles the builder when a rule is added to the map, which takes most of the time of
    adding the rule; the table in ``fast_path`` has the figure. If that method has a different name
    in a version of Werkzeug, the builder is compiled as usual.

    One rule is enough for a path with and without a trailing slash. The rule is matched without the
    slash, which Werkzeug accepts for both unless slashes are strict. URLs are built with the slash.

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
    """Return a URL built by Werkzeug, with a slash at the end of its path if the rule has one."""
    path, mark, query = address.partition("?")
    slash = "/" if like.endswith("/") and not path.endswith("/") else ""
    return domain, f"{path}{slash}{mark}{query}"


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Keep the garbage collector off in a ``with`` block that adds many rules.

    The rules stay in memory, so there is nothing to collect. Several full collections would still
    visit every object of the process, which takes longer than making the rules. Measured with 1,000
    models (``python -m benchmarks.bench_short_cuts``): an application starts in 0.6 s, and in 1.8 s
    with the garbage collector on.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
