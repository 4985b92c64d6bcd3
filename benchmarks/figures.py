"""The figures that the library is to reach, and whether a run has reached them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from benchmarks.exchanges import ARROW, COLUMNS, FLAT, RECORD, ROWS
from benchmarks.in_process import LIBRARY, MEMORY, MEMORY_FORMATS, PIPELINE, SECTION
from benchmarks.results import Cell, Results, Spread, ratio, spread
from benchmarks.sections import BATCHED, UNBATCHED
from benchmarks.workloads import SLOW

SERVERS = ("sync", "gthread", "granian")
MAX_CONNECTIONS = 64
TAIL_CONNECTIONS = 16
IN_PROCESS = {
    "w1": ("W1", 15),
    "w2": ("W2", 100),
    "w3": ("W3", 60),
    "extra-trees": ("extra trees", 40),
    "ridge": ("imputed and one-hot ridge", 40),
    "gradient-boosting": ("gradient boosting", 3),
}
OF_HELLO = {"w1": 0.90, "w2": 0.85, "w3": 0.85}
OF_HELLO_JSON = {
    "w1": (1.3, 0.97),
    "w2": (1.0, 0.85),
    "w3": (1.0, 0.85),
}  # the second without the lane
OF_BEST_PEER: dict[str, dict[str, float]] = {
    "w1": {"sync": 1.6, "gthread": 1.3, "granian": 3},
    "w2": {"sync": 4, "gthread": 4, "granian": 5},
    "w3": {"sync": 4, "gthread": 4, "granian": 5},
    "w5": {"sync": 3, "granian": 5},
}
W4 = "w4-10000"
_LANES = {"library": "", "library-flask": ", without the fast lane"}

Measure = Callable[[Results], Spread | None]
Against = Callable[[Results, str, int], Cell | None]


@dataclass(frozen=True)
class Figure:
    """A ratio that is to be reached.

    :param name: what is over what
    :param bound: the number to reach
    :param measure: finds the ratio of a run, None where it was not measured
    :param at_most: whether the bound is an upper one
    """

    name: str
    bound: float
    measure: Measure
    at_most: bool = False

    def is_reached(self, found: Spread) -> bool:
        return found.median <= self.bound if self.at_most else found.median >= self.bound


def figures() -> list[Figure]:
    """Return all of them, in the order of the page."""
    return [*_in_process(), *_over_http(), *_tails(), *_slow(), *_large()]


def _in_process() -> Iterator[Figure]:
    for name, (title, bound) in IN_PROCESS.items():
        measure = partial(_in_process_ratio, name=name)
        yield Figure(f"{title} in process: speed-up over pipeline.predict", bound, measure)


def _over_http() -> Iterator[Figure]:
    for workload, bound in OF_HELLO.items():
        for server in SERVERS:
            yield Figure(
                f"{workload.upper()}, {server}: requests/s relative to bare Flask",
                bound,
                partial(_least, over=(workload, f"library-{server}", RECORD), under=hello(server)),
            )
    for workload, both in OF_HELLO_JSON.items():
        for server in ("sync", "granian"):
            for bound, (peer, how) in zip(both, _LANES.items(), strict=True):
                over = (workload, f"{peer}-{server}", RECORD)
                title = (
                    f"{workload.upper()}, {server}: requests/s relative to Flask, JSON in and out"
                )
                under = _same(f"hello_json-{server}", RECORD)
                yield Figure(f"{title}{how}", bound, partial(_least, over=over, under=under))
    for workload, bounds in OF_BEST_PEER.items():
        for server, bound in bounds.items():
            over = (workload, f"library-{server}", RECORD)
            name = f"{workload.upper()}, {server}: requests/s relative to the best other server"
            yield Figure(
                f"{name}, 64 connections",
                bound,
                partial(_least, over=over, under=best_peer, only=MAX_CONNECTIONS),
            )


def _tails() -> Iterator[Figure]:
    for workload in OF_HELLO:
        for server in SERVERS:
            measure = partial(_tail_ratio, workload=workload, server=server)
            name = f"{workload.upper()}, {server}: p99/p50 relative to bare Flask, 16 connections"
            yield Figure(name, 1.0, measure, at_most=True)


def _slow() -> Iterator[Figure]:
    for name in SLOW:
        measure = partial(_least, over=(name, BATCHED, RECORD), under=_same(UNBATCHED, RECORD))
        yield Figure(f"{name}: speed-up by combined calls", 5, measure)


def _large() -> Iterator[Figure]:
    flat = _same("mlserver", FLAT)
    for name in (ROWS, COLUMNS):
        for peer, bound, how in (("sync", 3, "with"), ("plain", 1, "without")):
            title = f"W4, 10,000 rows, {name}: requests/s relative to MLServer with flat JSON"
            yield Figure(
                f"{title}, {how} fast",
                bound,
                partial(_least, over=(W4, f"library-{peer}", name), under=flat),
            )
    arrow = partial(_least, over=(W4, "library-sync", ARROW), under=best_peer)
    yield Figure("W4, 10,000 rows, Arrow: requests/s relative to the best other server", 6, arrow)
    for name in MEMORY_FORMATS:
        measure = partial(_memory, format_=name)
        title = f"W4, 10,000 rows, {name}: memory of a request relative to its body"
        yield Figure(title, 6, measure, at_most=True)


# What a figure is measured against, by the workload and the number of connections


def hello(server: str) -> Against:
    """Return what finds bare Flask's cell on a server."""
    return _same(f"hello-{server}", RECORD)


def _same(peer: str, format_: str) -> Against:
    return lambda results, workload, at: results.cell(workload, peer, format_, at)


def best_peer(results: Results, workload: str, connections: int) -> Cell | None:
    """Return the peer's cell with the highest median rate, in whichever format."""
    cells = [
        cell
        for cell in results.cells
        if (cell.workload, cell.connections) == (workload, connections)
        and cell.samples
        and not cell.peer.startswith(("library", "hello"))
    ]
    return max(cells, key=lambda cell: spread(cell.rates).median, default=None)


# Ratios


def _least(
    results: Results, *, over: tuple[str, str, str], under: Against, only: int | None = None
) -> Spread | None:
    """Return the ratio of two rates at the number of connections where it is least.

    :param over: names of the workload, the peer and the format
    :param only: the one number of connections to look at
    """
    found = []
    for cell in results.cells:
        if cell.key[:3] == over and cell.samples and only in {None, cell.connections}:
            other = under(results, cell.workload, cell.connections)
            found += [ratio(cell.rates, other.rates)] if other else []
    return min(found, key=lambda spread: spread.median, default=None)


def _tail_ratio(results: Results, *, workload: str, server: str) -> Spread | None:
    names = (f"library-{server}", f"hello-{server}")
    over, under = (results.cell(workload, name, RECORD, TAIL_CONNECTIONS) for name in names)
    return ratio(over.tails, under.tails) if over and under else None


def _in_process_ratio(results: Results, *, name: str) -> Spread | None:
    sides = (results.one(SECTION, f"{name}, {side}") for side in (PIPELINE, LIBRARY))
    over, under = sides
    return ratio(over, under) if over and under else None


def _memory(results: Results, *, format_: str) -> Spread | None:
    found = results.one(MEMORY, format_)
    return spread(found) if found else None
