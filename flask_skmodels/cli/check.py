"""``flask skmodels check``: a check that every version of every model can be served."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import click

from flask_skmodels.cli.console import (
    counted,
    extension_state,
    in_application_with_engines,
    json_option,
    one_line,
    print_json,
)
from flask_skmodels.cli.terminal import progress
from flask_skmodels.codecs.registration import missing_codecs
from flask_skmodels.exceptions import SKModelsError
from flask_skmodels.hints import install_line
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.schema.types import JSONObject
from flask_skmodels.versions.compatibility import check_examples
from flask_skmodels.versions.version import ModelVersion
from flask_skmodels.web import shared_urls
from flask_skmodels.web.exchange import application
from flask_skmodels.web.routes import lane_reasons


@click.command("check")
@json_option
@in_application_with_engines
def check_command(as_json: bool) -> None:
    """Check that every version of every model can be served.

    The command loads each version and predicts the examples of its model. It prints one line for
    each version, with its engine, and the reason if that is not the fast engine, lean. It also
    prints one line for each format whose library is not installed, and one for each URL that both a
    model and a view of the application use. Last, a line for each model says whether the fast lane
    (predictions without Flask's dispatch) is on, or what keeps it off. The exit status is 1 if a
    version cannot be served.

    Example: flask skmodels check
    """
    state = extension_state()
    with state.several_trials():
        results = [each for deployment in state.deployments.values() for each in _check(deployment)]
    notes = [*_missing_formats(), *shared_urls.messages(state)]
    lanes = {name: lane_reasons(state, each) for name, each in state.deployments.items()}
    if as_json:
        print_json({"versions": results, "notes": notes, "fast_lane": _lane_documents(lanes)})
    else:
        for line in (*map(_line, results), *notes, *_lane_lines(lanes)):
            click.echo(line)
    failures = sum(not each["good"] for each in results)
    if failures:
        raise click.ClickException(f"{counted(failures, 'version')} cannot be served")


def _lane_documents(lanes: Mapping[str, list[str]]) -> list[JSONObject]:
    return [
        {"model": name, "on": not reasons, "reasons": reasons} for name, reasons in lanes.items()
    ]


def _lane_lines(lanes: Mapping[str, list[str]]) -> Iterator[str]:
    for name, reasons in lanes.items():
        yield (
            f"{name}: fast lane off ({'; '.join(reasons)})" if reasons else f"{name}: fast lane on"
        )


def _missing_formats() -> Iterator[str]:
    for codec in missing_codecs():
        needed = install_line(str(codec.extra))
        yield (
            f"format {codec.media_type} is not available: {codec.library} is not installed. "
            f"To install it: {needed}"
        )


def _check(deployment: Deployment) -> Iterator[JSONObject]:
    """Yield the result of each version of a model."""
    app, versions = application(), deployment.versions
    labels = [each["version"] for each in _versions(deployment)] if versions.is_folder else [None]
    for label in labels:
        about = {"model": deployment.name, "version": label}
        title = " ".join(filter(None, [deployment.name, label]))
        try:
            with progress(f"checking {title}"):
                version = versions.current(app) if label is None else versions.get(label, app)
                check_examples(version)
        except SKModelsError as error:
            yield about | {"good": False, "error": one_line(error)}
        else:
            yield about | {"good": True, **_served(version)}


def _served(version: ModelVersion) -> JSONObject:
    engine, reason = version.engine.name, version.engine.reason
    return {"engine": engine, "reason": reason, "examples": len(version.model.examples)}


def _line(result: JSONObject) -> str:
    title = " ".join(filter(None, [result["model"], result["version"]]))
    if not result["good"]:
        return f"{title}: {result['error']}"
    reason = f" ({result['reason']})" if result["reason"] else ""
    if not result["examples"]:
        return f"{title}: loads, engine {result['engine']}{reason}; no examples"
    examples = counted(result["examples"], "example")
    return f"{title}: good, engine {result['engine']}{reason}, {examples}"


def _versions(deployment: Deployment) -> list[JSONObject]:
    deployment.versions.refresh(application())
    return deployment.versions.describe() or [{"version": None}]
