"""``flask skmodels show``: the fields, methods, engine and versions of one model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from flask_skmodels.cli.console import deployment_named, in_application
from flask_skmodels.cli.terminal import MODEL, table
from flask_skmodels.codecs.json_text import dumps
from flask_skmodels.schema.types import JSONMapping
from flask_skmodels.web.exchange import application


@click.command("show")
@click.argument("name", type=MODEL, metavar="NAME")
@click.option("--json", "as_json", is_flag=True, help="Print the JSON document of GET /NAME/.")
@in_application
def show_command(name: str, as_json: bool) -> None:
    """Show the fields, methods, engine and versions of a model.

    NAME is the name of the model.

    Example: flask skmodels show iris
    """
    described = deployment_named(name).describe(application())
    click.echo(dumps(described).decode() if as_json else "\n".join(_lines(described)))


def _lines(described: JSONMapping) -> Iterator[str]:
    version = described["version"]
    yield click.style(described["name"], bold=True) + (f", version {version}" if version else "")
    if described["description"]:
        yield from ["", described["description"]]
    yield ""
    facts = _facts(described)
    width = max(map(len, facts))
    yield from (f"{label.ljust(width)}  {value}" for label, value in facts.items())
    yield from ["", _fields(described)]


def _facts(described: JSONMapping) -> dict[str, str]:
    engine, artifact = described["engine"], described["artifact"] or {}
    versions = [each["version"] for each in described.get("versions") or ()]
    facts = {
        "estimator": described["estimator"],
        "methods": ", ".join(described["methods"]),
        "classes": ", ".join(map(str, described["classes"] or ())),
        "engine": engine["name"] + (f": {engine['reason']}" if engine["reason"] else ""),
        "SHA-256": artifact.get("sha256"),
        "sklearn": artifact.get("sklearn_version"),
        "loaded at": artifact.get("loaded_at"),
        "versions": ", ".join(versions),
    }
    return {label: value for label, value in facts.items() if value}


def _fields(described: JSONMapping) -> str:
    rows = [
        [name, _type(rules), "yes" if name in described["required"] else "no", _values(rules)]
        for name, rules in described["fields"].items()
    ]
    return table(["FIELD", "TYPE", "REQUIRED", "VALUES"], rows)


def _type(rules: JSONMapping) -> str:
    types = rules.get("type", "any")
    return " or ".join(types) if isinstance(types, list) else str(types)


def _values(rules: JSONMapping) -> str:
    """Return the values that a field accepts, its default, unit and range in training, in words."""
    parts = [", ".join(map(str, rules["enum"]))] if "enum" in rules else []
    if "minItems" in rules and rules["minItems"] == rules.get("maxItems"):
        parts.append(f"{rules['minItems']} values in order")
    parts += [f"at least {rules['minimum']}"] if "minimum" in rules else []
    parts += [f"at most {rules['maximum']}"] if "maximum" in rules else []
    parts += [f"default {rules['default']}"] if "default" in rules else []
    parts += [f"in {rules['x-unit']}"] if "x-unit" in rules else []
    if "x-training-range" in rules:
        parts.append("{} to {} in training".format(*map(_plain, rules["x-training-range"])))
    return ", ".join(parts)


def _plain(value: Any) -> Any:
    """Return a whole number without a decimal point, anything else unchanged."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
