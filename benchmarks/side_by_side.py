"""This library beside another checkout of it, without a server.

``python -m benchmarks.side_by_side FOLDER`` calls the package in FOLDER and that of this checkout
with the same requests and rows, each in a process of its own, in turn. For each kind of call it
prints how long both take, and the ratio of the two: 1.00 is as fast as the other checkout, 0.97 is
3 % slower. Processor time is measured, and the time of a round is the shortest of several parts, so
that other processes disturb little. The processes are started anew several times, because the same
code is some percent faster or slower in each. The ratio is the median over all rounds, with the
quarters between which half of them are, and the ratio of the shortest times of all.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from statistics import median, quantiles
from time import process_time
from typing import Any
from urllib.parse import urlencode

from flask import Flask

from benchmarks import ROOT, payloads
from benchmarks.workloads import Workload, many_rows, one_row

FORM = "application/x-www-form-urlencoded"
NDJSON = "application/x-ndjson"
PARTS = 8  # of a round, each of the same number of calls
SECONDS = 0.06  # of all parts together
WARM_UP = 30  # calls

Call = Callable[[], Any]


def calls() -> tuple[Flask, dict[str, Call]]:
    """Return an application and the calls of it, by name."""
    from flask_skmodels import SKModels

    app = Flask("side by side")
    models = SKModels(app)
    workloads = {**one_row(), "w4": many_rows()["w4-1000"]}
    for name, workload in workloads.items():
        models.add(
            name, workload.pipeline, schema=workload.schema, probability=name in {"w1", "w2"}
        )
    found: dict[str, Call] = {}
    for name, workload in workloads.items():
        for media_type, body in _bodies(workload).items():
            kind = media_type.rpartition("/")[2].removeprefix("x-")
            found[f"{name} {kind}"] = _request(app, f"/{name}/predict/", media_type, body)
    form = _bodies(workloads["w1"])[FORM]
    found["w1 page"] = _request(app, "/w1/", FORM, form, HTTP_ACCEPT="text/html")
    found["w1 invalid"] = _request(app, "/w1/predict/", payloads.JSON, b'{"x0": "x"}', status="400")
    for name in ("w1", "w2", "w3"):
        record = payloads.records(workloads[name].requests[0])[0]
        found[f"{name} in process"] = _call(models, name, record)
    return app, found


def _bodies(workload: Workload) -> dict[str, bytes]:
    """Return the rows of a workload in each media type."""
    request = workload.requests[0]
    records = payloads.records(request)
    if len(records) > 1:
        lines = b"".join(json.dumps(each).encode() + b"\n" for each in records)
        rows = {payloads.JSON: payloads.rows(request), payloads.CSV: payloads.csv(request)}
        return {**rows, NDJSON: lines}
    record = {payloads.JSON: payloads.record(request)}
    if workload.has_texts:
        return record
    return {**record, FORM: urlencode(records[0]).encode(), payloads.CSV: payloads.csv(request)}


def _request(
    app: Flask, path: str, media_type: str, body: bytes, *, status: str = "200", **more: str
) -> Call:
    def start(line: str, *rest: Any) -> Any:
        if not line.startswith(status):
            raise AssertionError(f"{path}: {line}")

    def call() -> bytes:
        environ = {
            "REQUEST_METHOD": "POST",
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "localhost",
            "CONTENT_TYPE": media_type,
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.url_scheme": "http",
            **more,
        }
        return b"".join(app.wsgi_app(environ, start))

    return call


def _call(models: Any, name: str, record: Mapping[str, Any]) -> Call:
    return lambda: models.predict(name, record)


# The process of one checkout


def serve() -> None:
    """Time a call for each line of the input, which is its name."""
    app, known = calls()
    times: dict[str, int] = {}
    write(list(known))
    with app.app_context():
        for line in sys.stdin:
            name = line.strip()
            if name not in times:
                times[name] = _times(known[name])
            parts = [_seconds(known[name], times[name]) for _ in range(PARTS)]
            write(min(parts) * 1e6)


def write(value: Any) -> None:
    print(json.dumps(value), flush=True)


def _times(call: Call) -> int:
    """Return the number of calls of a part."""
    _seconds(call, WARM_UP)
    return max(1, int(SECONDS / PARTS / _seconds(call, 3)))


def _seconds(call: Call, times: int) -> float:
    started = process_time()
    for _ in range(times):
        call()
    return (process_time() - started) / times


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """The process of one checkout.

    :ivar names: the names of its calls
    """

    process: subprocess.Popen[str]
    names: Sequence[str]

    def microseconds(self, name: str) -> float:
        """Return the time of one call."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{name}\n")
        self.process.stdin.flush()
        return float(_read(self.process))


@contextmanager
def side_of(checkout: Path) -> Iterator[Side]:
    """Start a process with the package of a checkout, and the benchmarks of this one."""
    with tempfile.TemporaryDirectory() as name:
        Path(name, "flask_skmodels").symlink_to(checkout.resolve() / "flask_skmodels")
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        paths = os.pathsep.join([name, str(ROOT)])
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.side_by_side", "--serve"],
            cwd=name,
            env={**os.environ, **threads, "PYTHONPATH": paths},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            yield Side(process, _read(process))
            process.communicate()


def _read(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


# Both


@dataclass(frozen=True, slots=True)
class Comparison:
    """The times of a kind of call in both checkouts.

    :ivar others: microseconds of the other checkout, by round
    :ivar ours: microseconds of this checkout, by round
    """

    others: list[float]
    ours: list[float]

    @property
    def ratios(self) -> list[float]:
        """The ratio of each round."""
        return [other / own for other, own in zip(self.others, self.ours, strict=True)]

    def __str__(self) -> str:
        low, middle, high = quantiles(self.ratios, n=4)
        shortest = min(self.others) / min(self.ours)
        return (
            f"{median(self.others):9.1f} µs {median(self.ours):9.1f} µs   {middle:.3f} "
            f"({low:.3f} to {high:.3f}), shortest {shortest:.3f}"
        )


def compare(
    checkout: Path, *, starts: int, rounds: int, names: Sequence[str] = ()
) -> dict[str, Comparison]:
    """Return the times of each kind of call.

    :param checkout: the folder of the other checkout
    :param starts: how often the processes are started
    :param rounds: the number of rounds after each start
    :param names: the kinds of calls; all by default
    """
    found: dict[str, Comparison] = {}
    for _ in range(starts):
        with side_of(checkout) as other, side_of(ROOT) as own:
            for name in names or own.names:
                comparison = found.setdefault(name, Comparison([], []))
                for index in range(rounds):
                    sides = [(other, comparison.others), (own, comparison.ours)]
                    for side, times in sides if index % 2 else reversed(sides):
                        times.append(side.microseconds(name))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path, nargs="?", help="the folder of the other checkout")
    parser.add_argument("--starts", type=int, default=5, help="how often both are started")
    parser.add_argument("--rounds", type=int, default=7, help="rounds after each start")
    parser.add_argument("--only", action="append", default=[], help="a kind of call")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return
    if options.checkout is None or not (options.checkout / "flask_skmodels").is_dir():
        parser.error("name the folder of another checkout")
    found = compare(
        options.checkout, starts=options.starts, rounds=options.rounds, names=options.only
    )
    for name, comparison in found.items():
        print(f"{name:24} {comparison}", flush=True)


if __name__ == "__main__":
    main()
