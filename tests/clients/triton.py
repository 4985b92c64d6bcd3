"""Call a server by tritonclient, and print what comes back: ``triton.py HOST:PORT sync|aio``."""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from typing import Any

import numpy as np

ROWS = np.array([[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]])
FIELDS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
WORDS = np.array(["good", "bad", "g\u00fcte \u2603"], dtype=object)
CODES = {"FP32": "f4", "FP64": "f8", "FP16": "f2", "INT64": "i8", "UINT8": "u1"}


class Client:
    """The two clients of the library by one name.

    :param library: the module ``tritonclient.http``, or that of asyncio
    """

    def __init__(self, library: Any, url: str) -> None:
        self.library = library
        self.client = library.InferenceServerClient(url)

    async def call(self, name: str, *arguments: Any, **options: Any) -> Any:
        returned = getattr(self.client, name)(*arguments, **options)
        return await returned if inspect.isawaitable(returned) else returned

    def tensor(self, name: str, values: Any, datatype: str, *, binary: bool) -> Any:
        tensor = self.library.InferInput(name, list(values.shape), datatype)
        tensor.set_data_from_numpy(values, binary_data=binary)
        return tensor

    async def infer(self, model: str, *tensors: Any, names: Any = (), **options: Any) -> Any:
        """Return the outputs by name; those that are not asked for come in binary."""
        outputs = [
            self.library.InferRequestedOutput(name, binary_data=binary) for name, binary in names
        ]
        result = await self.call("infer", model, list(tensors), outputs=outputs, **options)
        document = result.get_response()
        found = {each["name"]: result.as_numpy(each["name"]) for each in document["outputs"]}
        return {
            "id": document.get("id"),
            "version": document.get("model_version"),
            "outputs": {name: [str(a.dtype), _python_values(a)] for name, a in found.items()},
        }


def _python_values(array: Any) -> Any:
    if array.dtype == object:
        return [v.decode() if isinstance(v, bytes) else v for v in array.ravel().tolist()]
    return array.tolist()


async def calls(client: Client) -> dict[str, Any]:
    """Return the answers to calls of every kind."""
    found: dict[str, Any] = {
        "live": await client.call("is_server_live"),
        "ready": await client.call("is_server_ready"),
        "model_ready": await client.call("is_model_ready", "iris"),
        "version_ready": await client.call("is_model_ready", "folder", "1"),
        "unknown_ready": await client.call("is_model_ready", "rose"),
        "server": await client.call("get_server_metadata"),
        "metadata": await client.call("get_model_metadata", "iris"),
        "version_metadata": await client.call("get_model_metadata", "folder", "1"),
    }
    both = [("predict", True), ("predict_proba", False)]
    for datatype, code in CODES.items():
        for binary in (True, False)[: 1 if datatype == "FP16" else 2]:
            block = client.tensor("any", ROWS.astype(code), datatype, binary=binary)
            found[f"{datatype} {binary}"] = await client.infer("iris", block, names=both)
    for binary in (True, False):
        columns = [
            client.tensor(name, ROWS[:, [place]], "FP64", binary=binary)
            for place, name in enumerate(FIELDS)
        ][::-1]
        found[f"columns {binary}"] = await client.infer("iris", *columns)
        words = client.tensor("text", WORDS, "BYTES", binary=binary)
        names = [("predict", binary)]
        found[f"texts {binary}"] = await client.infer("words", words, names=names)
    block = client.tensor("any", ROWS, "FP64", binary=True)
    found["default"] = await client.infer("iris", block, names=[("output-0", True)])
    found["id"] = await client.infer("iris", block, request_id="mine", timeout=5, priority=1)
    found["version"] = await client.infer("folder", block, model_version="1")
    for sent in ("gzip", "deflate", None):
        for wanted in ("gzip", "deflate"):
            found[f"{sent} {wanted}"] = await client.infer(
                "iris",
                block,
                request_compression_algorithm=sent,
                response_compression_algorithm=wanted,
            )
    found["errors"] = [await _error(client, *each) for each in _wrong(client)]
    return found


def _wrong(client: Client) -> list[tuple[str, str, Any]]:
    negative = client.tensor("any", -ROWS, "FP64", binary=True)
    narrow = client.tensor("any", ROWS[:, :3], "FP64", binary=True)
    block = client.tensor("any", ROWS, "FP64", binary=True)
    bad = [("iris", "", negative), ("iris", "", narrow)]
    return [*bad, ("rose", "", block), ("folder", "7", block)]


async def _error(client: Client, model: str, version: str, tensor: Any) -> Any:
    from tritonclient.utils import InferenceServerException

    try:
        await client.infer(model, tensor, model_version=version)
    except InferenceServerException as error:
        return [error.status(), error.message()]
    return None


async def main(url: str, kind: str) -> None:
    if kind == "aio":
        import tritonclient.http.aio as library
    else:
        import tritonclient.http as library
    client = Client(library, url)
    print(json.dumps(await calls(client)))
    await client.call("close")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
