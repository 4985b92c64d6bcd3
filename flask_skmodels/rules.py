"""URL rules that cost next to nothing before they are used: an application may have thousands."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from werkzeug.routing import Rule


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
