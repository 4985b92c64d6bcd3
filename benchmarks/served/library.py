"""This library as one would use it: a schema, and a receiver that listens to every prediction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from flask import Flask

from benchmarks.served import shelf
from flask_skmodels import KeyValueModel, Prediction, SKModels, after_prediction

MAX_BYTES = 1 << 30  # of a request
MAX_ROWS = 1_000_000  # of a request

served: Counter[str] = Counter()


def count(app: Flask, prediction: Prediction, **extra: Any) -> None:
    """Count the rows of each model."""
    served[prediction.model] += prediction.rows


def create_app() -> Flask:
    """Return the application that the folder and the options of the environment describe."""
    return app_of(*shelf.take(), **shelf.options())


def app_of(
    card: shelf.Card,
    pipeline: Any,
    *,
    copies: int = 1,
    model: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
) -> Flask:
    """Return an application that serves a pipeline.

    :param copies: how many models there are of it
    :param model: further attributes of the models
    :param config: further configuration of the application
    """
    models = SKModels()
    for copy in range(copies):
        name = f"{card.name}-{copy}" if copy else card.name
        attributes = {
            "name": name,
            "pipeline": pipeline,
            "schema": card.schema,
            "methods": [card.method],
            **(model or {}),
        }
        models.register(KeyValueModel(**attributes))
    app = Flask("benchmark")
    limits = {"MAX_CONTENT_LENGTH": MAX_BYTES, "SKMODELS_MAX_ROWS": MAX_ROWS}
    app.config.update(config or {}, **limits)
    models.init_app(app)
    after_prediction.connect(count, app)
    return app
