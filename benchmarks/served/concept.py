"""The way of the original proof of concept: Cerberus checks a row, the pipeline predicts it."""

from __future__ import annotations

from typing import Any

import pandas as pd
from cerberus import Validator
from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue

from benchmarks.served import shelf


def create_app() -> Flask:
    app = Flask("concept")
    card, pipeline = shelf.take()
    schema = {name: rules | {"required": True} for name, rules in card.schema.items()}

    def row_of(values: Any) -> Any:
        row = [values[name] for name in card.names]
        return pd.DataFrame([row], columns=card.names) if card.has_texts else [row]

    @app.post("/predict")
    def predict() -> ResponseReturnValue:
        validator = Validator(schema)
        if not validator.validate(request.get_json()):
            return jsonify(validator.errors), 400
        return jsonify(predictions=pipeline.predict(row_of(validator.document)).tolist())

    return app
