"""Batches of rows from a file of training data, so that a larger file takes no more memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from flask_skmodels.exceptions import ArtifactError, in_one_line
from flask_skmodels.hints import install_line
from flask_skmodels.schema.types import ArrowColumn, ArrowSchema, ArrowTable, ArrowType

ROWS = 2**16  # of a batch
LINES = 10_000  # of a batch of NDJSON
# The texts that pandas.read_csv reads as missing values.
MISSING = ["", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND"]
MISSING += ["1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"]
_MAX_LINE_BYTES = 2**20  # bytes
_FIRST_LINES = 20  # in which semicolons are counted
_SEMICOLONS = "the values are separated by semicolons: separate them with commas"
_INDEX = "__index_level_"  # pandas' name for the index of a frame in a file
_INFERRED = ("int64", "float64", "bool_")

Batch = Mapping[str, Any]
"""The columns of some rows by name: arrays of Arrow, or lists of Python objects."""


class TrainingFile:
    """A file of training data: CSV, Parquet, Arrow or NDJSON, by the suffix of its name.

    :param path: the file
    :raises ArtifactError: the suffix is unknown, pyarrow is missing, or the file cannot be read
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.suffix.lower() not in _READERS:
            known = ", ".join(_READERS)
            raise ArtifactError(path, f"the name of training data must end with one of {known}")
        self._read = _READERS[path.suffix.lower()]
        self.is_csv = path.suffix.lower() == ".csv"
        self.pandas_dtypes: Mapping[str, str] = {}
        self._semicolons = _semicolons(path) if self.is_csv else []
        with _one_line_errors(path, _SEMICOLONS if self._semicolons else None):
            if self._read is not _read_ndjson:
                self.pandas_dtypes = _pandas_dtypes(self._arrow_schema())
            self.names = self._names()

    def check_separator(self, *, is_named: bool = False) -> None:
        """Check that semicolons do not separate the values; a column's name may contain one.

        :param is_named: whether the names of the columns are not those of the model
        :raises ArtifactError: semicolons separate the values
        """
        if self._semicolons and (is_named or len({*self._semicolons}) == 1):
            raise ArtifactError(self.path, _SEMICOLONS)

    def batches(self, names: Sequence[str]) -> Iterator[Batch]:
        """Yield the rows in batches.

        :param names: the columns to read
        :raises ArtifactError: the file cannot be read
        """
        with _one_line_errors(self.path):
            yield from self._read(self.path, list(names))

    def _arrow_schema(self) -> ArrowSchema:
        if self.is_csv:
            return _import("pyarrow.csv").open_csv(self.path).schema
        if self._read is _read_parquet:
            return _import("pyarrow.parquet").read_schema(self.path)
        with _import("pyarrow").memory_map(str(self.path)) as source:
            return _opened_arrow(source).schema

    def _names(self) -> list[str]:
        if self._read is _read_ndjson:
            first = next(_read_ndjson(self.path, None), {})
            return list(first)
        names = self._arrow_schema().names
        return [name for name in names if not name.startswith(_INDEX)]


def _semicolons(path: Path) -> list[int]:
    """Return the number of semicolons in each of the first lines, none if the header has commas."""
    with _one_line_errors(path), path.open("rb") as file:
        lines = [line for _ in range(_FIRST_LINES) if (line := file.readline(_MAX_LINE_BYTES))]
    is_possible = bool(lines) and b";" in lines[0] and b"," not in lines[0]
    return [line.count(b";") for line in lines if line.strip()] if is_possible else []


