"""Bodies that end early or whose chunks are broken, over a raw socket."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from time import monotonic, sleep

import pytest

from tests.hostile.bodies.measured_server import (
    CAN_MEASURE,
    HONEST,
    MeasuredServer,
    measured_server,
)
from tests.support.gunicorn import HOST

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


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeasuredServer]:
    if not CAN_MEASURE:
        pytest.skip("needs Linux: time and memory of a process are read from /proc")
    with measured_server(tmp_path_factory.mktemp("connections")) as running:
        yield running


def chunked(path: str, content_type: str) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    return head.encode()


@pytest.mark.parametrize("content_type", TYPES)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("chunks", CHUNKS.values(), ids=CHUNKS)
def test_broken_chunks_get_400(
    server: MeasuredServer, path: str, content_type: str, chunks: bytes
) -> None:
    if path == "/invocations" and content_type != "application/json":
        pytest.skip("the protocol refuses this type before it reads the body")
    before = len(server.log.read_bytes())
    assert server.exchange(chunked(path, content_type) + chunks).status == 400
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


def test_honest_chunks_are_read(server: MeasuredServer) -> None:
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(HONEST), HONEST)
    assert server.exchange(chunked("/iris/predict/", "application/json") + body).status == 200
