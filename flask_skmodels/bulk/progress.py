"""The progress of a run: rows, rows per second, time left, rejects and workers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter


@dataclass(slots=True, kw_only=True)
class Progress:
    """The progress of a run.

    :param total: number of rows, roughly for text; None if it is not known
    :param workers: number of chunks that are predicted at the same time
    :ivar rows: number of rows so far, including those of an earlier run
    :ivar rejected: number of these that were rejected
    :ivar resumed: number of these that an earlier run had finished
    """

    total: int | None
    workers: int
    rows: int = 0
    rejected: int = 0
    resumed: int = 0
    started: float = field(default_factory=perf_counter)

    @property
    def seconds(self) -> float:
        """The time since the run began."""
        return perf_counter() - self.started

    @property
    def rate(self) -> float:
        """The number of rows per second in this run."""
        return (self.rows - self.resumed) / max(self.seconds, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """The time that the rest will take, None if it is not known."""
        if self.total is None or self.rows <= self.resumed:
            return None
        return max(self.total - self.rows, 0) / max(self.rate, 1e-9)

    def text(self) -> str:
        """Return the progress in one line."""
        workers = f"{self.workers} worker{'' if self.workers == 1 else 's'}"
        return f"{self.pace()}, {self.rejected:,} rejected, {workers}"

    def pace(self) -> str:
        """Return the rows, the rows per second and the time left."""
        of_all = "" if self.total is None else f" of {max(self.total, self.rows):,}"
        parts = [f"{self.rows:,}{of_all} rows", f"{self.rate:,.0f} rows/s"]
        left = self.seconds_left
        if left is not None:
            parts.append(f"{duration(left)} left")
        return ", ".join(parts)


Watch = Callable[[Progress], None]
"""Called after each chunk."""


def duration(seconds: float) -> str:
    """Return a time in words: ``45 s``, ``3 min 20 s`` or ``2 h 5 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def unwatched(progress: Progress) -> None:
    """Show nothing."""
