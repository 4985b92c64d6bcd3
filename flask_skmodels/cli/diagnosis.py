"""The state of an installation and of an application, as ``flask skmodels doctor`` shows it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from flask import Flask

from flask_skmodels.cli.console import one_line
from flask_skmodels.cli.server_settings import ServerSettings, process_bytes
from flask_skmodels.config import KEYS, MAX_CONTENT_LENGTH
from flask_skmodels.exceptions import SKModelsError
from flask_skmodels.hints import __version__, install_line
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.schema.types import JSONObject
from flask_skmodels.state import State

MIN_SECRET_LENGTH = 16  # characters of SECRET_KEY
MAX_VALUE_LENGTH = 60  # characters of a setting that are shown
_LIBRARIES = ("Flask", "Werkzeug", "scikit-learn", "numpy", "joblib", "Cerberus")
# What each extra adds, and the modules that it installs.
EXTRAS: dict[str, tuple[str, tuple[str, ...]]] = {
    "arrow": ("requests and files in Arrow and Parquet", ("pyarrow",)),
    "dask": ("bulk scoring on Dask", ("distributed", "pyarrow")),
    "fast": ("faster parsing of large JSON bodies", ("simdjson",)),
    "metrics": ("metrics for Prometheus", ("prometheus_client",)),
    "mlflow": ("loading models from MLflow folders", ("yaml",)),
    "onnx": (
        "ONNX files and the engine onnx",
        ("onnx", "onnxruntime", "google.protobuf", "skl2onnx"),
    ),
    "pandas": ("estimators fitted on data frames", ("pandas",)),
    "pydantic": ("pydantic models as schemas", ("pydantic",)),
    "ray": ("bulk scoring on Ray", ("pyarrow", "ray")),
    "skops": ("skops files, which contain no code", ("skops",)),
    "swagger": ("Swagger UI", ("flask_swagger_ui",)),
    "tracing": ("OpenTelemetry spans", ("opentelemetry.trace",)),
    "wtf": ("form classes of Flask-WTF", ("flask_wtf", "wtforms")),
}


def installed() -> dict[str, str]:
    """Return the versions of Python, of this library and of the libraries that it needs."""
    found = {"Python": sys.version.split()[0], "Flask-SKModels": __version__}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def extras() -> list[JSONObject]:
    """Return each extra: what it adds, whether it is installed, and the command to install it."""
    return [
        {
            "name": name,
            "adds": adds,
            "installed": all(map(_is_installed, modules)),
            "install": install_line(name),
        }
        for name, (adds, modules) in EXTRAS.items()
    ]


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # its package is missing, or only partly imported
        return False


def models_of(state: State) -> list[JSONObject]:
    """Return each model with its live version, its engine and the versions that failed.

    A model that is not loaded yet is loaded.
    """
    return [_model(state, deployment) for deployment in state.deployments.values()]


def _model(state: State, deployment: Deployment) -> JSONObject:
    about: JSONObject = {"name": deployment.name, "version": None, "engine": None, "reason": None}
    try:
        live = deployment.current(state.app)
    except SKModelsError as error:
        return about | {"error": one_line(error), "failed": _failures(deployment), "bytes": 0}
    loaded = live.loaded
    return {
        **about,
        "version": live.label,
        "engine": live.engine.name,
        "reason": live.engine.reason,
        "error": None,
        "failed": _failures(deployment),
        "format": None if loaded is None else loaded.format,
        "bytes": 0 if loaded is None else _size_of(loaded.path),
    }


def _failures(deployment: Deployment) -> dict[str, str]:
    return {str(label): reason for label, reason in deployment.versions.failures.items()}


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def settings_of(state: State) -> dict[str, str]:
    """Return the keys of the configuration that differ from their defaults."""
    prefix = state.name.upper()
    values = {key: state.app.config.get(f"{prefix}_{key}") for key in KEYS}
    changed = {key: value for key, value in values.items() if value != KEYS[key].default}
    return {f"{prefix}_{key}": _shortened(value) for key, value in changed.items()}


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MAX_VALUE_LENGTH else f"{text[: MAX_VALUE_LENGTH - 1]}…"


def memory_of(app: Flask, models: list[JSONObject], server: ServerSettings) -> JSONObject:
    """Return how much memory the settings of the server allow, in bytes.

    :param app: the application
    :param models: the models, loaded
    :param server: the settings
    """
    here = process_bytes()
    body = app.config.get("MAX_CONTENT_LENGTH") or MAX_CONTENT_LENGTH
    workers = server.workers or 1
    return {
        "process": here,
        "model_files": sum(model["bytes"] for model in models),
        "workers": server.workers,
        "threads": server.threads,
        "preload": server.preload,
        "source": server.source,
        "all_workers": None if here is None else here * workers,
        "largest_body": body,
        "bodies": body * workers * (server.threads or 1),
    }


def warnings_of(state: State) -> Iterator[str]:
    """Yield a sentence for each thing that is unsafe."""
    settings, prefix = state.settings, state.name.upper()
    if settings.trust_pickle:
        yield f"{prefix}_TRUST_PICKLE loads pickles that are not pinned, and a pickle is code"
    if not settings.trial:
        yield f"{prefix}_TRIAL is off: a hostile file can end the process that loads it"
    if settings.version_mismatch != "refuse":
        yield (
            f"{prefix}_VERSION_MISMATCH accepts files that were written with other versions of "
            "scikit-learn"
        )
    if settings.log_predictions and settings.log_hidden_fields is not None:
        yield f"{prefix}_LOG_PREDICTIONS writes the values of rows to the log"
    yield from _open_models(state)
    yield from _secret_key(state.app)
    if state.app.debug:
        yield (
            "debug mode is on: anyone who sees an error can run code, so do not use it in "
            "production"
        )


def _open_models(state: State) -> Iterator[str]:
    found = [d.name for d in state.deployments.values() if not state.decorators_of(d)]
    if not found:
        return
    names = ", ".join(found[:5]) + (f" and {len(found) - 5} others" if len(found) > 5 else "")
    pages = "the pages and predictions" if state.settings.pages else "the predictions"
    hint = "To ask for one: SKModels(decorators=[login_required])."
    functions = state.app.before_request_funcs.get(None, ())
    if any(not each.__module__.startswith("flask_skmodels.") for each in functions):
        hint += " (Perhaps a before_request function of the application asks for a login already.)"
    yield f"{pages} of {names} are open without a login. {hint}"


def _secret_key(app: Flask) -> Iterator[str]:
    key = app.secret_key
    has_forms = app.config.get("WTF_CSRF_ENABLED", True) and _is_installed("flask_wtf")
    if not key and (has_forms or "csrf" in app.extensions or hasattr(app, "login_manager")):
        yield "SECRET_KEY is not set: forms of Flask-WTF and logins need it"
    elif key and len(key) < MIN_SECRET_LENGTH:
        yield f"SECRET_KEY has fewer than {MIN_SECRET_LENGTH} characters: it can be guessed"
