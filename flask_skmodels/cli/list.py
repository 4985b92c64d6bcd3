"""``flask skmodels list``: a table of the models that the application serves."""

from __future__ import annotations

from typing import Any

import click

from flask_skmodels.cli.console import (
    extension_state,
    in_application,
    json_option,
    print_json,
)
from flask_skmodels.cli.terminal import table
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.schema.types import JSONObject


@click.command("list")
@json_option
@in_application
def list_command(as_json: bool) -> None:
    """List the models that the application serves.

    The column VERSION shows the live version, then the canaries with their share of the requests,
    the shadow, and how many versions failed to load.

    Example: flask skmodels list
    """
    deployments = list(extension_state().deployments.values())
    if as_json:
        print_json({"models": [_document(deployment) for deployment in deployments]})
    elif not deployments:
        click.echo("no models are registered")
    else:
        head = ["NAME", "VERSION", "METHODS", "FIELDS", "ENGINE", "DESCRIPTION"]
        click.echo(table(head, [_row(deployment) for deployment in deployments]))


def _document(deployment: Deployment) -> JSONObject:
    failed = {str(label): reason for label, reason in deployment.versions.failures.items()}
    others = {"traffic": dict(deployment.model.traffic or {}), "shadow": deployment.model.shadow}
    return {**deployment.summary(), **others, "failed": failed}


def _row(deployment: Deployment) -> list[str]:
    summary: Any = deployment.summary()
    description = str(summary.get("description") or "").split("\n")[0]
    return [
        summary["name"],
        ", ".join([summary["version"] or "-", *_other_versions(deployment)]),
        ", ".join(summary["methods"]),
        str(len(summary["fields"])) if "fields" in summary else "not loaded",
        summary.get("engine", {}).get("name", "-"),
        description,
    ]


def _other_versions(deployment: Deployment) -> list[str]:
    """Return the canaries, the shadow, and the number of versions that failed to load, in words."""
    model, failed = deployment.model, len(deployment.versions.failures)
    canaries = [f"canary {label} ({share:.4g})" for label, share in (model.traffic or {}).items()]
    shadow = [] if model.shadow is None else [f"shadow {model.shadow}"]
    return [*canaries, *shadow, *([f"{failed} failed"] if failed else [])]
