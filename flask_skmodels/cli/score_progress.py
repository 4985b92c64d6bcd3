"""The progress of ``flask skmodels score``: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from flask_skmodels.cli.console import counted

if TYPE_CHECKING:
    from flask_skmodels.bulk.job import Preview
    from flask_skmodels.bulk.progress import Progress
    from flask_skmodels.bulk.summary import Summary

_LINES_APART = 10.0  # seconds between two lines where there is no terminal


class Display:
    """Shows the progress of a run on standard error.

    :param is_quiet: whether to show nothing where there is no terminal
    """

    def __init__(self, *, is_quiet: bool) -> None:
        self._is_terminal = is_terminal()
        self._is_quiet = is_quiet
        self._bar: Any = None
        self._next_line = monotonic() + _LINES_APART

    def update(self, progress: Progress) -> None:
        """Show the progress after a chunk."""
        if self._is_terminal:
            self._update_bar(progress)
        elif not self._is_quiet and monotonic() >= self._next_line:
            self._next_line = monotonic() + _LINES_APART
            click.echo(progress.text(), err=True)

    def close(self) -> None:
        """End the line of the bar."""
        if self._bar is not None:
            self._bar.render_finish()
            self._bar = None

    def _update_bar(self, progress: Progress) -> None:
        if progress.total is None:
            click.echo(f"\r\033[K{progress.text()}", nl=False, err=True)
            return
        if self._bar is None:
            self._bar = click.progressbar(
                length=max(progress.total, progress.rows, 1),
                file=sys.stderr,
                show_eta=False,
                item_show_func=lambda shown: shown.text() if shown is not None else "",
            )
        self._bar.update(progress.rows - self._bar.pos, progress)


def is_terminal() -> bool:
    """Return whether standard error is a terminal."""
    return sys.stderr.isatty()


def counts_of(summary: Summary) -> str:
    """Return a summary in one line."""
    rejects = f", in {summary.rejects}" if summary.rejects else ""
    resumed = f", {summary.resumed} of them finished before" if summary.resumed else ""
    version = f", version {summary.version}" if summary.version else ""
    return (
        f"{summary.output}: {counted(summary.rows, 'row')}, {summary.scored} scored, "
        f"{summary.rejected} rejected{rejects}; {counted(summary.chunks, 'chunk')}{resumed}"
        f"{version}; {summary.seconds:.1f} s"
    )


def preview_lines(preview: Preview) -> Iterator[str]:
    """Yield the lines of a dry run."""
    from flask_skmodels.bulk.progress import duration
    from flask_skmodels.bulk.rejects import in_words

    rows = "an unknown number of rows" if preview.rows is None else f"about {preview.rows:,} rows"
    yield f"source   {preview.source}: {rows}"
    yield f"output   {preview.output}"
    yield f"columns  {', '.join(f'{name} {kind}' for name, kind in preview.columns.items())}"
    if preview.seconds is not None:
        yield f"time     about {duration(preview.seconds)}"
    first = counted(preview.first_rows, "row")
    yield f"rejects  {preview.rejected} of the first {first}"
    for reject in preview.rejects:
        yield f"         row {reject['row']}: {in_words(reject['errors'])}"
