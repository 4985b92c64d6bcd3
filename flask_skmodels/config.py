"""The configuration keys, their defaults and their valid values."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from flask_skmodels.artifacts.declaration import ONNX_TOLERANCE, Policy
from flask_skmodels.artifacts.regular_files import MAX_BYTES
from flask_skmodels.exceptions import ConfigurationError
from flask_skmodels.hints import LIKELY, nearest_name
from flask_skmodels.schema.validator import is_number

logger = logging.getLogger("flask_skmodels")

MAX_CONTENT_LENGTH = 64 * 1024 * 1024
MISMATCHES = ("refuse", "warn", "ignore")
ORIGIN = re.compile(r"https?://[^/\s]+")
LOADINGS = ("startup", "first-use")
DIALECTS = ("open-inference", "kserve-v1", "mlflow")
SECURITY_SCHEMES = ("apiKey", "http", "mutualTLS", "oauth2", "openIdConnect")
COMPONENT_NAME = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)


def _is_path(value: object) -> bool:
    return isinstance(value, str | Path) and bool(value)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_prefix(value: Any) -> bool:
    return value == "" or (isinstance(value, str) and value[0] == "/" and value[-1] != "/")


def is_count(value: object, at_least: int = 1) -> bool:
    """Return whether a value is an integer of a least size; a boolean is none."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= at_least


def _is_size(value: object) -> bool:
    return is_count(value, at_least=0)


def _is_amount(value: object) -> bool:
    return is_number(value) and value >= 0


def is_positive(value: object) -> bool:
    """Return whether a value is a finite number above 0."""
    return is_number(value) and value > 0


def _is_pinned_file(value: Any) -> bool:
    parts = value if isinstance(value, tuple | list) else [value, None]
    path, digest = parts if len(parts) == 2 else (None, None)
    return isinstance(path, str | Path) and (digest is None or isinstance(digest, str))


def _are_labels(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(part, str) for pair in value.items() for part in pair
    )


def _are_security_schemes(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(name, str)
        and COMPONENT_NAME.fullmatch(name)
        and isinstance(scheme, Mapping)
        and scheme.get("type") in SECURITY_SCHEMES
        for name, scheme in value.items()
    )


def _are_dialects(value: object) -> bool:
    return isinstance(value, list | tuple) and all(dialect in DIALECTS for dialect in value)


def _are_origins(value: object) -> bool:
    return isinstance(value, list | tuple) and all(
        isinstance(origin, str) and ORIGIN.fullmatch(origin) for origin in value
    )


def _are_names(value: Any) -> bool:
    is_list = isinstance(value, list | tuple | set | frozenset)
    return is_list and all(isinstance(name, str) for name in value)


def _is_switch_or(method: str) -> Callable[[Any], bool]:
    return lambda value: value is None or isinstance(value, bool) or hasattr(value, method)


