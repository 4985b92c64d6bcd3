"""Hostile bodies: each is a format, an attack and a size, with the status of its response."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from operator import mul
from typing import Any

import orjson

from tests.hostile.bodies.application import FIELDS, WIDE

MAX_ROWS = 100_000
MAX_INFLATION = 100
FREE = 2**20  # bytes that any body may unpack to
FEW = 64 * 1024  # bytes on the wire
MERSENNE = 2**61 - 1  # integers that differ by a multiple of it have the same hash
JSON = {"Content-Type": "application/json"}
CSV = {"Content-Type": "text/csv"}
NDJSON = {"Content-Type": "application/x-ndjson"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ARROW = {"Content-Type": "application/vnd.apache.arrow.stream"}
ARROW_FILE = {"Content-Type": "application/vnd.apache.arrow.file"}
PARQUET = {"Content-Type": "application/vnd.apache.parquet"}
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "gzip": partial(gzip.compress, compresslevel=6, mtime=0),
    "deflate": partial(zlib.compress, level=6),
}
IRIS, INFER = "/iris/predict/", "/v2/models/iris/infer"
KSERVE, MLFLOW = "/v1/models/iris:predict", "/invocations"
ONE_HOT, WORDS = "/onehot/transform/", "/words/transform/"
ROW = b"5.1,3.5,1.4,0.2"
HEADER = ",".join(FIELDS).encode()
_NAMED = b'{"sepal_length":5.1,"sepal_width":3.5,"petal_length":1.4,"petal_width":0.2%b}'


@dataclass(frozen=True, slots=True)
class Case:
    """One hostile request.

    :param name: format, attack, size and content encoding
    :param path: the URL path
    :param make: returns the body, without its content encoding
    :param status: the status of the response if the body is within the budget
    :param headers: the headers of the request
    :param coding: the content encoding
    :param expands: the number of bytes that the values in the body expand to
    :param is_quick: whether the plain run sends it too
    """

    name: str
    path: str
    make: Callable[[], bytes]
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    coding: str = "identity"
    expands: int = 0
    is_quick: bool = False

    def sent(self) -> tuple[bytes, dict[str, str], int]:
        """Return the body on the wire, the headers and the status of the response."""
        body = self.make()
        packed = PACKERS[self.coding](body)
        headers = dict(self.headers)
        if self.coding != "identity":
            headers["Content-Encoding"] = self.coding
        is_inflated = max(len(body), self.expands) > max(FREE, MAX_INFLATION * len(packed))
        return packed, headers, 413 if is_inflated else self.status


# Its name, the body for a size, and its status, or the function of the size that returns it.
Attack = tuple[str, Callable[[int], bytes], int | Callable[[int], int]]


def _bounded(status: int | Callable[[int], int], rows: int) -> int:
    """Return the status of an attack for a number of rows."""
    if callable(status):
        return status(rows)
    return 413 if rows > MAX_ROWS else status


def _below(size: int, fewer: int, others: int) -> Callable[[int], int]:
    """Return the function of two statuses, one of which is for fewer rows or bytes than a size."""
    return lambda n: fewer if n < size else others


_MANY_400 = _below(200_000, 400, 413)  # more marks of rows than so many rows can have


def _rows(row: bytes, count: int, first: bytes | None = None, last: bytes | None = None) -> bytes:
    rows = [row] * count
    if first is not None:
        rows[0] = first
    if last is not None:
        rows[-1] = last
    return b"[" + b",".join(rows) + b"]"


def _in(template: bytes, rows: Callable[[int], bytes], count: int) -> bytes:
    return template % rows(count)


_ARRAY = b"[5.1,3.5,1.4,0.2]"
_OBJECT = _NAMED % b""
_JSON_ROWS: list[Attack] = [
    ("arrays with one object", lambda n: _rows(_ARRAY, n, last=_OBJECT), 200),
    ("objects with one array", lambda n: _rows(_OBJECT, n, first=_ARRAY), 200),
    ("repeated known names", lambda n: _rows(_NAMED % b',"sepal_width":1', n), 400),
    ("repeated unknown names", lambda n: _rows(_NAMED % b',"x":1,"x":2', n), 200),
    ("empty objects", lambda n: _rows(b"{}", n), 400),
    ("empty arrays", lambda n: _rows(b"[]", n), 400),
    ("nulls", lambda n: _rows(b"null", n), 400),
    ("numbers", lambda n: _rows(b"1", n), 400),
    ("rows of nulls", lambda n: _rows(b"[null,null,null,null]", n), 400),
    ("rows of texts", lambda n: _rows(b'["a","a","a","a"]', n), 400),
    ("rows of lists", lambda n: _rows(b"[[],[],[],[]]", n), 400),
    ("a wrong value in the last row", lambda n: _rows(_ARRAY, n, last=b'["x",1,1,1]'), 400),
    ("NaN in the last row", lambda n: _rows(_ARRAY, n, last=b"[NaN,1,1,1]"), 400),
    ("one large integer", lambda n: _rows(_ARRAY, n, last=b"[9007199254740993,1,1,1]"), 200),
    ("negative values", lambda n: _rows(b"[-1,-1,-1,-1]", n), 400),
    ("unknown lists", lambda n: _rows(_NAMED % b',"x":[1,1,1,1,1,1]', n), 200),
    ("unknown objects", lambda n: _rows(_NAMED % b',"x":{"y":{}}', n), 200),
    ("five values", lambda n: _rows(b"[1,1,1,1,1]", n), 400),
    ("rows of different lengths", lambda n: _rows(_ARRAY, n, last=b"[1]"), 400),
    ("surrogates", lambda n: _rows(b'["\\ud800",1,1,1]', n), 400),
    ("booleans", lambda n: _rows(b"[true,true,false,1]", n), 400),
    ("numbers as texts", lambda n: _rows(b'["1","1","1","1"]', n), 400),
]
_JSON_DOCUMENTS: list[Attack] = [
    ("nested arrays", lambda n: b"[" * n, 400),
    ("nested closed arrays", lambda n: b"[" * n + b"]" * n, 400),
    ("nested objects", lambda n: b'{"a":' * n, 400),
    ("a long number", lambda n: b"[[" + b"9" * n + b",1,1,1]]", _below(300, 200, 400)),
    ("a long text", lambda n: b'[["' + b"a" * n + b'",1,1,1]]', 400),
    ("a long name", lambda n: b'{"' + b"a" * n + b'":1}', 400),
    (
        "many unknown names",
        lambda n: b"{" + b",".join(b'"k%d":1' % i for i in range(n)) + b"}",
        400,
    ),
    ("one long row", lambda n: b"[[" + b",".join([b"1"] * n) + b"]]", 400),
    ("an unknown list", lambda n: _NAMED % (b',"x":[' + b",".join([b"1"] * n) + b"]"), 200),
    ("columns", lambda n: _columns(b"1", n), 200),
    ("columns of nulls", lambda n: _columns(b"null", n), 400),
    ("columns of texts", lambda n: _columns(b'"a"', n), 400),
    ("an unknown column", lambda n: _columns(b"1", n, b',"x":[%b]' % b",".join([b"[]"] * n)), 200),
    ("not JSON", lambda n: b"x" * n, 400),
    ("brackets in a text", lambda n: b'"' + b"{" * n + b'"', 400),
    ("colons in a text", lambda n: b'[{"' + b":" * n + b'":1}]', 400),
]


def _columns(value: bytes, count: int, more: bytes = b"") -> bytes:
    column = b",".join([value] * count)
    named = b",".join(b'"%b":[%b]' % (name.encode(), column) for name in FIELDS)
    return b'{"columns":{%b%b}}' % (named, more)


_CSV: list[Attack] = [
    ("unknown columns", lambda n: b"x,x,x,x\n" * n, 400),
    ("honest rows", lambda n: HEADER + (b"\n" + ROW) * n, 200),
    ("a quote in the last row", lambda n: HEADER + (b"\n" + ROW) * n + b'\n"1",1,1,1', 200),
    ("an open quote", lambda n: HEADER + (b"\n" + ROW) * n + b'\n"1,1,1,1', 400),
    ("a text in the last row", lambda n: HEADER + (b"\n" + ROW) * n + b"\nx,1,1,1", 400),
    ("texts", lambda n: HEADER + b"\nx,x,x,x" * n, 400),
    ("empty values", lambda n: HEADER + b"\n,,," * n, 400),
    ("empty lines", lambda n: HEADER + b"\n" * n + ROW, lambda n: 200),
    ("lines of two values", lambda n: HEADER + b"\n1,1" * n, 400),
    ("zero bytes", lambda n: HEADER + b"\n\0,1,1,1" * n, 400),
    ("invalid UTF-8", lambda n: HEADER + b"\n\xff,1,1,1" * n, 400),
    ("many columns", lambda n: b"a," * n + b"a\n" + b"1," * n + b"1", lambda n: 400),
    ("a long value", lambda n: HEADER + b'\n"' + b"1" * n + b'",1,1,1', _below(300, 200, 400)),
    ("quotes", lambda n: HEADER + b'\n"1","1","1","1"' * n, 200),
    ("doubled quotes", lambda n: HEADER + b'\n"""","1","1","1"' * n, 400),
    ("blanks around", lambda n: HEADER + b"\n 1 , 1 , 1 , 1 " * n, 200),
    ("large integers", lambda n: HEADER + b"\n9007199254740993,1,1,1" * n, 200),
    ("negative zeros", lambda n: HEADER + b"\n-0,1,1,1" * n, 200),
    ("carriage returns", lambda n: HEADER + (b"\r" + ROW) * n, 200),
    ("more columns than names", lambda n: HEADER + b"\n1,1,1,1,1" * n, 400),
]
_NDJSON: list[Attack] = [
    ("not JSON", lambda n: b"x\n" * n, 400),
    ("doubled unknown names", lambda n: (_NAMED % b',"x":1,"x":2' + b"\n") * n, 200),
    ("doubled known names", lambda n: (_NAMED % b',"sepal_width":2' + b"\n") * n, 400),
    ("doubled names alone", lambda n: b'{"a":1,"a":2}\n' * n, 400),
    ("arrays with one object", lambda n: (_ARRAY + b"\n") * n + _OBJECT, 200),
    ("nulls", lambda n: b"null\n" * n, 400),
    ("empty objects", lambda n: b"{}\n" * n, 400),
    ("blank lines", lambda n: b" \n" * n + _OBJECT, lambda n: 200),
    ("brackets", lambda n: b"[\n" * n, 400),
    ("surrogates", lambda n: b'["\\ud800",1,1,1]\n' * n, 400),
    ("not a number", lambda n: b"[NaN,1,1,1]\n" * n, 400),
    ("one line not JSON", lambda n: (_ARRAY + b"\n") * n + b"x", 400),
    ("one long line", lambda n: b"[" + b",".join([b"1"] * n) + b"]", lambda n: 400),
]
_FORM: list[Attack] = [
    ("empty fields", lambda n: b"a&" * n, 400),
    ("ampersands", lambda n: b"&" * n, 400),
    ("one field again and again", lambda n: b"sepal_length=1&" * n, 400),
    ("many names", lambda n: b"&".join(b"k%d=1" % i for i in range(n)), 400),
    ("a long value", lambda n: b"sepal_length=" + b"1" * n, 400),
    ("a long escaped value", lambda n: b"sepal_length=" + b"%31" * n, 400),
    ("invalid UTF-8", lambda n: b"sepal_length=" + b"%ff" * n, 400),
    ("an unknown long value", lambda n: b"x=" + b"a" * n, 400),
]
_VALUES_FORM: list[Attack] = [
    ("many values", lambda n: b"values=" + b"1," * n + b"1", 400),
    ("many commas", lambda n: b"values=" + b"," * n, 400),
]
_INSTANCES: list[Attack] = [
    ("an unknown list", lambda n: _NAMED % (b',"x":[' + b",".join([b"1"] * n) + b"]"), 200),
    ("columns with unknown ones", lambda n: b'{"x":[' + b",".join([b"1"] * n) + b"]}", _MANY_400),
    (
        "columns as objects",
        lambda n: b'{"x":{' + b",".join(b'"%d":1' % i for i in range(n)) + b"}}",
        _MANY_400,
    ),
    ("empty lists", lambda n: b",".join([b"[]"] * n), _MANY_400),
    ("empty objects", lambda n: b",".join([b"{}"] * n), _MANY_400),
    ("lists of one object", lambda n: b",".join([b"[" + _OBJECT + b"]"] * n), 200),
    ("numbers", lambda n: b",".join([b"1"] * n), _MANY_400),
    ("arrays with one object", lambda n: b",".join([_ARRAY] * n + [_OBJECT]), 200),
    ("doubled names", lambda n: b",".join([_NAMED % b',"x":1,"x":2'] * n), 200),
]


