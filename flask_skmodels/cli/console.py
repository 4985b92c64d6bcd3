"""What the commands share: the application, its models, errors in one line, tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import update_wrapper
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import click
from flask import current_app
from flask.cli import ScriptInfo

from flask_skmodels.errors import SKModelsError
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.state import State

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_C = TypeVar("_C", bound=Callable[..., Any])


class Data:
    """Bytes of the user's own, as codecs read the body of a request."""

    pairs: ClassVar[tuple[tuple[str, str], ...]] = ()
    parameters: ClassVar[dict[str, str]] = {}
    max_bytes = max_rows = 2**63 - 1

    def __init__(self, data: bytes) -> None:
        self.data = data


def in_application(command: _C) -> _C:
    """Run a command in the context of the application; a decorator.

    As Flask's ``with_appcontext``, but what is wrong with a model is said in one line.
    """

    @click.pass_context
    def run(context: click.Context, /, *arguments: Any, **options: Any) -> Any:
        with told_in_one_line():
            app = context.ensure_object(ScriptInfo).load_app()
            with app.app_context():
                return context.invoke(command, *arguments, **options)

    wrapped: Any = update_wrapper(run, command)
    return wrapped  # type: ignore[no-any-return]


class told_in_one_line:  # noqa: N801 - used as contextlib's are
    """A context in which an error of the library ends the command with a line."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if isinstance(error, SKModelsError):
            raise click.ClickException(" ".join(str(error).split())) from error


def state() -> State:
    """Return what the application keeps of the extension that the command's group is of."""
    parent = click.get_current_context().parent
    name = "" if parent is None else parent.command.name
    found: State | None = current_app.extensions.get(name or "")
    if found is None:
        raise click.ClickException(
            f"the application {current_app.name!r} has no models: call SKModels().init_app(app)"
        )
    return found


def deployment_named(name: str) -> Deployment:
    """Return a model as the application serves it."""
    deployments = state().deployments
    if name not in deployments:
        known = ", ".join(deployments) or "none"
        raise click.ClickException(f"no model is named {name!r}; registered: {known}")
    return deployments[name]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows as text in aligned columns, below a head in bold."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [_line(head, widths), *(_line(row, widths) for row in rows)]
    return "\n".join([click.style(lines[0], bold=True), *lines[1:]])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return "  ".join(padded).rstrip()
