"""The formats of rows and responses, written and read without code of the package."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.ipc

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
NDJSON = "application/x-ndjson"
CSV = "text/csv"
ARROW = "application/vnd.apache.arrow.stream"

Record = list[Any]
_Tensor = tuple[str, str, list[int], list[Any]]  # name, datatype, shape, elements


@dataclass(frozen=True, slots=True)
class Table:
    """Rows as a client has them: Python's own values, None for a missing one.

    :param names: of the fields, in an order of the client's; None where rows have no names
    :param records: one list of values a row
    """

    names: Sequence[str] | None
    records: list[Record]

    @property
    def objects(self) -> list[dict[str, Any]]:
        if self.names is None:
            return [{"values": record} for record in self.records]
        return [dict(zip(self.names, record, strict=True)) for record in self.records]

    @property
    def columns(self) -> dict[str, list[Any]]:
        names = self.names or [f"x{place}" for place in range(len(self.records[0]))]
        return {name: [r[place] for r in self.records] for place, name in enumerate(names)}


@dataclass(frozen=True, slots=True)
class Format:
    """A way to ask and to be answered.

    :param content_type: of the request
    :param body: writes a table as a body, None where this format cannot say such a table
    :param read: what a body that came back says
    :param expected: what it should say, from what the estimator returned and its classes
    :param accept: the type that is asked for; by default the request's own
    :param path: where the body is sent
    :param prepared: returns the body as it is sent for a method, and headers beside the usual
    :param is_of_default: whether only the method that a model calls by default can be asked for
    :param counts: how many rows are sent, one after the other
    """

    content_type: str
    body: Callable[[Table], bytes | None]
    read: Callable[[bytes], Any]
    expected: Callable[[Any, Any], Any]
    accept: str | None = None
    path: str = "/case/{method}/"
    prepared: Callable[[bytes, str], tuple[bytes, dict[str, str]]] = lambda body, method: (body, {})
    is_of_default: bool = False
    counts: tuple[int, ...] = (1, 3, 18)


def table(X: Any, *, shuffled: bool = False, names: Sequence[str] | None = None) -> Table:
    """Return rows of X, of a case, as a client sends them.

    :param names: of the columns of an array, if the model has a schema
    """
    if names and isinstance(X, np.ndarray):
        X = pd.DataFrame(X, columns=list(names))
    if isinstance(X, list) and isinstance(X[0], dict):
        X = pd.DataFrame(X)
    if isinstance(X, list):
        return Table(["text"], [[text] for text in X])
    if isinstance(X, np.ndarray):
        return Table(None, [[_value(value) for value in row] for row in X.tolist()])
    if list(X.columns) == list(range(len(X.columns))):  # numbers in place of names
        return Table(None, [[_value(value) for value in row] for row in X.itertuples(index=False)])
    names = [str(name) for name in X.columns]
    columns_of = {str(name): X[name].to_list() for name in X.columns}
    order = names[::-1] if shuffled else names
    columns = [[_value(value) for value in columns_of[name]] for name in order]
    return Table(order, [list(record) for record in zip(*columns, strict=True)])


def plain(outputs: Any) -> Any:
    """Return what an estimator returned as nested lists of Python's own values, one entry a row.

    What several outputs give as a list of arrays has one entry an output.
    """
    if isinstance(outputs, list) and isinstance(outputs[0], np.ndarray):
        return [plain(output) for output in outputs]
    if hasattr(outputs, "toarray"):
        outputs = outputs.toarray()
    if isinstance(outputs, pd.DataFrame) or hasattr(outputs, "to_numpy"):
        outputs = outputs.to_numpy()
    return np.asarray(outputs).tolist()


def exact(value: Any) -> Any:
    """Return values such that equality means every bit: a float as its hexadecimal digits."""
    if isinstance(value, list):
        return [exact(entry) for entry in value]
    if isinstance(value, dict):
        return {name: exact(entry) for name, entry in value.items()}
    return value.hex() if isinstance(value, float) else value


def in_json(value: Any) -> Any:
    """Return values as JSON can hold them: null for what is no finite number."""
    if isinstance(value, list):
        return [in_json(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def lines(outputs: Any, classes: Any) -> list[str]:
    """Return one line a row, its values comma separated, numbers as Python prints them."""
    rows = plain(outputs)
    if isinstance(outputs, list):  # of several outputs: the row of each, one after the other
        rows = [list(chain.from_iterable(parts)) for parts in zip(*rows, strict=True)]
    return [",".join(map(_text, row if isinstance(row, list) else [row])) for row in rows]


def columns(outputs: Any, classes: Any) -> dict[str, list[Any]]:
    """Return the columns of an answer: ``prediction``, or one a class, one an output otherwise."""
    if isinstance(outputs, list):
        parts = [dict(_columns(part, own)) for part, own in zip(outputs, classes, strict=True)]
        return {f"{i}_{name}": part[name] for i, part in enumerate(parts) for name in part}
    return dict(_columns(outputs, classes))


def _columns(outputs: Any, classes: Any) -> list[tuple[str, list[Any]]]:
    rows = plain(outputs)
    if not isinstance(rows[0], list):
        return [("prediction", rows)]
    count = len(rows[0])
    if not count:  # such a table cannot say how many rows it has
        return [("prediction", ["[]"] * len(rows))]
    names = ["prediction"] if count == 1 else [f"prediction_{place}" for place in range(count)]
    if classes is not None and len(classes) == count > 1 and not isinstance(classes[0], list):
        names = [str(label) for label in classes]
    return [(name, [row[place] for row in rows]) for place, name in enumerate(names)]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else repr(value)


def _value(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    value = value.to_pydatetime() if isinstance(value, pd.Timestamp) else value
    return None if value is None or value is pd.NA or value != value else value


def _said(value: Any) -> str:
    """Return a value as a form or CSV says it."""
    if isinstance(value, date):
        return value.isoformat()
    return "" if value is None else value if isinstance(value, str) else repr(value)


def _dumps(value: Any) -> str:
    """Return JSON with dates and times in ISO 8601."""
    return json.dumps(value, default=lambda each: each.isoformat())


def _form(table: Table) -> bytes | None:
    if len(table.records) > 1:
        return None
    if table.names is None:
        return urlencode({"values": ",".join(map(_said, table.records[0]))}).encode()
    pairs = zip(table.names, map(_said, table.records[0]), strict=True)
    return urlencode(list(pairs)).encode()


def _json_objects(table: Table) -> bytes:
    objects: Any = table.objects
    return _dumps(objects if len(objects) > 1 else objects[0]).encode()


def _csv(table: Table, *, header: bool) -> bytes | None:
    if table.names is None and not header:
        names: list[Any] = []
    elif header:
        names = [list(table.columns)]
    else:
        return None
    out = io.StringIO()
    rows = [[_said(value) for value in record] for record in table.records]
    csv.writer(out).writerows(names + rows)
    return out.getvalue().encode()


def _arrow(table: Table) -> bytes:
    out = io.BytesIO()
    arrow = pa.table({name: pa.array(c) for name, c in table.columns.items()})
    with pyarrow.ipc.new_stream(out, arrow.schema) as stream:
        for batch in arrow.to_batches(max_chunksize=7):
            stream.write_batch(batch)
    return out.getvalue()


def _read_json(body: bytes) -> Any:
    document = json.loads(body)
    return exact(document["predictions"]), exact(document.get("classes"))


def _in_json(outputs: Any, classes: Any) -> Any:
    return exact(in_json(plain(outputs))), exact(classes)


def _read_ndjson(body: bytes) -> Any:
    return [exact(json.loads(line)["prediction"]) for line in body.decode().splitlines()]


def _in_ndjson(outputs: Any, classes: Any) -> Any:
    rows = plain(outputs)
    rows = list(map(list, zip(*rows, strict=True))) if isinstance(outputs, list) else rows
    return exact(in_json(rows))


def _lines_of(body: bytes) -> list[str]:
    return body.decode().split("\n")


def _read_csv(body: bytes) -> Any:
    return list(csv.reader(io.StringIO(body.decode(), newline=""), strict=True))


def _in_csv(outputs: Any, classes: Any) -> Any:
    found = columns(outputs, classes)
    cells = [[_said(_value(value)) for value in column] for column in found.values()]
    return [list(found), *map(list, zip(*cells, strict=True))]


def _read_arrow(body: bytes) -> Any:
    table = pyarrow.ipc.open_stream(body).read_all()
    return {name: exact(column.to_pylist()) for name, column in zip(
        table.column_names, table.columns, strict=True)}  # fmt: skip


def _in_arrow(outputs: Any, classes: Any) -> Any:
    return exact(columns(outputs, classes))


def _tensors(table: Table) -> list[_Tensor] | None:
    """Return a tensor a column; of numbers without names one tensor of them all."""
    flat = list(chain.from_iterable(table.records))
    whole = _tensor("input-0", flat, [len(table.records), len(table.records[0])])
    if table.names is None and whole is not None:
        return [whole]
    tensors = [_tensor(name, column, [len(column), 1]) for name, column in table.columns.items()]
    found = [tensor for tensor in tensors if tensor is not None]
    return found if len(found) == len(tensors) else None


def _tensor(name: str, flat: list[Any], shape: list[int]) -> _Tensor | None:
    kinds = {type(value) for value in flat}
    datatypes = {frozenset({int}): "INT64", frozenset({bool}): "BOOL", frozenset({str}): "BYTES"}
    datatypes[frozenset({int, type(None)})] = "INT64"
    datatype = datatypes.get(frozenset(kinds))
    if datatype is None and kinds <= {int, float, type(None)}:
        datatype = "FP64"
    return None if datatype is None else (name, datatype, shape, flat)


def _inference_json(table: Table) -> bytes | None:
    tensors = _tensors(table)
    keys = ("name", "datatype", "shape", "data")
    inputs = [dict(zip(keys, tensor, strict=True)) for tensor in tensors or ()]
    return _dumps({"inputs": inputs}).encode() if inputs else None


def _inference_binary(table: Table) -> bytes | None:
    """Return a request, and behind it its binary data and the length of all that is before."""
    inputs, parts = [], []
    tensors = _tensors(table) or ()
    if any(datatype == "INT64" and None in flat for _, datatype, _, flat in tensors):
        return None
    for name, datatype, shape, flat in tensors:
        parts.append(_packed(datatype, flat))
        size = {"binary_data_size": len(parts[-1])}
        inputs.append({"name": name, "datatype": datatype, "shape": shape, "parameters": size})
    header = _dumps({"inputs": inputs}).encode()
    return b"".join([header, *parts, struct.pack("<I", len(header))]) if inputs else None


def _packed(datatype: str, flat: list[Any]) -> bytes:
    if datatype == "BYTES":
        texts = [value.encode() for value in flat]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    dtype = {"INT64": "<i8", "FP64": "<f8", "BOOL": "?"}[datatype]
    return np.array([math.nan if v is None else v for v in flat], dtype=dtype).tobytes()


def _asked(body: bytes, method: str) -> tuple[bytes, dict[str, str]]:
    outputs = _dumps({"outputs": [{"name": method}]})[1:].encode()
    return body[:-1] + b"," + outputs, {}


def _asked_in_binary(body: bytes, method: str) -> tuple[bytes, dict[str, str]]:
    body, size = body[:-4], struct.unpack("<I", body[-4:])[0]
    output = {"name": method, "parameters": {"binary_data": True}}
    header = body[: size - 1] + b"," + _dumps({"outputs": [output]})[1:].encode()
    return header + body[size:], {"Inference-Header-Content-Length": str(len(header))}


def _read_inference(body: bytes) -> Any:
    return [
        (each["shape"], each["datatype"], exact(_as_sent(each["data"], each["datatype"])))
        for each in json.loads(body)["outputs"]
    ]


def _as_sent(data: list[Any], datatype: str) -> list[Any]:
    """Return numbers as precise as they are said to be; they are written with few digits."""
    narrow = datatype == "FP32"
    return [float(np.float32(v)) if narrow and v is not None else v for v in data]


def _read_inference_in_binary(body: bytes) -> Any:
    document, end = json.JSONDecoder().raw_decode(body.decode("latin-1"))
    found = []
    for each in document["outputs"]:
        size = each["parameters"]["binary_data_size"]
        data = body[end : end + size]
        end += size
        found.append((each["shape"], each["datatype"], _unpacked(each["datatype"], data)))
    assert end == len(body)
    return found


def _unpacked(datatype: str, data: bytes) -> list[Any]:
    if datatype != "BYTES":
        kind = {"BOOL": "?", "U": "u", "I": "i", "F": "f"}
        letter = kind.get(datatype) or kind[datatype[0]]
        size = "" if letter == "?" else str(int(re.sub("[A-Z]", "", datatype)) // 8)
        return list(exact(np.frombuffer(data, dtype=f"<{letter}{size}").tolist()))
    found, place = [], 0
    while place < len(data):
        size = struct.unpack_from("<I", data, place)[0]
        found.append(data[place + 4 : place + 4 + size].decode())
        place += 4 + size
    return found


def _as_tensors(outputs: Any, classes: Any) -> Any:
    parts = outputs if isinstance(outputs, list) else [outputs]
    return [_as_tensor(np.asarray(_dense(part))) for part in parts]


def _as_tensor(array: Any) -> Any:
    flat = exact(array.ravel().tolist())
    letters = {"b": "BOOL", "i": "INT", "u": "UINT", "f": "FP"}
    if array.dtype.kind not in letters:
        texts = [v if isinstance(v, str) else _dumps(v) for v in array.ravel().tolist()]
        return list(array.shape), "BYTES", texts
    size = "" if array.dtype.kind == "b" else str(array.dtype.itemsize * 8)
    return list(array.shape), letters[array.dtype.kind] + size, flat


def _as_tensors_in_json(outputs: Any, classes: Any) -> Any:
    parts = outputs if isinstance(outputs, list) else [outputs]
    arrays = [np.asarray(_dense(part)) for part in parts]
    tensors = [_as_tensor(array) for array in arrays]
    plain = [exact(in_json(array.ravel().tolist())) for array in arrays]
    return [
        (shape, datatype, texts if datatype == "BYTES" else flat)
        for (shape, datatype, texts), flat in zip(tensors, plain, strict=True)
    ]


def _dense(outputs: Any) -> Any:
    return outputs.toarray() if hasattr(outputs, "toarray") else outputs


def _predictions(body: bytes) -> Any:
    document = json.loads(body)
    assert set(document) == {"predictions"}
    return exact(document["predictions"])


def _in_predictions(outputs: Any, classes: Any) -> Any:
    return exact(in_json(plain(outputs)))


def _instances(table: Table) -> bytes:
    return _dumps({"instances": table.objects if table.names else table.records}).encode()


def _split_frame(table: Table) -> bytes:
    split = {"columns": list(table.columns), "data": table.records}
    return _dumps({"dataframe_split": split}).encode()


INFER = "/v2/models/case/infer"
FORMATS: dict[str, Format] = {
    "form": Format(FORM, _form, _lines_of, lines),
    "form, answered in JSON": Format(FORM, _form, _read_json, _in_json, JSON),
    "JSON objects": Format(JSON, _json_objects, _read_json, _in_json),
    "JSON arrays": Format(JSON, lambda t: _dumps(t.records).encode(), _read_json, _in_json),
    "JSON columns": Format(
        JSON, lambda t: _dumps({"columns": t.columns}).encode(), _read_json, _in_json
    ),
    "JSON, answered in text": Format(JSON, _json_objects, _lines_of, lines, "text/plain"),
    "NDJSON": Format(
        NDJSON,
        lambda t: "".join(_dumps(row) + "\n" for row in t.objects).encode(),
        _read_ndjson,
        _in_ndjson,
    ),
    "CSV": Format(CSV, lambda t: _csv(t, header=True), _read_csv, _in_csv),
    "CSV without header": Format(
        f"{CSV}; header=absent", lambda t: _csv(t, header=False), _read_csv, _in_csv
    ),
    "Arrow": Format(ARROW, _arrow, _read_arrow, _in_arrow),
    "Arrow, answered in JSON": Format(ARROW, _arrow, _read_json, _in_json, JSON),
    "Inference in JSON": Format(
        JSON,
        _inference_json,
        _read_inference,
        _as_tensors_in_json,
        path=INFER,
        prepared=_asked,
        counts=(3,),
    ),
    "Inference in binary": Format(
        "",
        _inference_binary,
        _read_inference_in_binary,
        _as_tensors,
        path=INFER,
        prepared=_asked_in_binary,
        counts=(1, 18),
    ),
    "KServe": Format(
        JSON,
        _instances,
        _predictions,
        _in_predictions,
        path="/v1/models/case:predict",
        is_of_default=True,
        counts=(3,),
    ),
    "MLflow": Format(
        JSON,
        _split_frame,
        _predictions,
        _in_predictions,
        path="/invocations",
        is_of_default=True,
        counts=(3,),
    ),
}
