"""``flask skmodels openapi``: the OpenAPI document of the models."""

from __future__ import annotations

from pathlib import Path

import click

from flask_skmodels.cli.console import extension_state, in_application
from flask_skmodels.codecs.json_text import dumps
from flask_skmodels.web.exchange import application


@click.command("openapi")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the document to this file instead of printing it.",
)
@click.option(
    "--json",
    is_flag=True,
    expose_value=False,
    help="Accepted for consistency; the output is always JSON.",
)
@in_application
def openapi_command(output: Path | None) -> None:
    """Print the OpenAPI document of the models.

    Example: flask skmodels openapi --output openapi.json
    """
    document = dumps(extension_state().models.openapi(application()))
    if output is None:
        click.echo(document)
        return
    try:
        output.write_bytes(document + b"\n")
    except OSError as error:
        raise click.ClickException(f"cannot write {output}: {error.strerror}") from error
