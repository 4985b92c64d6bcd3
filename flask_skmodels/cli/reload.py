"""``flask skmodels reload``: make running processes look for new versions."""

from __future__ import annotations

import click

from flask_skmodels.cli.console import (
    deployment_named,
    extension_state,
    in_application,
    json_option,
    one_line_errors,
    print_json,
)
from flask_skmodels.cli.terminal import MODEL
from flask_skmodels.inference.deployment import Deployment

_NO_FOLDER = "not a folder of versions, nothing to reload"


@click.command("reload")
@click.argument("names", type=MODEL, nargs=-1, metavar="[NAME]...")
@json_option
@in_application
def reload_command(names: tuple[str, ...], *, as_json: bool) -> None:
    """Make the running processes load new versions.

    Each process looks for new versions at its next request. NAME is the name of a model; without a
    name, all models are reloaded.

    Example: flask skmodels reload iris
    """
    deployments = [deployment_named(name) for name in names or extension_state().deployments]
    requested: dict[str, bool] = {}
    for deployment in deployments:
        requested[deployment.name] = is_folder = _reload(deployment)
        if not as_json:
            effect = "reload requested" if is_folder else _NO_FOLDER
            click.echo(f"{deployment.name}: {effect}")
    if as_json:
        print_json({"requested": requested})


def _reload(deployment: Deployment) -> bool:
    """Request a reload, and return whether the model has versions to reload."""
    if deployment.versions.is_folder:
        with one_line_errors():
            deployment.versions.request_reload()
    return deployment.versions.is_folder
