"""The bins of all columns of a version, and the counts of rows in these bins as one array.

Numbers are binned together: a row is compared with all edges of all columns at once, which shows
for each edge whether the value is at or above it. The sums over rows are cumulative counts, and the
count of a bin is the difference of two of them. The bin of a text is found in a dictionary.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
import orjson

from flask_skmodels.estimators.profile.column_profile import ColumnProfile
from flask_skmodels.estimators.profile.profile import Profile
from flask_skmodels.schema.schema import FixedSchema
from flask_skmodels.schema.tabular import Tabular, matrix_of
from flask_skmodels.schema.types import (
    Array,
    ColumnValues,
    FieldValue,
    FloatArray,
    ModelInput,
    ModelOutput,
    Values,
)
from flask_skmodels.telemetry.drift.bins import (
    CategoryBins,
    ColumnBins,
    NumberBins,
    Times,
    column_bins,
)
from flask_skmodels.versions.version import ModelVersion

PART = 250  # rows that are compared with the edges at a time, so that a count fits into one byte
PREDICTIONS = ("predict", "predict_proba")


class Output:
    """A column of the predictions of a method.

    :ivar name: the name of the column; the name of the method if it is the only column
    :ivar method: the name of the method
    :ivar index: the index of the column among the outputs of ``predict``
    :ivar bins: the bins of the column
    """

    def __init__(self, method: str, index: int, bins: ColumnBins) -> None:
        self.name = bins.name
        self.method = method
        self.index = index
        self.bins = bins


class BinLayout:
    """The bins of the fields and predictions of a version, one after the other.

    :param fields: the bins of the fields, in the order of the columns of X
    :param outputs: the columns of the predictions
    :ivar columns: the bins of the fields and then of the predictions
    :ivar offsets: the index of the first bin of each column, and the number of all bins
    :ivar numbers: the indices of the columns of X that hold numbers
    :ivar categories: the indices of the other columns of X
    :ivar edges: the edges of the columns of numbers, shape (edges, columns); the first is minus
        infinity; after the last edge of a column follow nan, above which there is nothing
    :ivar predicted: the index of the output that is compared together with the row, None if there
        is no such output
    :ivar row_edges: the edges of a row and this output, shape (edges, columns)
    :ivar digest: identifies the bins
    """

    def __init__(self, fields: Sequence[ColumnBins], outputs: Sequence[Output]) -> None:
        self.numbers = _indices(fields, NumberBins)
        self.categories = _indices(fields, CategoryBins)
        self.outputs = tuple(outputs)
        self.predicted = _predicted(outputs)
        last = [] if self.predicted is None else [outputs[self.predicted].bins]
        self.row_edges = _edges_of([*fields, *last])
        self.edges = self.row_edges[:, : len(self.numbers)]
        self.fields = tuple(_with_edges(fields, self.edges))
        self.columns = (*self.fields, *(output.bins for output in self.outputs))
        sizes = [len(column.expected) for column in self.columns]
        self.offsets = np.concatenate([[0], np.cumsum(sizes, dtype=np.intp)])
        self.size = int(self.offsets[-1])
        self.bins_of_numbers = [c for c in self.fields if isinstance(c, NumberBins)]
        self.times = list(_times(self.fields))
        self._set_bars()
        self._set_targets()
        self.codes = {int(index): self.codes_of(index) for index in self.categories}
        self.digest = sha256(orjson.dumps(self._identity(), default=repr)).hexdigest()

    def _set_bars(self) -> None:
        pairs = list(zip(self.columns, self.offsets[:-1].tolist(), strict=True))
        starts = [offset + start for column, offset in pairs for start in column.starts]
        counts = [len(column.starts) for column in self.columns]
        self.starts = np.array(starts, dtype=np.int32)
        self.bar_offsets = np.concatenate([[0], np.cumsum(counts, dtype=np.intp)])

    def _set_targets(self) -> None:
        """Set the bins to which the differences of cumulative counts belong."""
        bins, width = self.bins_of_numbers, len(self.numbers)
        sources: list[int] = []
        targets: list[int] = []
        for index, (number, column) in enumerate(zip(self.numbers, bins, strict=True)):
            count, offset = len(column.edges) + 1, int(self.offsets[number])
            sources += range(index, index + count * width, width)
            targets += range(offset, offset + count)
        self._sources = np.array(sources, dtype=np.intp)
        self._targets = np.array(targets, dtype=np.intp)
        missing = [self.offsets[n] + c.missing for n, c in zip(self.numbers, bins, strict=True)]
        self._missing = np.array(missing, dtype=np.intp)

    def _identity(self) -> list[Any]:
        shares = [[column.name, column.expected.tolist()] for column in self.columns]
        edges = [bins.edges.tolist() for bins in self.columns if isinstance(bins, NumberBins)]
        codes = [list(map(repr, codes.items())) for codes in self.codes.values()]
        return [shares, edges, codes]

    @property
    def expected(self) -> FloatArray:
        """For each bin, its share in the training data."""
        return np.concatenate([np.zeros(0), *(column.expected for column in self.columns)])

    @cached_property
    def expected_bars(self) -> FloatArray:
        """For each bar, its share in the training data."""
        return np.add.reduceat(self.expected, self.starts) if self.columns else np.zeros(0)

    def codes_of(self, index: int) -> Codes:
        """Return the bins of the values of a column, among all bins of the layout."""
        column = self.columns[index]
        if not isinstance(column, CategoryBins):
            raise TypeError("a column of numbers has no codes")
        return Codes(column, int(self.offsets[index]))

    def fold(self, cumulative: Array, rows: int) -> Array:
        """Return the counts in the bins of numbers; the counts of all other bins are 0.

        :param cumulative: for each edge, the number of values at or above it, in the shape of
            :attr:`edges`
        :param rows: the number of rows
        """
        counts = np.zeros(self.size, dtype=np.int64)
        if len(self.numbers):
            exact = cumulative.astype(np.int64)
            counts[self._targets] = (exact[:-1] - exact[1:]).take(self._sources)
            counts[self._missing] = rows - exact[0]
        return counts

    def fold_row_counts(self, counts: Array) -> tuple[Array, int]:
        """Return the counts in the bins of the fields and of the output that is a number.

        :param counts: for each edge of :attr:`row_edges`, the number of values at or above it, and
            then the number of rows
        :returns: the counts, and the number of rows
        """
        # Another process may add a row meanwhile: never return fewer rows than there are values.
        rows = int(counts.max())
        cumulative = counts[:-1].reshape(self.row_edges.shape)
        bins = self.fold(cumulative[:, : len(self.numbers)], rows)
        if self.predicted is not None:
            column = self.outputs[self.predicted].bins
            offset, count = int(self.offsets[len(self.fields) + self.predicted]), column.missing
            exact = cumulative[: count + 1, -1].astype(np.int64)
            bins[offset : offset + count] = exact[:-1] - exact[1:]
        return bins, rows

    def cumulative(self, matrix: FloatArray) -> Array:
        """Return, for each edge, the number of values at or above it.

        :param matrix: the columns of numbers, shape (rows, columns)
        """
        total = np.zeros(self.edges.shape, dtype=np.int64)
        for start in range(0, len(matrix), PART):
            part = matrix[start : start + PART, np.newaxis, :]
            total += np.add.reduce((part >= self.edges).view(np.uint8), axis=0, dtype=np.uint8)
        return total

    def number_matrix(self, X: ModelInput) -> FloatArray:
        """Return the columns of numbers of X as an array, nan for a missing value."""
        matrix = matrix_of(X)
        if matrix is not None and matrix.dtype.kind in "fiub" and not self.times:
            chosen = matrix if len(self.numbers) == matrix.shape[1] else matrix[:, self.numbers]
            return np.ascontiguousarray(chosen, dtype=np.float64)
        result = np.empty((len(X), len(self.numbers)))
        times = dict(self.times)
        for index, number in enumerate(self.numbers):
            column = values_in_column(X, number, self.fields[number].source.name)
            result[:, index] = floats_of(column, times.get(number))
        return result

    def category_columns(self, X: ModelInput) -> list[tuple[int, ColumnValues]]:
        """Return the index and the values of each column of X that does not hold numbers."""
        pairs = ((int(index), self.fields[index].source.name) for index in self.categories)
        return [(index, values_in_column(X, index, name)) for index, name in pairs]


class Codes(dict[FieldValue, int]):
    """The index of the bin of each value of a column of categories.

    :param bins: the bins of the column
    :param offset: the index of the column's first bin
    """

    def __init__(self, bins: CategoryBins, offset: int) -> None:
        super().__init__({value: offset + code for value, code in bins.codes.items()})
        self._default = offset + bins.default
        self._missing = offset + bins.missing

    def __missing__(self, value: FieldValue) -> int:
        return self._missing if value != value else self._default


def count_values(values: ColumnValues, codes: Codes, counts: Array) -> None:
    """Add the values of a column of categories to the counts of its bins."""
    plain = values.tolist() if isinstance(values, np.ndarray) else values
    try:
        occurrences = Counter(plain)
    except TypeError:  # a list or a mapping, which has no bin
        occurrences = Counter(str(value) for value in plain)
    for value, count in occurrences.items():
        counts[codes[value]] += count


def values_in_column(X: ModelInput, index: int, name: str) -> ColumnValues:
    """Return the values of one column of X.

    :param index: the index of the column
    :param name: the name of the column, which is the key if X is a list of mappings
    """
    if isinstance(X, Tabular):
        return X.validated_columns([index])[0]
    if isinstance(X, np.ndarray):
        return X[:, index]
    return [row.get(name) if isinstance(row, Mapping) else row for row in X]


def floats_of(values: ColumnValues, times: Any) -> FloatArray:
    """Return the values of a column of numbers or times as floats, and nan for any other value."""
    if times is not None:
        plain = values.tolist() if isinstance(values, np.ndarray) else values
        return np.array([times.number(value) for value in plain])
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return np.array([_float(value) for value in values])


def _float(value: FieldValue) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return np.nan


def _indices(columns: Sequence[ColumnBins], kind: type[ColumnBins]) -> Array:
    return np.array([i for i, each in enumerate(columns) if isinstance(each, kind)], dtype=np.intp)


def _edges_of(columns: Sequence[ColumnBins]) -> FloatArray:
    """Return the edges of all columns of numbers; see :class:`BinLayout`."""
    bins = [column for column in columns if isinstance(column, NumberBins)]
    height = 2 + max((len(column.edges) for column in bins), default=0)
    edges = np.full((height, len(bins)), np.nan)
    edges[0] = -np.inf
    for index, column in enumerate(bins):
        edges[1 : 1 + len(column.edges), index] = column.edges
    return edges


def _with_edges(columns: Sequence[ColumnBins], edges: FloatArray) -> Iterator[ColumnBins]:
    """Yield columns whose edges are views of the array of all edges, to save memory."""
    index = 0
    for column in columns:
        if isinstance(column, NumberBins):
            yield replace(column, edges=edges[1 : 1 + len(column.edges), index])
            index += 1
        else:
            yield column


def _predicted(outputs: Sequence[Output]) -> int | None:
    """Return the index of the first output whose values are numbers, None if there is none.

    If a method has several outputs, there is none.
    """
    methods = {output.method for output in outputs}
    for index, output in enumerate(outputs):
        bins = output.bins
        is_plain = output.method == "predict" and len(methods) == len(outputs)
        if is_plain and isinstance(bins, NumberBins) and bins.times is None:
            return index
    return None


def _times(columns: Sequence[ColumnBins]) -> Iterator[tuple[int, Times]]:
    """Yield the indices of the columns of times, and what turns their values into numbers."""
    for index, column in enumerate(columns):
        if isinstance(column, NumberBins) and column.times is not None:
            yield index, column.times


def bin_layout_of(version: ModelVersion) -> BinLayout | None:
    """Return the bins of a version, None if it has no profile."""
    profile = version.profile
    if profile is None:
        return None
    return BinLayout(_fields(version, profile), _outputs(version, profile))


def layout_of_outputs(layout: BinLayout) -> BinLayout:
    """Return only the bins of the predictions, for counting those of another version."""
    return BinLayout((), layout.outputs)


def _fields(version: ModelVersion, profile: Profile) -> list[ColumnBins]:
    """Return the bins of the columns of X, each by the name that clients use."""
    schema = version.schema
    if not isinstance(schema, FixedSchema):
        return []
    by_name = {column.name: column for column in profile.columns}
    fields = schema.column_fields
    profiles: list[ColumnProfile] = list(profile.columns)
    if {field.column.name for field in fields} <= by_name.keys():
        profiles = [by_name[field.column.name] for field in fields]
    elif len(profiles) != len(fields):
        return []
    return [column_bins(each, field.name) for each, field in zip(profiles, fields, strict=True)]


def _outputs(version: ModelVersion, profile: Profile) -> list[Output]:
    """Return the columns of predictions that the profile describes.

    Probabilities are counted as the most probable class of each row.
    """
    columns = profile.predictions
    outputs = []
    if "predict" in version.methods:
        for index, column in enumerate(columns):
            name = "predict" if len(columns) == 1 else f"predict_{index}"
            outputs.append(Output("predict", index, column_bins(column, name)))
    classes = version.classes("predict_proba") if "predict_proba" in version.methods else None
    if classes and len(columns) == 1 and not isinstance(classes[0], list):
        outputs.append(Output("predict_proba", 0, column_bins(columns[0], "predict_proba")))
    return outputs


def output_values(output: Output, outputs: ModelOutput, classes: Values | None) -> Any:
    """Return the column of the predictions of one call, None if there is no such column.

    :param outputs: the return value of the method
    :param classes: the classes that the columns of the outputs stand for
    """
    array = np.asarray(outputs)
    if output.method == "predict_proba":
        if array.ndim != 2 or classes is None or array.shape[1] != len(classes):
            return None
        return [classes[index] for index in array.argmax(axis=1).tolist()]
    if array.ndim == 1:
        return array if output.index == 0 else None
    return array[:, output.index] if array.ndim == 2 and output.index < array.shape[1] else None
