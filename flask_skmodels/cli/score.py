"""``flask skmodels score``: score whole files, databases and data sets."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import click

from flask_skmodels.cli.console import (
    deployment_named,
    extension_state,
    in_application_with_signals,
    one_line,
)
from flask_skmodels.cli.score_progress import Display, counts_of, preview_lines
from flask_skmodels.cli.terminal import MODEL
from flask_skmodels.codecs.json_text import dumps
from flask_skmodels.exceptions import SKModelsError, TooManyRejects

if TYPE_CHECKING:
    from flask_skmodels.bulk.job import Job

CHUNK_ROWS = 65_536
TOO_MANY_REJECTS = 3
INTERRUPTED = 130
_FORMATS = ("parquet", "arrow", "csv", "csv.gz", "csv.zst", "ndjson", "ndjson.gz", "ndjson.zst")


@click.command("score")
@click.argument("name", type=MODEL, metavar="NAME")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.argument("sink", metavar="SINK")
@click.option("--method", help="Method of the estimator. Default: the first method of the model.")
@click.option(
    "--keep",
    metavar="COLUMNS",
    default="",
    help="Columns to copy to the output, for example id,date.",
)
@click.option("--version", help="Version of the model. Default: the live version.")
@click.option(
    "--jobs", type=click.IntRange(1), default=1, show_default=True, help="Number of processes."
)
@click.option(
    "--engine",
    type=click.Choice(["local", "dask", "ray"]),
    default="local",
    show_default=True,
    help="Where the chunks are predicted.",
)
@click.option("--address", help="Address of a running cluster. Default: start one on this machine.")
@click.option(
    "--chunk-rows",
    type=click.IntRange(1),
    default=CHUNK_ROWS,
    show_default=True,
    help="Number of rows that are predicted together.",
)
@click.option("--query", metavar="SQL", help="Query, if SOURCE is the URL of a database.")
@click.option("--table", help="Table to create, if SINK is the URL of a database.")
@click.option("--rejects", metavar="FILE", help="File of the rejected rows. Default: beside SINK.")
@click.option(
    "--max-rejects",
    metavar="N|N%",
    help="Fail if more rows than this number or percentage are rejected.",
)
@click.option("--resume", is_flag=True, help="Continue an earlier run of the same output.")
@click.option("--fail-fast", is_flag=True, help="Fail at the first rejected row.")
@click.option(
    "--format",
    type=click.Choice(_FORMATS),
    metavar="FORMAT",
    help=f"Format of a folder or of standard output: {', '.join(_FORMATS)}. Default: parquet; "
    "csv for standard output.",
)
@click.option("--dry-run", is_flag=True, help="Score the first chunk only, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one line of JSON.")
@in_application_with_signals
def score_command(
    name: str,
    sources: tuple[str, ...],
    sink: str,
    *,
    keep: str,
    version: str | None,
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Score all rows of files, of any size.

    NAME is the name of the model. SOURCE is a file, folder, glob or URL of Parquet, Arrow, CSV or
    NDJSON, the URL of a database, or - for standard input. SINK is - for standard output, the URL
    of a database, a file if its name has a known suffix, or otherwise a folder.

    Exit status: 0 done, 1 failed, 2 wrong usage, 3 too many rejected rows, 130 interrupted. After
    1, 3 and 130, the same command with --resume continues where the run ended.

    \b
    Examples:
      flask skmodels score iris customers/*.parquet scores/ --keep id --jobs 2
      flask skmodels score iris customers.csv scores.parquet --max-rejects 1% --resume
    """
    deployment_named(name)
    display = Display(is_quiet=as_json)
    try:
        with _interruptible():
            models = extension_state().models
            options |= {"keep": _names(keep), "watch": display.update}
            job = models.scoring_job(name, list(sources), sink, version=version, **options)
            if dry_run:
                _preview(job, as_json)
            else:
                _run(job, display, as_json)
    except KeyboardInterrupt:
        display.close()
        _end(sink)
    except SKModelsError as error:
        display.close()
        raise _failure(error) from error


def _run(job: Job, display: Display, as_json: bool) -> None:
    summary = job.run(warn=lambda line: click.echo(line, err=True))
    display.close()
    line = dumps(summary.as_dict()).decode() if as_json else counts_of(summary)
    click.echo(line, err=summary.output == "-")


def _preview(job: Job, as_json: bool) -> None:
    from dataclasses import asdict

    preview = job.preview()
    if as_json:
        click.echo(dumps(asdict(preview)))
        return
    for line in preview_lines(preview):
        click.echo(line)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _failure(error: SKModelsError) -> click.ClickException:
    kind = _TooManyRejects if isinstance(error, TooManyRejects) else click.ClickException
    return kind(one_line(error))


class _TooManyRejects(click.ClickException):
    exit_code = TOO_MANY_REJECTS


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let TERM interrupt the command as Ctrl-C does."""
    try:
        before = signal.signal(signal.SIGTERM, _interrupt)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _end(sink: str) -> NoReturn:
    """End the process now, without waiting for the chunks that are being predicted."""
    hint = "" if sink == "-" else ": --resume continues it"
    click.echo(f"Interrupted{hint}", err=True)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(INTERRUPTED)
