"""``flask skmodels doctor``: one screen about the installation, the application and its safety."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import click
from flask import Flask
from flask.cli import ScriptInfo

from flask_skmodels.cli import diagnosis
from flask_skmodels.cli.console import (
    counted,
    json_option,
    print_json,
    without_engine_logs,
)
from flask_skmodels.cli.server_settings import server_settings
from flask_skmodels.cli.terminal import progress, table
from flask_skmodels.exceptions import SKModelsError, in_one_line
from flask_skmodels.schema.types import JSONMapping, JSONObject
from flask_skmodels.signals import muted
from flask_skmodels.state import State

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


@click.command("doctor")
@json_option
@click.pass_context
def doctor_command(context: click.Context, as_json: bool) -> None:
    """Show what is installed, what runs, and what is unsafe.

    The command prints one screen: the versions of the libraries, each extra that is not installed
    and the command that installs it, the engine of each model and why it is not lean (the fast
    engine), the settings that differ from their defaults, how much memory the settings of gunicorn
    allow, and what is unsafe. If the application cannot be loaded, the command still runs and says
    why.

    The exit status is 1 if the application or a model cannot be loaded, else 0.

    Example: flask skmodels doctor
    """
    with progress("examining the application"):
        document = examine(context)
    if as_json:
        print_json(document)
    else:
        for line in _lines(document):
            click.echo(line)
    if document["problems"]:
        raise click.exceptions.Exit(1)


def examine(context: click.Context) -> JSONObject:
    """Return everything that the command shows."""
    document: JSONObject = {"installed": diagnosis.installed(), "extras": diagnosis.extras()}
    empty: JSONObject = {"application": None, "models": [], "settings": {}, "memory": None}
    document |= {**empty, "warnings": [], "problems": []}
    with ExitStack() as stack:
        stack.enter_context(muted())
        stack.enter_context(without_engine_logs())
        try:
            app = context.ensure_object(ScriptInfo).load_app()
        except (SKModelsError, click.ClickException) as error:
            shown = error.format_message() if isinstance(error, click.ClickException) else error
            problem = f"the application cannot be loaded: {' '.join(str(shown).split())}"
            return document | {"problems": [problem]}
        except Exception as error:
            return document | {"problems": [f"the application raises {in_one_line(error)}"]}
        with app.app_context():
            return document | _application(app, _name_of(context))


def _name_of(context: click.Context) -> str:
    """Return the name of the extension that the command belongs to."""
    name = None if context.parent is None else context.parent.command.name
    return str(name or "skmodels")


def _application(app: Flask, name: str) -> JSONObject:
    state = app.extensions.get(name)
    about = {"application": {"name": app.name, "root": app.root_path}}
    if not isinstance(state, State):
        problem = f"the application {app.name!r} has no models: call SKModels().init_app(app)"
        return about | {"problems": [problem]}
    models = diagnosis.models_of(state)
    return {
        **about,
        "models": models,
        "settings": diagnosis.settings_of(state),
        "memory": diagnosis.memory_of(app, models, server_settings(Path.cwd())),
        "warnings": list(diagnosis.warnings_of(state)),
        "problems": list(_problems(models)),
    }


def _problems(models: Sequence[JSONObject]) -> Iterator[str]:
    for model in models:
        failed = {label: reason for label, reason in model["failed"].items() if label != "None"}
        if model["error"]:
            yield f"model {model['name']!r} cannot be served: {model['error']}"
        for label, reason in failed.items():
            yield f"version {label} of model {model['name']!r} failed: {reason}"


def _lines(document: JSONObject) -> Iterator[str]:
    yield _title("Installed")
    yield "  " + ", ".join(f"{name} {version}" for name, version in document["installed"].items())
    yield from _extras(document["extras"])
    if document["models"]:
        yield _title("Models")
        yield table(["NAME", "VERSION", "ENGINE", "NOTE"], _models(document["models"]))
    if document["application"]:
        yield _title("Settings that differ from their defaults")
        settings = document["settings"] or {"none": ""}
        yield from (f"  {key} = {value}".rstrip(" =") for key, value in settings.items())
    if document["memory"]:
        yield _title("Memory")
        yield from (f"  {line}" for line in memory_lines(document["memory"]))
    yield from _list_section("Unsafe", document["warnings"], "yellow", "nothing was found")
    yield from _list_section("Problems", document["problems"], "red", "none")


def _extras(extras: Sequence[JSONObject]) -> Iterator[str]:
    there = [each["name"] for each in extras if each["installed"]]
    missing = [each for each in extras if not each["installed"]]
    yield _title("Extras")
    yield f"  installed: {', '.join(there) or 'none'}"
    width = max((len(each["name"]) for each in missing), default=0)
    for each in missing:
        yield (
            f"  {each['name'].ljust(width)}  not installed; it adds {each['adds']}. To install it: "
            f"{each['install']}"
        )


def _models(models: Sequence[JSONObject]) -> list[list[str]]:
    return [
        [
            each["name"],
            each["version"] or "-",
            each["engine"] or "-",
            "it cannot be loaded" if each["error"] else each["reason"] or "",
        ]
        for each in models
    ]


def memory_lines(memory: JSONMapping) -> Iterator[str]:
    """Yield how much memory the settings of the server allow, in words."""
    if memory["process"] is not None:
        files = f", model files {_size(memory['model_files'])}" if memory["model_files"] else ""
        yield f"this process {_size(memory['process'])}{files}"
    if not memory["source"]:
        yield "no settings of gunicorn here: each worker takes about as much memory as this process"
        return
    threads = memory["threads"] or 1
    workers = memory["workers"]
    count = "an unknown number of workers" if workers is None else counted(workers, "worker")
    yield f"{count} with {counted(threads, 'thread')} each ({memory['source']})"
    if memory["all_workers"] is not None:
        shared = (
            ", minus the memory that they share (preload_app is on)"
            if memory["preload"]
            else "; with preload_app = True they would share the models"
        )
        who = "each worker" if workers is None else "all workers"
        yield f"{who}: at most {_size(memory['all_workers'])}{shared}"
    where = " in each worker" if workers is None else ""
    yield (
        f"requests in progress: their bodies take at most {_size(memory['bodies'])} more{where} "
        f"({_size(memory['largest_body'])} for each body, MAX_CONTENT_LENGTH)"
    )


def _size(count: float) -> str:
    for unit in _UNITS:
        if count < 1000 or unit == _UNITS[-1]:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.3g} {unit}"
        count /= 1000
    raise AssertionError  # the loop always returns


def _list_section(title: str, lines: Sequence[str], color: str, empty: str) -> Iterator[str]:
    yield _title(title)
    if not lines:
        yield f"  {empty}"
    for line in lines:
        yield click.style(f"  ! {line}", fg=color)


def _title(text: str) -> str:
    return click.style(text, bold=True)
