"""``flask skmodels list``, ``show``, ``check`` and ``openapi``: what the application serves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from flask_skmodels.cli.console import deployment_named, in_application, state, table
from flask_skmodels.codecs.json_text import dumps
from flask_skmodels.errors import SKModelsError
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.versions.compatibility import check_examples
from flask_skmodels.web.views import application


@click.command("list")
@in_application
def list_command() -> None:
    """List the models that the application serves.

    Example: flask skmodels list
    """
    rows = [_summary(deployment.summary()) for deployment in state().deployments.values()]
    if not rows:
        click.echo("no models are registered")
        return
    click.echo(table(["NAME", "VERSION", "METHODS", "FIELDS", "ENGINE", "DESCRIPTION"], rows))


@click.command("show")
@click.argument("name", metavar="NAME")
@click.option("--json", "as_json", is_flag=True, help="The document of GET /NAME/.")
@in_application
def show_command(name: str, as_json: bool) -> None:
    """Show what a model is: fields, methods, engine, versions.

    Example: flask skmodels show iris
    """
    described = deployment_named(name).describe(application())
    click.echo(dumps(described).decode() if as_json else "\n".join(_shown(described)))


@click.command("check")
@in_application
def check_command() -> None:
    """Check that every version of every model can serve.

    Each is loaded and answers the model's examples; a line a version says whether it is good. The
    exit status is 1 unless all are.

    Example: flask skmodels check
    """
    bad = sum([_check(deployment) for deployment in state().deployments.values()])
    if bad:
        raise click.ClickException(f"{bad} of the versions cannot serve")


@click.command("openapi")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="A file, for the document."
)
@in_application
def openapi_command(output: Path | None) -> None:
    """Write the OpenAPI document of the models.

    Example: flask skmodels openapi --output openapi.json
    """
    document = dumps(state().models.openapi(application()))
    if output is None:
        click.echo(document)
        return
    try:
        output.write_bytes(document + b"\n")
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error.strerror}") from error


def _summary(described: Mapping[str, Any]) -> list[str]:
    description = str(described.get("description") or "").split("\n")[0]
    return [
        described["name"],
        described["version"] or "-",
        ", ".join(described["methods"]),
        str(len(described["fields"])) if "fields" in described else "not loaded",
        described.get("engine", {}).get("name", "-"),
        description,
    ]


def _shown(described: Mapping[str, Any]) -> Iterator[str]:
    version, engine = described["version"], described["engine"]
    yield click.style(described["name"], bold=True) + (f", version {version}" if version else "")
    if described["description"]:
        yield from ["", described["description"]]
    yield ""
    yield f"estimator  {described['estimator']}"
    yield f"methods    {', '.join(described['methods'])}"
    if described["classes"]:
        yield f"classes    {', '.join(map(str, described['classes']))}"
    yield f"engine     {engine['name']}" + (f": {engine['reason']}" if engine["reason"] else "")
    for key, value in (described["artifact"] or {}).items():
        yield f"{key}  {value}"
    if described.get("versions"):
        yield f"versions   {', '.join(each['version'] for each in described['versions'])}"
    yield from ["", _fields(described)]


def _fields(described: Mapping[str, Any]) -> str:
    rows = [
        [name, _type(rules), "yes" if name in described["required"] else "no", _range(rules)]
        for name, rules in described["fields"].items()
    ]
    return table(["FIELD", "TYPE", "REQUIRED", "VALUES"], rows)


def _type(rules: Mapping[str, Any]) -> str:
    told = rules.get("type", "any")
    return " or ".join(told) if isinstance(told, list) else str(told)


def _range(rules: Mapping[str, Any]) -> str:
    parts = [", ".join(map(str, rules["enum"]))] if "enum" in rules else []
    parts += [f"at least {rules['minimum']}"] if "minimum" in rules else []
    parts += [f"at most {rules['maximum']}"] if "maximum" in rules else []
    parts += [f"default {rules['default']}"] if "default" in rules else []
    parts += [f"in {rules['x-unit']}"] if "x-unit" in rules else []
    return ", ".join(parts)


def _check(deployment: Deployment) -> int:
    """Say of each version whether it is good, and return how many are not."""
    app, versions = application(), deployment.versions
    labels = [each["version"] for each in _versions(deployment)] if versions.is_folder else [None]
    bad = 0
    for label in labels:
        try:
            version = versions.current(app) if label is None else versions.get(label, app)
            check_examples(version)
        except SKModelsError as error:
            bad += 1
            click.echo(f"{_named(deployment, label)}: {' '.join(str(error).split())}")
        else:
            engine, count = version.engine.name, len(version.model.examples)
            examples = f"{count} example{'' if count == 1 else 's'}"
            click.echo(f"{_named(deployment, label)}: good, engine {engine}, {examples}")
    return bad


def _versions(deployment: Deployment) -> list[dict[str, Any]]:
    deployment.versions.refresh(application())
    found = deployment.versions.describe()
    return found or [{"version": None}]


def _named(deployment: Deployment, label: str | None) -> str:
    return deployment.name if label is None else f"{deployment.name} {label}"
