"""The rows of a request as the bytes that each server takes, and the predictions in its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import orjson
import pandas as pd

from benchmarks.workloads import Workload

Encode = Callable[[pd.DataFrame], bytes]
Read = Callable[[bytes], list[Any]]
JSON = "application/json"
CSV = "text/csv"
ARROW = "application/vnd.apache.arrow.stream"


@dataclass(frozen=True)
class Exchange:
    """What is sent to an address, and what must come back.

    :param path: the address, from the root of the server
    :param media_type: of the bodies
    :param bodies: sent in turn; an empty one is a GET
    :param expected: the predictions for each body
    :param read: finds the predictions in an answer
    """

    path: str
    media_type: str
    bodies: tuple[bytes, ...]
    expected: tuple[list[Any], ...]
    read: Read


def exchange(
    workload: Workload, path: str, encode: Encode, read: Read, media_type: str = JSON
) -> Exchange:
    """Return the exchange of all requests of a workload."""
    return Exchange(
        path,
        media_type,
        tuple(encode(request) for request in workload.requests),
        tuple(workload.expected(request) for request in workload.requests),
        read,
    )


def plain(request: pd.DataFrame) -> list[list[Any]]:
    """Return rows as lists, None for what is missing."""
    if not request.isna().to_numpy().any():
        complete: list[list[Any]] = request.to_numpy().tolist()
        return complete
    rows: list[list[Any]] = request.astype(object).where(request.notna(), None).to_numpy().tolist()
    return rows


def record(request: pd.DataFrame) -> bytes:
    """One row as an object."""
    return orjson.dumps(dict(zip(request.columns, plain(request)[0], strict=True)))


def rows(request: pd.DataFrame) -> bytes:
    return orjson.dumps(plain(request))


def columns(request: pd.DataFrame) -> bytes:
    return orjson.dumps({"columns": _columns(request)})


def csv(request: pd.DataFrame) -> bytes:
    text: str = request.to_csv(index=False)
    return text.encode()


def arrow(request: pd.DataFrame) -> bytes:
    import pyarrow as pa

    table = pa.Table.from_pandas(request, preserve_index=False).replace_schema_metadata()
    sink = BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    body: bytes = sink.getvalue()
    return body


def named(name: str, encode: Callable[[pd.DataFrame], Any]) -> Encode:
    """Return an encoding as an object with one key."""
    return lambda request: orjson.dumps({name: encode(request)})


def split(request: pd.DataFrame) -> dict[str, Any]:
    """MLflow's rows with their names."""
    return {"columns": list(request.columns), "data": plain(request)}


def records(request: pd.DataFrame) -> list[dict[str, Any]]:
    return [dict(zip(request.columns, row, strict=True)) for row in plain(request)]


def flat_tensor(request: pd.DataFrame) -> bytes:
    """The Open Inference Protocol's one tensor, its numbers in one flat list."""
    data = [value for row in plain(request) for value in row]
    tensor = {"name": "X", "shape": list(request.shape), "datatype": "FP64", "data": data}
    return orjson.dumps({"inputs": [tensor]})


def column_tensors(request: pd.DataFrame) -> bytes:
    """The Open Inference Protocol's one tensor a column, read as a frame."""
    inputs = [_column_tensor(name, values) for name, values in _columns(request).items()]
    return orjson.dumps({"parameters": {"content_type": "pd"}, "inputs": inputs})


def _columns(request: pd.DataFrame) -> dict[str, list[Any]]:
    return dict(zip(request.columns, map(list, zip(*plain(request), strict=True)), strict=True))


def _column_tensor(name: str, values: list[Any]) -> dict[str, Any]:
    is_text = isinstance(values[0], str)
    return {
        "name": name,
        "shape": [len(values), 1],
        "datatype": "BYTES" if is_text else "FP64",
        "data": values,
        **({"parameters": {"content_type": "str"}} if is_text else {}),
    }


def predictions(body: bytes) -> list[Any]:
    found: list[Any] = orjson.loads(body)["predictions"]
    return found


def tensor(body: bytes) -> list[Any]:
    found: list[Any] = orjson.loads(body)["outputs"][0]["data"]
    return found


def from_csv(body: bytes) -> list[Any]:
    found: list[Any] = pd.read_csv(BytesIO(body)).iloc[:, 0].tolist()
    return found


def from_arrow(body: bytes) -> list[Any]:
    import pyarrow as pa

    found: list[Any] = pa.ipc.open_stream(body).read_all().column(0).to_pylist()
    return found


def bare_list(body: bytes) -> list[Any]:
    found: list[Any] = orjson.loads(body)
    return found
