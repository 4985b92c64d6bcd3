"""Flask that reads a JSON document and writes another, without a model: what any endpoint costs."""

from __future__ import annotations

from typing import Any

from flask import Flask, request


def create_app() -> Flask:
    app = Flask("hello_json")

    @app.post("/predict")
    def predict() -> dict[str, Any]:
        request.get_json()
        return {"predictions": [0]}

    return app
