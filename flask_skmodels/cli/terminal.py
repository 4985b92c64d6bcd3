"""Output for a terminal: tables that fit its width, the progress of slow steps, and completion.

If the output is not a terminal, tables are as wide as they need to be, and there is no progress.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic
from typing import Any

import click
from click.shell_completion import CompletionItem
from flask.cli import ScriptInfo

from flask_skmodels.state import State
from flask_skmodels.versions.trial_task import IN_TRIAL

PATIENCE = 1.0  # seconds that pass before progress is shown
_INTERVAL = 0.2  # seconds
_NARROWEST = 8  # characters of a column that is cut
_GAP = "  "


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows as text in aligned columns, below a bold head.

    On a terminal the widest columns are cut, so that each row is one line.
    """
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    if sys.stdout.isatty():
        widths = _fitted(widths, shutil.get_terminal_size().columns)
    lines = [_line(head, widths), *(_line(row, widths) for row in rows)]
    return "\n".join([click.style(lines[0], bold=True), *lines[1:]])


def _fitted(widths: Sequence[int], available: int) -> list[int]:
    """Return the widths of columns that fit into a line, the widest reduced first."""
    fitted = list(widths)
    excess = sum(fitted) + len(_GAP) * (len(fitted) - 1) - available
    while excess > 0:
        widest = max(range(len(fitted)), key=fitted.__getitem__)
        if fitted[widest] <= _NARROWEST:
            break
        fitted[widest] -= 1
        excess -= 1
    return fitted


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (_cut(cell, width).ljust(width) for cell, width in zip(cells, widths, strict=True))
    return _GAP.join(padded).rstrip()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


@contextmanager
def progress(text: str) -> Iterator[None]:
    """Show on a terminal what a ``with`` block is doing, if it takes longer than a second.

    :param text: what the command is doing, such as ``"loading iris"``
    """
    if not sys.stderr.isatty():
        yield
        return
    ended = Event()
    thread = Thread(target=_show, args=(text, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _show(text: str, ended: Event) -> None:
    """Write the text and the seconds that have passed into one line, until the block ends."""
    started = monotonic()
    if ended.wait(PATIENCE):
        return
    while not ended.wait(_INTERVAL):
        seconds = monotonic() - started
        sys.stderr.write(f"\r\033[K{text}, {seconds:.0f} s")
        sys.stderr.flush()
    sys.stderr.write("\r\033[K")
    sys.stderr.flush()


class ModelName(click.ParamType):  # type: ignore[type-arg]
    """The name of a model; a shell completes it."""

    name = "model"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the models of the application whose names begin with a text."""
        names = _names_of(ctx)
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _names_of(context: click.Context) -> list[str]:
    """Return the names of the models, none if the application cannot be loaded.

    No model is loaded for this: the environment variable of a trial prevents it.
    """
    os.environ.setdefault(IN_TRIAL, "1")
    name = None if context.parent is None else context.parent.command.name
    try:
        extensions: Any = context.ensure_object(ScriptInfo).load_app().extensions
    except (Exception, SystemExit):  # a completion never writes an error into the prompt
        return []
    state = extensions.get(name)
    return list(state.models) if isinstance(state, State) else []


MODEL = ModelName()
