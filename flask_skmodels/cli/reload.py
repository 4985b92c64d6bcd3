"""``flask skmodels reload`` and ``compare``: the versions that other processes serve."""

from __future__ import annotations

import json
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import click

from flask_skmodels.cli.console import deployment_named, in_application, state, told_in_one_line
from flask_skmodels.inference.deployment import Deployment


@click.command("reload")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@in_application
def reload_command(names: tuple[str, ...]) -> None:
    """Have the processes that serve models look for new versions.

    Each does so at its next request.

    Example: flask skmodels reload iris
    """
    for deployment in [deployment_named(name) for name in names or state().deployments]:
        _reload(deployment)


@click.command("compare")
@click.argument("name", metavar="NAME")
@click.option(
    "--url", default="http://127.0.0.1:5000", show_default=True, help="Where the application runs."
)
@in_application
def compare_command(name: str, url: str) -> None:
    """Show how a model's shadow compares, in a running process.

    Example: flask skmodels compare iris --url http://127.0.0.1:8000
    """
    deployment_named(name)
    shadow = _read(f"{url.rstrip('/')}{state().settings.url_prefix}/{name}/").get("shadow")
    if shadow is None:
        raise click.ClickException(f"model {name!r} has no shadow")
    for key, value in shadow.items():
        click.echo(f"{key}: {value}")


def _reload(deployment: Deployment) -> None:
    if not deployment.versions.is_folder:
        click.echo(f"{deployment.name}: not a folder of versions, nothing to reload")
        return
    with told_in_one_line():
        deployment.versions.request_reload()
    click.echo(f"{deployment.name}: asked for")


def _read(url: str) -> dict[str, Any]:
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
    return document if isinstance(document, dict) else {}
