"""A job of bulk scoring: its source, sink and options, as a caller or a command names them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from os import PathLike, fspath
from pathlib import Path
from time import perf_counter
from typing import Any

from flask_skmodels.bulk.databases import Table, is_database
from flask_skmodels.bulk.durable_files import write_durably
from flask_skmodels.bulk.locations import FileFormat, format_of
from flask_skmodels.bulk.options import Options, RejectLimit
from flask_skmodels.bulk.part_files import write_tables
from flask_skmodels.bulk.progress import Watch, unwatched
from flask_skmodels.bulk.rejects import errors_text, in_words
from flask_skmodels.bulk.runner import Run, Scoring
from flask_skmodels.bulk.sinks import PARQUET, STANDARD_OUTPUT, Sink, TableSink, file_sink
from flask_skmodels.bulk.sources import (
    STANDARD_INPUT,
    BatchSource,
    FileSource,
    QuerySource,
    RowSource,
    StandardInput,
    one_format,
)
from flask_skmodels.bulk.summary import Summary
from flask_skmodels.exceptions import ScoringError
from flask_skmodels.hints import install_line
from flask_skmodels.schema.types import ArrowTable, JSONObject

_SHOWN_REJECTS = 5
_STREAM = FileFormat("csv")
Warn = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a run would do, from its first chunk.

    :param source: names of the source
    :param output: name of the output
    :param rows: number of rows, roughly for text; None if it is not known
    :param seconds: the time that the run would take, None if it is not known
    :param columns: the columns of the output with their types
    :param first_rows: number of rows of the first chunk
    :param rejected: number of these that are rejected
    :param rejects: the first rejected rows, each with its errors
    """

    source: str
    output: str
    rows: int | None
    seconds: float | None
    columns: dict[str, str]
    first_rows: int
    rejected: int
    rejects: list[JSONObject]


class Job:
    """A job of bulk scoring.

    :param scoring: the model
    :param source: a path, URL, glob or folder, or several of these; ``"-"``; the URL of a database;
        or an iterable of record batches or data frames
    :param sink: a path or URL, ``"-"``, or the URL of a database
    :param state: the folder on this machine for the parts of an output that is elsewhere
    :param watch: called after each chunk
    :param options: as in :meth:`SKModels.score <flask_skmodels.SKModels.score>`
    :raises ScoringError: an option is not valid, or pyarrow is not installed
    """

    def __init__(
        self,
        scoring: Scoring,
        source: Any,
        sink: Any,
        *,
        state: Path,
        watch: Watch = unwatched,
        method: str | None = None,
        keep: Sequence[str] = (),
        query: str | None = None,
        table: str | None = None,
        format: str | None = None,  # noqa: A002 - named like the option
        rejects: str | PathLike[str] | None = None,
        max_rejects: int | float | str | None = None,
        **options: Any,
    ) -> None:
        if find_spec("pyarrow") is None:
            raise ScoringError(f"pyarrow is not installed: {install_line('arrow')}")
        self._source_text = _text_of(source)
        source = _open_source(source, query)
        self._format = one_format(format)
        if format is not None and self._format is None:
            raise ScoringError(f"format must be parquet, arrow, csv or ndjson, not {format}")
        chosen = Options(
            method=method or scoring.version.default_method,
            keep=tuple(keep),
            reject_limit=None if max_rejects is None else RejectLimit.of(max_rejects),
            **options,
        )
        _check(chosen)
        self._output = fspath(sink)
        self._rejects = None if rejects is None else fspath(rejects)
        self._state = state
        self._table = table
        self._run = Run(scoring, source, chosen, watch)
        self._source = source

    def run(self, stream: Any = None, warn: Warn = lambda text: None) -> Summary:
        """Score all rows.

        :param stream: standard output for bytes, by default that of the process
        :param warn: called with a line for each of the first rows that are rejected, if there is
            no file for the rejects
        :raises ScoringError: the run cannot begin or has failed
        """
        if self._output == STANDARD_OUTPUT:
            return self._to_stream(sys.stdout.buffer if stream is None else stream, warn)
        sink = self._sink()
        return self._run.to_sink(sink, self._rejects_sink(sink))

    def preview(self) -> Preview:
        """Score the first chunk, write nothing, and return what a run would do."""
        started = perf_counter()
        first = self._run.first_chunk()
        took = perf_counter() - started
        rows = self._source.rows()
        output = self._output
        if first is None:
            return Preview(
                source=self._source_text,
                output=output,
                rows=0,
                seconds=0.0,
                columns={},
                first_rows=0,
                rejected=0,
                rejects=[],
            )
        chunk, result = first
        columns = self._run.columns_of(result)
        seconds = None if rows is None else took * rows / max(result.count, 1)
        workers = self._run.options.jobs
        return Preview(
            source=self._source_text,
            output=output,
            rows=rows,
            seconds=None if seconds is None else seconds / workers,
            columns=columns,
            first_rows=result.count,
            rejected=len(result.errors),
            rejects=[
                {"row": chunk.first_row + row, "errors": errors_text(result.errors[row])}
                for row in result.rejected[:_SHOWN_REJECTS]
            ],
        )

    def _to_stream(self, stream: Any, warn: Warn) -> Summary:
        if self._run.options.resume:
            raise ScoringError("standard output cannot be resumed")
        if self._rejects is None:
            return self._run.to_stream(self._format or _STREAM, stream, _Warning(warn))
        collected: list[ArrowTable] = []
        summary = self._run.to_stream(self._format or _STREAM, stream, collected.append)
        if not collected:
            return summary
        sink = file_sink(self._rejects, None, self._state)
        return _with_rejects(summary, sink, collected)

    def _sink(self) -> Sink:
        if is_database(self._output):
            if self._table is None:
                raise ScoringError("name the table of the output with --table")
            self._state.mkdir(parents=True, exist_ok=True)
            return TableSink(Table(self._output, self._table), self._state)
        return file_sink(self._output, self._format, self._state)

    def _rejects_sink(self, sink: Sink) -> Sink:
        name = self._rejects
        if name is None:
            named = sink.table.name if isinstance(sink, TableSink) else self._output
            name = f"{_stem(named)}.rejects{PARQUET.suffix}"
        return file_sink(name, None, self._state)


