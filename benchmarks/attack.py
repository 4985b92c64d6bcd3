"""The time of honest requests while one client sends hostile bodies, one after the other.

``python -m benchmarks.attack`` serves the application of ``tests/hostile/bodies`` with gunicorn, in
two processes. An honest client sends one row again and again, first alone and then beside a client
that sends the bodies of ``tests/hostile/bodies/table.py`` which cost the most when nothing limited
them. The p99 beside that client may be five times the usual one.

With ``--threads 4`` each process has four threads. They share one interpreter, which a hostile body
may keep for some milliseconds at a time.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, perf_counter, sleep

from tests.hostile.bodies.measured_server import HONEST, MODULE, post, send
from tests.hostile.bodies.table import hardest_cases
from tests.support.gunicorn import gunicorn

MAX_SLOWDOWN = 5  # times the usual p99
WORKERS = 2
PAUSE = 0.002  # seconds between two honest requests
WARM_UP = 100  # requests
ROW = post("/iris/predict/", HONEST, {"Content-Type": "application/json"})


def honest(port: int, seconds: float) -> list[float]:
    """Send honest requests for some seconds; return the seconds that each took.

    :raises RuntimeError: a response has another status than 200
    """
    times: list[float] = []
    ended = monotonic() + seconds
    while monotonic() < ended:
        started = perf_counter()
        status, body = send(port, ROW)
        times.append(perf_counter() - started)
        if status != 200:
            raise RuntimeError(f"status {status}: {body!r}")
        sleep(PAUSE)
    return times


def attack(port: int) -> None:
    """Send the hardest bodies in turn, until the process is stopped.

    :raises RuntimeError: a response has another status than the one that is stated
    """
    requests = []
    for case in hardest_cases():
        body, headers, status = case.sent()
        requests.append((case.name, post(case.path, body, headers), status))
    while True:
        for name, request, status in requests:
            started = perf_counter()
            found, body = send(port, request)
            if found != status:
                raise RuntimeError(f"{name}: status {found}: {body!r}")
            print(f"{perf_counter() - started:.2f} s {name}", flush=True)


@contextmanager
def attacked(port: int) -> Iterator[Path]:
    """Run the hostile client in a process of its own; its output is in the file."""
    command = [sys.executable, "-m", "benchmarks.attack", "--port", str(port)]
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "output")
        with output.open("wb") as file, subprocess.Popen(command, stdout=file) as process:
            try:
                while not output.stat().st_size and process.poll() is None:
                    sleep(0.1)
                yield output
                if process.poll() is not None:
                    raise RuntimeError(f"the hostile client has ended: {output.read_text('utf-8')}")
            finally:
                process.kill()


def p99(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.99)]


def measure(seconds: float, threads: int) -> bool:
    """Print the figures; return whether the p99 under attack is low enough."""
    options = ("--threads", str(threads)) if threads > 1 else ()
    with (
        tempfile.TemporaryDirectory() as folder,
        gunicorn(Path(folder), MODULE, *options, workers=WORKERS) as server,
    ):
        for _ in range(WARM_UP):
            send(server.port, ROW)
        before = honest(server.port, seconds / 4)
        with attacked(server.port) as output:
            during = honest(server.port, seconds / 2)
            sent = output.read_text("utf-8").splitlines()
        after = honest(server.port, seconds / 4)
    usual, under_attack = p99(before + after), p99(during)
    print("\n".join(sorted(set(sent), reverse=True)[:5]))
    print(f"{len(sent)} hostile requests")
    for name, times in (("alone", before + after), ("under attack", during)):
        median = sorted(times)[len(times) // 2]
        print(
            f"{name}: {len(times)} requests, median {median * 1000:.1f} ms, "
            f"p99 {p99(times) * 1000:.1f} ms, longest {max(times) * 1000:.1f} ms"
        )
    print(f"the p99 under attack is {under_attack / usual:.1f} times the usual one")
    return under_attack <= MAX_SLOWDOWN * usual


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="duration, by default 60")
    parser.add_argument("--threads", type=int, default=1, help="threads of each process")
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.port:
        attack(options.port)
    return 0 if measure(options.seconds, options.threads) else 1


if __name__ == "__main__":
    sys.exit(main())
