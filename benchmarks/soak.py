"""A soak: mixed traffic, new and broken versions, errors and killed workers, every answer checked.

``python -m benchmarks.soak`` runs it for 15 minutes (``--seconds 900``) on gunicorn and reports the
memory, the threads and the descriptors of its oldest worker, which is never killed. Other runs:

- ``kills``: a worker is killed every two seconds for two minutes;
- ``restarts``: 50 graceful restarts under 16 connections, where no request may be lost;
- ``overload``: the throughput at four times the connections that saturate the server.

The exit status is 1 if an answer was wrong or missing, or a figure was not reached.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from operator import attrgetter
from pathlib import Path
from statistics import mean, median
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any

import joblib
import numpy as np
from sklearn.tree import DecisionTreeClassifier

from benchmarks import ROOT
from benchmarks.load import SCRIPT, read_sample

HOST = "127.0.0.1"
JSON = "application/json"
WORKERS = 2
THREADS = 4
CLIENTS = 6
PER_CONNECTION = 50  # requests over one connection
WARM_UP = 0.25  # the part of a soak before memory is compared
GROWTH = 0.02  # that memory may have at most after the warm-up
START = "import signal; signal.alarm({}); from gunicorn.app.wsgiapp import run; run()"


class Unexpected(Exception):
    """A response is not the one that is expected."""


@dataclass(slots=True)
class Server:
    """A gunicorn with the application of the soak.

    :param master: its first process
    :param port: the port that it listens on
    :param folder: the folder of the application
    """

    master: subprocess.Popen[bytes]
    port: int
    folder: Path

    def workers(self) -> list[int]:
        """Return the identifiers of the worker processes, the oldest first."""
        pid = self.master.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        return sorted(map(int, children), key=_started_at)

    def kill_youngest(self) -> bool:
        """Kill the youngest worker if all of them run."""
        workers = self.workers()
        if len(workers) < WORKERS:
            return False
        with suppress(ProcessLookupError):
            os.kill(workers[-1], signal.SIGKILL)
        return True

    def log(self) -> str:
        """Return the server's log."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")


def _started_at(pid: int) -> int:
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return int(fields[19])
    return sys.maxsize


