"""``flask skmodels``: what is done to the models of an application from a shell."""

from __future__ import annotations

import json
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import click
from flask import current_app
from flask.cli import AppGroup

from flask_skmodels.conversion import convert
from flask_skmodels.errors import SKModelsError
from flask_skmodels.traffic import Service

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def group(name: str) -> AppGroup:
    """Return the commands of the extension of that name."""
    commands = AppGroup(name, help="The models that this application serves.")

    @commands.command("reload")
    @click.argument("names", nargs=-1, metavar="[NAME]...")
    def reload_command(names: tuple[str, ...]) -> None:
        """Ask every process that serves the models to look for new versions at its next request.

        Example: flask skmodels reload iris
        """
        for service in _services(name, names):
            _reload(service)

    @commands.command("compare")
    @click.argument("model", metavar="NAME")
    @click.option(
        "--url",
        default="http://127.0.0.1:5000",
        show_default=True,
        help="Where the application runs.",
    )
    def compare_command(model: str, url: str) -> None:
        """Show how the shadow of a model compares, as a running process has seen it.

        Example: flask skmodels compare iris --url http://127.0.0.1:8000
        """
        _services(name, (model,))
        prefix = current_app.extensions[name].settings.url_prefix
        _print_shadow(model, f"{url.rstrip('/')}{prefix}/{model}/")

    @commands.command("convert", with_appcontext=False)
    @click.argument("source", type=_FILE, metavar="IN")
    @click.argument("target", type=click.Path(path_type=Path), metavar="OUT")
    def convert_command(source: Path, target: Path) -> None:
        """Write a pickled estimator as a skops file, which holds data and no code.

        IN is loaded, so what it holds is run: convert only what you trust.

        Example: flask skmodels convert iris.joblib iris.skops
        """
        try:
            types = convert(source, target)
        except SKModelsError as error:
            raise click.ClickException(str(error)) from error
        trusted = f", trusted={types!r}" if types else ""
        click.echo(f'Artifact("{target}"{trusted})')

    return commands


def _services(extension: str, names: tuple[str, ...]) -> list[Service]:
    services: dict[str, Service] = current_app.extensions[extension].services
    for name in names:
        if name not in services:
            raise click.ClickException(f"no model is named {name!r}")
    return [services[name] for name in names or services]


def _reload(service: Service) -> None:
    if not service.served.is_folder:
        click.echo(f"{service.name}: not a folder of versions, nothing to reload")
        return
    try:
        service.served.request_reload()
    except SKModelsError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{service.name}: asked for")


def _print_shadow(model: str, url: str) -> None:
    if not url.startswith(("http://", "https://")):
        raise click.ClickException("--url must begin with http:// or https://")
    try:
        with urlopen(url, timeout=10) as answer:  # noqa: S310 - checked above
            document = json.load(answer)
    except HTTPError as error:
        error.close()
        raise click.ClickException(f"{url} cannot be read: {error}") from error
    except (OSError, HTTPException, ValueError) as error:
        raise click.ClickException(f"{url} cannot be read: {error}") from error
    shadow = document.get("shadow") if isinstance(document, dict) else None
    if shadow is None:
        raise click.ClickException(f"model {model!r} has no shadow")
    for key, value in shadow.items():
        click.echo(f"{key}: {value}")


# For ``flask`` itself: these are there when the application cannot be loaded, for want of a pin.
commands = group("skmodels")
