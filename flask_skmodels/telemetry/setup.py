"""The listeners that an application's configuration turns on."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from flask.logging import has_level_handler, wsgi_errors_stream

from flask_skmodels.config import Settings
from flask_skmodels.exceptions import ConfigurationError
from flask_skmodels.hints import install_line
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.models import Extension
from flask_skmodels.signals import Sender
from flask_skmodels.telemetry.drift.drift import Drift
from flask_skmodels.telemetry.listener import Listeners
from flask_skmodels.telemetry.metrics import Metrics
from flask_skmodels.telemetry.prediction_log import LOGGER, PredictionLog
from flask_skmodels.telemetry.recent_traffic import RecentTraffic
from flask_skmodels.telemetry.tracing import Tracing


def listeners_of(
    name: str,
    sender: Sender,
    extension: Extension,
    deployments: Mapping[str, Deployment],
    settings: Settings,
) -> Listeners:
    """Return the listeners of an extension on an application, connected to its signals.

    :param name: name of the extension
    :param sender: the application
    :param extension: the extension that the models are registered with
    :param deployments: the extension's models, by name
    :param settings: the extension's configuration on the application
    :raises ConfigurationError: metrics or tracing are turned on, but their library is not installed
    """
    listeners = Listeners(sender, extension)
    if settings.pages:
        listeners.add(RecentTraffic(deployments, settings.log_hidden_fields or (), name))
    drift = None
    if settings.drift:
        drift = listeners.add(Drift(name, deployments, listeners, settings.log_hidden_fields or ()))
    if _is_on(name, "METRICS", settings.metrics, "prometheus_client"):
        listeners.add(Metrics(name, deployments, _object_in(settings.metrics), drift))
    if _is_on(name, "TRACING", settings.tracing, "opentelemetry.trace"):
        listeners.add(Tracing(_object_in(settings.tracing)))
    if settings.log_predictions:
        _write_to_server_log(logging.getLogger(LOGGER))
        listeners.add(PredictionLog(deployments, settings.log_hidden_fields))
    return listeners


def _object_in(setting: object) -> Any:
    """Return the registry or provider in a setting, None if the setting is only on or off."""
    return None if isinstance(setting, bool) else setting


def _is_on(name: str, key: str, setting: object, library: str) -> bool:
    """Return whether a setting is on; None means that it is on if its library is installed.

    :raises ConfigurationError: the setting is on, but its library is not installed
    """
    if setting is False:
        return False
    try:
        import_module(library)
    except ImportError as error:
        if setting is None:
            return False
        needed = install_line(key.lower())
        raise ConfigurationError(f"{name.upper()}_{key} needs {needed}") from error
    return True


def _write_to_server_log(logger: logging.Logger) -> None:
    """Send the records of a logger to the server's log, unless the logger is already configured.

    Flask does the same for its own logger.
    """
    if not logger.level:
        logger.setLevel(logging.INFO)
    if not has_level_handler(logger):
        stream: Any = wsgi_errors_stream
        handler = logging.StreamHandler(stream)
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
