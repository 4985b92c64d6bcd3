"""The FastAPI endpoint that one writes by hand around a pipeline: a model of the row, one route."""

from __future__ import annotations

from typing import Any

import pandas as pd
from fastapi import FastAPI
from pydantic import RootModel, create_model

from benchmarks.served import shelf

card, pipeline = shelf.take()
app = FastAPI()


def _type_of(rules: dict[str, Any]) -> Any:
    plain = str if rules.get("type") == "string" else float
    return plain | None if rules.get("nullable") else plain


fields: dict[str, Any] = {name: (_type_of(rules), ...) for name, rules in card.schema.items()}
Row = create_model("Row", **fields)


class Rows(RootModel[list[list[float]]]):
    """Many rows of numbers."""


async def predict(row: Any) -> dict[str, Any]:
    values = [[getattr(row, name) for name in card.names]]
    X = pd.DataFrame(values, columns=card.names) if card.has_texts else values
    return {"predictions": pipeline.predict(X).tolist()}


async def predict_many(rows: Rows) -> dict[str, Any]:
    return {"predictions": pipeline.predict(rows.root).tolist()}


predict.__annotations__["row"] = Row
predict_many.__annotations__["rows"] = Rows
app.post("/predict")(predict)
app.post("/predict-many")(predict_many)
