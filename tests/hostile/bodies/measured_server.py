"""A gunicorn with one worker, whose time and memory are measured for each request."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import orjson

from tests.support.gunicorn import HOST, Server, gunicorn

MODULE = """
from tests.hostile.bodies.application import create_app

app = create_app()
"""
HONEST = orjson.dumps(
    {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
)
LIFETIME = 3600  # seconds; the whole table takes minutes
_TICKS = os.sysconf("SC_CLK_TCK")
_MIB = 2**20
CAN_MEASURE = Path("/proc/self/clear_refs").exists() and os.access("/proc/self/clear_refs", os.W_OK)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its cost.

    :param status: the status of its response
    :param body: the beginning of the body of the response
    :param cpu: the seconds of processor time that the worker took
    :param growth: the most memory that the worker held beyond what it held before, in MiB
    """

    status: int
    body: bytes
    cpu: float
    growth: float


class MeasuredServer:
    """A running server, with the worker that answers.

    :param server: the server
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.log = server.log
        self._worker = self._ask_for_worker()

    def exchange(self, request: bytes) -> Exchange:
        """Send the bytes of a whole request over a connection of its own, and measure it."""
        _clear_peak(self._worker)
        cpu, memory = _cpu(self._worker), _memory(self._worker, "VmRSS")
        status, beginning = send(self.server.port, request)
        return Exchange(
            status,
            beginning,
            _cpu(self._worker) - cpu,
            _memory(self._worker, "VmHWM") - memory,
        )

    def honest(self) -> Exchange:
        """Return the exchange of an honest row."""
        return self.exchange(post("/iris/predict/", HONEST, {"Content-Type": "application/json"}))

    def _ask_for_worker(self) -> int:
        connection = HTTPConnection(HOST, self.server.port, timeout=60)
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/iris/predict/", HONEST, headers)
        response = connection.getresponse()
        assert response.status == 200, response.read()
        return int(response.headers["X-Worker"])


@contextmanager
def measured_server(folder: Path) -> Iterator[MeasuredServer]:
    """Start the server, and stop it at the end."""
    with gunicorn(folder, MODULE, workers=1, lifetime=LIFETIME) as server:
        yield MeasuredServer(server)


def send(port: int, request: bytes) -> tuple[int, bytes]:
    """Send the bytes of a request over a connection of its own.

    :returns: the status and the beginning of the body of the response, which is read to its end
    """
    with socket.create_connection((HOST, port), timeout=60) as connection:
        with suppress(OSError):  # it may be refused before all of it was sent
            connection.sendall(request)
        response = HTTPResponse(connection)
        response.begin()
        beginning = response.read(65_536)
        while response.read(_MIB):
            pass
    return response.status, beginning


def post(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """Return the bytes of a POST request; a header with several lines is sent several times."""
    every = {
        "Host": "localhost",
        "Connection": "close",
        "Content-Length": str(len(body)),
        **headers,
    }
    lines = "".join(
        f"{name}: {line}\r\n" for name, value in every.items() for line in value.split("\n")
    )
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body


def _clear_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _memory(pid: int, name: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024
