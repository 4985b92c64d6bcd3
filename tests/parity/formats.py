"""How rows are sent and answers read, format by format, with no help from the package."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
    :param answer: what a body that came back says
    :param expected: what it should say, from what the estimator returned and its classes
    :param accept: the type that is asked for; by default the request's own
    """

    content_type: str
    body: Callable[[Table], bytes | None]
    answer: Callable[[bytes], Any]
    expected: Callable[[Any, Any], Any]
    accept: str | None = None


def table(X: Any, *, shuffled: bool = False) -> Table:
    """Return rows of X, of a case, as a client sends them."""
    if isinstance(X, list) and isinstance(X[0], dict):
        X = pd.DataFrame(X)
    if isinstance(X, list):
        return Table(["text"], [[text] for text in X])
    if isinstance(X, np.ndarray):
        return Table(None, [[_value(value) for value in row] for row in X.tolist()])
    names = [str(name) for name in X.columns]
    order = names[::-1] if shuffled else names
    columns = [[_value(value) for value in X[name].to_list()] for name in order]
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
    return None if value is None or value is pd.NA or value != value else value


def _said(value: Any) -> str:
    """Return a value as a form or CSV says it."""
    return "" if value is None else value if isinstance(value, str) else repr(value)


def _form(table: Table) -> bytes | None:
    if len(table.records) > 1:
        return None
    if table.names is None:
        return urlencode({"values": ",".join(map(_said, table.records[0]))}).encode()
    pairs = zip(table.names, map(_said, table.records[0]), strict=True)
    return urlencode(list(pairs)).encode()


def _json_objects(table: Table) -> bytes:
    objects: Any = table.objects
    return json.dumps(objects if len(objects) > 1 else objects[0]).encode()


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


def _json_answer(body: bytes) -> Any:
    answer = json.loads(body)
    return exact(answer["predictions"]), exact(answer.get("classes"))


def _in_json(outputs: Any, classes: Any) -> Any:
    return exact(in_json(plain(outputs))), exact(classes)


def _ndjson_answer(body: bytes) -> Any:
    return [exact(json.loads(line)["prediction"]) for line in body.decode().splitlines()]


def _in_ndjson(outputs: Any, classes: Any) -> Any:
    rows = plain(outputs)
    rows = list(map(list, zip(*rows, strict=True))) if isinstance(outputs, list) else rows
    return exact(in_json(rows))


def _lines_of(body: bytes) -> list[str]:
    return body.decode().split("\n")


def _csv_answer(body: bytes) -> Any:
    return list(csv.reader(io.StringIO(body.decode(), newline=""), strict=True))


def _in_csv(outputs: Any, classes: Any) -> Any:
    found = columns(outputs, classes)
    cells = [[_said(_value(value)) for value in column] for column in found.values()]
    return [list(found), *map(list, zip(*cells, strict=True))]


def _arrow_answer(body: bytes) -> Any:
    table = pyarrow.ipc.open_stream(body).read_all()
    return {name: exact(column.to_pylist()) for name, column in zip(
        table.column_names, table.columns, strict=True)}  # fmt: skip


def _in_arrow(outputs: Any, classes: Any) -> Any:
    return exact(columns(outputs, classes))


FORMATS: dict[str, Format] = {
    "form": Format(FORM, _form, _lines_of, lines),
    "form, answered in JSON": Format(FORM, _form, _json_answer, _in_json, JSON),
    "JSON objects": Format(JSON, _json_objects, _json_answer, _in_json),
    "JSON arrays": Format(JSON, lambda t: json.dumps(t.records).encode(), _json_answer, _in_json),
    "JSON columns": Format(
        JSON, lambda t: json.dumps({"columns": t.columns}).encode(), _json_answer, _in_json
    ),
    "JSON, answered in text": Format(JSON, _json_objects, _lines_of, lines, "text/plain"),
    "NDJSON": Format(
        NDJSON,
        lambda t: "".join(json.dumps(row) + "\n" for row in t.objects).encode(),
        _ndjson_answer,
        _in_ndjson,
    ),
    "CSV": Format(CSV, lambda t: _csv(t, header=True), _csv_answer, _in_csv),
    "CSV without header": Format(
        f"{CSV}; header=absent", lambda t: _csv(t, header=False), _csv_answer, _in_csv
    ),
    "Arrow": Format(ARROW, _arrow, _arrow_answer, _in_arrow),
    "Arrow, answered in JSON": Format(ARROW, _arrow, _json_answer, _in_json, JSON),
}
