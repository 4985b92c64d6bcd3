"""``flask skmodels reload``: have running processes search for new versions."""

from __future__ import annotations

import click

from flask_skmodels.cli.console import (
    deployment_named,
    extension_state,
    in_application,
    one_line_errors,
)
from flask_skmodels.inference.deployment import Deployment


@click.command("reload")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@in_application
def reload_command(names: tuple[str, ...]) -> None:
    """Make the running processes load new versions.

    Each process searches for new versions at its next request. NAME is the name of a model;
    without a name, all models are reloaded.

    Example: flask skmodels reload iris
    """
    for deployment in [deployment_named(name) for name in names or extension_state().deployments]:
        _reload(deployment)


def _reload(deployment: Deployment) -> None:
    if not deployment.versions.is_folder:
        click.echo(f"{deployment.name}: not a folder of versions, nothing to reload")
        return
    with one_line_errors():
        deployment.versions.request_reload()
    click.echo(f"{deployment.name}: reload requested")
