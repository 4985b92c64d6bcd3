"""Fuzz the decoders: mutated bodies of each format, sent through the whole application.

``python -m tests.hostile.bodies.fuzz --seconds 60`` sends as many requests as it can in a minute,
or ``--requests 200000`` a number of them. Each response must have a status of the OpenAPI document,
and a document that its schema accepts, within two seconds. ``fuzz_by_coverage`` lets atheris
choose the bodies.

A body that fails is written to ``corpus``, whose bodies the tests send again.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from time import monotonic, process_time
from typing import Any

from jsonschema import Draft202012Validator

from tests.hostile.bodies.application import FIELDS, create_app

CORPUS = Path(__file__).with_name("corpus")
MAX_SECONDS = 2.0
STATUSES = frozenset({200, 400, 406, 413, 415, 422})
_JSON, _ARROW = "application/json", "application/vnd.apache.arrow.stream"
_ROW = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
_TOKENS = [
    *(b"null", b"NaN", b"-0", b"1e999", b"9007199254740993", b"true", b"[", b"]", b"{", b"}", b'"'),
    *(
        b",",
        b":",
        b"\\u",
        b"\\ud800",
        b"\n",
        b"\r",
        b"\0",
        b"\xff",
        b"=",
        b"&",
        b"%",
        b'""',
        b"\xef\xbb\xbf",
    ),
    *(b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"columns", b"values"),
    *(b"instances", b"inputs", b"shape", b"data", b"sepal_width", b"datatype", b"outputs"),
]


@dataclass(frozen=True, slots=True)
class Target:
    """A format of one URL path.

    :param name: the format and the protocol
    :param path: the URL path
    :param documented: the path in the OpenAPI document, which does not describe the protocols of
        other servers
    :param content_type: the content type
    :param seeds: honest bodies
    :param headers: further headers, in the names of WSGI
    """

    name: str
    path: str
    documented: str
    content_type: str
    seeds: list[bytes]
    headers: dict[str, str] = field(default_factory=dict)


class BreachError(AssertionError):
    """A response that the application must not give."""


class Application:
    """The application, and the checks of its responses."""

    def __init__(self) -> None:
        self.app = create_app()
        self.targets = list(_targets())
        self._validators: dict[str, Draft202012Validator] = {}

    @cached_property
    def _document(self) -> dict[str, Any]:
        client = self.app.test_client()
        document: dict[str, Any] = client.get("/-/openapi.json").get_json()
        return document

    def send(self, target: Target, body: bytes, *, is_packed: bool = False) -> int:
        """Send a body and check the response.

        :returns: the status
        :raises BreachError: the status, the document or the time of the response is not allowed
        """
        packed = gzip.compress(body, 1) if is_packed else body
        started = process_time()
        status, headers, response = self._call(target, packed, is_packed)
        seconds = process_time() - started
        if seconds > MAX_SECONDS:
            raise BreachError(f"{target.name}: {seconds:.1f} s")
        if status not in STATUSES or b"Traceback" in response:
            raise BreachError(f"{target.name}: status {status}: {response[:500]!r}")
        self._check(target, status, headers.get("Content-Type", ""), response)
        return status

    def _call(
        self, target: Target, body: bytes, is_packed: bool
    ) -> tuple[int, dict[str, str], bytes]:
        environ = {
            "REQUEST_METHOD": "POST",
            "SCRIPT_NAME": "",
            "PATH_INFO": target.path,
            "QUERY_STRING": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_TYPE": target.content_type,
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(body),
            "wsgi.errors": sys.stderr,
            **target.headers,
        }
        if is_packed:
            environ["HTTP_CONTENT_ENCODING"] = "gzip"
        started: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], error: Any = None) -> Any:
            started[:] = [int(status.split(maxsplit=1)[0]), dict(headers)]

        parts = self.app(environ, start)
        response = b"".join(parts)
        getattr(parts, "close", bool)()
        return started[0], started[1], response

    def _check(self, target: Target, status: int, content_type: str, response: bytes) -> None:
        """Check a response against the OpenAPI document."""
        if not target.documented:
            if content_type == _JSON:
                json.loads(response)
            return
        responses = self._document["paths"][target.documented]["post"]["responses"]
        described = responses.get(str(status)) or responses.get("default")
        if described is None:
            raise BreachError(f"{target.name}: the status {status} is not documented")
        described = self._resolved(described)
        media_type = content_type.partition(";")[0]
        contents = described.get("content", {})
        if media_type not in contents:
            raise BreachError(f"{target.name}: {media_type} is not documented for {status}")
        if media_type.endswith(("/json", "+json")):
            self._validate(contents[media_type]["schema"], response)

    def _validate(self, schema: dict[str, Any], response: bytes) -> None:
        """Check a JSON document, but only one of the errors of each kind that it lists."""
        key, document = json.dumps(schema), json.loads(response)
        if key not in self._validators:
            whole = {**schema, "components": self._document["components"]}
            self._validators[key] = Draft202012Validator(whole)
        if isinstance(document, dict) and isinstance(document.get("errors"), list):
            kinds = {_kind_of(each): each for each in document["errors"]}
            document["errors"] = list(kinds.values())
        for error in self._validators[key].iter_errors(document):
            raise BreachError(f"{error.message[:500]}: {response[:500]!r}")

    def _resolved(self, described: dict[str, Any]) -> dict[str, Any]:
        reference = described.get("$ref")
        if reference is None:
            return described
        found: Any = self._document
        for name in reference.removeprefix("#/").split("/"):
            found = found[name]
        resolved: dict[str, Any] = found
        return resolved


def _kind_of(error: Any) -> str:
    """Return the text of an error of a response without its row: only the type of that matters."""
    row = type(error["row"]).__name__ if isinstance(error, dict) and "row" in error else "none"
    return json.dumps([row, error | {"row": 0} if row != "none" else error])


def _targets() -> Iterator[Target]:
    row, rows = json.dumps(_ROW).encode(), json.dumps([_ROW, list(_ROW.values())]).encode()
    columns = json.dumps({"columns": {name: [1, 2] for name in FIELDS}}).encode()
    iris, values = "/iris/predict/", "/values/predict/"
    form = "&".join(f"{name}=1" for name in FIELDS).encode()
    csv = b"%b\n5.1,3.5,1.4,0.2\n1,2,3,4\n" % ",".join(FIELDS).encode()
    yield Target("json", iris, iris, _JSON, [row, rows, columns])
    yield Target("json of values", values, values, _JSON, [b'{"values":[1,2,3,4]}', b"[[1,2,3,4]]"])
    yield Target("json of any length", "/sums/transform/", "/sums/transform/", _JSON, [b"[[1,2]]"])
    yield Target("strict json", "/strict/predict/", "/strict/predict/", _JSON, [row, rows, columns])
    yield Target("choices", "/choices/predict/", "/choices/predict/", _JSON, [b"[[1,2,3,4]]", csv])
    yield Target("checked", "/checked/predict/", "/checked/predict/", _JSON, [row, rows])
    yield Target("ndjson", iris, iris, "application/x-ndjson", [row + b"\n" + b"[1,2,3,4]\n"])
    yield Target("csv", iris, iris, "text/csv", [csv, csv.replace(b"5.1", b'"5.1"')])
    yield Target("csv of values", values, values, "text/csv", [b"1,2,3,4\n", b"a,b,c,d\n1,2,3,4\n"])
    yield Target("form", iris, iris, "application/x-www-form-urlencoded", [form])
    yield Target(
        "form of values", values, values, "application/x-www-form-urlencoded", [b"values=1,2,3,4"]
    )
    part = b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n1\r\n'
    multipart = b"".join(part % name.encode() for name in FIELDS) + b"--b--\r\n"
    file = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
        b"%b\r\n--b--\r\n"
    )
    yield Target(
        "multipart", iris, iris, "multipart/form-data; boundary=b", [multipart, file % csv]
    )
    texts = "/onehot/transform/"
    yield Target(
        "texts", texts, texts, _JSON, [b'[{"category":"c1"}]', b'{"columns":{"category":["c1"]}}']
    )
    yield Target("words", "/words/transform/", "/words/transform/", _JSON, [b'{"text":"w1 w2"}'])
    kserve, infer = "/v1/models/iris:predict", "/v2/models/iris/infer"
    yield Target(
        "kserve", kserve, "", _JSON, [b'{"instances":[[1,2,3,4]]}', b'{"inputs":' + rows + b"}"]
    )
    records = b'{"dataframe_records":[' + row + b"]}"
    split = b'{"dataframe_split":{"columns":%b,"data":[[1,2,3,4]]}}' % json.dumps(FIELDS).encode()
    yield Target("mlflow", "/invocations", "", _JSON, [records, split])
    tensor = b'{"inputs":[{"name":"x","datatype":"FP64","shape":[1,4],"data":[1,2,3,4]}]}'
    yield Target("open inference", infer, "", _JSON, [tensor])
    binary = tensor.replace(b'"data":[1,2,3,4]', b'"parameters":{"binary_data_size":32}')
    length = {"HTTP_INFERENCE_HEADER_CONTENT_LENGTH": str(len(binary))}
    octets = "application/octet-stream"
    yield Target("binary tensors", infer, "", octets, [binary + b"\0" * 32], length)
    if find_spec("pyarrow") is not None:
        yield from _arrow_targets()


def _arrow_targets() -> Iterator[Target]:
    pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    numbers = {name: [1.0, 2.0] for name in FIELDS}
    odd = {name: pyarrow.array(["1", None]).dictionary_encode() for name in FIELDS}
    views = {name: pyarrow.array(["a" * 20, "b"], "string_view") for name in FIELDS}
    bodies: dict[str, list[bytes]] = {"stream": [], "file": [], "parquet": []}
    for columns in (numbers, odd, views):
        table = pyarrow.table(columns)
        for kind, write in (("stream", pyarrow.ipc.new_stream), ("file", pyarrow.ipc.new_file)):
            for compression in (None, "zstd"):
                sink = BytesIO()
                options = pyarrow.ipc.IpcWriteOptions(compression=compression)
                with write(sink, table.schema, options=options) as writer:
                    writer.write_table(table)
                bodies[kind].append(sink.getvalue())
        if columns is not views:
            sink = BytesIO()
            parquet.write_table(table, sink)
            bodies["parquet"].append(sink.getvalue())
    iris = "/iris/predict/"
    yield Target("arrow", iris, iris, _ARROW, bodies["stream"])
    yield Target("arrow file", iris, iris, "application/vnd.apache.arrow.file", bodies["file"])
    yield Target(
        "parquet",
        "/invocations",
        "",
        "application/vnd.apache.parquet",
        bodies["parquet"],
    )


def mutated(body: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """Return a body with a few random changes."""
    data = bytearray(body)
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        start = chance.randrange(len(data) + 1)
        part = slice(start, min(len(data), start + chance.choice((1, 2, 4, 8, 64))))
        change = chance.choice(_CHANGES)
        change(data, part, others, chance)
    return bytes(data[:60_000])


_Change = Callable[[bytearray, slice, list[bytes], random.Random], None]


def _flip_bit(data: bytearray, part: slice, _: list[bytes], chance: random.Random) -> None:
    for index in range(part.start, min(part.start + 1, len(data))):
        data[index] ^= 1 << chance.randrange(8)


def _insert_token(data: bytearray, part: slice, _: list[bytes], chance: random.Random) -> None:
    data[part.start : part.start] = chance.choice(_TOKENS)


def _put_token(data: bytearray, part: slice, _: list[bytes], chance: random.Random) -> None:
    data[part] = chance.choice(_TOKENS)


def _repeat(data: bytearray, part: slice, _: list[bytes], chance: random.Random) -> None:
    data[part.start : part.start] = data[part] * chance.choice((1, 2, 10, 200))


def _splice(data: bytearray, part: slice, others: list[bytes], chance: random.Random) -> None:
    other = chance.choice(others)
    data[part.start :] = other[chance.randrange(len(other) + 1) :]


def _put_noise(data: bytearray, part: slice, _: list[bytes], chance: random.Random) -> None:
    data[part] = chance.randbytes(len(data[part]))


def _delete(data: bytearray, part: slice, _: list[bytes], chance: random.Random) -> None:
    del data[part.start : chance.choice((part.stop, len(data)))]


def _change_digit(data: bytearray, _: slice, __: list[bytes], chance: random.Random) -> None:
    digits = [index for index, byte in enumerate(data[:5000]) if 48 <= byte <= 57]
    for index in digits and [chance.choice(digits)]:
        data[index] = chance.randrange(48, 58)


_CHANGES: list[_Change] = [_flip_bit, _insert_token, _put_token, _repeat, _splice]
_CHANGES += [_put_noise, _delete, *[_change_digit] * 4]  # most bodies stay valid with another digit


def fuzz(application: Application, requests: int, seconds: float, seed: int) -> dict[int, int]:
    """Send mutated bodies until there were enough of them or the time is over.

    :returns: the number of responses with each status
    :raises BreachError: a response is not allowed; its body was written to the corpus
    """
    chance, statuses = random.Random(seed), dict.fromkeys(sorted(STATUSES), 0)
    deadline = monotonic() + seconds
    pools = {target.name: list(target.seeds) for target in application.targets}
    for _ in range(requests):
        if monotonic() > deadline:
            break
        target = chance.choice(application.targets)
        pool = pools[target.name]
        body = mutated(chance.choice(pool), pool, chance)
        statuses[send(application, target, body, chance.random() < 0.1)] += 1
        if chance.random() < 0.02 and len(pool) < 200:
            pool.append(body)
    return statuses


def send(application: Application, target: Target, body: bytes, is_packed: bool) -> int:
    """Send a body, and keep it in the corpus if the response is not allowed."""
    try:
        return application.send(target, body, is_packed=is_packed)
    except Exception:
        name = f"{target.name.replace(' ', '_')}-{random.getrandbits(32):08x}.bin"
        CORPUS.joinpath(name).write_bytes(body)
        raise


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--requests", type=int, default=sys.maxsize)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    statuses = fuzz(Application(), options.requests, options.seconds, options.seed)
    sys.stdout.write(f"{sum(statuses.values())} requests: {statuses}\n")


if __name__ == "__main__":
    main()
