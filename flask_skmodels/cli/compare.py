"""``flask skmodels compare``: differences between a shadow and the live version."""

from __future__ import annotations

import click

from flask_skmodels.cli.console import (
    deployment_named,
    extension_state,
    fetch_json,
    header_option,
    headers_of,
    in_application,
    json_option,
    print_json,
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
@header_option
@json_option
@in_application
def compare_command(name: str, url: str, headers: tuple[str, ...], *, as_json: bool) -> None:
    """Compare a shadow with the live version.

    Shows how often and how much their predictions have differed in the running process at --url.
    NAME is the name of the model.

    Example: flask skmodels compare iris --url http://127.0.0.1:8000
    """
    deployment_named(name)
    prefix = extension_state().settings.url_prefix
    address = f"{url.rstrip('/')}{prefix}/{name}/"
    shadow = fetch_json(address, headers_of(headers)).get("shadow")
    if shadow is None:
        raise click.ClickException(f"model {name!r} has no shadow")
    if as_json:
        print_json(shadow)
        return
    width = max(map(len, shadow))
    for key, value in shadow.items():
        label = key.replace("_", " ").ljust(width)
        click.echo(f"{label}  {'-' if value is None else value}")