def _tensor(shape: list[int], data: bytes) -> bytes:
    template = b'{"inputs":[{"name":"x","datatype":"FP64","shape":%b,"data":[%b]}]}'
    return template % (orjson.dumps(shape), data)


def _outputs(count: int) -> bytes:
    names = b",".join(b'{"name":"o%d"}' % index for index in range(count))
    return _tensor([1, 4], b"1,1,1,1")[:-1] + b',"outputs":[' + names + b"]}"


def _inputs(count: int) -> bytes:
    one = b'{"name":"i%d","datatype":"FP64","shape":[1],"data":[1]}'
    return b'{"inputs":[' + b",".join(one % index for index in range(count)) + b"]}"


_TENSORS: list[Attack] = [
    ("a tensor of rows", lambda n: _tensor([n, 4], b",".join([b"1"] * (4 * n))), 200),
    ("nested rows", lambda n: _tensor([n, 4], b",".join([b"[1,1,1,1]"] * n)), 200),
    ("a wrong shape", lambda n: _tensor([n + 1, 4], b",".join([b"1"] * n)), 400),
    ("nulls", lambda n: _tensor([n, 4], b",".join([b"null"] * (4 * n))), 400),
    ("texts as numbers", lambda n: _tensor([n, 4], b",".join([b'"1"'] * (4 * n))), 400),
    ("deep nesting", lambda n: _tensor([1, 4], b"[" * n + b"]" * n), 400),
    ("a large shape", lambda n: _tensor([10**12, 1], b"1" * n), 400),
    ("many outputs", _outputs, _MANY_400),
    ("many inputs", _inputs, _MANY_400),
]


