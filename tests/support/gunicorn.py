"""A real gunicorn in a process of its own, for tests that need several workers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic
from typing import Any

import orjson

ROOT = Path(__file__).parent.parent.parent
HOST = "127.0.0.1"
JSON_HEADERS = {"Content-Type": "application/json"}
PATIENCE = 60  # seconds that a worker may take to start
LIFETIME = 300  # seconds: should nobody be left to stop the master, an alarm does

# An alarm is not inherited by the workers, and they end when their master is gone.
START = "import signal; signal.alarm({}); from gunicorn.app.wsgiapp import run; run()"


@dataclass(frozen=True, slots=True)
class Response:
    """One answer, its body read from JSON.

    :param worker: identifier of the process that gave it
    """

    status: int
    worker: int
    version: str | None
    document: Any


@dataclass(frozen=True, slots=True)
class Server:
    """A gunicorn that runs.

    :param master: identifier of its first process
    :param port: where it listens
    :param log: what it has written
    """

    master: int
    port: int
    log: Path

    def connect(self) -> HTTPConnection:
        return HTTPConnection(HOST, self.port, timeout=60)


@contextmanager
def gunicorn(
    folder: Path, module: str, *options: str, workers: int = 2, lifetime: int = LIFETIME
) -> Iterator[Server]:
    """Serve the ``app`` of a module's source, and stop that whatever happens.

    Each answer must say in ``X-Worker`` which process gave it.
    """
    (folder / "served_app.py").write_text(module, encoding="utf-8")
    log = folder / "gunicorn.log"
    listener = socket.create_server((HOST, 0), backlog=64)
    arguments = ["--bind", f"fd://{listener.fileno()}", "--workers", str(workers), *options]
    arguments += ["--chdir", str(folder)]
    with listener, log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", START.format(lifetime), *arguments, "served_app:app"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            yield Server(process.pid, listener.getsockname()[1], log)
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(10)
    with suppress(ProcessLookupError):  # whatever is left of its session
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


def ask(connection: HTTPConnection, method: str, path: str, document: Any = None) -> Response:
    """Send one request over a connection that is kept."""
    body = None if document is None else orjson.dumps(document)
    connection.request(method, path, body, {} if body is None else JSON_HEADERS)
    response = connection.getresponse()
    data = response.read()
    worker, version = response.getheader("X-Worker"), response.getheader("X-Model-Version")
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        found = data
    return Response(response.status, int(worker or 0), version, found)


def ask_each(server: Server, workers: int, path: str, rows: Any) -> dict[int, Response]:
    """Post rows until each worker has answered well; return the answers by worker."""
    found: dict[int, Response] = {}
    deadline = monotonic() + PATIENCE
    while monotonic() < deadline:
        connection = server.connect()
        try:
            response = ask(connection, "POST", path, rows)
        finally:
            connection.close()
        assert response.status == 200, response
        found[response.worker] = response
        if len(found) == workers:
            return found
    raise AssertionError(f"only the workers {sorted(found)} answer")