def _or_none(is_valid: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or is_valid(value)


def _one_of(*values: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value in values


@dataclass(frozen=True, slots=True)
class Key:
    """One configuration key.

    :param default: the value if neither the configuration nor the constructor sets the key
    :param is_valid: returns whether a value is valid
    :param valid_values: a description of the valid values, for the error message
    """

    default: Any
    is_valid: Callable[[Any], bool]
    valid_values: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The validated configuration of one extension on one application, with keys in lower case."""

    url_prefix: str
    max_rows: int
    max_explained_rows: int
    max_cells: int
    max_inflation: int
    root: str | Path | None
    trust_pickle: bool
    sha256sums: Any
    verify: Callable[..., Any] | None
    version_mismatch: Literal["refuse", "warn", "ignore"]
    max_artifact_bytes: int
    loading: str
    max_loaded: int | None
    reload: float | None
    versions: Mapping[str, str]
    state_dir: str | Path | None
    trial: bool
    trial_seconds: float
    trial_bytes: int
    loads_per_minute: int | None
    threads: int | None
    batch_rows: int
    max_concurrency: int | None
    max_queue: int | None
    ready_examples: bool
    drain_file: str | Path | None
    timeout: float | None
    onnx_tolerance: float
    visible: Callable[[Any], bool] | Literal[True] | None
    pages: bool
    trusted_origins: Sequence[str]
    docs: bool
    api_title: str | None
    api_version: str | None
    security_schemes: Mapping[str, Mapping[str, Any]]
    drift: bool
    metrics: Any
    tracing: Any
    server_timing: bool
    fast_lane: bool
    log_predictions: bool
    log_hidden_fields: Collection[str] | None
    dialects: Sequence[str]
    open_inference_url_prefix: str | None
    kserve_v1_url_prefix: str | None
    mlflow_url_prefix: str | None
    mlflow_model: str | None

    @property
    def hidden_fields(self) -> Collection[str]:
        """Names of the fields that are hidden, none if the key is not set."""
        return self.log_hidden_fields or ()

    def policy(self, root_path: str) -> Policy:
        """Return the policy for loading artifacts.

        :param root_path: the root path of the application; ``ROOT`` is relative to it
        """
        pinned = self.sha256sums
        path, digest = pinned if isinstance(pinned, tuple | list) else (pinned, None)
        return Policy(
            root=Path(root_path, self.root or ""),
            trust_pickle=self.trust_pickle,
            sha256sums=None if path is None else Path(path),
            sha256sums_sha256=digest,
            verify=self.verify,
            version_mismatch=self.version_mismatch,
            max_bytes=self.max_artifact_bytes,
            onnx_tolerance=self.onnx_tolerance,
        )


_DIALECT_PREFIX = Key(None, _or_none(_is_prefix), "None, '' or a path such as '/models'")
KEYS = {
    "URL_PREFIX": Key("", _is_prefix, "'' or a path such as '/models'"),
    "MAX_ROWS": Key(100_000, is_count, "an integer of at least 1"),
    "MAX_EXPLAINED_ROWS": Key(500, is_count, "an integer of at least 1"),
    "MAX_CELLS": Key(10_000_000, is_count, "an integer of at least 1"),
    "MAX_INFLATION": Key(100, is_count, "an integer of at least 1"),
    "ROOT": Key(None, _or_none(lambda value: isinstance(value, str | Path)), "None or a path"),
    "TRUST_PICKLE": Key(False, lambda value: isinstance(value, bool), "True or False"),
    "SHA256SUMS": Key(
        None, _or_none(_is_pinned_file), "None, a path, or a pair of a path and its SHA-256"
    ),
    "VERIFY": Key(None, _or_none(callable), "None or a callable(path, bytes)"),
    "VERSION_MISMATCH": Key("refuse", _one_of(*MISMATCHES), f"one of {', '.join(MISMATCHES)}"),
    "MAX_ARTIFACT_BYTES": Key(MAX_BYTES, is_count, "an integer of at least 1"),
    "LOADING": Key("startup", _one_of(*LOADINGS), f"one of {', '.join(LOADINGS)}"),
    "MAX_LOADED": Key(None, _or_none(is_count), "None or an integer of at least 1"),
    "RELOAD": Key(None, _or_none(_is_amount), "None or a number of seconds"),
    "VERSIONS": Key({}, _are_labels, "a mapping of model names to versions"),
    "STATE_DIR": Key(None, _or_none(lambda value: isinstance(value, str | Path)), "None or a path"),
    "TRIAL": Key(True, lambda value: isinstance(value, bool), "True or False"),
    "TRIAL_SECONDS": Key(60.0, is_positive, "a number of seconds above 0"),
    "LOADS_PER_MINUTE": Key(60, _or_none(is_count), "None or an integer of at least 1"),
    "TRIAL_BYTES": Key(4 * 1024**3, is_count, "an integer of at least 1"),
    "THREADS": Key(None, _or_none(is_count), "None or an integer of at least 1"),
    "BATCH_ROWS": Key(128, is_count, "an integer of at least 1"),
    "MAX_CONCURRENCY": Key(None, _or_none(is_count), "None or an integer of at least 1"),
    "MAX_QUEUE": Key(None, _or_none(_is_size), "None or an integer of at least 0"),
    "READY_EXAMPLES": Key(False, lambda value: isinstance(value, bool), "True or False"),
    "DRAIN_FILE": Key(None, _or_none(_is_path), "None or a path"),
    "TIMEOUT": Key(30, _or_none(is_positive), "None or a number of seconds above 0"),
    "ONNX_TOLERANCE": Key(ONNX_TOLERANCE, _is_amount, "a number of at least 0"),
    "VISIBLE": Key(
        None,
        lambda value: value is None or value is True or callable(value),
        "None, True or a callable(model)",
    ),
    "PAGES": Key(True, lambda value: isinstance(value, bool), "True or False"),
    "TRUSTED_ORIGINS": Key((), _are_origins, "a list of origins such as 'https://example.org'"),
    "DOCS": Key(True, lambda value: isinstance(value, bool), "True or False"),
    "API_TITLE": Key(None, _or_none(_is_name), "None or a text"),
    "API_VERSION": Key(None, _or_none(_is_name), "None or a text"),
    "SECURITY_SCHEMES": Key(
        {}, _are_security_schemes, "a mapping of names to OpenAPI security schemes"
    ),
    "DRIFT": Key(True, lambda value: isinstance(value, bool), "True or False"),
    "METRICS": Key(None, _is_switch_or("collect"), "None, True, False or a CollectorRegistry"),
    "TRACING": Key(None, _is_switch_or("get_tracer"), "None, True, False or a TracerProvider"),
    "SERVER_TIMING": Key(False, lambda value: isinstance(value, bool), "True or False"),
    "FAST_LANE": Key(True, lambda value: isinstance(value, bool), "True or False"),
    "LOG_PREDICTIONS": Key(False, lambda value: isinstance(value, bool), "True or False"),
    "LOG_HIDDEN_FIELDS": Key(None, _or_none(_are_names), "None or a list of field names"),
    "DIALECTS": Key((), _are_dialects, f"a list of names from: {', '.join(DIALECTS)}"),
    "OPEN_INFERENCE_URL_PREFIX": _DIALECT_PREFIX,
    "KSERVE_V1_URL_PREFIX": _DIALECT_PREFIX,
    "MLFLOW_URL_PREFIX": _DIALECT_PREFIX,
    "MLFLOW_MODEL": Key(
        None, _or_none(lambda value: isinstance(value, str)), "None or the name of a model"
    ),
}


def read_settings(
    config: MutableMapping[str, Any], name: str, url_prefix: str | None = None
) -> Settings:
    """Set the defaults in an application's configuration, and return the validated settings.

    A key that begins with the name of the extension but is not one of its keys is logged.

    :param config: the configuration of the application; missing keys are set
    :param name: the name of the extension; in upper case, it is the prefix of the keys
    :param url_prefix: the default of ``URL_PREFIX``, from the constructor
    :raises ConfigurationError: the value of a key is not valid
    """
    _log_unknown_keys(config, name.upper())
    values = {}
    for suffix, key in KEYS.items():
        default = url_prefix if suffix == "URL_PREFIX" and url_prefix is not None else key.default
        full = f"{name.upper()}_{suffix}"
        value = config.setdefault(full, default)
        if not key.is_valid(value):
            raise ConfigurationError(f"{full} must be {key.valid_values}, not {value!r}")
        values[suffix.lower()] = value
    if values["max_queue"] is not None and values["max_concurrency"] is None:
        raise ConfigurationError(
            f"{name.upper()}_MAX_QUEUE has no effect without {name.upper()}_MAX_CONCURRENCY: set "
            f"{name.upper()}_MAX_CONCURRENCY as well, or remove {name.upper()}_MAX_QUEUE"
        )
    return Settings(**values)


def _log_unknown_keys(config: Mapping[str, Any], name: str) -> None:
    """Log the keys that no extension reads; the extension skmodels_b reads ``SKMODELS_B_ROOT``.

    :param name: the name of the extension in upper case
    """
    known = [f"{name}_{suffix}" for suffix in KEYS]
    for key in config:
        if not key.startswith(f"{name}_") or key in known:
            continue
        if not key.endswith(tuple(f"_{suffix}" for suffix in KEYS)):
            meant = nearest_name(key.removeprefix(f"{name}_"), KEYS, LIKELY)
            hint = "" if meant is None else f"; did you mean {name}_{meant}?"
            logger.warning("%s is not a configuration key%s", key, hint)
