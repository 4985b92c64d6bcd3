"""``flask skmodels list``: a table of the models that the application serves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from flask_skmodels.cli.console import extension_state, in_application, table


@click.command("list")
@in_application
def list_command() -> None:
    """List the models that the application serves.

    Example: flask skmodels list
    """
    rows = [_row(deployment.summary()) for deployment in extension_state().deployments.values()]
    if not rows:
        click.echo("no models are registered")
        return
    click.echo(table(["NAME", "VERSION", "METHODS", "FIELDS", "ENGINE", "DESCRIPTION"], rows))


def _row(summary: Mapping[str, Any]) -> list[str]:
    description = str(summary.get("description") or "").split("\n")[0]
    return [
        summary["name"],
        summary["version"] or "-",
        ", ".join(summary["methods"]),
        str(len(summary["fields"])) if "fields" in summary else "not loaded",
        summary.get("engine", {}).get("name", "-"),
        description,
    ]
