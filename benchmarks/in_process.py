"""What is measured without a server: calls from Python, one request's profile, and its memory.

``python -m benchmarks.in_process FORMAT`` prints the memory of one request, see
:func:`memory_of`.
"""

from __future__ import annotations

import ctypes
import gc
import json
import re
import subprocess
import sys
from collections.abc import Callable
from cProfile import Profile
from io import BytesIO
from pathlib import Path
from pstats import Stats
from time import perf_counter
from typing import Any

from flask import Flask

from benchmarks import exchanges
from benchmarks.lab import Lab
from benchmarks.payloads import Exchange, records
from benchmarks.results import Line, Series
from benchmarks.served import shelf
from benchmarks.served.library import app_of
from benchmarks.workloads import Workload, in_process_only, many_rows, one_row

SECTION = "in-process"
MEMORY = "memory"
LIBRARY, PIPELINE = "library", "pipeline"
MEMORY_FORMATS = (exchanges.ROWS, exchanges.COLUMNS, exchanges.CSV, exchanges.ARROW)
PROFILED_SECONDS = 2
LINES = 15  # of a profile
TIMED_SECONDS = 0.1  # of calls in a round
MEMORY_SECONDS = 120
SHORT = re.compile(r".*/(?:site-packages/|lib/python[\d.]+/)?(?=[^/]+/[^/]+$)")


def measure_calls(lab: Lab) -> None:
    """Time ``models.predict`` on a record and ``pipeline.predict`` on the same row, in turn."""
    for name, workload in {**one_row(), **in_process_only()}.items():
        print(f"  {workload.title}", flush=True)
        sides = _sides(workload)
        times = {side: _times(call) for side, call in sides.items()}
        found: dict[str, list[float]] = {side: [] for side in sides}
        for round_ in range(_rounds(lab)):
            for side in sorted(sides, reverse=bool(round_ % 2)):
                found[side].append(_seconds(sides[side], times[side]) * 1e6)
        lab.results.series += [Series(SECTION, f"{name}, {side}", 0, found[side]) for side in sides]


def measure_memory(lab: Lab) -> None:
    """Measure the memory of one request of 10,000 rows, in fresh processes."""
    for name in MEMORY_FORMATS:
        command = [sys.executable, "-m", "benchmarks.in_process", name]
        found = []
        for _ in range(min(lab.rounds, 3)):
            done = subprocess.run(
                command, check=True, capture_output=True, text=True, timeout=MEMORY_SECONDS
            )
            told = json.loads(done.stdout)
            found.append(told["growth"] / told["body"])
        lab.results.series.append(Series(MEMORY, name, 0, found))


def measure_profiles(lab: Lab) -> None:
    """Profile requests of one row."""
    for name, workload in one_row().items():
        app, exchange = _app(workload), exchanges.library(workload)[exchanges.RECORD]
        bodies = exchange.bodies
        for body in bodies:
            post(app, exchange, body)
        sent, started = 0, perf_counter()
        with Profile() as profile:
            while perf_counter() - started < PROFILED_SECONDS:
                post(app, exchange, bodies[sent % len(bodies)])
                sent += 1
        lab.results.profiles[name] = _lines(profile, sent)


def post(app: Flask, exchange: Exchange, body: bytes) -> bytes:
    """Call an application as a server would.

    :raises AssertionError: the answer is none of success
    """
    environ = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": exchange.path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "CONTENT_TYPE": exchange.media_type,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "http",
        "wsgi.version": (1, 0),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    return b"".join(app.wsgi_app(environ, _answered_well))


def memory_of(name: str) -> dict[str, int]:
    """Return the bytes of a request of 10,000 rows and by how much its process grew at its peak.

    :param name: of the format
    """
    small, large = many_rows().values()
    app = _app(large)
    exchange = exchanges.library(large)[name]
    post(app, exchange, exchanges.library(small)[name].bodies[0])
    body = exchange.bodies[0]
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    before = _resident("VmRSS")
    post(app, exchange, body)
    return {"body": len(body), "growth": _resident("VmHWM") - before}


def _sides(workload: Workload) -> dict[str, Callable[[], Any]]:
    app = _app(workload)
    models = app.extensions["skmodels"].models
    request = workload.requests[0]
    record, X, pipeline = records(request)[0], workload.X(request), workload.pipeline
    name, context = workload.model, app.app_context()
    context.push()
    if models.predict(name, record).outputs.tolist() != workload.expected(request):
        raise AssertionError(workload.name)
    return {
        LIBRARY: lambda: models.predict(name, record, app=app),
        PIPELINE: lambda: pipeline.predict(X),
    }


def _app(workload: Workload) -> Flask:
    card = shelf.Card(workload.model, workload.schema, workload.has_texts, workload.method)
    return app_of(card, workload.pipeline)


def _rounds(lab: Lab) -> int:
    return 3 * lab.rounds + 2


def _times(call: Callable[[], Any]) -> int:
    call()
    return max(3, int(TIMED_SECONDS / _seconds(call, 3)))


def _seconds(call: Callable[[], Any], times: int) -> float:
    started = perf_counter()
    for _ in range(times):
        call()
    return (perf_counter() - started) / times


def _answered_well(status: str, *rest: Any) -> Any:
    if status != "200 OK":
        raise AssertionError(status)


def _lines(profile: Profile, sent: int) -> list[Line]:
    stats: dict[Any, Any] = Stats(profile).stats  # type: ignore[attr-defined]
    lines = [
        Line(_place(*where), calls / sent, own / sent * 1e6, total / sent * 1e6)
        for where, (_, calls, own, total, _) in stats.items()
    ]
    return sorted(lines, key=lambda line: -line.own)[:LINES]


def _place(file: str, line: int, function: str) -> str:
    return function if file == "~" else f"{SHORT.sub('', file)}: {function}"


def _resident(name: str) -> int:
    told = Path("/proc/self/status").read_text(encoding="utf-8")
    found = re.search(rf"^{name}:\s+(\d+) kB$", told, re.MULTILINE)
    if found is None:
        raise OSError(f"/proc/self/status has no {name}")
    return int(found[1]) * 1024


if __name__ == "__main__":
    print(json.dumps(memory_of(sys.argv[1])))
