"""``flask skmodels drift``: the drift of the models, with an exit status for a cron job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click

from flask_skmodels.cli.console import (
    deployment_named,
    extension_state,
    fetch_json,
    header_option,
    headers_of,
    in_application,
)
from flask_skmodels.cli.terminal import MODEL, table
from flask_skmodels.codecs.json_text import dumps
from flask_skmodels.schema.types import JSONObject
from flask_skmodels.telemetry.drift.shared_counts import directory
from flask_skmodels.web.exchange import application

DRIFTED = 3  # the exit status
_DISTANCES = ("psi", "js")
_SHARES = ("missing", "unknown", "outside")


@click.command("drift")
@click.argument("names", type=MODEL, nargs=-1, metavar="[NAME]...")
@click.option("--url", help="URL of the running application, such as http://127.0.0.1:5000.")
@header_option
@click.option("--json", "as_json", is_flag=True, help="Print the JSON document of GET /-/drift/.")
@in_application
def drift_command(
    names: tuple[str, ...], url: str | None, headers: tuple[str, ...], as_json: bool
) -> None:
    """Show the drift of the models in the running application.

    The counts are read from the directory PROMETHEUS_MULTIPROC_DIR, which the processes of the
    application share. With --url, the application itself is asked. NAME is the name of a model;
    without a name, all models with a profile are shown.

    The exit status is 3 if a field or the predictions of a model have drifted, 0 if nothing has
    drifted or there are too few rows, and 1 for an error.

    Example: flask skmodels drift iris --url http://127.0.0.1:8000
    """
    chosen = names or tuple(extension_state().deployments)
    for name in chosen:
        deployment_named(name)
    if url is None:
        documents = _shared_documents(chosen)
    else:
        documents = _remote_documents(names, url, headers_of(headers))
    if as_json:
        click.echo(dumps({"models": documents}).decode())
    elif documents:
        click.echo("\n\n".join("\n".join(_lines(each)) for each in documents))
    else:
        who = f"{', '.join(names)}: no" if names else "no model has a"
        click.echo(f"{who} profile of the training data, so no drift is measured")
    if any(_drifted(document) for document in documents):
        raise click.exceptions.Exit(DRIFTED)


def _shared_documents(names: Sequence[str]) -> list[JSONObject]:
    """Return the drift of models from the counts in the directory that all processes share.

    :raises click.ClickException: there is no such directory
    """
    state = extension_state()
    if state.drift is None:
        raise click.ClickException("drift is turned off by the configuration")
    if directory() is None:
        raise click.ClickException(
            "give the URL of the running application with --url, or set PROMETHEUS_MULTIPROC_DIR "
            "to the directory that its processes share"
        )
    documents = []
    for name in names:
        deployment = deployment_named(name)
        report = state.drift.report(deployment, deployment.current(application()))
        documents += [] if report is None else [report.document()]
    return documents


def _remote_documents(names: Sequence[str], url: str, headers: dict[str, str]) -> list[JSONObject]:
    """Return the drift of models from the running application."""
    start = url.rstrip("/") + extension_state().settings.url_prefix
    if names:
        return [fetch_json(f"{start}/{name}/drift/", headers) for name in names]
    documents: list[JSONObject] = fetch_json(f"{start}/-/drift/", headers).get("models", [])
    return documents


def _drifted(document: JSONObject) -> list[str]:
    """Return the names of the fields and methods above the threshold of the model."""
    threshold = deployment_named(document["model"]).model.drift_threshold
    columns = {**document["predictions"], **document["fields"]}
    return [name for name, each in columns.items() if (each["psi"] or 0.0) > threshold]


def _lines(document: JSONObject) -> Iterator[str]:
    version = document["version"]
    name = document["model"] + (f", version {version}" if version else "")
    window = document["window"]
    yield f"{click.style(name, bold=True)}: {window['rows']} rows since {window['since']}"
    minimum = deployment_named(document["model"]).model.drift_minimum
    if window["rows"] < minimum:
        yield f"too few rows: at least {minimum} rows are needed"
        return
    drifted = _drifted(document)
    columns = [*document["fields"].items(), *document["predictions"].items()]
    columns.sort(key=lambda pair: -(pair[1]["psi"] or 0.0))
    rows = [_row(name, each, is_drifted=name in drifted) for name, each in columns]
    yield table(["FIELD", "PSI", "JS", "MISSING", "UNKNOWN", "OUTSIDE", "MEAN", ""], rows)


def _row(name: str, statistics: dict[str, Any], *, is_drifted: bool) -> list[str]:
    return [
        name,
        *(_text(statistics[each], ".3f") for each in _DISTANCES),
        *(_text(statistics.get(each), ".1%") for each in _SHARES),
        _text(statistics.get("mean"), ".4g"),
        "drifted" if is_drifted else "",
    ]


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
