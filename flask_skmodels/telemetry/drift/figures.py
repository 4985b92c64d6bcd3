"""The figures of drift: counts of some rows, compared with the training data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np

from flask_skmodels.schema.times import iso_time
from flask_skmodels.schema.types import Array, FloatArray, JSONObject
from flask_skmodels.telemetry.drift.counts import REJECTED, Snapshot, Tally
from flask_skmodels.telemetry.drift.distances import js_of_each, psi_of_each
from flask_skmodels.telemetry.drift.layout import BinLayout

STATISTICS = ("psi", "js", "missing", "unknown", "outside", "mean")


@dataclass(frozen=True, slots=True)
class DriftTotals:
    """The counts of all processes: in the window, and since the start."""

    window: Tally
    total: Tally


def totals_of(snapshots: Sequence[Snapshot], window_rows: int) -> DriftTotals:
    """Return the counts of several processes together.

    The window consists of the newest blocks of all processes that together have at least
    ``window_rows`` rows.
    """
    blocks = [block for snapshot in snapshots for block in snapshot.blocks]
    newest: list[Tally] = []
    rows = 0
    for block in sorted(blocks, key=lambda block: block.opened_at, reverse=True):
        if rows >= window_rows:
            break
        newest.append(block)
        rows += block.rows
    retired = [snapshot.retired for snapshot in snapshots]
    return DriftTotals(_sum(newest or retired[:1], empty=not newest), _sum([*retired, *blocks]))


def _sum(tallies: Sequence[Tally], *, empty: bool = False) -> Tally:
    """Return several tallies as one; with ``empty`` all counts are 0."""
    weight = 0 if empty else 1

    def total(arrays: Iterable[Array]) -> Array:
        summed: Array = np.sum(list(arrays), axis=0)
        return weight * summed

    return Tally(
        min(tally.opened_at for tally in tallies),
        weight * sum(tally.rows for tally in tallies),
        total(tally.bins for tally in tallies),
        total(tally.sums for tally in tallies),
        total(tally.rejected for tally in tallies),
    )


class Figures:
    """The figures of the columns of a layout for the rows of a tally.

    A column with fewer values than ``minimum`` has no figures.

    :ivar rows: for each column, the number of values, including missing values
    :ivar shares: for each bin, its share
    :ivar psi: for each column, the population stability index, nan if there are too few values
    :ivar js: for each column, the Jensen-Shannon distance, nan if there are too few values
    """

    def __init__(
        self, layout: BinLayout, tally: Tally, minimum: int, expected: FloatArray | None = None
    ) -> None:
        self.layout = layout
        self._tally = tally
        self.rows, self._bars = _bar_shares(layout, tally.bins)
        self._expected = layout.expected_bars
        if expected is not None:
            self._expected = _sums_from(expected, layout.starts)
        self.shares = tally.bins / np.repeat(np.maximum(self.rows, 1), np.diff(layout.offsets))
        self.is_said = (self.rows >= minimum) & (tally.rows >= minimum)
        self._set_distances()

    def _set_distances(self) -> None:
        starts = self.layout.bar_offsets[:-1]
        pairs = (each(self._expected, self._bars, starts) for each in (psi_of_each, js_of_each))
        self.psi, self.js = (np.where(self.is_said, each, np.nan) for each in pairs)

    def hide(self, columns: Array) -> None:
        """Remove the figures of some columns.

        :param columns: True for each column to hide
        """
        self.is_said &= ~columns
        self._set_distances()

    def bars(self, index: int) -> Array:
        """Return the share of each bar of a column."""
        bars: Array = self._bars[slice(*self.layout.bar_offsets[index : index + 2])]
        return bars

    def of_field(self, index: int) -> dict[str, float | None]:
        """Return the statistics of a field; all are None if there are too few rows."""
        if not self.is_said[index]:
            return dict.fromkeys(STATISTICS)
        return {
            **self.distances(index),
            **self._shares_without_bin(index),
            "mean": self._mean(index),
        }

    def distances(self, index: int) -> dict[str, float | None]:
        """Return the distances of a column from its training data."""
        pair = {"psi": float(self.psi[index]), "js": float(self.js[index])}
        return {name: value if isfinite(value) else None for name, value in pair.items()}

    def _shares_without_bin(self, index: int) -> dict[str, float | None]:
        """Return the shares of missing, unknown and outside values, with those of rejected rows."""
        column = self.layout.columns[index]
        counts = self._tally.bins[self.layout.offsets[index] :]
        rejected = dict(zip(REJECTED, self._tally.rejected[:, index].tolist(), strict=True))
        rows = float(self.rows[index]) + sum(rejected.values())
        found: dict[str, Iterable[int] | None] = {
            "missing": (column.missing,),
            "unknown": None if column.unknown is None else (column.unknown,),
            "outside": column.outside,
        }
        return {
            name: None
            if bins is None
            else (sum(int(counts[each]) for each in bins) + rejected[name]) / rows
            for name, bins in found.items()
        }

    def _mean(self, index: int) -> float | None:
        """Return the mean of a column of numbers."""
        layout = self.layout
        position = np.searchsorted(layout.numbers, index)
        if position == len(layout.numbers) or layout.numbers[position] != index:
            return None
        if layout.bins_of_numbers[position].times is not None:
            return None
        column = slice(*layout.offsets[index : index + 2])
        present = int(self._tally.bins[column][:-1].sum())
        mean = float(self._tally.sums[position]) / present if present else np.nan
        return mean if isfinite(mean) else None


def stability_of(layout: BinLayout, bins: Array, rows: int, minimum: int) -> FloatArray:
    """Return the population stability index of each column, nan if it has too few values.

    :class:`Figures` has the same index and more, but takes longer.

    :param bins: the number of values in each bin
    :param rows: the number of rows
    """
    if rows < minimum:
        return np.full(len(layout.columns), np.nan)
    counts, bars = _bar_shares(layout, bins)
    values = psi_of_each(layout.expected_bars, bars, layout.bar_offsets[:-1])
    return np.where(counts >= minimum, values, np.nan)


def _bar_shares(layout: BinLayout, bins: Array) -> tuple[Array, FloatArray]:
    """Return the number of values of each column, and the share of each bar in them."""
    rows = _sums_from(bins, layout.offsets[:-1])
    bars = _sums_from(bins, layout.starts)
    return rows, bars / np.repeat(np.maximum(rows, 1), np.diff(layout.bar_offsets))


def _sums_from(values: Array, starts: Array) -> Array:
    """Return the sums of the values from each start to the next."""
    return np.add.reduceat(values, starts) if len(starts) else values[:0]


def figures_document(
    layout: BinLayout, totals: DriftTotals, figures: Figures, fields: Iterable[int]
) -> JSONObject:
    """Return the figures of a version as JSON.

    :param fields: the indices of the fields that are shown
    """
    outputs = range(len(layout.fields), len(layout.columns))
    return {
        "window": _extent(totals.window),
        "total": _extent(totals.total),
        "fields": {layout.columns[index].name: figures.of_field(index) for index in fields},
        "predictions": {layout.columns[index].name: figures.distances(index) for index in outputs},
    }


def _extent(tally: Tally) -> JSONObject:
    return {"rows": tally.rows, "since": iso_time(tally.opened_at)}
