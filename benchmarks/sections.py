"""The parts of a run, by name."""

from __future__ import annotations

from collections.abc import Callable
from subprocess import SubprocessError
from typing import Any

from benchmarks import commands, exchanges
from benchmarks.commands import gunicorn
from benchmarks.in_process import measure_calls, measure_memory, measure_profiles
from benchmarks.lab import Lab
from benchmarks.load import Wrong
from benchmarks.peers import PEERS, SYNC, Peer
from benchmarks.results import Series
from benchmarks.workloads import (
    SLOW,
    Workload,
    boosted,
    by_rows,
    large_forest,
    many_rows,
    one_row,
    slow,
)

ROWS, MODELS, WORKERS = "rows", "models", "workers"
SLOW_THREADS = 32
SLOW_CONNECTIONS = 64
MODEL_COUNTS = (1, 100, 1_000)
WORKER_COUNTS = (1, 2, 4)
UNBATCHED, BATCHED = "batching-off", "batching-on"
MANY_CONNECTIONS = {"w4-1000": (16,), "w4-10000": (1, 16)}
ONE_ROW_ONLY = {"library-gthread", "hello-sync", "hello-gthread", "hello-granian"}


def measure_one_row(lab: Lab) -> None:
    """Load each peer with W1, W2, W3 and W5."""
    for workload in (*one_row().values(), *_boosted(lab)):
        print(f"  {workload.title}", flush=True)
        lab.compare([workload], lab.peers, lab.connections)


def _boosted(lab: Lab) -> list[Workload]:
    try:
        return [boosted()]
    except ImportError as error:
        lab.fail("w5", error)
        return []


def measure_many_rows(lab: Lab) -> None:
    """Load each peer with W4."""
    peers = [peer for peer in lab.peers if peer.name not in ONE_ROW_ONLY]
    for name, workload in many_rows().items():
        print(f"  {workload.title}", flush=True)
        at = [number for number in MANY_CONNECTIONS[name] if number in lab.connections]
        lab.compare([workload], peers, at)


def measure_slow(lab: Lab) -> None:
    """Load estimators without a lean form with combined calls and without."""
    for name in SLOW:
        print(f"  {name}", flush=True)
        lab.compare([slow(name)], BATCHING, [SLOW_CONNECTIONS])


def measure_rows(lab: Lab) -> None:
    """Measure rows a second by the number of rows in a request, asked by one client."""
    with lab.started(by_rows(), BY_ROWS) as targets:
        found = {key: Series(ROWS, f"{key[1]}, {key[2]}", 0, []) for key in targets}
        for workload in by_rows():
            for key, aim in targets.items():
                if key[0] == workload.name:
                    paces = [aim.pace(lab.seconds / 4) for _ in range(lab.rounds)]
                    found[key].at = workload.rows
                    found[key].values = [pace * workload.rows for pace in paces]
    lab.results.series += [series for series in found.values() if series.values]


def measure_models(lab: Lab) -> None:
    """Load one model where it is alone, and among many."""
    lab.compare([one_row()["w1"]], AMONG, [1])


def measure_workers(lab: Lab) -> None:
    """Measure the memory of all processes after each has answered."""
    for peer, workers, preload in _MEMORY_PEERS:
        try:
            found = [_memory(lab, peer)]
        except (Wrong, OSError, SubprocessError) as error:
            lab.fail(f"{WORKERS}, {workers}", error)
        else:
            lab.results.series.append(Series(WORKERS, preload, workers, found))


def _memory(lab: Lab, peer: Peer) -> float:
    workload = large_forest()
    with lab.started([workload], [peer]) as targets:
        [aim] = targets.values()
        aim.load(32, 1)
        return float(aim.server.memory())


def _library(name: str, title: str, *options: str, workers: int = 2, **told: Any) -> Peer:
    command = gunicorn("library", *options, workers=workers)
    return Peer(name, title, " ".join(options), command, exchanges.library, options=told)


BATCHING = tuple(
    _library(
        name,
        f"combined calls {state}",
        *("--worker-class", "gthread", "--threads", str(SLOW_THREADS)),
        model={"batching": state == "on"},
    )
    for name, state in ((UNBATCHED, "off"), (BATCHED, "on"))
)
BY_ROWS = (
    Peer(
        "library",
        "Flask-SKModels",
        SYNC,
        gunicorn("library", *commands.SYNC),
        exchanges.by_number_of_rows,
    ),
    next(peer for peer in PEERS if peer.name == "by-hand"),
)
AMONG = tuple(
    _library(f"models-{count}", f"{count:,} models", "--preload", *commands.SYNC, copies=count)
    for count in MODEL_COUNTS
)
_MEMORY_PEERS = tuple(
    (
        _library(f"workers-{workers}-{way}", way, *options, *commands.SYNC, workers=workers),
        workers,
        way,
    )
    for way, options in (("preloaded", ["--preload"]), ("loaded by each worker", []))
    for workers in WORKER_COUNTS
)

SECTIONS: dict[str, Callable[[Lab], None]] = {
    "one-row": measure_one_row,
    "many-rows": measure_many_rows,
    "in-process": measure_calls,
    "slow": measure_slow,
    "memory": measure_memory,
    ROWS: measure_rows,
    MODELS: measure_models,
    WORKERS: measure_workers,
    "profiles": measure_profiles,
}