def _texts_tensor(rows: int) -> bytes:
    data = b",".join([b'"c1"'] * rows)
    template = b'{"inputs":[{"name":"category","datatype":"BYTES","shape":[%d,1],"data":[%b]}]}'
    return template % (rows, data)


def _colliding(count: int) -> bytes:
    """Return rows of doubles, all of them integers with the same hash, and one that is none."""
    rows = [b"[%d.0,1,1,1]" % (MERSENNE * index) for index in range(1, count + 1)]
    return b"[" + b",".join([*rows, b"[NaN,1,1,1]"]) + b"]"


# Arrow and Parquet


def _arrow(columns: Callable[[Any, int], dict[str, Any]], count: int, **options: Any) -> bytes:
    pyarrow = import_module("pyarrow")
    table = pyarrow.table(columns(pyarrow, count))
    sink = io.BytesIO()
    form = options.pop("form", "stream")
    write = pyarrow.ipc.new_file if form == "file" else pyarrow.ipc.new_stream
    with write(sink, table.schema, options=pyarrow.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=options.get("chunk"))
    return sink.getvalue()


def _parquet(columns: Callable[[Any, int], dict[str, Any]], count: int) -> bytes:
    sink = io.BytesIO()
    table = import_module("pyarrow").table(columns(import_module("pyarrow"), count))
    import_module("pyarrow.parquet").write_table(table, sink)
    return sink.getvalue()