@contextmanager
def served(seconds: float, *options: str) -> Iterator[Server]:
    """Serve the application with gunicorn, for ``seconds`` and ten minutes at most."""
    with (
        tempfile.TemporaryDirectory() as name,
        closing(socket.create_server((HOST, 0))) as listener,
    ):
        folder = Path(name)
        (folder / "versions").mkdir()
        for number in (1, 2, 3):
            drop(folder, number, version(number))
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "SOAK_FOLDER": name}
        arguments = ["--workers", str(WORKERS), "--threads", str(THREADS), "--keep-alive", "60"]
        bound = ["--bind", f"fd://{listener.fileno()}", *options]
        with (folder / "log").open("wb") as log:
            command = [sys.executable, "-c", START.format(int(seconds) + 600), *arguments, *bound]
            master = subprocess.Popen(
                [*command, "benchmarks.served.soaked:create_app()"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[listener.fileno()],
                start_new_session=True,
            )
        server = Server(master, listener.getsockname()[1], folder)
        try:
            wait_until_ready(server)
            yield server
        finally:
            master.terminate()
            with suppress(subprocess.TimeoutExpired):
                master.wait(20)
            with suppress(ProcessLookupError):
                os.killpg(master.pid, signal.SIGKILL)
            master.wait(10)


def wait_until_ready(server: Server) -> None:
    """Wait until the application is ready.

    :raises Unexpected: it is not, after two minutes
    """
    deadline = monotonic() + 120
    while monotonic() < deadline:
        with suppress(OSError, HTTPException), closing(connect(server)) as connection:
            connection.request("GET", "/-/health/ready")
            if connection.getresponse().status == 200:
                return
        sleep(0.2)
    raise Unexpected(f"the server is not ready:\n{server.log()}")


def connect(server: Server) -> HTTPConnection:
    return HTTPConnection(HOST, server.port, timeout=60)


# Versions


def version(number: int, features: int = 2) -> Any:
    """Return an estimator that predicts its own number."""
    X = np.array([[0.0] * features, [1.0] * features])
    return DecisionTreeClassifier().fit(X, [number, number])


def drop(folder: Path, number: int, content: Any) -> None:
    """Put a file into the folder of versions, under its name only when it is complete."""
    part = folder / "versions" / f"{number}.part"
    if isinstance(content, bytes):
        part.write_bytes(content)
    else:
        joblib.dump(content, part)
    part.rename(folder / "versions" / f"{number}.joblib")


def new_version(server: Server, number: int) -> None:
    """Drop a version, of which every third is broken, and remove an old one."""
    broken = (b"no pickle", version(number, features=3), {"no": "estimator"})
    content = broken[number // 3 % 3] if number % 3 == 0 else version(number)
    drop(server.folder, number, content)
    if number > 12:
        (server.folder / "versions" / f"{number - 8}.joblib").unlink(missing_ok=True)


# Requests


@dataclass(frozen=True, slots=True)
class Reply:
    """A response: its status, its headers in lower case, and its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the JSON document in the body."""
        return json.loads(self.body)


Send = Callable[..., Reply]


def equal(got: object, expected: object) -> None:
    """Raise :class:`Unexpected` if two values differ."""
    if got != expected:
        raise Unexpected(f"{str(got)[:200]} is not {str(expected)[:200]}")


def line_of(numbers: Sequence[int]) -> list[int]:
    return [3 * number + 1 for number in numbers]


def rounded(reply: Reply) -> list[int]:
    equal(reply.status, 200)
    return [round(number) for number in reply.json()["predictions"]]


def json_row(send: Send, draw: random.Random) -> None:
    number = draw.randrange(10**6)
    equal(
        rounded(send("POST", "/line/predict/", json.dumps({"x": number}), JSON)), line_of([number])
    )


def many_rows(send: Send, draw: random.Random) -> None:
    numbers = [draw.randrange(10**6) for _ in range(draw.randrange(1, 2000))]
    body = gzip.compress(json.dumps([[number] for number in numbers]).encode())
    reply = send("POST", "/line/predict/", body, JSON, {"Content-Encoding": "gzip"})
    equal(rounded(reply), line_of(numbers))


def form(send: Send, draw: random.Random) -> None:
    number = draw.randrange(10**6)
    reply = send("POST", "/line/predict/", f"x={number}", "application/x-www-form-urlencoded")
    equal((reply.status, round(float(reply.body))), (200, 3 * number + 1))


def csv(send: Send, draw: random.Random) -> None:
    numbers = [draw.randrange(10**6) for _ in range(50)]
    body = "x\n" + "\n".join(map(str, numbers))
    equal(
        rounded(send("POST", "/line/predict/", body, "text/csv", {"Accept": JSON})),
        line_of(numbers),
    )


def ndjson(send: Send, draw: random.Random) -> None:
    numbers = [draw.randrange(10**6) for _ in range(50)]
    body = "\n".join(json.dumps({"x": number}) for number in numbers)
    reply = send("POST", "/line/predict/", body, "application/x-ndjson", {"Accept": JSON})
    equal(rounded(reply), line_of(numbers))


def combined(send: Send, draw: random.Random) -> None:
    number = draw.randrange(10**6)
    equal(rounded(send("POST", "/slow/predict/", json.dumps({"x": number}), JSON)), [2 * number])


def limited(send: Send, draw: random.Random) -> None:
    number = draw.randrange(10**6)
    reply = send("POST", "/narrow/predict/", json.dumps({"x": number}), JSON)
    if reply.status == 503:
        equal(reply.headers["retry-after"], "1")
    elif reply.status != 504:
        equal(rounded(reply), [2 * number])


def live_version(send: Send, draw: random.Random) -> None:
    reply = send("POST", "/number/predict/", "[[0.5, 0.5]]", JSON)
    equal(reply.status, 200)
    equal(reply.json()["predictions"], [int(reply.headers["x-model-version"])])


def old_version(send: Send, draw: random.Random) -> None:
    reply = send("POST", "/number/versions/1/predict/", "[[0.5, 0.5]]", JSON)
    equal((reply.status, reply.json()["predictions"]), (200, [1]))


def invalid(send: Send, draw: random.Random) -> None:
    bodies = ('{"x": "a"}', "[[1, 2]]", "{", "[]", '{"y": 1}', '{"x": null}', "\0", "[" * 9999)
    reply = send("POST", "/line/predict/", draw.choice(bodies), JSON)
    equal((reply.status, reply.headers["content-type"]), (400, "application/problem+json"))


def unknown(send: Send, draw: random.Random) -> None:
    equal(send("POST", "/number/versions/none/predict/", "[[1, 1]]", JSON).status, 404)
    equal(send("POST", "/line/predict/", "1", "text/unknown").status, 415)
    equal(send("GET", "/line/predict/").status, 405)


def pages(send: Send, draw: random.Random) -> None:
    paths = ("/-/", "/line/", "/number/", "/line/traffic/", "/number/traffic/", "/-/metrics")
    headers = {"Accept": draw.choice(("text/html", JSON))}
    equal(
        send("GET", draw.choice((*paths, "/-/openapi.json", "/-/models")), headers=headers).status,
        200,
    )


def health(send: Send, draw: random.Random) -> None:
    equal(send("GET", "/-/health/live").status, 200)
    reply = send("GET", "/-/health/ready")
    if reply.status != 503:  # a new worker has not predicted its examples yet
        equal((reply.status, reply.json()["ready_models"]), (200, 4))


MIX: dict[Callable[[Send, random.Random], None], int] = {
    json_row: 10, many_rows: 2, form: 4, csv: 2, ndjson: 2, combined: 6, limited: 2,
    live_version: 6, old_version: 2, invalid: 3, unknown: 1, pages: 1, health: 1,
}  # fmt: skip


class Client:
    """Sends requests one after the other and checks each response.

    A request whose connection breaks is sent once more if ``retries`` is true.

    :ivar done: the number of exchanges, by kind
    :ivar failed: descriptions of those that failed
    :ivar versions: the versions that have predicted
    :ivar is_retrying: whether a request that is sent once more has no response yet
    """

    def __init__(
        self, server: Server, stop: Event, seed: int, kinds: Mapping[Any, int], *, retries: bool
    ) -> None:
        self.done: Counter[str] = Counter()
        self.failed: list[str] = []
        self.versions: set[str] = set()
        self.retried = 0
        self.is_retrying = False
        self._server, self._stop, self._retries = server, stop, retries
        self._draw = random.Random(seed)
        self._kinds, self._weights = list(kinds), list(kinds.values())
        self._connection, self._used = connect(server), 0

    def run(self) -> None:
        """Send requests until the event is set."""
        while not self._stop.is_set() and len(self.failed) < 20:
            kind = self._draw.choices(self._kinds, self._weights)[0]
            try:
                kind(self._send, self._draw)
            except Exception as error:
                self.failed.append(f"{kind.__name__}: {_text_of(error)}")
            self.done[kind.__name__] += 1
        self._connection.close()

    def _send(self, *request: Any, headers: Mapping[str, str] | None = None) -> Reply:
        method, path, body, media_type, more = (*request, None, None, None)[:5]
        sent = {"Content-Type": media_type or ""} if body is not None else {}
        sent |= dict(more or {}) | dict(headers or {})
        started = monotonic()
        first: Exception | None = None
        for is_last in (not self._retries, True):
            try:
                return self._exchange(method, path, body, sent)
            except (OSError, HTTPException) as error:
                self._connection.close()
                self._connection, self._used = connect(self._server), 0
                error.add_note(f"after {monotonic() - started:.2f} seconds")
                if is_last:
                    raise error from first
                first = error
                self.retried += 1
                self.is_retrying = True
                sleep(0.05)
            finally:
                self.is_retrying = first is not None and not is_last
        raise AssertionError("unreachable")

    def _exchange(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Reply:
        self._used += 1
        if self._used > PER_CONNECTION:
            self._connection.close()
            self._connection, self._used = connect(self._server), 1
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        data = response.read()
        found = {name.lower(): value for name, value in response.getheaders()}
        self.versions.add(found.get("x-model-version", ""))
        return Reply(response.status, found, data)


def _text_of(error: BaseException | None) -> str:
    """Return an exception, its notes and the exception before it in one line."""
    if error is None:
        return ""
    notes = " ".join(getattr(error, "__notes__", ()))
    before = _text_of(error.__cause__)
    return f"{type(error).__name__}: {error} {notes}" + (f" (before: {before})" if before else "")


@dataclass(slots=True)
class Traffic:
    """Clients that run until the ``with`` block ends.

    :param server: the server
    :param kinds: the kinds of requests, each with its weight
    :param clients: their number
    :param retries: whether a request whose connection breaks is sent once more
    """

    server: Server
    kinds: Mapping[Any, int]
    clients: int = CLIENTS
    retries: bool = True
    _stop: Event = field(default_factory=Event)
    _running: list[tuple[Thread, Client]] = field(default_factory=list)

    def __enter__(self) -> Traffic:
        for seed in range(self.clients):
            client = Client(self.server, self._stop, seed, self.kinds, retries=self.retries)
            thread = Thread(target=client.run, daemon=True)
            self._running.append((thread, client))
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread, _ in self._running:
            thread.join(120)

    @property
    def failed(self) -> list[str]:
        """Descriptions of the exchanges that failed."""
        hanging = [
            "a client hangs"
            for thread, _ in self._running
            if self._stop.is_set() and thread.is_alive()
        ]
        return [each for _, client in self._running for each in client.failed] + hanging

    @property
    def is_retrying(self) -> bool:
        """Whether a request that is sent once more has no response yet."""
        return any(client.is_retrying for _, client in self._running)

    @property
    def versions(self) -> int:
        """The number of versions that have predicted."""
        return len({each for _, client in self._running for each in client.versions} - {""})

    def report(self) -> str:
        """Return the numbers of exchanges, retries and failures in one line."""
        done = sum((client.done for _, client in self._running), Counter[str]())
        retried = sum(client.retried for _, client in self._running)
        kinds = ", ".join(f"{name} {count}" for name, count in sorted(done.items()))
        return (
            f"{done.total()} exchanges ({kinds}), {retried} sent again, {len(self.failed)} failed"
        )


# Runs


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a process: its memory without files in KiB, its threads and its descriptors."""

    memory: int
    threads: int
    descriptors: int


def size_of(pid: int) -> Size:
    """Return the size of a process."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    memory = next(int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))
    threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
    return Size(memory, threads, len(list(Path(f"/proc/{pid}/fd").iterdir())))


def soak(seconds: float) -> list[str]:
    """Run the soak; return what was not as it should be."""
    sizes: list[tuple[float, Size]] = []
    with served(seconds) as server, Traffic(server, MIX) as traffic:
        oldest, number, killed = server.workers()[0], 3, 0
        started = monotonic()
        next_version, next_kill = 5.0, 20.0
        while (now := monotonic() - started) < seconds and not traffic.failed:
            sizes.append((now, size_of(oldest)))
            if now > next_version:
                number, next_version = number + 1, next_version + 15
                new_version(server, number)
            if now > next_kill:
                killed, next_kill = killed + server.kill_youngest(), next_kill + 20
            sleep(1)
        is_same = server.workers()[0] == oldest
        log = server.log()
    problems = [*traffic.failed, *compared(sizes, seconds)]
    print(traffic.report())
    refused = log.count("model 'number':")
    print(f"{number - 3} new versions, {traffic.versions} served, {refused} refusals in the log")
    print(f"{killed} workers killed")
    if traffic.versions < number // 3:
        problems.append("too few of the versions have served")
    if not is_same:
        problems.append("the oldest worker has ended")
    return [*problems, log[-8000:]] if problems else []


def compared(sizes: Sequence[tuple[float, Size]], seconds: float) -> list[str]:
    """Print the size of the process after the warm-up and at the end; return what has grown."""
    begin, span = seconds * WARM_UP, seconds * (1 - WARM_UP) / 5
    first = [size for at, size in sizes if begin <= at < begin + span]
    last = [size for at, size in sizes if at >= seconds - span]
    if not first or not last:
        return ["the soak has ended too early"]
    problems = []
    for name in ("memory", "threads", "descriptors"):
        old, new = (mean(getattr(size, name) for size in part) for part in (first, last))
        growth = new / old - 1
        print(f"{name}: {old:,.0f} after the warm-up, {new:,.0f} at the end ({growth:+.1%})")
        allowed = old * (1 + GROWTH) if name == "memory" else old + 3
        problems += [f"{name} has grown by {growth:.1%}"] if new > allowed else []
    return problems


def kills(seconds: float) -> list[str]:
    """Kill a worker every two seconds under load, with one retry by the client.

    One retry is enough for one kill. So the next one waits for the requests that are sent again,
    which takes longer than two seconds only on a machine that is very busy.
    """
    kinds = {json_row: 5, many_rows: 1, combined: 3, live_version: 3}
    count = late = 0
    with served(seconds, "--preload") as server, Traffic(server, kinds) as traffic:
        deadline = monotonic() + seconds
        while monotonic() < deadline:
            sleep(2)
            late += traffic.is_retrying
            while traffic.is_retrying:
                sleep(0.05)
            count += server.kill_youngest()
        log = server.log()
    print(f"{count} workers killed, {late} of them later; {traffic.report()}")
    return [*traffic.failed, log[-8000:]] if traffic.failed else []


def restarts(count: int) -> list[str]:
    """Restart the workers gracefully under 16 connections; no request may be lost."""
    kinds = {json_row: 5, form: 2, combined: 3, live_version: 2}
    seconds: list[float] = []
    with served(count * 60) as server:
        with Traffic(server, kinds, clients=16, retries=False) as traffic:
            while len(seconds) < count and not traffic.failed:
                seconds.append(_restart(server))
        log = server.log()
    print(f"{len(seconds)} restarts, of {median(seconds):.1f} s in the median; {traffic.report()}")
    return [*traffic.failed, log[-8000:]] if traffic.failed else []


def _restart(server: Server) -> float:
    """Restart the workers and return the seconds until only new ones answer.

    :raises Unexpected: the old ones have not ended after two minutes
    """
    old, started = set(server.workers()), monotonic()
    server.master.send_signal(signal.SIGHUP)
    while old & set(server.workers()):
        if monotonic() > started + 120:
            raise Unexpected(f"the old workers do not end:\n{server.log()[-8000:]}")
        sleep(0.1)
    wait_until_ready(server)
    return monotonic() - started


def overload(seconds: float) -> list[str]:
    """Compare the throughput at saturation with that at four times as many connections.

    The workers have one thread each, so that gunicorn does not keep the connections: one worker may
    have accepted most of them. Of two rounds, the better sample of each number counts.
    """
    with served(seconds, "--threads", "1") as server:
        body = server.folder / "body"
        body.write_text('{"x": 12345}', encoding="ascii")

        def load(connections: int) -> Any:
            url = f"http://{HOST}:{server.port}/line/predict/"
            how = [
                "--threads",
                "1",
                "--connections",
                connections,
                "--duration",
                max(int(seconds / 16), 1),
            ]
            command = ["wrk", *how, "--timeout", 30, "--script", SCRIPT, url, "--", JSON, body]
            done = subprocess.run(
                list(map(str, command)), check=True, capture_output=True, text=True, timeout=300
            )
            sample = read_sample(done.stdout)
            print(
                f"{connections:4} connections: {sample.rate:,.0f} a second, p99 {sample.p99:.1f} ms"
            )
            return sample

        def best(connections: int) -> Any:
            return max(load(connections), load(connections), key=attrgetter("rate"))

        load(4)
        samples = {connections: best(connections) for connections in (1, 2, 4, 8, 16, 32)}
        peak = max(sample.rate for sample in samples.values())
        saturating = next(c for c, sample in samples.items() if sample.rate >= 0.95 * peak)
        most = best(4 * saturating)
    print(f"{most.rate / peak:.2f} of the peak at 4 x {saturating} connections")
    is_reached = most.rate >= 0.9 * peak and most.p99 < 30_000
    return [] if is_reached else ["the throughput falls under overload"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    runs = ("soak", "kills", "restarts", "overload")
    parser.add_argument("run", nargs="?", choices=runs, default="soak")
    parser.add_argument("--seconds", type=float, help="duration: 900, 120 (kills), 80 (overload)")
    parser.add_argument("--count", type=int, default=50, help="number of restarts")
    options = parser.parse_args()
    seconds = options.seconds
    problems = {
        "soak": lambda: soak(seconds or 900),
        "kills": lambda: kills(seconds or 120),
        "restarts": lambda: restarts(options.count),
        "overload": lambda: overload(seconds or 80),
    }[options.run]()
    print("\n".join(problems) or "everything is as it should be")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
