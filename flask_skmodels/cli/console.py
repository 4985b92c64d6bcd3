"""Helpers of the commands: the application, its models, errors in one line, tables."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import update_wrapper
from http.client import HTTPException
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import click
from flask import current_app
from flask.cli import ScriptInfo

from flask_skmodels.codecs.json_text import dumps
from flask_skmodels.exceptions import SKModelsError, UnknownModel
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.inference.request_limits import NO_BUDGET
from flask_skmodels.schema.types import Estimator, JSONObject
from flask_skmodels.signals import muted
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


root_option = click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder that the printed paths are relative to, like SKMODELS_ROOT of the application. "
    "Default: the folder of the application's module.",
)
header_option = click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="NAME:VALUE",
    help="Header of the requests to --url, for example for a login. May be given several times.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


def in_application(command: _C) -> _C:
    """Run a command in the context of the application; a decorator.

    Like Flask's ``with_appcontext``, but an error of the library ends the command with one line,
    loading the application and running the command send it no signals, and nothing is logged about
    engines.
    """
    return _in_application(command, muted)


def in_application_with_signals(command: _C) -> _C:
    """Run a command as :func:`in_application` does, but send signals to the application.

    No signals are sent while the application is loaded.
    """
    return _in_application(command, nullcontext)


def in_application_with_engines(command: _C) -> _C:
    """Run a command as :func:`in_application` does, but show what is logged about engines."""
    return _in_application(command, muted, shows_engines=True)


def _in_application(
    command: _C,
    signals: Callable[[], AbstractContextManager[None]],
    *,
    shows_engines: bool = False,
) -> _C:
    @click.pass_context
    def run(context: click.Context, /, *arguments: Any, **options: Any) -> Any:
        logs = nullcontext() if shows_engines else without_engine_logs()
        with one_line_errors(), logs:
            with muted():
                app = context.ensure_object(ScriptInfo).load_app()
            with app.app_context(), signals():
                return context.invoke(command, *arguments, **options)

    wrapped: Estimator = update_wrapper(run, command)
    return wrapped  # type: ignore[no-any-return]


@contextmanager
def without_engine_logs() -> Iterator[None]:
    """Log nothing about engines in a ``with`` block."""
    logger = logging.getLogger("flask_skmodels.engines")
    was_disabled, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = was_disabled


def print_json(document: Any) -> None:
    """Print an object as one line of JSON."""
    click.echo(dumps(document).decode())


def path_for_application(path: Path, root: Path | None = None) -> Path:
    """Return a path as the application should declare it: relative to its ``SKMODELS_ROOT``.

    The application is not loaded for this, because perhaps it cannot be loaded before the path is
    declared.

    :param path: the path, relative to the working directory
    :param root: the folder of the application; by default the folder of the module that ``--app``
        names
    :returns: the path, absolute if it is not in that folder or if the folder is not known
    """
    absolute = path.absolute()
    folder = _application_folder() if root is None else root.absolute()
    if folder is not None and absolute.is_relative_to(folder):
        return absolute.relative_to(folder)
    return absolute


def _application_folder() -> Path | None:
    """Return the folder that paths are relative to by default, None if it is not known."""
    context = click.get_current_context()
    script = context.ensure_object(ScriptInfo)
    if script.create_app is not None:
        with muted():
            return Path(script.load_app().root_path)
    names = [script.app_import_path] if script.app_import_path else ["wsgi.py", "app.py"]
    for name in names:
        module = name.partition(":")[0]
        file = Path(module if module.endswith(".py") else f"{module.replace('.', '/')}.py")
        for found in (file, file.with_suffix("") / "__init__.py"):
            if found.is_file():
                return found.absolute().parent
    return None


class one_line_errors:  # noqa: N801 - a context manager, named like those of contextlib
    """A context in which an error of the library ends the command with one line.

    :raises click.ClickException: in place of an :class:`~flask_skmodels.exceptions.SKModelsError`
    """

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if isinstance(error, SKModelsError):
            raise click.ClickException(one_line(error)) from error


@contextmanager
def without_traceback() -> Iterator[None]:
    """Let a click command print an error of the library in one line, without a traceback.

    This also works in commands of others, such as ``flask run``. The error keeps its class for an
    ``except`` clause, and is an exception of click as well.
    """
    try:
        yield
    except SKModelsError as error:
        if click.get_current_context(silent=True) is not None:
            error.__class__ = _printed_class(error)
        raise


def _printed_class(error: SKModelsError) -> type[Any]:
    kind: Any = type(error)

    def format_message(self: Any) -> str:
        return one_line(self)

    namespace = {"format_message": format_message, "show_color": None, "__str__": kind.__str__}
    if issubclass(kind, click.ClickException):
        return type(error)
    return type(kind.__name__, (kind, click.ClickException), namespace)


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
        raise click.ClickException(str(UnknownModel.named(name, deployments)))
    return deployments[name]


def fetch_json(url: str, headers: Mapping[str, str] | None = None) -> JSONObject:
    """Return the JSON document at a URL, empty if it is not a JSON object.

    :param headers: headers of the request
    :raises click.ClickException: the document cannot be read
    """
    if not url.startswith(("http://", "https://")):
        raise click.ClickException("--url must begin with http:// or https://")
    given = {"Accept": "application/json", **(headers or {})}
    try:
        request = Request(url, headers=given)  # noqa: S310 - checked above
        with urlopen(request, timeout=10) as response:  # noqa: S310
            document = json.load(response)
    except HTTPError as error:
        message = f"cannot read {url}: {error}{_detail_of(error)}"
        raise click.ClickException(message) from error
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise click.ClickException(
            f"cannot read {url}: {getattr(reason, 'strerror', None) or reason}"
        ) from error
    return document if isinstance(document, dict) else {}


def _detail_of(error: HTTPError) -> str:
    """Return the detail of a problem document as the end of a message, and close the response."""
    with error:
        try:
            document = json.load(error)
        except (OSError, HTTPException, ValueError):
            return ""
    detail = document.get("detail") if isinstance(document, dict) else None
    return f": {detail}" if isinstance(detail, str) else ""


def headers_of(pairs: Iterable[str]) -> dict[str, str]:
    """Return the headers that were given with :data:`header_option`.

    :raises click.BadParameter: one of them is not a name and a value
    """
    headers = {}
    for pair in pairs:
        name, separator, value = pair.partition(":")
        if not separator:
            raise click.BadParameter(f"{pair!r} is not NAME:VALUE", param_hint="--header")
        headers[name.strip()] = value.strip()
    return headers


def write_new(path: Path, text: str) -> None:
    """Write a text file that must not exist yet.

    :raises click.ClickException: the file exists, or it cannot be written
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise click.ClickException(f"{path} already exists") from error
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror}") from error


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: ``1 example``, ``2 examples``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
