"""Call a server by MLflow's scoring client: ``mlflow_scoring.py HOST PORT``."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import pandas as pd
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

ROWS = np.array([[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]])
FIELDS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]


def main(host: str, port: str) -> None:
    client = ScoringServerClient(host, port)
    client.wait_server_ready(timeout=30)
    frame = pd.DataFrame(ROWS, columns=FIELDS)
    found: dict[str, Any] = {
        "version": client.get_version(),
        "frame": client.invoke(frame)["predictions"],
        "turned": client.invoke(frame[FIELDS[::-1]].set_index(pd.Index([7, 8])))["predictions"],
        "array": client.invoke(ROWS)["predictions"],
        "params": client.invoke(frame, params={"a": 1})["predictions"],
        "as_frame": client.invoke(frame).get_predictions().to_numpy().tolist(),
        "errors": [_error(client, wrong) for wrong in (-frame, frame[FIELDS[:3]], ROWS[:, :3])],
    }
    print(json.dumps(found))


def _error(client: ScoringServerClient, data: Any) -> str | None:
    try:
        client.invoke(data)
    except Exception as error:
        return str(error)
    return None


if __name__ == "__main__":
    main(*sys.argv[1:])
