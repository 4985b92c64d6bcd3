"""``flask skmodels compare``: differences between a shadow and the live version."""

from __future__ import annotations

import click

from flask_skmodels.cli.console import (
    deployment_named,
    extension_state,
    in_application,
    json_option,
    print_json,
    read_json,
)
from flask_skmodels.cli.terminal import MODEL


@click.command("compare")
@click.argument("name", type=MODEL, metavar="NAME")
@click.option(
    "--url",
    default="http://127.0.0.1:5000",
    show_default=True,
    help="URL of the running application.",
)
@json_option
@in_application
def compare_command(name: str, url: str, *, as_json: bool) -> None:
    """Compare a shadow with the live version.

    Shows how often and how much their predictions have differed in the running process at --url.
    NAME is the name of the model.

    Example: flask skmodels compare iris --url http://127.0.0.1:8000
    """
    deployment_named(name)
    prefix = extension_state().settings.url_prefix
    shadow = read_json(f"{url.rstrip('/')}{prefix}/{name}/").get("shadow")
    if shadow is None:
        raise click.ClickException(f"model {name!r} has no shadow")
    if as_json:
        print_json(shadow)
        return
    for key, value in shadow.items():
        click.echo(f"{key}: {value}")