def _named(make: Callable[[Any, int], Any]) -> Callable[[Any, int], dict[str, Any]]:
    return lambda pa, n: dict.fromkeys(FIELDS, make(pa, n))


def _dictionary(pa: Any, count: int, text: str) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int8()), [text])


def _honest_columns(pa: Any, count: int) -> dict[str, Any]:
    return dict.fromkeys(FIELDS, pa.array([1.0] * count))


_DOUBLES = {
    "constant columns",
    "large integers",
    "one null in each column",
    "2,000 unknown columns",
}
_DOUBLES |= {"unknown texts"}
_TABLES: list[tuple[str, Callable[[Any, int], dict[str, Any]], int | Callable[[int], int]]] = [
    ("null columns", _named(lambda pa, n: pa.nulls(n)), 400),
    ("constant columns", _honest_columns, 200),
    ("constant texts", _named(lambda pa, n: pa.array(["a"] * n)), 400),
    ("a dictionary of one text", _named(lambda pa, n: _dictionary(pa, n, "a")), 400),
    ("times", _named(lambda pa, n: pa.array([1] * n, pa.timestamp("us"))), 400),
    ("booleans", _named(lambda pa, n: pa.array([True] * n)), 400),
    ("small integers", _named(lambda pa, n: pa.array([1] * n, pa.int8())), 200),
    ("large integers", _named(lambda pa, n: pa.array([2**53 + 1] * n, pa.int64())), 200),
    ("half floats", _named(lambda pa, n: pa.array([1.0] * n, pa.float32()).cast("halffloat")), 200),
    ("lists", _named(lambda pa, n: pa.array([[1.0]] * n)), lambda n: 400),
    ("missing columns", lambda pa, n: {"x": pa.array([1.0] * n)}, 400),
    ("one null in each column", _named(lambda pa, n: pa.array([1.0] * (n - 1) + [None])), 400),
    (
        "2,000 unknown columns",
        lambda pa, n: _honest_columns(pa, n) | {f"x{i}": pa.nulls(n) for i in range(2000)},
        200,
    ),
    (
        "unknown texts",
        lambda pa, n: _honest_columns(pa, n) | {"x": _dictionary(pa, n, "a" * 10_000)},
        200,
    ),
]


