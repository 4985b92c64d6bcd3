"""Helpers of the commands: the application, its models, errors in one line, tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import update_wrapper
from http.client import HTTPException
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import click
from flask import current_app
from flask.cli import ScriptInfo

from flask_skmodels.exceptions import SKModelsError
from flask_skmodels.inference.budget import NO_BUDGET
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.schema.types import Estimator, JSONObject
from flask_skmodels.state import State

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_C = TypeVar("_C", bound=Callable[..., Any])


class LocalSource:
    """Bytes from this machine, for a codec to decode without the limits of a request.

    :param data: the bytes
    """

    pairs: ClassVar[tuple[tuple[str, str], ...]] = ()
    parameters: ClassVar[dict[str, str]] = {}
    budget = NO_BUDGET
    max_bytes = sys.maxsize

    def __init__(self, data: bytes) -> None:
        self.data = data


def in_application(command: _C) -> _C:
    """Run a command in the context of the application; a decorator.

    Like Flask's ``with_appcontext``, but an error of the library ends the command with one line.
    """

    @click.pass_context
    def run(context: click.Context, /, *arguments: Any, **options: Any) -> Any:
        with one_line_errors():
            app = context.ensure_object(ScriptInfo).load_app()
            with app.app_context():
                return context.invoke(command, *arguments, **options)

    wrapped: Estimator = update_wrapper(run, command)
    return wrapped  # type: ignore[no-any-return]


class one_line_errors:  # noqa: N801 - a context manager, named like those of contextlib
    """A context in which an error of the library ends the command with one line.

    :raises click.ClickException: in place of an :class:`~flask_skmodels.exceptions.SKModelsError`
    """

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if isinstance(error, SKModelsError):
            raise click.ClickException(one_line(error)) from error


def one_line(error: Exception) -> str:
    """Return the message of an error without line breaks."""
    return " ".join(str(error).split())


def extension_state() -> State:
    """Return the state of the extension whose group the current command belongs to.

    :raises click.ClickException: the application has no such extension
    """
    parent = click.get_current_context().parent
    name = "" if parent is None else parent.command.name
    state: State | None = current_app.extensions.get(name or "")
    if state is None:
        raise click.ClickException(
            f"the application {current_app.name!r} has no models: call SKModels().init_app(app)"
        )
    return state


def deployment_named(name: str) -> Deployment:
    """Return a model as the application serves it.

    :param name: the model's name
    :raises click.ClickException: no model has this name
    """
    deployments = extension_state().deployments
    if name not in deployments:
        known = ", ".join(deployments) or "none"
        raise click.ClickException(f"there is no model named {name!r}. Registered models: {known}")
    return deployments[name]


def read_json(url: str, headers: Mapping[str, str] | None = None) -> JSONObject:
    """Return the JSON document at a URL, empty if it is not a JSON object.

    :param headers: headers of the request
    :raises click.ClickException: it cannot be read
    """
    if not url.startswith(("http://", "https://")):
        raise click.ClickException("--url must begin with http:// or https://")
    try:
        request = Request(url, headers=dict(headers or {}))  # noqa: S310 - checked above
        with urlopen(request, timeout=10) as response:  # noqa: S310
            document = json.load(response)
    except HTTPError as error:
        error.close()
        raise click.ClickException(f"cannot read {url}: {error}") from error
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise click.ClickException(
            f"cannot read {url}: {getattr(reason, 'strerror', None) or reason}"
        ) from error
    return document if isinstance(document, dict) else {}


def write_new(path: Path, text: str) -> None:
    """Write a text file that must not exist yet.

    :raises click.ClickException: it exists, or it cannot be written
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise click.ClickException(f"{path} already exists") from error
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror}") from error


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows as text in aligned columns, below a bold head."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [_line(head, widths), *(_line(row, widths) for row in rows)]
    return "\n".join([click.style(lines[0], bold=True), *lines[1:]])


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: ``1 example``, ``2 examples``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return "  ".join(padded).rstrip()
