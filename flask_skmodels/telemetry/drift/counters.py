"""Counts the rows and predictions of one version when they are made.

A row is turned into counts at once and never kept. For numbers this is one comparison with all
edges and one addition; NumPy does both for all columns together.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from math import nan
from operator import itemgetter
from struct import Struct
from struct import error as struct_error
from threading import Lock
from time import time
from typing import Any

import numpy as np

from flask_skmodels.exceptions import InputError
from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.schema.frame import DeferredFrame
from flask_skmodels.schema.types import Array, FieldValue, FloatArray, ModelInput
from flask_skmodels.telemetry.drift.bins import NumberBins
from flask_skmodels.telemetry.drift.counts import (
    REJECTED,
    SLOTS,
    Counts,
    Snapshot,
    block_rows_of,
)
from flask_skmodels.telemetry.drift.layout import (
    PART,
    BinLayout,
    Output,
    count_values,
    floats_of,
    output_values,
)

# Errors of these rules say why a value is in no bin.
_REASONS = {
    **dict.fromkeys(("required", "nullable"), REJECTED.index("missing")),
    "allowed": REJECTED.index("unknown"),
    **dict.fromkeys(("min", "max"), REJECTED.index("outside")),
}
_greater_equal, _add, _FLOAT64 = np.greater_equal, np.add, np.dtype(np.float64)
_pack_one = Struct("d").pack
_NO_NUMBER = _pack_one(nan)


class Counters:
    """Counts the predictions of one version in this process. Threads may use it at the same time.

    :param layout: the bins
    :param window: the number of rows of a window
    :param minimum: the number of rows that are needed for drift
    :param buffer: as for :class:`~flask_skmodels.telemetry.drift.counts.Counts`
    """

    def __init__(self, layout: BinLayout, window: int, minimum: int, buffer: Any) -> None:
        self.layout = layout
        self.counts = Counts(layout, block_rows_of(window), buffer)
        self._window = window
        self._block_rows = block_rows_of(window)
        self._part = min(PART, self._block_rows, minimum)
        self._lock = Lock()
        self._set_row_arrays()
        self._categories = [(int(index), codes) for index, codes in layout.codes.items()]
        self._times = layout.times
        self._is_all_numbers = not self._categories and not self._times and bool(layout.fields)
        self._pick = _picker(layout.numbers.tolist(), len(layout.fields))
        self._set_outputs()
        self._unchecked = 0
        self._left = 0  # rows until the pending rows are added to their block; 0 if that is full
        self._resume()

    def _set_row_arrays(self) -> None:
        """Make the arrays in which the numbers of one row are compared with all edges."""
        layout, shape = self.layout, self.layout.row_edges.shape
        fields, size = len(layout.numbers), layout.row_edges.size
        self._height = shape[0]
        self._edges = layout.row_edges.ravel()
        self._values = np.zeros(size)  # the numbers of one row, once for each edge
        self._row = self._values[:fields]
        is_above = np.ones(size + 1, dtype=np.bool_)  # the last one stays True, to count the rows
        self._is_above, self._is_present = is_above[:size], is_above[:fields]
        self._ones = is_above.view(np.uint8)
        self._value_bytes = self._values.data.cast("B")
        self._row_bytes = 8 * shape[1]
        self._present = self._ones[: shape[1]].data
        self._pack = Struct(f"{fields}d").pack
        self._pending = self.counts.pending

    def _set_outputs(self) -> None:
        """Find out how the predictions of each method are counted."""
        layout = self.layout
        methods = [output.method for output in layout.outputs]
        self._is_simple = len(set(methods)) == len(methods)  # one column for each method
        self._finders = {method: _finder(layout, index) for index, method in enumerate(methods)}
        self._numeric: str | None = None  # the method whose prediction is compared with the row
        self._all_present = self._without_output = bytes([1]) * len(layout.numbers)
        self._no_output = b""
        if layout.predicted is not None:
            index, self._numeric = len(layout.fields) + layout.predicted, methods[layout.predicted]
            self._missing_output = int(layout.offsets[index]) + layout.columns[index].missing
            self._all_present, self._without_output = (
                self._all_present + bytes([each]) for each in (1, 0)
            )
            self._no_output = _NO_NUMBER

    def _resume(self) -> None:
        """Continue from counts that exist already, perhaps from a process that has ended."""
        counts = self.counts
        counts.state[0] += counts.state[0] % 2
        if not counts.times[0]:
            counts.times[:2] = time()
        self._use_slot(int(counts.state[1]))
        self._move_pending()

    def _use_slot(self, slot: int) -> None:
        self._slot = slot
        self._bins = self.counts.bins[slot].data
        self._sums = self.counts.sums[slot]

    def snapshot(self) -> Snapshot:
        """Return a copy of the counts."""
        with self._lock:
            return self.counts.snapshot()

    def window(self) -> tuple[Array, int]:
        """Return the number of values in each bin and of rows in the window of this process."""
        with self._lock:
            self._move_pending()
            return self.counts.newest(self._window)

    def add(self, prediction: Prediction) -> bool:
        """Count a prediction.

        :returns: True if enough rows were counted, since the last time, to look for drift again
        """
        if prediction.rows != 1 or not self._is_simple:
            return self._add_rows(prediction)
        X: Any = prediction.X
        outputs: Any = prediction.outputs
        codes: Sequence[int] = ()
        if (
            self._is_all_numbers
            and prediction.method == self._numeric
            and (type(X) is type(outputs) is np.ndarray)
            and (X.dtype is outputs.dtype is _FLOAT64)
        ):
            data, present = X.tobytes() + outputs.tobytes(), self._all_present
        else:
            try:
                data, codes, present = self._encode(prediction)
            except (AttributeError, TypeError, ValueError, OverflowError):
                return self._add_rows(prediction)  # a value has no bin of its kind
        if len(data) != self._row_bytes:
            return self._add_rows(prediction)
        lock = self._lock
        lock.acquire()  # acquire with a try block takes less time than a with statement
        try:
            if not self._left:
                self._open_block()
            # Operations on whole arrays of one shape are several times faster than broadcasting.
            self._value_bytes[:] = data * self._height
            _greater_equal(self._values, self._edges, self._is_above)
            _add(self._pending, self._ones, self._pending)
            if self._present == present:
                _add(self._sums, self._row, self._sums)
            else:
                self._add_present(present)
            for code in codes:
                self._bins[code] += 1
            self._left -= 1
            if self._left:
                return False
            self._move_pending()
            return self._is_check_due(self._part)
        finally:
            lock.release()

    def _add_present(self, expected: bytes) -> None:
        """Add a row to the sums if some of its numbers, or the prediction, are missing.

        :param expected: 1 for each number that a row without missing values has, else 0
        """
        _add(self._sums, self._row, self._sums, where=self._is_present)
        if expected is self._all_present and self._numeric is not None and not self._present[-1]:
            self._bins[self._missing_output] += 1

    def _encode(self, prediction: Prediction) -> tuple[bytes, Sequence[int], bytes]:
        """Return a row in the form in which it is counted.

        :returns: the numbers as doubles, the bins of all other values, and as ``expected`` of
            :meth:`_add_present`
        """
        X: Any = prediction.X
        codes: Sequence[int] = ()
        if self._is_all_numbers and type(X) is np.ndarray and X.dtype is _FLOAT64:
            data = X.tobytes()
        else:
            data, codes = self._encode_fields(X)
        if prediction.method == self._numeric:
            outputs: Any = prediction.outputs
            return data + _pack_one(float(outputs.item())), codes, self._all_present
        find = self._finders.get(prediction.method)
        if find is not None:
            codes = (*codes, find(prediction))
        return data + self._no_output, codes, self._without_output

    def _encode_fields(
        self, X: Array | DeferredFrame | list[FieldValue]
    ) -> tuple[bytes, list[int]]:
        """Return the numbers of one row as doubles, and the bins of its other values."""
        if not self.layout.fields:
            return b"", []
        if isinstance(X, list):
            raise TypeError("a list of texts or mappings is counted in the way of several rows")
        matrix = X.matrix if isinstance(X, DeferredFrame) else X
        if self._is_all_numbers and matrix is not None and matrix.dtype is _FLOAT64:
            return matrix.tobytes(), []
        row: Any = _row_of(X) if matrix is None else matrix[0].tolist()  # type: ignore[arg-type]
        codes = [codes[row[index]] for index, codes in self._categories]
        if self._times:
            row = list(row)
            for index, times in self._times:
                row[index] = times.number(row[index])
        numbers = row if self._pick is None else self._pick(row)
        try:
            return self._pack(*numbers), codes
        except struct_error:  # a value is missing or not a number
            return np.array(numbers, dtype=np.float64).tobytes(), codes

    def _add_rows(self, prediction: Prediction) -> bool:
        """Count several rows."""
        batch = _Batch(self.layout, prediction)
        with self._lock:
            self._move_pending()
            first = max(0, batch.rows - self._window)
            if first:
                self._retire_all()
                self._add_to_retired(*batch.count(0, first), first)
            while first < batch.rows:
                first = self._fill_block(batch, first)
            self._left = self._rows_left()
            return self._is_check_due(batch.rows)

    def _fill_block(self, batch: _Batch, first: int) -> int:
        """Add rows to the current block until it is full; return the index of the next row."""
        if not self._rows_left():
            self._open_block()
        last = min(batch.rows, first + self._block_rows - int(self.counts.rows[1 + self._slot]))
        bins, sums = batch.count(first, last)
        self._add_to_block(bins, sums, last - first)
        return last

    def add_rejection(self, errors: Iterable[InputError]) -> None:
        """Count rows that were rejected because a value is missing, unknown or out of range."""
        indices = {column.name: index for index, column in enumerate(self.layout.fields)}
        known = [e for e in errors if e.rule in _REASONS and e.field in indices]
        with self._lock:
            for _, field, reason in {(e.row, e.field, _REASONS[e.rule]) for e in known}:
                self.counts.rejected[self._slot, reason, indices[str(field)]] += 1

    def _is_check_due(self, rows: int) -> bool:
        self._unchecked += rows
        if self._unchecked < self._part:
            return False
        self._unchecked = 0
        return True

    def _rows_left(self) -> int:
        """Return how many rows fit into the current block, at most those of a part."""
        return min(self._part, self._block_rows - int(self.counts.rows[1 + self._slot]))

    def _move_pending(self) -> None:
        """Add the pending counts to the current block."""
        if self._pending[-1]:
            counts = self.counts
            bins, rows = self.layout.fold_row_counts(counts.pending)
            counts.state[0] += 1
            counts.bins[self._slot] += bins.astype(counts.bins.dtype)
            counts.rows[1 + self._slot] += rows
            self._pending[:] = 0
            counts.state[0] += 1
        self._left = self._rows_left()

    def _add_to_block(self, bins: Array, sums: FloatArray, rows: int) -> None:
        counts = self.counts
        counts.state[0] += 1
        counts.bins[self._slot] += bins.astype(counts.bins.dtype)
        counts.sums[self._slot] += sums
        counts.rows[1 + self._slot] += rows
        counts.state[0] += 1

    def _add_to_retired(self, bins: Array, sums: FloatArray, rows: int) -> None:
        counts = self.counts
        counts.state[0] += 1
        counts.retired_bins += bins
        counts.retired_sums += sums
        counts.rows[0] += rows
        counts.state[0] += 1

    def _open_block(self) -> None:
        """Begin a new block in place of the oldest block, whose rows then belong to no block."""
        slot = (self._slot + 1) % SLOTS
        self._retire(slot)
        self.counts.state[1] = slot
        self._use_slot(slot)
        self._left = self._rows_left()

    def _retire_all(self) -> None:
        for slot in range(SLOTS):
            self._retire(slot)

    def _retire(self, slot: int) -> None:
        counts = self.counts
        counts.state[0] += 1
        counts.retired_bins += counts.bins[slot]
        counts.retired_sums += counts.sums[slot]
        counts.retired_rejected += counts.rejected[slot]
        counts.rows[0] += counts.rows[1 + slot]
        counts.rows[1 + slot] = 0
        for array in (counts.bins, counts.sums, counts.rejected):
            array[slot] = 0
        counts.times[1 + slot] = time()
        counts.state[0] += 1


def _finder(layout: BinLayout, index: int) -> Callable[[Prediction], int]:
    """Return a function that returns the bin of a prediction of one row.

    :param layout: all bins
    :param index: the index of the output in the layout
    """
    output, column = layout.outputs[index], len(layout.fields) + index
    bins, offset = output.bins, int(layout.offsets[column])
    if not isinstance(bins, NumberBins):
        codes = layout.codes_of(column)
        if output.method == "predict":
            return lambda prediction: codes[prediction.outputs.item()]
        return lambda prediction: codes[_value(output, prediction)]
    edges, times, missing = bins.edges.tolist(), bins.times, offset + bins.missing

    def bin_of(prediction: Prediction) -> int:
        outputs = prediction.outputs
        is_plain = type(outputs) is np.ndarray and outputs.size == 1
        value = outputs.item() if is_plain else _value(output, prediction)
        if times is not None:
            value = times.number(value)
        return offset + bisect_right(edges, value) if value == value else missing

    return bin_of


def _value(output: Output, prediction: Prediction) -> Any:
    """Return the prediction for one row, nan if it has an unexpected form."""
    outputs = prediction.outputs
    if type(outputs) is np.ndarray and outputs.size == 1:
        return outputs.item()
    values = output_values(output, outputs, prediction.classes)
    return nan if values is None else values[0]


class _Batch:
    """The rows of one prediction, to be counted part by part.

    :param layout: the bins
    :param prediction: the prediction
    """

    def __init__(self, layout: BinLayout, prediction: Prediction) -> None:
        self.rows = prediction.rows
        self._layout = layout
        self._matrix, self._columns = _inputs(layout, prediction.X)
        self._outputs = [
            (index, column)
            for index, output in enumerate(layout.outputs)
            if output.method == prediction.method
            and (column := _output_column(output, prediction)) is not None
        ]

    def count(self, first: int, last: int) -> tuple[Array, FloatArray]:
        """Return the counts of some of the rows, and the sums of their numbers."""
        layout, part = self._layout, slice(first, last)
        matrix = self._matrix[part]
        bins = layout.fold(layout.cumulative(matrix), last - first)
        for index, values in self._columns:
            count_values(values[part], layout.codes[index], bins)
        for index, values in self._outputs:
            _count_output(layout, index, values[part], bins)
        with np.errstate(over="ignore", invalid="ignore"):
            sums: FloatArray = np.add.reduce(matrix, axis=0, where=matrix == matrix)
        return bins, sums


def _inputs(layout: BinLayout, X: ModelInput) -> tuple[FloatArray, list[tuple[int, Any]]]:
    if not layout.fields:
        return np.empty((0, 0)), []
    return layout.number_matrix(X), layout.category_columns(X)


def _output_column(output: Output, prediction: Prediction) -> Any:
    values = output_values(output, prediction.outputs, prediction.classes)
    if isinstance(output.bins, NumberBins):
        return None if values is None else floats_of(values, output.bins.times)
    return values


def _count_output(layout: BinLayout, index: int, values: Any, counts: Array) -> None:
    """Add predictions to the counts of their bins."""
    bins, column = layout.outputs[index].bins, len(layout.fields) + index
    if not isinstance(bins, NumberBins):
        count_values(values, layout.codes_of(column), counts)
        return
    found = np.searchsorted(bins.edges, values, side="right")
    found[values != values] = bins.missing
    offset = int(layout.offsets[column])
    counts[offset : offset + len(bins.expected)] += np.bincount(found, minlength=len(bins.expected))


def _row_of(frame: DeferredFrame) -> Sequence[Any]:
    """Return the only row of a data frame that has no matrix."""
    return [column[0] for column in frame.columns] if frame.row is None else frame.row


def _picker(numbers: Sequence[int], width: int) -> Callable[[Any], Any] | None:
    """Return a function that picks the numbers of a row, None if a row has only numbers."""
    if len(numbers) == width:
        return None
    if len(numbers) > 1:
        return itemgetter(*numbers)
    return lambda row: [row[index] for index in numbers]
