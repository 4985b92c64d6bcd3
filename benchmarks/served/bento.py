"""The pipeline as a service of BentoML."""

from __future__ import annotations

from typing import Any

import bentoml
import numpy as np
import pandas as pd

from benchmarks.served import shelf

card, _ = shelf.take()
Input: Any = pd.DataFrame if card.has_texts else np.ndarray


class Pipeline:
    def __init__(self) -> None:
        self.pipeline = shelf.take()[1]

    def predict(self, rows: Any) -> Any:
        return self.pipeline.predict(rows)


Pipeline.predict.__annotations__.update(rows=Input)
Pipeline.predict.__annotations__["return"] = np.ndarray
Pipeline.predict = bentoml.api(Pipeline.predict)  # type: ignore[method-assign]
service = bentoml.service(Pipeline, workers=2)
