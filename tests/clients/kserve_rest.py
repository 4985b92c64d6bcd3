"""Call a server by KServe's client, and print what comes back: ``kserve_rest.py HOST:PORT``."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

ROWS = np.array([[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]])
FIELDS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]


async def version_1(url: str) -> dict[str, Any]:
    client = InferenceRESTClient(RESTConfig(protocol="v1"))
    rows = [dict(zip(FIELDS, row, strict=True)) for row in ROWS.tolist()]
    found: dict[str, Any] = {
        "live": await client.is_server_live(f"{url}/own"),
        "ready": await client.is_model_ready(url, "iris"),
        "own": await client.infer(f"{url}/own", {"instances": rows}, model_name="iris"),
    }
    bodies = {
        "objects": {"instances": rows},
        "arrays": {"instances": ROWS.tolist()},
        "inputs": {"inputs": ROWS.tolist()},
        "columns": {"inputs": dict(zip(FIELDS, ROWS.T.tolist(), strict=True))},
        "frame": {"instances": [{name: [row[name]] for name in FIELDS} for row in rows]},
    }
    for name, body in bodies.items():
        found[name] = await client.infer(url, body, model_name="iris")
    found["words"] = await client.infer(url, {"instances": ["good", "bad"]}, model_name="words")
    wrong = [("iris", {"instances": [[1]]}), ("iris", {}), ("rose", bodies["arrays"])]
    found["errors"] = [
        await _error(client.infer(url, body, model_name=model)) for model, body in wrong
    ]
    found["errors"].append(await _error(client.is_model_ready(url, "rose")))
    await client.close()
    return found


async def version_2(url: str) -> dict[str, Any]:
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    found: dict[str, Any] = {
        "live": await client.is_server_live(url),
        "ready": await client.is_server_ready(url),
        "model_ready": await client.is_model_ready(url, "iris"),
        "unknown_ready": await client.is_model_ready(url, "rose"),
    }
    for datatype, dtype in (("FP32", np.float32), ("FP64", np.float64), ("INT32", np.int32)):
        for binary in (True, False):
            block = InferInput("any", list(ROWS.shape), datatype)
            block.set_data_from_numpy(ROWS.astype(dtype), binary_data=binary)
            outputs = [
                RequestedOutput("predict", {"binary_data": binary}),
                RequestedOutput("predict_proba", {"binary_data": not binary}),
            ]
            asked = InferRequest("iris", [block], request_id="mine", request_outputs=outputs)
            found[f"{datatype} {binary}"] = _plain(await client.infer(url, asked, "iris"))
    words = InferInput("text", [2], "BYTES")
    words.set_data_from_numpy(np.array([b"good", b"bad"], dtype=object))
    asked = InferRequest("words", [words], parameters={"binary_data_output": True})
    found["words"] = _plain(await client.infer(url, asked, "words"))
    negative = InferInput("any", [2, 4], "FP64", data=(-ROWS).tolist())
    asked = InferRequest("iris", [negative])
    found["error"] = await _error(client.infer(url, asked, model_name="iris"))
    await client.close()
    return found


def _plain(response: Any) -> Any:
    outputs = {each.name: np.asarray(each.as_numpy()) for each in response.outputs}
    return {"id": response.id, **{n: [str(a.dtype), _python_values(a)] for n, a in outputs.items()}}


def _python_values(array: Any) -> Any:
    return [v.decode() if isinstance(v, bytes) else v for v in array.tolist()]


async def _error(call: Any) -> Any:
    try:
        await call
    except httpx.HTTPStatusError as error:
        return [error.response.status_code, str(error)]
    return None


async def main(address: str) -> None:
    url = f"http://{address}"
    print(json.dumps({"v1": await version_1(url), "v2": await version_2(url)}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
