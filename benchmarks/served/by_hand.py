"""The Flask endpoint that one writes by hand around a pipeline."""

from __future__ import annotations

from typing import Any

import pandas as pd
from flask import Flask, request

from benchmarks.served import shelf


def create_app() -> Flask:
    app = Flask("by_hand")
    card, pipeline = shelf.take()

    @app.post("/predict")
    def predict() -> dict[str, Any]:
        rows = request.get_json()
        if isinstance(rows, dict):
            rows = [[rows[name] for name in card.names]]
        X = pd.DataFrame(rows, columns=card.names) if card.has_texts else rows
        return {"predictions": pipeline.predict(X).tolist()}

    return app
