"""An application with the model of the benchmarks of bulk scoring."""

from __future__ import annotations

import os

from flask import Flask

from flask_skmodels import Artifact, SKModels


def create_app() -> Flask:
    app = Flask(__name__)
    app.config.update(SKMODELS_TRUST_PICKLE=True, SKMODELS_TRIAL=False)
    models = SKModels()
    models.add(
        "model",
        Artifact(os.environ["BULK_MODEL"]),
        schema={f"f{index}": {} for index in range(20)},
    )
    models.init_app(app)
    return app
