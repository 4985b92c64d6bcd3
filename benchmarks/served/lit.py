"""The pipeline behind LitServe, which puts the rows of concurrent requests together."""

import sys
from typing import Any

import litserve
import numpy as np
import pandas as pd

from benchmarks.served import shelf


class Pipeline(litserve.LitAPI):
    """One request is one row, or many rows of which each request predicts its own."""

    def setup(self, device: str) -> None:
        self.card, self.pipeline = shelf.take()

    def decode_request(self, request: dict[str, Any]) -> list[list[Any]]:
        rows: list[list[Any]] = request["rows"]
        return rows

    def batch(self, inputs: list[list[list[Any]]]) -> tuple[Any, list[int]]:
        rows = [row for request in inputs for row in request]
        X = pd.DataFrame(rows, columns=self.card.names) if self.card.has_texts else rows
        return X, [len(request) for request in inputs]

    def predict(self, batch: tuple[Any, list[int]]) -> list[Any]:
        X, lengths = batch
        return np.split(self.pipeline.predict(X), np.cumsum(lengths)[:-1])

    def unbatch(self, output: list[Any]) -> list[Any]:
        return output

    def encode_response(self, output: Any) -> dict[str, Any]:
        return {"predictions": output.tolist()}


if __name__ == "__main__":
    api = Pipeline(max_batch_size=32, batch_timeout=0.002)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=2)
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", generate_client_file=False
    )
