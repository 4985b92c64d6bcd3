"""Load by wrk on one server, and whether its answers are right."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from time import monotonic, sleep

from benchmarks import HERE
from benchmarks.payloads import Exchange
from benchmarks.servers import HOST, Server

SCRIPT = HERE / "post.lua"
READY_SECONDS = 120
RESPONSE_SECONDS = 60


class Wrong(Exception):
    """A server does not answer, or not as the pipeline does."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one round of load on one server gave.

    :param rate: requests a second
    :param p50: median of the latency, in milliseconds
    :param p99: the same at 99 %
    """

    rate: float
    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class Target:
    """An exchange, ready to be sent by wrk.

    :param server: where it is sent
    :param files: the bodies, one file each
    """

    server: Server
    exchange: Exchange
    files: tuple[str, ...]

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server.port}{self.exchange.path}"

    def load(self, connections: int, seconds: int) -> Sample:
        """Send as much as the server takes.

        :raises Wrong: an answer was not one of success
        """
        options = {
            "--threads": 1,
            "--connections": connections,
            "--duration": seconds,
            "--timeout": RESPONSE_SECONDS,
            "--script": SCRIPT,
        }
        told = [str(word) for option in options.items() for word in option]
        with self.server.awake():
            done = subprocess.run(
                [_wrk(), *told, self.url, "--", self.exchange.media_type, *self.files],
                check=True,
                capture_output=True,
                text=True,
                timeout=seconds + RESPONSE_SECONDS,
            )
            self._settle()
        return read_sample(done.stdout)

    def pace(self, seconds: float) -> float:
        """Return the requests a second of one client that sends one after the other.

        :param seconds: for how long, though at least two requests are sent
        """
        body = self.exchange.bodies[0]
        sent, started = 0, monotonic()
        with self.server.awake(), _connection(self.server.port) as connection:
            while sent < 2 or monotonic() - started < seconds:
                _ask(connection, self.exchange, body)
                sent += 1
        return sent / (monotonic() - started)

    def check(self) -> None:
        """Ask once for each body and compare with the pipeline's predictions.

        :raises Wrong: an answer differs, or there is none
        """
        with self.server.awake():
            self._check()

    def _check(self) -> None:
        with _connection(self.server.port) as connection:
            pairs = zip(self.exchange.bodies, self.exchange.expected, strict=True)
            for body, expected in pairs:
                got = self.exchange.read(_ask(connection, self.exchange, body))
                if got != expected:
                    raise Wrong(f"{self.url}: {str(got)[:100]} is not {str(expected)[:100]}")

    def wait_until_ready(self) -> None:
        """Wait until the first answer that is right.

        :raises Wrong: there is none in time, or the server has ended
        """
        deadline = monotonic() + READY_SECONDS
        with self.server.awake():
            while True:
                try:
                    return self._check()
                except (OSError, HTTPException, Wrong, ValueError, KeyError) as error:
                    if monotonic() > deadline or not self.server.runs():
                        raise Wrong(f"{error}\n{self.server.last_words()}") from error
                sleep(0.25)

    def _settle(self) -> None:
        """Wait until the server has done what is left of its requests, so that the next one can."""
        deadline = monotonic() + RESPONSE_SECONDS
        before = -1
        while (now := self.server.ticks()) != before and monotonic() < deadline:
            before = now
            sleep(0.04)


def target(server: Server, exchange: Exchange, folder: Path) -> Target:
    """Write the bodies of an exchange to files for wrk."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for place, body in enumerate(filter(None, exchange.bodies)):
        file = folder / f"body-{place}"
        file.write_bytes(body)
        files.append(str(file))
    return Target(server, exchange, tuple(files))


def read_sample(told: str) -> Sample:
    """Return what wrk printed by the script.

    :raises Wrong: an answer was not one of success, or a connection broke
    """
    found = json.loads(told.strip().splitlines()[-1])
    if found["failed"] or found["broken"]:
        raise Wrong(f"{found['failed']} answers failed, {found['broken']} connections broke")
    return Sample(found["requests"] / found["seconds"], found["p50"], found["p99"])


def _wrk() -> str:
    found = shutil.which("wrk")
    if found is None:
        raise SystemExit("wrk is missing: apt-get install wrk")
    return found


@contextmanager
def _connection(port: int) -> Iterator[HTTPConnection]:
    connection = HTTPConnection(HOST, port, timeout=RESPONSE_SECONDS)
    try:
        yield connection
    finally:
        with suppress(OSError):
            connection.close()


def _ask(connection: HTTPConnection, exchange: Exchange, body: bytes) -> bytes:
    headers = {"Content-Type": exchange.media_type} if body else {}
    connection.request("POST" if body else "GET", exchange.path, body or None, headers)
    response = connection.getresponse()
    content = response.read()
    if response.status != 200:
        raise Wrong(f"{exchange.path}: {response.status} {content[:200]!r}")
    return content
