"""The configuration keys, their defaults and what each may hold."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from flask_skmodels.errors import ConfigurationError

MAX_CONTENT_LENGTH = 64 * 1024 * 1024


def _is_prefix(value: Any) -> bool:
    return value == "" or (isinstance(value, str) and value[0] == "/" and value[-1] != "/")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


@dataclass(frozen=True, slots=True)
class Key:
    """One configuration key.

    :param default: its value where neither the configuration nor the constructor sets it
    :param holds: whether a value is one that the key can hold
    :param kind: what it can hold, for the error message
    """

    default: Any
    holds: Callable[[Any], bool]
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The configuration of one extension on one application, checked."""

    url_prefix: str
    max_rows: int


KEYS = {
    "URL_PREFIX": Key("", _is_prefix, "'' or a path such as '/models'"),
    "MAX_ROWS": Key(1_000_000, _is_count, "an integer of at least 1"),
}


def read_settings(
    config: MutableMapping[str, Any], name: str, url_prefix: str | None = None
) -> Settings:
    """Set the defaults of an application's configuration, and return it checked.

    :param config: the application's
    :param name: name of the extension; the keys begin with it, in capitals
    :param url_prefix: default of ``URL_PREFIX``, from the constructor
    :raises ConfigurationError: a key holds what it cannot hold
    """
    values = {}
    for suffix, key in KEYS.items():
        default = url_prefix if suffix == "URL_PREFIX" and url_prefix is not None else key.default
        full = f"{name.upper()}_{suffix}"
        value = config.setdefault(full, default)
        if not key.holds(value):
            raise ConfigurationError(f"{full} must be {key.kind}, not {value!r}")
        values[suffix.lower()] = value
    return Settings(**values)
