"""What a run has found, as it is kept in a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.load import Sample


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with the lowest and the highest that were found."""

    median: float
    low: float
    high: float


def spread(found: Iterable[float]) -> Spread:
    """Return the median of values with their range."""
    values = sorted(found)
    return Spread(median(values), values[0], values[-1])


def ratio(over: Sequence[float], under: Sequence[float]) -> Spread:
    """Return the ratio of two series, round by round: the noise is common to a round."""
    return spread(a / b for a, b in zip(over, under, strict=True) if b)


@dataclass(slots=True)
class Cell:
    """One peer under one load, round by round.

    :param workload: name of what is served
    :param peer: name of the server
    :param format: of the requests
    :param connections: of wrk
    :param samples: one a round
    """

    workload: str
    peer: str
    format: str
    connections: int
    samples: list[Sample] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, str, str, int]:
        return self.workload, self.peer, self.format, self.connections

    @property
    def rates(self) -> list[float]:
        return [sample.rate for sample in self.samples]

    @property
    def tails(self) -> list[float]:
        """p99 over p50, round by round."""
        return [sample.p99 / sample.p50 for sample in self.samples]


@dataclass(slots=True)
class Series:
    """A figure that was measured round by round.

    :param section: what it belongs to
    :param name: what was measured
    :param at: the number on the abscissa, 0 where there is none
    :param values: one a round
    """

    section: str
    name: str
    at: int
    values: list[float]


@dataclass(slots=True)
class Line:
    """One line of a profile of requests.

    :param function: where it is
    :param calls: a request
    :param own: microseconds a request in it alone
    :param total: the same with all that it calls
    """

    function: str
    calls: float
    own: float
    total: float


@dataclass(slots=True)
class Results:
    """All of it.

    :param facts: the machine, the date and how it was measured, in words
    :param versions: what was measured, by environment and distribution
    :param cells: of wrk
    :param series: everything else
    :param profiles: lines by workload
    :param failures: why what was to be measured was not, by its name
    """

    facts: dict[str, str] = field(default_factory=dict)
    versions: dict[str, dict[str, str]] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    series: list[Series] = field(default_factory=list)
    profiles: dict[str, list[Line]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def cell(self, workload: str, peer: str, format_: str, connections: int) -> Cell | None:
        """Return the cell of these, None where it was not measured."""
        wanted = (workload, peer, format_, connections)
        return next((cell for cell in self.cells if cell.samples and cell.key == wanted), None)

    def of(self, section: str) -> list[Series]:
        """Return the series of a section, in the order of their measuring."""
        return [series for series in self.series if series.section == section]

    def one(self, section: str, name: str, at: int = 0) -> list[float] | None:
        """Return the values of a series, None where it was not measured."""
        found = (s.values for s in self.of(section) if s.name == name and s.at == at)
        return next(found, None)

    def save(self, path: Path) -> None:
        """Write them as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")


def read(path: Path) -> Results:
    """Return what :meth:`Results.save` has written."""
    found = json.loads(path.read_text(encoding="utf-8"))
    cells = [cell | {"samples": [Sample(**s) for s in cell["samples"]]} for cell in found["cells"]]
    profiles = {name: [Line(**line) for line in lines] for name, lines in found["profiles"].items()}
    return Results(
        found["facts"],
        found["versions"],
        [Cell(**cell) for cell in cells],
        [Series(**series) for series in found["series"]],
        profiles,
        found["failures"],
    )