def _arrow_cases() -> Iterator[Case]:
    for name, columns, status in _TABLES:
        for size, count in SIZES.items():
            for coding in ("identity", "gzip"):
                expected = _bounded(status, count)
                make = partial(_arrow, columns, count)
                case = f"arrow: {name}, {size}, {coding}"
                quick = count == 100 and coding == "gzip"
                yield Case(case, IRIS, make, expected, ARROW, coding, is_quick=quick)
        for size, count in SIZES.items():
            expected = _bounded(status, count)
            make = partial(_arrow, columns, count, form="file")
            yield Case(f"arrow file: {name}, {size}", IRIS, make, expected, ARROW_FILE, "gzip")
        for size, count in SIZES.items():
            if name in {"half floats", "times"}:
                continue  # Parquet writes them in other types, or not at all
            make = partial(_parquet, columns, count)
            expected = _bounded(status, count)
            case = f"parquet: {name}, {size}"
            expands = 8 * len(FIELDS) * count if name in _DOUBLES else 0
            yield Case(case, MLFLOW, make, expected, PARQUET, "identity", expands)


def _texts(pa: Any, count: int) -> dict[str, Any]:
    return {"category": _dictionary(pa, count, "a" * 10_000)}


def _views(pa: Any, count: int) -> dict[str, Any]:
    """Return views of one text: each has its length, its first four letters, and where it is."""
    views = b"\x10\x27\0\0aaaa\0\0\0\0\0\0\0\0" * count
    buffers = [None, pa.py_buffer(views), pa.py_buffer(b"a" * 10_000)]
    return {"category": pa.Array.from_buffers(pa.string_view(), count, buffers)}


def _runs(pa: Any, count: int) -> dict[str, Any]:
    return {"category": pa.RunEndEncodedArray.from_arrays(pa.array([count], pa.int32()), ["a"])}


def _expanding_cases() -> Iterator[Case]:
    """Yield the cases of values that stand for many: views, and the length of a run."""
    for count, status in ((10, 200), (1_000, 413), (90_000, 413)):
        make = partial(_arrow, _views, count)
        case = f"arrow: {count} views of one text of 10 kB"
        yield Case(case, ONE_HOT, make, status, ARROW | {"Accept": "text/csv"}, "gzip")
    for count in (10, 1_000_000):
        make = partial(_arrow, _runs, count)
        yield Case(f"arrow: a run of {count}", ONE_HOT, make, 400, ARROW, "gzip", is_quick=True)


# Single cases


def _one_hot(count: int) -> bytes:
    return b"category\n" + b"c1\n" * count


def _wide_csv(count: int, last: bytes = b"1") -> bytes:
    row = b",".join([b"1"] * WIDE)
    return (row + b"\n") * count + b",".join([last] * WIDE)


def _wide_columns(pa: Any, count: int) -> dict[str, Any]:
    column = pa.array([1.0] * count)
    return dict.fromkeys([*FIELDS, *(f"x{i}" for i in range(2000))], column)


