"""Bodies that end early or whose chunks are broken, over a raw socket."""

from __future__ import annotations

import gzip
import socket
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep

import pytest

from tests.hostile.bodies.measured_server import HONEST, MeasuredServer, post, send
from tests.hostile.bodies.table import JSON
from tests.support.gunicorn import HOST
from tests.support.selection import cases

PATHS = (
    "/iris/predict/",
    "/iris/",
    "/v2/models/iris/infer",
    "/v1/models/iris:predict",
    "/invocations",
)
CHUNKS = {
    "a size that is no number": b"zz\r\nx\r\n0\r\n\r\n",
    "a chunk without an end": b"2\r\n{}x\r\n0\r\n\r\n",
    "a negative size": b"-1\r\n{}\r\n0\r\n\r\n",
    "a size of nothing": b"\r\n\r\n",
    "a broken extension": b'2;a="\r\n{}\r\n0\r\n\r\n',
}
TYPES = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b")


# MLflow's protocol refuses any other type before it reads the body.
READ = [(path, kind) for path in PATHS[:-1] for kind in TYPES] + [(PATHS[-1], TYPES[0])]


def chunked(path: str, content_type: str) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    return head.encode()


@pytest.mark.parametrize("target", cases(READ, READ[:6]), ids=" ".join)
@pytest.mark.parametrize("chunks", CHUNKS.values(), ids=CHUNKS)
def test_broken_chunks_get_400(
    server: MeasuredServer, target: tuple[str, str], chunks: bytes
) -> None:
    before = len(server.log.read_bytes())
    assert server.exchange(chunked(*target) + chunks).status == 400
    assert b"Traceback" not in server.log.read_bytes()[before:]
    assert server.honest().status == 200


@pytest.mark.parametrize("content_type", TYPES[:2])
@pytest.mark.parametrize("length", [1000, 100_000])
def test_client_that_goes_away_is_one_line_in_the_log(
    server: MeasuredServer, content_type: str, length: int
) -> None:
    before = len(server.log.read_bytes())
    head = (
        "POST /iris/predict/ HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    )
    with socket.create_connection((HOST, server.server.port), timeout=10) as connection:
        connection.sendall(head.encode() + b"[1,")
    written, deadline = b"", monotonic() + 10
    while b"could not be read" not in written and monotonic() < deadline:
        sleep(0.02)
        written = server.log.read_bytes()[before:]
    lines = [line for line in written.splitlines() if line]
    assert len(lines) == 1
    assert b"INFO" in lines[0]
    assert b"the body of POST /iris/predict/ could not be read to its end" in lines[0]
    assert server.honest().status == 200


@pytest.mark.full
def test_four_hostile_bodies_at_once_do_not_keep_an_honest_request_waiting(
    server: MeasuredServer,
) -> None:
    body = gzip.compress(b"[%b]" % b",".join([b"[5.1,3.5,1.4,0.2]"] * 8000 + [HONEST]))
    request = post("/iris/predict/", body, {"Content-Encoding": "gzip"} | JSON)
    with ThreadPoolExecutor(4) as pool:
        hostile = [pool.submit(send, server.server.port, request) for _ in range(4)]
        sleep(0.02)
        started = monotonic()
        assert send(server.server.port, post("/iris/predict/", HONEST, JSON))[0] == 200
        assert monotonic() - started < 2
        assert [each.result()[0] for each in hostile] == [200] * 4


def test_honest_chunks_are_read(server: MeasuredServer) -> None:
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(HONEST), HONEST)
    assert server.exchange(chunked("/iris/predict/", "application/json") + body).status == 200
