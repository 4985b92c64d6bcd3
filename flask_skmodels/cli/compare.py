"""``flask skmodels compare``: differences between a shadow and the live version."""

from __future__ import annotations

import json
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import urlopen

import click

from flask_skmodels.cli.console import (
    deployment_named,
    extension_state,
    in_application,
    json_option,
    print_json,
)
from flask_skmodels.schema.types import JSONObject


@click.command("compare")
@click.argument("name", metavar="NAME")
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
    shadow = _read(f"{url.rstrip('/')}{prefix}/{name}/").get("shadow")
    if shadow is None:
        raise click.ClickException(f"model {name!r} has no shadow")
    if as_json:
        print_json(shadow)
        return
    for key, value in shadow.items():
        click.echo(f"{key}: {value}")


def _read(url: str) -> JSONObject:
    """Return the JSON document at a URL, empty if it is not a JSON object."""
    if not url.startswith(("http://", "https://")):
        raise click.ClickException("--url must begin with http:// or https://")
    try:
        with urlopen(url, timeout=10) as response:  # noqa: S310 - checked above
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
