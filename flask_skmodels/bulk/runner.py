"""A run of bulk scoring: chunks are read, predicted by an executor, and written in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from time import perf_counter
from typing import Any

from flask_skmodels.bulk.batch import BatchResult, EstimatorFailed, score_chunk
from flask_skmodels.bulk.chunk_signals import ChunkSignals
from flask_skmodels.bulk.chunks import (
    ArrowContent,
    Chunk,
    LineContent,
    columns_to_read,
    key_type,
    missing_columns,
)
from flask_skmodels.bulk.executors.choice import open_executor
from flask_skmodels.bulk.executors.executor import ChunkTask, Executor
from flask_skmodels.bulk.fingerprints import model_fingerprint
from flask_skmodels.bulk.options import Options
from flask_skmodels.bulk.output_columns import arrow_schema, chunk_outputs
from flask_skmodels.bulk.part_files import write_tables
from flask_skmodels.bulk.progress import Progress, Watch, unwatched
from flask_skmodels.bulk.rejects import errors_text, in_words, rejects_of, rejects_schema
from flask_skmodels.bulk.sinks import STANDARD_OUTPUT, Sink
from flask_skmodels.bulk.sources import FileSource, RowSource
from flask_skmodels.bulk.staging import Staging
from flask_skmodels.bulk.summary import Summary
from flask_skmodels.codecs.json_text import loads
from flask_skmodels.exceptions import InvalidInput, ScoringError, TooManyRejects
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.schema.schema import Schema
from flask_skmodels.schema.types import ArrowSchema, ArrowTable, ArrowType, JSONMapping, JSONObject
from flask_skmodels.signals import Sender
from flask_skmodels.versions.version import ModelVersion

_AHEAD = 2  # chunks for each worker that are being predicted or wait for a worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """The model of a run, and the application that it belongs to.

    :param sender: the application
    :param deployment: the model
    :param version: the version, the same for the whole run
    :param artifact: the file of the model as the application declares it, None for an estimator in
        memory
    :param policy: the requirements of the application for files
    """

    sender: Sender
    deployment: Deployment
    version: ModelVersion
    artifact: Any
    policy: Any


@dataclass(slots=True)
class _Totals:
    """The counts of a run so far."""

    rows: int = 0
    scored: int = 0
    rejected: int = 0
    chunks: int = 0
    resumed: int = 0


@dataclass
class Run:
    """A run.

    :param scoring: the model
    :param source: the rows
    :param options: the options
    :param watch: called after each chunk
    """

    scoring: Scoring
    source: RowSource
    options: Options
    watch: Watch = unwatched
    _totals: _Totals = field(default_factory=_Totals)

    def __post_init__(self) -> None:
        version, options = self.scoring.version, self.options
        version.callable(options.method)  # raises if the version does not serve the method
        self._started = perf_counter()
        self._types: Mapping[str, ArrowType] | None = None
        self._signals = ChunkSignals(
            self.scoring.sender, version, options.method, tuple(options.keep)
        )
        self._progress = Progress(total=None, workers=1)

    def to_sink(self, sink: Sink, rejects: Sink) -> Summary:
        """Score all rows, and write them to a sink when all are scored.

        :param sink: the output
        :param rejects: the output of the rejected rows
        :raises TooManyRejects: too many rows are rejected
        :raises ScoringError: the run cannot begin or has failed
        """
        staging = Staging(sink, rejects)
        with staging.lock:
            staging.open(self._described(sink, rejects), resume=self.options.resume)
            manifest = staging.manifest
            if manifest.summary is not None:
                return self._summary_of_earlier(manifest.summary)
            if self.options.resume and manifest.chunks and self.source.fingerprint() is None:
                raise ScoringError("a source without a name cannot be resumed")
            for chunk, result in self._results(staging):
                self._write(staging, chunk, result)
            self._check_share()
            self._write_empty(staging)
            written = staging.publish()
            summary = self._summary(sink.name, written)
            manifest.finish(summary.as_dict())
        return summary

    def to_stream(self, form: Any, stream: Any, rejects: Any = None) -> Summary:
        """Score all rows, and write them to a stream as they are scored.

        :param form: the format
        :param stream: an object with ``write``
        :param rejects: called with the Arrow table of the rejected rows of each chunk
        """
        tables = self._tables(rejects)
        first = next(tables, None)
        schema = self._empty_schema() if first is None else first.schema
        given = tables if first is None else chain([first], tables)
        if form.name == "arrow":
            pyarrow = import_module("pyarrow")
            with pyarrow.ipc.new_stream(pyarrow.PythonFile(stream, "w"), schema) as writer:
                for table in given:
                    writer.write_table(table)
        else:
            write_tables(schema, given, stream, form)
        self._check_share()
        return self._summary(STANDARD_OUTPUT, None)

    def first_chunk(self) -> tuple[Chunk, BatchResult] | None:
        """Return the first chunk and its result, None if there are no rows; nothing is written."""
        chunk = next(self.source.chunks(self.options.chunk_rows, self._columns()), None)
        if chunk is None:
            return None
        types = self._key_types(chunk)
        return chunk, score_chunk(self.scoring.version, self.options.method, chunk, types)

    def columns_of(self, result: BatchResult) -> dict[str, str]:
        """Return the names and types of the columns of the output."""
        table = self._joined(result, self._outputs(result, None))
        return {field.name: str(field.type) for field in table.schema}

    def _described(self, sink: Sink, rejects: Sink) -> JSONObject:
        """Return, as values for JSON, what must be unchanged when the run is resumed."""
        return {
            "library": library_version(),
            "input": self.source.fingerprint(),
            "model": model_fingerprint(self.scoring.version),
            "option": self.options.that_count(sink.form.suffix, rejects.name),
        }

    def _columns(self) -> list[str] | None:
        """Return the columns to read, None for all.

        :raises ScoringError: a column is missing
        """
        names, schema = self.source.names(), self.scoring.version.schema
        if names is None:
            return None
        is_csv = isinstance(self.source, FileSource) and self.source.format.name == "csv"
        self._check_columns(names, is_csv=is_csv)
        read = columns_to_read(names, schema, self.options.keep)
        return list(dict.fromkeys([*self.options.keep, *read]))

    def _check_columns(self, names: list[str], *, is_csv: bool) -> None:
        schema = self.scoring.version.schema
        if is_csv and _has_semicolons(names, schema):
            raise ScoringError(
                "the values of the source are separated by semicolons: separate them with commas"
            )
        missing = [name for name in self.options.keep if name not in names]
        missing += missing_columns(names, schema)
        if missing:
            needed = ", ".join(map(repr, dict.fromkeys(missing)))
            known = ", ".join(names[:20])
            raise ScoringError(f"the source has no column {needed}; its columns: {known}")

    def _key_types(self, chunk: Chunk) -> Mapping[str, ArrowType]:
        """Return the key columns with their types: from the source, or else from the first chunk.

        :raises ScoringError: a column is missing
        """
        if self._types is None:
            keep, content = self.options.keep, chunk.content
            types = self.source.key_types(keep)
            if types is None and isinstance(content, LineContent):
                types = _types_of_lines(content, keep)
            elif types is None:
                types = self._types_of_columns(content)
            self._types = types
        return self._types

    def _types_of_columns(self, content: Any) -> dict[str, ArrowType]:
        """Return the types of the key columns of a chunk with columns; in CSV they are texts."""
        is_csv = not isinstance(content, ArrowContent)
        self._check_columns(content.column_names, is_csv=is_csv)
        if not is_csv:
            schema = content.table.schema
            return {name: schema.field(name).type for name in self.options.keep}
        return dict.fromkeys(self.options.keep, import_module("pyarrow").string())

    def _results(self, staging: Staging | None) -> Iterator[tuple[Chunk, BatchResult]]:
        """Yield each chunk that is not finished with its result, in order."""
        options = self.options
        columns = self._columns()
        executor = self._executor()
        self._progress = Progress(total=self.source.rows(), workers=executor.workers)
        waiting: deque[tuple[Chunk, Any]] = deque()
        is_done = False
        try:
            for chunk in self.source.chunks(options.chunk_rows, columns):
                types = self._key_types(chunk)
                if staging is not None and self._is_finished(staging, chunk):
                    continue
                waiting.append((chunk, executor.submit(ChunkTask(options.method, types), chunk)))
                if len(waiting) > _AHEAD * executor.workers:
                    yield self._result(*waiting.popleft())
            while waiting:
                yield self._result(*waiting.popleft())
            is_done = True
        finally:
            executor.close(at_once=not is_done)

    def _executor(self) -> Executor:
        options, scoring = self.options, self.scoring
        return open_executor(
            options.engine,
            scoring.version,
            scoring.artifact,
            scoring.policy,
            jobs=options.jobs,
            address=options.address,
            threads=scoring.deployment.threads,
        )

    def _is_finished(self, staging: Staging, chunk: Chunk) -> bool:
        """Return whether an earlier run has finished a chunk; if so, count it."""
        entry = staging.manifest.chunks.get(chunk.index)
        if entry is None:
            return False
        found = (chunk.source, chunk.first_row, len(chunk.content))
        if found != (entry.source, entry.first_row, entry.rows):
            raise ScoringError(f"cannot resume: the rows of chunk {chunk.index} have changed")
        self._count(entry.rows, entry.rejected)
        self._totals.resumed += 1
        self._progress.resumed += entry.rows
        return True

    def _result(self, chunk: Chunk, pending: Any) -> tuple[Chunk, BatchResult]:
        """Wait for the result of a chunk, and send its signals."""
        last = chunk.first_row + len(chunk.content) - 1
        place = f"rows {chunk.first_row} to {last} of {chunk.source}"
        try:
            result: BatchResult = pending.result()
        except EstimatorFailed as error:
            self._signals.send_failure(chunk, error)
            raise ScoringError(f"the model fails on {place}: {error}") from error
        except InvalidInput as error:
            raise ScoringError(f"{place} do not match the model: {error}") from error
        if self.options.fail_fast and result.errors:
            row = result.rejected[0]
            raise TooManyRejects(
                f"row {chunk.first_row + row} of {chunk.source} is rejected: "
                f"{in_words(errors_text(result.errors[row]))}"
            )
        self._signals.send_result(chunk, result)
        return chunk, result

    def _write(self, staging: Staging, chunk: Chunk, result: BatchResult) -> None:
        """Write the result of a chunk; the first result decides the schema of all."""
        schemas = staging.schemas
        outputs = self._outputs(result, None if schemas is None else schemas[0])
        table = self._joined(result, outputs)
        if schemas is None:
            table = table.replace_schema_metadata(self._metadata())
            schemas = table.schema, rejects_schema(self._types or {})
            staging.set_schemas(*schemas)
        entry = {
            "chunk": chunk.index,
            "source": chunk.source,
            "first_row": chunk.first_row,
            "rows": result.count,
            "scored": result.count - len(result.errors),
            "rejected": len(result.errors),
        }
        rejects = rejects_of(chunk, result, schemas[1]) if result.errors else None
        staging.write(entry, table.cast(schemas[0]), rejects)
        self._count(result.count, len(result.errors))
        self._check_limit()

    def _outputs(self, result: BatchResult, schema: ArrowSchema) -> ArrowTable:
        """Return the predictions of a chunk as an Arrow table.

        :param schema: the schema of the output, None before the first chunk is written
        """
        if schema is not None:
            fields = [schema.field(index) for index in range(len(self.options.keep), len(schema))]
            return chunk_outputs(result, import_module("pyarrow").schema(fields))
        known = None
        if result.prediction is None:
            known = arrow_schema(self.scoring.version, self.options.method)
            if known is None:
                raise ScoringError(
                    "no row of the first chunk can be scored, so the columns of the prediction are "
                    "not known: give the model examples"
                )
        return chunk_outputs(result, known)

    def _joined(self, result: BatchResult, outputs: ArrowTable) -> ArrowTable:
        keys = result.scored_keys()
        names = [*keys.column_names, *outputs.column_names]
        pyarrow = import_module("pyarrow")
        return pyarrow.Table.from_arrays([*keys.columns, *outputs.columns], names=names)

    def _tables(self, rejects: Any) -> Iterator[ArrowTable]:
        schema = None
        for chunk, result in self._results(None):
            table = self._joined(result, self._outputs(result, schema))
            if schema is None:
                schema = table.replace_schema_metadata(self._metadata()).schema
            if result.errors and rejects is not None:
                rejects(rejects_of(chunk, result, rejects_schema(self._types or {})))
            self._count(result.count, len(result.errors))
            self._check_limit()
            yield table.cast(schema)

    def _metadata(self) -> dict[str, str]:
        """Return what the metadata of the output says about the model."""
        version = self.scoring.version
        described = {
            "model": version.name,
            "version": version.label,
            "method": self.options.method,
            "sha256": version.sha256,
            "library": f"Flask-SKModels {library_version()}",
        }
        return {f"skmodels.{k}": value for k, value in described.items() if value is not None}

    def _count(self, rows: int, rejected: int) -> None:
        totals, progress = self._totals, self._progress
        totals.rows += rows
        totals.rejected += rejected
        totals.scored += rows - rejected
        totals.chunks += 1
        progress.rows, progress.rejected = totals.rows, totals.rejected
        self.watch(progress)

    def _check_limit(self) -> None:
        limit = self.options.reject_limit
        if limit is not None and limit.is_exceeded(self._totals.rejected, None):
            self._raise_too_many(limit.text)

    def _check_share(self) -> None:
        limit = self.options.reject_limit
        if limit is not None and limit.is_exceeded(self._totals.rejected, self._totals.rows):
            self._raise_too_many(limit.text)

    def _raise_too_many(self, limit: str) -> None:
        totals = self._totals
        raise TooManyRejects(
            f"{totals.rejected:,} of {totals.rows:,} rows are rejected, but at most {limit} are "
            "allowed"
        )

    def _write_empty(self, staging: Staging) -> None:
        """Decide the schema of an output without chunks."""
        if staging.schemas is None:
            schema = self._empty_schema()
            staging.set_schemas(schema, rejects_schema(self._types or {}))

    def _empty_schema(self) -> ArrowSchema:
        pyarrow = import_module("pyarrow")
        keep = self.options.keep
        types = self.source.key_types(keep) or dict.fromkeys(keep, pyarrow.string())
        self._types = types
        outputs = arrow_schema(self.scoring.version, self.options.method) or []
        return pyarrow.schema([*types.items(), *outputs], metadata=self._metadata())

    def _summary(self, output: str, rejects: str | None) -> Summary:
        totals = self._totals
        return Summary(
            rows=totals.rows,
            scored=totals.scored,
            rejected=totals.rejected,
            chunks=totals.chunks,
            resumed=totals.resumed,
            seconds=perf_counter() - self._started,
            version=self.scoring.version.label,
            output=output,
            rejects=rejects,
        )

    def _summary_of_earlier(self, summary: JSONMapping) -> Summary:
        """Return the summary of a run that was completed earlier."""
        seconds = perf_counter() - self._started
        return Summary(**{**summary, "resumed": summary["chunks"], "seconds": seconds})


def library_version() -> str:
    """Return the version of this library."""
    try:
        return version("Flask-SKModels")
    except PackageNotFoundError:
        return "unknown"


def _types_of_lines(content: LineContent, keep: Any) -> dict[str, ArrowType]:
    """Return the types of the key columns of NDJSON, as its first rows have them."""
    items = []
    for line in content.lines:
        try:
            item = loads(line, "the line")
        except InvalidInput:
            continue
        if isinstance(item, dict):
            items.append(item)
    return {name: key_type([item.get(name) for item in items]) for name in keep}


def _has_semicolons(names: list[str], schema: Schema) -> bool:
    """Return whether the only column of CSV is named like several columns with semicolons."""
    fields = {field.name for field in schema.fields}
    return len(names) == 1 and ";" in names[0] and names[0] not in fields