def _import(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        needed = f"pyarrow is not installed. To install it: {install_line('arrow')}"
        raise ModuleNotFoundError(needed) from error


class _one_line_errors:  # noqa: N801 - a context manager, named like those of contextlib
    """A context in which each error is an :class:`ArtifactError` for a file.

    :param path: the file
    :param reason: the reason of all errors, if it is known
    """

    def __init__(self, path: Path, reason: str | None = None) -> None:
        self._path = path
        self._reason = reason

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if isinstance(error, ModuleNotFoundError):
            raise ArtifactError(self._path, str(error)) from error
        if isinstance(error, Exception) and not isinstance(error, ArtifactError):
            reason = self._reason or f"it cannot be read: {in_one_line(error)}"
            raise ArtifactError(self._path, reason) from error


def _pandas_dtypes(schema: ArrowSchema) -> dict[str, str]:
    """Return the dtypes of the data frame that was written to a file, if pandas has written it."""
    columns = (schema.pandas_metadata or {}).get("columns", ())
    return {
        str(each["name"]): str(each["numpy_type"])
        for each in columns
        if each.get("name") is not None and each["pandas_type"] != "categorical"
    }


def _read_csv(path: Path, names: list[str]) -> Iterator[Batch]:
    """Yield batches of a CSV file.

    The types are inferred from all rows, in a first pass: if they were inferred from the first rows
    alone, a later row could contradict them.
    """
    pyarrow = _import("pyarrow")
    texts = dict.fromkeys(names, pyarrow.string())
    candidates = {name: [getattr(pyarrow, kind)() for kind in _INFERRED] for name in names}
    for batch in _csv_batches(path, names, texts):
        for name in names:
            column = batch.column(name)
            kept = (kind for kind in candidates[name] if _can_cast(column, kind))
            candidates[name] = list(kept)
    types = {name: (kinds or [pyarrow.string()])[0] for name, kinds in candidates.items()}
    for batch in _csv_batches(path, names, types):
        yield _columns_of(batch)


def _csv_batches(path: Path, names: list[str], types: Mapping[str, Any]) -> Iterator[ArrowTable]:
    csv = _import("pyarrow.csv")
    options = csv.ConvertOptions(
        column_types=types,
        include_columns=names,
        null_values=MISSING,
        strings_can_be_null=True,
    )
    with csv.open_csv(path, convert_options=options) as reader:
        yield from reader


def _can_cast(column: ArrowColumn, kind: ArrowType) -> bool:
    try:
        column.cast(kind)
    except (ValueError, NotImplementedError):  # pyarrow's exceptions are subclasses of these
        return False
    return True


def _read_parquet(path: Path, names: list[str]) -> Iterator[Batch]:
    with _import("pyarrow.parquet").ParquetFile(path, pre_buffer=False) as file:
        for batch in file.iter_batches(ROWS, columns=names, use_threads=False):
            yield _columns_of(batch)


def _read_arrow(path: Path, names: list[str]) -> Iterator[Batch]:
    pyarrow = _import("pyarrow")
    with pyarrow.memory_map(str(path)) as source:
        reader = _opened_arrow(source)
        count = getattr(reader, "num_record_batches", None)
        batches = reader if count is None else map(reader.get_batch, range(count))
        for batch in batches:
            yield _columns_of(batch.select(names))


def _opened_arrow(source: Any) -> Any:
    """Return the reader of an Arrow file or of an Arrow stream."""
    pyarrow = _import("pyarrow")
    try:
        return pyarrow.ipc.open_file(source)
    except pyarrow.ArrowInvalid:
        source.seek(0)
        return pyarrow.ipc.open_stream(source)


def _columns_of(batch: ArrowTable) -> Batch:
    return dict(zip(batch.schema.names, batch.columns, strict=True))


def _read_ndjson(path: Path, names: list[str] | None) -> Iterator[Batch]:
    """Yield batches of a file with one JSON object on each line."""
    with path.open("rb") as file:
        lines = (line for line in file if line.strip())
        while part := list(islice(lines, LINES)):
            rows = [orjson.loads(line) for line in part]
            if not all(isinstance(row, dict) for row in rows):
                raise ValueError("a line is not a JSON object")
            known = names or list(dict.fromkeys(name for row in rows for name in row))
            yield {name: [row.get(name) for row in rows] for name in known}


_READERS: dict[str, Callable[[Path, Any], Iterator[Batch]]] = {
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    ".arrow": _read_arrow,
    ".feather": _read_arrow,
    ".ndjson": _read_ndjson,
    ".jsonl": _read_ndjson,
}