def _null_columns(width: int) -> Callable[[Any, int], dict[str, Any]]:
    return lambda pa, n: {f"c{index}": pa.nulls(n) for index in range(width)}


def _instance_of(count: int) -> bytes:
    """Return one instance with a list that the model does not know."""
    return b'{"instances":[' + _NAMED % (b',"x":[' + b"1," * count + b"1]") + b"]}"


def _one_row(count: int) -> bytes:
    return b"[[" + b",".join([b"1"] * count) + b"]]"


def _issue_cases() -> Iterator[Case]:
    """Yield the rows of the table of the issue that asked for limits."""
    nulls = _named(lambda pa, n: pa.nulls(n))
    million, many = 1_000_000, 10_000_000
    table: list[tuple[str, str, Callable[[], bytes], int, dict[str, str], str]] = [
        (
            "arrays with one object",
            IRIS,
            partial(_rows, _ARRAY, 50_000, _OBJECT),
            200,
            JSON,
            "gzip",
        ),
        ("four null columns", IRIS, partial(_arrow, nulls, million), 413, ARROW, "identity"),
        ("a million lines of x", IRIS, partial(mul, b"x\n", million), 413, NDJSON, "gzip"),
        ("doubled keys", IRIS, partial(mul, b'{"a":1,"a":2}\n', 90_000), 400, NDJSON, "gzip"),
        ("a million lines of CSV", IRIS, partial(mul, b"x,x,x,x\n", million), 413, CSV, "gzip"),
        ("one text of 10 kB", ONE_HOT, partial(_arrow, _texts, 100_000), 413, ARROW, "gzip"),
        ("ten million fields", IRIS, partial(mul, b"a&", many), 413, FORM, "gzip"),
        ("an unknown list of ten million", KSERVE, partial(_instance_of, many), 413, JSON, "gzip"),
        (
            "constant columns",
            MLFLOW,
            partial(_parquet, _wide_columns, 20_000),
            200,
            PARQUET,
            "gzip",
        ),
        ("count transform", WORDS, partial(_rows, b'{"text":"w1 w2"}', 20_000), 413, JSON, "gzip"),
    ]
    for name, path, make, status, headers, coding in table:
        quick = name != "constant columns"  # it takes seconds to write the file
        yield Case(f"issue: {name}", path, make, status, headers, coding, is_quick=quick)
    for count, status in ((100, 200), (2_000, 200), (20_000, 413)):
        for accept in (JSON, CSV, {"Content-Type": "text/plain"}, NDJSON, ARROW):
            named = accept["Content-Type"]
            case = f"issue: one-hot transform of {count} rows as {named}"
            headers = CSV | {"Accept": named}
            make = partial(_one_hot, count)
            yield Case(case, ONE_HOT, make, status, headers, "gzip", is_quick=accept is JSON)
    for rows, status in ((2_000, 200), (2_001, 413)):
        texts = b",".join([b'{"category":"c1"}'] * rows)
        instances, tensor = b'{"instances":[%b]}' % texts, _texts_tensor(rows)
        for name, path, body in (
            ("kserve", "/v1/models/onehot:predict", instances),
            ("open inference", "/v2/models/onehot/infer", tensor),
        ):
            case = f"one-hot transform of {rows} rows by {name}"
            yield Case(case, path, partial(bytes, body), status, JSON, "gzip")
    for count in (1, 100, 20_000):
        case, make = f"issue: {count} integers that collide", partial(_colliding, count)
        yield Case(case, "/choices/predict/", make, 400, JSON, "gzip", is_quick=count > 100)
    for count in (100, 16_000, 500_000):
        case, make = f"issue: {count} names in outputs", partial(_outputs, count)
        status = 400 if count < MAX_ROWS else 413
        yield Case(case, INFER, make, status, JSON, "gzip", is_quick=count > 100)