class _Warning:
    """Shows the first rejected rows of a run that has no file for them."""

    def __init__(self, warn: Warn) -> None:
        self._warn = warn
        self._left = _SHOWN_REJECTS

    def __call__(self, table: ArrowTable) -> None:
        for row in table.slice(0, self._left).to_pylist():
            self._warn(
                f"row {row['row']} of {row['source']} is rejected: {in_words(row['errors'])}"
            )
            self._left -= 1


def _with_rejects(summary: Summary, sink: Sink, tables: list[ArrowTable]) -> Summary:
    write_durably(
        sink.staging, lambda file: write_tables(tables[0].schema, iter(tables), file, sink.form)
    )
    return replace(summary, rejects=sink.name)


def _open_source(source: Any, query: str | None) -> RowSource:
    names = [fspath(source)] if isinstance(source, str | PathLike) else source
    if (
        isinstance(names, list | tuple)
        and names
        and all(isinstance(n, str | PathLike) for n in names)
    ):
        texts = [fspath(name) for name in names]
        if query is not None:
            if len(texts) > 1 or not is_database(texts[0]):
                raise ScoringError("a query needs the URL of one database as the source")
            return QuerySource(texts[0], query)
        if is_database(texts[0]):
            raise ScoringError("a database as the source needs a query: --query")
        return StandardInput() if texts == [STANDARD_INPUT] else FileSource(texts)
    if isinstance(names, Iterable) and not hasattr(names, "columns"):
        return BatchSource(names)
    return BatchSource([names])


def _check(options: Options) -> None:
    if options.jobs < 1 or options.chunk_rows < 1:
        raise ScoringError("jobs and chunk_rows must be at least 1")
    if options.address is not None and options.engine == "local":
        raise ScoringError("an address needs an engine: --engine dask or --engine ray")


def _stem(name: str) -> str:
    """Return a name without the suffixes of its format."""
    name = name.rstrip("/")
    found = format_of(name)
    return name.removesuffix(found.suffix) if found else name


def _text_of(source: Any) -> str:
    if isinstance(source, str | PathLike):
        return fspath(source)
    if isinstance(source, list | tuple) and all(isinstance(n, str | PathLike) for n in source):
        return ", ".join(map(fspath, source))
    return "batches"
