"""Time requests by tritonclient's own connection, in turn: ``triton_rounds.py HOST:PORT``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from statistics import quantiles
from time import perf_counter
from typing import Any

import numpy as np
import tritonclient.http as triton

ROUNDS = 40
chance = np.random.default_rng(1)
ROW = chance.normal(size=(1, 4))
MANY = chance.normal(size=(10_000, 20)).astype(np.float32)


def infer(client: Any, model: str, values: Any, datatype: str, *, binary: bool) -> Any:
    tensor = triton.InferInput("values", list(values.shape), datatype)
    tensor.set_data_from_numpy(values, binary_data=binary)
    asked = [triton.InferRequestedOutput("predict", binary_data=binary)]
    return client.infer(model, [tensor], outputs=asked).as_numpy("predict")


def native(client: Any, model: str, values: Any) -> Any:
    body = json.dumps(values.tolist())
    headers = {"Content-Type": "application/json"}
    response = client._post(f"{model}/predict/", body, headers, None)
    return np.array(json.loads(response.read())["predictions"])


def seconds(call: Callable[[], Any], times: int) -> float:
    started = perf_counter()
    for _ in range(times):
        call()
    return (perf_counter() - started) / times


def report(what: str, one: Callable[[], Any], other: Callable[[], Any], times: int) -> None:
    assert one().tolist() == other().tolist()
    ratios, durations = [], []
    for _ in range(ROUNDS):
        first, second = seconds(one, times), seconds(other, times)
        ratios.append(first / second)
        durations.append((first, second))
    low, middle, high = quantiles(ratios, n=4)
    best = [min(each) * 1e3 for each in zip(*durations, strict=True)]
    print(
        f"{what}: {middle:.2f} ({low:.2f} to {high:.2f}), best {best[0]:.2f} and {best[1]:.2f} ms"
    )


def main(url: str) -> None:
    client = triton.InferenceServerClient(url)
    report(
        "one row, tritonclient in binary / native JSON",
        lambda: infer(client, "few", ROW, "FP64", binary=True),
        lambda: native(client, "few", ROW),
        times=20,
    )
    report(
        "10,000 x 20 FP32, JSON / binary, both by tritonclient",
        lambda: infer(client, "wide", MANY, "FP32", binary=False),
        lambda: infer(client, "wide", MANY, "FP32", binary=True),
        times=1,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