def _schema_cases() -> Iterator[Case]:
    """Yield the cases of schemas that only Cerberus can check, and of wide and open ones."""
    for rows, status in ((1, 200), (100, 200), (600, 200), (700, 413), (90_000, 413)):
        case, make = f"only Cerberus: {rows} rows", partial(_rows, _ARRAY, rows)
        yield Case(case, "/checked/predict/", make, status, JSON, "gzip", is_quick=rows != 600)
    for rows in (100, 30_000):
        for last in (b"1", b"x", b"-0", b"9007199254740993", b"1e400", b" 1 "):
            status = 400 if last in {b"x", b"1e400"} else 200
            case, make = f"wide: {rows} rows, the last of {last!r}", partial(_wide_csv, rows, last)
            yield Case(case, "/wide/predict/", make, status, CSV, "gzip", is_quick=rows == 100)
    for count in (1, 1_000, 1_000_000):
        status = 413 if count > 500_000 else 200
        forms = partial(mul, b"values=" + b"1," * count, 1)
        case, path = f"unbounded: one row of {count}", "/sums/transform/"
        yield Case(case, path, partial(_one_row, count), status, JSON, "gzip", is_quick=True)
        yield Case(
            f"unbounded: a form of {count}", path, forms, 413 if status > 400 else 400, FORM, "gzip"
        )
    for width, status in ((100, 400), (200, 413), (1000, 413)):
        case, make = (
            f"unbounded: {width} null columns",
            partial(_arrow, _null_columns(width), 90_000),
        )
        yield Case(case, "/sums/transform/", make, status, ARROW, "gzip", is_quick=width > 100)


def _header_cases() -> Iterator[Case]:
    for kind in ("a/b", "text/*;q=0.5", 'a/b;c="d"', "*/*", ",", ";", "text/plain;charset=utf-8"):
        for count, lines in ((1, 1), (1000, 1), (1000, 60)):
            accept = "\n".join([",".join([kind] * count)[:8000]] * lines)
            is_refused = lines == 1 and kind in {"a/b", ";", 'a/b;c="d"'}
            status = 406 if is_refused else 200
            name = f"accept: {kind}, {count} times in {lines} lines"
            headers = JSON | {"Accept": accept}
            yield Case(name, IRIS, lambda: _OBJECT, status, headers, "identity", is_quick=True)


def _prediction_cases() -> Iterator[Case]:
    yield from _grid("json", IRIS, JSON, _JSON_ROWS)
    yield from _grid("json", IRIS, JSON, _JSON_DOCUMENTS, are_rows=False)
    yield from _grid("csv", IRIS, CSV, _CSV)
    yield from _grid("ndjson", IRIS, NDJSON, _NDJSON)
    yield from _grid("form", IRIS, FORM, _FORM, are_rows=False)
    yield from _grid("form of values", "/values/predict/", FORM, _VALUES_FORM, are_rows=False)


def _dialect_cases() -> Iterator[Case]:
    instances, records = b'{"instances":[%b]}', b'{"dataframe_records":[%b]}'
    yield from _grid("kserve", KSERVE, JSON, _INSTANCES, instances, are_rows=False)
    attacks = [each for each in _INSTANCES[3:] if each[0] != "lists of one object"]
    yield from _grid("mlflow", MLFLOW, JSON, attacks, records, are_rows=False)
    yield from _grid("open inference", INFER, JSON, _TENSORS, are_rows=False)


def hardest_cases() -> list[Case]:
    """Return the cases that cost the most when nothing limited them."""
    last = "accept: a/b, 1000 times in 60 lines"
    return [*_issue_cases(), *(case for case in _header_cases() if case.name == last)]


def all_cases() -> list[Case]:
    """Return the whole table."""
    every = [
        *_issue_cases(),
        *_schema_cases(),
        *_header_cases(),
        *_expanding_cases(),
        *_prediction_cases(),
        *_dialect_cases(),
    ]
    return [*every, *_arrow_cases()]


SIZES = {"one": 1, "100": 100, "5,000": 5_000, "90,000": 90_000, "250,000": 250_000}


def _grid(
    format_name: str,
    path: str,
    headers: dict[str, str],
    attacks: list[Attack],
    template: bytes = b"%b",
    *,
    are_rows: bool = True,
) -> Iterator[Case]:
    """Yield the cases of a format: each attack in each size, packed if it is long."""
    for name, make, status in attacks:
        for size, count in SIZES.items():
            for coding in ("identity", "gzip") if count < 1000 else ("gzip", "deflate"):
                expected = _bounded(status, count if are_rows or callable(status) else 1)
                case = f"{format_name}: {name}, {size}, {coding}"
                body = partial(_in, template, make, count)
                is_quick = count == 100 and coding == "gzip"
                yield Case(case, path, body, expected, headers, coding, is_quick=is_quick)
